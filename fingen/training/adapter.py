"""An adapter's folder as a training leaves it: weights, tokenizer with its template, history, curve, card, manifest."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import chdir
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from fingen.adapters import CURVE, MANIFEST, PICTURE, WEIGHTS, read_adapter, write_manifest
from fingen.disk import sha256_file, write_beside, write_text
from fingen.training.base import quiet

__all__ = ["MANIFEST", "draw_curve", "read_adapter", "write_adapter"]

WIDTH, HEIGHT, MARGIN = 640, 320, 40  # of the curve, in pixels
BLUE, RED = "#3366cc", "#cc3333"  # training, validation
DPI = 100  # of the picture


def write_adapter(
    model: Any, tokenizer: Any, folder: Path, manifest: dict[str, Any], history: list[dict[str, Any]],
    weights: dict[str, torch.Tensor] | None = None,
) -> None:  # fmt: skip
    """Write what a run has made; the manifest last, with the hash of every weight file.

    `weights` are the adapter's where it was spread over processes, else those in the model.
    """
    base = manifest["base"]
    for config in model.peft_config.values():  # peft would write where the base was loaded from, such as a cache
        config.base_model_name_or_path = base["hub_id"] or base["source"]
        for name, value in vars(config).items():
            if isinstance(value, set):  # which it would write in another order in each process
                setattr(config, name, sorted(value))
    with quiet():
        model.save_pretrained(folder, save_embedding_layers=False, state_dict=weights)
    tokenizer.save_pretrained(folder)
    write_text(folder / CURVE, draw_curve(history))
    if find_spec("matplotlib"):
        draw_picture(history, folder / PICTURE)
    else:
        (folder / PICTURE).unlink(missing_ok=True)  # of a run before this one
    write_manifest(folder, {**manifest, "files": {name: sha256_file(folder / name) for name in WEIGHTS}})


def _series(history: list[dict[str, Any]]) -> dict[str, list[tuple[float, float]]]:
    """What is drawn: name -> (step, loss in nats)."""
    names = {"training": "loss", "validation": "validation_loss"}
    return {name: [(row["step"], row[key]) for row in history if key in row] for name, key in names.items()}


def draw_curve(history: list[dict[str, Any]]) -> str:
    """The losses of a run as SVG: training as a thin line, validation as a line with dots. Steps to the right, nats up."""
    series = _series(history)
    points = [point for each in series.values() for point in each]
    right = max((step for step, _ in points), default=1)
    top = max((loss for _, loss in points), default=0.0) or 1.0

    def place(step: float, loss: float) -> tuple[float, float]:
        x = MARGIN + (WIDTH - 2 * MARGIN) * step / right
        return x, HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * loss / top

    def line(series: Sequence[tuple[float, float]], colour: str, width: float) -> str:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in series))
        return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>'

    dots = [
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{RED}"/>'
        for x, y in (place(*point) for point in series["validation"])
    ]
    (left, bottom), (end, high) = place(0, 0), place(right, top)
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<path d="M{left} {high}V{bottom}H{end}" fill="none" stroke="#888"/>',
        line(series["training"], BLUE, 1), line(series["validation"], RED, 2), *dots,
        f'<text x="4" y="{high + 4}">{top:.2f}</text><text x="{end}" y="{bottom + 16}" text-anchor="end">step {right}</text>',
        f'<text x="{WIDTH / 2}" y="20" text-anchor="middle">loss: training (blue), validation (red)</text>',
        "</svg>\n",
    ])  # fmt: skip


def draw_picture(history: list[dict[str, Any]], path: Path) -> None:
    """The same as PNG, for where no SVG is shown. Needs matplotlib, the extra [plots]."""
    with chdir(Path(__file__).parent):  # it takes settings from the working directory, which may be somebody else's
        library = import_module("matplotlib.figure")  # without pyplot: no window, and no state that outlives this
    figure = library.Figure(figsize=(WIDTH / DPI, HEIGHT / DPI), dpi=DPI, layout="tight")
    axes = figure.add_subplot(xlabel="step", ylabel="loss, nats")
    for (name, series), colour in zip(_series(history).items(), (BLUE, RED), strict=True):
        if series:
            axes.plot(*zip(*series, strict=True), color=colour, label=name, marker="o" if name == "validation" else "")
    if axes.lines:
        axes.legend()
    axes.set_ylim(bottom=0)
    with write_beside(path) as beside:
        figure.savefig(beside, format="png", metadata={"Software": None})  # which would name the version that drew it
