"""The laws of splits, each a property of rows that share chunks, answers and documents in every way."""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fingen.config import Splitting
from fingen.disk import sha256_text
from fingen.errors import UsageError
from fingen.pipeline.drawing import Draw, divide
from fingen.quality.duplicates import near_clusters
from fingen.quality.splits import Assignment, assign_splits, pick_memory
from fingen.records import Record, content_id
from fingen.teachers.journal import Journal
from fingen.verification.origin import Origin

By = Literal["document", "chunk"]
SHARES = (0.6, 0.2, 0.2)


def record(document: str | None, chunks: Iterable[str], output: str) -> Record:
    chunks = tuple(chunks)
    return Record(
        id=content_id("r", str(document), *chunks, output),
        instruction=f"What of {output}?",
        input="",
        output=output,
        task="qa-concept",
        language="en",
        document=document,
        chunks=chunks or None,
        teacher="scripted",
        origin="document" if document else "synthetic",
    )


def ids(records: Iterable[Record]) -> dict[str, tuple[str, ...]]:
    """Path -> a hash of what would be in the file."""
    return {r.document: (sha256_text(r.document.removeprefix("renamed/")),) for r in records if r.document}


def assign(records: list[Record], by: By, known: dict[str, str] | None = None) -> Assignment:
    return assign_splits(records, by=by, shares=SHARES, known=known or {}, units_of=ids(records))


@st.composite
def rows(draw: st.DrawFn) -> Record:
    """Mostly a chunk of its own document; sometimes chunks of two, an answer that others give, or no document."""
    document = draw(st.sampled_from([*"abcdefgh", None]))
    if document is None:
        return record(None, (), f"synthetic {draw(st.integers(0, 30))}")
    chunks = {f"c-{document}{draw(st.integers(0, 5))}"}
    if draw(st.integers(0, 5)) == 0:
        chunks.add(f"c-{draw(st.sampled_from('abcdefgh'))}{draw(st.integers(0, 5))}")
    shared = draw(st.integers(0, 5)) == 0
    output = f"answer {draw(st.integers(0, 8))}" if shared else f"answer {sorted(chunks)} {draw(st.integers(0, 3))}"
    return record(document, sorted(chunks), output)


ROWS = st.lists(rows(), max_size=40, unique_by=lambda row: row.id)
UNITS = st.sampled_from(["document", "chunk"])


def held_together(records: list[Record], by: By) -> dict[str, set[str]]:
    """What the law names -> ids of the records that have it: unit, chunk, near-duplicate cluster."""
    documents, clusters = ids(records), near_clusters(records)
    together: dict[str, set[str]] = {}
    for row in records:
        named = [*(row.chunks or ()), clusters[row.id]]
        if by == "document" and row.document:
            named.append(documents[row.document])
        for name in named:
            together.setdefault(name, set()).add(row.id)
    return together


@given(ROWS, UNITS)
def test_every_record_is_placed_when_nothing_was_placed_before(records: list[Record], by: By):
    result = assign(records, by)

    assert set(result.split_of) == {row.id for row in records}
    assert result.rejected == []


@given(ROWS, UNITS, st.randoms(use_true_random=False))
def test_a_fresh_split_does_not_depend_on_the_order_of_rows(records: list[Record], by: By, chance: random.Random):
    shuffled = chance.sample(records, len(records))

    assert assign(shuffled, by) == assign(records, by)


@given(ROWS, ROWS, UNITS)
def test_no_two_splits_share_a_unit_a_chunk_or_a_near_duplicate(first: list[Record], second: list[Record], by: By):
    everything = list({row.id: row for row in [*first, *second]}.values())
    for result in (assign(everything, by), assign(everything, by, assign(first, by).units)):
        placed = [row for row in everything if row.id in result.split_of]
        for name, rows_of in held_together(placed, by).items():
            assert len({result.split_of[row] for row in rows_of}) == 1, name


@given(ROWS, ROWS, ROWS, UNITS, st.randoms(use_true_random=False))
def test_adding_data_moves_no_old_record(
    first: list[Record], second: list[Record], third: list[Record], by: By, chance: random.Random
):
    seen: dict[str, Record] = {}
    known: dict[str, str] = {}
    placed: dict[str, str] = {}
    for added in (first, second, third):
        seen |= {row.id: row for row in added}
        result = assign(chance.sample(list(seen.values()), len(seen)), by, known)

        assert placed.items() <= result.split_of.items()
        assert known.items() <= (known | result.units).items()
        assert set(result.split_of) | {row.id for row, _ in result.rejected} == set(seen)
        assert not set(result.split_of) & {row.id for row, _ in result.rejected}
        known, placed = known | result.units, result.split_of


@given(ROWS, ROWS, UNITS, st.randoms(use_true_random=False))
def test_a_second_run_changes_nothing_in_whatever_order(
    first: list[Record], second: list[Record], by: By, chance: random.Random
):
    everything = list({row.id: row for row in [*first, *second]}.values())
    known = assign(first, by).units
    result = assign(everything, by, known)
    again = assign(everything, by, known | result.units)
    shuffled = assign(chance.sample(everything, len(everything)), by, known)

    assert again.split_of == shuffled.split_of == result.split_of
    assert [row for row, _ in again.rejected] == [row for row, _ in result.rejected]
    assert {row.id for row, _ in shuffled.rejected} == {row.id for row, _ in result.rejected}


@given(ROWS, UNITS)
def test_a_row_is_rejected_only_where_two_known_splits_meet(records: list[Record], by: By):
    half = len(records) // 2
    known = assign(records[:half], by).units

    assert all(detail.startswith("would join ") for _, detail in assign(records, by, known).rejected)
    if len(set(known.values())) < 2:
        assert not assign(records, by, known).rejected


@given(ROWS, UNITS)
def test_renaming_files_moves_nothing(records: list[Record], by: By):
    renamed = [r.model_copy(update={"document": f"renamed/{r.document}"}) if r.document else r for r in records]

    assert assign(renamed, by) == assign(records, by)


@given(ROWS, UNITS)
def test_no_split_is_empty_while_there_are_groups_enough(records: list[Record], by: By):
    result = assign(records, by)
    groups = Counter(result.split_of.values())
    loose = {frozenset(members) for members in _groups(records, by)}

    assert len(groups) == min(3, len(loose))
    assert not records or groups["train"]


def _groups(records: list[Record], by: By) -> list[set[str]]:
    """The groups once more, by merging sets until none overlap: an independent way to the same."""
    groups: list[set[str]] = [{row.id} for row in records]
    for members in held_together(records, by).values():
        touched = [group for group in groups if group & members]
        groups = [group for group in groups if not group & members] + [set().union(*touched)]
    return groups


@settings(max_examples=20)
@given(ROWS, UNITS)
def test_a_split_without_a_share_gets_nothing(records: list[Record], by: By):
    result = assign_splits(records, by=by, shares=(0.5, 0, 0.5), known={}, units_of=ids(records))

    assert "validation" not in result.split_of.values()


def test_shares_are_kept_over_many_units():
    records = [record(f"{n}.pdf", [f"c-{n}"], f"answer {n}") for n in range(3000)]
    shares = Counter(assign_splits(records, by="document", shares=(8, 1, 1), known={}, units_of={}).split_of.values())

    assert shares["train"] == pytest.approx(2400, abs=100)
    assert shares["validation"] == pytest.approx(300, abs=70)
    assert shares["test"] == pytest.approx(300, abs=70)


def test_a_row_that_joins_two_splits_is_rejected_with_what_it_would_join():
    old, new = record("a", ["c-1"], "one"), record("b", ["c-1", "c-2"], "two")
    result = assign_splits([old, new], by="chunk", shares=SHARES, known={"c-1": "train", "c-2": "test"}, units_of={})

    assert result.split_of == {old.id: "train"}
    assert result.rejected == [(new, "would join test (c-2) and train (c-1)")]


def test_a_new_row_with_an_old_answer_gives_way_whatever_its_id():
    known = {"a": "train", "b": "test"}
    for name in "xyzw":
        old, new = record("a", ["c-1"], name), record("b", ["c-2"], name)
        before = assign_splits([old], by="document", shares=SHARES, known=known, units_of={})
        after = assign_splits([new, old], by="document", shares=SHARES, known=known | before.units, units_of={})

        assert after.split_of == {old.id: "train"}
        assert [row for row, _ in after.rejected] == [new]


def test_an_empty_split_takes_a_small_group_and_not_most_of_the_data():
    large = [record(f"{n}.pdf", [f"c-{n}"], "the same policy in every report") for n in range(30)]
    small = [record(f"s{n}.pdf", [f"c-s{n}"], f"answer {n}") for n in range(2)]
    result = assign_splits([*large, *small], by="document", shares=(0.998, 0.001, 0.001), known={}, units_of={})

    assert Counter(result.split_of.values()) == {"train": 30, "validation": 1, "test": 1}


def test_what_was_placed_before_is_not_taken_to_fill_a_split():
    records = [record(f"{n}.pdf", [f"c-{n}"], f"answer {n}") for n in range(3)]
    known = {f"{n}.pdf": "train" for n in range(3)}
    result = assign_splits(records, by="document", shares=SHARES, known=known, units_of={})

    assert set(result.split_of.values()) == {"train"}


@pytest.mark.parametrize("shares", [(0, 0, 0), (1.1, -0.1, 0)])
def test_shares_that_are_none_are_refused(shares: tuple[float, float, float]):
    with pytest.raises(UsageError, match="no shares"):
        assign_splits([], by="chunk", shares=shares, known={}, units_of={})


def test_memory_is_a_share_of_the_records_and_does_not_depend_on_the_others():
    records = [record("a", [f"c-{n}"], f"answer {n}") for n in range(2000)]
    picked = pick_memory([row.id for row in records], 0.1)

    assert 150 < len(picked) < 250
    assert pick_memory([row.id for row in records[::-1]], 0.1) == picked
    assert pick_memory([row.id for row in records[:1000]], 0.1) == picked & {row.id for row in records[:1000]}


def test_memory_has_a_record_from_ten_on():
    records = [record("a", [f"c-{n}"], f"answer {n}") for n in range(10)]

    assert len(pick_memory([row.id for row in records], 1e-9)) == 1
    assert pick_memory([row.id for row in records[:9]], 1e-9) == set()
    assert pick_memory([row.id for row in records], 0) == set()


@given(st.data())
def test_what_is_added_moves_no_row_of_memory(data: st.DataObject):
    """New questions may be what memory asks, and new second wordings what it asks in: what is there stays, in any order."""
    others = data.draw(st.lists(st.integers(0, 40), min_size=12, max_size=30))
    said = [sha256_text(str(number))[:20] for number in range(41)]  # no two are alike
    everything = [
        (record("a.pdf", [f"c-{answer}"], answer), f"What of {said[other]}?")
        for answer, other in zip(said, others, strict=False)
    ]
    shuffled = data.draw(st.permutations(everything))
    first = shuffled[: data.draw(st.integers(1, len(shuffled)))]
    with tempfile.TemporaryDirectory() as folder, Journal.open(Path(folder) / "journal.sqlite") as journal:

        def divided(pairs: list[tuple[Record, str]]) -> set[tuple[str, str]]:
            draw = Draw([row for row, _ in pairs], {row.id: wording for row, wording in pairs})
            splits = divide(
                draw, Splitting((0.9, 0.1, 0.0), memory_share=0.3), "none", "chunk", "keep", {}, Origin(), journal
            )
            rows = [(split, row) for split, rows in splits.items() for row in rows]
            asked = [row.instruction for _, row in rows]
            assert len(asked) == len(set(asked))
            assert len(draw.kept) + len(draw.rejected) == len(pairs)
            return {(split, row.id) for split, row in rows}

        before = divided(first)
        after = divided(everything)
        assert before <= after
        assert divided(shuffled) == after
