"""Pages with text that a person cannot see, and pages that only look like them; each is made by code.

HIDDEN has for each trick the page content that hides SECRET, and the kind under which it is counted. SEEN has content
that a careless check takes for such a trick: its words must all be read.
"""

from __future__ import annotations

from typing import NamedTuple

import hostile
from hostile import FONT, HEIGHT, WIDTH, stream, text

SECRET = "Zebra covenant breach of 987654 was concealed."
SHOWN = "Lanhai paid a dividend of 45 cents per share."
ABOVE, BELOW = "Revenue rose to 1234 million in 2024.", "Orders from abroad grew by a tenth."

PLACE = b"60 684 480 22"  # a rectangle around the line at y=690
BLACK, WHITE = b"0 g ", b"1 g "
LINE = text(SECRET, y=690)


class Page(NamedTuple):
    """Content that stands between two visible lines; further objects are numbered from 6."""

    content: bytes
    resources: bytes = b""
    objects: tuple[bytes, ...] = ()
    kind: str = "covered"
    words: str = SHOWN
    box: bytes = b""
    annots: bytes = b""


def write(page: Page) -> bytes:
    content = text(ABOVE, y=740) + page.content + b"\n" + text(BELOW, y=640)
    leaf = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 %d %d]%s%s/Contents 5 0 R/Resources<</Font<</F 4 0 R>>%s>>>>"
    annots = b"/Annots[%s]" % page.annots if page.annots else b""
    return hostile.pdf(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            leaf % (WIDTH, HEIGHT, page.box, annots, page.resources),
            FONT,
            stream(content),
            *page.objects,
        ]
    )


def state(entries: bytes) -> bytes:
    return b"/ExtGState<</G<<%s>>>>" % entries


def form(content: bytes, entries: bytes = b"", box: bytes = b"0 0 595 842") -> bytes:
    fonts = b"/Resources<</Font<</F 4 0 R>>>>"
    return stream(content, b"/Type/XObject/Subtype/Form/BBox[%s]%s%s" % (box, fonts, entries))


def image(color: bytes, entries: bytes = b"") -> bytes:
    kind = b"/Type/XObject/Subtype/Image/Width 1/Height 1/BitsPerComponent 8/ColorSpace/Device%s%s"
    return stream(color, kind % ({1: b"Gray", 3: b"RGB", 4: b"CMYK"}[len(color)], entries))


def shading(start: bytes, end: bytes) -> bytes:
    function = b"<</FunctionType 2/Domain[0 1]/C0[%s]/C1[%s]/N 1>>" % (start, end)
    return b"<</ShadingType 2/ColorSpace/DeviceRGB/Coords[60 0 540 0]/Extend[true true]/Function %s>>" % function


def box(color: bytes, place: bytes = PLACE) -> bytes:
    return b"q %s %s re f Q\n" % (color, place)


def placed(name: bytes) -> bytes:
    return b"q 480 0 0 22 60 684 cm /%s Do Q\n" % name


GROUP = b"/Group<</S/Transparency/CS/DeviceRGB>>"
XOBJECT = b"/XObject<</X 6 0 R>>"
SHADE = b"/Shading<</S 6 0 R>>"
ROUND = b"60 684 m 540 684 l 560 695 l 540 706 l 60 706 l 40 695 l h f\n"
EMPTY_FONT = (
    b"/Font<</F 4 0 R/T<</Type/Font/Subtype/Type3/FontBBox[0 0 1000 1000]/FontMatrix[.001 0 0 .001 0 0]/FirstChar 32"
    b"/LastChar 122/Widths[%s]/Encoding<</Differences[32 %s]>>/CharProcs<<%s>>/ToUnicode 7 0 R>>>>"
)


def letters(glyph: bytes) -> tuple[bytes, tuple[bytes, ...]]:
    """Resources with the font /T whose letters are all drawn in one way, and the objects that these need."""
    codes = range(32, 123)
    names = b" ".join(b"/g%d" % code for code in codes)
    glyphs = b" ".join(b"/g%d 6 0 R" % code for code in codes)
    unicode = b"/CIDInit /ProcSet findresource begin 12 dict begin begincmap 1 begincodespacerange <00> <FF> endcodespacerange\n"
    unicode += b"1 beginbfrange <20> <7A> <0020> endbfrange endcmap end end"
    return EMPTY_FONT % (b"500 " * 91, names, glyphs), (stream(glyph), stream(unicode))


def type3(glyph: bytes, words: str, kind: str = "empty glyphs") -> Page:
    resources, objects = letters(glyph)
    shown = b"BT /T 12 Tf 72 690 Td (%s) Tj ET" % words.encode()
    page = Page(shown, kind=kind, words=words, objects=objects)
    return page._replace(resources=resources.replace(b"/Font<<", b"/Pattern<<>>/Font<<", 1))


def colored(color: bytes, background: bytes, words: str = SECRET) -> Page:
    return Page(box(background) + text(words, y=690, before=color), kind="same color", words=words)


def grouped(entries: bytes, words: str = SECRET, before: bytes = b"") -> Page:
    """The words in a transparency group that is painted in a graphics state."""
    group = form(text(words, y=690, before=before), GROUP)
    return Page(box(WHITE) + b"q /G gs /X Do Q", XOBJECT + state(entries), (group,), "transparent", words)


def masked(luminosity: bytes, words: str = SECRET) -> Page:
    """The words under a soft mask of a gray."""
    mask = form(box(luminosity, b"0 0 595 842"), b"/Group<</S/Transparency/CS/DeviceGray>>")
    entries = b"/SMask<</S/Luminosity/G 6 0 R>>"
    return Page(b"q /G gs " + text(words, y=690) + b" Q", state(entries), (mask,), "transparent", words)


def clipped(path: bytes, words: str = SECRET, kind: str = "clipped") -> Page:
    return Page(b"q %s n " % path + text(words, y=690) + b" Q", kind=kind, words=words)


PATTERN = b"/Pattern<</P<</PatternType 2/Shading %s>>>>"
TILE = b"/PatternType 1/PaintType 1/TilingType 1/BBox[0 0 40 40]/XStep 40/YStep 40/Resources<<>>"
UPRIGHT = b"".join(box(WHITE, b"%d 684 5 22" % x) for x in range(60, 540, 5))

HIDDEN = {
    # painted over later
    "under a white box": Page(LINE + box(WHITE)),
    "under a black box": Page(LINE + box(BLACK)),
    "under a colored box": Page(LINE + box(b"0.2 0.4 0.9 rg")),
    "under a path": Page(LINE + b"q 1 g " + ROUND + b" Q"),
    "under a curve": Page(LINE + b"q 1 g 40 695 m 40 760 560 760 560 695 c 560 630 40 630 40 695 c f Q"),
    "under a thick line": Page(LINE + b"q 1 G 24 w 60 694 m 540 694 l S Q"),
    "under a thick frame": Page(LINE + b"q 1 G 30 w 60 692 480 4 re S Q"),
    "under a row of boxes": Page(LINE + UPRIGHT),
    "under a gray image": Page(LINE + placed(b"X"), XOBJECT, (image(b"\x80"),)),
    "under a white image": Page(LINE + placed(b"X"), XOBJECT, (image(b"\xff\xff\xff"),)),
    "under a CMYK image": Page(LINE + placed(b"X"), XOBJECT, (image(b"\x00\x00\x00\x00"),)),
    "under a shading": Page(
        LINE + b"q %s re W n /S sh Q" % PLACE, SHADE, (shading(b"1 1 1", b"1 1 1"),)
    ),
    "under a pattern": Page(
        LINE + b"q /Pattern cs /P scn %s re f Q" % PLACE, PATTERN % shading(b"1 1 1", b"1 1 .9")
    ),
    "under tiles": Page(
        LINE + b"q /Pattern cs /P scn %s re f Q" % PLACE, b"/Pattern<</P 6 0 R>>", (stream(b"1 g 0 0 40 40 re f", TILE),)
    ),
    "under a form": Page(LINE + b"/X Do", XOBJECT, (form(box(WHITE)),)),
    "under a group": Page(LINE + b"/X Do", XOBJECT, (form(box(WHITE), GROUP),)),
    "under nested forms": Page(
        LINE + b"/X Do",
        XOBJECT,
        (stream(b"/Y Do", b"/Type/XObject/Subtype/Form/BBox[0 0 595 842]/Resources<</XObject<</Y 7 0 R>>>>"), form(box(WHITE))),
    ),
    "under two halves": Page(LINE + box(WHITE, b"60 684 200 22") + box(WHITE, b"259 684 281 22")),
    "under an almost opaque box": Page(LINE + b"q /G gs 1 g %s re f Q" % PLACE, state(b"/ca 0.98")),
    "under an annotation": Page(
        LINE,
        objects=(b"<</Type/Annot/Subtype/Square/F 4/Rect[60 684 540 706]/AP<</N 7 0 R>>>>",
                 stream(b"1 g 0 0 480 22 re f", b"/Type/XObject/Subtype/Form/BBox[0 0 480 22]")),
        annots=b"6 0 R",
    ),
    "in a form under a box": Page(b"/X Do\n" + box(WHITE), XOBJECT, (form(LINE),)),
    "letter by letter under a box": Page(
        b"BT /F 12 Tf 72 690 Td "
        + b" ".join(b"%.2f g (%s) Tj" % (at % 2 / 4, bytes([char])) for at, char in enumerate(SECRET.encode()))
        + b" ET\n" + box(WHITE)
    ),
    "turned, under a box": Page(
        b"q BT /F 12 Tf 0 1 -1 0 300 200 Tm (%s) Tj ET Q\n" % SECRET.encode() + box(WHITE, b"285 190 22 400")
    ),
    # clipped away
    "outside the crop box": Page(text(SECRET, y=40), box=b"/CropBox[0 60 595 842]", kind="off page"),
    "below the page": Page(text(SECRET, y=-40), kind="off page"),
    "beside the page": Page(text(SECRET, x=700), kind="off page"),
    "clipped to letters elsewhere": Page(
        b"q BT 7 Tr /F 12 Tf 72 300 Td (x) Tj ET 0 g " + LINE + b" Q", kind="transparent"
    ),
    # in the color of what is below
    "white on white": Page(text(SECRET, y=690, before=WHITE), kind="white"),
    "almost white": Page(text(SECRET, y=690, before=b"0.97 g"), kind="white"),
    "white on a white box": colored(WHITE, WHITE)._replace(kind="white"),
    "black on black": colored(BLACK, BLACK),
    "gray on gray": colored(b"0.5 g", b"0.5 g"),
    "navy on navy": colored(b"0 0 .3 rg", b"0 0 .3 rg"),
    "red on red": colored(b".8 0 0 rg", b".8 0 0 rg"),
    "red on almost the same red": colored(b".8 0 0 rg", b".82 .02 .01 rg"),
    "CMYK on RGB": colored(b"0 0 0 1 k", b"0 0 0 1 k"),
    "black on a black path": Page(b"q 0 g " + ROUND + b" Q" + LINE, kind="same color"),
    "black on a black thick line": Page(b"q 24 w 60 694 m 540 694 l S Q\n" + LINE, kind="same color"),
    "black on a black image": Page(placed(b"X") + LINE, XOBJECT, (image(b"\x00"),), "covered"),
    "blue on a blue image": Page(
        placed(b"X") + text(SECRET, y=690, before=b"0 0 1 rg"), XOBJECT, (image(b"\x00\x00\xff"),), "covered"
    ),
    "green on a green shading": Page(
        b"q %s re W n /S sh Q\n" % PLACE + text(SECRET, y=690, before=b"0 .5 0 rg"), SHADE, (shading(b"0 .5 0", b"0 .5 0"),), "covered"
    ),
    "gray stroked on gray": Page(box(b"0.5 g") + text(SECRET, y=690, before=b"0.5 g 0.5 G 2 Tr"), kind="same color"),
    # transparent
    "fill alpha 0": Page(text(SECRET, y=690, before=b"/G gs"), state(b"/ca 0 /CA 0"), kind="transparent"),
    "fill alpha 0.01": Page(text(SECRET, y=690, before=b"/G gs"), state(b"/ca 0.01"), kind="transparent"),
    "fill alpha 0.03": Page(text(SECRET, y=690, before=b"/G gs"), state(b"/ca 0.03"), kind="transparent"),
    "light gray of alpha 0.2": Page(text(SECRET, y=690, before=b"0.85 g /G gs"), state(b"/ca 0.2"), kind="transparent"),
    "stroke alpha 0": Page(text(SECRET, y=690, before=b"1 Tr /G gs"), state(b"/CA 0"), kind="transparent"),
    "a group of alpha 0": grouped(b"/ca 0"),
    "a group of alpha 0.02": grouped(b"/ca 0.02"),
    "a black soft mask": masked(b"0 g"),
    "an almost black soft mask": masked(b"0.02 g"),
    "white multiplied": grouped(b"/BM/Multiply", before=WHITE)._replace(kind="white"),
    "black in screen": grouped(b"/BM/Screen"),
    "black that lightens": Page(box(WHITE) + text(SECRET, y=690, before=b"/G gs"), state(b"/BM/Lighten"), kind="transparent"),
    "render mode 3": Page(text(SECRET, y=690, before=b"3 Tr"), kind="render mode 3"),
    "render mode 7": Page(b"q BT 7 Tr /F 12 Tf 72 690 Td (%s) Tj ET Q" % SECRET.encode(), kind="transparent"),
    # without extent
    "one point high": Page(text(SECRET, y=690, size=1), kind="tiny"),
    "of no size": Page(b"q .01 0 0 .01 72 690 cm BT /F 12 Tf (%s) Tj ET Q" % SECRET.encode(), kind="tiny"),
    "scaled to nothing": Page(text(SECRET, y=690, before=b"0.1 Tz"), kind="tiny"),
    "pressed flat": Page(b"q 1 0 0 .001 72 690 cm BT /F 12 Tf (%s) Tj ET Q" % SECRET.encode(), kind="tiny"),
    "pressed narrow": Page(b"q .001 0 0 1 72 690 cm BT /F 12 Tf (%s) Tj ET Q" % SECRET.encode(), kind="tiny"),
    "all letters in one place": Page(text(SECRET, y=690, before=b"-6 Tc"), kind="tiny"),
    "letters that draw nothing": type3(b"500 0 d0", SECRET),
    "letters that draw nothing, masked": type3(b"500 0 0 0 500 700 d1", SECRET),
    "letters that are specks": type3(b"500 0 0 0 9 9 d1 0 0 9 9 re f", SECRET),
}  # fmt: skip

SEEN = {
    "black on white": Page(text(SHOWN, y=690)),
    "white on black": Page(box(BLACK) + text(SHOWN, y=690, before=WHITE)),
    "white on a dark path": Page(b"q 0 0 .4 rg " + ROUND + b" Q" + text(SHOWN, y=690, before=WHITE)),
    "white on a dark image": Page(placed(b"X") + text(SHOWN, y=690, before=WHITE), XOBJECT, (image(b"\x20"),)),
    "white on a dark shading": Page(
        b"q %s re W n /S sh Q\n" % PLACE + text(SHOWN, y=690, before=WHITE), SHADE, (shading(b"0 0 .3", b"0 .3 0"),)
    ),
    "white on dark tiles": Page(
        b"q /Pattern cs /P scn %s re f Q\n" % PLACE + text(SHOWN, y=690, before=WHITE),
        b"/Pattern<</P 6 0 R>>", (stream(b"0 g 0 0 40 40 re f", TILE),),
    ),
    "black on a gradient": Page(
        b"q %s re W n /S sh Q\n" % PLACE + text(SHOWN, y=690), SHADE, (shading(b"1 1 1", b".6 .6 1"),)
    ),
    "black on a light image": Page(placed(b"X") + text(SHOWN, y=690), XOBJECT, (image(b"\xd0"),)),
    "light gray small print": Page(text(SHOWN, y=690, size=5, before=b"0.7 g")),
    "small print on a panel": Page(box(b"0.95 g") + text(SHOWN, y=690, size=6, before=b"0.6 g")),
    "gray on a near gray": Page(box(b"0.5 g") + text(SHOWN, y=690, before=b"0.3 g")),
    "red on green of one lightness": Page(box(b"0 .3 0 rg") + text(SHOWN, y=690, before=b".9 0 0 rg")),
    "over a box": Page(box(b"0.8 g") + text(SHOWN, y=690)),
    "a box of another line": Page(text(SHOWN, y=690) + box(BLACK, b"60 704 480 10")),
    "a box just below": Page(text(SHOWN, y=690) + box(BLACK, b"60 670 480 17")),
    "underlined": Page(text(SHOWN, y=690) + box(BLACK, b"72 687 250 1")),
    "struck through": Page(text(SHOWN, y=690) + box(BLACK, b"72 693 250 1")),
    "in a frame": Page(text(SHOWN, y=690) + b"q 1 w %s re S Q" % PLACE),
    "marked": Page(text(SHOWN, y=690) + b"q /G gs 1 1 0 rg %s re f Q" % PLACE, state(b"/ca 0.4")),
    "multiplied mark": Page(text(SHOWN, y=690) + b"q /G gs 1 1 0 rg %s re f Q" % PLACE, state(b"/BM/Multiply")),
    "under a clipped box": Page(text(SHOWN, y=690) + b"q 0 0 9 9 re W n 1 g %s re f Q" % PLACE),
    "under a see-through image": Page(
        text(SHOWN, y=690) + placed(b"X"), XOBJECT, (image(b"\xff", b"/SMask 7 0 R"), image(b"\x40"))
    ),
    "under a box of alpha 0": Page(text(SHOWN, y=690) + b"q /G gs 1 g %s re f Q" % PLACE, state(b"/ca 0")),
    "in a clip": clipped(b"0 0 595 842 re W", SHOWN),
    "in a round clip": clipped(b"-200 400 m -200 1100 795 1100 795 400 c h W", SHOWN),
    "in a clip that is closed twice": clipped(b"0 0 m 595 0 l 595 842 l 0 842 l 0 0 l h W", SHOWN),
    "in a form": Page(b"/X Do", XOBJECT, (form(text(SHOWN, y=690)),)),
    "a group of alpha 0.6": grouped(b"/ca 0.6", SHOWN),
    "multiplied": grouped(b"/BM/Multiply", SHOWN),
    "a light soft mask": masked(b"0.8 g", SHOWN),
    "alpha 0.5": Page(text(SHOWN, y=690, before=b"/G gs"), state(b"/ca 0.5")),
    "alpha 0.3": Page(text(SHOWN, y=690, before=b"/G gs"), state(b"/ca 0.3")),
    "only stroked": Page(text(SHOWN, y=690, before=b"1 Tr 0.3 w")),
    "filled and stroked": Page(text(SHOWN, y=690, before=b"2 Tr 0.3 w")),
    "a shadow": Page(text(SHOWN, x=73, y=689, before=b"0.6 g") + text(SHOWN, y=690)),
    "struck twice": Page(text(SHOWN, y=690) + text(SHOWN, y=690)),
    "painted by a shading": Page(
        b"q /Pattern cs /P scn " + text(SHOWN, y=690, size=14) + b" Q", PATTERN % shading(b".8 0 0", b"0 0 .8")
    ),
    "a picture through letters": Page(
        b"q BT 7 Tr /F 14 Tf 72 690 Td (%s) Tj ET 0.1 g %s re f Q" % (SHOWN.encode(), PLACE)
    ),
    "letters that are drawn": type3(b"500 0 0 0 450 700 d1 50 0 400 700 re f", SHOWN),
    "narrow": Page(text(SHOWN, y=690, before=b"60 Tz")),
    "turned": Page(b"q BT /F 12 Tf 0 1 -1 0 300 200 Tm (%s) Tj ET Q" % SHOWN.encode()),
    "white text turned on black": Page(
        box(BLACK, b"285 190 22 400") + b"q 1 g BT /F 12 Tf 0 1 -1 0 300 200 Tm (%s) Tj ET Q" % SHOWN.encode()
    ),
}  # fmt: skip
