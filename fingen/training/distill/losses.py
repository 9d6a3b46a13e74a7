"""What a student learns by: its rows, its teacher's answers to them, and if wanted what both think on the way.

    loss = (1 - a) CE + a (T^2 KL + sorted) + e embedding + h hidden

All are sums over answer tokens, so that a step may be cut into batches anywhere. KL is the divergence from the teacher's
distribution to the student's, in nats. Where the teacher's answers are its top K tokens, all others are one bucket, on both sides:
with K = V that is the full divergence.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch.nn import functional

from fingen.config import Distilling
from fingen.training.data import Example
from fingen.training.distill.alignment import Alignment, Group, Vocabularies
from fingen.training.distill.pairs import LayerPair
from fingen.training.distill.pruning import find_layers, plain
from fingen.training.forward import exact, predict_with_states
from fingen.training.recipe import LOSS

LOW = -1e4  # the logarithm of nothing, in place of an infinity that has no gradient
SURE = -1e-6  # log-probability of a text at most, of which what is left is divided too
PROJECTIONS = "distill_projections"  # a module of the student while it is trained


@dataclass(frozen=True)
class Told:
    """What a teacher says at N places: log-probabilities at the temperature, in float32."""

    ids: torch.Tensor | None  # (N, K) of the likeliest tokens, the likeliest first; None: all V of them, in their order
    logs: torch.Tensor  # (N, K)
    rest: torch.Tensor  # (N,) of all other tokens together
    right: torch.Tensor  # (N,) of the token that stands there
    states: tuple[torch.Tensor, ...] = ()  # (N, H): embedding, then layers, as they were asked for


Tell = Callable[[Sequence[Example]], Told]


def take_top(logits: torch.Tensor, right: torch.Tensor, top: int) -> Told:
    """What logits (N, V) say: the `top` likeliest tokens and the rest; all of them, in their order, where that is 0."""
    logs = logits.log_softmax(-1)
    at_right = logs.gather(-1, right[:, None])[:, 0]
    if not top:
        return Told(None, logs, torch.full_like(at_right, LOW), at_right)
    likeliest, ids = logs.topk(min(top, logits.shape[-1]))
    return Told(ids, likeliest, _rest(logs, ids), at_right)


def _rest(logs: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """(N,) log of the probability of all tokens but those."""
    return logs.scatter(-1, ids, LOW).logsumexp(-1)


def divergence(told: Told, logs: torch.Tensor, by: str = "kl") -> torch.Tensor:
    """(N,) how far a student of the same vocabulary, whose log-probabilities are (N, V), is from its teacher.

    `by` is kl, from the teacher to the student; reverse, from the student to the teacher; or jsd, the mean of both from each to
    the mean of the two.
    """
    theirs, ours = told.logs, logs
    if told.ids is not None:
        theirs = torch.cat([told.logs, told.rest[:, None]], -1)
        ours = torch.cat([logs.gather(-1, told.ids), _rest(logs, told.ids)[:, None]], -1)
    if by == "jsd":
        middle = torch.logaddexp(theirs, ours) - math.log(2)
        return (_kl(theirs, middle) + _kl(ours, middle)) / 2
    return _kl(theirs, ours) if by == "kl" else _kl(ours, theirs)


def _kl(theirs: torch.Tensor, ours: torch.Tensor) -> torch.Tensor:
    return functional.kl_div(ours.clamp(min=LOW), theirs.clamp(min=LOW), reduction="none", log_target=True).sum(-1)


def known_divergence(told: Told, logs: torch.Tensor, both: Vocabularies) -> tuple[torch.Tensor, torch.Tensor]:
    """(N,) KL on the tokens that both vocabularies have, what neither shares being one bucket; and how far the rest is apart.

    The latter is the sum of differences of the probabilities of tokens that only one side has, each side's sorted.
    """
    ids = torch.arange(told.logs.shape[-1], device=logs.device).expand_as(told.logs) if told.ids is None else told.ids
    mapped = both.to_student(logs.device)[ids]  # (N, K), -1 for what the student has not
    known, width = mapped >= 0, logs.shape[-1]
    theirs = told.logs.masked_fill(~known, LOW)
    wide = functional.pad(logs, (0, 1), value=LOW)  # one column more, for tokens that are not there
    ours = wide.gather(-1, mapped.where(known, width)).masked_fill(~known, LOW)
    others = torch.cat([told.logs.masked_fill(known, LOW), told.rest[:, None]], -1).logsumexp(-1)
    ours_rest = _rest(wide, mapped.where(known, width))
    kl = _kl(torch.cat([theirs, others[:, None]], -1), torch.cat([ours, ours_rest[:, None]], -1))
    alone = told.logs.exp().masked_fill(known, 0.0).sort(-1, descending=True).values
    own = logs.exp().masked_fill(~both.students_own(logs.device), 0.0)
    count = min(alone.shape[-1], width)
    apart = (own.topk(count).values - alone[:, :count]).abs().sum(-1) + alone[:, count:].sum(-1)
    return kl, apart


def text_divergence(theirs: torch.Tensor, ours: torch.Tensor) -> torch.Tensor:
    """(G,) KL between two: this text, or any other, by the log-probability of the text on either side."""
    theirs, ours = theirs.clamp(max=SURE), ours.clamp(max=SURE)
    against = theirs.exp() * (theirs - ours)
    return against + -theirs.expm1() * ((-theirs.expm1()).log() - (-ours.expm1()).log())


def apart(ours: torch.Tensor, theirs: torch.Tensor, measure: str) -> torch.Tensor:
    """(N,) how far states (N, H) are apart: 1 - cosine, or squares of differences by the squares of the teacher's."""
    ours, theirs = ours.float(), theirs.float()
    if measure == "cosine":
        return 1 - functional.cosine_similarity(ours, theirs, dim=-1)
    return (ours - theirs).square().mean(-1) / theirs.square().mean(-1).clamp(min=1e-12)


@dataclass
class Distillation:
    """The objective of a student. `tell` is its teacher; None where its answers have no weight.

    `pairs` are layers whose states are to agree, `width` the tokens that both vocabularies have, `alignment` where the same text
    stands in two vocabularies: None where there is one.
    """

    tell: Tell | None
    tuning: Distilling
    pad: int
    width: int
    embedding: bool = False
    pairs: Sequence[LayerPair] = ()
    alignment: Alignment | None = None
    by: str = "kl"  # of the answers: see `divergence`
    _names: list[str] = field(init=False)

    def __post_init__(self) -> None:
        """Name what has a projection: the embedding, and each pair."""
        self._names = [
            *(["embedding"] if self.embedding else []),
            *(f"pair{number}" for number, _ in enumerate(self.pairs)),
        ]

    def __call__(self, model: torch.nn.Module, rows: Sequence[Example], share: bool = True) -> dict[str, torch.Tensor]:
        """The loss over some rows and its terms, unweighted: each a sum over their answer tokens."""
        places = [range(len(row.ids) - row.answer - 1, len(row.ids) - 1) for row in rows]
        modules = self._modules(model)
        logits, states = predict_with_states(
            model, [row.ids for row in rows], places, self.pad, share=share, modules=modules
        )
        logits = exact(logits)
        labels = torch.tensor([token for row in rows for token in row.ids[-row.answer :]], device=logits.device)
        terms = {"ce": functional.cross_entropy(logits, labels, reduction="sum")}
        loss, a = (1 - self.tuning.kl) * terms["ce"], self.tuning.kl
        if self.tell is not None:
            told = self.tell(rows)
            groups = self.alignment.groups_of(rows) if self.alignment else None
            if a:
                terms |= self._answers(told, logits[:, : self.width] / self.tuning.temperature, labels, groups)
                loss = loss + a * (self.tuning.temperature**2 * terms[self.by] + terms.get("sorted", 0))
            terms |= self._states(plain(model), states, told.states, groups)
        loss = loss + self.tuning.embedding * terms.get("embedding", 0) + self.tuning.hidden * terms.get("hidden", 0)
        return {LOSS: loss, **terms}

    def _modules(self, model: torch.nn.Module) -> list[torch.nn.Module]:
        found = plain(model)
        layers = list(find_layers(found)) if self.pairs else []
        return [*([found.get_input_embeddings()] if self.embedding else []), *(layers[p.student] for p in self.pairs)]

    def _answers(
        self, told: Told, scaled: torch.Tensor, labels: torch.Tensor, groups: Sequence[Group] | None
    ) -> dict[str, torch.Tensor]:
        logs = scaled.log_softmax(-1)
        if groups is None or self.alignment is None:
            return {self.by: divergence(told, logs, self.by).sum()}
        one = [group for group in groups if group.is_single]
        several = [group for group in groups if not group.is_single]
        ours = torch.tensor([group.student.start for group in one], dtype=torch.long, device=logs.device)
        theirs = torch.tensor([group.teacher.start for group in one], dtype=torch.long, device=logs.device)
        at = Told(
            None if told.ids is None else told.ids[theirs], told.logs[theirs], told.rest[theirs], told.right[theirs]
        )
        kl, sorted_apart = known_divergence(at, logs[ours], self.alignment.vocabularies)
        total = kl.sum()
        if several:
            right = logs.gather(-1, labels[:, None])[:, 0]
            sums = [
                torch.stack([values[list(places)].sum() for places in ranges])
                for values, ranges in (
                    (told.right, [group.teacher for group in several]), (right, [group.student for group in several])
                )
            ]  # fmt: skip
            total = total + text_divergence(*sums).sum()
        return {"kl": total, "sorted": sorted_apart.sum()}

    def _states(
        self, model: torch.nn.Module, ours: Sequence[torch.Tensor], theirs: Sequence[torch.Tensor],
        groups: Sequence[Group] | None,
    ) -> dict[str, torch.Tensor]:  # fmt: skip
        """How far the states are apart where both have read the same text and are about to say the same."""
        found: dict[str, torch.Tensor] = {}
        projections: Mapping[str, torch.nn.Module] = getattr(model, PROJECTIONS, {})
        for name, own, other in zip(self._names, ours, theirs, strict=True):
            if groups is not None:
                own, other = own[[g.student.start for g in groups]], other[[g.teacher.start for g in groups]]
            seen = projections[name](own) if name in projections else own
            term = "embedding" if name == "embedding" else "hidden"
            found[term] = found.get(term, 0) + apart(seen, other, self.tuning.measure).sum()
        return found

    def add_projections(self, model: torch.nn.Module, widths: Mapping[str, int]) -> list[str]:
        """Give the student a linear map to the teacher's width wherever that is another one; what has one.

        `widths` are the teacher's, of the embedding and of the layers. The maps are trained with the student, and no part of it.
        """
        torch.manual_seed(self.tuning.seed)
        own = int(plain(model).get_input_embeddings().weight.shape[-1])
        width = {name: widths["embedding" if name == "embedding" else "layers"] for name in self._names}
        needed = [name for name in self._names if width[name] != own]
        if needed:
            some = next(plain(model).parameters())
            made = {name: torch.nn.Linear(own, width[name], bias=False) for name in needed}
            plain(model).add_module(PROJECTIONS, torch.nn.ModuleDict(made).to(some.device, torch.float32))
        return needed


def drop_projections(model: torch.nn.Module) -> None:
    """Take off what was there for the training alone."""
    if hasattr(model, PROJECTIONS):
        delattr(model, PROJECTIONS)
