"""Judging: what a subject answered, set against what is right; figures never without their uncertainty.

`score` reads answers and writes build/scores/<name>/; `compare` reads two such folders. Neither needs torch.
"""

from __future__ import annotations

from fingen.scoring.compare import Comparison, compare
from fingen.scoring.conduct import Scored, score

__all__ = ["Comparison", "Scored", "compare", "score"]
