"""Judging: what a subject answered, set against what is right; figures never without their uncertainty.

`score` has subjects answer, or reads their answers, and writes build/scores/<name>/; `compare` reads such folders. Torch is
needed where a model is run, and nowhere else.
"""

from __future__ import annotations

from fingen.scoring.compare import Comparison, compare
from fingen.scoring.run import Planned, Scored, build_plan, score

__all__ = ["Comparison", "Planned", "Scored", "build_plan", "compare", "score"]
