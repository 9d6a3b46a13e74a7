"""What a score is on disk: build/scores/<name>/ with score.json, predictions.jsonl, a card, a page and figures.

A run scores some subjects on some sources of rows. Each pair of them that was scored is a `Score` in the report, and its
rows are in predictions.jsonl by (subject, on, context).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from fingen.disk import describe, dump_json, read_jsonl, read_whole, sha256_file, write_jsonl, write_text
from fingen.errors import SetError, UsageError
from fingen.records import Frozen

REPORT = "score.json"
PREDICTIONS = "predictions.jsonl"
CARD = "README.md"
PAGE = "report.html"
FIGURES = "figures"  # a folder
SHOWN = 500  # characters of a question that a prediction shows
SYNTHETIC = "synthetic, same teacher"  # how a source is labelled whose rows the teacher of the training rows wrote


def _is_none(value: object) -> bool:
    return not value


Kind = Literal["adapter", "base", "model", "teacher", "classifier", "baseline", "predictions"]
Method = Literal["letters", "generate", "answers"]


class Prediction(Frozen):
    """One answered row. `gold` and `value` are classes; `value` is None where the answer could not be read: `why` says how.

    Of a row of free text `gold` is the reference, `value` and `correct` are None, and `measures` say how near the answer is.
    """

    subject: str
    on: str  # key of a source
    context: Literal["", "passage"] = ""
    id: str
    text: str = ""  # the question as shown, cut at SHOWN characters
    gold: str
    value: str | None
    correct: bool | None
    why: str
    answer: str
    letter: str = ""  # of the option that was answered, where options have letters before their texts
    cut: bool = False  # whether the answer ended because it might not be longer
    probabilities: dict[str, float] | None = None  # class -> 0..1, adding up to 1 over the options
    measures: dict[str, float] = Field(default_factory=dict)
    rotated: tuple[str, ...] | None = None  # what was answered in each rotation of the options: a letter, or ""


class Interval(Frozen):
    """A figure with its 95 % interval; 0..1, of a difference -1..1."""

    value: float
    low: float
    high: float


class ClassFigures(Frozen):
    """One class: its precision and recall (Wilson), F1 0..1, and in how many rows it is right or answered."""

    precision: Interval
    recall: Interval
    f1: float
    support: int
    answered: int


class ScoredRows(Frozen):
    """Rows that were asked. The folder they lie in is no part of a score."""

    name: str
    sha256: str | None  # of the file
    split: str  # "test", "validation", "memory"; empty for a file or a benchmark
    kind: Literal["benchmark", "set", "file"]
    means: Literal["transfer", "recall", ""] = ""  # of questions and answers: passages never trained on, or trained on
    same_teacher: str | None = None  # the teacher that wrote these rows and the training rows

    @property
    def label(self) -> str:
        """What must stand beside each figure on these rows; empty where nothing must."""
        return f"{SYNTHETIC} ({self.same_teacher})" if self.same_teacher else ""


class Majority(Frozen):
    """One answer to every row, the class that is right most often in the rows that are scored: what anything learnt must beat."""

    answer: str
    accuracy: Interval  # intervals as those of choices
    macro_f1: Interval
    micro_f1: Interval
    weighted_f1: Interval


class Constant(Frozen):
    """What a subject answers nearly always, whatever it is asked: a class, a letter whose texts differ by row, or free text."""

    answer: str
    kind: Literal["class", "letter", "text"]
    share: Interval  # of all rows (Wilson)
    right: int | None  # rows in which it was right so; None of free text

    def __str__(self) -> str:
        """In words, behind a subject's name."""
        told = f"the letter {self.answer}" if self.kind == "letter" else self.answer
        if self.kind == "text":
            told = "one and the same text" if told else "nothing"  # a card has no texts of answers
        right = "" if self.right is None else f", which is right in {self.right:,} of them"
        return f"answers {told} in {100 * self.share.value:.1f} % of the rows{right}"


class Choices(Frozen):
    """Answers that name one of some classes. All figures are over the rows that have an answer."""

    accuracy: Interval  # Wilson
    macro_f1: Interval  # this and the next two: percentile bootstrap
    micro_f1: Interval
    weighted_f1: Interval
    unparseable: int
    unparseable_why: dict[str, int]
    classes: dict[str, ClassFigures]
    confusion: dict[str, dict[str, int]]  # right -> answered -> rows; those that could not be read are under ""
    majority: Majority | None = None  # None: the score is older than this field
    constant: Constant | None = None


class Texts(Frozen):
    """Answers in free text beside their references: means over rows, with bootstrap intervals."""

    rouge_l: Interval
    word_f1: Interval | None = None  # over the rows in English; None: there are none
    words: int = 0  # rows in English
    char_f1: Interval | None = None  # over the rows in Chinese (in older scores over all rows)
    chars: int = 0  # rows in Chinese
    figures_recall: Interval | None  # over the rows whose reference has a figure; None: there are none
    figures: int  # rows whose reference has one that the question does not give
    execution: Interval | None = (
        None  # share of answers that give what the row's program comes to; of FinQA, of programs
    )
    executed: int = Field(default=0, exclude_if=_is_none)  # rows that have it
    checks: Interval | None = Field(default=None, exclude_if=_is_none)  # share of answers that pass the checks of rows
    checked: int = Field(default=0, exclude_if=_is_none)  # rows whose passages are there
    program: Interval | None = None  # of FinQA: share of programs that are the right one
    em: Interval | None = None  # this and the next two of TAT-QA: exact match
    span_f1: Interval | None = None
    scale: Interval | None = None  # share of answers in the right scale
    judged: Interval | None = None  # share of answers that say what the reference says, by the judge
    judge: str | None = None
    judge_agreement: Interval | None = None  # of the judge with itself
    constant: Constant | None = None


class Rotation(Frozen):
    """The same rows with their options in every rotation: does the place of an option decide?"""

    rotations: int  # of a row, at most: as many as it has options
    accuracy: Interval  # over all rotations; bootstrap over rows
    consistent: Interval  # share of rows that are right in every rotation (Wilson)
    picked: dict[str, float]  # letter -> share of all answers that it got; "" is what could not be read
    right: dict[str, float]  # letter -> share of all rotations in which it was right


class Score(Frozen):
    """What one subject came to on one source. Figures are over `rows`, the rows that have an answer."""

    subject: str
    kind: Kind
    on: str  # key of a source
    context: Literal["", "passage"] = ""
    method: Method
    shots: int = 0  # training examples before each question
    rows: int
    asked: int
    missing: tuple[str, ...] = ()  # ids of rows without an answer
    unknown: tuple[str, ...] = ()  # answers without a row: their id or row number
    cut: int = 0  # answers that ended because they might not be longer
    choices: Choices | None = None
    texts: Texts | None = None
    rotation: Rotation | None = None
    details: dict[str, Any] = Field(default_factory=dict)  # what the subject is: hashes, revision, load; usage and cost

    @property
    def short(self) -> bool:
        """Whether rows lack an answer, answers a row, or a judge could not go on."""
        return bool(self.missing or self.unknown or self.details.get("judge", {}).get("failed"))

    @property
    def identity(self) -> tuple[Any, ...]:
        """What was scored, whatever came of it."""
        about = {name: value for name, value in self.details.items() if name not in ("usage", "cost_usd", "judge")}
        return self.subject, self.kind, self.on, self.context, self.method, self.shots, about


class Pair(Frozen):
    """Two subjects on the rows of a source that both answered. `difference` is the second's accuracy less the first's."""

    on: str
    context: Literal["", "passage"] = ""
    first: str
    second: str
    rows: int
    first_only: int  # rows where the first alone is right
    second_only: int
    p: float  # exact McNemar, two-sided
    difference: Interval  # paired bootstrap


class Contrast(Frozen):
    """Two columns of a table of questions and answers on the rows that both answered: the second's mean less the first's."""

    on: str
    measure: str  # by its name in `Prediction.measures`
    first: str  # subject
    first_context: Literal["", "passage"]
    second: str
    second_context: Literal["", "passage"]
    rows: int
    difference: Interval  # paired bootstrap over source chunks


class Spread(Frozen):
    """One figure of several subjects, 0..1; `sd` is the standard deviation of a sample."""

    mean: float
    sd: float
    least: float
    most: float
    runs: int


class SeedPair(Frozen):
    """A subject beside adapters of several seeds. `difference` is their mean accuracy less the other's."""

    other: str
    difference: Interval  # paired bootstrap over rows and seeds
    p: float  # randomisation of the signs of the rows' differences, two-sided; the seeds as they are


class SeedGroup(Frozen):
    """Adapters that differ by their seed alone, on the rows of a source that all of them answered."""

    on: str
    context: Literal["", "passage"] = ""
    subjects: tuple[str, ...]
    rows: int
    accuracy: Spread
    macro_f1: Spread
    weighted_f1: Spread
    pairs: tuple[SeedPair, ...] = ()


class Report(Frozen):
    """One run of `fingen score`."""

    format: Literal[2] = 2
    name: str
    sources: dict[str, ScoredRows]
    scores: tuple[Score, ...]
    pairs: tuple[Pair, ...] = ()
    contrasts: tuple[Contrast, ...] = ()
    seeds: tuple[SeedGroup, ...] = ()
    predictions: str = ""  # sha256 of predictions.jsonl
    resamples: int
    seed: int
    version: str  # of fingen

    @property
    def short(self) -> bool:
        """Whether rows lack an answer, or answers a row."""
        return any(score.short for score in self.scores)

    @property
    def order(self) -> list[str]:
        """Keys of the sources in the order in which they are told: what the training teacher wrote itself comes last."""
        return sorted(
            self.sources, key=lambda key: (bool(self.sources[key].same_teacher), list(self.sources).index(key))
        )

    @property
    def headline(self) -> str:
        """Key of the source that comes first."""
        return self.order[0]


def refuse_other(
    folder: Path, sources: Mapping[str, ScoredRows], scores: Sequence[Score] | None = None, *, replace: bool = False
) -> None:
    """Refuse a folder that holds something else than a score of the same rows, and of the same subjects where they are known.

    Raises:
        UsageError: it has a score of other inputs that is not to be replaced, or no score but files.
    """
    hint = "name another folder with --out, or write over it with --replace"
    if not (folder / REPORT).is_file():
        if folder.is_dir() and _is_foreign({path.name for path in folder.iterdir()}):
            said = describe(folder) or f"{folder}: there is something else"
            raise UsageError(said, hint="name another folder with --out")
        return
    if replace:
        return
    there = _read(folder)
    same = scores is None or [score.identity for score in there.scores] == [score.identity for score in scores]
    if not same or there.sources != sources:
        subjects = ", ".join(dict.fromkeys(score.subject for score in there.scores))
        raise UsageError(f"{folder}: there is a score of other answers or rows ({subjects})", hint=hint)


def _is_foreign(names: set[str]) -> bool:
    """Whether these are not the files of a run that broke off: locks, answers, a journal, and what is written before the report."""
    names = {name for name in names if not name.startswith((".", "journal.sqlite"))}
    return bool(names - {PREDICTIONS, PAGE, FIGURES, CARD}) or names == {CARD}


def write_score(folder: Path, report: Report, predictions: Iterable[Prediction], card: str) -> Report:
    """Write the folder, the report last; returns it with the hash of the predictions.

    Raises:
        LimitError: a file cannot be written; the folder then has no report.
    """
    (folder / REPORT).unlink(missing_ok=True)
    write_jsonl(folder / PREDICTIONS, predictions)
    write_text(folder / CARD, card)
    report = report.model_copy(update={"predictions": sha256_file(folder / PREDICTIONS)})
    write_text(folder / REPORT, dump_json(report.model_dump(mode="json"), indent=2) + "\n")
    return report


def read_score(folder: Path) -> tuple[Report, list[Prediction]]:
    """Read a score back.

    Raises:
        SetError: it is missing, not whole, damaged, or its predictions were changed.
    """
    report = _read(folder)
    path = folder / PREDICTIONS
    if not path.is_file() or sha256_file(path) != report.predictions:
        raise SetError(f"{path}: missing, or changed since it was written", hint="score the answers again")
    return report, list(read_jsonl(path, Prediction))


def _read(folder: Path) -> Report:
    path = folder / REPORT
    if not path.is_file():
        raise SetError(f"{folder}: no score: it has no {REPORT}", hint="name a folder that `fingen score` has written")
    try:
        return Report.model_validate_json(read_whole(path))
    except ValidationError as e:
        first = e.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise SetError(f"{path}: {where + ': ' if where else ''}{first['msg']}", hint="score the answers again") from e
