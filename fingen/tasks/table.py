"""Questions on one table of a report whose answer is a program over its cells, the value that it gives and a sentence about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from fingen.quality.checks import CHECKS
from fingen.quality.steps import OPERATIONS, find_fault
from fingen.records import Evidence, Record, Request
from fingen.tasks import qa
from fingen.tasks.answers import Strict
from fingen.tasks.qa import DocumentTask, QaItem, build_record

PER_TABLE = 4  # pairs


class Operand(Strict):
    """A cell that a program takes."""

    row: str = Field(min_length=1, description="the label of its row as it stands")
    period: str = Field(description="the year of its column, as 2024")
    value: str = Field(min_length=1, description="its figure as it stands")


class TableItem(QaItem):
    """One pair on a table as a teacher writes it."""

    operation: Literal[OPERATIONS]  # type: ignore[valid-type]  # a tuple that is known when it runs
    program: str = Field(min_length=1, description="the steps, such as subtract(5829, 5735), divide(#0, 5735)")
    cells: list[Operand] = Field(min_length=1, description="the cells that the program takes, in its order")


def worked_out(item: Mapping[str, Any]) -> dict[str, Any]:
    """What a row has of the steps of a pair: its program, and as draws the operation, how many steps it has, and its cells."""
    draws = {"operation": item["operation"], "steps": item["program"].count("("), "cells": item["cells"]}
    return {"program": item["program"], "draws": draws}


def _build(item: TableItem, request: Request, evidence: tuple[Evidence, ...], teacher: str) -> Record:
    return build_record(item, request, evidence, teacher).model_copy(update=worked_out(item.model_dump()))


TABLE = DocumentTask(
    "table",
    task=qa.TABLE,
    per_table=PER_TABLE,
    item=TableItem,
    checks={**CHECKS, "program": find_fault},
    build=_build,
)
