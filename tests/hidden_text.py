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
    catalog: bytes = b""


def write(page: Page) -> bytes:
    content = text(ABOVE, y=740) + page.content + b"\n" + text(BELOW, y=640)
    leaf = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 %d %d]%s%s/Contents 5 0 R/Resources<</Font<</F 4 0 R>>%s>>>>"
    annots = b"/Annots[%s]" % page.annots if page.annots else b""
    return hostile.pdf(
        [
            b"<</Type/Catalog/Pages 2 0 R%s>>" % page.catalog,
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


def in_form(words: str, box: bytes, entries: bytes = b"") -> Page:
    return Page(b"/X Do", XOBJECT, (form(text(words, y=690), entries, box),), "clipped", words)


def in_forms(words: str, box: bytes) -> Page:
    """The words in a form within a form whose box is given."""
    outer = b"/Type/XObject/Subtype/Form/BBox[%s]/Resources<</XObject<</Y 7 0 R>>>>" % box
    return Page(b"/X Do", XOBJECT, (stream(b"/Y Do", outer), form(text(words, y=690))), "clipped", words)


def over(cover: bytes, resources: bytes = b"", objects: tuple[bytes, ...] = (), kind: str = "covered") -> Page:
    """The secret, something over it, and other words over that in the same place."""
    return Page(LINE + cover + text(SHOWN, y=690), resources, objects, kind)


def optional(words: str, state: bytes) -> Page:
    """The words in a layer that is shown at first, or is not."""
    catalog = b"/OCProperties<</OCGs[6 0 R]/D<</%s[6 0 R]/Order[6 0 R]>>>>" % state
    layer = b"<</Type/OCG/Name(Layer)>>"
    content = b"/OC /L BDC " + text(words, y=690) + b" EMC"
    return Page(content, b"/Properties<</L 6 0 R>>", (layer,), words=words, catalog=catalog)


def annotated(shape: bytes, entries: bytes = b"/Subtype/Square/F 4", words: str = SHOWN, below: bytes = b"") -> Page:
    """An annotation that is drawn over the line."""
    annotation = b"<</Type/Annot%s/Rect[60 684 540 706]/AP<</N 7 0 R>>>>" % entries
    fonts = (
        b"/Type/XObject/Subtype/Form/BBox[0 0 480 22]/Resources<</Font<</F 4 0 R>>/ExtGState<</M<</BM/Multiply>>>>>>"
    )
    return Page(below, objects=(annotation, stream(shape, fonts)), annots=b"6 0 R", words=words)


def noise(low: int, high: int) -> bytes:
    """A picture with as many levels as a photograph has, always the same."""
    levels = bytes(low + (at * at * 7 + at * 13) % 251 * (high - low) // 250 for at in range(60 * 40))
    kind = b"/Type/XObject/Subtype/Image/Width 60/Height 40/BitsPerComponent 8/ColorSpace/DeviceGray"
    return stream(levels, kind)


def knockout(words: str, after: bytes) -> Page:
    """The words in a group where what comes later takes the place of what came before."""
    group = b"/Group<</S/Transparency/K true/CS/DeviceRGB>>"
    states = b"/Resources<</Font<</F 4 0 R>>/ExtGState<</Z<</ca 0>>>>>>"
    entries = b"/Type/XObject/Subtype/Form/BBox[0 0 595 842]%s%s" % (states, group)
    return Page(b"/X Do", XOBJECT, (stream(text(words, y=690) + after, entries),), "transparent", words)


def blended(mode: bytes, color: bytes, words: str = SECRET) -> Page:
    """A box over the words that is blended with them."""
    return Page(text(words, y=690) + b"q /G gs %s %s re f Q" % (color, PLACE), state(b"/BM/" + mode), words=words)


HATCH = b"".join(b"60 %.2f m 540 %.2f l " % (684 + at * 0.4, 684 + at * 0.4) for at in range(55))
HAIRS = (
    b"q 1 G 0.8 w "
    + b"".join(b"60 %.2f m 540 %.2f l S " % (684 + at * 0.4, 684 + at * 0.4) for at in range(55))
    + b"Q\n"
)
SQUARES = b"".join(box(WHITE, b"%d %d 3 3" % (x, y)) for x in range(60, 360, 3) for y in range(684, 705, 3))
LETTERS_CUT = b"".join(
    b"q %.2f 680 .4 30 re W n BT /F 12 Tf %.2f 690 Td (%s) Tj ET Q\n" % (71.8 + 7 * at, 72 + 7 * at, bytes([char]))
    for at, char in enumerate(SECRET.encode())
    if char != 32
)
INLINE = b"q 480 0 0 22 60 684 cm BI /W 1 /H 1 /BPC 8 /CS /G ID \xff EI Q\n"
STENCIL = b"q 1 g 480 0 0 22 60 684 cm /X Do Q\n"
MASK = stream(b"\x00", b"/Type/XObject/Subtype/Image/Width 1/Height 1/BitsPerComponent 1/ImageMask true")
FILLED, FILLS = letters(b"500 0 0 0 500 900 d1 0 -200 500 1100 re f")
DASH, WHITE_DASH, GRAY_DASH = (
    text("-" * 5, x=0, y=555, size=500, before=b"-60 Tc " + color) for color in (BLACK, WHITE, b"0.9 g ")
)
UNDER_LETTERS = Page(
    LINE + b"q 1 g BT /T 12 Tf 60 690 Td (%s) Tj ET Q" % (b"x" * 60),
    FILLED.replace(b"/Font<<", b"/Pattern<<>>/Font<<", 1), FILLS,
)  # fmt: skip


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
    "under a shading of the page": Page(
        LINE + b"q 0 0 595 730 re W n /S sh Q", SHADE, (shading(b"1 1 1", b"1 1 1"),)
    ),
    "under a box with other words": over(box(WHITE)),
    "under a box with other words, in gray": over(box(b"0.9 g")),
    "under an image with other words": over(placed(b"X"), XOBJECT, (image(b"\xf0"),)),
    "under a shading with other words": over(b"q %s re W n /S sh Q\n" % PLACE, SHADE, (shading(b"1 1 1", b"1 1 .9"),)),
    "large, under a box with small words": Page(
        text(SECRET, x=30, y=688, size=20) + box(WHITE, b"0 680 595 40") + text(SHOWN, y=702, size=6) + text(SHOWN, y=688, size=6)
    ),
    "large, under a box with small words, but for an edge": Page(
        text(SECRET, x=30, y=688, size=20) + box(WHITE, b"0 680 595 21") + text(SHOWN, y=695, size=6) + text(SHOWN, y=688, size=6)
    ),
    "under two boxes with words between": over(box(WHITE) + text("Cash was 55 million.", y=690) + box(WHITE)),
    "under many thin lines": Page(LINE + HAIRS),
    "under one path of many lines": Page(LINE + b"q 1 G 0.8 w " + HATCH + b"S Q"),
    "under an inline image": Page(LINE + INLINE),
    "under an image mask": Page(LINE + STENCIL, XOBJECT, (MASK,)),
    "under small squares": Page(LINE + SQUARES),
    "under an upper and a lower half": Page(LINE + box(WHITE, b"60 694.5 480 12") + box(WHITE, b"60 684 480 10.6")),
    "under a line far thicker than long": Page(LINE + b"q 1 G 560 w 300 680 m 300 708 l S Q"),
    "under an image that lies askew": Page(LINE + b"q 480 60 -60 40 90 650 cm /X Do Q", XOBJECT, (image(b"\xff"),)),
    "under an image whose mask is full": Page(
        LINE + placed(b"X"), XOBJECT, (image(b"\xff", b"/SMask 7 0 R"), image(b"\xff"))
    ),
    "under a group that is blended": blended(b"Screen", WHITE),
    "under a box that lightens": blended(b"Lighten", WHITE),
    "under a box that darkens": blended(b"Darken", BLACK),
    "under a box that multiplies": blended(b"Multiply", BLACK),
    "under letters that are boxes": UNDER_LETTERS,
    "under a thick white outline": Page(LINE + b"q 1 Tr 1 G 40 w BT /F 12 Tf 60 690 Td (%s) Tj ET Q" % (b"x" * 60)),
    "under a huge dash": Page(LINE + DASH),
    "under a white huge dash": Page(LINE + WHITE_DASH),
    "under an annotation with words": annotated(
        b"1 g 0 0 480 22 re f 0 g BT /F 12 Tf 12 6 Td (%s) Tj ET" % SHOWN.encode(), b"/Subtype/FreeText/F 4", below=LINE
    ),
    "under a field of a form": annotated(b"1 g 0 0 480 22 re f", b"/Subtype/Widget/FT/Tx/T(a)/F 4", below=LINE),
    "under a translucent box, many times": Page(LINE + b"q /G gs " + b"1 g 60 684 480 22 re f " * 9 + b"Q", state(b"/ca 0.5")),
    "on a page that is turned": Page(LINE + box(WHITE), box=b"/Rotate 90"),
    "on a page of large units": Page(LINE + box(WHITE), box=b"/UserUnit 2"),
    "on a page that is cropped": Page(LINE + box(WHITE), box=b"/CropBox[40 300 560 800]"),
    "in tiles under a box": Page(
        b"q /Pattern cs /P scn 0 650 595 80 re f Q " + box(WHITE, b"0 650 595 80"), b"/Pattern<</P 6 0 R>>",
        (stream(LINE, b"/PatternType 1/PaintType 1/TilingType 1/BBox[0 0 595 842]/XStep 595/YStep 842/Resources<</Font<</F 4 0 R>>>>"),),
    ),
    "turned, under a box": Page(
        b"q BT /F 12 Tf 0 1 -1 0 300 200 Tm (%s) Tj ET Q\n" % SECRET.encode() + box(WHITE, b"285 190 22 400")
    ),
    # clipped away
    "outside the crop box": Page(text(SECRET, y=40), box=b"/CropBox[0 60 595 842]", kind="off page"),
    "below the page": Page(text(SECRET, y=-40), kind="off page"),
    "beside the page": Page(text(SECRET, x=700), kind="off page"),
    "outside the clip": clipped(b"60 100 480 22 re W"),
    "beside the clip": clipped(b"400 684 140 22 re W"),
    "beside a clip after one that holds all": Page(
        b"q 0 0 595 842 re W n " + text("Cash was 55 million.", y=660) + b" Q q 400 684 140 22 re W n " + LINE + b" Q", kind="clipped"
    ),
    "beside a clip after text in none": Page(
        b"q 0 0 595 670 re W n " + text("Cash was 55 million.", y=660) + b" Q " + text("Debt was 7 million.", y=665, x=300)
        + b" q 400 684 140 22 re W n " + LINE + b" Q", kind="clipped"
    ),
    "under all but a rim of the clip": clipped(b"60 699 480 22 re W"),
    "in a clip that cuts the heads off": clipped(b"60 676 480 15 re W"),
    "in a clip that takes itself away": clipped(b"60 684 480 22 re 60 684 480 22 re W*"),
    "in a clip of no size": clipped(b"60 684 0 0 re W"),
    "in a clip of no path": clipped(b"60 684 m W"),
    "between two parts of the clip": clipped(b"60 720 480 10 re 60 660 480 10 re W"),
    "beside a triangle": clipped(b"30 600 m 560 600 l 560 760 l h W"),
    "in the hole of a ring": clipped(b"20 600 555 200 re 60 684 480 22 re W*"),
    "in a hole that is wound back": clipped(b"20 600 m 575 600 l 575 800 l 20 800 l h 60 684 m 60 706 l 540 706 l 540 684 l h W"),
    "in crossed clips": clipped(b"60 684 480 7 re W n 60 701 480 7 re W"),
    "in clips that meet beside it": clipped(b"400 600 190 200 re W n 60 684 480 22 re W"),
    "in a slit": clipped(b"60 694 480 .4 re W"),
    "in an upright slit": clipped(b"150 600 .4 200 re W"),
    "in a clip just below": clipped(b"0 600 595 89.6 re W"),
    "in a clip just above": clipped(b"0 699 595 90 re W"),
    "in a clip of curves beside it": clipped(b"400 690 m 400 760 560 760 560 690 c h W"),
    "letter by letter in slits": Page(LETTERS_CUT, kind="clipped"),
    "outside the box of a form": in_form(SECRET, b"0 0 50 50"),
    "above the box of a form": in_form(SECRET, b"0 0 595 689"),
    "outside the box of a form in a form": in_forms(SECRET, b"0 0 595 600"),
    "outside the turned box of a form": in_form(SECRET, b"0 0 100 100", b"/Matrix[.7 .7 -.7 .7 300 0]"),
    "in a form that is moved off the page": in_form(SECRET, b"0 0 595 842", b"/Matrix[1 0 0 1 900 0]")._replace(kind="off page"),
    "spread over the edge": Page(text(SECRET, y=690, before=b"600 Tc"), kind="off page"),
    "beyond the right edge but for a letter": Page(text("Q " + SECRET, x=586), kind="off page"),
    "raised off the page": Page(text(SECRET, y=690, before=b"2000 Ts"), kind="off page"),
    "clipped to letters over a photograph": Page(
        placed(b"X") + b"q BT 7 Tr /F 12 Tf 72 690 Td (%s) Tj ET Q" % SECRET.encode(), XOBJECT, (noise(0, 255),), kind="transparent"
    ),
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
    "white on a dark line": Page(box(BLACK, b"60 693 480 1.2") + text(SECRET, y=690, before=WHITE), kind="white"),
    "white on a dark box that is clipped away": Page(
        b"q 0 0 9 9 re W n 0 g %s re f Q\n" % PLACE + text(SECRET, y=690, before=WHITE), kind="white"
    ),
    "white on a dark box of another layer": Page(
        b"/OC /L BDC " + box(BLACK) + b" EMC\n" + text(SECRET, y=690, before=WHITE), b"/Properties<</L 6 0 R>>",
        (b"<</Type/OCG/Name(Layer)>>",), "white", catalog=b"/OCProperties<</OCGs[6 0 R]/D<</OFF[6 0 R]>>>>",
    ),
    "white beside a dark spot": Page(box(BLACK, b"60 684 10 22") + text(SECRET, y=690, before=WHITE), kind="white"),
    "white around a dark spot": Page(box(BLACK, b"140 690 3 3") + text(SECRET, y=690, before=WHITE), kind="white"),
    "white on a dark frame": Page(b"q 1 w %s re S Q\n" % PLACE + text(SECRET, y=690, before=WHITE), kind="white"),
    "white on a dark box of alpha 0": Page(
        b"q /G gs 0 g %s re f Q\n" % PLACE + text(SECRET, y=690, before=WHITE), state(b"/ca 0"), kind="white"
    ),
    "white on a light image": Page(placed(b"X") + text(SECRET, y=690, before=WHITE), XOBJECT, (image(b"\xfa"),), "white"),
    "white with a white outline": Page(text(SECRET, y=690, before=b"1 g 1 G 2 Tr"), kind="white"),
    "painted by a white shading": Page(
        b"q /Pattern cs /P scn " + text(SECRET, y=690, size=14) + b" Q", PATTERN % shading(b"1 1 1", b"1 1 1"), kind="transparent"
    ),
    "black on black under other words": Page(
        box(BLACK) + LINE + text(SHOWN, y=690, before=WHITE)
    ),
    "gray on a translucent black": Page(
        b"q /G gs 0 g %s re f Q\n" % PLACE + text(SECRET, y=690, before=b"0.5 g"), state(b"/ca 0.5"), kind="same color"
    ),
    "almost black on black": colored(b"0.03 g", BLACK),
    "black on many black lines": Page(HAIRS.replace(b"1 G", b"0 G") + LINE),
    "black on a huge dash": Page(DASH + LINE, kind="covered"),
    # transparent
    "in a layer that is off": optional(SECRET, b"OFF")._replace(kind=""),
    "in an annotation that is hidden": annotated(
        b"BT /F 12 Tf 12 6 Td (%s) Tj ET" % SECRET.encode(), b"/Subtype/FreeText/F 2"
    )._replace(kind=""),
    "in the mask of nothing": Page(
        b"q /G gs Q", state(b"/SMask<</S/Luminosity/G 6 0 R>>"),
        (form(LINE, b"/Group<</S/Transparency/CS/DeviceGray>>"),), kind="",
    ),
    "knocked out": knockout(SECRET, box(WHITE))._replace(kind="transparent"),
    "in a mask of alpha": Page(
        b"q /G gs " + LINE + b"Q", state(b"/SMask<</S/Alpha/G 6 0 R>>"),
        (form(b"", b"/Group<</S/Transparency/CS/DeviceGray>>"),), kind="transparent",
    ),
    "in groups that fade together": Page(
        b"q /G gs /X Do Q", XOBJECT + state(b"/ca 0.55"),
        (stream(b"/G gs /Y Do", b"/Type/XObject/Subtype/Form/BBox[0 0 595 842]/Resources<</ExtGState<</G<</ca 0.05>>>>/XObject<</Y 7 0 R>>>>" + GROUP),
         form(LINE, GROUP)), "transparent",
    ),
    "white that multiplies on black": Page(box(BLACK) + text(SECRET, y=690, before=b"1 g /G gs"), state(b"/BM/Multiply"), kind="white"),
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
    "in a clip that fits": clipped(b"60 684 480 22 re W", SHOWN),
    "in a clip of two parts": clipped(b"60 684 480 22 re 60 600 480 22 re W", SHOWN),
    "in a triangle": clipped(b"-400 600 m 995 600 l 300 1400 l h W", SHOWN),
    "around a hole": clipped(b"20 600 555 200 re 60 650 480 22 re W*", SHOWN),
    "in clips within clips": clipped(b"0 600 595 200 re W n 60 684 480 22 re W n 50 680 490 30 re W", SHOWN),
    "in the box of a form": in_form(SHOWN, b"60 684 540 706"),
    "in the box of a form in a form": in_forms(SHOWN, b"60 684 540 706"),
    "beside a clipped line": Page(clipped(b"0 100 595 20 re W", "").content + b"\n" + text(SHOWN, y=690)),
    "beside a box": Page(text(SHOWN, y=690) + box(BLACK, b"340 684 200 22")),
    "beside a box with words": Page(text(SHOWN, y=690) + box(b"0.9 g", b"340 684 200 22") + text("More", x=350, y=690)),
    "on a box with lines": Page(box(b"0 0 .4 rg") + text(SHOWN, y=690, before=WHITE) + b"q 1 G .5 w 60 684 m 540 684 l 60 706 m 540 706 l S Q"),
    "struck through twice": Page(text(SHOWN, y=690) + box(BLACK, b"72 693 250 .6") + box(BLACK, b"72 695 250 .6")),
    "on a hatch": Page(b"q .8 G " + HATCH + b"S Q\n" + text(SHOWN, y=690)),
    "on a dark photograph": Page(placed(b"X") + text(SHOWN, y=690, before=WHITE), XOBJECT, (noise(0, 120),)),
    "on a light photograph": Page(placed(b"X") + text(SHOWN, y=690), XOBJECT, (noise(120, 255),)),
    "red on a photograph": Page(placed(b"X") + text(SHOWN, y=690, before=b".9 0 0 rg"), XOBJECT, (noise(0, 255),)),
    "on a background of the page": Page(
        b"q 595 0 0 842 0 0 cm /X Do Q\n" + text(ABOVE, y=740) + text(SHOWN, y=690), XOBJECT, (noise(180, 255),)
    ),
    "over a shading of the page": Page(b"/S sh\n" + text(ABOVE, y=740) + text(SHOWN, y=690), SHADE, (shading(b"1 1 1", b".8 .9 1"),)),
    "over a huge dash": Page(GRAY_DASH + text(SHOWN, y=690)),
    "white on a huge dash": Page(DASH + text(SHOWN, y=690, before=WHITE)),
    "outlined": Page(text(SHOWN, y=690, before=b"1 g 0 G 2 Tr 0.6 w")),
    "white and outlined on a photograph": Page(
        placed(b"X") + text(SHOWN, y=690, before=b"1 g 0 G 2 Tr 0.6 w"), XOBJECT, (noise(0, 255),)
    ),
    "struck thrice to be bold": Page(b"".join(text(SHOWN, y=690, before=b"1 0 0 1 %.1f 0 cm" % (at / 5)) for at in range(3))),
    "between dark and light": Page(box(BLACK, b"60 684 120 22") + text(SHOWN, y=690, before=b"0.5 g")),
    "under a veil": Page(text(SHOWN, y=690) + b"q /G gs 1 g %s re f Q" % PLACE, state(b"/ca 0.5")),
    "under an image of another place": Page(text(SHOWN, y=690) + b"q 80 0 0 60 450 560 cm /X Do Q", XOBJECT, (image(b"\x80"),)),
    "highlighted by an annotation": annotated(b"/M gs 1 1 0 rg 0 0 480 22 re f", b"/Subtype/Highlight/F 4", below=text(SHOWN, y=690)),
    "framed by an annotation": annotated(b"1 0 0 RG 1 1 478 20 re S", b"/Subtype/Square/F 4", below=text(SHOWN, y=690)),
    "in an annotation": annotated(b"BT /F 12 Tf 12 6 Td (%s) Tj ET" % SHOWN.encode(), b"/Subtype/FreeText/F 4"),
    "in a layer that is on": optional(SHOWN, b"ON"),
    "in a group that knocks out nothing": knockout(SHOWN, b""),
    "on a page that is turned": Page(box(BLACK) + text(SHOWN, y=690, before=WHITE), box=b"/Rotate 90"),
    "on a page of large units": Page(box(BLACK) + text(SHOWN, y=690, before=WHITE), box=b"/UserUnit 2"),
    "on a page that is cropped": Page(box(BLACK) + text(SHOWN, y=690, before=WHITE), box=b"/CropBox[40 300 560 800]"),
    "spread": Page(text(SHOWN, y=690, before=b"1 Tc")),
    "just within the edge": Page(text(SHOWN, x=1, y=690)),
    "painted by letters that are boxes below": Page(
        b"q .9 g BT /T 12 Tf 60 690 Td (%s) Tj ET Q\n" % (b" " * 60) + text(SHOWN, y=690),
        UNDER_LETTERS.resources, UNDER_LETTERS.objects,
    ),
    "blended in a light color": blended(b"Multiply", b".9 .95 1 rg", SHOWN),
    "turned": Page(b"q BT /F 12 Tf 0 1 -1 0 300 200 Tm (%s) Tj ET Q" % SHOWN.encode()),
    "white text turned on black": Page(
        box(BLACK, b"285 190 22 400") + b"q 1 g BT /F 12 Tf 0 1 -1 0 300 200 Tm (%s) Tj ET Q" % SHOWN.encode()
    ),
}  # fmt: skip
