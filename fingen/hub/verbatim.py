"""What of the reports' own text goes with a set: how many words of it, and what stands in its place where none is to go."""

from __future__ import annotations

import re
from array import array
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fingen.disk import short_digest
from fingen.quality.evidence import hash_text, is_hash, retell
from fingen.records import Manifest, Record, Rejected
from fingen.sets import SPLITS, read_split
from fingen.spool import Spool
from fingen.verification.origin import Origin, origin_of_set

OWN_WORDS = ("id", "task", "instruction", "question", "rephrased", "output", "answer", "label")  # of a rejected item
_WORD = re.compile(r"[\u3400-\u9fff]|[^\W\d_\u3400-\u9fff]+|\d+(?:[.,]\d+)*")  # a Chinese character is one


@dataclass(frozen=True)
class Verbatim:
    """How many words of a report go as they stand there; a Chinese character is a word."""

    document: str
    quote_words: int  # in different quotes
    passage_words: int  # in passages
    run_words: int | None  # in a row, at most, that an answer has from its passages; None: the passages are not here
    run_id: str  # of the row with that answer


def count_verbatim(folder: Path, manifest: Manifest, *, with_chunks: bool) -> list[Verbatim]:
    """What would go of each report of a set, by its documents; none where it has no documents.

    Raises:
        SetError: a file of the set is damaged.
    """
    if not manifest.sources:
        return []
    origin = origin_of_set(folder, on_disk=True)
    splits = [split for split in SPLITS if manifest.splits.get(split)]
    rows = Spool(folder, (record for split in splits for record in read_split(folder, split)))
    own: dict[str, array[int]] = defaultdict(lambda: array("Q"))  # document -> its rows
    quoted, seen = Counter[str](), set[bytes]()  # document -> words of its quotes, each counted once
    for number, record in enumerate(rows):
        own[record.document].append(number)
        for quote in (*record.evidence, *(each for turn in record.turns for each in turn.evidence)):
            document = quote.document or record.document
            if not is_hash(quote.quote) and (name := short_digest(document, quote.quote)) not in seen:
                seen.add(name)
                quoted[document] += _words((quote.quote,))
    passages: dict[str, list[str]] = defaultdict(list)  # document -> ids of its passages
    for chunk in origin.chunks.values():
        passages[chunk.document].append(chunk.id)
    return [
        _count(path, quoted[path], list(rows.pick(own[path])), passages[path], origin, with_chunks=with_chunks)
        for path in (source.path for source in manifest.sources)
    ]


def _count(
    document: str, quoted: int, own: Sequence[Record], passages: Sequence[str], origin: Origin, *, with_chunks: bool
) -> Verbatim:
    known = {name: origin.chunks[name].text for name in passages}
    open_book = [record for record in own if record.input or record.draws.get("context") == "passage"]
    shown = {chunk for record in open_book for chunk in record.chunks}
    there = [text for name, text in known.items() if with_chunks or name in shown]
    if shown - known.keys():  # they are not here: their rows have them
        texts = (text for record in open_book for text in (record.input, record.system))
        there = [text for text in set(texts) if not is_hash(text)]
    run, where = max(_runs(own, origin), default=(None, ""), key=lambda each: each[0])
    return Verbatim(document, quoted, _words(there), run, where)


def _words(texts: Iterable[str]) -> int:
    return sum(len(_WORD.findall(text)) for text in texts)


def _runs(rows: Sequence[Record], origin: Origin) -> Iterator[tuple[int, str]]:
    """For each row whose passages are here, the words in a row that its answer has from them."""
    folded: dict[str, str] = {}
    for record in rows:
        chunks = [origin.chunks[chunk] for chunk in record.chunks if chunk in origin.chunks]
        for chunk in chunks:
            folded.setdefault(chunk.id, _joined(_WORD.findall(chunk.text)))
        if chunks:
            yield max(longest_run(text, [folded[chunk.id] for chunk in chunks]) for text in _answers(record)), record.id


def _answers(record: Record) -> Iterator[str]:
    yield from (record.output, record.rejected)
    yield from (turn.content for turn in record.turns if turn.role == "assistant")


def longest_run(answer: str, texts: Collection[str]) -> int:
    """The words in a row that an answer has from one of some texts, each of them as `_joined` writes it."""
    words, longest, start = _WORD.findall(answer), 0, 0
    while start + longest < len(words):
        if any(_joined(words[start : start + longest + 1]) in text for text in texts):
            longest += 1
        else:
            start += 1
    return longest


def _joined(words: Sequence[str]) -> str:
    return f" {' '.join(words)} ".casefold()


def without_quotes(record: Record) -> Record:
    """The row with hashes in place of its quotes and its passage, by which whoever has the report finds them."""
    of_preference = record.reason.partition(": ")[0]  # behind it stands what was found, which may be a quote
    return retell(record, _hashed, _hashed).model_copy(update={"reason": of_preference})


def _hashed(text: str) -> str:
    return text if not text or is_hash(text) else hash_text(text)


def without_quotes_in_reject(rejected: Rejected) -> Rejected:
    """The reject with the words that its teacher wrote alone; what could not be read, and where it is wrong, may quote anything."""
    words = {name: text for name, text in rejected.item.items() if name in OWN_WORDS and isinstance(text, str)}
    kept = {} if rejected.reason == "unusable-answer" else words
    return rejected.model_copy(update={"item": kept, "detail": ""})
