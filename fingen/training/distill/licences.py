"""What a model's licence says of what is learned from it. Nothing here is advice: a user who knows better says so."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Terms:
    """The terms of a family of models, as far as they are about teaching others."""

    family: str
    teaches_others: bool  # whether its answers may improve models of other families
    name: str  # what the name of a model that was made with it has to begin with; empty: anything


# meta-llama's LICENSE files, 1.b.v of Llama 2 and of Llama 3 (no other model may be improved with it or its outputs), and 1.b.i
# of Llama 3 and of 3.1 to 3.3 (the name that a model has to begin with), as read in November 2026.
TERMS = (
    (re.compile(r"llama-?2\b"), Terms("Llama 2", teaches_others=False, name="")),
    (re.compile(r"llama-?3\.\d"), Terms("Llama 3.1 and later", teaches_others=True, name="Llama")),
    (re.compile(r"llama-?3(?!\.\d|\d)"), Terms("Llama 3", teaches_others=False, name="Llama 3")),
)


def find_terms(base: Mapping[str, Any]) -> Terms | None:
    """The terms of what a model stems from, by its licence or its name; None where no such terms are known."""
    for said in (base.get("licence"), base.get("hub_id"), base.get("source")):
        last = re.sub(r"[\s_]+", "-", str(said or "").rstrip("/").rpartition("/")[2].lower())
        for pattern, terms in TERMS:
            if pattern.search(last):
                return terms
    return None


def begins_rightly(name: str, terms: Terms | None) -> bool:
    """Whether a model that was made with one of these terms may have that name."""
    return terms is None or _plain(name).startswith(_plain(terms.name))


def rightly_named(name: str, terms: Terms | None) -> str:
    """A name with what it has to begin with."""
    if terms is None or begins_rightly(name, terms):
        return name
    return f"{terms.name.replace(' ', '-')}-{name}"


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.lower())


def refusal(teacher: Mapping[str, Any], student: Mapping[str, Any]) -> str | None:
    """Why a student may not learn from a teacher; None where nothing says so."""
    theirs, own = find_terms(teacher), find_terms(student)
    if theirs is None or theirs.teaches_others or theirs == own:
        return None
    return f"the licence of {theirs.family} forbids to improve other models with its answers, and the student is none of it"
