"""`fingen distill`: a smaller model that answers as its teacher does."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fingen.cli import completers
from fingen.cli.common import Command, again, command_options, echo, print_json
from fingen.cli.options import options_of, settings_of
from fingen.cli.tuning import Voice, gib, resolve, said, settings_lines, take_settings, training_options
from fingen.config import Distill, Distilling

if TYPE_CHECKING:
    from fingen.training.distill.plan import DistillPlan
    from fingen.training.distill.run import Distilled
    from fingen.training.settings import Resolved


@click.command("distill", cls=Command)
@click.argument("teacher", shell_complete=completers.models)
@options_of(Distill, "drop", "student", "data", "out", "recipe")
@training_options(Distilling)
@options_of(
    Distill, "untrained", "cache", "licence_agreed", "resume", "replace", "report_to", "trust_remote_code", "dry_run"
)
@command_options
@click.pass_context
def command(ctx: click.Context, /, table: Path | None, overrides: tuple[str, ...], as_json: bool, quiet: bool, debug: bool,
            **options: Any) -> None:  # fmt: skip
    """Make a smaller model that answers as its teacher does.

    TEACHER is an adapter, a merged model, or a model as it is. The student is the teacher with --drop layers out, chosen one after
    the other by how little that changes its answers to the training rows; or another model, also one with a vocabulary of its
    own. It learns the rows and what the teacher says at each place of their answers, and its folder is an ordinary model's: `score`,
    `chat` and `serve` take it. To learn from texts that a teacher writes, make a set with it: `fingen pdf2qa --teacher openai
    --base-url`.

    \b
    Examples:
      $ fingen distill build/adapters/fpb-smollm2 --drop 6
      $ fingen distill build/adapters/fpb-smollm2 --drop 6 --untrained --out build/models/cut
      $ fingen distill build/models/reports-llama3.1 --student llama3.2-1b --recipe od-finllm --set build/reports
      $ fingen distill llama3.1 --student llama3.2-1b --hidden 1 --layer-map 0:0,7:15,15:31 --dry-run
    """
    from fingen.training.distill.plan import build_plan
    from fingen.training.preflight import refuse

    resolved = resolve(
        ctx, take_settings(Distilling, options), table, overrides, recipe=options["recipe"], kind=Distilling
    )
    tuning = resolved.tuning
    assert isinstance(tuning, Distilling)
    settings = settings_of(Distill, options)
    voice = Voice(quiet=quiet)
    plan = build_plan(settings, tuning)
    if plan.data and settings.data is None:
        voice.say(f"the set: {plan.data}")
    if settings.dry_run:
        if as_json:
            print_json(_plan_json(plan, resolved))
        else:
            echo(*_plan_lines(plan, resolved), *([] if plan.obstacles else [f"next: {again(ctx)}"]))
        refuse(plan.obstacles)
        return
    refuse(plan.obstacles)
    if resolved.sources:
        voice.say(said(resolved))
    from fingen.training.distill.run import distill

    made = distill(settings, tuning, sources=resolved.sources, say=voice.say, show=voice.show)
    if voice.is_first and as_json:
        print_json({"model": str(made.model), "changed": made.changed, "notes": made.notes, "seconds": made.seconds,
                    "tokens": made.tokens, **made.record})  # fmt: skip
    elif voice.is_first:
        echo(*_lines(made))


def _plan_lines(plan: DistillPlan, resolved: Resolved) -> list[str]:
    student = plan.student.source if plan.student else f"the teacher with {plan.drop} layers out"
    return [
        f"teacher: {plan.teacher}   student: {student}   set: {plan.data or 'none'}   model: {plan.out}",
        f"rows: {plan.rows:,}, about {plan.tokens:,} tokens | {plan.validation:,} validation",
        f"steps: {plan.steps:,}",
        f"memory: at least {gib(plan.need_bytes)} needed, about",
        f"the teacher's answers: {'kept, about ' + gib(plan.cache_bytes) if plan.cached else 'asked at each step'}",
        *settings_lines(resolved, plan.warnings, len(plan.obstacles)),
    ]


def _plan_json(plan: DistillPlan, resolved: Resolved) -> dict[str, Any]:
    return {
        "teacher": plan.teacher,
        "student": plan.student.source if plan.student else None,
        "drop": plan.drop,
        "set": str(plan.data) if plan.data else None,
        "model": str(plan.out),
        "rows": plan.rows,
        "validation": plan.validation,
        "estimated_tokens": plan.tokens,
        "steps": plan.steps,
        "need_bytes": plan.need_bytes,
        "cache_bytes": plan.cache_bytes,
        "warnings": plan.warnings,
        "settings": dataclasses.asdict(resolved.tuning),
        "sources": resolved.sources,
        "obstacles": [dataclasses.asdict(obstacle) for obstacle in plan.obstacles],
    }


def _lines(made: Distilled) -> list[str]:
    from fingen.adapters import render_left_out

    record, about = made.record, made.record["distilled"]
    lines = [
        f"{made.model}   teacher: {about['teacher']['name']}   set: {record['set']['name']}",
        "",
        f"rows: {record['rows']['train']:,} trained on | {record['rows']['validation']:,} validation",
        *render_left_out(record["rows"]["left_out"]),
    ]
    if about["layers"]:
        out = ", ".join(f"{each['layer']} ({each['kl']:.2f})" for each in about["layers"]["dropped"])
        lines.append(f"layers out, with the KL to the teacher after each, nats a token: {out}")
    if about["aligned"] is not None:
        lines.append(f"aligned with the teacher's vocabulary: {about['aligned']:.1%} of the answers")
    if metrics := record["metrics"]:
        lines.append(f"steps: {metrics['steps']:,} | loss: {metrics['loss']:.4f} at the end")
        lines += _terms(about["terms"])
        if own := metrics["on_policy"]:
            lines.append(
                f"of {own['rows']:,} answers of its own, {own['divergence']}, nats a token: {own['before']['loss']:.3f} to "
                f"{own['after']['loss']:.3f}"
            )
    if made.changed and made.seconds:
        lines.append(f"trained for {made.seconds:.0f} s, {made.tokens / made.seconds:,.0f} tokens/s")
    return [*lines, f"{'written' if made.changed else 'already up to date'}: {made.model}", f"next: {made.next}"]


def _terms(terms: dict[str, Any]) -> list[str]:
    """The parts of the loss on the validation rows, before and after."""
    if not terms["before"]:
        return ["validation: not measured: no validation rows"]
    changes = (
        f"{name.removeprefix('loss_')} {before:.3f} to {terms['after'].get(name, float('nan')):.3f}"
        for name, before in terms["before"].items()
        if name != "loss"
    )
    return [f"validation, nats a token: {', '.join(changes)}"]
