"""A score as SVG: figures with their intervals as whiskers, confusion matrices, how far probabilities can be relied on.

Shape tells the kinds of subjects apart as well as colour, and blue and vermilion stay apart for colour-blind eyes (Okabe and
Ito, 2008). Colours are attributes, which any program reads; a page that knows the classes may set others.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import count
from pathlib import Path
from statistics import fmean

from fingen import metrics
from fingen.disk import write_text
from fingen.errors import visible
from fingen.scoring.report import SYNTHETIC, Choices, Interval, Prediction, Report, Score

FOLDER = "figures"
CLASSES_SHOWN = 40  # rows and columns of a confusion matrix that can still be read
BINS = 10  # of probabilities, equally wide
BLUE, VERMILION, INK, MUTED, LINE, PAPER = "#0b62a4", "#b8480b", "#1c2024", "#59626c", "#c9ced4", "#ffffff"
FONT = (
    "system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'Noto Sans', 'Noto Sans CJK SC', 'PingFang SC', sans-serif"
)
DEEPEST = 0.6  # opacity of a full cell: dark text on it keeps its contrast
TICKS = (0, 25, 50, 75, 100)  # per cent
WIDTH, LABELS, VALUES, ROW, MARGIN = 760, 250, 150, 30, 20  # of a chart of whiskers, in pixels
CELL, NAMES = 34, 190  # of a confusion matrix, in pixels
MARKS = {  # path around 0,0 and whether it is filled
    "adapter": ("M-5.5 0a5.5 5.5 0 1 0 11 0a5.5 5.5 0 1 0 -11 0z", True),
    "base": ("M-5.5 0a5.5 5.5 0 1 0 11 0a5.5 5.5 0 1 0 -11 0z", False),
    "model": ("M-5 -5h10v10h-10z", True),
    "teacher": ("M0 -7l7 7l-7 7l-7 -7z", True),
    "classifier": ("M0 -6.5l6.5 11.5h-13z", True),
    "baseline": ("M0 -6.5l6.5 11.5h-13z", False),
    "predictions": ("M-5 -5h10v10h-10z", False),
}


@dataclass(frozen=True)
class Whisker:
    """One figure of one subject, 0..1."""

    label: str
    kind: str  # of the subject
    figure: Interval
    rows: int


@dataclass(frozen=True)
class Panel:
    """Figures that may be compared: those on one source.

    `note` is what must be said of the source; `floor` what the majority class alone would reach, 0..1.
    """

    on: str
    note: str
    whiskers: tuple[Whisker, ...]
    floor: float | None = None


@dataclass(frozen=True)
class Bin:
    """Answers whose probability lies in low..high: their mean probability, and how many of them are right."""

    low: float
    high: float
    rows: int
    probability: float
    right: Interval


def label(score: Score) -> str:
    """A subject and what it was given."""
    shots = f", {score.shots} {'shot' if score.shots == 1 else 'shots'}" if score.shots else ""
    return score.subject + (f" + {score.context}" if score.context else "") + shots


def accuracy_panels(report: Report) -> list[Panel]:
    """Accuracies of the choices, a panel for each source."""
    panels = []
    for on in report.order:
        scores = [score for score in report.scores if score.on == on and score.choices]
        whiskers = tuple(Whisker(label(s), s.kind, s.choices.accuracy, s.rows) for s in scores if s.choices)
        if whiskers:
            floor = max(_floor(s.choices) for s in scores if s.choices)
            panels.append(Panel(on, _warning(report, on), whiskers, floor))
    return panels


def text_panels(report: Report) -> list[Panel]:
    """ROUGE-L of free text, a panel for each source."""
    panels = []
    for on in report.order:
        scores = [score for score in report.scores if score.on == on]
        whiskers = tuple(Whisker(label(s), s.kind, s.texts.rouge_l, s.rows) for s in scores if s.texts)
        if whiskers:
            panels.append(Panel(on, _warning(report, on), whiskers))
    return panels


def _warning(report: Report, on: str) -> str:
    return SYNTHETIC if report.sources[on].same_teacher else ""


def _floor(choices: Choices) -> float:
    support = [one.support for one in choices.classes.values()]
    return max(support) / sum(support)


def bins(predictions: Iterable[Prediction]) -> list[Bin]:
    """Answers with probabilities, in bins by the probability of the answer; empty bins are left out."""
    found: dict[int, list[tuple[float, bool]]] = {}
    for row in predictions:
        if row.probabilities and row.value is not None and row.correct is not None:
            sure = row.probabilities.get(row.value, max(row.probabilities.values()))
            found.setdefault(min(int(sure * BINS), BINS - 1), []).append((sure, row.correct))
    return [_bin(index, rows) for index, rows in sorted(found.items())]


def _bin(index: int, rows: Sequence[tuple[float, bool]]) -> Bin:
    hits = sum(right for _, right in rows)
    low, high = metrics.wilson(hits, len(rows))
    return Bin(
        low=index / BINS,
        high=(index + 1) / BINS,
        rows=len(rows),
        probability=fmean(sure for sure, _ in rows),
        right=Interval(value=hits / len(rows), low=low, high=high),
    )


def calibration_error(found: Sequence[Bin]) -> float:
    """Expected calibration error, 0..1: mean distance of probability and accuracy over the bins (Naeini et al., 2015)."""
    rows = sum(one.rows for one in found)
    return sum(one.rows * abs(one.probability - one.right.value) for one in found) / rows if rows else 0.0


def draw_track(one: Whisker, floor: float | None = None) -> str:
    """One whisker on a line from 0 to 1, as wide as the place it is put in and 24 pixels high; without the svg around it."""
    low, value, high = (100 * share for share in (one.figure.low, one.figure.value, one.figure.high))
    path, filled = MARKS.get(one.kind, MARKS["predictions"])
    tone, colour = ("tuned", BLUE) if one.kind == "adapter" else ("other", INK)
    parts = [_line("axis", LINE, 0, 100, 12, 12), *(_line("axis", LINE, x, x, 9, 15) for x in TICKS)]
    if floor is not None:
        parts.append(_line("floor", VERMILION, 100 * floor, 100 * floor, 2, 22, ' stroke-dasharray="3 2"'))
    parts += [
        _line(f"stroke-{tone}", colour, *ends, ' stroke-width="2"')
        for ends in ((low, high, 12, 12), (low, low, 7, 17), (high, high, 7, 17))
    ]
    classes, fill = (f"stroke-{tone} fill-{tone}", colour) if filled else (f"stroke-{tone} hollow", PAPER)
    mark = f'<path class="{classes}" d="{path}" fill="{fill}" stroke="{colour}" stroke-width="2"/>'
    parts.append(f'<svg x="{value:.2f}%" y="12" width="1" height="1" overflow="visible">{mark}</svg>')
    return "".join(parts)


def _line(kind: str, colour: str, x1: float, x2: float, y1: float, y2: float, more: str = "") -> str:
    """A line between places in per cent to the right and pixels down."""
    return f'<line class="{kind}" x1="{x1:.2f}%" x2="{x2:.2f}%" y1="{y1}" y2="{y2}" stroke="{colour}"{more}/>'


def draw_scale() -> str:
    """The numbers below tracks, as wide as they are and 16 pixels high; without the svg around it."""
    anchors = ["start", *["middle"] * (len(TICKS) - 2), "end"]
    return "".join(
        f'<text class="muted" x="{x}%" y="12" font-size="12" text-anchor="{anchor}" fill="{MUTED}">{x}</text>'
        for x, anchor in zip(TICKS, anchors, strict=True)
    )


def draw_whiskers(title: str, panels: Sequence[Panel]) -> str:
    """A chart of its own: the panels one below the other, in per cent."""
    parts, y = [], 64
    for panel in panels:
        words = " – ".join(filter(None, (panel.on, panel.note)))
        parts.append(_text(MARGIN, y, clip(words, WIDTH - 2 * MARGIN, 14), size=14, weight=600, full=words))
        y += 12
        for one in panel.whiskers:
            parts.append(_text(MARGIN, y + 16, clip(one.label, LABELS - 12, 13), full=one.label))
            width = WIDTH - 2 * MARGIN - LABELS - VALUES
            track = draw_track(one, panel.floor)
            parts.append(
                f'<svg x="{MARGIN + LABELS}" y="{y}" width="{width}" height="24" overflow="visible">{track}</svg>'
            )
            parts.append(_text(WIDTH - MARGIN, y + 16, percent(one.figure), anchor="end"))
            y += ROW
        if panel.floor is not None:
            words = f"dashed: the majority class alone, {100 * panel.floor:.1f} %"
            parts.append(_note(MARGIN + LABELS, y + 12, words, "start"))
            y += 12
        y += 34
    note = "The line runs from 0 to 100 %; whiskers are 95 % intervals."
    parts.append(_note(MARGIN, y - 4, note, "start"))
    return _document(title, WIDTH, y + 12, parts)


def draw_confusion(title: str, subtitle: str, choices: Choices) -> str:
    """A confusion matrix: a row for what is right, a column for what was answered; shade is the share of the row."""
    names = shown_classes(choices)
    columns = [*names, *([""] if choices.unparseable else [])]
    left, top = NAMES + MARGIN, NAMES + 60
    width = max(left + len(columns) * CELL + MARGIN, 480)
    parts = [_text(MARGIN, 48, clip(subtitle, width - 2 * MARGIN, 12), size=12, colour=MUTED, full=subtitle)]
    for x, column in enumerate(columns):
        words = column or "unparseable"
        place = f"translate({left + x * CELL + CELL / 2 + 4} {top - 8}) rotate(-90)"
        parts.append(f'<g transform="{place}">{_text(0, 0, clip(words, NAMES - 10, 12), size=12, full=words)}</g>')
    for y, name in enumerate(names):
        row = choices.confusion.get(name, {})
        parts.append(_text(left - 8, top + y * CELL + 21, clip(name, NAMES - 10, 12), size=12, anchor="end", full=name))
        parts += [
            _cell(left + x * CELL, top + y * CELL, row.get(column, 0), sum(row.values()), column == name)
            for x, column in enumerate(columns)
        ]
    height = top + len(names) * CELL + 34
    notes = "Rows: right; columns: answered. The deeper, the larger the share of the row."
    if len(choices.classes) > CLASSES_SHOWN:
        notes += f" The {CLASSES_SHOWN} commonest of {len(choices.classes)} classes."
    parts.append(_note(MARGIN, height - 10, notes, "start"))
    return _document(title, width, height, parts)


def shown_classes(choices: Choices) -> list[str]:
    """The classes of a matrix that can be read: those that are right most often, in the order of their names."""
    names = choices.classes
    commonest = sorted(names, key=lambda name: (-names[name].support, -names[name].answered))[:CLASSES_SHOWN]
    return [name for name in names if name in set(commonest)]


def shade(rows: int, whole: int) -> float:
    """How deep a cell is shaded, 0..1: by the root of its share of the row, so that a few mistakes can be seen too."""
    return math.sqrt(rows / whole) if whole else 0.0


def _cell(x: float, y: float, rows: int, whole: int, right: bool) -> str:
    colour, edge, width = (BLUE, BLUE, 1.5) if right else (VERMILION, LINE, 0.5)
    box = (
        f'<rect x="{x}" y="{y}" width="{CELL - 2}" height="{CELL - 2}" rx="3" fill="{colour}"'
        f' fill-opacity="{DEEPEST * shade(rows, whole):.3f}" stroke="{edge}" stroke-width="{width}"/>'
    )
    return box + (_text(x + CELL / 2 - 1, y + 21, f"{rows}", size=12, anchor="middle") if rows else "")


def draw_reliability(found: Sequence[Bin]) -> str:
    """Probability to the right, share that is right upwards; on the diagonal probabilities can be taken at their word."""
    left, top, side = 40, 12, 220
    bottom = top + side
    parts = [
        f'<rect class="axis" x="{left}" y="{top}" width="{side}" height="{side}" fill="none" stroke="{LINE}"/>',
        f'<path class="axis" d="M{left} {bottom}L{left + side} {top}" stroke="{LINE}" stroke-dasharray="4 3"/>',
        _note(left + side / 2, bottom + 34, "probability of the answer, %"),
        f'<g transform="translate(10 {top + side / 2}) rotate(-90)">{_note(0, 0, "right, %")}</g>',
    ]
    for share in (0.0, 0.5, 1.0):
        words = f"{100 * share:.0f}"
        parts += [
            _note(left + side * share, bottom + 16, words),
            _note(left - 6, bottom - side * share + 4, words, "end"),
        ]
    for one in found:
        x = left + side * one.probability
        low, y, high = (bottom - side * share for share in (one.right.low, one.right.value, one.right.high))
        parts += [
            f'<path class="stroke-tuned" d="M{x:.1f} {low:.1f}V{high:.1f}" stroke="{BLUE}" stroke-width="2"/>',
            f'<circle class="fill-tuned" cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{BLUE}"/>',
        ]
    return "".join(parts)


def write_figures(folder: Path, report: Report) -> list[Path]:
    """Write folder/figures/*.svg: whiskers of accuracy and ROUGE-L, a confusion matrix for each subject and source.

    Raises:
        LimitError: a file cannot be written.
    """
    drawn: dict[str, str] = {}
    if panels := accuracy_panels(report):
        drawn["accuracy"] = draw_whiskers(f"{report.name}: accuracy, %", panels)
    if panels := text_panels(report):
        drawn["rouge-l"] = draw_whiskers(f"{report.name}: ROUGE-L, %", panels)
    for score in report.scores:
        if score.choices:
            where = f"on {clip(score.on, 250, 12)}" + (f" – {note}" if (note := _warning(report, score.on)) else "")
            name = _free(_stem("confusion", score.on, label(score)), drawn)
            drawn[name] = draw_confusion(label(score), where, score.choices)
    target = folder / FOLDER
    target.mkdir(parents=True, exist_ok=True)
    for old in set(target.glob("*.svg")) - {target / f"{name}.svg" for name in drawn}:
        old.unlink()
    for name, svg in drawn.items():
        write_text(target / f"{name}.svg", svg)
    return [target / f"{name}.svg" for name in drawn]


def percent(figure: Interval) -> str:
    """A figure in per cent with its interval."""
    return f"{100 * figure.value:.2f} ({100 * figure.low:.1f}–{100 * figure.high:.1f})"


def clip(text: str, width: float, size: float) -> str:
    """Text that fits into `width` pixels at a font size, by a generous guess of each character's width; cut in its middle."""
    text = " ".join(visible(text).split())

    def wide(part: str) -> float:
        return size * sum(1.0 if unicodedata.east_asian_width(char) in "WF" else 0.56 for char in part)

    if wide(text) <= width:
        return text
    kept = len(text)
    while kept and wide(_cut(text, kept)) > width:
        kept -= 1
    return _cut(text, kept)


def _cut(text: str, kept: int) -> str:
    return text[: (kept + 1) // 2] + "…" + text[len(text) - kept // 2 :]


def _stem(*parts: str) -> str:
    """A name of a file, of at most 70 characters: each may be three bytes, and a file system takes 255."""
    return "-".join(re.sub(r"[^\w.]+", "-", part).strip("-.") or "unnamed" for part in parts)[:70]


def _free(stem: str, taken: Iterable[str]) -> str:
    """The stem, with a number behind it where a file is called so already, be it in other case."""
    known = {name.casefold() for name in taken}
    return next(name for i in count(1) if (name := f"{stem}-{i}" if i > 1 else stem).casefold() not in known)


def _text(
    x: float,
    y: float,
    words: str,
    *,
    size: int = 13,
    anchor: str = "start",
    weight: int = 400,
    colour: str = INK,
    full: str = "",
) -> str:
    """Words at a place; `full` is shown where a pointer rests on words that were cut."""
    title = f"<title>{escape(visible(full))}</title>" if full and full != words else ""
    kind = "ink" if colour == INK else "muted"
    return (
        f'<text class="{kind}" x="{x:g}" y="{y:g}" font-size="{size}" font-weight="{weight}" text-anchor="{anchor}"'
        f' fill="{colour}">{title}{escape(visible(words))}</text>'
    )


def _note(x: float, y: float, words: str, anchor: str = "middle") -> str:
    return _text(x, y, words, size=11, anchor=anchor, colour=MUTED)


def _document(title: str, width: float, height: float, parts: Sequence[str]) -> str:
    """An SVG file with its title, on white."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" viewBox="0 0 {width:g} {height:g}"'
        f' role="img" font-family="{escape(FONT)}" style="font-variant-numeric: tabular-nums">'
    )
    heading = _text(MARGIN, 28, clip(title, width - 2 * MARGIN, 16), size=16, weight=600, full=title)
    paper = f'<rect width="100%" height="100%" fill="{PAPER}"/>'
    return "\n".join([head, f"<title>{escape(visible(title))}</title>", paper, heading, *parts, "</svg>\n"])
