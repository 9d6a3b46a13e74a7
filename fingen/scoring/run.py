"""`fingen score`: subjects answer rows, answers are read and counted, and all of it is written."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fingen import __version__
from fingen.config import Scoring
from fingen.disk import check_writable, lock, sha256_file
from fingen.errors import UsageError
from fingen.events import Answered as AnsweredRequest
from fingen.events import Estimate, Note, Waiting
from fingen.install import install_command
from fingen.scoring import plan
from fingen.scoring.aggregate import Drawing, Turn, build_choices, build_pairs, build_rotation, letter_at
from fingen.scoring.answer_cache import AnswerCache, forget
from fingen.scoring.card import render_card
from fingen.scoring.columns import build_contrasts, has_passage
from fingen.scoring.page import write_page
from fingen.scoring.report import REPORT, Kind, Method, Prediction, Report, Score, refuse_other, write_score
from fingen.scoring.rows import Answer, Asked, Metric, ScoringItem, by_model, match, read_answers
from fingen.scoring.seeds import build_seeds
from fingen.scoring.subjects import Given, Say, Subject, read
from fingen.scoring.texts import Judged, TextRow, measure, score_texts, with_verdicts
from fingen.scoring.variants import choose_shots, place, rotations
from fingen.thoughts import after_steps, without_thoughts

if TYPE_CHECKING:
    from fingen.scoring.api import Asker
    from fingen.scoring.judge import TextJudge

OnEvent = Callable[[AnsweredRequest | Waiting | Note], None]


@dataclass(frozen=True)
class Scored:
    """What was written, and where."""

    folder: Path
    report: Report
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Planned:
    """What a run would ask: rows by source, and what its teachers would cost."""

    folder: Path
    rows: dict[str, int]
    estimates: tuple[Estimate, ...]
    notes: tuple[str, ...] = ()


@dataclass
class Answered:
    """One subject's answers to the rows of one source, read."""

    asked: Asked
    kind: Kind
    method: Method
    rows: list[Prediction]
    cut: int  # answers that might not be longer, in all the ways in which rows were asked
    details: Mapping[str, Any]
    shots: int = 0
    unknown: tuple[str, ...] = ()
    turns: list[list[Turn]] = field(default_factory=list)  # of each row that was asked with its options rotated
    judged: Judged | None = None  # of free text


def score(
    settings: Scoring,
    *,
    on_event: OnEvent = lambda event: None,
    consent: Callable[[Estimate], None] = lambda estimate: None,
) -> Scored:
    """Have the subjects answer, and write build/scores/<name>/. Scores of fingen's own adapters go into their cards too.

    `watch` gets news of what is done, `consent` sees what asking a teacher would cost and raises to prevent it.

    Raises:
        UsageError: a file is missing, nothing says what is right, an adapter does not fit its base, or the folder holds
            something else. SetError: rows are damaged; names file and row. TeacherError, HubError: see there.
        LimitError: out of memory or disk. What was answered until then is kept: the same command goes on.
    """
    if settings.out:
        check_writable(settings.out)
    answers, own = read_answers(settings.predictions) if settings.predictions else ([], None)
    sources = plan.read_sources(settings, lambda text: on_event(Note(text))) or ([own] if own else [])
    _refuse_unready(settings, sources)
    folder = plan.folder_of(settings, sources)
    check_writable(folder)
    for note in chain.from_iterable(asked.notes for asked in sources):
        on_event(Note(note))
    refuse_other(folder, plan.same_rows(sources), replace=settings.replace)
    found = list(_from_file(settings.predictions, answers, sources[0])) if settings.predictions else []
    judge = _open_judge(settings, folder)
    if judge and (warning := judge.check()):
        on_event(Note(warning, is_warning=True))
    ready, open_models = list(_ready(settings, folder, on_event, consent)), _models(settings)
    with lock(folder), closing(open_models(settings, sources, lambda text: on_event(Note(text)))) as models:
        for subject, its_own in chain(((subject, sources) for subject in ready), models):
            found += [_ask(subject, asked, settings, folder) for asked in its_own]
        _measure(found, judge, on_event, consent)
        report, rows = _report(settings, folder, sources, found)
        refuse_other(folder, report.sources, report.scores, replace=settings.replace)
        (folder / REPORT).unlink(missing_ok=True)
        write_page(folder, report, rows)
        report = write_score(folder, report, rows, render_card(report))
        if settings.adapters:
            from fingen.scoring.tuned import write_cards  # what adapters bring along is loaded for those who have one

            write_cards(settings.adapters, report)
        if not (judge and judge.failed):
            forget(folder)
    return Scored(folder, report, tuple(chain.from_iterable(asked.notes for asked in sources)))


def build_plan(settings: Scoring) -> Planned:
    """What `score` would ask, and what its teachers would cost at most. No model is loaded and nothing is sent.

    Raises:
        UsageError, SetError, HubError: as `score`.
    """
    _, own = read_answers(settings.predictions) if settings.predictions else ([], None)
    sources = plan.read_sources(settings) or ([own] if own else [])
    _refuse_unready(settings, sources)
    folder = plan.folder_of(settings, sources)
    estimates = [
        asker.estimate(asked, _asked_items(asked, settings), _shots(asked, settings))
        for asker in _askers(settings, folder, lambda event: None, lambda estimate: None)
        for asked in sources
    ]
    if judge := _open_judge(settings, folder):
        subjects = len(settings.adapters) * (1 + settings.base_beside) + len(settings.models) + len(settings.teachers)
        if settings.models:
            from fingen.scoring.tuned import beside  # what adapters bring along is loaded for those who have one

            subjects += sum(map(len, beside(settings)))
        written = [[_text_row(item, item.right) for item in asked.items] for asked in sources if asked.is_text]
        estimates.append(judge.estimate(written * max(subjects, 1)))
    rows = {asked.key + (f" + {asked.context}" if asked.context else ""): len(asked.items) for asked in sources}
    return Planned(folder, rows, tuple(estimates), tuple(chain.from_iterable(asked.notes for asked in sources)))


def _refuse_unready(settings: Scoring, sources: list[Asked]) -> None:
    if not sources:
        raise UsageError(
            f"{settings.predictions}: not every row has a column gold", hint="name what is right with --gold FILE"
        )
    if settings.predictions and len(sources) > 1:
        raise UsageError("--predictions: on which of several sources?", hint="name one --set, --gold or --benchmark")
    if (settings.judge or settings.context) and not any(asked.is_text for asked in sources):
        option = "--judge" if settings.judge else "--context"
        raise UsageError(f"{option} is about free text, and these rows are choices", hint=f"leave {option} out")
    asking = plan.is_asking(settings)
    of_choices = "--classifier" if settings.classifiers else "--baseline" if settings.baseline else ""
    for asked in sources:
        if of_choices and asked.is_text:
            hint = f"leave {of_choices} out, or name rows with options"
            raise UsageError(f"{of_choices}: {asked.key} is free text", hint=hint)
        if asking and (bare := next((item for item in asked.items if not item.text), None)):
            raise UsageError(
                f"{asked.path}: row {bare.number} has no question to ask",
                hint="give each row an instruction or question, or name the --benchmark that the file holds",
            )
        if asking:  # what fails fails before anything is loaded
            _asked_items(asked, settings)
            _shots(asked, settings)


def _shots(asked: Asked, settings: Scoring) -> tuple[ScoringItem, ...]:
    return choose_shots(asked.examples, settings.shots, settings.seed) if settings.shots else ()


def _asked_items(asked: Asked, settings: Scoring) -> list[ScoringItem]:
    """The rows in all the ways in which they are asked."""
    if not settings.rotate or asked.is_text:
        return list(asked.items)
    return [turned for item in asked.items for turned in rotations(item)]


# --- subjects ----------------------------------------------------------------------------------------------------------


def _ready(
    settings: Scoring, folder: Path, on_event: OnEvent, consent: Callable[[Estimate], None]
) -> Iterator[Subject]:
    """The subjects that need no model here: what fails early comes first."""
    if settings.baseline:
        from fingen.scoring.baseline import Baseline

        yield Baseline()
    yield from _askers(settings, folder, on_event, consent)


Models = Generator[tuple[Subject, Sequence[Asked]], None, None]


def _models(settings: Scoring) -> Callable[[Scoring, Sequence[Asked], Say], Models]:
    """What opens the models that run here; a tuned one comes after its base, so that pairs tell the gain."""
    openers: list[Callable[[Scoring, Sequence[Asked], Say], Models]] = []
    try:
        if settings.classifiers:
            from fingen.scoring.classifier import open_classifiers

            openers.append(open_classifiers)
        if settings.models or settings.adapters:
            from fingen.scoring.local import open_models

            openers.append(open_models)
    except ImportError as e:
        raise UsageError(
            f"a model is run with torch, transformers and peft, and {e.name} is not installed",
            hint=install_command("train"),
        ) from e

    def open_all(settings: Scoring, sources: Sequence[Asked], say: Say) -> Models:
        for open_some in openers:
            yield from open_some(settings, sources, say)

    return open_all


def _askers(settings: Scoring, folder: Path, on_event: OnEvent, consent: Callable[[Estimate], None]) -> Iterator[Asker]:
    if settings.teachers:
        from fingen.scoring.api import open_asker  # all about asking comes with it

        for name in settings.teachers:
            yield open_asker(name, settings, folder, on_event, consent)


def _open_judge(settings: Scoring, folder: Path) -> TextJudge | None:
    if settings.judge is None:
        return None
    from fingen.scoring.judge import open_judge  # as above

    return open_judge(settings.judge, settings.asking, folder, seed=settings.seed)


def _ask(subject: Subject, asked: Asked, settings: Scoring, folder: Path) -> Answered:
    """Have a subject answer the rows of a source; what it answered in a run that broke off is not asked again."""
    items, shots = _asked_items(asked, settings), _shots(asked, settings)
    if subject.kind in ("baseline", "classifier"):  # it sees no prompt: no order of options, and no examples
        items, shots = list(asked.items), ()
    if subject.kind in ("teacher", "baseline"):  # its journal holds the answers; it needs all rows at once
        given = {(one.id, one.turn): one for one in subject.answer(asked, items, shots)}
    else:
        way = (subject.name, subject.kind, subject.method(asked), dict(subject.details), settings.max_tokens)
        held = AnswerCache(folder, [*way, [shot.id for shot in shots]], asked, items)
        held.take(subject.answer(asked, held.missing(items), shots))
        given = {(item.id, item.turn): one for item in items if (one := held.of(item)) is not None}
    rows, turns = [], []
    by_id: dict[str, list[tuple[ScoringItem, Given]]] = {}
    for item in items:
        by_id.setdefault(item.id, []).append((item, given[item.id, item.turn]))
    for ways in by_id.values():
        first, *_ = (read(item, one, subject.name, asked) for item, one in ways)
        if len(ways) > 1:
            turned = [_turn(item, one, subject.name, asked) for item, one in ways]
            turns.append(turned)
            first = first.model_copy(update={"rotated": tuple(turn.picked for turn in turned)})
        rows.append(first)
    cut, shown = sum(one.cut for one in given.values()), settings.shots if shots else 0
    return Answered(asked, subject.kind, subject.method(asked), rows, cut, dict(subject.details), shown, turns=turns)


def _turn(item: ScoringItem, given: Given, subject: str, asked: Asked) -> Turn:
    value = read(item, given, subject, asked).value
    key = next((key for key in item.options if item.name(key) == value), None)
    right, picked = place(item, item.right), place(item, key)
    return Turn(letter_at(right or 0), "" if picked is None else letter_at(picked))


def _from_file(path: Path, answers: list[Answer], asked: Asked) -> Iterator[Answered]:
    """A file of answers, one subject for each model that its rows name."""
    details = {"answers": {"name": path.name, "sha256": sha256_file(path)}}
    for model, own in by_model(answers):
        found, unknown = match(asked.items, own)
        if not found:
            raise UsageError(
                f"{unknown[0].where}: none of {len(unknown):,} answers of {model or path.stem} has a row",
                hint="their ids are not those of the gold rows",
            )
        rows = [
            read(item, Given(item.id, 0, found[item.id].text, cut=found[item.id].cut), model or path.stem, asked)
            for item in asked.items
            if item.id in found
        ]
        names = tuple(answer.id if answer.id is not None else f"row {answer.row}" for answer in unknown)
        yield Answered(asked, "predictions", "answers", rows, sum(row.cut for row in rows), details, unknown=names)


# --- figures -----------------------------------------------------------------------------------------------------------


def _report(
    settings: Scoring, folder: Path, sources: Sequence[Asked], found: Sequence[Answered]
) -> tuple[Report, list[Prediction]]:
    drawing = Drawing(settings.seed, settings.resamples)
    _refuse_twice(found)
    scores = tuple(_count(one, drawing) for one in found)
    rows = [row for one in found for row in one.rows]
    clusters = {(asked.key, item.id): item.cluster for asked in sources for item in asked.items}
    report = Report(
        name=folder.resolve().name,
        sources=plan.same_rows(list(sources)),
        scores=scores,
        pairs=build_pairs(rows, drawing),
        contrasts=build_contrasts(scores, rows, clusters, drawing),
        seeds=build_seeds(rows, _seed_groups(settings), drawing),
        resamples=settings.resamples,
        seed=settings.seed,
        version=__version__,
    )
    return report, rows


def _seed_groups(settings: Scoring) -> list[tuple[str, ...]]:
    if not settings.adapters:
        return []
    from fingen.scoring.tuned import seed_groups  # as in score

    return seed_groups(settings.adapters)


def _refuse_twice(found: Sequence[Answered]) -> None:
    names = [(one.rows[0].subject, one.asked.key, one.asked.context) for one in found]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(f"two subjects are called {twice[0]}", hint="score them in two runs, then: fingen compare")


def _measure(
    found: Sequence[Answered], judge: TextJudge | None, on_event: OnEvent, consent: Callable[[Estimate], None]
) -> None:
    """Put into the rows of free text how near they come to their references, and what a judge says of them."""
    written = [one for one in found if one.asked.is_text]
    texts = []
    for one in written:
        items = {item.id: item for item in one.asked.items}
        texts.append([_text_row(items[row.id], row.answer) for row in one.rows])
        own = one.asked.metric or _metric_of_set(one.asked) or (lambda item, answer: {})
        one.rows = [
            row.model_copy(update={"measures": measure(text) | own(items[row.id], text.answer)})
            for row, text in zip(one.rows, texts[-1], strict=True)
        ]
    if judge and written:
        for one, judged in zip(written, judge.judge(texts, on_event, consent), strict=True):
            one.rows, one.judged = with_verdicts(one.rows, judged), judged
            one.details = {**one.details, "judge": judged.details}


def _metric_of_set(asked: Asked) -> Metric | None:
    """What the rows of a set are held against beside their references; it is loaded where a set may have that."""
    if asked.folder is None:
        return None
    from fingen.scoring.proof import metric_of

    return metric_of(asked)


def _text_row(item: ScoringItem, answer: str) -> TextRow:
    alone = (
        has_passage(item) and not item.turns
    )  # figures of a passage are still to be found; those told before are not
    question = item.instruction if alone else item.text
    return TextRow(item.id, item.language, question, after_steps(item.right) or "", without_thoughts(answer) or "")


def _count(one: Answered, drawing: Drawing) -> Score:
    """What one subject comes to."""
    choices = texts = rotation = None
    if one.asked.is_text:
        texts = score_texts(one.rows, {item.id: item.cluster for item in one.asked.items}, drawing, one.judged)
    else:
        choices = build_choices(one.rows, drawing)
        rotation = build_rotation(one.turns, drawing) if one.turns else None
    answered = {row.id for row in one.rows}
    return Score(
        subject=one.rows[0].subject,
        kind=one.kind,
        on=one.asked.key,
        context=one.asked.context,
        method=one.method,
        shots=one.shots,
        rows=len(one.rows),
        asked=len(one.asked.items),
        missing=tuple(item.id for item in one.asked.items if item.id not in answered),
        unknown=one.unknown,
        cut=one.cut,
        choices=choices,
        texts=texts,
        rotation=rotation,
        details=dict(one.details),
    )
