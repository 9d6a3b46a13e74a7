"""`--shard` and `fingen gather`: what several machines make is, to the byte, what one would have made, and nothing is asked twice."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from patience import PATIENCE, wait_until
from stub_batches import StubBatches
from test_claim_check import checks, is_check
from test_kill import Server, paragraphs, reply

import fingen
from fingen.cli import main
from fingen.documents import InputFile
from fingen.errors import SetError
from fingen.pipeline.parts import Shard, share_of
from fingen.records import Completion, Request, Usage
from fingen.teachers.journal import Journal
from fingen.teachers.merging import merge_journal
from fingen.teachers.outstanding import Outstanding, OutstandingRequest

COMPANIES = ("Northwind Instruments Inc.", "Southgate Holdings Inc.", "Eastbrook Motors Inc.")
AT_ONCE = 4
ASK = ("pdf2qa", "in", "--teacher", "anthropic", "--chunk-tokens", "128", "--concurrency", str(AT_ONCE), "--workers", "1",
       "--quiet")  # fmt: skip


def run(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result


def told(*arguments: object, code: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(*arguments, "--json", code=code).stdout)
    return found


def content(folder: Path | str) -> dict[str, bytes]:
    """All files of a set but its journal and its locks."""
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()
            if not path.name.startswith((".", "journal"))}  # fmt: skip


def answers(folder: Path | str) -> Counter[tuple[Any, ...]]:
    """All attempts in a journal, with what they cost."""
    with closing(sqlite3.connect(Path(folder) / "journal.sqlite")) as db:
        return Counter(db.execute("SELECT key, text, attempt, cost_usd, error FROM completions"))


def report(company: str, year: int, first: int, plants: int) -> str:
    """An annual report in HTML on so many plants; the sections of two years have one title."""
    body = "".join(
        f"<h2>The plants of region {place}</h2>"
        + "".join(f"<p>{text}</p>" for text in (*paragraphs(first + place), *paragraphs(first + place + 5)))
        for place in range(plants)
    )
    told = f"<p>Annual Report {year}</p><p>for the fiscal year ended December 31, {year}</p>"
    return f"<html><body><h1>{company}</h1>{told}{body}</body></html>"


def write_reports(folder: Path) -> None:
    """Two years of three companies, one report twice under two names, one with its amendment, and a file that is none."""
    folder.mkdir(parents=True)
    for number, company in enumerate(COMPANIES):
        for year in (2023, 2024):
            text = report(company, year, 10 * number + 100 * (year - 2023), 3)
            (folder / f"{company.split()[0]}-{year}.html").write_text(text)
    shutil.copy(folder / "Northwind-2024.html", folder / "again.html")
    amended = (
        (folder / "Southgate-2024.html").read_text().replace("<p>Annual", "<p>10-K/A Amendment No. 1</p><p>Annual")
    )
    (folder / "Southgate-2024-a.html").write_text(amended)
    (folder / "torn.pdf").write_text("no report")


def mended(body: dict[str, Any]) -> str:
    """A pair, and for some passages at first one with a figure that stands nowhere: it goes back to its teacher."""
    if is_check(body):
        return checks(body)
    answer = json.loads(reply(body))
    said = [turn["content"] for turn in body["messages"] if turn["role"] == "user"]
    years = " and ".join(re.findall(r"ended December 31, (\d+)", said[0]))
    for pair in answer["items"]:
        pair |= {name: pair[name].replace("2024", years) for name in ("question", "rephrased")}
        if len(said) == 1 and int(re.search(r"plant (\d+)", pair["question"])[1]) % 2:
            pair["answer"] += " It made 73,912 units."
    return json.dumps(answer)


PARTS = [("--shard", f"{number}/2", "--out", f"build/parts/{number}") for number in (1, 2)]
GATHER = ("gather", "build/parts/1", "build/parts/2", "--out", "build/set", "--quiet")


@dataclass
class Made:
    """A desk where one machine has made the set, in `one`, and of two others one has read its share and one asked it too."""

    folder: Path
    server: Server
    paid: Counter[str]  # what the one machine was answered
    asked: Counter[str]  # and what the second of the two


@contextmanager
def at(folder: Path, server: Server) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("ANTHROPIC_BASE_URL", server.url)
        patch.setenv("ANTHROPIC_API_KEY", "sk-for-tests")
        yield


def make(folder: Path, server: Server, *more: str) -> Made:
    """Make the set on one machine, then begin it on two."""
    write_reports(folder / "in")
    with at(folder, server):
        run(*ASK, *more, "--out", "build/set", code=1)  # one file is no report
        paid = Counter(server.paid_by_request)
        server.paid_by_request.clear()
        Path("build/set").rename("one")
        first, second = (told(*ASK, *more, *part) for part in PARTS)
        assert (first["waits_for"], first["requests"]) == (["2/2"], {})
        assert second["requests"]["asked"] > 0
    return Made(folder, server, paid, Counter(server.paid_by_request))


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    with Server() as server:
        server.reply = mended
        yield make(tmp_path_factory.mktemp("begun"), server)


@pytest.fixture
def made(begun: Made, tmp_path: Path) -> Iterator[Made]:
    """The same desk for a test of its own; what was paid is as it was."""
    shutil.copytree(begun.folder, tmp_path, dirs_exist_ok=True)
    begun.server.paid_by_request.clear()
    begun.server.paid_by_request.update(begun.asked)
    with at(tmp_path, begun.server):
        yield begun


# ---- reports


def test_two_machines_make_the_set_of_one_and_ask_nothing_twice(made: Made):
    first = told(*ASK, *PARTS[0])
    asked = Counter(made.server.paid_by_request)
    gathered = told(*GATHER, code=1)

    assert first["requests"]["asked"] > 0
    assert asked == made.server.paid_by_request == made.paid
    assert set(made.paid.values()) == {1}
    assert content("build/set") == content("one")
    assert answers("build/set") == answers("one")
    assert sum(key[-1] is not None for key in answers("one")) == 0
    assert gathered["requests"]["asked"] == 0
    assert gathered["repaired"]["kept"] > 0
    assert {"loading", "merging"} <= set(gathered["seconds"])
    assert "gathered from 2 parts" in gathered["notes"]
    assert [each["path"] for each in gathered["unread"]] == ["Southgate-2024.html", "again.html", "torn.pdf"]
    with closing(sqlite3.connect("build/set/journal.sqlite")) as db:
        shown = [json.loads(chunks) for (chunks,) in db.execute("SELECT chunks FROM requests")]
    assert any(
        len(chunks) == 2 for chunks in shown
    )  # this year beside the last one, which the other machine may have read

    assert not told(*GATHER, code=1)["changed"]  # a second time nothing is left to take
    assert answers("build/set") == answers("one")
    run("verify", "build/set")
    run(*ASK, "--out", "build/set", code=1)  # and the set goes on as any other
    assert content("build/set") == content("one")
    assert made.server.paid_by_request == made.paid


@pytest.mark.slow
@pytest.mark.parametrize(
    "more",
    [
        ("--limit", "9", "--context", "both"),
        ("--task", "summary,concept", "--sections", "region 1"),
        ("--check", "anthropic", "--repair", "0"),
    ],
)
def test_it_is_the_same_set_with_other_settings(tmp_path: Path, more: tuple[str, ...]):
    with Server() as server:
        server.reply = mended
        made = make(tmp_path, server, *more)
        with at(tmp_path, server):
            run(*ASK, *more, *PARTS[0])
            run(*GATHER, code=1)
            assert content("build/set") == content("one")
            assert answers("build/set") == answers("one")
            assert server.paid_by_request == made.paid


def test_a_killed_machine_goes_on_and_the_set_is_the_same(made: Made):
    server, before = made.server, made.server.paid
    server.open.clear()
    process = subprocess.Popen([sys.executable, "-m", "fingen", *ASK, *PARTS[0]], stderr=subprocess.PIPE, text=True)
    wait_until(lambda: server.in_flight == AT_ONCE, process)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=PATIENCE)
    server.open.set()
    wait_until(lambda: not server.in_flight)
    lost = server.paid - before - len(answers("build/parts/1"))
    run(*ASK, *PARTS[0])
    run(*GATHER, code=1)

    assert content("build/set") == content("one")
    assert answers("build/set") == answers("one")
    assert server.paid - sum(made.paid.values()) == lost <= AT_ONCE


def test_a_machine_waits_for_nobody_and_says_who_has_not_read(made: Made):
    before = made.server.received
    first = told(*ASK, "--shard", "1/3", "--out", "build/parts/third")
    assert (first["waits_for"], first["requests"]) == (["2/3", "3/3"], {})
    assert "again" in first["next"]

    others = told(*ASK, "--limit", "3", "--shard", "3/3", "--out", "build/parts/more")
    assert others["waits_for"] == ["1/3", "2/3"]
    assert "limit none -> 3" in others["notes"][0]
    assert made.server.received == before


def changed(folder: str, **more: Any) -> Path:
    """A part as another one would be."""
    path = Path(folder)
    shutil.copytree("build/parts/2", path)
    part = json.loads((path / "part.json").read_text())
    part["settings"] |= more.pop("settings", {})
    (path / "part.json").write_text(json.dumps({**part, **more}))
    return path


def test_parts_that_are_not_all_of_one_set_are_refused(made: Made):
    one, two = "build/parts/1", "build/parts/2"

    def said(*parts: object) -> str:
        return run("gather", *parts, "--out", "build/set", "--quiet", code=2).stderr

    assert "1 of 2 parts are missing: 2/2" in said(one)
    assert "both part 2/2" in said(one, two, changed("build/copy"))
    assert "limit 5 -> none" in said(one, changed("build/limited", settings={"limit": 5}))
    assert "part 2/3" in said(one, changed("build/of-three", shard=[2, 3]))
    assert "names or sizes" in said(one, changed("build/late", files="0" * 64))
    assert "no part of a set" in said(one, two, "in")
    assert not Path("build/set").exists()
    Path("build/late/part.json").write_text("{}")
    assert "part.json" in said(one, "build/late")
    assert "3/10" in run(*ASK, "--shard", "4/3", "--out", "build/x", code=2).stderr
    next(Path(two, "read").iterdir()).write_bytes(b"torn")
    assert "damaged" in said(one, two)


def test_what_the_parts_lack_is_asked_by_who_gathers_only_after_consent(made: Made):
    before = made.server.paid
    said = run(*GATHER, code=2).stderr

    assert "build/parts/1" in said
    assert "build/parts/2" not in said
    assert "--yes" in said
    assert made.server.paid == before
    run(*GATHER, "--yes", code=1)
    assert made.server.paid_by_request == made.paid
    assert content("build/set") == content("one")
    assert told(*ASK, *PARTS[0])["requests"]["asked"]  # nobody told it
    twice = told(*GATHER, code=1)
    assert twice["cost_usd"] == pytest.approx(sum(cost or 0 for *_, cost, _ in answers("build/set").elements()))
    assert len(list(answers("build/set").elements())) == made.server.paid  # all that was paid for counts


@pytest.mark.slow
def test_a_set_is_gathered_anew_of_answers_that_the_parts_have(made: Made):
    run(*ASK, *PARTS[0])
    run(*GATHER, code=1)  # one file is no report
    before, paid = content("build/set"), made.server.paid
    run("split", "build/set", "--split", "0.5,0.1,0.4", "--quiet")

    assert "was made otherwise: split" in run(*GATHER, code=2).output
    run(*GATHER, "--replace", code=1)
    assert content("build/set") == before
    assert made.server.paid == paid


def test_a_part_is_begun_in_no_folder_of_a_set_or_of_another_part(made: Made):
    before = {path: path.read_bytes() for path in Path.cwd().rglob("*") if path.suffix in (".jsonl", ".json")}

    assert "holds a set" in run(*ASK, "--shard", "1/2", "--out", "one", code=2).output
    assert "is part 2/2, not 1/3" in run(*ASK, "--shard", "1/3", "--out", "build/parts/2", code=2).output
    other = run(*ASK, "--per-chunk", "5", "--context", "passage", *PARTS[0], code=2).output  # it has no answer yet
    assert "begun otherwise: context none -> passage; per_chunk 2 -> 5" in other
    assert "--replace" in other
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize("more", [(), ("--replace", "--yes")])
def test_no_set_is_written_over_a_part(made: Made, more: tuple[str, ...]):
    before = on_disk()
    for part in ("build/parts/1", "build/parts/2"):
        for command in ((*GATHER[:3], "--out", part, "--quiet"), (*ASK, "--out", part)):
            said = run(*command, *more, code=2).stderr
            assert f"{part} holds a part of a set" in said
            assert "--out" in said

    assert on_disk() == before


def on_disk() -> dict[Path, bytes]:
    """All that lies here, save locks."""
    return {path: path.read_bytes() for path in Path.cwd().rglob("*")
            if path.is_file() and not path.name.startswith((".lock", ".requests"))}  # fmt: skip


def test_a_dry_run_of_a_part_says_what_it_would_ask_and_writes_nothing(made: Made):
    before, received = on_disk(), made.server.received

    unread = run(*ASK, "--dry-run", "--shard", "1/2", "--out", "build/others/1", code=2).stderr
    assert "part 1/2 has not read its share" in unread
    assert "without --dry-run" in unread
    assert "begun otherwise" in run(*ASK, "--dry-run", "--per-chunk", "5", *PARTS[0], code=2).stderr
    estimate = told(*ASK, "--dry-run", *PARTS[0])
    assert told(*ASK, "--dry-run", *PARTS[1])["requests"] == 0
    assert (on_disk(), made.server.received) == (before, received)
    asked = told(*ASK, *PARTS[0])["requests"]["asked"]
    assert 0 < estimate["requests"] <= asked  # what is mended comes on top
    shutil.rmtree("build/parts/2")
    assert told(*ASK, "--dry-run", *PARTS[0])["waits_for"] == ["2/2"]
    Path("in", "late.html").write_text(report("Westpool Inc.", 2024, 70, 1))
    assert "has not read its share" in run(*ASK, "--dry-run", *PARTS[0], code=2).stderr


def test_what_comes_next_names_the_servers_that_the_parts_had(made: Made, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("ANTHROPIC_BASE_URL")
    ask = (*ASK, "--limit", "2", "--base-url", made.server.url, "--shard", "1/1", "--out", "elsewhere/1")
    gather, _, _ = told(*ask)["next"].partition(", when")
    words = shlex.split(gather.replace("/*", "/1").replace("build/SET", "build/of-one"))

    assert told(*words[1:], code=1)["set"] == "build/of-one"


def test_batches_that_are_on_their_way_come_along(tmp_path: Path):
    write_reports(tmp_path / "in")
    with StubBatches(reply=reply) as server, at(tmp_path, server):
        ways = (*ASK, "--batch", "--no-wait", "--repair", "0")
        for part in (*PARTS, PARTS[0]):
            run(*ways, *part)
        gathered = told(*GATHER, code=1)

        assert server.paid_twice == 0
        assert gathered["requests"]["unanswered"] == 0
        assert told("journal", "build/set")["batches"] == []


# ---- items that no document gives


def test_two_machines_make_exactly_so_many_items_and_the_same_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    command = ("synth", "intent", "--n", "60", "--language", "en", "--teacher", "offline", "--quiet")
    run(*command, "--out", "build/intent")
    Path("build/intent").rename("one")
    said = [told(*command, "--shard", f"{number}/2", "--out", f"build/parts/{number}") for number in (1, 2)]
    gathered = told("gather", "build/parts/2", "build/parts/1", "--out", "build/intent")

    assert all(each["requests"]["asked"] for each in said)
    assert sum(sum(counts.values()) for counts in gathered["records"].values()) == 79  # and 19 of validation
    assert content("build/intent") == content("one")
    assert answers("build/intent") == answers("one")
    again = fingen.gather("build/parts/1", Path("build/parts/2"), out="build/again")
    assert again.records == gathered["records"]
    assert content("build/again")["train.jsonl"] == content("one")["train.jsonl"]


# ---- shares, and journals


def test_files_are_shared_out_evenly_and_many_by_their_names(tmp_path: Path):
    files = [InputFile(tmp_path / f"{n}.txt", f"{n}.txt") for n in range(20)]
    for number, file in enumerate(files, 1):
        file.path.write_bytes(b"x" * number)
    shares = [share_of(files, Shard(number, 3)) for number in (1, 2, 3)]

    assert sorted(file.name for share in shares for file in share) == sorted(file.name for file in files)
    sizes = [sum(file.path.stat().st_size for file in share) for share in shares]
    assert max(sizes) - min(sizes) <= 2
    many = [InputFile(tmp_path / "none", f"{n}.txt") for n in range(3000)]
    first = {file.name for file in share_of(many, Shard(1, 3))}
    more = [*many, *(InputFile(tmp_path / "none", f"more-{n}.txt") for n in range(500))]
    assert first == {file.name for file in share_of(more, Shard(1, 3)) if not file.name.startswith("more")}
    assert 850 < len(first) < 1150


def asked(number: int) -> Request:
    return Request(key=f"{number:064}", task="qa", template="qa.en", system="s", prompt=f"p{number}", answer_schema={},
                   max_tokens=9, count=1)  # fmt: skip


def answer(number: int, text: str = "yes", attempt: int = 1, error: str | None = None) -> Completion:
    return Completion(key=asked(number).key, text=text, stop_reason="end_turn", teacher="t", usage=Usage(output_tokens=1),
                      cost_usd=1.0, attempt=attempt, error=error)  # fmt: skip


def test_journals_are_joined_once_with_what_is_on_its_way_and_what_was_paid_for_twice(tmp_path: Path):
    first, second = tmp_path / "first.sqlite", tmp_path / "second.sqlite"
    with Journal.open(first) as journal:
        failed = (asked(1), answer(1, "no", error="invalid"))
        journal.commit([failed, failed, (asked(1), answer(1, attempt=2)), (asked(2), answer(2))])
        outstanding = Outstanding(journal)
        token = outstanding.begin("batch")
        outstanding.hold(token, [OutstandingRequest("c3", asked(3), 0.5), OutstandingRequest("c4", asked(4), 0.5)])
        outstanding.move(token, "out", "batch-7")
    with Journal.open(second) as journal:
        journal.commit([(asked(2), answer(2, "another")), (asked(5), answer(5))])
    with Journal.open(tmp_path / "all.sqlite") as whole:
        for _ in range(2):
            merge_journal(first, whole, "first")
            assert merge_journal(second, whole, "second") == 1
        assert whole.paid_usd() == 6.0
        assert whole.faults(asked(1).key) == [("no", "invalid")] * 2
        assert whole.answers([asked(2).key])[asked(2).key].text == "yes"
        [batch] = Outstanding(whole).open("batch")
        assert (batch.place, batch.waiting, whole.reserved_usd()) == ("batch-7", 2, 1.0)
        assert whole.unasked([asked(number).key for number in range(1, 7)]) == [asked(6).key]

        with Journal.open(first) as journal:  # the part goes on
            Outstanding(journal).store({"c3": answer(3)}, {"c4": "expired"})
        with pytest.raises(SetError, match="not been looked at"):
            merge_journal(first, whole, "first")
        with Journal.open(first) as journal:
            Outstanding(journal).judge({"c3": None})
            Outstanding(journal).finish(token, "")
        merge_journal(first, whole, "first")
        assert not Outstanding(whole).open("batch")
        assert whole.unasked([asked(number).key for number in range(1, 7)]) == [asked(4).key, asked(6).key]
        assert whole.paid_usd() == 7.0
