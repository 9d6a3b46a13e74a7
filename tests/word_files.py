"""Files of Word, written part by part: what a test says of styles, lists, changes and tables is all there is in them."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
STRICT = "http://purl.oclc.org/ooxml/wordprocessingml/main"
_SPACES = (
    f'xmlns:w="{W}" xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" '
    'xmlns:wp="http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing" '
    'xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape" '
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" xmlns:v="urn:schemas-microsoft-com:vml" '
    'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
)
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_RELATIONS = '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
HEADINGS = "".join(
    f'<w:style w:type="paragraph" w:styleId="H{n}"><w:name w:val="heading {n}"/><w:pPr><w:outlineLvl w:val="{n - 1}"/></w:pPr>'
    f'<w:rPr><w:b/><w:sz w:val="{34 - 4 * n}"/></w:rPr></w:style>'
    for n in (1, 2, 3)
)


def run(text: str, look: str = "") -> str:
    """A run; `look` is what is set on it, as XML."""
    return f'<w:r>{f"<w:rPr>{look}</w:rPr>" if look else ""}<w:t xml:space="preserve">{escape(text)}</w:t></w:r>'


def paragraph(*parts: str, style: str = "", more: str = "") -> str:
    """A paragraph of runs or of plain text; `more` are properties of its own, as XML."""
    runs = "".join(part if part.startswith("<") else run(part) for part in parts)
    named = f'<w:pStyle w:val="{style}"/>' if style else ""
    return f"<w:p><w:pPr>{named}{more}</w:pPr>{runs}</w:p>"


def inserted(*parts: str) -> str:
    return (
        '<w:ins w:id="1" w:author="a">'
        + "".join(part if part.startswith("<") else run(part) for part in parts)
        + "</w:ins>"
    )


def deleted(text: str) -> str:
    return f'<w:del w:id="2" w:author="a"><w:r><w:delText xml:space="preserve">{escape(text)}</w:delText></w:r></w:del>'


def cell(*paragraphs: str, span: int = 1, merge: str = "", fill: str = "") -> str:
    """A cell; `merge` is "restart" or "continue" of one that goes over several rows."""
    inner = "".join(part if part.startswith(("<w:p>", "<w:tbl>")) else paragraph(part) for part in paragraphs)
    if inner.endswith("</w:tbl>") or not inner:
        inner += paragraph()
    properties = (f'<w:gridSpan w:val="{span}"/>' if span > 1 else "") + (
        f'<w:vMerge w:val="{merge}"/>' if merge else ""
    )
    properties += f'<w:shd w:val="clear" w:fill="{fill}"/>' if fill else ""
    return f"<w:tc><w:tcPr>{properties}</w:tcPr>{inner}</w:tc>"


def row(*cells: str, more: str = "") -> str:
    made = "".join(part if part.startswith("<w:tc>") else cell(part) for part in cells)
    return f"<w:tr>{f'<w:trPr>{more}</w:trPr>' if more else ''}{made}</w:tr>"


def table(*rows: str | Sequence[str], style: str = "") -> str:
    made = "".join(part if isinstance(part, str) else row(*part) for part in rows)
    return (
        f"<w:tbl><w:tblPr>{f'<w:tblStyle w:val={chr(34)}{style}{chr(34)}/>' if style else ''}</w:tblPr>{made}</w:tbl>"
    )


def box(*paragraphs: str, fill: str = "", hidden: bool = False, fallback: bool = True) -> str:
    """A run with a text box, told twice as Word does: for itself, and for older programs."""
    content = f"<w:txbxContent>{''.join(paragraphs)}</w:txbxContent>"
    filled = f'<a:solidFill><a:srgbClr val="{fill}"/></a:solidFill>' if fill else "<a:noFill/>"
    older = (
        f"<mc:Fallback><w:pict><v:shape><v:textbox>{content}</v:textbox></v:shape></w:pict></mc:Fallback>"
        if fallback
        else ""
    )
    return (
        '<w:r><mc:AlternateContent><mc:Choice Requires="wps"><w:drawing><wp:anchor><wp:extent cx="900000" cy="900000"/>'
        f'<wp:docPr id="1" name="b"{" hidden=" + chr(34) + "1" + chr(34) if hidden else ""}/><wps:wsp><wps:spPr>{filled}</wps:spPr>'
        f"<wps:txbx>{content}</wps:txbx></wps:wsp></wp:anchor></w:drawing></mc:Choice>{older}</mc:AlternateContent></w:r>"
    )


def field(code: str, shown: str) -> str:
    """A field, with its code and what it shows."""
    mark = '<w:r><w:fldChar w:fldCharType="{}"/></w:r>'
    return (
        mark.format("begin")
        + f"<w:r><w:instrText>{escape(code)}</w:instrText></w:r>"
        + mark.format("separate")
        + run(shown)
        + mark.format("end")
    )


def write_word(path: Path, *body: str, styles: str = HEADINGS, numbering: str = "", footnotes: str = "", parts: Mapping[str, str | bytes] | None = None,
               raw: str | None = None, links: str = "") -> Path:  # fmt: skip
    """A .docx of blocks of XML. `raw` is the main part as it is, `parts` are further ones, by name, that take the place of others."""
    made: dict[str, str | bytes] = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
        "_rels/.rels": f'{_RELATIONS}<Relationship Id="r1" Type="{_OFFICE}/officeDocument" Target="word/document.xml"/></Relationships>',
        "word/document.xml": raw
        if raw is not None
        else f"<w:document {_SPACES}><w:body>{''.join(body)}</w:body></w:document>",
        "word/styles.xml": f"<w:styles {_SPACES}>{styles}</w:styles>",
    }
    kinds = {"styles": "styles.xml"}
    for kind, text in (("numbering", numbering), ("footnotes", footnotes)):
        if text:
            kinds[kind] = f"{kind}.xml"
            made[f"word/{kind}.xml"] = f"<w:{kind} {_SPACES}>{text}</w:{kind}>"
    relations = "".join(
        f'<Relationship Id="{kind}" Type="{_OFFICE}/{kind}" Target="{target}"/>' for kind, target in kinds.items()
    )
    made["word/_rels/document.xml.rels"] = f"{_RELATIONS}{relations}{links}</Relationships>"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in {**made, **(parts or {})}.items():
            file.writestr(name, content)
    return path
