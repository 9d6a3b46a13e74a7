"""The conductor of `fingen gather`: the parts that several machines made -> one set, as if one machine had made it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fingen.config import Gather, Pdf2qa, Synth
from fingen.disk import lock
from fingen.errors import UsageError
from fingen.events import Estimate
from fingen.pipeline.parts import Part, Parts, load_settings, open_parts
from fingen.pipeline.pdf2qa import OnEvent, pdf2qa
from fingen.pipeline.synth import Specs, SynthSummary, synth
from fingen.set_folder import named_first, refuse_folder
from fingen.sets import JOURNAL
from fingen.tasks import intent, sentiment, topics
from fingen.tasks.client_specs import ClientSpecs
from fingen.tasks.drawn import Form
from fingen.tasks.plain_specs import PlainSpecs
from fingen.teachers.asking import Pending
from fingen.teachers.journal import Journal

if TYPE_CHECKING:
    from fingen.pipeline.summary import Summary


def gather_parts(
    folders: Sequence[Path],
    out: Path,
    settings: Gather,
    *,
    replaces: bool = False,
    yes: bool = False,
    on_event: OnEvent = lambda event: None,
    consent: Callable[[Estimate], None] = lambda estimate: None,
) -> Summary | SynthSummary | Pending:
    """Make one set of its parts. What they have not asked is asked here, of a teacher that costs only with `yes`.

    The parts stay as they are, and can be gathered again when they have gone on.

    Raises:
        SetError: a part is missing, there twice, or of another set. UsageError: requests are left, and `yes` is not given.
        FingenError: as `pdf2qa` and `synth`.
    """
    parts = open_parts(folders)
    refuse_folder(out)
    with lock(out):
        refuse_folder(out)
        Journal.open(
            out / JOURNAL
        ).close()  # who has a journal may have all answers: no key is asked for before that is known

    def agree(estimate: Estimate) -> None:
        if estimate.requests and estimate.teacher != "offline" and not yes:
            raise _unasked(parts, estimate)
        consent(estimate)

    part = parts.first
    asking = named_first(settings.asking, str(part.bound.get("teacher")))
    given: dict[str, Any] = {"out": out, "asking": asking, "replace": replaces}
    outcome: Any
    if part.command == "pdf2qa":
        made_of = load_settings(part, Pdf2qa, **given, workers=settings.workers, engine=settings.engine)
        outcome = pdf2qa(made_of, on_event=on_event, consent=agree, parts=parts)
    else:
        drawn = load_settings(part, Synth, **given)
        form, draws = _drawn(part, drawn)
        outcome = synth(drawn, form, part.labels, draws, on_event=on_event, consent=agree, parts=parts)
    if isinstance(outcome, Pending):
        return replace(outcome, next="run the same command again to collect them")
    made: Summary | SynthSummary = replace(outcome, notes=[f"gathered from {len(parts.all)} parts", *outcome.notes])
    return made


def _unasked(parts: Parts, estimate: Estimate) -> UsageError:
    """The error where something is left to ask, and nobody agreed to that."""
    late = parts.unasked()
    price = "at an unknown price" if estimate.usd is None else f"for about {estimate.usd[1]:.2f} USD"
    those = f"run the command again for part {', '.join(late[:3])}{' ...' * (len(late) > 3)}; or " if late else ""
    return UsageError(
        f"{estimate.requests:,} requests to {estimate.teacher} have no answer in these parts; what they have is taken in",
        hint=f"{those}have them asked from here, {price}: the same command with --yes",
    )


def _drawn(part: Part, settings: Synth) -> tuple[Form, Specs]:
    """What items of a kind are, and where their draws come from."""
    language, seed = settings.language, settings.seed
    match settings.kind:
        case "intent":
            specs = ClientSpecs(part.labels, language, seed=seed)
            return intent.form(seed=seed, fixed_options=part.fixed_options), specs
        case "sentiment":
            return sentiment.form(), PlainSpecs("sentiment.draws", language, seed=seed)
        case _:
            return topics.form(), PlainSpecs("topics.draws", language, seed=seed)
