"""What a page's own instructions say of it, read without painting: pictures and fades that may hide text.

This is a guess that costs next to nothing. What it suspects is looked at; what is hidden, only a look decides.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any, NamedTuple

import pymupdf
from pymupdf import mupdf

from fingen.records import Box

FAINT = 0.5  # alpha below which a group may not stand out
FREE_LOOKS, PAGES_A_LOOK = 3, 50
MOST_FORMS = 8  # of forms in forms
_NAMED = re.compile(rb"/([^\s/\[\]()<>{}%]+)\s+(Do|gs|sh|scn)\b")
_INLINE = re.compile(rb"\sBI\s")
_PATH = (b"m", b"l", b"h", b"re", b"c", b"v", b"y")
_STEPS = re.compile(rb"(?<![^\s\])>])(q|Q|cm|BT|BI|Do|sh|gs|scn|W\*?|f\*?|B\*?)(?![^\s\[(<%/])")
_PLAIN_BLENDS = ("", "Normal", "Compatible", "Multiply", "Darken")  # these leave dark text as it is
_WHOLE = (-1e5, -1e5, 1e5, 1e5)
_ONE = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)
Matrix = tuple[float, float, float, float, float, float]


class Surface(NamedTuple):
    """Where a picture, a shading or a pattern is painted, and whether that comes after some text."""

    box: Box
    over: bool = False


class Signs(NamedTuple):
    """Where pictures and the like are painted; whether text is faded."""

    surfaces: tuple[Surface, ...] = ()
    has_text: bool = False
    fades: bool = False


class _State(NamedTuple):
    matrix: Matrix = _ONE
    clip: Box = _WHOLE
    fade: float = 1.0  # alpha; below 0 in a soft mask or a blend
    tiled: bool = False  # whether what is filled is filled with a pattern


class Contents:
    """The instructions of one document's pages and forms; what a form does is found out once."""

    def __init__(self) -> None:
        self._pages = self._looks = 0
        self._forms: dict[int, Signs] = {}
        self._fades: dict[int, float] = {}

    def signs(self, page: pymupdf.Page) -> Signs:
        """Read the instructions of a page. Boxes are those of the upright page."""
        self._pages += 1
        pdf_page = mupdf.pdf_page_from_fz_page(page.this)
        resources = mupdf.pdf_page_resources(pdf_page)
        if not self._can_hide(resources):
            return Signs(has_text=True)
        upright = _page_matrix(pdf_page)
        found = self._scan(page.read_contents(), resources, 0)
        return found._replace(surfaces=tuple(Surface(_moved(box, upright), over) for box, over in found.surfaces))

    def _can_hide(self, resources: Any) -> bool:
        """Whether a page has anything but fonts and colors: most have not, and their instructions need not be read."""
        if any(mupdf.pdf_dict_gets(resources, kind).m_internal for kind in ("XObject", "Shading", "Pattern")):
            return True
        states = mupdf.pdf_dict_gets(resources, "ExtGState")
        entries = (mupdf.pdf_dict_get_val(states, at) for at in range(mupdf.pdf_dict_len(states)))
        return any(self._fade(entry) < 0 for entry in entries)

    def may_look(self) -> bool:
        """Whether another page may be looked at: a few, and no great share of them all, so that reading stays cheap."""
        if self._looks >= FREE_LOOKS + self._pages // PAGES_A_LOOK:
            return False
        self._looks += 1
        return True

    def _scan(self, content: bytes, resources: Any, depth: int) -> Signs:
        used = set(_NAMED.findall(content))
        names = {(kind, name): self._named(resources, name, kind, depth) for name, kind in used}
        if any(map(_matters, names.values())) or (b"BI" in content and _INLINE.search(content)):
            return _Walk(content, names).found
        forms = (thing for thing in names.values() if isinstance(thing, Signs))
        return Signs(has_text=b"BT" in content or any(form.has_text for form in forms))

    def _named(self, resources: Any, name: bytes, kind: bytes, depth: int) -> Signs | float | bool:
        """What an instruction with a name brings: a form's signs, an alpha, or True for a picture, shading or pattern."""
        key = name.decode("latin-1")
        if kind in (b"sh", b"scn"):
            return True
        if kind == b"gs":
            return self._fade(_entry(resources, "ExtGState", key))
        thing = _entry(resources, "XObject", key)
        if mupdf.pdf_to_name(mupdf.pdf_dict_gets(thing, "Subtype")) == "Image":
            return True
        return self._form(thing, depth)

    def _fade(self, state: Any) -> float:
        number = mupdf.pdf_to_num(state)
        if number and number in self._fades:
            return self._fades[number]
        fade = 1.0
        alpha = mupdf.pdf_dict_gets(state, "ca")
        if alpha.m_internal:
            fade = mupdf.pdf_to_real(alpha)
        blend = mupdf.pdf_dict_gets(state, "BM")
        blend = mupdf.pdf_array_get(blend, 0) if mupdf.pdf_is_array(blend) else blend
        if mupdf.pdf_is_dict(mupdf.pdf_dict_gets(state, "SMask")) or mupdf.pdf_to_name(blend) not in _PLAIN_BLENDS:
            fade = -1.0
        if number:
            self._fades[number] = fade
        return fade

    def _form(self, form: Any, depth: int) -> Signs:
        number = mupdf.pdf_to_num(form)
        if number not in self._forms:
            self._forms[number] = Signs()  # a form that paints itself paints nothing
            if mupdf.pdf_is_stream(form) and depth < MOST_FORMS:
                self._forms[number] = self._scan_form(form, depth)
        return self._forms[number]

    def _scan_form(self, form: Any, depth: int) -> Signs:
        content = bytes(mupdf.pdf_load_stream(form).fz_buffer_extract())
        found = self._scan(content, mupdf.pdf_dict_gets(form, "Resources"), depth + 1)
        box = mupdf.pdf_to_rect(mupdf.pdf_dict_gets(form, "BBox"))
        matrix = _matrix(mupdf.pdf_to_matrix(mupdf.pdf_dict_gets(form, "Matrix")))
        inside = ((_cut(surface, (box.x0, box.y0, box.x1, box.y1)), over) for surface, over in found.surfaces)
        surfaces = tuple(Surface(_moved(surface, matrix), over) for surface, over in inside if surface)
        return found._replace(surfaces=surfaces)


class _Walk:
    """Goes through instructions in order, and keeps the matrix, the clip and the alpha as a painter would."""

    def __init__(self, content: bytes, names: dict[tuple[bytes, bytes], Any]) -> None:
        self._content, self._names = content, names
        self._state, self._stack = _State(), list[_State]()
        self._surfaces: list[Surface] = []
        self._text = self._fades = False
        for step in _STEPS.finditer(content):
            self._take(step.group(1), step.start())
        self.found = Signs(tuple(self._surfaces), self._text, self._fades)

    def _take(self, step: bytes, at: int) -> None:
        state = self._state
        if step == b"q":
            self._stack.append(state)
        elif step == b"Q":
            self._state = self._stack.pop() if self._stack else state
        elif step == b"BT":
            self._text = True
            self._fades = self._fades or state.fade < 0
        elif step == b"cm":
            values = self._operands(at, 6)
            if values:
                self._state = state._replace(matrix=_times(values, state.matrix))
        elif step[:1] == b"W":
            self._clip(at)
        elif step[:1] in b"fB":
            if step == b"BI":
                self._add((0, 0, 1, 1))
            elif state.tiled:
                self._surfaces.append(Surface(state.clip, self._text))
        else:
            self._named(step, at)

    def _named(self, step: bytes, at: int) -> None:
        tail = self._content[max(0, at - 130) : at].rstrip()
        name = tail[tail.rfind(b"/") + 1 :] if b"/" in tail else b""
        thing = self._names.get((step, name))
        if step == b"scn":
            self._state = self._state._replace(tiled=bool(thing))
        elif thing is None:
            return
        elif step == b"gs":
            self._state = self._state._replace(fade=thing)
        elif step == b"sh":
            self._surfaces.append(Surface(self._state.clip, self._text))
        elif thing is True:
            self._add((0, 0, 1, 1))
        else:
            for box, over in thing.surfaces:
                self._add(box, over)
            faded = self._state.fade < FAINT
            self._text = self._text or thing.has_text
            self._fades = self._fades or thing.fades or (thing.has_text and faded)

    def _add(self, box: Box, over: bool = False) -> None:
        placed = _cut(_moved(box, self._state.matrix), self._state.clip)
        if placed:
            self._surfaces.append(Surface(placed, over or self._text))

    def _clip(self, at: int) -> None:
        points = _upright(self._content[max(0, at - 200) : at].split())
        if points:
            xs, ys = [x for x, _ in points], [y for _, y in points]
            box = _moved((min(xs), min(ys), max(xs), max(ys)), self._state.matrix)
            self._state = self._state._replace(clip=_cut(box, self._state.clip) or (0, 0, 0, 0))

    def _operands(self, at: int, count: int) -> Any:
        values = self._content[max(0, at - 110) : at].split()[-count:]
        try:
            numbers = tuple(map(float, values))
        except ValueError:
            return None
        return numbers if len(numbers) == count else None


def _matters(thing: Signs | float | bool) -> bool:
    if isinstance(thing, Signs):
        return bool(thing.surfaces) or thing.fades
    return thing is True or thing < FAINT


def _upright(words: list[bytes]) -> list[tuple[float, float]]:
    """The corners of a path that goes once around an upright rectangle, from the instructions that end with it."""
    try:
        while words and words[-1] in (b"h", b"m"):
            del words[-3 if words[-1] == b"m" else -1 :]
        if words[-1] == b"re":
            x, y, wide, high = map(float, words[-5:-1])
            return [] if words[-6:-5] and words[-6] in _PATH else [(x, y), (x + wide, y + high)]
        points: list[tuple[float, float]] = []
        while words[-1] == b"l" and len(points) < 5:
            points.append((float(words[-3]), float(words[-2])))
            del words[-3:]
        points.append((float(words[-3]), float(words[-2])))
        plain = words[-1] == b"m" and len(points) >= 4 and not (words[-4:-3] and words[-4] in _PATH)
    except (ValueError, IndexError):
        return []
    sides = pairwise(points)
    return points if plain and all(x == u or y == v for (x, y), (u, v) in sides) else []


def _entry(resources: Any, kind: str, name: str) -> Any:
    return mupdf.pdf_dict_gets(mupdf.pdf_dict_gets(resources, kind), name)


def _page_matrix(pdf_page: Any) -> Matrix:
    box, matrix = mupdf.FzRect(), mupdf.FzMatrix()
    mupdf.pdf_page_transform(pdf_page, box, matrix)
    return _matrix(matrix)


def _matrix(m: Any) -> Matrix:
    return m.a, m.b, m.c, m.d, m.e, m.f


def _times(m: Matrix, n: Matrix) -> Matrix:
    a, b, c, d, e, f = m
    return (a * n[0] + b * n[2], a * n[1] + b * n[3], c * n[0] + d * n[2], c * n[1] + d * n[3],
            e * n[0] + f * n[2] + n[4], e * n[1] + f * n[3] + n[5])  # fmt: skip


def _moved(box: Box, m: Matrix) -> Box:
    xs = [x * m[0] + y * m[2] + m[4] for x in (box[0], box[2]) for y in (box[1], box[3])]
    ys = [x * m[1] + y * m[3] + m[5] for x in (box[0], box[2]) for y in (box[1], box[3])]
    return min(xs), min(ys), max(xs), max(ys)


def _cut(box: Box, clip: Box) -> Box | None:
    x0, y0, x1, y1 = max(box[0], clip[0]), max(box[1], clip[1]), min(box[2], clip[2]), min(box[3], clip[3])
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None
