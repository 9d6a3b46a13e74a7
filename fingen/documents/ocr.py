"""Engines that read a page from its picture: tesseract where it is installed with the languages, else the package rapidocr."""

from __future__ import annotations

import os
import shutil
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cached_property
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import pymupdf

from fingen.config import ReadSettings
from fingen.documents.shapes import Run, union
from fingen.errors import UsageError
from fingen.install import install_command
from fingen.records import Box
from fingen.text import clean

WORD_GAP = 1.5  # heights of a line; a wider gap parts two pieces of text
SAME_SIZE = (0.7, 1.4)  # of the usual height on a page: differences of ink within them mean nothing
LANGUAGES = {"en": ["eng"], "zh": ["chi_sim", "eng"], "auto": ["chi_sim", "eng"]}  # tesseract's


class Recognized(NamedTuple):
    """A piece of text on one line, in points, and how sure the engine is of it, 0..1."""

    box: Box
    text: str
    confidence: float


class Engine(ABC):
    """What recognizes text. `seconds` is what a page takes, for an estimate."""

    name: str
    seconds: float
    dpi: int

    @abstractmethod
    def recognize(self, page: pymupdf.Page) -> list[Recognized]:
        """The text of a page, as it is seen."""


class Tesseract(Engine):
    """The program, asked for words with their boxes."""

    name, seconds, dpi = "tesseract", 4.0, 200

    def __init__(self, languages: str) -> None:
        self._languages = languages

    def recognize(self, page: pymupdf.Page) -> list[Recognized]:
        """The words of a page, joined where they follow each other."""
        picture = page.get_pixmap(dpi=self.dpi, colorspace=pymupdf.csGRAY, alpha=False).tobytes("png")
        command = ["tesseract", "stdin", "stdout", "-l", self._languages, "--dpi", str(self.dpi), "tsv"]
        threads = {**os.environ, "OMP_THREAD_LIMIT": "1"}  # workers are the ones to run side by side
        done = subprocess.run(command, input=picture, capture_output=True, check=True, env=threads)
        return list(_pieces(done.stdout.decode("utf-8", "replace").splitlines()[1:], 72 / self.dpi))


def _pieces(rows: list[str], scale: float) -> Iterator[Recognized]:
    """Words of tesseract's table, put together where no gap parts them."""
    words = [row.split("\t") for row in rows if row.startswith("5\t")]
    for _, line in groupby(words, key=lambda word: tuple(word[1:5])):
        group: list[Recognized] = []
        for word in line:
            left, top, width, height = (float(value) * scale for value in word[6:10])
            found = Recognized((left, top, left + width, top + height), word[11], max(0.0, float(word[10])) / 100)
            if group and left - group[-1].box[2] > WORD_GAP * height:
                yield _joined(group)
                group = []
            group.append(found)
        yield _joined(group)


def _joined(words: list[Recognized]) -> Recognized:
    text = clean(" ".join(word.text for word in words))
    letters = sum(len(word.text) for word in words) or 1
    sure = sum(word.confidence * len(word.text) for word in words) / letters
    return Recognized(union([word.box for word in words]), text, sure)


class Rapid(Engine):
    """The package rapidocr, whose models for Chinese and English come with it."""

    name, seconds, dpi = "rapidocr", 6.0, 150

    @cached_property
    def _reader(self) -> Any:
        from rapidocr import RapidOCR

        one = {f"EngineConfig.onnxruntime.{kind}_op_num_threads": 1 for kind in ("intra", "inter")}
        # Pages stand upright: lines that are looked at for being upside down are turned at times when they are not.
        return RapidOCR(params={**one, "Global.log_level": "error", "Global.use_cls": False})

    def recognize(self, page: pymupdf.Page) -> list[Recognized]:
        """The lines of a page, as the package finds them."""
        import numpy

        drawn = page.get_pixmap(dpi=self.dpi, alpha=False)
        picture = numpy.frombuffer(drawn.samples, dtype=numpy.uint8).reshape(drawn.height, drawn.width, 3)
        found = self._reader(picture[:, :, ::-1])  # it takes blue first
        if found.boxes is None:
            return []
        scale = 72 / self.dpi
        return [
            Recognized(_around(corners, scale), clean(text), float(score))
            for corners, text, score in zip(found.boxes, found.txts, found.scores, strict=True)
        ]


def _around(corners: Any, scale: float) -> Box:
    across, down = [float(x) * scale for x, _ in corners], [float(y) * scale for _, y in corners]
    return min(across), min(down), max(across), max(down)


def find_engine(reading: ReadSettings) -> Engine:
    """The engine that reads here: tesseract with its data for the languages, else rapidocr.

    Raises:
        UsageError: neither is installed.
    """
    languages = _tesseract_languages(reading.language)
    if languages:
        return Tesseract(languages)
    if find_spec("rapidocr"):
        return Rapid()
    wanted = " and ".join(LANGUAGES[reading.language])
    raise UsageError(
        f"--ocr needs tesseract with its data for {wanted}, or the package rapidocr; neither is installed",
        hint=f"{install_command('ocr')}   or install tesseract-ocr (and tesseract-ocr-chi-sim for Chinese)",
    )


def _tesseract_languages(language: str) -> str:
    """Those of the wanted languages that tesseract has data for, joined by "+"; "" where it is not there or lacks Chinese."""
    if not shutil.which("tesseract"):
        return ""
    try:
        folder = Path(os.environ.get("TESSDATA_PREFIX") or pymupdf.get_tessdata() or "")
    except RuntimeError:
        return ""
    there = {path.stem for path in folder.glob("*.traineddata")}
    wanted = LANGUAGES[language]
    lacks_chinese = "chi_sim" in wanted and "chi_sim" not in there
    if lacks_chinese and (language == "zh" or find_spec("rapidocr")):
        return ""
    return "+".join(name for name in wanted if name in there)


def recognized_runs(found: list[Recognized]) -> list[Run]:
    """Runs of recognized text: an engine guesses baselines and sizes from the ink; the box of a line is steadier."""
    runs = []
    for (x0, y0, x1, y1), text, _ in found:
        if text:
            runs.append(Run(x0, y0, x1, y1, (y0 + y1) / 2, 0.8 * (y1 - y0), text))
    usual = median(run.size for run in runs) if runs else 0.0
    for run in runs:
        if SAME_SIZE[0] * usual < run.size < SAME_SIZE[1] * usual:
            run.size = usual
    return runs
