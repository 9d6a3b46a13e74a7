"""The conductor of `fingen reproduce`: rows, adapters and scores of a published experiment, and one page that compares them.

Every step is one of fingen's own commands, in a folder below the experiment's: what is done is not done again.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fingen import __version__, config
from fingen.config import BUILD, Finetune, Pdf2qa, Reproduce, Scoring, Synth, Tuning
from fingen.disk import check_writable, dump_json, lock, read_object, refuse_others, write_text
from fingen.errors import UsageError
from fingen.events import Estimate, Note, Outcome, command_line
from fingen.imports.sources import SOURCES
from fingen.reproduce import rows, students
from fingen.reproduce.page import PAGE, write_page
from fingen.reproduce.published import GOLD, OWN_ROWS, Experiment, find_experiment, may_have_seen
from fingen.scoring.report import Report, read_score
from fingen.training import settings as tuning_settings
from fingen.training.models import find_base, is_hub_id, read_config
from fingen.training.preflight import Obstacle, find_obstacles, refuse
from fingen.training.schedule import total_steps, warmup_steps

if TYPE_CHECKING:
    from fingen.training.settings import Resolved

FOLDER = BUILD / "reproductions"
MANIFEST = "reproduction.json"
OWN = "own"
DATA, GOLD_SET, SCORE, GOLD_SCORE = "data", "gold", "score", "score-gold"
OWN_VALIDATION = 160  # rows of our own set at full scale, as the intent experiment has them
OFFLINE = "offline"
OnEvent = Callable[[Any], None]


@dataclass(frozen=True)
class Reproduced(Outcome):
    """What a reproduction came to: the folders that were made, and what keeps it from being the published one."""

    experiment: str
    folder: Path
    page: Path
    scores: dict[str, str]  # what was scored -> folder of the score
    differs: tuple[str, ...]
    missing: tuple[str, ...]
    seconds: dict[str, float]  # by step; of those that were done now and before
    memory_bytes: dict[str, int]  # the most that the process had until the end of each step


@dataclass(frozen=True)
class Planned:
    """What a run would do, and what is in its way."""

    experiment: str
    folder: Path
    model: str
    steps: tuple[str, ...]
    notes: tuple[str, ...]
    obstacles: tuple[str, ...]
    settings: dict[str, Any] = field(default_factory=dict)
    exit_code: int = 0


def reproduce(
    settings: Reproduce,
    *,
    on_event: OnEvent = lambda event: None,
    consent: Callable[[Estimate], None] = lambda one: None,
) -> Reproduced | Planned:
    """Repeat a published experiment, with its own rows and with ours, and write the page that compares the figures.

    Raises:
        UsageError: no such experiment, a file that cannot be fetched, or settings that another run here had not.
        SetError, ShortfallError, HubError, TeacherError, LimitError, Interrupted: as the commands that it conducts.
    """
    run = _Run(settings, on_event, consent)
    if not run.experiment.is_repeatable:
        return run.show()
    return run.plan() if settings.asking.dry_run else run.conduct()


class _Run:
    """One experiment on its way."""

    def __init__(self, settings: Reproduce, on_event: OnEvent, consent: Callable[[Estimate], None]) -> None:
        self._settings, self._on_event, self._consent = settings, on_event, consent
        self.experiment = _only(find_experiment(settings.name), settings.only)
        self._model = settings.model or next(iter(self.experiment.bases))
        self._base = _base_of(self._model)
        self._overrides = tuning_settings.parse_overrides(settings.overrides)
        tuning_settings.resolve([("--override", self._overrides)])
        self._files = rows.parse_files(settings.files, self.experiment)
        for classifier in settings.classifiers:
            is_hub_id(classifier)  # or a folder
        if settings.classifiers and not self.experiment.benchmarks:
            raise UsageError(f"--classifier: {settings.name} has no rows of classes", hint="leave --classifier out")
        name = f"{settings.name}-{Path(self._model).name.lower()}"
        self._folder = settings.out or FOLDER / (name if settings.scale == 1 else f"{name}-{settings.scale:g}")
        name = self._folder.name  # in the names of sets and adapters too: a tiny model is called after its set
        self._sets = {kind: self._folder / f"{name}-{kind}-rows" for kind in (rows.PUBLISHED, OWN)}
        self._students = students.folders(self._folder, find_base(self._model)) if self.experiment.distilled else {}
        self._adapters = {kind: self._folder / f"{name}-tuned-on-{kind}-rows" for kind in (rows.PUBLISHED, OWN)}
        self._done: dict[str, Any] = {"seconds": {}, "memory_bytes": {}}
        self._missing: list[str] = []
        self._notes: list[str] = []

    # --- before anything is done ------------------------------------------------------------------------------------

    def plan(self) -> Planned:
        """What would be done, without doing it."""
        obstacles = [*rows.find_missing(self.experiment, self._files)]
        obstacles += [f"{one.what} -> {one.remedy}" for one in self._obstacles()]
        steps = tuple(self._steps())
        tables = tuple(f"{table.title}, as published: {table.page}" for table in self.experiment.tables)
        notes = (*self._licences(), *tables, *self.experiment.remarks, *self._differs())
        values = dataclasses.asdict(self._resolve().tuning)
        return Planned(self._settings.name, self._folder, self._model, steps, notes, tuple(obstacles), values,
                       exit_code=int(not self.experiment.is_repeatable))  # fmt: skip

    def _steps(self) -> Iterator[str]:
        if self._has_published_rows():
            yield f"{self._sets[rows.PUBLISHED]}: the published training rows"
            yield f"{self._adapters[rows.PUBLISHED]}: an adapter tuned on them, recipe {self.experiment.recipe}"
        if why := self._no_own_rows():
            yield f"no rows of our own: {why}"
        else:
            yield f"{self._sets[OWN]}: rows of our own, by {self._settings.writer or OFFLINE}"
            yield f"{self._adapters[OWN]}: an adapter tuned on them, same base, recipe and seed"
            yield from (f"{path}: the adapter's {name.replace('-', ' ')}" for name, path in self._students.items())
            if self._students:
                yield f"{self._students[students.DISTILLED]}: the same as a file for llama.cpp, {students.GGUF}"
        on = ", ".join(self.experiment.benchmarks) or "held-out pairs"
        yield f"{self._folder / SCORE}: all of them, and their base, on {on}"
        yield f"{self._folder / PAGE}: the published table and ours"

    def _obstacles(self) -> list[Obstacle]:
        return find_obstacles(
            find_base(self._model), self._resolve().tuning, trust_remote_code=self._settings.trust_remote_code
        )

    def _resolve(self) -> Resolved:
        """The published settings; what the user overrides; rows and warm-up scaled alike."""
        recipe = tuning_settings.read_recipe(self.experiment.recipe) if self.experiment.recipe else {}
        scaled = {name: max(1, round(recipe[name] * self._settings.scale))
                  for name in ("warmup", "steps") if recipe.get(name, 0) >= 1 and self._settings.scale != 1}  # fmt: skip
        below = tuning_settings.published(self.experiment.recipe, self._model)
        return tuning_settings.resolve([("--override", self._overrides), ("--scale", scaled), *below])

    def _refuse_warmup(self, tuning: Tuning, count: int) -> None:
        """Refuse a warm-up that is longer than the run, unless the published one was.

        Raises:
            UsageError: it is.
        """
        steps = total_steps(tuning, count)
        warmup = warmup_steps(tuning, steps)
        if warmup <= steps:
            return
        said = f"the warm-up of {warmup:,} steps is longer than the run of {steps:,}"
        whole = tuning_settings.resolve(tuning_settings.published(self.experiment.recipe)).tuning
        published = total_steps(whole, round(self.experiment.rows * (1 - whole.validation_share)))
        if warmup_steps(whole, published) > published:
            self._notes.append(f"{said}, as it was published")
            return
        raise UsageError(said, hint="take a larger --scale, or --override warmup=0.1")

    def _licences(self) -> Iterator[str]:
        for name in dict.fromkeys((*self.experiment.sources, *self.experiment.benchmarks)):
            if licence := SOURCES[name].licence:
                yield f"licence of {name}: {licence}"

    def _has_published_rows(self) -> bool:
        return bool(self.experiment.sources or self.experiment.rows_where)

    def _no_own_rows(self) -> str | None:
        """Why there are no rows of our own; None where there are."""
        if self.experiment.task == "sentiment" and (self._settings.writer or OFFLINE) == OFFLINE:
            return "the offline teacher writes no sentences of news; name one with --writer"
        if self.experiment.task == "qa" and not self._settings.reports:
            return "no report was named with --reports"
        if (
            self.experiment.task == "topics"
            and not self._settings.reports
            and (self._settings.writer or OFFLINE) == OFFLINE
        ):
            return "the offline teacher writes no pairs on topics; name one with --writer, or reports with --reports"
        return None

    def show(self) -> Reproduced:
        """The page of an experiment that cannot be repeated: what was published, and why there is nothing beside it."""
        self._missing.append("not repeatable, because the settings of its training were not published")
        check_writable(self._folder)
        self._refuse_foreign()
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._finish({})

    # --- the steps --------------------------------------------------------------------------------------------------

    def conduct(self) -> Reproduced:
        """All steps, each where it is not done yet."""
        missing = rows.find_missing(self.experiment, self._files)
        if missing:
            raise UsageError(f"{len(missing)} files are missing:", *(f"  {line}" for line in missing),
                             hint="or leave out what you cannot get: --only NAME")  # fmt: skip
        refuse(self._obstacles())
        check_writable(self._folder)
        self._refuse_foreign()
        self._folder.mkdir(parents=True, exist_ok=True)
        with lock(self._folder):
            self._refuse_other()
            for licence in self._licences():
                self._on_event(Note(licence))
            self._fetch()
            adapters = [*self._published(), *self._own()]
            scores = self._score(adapters, self._distil(adapters))
            return self._finish(scores)

    def _refuse_foreign(self) -> None:
        """Refuse a folder with files that no reproduction has."""
        own = {
            DATA,
            GOLD_SET,
            SCORE,
            GOLD_SCORE,
            PAGE,
            MANIFEST,
            *(path.name for path in (*self._sets.values(), *self._adapters.values())),
            *(path.name for path in self._students.values()),
        }
        refuse_others(self._folder, own, "reproduction")

    def _refuse_other(self) -> None:
        given = {"experiment": self._settings.name, "model": self._model, "scale": self._settings.scale,
                 "only": sorted(self._settings.only), "writer": self._settings.writer or OFFLINE,
                 "overrides": sorted(self._settings.overrides)}  # fmt: skip
        path = self._folder / MANIFEST
        if path.is_file() and not self._settings.replace:
            there = read_object(path)
            if changed := [name for name, value in given.items() if there.get("settings", {}).get(name) != value]:
                raise UsageError(f"{self._folder}: made with other settings: {', '.join(changed)}",
                                 hint="name another folder with --out, or start anew with --replace")  # fmt: skip
            self._done = {**self._done, **{name: there.get(name, {}) for name in self._done}}
        self._done["settings"] = given

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        """Measure a step: seconds are added up over runs, memory is the most that the process has had."""
        began = time.monotonic()
        self._on_event(Note(f"{name} ..."))
        try:
            yield
        finally:
            spent, peak = self._done["seconds"], self._done["memory_bytes"]
            spent[name] = round(spent.get(name, 0.0) + time.monotonic() - began, 1)
            peak[name] = max(peak.get(name, 0), _peak_bytes())
            write_text(self._folder / MANIFEST, dump_json(self._done, indent=2) + "\n")

    def _fetch(self) -> None:
        for name in dict.fromkeys((*self.experiment.sources, *self.experiment.benchmarks)):
            if name not in self._files:
                with self._step(f"fetching {name}"):
                    self._on_event(Note(f"{name}: fetching {SOURCES[name].hub} from the Hub"))
                    self._files[name] = rows.fetch(name, self._folder / DATA)

    def _published(self) -> Iterator[Path]:
        if not self._has_published_rows():
            return
        with self._step(rows.PUBLISHED):
            made = rows.build_published_set(self.experiment, self._files, self._sets[rows.PUBLISHED],
                                            min(1.0, self._settings.scale), replaced=self._settings.replace)  # fmt: skip
        self._notes += made.notes
        yield self._tune(made.folder, self._adapters[rows.PUBLISHED], made.rows)

    def _own(self) -> Iterator[Path]:
        if why := self._no_own_rows():
            self._missing.append(f"no row that was tuned on our own data: {why}")
            return
        with self._step(OWN):
            count = self._make_own()
        yield self._tune(self._sets[OWN], self._adapters[OWN], count)

    def _make_own(self) -> int:
        """Our own rows, as many as the scale says; returns how many are trained on."""
        from fingen.sets import read_manifest

        out, writer = self._sets[OWN], self._settings.writer or OFFLINE
        n, validation = (max(1, round(count * self._settings.scale)) for count in (OWN_ROWS, OWN_VALIDATION))
        kept_out = tuple(
            path for name, path in self._files.items() if name in self.experiment.benchmarks and path.is_file()
        )
        filters = config.Filters(keep_out=kept_out if self.experiment.task == "intent" else ())
        asking = config.Asking(
            **{one.name: getattr(self._settings.asking, one.name) for one in dataclasses.fields(config.Asking)}
        )
        if self._settings.reports:
            from fingen.pipeline.pdf2qa import pdf2qa

            wanted = Pdf2qa(inputs=self._settings.reports, out=out, teacher=writer, context="both", asking=asking)
            pdf2qa(wanted, on_event=self._on_event, consent=self._consent)
        else:
            self._synthesise(Synth(kind=self.experiment.task, n=n, validation=validation, out=out, teacher=writer, asking=asking,
                                   filters=filters, language="zh" if self.experiment.task == "intent" else "en"))  # fmt: skip
        return read_manifest(out).splits["train"]

    def _synthesise(self, settings: Synth) -> None:
        from fingen.pipeline.synth import synth
        from fingen.tasks import intent, sentiment, topics
        from fingen.tasks.client_specs import ClientSpecs
        from fingen.tasks.labels import read_labels
        from fingen.tasks.plain_specs import PlainSpecs

        if settings.kind == "intent":  # whose letter is its class throughout, as in the benchmark
            labels = read_labels(None, settings.language)
            form = intent.form(seed=settings.seed, fixed_options=True)
            specs: Any = ClientSpecs(labels, settings.language, seed=settings.seed)
        else:
            kind = settings.kind
            labels = read_labels(None, settings.language, defaults=f"{kind}.labels")
            form = topics.form() if kind == "topics" else sentiment.form()
            specs = PlainSpecs(f"{kind}.draws", settings.language, seed=settings.seed)
        synth(settings, form, labels, specs, on_event=self._on_event, consent=self._consent)

    def _tune(self, data: Path, out: Path, count: int) -> Path:
        from fingen.training.run import finetune

        resolved = self._resolve()
        self._refuse_warmup(resolved.tuning, count)
        wanted = Finetune(model=self._model, data=data, out=out, recipe=self.experiment.recipe, resume=True,
                          replace=self._settings.replace, trust_remote_code=self._settings.trust_remote_code)  # fmt: skip
        with self._step(out.name):
            made = finetune(
                wanted, resolved.tuning, sources=resolved.sources, say=lambda text: self._on_event(Note(text))
            )
        self._notes += [f"{out.name}: {note}" for note in made.notes]
        return out

    def _distil(self, adapters: list[Path]) -> list[Path]:
        """The adapter taught to smaller models, where the experiment is about that; the one that the others stand beside."""
        if not (adapters and self.experiment.distilled):
            return []
        data, student = self._sets[OWN], self._students[students.DISTILLED]
        with self._step(students.DISTILLED):
            students.distil(
                adapters[-1], data, self._students, self.experiment.distilled, self._overrides, replaced=self._settings.replace,
                trust_remote_code=self._settings.trust_remote_code, say=lambda text: self._on_event(Note(text)),
            )  # fmt: skip
        if why := students.pack(student):
            self._missing.append(why)
        self._notes.append(f"to ask it: {command_line('fingen', 'demo', student)}")
        return [student]

    def _score(self, adapters: list[Path], distilled: list[Path]) -> dict[str, Path]:
        names = self.experiment.benchmarks
        tuned = tuple(map(str, adapters))
        common = Scoring(adapters=tuned, models=tuple(map(str, distilled)), teachers=self._settings.teachers, asking=self._settings.asking,
                         trust_remote_code=self._settings.trust_remote_code, replace=self._settings.replace)  # fmt: skip
        wanted: dict[str, Scoring] = {}
        if names:
            files = tuple(self._files[name] for name in names)
            wanted[SCORE] = dataclasses.replace(common, benchmarks=names, files=files, baseline=_has_examples(names),
                                                classifiers=self._settings.classifiers)  # fmt: skip
        elif not self._no_own_rows():
            both = "both" if self._settings.reports else None
            wanted[SCORE] = dataclasses.replace(common, data=self._sets[OWN], context=both)
        if GOLD in self._files:
            with self._step(GOLD_SET):
                gold = rows.build_gold_set(self._files[GOLD], self._folder / GOLD_SET, replaced=self._settings.replace)
            self._notes += gold.notes
            wanted[GOLD_SCORE] = dataclasses.replace(common, data=gold.folder, context="none")
        if not wanted:
            self._missing.append("nothing to score on: name reports with --reports, or questions with --data gold=FILE")
        from fingen.scoring.run import score

        for name, one in wanted.items():
            with self._step(name):
                score(dataclasses.replace(one, out=self._folder / name), on_event=self._on_event, consent=self._consent)
        return {name: self._folder / name for name in wanted}

    # --- what came of it --------------------------------------------------------------------------------------------

    def _differs(self) -> Iterator[str]:
        """What is not as it was published."""
        if self._base not in self.experiment.bases:
            yield f"another base model: {self._model}; published with {', '.join(self.experiment.bases)}, so no row is the published one"
        if self._settings.scale != 1:
            yield f"{100 * self._settings.scale:g} % of the training rows and of the warm-up"
        if self._settings.overrides:
            yield f"settings of your own: {', '.join(self._settings.overrides)}"
        if self._settings.only:
            yield f"of the published sources {', '.join(self._settings.only)} alone"
        for name in self.experiment.benchmarks:
            if may_have_seen(self._base, name):
                yield f"{self._model} is younger than {name}: the base may have seen this benchmark"

    def _finish(self, scores: dict[str, Path]) -> Reproduced:
        reports: dict[str, Report] = {}
        predictions = {}
        for name, folder in scores.items():
            reports[name], predictions[name] = read_score(folder)
        differs = tuple(self._differs())
        doubled = rows.conflicting_texts(self._files["fpb"]) if "fpb" in self._files and scores else frozenset()
        self._done |= {"differs": list(differs), "missing": self._missing, "notes": self._notes, "version": __version__}
        write_text(self._folder / MANIFEST, dump_json(self._done, indent=2) + "\n")
        page = write_page(self._folder, self._settings.name, self.experiment, self._model, self._base, self._settings.scale, reports,
                          predictions, self._done, doubled)  # fmt: skip
        short = bool(self._missing) or any(report.short for report in reports.values())
        return Reproduced(
            experiment=self._settings.name, folder=self._folder, page=page,
            scores={name: str(folder) for name, folder in scores.items()}, differs=differs, missing=tuple(self._missing),
            seconds=self._done["seconds"], memory_bytes=self._done["memory_bytes"], notes=self._notes, exit_code=int(short),
        )  # fmt: skip


def _only(experiment: Experiment, names: tuple[str, ...]) -> Experiment:
    """The experiment with some of its sources and benchmarks.

    Raises:
        UsageError: a name that it does not have.
    """
    if not names:
        return experiment
    known = dict.fromkeys((*experiment.sources, *experiment.benchmarks))
    if unknown := [name for name in names if name not in known]:
        raise UsageError(
            f"--only {unknown[0]}: not in this experiment", hint=f"its names: {', '.join(known) or 'none'}"
        )
    return dataclasses.replace(
        experiment,
        sources={name: times for name, times in experiment.sources.items() if name in names},
        benchmarks=tuple(name for name in experiment.benchmarks if name in names),
    )


def _base_of(model: str) -> str:
    """The published base that a model is: its alias, or of a folder what was converted into it."""
    if not Path(model).is_dir():
        return model.lower()
    return str(read_config(Path(model)).get("converted_from", model))


def _has_examples(names: tuple[str, ...]) -> bool:
    """Whether all benchmarks have training rows of their own, for the linear baseline."""
    return all(SOURCES[name].split != "test" for name in names)


def _peak_bytes() -> int:
    """The most memory that this process has had; 0 where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows has none
        return 0
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
