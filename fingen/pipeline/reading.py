"""The first stage: which documents there are, and which of their passages are asked about."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing

from fingen.config import CACHE, Pdf2qa
from fingen.documents import InputFile, Progress, find_sources, is_narrative, read_documents
from fingen.documents.sorts import is_asked, sort_of
from fingen.errors import DocumentError, NoneReadError
from fingen.pipeline.repeated import repeated
from fingen.pipeline.reports import Reports
from fingen.quality.privacy import Mode, protect_chunk
from fingen.records import Chunk, Document
from fingen.wire import cluster_address

Unread = dict[str, DocumentError | str]  # input file -> why it is left out


def read_all(
    settings: Pdf2qa, on_event: Callable[[Progress | Document | DocumentError], None]
) -> tuple[Iterator[Document], Unread]:
    """The documents that can be read, by name, and for each other file the reason. What was read lies on disk meanwhile."""
    documents, unread = Reports(settings.out), dict[str, DocumentError | str]()
    with closing(read_files(find_sources(settings.inputs), settings)) as events:
        for event in events:
            on_event(event)
            if isinstance(event, Document):
                documents.add(event)
            elif isinstance(event, DocumentError):
                unread[event.path] = event
    if not documents:
        raise all_unread(unread)
    places = sorted(range(len(documents)), key=lambda place: documents.heads[place].path)
    of_path = {documents.heads[place].path: place for place in places}
    unread |= repeated([documents.heads[place] for place in places], lambda one: documents.chunks_of(of_path[one.path]))
    kept = [place for path, place in of_path.items() if path not in unread]
    return documents.read(kept), dict(sorted(unread.items()))


def read_files(sources: Sequence[InputFile], settings: Pdf2qa) -> Generator[Progress | Document | DocumentError]:
    """Read files with the engine that was named; yields news, and a document or an error of each."""
    how, workers = settings.reading, settings.workers
    if settings.engine is None or not sources:
        yield from read_documents(sources, how, workers=workers, cache=CACHE)
        return
    from fingen.documents.on_ray import read_on_ray  # only who names it has any of it

    yield from read_on_ray(sources, how, address=cluster_address(settings.engine), workers=workers, cache=CACHE)


def all_unread(unread: Unread) -> DocumentError:
    """The error where no file could be read."""
    errors = [error for error in unread.values() if isinstance(error, DocumentError)]
    return errors[0] if len(errors) == 1 else NoneReadError(errors)


def protect_document(document: Document, mode: Mode) -> tuple[Document, dict[int, Counter[str]]]:
    """The document with marks in place of personal data, and by the place of each chunk that has some how many of each kind."""
    safe = [protect_chunk(chunk, mode) for chunk in document.chunks]
    masked = {place: found for place, (_, found) in enumerate(safe) if found}
    return document.model_copy(update={"chunks": tuple(chunk for chunk, _ in safe)}), masked


def left_out(documents: Iterable[Document], sections: Sequence[str]) -> dict[str, int]:
    """How many narrative chunks are not asked about because of their section, by the sort of section."""
    chunks = (chunk for document in documents for chunk in document.chunks)
    counts = Counter(sort_of(c) or "other sections" for c in chunks if is_narrative(c) and not is_asked(c, sections))
    return dict(sorted(counts.items()))


def choose_chunks(
    documents: Iterable[Document],
    limit: int | None,
    sections: Sequence[str] = (),
    is_worth: Callable[[Chunk], object] = is_narrative,
    quotas: Mapping[str, int] | None = None,
) -> list[array[int]]:
    """Which chunks to ask about, by their places in each document: all of the sections that are worth it, or `limit` of them.

    These are spread over documents and their length. A larger limit adds to what a smaller one chose: who raises it pays for nothing
    twice. `quotas` say by path how many each document has, where these are not all documents that share the limit.
    """
    pools = {document.path: askable(document, sections, is_worth) for document in documents}
    if limit is None:
        return list(pools.values())
    shares = quotas
    if shares is None:
        shares = dict(zip(pools, share_out(list(map(len, pools.values())), limit), strict=True))
    return [
        array("I", (pool[place] for place in sorted(_spread(len(pool), shares[path])))) for path, pool in pools.items()
    ]


def askable(document: Document, sections: Sequence[str], is_worth: Callable[[Chunk], object]) -> array[int]:
    """The places of those chunks of a document that can be asked about."""
    chunks = enumerate(document.chunks)
    return array("I", (place for place, chunk in chunks if is_worth(chunk) and is_asked(chunk, sections)))


def share_out(sizes: Sequence[int], limit: int) -> list[int]:
    """How many each may give: one, round after round, so that short ones give what they can."""
    shares, left = [0] * len(sizes), min(limit, sum(sizes))
    while left:
        open_ones = [index for index, size in enumerate(sizes) if shares[index] < size]
        step = min(min(sizes[index] - shares[index] for index in open_ones), left // len(open_ones))
        for index in open_ones if step else open_ones[:left]:
            shares[index] += step or 1
        left -= step * len(open_ones) if step else left
    return shares


def _spread(length: int, count: int) -> list[int]:
    """The first `count` places of an order in which each halves the widest gap before it: van der Corput's, in base 2."""
    bits = max(length - 1, 1).bit_length()
    turned = (int(f"{step:0{bits}b}"[::-1], 2) * length >> bits for step in range(1 << bits))
    return list(dict.fromkeys(turned))[:count]
