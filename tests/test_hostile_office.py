"""Word, text and Markdown that were made to do harm: each ends as a typed error or as what a person would see; nothing is fetched."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import hostile_office
import pytest
from hostile_office import HIDDEN, OFFICE, TOLD

from fingen.config import ReadSettings
from fingen.documents import find_sources, read_documents
from fingen.errors import Cause, DocumentError
from fingen.records import Document

FAILING = {
    "zip_bomb.docx": {Cause.TOO_LARGE},
    "size_that_lies.docx": {Cause.TRUNCATED},
    "entity_bomb.docx": {Cause.TRUNCATED},
    "entity_of_a_file.docx": {Cause.TRUNCATED},
    "entity_of_a_server.docx": {Cause.TRUNCATED},
    "half_a_file.docx": {Cause.UNSUPPORTED},
    "damaged_part.docx": {Cause.TRUNCATED},
    "with_a_password.docx": {Cause.ENCRYPTED},
    "encrypted_by_word.docx": {Cause.UNSUPPORTED},
    "deep_tables.docx": {Cause.TOO_LARGE},
    "deep_forms.docx": {Cause.TOO_LARGE},
    "endless_cells.docx": {Cause.TOO_LARGE, Cause.TOO_SLOW},
    "no_body.docx": {Cause.TRUNCATED},
    "two_main_parts.docx": {Cause.TRUNCATED},
    "no_xml.docx": {Cause.TRUNCATED},
    "nothing_in_it.docx": {Cause.NO_TEXT},
    "all_hidden.docx": {Cause.NO_TEXT},
    "many_parts.docx": {Cause.TOO_LARGE},
    "one_huge_word.docx": {Cause.TOO_LARGE},
    "old_word.doc": {Cause.UNSUPPORTED},
    "huge_text.txt": {Cause.TOO_LARGE},
    "noise.txt": {Cause.UNREADABLE_TEXT},
}
EITHER = {
    "endless_table.txt",
    "endless_pages.txt",
    "deep_quotes.md",
    "front_without_end.md",
}  # read, or too slow on a slow machine
NAMED = {
    "old_word.doc": ("old Word", ".docx"),
    "encrypted_by_word.docx": ("password", "without one"),
    "with_a_password.docx": ("encrypted", "without one"),
}  # what is said of it, and what to do


@pytest.fixture(scope="module")
def asked() -> Iterator[tuple[str, list[str]]]:
    """A server on this machine, and what it was asked for."""
    paths: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_error(404)

        def log_message(self, format: str, *args: object) -> None:
            """Keep quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", paths
        server.shutdown()


@pytest.fixture(scope="module")
def outcomes(
    tmp_path_factory: pytest.TempPathFactory, asked: tuple[str, list[str]]
) -> dict[str, Document | DocumentError]:
    folder = tmp_path_factory.mktemp("hostile") / "reports"
    folder.mkdir()
    for name, maker in OFFICE.items():
        maker(folder / name, asked[0])
    (folder / "good.txt").write_text(TOLD)
    sources = find_sources([folder])
    found = read_documents(sources, ReadSettings(), workers=2)
    return {Path(each.path).name: each for each in found if isinstance(each, Document | DocumentError)}


def test_each_file_has_one_outcome(outcomes: dict[str, Document | DocumentError]):
    assert outcomes.keys() == {*OFFICE, "good.txt"}


@pytest.mark.parametrize("name", OFFICE)
def test_it_is_a_typed_error_or_what_a_person_sees(name: str, outcomes: dict[str, Document | DocumentError]):
    outcome = outcomes[name]
    if isinstance(outcome, DocumentError):
        assert outcome.reason in FAILING.get(name, {Cause.TOO_SLOW} if name in EITHER else set()), outcome
        assert name in str(outcome)
        assert outcome.hint
        assert all(words in f"{outcome} {outcome.hint}" for words in NAMED.get(name, ()))
    else:
        assert name not in FAILING
        text = "\n".join(chunk.text for chunk in outcome.chunks)
        assert HIDDEN not in text
        assert TOLD in text or name in EITHER


def test_files_beside_them_are_read(outcomes: dict[str, Document | DocumentError]):
    assert isinstance(outcomes["good.txt"], Document)


def test_nothing_is_fetched_and_nothing_is_unpacked(outcomes: dict[str, Document | DocumentError], asked: tuple[str, list[str]], tmp_path_factory: pytest.TempPathFactory):  # fmt: skip
    assert not asked[1]
    assert not list(tmp_path_factory.getbasetemp().rglob("climbed.txt"))


def test_every_maker_is_tried():
    makers = [
        each
        for each in vars(hostile_office).values()
        if callable(each) and getattr(each, "__module__", "") == "hostile_office"
    ]
    assert {maker for maker in makers if not maker.__name__.startswith("_")} == set(OFFICE.values())
