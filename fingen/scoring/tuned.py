"""Adapters and models as subjects: what is one, which sets adapters were tuned on, the cards that their scores go into.

And what stands beside a distilled model.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from fingen.adapters import FOREIGN, read_adapter, write_scores
from fingen.adapters import MANIFEST as ADAPTER
from fingen.config import BUILD, Scoring
from fingen.disk import dump_json, read_object, sha256_file
from fingen.errors import UsageError
from fingen.scoring.report import Report, Score
from fingen.scoring.rows import Asked, named, read_tasks
from fingen.sets import MANIFEST, read_manifest
from fingen.training.foreign import need_form
from fingen.training.merged import MERGED, made_of, weights_of
from fingen.training.models import HUB_ID, find_base, is_hub_id


def refuse_misnamed(settings: Scoring) -> None:
    """Refuse adapters, models and classifiers that cannot be asked, before anything is read.

    Raises:
        UsageError: no such adapter, nothing says how its prompts looked in its training, a model that is made from a set, or no such model.
    """
    for name in settings.adapters:
        _refuse_no_adapter(name, settings.form)
    for name in settings.models:
        if find_base(name).built:
            hint = "name its folder in build/models/"
            raise UsageError(f"--model {name}: it is made from a set, by `fingen finetune --model {name}`", hint=hint)
    for name in settings.classifiers:
        is_hub_id(name)  # or a folder


def _refuse_no_adapter(name: str, form: str | None) -> None:
    folder = Path(name)
    if is_ours(name):
        return
    if folder.is_dir() and not (folder / FOREIGN).is_file():
        raise UsageError(f"{name}: no adapter: it has neither {ADAPTER} nor {FOREIGN}", hint="name an adapter's folder")
    if not folder.is_dir() and not HUB_ID.fullmatch(name):
        raise UsageError(f"{name}: no such adapter", hint="name a folder that `fingen finetune` has made, or a Hub id")
    need_form(name, form)


def is_ours(name: str) -> bool:
    """Whether this is the folder of an adapter that fingen made."""
    return (Path(name) / ADAPTER).is_file()


def beside(settings: Scoring) -> tuple[list[str], list[str]]:
    """What stands beside distilled models unasked: models of the same cut from the same teacher, and teachers that are adapters.

    A teacher that is a model is among the former. None of what was named, or changed since.
    """
    models, adapters = list[str](), list[str]()
    for name in settings.models if settings.base_beside else ():
        about = read_object(Path(name) / MERGED).get("distilled")
        if not about:
            continue
        teacher = str(about["teacher"]["source"])
        if is_ours(teacher) and about["teacher"].items() >= made_of(read_object(Path(teacher) / ADAPTER)).items():
            adapters.append(teacher)
        elif Path(teacher).is_dir() and about["teacher"].get("weights") == weights_of(Path(teacher)):
            models.append(teacher)
        models += [str(path.parent) for path in sorted(Path(name).parent.glob(f"*/{MERGED}")) if _is_of(path, about)]
    named = {Path(name).resolve() for name in (*settings.models, *settings.adapters)}

    def unnamed(found: list[str]) -> list[str]:
        return [each for each in dict.fromkeys(found) if Path(each).resolve() not in named]

    return unnamed(models), unnamed(adapters)


def _is_of(path: Path, about: Mapping[str, Any]) -> bool:
    """Whether a model was cut or chosen as one that says this of itself, and has the same teacher."""
    other = read_object(path).get("distilled") or {}
    kept = [(each.get("layers") or {}).get("kept") for each in (other, about)]
    return kept[0] == kept[1] and all(other.get(key) == about[key] for key in ("teacher", "student"))


def own_sets(adapters: Iterable[str]) -> list[Path]:
    """The sets that fingen's own adapters were tuned on, each once.

    Raises:
        UsageError: one is not there, or not as it was.
    """
    found = []
    for name, stored, rows in _tuned_on(adapters):
        if _state(rows) is None:
            raise UsageError(
                f"{name}: the set that it was tuned on is not in {rows}",
                hint="name rows to score on with --set or --benchmark",
            )
        if _state(rows) != stored["sha256"]:
            raise UsageError(
                f"{name}: {rows} is not as it was when the adapter was tuned on it: rows that are scored now may have been trained on",
                hint=f"make the set again as it was, name other rows with --set or --benchmark, or insist with --set {rows}",
            )
        found.append(rows)
    return list(dict.fromkeys(found))


def with_own_sets(adapters: Iterable[str], asked: Asked, *, examples: bool) -> Asked:
    """The rows with what the sets of the adapters say of them, and with training rows of the first one if rows need `examples`."""
    asked = _with_notes(adapters, asked)
    if asked.examples or asked.source.split == "train" or not examples:
        return asked
    for _, stored, rows in _tuned_on(adapters):
        if _state(rows) == stored["sha256"]:
            note = f"{asked.key}: it has no training rows; examples are those of {rows}"
            alike = (each.examples for each in read_tasks(rows, examples=True) if each.is_text == asked.is_text)
            lent = next(alike, ())
            return replace(asked, examples=lent, notes=(*asked.notes, note))
    return asked


def _with_notes(adapters: Iterable[str], asked: Asked) -> Asked:
    """The rows of a set with what is known of them: that one teacher wrote both, or that both are one set."""
    if asked.folder is None:
        return asked
    sha256, name, notes = _state(asked.folder), read_manifest(asked.folder).name, list(asked.notes)
    known = frozenset((asked.source.same_teacher or "").split(", ")) - {""}
    for adapter, stored, rows in _tuned_on(adapters):
        if stored["name"] == name and stored["sha256"] != sha256:
            notes.append(f"{adapter} was tuned on another state of {asked.folder}: its rows may have been trained on")
        if _state(rows) == stored["sha256"]:
            known |= asked.teachers & frozenset(read_manifest(rows).teacher.split(", "))
    source = asked.source.model_copy(update={"same_teacher": named(known)})
    return replace(asked, source=source, notes=tuple(notes))


def _tuned_on(adapters: Iterable[str]) -> Iterator[tuple[str, Mapping[str, Any], Path]]:
    """Each of fingen's own adapters, what it says of the set that it was tuned on, and where that set is."""
    for name in filter(is_ours, adapters):
        stored = read_adapter(Path(name))["set"]
        if stored is None:  # one of others, that fingen has published
            continue
        yield name, stored, BUILD / stored["name"]


def seed_groups(adapters: Iterable[str]) -> list[tuple[str, ...]]:
    """The names, as subjects, of fingen's own adapters that differ by their seed alone: groups of two and more."""
    groups: dict[str, dict[int, str]] = {}
    for name in filter(is_ours, adapters):
        manifest = read_adapter(Path(name))
        if manifest["set"] is None:  # as above
            continue
        base, settings = manifest["base"], {**manifest["settings"]}
        seed = settings.pop("seed", 0)
        of = dump_json([base["source"], base["revision"], manifest["set"]["sha256"], manifest["template"], settings])
        groups.setdefault(of, {})[seed] = Path(name).resolve().name
    return [tuple(each.values()) for each in groups.values() if len(each) > 1]


def _state(rows: Path) -> str | None:
    """The hash of a set's manifest; None where there is no set."""
    return sha256_file(rows / MANIFEST) if (rows / MANIFEST).is_file() else None


def write_cards(adapters: Iterable[str], report: Report) -> None:
    """Put the scores of fingen's own adapters, and of their bases, into their cards."""
    for name in filter(is_ours, adapters):
        subject = Path(name).resolve().name
        told = []
        for own in (score for score in report.scores if (score.kind, score.subject) == ("adapter", subject)):
            for one in report.scores:
                is_base = one.kind in ("base", "model") and _base(one.details) == _base(own.details)
                if (one is own or is_base) and (one.on, one.context) == (own.on, own.context):
                    told.append(_told(report, one, "adapter" if one is own else "base"))
        write_scores(Path(name), told)


def _base(details: Mapping[str, Any]) -> dict[str, Any]:
    """What a subject says of the model under it."""
    return {key: value for key, value in details.items() if key not in ("adapter", "set", "judge")}


def _told(report: Report, score: Score, subject: str) -> dict[str, Any]:
    choices, texts = score.choices, score.texts
    generated = bool(score.method == "generate" and choices)
    ways = [report.sources[score.on].label, "generated" if generated else ""]
    ways += [f"{score.shots} shots" if score.shots else ""]
    told: dict[str, Any] = {
        "on": score.on + (f" + {score.context}" if score.context else ""),
        "subject": subject,
        "generated": generated,
        "rows": score.rows,
        "note": ", ".join(way for way in ways if way),
    }
    if choices:
        told |= choices.model_dump(include={"accuracy", "macro_f1", "unparseable"})
        if choices.majority:
            told["majority"] = choices.majority.model_dump(include={"answer", "accuracy", "macro_f1"})
    if texts:
        told |= texts.model_dump(include={"rouge_l", "word_f1", "char_f1", "figures_recall"})
    return told
