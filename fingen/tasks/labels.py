"""Labels of an intent task: what each means, and what decides between it and its neighbours.

The default ones stand in prompts/labels.<language>.yaml; a user's own file has the same form.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from math import inf
from pathlib import Path
from string import ascii_uppercase
from typing import Annotated, Any

from pydantic import Field, StringConstraints, ValidationError

from fingen import prompts
from fingen.errors import UsageError
from fingen.records import Frozen
from fingen.rows import read_yaml

MOST = len(ascii_uppercase)  # options have letters
_HINT = "each entry of `labels:` needs a name and a definition, and may have rules, examples and a weight; see `fingen prompts copy`"

_FILE_HINT = f"give a YAML file; {_HINT}"

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Label(Frozen):
    """One answer of an intent task.

    `rules` say, by the name of another label, what decides between the two. `weight` is the label's share of the items,
    relative to the other labels'. `out_of_scope`: it stands for all that the other labels do not mean.
    """

    name: Text
    definition: Text
    rules: dict[str, Text] = Field(default_factory=dict)
    examples: tuple[Text, ...] = ()
    weight: float = Field(default=1, gt=0, allow_inf_nan=False)
    out_of_scope: bool = False


def read_labels(
    path: Path | None, language: str, *, with_other: bool = False, defaults: str = "labels"
) -> tuple[Label, ...]:
    """Read labels in the order of their file: `path`, or without one the defaults of a language.

    Args:
        path: YAML: a list of labels, or a mapping with `labels` and, if wanted, `other`.
        language: of the defaults; also of the label for all else where the file has none.
        defaults: the data file of the defaults.
        with_other: the label for all else comes last.

    Raises:
        UsageError: the file is missing, no YAML or not of that form, or its labels cannot be told apart; names file and
            entry.
    """
    where = path or prompts.data_file(f"{defaults}.{language}")
    data = read_yaml(path, hint=_FILE_HINT) if path else prompts.read_data(f"{defaults}.{language}")
    entries, other = _parts(data, where)
    labels = [_label(entry, f"{where}, label {number}") for number, entry in enumerate(entries, 1)]
    if with_other:
        if other is None:
            where_other = f"labels.{language}"
            other = _parts(prompts.read_data(where_other), prompts.data_file(where_other))[1]
        labels.append(_label(other, f"{where}, other").model_copy(update={"out_of_scope": True}))
    for problem in _problems(labels, other):
        raise UsageError(f"{where}: {problem}", hint=_HINT)
    return tuple(labels)


def _parts(data: Any, where: Path) -> tuple[list[Any], Any]:
    """The entries and the one for all else, if there is one."""
    if isinstance(data, list):
        return data, None
    if isinstance(data, Mapping) and isinstance(data.get("labels"), list) and set(data) <= {"labels", "other"}:
        return data["labels"], data.get("other")
    raise UsageError(f"{where}: neither a list of labels nor a mapping with `labels` and `other`", hint=_HINT)


def _label(entry: Any, where: str) -> Label:
    if isinstance(entry, Mapping) and entry.get("name"):
        where += f" ({entry['name']})"
    try:
        return Label.model_validate(entry)
    except ValidationError as e:
        first = e.errors()[0]
        at = ".".join(map(str, first["loc"]))
        raise UsageError(f"{where}: {at + ': ' if at else ''}{first['msg']}", hint=_HINT) from e


def _problems(labels: list[Label], other: Any) -> Iterator[str]:
    if len(labels) < 2:
        yield f"{len(labels) or 'no'} label{'s' * (not labels)}; a choice needs two or more"
    if len(labels) > MOST:
        yield f"{len(labels)} labels; there are letters for {MOST}"
    seen: dict[str, int] = {}
    for number, label in enumerate(labels, 1):
        first = seen.setdefault(unicodedata.normalize("NFKC", label.name).casefold(), number)
        if first != number:
            yield f"labels {first} and {number} have one name, {label.name}"
    known = {label.name for label in labels} | ({str(other["name"])} if isinstance(other, Mapping) else set())
    for number, label in enumerate(labels, 1):
        if label.out_of_scope:
            continue  # the packaged one knows the packaged labels
        for neighbour in label.rules:
            if neighbour not in known or neighbour == label.name:
                yield f"label {number} ({label.name}): a rule against {neighbour}, which is no other label here"


def reweighed(labels: Sequence[Label], weights: str | None) -> tuple[Label, ...]:
    """The labels with other weights, `2,1,1` in their order; as they are for None.

    Raises:
        UsageError: not one positive number for each label.
    """
    if weights is None:
        return tuple(labels)
    try:
        numbers = [float(part) for part in weights.split(",")]
    except ValueError as e:
        raise UsageError(f"--weights {weights}: not numbers", hint="give one for each label, such as 2,1,1,1,1") from e
    if len(numbers) != len(labels) or not all(0 < number < inf for number in numbers):
        raise UsageError(
            f"--weights {weights}: {len(labels)} positive numbers are needed, one for each label",
            hint="in the order " + ", ".join(label.name for label in labels),
        )
    return tuple(label.model_copy(update={"weight": number}) for label, number in zip(labels, numbers, strict=True))
