"""What all commands share that ask a teacher: options, consent, and how they speak of money and of answers to come."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

import click

from fingen.cli.common import again, echo, finish, tell
from fingen.errors import TeacherError, UsageError, visible

if TYPE_CHECKING:
    from fingen.cli.progress import Display
    from fingen.events import Estimate
    from fingen.pipeline.parts import PartOutcome
    from fingen.teachers.asking import Pending

SHOWN_FILES = 10  # of exported requests, that a summary names
yes_option = click.option(
    "--yes", is_flag=True, help="Agree to the teacher that was found by its key, without being asked."
)


def consent(display: Display, *, yes: bool, quiet: bool) -> Callable[[Estimate], None]:
    """What shows an estimate, and asks where nobody named the teacher."""
    agreed = yes

    def ask(estimate: Estimate) -> None:
        nonlocal agreed
        if not estimate.requests:
            return
        if estimate.found_by and not agreed:
            if not _is_terminal():
                from fingen.pipeline.pdf2qa import require_named

                require_named(estimate)
            with display.paused():
                _ask_for_consent(estimate)
            agreed = True  # also for what is asked again in place of rejected items
        elif not quiet and estimate.usd != (0.0, 0.0, 0.0):
            echo(f"asking {_estimate_line(estimate)}", err=True)

    return ask


def _is_terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _ask_for_consent(estimate: Estimate) -> None:
    """A teacher that nobody named is asked only if the user agrees to it and to its price."""
    echo(f"{estimate.found_by} is set, and no --teacher was named.", err=True)
    if not click.confirm(f"Send {visible(_estimate_line(estimate))}?", err=True):
        raise UsageError("nothing was sent", hint="name another teacher, such as --teacher offline")


def _estimate_line(estimate: Estimate) -> str:
    cost = "at an unknown price"
    if estimate.usd:
        low, expected, most = estimate.usd
        cost = f"for about {expected:.2f} USD ({low:.2f} with caching, {most:.2f} at the very most)"
    batch = " in batches" if estimate.batch else ""
    return "; ".join([f"{estimate.teacher}: {estimate.requests:,} requests{batch} {cost}", *_remarks(estimate)])


def _remarks(estimate: Estimate) -> list[str]:
    """What is to be known beside the price: what is left out of the requests, and what the budget has to pay for too."""
    remarks = []
    if estimate.masked:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in estimate.masked.items())
        remarks.append(f"masked in what is sent: {kinds}")
    if estimate.budget_all_usd is not None:
        budget = f"of the {estimate.budget_all_usd:g} USD for all sets and scores"
        remarks.append(f"{budget}, those beside this one took {estimate.beside_usd:.4f}")
    return remarks


def estimate_lines(estimate: Estimate) -> list[str]:
    """What a dry run says."""
    lines = [
        f"{estimate.requests:,} requests to {estimate.teacher}, up to {estimate.pairs:,} pairs; nothing was sent",
        f"about {estimate.input_tokens:,} tokens in, {estimate.output_tokens:,} tokens out",
        *_remarks(estimate),
        *(f"note: {note}" for note in estimate.notes),
    ]
    notes = [f"note: {note}" for note in _notes_on_asking(estimate)]
    if estimate.usd is None or estimate.batch_usd is None:
        from fingen.teachers.prices import meant

        unknown = "price: unknown; give it with --price IN,OUT (USD per million tokens)"
        return [*lines, "; ".join(filter(None, (unknown, meant(estimate.teacher)))), *notes]
    lines.append(f"{'USD':<12}{'low (cached)':>14}{'expected':>12}{'at most':>12}")
    for name, (low, expected, most) in (("now", estimate.usd), ("as a batch", estimate.batch_usd)):
        lines.append(f"{name:<12}{low:>14.4f}{expected:>12.4f}{most:>12.4f}")
    if estimate.check and estimate.check_usd:
        low, expected, most = estimate.check_usd
        lines.append(f"{'check':<12}{low:>14.4f}{expected:>12.4f}{most:>12.4f}  on top, by {estimate.check}")
    elif estimate.check:
        lines.append(f"the check by {estimate.check} comes on top, at an unknown price")
    return [*lines, *notes]


def _notes_on_asking(estimate: Estimate) -> list[str]:
    """Why the most is so much, and the key that is missing; nothing where nobody is paid."""
    from fingen.teachers import KEYS
    from fingen.teachers.dispatch import TRIES
    from fingen.wire import find_key

    notes, key = [], KEYS.get(estimate.teacher.partition(":")[0], "")
    if estimate.usd and estimate.usd[2]:
        notes.append(
            f"“at most” is a bound, no guess: each answer as long as it may be, asked for {TRIES} times, and no cache hit; "
            "--budget is a stop before it"
        )
    if key and "@" not in estimate.teacher and estimate.requests:
        try:
            lacks = "" if find_key(key) else f"{key} is not set: asking needs it (fingen doctor)"
        except TeacherError as e:
            lacks = str(e)
        notes += filter(None, [lacks])
    return notes


def _budget(ctx: click.Context, estimate: Estimate) -> list[str]:
    """A budget for who named none: what is expected, the check too, in whole USD that it does not pass."""
    unset = "budget" in ctx.params and not any(ctx.params.get(name) for name in ("budget", "budget_all"))
    expected_usd = sum(usd[1] for usd in (estimate.usd, estimate.check_usd) if usd)
    return ["--budget", str(math.ceil(expected_usd))] if unset and expected_usd else []


def pending_lines(pending: Pending) -> list[str]:
    """What a run says that has sent, written or taken something, and whose set is still to come."""
    cost = "unknown" if pending.cost_usd is None else f"{pending.cost_usd:.4f} USD"
    lines = [
        f"{pending.set}   teacher: {pending.teacher}   so far: {cost}",
        f"{pending.answered:,} of {pending.requests:,} requests answered; the set is written when all of them are",
    ]
    lines += [f"  note: {note}" for note in pending.notes]
    if pending.exported is not None:
        lines.append(f"{pending.exported:,} requests written now; nothing was sent")
    for batch in pending.batches:
        lines.append(f"  batch {batch['id'] or '(not yet known to the provider)'}: {batch['requests']:,} requests")
    for file in pending.files[:SHOWN_FILES]:
        lines.append(f"  {file['file']}: {file['waiting']:,} of {file['requests']:,} requests held until imported")
    if more := pending.files[SHOWN_FILES:]:
        waiting, requests = (sum(file[name] for file in more) for name in ("waiting", "requests"))
        lines.append(f"  and {len(more)} more files: {waiting:,} of {requests:,} requests held until imported")
    if pending.unasked:
        lines.append(f"  {pending.unasked:,} requests are with nobody")
    return [*lines, f"next: {pending.next}"]


def tell_unfinished(ctx: click.Context, outcome: Estimate | Pending, *, as_json: bool) -> NoReturn:
    """Print what a run would ask, or what is still to come of it, and exit."""
    from fingen.events import Estimate

    following = again(ctx, *_budget(ctx, outcome)) if isinstance(outcome, Estimate) else outcome.next

    def lines() -> list[str]:
        if isinstance(outcome, Estimate):
            return [*estimate_lines(outcome), f"next: {following}"]
        return pending_lines(outcome)

    finish({**dataclasses.asdict(outcome), "next": following}, lines, outcome.exit_code, as_json=as_json)


def tell_part(outcome: PartOutcome, *, as_json: bool) -> NoReturn:
    """Print what one machine of several did for its part, and exit."""
    lines = [f"{outcome.part}   part {outcome.shard}   teacher: {outcome.teacher}"]
    lines += [f"  not read: {each}" for each in outcome.unread]
    lines += [f"{outcome.documents:,} documents read"] * bool(outcome.documents)
    if outcome.waits_for:
        more = " ..." if len(outcome.waits_for) > 5 else ""
        lines.append(f"not read yet: part {', '.join(outcome.waits_for[:5])}{more}; nothing was asked")
    if outcome.requests:
        asked = f"{outcome.requests['asked']} asked now, {outcome.requests['from_journal']} from the journal"
        lines.append(
            f"requests: {asked}" + (f" | cost: {cost_line(outcome.cost_usd, None)}" if outcome.cost_usd != 0.0 else "")
        )
    tell(outcome, lines, outcome.part, as_json=as_json)


def cost_line(paid_usd: float | None, expected_usd: float | None) -> str:
    """What was paid, and how far off the estimate was."""
    if paid_usd is None:
        return "unknown"
    paid = f"{paid_usd:.4f} USD"
    if not expected_usd:
        return paid
    share = paid_usd / expected_usd - 1
    return f"{paid}, {abs(share):.0%} {'over' if share > 0 else 'under'} the estimate of {expected_usd:.4f}"
