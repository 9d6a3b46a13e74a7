"""The embedded teacher: deterministic rules that take pairs out of the text as it stands. It needs no key and no network.

It invents nothing and understands little: concept pairs come from sentences that define or explain something, summary
pairs from the text that a section begins with, as far as it reads on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from fingen.disk import dump_json
from fingen.documents import is_narrative
from fingen.items import is_statement
from fingen.records import Chunk, Completion, Passage, Request
from fingen.teachers.offline import chinese, english
from fingen.teachers.offline.extract import Pair, Rules, Topic, find_topics, select
from fingen.teachers.offline.figures import row_pairs, statement_pairs
from fingen.teachers.offline.intent import write
from fingen.teachers.offline.questions import table_pairs, table_talks
from fingen.teachers.offline.unsaid import unanswered_pairs

STANDARD = 1.0  # rank from which on a concept comes from the words of an accounting standard
RULES: dict[str, Rules] = {"en": english.RULES, "zh": chinese.RULES}


class Offline:
    """A teacher like any other; its answers cost nothing."""

    name = "offline"

    async def complete(self, request: Request) -> Completion:
        """Answer from the passages or draws of the request; `prompt` is not read."""
        if request.draws:
            language = request.template.rpartition(".")[2]
            texts = [{"number": n, "text": write(draw, language)} for n, draw in enumerate(request.draws, 1)]
            return self._answer(request, {"items": texts})
        tasks = request.tasks
        ruled = [task for task in tasks if task in RULED]
        if not ruled:
            return self._answer(request, {"items": [], "reason": f"there are no rules for {request.task}"})
        most = request.count // len(tasks)
        items = [
            {**({"kind": task.removeprefix("qa-")} if len(tasks) > 1 else {}), **written}
            for task in ruled
            for written in [each for passage in request.passages for each in _written(task, passage)][:most]
        ]
        reason = None if items else "no sentence here that the rules can ask about"
        return self._answer(request, {"items": items, "reason": reason})

    def _answer(self, request: Request, answer: dict[str, Any]) -> Completion:
        text = dump_json(answer)
        return Completion(key=request.key, text=text, stop_reason="end_turn", teacher=self.name, cost_usd=0.0)


def _written(task: str, passage: Passage) -> list[dict[str, Any]]:
    if task in TALKS:
        turn = ("question", "answer", "evidence", "calc")
        return [
            {"turns": [{name: value for name, value in _item(pair).items() if name in turn} for pair in talk]}
            for talk in TALKS[task](passage)
        ]
    return [_item(pair) for pair in PAIRS[task](passage)]


def _item(pair: Pair) -> dict[str, Any]:
    worked_out: dict[str, Any] = (
        {"operation": pair.operation, "program": pair.program, "cells": list(pair.cells)} if pair.program else {}
    )
    worked_out |= {"item": pair.item} if pair.item else {}
    return {
        "question": pair.question,
        "rephrased": pair.rephrased,
        "answer": pair.answer,
        "evidence": list(pair.quotes),
        "calc": pair.calc or None,
        **worked_out,
    }


def is_readable(chunk: Chunk) -> bool:
    """Whether the rules may find something in a chunk: running text, or a statement with nothing beside it."""
    if is_narrative(chunk):
        return True
    kinds = {block.kind for block in chunk.blocks}
    return "table" in kinds and (
        any(map(is_statement, chunk.section[-1:]))
        or any(
            is_statement(line) for block in chunk.blocks for line in chunk.text[block.start : block.end].split("\n")[:4]
        )
        or any(is_statement(basis.text) for basis in chunk.basis)
    )


def concept_pairs(passage: Passage) -> list[Pair]:
    """Pairs from defining and explaining sentences, the plainest first."""
    rules = RULES[passage.language]
    found = [pair for topic in find_topics(passage, rules) for pair in _concepts(topic, passage, rules)]
    found += row_pairs(passage)
    return sorted(_asked_once(found), key=lambda pair: pair.rank)


def _concepts(topic: Topic, passage: Passage, rules: Rules) -> Iterator[Pair]:
    for concept in rules.concepts(topic, passage):
        sentence = topic.sentences[concept.at]
        if sentence.is_item or sentence.text[-1] in ":：":
            continue  # the whole list says it
        chosen = topic.around(concept.at, rules.concept_length)
        text = topic.text(chosen, rules)
        if rules.size(text) < rules.concept_length[0]:
            continue
        if concept.rank >= STANDARD and not rules.own.search(text):
            continue  # a definition that is the same in every report
        yield topic.pair(chosen, concept.question, concept.rephrased, passage, rules, rank=concept.rank)
    yield from rules.from_tables(topic, passage)


def summary_pairs(passage: Passage) -> list[Pair]:
    """Pairs that give what stands under each heading from its beginning, the fullest first."""
    rules = RULES[passage.language]
    found: list[Pair] = []
    for topic in find_topics(passage, rules):
        chosen = select(topic, rules, passage)
        asked = rules.summary_question(topic, passage)
        if chosen and asked:
            size = rules.size(topic.text(chosen, rules))
            found.append(topic.pair(chosen, *asked, passage, rules, rank=-size))
    found += statement_pairs(passage)
    return sorted(_asked_once(found), key=lambda pair: pair.rank)


def _asked_once(pairs: list[Pair]) -> list[Pair]:
    return list({pair.question: pair for pair in reversed(pairs)}.values())[::-1]


PAIRS: dict[str, Callable[[Passage], list[Pair]]] = {
    "qa-concept": concept_pairs,
    "qa-summary": summary_pairs,
    "qa-table": table_pairs,
    "qa-negative": unanswered_pairs,
}
TALKS: dict[str, Callable[[Passage], list[tuple[Pair, ...]]]] = {"qa-conversation": table_talks}
RULED = frozenset({*PAIRS, *TALKS})  # tasks that there are rules for
