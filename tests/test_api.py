"""`import fingen`: the commands' functions, from a script, from standard input, and inside a running event loop."""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from stub_llm import StubLLM
from test_kill import PATIENCE, reply, write_reports
from test_readme import blocks

import fingen
from fingen import api, cli
from fingen.teachers.event_loop import run_async

ROOT = Path(__file__).resolve().parent.parent
FUNCTIONS = [name for name in fingen.__all__ if inspect.isfunction(getattr(fingen, name))]
LIST = "import json, sys; print(json.dumps(sorted(sys.modules)))"
LINES = next(iter(blocks("fingen/help/python.md")))


def run(*command: str, cwd: Path = ROOT, given: str = "") -> str:
    """What a fresh Python prints; nothing else may be said."""
    ran = subprocess.run([sys.executable, *command], cwd=cwd, input=given, capture_output=True, text=True, timeout=PATIENCE, check=False)  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith((".", "journal"))}


# --- the module ----------------------------------------------------------------------------------------------------------


def test_import_loads_nothing():
    before = set(json.loads(run("-c", f"from __future__ import annotations; import importlib, typing; {LIST}")))
    assert set(json.loads(run("-c", f"import fingen; {LIST}"))) - before == {"fingen"}


def test_a_name_loads_no_library_that_it_does_not_use():
    loaded = {name.partition(".")[0] for name in json.loads(run("-c", f"import fingen; fingen.pdf2qa; {LIST}"))}
    assert not loaded & {"torch", "transformers", "datasets", "pymupdf", "anthropic", "openai", "rich", "rapidfuzz"}


def test_all_names_are_there_and_listed():
    for name in fingen.__all__:
        assert getattr(fingen, name) is not None
    assert set(fingen.__all__) <= set(dir(fingen))
    assert fingen.DocumentError.__mro__[-4] is fingen.FingenError
    with pytest.raises(AttributeError, match="no attribute 'pdf3qa'"):
        _ = fingen.pdf3qa  # type: ignore[attr-defined]  # that is the test


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name != "load_set"])
def test_type_checkers_see_the_keywords_that_the_command_has(name: str):
    function = getattr(fingen, name)
    annotation = inspect.signature(function.__wrapped__).parameters["options"].annotation
    typed = getattr(api, annotation.removeprefix("Unpack[").removesuffix("]")).__annotations__
    own = inspect.signature(function.__wrapped__).parameters
    shown = {each.name for each in inspect.signature(function).parameters.values() if each.name not in own}

    assert set(typed) == shown
    assert all(f"{keyword}: " in function.__doc__ for keyword in shown)


# --- the lines of `fingen help python` --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the lines of `fingen help python` were run, from standard input."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "raw").symlink_to(ROOT / "raw")
    show = "\nimport json; print(json.dumps([report.company, text, answers, len(frame), shown.record.id, plan.rows]))"
    (folder / "said.json").write_text(run("-", cwd=folder, given=LINES + show))
    return folder


def test_the_lines_of_the_topic_do_what_they_say(demo: Path):
    company, text, answers, rows, shown, to_train = json.loads((demo / "said.json").read_text())
    manifest = json.loads((demo / "build/demo/manifest.json").read_text())

    assert "Lanhai" in company or "蓝海" in company
    assert text
    assert len(answers) == manifest["tasks"]["qa-concept"]
    assert rows == sum(manifest["splits"].values())
    assert shown.startswith("qa-0c39")
    assert to_train == manifest["splits"]["train"]
    assert (demo / "build/evidence.png").read_bytes().startswith(b"\x89PNG")
    assert not (demo / "build/adapters").exists()


def test_function_and_command_make_the_same_set(demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    arguments = ["pdf2qa", str(ROOT / "raw"), "--teacher", "offline", "--out", "build/demo"]
    assert CliRunner().invoke(cli.main, arguments).exit_code == 0

    assert content(tmp_path / "build/demo") == content(demo / "build/demo")


@pytest.mark.slow
def test_the_lines_of_the_topic_are_well_typed(tmp_path: Path):
    (tmp_path / "lines.py").write_text(LINES + "made.exit_code\nplan\nfingen.pdf2qa('raw', per_chunk=3)\n")
    checked = run("-m", "mypy", "--strict", "--config-file", str(ROOT / "pyproject.toml"), str(tmp_path / "lines.py"))
    assert checked.startswith("Success")
    (tmp_path / "lines.py").write_text(
        "import fingen\nfingen.pdf2qa('raw', per_chunk='3')\nfingen.pdf2qa('raw', chunk=3)\n"
    )
    wrong = subprocess.run([sys.executable, "-m", "mypy", "--strict", "--config-file", str(ROOT / "pyproject.toml"), str(tmp_path / "lines.py")],
                           cwd=ROOT, capture_output=True, text=True, check=False)  # fmt: skip
    assert wrong.stdout.count("error:") == 2


def test_the_package_says_that_it_is_typed():
    assert Path(fingen.__file__).with_name("py.typed").is_file()


# --- a set in memory -------------------------------------------------------------------------------------------------------


def test_a_set_is_read_as_it_is_on_disk(demo: Path):
    folder = demo / "build/demo"
    rows = fingen.load_set(folder)
    files = {split: [json.loads(line) for line in (folder / f"{split}.jsonl").read_text().splitlines()] for split in rows.splits}  # fmt: skip
    flat = [(split, row) for split, each in files.items() for row in each]

    assert [row.id for row in rows] == [row["id"] for _, row in flat]
    assert len(rows) == len(flat)
    assert rows.splits["train"][0].evidence[0].page > 0
    assert {split: list(each) for split, each in rows.to_datasets().items()} == files
    frame = rows.to_pandas()
    assert frame["split"].tolist() == [split for split, _ in flat]
    assert frame.drop(columns="split").to_dict("records") == [row for _, row in flat]


def test_a_set_without_rows_in_a_split_or_at_all_is_read(tmp_path: Path):
    (tmp_path / "rows.jsonl").write_text('{"instruction": "What?", "output": "That."}\n')
    made = fingen.import_set("alpaca", tmp_path / "rows.jsonl", out=tmp_path / "set", split="test")

    assert made.exit_code == 0
    assert list(fingen.load_set(tmp_path / "set").splits) == ["test"]
    assert list(fingen.load_set(tmp_path / "set").to_pandas()["output"]) == ["That."]


def test_a_set_that_was_changed_is_refused_when_it_is_read(tmp_path: Path):
    (tmp_path / "rows.jsonl").write_text('{"instruction": "What?", "output": "That."}\n')
    fingen.import_set("alpaca", tmp_path / "rows.jsonl", out=tmp_path / "set")
    with (tmp_path / "set/train.jsonl").open("a") as file:
        file.write("\n")

    with pytest.raises(fingen.SetError, match="changed since the set was made"):
        list(fingen.load_set(tmp_path / "set"))
    assert fingen.verify(tmp_path / "set", html=tmp_path / "page.html").exit_code == 1
    assert "was changed" in (tmp_path / "page.html").read_text()


# --- teachers, in a running event loop -------------------------------------------------------------------------------------


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[StubLLM]:
    with StubLLM(reply=reply) as server:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-api-77f1")
        monkeypatch.setenv("OPENAI_BASE_URL", server.openai_url)
        yield server


def make(folder: Path, **options: Any) -> Any:
    return fingen.pdf2qa(folder / "in", out=folder / "set", workers=1, chunk_tokens=200, **options)


def test_a_teacher_is_asked_inside_a_running_loop(
    stub: StubLLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    write_reports(tmp_path / "in", 1, 4)
    events: list[fingen.Event] = []

    async def notebook() -> Any:
        return make(tmp_path, teacher="openai", price=(1, 2), on_event=events.append)

    made = asyncio.run(notebook())

    assert made.exit_code == 0
    assert made.requests["asked"] == len([call for call in stub.requests if call.method == "POST"]) > 0
    assert {type(event) for event in events} >= {fingen.Progress, fingen.Document, fingen.Answered}
    assert capfd.readouterr() == ("", "")
    asked = len(stub.requests)
    assert make(tmp_path, teacher="openai").requests["asked"] == 0  # and outside of one, from the journal
    assert len(stub.requests) == asked


def test_a_key_alone_sends_nothing(stub: StubLLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    write_reports(tmp_path / "in", 1, 2)

    with pytest.raises(
        fingen.UsageError, match="was found by OPENAI_API_KEY and not named; nothing was sent"
    ) as refused:
        make(tmp_path)
    assert "--yes" in refused.value.hint
    with pytest.raises(fingen.UsageError, match="was found by OPENAI_API_KEY"):
        fingen.synth_intent(n=2, out=tmp_path / "intent", language="en")
    assert not stub.requests
    assert make(tmp_path, yes=True).exit_code == 0
    assert stub.requests


def test_ctrl_c_in_a_running_loop_cancels_what_runs(monkeypatch: pytest.MonkeyPatch):
    ended = []

    async def work() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.Event().wait()
        finally:
            ended.append("in good order")

    async def notebook() -> None:
        run_async(work())

    before = signal.getsignal(signal.SIGINT)
    loop = asyncio.new_event_loop()
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with pytest.raises(KeyboardInterrupt):
            loop.run_until_complete(notebook())
    finally:
        signal.signal(signal.SIGINT, before)
        loop.close()
    assert ended == ["in good order"]


# --- a model ---------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_from_items_to_a_score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    monkeypatch.chdir(tmp_path)
    events: list[fingen.Event] = []
    fingen.synth_intent(n=20, validation=5, test=10, teacher="offline")
    made = fingen.finetune(model="tiny", override={"steps": 2}, on_event=events.append)
    merged = fingen.merge(made.adapter)
    scored = fingen.score(made.adapter, no_base=True, on_event=events.append)

    assert made.manifest["settings"]["steps"] == 2
    assert made.manifest["sources"]["steps"] == "override"
    assert merged.folder == Path("build/models/intent-tiny")
    assert {score.rows for score in scored.report.scores} == {10}
    assert {type(event) for event in events} == {fingen.Note, fingen.Example}
    assert capfd.readouterr() == ("", "")
    with pytest.raises(fingen.UsageError, match="no whole adapter"):
        fingen.merge("none")


# --- what goes wrong -------------------------------------------------------------------------------------------------------

WRONG: dict[str, tuple[str, str]] = {
    "no choice": ("fingen.pdf2qa('raw', context='some')", "context: 'some' is not one of"),
    "out of range": ("fingen.pdf2qa('raw', workers=0)", "workers: 0 is not in the range"),
    "no shares": ("fingen.pdf2qa('raw', split=(1, 2))", "split: "),
    "no task": ("fingen.pdf2qa('raw', task=['concept', 'riddle'])", "riddle is not one of"),
    "no price": ("fingen.synth_intent(price=('a', 'b'))", "price: give two numbers"),
    "no format": ("fingen.export('raw', format='xml', out='x')", "format: 'xml' is not one of"),
    "no reports": ("fingen.pdf2qa()", "no reports"),
    "no file": ("fingen.read_report('none.pdf')", "none.pdf: not found"),
    "no source": ("fingen.import_set('enron')", "no such source: enron"),
    "csv alone": ("fingen.import_set('fpb', 'x.txt', text='question')", "--text goes with csv"),
    "no set": ("fingen.load_set('none')", "none: no such set"),
    "no newest": ("fingen.verify()", "build: no set here"),
    "nobody": ("fingen.score()", "nobody to score"),
    "no setting": ("fingen.finetune(override={'ranks': 3})", "override: no such setting: ranks"),
    "no rank": ("fingen.finetune(rank=0)", "keyword: rank=0 is no value"),
    "no repository": ("fingen.pull('a b')", "no id of a repository"),
    "no name": ("fingen.load_set('x' * 300)", "File name too long"),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_wrong_is_an_error_of_the_tree(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    call, said = WRONG[kind]
    with pytest.raises(fingen.UsageError) as raised:
        eval(compile(ast.parse(call, mode="eval"), kind, "eval"), {"fingen": fingen})

    assert said in str(raised.value)
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []


def test_a_keyword_that_no_option_has_is_a_type_error():
    with pytest.raises(TypeError, match="unexpected keyword argument 'chunk'"):
        fingen.pdf2qa("raw", chunk=3)  # type: ignore[call-arg]  # that is the test
    with pytest.raises(TypeError, match="unexpected keyword argument 'limit'"):
        fingen.read_report("x.pdf", limit=3)  # type: ignore[call-arg]  # the same
    with pytest.raises(TypeError, match="missing a required argument: 'out'"):
        fingen.export("set", format="csv")  # type: ignore[call-arg]  # the same
