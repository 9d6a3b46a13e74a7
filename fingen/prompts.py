"""Templates: find them, read them, fill them, hash them, copy them out to be edited.

A template is a file `<task>.<language>.md`: YAML front matter (task, language, version, needs), then a Jinja body in two
parts, headed by the lines `[system]` (shared by all requests of a task, so that a provider can cache it) and `[user]`.
Beside them stand data files `<name>.<language>.yaml`: labels, clients, words and phrases, read by `read_data`.
"""

from __future__ import annotations

import hashlib
import html
import random
import re
import shutil
import sys
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cache
from itertools import chain, zip_longest
from pathlib import Path
from types import FrameType
from typing import Any

import jinja2
from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import SandboxedEnvironment
from jinja2.utils import Namespace

from fingen.disk import check_writable, read_whole, refuse_links, write_beside
from fingen.errors import UsageError
from fingen.install import install_command
from fingen.records import Language, Period
from fingen.rows import YAML_BYTES, parse_yaml, read_yaml

LOCAL = Path("prompts")  # in the working directory; wins over the packaged templates
_HERE = Path(__file__).resolve().parent
_PACKAGED = (_HERE / "_prompts", _HERE.parent / "prompts")  # in a wheel; in an editable install
SHOWN = 2  # model pairs that every prompt of a template shows
VARIED = 4  # pairs of which one more is shown: a prompt for each of them, that a provider may cache
REPLACED = {"concept": "qa", "summary": "qa"}  # templates that are read no more -> what is read in their place
_PAIR = ("question", "rephrased", "answer", "evidence", "calc")
_HINT = "compare it with the packaged one: run `fingen prompts copy` in an empty folder"

WRONG_FORM = (KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError, RecursionError)
_SLOT = re.compile(r"\((?P<choice>[^()|]*\|[^()]*)\)|\{(?:(?P<name>[a-z_]+)|(?P<low>[\d.]+)-(?P<high>[\d.]+))\}")
MOST_STEPS = 200_000  # lines of a chat template for one conversation; those of published models take some hundreds
MOST_CHARACTERS = 1_000_000  # that it may add to one
MOST_BYTES = 1 << 30
_MOST_FORMS = 100  # more in one form is a form that holds itself

_BRACKET = re.compile(r"[<＜﹤‹〈《«⟨❮˂]|&(?:amp;)*(?:lt|#0*60|#x0*3c);?|%3c|\\[ux](?:00)?3c", re.IGNORECASE)
_LOOK_ALIKE = str.maketrans("аеорсѕіхуɡɑαορτνιԛ", "aeopcsixygaaoptviq")  # Cyrillic, Greek and phonetic letters
_MARK_ROOM = 160  # characters that a mark is looked for in, with what stands between its letters

_KINDS = {
    "en": {
        "annual": "annual report",
        "half-year": "half-year report",
        "quarterly": "quarterly report",
        "unknown": "report",
    },
    "zh": {"annual": "年度报告", "half-year": "半年度报告", "quarterly": "季度报告", "unknown": "报告"},
}
_SPANS = {"annual": "fiscal year", "half-year": "half-year", "quarterly": "quarter"}


@dataclass(frozen=True)
class Template:
    """A template as read from its file; `sha256` is of the whole file and of the examples that it shows."""

    name: str
    task: str
    language: str
    version: int
    needs: tuple[str, ...]
    system: str
    user: str
    sha256: str


def folder() -> Path:
    """Where templates are read from: ./prompts if it holds any, else those of the package.

    Raises:
        UsageError: the installation has no templates.
    """
    for path in (LOCAL, *_PACKAGED):
        if any(path.glob("*.md")):
            return path
    raise UsageError(
        "the templates of fingen were not found", hint=f"install fingen again: {install_command(again=True)}"
    )


def is_local() -> bool:
    """Whether the templates of the working directory are used."""
    return folder() == LOCAL


def read_template(name: str) -> Template:
    """Read a template, `qa.en` for the file qa.en.md.

    Raises:
        UsageError: there is no such template, or its file is not one; names the file.
    """
    path = folder() / f"{name}.md"
    try:
        text = read_whole(path, YAML_BYTES).decode()
        _, front, body = text.split("---\n", 2)
        head: Any = parse_yaml(front)
        system, user = body.split("\n[user]\n", 1)
        return Template(
            name=name,
            task=str(head["task"]),
            language=str(head["language"]),
            version=int(head["version"]),
            needs=tuple(head["needs"]),
            system=system.replace("[system]\n", "", 1).strip(),
            user=user.strip(),
            sha256=_sha256(text, _examples_file(str(head["language"]))),
        )
    except FileNotFoundError as e:
        raise UsageError(f"{path}: no such template", hint="; ".join([*replaced_templates(), _HINT])) from e
    except (*WRONG_FORM, OSError) as e:
        raise UsageError(f"{path}: not a template: {say_wrong_form(e)}", hint=_HINT) from e


def replaced_templates() -> list[str]:
    """Say which templates of the working directory are read no more, and where what was changed in them belongs."""
    return [
        f"{path} is not read any more: bring what you changed in it into {path.with_name(f'{new}.{language}.md')}"
        for old, new in REPLACED.items()
        for language in ("en", "zh")
        if (path := LOCAL / f"{old}.{language}.md").is_file()
    ]


def _sha256(text: str, examples: Path) -> str:
    shown = examples.read_bytes() if examples.is_file() else b""
    return hashlib.sha256(text.encode() + shown).hexdigest()


def read_examples(template: Template, kinds: Sequence[str]) -> tuple[Mapping[str, Any], ...]:
    """The model pairs of these kinds for a template, if it asks for any: first those that stand first for each kind.

    They are in examples.<language>.yaml beside it, else in the packaged one.

    Raises:
        UsageError: the file is no list of pairs; names the file.
    """
    if "examples" not in template.needs:
        return ()
    path = _examples_file(template.language)
    pairs = _parsed(path.resolve(), path.stat().st_mtime_ns)
    if not isinstance(pairs, list):
        raise UsageError(f"{path}: not a list of pairs", hint=_HINT)
    chosen: dict[str, list[Mapping[str, Any]]] = {kind: [] for kind in kinds}
    for number, pair in enumerate(pairs, 1):
        try:
            if (kind := pair["task"]) in chosen:
                chosen[kind].append({"kind": kind, **{name: pair[name] for name in _PAIR}})
        except WRONG_FORM as e:
            raise UsageError(f"{path}: pair {number}: {say_wrong_form(e)}", hint=_HINT) from e
    by_turns = chain.from_iterable(zip_longest(*chosen.values()))
    return tuple(pair for pair in by_turns if pair)


def pick_examples(pairs: Sequence[Mapping[str, Any]], place: str) -> list[Mapping[str, Any]]:
    """The pairs that a prompt shows: the first ones, and one more that depends on the place that is asked about."""
    others = pairs[SHOWN : SHOWN + VARIED]
    third = [others[int(hashlib.sha256(place.encode()).hexdigest(), 16) % len(others)]] if others else []
    return [*pairs[:SHOWN], *third]


def _examples_file(language: str) -> Path:
    """The examples of the working directory, or those of the package where it has none."""
    places = [path / f"examples.{language}.yaml" for path in (folder(), *_PACKAGED)]
    return next((path for path in places if path.is_file()), places[0])


def data_file(name: str) -> Path:
    """Where a data file is read from, `labels.zh` for labels.zh.yaml: the working directory, else the package.

    Raises:
        UsageError: there is no such file.
    """
    for place in (LOCAL, *_PACKAGED):
        path = place / f"{name}.yaml"
        if path.is_file():
            return path
    raise UsageError(f"{LOCAL / name}.yaml: no such file, nor is it part of fingen", hint=_HINT)


def read_data(name: str) -> Any:
    """What a data file says. It is shared by all who read it: not to be changed.

    Raises:
        UsageError: there is no such file, it is not YAML, or there is nothing in it; names the file.
    """
    path = data_file(name).resolve()
    return _parsed(path, path.stat().st_mtime_ns)


def data_sha256(name: str) -> str:
    """SHA-256 of a data file as it stands, for the manifest.

    Raises:
        UsageError: there is no such file.
    """
    return hashlib.sha256(data_file(name).read_bytes()).hexdigest()


@cache
def _parsed(path: Path, _changed: int) -> Any:
    data = read_yaml(path, hint=_HINT)
    if not data:
        raise UsageError(f"{path}: there is nothing in it", hint=_HINT)
    return data


def say_wrong_form(e: BaseException) -> str:
    """What is wrong with a data file, by the error that its reader met."""
    return f"the key {e} is missing" if isinstance(e, KeyError) else " ".join(str(e).split()) or type(e).__name__


@contextmanager
def of_form(data: str, where: str = "") -> Iterator[None]:
    """Errors in the form of a data file name it, and where in it they are."""
    try:
        yield
    except WRONG_FORM as e:
        raise UsageError(f"{data_file(data)}: not of its form: {where}{say_wrong_form(e)}", hint=_HINT) from e


def expand(form: str, words: Mapping[str, Sequence[str]], rng: random.Random) -> str:
    """A form of a data file in words.

    {list} takes an entry of that list, (a|b) one of the two, {3-9} a number, {1.5-9.5} one with a decimal. Forms may hold
    forms.

    Raises:
        KeyError: the form names a list that is not there.
        RecursionError: the forms hold one another.
    """
    for _ in range(_MOST_FORMS):
        slot = _SLOT.search(form)
        if slot is None:
            return form
        form = form[: slot.start()] + _filled(slot, words, rng) + form[slot.end() :]
    raise RecursionError(form)


def _filled(slot: re.Match[str], words: Mapping[str, Sequence[str]], rng: random.Random) -> str:
    if slot["choice"] is not None:
        return str(rng.choice(slot["choice"].split("|")))
    if slot["name"]:
        return str(rng.choice(words[slot["name"]]))
    low, high = slot["low"], slot["high"]
    if "." in low + high:
        return f"{rng.uniform(float(low), float(high)):.1f}"
    return str(rng.randint(int(low), int(high)))


def quoted(text: str, *marks: str) -> str:
    """A text that can neither end its own quotation nor begin another, between any of the marks.

    A bracket before a mark is made a round one, whatever the bracket is and however the mark is spelled: in other
    letters that look the same, with spaces or characters without ink inside, as HTML entities.
    """
    return _BRACKET.sub(lambda bracket: "(" if _starts_mark(text[bracket.end() :], marks) else bracket[0], text)


def _starts_mark(text: str, marks: Sequence[str]) -> bool:
    letters = unicodedata.normalize("NFKD", html.unescape(text[:_MARK_ROOM])).casefold().translate(_LOOK_ALIKE)
    return "".join(char for char in letters if "a" <= char <= "z").startswith(tuple(marks))


def fill(template: Template, values: Mapping[str, Any]) -> tuple[str, str]:
    """The system and user text of a template with its values. Templates are code from files: they run in a sandbox.

    Raises:
        UsageError: the template asks for a value that it is not given, or is not valid Jinja.
    """
    try:
        with bounded(MOST_CHARACTERS + sum(len(value) for value in values.values() if isinstance(value, str))):
            system, user = (_compiled(text).render(values) for text in (template.system, template.user))
    except (TemplateError, *WRONG_FORM, MemoryError) as e:  # what code in a template raises
        raise UsageError(f"{folder() / template.name}.md: {say_wrong_form(e)}", hint=_HINT) from e
    return system, user


@contextmanager
def bounded(most: int) -> Iterator[None]:
    """Run templates that others wrote: a sandbox stops neither a loop without an end nor a text of more than `most` characters.

    Raises:
        TemplateError: one does not come to an end; MemoryError: it asks for too much.
    """
    with _watched(most), _memory_bounded():
        yield


@contextmanager
def _watched(most: int) -> Iterator[None]:
    """Count the lines of templates that are run meanwhile, and the characters that they have put together.

    Raises:
        TemplateError: there are too many.
    """
    steps = 0

    def step(frame: FrameType, event: str, _: Any) -> Callable[..., Any]:
        nonlocal steps
        if event == "line":
            steps += 1
            held = sum(len(value) for value in _held(frame) if isinstance(value, str | list | tuple))
            if steps > MOST_STEPS or held > most:
                raise jinja2.TemplateError(f"it does not come to an end, after {steps:,} steps")
        return step

    def called(frame: FrameType, event: str, _: Any) -> Callable[..., Any] | None:
        return step if frame.f_code.co_filename == "<template>" else None

    before = sys.gettrace()
    sys.settrace(called)
    try:
        yield
    finally:
        sys.settrace(before)


@contextmanager
def _memory_bounded() -> Iterator[None]:
    """Let memory grow by no more than MOST_BYTES meanwhile, where the system can do so: one step can ask for all of it."""
    pages = Path("/proc/self/statm")
    if sys.platform == "win32" or not pages.is_file():
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    used = int(pages.read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    if soft == resource.RLIM_INFINITY or soft > used + MOST_BYTES:
        resource.setrlimit(resource.RLIMIT_AS, (used + MOST_BYTES, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _held(frame: FrameType) -> Iterator[Any]:
    """The values of a template's own variables, and of its namespaces."""
    for value in frame.f_locals.values():
        yield from value._Namespace__attrs.values() if isinstance(value, Namespace) else (value,)


@cache
def _compiled(text: str) -> jinja2.Template:
    return SandboxedEnvironment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True).from_string(text)


def copy_templates(target: Path = LOCAL, *, replace: bool = False) -> list[Path]:
    """Copy the packaged templates to a folder; files that are there are left alone unless `replace`. Returns those written.

    Raises:
        UsageError: it cannot be written, or is a link or holds one that leads elsewhere. LimitError: the disk is full.
    """
    if target.is_symlink():
        raise UsageError(f"{target}: a link", hint="name the folder itself that it leads to, if you mean that")
    refuse_links(target)
    source = next(path for path in _PACKAGED if any(path.glob("*.md")))
    check_writable(target)
    target.mkdir(parents=True, exist_ok=True)
    written = []
    for path in sorted([*source.glob("*.md"), *source.glob("*.yaml")]):
        copy = target / path.name
        if replace or not copy.exists():
            with write_beside(copy) as beside:
                shutil.copyfile(path, beside)
            written.append(copy)
    return written


def report_name(period: Period, language: Language) -> str:
    """The report as running text names it: "annual report for the fiscal year ended December 31, 2024", 2024年年度报告.

    Where the fiscal year has another name than the year that it ends in, that is added.
    """
    name = _report_name(period, language)
    if period.fiscal_year is None:
        return name
    return f"{name}（{period.fiscal_year}财年）" if language == "zh" else f"{name} (fiscal {period.fiscal_year})"


def _report_name(period: Period, language: Language) -> str:
    kind = _KINDS[language][period.kind]
    if not period.end:
        return kind
    is_day = len(period.end) > 4
    end = date.fromisoformat(period.end) if is_day else None
    if language == "zh":
        if end and period.kind == "unknown":
            return f"{end.year}年{end.month}月{end.day}日的{kind}"
        quarter = {"03": "第一", "06": "第二", "09": "第三", "12": "第四"}.get(period.end[5:7], "")
        return f"{period.end[:4]}年{quarter if period.kind == 'quarterly' else ''}{kind}"
    if end is None:
        return f"{period.end} {kind}"
    day = f"{end:%B} {end.day}, {end.year}"
    return f"{kind} dated {day}" if period.kind == "unknown" else f"{kind} for the {_SPANS[period.kind]} ended {day}"
