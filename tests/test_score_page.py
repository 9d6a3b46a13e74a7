"""The page and the pictures of a score: they say what the figures say, and foreign text stays text."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import groupby
from math import comb
from pathlib import Path
from typing import Any

import pytest
from browser import measure_widths, need_chromium, take_picture
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fingen.scoring import charts, page
from fingen.scoring.aggregate import Drawing, build_choices, build_pairs
from fingen.scoring.columns import build_contrasts
from fingen.scoring.report import Interval, Kind, Prediction, Report, Rotation, Score, ScoredRows, Texts

FEW = Drawing(seed=0, resamples=50)
LABELS = ("行业板块问询", "个股问询", "大盘问询", "客服问询")
VOID = {"meta", "br", "link", "img", "input", "hr"}
SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "</dd></li><script>alert(1)</script><img src=x onerror=alert(1)>\"'><b style=color:red>&amp;\x00\u202e"


def predictions(subject: str, right: Sequence[bool], *, on: str = "rows", **more: Any) -> list[Prediction]:
    """Answers to the same rows, right as often as is said; a wrong one names the next label."""
    rows = []
    for number, hit in enumerate(right):
        gold, other = LABELS[number % 4], LABELS[(number + 1) % 4]
        value = gold if hit else other
        rows.append(
            Prediction(
                subject=subject,
                on=on,
                id=f"q{number}",
                text=f"question {number}",
                gold=gold,
                value=value,
                correct=hit,
                why="letter",
                answer=value,
                **more,
            )
        )
    return rows


def build(
    rows: Sequence[Prediction],
    kinds: Mapping[str, Kind] | None = None,
    sources: Mapping[str, ScoredRows] | None = None,
    **more: Any,
) -> Report:
    """A report of choices as the conductor would build it."""
    scores = []
    for (subject, on), group in groupby(rows, key=lambda row: (row.subject, row.on)):
        own = list(group)
        kind = (kinds or {}).get(subject, "predictions")
        scores.append(
            Score(
                subject=subject,
                kind=kind,
                on=on,
                method="letters",
                rows=len(own),
                asked=len(own),
                choices=build_choices(own, FEW),
            )
        )
    known = sources or {row.on: ScoredRows(name=row.on, sha256="0" * 64, split="", kind="file") for row in rows}
    return Report(
        name="mine",
        sources=dict(known),
        scores=tuple(scores),
        pairs=build_pairs(rows, FEW),
        resamples=50,
        seed=0,
        version="0",
        **more,
    )


@dataclass
class Element:
    tag: str
    attributes: dict[str, str | None]
    content: list[Element | str] = field(default_factory=list)

    @property
    def children(self) -> list[Element]:
        return [each for each in self.content if isinstance(each, Element)]

    def walk(self) -> Iterable[Element]:
        yield self
        for child in self.children:
            yield from child.walk()

    def all(self, tag: str, **attributes: str) -> list[Element]:
        wanted = {name.rstrip("_"): value for name, value in attributes.items()}
        return [e for e in self.walk() if e.tag == tag and wanted.items() <= e.attributes.items()]

    @property
    def text(self) -> str:
        return " ".join(" ".join(e.text if isinstance(e, Element) else e for e in self.content).split())


class Document(HTMLParser):
    """A page as a tree. Tags that are not closed in order are an error."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.root = Element("", {})
        self._open = [self.root]
        self.feed(html)
        self.close()
        assert self._open == [self.root], f"not closed: {[e.tag for e in self._open[1:]]}"

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attributes))
        self._open[-1].content.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self._open[-1].content.append(Element(tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open[-1].tag == tag, f"</{tag}> inside <{self._open[-1].tag}>"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        self._open[-1].content.append(data)


def read(report: Report, rows: Sequence[Prediction]) -> Element:
    return Document(page.render_page(report, rows)).root


def section(root: Element, anchor: str) -> str:
    """The text between a heading and the next one."""
    main = root.all("main")[0].children
    start = next(i for i, e in enumerate(main) if e.attributes.get("id") == anchor)
    end = next((i for i, e in enumerate(main) if i > start and e.tag == "h2"), len(main))
    return " ".join(e.text for e in main[start:end])


def findings(root: Element) -> list[str]:
    return [e.text for e in root.all("section") if "finding" in (e.attributes.get("class") or "")]


HITS = [True] * 64 + [False] * 11  # 85.33 % of 75
MORE = [True] * 61 + [False] * 3 + [True] * 5 + [False] * 6  # 88.00 %: alone right in 5, alone wrong in 3


@pytest.fixture(scope="module")
def tuned() -> tuple[Report, list[Prediction]]:
    rows = predictions("llama3", HITS) + predictions("intent-llama3", MORE)
    return build(rows, {"llama3": "base", "intent-llama3": "adapter"}), rows


# What it says


def test_a_difference_that_is_none_is_not_called_one(tuned: tuple[Report, list[Prediction]]):
    (finding,) = findings(read(*tuned))

    assert finding.startswith("No difference shown between intent-llama3 and its base llama3")
    assert "intent-llama3 is right in 88.00 % of 75 rows, llama3 in 85.33 %: +2.67 points (95 %:" in finding
    assert "intent-llama3 alone is right in 5 of them, llama3 alone in 3." in finding
    p = 2 * sum(comb(8, k) for k in range(4)) / 2**8
    assert f"about {round(100 * p)} of 100 such comparisons would" in finding
    assert f"(McNemar, exact, p = {p:.3f})" in finding


@pytest.mark.parametrize(("first", "second", "words"), [
    ("base", "adapter", "b is better than its base a"), ("model", "model", "b is better than a"),
])  # fmt: skip
def test_a_difference_that_is_shown_is_told_in_its_direction(first: Kind, second: Kind, words: str):
    few, many = [i % 3 == 0 for i in range(60)], [i % 10 > 0 for i in range(60)]
    rows = predictions("a", few) + predictions("b", many)
    (finding,) = findings(read(build(rows, {"a": first, "b": second}), rows))
    assert finding.startswith(words)

    rows = predictions("a", many) + predictions("b", few)
    (finding,) = findings(read(build(rows, {"a": first, "b": second}), rows))
    assert finding.startswith(words.replace("better", "worse"))
    assert "fewer than 1 of 10,000 such comparisons" in finding
    assert "p < 0.001" in finding
    assert "−" in finding


def test_of_several_adapters_each_stands_beside_its_own_base():
    few, many = [i % 3 == 0 for i in range(60)], [i % 10 > 0 for i in range(60)]
    subjects: dict[str, Kind] = {"llama": "base", "qwen": "base", "on llama": "adapter", "on qwen": "adapter"}
    rows = [row for name in subjects for row in predictions(name, few if name == "llama" else many)]
    report = build(rows, subjects)
    scores = [
        score.model_copy(update={"details": {"base": score.subject.removeprefix("on ")}}) for score in report.scores
    ]
    found = findings(read(report.model_copy(update={"scores": tuple(scores)}), rows))

    assert [each.partition(" rows ")[0] for each in found] == [
        "on llama is better than its base llama", "No difference shown between on qwen and its base qwen",
    ]  # fmt: skip


def test_the_summary_has_every_figure_with_n_and_interval(tuned: tuple[Report, list[Prediction]]):
    summary = section(read(*tuned), "summary")

    for score in tuned[0].scores:
        assert score.choices
        for figure in (
            score.choices.accuracy,
            score.choices.macro_f1,
            score.choices.micro_f1,
            score.choices.weighted_f1,
        ):
            assert f"{100 * figure.value:.2f} {100 * figure.low:.1f}–{100 * figure.high:.1f}" in summary
    assert "llama3 base model 75 85.33 75.6–91.6" in summary  # Wilson's interval, worked out by hand
    assert "the majority class alone would reach 25.3 %" in summary


def test_a_finding_stands_beside_the_majority_class_and_who_answers_always_the_same():
    same = [
        row.model_copy(update={"value": LABELS[1], "correct": row.gold == LABELS[1]})
        for row in predictions("base", HITS)
    ]
    rows = [*same, *predictions("tuned", [True] * len(same))]
    (finding,) = findings(read(build(rows, {"base": "base", "tuned": "adapter"}), rows))

    assert "The majority class alone (个股问询) is right in 25.33 %." in finding
    assert "base answers 个股问询 in 100.0 % of the rows, which is right in 19 of them." in finding
    assert "tuned answers" not in finding


def test_where_a_benchmark_was_scored_nothing_synthetic_leads():
    rows = [
        row
        for on, hits in (("made", [True] * 60), ("openfindata", HITS))
        for subject in ("base", "tuned")
        for row in predictions(subject, hits if subject == "tuned" else hits[::-1], on=on)
    ]
    sources = {
        "made": ScoredRows(name="intent", sha256="1" * 64, split="test", kind="set", same_teacher="offline"),
        "openfindata": ScoredRows(name="o.json", sha256=None, split="", kind="benchmark"),
    }
    root = read(build(rows, {"base": "base", "tuned": "adapter"}, sources), rows)

    assert len(findings(root)) == 1
    assert "openfindata" in findings(root)[0]
    groups = [e.text for e in root.all("tr", class_="group")]
    assert groups == ["openfindata", "made test synthetic, same teacher"] * 2  # summary and pairs
    for heading in (*root.all("h3"), *root.all("figcaption")):
        if "made" in heading.text:
            assert "synthetic, same teacher" in heading.text


def test_mean_and_deviation_over_benchmarks_are_those_that_were_published():
    shares = (0.882, 0.874, 0.903, 0.643)  # FinGPT v3.3, weighted F1: 0.826 and 0.106 in its table
    names = [f"bench{i}" for i in range(4)]
    rows = [row for name in names for row in predictions("v3.3", [True] * 4, on=name)]
    report = build(rows, sources={n: ScoredRows(name=n, sha256=None, split="", kind="benchmark") for n in names})
    scores = [
        score.model_copy(
            update={"choices": score.choices.model_copy(update={"weighted_f1": Interval(value=share, low=0, high=1)})}
        )
        for score, share in zip(report.scores, shares, strict=True)
        if score.choices
    ]
    mean, majority = page.means(report.model_copy(update={"scores": tuple(scores)}))

    assert (mean.sources, mean.rows) == (4, 16)
    assert [round(x, 3) for x in mean.columns[3]] == [0.826, 0.106]
    assert (majority.subject, majority.columns[0]) == ("majority class", (0.25, 0))
    assert page.means(report.model_copy(update={"scores": report.scores[:1]})) == []


def test_mistakes_are_those_of_the_rows_and_the_surest_comes_first():
    sure = [0.4, 0.95, 0.7, 0.99]
    rows = predictions("a", [False, False, False, True])
    rows = [
        row.model_copy(update={"probabilities": {row.value: p, "rest": 1 - p}})
        for row, p in zip(rows, sure, strict=True)
    ]
    rows.append(rows[0].model_copy(update={"id": "q9", "value": None, "probabilities": None, "why": "names A and B"}))
    rows += predictions("b", [True, False, False, True])
    root = read(build(rows), rows)
    own, other = root.all("ol", class_="mistakes")

    assert [e.text.partition(" row ")[2] for e in own.all("li")] == ["q1", "q2", "q0", "q9"]
    assert "question 1 right 个股问询 answered 大盘问询 with probability 0.950" in own.text
    assert "right here b row q0" in own.text
    assert "answered unparseable “个股问询” names A and B" in own.text
    assert len(other.all("li")) == 2


def test_what_every_question_has_is_shown_once():
    rows = predictions("a", [False] * 5)
    rows = [row.model_copy(update={"text": f"Choose one.\n{row.text}\nA. stock", "answer": "B"}) for row in rows]
    (mistakes,) = read(build(rows), rows).all("ol", class_="mistakes")

    assert mistakes.all("li")[0].text.startswith("question 0 right 行业板块问询 answered 个股问询 “B” row")
    words = section(read(build(rows), rows), "mistakes")
    assert words.count("Choose one.") == words.count("A. stock") == 1
    same = [row.model_copy(update={"text": "all the same"}) for row in rows]
    assert section(read(build(same), same), "mistakes").count("all the same") == 6


def test_mistakes_that_are_not_shown_are_counted():
    rows = predictions("a", [False] * 31)
    root = read(build(rows), rows)

    assert len(root.all("ol", class_="mistakes")[0].all("li")) == page.MISTAKES_SHOWN
    assert "31 wrong, 20 shown; predictions.jsonl has all" in section(root, "mistakes")


def test_the_confusion_matrix_counts_every_row(tuned: tuple[Report, list[Prediction]]):
    root = read(*tuned)
    for score, table in zip(tuned[0].scores, root.all("div", class_="confusion"), strict=True):
        cells = [[int(cell.text) for cell in row.all("td")] for row in table.all("tr")[1:]]
        names = [e.text for e in table.all("th", scope="row")]
        answered = [row for row in tuned[1] if row.subject == score.subject]
        expected = [[sum((r.gold, r.value) == (g, v) for r in answered) for v in names] for g in names]
        assert cells == expected
        assert sum(map(sum, cells)) == 75


def test_of_many_classes_the_commonest_are_shown_and_that_is_said():
    gold = [f"class {n:02}" for n in range(60) for _ in range(1 + (n % 7 > 0))]
    rows = [
        Prediction(subject="a", on="rows", id=str(i), gold=g, value=g, correct=True, why="", answer=g)
        for i, g in enumerate(gold)
    ]
    report = build(rows)
    (table,) = read(report, rows).all("div", class_="confusion dense")

    assert len(table.all("th", scope="row")) == charts.CLASSES_SHOWN == 40
    assert "The matrix shows the 40 commonest of 60 classes" in page.render_page(report, rows)
    assert "class 00" not in table.text  # it is right once only
    choices = report.scores[0].choices
    assert choices
    assert "The 40 commonest of 60 classes." in charts.draw_confusion("a", "on rows", choices)


def test_rotation_shows_the_bias_of_each_letter():
    rows = predictions("a", HITS)
    report = build(rows)
    share = Interval(value=0.5, low=0.4, high=0.6)
    turns = Rotation(rotations=4, accuracy=share, consistent=share, picked={"A": 0.4, "B": 0.25, "": 0.1}, right={"A": 0.25, "B": 0.25})  # fmt: skip
    scores = [score.model_copy(update={"rotation": turns}) for score in report.scores]
    words = section(read(report.model_copy(update={"scores": tuple(scores)}), rows), "rotation")

    assert "Over all 4 rotations 50.00 40.0–60.0 % are right" in words
    assert "A 40.0 % 25.0 % +15.0" in words
    assert "B 25.0 % 25.0 % +0.0" in words
    assert "unparseable 10.0 % 0.0 % +10.0" in words


def text_rows(subject: str, context: str, measures: Iterable[float], *, on: str) -> list[Prediction]:
    return [
        Prediction.model_validate({
            "subject": subject, "on": on, "context": context, "id": f"{on}-{i}", "text": f"question {i}", "gold": "a reference",
            "value": None, "correct": None, "why": "", "answer": f"an answer {i}", "measures": {"rouge_l": value, "char_f1": value},
        })
        for i, value in enumerate(measures)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def answered() -> tuple[Report, list[Prediction]]:
    """Questions and answers in four columns, on test and on memory."""
    rows, scores, sources = [], [], {}
    columns = {("base", ""): 0.1, ("base", "passage"): 0.8, ("tuned", ""): 0.3, ("tuned", "passage"): 0.85}
    for on, means in (("qa test", "transfer"), ("qa memory", "recall")):
        sources[on] = ScoredRows.model_validate(
            {"name": "qa", "sha256": "2" * 64, "split": on[3:], "kind": "set", "means": means}
        )
        for (subject, context), level in columns.items():
            own = text_rows(subject, context, [level + 0.01 * (i % 5) for i in range(20)], on=on)
            share = Interval(value=level + 0.02, low=level, high=level + 0.04)
            texts = Texts(rouge_l=share, char_f1=share, figures_recall=None, figures=0)
            kind = "adapter" if subject == "tuned" else "base"
            scores.append(Score.model_validate({"subject": subject, "kind": kind, "on": on, "context": context, "method": "generate", "rows": 20, "asked": 20, "texts": texts}))  # fmt: skip
            rows += own
    contrasts = build_contrasts(scores, rows, {(row.on, row.id): row.id for row in rows}, FEW)
    report = Report(
        name="qa", sources=sources, scores=tuple(scores), contrasts=contrasts, resamples=50, seed=0, version="0"
    )
    return report, rows


def test_questions_and_answers_stand_in_four_columns_and_their_meaning_on_top(
    answered: tuple[Report, list[Prediction]],
):
    root = read(*answered)
    words = section(root, "answers")

    assert "ROUGE-L tuned 12.00 10.0–14.0 82.00 80.0–84.0 32.00 30.0–34.0 87.00 85.0–89.0 20" in words
    assert "qa test (transfer)" in words
    assert "qa memory (recall)" in words
    (finding,) = findings(root)
    assert "retrieval serves you better than tuning here" in finding
    assert "question 0 right a reference answered an answer 0 measures ROUGE-L 0.10, character F1 0.10" in section(root, "mistakes")  # fmt: skip


# Reliability


PROBABLE = st.lists(st.tuples(st.floats(0.25, 1), st.booleans()), min_size=1, max_size=40)


@given(PROBABLE)
def test_bins_hold_every_row_and_their_error_is_that_of_the_definition(pairs: list[tuple[float, bool]]):
    rows = [
        row.model_copy(update={"probabilities": {row.value: sure}})
        for row, (sure, _) in zip(predictions("a", [hit for _, hit in pairs]), pairs, strict=True)
    ]
    found = charts.bins(rows)

    assert sum(one.rows for one in found) == len(pairs)
    expected = 0.0
    for k in range(10):
        inside = [(p, hit) for p, hit in pairs if min(int(p * 10), 9) == k]
        expected += abs(sum(p for p, _ in inside) - sum(hit for _, hit in inside)) / len(pairs)
    assert charts.calibration_error(found) == pytest.approx(expected)
    for one in found:
        assert one.low - 1e-12 <= one.probability <= one.high + 1e-12  # the mean is rounded
        assert one.right.low <= one.right.value <= one.right.high


def test_answers_without_probabilities_have_no_reliability(tuned: tuple[Report, list[Prediction]]):
    assert charts.bins(tuned[1]) == []
    assert "Reliability" not in page.render_page(*tuned)


# Self-contained, accessible, escaped


@pytest.fixture(params=["tuned", "answered"])
def whole(request: pytest.FixtureRequest) -> tuple[Report, list[Prediction]]:
    found: tuple[Report, list[Prediction]] = request.getfixturevalue(request.param)
    return found


def test_nothing_is_fetched_and_nothing_runs(whole: tuple[Report, list[Prediction]]):
    html = page.render_page(*whole)
    root = Document(html).root
    ids = [e.attributes["id"] for e in root.walk() if "id" in e.attributes]

    assert not root.all("script")
    assert not any(
        name in ("src", "srcset", "data") or name.startswith("on") for e in root.walk() for name in e.attributes
    )
    assert {e.attributes["href"] for e in root.walk() if "href" in e.attributes} <= {f"#{id}" for id in ids}
    assert len(ids) == len(set(ids))
    assert "url(" not in html
    assert "@import" not in html
    policy = root.all("meta", http_equiv="Content-Security-Policy") or [
        e for e in root.all("meta") if e.attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy[0].attributes["content"] == "default-src 'none'; style-src 'unsafe-inline'"


def test_tables_have_headers_and_pictures_have_titles(whole: tuple[Report, list[Prediction]]):
    root = read(*whole)

    for table in root.all("table"):
        assert all(e.attributes.get("scope") in ("col", "row", "rowgroup") for e in table.all("th"))
        for row in table.all("tr"):
            assert row.all("th"), row.text
        widths = {sum(int(c.attributes.get("colspan") or 1) for c in row.all("td") + row.all("th")) for row in table.all("tr")}  # fmt: skip
        assert len(widths) == 1
    for picture in root.all("svg", role="img"):
        assert picture.all("title")[0].text == picture.attributes["aria-label"]
    assert all(e.attributes.get("tabindex") == "0" for e in root.all("div", class_="scroll"))


def shape(element: Element) -> Any:
    return element.tag, sorted(element.attributes), [shape(child) for child in element.children]


ANY_TEXT = st.one_of(st.just(HOSTILE), st.text(st.characters(codec="utf-8"), max_size=40))


@settings(max_examples=25, deadline=None)
@given(ANY_TEXT)
def test_foreign_text_stays_text(foreign: str):
    def made(text: str) -> tuple[Report, list[Prediction]]:
        rows = []
        for subject in (f"a{text}", f"b{text}"):
            rows += [
                row.model_copy(update={
                    "id": f"{row.id}{text}", "text": f"?{text}", "gold": f"{row.gold}{text}", "value": f"{row.value}{text}",
                    "answer": f"{'!' * 30}{text}", "on": f"on{text}", "probabilities": {f"{row.value}{text}": 0.5},
                })
                for row in predictions(subject, [True, False, True, False])
            ]  # fmt: skip
        rows.append(rows[-1].model_copy(update={"id": "none", "value": None, "correct": False, "why": f"why{text}"}))
        sources = {
            f"on{text}": ScoredRows(name=f"file{text}", sha256=None, split="", kind="file", same_teacher=f"by{text}")
        }
        report = build(rows, sources=sources)
        scores = [score.model_copy(update={"details": {f"name{text}": [text, "x"]}}) for score in report.scores]
        return report.model_copy(update={"name": f"mine{text}", "scores": tuple(scores)}), rows

    report, rows = made(foreign)
    html = page.render_page(report, rows)

    assert shape(Document(html).root) == shape(read(*made("plain")))
    if foreign == HOSTILE:
        assert "&lt;script&gt;alert(1)" in html
    for svg in (
        charts.draw_whiskers(report.name, charts.accuracy_panels(report)),
        *(charts.draw_confusion(s.subject, s.on, s.choices) for s in report.scores if s.choices),
    ):
        tags = {element.tag.removeprefix(SVG) for element in ET.fromstring(svg).iter()}
        assert tags <= {"svg", "title", "rect", "text", "line", "path", "g"}


def test_the_same_score_gives_the_same_page(tuned: tuple[Report, list[Prediction]]):
    assert page.render_page(*tuned) == page.render_page(*tuned)


# Files


def test_figures_are_written_beside_the_page_and_old_ones_go(
    tmp_path: Path, tuned: tuple[Report, list[Prediction]], answered: tuple[Report, list[Prediction]]
):
    page.write_page(tmp_path, *tuned)
    first = {path.name for path in (tmp_path / "figures").iterdir()}
    assert first == {"accuracy.svg", "confusion-rows-llama3.svg", "confusion-rows-intent-llama3.svg"}
    assert (tmp_path / page.PAGE).read_text(encoding="utf-8") == page.render_page(*tuned)

    page.write_page(tmp_path, *answered)
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {"rouge-l.svg"}


def test_names_that_differ_only_in_what_a_file_cannot_hold_get_files_of_their_own(tmp_path: Path):
    rows = [row for name in ("a/b", "a:b", "A/B", "行" * 200) for row in predictions(name, [True, False])]
    written = charts.write_figures(tmp_path, build(rows))

    assert len({path.name.casefold() for path in written}) == 5
    assert all(path.is_file() and path.parent == tmp_path / "figures" for path in written)


def test_whiskers_stand_where_the_figures_are(tuned: tuple[Report, list[Prediction]]):
    svg = ET.fromstring(charts.draw_whiskers("mine", charts.accuracy_panels(tuned[0])))
    tracks = [e for e in svg.iter(f"{SVG}svg") if e.get("height") == "24"]

    for score, track in zip(tuned[0].scores, tracks, strict=True):
        assert score.choices
        accuracy = score.choices.accuracy
        (mark,) = [e for e in track.iter(f"{SVG}svg") if e is not track]
        assert float(mark.get("x", "").rstrip("%")) == pytest.approx(100 * accuracy.value, abs=0.01)
        (line,) = [
            e for e in track.iter(f"{SVG}line") if "stroke-" in e.get("class", "") and e.get("y1") == e.get("y2")
        ]
        ends = [float(line.get(name, "").rstrip("%")) for name in ("x1", "x2")]
        assert ends == pytest.approx([100 * accuracy.low, 100 * accuracy.high], abs=0.01)


def luminance(colour: Sequence[float]) -> float:
    """Relative luminance of 0..255 red, green, blue (WCAG 2)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (x / 255 for x in colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: Sequence[float], other: Sequence[float]) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def colours(css: str) -> dict[str, tuple[float, ...]]:
    found: dict[str, tuple[float, ...]] = {}
    for name, value in re.findall(r"--([\w-]+): ([^;]+);", css):
        if value.startswith("#"):
            digits = value[1:] if len(value) == 7 else "".join(2 * c for c in value[1:])
            found[name] = tuple(int(digits[i : i + 2], 16) for i in (0, 2, 4))
        else:
            found[name] = tuple(map(float, value.split()))
    return found


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_can_be_read_on_its_ground(theme: str, tuned: tuple[Report, list[Prediction]]):
    light, dark = re.findall(r":root \{(.*?)\}", page.render_page(*tuned), re.DOTALL)
    known = colours(light) | (colours(dark) if theme == "dark" else {})

    for text, ground in (("ink", "paper"), ("muted", "paper"), ("muted", "raised"), ("on-badge", "badge"),
                         ("right", "paper"), ("wrong", "paper"), ("right", "raised"), ("wrong", "raised")):  # fmt: skip
        assert contrast(known[text], known[ground]) >= 4.5, (text, ground)
    for shade in ("right", "wrong"):
        share = known["deepest"][0]
        deepest = [share * c + (1 - share) * p for c, p in zip(known[shade], known["paper"], strict=True)]
        assert contrast(known["ink"], deepest) >= 4.5, shade


# In a browser


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with everything on it that a narrow screen could trip over."""
    need_chromium()
    long = "build/adapters/" + "a-very-long-name-" * 6
    rows = predictions("base-model/with-a-long-name-8B-Instruct", HITS, on="openfindata")
    rows += predictions(long, MORE, on="openfindata", probabilities=dict.fromkeys(LABELS, 0.25))
    rows[0] = rows[0].model_copy(update={"text": "x" * 500, "correct": False, "value": LABELS[3], "answer": "y" * 500})
    report = build(rows, {rows[0].subject: "base", long: "adapter"})
    share = Interval(value=0.5, low=0.4, high=0.6)
    turns = Rotation(rotations=4, accuracy=share, consistent=share, picked=dict.fromkeys("ABCD", 0.25), right=dict.fromkeys("ABCD", 0.25))  # fmt: skip
    details = {"adapter_sha256": "f" * 64, "usage": {"input_tokens": 10**9}, "path": "p" * 300}
    scores = [score.model_copy(update={"rotation": turns, "details": details}) for score in report.scores]
    folder = tmp_path_factory.mktemp("page")
    page.write_page(folder, report.model_copy(update={"scores": tuple(scores)}), rows)
    return folder / page.PAGE


def test_the_page_is_no_wider_than_the_screen(opened: Path):
    assert measure_widths(opened, (360, 600, 1200)) == [360, 600, 1200]


def test_the_page_follows_the_theme(opened: Path, tmp_path: Path):
    grounds = []
    for dark in (False, True):
        take_picture(opened, tmp_path / "page.png", width=400, height=300, dark=dark)
        with Image.open(tmp_path / "page.png") as picture:
            grounds.append(picture.convert("RGB").getpixel((2, 2)))

    assert grounds == [(255, 255, 255), (0x14, 0x17, 0x1A)]
