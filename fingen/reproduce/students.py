"""The students of a reproduction: what was tuned, distilled into a smaller model, beside what that is compared with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from fingen.config import Distill, Distilling
from fingen.errors import UsageError
from fingen.training import settings as tuning_settings
from fingen.training.distill.licences import find_terms, rightly_named
from fingen.training.models import Base

CUT, ROWS_ALONE, DISTILLED = "student-as-it-is-cut", "student-of-the-rows-alone", "student-distilled"
SHARE_OUT = 0.2  # of the layers: 6 of 30, as measured here
GGUF = "q8_0"
OF_ADAPTERS = (
    "rank",
    "alpha",
    "dropout",
    "targets",
    "rslora",
    "dora",
)  # settings of the teacher's alone: all of a student is trained


def folders(folder: Path, base: Base) -> dict[str, Path]:
    """Where the students are, by what they are: named as the licence of their base wants it."""
    terms = find_terms({"licence": base.alias.licence if base.alias else None, "source": base.source})
    return {name: folder / rightly_named(name, terms) for name in (CUT, ROWS_ALONE, DISTILLED)}


def distil(
    teacher: Path, data: Path, students: Mapping[str, Path], recipe: str, overrides: Mapping[str, str], *, replaced: bool,
    trust_remote_code: bool, say: Callable[[str], None],
) -> None:  # fmt: skip
    """Make the students: the one as it is cut, the one that learns the rows alone, the distilled one.

    Raises:
        UsageError, LimitError, Interrupted: as `distill`.
    """
    from fingen.training.distill.plan import count_layers
    from fingen.training.distill.run import distill

    layers = count_layers(teacher, trust_remote_code=trust_remote_code)
    known = tuning_settings.published(recipe, kind=Distilling)
    own = {name: value for name, value in overrides.items() if name not in OF_ADAPTERS}
    resolved = tuning_settings.resolve([("--override", own), *known], Distilling)
    tuning = resolved.tuning
    assert isinstance(tuning, Distilling)
    alone = replace(tuning, kl=0.0, hidden=0.0, embedding=0.0)
    for name, each in ((CUT, tuning), (ROWS_ALONE, alone), (DISTILLED, tuning)):
        wanted = Distill(
            teacher=str(teacher), drop=max(1, round(SHARE_OUT * layers)), data=data, out=students[name], recipe=recipe,
            untrained=name == CUT, resume=True, replace=replaced, trust_remote_code=trust_remote_code,
        )  # fmt: skip
        distill(wanted, each, sources=resolved.sources, say=say)


def pack(student: Path) -> str | None:
    """Write the student as a file for llama.cpp; why that cannot be, None where it was."""
    from fingen.training.gguf_file import write_gguf

    try:
        write_gguf(student, GGUF)
    except UsageError as e:
        return f"no file in GGUF: {e}"
    return None
