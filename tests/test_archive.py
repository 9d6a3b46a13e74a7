"""`fingen journal export` and `import`: a set is made again from an archive, to the byte; archives of others overwrite nothing."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from test_kill import Server, write_reports

from fingen import cli
from fingen.teachers.journal import Journal

pytestmark = pytest.mark.usefixtures("readers_here")
MAKE = ("pdf2qa", "in", "--teacher", "anthropic", "--chunk-tokens", "128", "--out", "build/set", "--quiet")


def run(*arguments: object, code: int = 0) -> Result:
    ran = CliRunner().invoke(cli.main, [*map(str, arguments)], prog_name="fingen")
    if ran.exception and not isinstance(ran.exception, SystemExit):
        raise ran.exception
    assert ran.exit_code == code, ran.output
    return ran


def told(*arguments: object) -> dict[str, Any]:
    return json.loads(run(*arguments, "--json").stdout)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()
            if not path.name.startswith(".") and "journal" not in path.name}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Server]]:
    """A set that grew: its second report came later; and its archive."""
    desk = tmp_path_factory.mktemp("archive")
    with Server() as server, pytest.MonkeyPatch.context() as patch:
        patch.chdir(desk)
        patch.setenv("ANTHROPIC_BASE_URL", server.url)
        patch.setenv("ANTHROPIC_API_KEY", "sk-for-tests-of-archives")
        write_reports(desk / "in", 2, 6)
        (desk / "in/report1.pdf").rename(desk / "later.pdf")
        run(*MAKE)
        (desk / "later.pdf").rename(desk / "in/report1.pdf")
        run(*MAKE)
        run("journal", "export", "build/set", "answers.jsonl")
        yield desk, server


@pytest.fixture
def desk(made: tuple[Path, Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another machine, with the reports and the archive; nobody is there to be asked."""
    shutil.copytree(made[0] / "in", tmp_path / "in")
    shutil.copy(made[0] / "answers.jsonl", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    return tmp_path


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def test_a_set_is_made_again_to_the_byte_where_nobody_can_be_asked(made: tuple[Path, Server], desk: Path):
    sent = len(made[1].requests)
    count = told("journal", "import", "answers.jsonl", "build/set")["imported"]
    run(*MAKE)

    own = files_of(made[0] / "build/set")
    assert files_of(desk / "build/set") == own
    assert json.loads(own["manifest.json"])["cost_usd"] > 0
    assert count["answers"] == len([row for row in lines(desk / "answers.jsonl") if row["kind"] == "answer"]) > 5
    assert len(made[1].requests) == sent > 0
    run("journal", "export", "build/set", "again.jsonl")
    assert (desk / "again.jsonl").read_bytes() == (desk / "answers.jsonl").read_bytes()


def test_it_is_the_documented_form_and_says_no_day_and_no_key(made: tuple[Path, Server]):
    rows = lines(made[0] / "answers.jsonl")
    kinds = [row["kind"] for row in rows]
    manifest = json.loads((made[0] / "build/set/manifest.json").read_text(encoding="utf-8"))
    text = (made[0] / "answers.jsonl").read_text(encoding="utf-8")

    assert kinds == sorted(kinds, key=["settings", "split", "text", "request", "answer"].index)
    fields = {row["kind"]: set(row) - {"kind"} for row in rows}
    assert fields["request"] == {
        "key", "task", "template", "template_sha256", "system", "answer_schema", "prompt", "max_tokens", "chunks"}  # fmt: skip
    assert {row["template_sha256"] for row in rows if row["kind"] == "request"} <= set(manifest["prompts"].values())
    topic = Path(cli.__file__).parents[1].joinpath("help/archive.md").read_text(encoding="utf-8")
    for kind, names in fields.items():
        [line] = [line for line in topic.splitlines() if line.startswith(f"| `{kind}` |")]
        assert all(f"`{name}`" in line for name in names), kind
    assert "sk-for-tests-of-archives" not in text
    assert str(made[0]) not in text
    assert not set(fields["answer"]) & {"since", "at", "date"}
    texts = {row["name"]: row["text"] for row in rows if row["kind"] == "text"}
    answers = {row["answer"]["key"]: row["answer"]["teacher"] for row in rows if row["kind"] == "answer"}
    for row in (row for row in rows if row["kind"] == "request"):  # by whoever wants to know
        parts = (answers[row["key"]], texts[row["system"]], row["prompt"], texts[row["answer_schema"]])
        digest = hashlib.sha256(b"".join(len(part.encode()).to_bytes(8, "big") + part.encode() for part in parts))
        assert digest.hexdigest() == row["key"]


def test_a_key_of_this_machine_is_in_no_archive(
    made: tuple[Path, Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    word = lines(made[0] / "answers.jsonl")[-1]["answer"]["text"].split()[2]
    monkeypatch.chdir(made[0])
    monkeypatch.setenv("OPENAI_API_KEY", word)

    said = run("journal", "export", "build/set", tmp_path / "x.jsonl", code=2).stderr
    assert "a key of this machine stands in" in said
    assert not (tmp_path / "x.jsonl").exists()


def test_what_is_there_stays_and_what_was_not_taken_is_counted(made: tuple[Path, Server], desk: Path):
    rows = lines(desk / "answers.jsonl")
    shutil.copytree(made[0] / "build/set", desk / "build/set")
    before = files_of(desk / "build/set")
    for row in rows:
        if row["kind"] == "answer":
            row["answer"]["text"] = '{"items": [], "reason": "bought"}'
        if row["kind"] == "split":
            row["split"] = "test"
        if row["kind"] == "settings":
            row["settings"] = {"command": "synth intent"}
    write(desk / "others.jsonl", rows)
    count = told("journal", "import", "others.jsonl", "build/set")["imported"]

    answers = sum(row["kind"] == "answer" for row in rows)
    assert count == {"requests": 0, "answers": 0, "units": 0, "known": answers, "forgotten": 0}
    run(*MAKE)
    assert files_of(desk / "build/set") == before
    assert told("journal", "import", "answers.jsonl", "build/fresh")["imported"]["answers"] == answers
    assert told("journal", "import", "answers.jsonl", "build/fresh")["imported"]["answers"] == 0


def _answer(change: Callable[[dict[str, Any]], Any]) -> Callable[[list[dict[str, Any]]], Any]:
    return lambda rows: change(rows[-1]["answer"])


BAD: dict[str, Callable[[list[dict[str, Any]]], Any]] = {
    "another teacher": _answer(lambda answer: answer.update(teacher="anthropic:other")),
    "another question": lambda rows: next(r for r in rows if r["kind"] == "request").update(
        prompt="Say what you like."
    ),
    "a text that was changed": lambda rows: next(r for r in rows if r["kind"] == "text").update(text="Do otherwise."),
    "no question": _answer(lambda answer: answer.update(key="0" * 64)),
    "money back": _answer(lambda answer: answer.update(cost_usd=-100.0)),
    "not a number": _answer(lambda answer: answer.update(cost_usd=float("nan"))),
    "all the money": _answer(lambda answer: answer.update(cost_usd=1e300)),
    "fewer than no tokens": _answer(lambda answer: answer["usage"].update(input_tokens=-5)),
    "an unknown split": lambda rows: next(r for r in rows if r["kind"] == "split").update(split="production"),
    "an unknown field": lambda rows: rows[-1].update(run="rm"),
    "an unknown kind": lambda rows: rows[-1].update(kind="trigger"),
    "settings that divide by nothing": lambda rows: rows[0]["settings"].update(split_by="moon"),
    "no settings": lambda rows: rows.pop(0),
    "settings twice": lambda rows: rows.append(rows[0]),
    "another version": lambda rows: rows[0].update(version=2),
}


@pytest.mark.parametrize("what", BAD)
def test_an_archive_that_does_not_hold_is_refused_whole(desk: Path, what: str):
    rows = lines(desk / "answers.jsonl")
    BAD[what](rows)
    write(desk / "bad.jsonl", rows)

    said = run("journal", "import", "bad.jsonl", "build/set", code=2).stderr
    assert "bad.jsonl, line " in said
    assert "\n  -> " in said
    assert not (desk / "build/set/journal.sqlite").exists()


@pytest.mark.parametrize("text", ["", "{", "[]\n", "null\n", '{"kind": "settings"', "[" * 100_000])
def test_what_is_no_archive_is_told(desk: Path, text: str):
    (desk / "bad.jsonl").write_text(text)

    assert "bad.jsonl" in run("journal", "import", "bad.jsonl", "build/set", code=2).stderr


@pytest.mark.parametrize(
    ("first", "why"),
    [
        ('{"custom_id": "a", "response": {}}', "an object that does not say its `kind`"),
        ('{"kind": "trade"}', "an object of an unknown `kind`"),
        ("[1, 2]", "no object"),
        ("question,answer", "not JSON, or cut"),
    ],
)
def test_a_file_of_others_is_told_in_our_words_with_what_to_name_instead(desk: Path, first: str, why: str):
    (desk / "bad.jsonl").write_text(first + "\n")

    said = run("journal", "import", "bad.jsonl", "build/set", code=2).stderr
    assert f"bad.jsonl, line 1: no line of an archive of answers: {why}; nothing was taken" in said
    assert "fingen journal export SET FILE" in said
    assert "--import-answers" in said


def test_a_file_that_is_too_large_is_not_read(desk: Path):
    with (desk / "large.jsonl").open("wb") as file:
        file.truncate(3 << 20)  # of nothing

    assert "--max-mib" in run("journal", "import", "large.jsonl", "build/set", "--max-mib", "2", code=2).stderr


def test_places_that_hold_something_else_are_left_alone(desk: Path):
    (desk / "mine").mkdir()
    (desk / "mine/letter.txt").write_text("Dear", encoding="utf-8")
    assert "letter.txt" in run("journal", "import", "answers.jsonl", "mine", code=2).stderr
    told("journal", "import", "answers.jsonl", "build/set")
    (desk / "out.jsonl").write_text("mine", encoding="utf-8")
    assert "is there already" in run("journal", "export", "build/set", "out.jsonl", code=2).stderr
    assert (desk / "out.jsonl").read_text(encoding="utf-8") == "mine"


def test_what_was_taken_out_does_not_come_back(made: tuple[Path, Server], desk: Path):
    shutil.copytree(made[0] / "build/set", desk / "build/set")
    run("withdraw", "in/report1.pdf", "--forget")

    assert "withdrawn" in run("journal", "import", "answers.jsonl", "build/set", code=2).stderr
    gone = told("journal", "export", "build/set", "left.jsonl")["exported"]
    assert gone["forgotten"] > 0
    kept = {row["answer"]["key"] for row in lines(desk / "left.jsonl") if row["kind"] == "answer"}
    assert kept < {row["answer"]["key"] for row in lines(desk / "answers.jsonl") if row["kind"] == "answer"}


def test_an_imported_price_counts_as_paid(desk: Path):
    told("journal", "import", "answers.jsonl", "build/set")
    paid = sum(row["answer"]["cost_usd"] for row in lines(desk / "answers.jsonl") if row["kind"] == "answer")

    with Journal.open(desk / "build/set/journal.sqlite") as journal:
        assert journal.paid_usd() == pytest.approx(paid)
