"""An adapter's folder: weights, tokenizer with its template, history, curve, card, and the manifest that is written last."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2

from fingen.errors import UsageError
from fingen.records import dump_json, open_atomic, sha256_file
from fingen.training.base import quiet

MANIFEST = "fingen.json"
CARD = "README.md"
CURVE = "loss.svg"
WEIGHTS = ("adapter_model.safetensors", "adapter_config.json")
CARD_TEMPLATE = Path(__file__).with_name("card.md.j2")
WIDTH, HEIGHT, MARGIN = 640, 320, 40  # of the curve, in pixels


def write_adapter(
    model: Any, tokenizer: Any, folder: Path, manifest: dict[str, Any], history: list[dict[str, Any]]
) -> None:
    """Write what a run has made; the manifest last, with the hash of every weight file."""
    with quiet():
        model.save_pretrained(folder, save_embedding_layers=False)
    tokenizer.save_pretrained(folder)
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
        autoescape=False,  # Markdown, of texts that fingen or its user wrote
    )  # fmt: skip
    card = environment.from_string(CARD_TEMPLATE.read_text(encoding="utf-8")).render(m=manifest)
    files = {name: sha256_file(folder / name) for name in WEIGHTS}
    texts = {CARD: card, CURVE: draw_curve(history), MANIFEST: dump_json({**manifest, "files": files}, indent=2) + "\n"}
    for name, text in texts.items():
        with open_atomic(folder / name) as file:
            file.write(text)


def read_adapter(folder: Path) -> dict[str, Any]:
    """The manifest of an adapter whose weights are as they were written.

    Raises:
        UsageError: there is no whole adapter, or a file was changed.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise UsageError(f"{folder}: no whole adapter: it has no {MANIFEST}", hint="make one: fingen finetune --help")
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        for name, sha256 in manifest["files"].items():
            if not (folder / name).is_file() or sha256_file(folder / name) != sha256:
                raise UsageError(
                    f"{folder / name}: missing or changed since it was made", hint="restore it, or tune again"
                )
    except (ValueError, KeyError, AttributeError) as e:
        raise UsageError(f"{path}: damaged", hint="restore it, or tune again with --replace") from e
    return manifest


def draw_curve(history: list[dict[str, Any]]) -> str:
    """The losses of a run as SVG: training as a thin line, validation as a line with dots. Steps to the right, nats up."""
    training = [(row["step"], row["loss"]) for row in history if "loss" in row]
    validation = [(row["step"], row["validation_loss"]) for row in history if "validation_loss" in row]
    points = training + validation
    right = max((step for step, _ in points), default=1)
    top = max((loss for _, loss in points), default=0.0) or 1.0

    def place(step: float, loss: float) -> tuple[float, float]:
        x = MARGIN + (WIDTH - 2 * MARGIN) * step / right
        return x, HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * loss / top

    def line(series: Sequence[tuple[float, float]], colour: str, width: float) -> str:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in series))
        return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>'

    dots = [
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="#c33"/>' for x, y in (place(*point) for point in validation)
    ]
    (left, bottom), (end, high) = place(0, 0), place(right, top)
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<path d="M{left} {high}V{bottom}H{end}" fill="none" stroke="#888"/>',
        line(training, "#36c", 1), line(validation, "#c33", 2), *dots,
        f'<text x="4" y="{high + 4}">{top:.2f}</text><text x="{end}" y="{bottom + 16}" text-anchor="end">step {right}</text>',
        f'<text x="{WIDTH / 2}" y="20" text-anchor="middle">loss: training (blue), validation (red)</text>',
        "</svg>\n",
    ])  # fmt: skip
