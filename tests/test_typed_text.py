"""Reports as plain text and Markdown: tables by columns of characters, paragraphs by margins, what runs along left out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typed_filings import filing

from fingen.config import ReadSettings
from fingen.documents.read import read_document
from fingen.records import Document
from fingen.text import clean

SEC = (
    "ACME HOLDINGS, INC.\n(Exact name of registrant as specified in its charter)\n\nFORM 10-K\n"
    "For the fiscal year ended December 31, 1997\n\n"
)


def read(tmp_path: Path, text: str | bytes, name: str = "report.txt") -> Document:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_document(path, name, ReadSettings())


def blocks(document: Document, kind: str) -> list[str]:
    return [
        chunk.text[block.start : block.end] for chunk in document.chunks for block in chunk.blocks if block.kind == kind
    ]


def tables(document: Document) -> list[list[list[str]]]:
    return [[line.split(" | ") for line in text.split("\n")] for text in blocks(document, "table")]


def flowing(document: Document) -> str:
    return "\n".join(chunk.text for chunk in document.chunks)


# ---- filings of the 1990s


@pytest.mark.parametrize("seed", range(40))
def test_rows_are_whole_and_figures_in_their_columns(tmp_path: Path, seed: int):
    made = filing(seed)
    document = read(tmp_path, made.text)
    found = [row for table in tables(document) for row in table]
    for statement in made.statements:
        for label, figures in statement.rows:
            assert [label, *figures] in found, (label, figures)
            found.remove([label, *figures])
        assert any(row[-len(statement.headings) :] == statement.headings for row in found)
    text = flowing(document)
    assert all(clean(paragraph) in text for paragraph in made.paragraphs)
    assert not [line for line in text.split("\n") if re.fullmatch(r"\d{1,2}", line)]  # page numbers
    assert document.pages < 3 or all(
        text.count(line) <= 2 for line in made.running
    )  # on the cover, and where it first runs
    assert (document.company, document.period.end) == ("Meridian Industries, Inc.", "1997-12-31")


def table_of(tmp_path: Path, *lines: str) -> list[list[str]]:
    document = read(
        tmp_path, SEC + "Some words stand before the table.\n\n" + "\n".join(lines) + "\n\nSome words stand after it.\n"
    )
    assert flowing(document).endswith("Some words stand after it.")
    [found] = tables(document)
    return found


TYPED = {
    "currency far from its figure": (
        ["                         1997        1996", "Revenue              $     12    $     11", "Costs                     (8)         (7)"],
        [["", "1997", "1996"], ["Revenue", "$12", "$11"], ["Costs", "(8)", "(7)"]],
    ),
    "a bracket that touches the figure before it": (
        ["                      1997       1996", "Revenue         $9,147,874$(6,434,375)", "Costs                  123        (45)"],
        [["", "1997", "1996"], ["Revenue", "$9,147,874", "$(6,434,375)"], ["Costs", "123", "(45)"]],
    ),
    "ranges as labels": (
        ["Exercise price          Shares    Years", "$  4.00  to  $ 10.00        11      1.5", "$ 10.01  to  $ 20.00         4      3.5"],
        [["Exercise price", "Shares", "Years"], ["$4.00 to $10.00", "11", "1.5"], ["$10.01 to $20.00", "4", "3.5"]],
    ),
    "a label of three lines": (
        ["                                     1997     1996", "Income from continuing", "  operations before changes", "  in accounting principles           4,129    3,492", "Net income                           4,129    3,492"],
        [["", "1997", "1996"], ["Income from continuing operations before changes in accounting principles", "4,129", "3,492"], ["Net income", "4,129", "3,492"]],
    ),
    "a group that is no broken label": (
        ["                                     1997     1996", "Per share data:", "  Basic net income                   1.67     1.40", "Financing", "  Share repurchases                   (12)     (17)"],
        [["", "1997", "1996"], ["Per share data:", "", ""], ["Basic net income", "1.67", "1.40"], ["Financing", "", ""], ["Share repurchases", "(12)", "(17)"]],
    ),
    "leaders up to the figure": (
        ["                                  1997     1996", "Report of management.........       38       40", "Notes . . . . . . . . . . . .       54       57"],
        [["", "1997", "1996"], ["Report of management", "38", "40"], ["Notes", "54", "57"]],
    ),
    "figures in a label": (
        ["                                            1997     1996", "Receivables, less allowances of $23          1,639    1,641", "Treasury stock (shares: 1997 - 923,955;", "  1996 - 2,179,066)                            (86)    (135)", "Other assets                                 1,528    1,659"],
        [["", "1997", "1996"], ["Receivables, less allowances of $23", "1,639", "1,641"], ["Treasury stock (shares: 1997 - 923,955; 1996 - 2,179,066)", "(86)", "(135)"], ["Other assets", "1,528", "1,659"]],
    ),
    "two heads over two columns": (
        ["                         Assets Exceed        Benefits Exceed", "                       1997       1996       1997       1996", "Plan assets           1,280      1,126        128        126", "Obligation              872        768        370        384"],
        [["", "Assets Exceed", "", "Benefits Exceed", ""], ["", "1997", "1996", "1997", "1996"], ["Plan assets", "1,280", "1,126", "128", "126"], ["Obligation", "872", "768", "370", "384"]],
    ),
    "wide characters": (
        ["项目              2023年      2022年", "营业收入           1,234       1,111", "营业成本             567         512"],
        [["项目", "2023年", "2022年"], ["营业收入", "1,234", "1,111"], ["营业成本", "567", "512"]],
    ),
    "tabs": (["\t1997\t1996", "Revenue\t12\t11", "Costs of all kinds\t8\t7"], [["", "1997", "1996"], ["Revenue", "12", "11"], ["Costs of all kinds", "8", "7"]]),
    "bars": (
        ["+---------+------+------+", "|         | 1997 | 1996 |", "+---------+------+------+", "| Revenue |   12 |   11 |", "| Costs   |    8 |    7 |", "+---------+------+------+"],
        [["", "1997", "1996"], ["Revenue", "12", "11"], ["Costs", "8", "7"]],
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", TYPED)
def test_tables_as_they_are_typed(tmp_path: Path, kind: str):
    lines, expected = TYPED[kind]
    assert table_of(tmp_path, *lines) == expected


def test_running_text_with_figures_in_it_is_no_table(tmp_path: Path):
    text = "Net sales were  $12 million in\n1997, up from  $11 million in the\nyear before, of which  4  percent\ncame from abroad.\n"
    document = read(tmp_path, SEC + text)
    assert not tables(document)
    assert (
        "Net sales were $12 million in 1997, up from $11 million in the year before, of which 4 percent came from abroad."
        in flowing(document)
    )


def test_words_broken_at_the_end_of_a_line_are_made_whole(tmp_path: Path):
    document = read(
        tmp_path,
        SEC
        + "The long-term plan and the organiz-\nation of our non-\ncurrent debt are set out here. The organization\nlasts, and non-current debt too.\n",
    )
    assert "The long-term plan and the organization of our non-current debt are set out here." in flowing(document)


def test_lines_of_a_text_that_is_not_wrapped_are_paragraphs(tmp_path: Path):
    long = "This paragraph is one line however long it is, " * 6 + "and ends here."
    document = read(tmp_path, "\n".join(f"{n}. {long}" for n in range(1, 5)))
    assert blocks(document, "paragraph") == [f"{n}. {clean(long)}" for n in range(1, 5)]


def test_marks_of_pages_make_pages(tmp_path: Path):
    pages = [f"The year is told on page {n} at some length.\n\n                     - {n} -" for n in (1, 2, 3)]
    document = read(tmp_path, "\n<PAGE>\n".join(pages))
    assert document.pages == 3
    assert [block.page for chunk in document.chunks for block in chunk.blocks] == [1, 2, 3]


def test_places_are_lines(tmp_path: Path):
    document = read(tmp_path, "The first paragraph of it.\n\n\nThe second one of it.\n")
    assert [block.place for chunk in document.chunks for block in chunk.blocks] == ["line 1", "line 4"]


@pytest.mark.parametrize(
    ("encoding", "text"),
    [("gbk", "贵州酱酒股份有限公司2023年年度报告"), ("gb18030", "贵州酱酒股份有限公司㐀2023年年度报告"), ("big5", "臺灣積體電路製造公司年報"),
     ("utf-16", "贵州酱酒股份有限公司2023年年度报告"), ("utf-16-le", "ACME annual report of 2023"), ("utf-8-sig", "贵州酱酒年度报告"),
     ("cp1252", "Société Générale – “résultats” de l’année")],
)  # fmt: skip
def test_encodings_are_found(tmp_path: Path, encoding: str, text: str):
    whole = (
        text
        + "\n\n"
        + "这是一份公司的报告，其中有很多常用的汉字，营业收入增长。"
        * (not text.isascii() and encoding not in ("cp1252", "big5"))
        + "1,234\n"
    )
    assert flowing(read(tmp_path, (whole * 3).encode(encoding))).startswith(clean(text))


# ---- Markdown

MARKDOWN = """---
title: never shown
---
# Acme Corp

**For the fiscal year ended December 31, 2023**

## Business

We make *pumps*[^1] and ~~old things~~ valves.
They sell well.

1. First
2. Second
   - deeper

<!-- never shown either -->

| | 2023 | 2022 |
|---|---:|---:|
| Revenue | $1,234 | $1,111 |
| Loss \\| gain | (5) | 7 |

## Figures

<table><tr><td>Item</td><td colspan="2">2023</td></tr><tr><td>Sales</td><td>$</td><td>12</td></tr></table>

```
                  2023      2022
Costs              500       400
Gains              600       300
```

### The end

[^1]: Since 1997.
"""


def test_markdown_is_read_by_its_structure(tmp_path: Path):
    document = read(tmp_path, MARKDOWN, "report.md")
    assert blocks(document, "heading") == ["Acme Corp", "Business", "Figures", "The end"]
    assert tables(document) == [
        [["", "2023", "2022"], ["Revenue", "$1,234", "$1,111"], ["Loss ¦ gain", "(5)", "7"]],
        [["Item", "2023"], ["Sales", "$12"]],
        [["", "2023", "2022"], ["Costs", "500", "400"], ["Gains", "600", "300"]],
    ]
    found = blocks(document, "paragraph")
    assert found[:5] == [
        "For the fiscal year ended December 31, 2023",
        "We make pumps and valves. They sell well.",
        "1. First",
        "2. Second",
        "• deeper",
    ]
    assert document.hidden == {"front matter": 1, "struck out": 1, "comments": 1}
    assert document.period.end == "2023-12-31"


def test_places_in_markdown_are_lines(tmp_path: Path):
    document = read(tmp_path, MARKDOWN, "report.md")
    lines = MARKDOWN.split("\n")
    for chunk in document.chunks:
        for block in chunk.blocks:
            first = re.findall(r"\w+", chunk.text[block.start : block.end])[0]
            number = int(block.place.removeprefix("line "))
            assert first in "\n".join(lines[number - 1 : number + 1])
