"""No command replaces what another has made, or the same one otherwise, unless it is told to; the same again has nothing to do.

Every maker is tried over what every other one has made, from the command line, with folders that the commands made.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import pymupdf
import pytest
import torch
from click.testing import CliRunner, Result
from hub_server import TOKEN, HubServer
from transformers import LlamaForCausalLM

from fingen import cli
from fingen.sets import read_manifest, read_split
from fingen.training.tiny import tiny_config, train_tokenizer

# huggingface_hub sends a large file in a way that httpx2 has deprecated.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning"),
    pytest.mark.usefixtures("readers_here"),
]
BODY = (
    "The increase in service revenue was mainly due to the new maintenance contracts that were signed in the spring. "
    "Research and development expenses rose because the company hired forty engineers for its second laboratory. "
    "Management reviews the pricing of all long-term contracts every quarter and reports the result to the board. "
)
PDF2QA = ("pdf2qa", "reports", "--teacher", "offline", "--workers", "1", "--split-by", "chunk", "--quiet")
SYNTH = ("synth", "intent", "--n", "10", "--teacher", "offline", "--language", "en", "--quiet")
TUNE = ("finetune", "--set", "build/asked", "--model", "base", "--epochs", "1", "--quiet")
MAKERS: dict[str, tuple[str, ...]] = {
    "pdf2qa": PDF2QA,
    "synth": SYNTH,
    "import": ("import", "alpaca", "rows.json"),
    "mix": ("mix", "build/asked:2", "build/rows"),
    "pull": ("pull", "you/asked", "--quiet"),
    "pull-foreign": ("pull", "you/foreign", "--quiet"),
    "export": ("export", "build/asked", "--format", "openai"),
    "finetune": TUNE,
    "merge": ("merge", "build/adapters/a"),
    "score": ("score", "--predictions", "answers.jsonl", "--gold", "build/rows/train.jsonl", "--quiet"),
}
SETS = ("pdf2qa", "synth", "import", "mix", "pull", "pull-foreign")
SAID = {  # what a message says of what is there
    "pdf2qa": "was made by `fingen pdf2qa` and holds",
    "synth": "was made by `fingen synth intent` and holds 13 rows",
    "import": "was made by `fingen import alpaca` and holds 4 rows",
    "mix": "was made by `fingen mix` and holds",
    "pull": "was made by `fingen synth intent` and holds 13 rows",  # as it was pushed
    "pull-foreign": "was made by `fingen pull you/foreign` and holds 4 rows",
    "export": "holds an export of `fingen export`",
    "finetune": "holds an adapter of `fingen finetune`",
    "merge": "holds a model of `fingen merge`",
    "score": "holds a score of `fingen score`",
}


def fingen(*arguments: object) -> Result:
    ran = CliRunner().invoke(cli.main, [str(argument) for argument in arguments], prog_name="fingen")
    assert "Traceback" not in ran.output
    if ran.exception and not isinstance(ran.exception, SystemExit):
        raise ran.exception
    return ran


def done(*arguments: object) -> Result:
    ran = fingen(*arguments)
    assert ran.exit_code == 0, ran.output
    return ran


def state(folder: Path | str) -> dict[str, bytes]:
    """Every file below a folder but the locks of those who looked."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file() and path.name not in (".lock", ".claims")
    }


def write_report(path: Path, body: str = BODY) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with pymupdf.open() as pdf:
        page = pdf.new_page()
        page.insert_text((72, 72), "Northwind Robotics Corporation Annual Report 2024", fontsize=18)
        page.insert_textbox((72, 110, 520, 700), body, fontsize=11)
        pdf.save(path)


def build_base() -> None:
    tokenizer = train_tokenizer([row.instruction for row in read_split(Path("build/asked"), "train")] * 5)
    torch.manual_seed(7)
    LlamaForCausalLM(tiny_config(tokenizer, hidden=64, layers=1)).save_pretrained("base")
    tokenizer.save_pretrained("base")


@pytest.fixture(scope="module")
def workshop(readers_here: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in which each maker has made something: made/<maker>."""
    from huggingface_hub import constants

    with HubServer() as hub, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_ENDPOINT", hub.url)
        patch.setenv("HF_TOKEN", TOKEN)
        patch.setenv("HF_HUB_DISABLE_XET", "1")
        patch.setattr(constants, "HF_HUB_DISABLE_XET", True)  # that variable, for a library that is loaded
        folder = tmp_path_factory.mktemp("workshop")
        patch.chdir(folder)
        write_report(Path("reports/report.pdf"))
        rows = [
            {"instruction": f"What is {n}?", "input": "", "output": f"It is number {n} of the list."} for n in range(4)
        ]
        Path("rows.json").write_text(json.dumps(rows), encoding="utf-8")
        hub.make("you/foreign", {"train.json": json.dumps(rows).encode()})
        done(*SYNTH, "--out", "build/asked")
        done("import", "alpaca", "rows.json", "--out", "build/rows")
        own = read_split(Path("build/rows"), "train")
        answers = [json.dumps({"id": row.id, "prediction": row.output}) for row in own]
        Path("answers.jsonl").write_text("\n".join(answers), encoding="utf-8")
        done("push", "build/asked", "--repo", "you/asked", "--allow-offline", "--yes", "--quiet")
        build_base()
        done(*TUNE, "--out", "build/adapters/a")
        for name, command in MAKERS.items():
            done(*command, "--out", f"made/{name}")
        yield folder


@pytest.fixture
def place(workshop: Path, request: pytest.FixtureRequest) -> Iterator[Callable[[str], str]]:
    """Copies what a maker has made to a place of its own below the workshop."""
    copies: list[Path] = []

    def copy(maker: str) -> str:
        copies.append(Path(shutil.copytree(Path("made", maker), Path("copies", str(len(copies)), maker))))
        return str(copies[-1])

    yield copy
    shutil.rmtree(workshop / "copies", ignore_errors=True)


@pytest.mark.parametrize(("maker", "there"), [pair for pair in product(MAKERS, MAKERS) if pair[0] != pair[1]])
def test_what_another_command_made_is_not_replaced(place: Callable[[str], str], maker: str, there: str):
    folder = place(there)
    before = state(folder)

    ran = fingen(*MAKERS[maker], "--out", folder)

    assert ran.exit_code == 2, ran.output
    error, hint = (line for line in ran.stderr.splitlines() if line.startswith(("Error: ", "  -> ")))
    assert error.startswith(f"Error: {folder} ")
    assert SAID[there] in error or "journal" in error
    assert "--out" in hint
    assert len(error) < 200
    assert state(folder) == before


@pytest.mark.parametrize("maker", MAKERS)
def test_the_same_again_has_nothing_to_do(place: Callable[[str], str], maker: str):
    folder = place(maker)
    if maker in ("finetune", "merge"):  # their cards name the folder that they are in
        folder = f"made/{maker}"
    before = state(folder)

    ran = done(*MAKERS[maker], "--out", folder)

    assert maker == "score" or "already up to date" in ran.stdout
    assert state(folder) == before


@pytest.mark.parametrize(
    ("maker", "other", "said"),
    [
        ("pdf2qa", ("--per-chunk", "5"), "per_chunk"),
        ("pdf2qa", ("--chunk-tokens", "256"), "chunk_tokens"),
        ("synth", ("--seed", "7"), "seed 0 -> 7"),
        ("import", ("--split", "test"), "split published -> test"),
        ("mix", ("build/report",), "sets 3 set none -> report"),
        ("export", ("--format", "csv"), "an export of asked as openai"),
        ("finetune", ("--rank", "4"), "another set, base model or settings"),
        ("merge", ("--tolerance", "0.5"), "another model, or another state of it"),
    ],
)
def test_what_was_made_otherwise_is_named_in_a_line(
    place: Callable[[str], str], maker: str, other: tuple[str, ...], said: str
):
    if other == ("build/report",) and not Path("build/report").exists():
        done(*PDF2QA, "--out", "build/report")
    folder = place(maker)
    before = state(folder)

    ran = fingen(*MAKERS[maker], *other, "--out", folder)

    assert ran.exit_code == 2, ran.output
    error, hint = (line for line in ran.stderr.splitlines() if line.startswith(("Error: ", "  -> ")))
    assert said in error
    assert "{" not in error
    assert len(error) < 250
    assert "--replace" in hint
    assert state(folder) == before


def test_a_changed_template_and_a_changed_file_are_named_and_not_shown(place: Callable[[str], str]):
    folder = place("import")
    rows = Path("rows.json").read_text(encoding="utf-8")
    try:
        Path("rows.json").write_text(rows.replace("number 1", "number 9"), encoding="utf-8")
        ran = fingen(*MAKERS["import"], "--out", folder)
    finally:
        Path("rows.json").write_text(rows, encoding="utf-8")

    assert ran.exit_code == 2
    error = ran.stderr.splitlines()[0]
    assert error.startswith(f"Error: {folder} was made otherwise: sha256 rows.json ")
    assert len(error.partition("rows.json ")[2]) == len("12345678 -> 12345678")


@pytest.mark.parametrize("maker", [name for name in SETS if not name.startswith("pull")])
@pytest.mark.parametrize("there", SETS)
def test_a_set_is_replaced_where_that_is_wanted(place: Callable[[str], str], maker: str, there: str):
    folder = place(there)

    done(*MAKERS[maker], "--out", folder, "--replace")

    wanted = {name: text for name, text in state(Path("made", maker)).items() if not name.startswith("journal")}
    got = {name: text for name, text in state(folder).items() if not name.startswith((".hub", "journal"))}
    assert got.keys() == wanted.keys()
    assert read_manifest(Path(folder)).model_copy(update={"files": {}, "name": maker}) == read_manifest(
        Path("made", maker)
    ).model_copy(update={"files": {}, "name": maker})
    assert all(got[name] == wanted[name] for name in got if name.endswith(".jsonl"))


@pytest.mark.parametrize("maker", ["merge", "score", "finetune", "export", *SETS])
def test_replace_is_no_leave_to_write_over_something_else(place: Callable[[str], str], maker: str):
    others = [name for name in MAKERS if name != maker and not {name, maker} <= set(SETS)]
    for there in others:
        folder = place(there)
        Path(folder, "notes.txt").write_text("mine", encoding="utf-8")
        before = state(folder)
        ran = fingen(*MAKERS[maker], "--out", folder, "--replace")
        assert ran.exit_code == 2, (there, ran.output)
        assert state(folder) == before, there


def test_nobodys_files_are_written_over(tmp_path: Path, workshop: Path):
    for name, command in MAKERS.items():
        folder = tmp_path / name
        folder.mkdir()
        for own in ("train.jsonl", "README.md", "tokenizer.json"):
            (folder / own).write_text("mine", encoding="utf-8")
        ran = fingen(*command, "--out", folder)
        assert ran.exit_code == 2, (name, ran.output)
        assert {path.name for path in folder.iterdir() if not path.name.startswith(".")} == {
            "train.jsonl", "README.md", "tokenizer.json",
        }  # fmt: skip
        assert set(state(folder).values()) == {b"mine"}, name


def test_a_base_model_that_adapters_rest_on_is_not_replaced(workshop: Path, tmp_path: Path):
    from fingen.errors import UsageError
    from fingen.training.tiny import build_tiny

    rows = list(read_split(Path("build/asked"), "train"))
    build_tiny(rows, tmp_path / "tiny", "one", 0, lambda text: None, steps=1)
    before = state(tmp_path / "tiny")
    with pytest.raises(UsageError, match="other rows of this set"):
        build_tiny(rows, tmp_path / "tiny", "two", 0, lambda text: None, steps=1)
    assert state(tmp_path / "tiny") == before
    folder = shutil.copytree("made/merge", tmp_path / "merged")
    with pytest.raises(UsageError, match="holds a model of `fingen merge`"):
        build_tiny(rows, folder, "one", 0, lambda text: None, steps=1, replace=True)
    build_tiny(rows, tmp_path / "tiny", "two", 0, lambda text: None, steps=1, replace=True)
    assert state(tmp_path / "tiny") != before


@pytest.mark.parametrize("command", [PDF2QA[:2], SYNTH[:6]])
def test_who_does_not_agree_to_what_is_asked_keeps_what_is_there(
    place: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
):
    folder = place(command[0])
    before = state(folder)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-for-tests")  # found, and named by nobody

    ran = fingen(*(word for word in command if word not in ("--teacher", "offline")), "--out", folder, "--replace")

    assert ran.exit_code == 2
    assert "nothing was sent" in ran.stderr
    assert state(folder) == before


# ---- killed

DRIVER = """
    import json, os, shutil, signal, sys
    from pathlib import Path
    from fingen import cli

    def run(arguments, deadline=None):
        '''The command in a process of its own, killed at that change of a file; whether it came to its end.'''
        child = os.fork()
        if child == 0:
            count = 0
            def deadly(change):
                def changed(*given, **named):
                    nonlocal count
                    count += 1
                    if count == deadline:
                        os.kill(os.getpid(), signal.SIGKILL)
                    return change(*given, **named)
                return changed
            for name in ("replace", "rename", "unlink", "remove", "mkdir", "rmdir", "fsync"):
                setattr(os, name, deadly(getattr(os, name)))
            sys.stdout = sys.stderr = open(os.devnull, "w")
            try:
                cli.main(arguments, prog_name="fingen")
                code = 0
            except SystemExit as e:
                code = e.code or 0
            os._exit(code)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    there, desk, arguments = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])
    shutil.copytree(there, desk)
    try:
        cli.main(arguments, prog_name="fingen")  # once here, so that no child has to import anything
    except SystemExit as e:
        assert not e.code, e.code
    sys.stdout.flush()
    kills, ended = 0, None
    while ended != 0:
        shutil.rmtree(desk, ignore_errors=True)
        shutil.copytree(there, desk)
        ended = run(arguments, deadline=kills + 1)
        assert ended in (0, -signal.SIGKILL), ended
        kills += ended != 0
        again = run(arguments)
        assert again == 0, (kills, again)
        print(json.dumps({p.name: p.read_bytes().hex() for p in sorted(desk.iterdir()) if p.suffix in (".jsonl", ".json", ".md")}))
    print(kills)
"""


@pytest.mark.parametrize(
    ("there", "maker"),
    [("import", "synth"), ("pdf2qa", "import")],
)
def test_a_command_that_is_killed_while_it_replaces_ends_whole_when_it_is_run_again(
    workshop: Path, there: str, maker: str
):
    desk = Path("killed", maker)
    arguments = json.dumps([*MAKERS[maker], "--out", str(desk), "--replace"])
    command = [sys.executable, "-c", textwrap.dedent(DRIVER), f"made/{there}", str(desk), arguments]

    ran = subprocess.run(command, capture_output=True, text=True)

    assert ran.returncode == 0, ran.stderr
    *ends, kills = [line for line in ran.stdout.splitlines() if line[:1] == "{" or line.isdecimal()]
    assert int(kills) >= 10
    assert set(ends) == {ends[-1]}  # the set of the run that nobody killed
    assert json.loads(ends[-1]).keys() == {
        name for name in state(Path("made", maker)) if name.endswith((".jsonl", ".json", ".md")) and name[0] != "."
    }


# ---- what cannot be written

FILE, INSIDE, LONG, KERNEL = "a/file", "a/file/below", "build/" + "n" * 300, "/proc/fingen/x"


@pytest.mark.parametrize(("out", "why"), [(FILE, "Not a directory"), (INSIDE, "Not a directory"), (LONG, "File name too long"), (KERNEL, "No such file")])  # fmt: skip
@pytest.mark.parametrize("maker", MAKERS)
def test_a_place_that_cannot_be_written_is_said_before_anything_is_read(workshop: Path, maker: str, out: str, why: str):
    Path("a").mkdir(exist_ok=True)
    Path(FILE).write_text("mine", encoding="utf-8")

    ran = fingen(*MAKERS[maker], "--out", out)

    assert ran.exit_code == 2, ran.output
    error, hint = (line for line in ran.stderr.splitlines() if line.startswith(("Error: ", "  -> ")))
    assert error.startswith(f"Error: {out}: cannot be written: {why}")
    assert "disk space" not in hint
    assert "another place" in hint
    assert Path(FILE).read_text(encoding="utf-8") == "mine"
    assert not list(Path("a").glob(".*"))


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A file system that nobody may write; needs root."""
    folder = tmp_path / "read-only"
    folder.mkdir()
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "ro,size=1m", "tmpfs", folder], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as e:
        pytest.skip(f"nothing can be mounted here: {e}")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("maker", MAKERS)
def test_a_read_only_disk_is_a_matter_of_permissions(workshop: Path, read_only: Path, maker: str):
    ran = fingen(*MAKERS[maker], "--out", read_only / "set")

    assert ran.exit_code == 2, ran.output
    error, hint = (line for line in ran.stderr.splitlines() if line.startswith(("Error: ", "  -> ")))
    assert error == f"Error: {read_only}/set: cannot be written: Read-only file system"
    assert "permission" in hint


def test_no_report_is_read_where_the_set_cannot_be_written(workshop: Path):
    ran = fingen("pdf2qa", "no/such/report.pdf", "--teacher", "offline", "--out", "rows.json")

    assert "rows.json: cannot be written: Not a directory" in ran.stderr
    assert "report.pdf" not in ran.stderr.splitlines()[-2]


@pytest.mark.parametrize(
    "command",
    [
        ("verify", "build/rows", "--html", f"{FILE}/page.html"),
        ("show", "made/pdf2qa", "--png", f"{FILE}/page.png"),
        ("pdf2qa", "reports", "--teacher", "openai:m", "--base-url", "http://127.0.0.1:9/v1", "--export-requests", f"{FILE}/r.jsonl"),
        ("prompts", "copy", f"{FILE}/prompts"),
    ],
    ids=lambda command: command[0],
)  # fmt: skip
def test_files_that_cannot_be_written_are_named_too(
    workshop: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-for-tests")
    Path("a").mkdir(exist_ok=True)
    Path(FILE).write_text("mine", encoding="utf-8")

    ran = fingen(*command)

    assert ran.exit_code == 2, ran.output
    error, hint = (line for line in ran.stderr.splitlines() if line.startswith(("Error: ", "  -> ")))
    assert FILE in error
    assert "Not a directory" in error
    assert "another place" in hint
