"""What speaks for a name as that of the company that reports: kinds of places, each worth some points."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

WEIGHTS = {  # kind of place -> points for one, and for all of its kind
    "registrant": (100, 100),
    "cover": (14, 28),
    "title": (6, 12),
    "running": (16, 16),
    "definition": (8, 24),
    "audited": (5, 20),
    "ticker": (10, 20),
    "release": (10, 10),
    "copyright": (6, 6),
    "subsidiaries": (3, 12),
    "metadata": (6, 6),
    "mentions": (12, 12),
}
_HINTS = frozenset({"mentions", "metadata"})  # confirm a name and give none
_LEAST = 18  # points that a name needs
_CLEAR = 0.7  # share of the best name's points from which on another one disputes it
_WEAK = 0.3  # the same for one that is spoken of `_SPOKEN` times as often
_SPOKEN = 2.5


@dataclass
class Claim:
    """What speaks for a name."""

    points: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    spellings: Counter[str] = field(default_factory=Counter)

    @property
    def total(self) -> float:
        """All points, each kind up to its most."""
        return sum(min(points, WEIGHTS[kind][1]) for kind, points in self.points.items())

    @property
    def is_stated(self) -> bool:
        """Whether the report names its company outright."""
        return "registrant" in self.points

    @property
    def is_sure(self) -> bool:
        """Whether kinds of places enough give the name."""
        kinds = self.points.keys() - _HINTS
        return self.is_stated or (self.total >= _LEAST and ("cover" in kinds or len(kinds) >= 2))

    def count(self, kind: str, spelling: str = "") -> None:
        """Count one place, with the name as it stands there."""
        self.points[kind] += WEIGHTS[kind][0]
        if spelling:
            self.spellings[spelling] += 1

    def add(self, other: Claim) -> None:
        """Count what speaks for another spelling of the name too."""
        for kind, points in other.points.items():
            self.points[kind] += points
        self.spellings += other.spellings


def best_claim(claims: dict[str, Claim], core: Callable[[str], str], spoken: Callable[[str], int]) -> str | None:
    """The name that has the best claim; None where it is not sure, or another one has nearly as good a claim.

    `core` is a name without its legal form, `spoken` how often a core is spoken of.
    """
    ranked = sorted(claims, key=lambda name: (-claims[name].total, name))
    if not ranked or not claims[ranked[0]].is_sure:
        return None
    best = ranked[0]
    if claims[best].is_stated:
        return best
    others: dict[str, float] = defaultdict(float)
    for name in ranked[1:]:
        others[core(name)] += claims[name].total
    others.pop(core(best), None)
    total, often = claims[best].total, spoken(core(best))
    is_disputed = any(
        points >= _CLEAR * total or (points > _WEAK * total and spoken(name) > _SPOKEN * often)
        for name, points in others.items()
    ) or any(claims[name].total >= _CLEAR * total for name in ranked[1:])
    return None if is_disputed else best
