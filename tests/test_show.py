"""`fingen show`: a record's evidence in its passage, on its page, and on a picture: where the words really are.

What is drawn here has its evidence in blue ink, so that a plain picture of the page says where it stands. On the sample,
MuPDF's own search says it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pymupdf
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fingen.cli import main
from fingen.config import ReadSettings
from fingen.documents.picture import find_lines
from fingen.documents.read import read_document
from fingen.pipeline.show import show
from fingen.records import Chunk, Document, Evidence, Manifest, Record, SourceEntry, Usage
from fingen.sets import SPLITS, SetContent, read_manifest, read_split, write_set

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "raw" / "sample_annual_report_2024.pdf"
BLUE = (0, 0, 1)
PROOF = "Revenue of the harbour unit rose by 12.5 percent to 84.3 million."
BEFORE = ["The company runs three harbours and a railway.", "Its staff of 1,204 people works in two shifts all year."]
AFTER = ["Costs stood still, because energy became cheaper.", "No dividend is proposed for the year that has ended."]


# ---- making sets


def draw_report(path: Path, proof: str = PROOF, *, rotation: int = 0, pages: int = 1) -> Path:
    """A report whose pages have one sentence in blue."""
    with pymupdf.open() as pdf:
        for number in range(1, pages + 1):
            page = pdf.new_page(width=500, height=700)
            page.set_cropbox((30, 20, 480, 680))
            page.set_rotation(rotation)
            top = 80 + 40 * number  # what stands in one place on each page would be a running header
            draw_lines(page, [*BEFORE, proof.replace("#", str(number)), *AFTER], top=top, blue=2)
        pdf.save(path)
    return path


def draw_lines(page: pymupdf.Page, lines: list[str], *, top: float, blue: int) -> None:
    """Lines that a reader sees upright, however the page is turned."""
    for index, line in enumerate(lines):
        at = pymupdf.Point(50, top + 15 * index) * page.derotation_matrix
        ink = BLUE if index == blue else (0, 0, 0)
        page.insert_text(at, line, fontsize=10, color=ink, rotate=page.rotation)


def record(document: Document, *quotes: Evidence, **fields: Any) -> Record:
    defaults: dict[str, Any] = {
        "instruction": "How did the revenue of the harbour unit develop?",
        "input": "",
        "output": PROOF,
        "id": "qa-0123456789abcdef",
        "task": "qa-concept",
        "language": "en",
        "document": document.path,
        "pages": tuple(sorted({quote.page for quote in quotes})),
        "chunks": tuple(chunk.id for chunk in document.chunks),
        "evidence": quotes,
        "teacher": "offline",
        "origin": "document",
    }
    return Record(**defaults | fields)


def make_set(folder: Path, documents: Sequence[Document], records: list[Record], **fields: Any) -> Path:
    sources = tuple(SourceEntry(**{n: getattr(d, n) for n in SourceEntry.model_fields}) for d in documents)
    manifest = Manifest(
        name=folder.name, command="pdf2qa", teacher="offline", settings={}, prompts={}, sources=sources, unread={},
        files={}, splits={}, tasks={}, rejects={}, requests=1, usage=Usage(), cost_usd=0.0, split_by="chunk", versions={},
    )  # fmt: skip
    chunks: list[Chunk] = [chunk for document in documents for chunk in document.chunks]
    write_set(folder, SetContent({"train": records}, [], chunks, manifest.model_copy(update=fields)))
    return folder


def read(path: Path) -> Document:
    return read_document(path, path.name, ReadSettings())


@pytest.fixture
def harbour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A set of one record about one report, in the working directory."""
    monkeypatch.chdir(tmp_path)
    document = read(draw_report(tmp_path / "harbour.pdf"))
    return make_set(Path("build/harbour"), [document], [record(document, Evidence(quote=PROOF, page=1))])


@pytest.fixture(scope="module")
def demo(readers_here: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        result = CliRunner().invoke(main, ["pdf2qa", str(ROOT / "raw"), "--teacher", "offline", "--out", "build/demo"])
    assert result.exit_code == 0, result.stderr
    return folder / "build/demo"


def run(*words: object) -> Result:
    return CliRunner().invoke(main, ["show", *map(str, words)])


def shown(*words: object) -> dict[str, Any]:
    result = run(*words, "--json")
    assert result.exit_code == 0, result.stderr
    report: dict[str, Any] = json.loads(result.stdout)
    return report


# ---- looking at pictures


def blue_area(page: pymupdf.Page, dpi: int) -> pymupdf.IRect:
    """Where a page has blue ink, in pixels."""
    return area_where(page.get_pixmap(dpi=dpi, alpha=False), lambda red, green, blue: blue > 200 and red < 100)


def marked_area(picture: pymupdf.Pixmap) -> pymupdf.IRect:
    """Where a picture is yellow, as marked paper is."""
    return area_where(picture, lambda red, green, blue: red > 240 and green > 220 and blue < 180)


def area_where(picture: pymupdf.Pixmap, is_meant: Any) -> pymupdf.IRect:
    data, wide = bytes(picture.samples), picture.width
    pixels = [divmod(at // 3, wide) for at in range(0, len(data), 3) if is_meant(*data[at : at + 3])]
    assert pixels, "none there"
    rows, columns = [row for row, _ in pixels], [column for _, column in pixels]
    return pymupdf.IRect(min(columns), min(rows), max(columns) + 1, max(rows) + 1)


def assert_marked(path: Path, pdf: Path, page: int = 1, dpi: int = 100) -> None:
    """The marker covers the blue ink, and nothing more than the line that it stands in."""
    with pymupdf.open(pdf) as report:
        ink = blue_area(report[page - 1], dpi)
    marker = marked_area(pymupdf.Pixmap(str(path)))
    slack = 6 * dpi / 72
    assert marker.x0 <= ink.x0
    assert marker.y0 <= ink.y0
    assert marker.x1 >= ink.x1 - 2  # the last character's own edge
    assert marker.y1 >= ink.y1
    assert marker.x0 > ink.x0 - slack
    assert marker.y0 > ink.y0 - slack
    assert marker.x1 < ink.x1 + slack
    assert marker.y1 < ink.y1 + slack


# ---- the record and its passage


def test_a_record_is_shown_with_its_quote_marked_in_its_passage(demo: Path):
    wanted = next(iter(read_split(demo, "test")))
    report = shown(demo, wanted.id)
    text = run(demo, wanted.id).stdout

    for part in (wanted.id, wanted.instruction, wanted.output, wanted.task, "split: test, row 1", "teacher: offline"):
        assert part in text
    chunk = report["passages"][0]["text"]
    assert text.endswith("\n" + marked(chunk, report["evidence"]) + "\n")


def marked(text: str, evidence: list[dict[str, Any]]) -> str:
    for quote in sorted(evidence, key=lambda quote: -quote["start"]):
        text = f"{text[: quote['start']]}«{text[quote['start'] : quote['end']]}»{text[quote['end'] :]}"
    return text


def test_each_quote_of_the_sample_is_found_in_its_passage_and_on_its_page(demo: Path):
    records = [record for split in SPLITS if read_manifest(demo).splits[split] for record in read_split(demo, split)]
    searched = in_one_line = 0
    with pymupdf.open(SAMPLE) as pdf:
        for wanted in records:
            report = show(demo, wanted.id, inputs=[SAMPLE.parent])
            texts = {chunk.id: chunk.text for chunk in report.passages}
            assert [(quote.text, quote.page) for quote in report.quotes] == [
                (e.quote, e.page) for e in wanted.evidence or ()
            ]
            for quote in report.quotes:
                assert quote.chunk
                assert texts[quote.chunk][quote.start : quote.end] == quote.text
                assert quote.is_exact
                found = pdf[quote.page - 1].search_for(quote.text[:-1])  # up to the end of a line it goes over it
                if found:  # nor does it see through every kind of line break
                    searched += 1
                    assert (
                        distance(box_around(found), box_around(quote.boxes)) < 11
                    )  # points: the last character, which was not searched for
    assert searched > in_one_line / 2


def box_around(boxes: Sequence[Any]) -> list[float]:
    lefts, tops, rights, bottoms = zip(*(tuple(box) for box in boxes), strict=True)
    return [min(lefts), min(tops), max(rights), max(bottoms)]


def distance(box: list[float], other: list[float]) -> float:
    return max(abs(a - b) for a, b in zip(box, other, strict=True))


def test_quotes_that_overlap_are_marked_once(harbour: Path, tmp_path: Path):
    document = read(tmp_path / "harbour.pdf")
    quotes = [Evidence(quote=PROOF, page=1), Evidence(quote="rose by 12.5 percent", page=1)]
    folder = make_set(Path("build/two"), [document], [record(document, *quotes)])

    text = run(folder).stdout

    assert text.count("«") == text.count("»") == 1
    assert f"«{PROOF}»" in text


def test_a_passage_in_the_input_is_not_printed_twice(harbour: Path, tmp_path: Path):
    document = read(tmp_path / "harbour.pdf")
    rows = [record(document, Evidence(quote=PROOF, page=1), input=document.chunks[0].text)]
    folder = make_set(Path("build/open"), [document], rows)

    assert run(folder).stdout.count(AFTER[0]) == 1


# ---- which record


def test_without_an_id_the_first_record_and_without_a_set_the_newest(harbour: Path):
    result = run()

    assert result.exit_code == 0
    assert "qa-0123456789abcdef" in result.stdout
    assert "the newest set: build/harbour" in result.stderr
    assert run("qa-0123456789abcdef").stdout == run(harbour).stdout == result.stdout


def test_the_start_of_an_id_is_enough_where_it_is_the_only_one(harbour: Path, tmp_path: Path):
    document = read(tmp_path / "harbour.pdf")
    quote = Evidence(quote=PROOF, page=1)
    rows = [record(document, quote, id=name) for name in ("qa-aa01", "qa-aa02", "qa-bb01", "qa-bb01-b")]
    folder = make_set(Path("build/four"), [document], rows)

    assert shown(folder, "qa-aa02")["row"] == 2
    assert shown(folder, "qa-bb01")["row"] == 3  # whole, though another one starts with it
    both = run(folder, "qa-aa")
    assert both.exit_code == 2
    assert "2 records start with 'qa-aa': qa-aa01, qa-aa02" in both.stderr
    none = run(folder, "qa-ab02")
    assert none.exit_code == 2
    assert "no record 'qa-ab02'" in none.stderr
    assert "qa-aa02" in none.stderr


# ---- pictures


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_the_marker_is_on_the_words_of_the_quote(rotation: int, tmp_path: Path):
    pdf = draw_report(tmp_path / "turned.pdf", rotation=rotation)
    document = read(pdf)
    folder = make_set(tmp_path / "set", [document], [record(document, Evidence(quote=PROOF, page=1))])

    result = run(folder, "--png", tmp_path / "page.png", "--dpi", 100, "--input", tmp_path)

    assert result.exit_code == 0, result.stderr
    assert str(tmp_path / "page.png") in result.stdout
    assert_marked(tmp_path / "page.png", pdf)


def test_beside_the_marks_the_picture_is_the_page(harbour: Path, tmp_path: Path):
    run(harbour, "--png", "page.png", "--dpi", 100)

    picture = pymupdf.Pixmap("page.png")
    with pymupdf.open("harbour.pdf") as pdf:
        page = pdf[0].get_pixmap(dpi=100, alpha=False)
        ink = blue_area(pdf[0], 100)
    assert (picture.width, picture.height) == (page.width, page.height)
    changed = area_where(difference(picture, page), lambda *channels: max(channels) > 16)
    assert changed.contains(ink)
    assert changed.height < 3 * ink.height
    assert changed.width < ink.width + 20


def difference(picture: pymupdf.Pixmap, other: pymupdf.Pixmap) -> pymupdf.Pixmap:
    data = bytes(abs(a - b) for a, b in zip(picture.samples, other.samples, strict=True))
    return pymupdf.Pixmap(picture.colorspace, picture.width, picture.height, data, False)


def test_a_cropped_picture_keeps_the_marks(harbour: Path):
    run(harbour, "--png", "page.png", "--dpi", 100)
    run(harbour, "--png", "part.png", "--dpi", 100, "--crop")

    page, part = pymupdf.Pixmap("page.png"), pymupdf.Pixmap("part.png")
    assert part.width == page.width
    assert part.height < page.height / 3
    assert marked_area(part).height == marked_area(page).height


def test_each_page_with_a_quote_has_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    proof = PROOF.replace("84.3", "#84.3")
    document = read(draw_report(tmp_path / "long.pdf", proof, pages=3))
    quotes = [Evidence(quote=proof.replace("#", str(page)), page=page) for page in (3, 1)]
    folder = make_set(Path("set"), [document], [record(document, *quotes)])

    report = shown(folder, "--png", "out/page.png", "--dpi", 100)

    assert report["pictures"] == [
        {"file": "out/page.png", "document": "long.pdf", "page": 3},
        {"file": "out/page-2.png", "document": "long.pdf", "page": 1},
    ]
    assert sorted(path.name for path in Path("out").iterdir()) == ["page-2.png", "page.png"]
    assert_marked(Path("out/page.png"), tmp_path / "long.pdf", page=3)
    assert_marked(Path("out/page-2.png"), tmp_path / "long.pdf", page=1)


def test_a_quote_of_a_companion_is_on_the_companions_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    other = "In the year before, revenue of the harbour unit was 74.9 million."
    (tmp_path / "reports").mkdir()
    first = read(draw_report(tmp_path / "reports/now.pdf"))
    before = read(draw_report(tmp_path / "reports/before.pdf", other))
    quotes = [Evidence(quote=PROOF, page=1), Evidence(quote=other, page=1, document="before.pdf")]
    chunks = (first.chunks[0].id, before.chunks[0].id)
    folder = make_set(Path("set"), [first, before], [record(first, *quotes, chunks=chunks)])

    report = shown(folder, "--png", "page.png", "--dpi", 100)

    assert [(quote["document"], quote["chunk"]) for quote in report["evidence"]] == [
        ("now.pdf", chunks[0]),
        ("before.pdf", chunks[1]),
    ]
    assert report["files"] == {"now.pdf": "reports/now.pdf", "before.pdf": "reports/before.pdf"}
    assert_marked(Path("page.png"), tmp_path / "reports/now.pdf")
    assert_marked(Path("page-2.png"), tmp_path / "reports/before.pdf")


def test_a_sentence_that_stands_twice_is_shown_where_its_quote_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    first, other = read(draw_report(tmp_path / "a.pdf", pages=3)), read(draw_report(tmp_path / "b.pdf", pages=2))
    quotes = [Evidence(quote=PROOF, page=2), Evidence(quote=PROOF, page=2, document="b.pdf")]
    chunks = tuple(chunk.id for document in (first, other) for chunk in document.chunks)
    folder = make_set(Path("set"), [first, other], [record(first, *quotes, chunks=chunks)])

    report = shown(folder)

    texts = {chunk["id"]: chunk for chunk in report["passages"]}
    for quote, name in zip(report["evidence"], ("a.pdf", "b.pdf"), strict=True):
        passage = texts[quote["chunk"]]
        assert passage["document"] == name
        assert passage["text"][: quote["start"]].count(PROOF) == 1  # the page before it has it, too


LABEL = [(72, 120, "Revenue from"), (72, 132, "harbours")]
FIGURES = [(250, 120, "84.3"), (350, 120, "74.9")]


@pytest.mark.parametrize("pieces", [[*LABEL, *FIGURES], [*FIGURES, *LABEL]], ids=["label first", "label last"])
def test_cells_of_a_table_are_found_each_with_its_lines(pieces: list[tuple[int, int, str]], tmp_path: Path):
    pdf = draw_pieces(tmp_path / "table.pdf", pieces)

    boxes = find_lines(pdf, 1, "Revenue from harbours | 84.3 | 74.9")

    for x, baseline, text in pieces:
        right = x + pymupdf.get_text_length(text, fontsize=10)
        near = [b for b in boxes if distance([b[0], b[2]], [x, right]) < 1 and b[1] < baseline - 3 < b[3]]
        assert len(near) == 1, text
    assert len(boxes) == len(pieces)
    assert find_lines(pdf, 1, "Revenue from harbours | 84.3 | 74.8") == []


def test_words_that_were_set_backwards_are_found(tmp_path: Path):
    pdf = draw_pieces(
        tmp_path / "row.pdf", [(350, 120, "74.9"), (250, 120, "84.3"), (115, 120, "grew"), (72, 120, "Revenue")]
    )

    assert [round(box[0]) for box in find_lines(pdf, 1, "Revenue grew | 84.3 | 74.9")] == [72, 250, 350]


def draw_pieces(path: Path, pieces: Sequence[tuple[int, int, str]]) -> Path:
    """A page with pieces of text, each where it is told to stand, in that order."""
    with pymupdf.open() as pdf:
        page = pdf.new_page()
        for x, y, text in pieces:
            page.insert_text((x, y), text, fontsize=10)
        pdf.save(path)
    return path


WORDS = st.lists(
    st.sampled_from(["rate", "of", "growth", "in", "Asia", "(net)", "sales", "re-\u00adport"]), min_size=6, max_size=60
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=WORDS, columns=st.integers(1, 2), data=st.data())
def test_the_boxes_of_a_quote_hold_its_words_and_no_others(
    names: list[str], columns: int, data: st.DataObject, tmp_path: Path
):
    words = [f"{name}{number}" for number, name in enumerate(names)]  # each is there once
    places = []
    with pymupdf.open() as pdf:
        page = pdf.new_page()
        for index, word in enumerate(words):
            column, rest = divmod(index, -(-len(words) // columns))
            x, y = 60 + 270 * column + 80 * (rest % 3), 100 + 14 * (rest // 3)
            page.insert_text((x, y), word, fontsize=10)
            places.append((x + pymupdf.get_text_length(word, fontsize=10) / 2, y - 3))
        pdf.save(tmp_path / "words.pdf")
    start = data.draw(st.integers(0, len(words) - 1))
    end = data.draw(st.integers(start + 1, len(words)))

    boxes = find_lines(tmp_path / "words.pdf", 1, " ".join(words[start:end]))

    inside = [any(l <= x <= r and t <= y <= b for l, t, r, b in boxes) for x, y in places]  # noqa: E741 left
    assert inside == [start <= index < end for index in range(len(words))]


def test_the_picture_of_the_readme_is_what_the_command_draws(demo: Path, tmp_path: Path):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    line = re.search(r"`fingen show build/demo (.* --dpi \d+)`", readme)
    assert line
    words = line[1].replace(" evidence.png", f" {tmp_path / 'made.png'}")
    result = run(demo, *words.split(), "--input", SAMPLE)
    assert result.exit_code == 0, result.stderr

    kept, made = pymupdf.Pixmap(str(ROOT / "tests/sample/evidence.png")), pymupdf.Pixmap(str(tmp_path / "made.png"))

    assert "](tests/sample/evidence.png)" in readme
    assert (kept.width, kept.height) == (made.width, made.height)
    gaps = difference(kept, made).samples
    assert sum(gaps) / len(gaps) < 2  # of 255: another release of MuPDF may smooth letters in another way


# ---- what is missing or wrong


def test_without_its_pdf_a_record_is_shown_with_the_boxes_of_the_set(harbour: Path, tmp_path: Path):
    (tmp_path / "harbour.pdf").unlink()

    result = run(harbour)
    report = shown(harbour)

    assert result.exit_code == 0
    assert "'harbour.pdf' was not found below ., raw, reports" in result.stderr
    assert "(the whole paragraph or table)" in result.stdout
    assert not report["evidence"][0]["is_exact"]
    chunk = report["passages"][0]["text"]
    assert chunk[report["evidence"][0]["start"] : report["evidence"][0]["end"]] == PROOF
    assert report["missing"].keys() == {"harbour.pdf"}


def test_a_picture_needs_the_pdf_that_the_set_was_made_from(harbour: Path, tmp_path: Path):
    kept = (tmp_path / "harbour.pdf").read_bytes()
    draw_report(tmp_path / "harbour.pdf", PROOF.replace("12.5", "21.5"))
    changed = run(harbour, "--png", "page.png")
    (tmp_path / "harbour.pdf").unlink()
    missing = run(harbour, "--png", "page.png")
    (tmp_path / "elsewhere/deep").mkdir(parents=True)
    (tmp_path / "elsewhere/deep/harbour.pdf").write_bytes(kept)
    (tmp_path / "renamed.pdf").write_bytes(kept)

    assert (changed.exit_code, missing.exit_code) == (2, 2)
    assert "harbour.pdf: not the file that the set was made from" in changed.stderr
    assert "'harbour.pdf' was not found" in missing.stderr
    assert "--input" in missing.stderr
    assert not Path("page.png").exists()
    assert run(harbour, "--png", "page.png", "--input", "elsewhere").exit_code == 0
    assert run(harbour, "--png", "page.png", "--input", "renamed.pdf").exit_code == 0


def test_a_record_without_pages_has_no_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    row = Record(instruction="What is a bond?", input="", output="A debt that can be traded.", id="qa-1", task="qa-concept",
                 language="en", teacher="offline", origin="synthetic")  # fmt: skip
    folder = make_set(Path("set"), [], [row])

    assert row.output in run(folder).stdout
    result = run(folder, "--png", "page.png")
    assert result.exit_code == 2
    assert "qa-1: no page to draw" in result.stderr


def test_a_file_without_pages_has_none_to_draw_and_its_place_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Text that stands under no heading: the place of its quote has no section in front."""
    monkeypatch.chdir(tmp_path)
    proof = "Revenue of the harbour unit rose by 5 percent to USD 52 million in 2024, as more ships called there."
    Path("notes.txt").write_text(
        f"{proof}\n\nThe unit runs two berths, and a third one is being built.\n", encoding="utf-8"
    )
    document = read(Path("notes.txt"))
    chunk = document.chunks[0].model_copy(update={"section": ()})
    document = document.model_copy(update={"chunks": (chunk,)})
    place = f" @ {chunk.blocks[0].place}"
    folder = make_set(Path("set"), [document], [record(document, Evidence(quote=proof, page=0, place=place), pages=())])

    assert f"notes.txt, {chunk.blocks[0].place}" in run(folder).stdout
    drawn = run(folder, "--png", "page.png")
    assert drawn.exit_code == 2
    assert "notes.txt has no page that can be drawn" in drawn.stderr
    assert "--html" in drawn.stderr
    assert not Path("page.png").exists()


def test_a_quote_that_no_passage_holds_is_said_to_be_lost(harbour: Path, tmp_path: Path):
    document = read(tmp_path / "harbour.pdf")
    folder = make_set(
        Path("lost"), [document], [record(document, Evidence(quote="Revenue fell by 3 percent.", page=1))]
    )

    result = run(folder)

    assert result.exit_code == 0
    assert "page 1, its place there is not known, in none of the passages" in result.stdout
    assert "«" not in result.stdout


def test_a_page_that_the_pdf_does_not_have(harbour: Path, tmp_path: Path):
    document = read(tmp_path / "harbour.pdf")
    folder = make_set(Path("far"), [document], [record(document, Evidence(quote=PROOF, page=7))])

    result = run(folder)

    assert result.exit_code == 2
    assert "harbour.pdf, page 7: not found: it has 1 pages" in result.stderr


def test_what_is_no_set_or_is_damaged_is_named(harbour: Path):
    def refused(*words: object) -> str:
        result = run(*words)
        assert result.exit_code == 2, result.stdout
        return result.stderr

    assert "build/none: no such set" in refused("build/none")
    assert "build: the set is not whole" in refused("build")
    assert "expected a set and an id" in refused(harbour, "qa-1", "qa-2")
    assert "does not end in .png" in refused(harbour, "--png", "harbour.pdf")
    assert "'nowhere' does not exist" in refused(harbour, "--input", "nowhere")
    chunks = harbour / "chunks.jsonl"
    text = chunks.read_text(encoding="utf-8")
    chunks.write_text(text.replace("12.5", "21.5"), encoding="utf-8")
    assert f"{chunks}: changed since the set was made" in refused(harbour)
    chunks.unlink()
    assert "the set has no passages: chunks.jsonl is missing" in refused(harbour)


def test_a_passage_that_is_not_in_the_set_is_named(harbour: Path, tmp_path: Path):
    document = read(tmp_path / "harbour.pdf")
    folder = make_set(Path("part"), [document], [record(document, chunks=("c-gone",))])

    result = run(folder)

    assert result.exit_code == 2
    assert "no passage c-gone, which qa-0123456789abcdef rests on" in result.stderr


def test_an_empty_set_has_nothing_to_show(tmp_path: Path):
    result = run(make_set(tmp_path / "empty", [], []))

    assert result.exit_code == 2
    assert "the set has no records" in result.stderr


# ---- the terminal


STEERING = "\x1b[2J\x9b31m\x07\u202e"


def test_text_cannot_steer_the_terminal(harbour: Path, tmp_path: Path):
    document = read(tmp_path / "harbour.pdf")
    quote = Evidence(quote=f"x{STEERING}", page=1, document=f"evil{STEERING}.pdf")
    fields = {"instruction": STEERING, "output": STEERING, "label": STEERING, "calc": STEERING, "teacher": STEERING}
    chunk = document.chunks[0].model_copy(
        update={"text": f"{STEERING} {document.chunks[0].text}", "section": (STEERING,)}
    )
    document = document.model_copy(update={"chunks": (chunk,)})
    folder = make_set(Path("evil"), [document], [record(document, quote, Evidence(quote=PROOF, page=1), **fields)])

    for result in (run(folder), run(folder, "--png", "page.png")):
        printed = result.stdout + result.stderr
        assert printed
        assert not set(STEERING) - set("[2J31m") & set(printed)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
@pytest.mark.parametrize(("no_color", "mark"), [("", f"\x1b[30m\x1b[43m{PROOF}\x1b[0m"), ("1", f"«{PROOF}»")])
def test_on_a_terminal_the_quote_has_colour_unless_that_is_not_wanted(no_color: str, mark: str, harbour: Path):
    import pty

    ours, theirs = pty.openpty()
    environment = {**os.environ, "NO_COLOR": no_color, "TERM": "xterm"}
    with subprocess.Popen(
        [sys.executable, "-m", "fingen", "show", str(harbour)],
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        env=environment,
    ) as child:
        os.close(theirs)
        printed = b""
        while part := read_some(ours):
            printed += part
    os.close(ours)

    assert child.returncode == 0
    assert mark in printed.decode()


def read_some(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # the other side has closed it
        return b""


def test_json_is_one_object_and_quiet_says_nothing_beside_it(harbour: Path, tmp_path: Path):
    (tmp_path / "harbour.pdf").unlink()

    result = run("--json", "--quiet")

    assert result.stderr == ""
    report = json.loads(result.stdout)
    assert report["record"]["id"] == "qa-0123456789abcdef"
    assert report["set"] == "build/harbour"
    assert Record.model_validate(report["record"]) == next(read_split(harbour, "train"))
