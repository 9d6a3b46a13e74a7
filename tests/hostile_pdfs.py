"""PDFs that run, lie, loop and swell: each function gives the bytes of one, whose first page says GOOD wherever that can be read."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

from hostile import FONT, pdf, stream, text

GOOD = "Orders from abroad grew by a tenth while prices stayed as they were."
BOX = b"/MediaBox[0 0 595 842]"
FORM = b"/Type/XObject/Subtype/Form/BBox[0 0 595 842]"
SHOW = text(GOOD)


def page(
    content: bytes = b"",
    *more: bytes,
    catalog: bytes = b"",
    entries: bytes = b"",
    resources: bytes = b"",
    box: bytes = BOX,
) -> bytes:
    """A file of one page that says GOOD; `more` are objects from 6 on."""
    leaf = b"<</Type/Page/Parent 2 0 R%s/Contents 5 0 R/Resources<</Font<</F 4 0 R>>%s>>%s>>" % (
        box,
        resources,
        entries,
    )
    return pdf([
        b"<</Type/Catalog/Pages 2 0 R%s>>" % catalog, b"<</Type/Pages/Kids[3 0 R]/Count 1>>", leaf, FONT,
        stream(SHOW + content), *more,
    ])  # fmt: skip


def packed(data: bytes, times: int = 1) -> bytes:
    """A content stream that is deflated so many times."""
    for _ in range(times):
        data = zlib.compress(data, 9)
    return stream(data, b"/Filter[%s]" % (b"/FlateDecode" * times))


def with_content(body: bytes, *more: bytes) -> bytes:
    """A file whose page has that object for its content."""
    leaf = b"<</Type/Page/Parent 2 0 R%s/Contents 5 0 R/Resources<</Font<</F 4 0 R>>>>>>" % BOX
    return pdf([b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[3 0 R]/Count 1>>", leaf, FONT, body, *more])


# ---- what would run or write


def script_on_open() -> bytes:
    script = b"<</S/JavaScript/JS(app.launchURL\\('file:///bin/sh'\\); this.saveAs\\('ran'\\))>>"
    return page(
        b"", script, catalog=b"/OpenAction 6 0 R/AA<</WC 6 0 R>>/Names<</JavaScript<</Names[(a) 6 0 R]>>>>",
        entries=b"/AA<</O 6 0 R/C 6 0 R>>",
    )  # fmt: skip


def launch() -> bytes:
    return page(
        b"", b"<</S/Launch/F(/usr/bin/touch)/Unix<</F(touch)/P(ran)>>/Next 6 0 R>>", catalog=b"/OpenAction 6 0 R"
    )


def attached_files() -> bytes:
    file = stream(b"#!/bin/sh\ntouch ran\n", b"/Type/EmbeddedFile")
    return page(
        b"", file, b"<</Type/Filespec/F(../../ran)/UF(../../ran)/EF<</F 6 0 R>>>>",
        b"<</Type/Annot/Subtype/FileAttachment/Rect[0 0 9 9]/FS 7 0 R>>",
        catalog=b"/Names<</EmbeddedFiles<</Names[(../../ran) 7 0 R]>>>>", entries=b"/Annots[8 0 R]",
    )  # fmt: skip


def elsewhere() -> bytes:
    outside = stream(b"", FORM + b"/F(/etc/passwd)/FFilter/FlateDecode")
    proxy = stream(b"", FORM + b"/Ref<</F(/etc/passwd)/Page 0>>/OPI<</1.3<</F(/etc/passwd)>>>>")
    return page(
        b"/X Do /Y Do ", outside, proxy, b"<</S/GoToR/F(file:///etc/passwd)/D[0/Fit]>>", b"<</S/SubmitForm/F(http://127.0.0.1:9/x)>>",
        catalog=b"/OpenAction 8 0 R/AA<</WC 9 0 R>>/URI<</Base(file:///)>>", resources=b"/XObject<</X 6 0 R/Y 7 0 R>>",
    )  # fmt: skip


def xfa_form() -> bytes:
    xml = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><xdp:xdp xmlns:xdp="http://ns.adobe.com/xdp/">&a;</xdp:xdp>'
    return page(b"", stream(xml), catalog=b"/AcroForm<</XFA 6 0 R/Fields[]/NeedAppearances true>>/NeedsRendering true")


def laughing_metadata() -> bytes:
    lines = [b'<!ENTITY l0 "lol">'] + [b'<!ENTITY l%d "%s">' % (n, (b"&l%d;" % (n - 1)) * 10) for n in range(1, 12)]
    xml = (
        b'<?xml version="1.0"?><!DOCTYPE x [%s]><x:xmpmeta xmlns:x="adobe:ns:meta/"><a>&l11;</a></x:xmpmeta>'
        % b"".join(lines)
    )
    return page(b"", stream(xml, b"/Type/Metadata/Subtype/XML"), catalog=b"/Metadata 6 0 R")


# ---- what lies


def lying_object_stream() -> bytes:
    return page(b"/X Do ", stream(b"7 0 8 99999999 9 -5 " + b"<<>>", b"/Type/ObjStm/N 2000000000/First 2000000000"),
                resources=b"/XObject<</X 7 0 R>>")  # fmt: skip


def object_stream_in_itself() -> bytes:
    body = b"5 0 4 2 "
    head = (
        b"%%PDF-1.7\n1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n2 0 obj\n<</Type/Pages/Kids[3 0 R]/Count 1>>\nendobj\n"
        b"3 0 obj\n<</Type/Page/Parent 2 0 R%s/Contents 7 0 R/Resources<</Font<</F 8 0 R>>>>>>\nendobj\n" % BOX
    )
    at = len(head)
    head += (
        b"4 0 obj\n" + stream(body + b"<</Length 5 0 R>>", b"/Type/ObjStm/N 2/First 8/Extends 4 0 R") + b"\nendobj\n"
    )
    content_at = len(head)
    head += b"7 0 obj\n" + stream(SHOW) + b"\nendobj\n"
    font_at = len(head)
    head += b"8 0 obj\n" + FONT + b"\nendobj\n"
    rows = [(0, 0, 255)]
    offset = 9
    for number in (1, 2, 3):
        offset = head.index(b"%d 0 obj" % number)
        rows.append((1, offset, 0))
    rows += [(1, at, 0), (2, 4, 0), (2, 4, 1), (1, content_at, 0), (1, font_at, 0), (1, len(head), 0)]
    table = b"".join(struct.pack(">BIB", *row) for row in rows)
    return (
        head
        + b"9 0 obj\n"
        + stream(table, b"/Type/XRef/Size 10/W[1 4 1]/Root 1 0 R")
        + b"\nendobj\nstartxref\n%d\n%%%%EOF" % len(head)
    )


def table_of_itself() -> bytes:
    whole = page()
    at = whole.rindex(b"xref\n0")
    return whole.replace(b"/Root 1 0 R", b"/Root 1 0 R/Prev %d/XRefStm %d" % (at, at))


def tables_in_a_ring() -> bytes:
    whole = page()
    first = whole.rindex(b"xref\n0")
    second = len(whole)
    whole = whole.replace(b"/Root 1 0 R", b"/Root 1 0 R/Prev %d" % (second + 14))
    at = whole.rindex(b"%%EOF") + 6
    return (
        whole
        + b"xref\n0 1\n0000000000 65535 f \ntrailer\n<</Size 6/Root 1 0 R/Prev %d>>\nstartxref\n%d\n%%%%EOF\n"
        % (first, at)
    )


def table_of_two_billion() -> bytes:
    return page().replace(b"xref\n0 6", b"xref\n0 2000000000").replace(b"/Size 6", b"/Size 2147483647")


def lying_lengths() -> bytes:
    return page(b"/X Do ", stream(SHOW, FORM), resources=b"/XObject<</X 6 0 R>>").replace(
        b"/Length ", b"/Length 9999999999 %"
    )


def length_of_itself() -> bytes:
    return with_content(b"<</Length 5 0 R>>\nstream\n%s\nendstream" % SHOW)


def lying_widths() -> bytes:
    font = b"<</Type/Font/Subtype/TrueType/BaseFont/X/FirstChar -2147483648/LastChar 2147483647/Widths[%s]/FontDescriptor 7 0 R>>"
    widths = b"1e30 -1e30 0 99999999999 " * 5_000
    return page(
        b"BT /W 12 Tf 72 600 Td (Lying widths) Tj ET ", font % widths,
        b"<</Type/FontDescriptor/FontName/X/Flags 32/FontBBox[-1e9 -1e9 1e9 1e9]/Ascent 1e30/Descent -1e30/MissingWidth 1e30>>",
        resources=b"/Font<</F 4 0 R/W 6 0 R>>",
    ).replace(b"/Font<</F 4 0 R>>/Font", b"/Font")  # fmt: skip


def endless_cid_widths() -> bytes:
    font = b"<</Type/Font/Subtype/Type0/BaseFont/X/Encoding/Identity-H/DescendantFonts[7 0 R]>>"
    below = b"<</Type/Font/Subtype/CIDFontType2/BaseFont/X/CIDSystemInfo<</Registry(Adobe)/Ordering(GB1)/Supplement 0>>/W[0 2147483647 1000 %s]>>"
    return page(
        b"BT /W 12 Tf 72 600 Td <00410042> Tj ET ",
        font,
        below % (b"0 65535 500 " * 50_000),
        resources=b"/Font<</F 4 0 R/W 6 0 R>>",
    ).replace(b"/Font<</F 4 0 R>>/Font", b"/Font")


def character_map_in_itself() -> bytes:
    many = b"".join(b"<0000> <FFFF> <0041>\n" for _ in range(100))
    cmap = (
        b"/CMapName /X def /X usecmap 1 begincodespacerange <0000> <FFFF> endcodespacerange\n"
        + (b"100 beginbfrange\n" + many + b"endbfrange\n") * 100
    )
    font = b"<</Type/Font/Subtype/Type0/BaseFont/X/Encoding/Identity-H/ToUnicode 8 0 R/DescendantFonts[7 0 R]>>"
    below = (
        b"<</Type/Font/Subtype/CIDFontType2/BaseFont/X/CIDSystemInfo<</Registry(Adobe)/Ordering(GB1)/Supplement 0>>>>"
    )
    return page(
        b"BT /W 12 Tf 72 600 Td <00410042> Tj ET ", font, below, stream(cmap, b"/Type/CMap/UseCMap 8 0 R"),
        resources=b"/Font<</F 4 0 R/W 6 0 R>>",
    ).replace(b"/Font<</F 4 0 R>>/Font", b"/Font")  # fmt: skip


def boxes_without_measure() -> bytes:
    leaf = (
        b"<</Type/Page/Parent 2 0 R/MediaBox[%s]/UserUnit %s/Rotate %s/Contents 5 0 R/Resources<</Font<</F 4 0 R>>>>>>"
    )
    boxes = [(b"0 0 595 842", b"1", b"0"), (b"0 0 1e9 1e9", b"1e9", b"45"), (b"-1e30 -1e30 1e30 1e30", b"0", b"1e9"),
             (b"0 0 0 0", b"-1", b"-90"), (b"595 842 0 0", b"1", b"90"), (b"0 0 null (x)", b"1", b"0")]  # fmt: skip
    leaves = [leaf % box for box in boxes]
    kids = b" ".join(b"%d 0 R" % number for number in (3, *range(6, 11)))
    tree = b"<</Type/Pages/Kids[%s]/Count 6>>" % kids
    return pdf([b"<</Type/Catalog/Pages 2 0 R>>", tree, leaves[0], FONT, stream(SHOW), *leaves[1:]])


def text_beyond_measure() -> bytes:
    shown = b"BT /F %s Tf %s Tm (Beyond) Tj ET\n"
    places = [
        b"1e30 0 0 1e30 0 0",
        b"1 0 0 1 1e38 -1e38",
        b"0 0 0 0 72 700",
        b"1e-30 0 0 1e-30 72 700",
        b"1e39 1e39 1e39 1e39 1e39 1e39",
    ]
    return page(b"".join(shown % (size, place) for size in (b"12", b"1e38", b"-1e38", b"0") for place in places))


def encrypted_by_nobody() -> bytes:
    return page(b"", b"<</Filter/Standard/V 5/R 6/Length 999999/P -1/O(x)/U(x)/OE()/UE()/Perms(x)>>").replace(
        b"/Root 1 0 R", b"/Root 1 0 R/Encrypt 6 0 R/ID[(a)(a)]"
    )


# ---- what loops and nests


def deep_page_tree(depth: int = 20_000) -> bytes:
    branches = [
        b"<</Type/Pages/Parent %d 0 R/Kids[%d 0 R]/Count 1>>" % (at - 1 if at > 6 else 2, at + 1)
        for at in range(6, 6 + depth)
    ]
    branches[-1] = branches[-1].replace(b"[%d 0 R]" % (6 + depth), b"[3 0 R]")
    leaf = b"<</Type/Page/Parent %d 0 R%s/Contents 5 0 R/Resources<</Font<</F 4 0 R>>>>>>" % (5 + depth, BOX)
    return pdf(
        [b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[6 0 R]/Count 1>>", leaf, FONT, stream(SHOW), *branches]
    )


def one_page_many_times(times: int = 20_000) -> bytes:
    whole = pdf([
        b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[%s]/Count %d>>" % (b"3 0 R " * times, times),
        b"<</Type/Page/Parent 2 0 R%s/Contents 5 0 R/Resources<</Font<</F 4 0 R>>>>>>" % BOX, FONT, stream(SHOW),
    ])  # fmt: skip
    return whole


def outline_in_a_ring() -> bytes:
    return page(
        b"", b"<</Type/Outlines/First 7 0 R/Last 9 0 R/Count 99999>>", b"<</Title(A)/Next 8 0 R/First 6 0 R/Parent 6 0 R/Dest[3 0 R/Fit]>>",
        b"<</Title(B)/Next 7 0 R/First 8 0 R/Parent 7 0 R/Dest[3 0 R/Fit]>>", b"<</Title(C)/Next 9 0 R>>", catalog=b"/Outlines 6 0 R",
    )  # fmt: skip


def deep_outline(depth: int = 50_000) -> bytes:
    titles = [
        b"<</Title(T)/Parent %d 0 R/First %d 0 R/Last %d 0 R/Count 1/Dest[3 0 R/Fit]>>" % (at - 1, at + 1, at + 1)
        for at in range(7, 7 + depth)
    ]
    return page(
        b"", b"<</Type/Outlines/First 7 0 R/Last 7 0 R/Count 1>>", *titles, b"<</Title(T)>>", catalog=b"/Outlines 6 0 R"
    )


def form_in_itself() -> bytes:
    return page(b"/X Do ", stream(SHOW + b"/X Do /Y Do ", FORM + b"/Resources<</XObject<</X 6 0 R/Y 7 0 R>>/Font<</F 4 0 R>>>>"),
                stream(b"/X Do ", FORM + b"/Resources<</XObject<</X 6 0 R>>>>"), resources=b"/XObject<</X 6 0 R>>")  # fmt: skip


def glyph_in_itself() -> bytes:
    font = b"<</Type/Font/Subtype/Type3/FontBBox[0 0 1000 1000]/FontMatrix[.001 0 0 .001 0 0]/CharProcs<</a 7 0 R>>/FirstChar 97/LastChar 97/Widths[1000]/Encoding<</Differences[97/a]>>/Resources<</Font<</T 6 0 R>>>>>>"
    return page(b"BT /T 12 Tf 72 600 Td (aaaaaaaa) Tj ET ", font, stream(b"1000 0 d0 BT /T 900 Tf (aaaaaaaaaa) Tj ET"),
                resources=b"/Font<</F 4 0 R/T 6 0 R>>").replace(b"/Font<</F 4 0 R>>/Font", b"/Font")  # fmt: skip


def glyphs_in_glyphs() -> bytes:
    """Twelve fonts, each of whose glyphs shows twelve of the next one's."""
    font = b"<</Type/Font/Subtype/Type3/FontBBox[0 0 1000 1000]/FontMatrix[.001 0 0 .001 0 0]/CharProcs<</a %d 0 R>>/FirstChar 97/LastChar 97/Widths[1000]/Encoding<</Differences[97/a]>>/Resources<</Font<</T %d 0 R>>>>>>"
    objects = []
    for at in range(6, 30, 2):
        objects += [font % (at + 1, at + 2 if at < 28 else 4), stream(b"1000 0 d0 BT /T 900 Tf (aaaaaaaaaaaa) Tj ET")]
    return page(b"BT /T 12 Tf 72 600 Td (aaaaaaaaaaaa) Tj ET ", *objects, resources=b"/Font<</F 4 0 R/T 6 0 R>>").replace(
        b"/Font<</F 4 0 R>>/Font", b"/Font")  # fmt: skip


def pattern_in_itself() -> bytes:
    tile = stream(
        b"/Pattern cs /P scn 0 0 9 9 re f",
        b"/Type/Pattern/PatternType 1/PaintType 1/TilingType 1/BBox[0 0 9 9]/XStep .0001/YStep .0001/Resources<</Pattern<</P 6 0 R>>>>",
    )
    return page(b"/Pattern cs /P scn 0 0 595 700 re f ", tile, resources=b"/Pattern<</P 6 0 R>>")


def mask_in_itself() -> bytes:
    group = stream(
        b"/M gs " + SHOW,
        FORM + b"/Group<</S/Transparency/CS/DeviceGray>>/Resources<</ExtGState<</M 6 0 R>>/Font<</F 4 0 R>>>>",
    )
    return page(b"/M gs " + text("Behind a mask", y=600), b"<</Type/ExtGState/SMask<</S/Luminosity/G 7 0 R>>>>", group,
                resources=b"/ExtGState<</M 6 0 R>>")  # fmt: skip


def deep_arrays() -> bytes:
    return page(
        b"/X Do ",
        b"[" * 200_000 + b"]" * 200_000,
        b"<</A" * 100_000 + b" 1" + b">>" * 100_000,
        entries=b"/PieceInfo 6 0 R/LastModified 7 0 R",
    )


def deep_operands() -> bytes:
    return page(b"[" * 500_000 + b"(" * 500_000 + b"<<" * 100_000)


def saved_states() -> bytes:
    return page(b"q " * 1_000_000 + b"Q " * 10 + b"/A BMC " * 100_000)


def structure_in_itself() -> bytes:
    return page(
        b"/P<</MCID 0>>BDC (x) Tj EMC ", b"<</Type/StructTreeRoot/K 7 0 R/ParentTree<</Kids[8 0 R]>>>>", b"<</S/P/P 6 0 R/K[7 0 R 7 0 R 6 0 R]/Pg 3 0 R>>",
        b"<</Kids[8 0 R 8 0 R]/Limits[0 1]>>", catalog=b"/StructTreeRoot 6 0 R/MarkInfo<</Marked true>>", entries=b"/StructParents 0",
    )  # fmt: skip


def deep_visibility() -> bytes:
    said = b"[/And" * 100_000 + b" 7 0 R" + b"]" * 100_000
    return page(b"/OC/V BDC " + text("Perhaps", y=600) + b" EMC ", b"<</Type/OCMD/VE 8 0 R/OCGs[7 0 R]/P/AllOn>>", b"<</Type/OCG/Name(x)>>", said,
                catalog=b"/OCProperties<</OCGs[7 0 R]/D<</Order[7 0 R]>>>>", resources=b"/Properties<</V 6 0 R>>")  # fmt: skip


# ---- what swells


def fifty_filters() -> bytes:
    return with_content(packed(SHOW, 50))


def five_thousand_filters() -> bytes:
    return with_content(stream(SHOW, b"/Filter[%s]" % (b"/ASCIIHexDecode/RunLengthDecode" * 2_500)))


def content_of_gigabytes() -> bytes:
    packer = zlib.compressobj(9)
    packed_once = (
        packer.compress(SHOW) + b"".join(packer.compress(b" " * (1 << 20)) for _ in range(1 << 10)) + packer.flush()
    )
    return with_content(stream(zlib.compress(packed_once, 9), b"/Filter[/FlateDecode/FlateDecode]"))


def contents_many_times() -> bytes:
    big = stream(zlib.compress(b"q Q " * 500_000, 9), b"/Filter/FlateDecode")
    leaf = b"<</Type/Page/Parent 2 0 R%s/Contents[5 0 R %s]/Resources<</Font<</F 4 0 R>>>>>>" % (BOX, b"6 0 R " * 5_000)
    return pdf(
        [b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[3 0 R]/Count 1>>", leaf, FONT, stream(SHOW), big]
    )


def inline_image_of_a_continent() -> bytes:
    return page(
        b"q 9 0 0 9 0 0 cm BI /W 2000000000 /H 2000000000 /BPC 8 /CS /RGB ID xx EI Q " + text("After it", y=600)
    )


def picture(entries: bytes, data: bytes) -> bytes:
    return page(
        b"q 500 0 0 500 40 100 cm /I Do Q ",
        stream(data, b"/Type/XObject/Subtype/Image" + entries),
        resources=b"/XObject<</I 6 0 R>>",
    )


def jpx_of_a_continent() -> bytes:
    size = struct.pack(">HHIIIIIIIIH", 47, 0, 60_000, 60_000, 0, 0, 60_000, 60_000, 0, 0, 3) + b"\x07\x01\x01" * 3
    return picture(
        b"/Filter/JPXDecode/Width 60000/Height 60000",
        b"\xff\x4f\xff\x51"
        + size
        + b"\xff\x52\x00\x0c\x00\x00\x00\x01\x00\x05\x04\x04\x00\x01\xff\x5c\x00\x13\x40"
        + b"\x40" * 16
        + b"\xff\xd9",
    )


def jbig2_of_a_continent() -> bytes:
    head = b"\x00\x00\x00\x00\x30\x00\x01\x00\x00\x00\x13" + struct.pack(">IIIIBH", 65_535, 65_535, 0, 0, 0, 0)
    return picture(b"/Filter/JBIG2Decode/Width 65535/Height 65535/BitsPerComponent 1/ColorSpace/DeviceGray", head)


def fax_of_a_continent() -> bytes:
    return picture(
        b"/Filter/CCITTFaxDecode/DecodeParms<</K -1/Columns 65000/Rows 65000>>/Width 65000/Height 65000/BitsPerComponent 1/ColorSpace/DeviceGray",
        b"\xff" * 4_000,
    )


def flat_picture_of_gigabytes() -> bytes:
    return picture(
        b"/Filter/FlateDecode/Width 40000/Height 40000/BitsPerComponent 8/ColorSpace/DeviceRGB",
        zlib.compress(b"\x80" * (1 << 26), 9),
    )


def one_picture_many_times() -> bytes:
    body = stream(
        b"\x80" * 3_000_000,
        b"/Type/XObject/Subtype/Image/Width 1000/Height 1000/BitsPerComponent 8/ColorSpace/DeviceRGB",
    )
    return page(b"q 595 0 0 842 0 0 cm /I Do Q " * 20_000 + SHOW, body, resources=b"/XObject<</I 6 0 R>>")


def mesh_of_nothing() -> bytes:
    mesh = stream(
        bytes(9) * 300_000,
        b"/ShadingType 4/ColorSpace/DeviceRGB/BitsPerCoordinate 16/BitsPerComponent 8/BitsPerFlag 8/Decode[0 595 0 842 0 1 0 1 0 1]",
    )
    return page(b"/S sh " * 20, mesh, resources=b"/Shading<</S 6 0 R>>")


def function_without_end() -> bytes:
    program = b"{" + b"{ dup mul 1 add sqrt } " * 20_000 + b"}"
    function = stream(
        b"{ " + b"dup mul 1 add sqrt " * 50_000 + b"dup dup }", b"/FunctionType 4/Domain[0 1 0 1]/Range[0 1 0 1 0 1]"
    )
    return page(b"/S sh ", b"<</ShadingType 1/ColorSpace/DeviceRGB/Function 7 0 R/Domain[0 1 0 1]/Matrix[595 0 0 842 0 0]>>", function,
                stream(program), resources=b"/Shading<</S 6 0 R>>")  # fmt: skip


def annotations(count: int = 50_000) -> bytes:
    notes = [
        b"<</Type/Annot/Subtype/FreeText/Rect[%d 9 %d 19]/Contents(Note)/DA(/Helv 9 Tf)/AP<</N 6 0 R>>>>"
        % (at % 500, at % 500 + 9)
        for at in range(count)
    ]
    refs = b" ".join(b"%d 0 R" % at for at in range(7, 7 + count))
    return page(b"", stream(SHOW, FORM + b"/Resources<</Font<</F 4 0 R>>>>"), *notes, entries=b"/Annots[%s]" % refs)


def form_fields(count: int = 50_000) -> bytes:
    fields = [
        b"<</FT/Tx/T(f%d)/V(%s)/Type/Annot/Subtype/Widget/Rect[0 0 9 9]/P 3 0 R/Kids[6 0 R]/Parent %d 0 R>>"
        % (at, b"v" * 50, at)
        for at in range(6, 6 + count)
    ]
    refs = b" ".join(b"%d 0 R" % at for at in range(6, 6 + count))
    return page(
        b"",
        *fields,
        catalog=b"/AcroForm<</Fields[%s]/NeedAppearances true/CO[6 0 R]>>" % refs,
        entries=b"/Annots[%s]" % refs,
    )


def layers(count: int = 50_000) -> bytes:
    refs = b" ".join(b"%d 0 R" % at for at in range(6, 6 + count))
    return page(b"/OC/V BDC " + text("In a layer", y=600) + b" EMC ", *[b"<</Type/OCG/Name(L%d)>>" % at for at in range(count)],
                catalog=b"/OCProperties<</OCGs[%s]/D<</ON[%s]/Order[%s]/AS[<</Event/View/Category[/View]/OCGs[%s]>>]>>>>" % (refs, refs, refs, refs),
                resources=b"/Properties<</V 6 0 R>>")  # fmt: skip


def fonts(count: int = 20_000) -> bytes:
    refs = b" ".join(b"/F%d %d 0 R" % (at, at) for at in range(6, 6 + count))
    shown = b"".join(b"BT /F%d 9 Tf %d %d Td (a) Tj ET\n" % (at, at % 500, at % 800) for at in range(6, 6 + count))
    return page(shown, *[FONT] * count, resources=b"/Font<</F 4 0 R %s>>" % refs).replace(
        b"/Font<</F 4 0 R>>/Font", b"/Font"
    )


def letters_in_one_place(count: int = 400_000) -> bytes:
    return page(b"BT /F 12 Tf 72 600 Td " + b"(ab) Tj -13 0 Td " * count + b" ET ")


def path_of_a_million() -> bytes:
    return page(b"0 0 m " + b"1 1 l 9 9 9 9 9 9 c " * 300_000 + b"S " + b"0 0 9 9 re W n " * 100_000)


def name_of_megabytes() -> bytes:
    return page(b"/" + b"N" * 20_000_000 + b" gs (" + b"s" * 20_000_000 + b") Tj ")


def damaged_without_a_table() -> bytes:
    return page().partition(b"xref\n")[0] + b"9 0 obj\n" * 500_000


SLOW = (  # those that cost seconds of the CPU before they are given up
    annotations, glyphs_in_glyphs, content_of_gigabytes, contents_many_times, one_picture_many_times, function_without_end,
    layers, fonts, letters_in_one_place, mesh_of_nothing,
)  # fmt: skip
PDFS: dict[str, Callable[[], bytes]] = {
    name: made
    for name, made in list(globals().items())
    if getattr(made, "__module__", "") == __name__ and name not in ("page", "packed", "with_content", "picture")
}
