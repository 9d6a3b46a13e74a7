"""Whether the text of a page can be what the page shows: fonts whose maps are missing or wrong give cipher.

Each font of a page is measured by itself. Latin letters are told by the pairs that they form, Chinese ones by how usual the
characters are; both are far from what any wrong map gives. The quick look passes nearly all: running text has its usual words.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

from fingen.text import UNKNOWN_GLYPH

LEAST_GLYPHS = 40  # without a name, from which a font is not read: fewer are bullets and arrows
LEAST_SHARE = 0.1  # of a font's, or a page's, characters
PAIRS, LOWEST_PAIR = 100, 4.5  # letter pairs that a judgement needs, and the mean below which they are no language's
FEWER_PAIRS, LOWEST_OF_FEWER = 60, 3.0
SAMPLE = 1500  # characters that are looked at
LEAST_TOKENS, LEAST_WORDS = (
    25,
    0.25,
)  # pieces between spaces, and the share of words and figures; real pages have 0.46 and more
LEAST_HAN = 60
EVERYDAY = 0.75  # share of characters of the first levels of GB 2312 and Big5; text of reports has 0.97 and more
USUAL = 0.07  # share of the hundred most usual ones; real passages have 0.15 and more
_WORDS = re.compile(r"[a-z]{2,}")
_AROUND = "()[]\"'“”‘’$€£%.,;:?!*–—-"  # what stands around words and figures
_INSIDE = str.maketrans("", "", "-'’/.,:&–—()%$")  # and inside them
_HAN = re.compile(r"[\u3400-\u9fff]")
_PRIVATE = re.compile("[\ue000-\uf8ff]")
_LATIN = re.compile(r"[A-Za-z]")
_OTHER = re.compile(r"[^\W\d_A-Za-z\u2e80-\u9fff\uf900-\uffef]")
_USUAL_HAN = frozenset(  # of annual reports, in both scripts
    """
    的公司年资期股用本金计产有其合业收额行适益限日及他不月务报生发款一项人理元利中值分权和投告以动关会工入事定价融为度现在量之或应二成
    資產業務報發項權會關價為現應計額財團經營第部市上大是對对於于時时至與与国國财財制信管東东董事務务集营经损未面存出付準准备備方新技
    """
)
# How usual the second letter is after the first one: 9 twenty times as much as by chance, 0 sixty times less. Measured on
# annual reports in English; French, German, Polish, Finnish and Hungarian prose means 4.8 to 7.
_PAIRS = """
26761560624869161888554561
60107002630611500444500050
72507007704600814637600040
61148030730231500450642010
74886664502778365997364640
50016600700402700524500130
50017025500335400642400030
70109100600213600424200020
75767660312769852688170305
30004000200000300000400000
20005101400102120141000000
71367200700720720155630060
76008000600051670240400010
71887482614335621278651060
55552852423779460867766340
71017003500630750745500000
00000000000000000000600000
72569450805465750577553062
61528336705330650278702030
70238329900453810775604060
65656340602657250776000120
60108000600000400000000000
50006005600104400242001000
30404002400000150003000010
31105000400141220141000000
32004000200000000000000000
""".split()
_STEP = {
    first + second: int(row[column])
    for first, row in zip("abcdefghijklmnopqrstuvwxyz", _PAIRS, strict=True)
    for column, second in enumerate("abcdefghijklmnopqrstuvwxyz")
}


def unreadable_fonts(texts: dict[str, list[str]]) -> set[str]:
    """Those fonts of a page whose text is not what the page shows. `texts` has the pieces of text by font."""
    return {font for font, pieces in texts.items() if is_unreadable(" ".join(pieces))}


def is_unreadable(text: str) -> bool:
    """Whether text of one font is cipher: most of it has no name, or no language is written so. Short text never is."""
    if len(text) < LEAST_GLYPHS:
        return False
    unnamed = text.count(UNKNOWN_GLYPH)
    if unnamed >= LEAST_GLYPHS and unnamed > LEAST_SHARE * len(text):
        return True
    if 400 * (text.count(" the ") + text.count(" of ") + text.count(" and ")) > len(text):
        return False
    if text.isascii():
        return _is_no_language(text) or _is_no_words(text)
    if 40 * sum(text.count(char) for char in "的年公司") > len(text):
        return False
    if len(_PRIVATE.findall(text)) > max(LEAST_GLYPHS - 1, LEAST_SHARE * len(text)):
        return True
    return _is_no_chinese(text) or _is_no_script(text) or (not _HAN.search(text) and _is_no_language(text))


def _is_no_language(text: str) -> bool:
    count = total = 0
    for word in _WORDS.findall(text[:SAMPLE].lower()):
        count += len(word) - 1
        total += sum(_STEP[word[at : at + 2]] for at in range(len(word) - 1))
    if count >= PAIRS:
        return total < LOWEST_PAIR * count
    return count >= FEWER_PAIRS and total < LOWEST_OF_FEWER * count


def _is_no_words(text: str) -> bool:
    return len(text.split(None, LEAST_TOKENS)) > LEAST_TOKENS and word_share(text[:SAMPLE]) < LEAST_WORDS


def word_share(text: str) -> float:
    """Share of words and figures, 0..1, among what stands between spaces: cipher has signs inside its words."""
    tokens = text.split()
    bare = [token.strip(_AROUND).translate(_INSIDE) for token in tokens]
    return sum(word.isalpha() or word.isdigit() or not word for word in bare) / (len(tokens) or 1)


def _is_no_chinese(text: str) -> bool:
    han = _HAN.findall(text[:SAMPLE])
    if len(han) < LEAST_HAN:
        return False
    if sum(_is_everyday(char) for char in han) < EVERYDAY * len(han):
        return True
    return sum(char in _USUAL_HAN for char in han) < USUAL * len(han)


def _is_everyday(char: str) -> bool:
    """Whether a character is of the first level of GB 2312 or Big5, which hold those in daily use."""
    for encoding, first, last in (("gb2312", 0xB0, 0xD7), ("big5", 0xA4, 0xC6)):
        try:
            if first <= char.encode(encoding)[0] <= last:
                return True
        except UnicodeEncodeError:
            continue
    return False


def _is_no_script(text: str) -> bool:
    """Whether letters of many scripts stand where one is written, or of Latin nothing but letters with accents."""
    others = _OTHER.findall(text[:SAMPLE])
    if len(others) < LEAST_GLYPHS:
        return False
    plain = len(_LATIN.findall(text[:SAMPLE])) + len(_HAN.findall(text[:SAMPLE]))
    scripts = Counter(unicodedata.name(char, "NONE").split()[0] for char in others)
    script, most = scripts.most_common(1)[0]
    if script in ("LATIN", "NONE"):
        return most > plain
    return len(others) > plain and most < 0.8 * len(others)


def is_page_unreadable(texts: dict[str, list[str]], fonts: set[str]) -> bool:
    """Whether these fonts, or glyphs without a name, are too much of a page for the rest to be read."""
    counts = {font: sum(map(len, pieces)) for font, pieces in texts.items()}
    total = sum(counts.values())
    if sum(counts[font] for font in fonts) > LEAST_SHARE * total:
        return True
    unnamed = sum(piece.count(UNKNOWN_GLYPH) for pieces in texts.values() for piece in pieces)
    return 2 * unnamed > total - sum(piece.count(" ") for pieces in texts.values() for piece in pieces)
