"""What people say of the rows of a set: kept at once and for good, by several at a time, and the set that comes of it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pymupdf
import pytest

pytest.importorskip("uvicorn", reason="the extra [review] is not installed")
pytest.importorskip("starlette", reason="the extra [review] is not installed")
pytest.importorskip("websockets", reason="the extra [dev] is not installed")

from hypothesis import given, settings
from hypothesis import strategies as st
from reviewing import SAMPLE, Served, import_rows, lines_of, make_set, rejects_of, rows_of, run
from sklearn.metrics import cohen_kappa_score

from fingen.review.index import row_hash
from fingen.review.verdicts import TakenError, Verdict, Verdicts
from fingen.sets import read_manifest, write_set

WRONG_FIGURE = "9,876,543.21"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_set(tmp_path_factory.mktemp("made") / "demo")


@pytest.fixture
def demo(made: Path, tmp_path: Path) -> Path:
    """A set that pdf2qa has made of the sample, to judge."""
    return Path(shutil.copytree(made, tmp_path / "demo"))


def opinion(number: int) -> dict[str, str]:
    return {
        "instruction": f"Is share number {number} dear?",
        "input": "",
        "output": f"Share {number} costs {number} dollars.",
    }


# --- verdicts -----------------------------------------------------------------------------------------------------------


def test_a_verdict_is_on_the_disk_when_it_is_acknowledged_and_a_kill_loses_none(demo: Path):
    with Served(demo) as server:
        keys = server.list_keys()
        for key in keys[:5]:
            assert server.judge(key)[0] == 200
        server.kill()
    assert [line["id"] for line in lines_of(demo)] == keys[:5]
    with (demo / "reviews.jsonl").open("ab") as file:
        file.write(b'{"key": "cut", "id": "qa-')  # a process that was killed while it wrote
    with Served(demo) as server:
        states = {item["key"]: item["state"] for item in server.ask("/api/list")[1]["items"]}
        assert [states[key] for key in keys[:6]] == ["accept"] * 5 + ["undecided"]
        assert server.judge(keys[5], "reject", reason="wording")[0] == 200
        assert server.ask("/api/step", key=keys[0], undecided=1)[1]["key"] == keys[6]
        assert server.end() == (0, server_said(demo, 6))
    assert json.loads(run("review", demo, "--summary", "--json"))["broken"] == 1


def server_said(folder: Path, decided: int) -> str:
    rows = len(rows_of(folder))
    return f"{folder}: {rows} rows and rejects, judged by Wu; Ctrl-C ends it\n{decided} of {rows} rows are judged: {folder / 'reviews.jsonl'}\n"


def test_a_verdict_names_the_reviewer_the_time_and_what_the_row_was(demo: Path):
    with Served(demo, "王 J.") as server:
        key = server.list_keys()[0]
        assert server.judge(key, "reject", reason="not-supported", note="第 3 页没有")[0] == 200
    [line] = lines_of(demo)
    row = next(line for line in (demo / "train.jsonl").read_bytes().splitlines() if key.encode() in line)

    assert (line["id"], line["verdict"], line["reason"], line["note"]) == (
        key,
        "reject",
        "not-supported",
        "第 3 页没有",
    )
    assert (line["reviewer"], line["row"]) == ("王 J.", row_hash(row, key))
    assert line["time"].endswith("+00:00")


def test_what_is_sent_twice_is_written_once_and_who_did_not_see_a_verdict_does_not_overrule_it(demo: Path):
    with Served(demo, "Wu") as first, Served(demo, "Lee") as second:
        key = first.list_keys()[0]
        assert first.judge(key, nonce="same")[0] == first.judge(key, nonce="same", seen="")[0] == 200
        status, said = second.judge(key, "reject", seen="")
        assert (status, said["error"]["by"], said["error"]["verdict"]) == (409, "Wu", "accept")
        assert second.judge(key, "reject")[0] == 200  # it has seen it now
        assert first.row(key)["state"] == "reject"
    assert [(line["reviewer"], line["verdict"]) for line in lines_of(demo)] == [("Wu", "accept"), ("Lee", "reject")]


def test_undo_takes_back_ones_own_last_verdict_and_that_alone(demo: Path):
    with Served(demo, "Wu") as first, Served(demo, "Lee") as second:
        keys = first.list_keys()
        for key in keys[:2]:
            first.judge(key)
        second.judge(keys[2], "reject")
        assert first.ask("/api/undo", {"nonce": "u1"})[1]["key"] == keys[1]
        assert first.ask("/api/undo", {"nonce": "u2"})[1]["key"] == keys[0]
        assert first.ask("/api/undo", {"nonce": "u3"})[1]["key"] == ""
        assert [first.row(key)["state"] for key in keys[:3]] == ["undecided", "undecided", "reject"]
    assert [line["verdict"] for line in lines_of(demo)] == ["accept", "accept", "reject", "undo", "undo"]


def test_two_reviewers_at_once_judge_each_row_once_and_lose_none(tmp_path: Path):
    """Each has a server of its own, and takes what is undecided and not open to the other until nothing is."""
    folder = import_rows(tmp_path / "shares", [opinion(number) for number in range(1000)])
    given: dict[str, list[str]] = {"Wu": [], "Lee": []}

    def work(server: Served, reviewer: str) -> None:
        key = server.ask("/api/step", undecided=1)[1]["key"]
        while key:
            server.ask("/api/open", {"key": key})
            about = {"key": key, "verdict": "accept", "nonce": f"{reviewer}-{key}-{len(given[reviewer])}", "seen": ""}
            status, said = server.ask("/api/verdict", {**about, "queue": {}})
            assert status in (200, 409)
            if status == 200:
                given[reviewer].append(key)
                key = said["next"]
            else:
                key = server.ask("/api/step", undecided=1, key=key)[1]["key"]

    with Served(folder, "Wu") as first, Served(folder, "Lee") as second:
        threads = [threading.Thread(target=work, args=pair) for pair in ((first, "Wu"), (second, "Lee"))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert first.ask("/api/list")[1]["decided"] == second.ask("/api/list")[1]["decided"] == 1000
    written = Counter(line["id"] for line in lines_of(folder))

    assert set(written.values()) == {1}
    assert len(written) == 1000
    assert sorted([*given["Wu"], *given["Lee"]]) == sorted(written)
    assert all(given.values())


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 1), st.sampled_from("abc"), st.sampled_from(["accept", "reject", "undo", "cut", "again"])
        ),
        max_size=25,
    )
)
def test_what_stands_is_the_last_verdict_that_was_not_taken_back(steps: list[tuple[int, str, str]]):
    """Two processes, told apart by their readers, write in turn; now and then one is killed within a line."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        writers = [Verdicts(folder), Verdicts(folder)]
        names = ["Wu", "Lee"]
        model: list[Verdict] = []
        cut = 0
        for number, (who, row, what) in enumerate(steps):
            verdict = Verdict(str(number), row, row, what, names[who], "2026-01-01T00:00:00+00:00")
            own = [each for each in model if each.reviewer == names[who]]
            if what == "cut":
                with (folder / "reviews.jsonl").open("ab") as file:
                    file.write(b'{"key": "x", "verdict": "accept"')
                cut += 1
            elif what == "again" and model:
                writers[who].add(model[-1], seen=None)  # sent twice
            elif what == "undo" and own:
                writers[who].add(replace(verdict, row=own[-1].row, undoes=own[-1].key), seen=None)
                model.remove(own[-1])
            elif what in ("accept", "reject"):
                seen = next((each.key for each in reversed(model) if each.row == row), "")
                with pytest.raises(TakenError):
                    writers[who].add(verdict, seen="what nobody said")
                writers[who].add(verdict, seen=seen)
                model.append(verdict)
        for verdicts in (*writers, Verdicts(folder)):
            verdicts.refresh()
            for row in "abc":
                assert verdicts.of(row).verdicts == [each for each in model if each.row == row]
            assert {name: count for name, count in verdicts.reviewers.items() if count} == Counter(
                each.reviewer for each in model
            )
            assert verdicts.broken <= cut


def test_who_has_a_row_open_is_not_sent_another_one_to_it(demo: Path):
    with Served(demo, "Wu") as first, Served(demo, "Lee") as second:
        keys = first.list_keys()
        assert first.ask("/api/open", {"key": keys[0]})[1]["is_mine"]
        assert second.ask("/api/step", undecided=1)[1]["key"] == keys[1]
        assert second.ask("/api/list")[1]["items"][0]["taken"]
        assert not second.ask("/api/open", {"key": keys[0]})[1]["is_mine"]
        first.kill()
        assert second.ask("/api/open", {"key": keys[0]})[1]["is_mine"]


def test_a_second_reading_is_blind_and_its_kappa_is_scikit_learns(demo: Path):
    verdicts = ["accept", "reject", "accept", "accept", "reject", "accept"]
    with Served(demo, "Wu") as first:
        keys = first.list_keys()
        for place, key in enumerate(keys):
            first.judge(key, verdicts[place % 6], note="the first reader's note")
    with Served(demo, "Lee", "--second", "0.5") as second:
        due = second.list_keys(state="undecided")
        assert 0 < len(due) < len(keys)
        for place, key in enumerate(due):
            shown = json.dumps(second.row(key))
            assert "Wu" not in shown
            assert "first reader" not in shown
            assert second.judge(key, ["accept", "reject"][place % 2])[0] == 200
        assert second.list_keys(state="undecided") == []
        disputed = second.list_keys(state="disputed")
    with Served(demo, "Kim", "--second", "0.5") as third:
        assert len(third.list_keys(state="undecided")) == len(due)  # who reads is another one, what is read is the same
    told = json.loads(run("review", demo, "--summary", "--json"))
    one = [verdicts[keys.index(key) % 6] for key in due]
    two = [["accept", "reject"][place % 2] for place in range(len(due))]

    assert told["second"]["rows"] == len(due)
    assert told["second"]["kappa"] == pytest.approx(cohen_kappa_score(one, two))
    assert {*told["disputed"]} == {*disputed} == {key for key, a, b in zip(due, one, two, strict=True) if a != b}
    assert "Cohen's kappa" in run("review", demo, "--summary")


# --- proof --------------------------------------------------------------------------------------------------------------


def answer_with_figure(server: Served) -> tuple[str, dict[str, str]]:
    """A row that passes all checks and has a bound figure."""
    for key in server.list_keys(level="bound"):
        row = server.row(key)
        if not row["proof"]["faults"] and row["split"] == "train":
            return key, row["fields"]
    raise AssertionError("no such row")


def test_an_edit_is_proved_at_once_and_one_that_fails_needs_a_note(demo: Path):
    with Served(demo) as server:
        key, fields = answer_with_figure(server)
        bad = {**fields, "output": fields["output"].rstrip(".。") + f", and {WRONG_FIGURE} million more."}
        tried = server.ask("/api/try", {"key": key, "edit": bad})[1]
        assert "figure" in tried["failed"]
        assert any(WRONG_FIGURE in fault["said"] for fault in tried["faults"])
        status, said = server.judge(key, "edit", edit=bad)
        assert (status, said["error"]["failed"]) == (422, tried["failed"])
        assert not (demo / "reviews.jsonl").exists()
        assert server.judge(key, "edit", edit=bad, note="as the auditor says")[1]["failed"] == tried["failed"]
    [line] = lines_of(demo)
    assert line["edit"] == {"output": bad["output"]}
    assert line["failed"] == tried["failed"]


def test_an_edit_may_not_ask_what_another_row_asks_nor_quote_what_is_nowhere(demo: Path):
    with Served(demo) as server:
        key, fields = answer_with_figure(server)
        other = next(each for each in server.list_keys() if each != key)
        same = {**fields, "instruction": server.row(other)["fields"]["instruction"]}
        assert "exact" in server.ask("/api/try", {"key": key, "edit": same})[1]["failed"]
        lost = {**fields, "evidence": ["A sentence that stands on no page of this report at all."]}
        assert "not-found" in server.ask("/api/try", {"key": key, "edit": lost})[1]["failed"]
        empty = {**fields, "output": " "}
        assert "empty" in server.ask("/api/try", {"key": key, "edit": empty})[1]["failed"]


@pytest.mark.parametrize(
    "edit",
    [{"id": "x"}, {"output": 5}, {"evidence": "one text"}, {"evidence": [1]}, {"instruction": None}, [], "text"],
    ids=str,
)  # fmt: skip
def test_what_is_no_edit_is_refused(demo: Path, edit: object):
    with Served(demo) as server:
        status, said = server.judge(server.list_keys()[0], "edit", edit=edit, seen="", note="n")
        assert (status == 400) or (not edit and status == 200 and said["verdict"] == "accept")


def test_what_is_no_verdict_is_refused_and_nothing_is_written(demo: Path):
    with Served(demo) as server:
        key = server.list_keys()[0]
        for about in ({"verdict": "delete"}, {"verdict": "undo"}, {"verdict": "reject", "reason": "because"},
                      {"key": "nobody"}, {"key": 5}, {"verdict": ["accept"]}, {"note": "x" * 10_000}, {"queue": "all"}):  # fmt: skip
            given = {"key": key, "verdict": "accept", "nonce": "n", "seen": "", **about}
            assert server.ask("/api/verdict", given)[0] == 400, about
        for body in (b"", b"[]", b"{", b"[" * 100_000, b'{"key": ' * 50_000, b"\xff", b"x" * (9 << 20)):
            assert server.ask("/api/verdict", body)[0] == 400
        for path in ("/api/row", "/api/pages", "/picture"):
            assert server.ask(path, key="../../etc/passwd", document="/etc/passwd", page="1")[0] in (400, 404)
        assert server.ask("/picture", key=key, document="../secret.pdf", page="1")[0] == 404
    assert not (demo / "reviews.jsonl").exists()


def test_a_set_that_was_made_anew_meanwhile_takes_no_verdict(demo: Path):
    with Served(demo) as server:
        key = server.list_keys()[0]
        manifest = json.loads((demo / "manifest.json").read_text(encoding="utf-8"))
        (demo / "manifest.json").write_text(json.dumps({**manifest, "requests": 99}), encoding="utf-8")
        status, said = server.judge(key)
        assert status == 400
        assert "made anew" in said["error"]["message"]


# --- the set that comes of it --------------------------------------------------------------------------------------------


def test_apply_makes_a_set_of_what_was_accepted_edited_and_not_judged(demo: Path, tmp_path: Path):
    out = tmp_path / "out"
    with Served(demo, "Wu Jing") as server:
        keys = server.list_keys(split="train")
        server.judge(keys[0])
        server.judge(keys[1], "reject", reason="not-supported", note="Wu Jing does not see it")
        edited, fields = next(
            (key, server.row(key)["fields"]) for key in keys[2:] if not server.row(key)["proof"]["faults"]
        )
        better = dict(fields)
        better["instruction"] = (
            fields["instruction"].replace("?", " now?").replace("。", "，请说明。").replace("？", "呢？")
        )
        status, said = server.judge(edited, "edit", edit=better)
        if status == 422:
            status, said = server.judge(edited, "edit", edit=better, note="it stands")
        assert status == 200, said
    before = {row["id"]: row for row in rows_of(demo)}
    run("review", demo, "--apply", "--out", out)
    after = {row["id"]: row for row in rows_of(out)}
    fallen = {row["item"]["id"]: row for row in rejects_of(out)}

    assert after.keys() | fallen.keys() == before.keys()
    assert not after.keys() & fallen.keys()
    assert all(after[id]["split"] == before[id]["split"] for id in after)
    assert fallen[keys[1]]["reason"] == "review-not-supported"
    assert json.loads(after[keys[0]]["review"]) == {"verdict": "accepted", "by": "reviewer 1"}
    assert after[edited]["instruction"] == better["instruction"]
    assert json.loads(after[edited]["review"])["changed"] == ["instruction"]
    for path in out.iterdir():
        if path.is_file():
            assert "Wu Jing" not in path.read_text(encoding="utf-8"), path
    assert (demo / "train.jsonl").read_bytes() != b""  # the set that was judged is as it was
    assert "Rows judged by people (1): 1 accepted, 1 edited, 1 rejected" in (out / "README.md").read_text(
        encoding="utf-8"
    )
    manifest = read_manifest(out)
    assert manifest.settings["review"]["reviewers"] == {"reviewer 1": 3}
    assert manifest.rejects["review-not-supported"] == 1


def test_rows_that_were_accepted_make_a_set_that_verify_passes_and_apply_again_changes_nothing(
    demo: Path, tmp_path: Path
):
    out = tmp_path / "out"
    with Served(demo) as server:
        for place, key in enumerate(server.list_keys()):
            server.judge(key, "reject" if place % 4 == 1 else "accept")
    run("review", demo, "--apply", "--out", out)
    bytes_before = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    run("verify", out)
    again = json.loads(run("review", demo, "--apply", "--out", out, "--json"))

    assert not again["changed"]
    assert bytes_before == {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    # and another review of the result makes it somebody's own
    (out / "reviews.jsonl").write_text("")
    run("review", demo, "--apply", "--out", out, code=2)
    run("review", demo, "--apply", "--out", out, "--replace")
    run("review", demo, "--apply", "--out", demo, code=2)


def test_the_second_wording_in_memory_follows_its_pair(demo: Path, tmp_path: Path):
    [memory] = rows_of(demo, "memory")
    leader = json.loads(memory["draws"])["rewords"]
    with Served(demo) as server:
        server.judge(leader, "reject", reason="wrong-figure")
    told = json.loads(run("review", demo, "--apply", "--out", tmp_path / "out", "--json"))

    assert told["followed"] == 1
    assert rows_of(tmp_path / "out", "memory") == []
    fallen = {row["item"]["id"]: row for row in rejects_of(tmp_path / "out")}
    assert fallen[memory["id"]]["reason"] == "review-wrong-figure"
    assert leader in fallen[memory["id"]]["detail"]


def test_undecided_rows_are_dropped_where_that_is_wanted(demo: Path, tmp_path: Path):
    with Served(demo) as server:
        keys = server.list_keys(split="train")[:3]
        for key in keys:
            server.judge(key)
    run("review", demo, "--apply", "--out", tmp_path / "out", "--undecided", "drop")

    assert sorted(row["id"] for row in rows_of(tmp_path / "out", "train")) == sorted(keys)
    assert Counter(row["reason"] for row in rejects_of(tmp_path / "out"))["review-undecided"] == len(rows_of(demo)) - 3


def test_a_reject_is_rescued_into_the_split_of_its_passage(demo: Path, tmp_path: Path):
    """A good row that its maker has rejected, as one that a checker did not agree with: rescued, it is a row again."""
    from fingen.records import Rejected
    from fingen.sets import REJECTED, SPLITS, SetContent, open_set

    opened = open_set(demo)
    by_chunk = Counter(chunk for rows in opened.splits.values() for row in rows for chunk in row.chunks)
    split, row = next(
        (split, row)
        for split, rows in opened.splits.items()
        if split == "train"
        for row in rows
        if all(by_chunk[chunk] > 1 for chunk in row.chunks) and row.figures
    )
    item = {"question": row.instruction, "rephrased": row.instruction, "answer": row.output, "calc": row.calc or None,
            "evidence": [quote.quote for quote in row.evidence]}  # fmt: skip
    unusable = Rejected(
        item={"answer": "{no json"}, reason="unusable-answer", detail="no JSON", chunks=row.chunks, request=None
    )
    rejected = [Rejected(item=item, reason="check-disagrees", detail="no", chunks=row.chunks, request=None), unusable]
    splits = {name: [each for each in rows if each.output != row.output] for name, rows in opened.splits.items()}
    from fingen.disk import read_jsonl
    from fingen.records import Chunk

    chunks = list(read_jsonl(demo / "chunks.jsonl", Chunk))
    write_set(demo, SetContent(splits, rejected, chunks, opened.manifest.model_copy(update={"files": {}})))
    assert (demo / REJECTED).read_text()
    with Served(demo) as server:
        first, second = server.list_keys(split="rejects")  # what a checker did not agree with comes first
        assert server.row(first)["rejected"]["reason"] == "check-disagrees"
        assert server.row(first)["proof"]["faults"] == []
        assert server.judge(first)[0] == 200
        assert "{no json" in json.dumps(server.row(second)["raw"])
        assert server.judge(second)[0] == 400
        assert server.judge(second, "reject", reason="other")[0] == 200
    run("review", demo, "--apply", "--out", tmp_path / "out")
    [back] = [each for each in rows_of(tmp_path / "out", *SPLITS) if each["output"] == row.output]

    assert back["split"] == split
    assert json.loads(back["evidence"]) == [quote.model_dump() for quote in row.evidence]
    assert json.loads(back["review"])["verdict"] == "rescued"
    assert [each["reason"] for each in rejects_of(tmp_path / "out")] == ["unusable-answer"]
    run("verify", tmp_path / "out")


def test_imported_and_mixed_sets_are_judged_without_a_page(demo: Path, tmp_path: Path):
    labels = [{"instruction": "Is it good or bad news?", "input": f"Profit {word} by {n} percent at firm {n}.", "output": label, "label": label}
              for n in range(12) for word, label in (("rose", "good"), ("fell", "bad"))]  # fmt: skip
    shares = import_rows(tmp_path / "labels", labels)
    run("mix", f"{shares}:2", demo, "--out", tmp_path / "mixed", "--quiet")
    for folder in (shares, tmp_path / "mixed"):
        with Served(folder) as server:
            key = next(
                each for each in server.list_keys(split="train") if "news" in server.row(each)["fields"]["instruction"]
            )
            row = server.row(key)
            assert row["quotes"] == []
            assert row["copies"] == (2 if folder != shares else 1)
            assert server.ask("/api/pages", key=key)[1]["pages"] == []
            assert server.judge(key, "reject", reason="wording")[0] == 200
        told = json.loads(run("review", folder, "--apply", "--out", tmp_path / f"{folder.name}-out", "--json"))
        text = row["fields"]["input"]
        assert sum(told["records"].values()) == len(rows_of(folder)) - row["copies"]
        assert text not in [each["input"] for each in rows_of(tmp_path / f"{folder.name}-out")]


def test_a_report_that_is_replaced_while_people_read_is_no_evidence(demo: Path, tmp_path: Path):
    report = Path(shutil.copytree(SAMPLE, tmp_path / "reports")) / "sample_annual_report_2024.pdf"
    with Served(demo, reports=report.parent) as server:
        first, second, third = server.list_keys()[:3]
        (page, *_) = server.ask("/api/pages", key=first)[1]["pages"]
        original = report.read_bytes()
        with pymupdf.open() as other:
            for _ in range(18):
                other.new_page().insert_text((72, 90), "Revenue was 9,999 million.")
            report.write_bytes(other.tobytes())
        told = server.ask("/api/pages", key=second)[1]
        forged = server.fetch("/picture", key=second, document=page["document"], page="2")
        report.write_bytes(original)
        again = server.ask("/api/pages", key=third)[1]

    assert (told["pages"], forged[0] == 200) == ([], False)
    assert "its content is another" in told["missing"][0]
    assert again["pages"]


def test_nothing_is_applied_where_nobody_judged(demo: Path, tmp_path: Path):
    run("review", demo, "--apply", "--out", tmp_path / "out", code=2)
    assert not (tmp_path / "out").exists()
    assert "0 of" in run("review", demo, "--summary")


# --- reviewers and servers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 81, "\u202eevil"], ids=repr)
def test_what_is_no_name_of_a_reviewer_is_refused(demo: Path, name: str):
    run("review", demo, "--as", name, code=2)


def test_without_the_extra_the_command_says_how_to_install_it(demo: Path):
    code = "import importlib.util; importlib.util.find_spec = lambda name: None\nfrom fingen.cli import main\nmain()"
    ran = subprocess.run([sys.executable, "-c", code, "review", str(demo)], capture_output=True, text=True)

    assert ran.returncode == 2
    assert "not installed: starlette, uvicorn" in ran.stderr
    assert "[review]" in ran.stderr


def test_the_address_comes_as_json_where_that_is_wanted(demo: Path):
    command = [sys.executable, "-m", "fingen", "review", str(demo), "--json", "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = "".join(iter(process.stdout.readline, "}\n")) + "}"
        process.terminate()  # a scheduler's way to press Ctrl-C
        rest, said = process.communicate()

    assert json.loads(told)["address"].startswith("http://127.0.0.1:")
    assert (rest, said, process.returncode) == ("", "", 0)
