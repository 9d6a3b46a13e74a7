"""What the rules of all languages share: topics of a passage, and choosing sentences that read on."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from fingen.records import Passage
from fingen.text import bare_amounts, sentences

SHARE = 0.6  # of the text under a heading that an answer must give: less is no summary of it
HYPHEN = "\u2011"  # as some titles print it
POINTER = 100  # characters: what is longer says something of its own
NUMBER = re.compile(r"\d{1,2}\.\s*(?=[“\"A-Z])")
ITEM = re.compile(r"[•▪●◦■]\s*")  # what stands before an item of a list, and after one
ITEM_END = re.compile(r"[;；,，]?(?:\s+(?:and|or))?\s*$")


@dataclass(frozen=True)
class Pair:
    """A question with its two wordings, the answer and the quotes that it is made of. A lower rank is better."""

    question: str
    rephrased: str
    answer: str
    quotes: tuple[str, ...]
    rank: float
    calc: str = ""  # what gives the figures of the answer that no quote states
    operation: str = ""  # this and the next two of a question on a table: see `tasks.table`
    program: str = ""
    cells: tuple[dict[str, str], ...] = ()
    item: str = ""  # what is asked for and not stated: see `tasks.negative`


@dataclass(frozen=True)
class Concept:
    """A sentence (`at`, an index in its topic) that defines or explains something, and how to ask for it."""

    at: int
    question: str
    rephrased: str
    rank: float


@dataclass(frozen=True)
class Sentence:
    """A sentence or an item of a list, the paragraph it is in, and where it stands there."""

    text: str
    paragraph: int
    start: int
    end: int
    is_item: bool = False


@dataclass
class Topic:
    """The running text under one heading. `path` is the sections above it and its own title."""

    path: tuple[str, ...]
    is_opened: bool = False  # its heading stands in the passage: what comes first here comes first in the section
    paragraphs: list[str] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    captions: list[str] = field(default_factory=list)  # the paragraph right above each table; "" where there is none
    sentences: list[Sentence] = field(default_factory=list)  # those that can be quoted, in order
    leaning: list[bool] = field(default_factory=list)  # whether a sentence needs the one before it
    following: list[bool] = field(default_factory=list)  # whether nothing that says something is left out before it

    def around(self, at: int, length: tuple[int, int]) -> list[int]:
        """A sentence, with the ones it leans on before it and those that lean on it after it, while there is room."""
        start = self.support(at)
        if start is None:
            return []
        chosen = list(range(start, at + 1))
        size = sum(len(self.sentences[index].text) for index in chosen)
        for index in range(at + 1, len(self.sentences)):
            size += len(self.sentences[index].text)
            if self.sentences[index].paragraph != self.sentences[at].paragraph or size > length[1]:
                break
            if not self.adjacent(index - 1, index) or not self.goes_on(at, index):
                break
            chosen.append(index)
        return chosen

    def goes_on(self, at: int, index: int) -> bool:
        """Whether a sentence goes on about what `at` says: it leans on it, or begins with the same words."""
        first = self.sentences[at].text.split()[:1]
        return self.leaning[index] or (first == self.sentences[index].text.split()[:1] and len(first[0]) > 3)

    def support(self, at: int) -> int | None:
        """The first sentence that must come along so that `at` can be understood; None where it is not among them."""
        while self.leaning[at]:
            if at == 0 or not self.adjacent(at - 1, at):
                return None
            at -= 1
        return at

    def adjacent(self, first: int, second: int) -> bool:
        """Whether two sentences follow each other in one paragraph, with nothing between them."""
        a, b = self.sentences[first], self.sentences[second]
        return a.paragraph == b.paragraph and not self.paragraphs[a.paragraph][a.end : b.start].strip()

    def quotes(self, chosen: list[int]) -> tuple[str, ...]:
        """The chosen sentences as they stand, those next to each other as one quote."""
        runs: list[tuple[int, int, int]] = []
        for index, at in enumerate(chosen):
            sentence = self.sentences[at]
            if runs and self.adjacent(chosen[index - 1], at):
                runs[-1] = (sentence.paragraph, runs[-1][1], sentence.end)
            else:
                runs.append((sentence.paragraph, sentence.start, sentence.end))
        return tuple(self.paragraphs[paragraph][start:end] for paragraph, start, end in runs)

    def text(self, chosen: list[int], rules: Rules) -> str:
        """The chosen sentences as running text; items of a list are parted by semicolons."""
        pieces = [self.sentences[index] for index in chosen]
        texts = [f"{piece.text};" if piece.is_item and piece.text[-1] not in ".。" else piece.text for piece in pieces]
        return re.sub(r";$", rules.stop, rules.joint.join(texts))

    def pair(
        self, chosen: list[int], question: str, rephrased: str, passage: Passage, rules: Rules, *, rank: float
    ) -> Pair:
        """A pair that answers with the chosen sentences."""
        answer = with_unit(rules.attribute(self.text(chosen, rules), passage), passage)
        return Pair(question, rephrased, answer, self.quotes(chosen), rank)


@dataclass(frozen=True)
class Rules:
    """What differs between languages. Lengths are (least, most) characters."""

    joint: str  # between two sentences
    stop: str  # after the last item of a list
    concept_length: tuple[int, int]
    summary_length: tuple[int, int]
    usable: Callable[[str], bool]  # whether a sentence can be quoted outside its paragraph
    points: re.Pattern[str]  # what sentences say that only point to another place
    leans: re.Pattern[str]  # starts of sentences that need the one before
    skipped: re.Pattern[str]  # section titles with nothing worth asking
    size: Callable[[str], int]
    attribute: Callable[[str, Passage], str]  # says whose words they are, where the text speaks as "we"
    concepts: Callable[[Topic, Passage], Iterator[Concept]]
    from_tables: Callable[[Topic, Passage], Iterator[Pair]]
    summary_question: Callable[[Topic, Passage], tuple[str, str] | None]
    own: re.Pattern[str]  # words by which a text speaks of the company itself
    is_told: Callable[
        [Topic, str, Passage], bool
    ]  # whether a text tells something about this company under its heading


def find_topics(passage: Passage, rules: Rules) -> list[Topic]:
    """The passage parted at its headings; parts under headings that are not worth asking about are left out."""
    kept = [
        topic
        for topic in all_topics(passage)
        if not any(rules.skipped.search(title.replace(HYPHEN, "-")) for title in topic.path)
    ]
    for topic in kept:
        _add_sentences(topic, rules)
    return kept


def all_topics(passage: Passage) -> list[Topic]:
    """The passage parted at its headings, with no sentences found in it yet."""
    topics = [Topic(passage.section)]
    headings: list[str] = []
    above = ""
    for kind, text in passage.kinds:
        if kind == "heading":
            headings.append(text)
            above = ""
            continue
        if headings:
            fresh = [title for title in headings if title not in passage.section]
            topics.append(Topic((*passage.section, *fresh), is_opened=True))
            headings = []
        if kind == "table":
            topics[-1].tables.append(text)
            topics[-1].captions.append(above)
        else:
            topics[-1].paragraphs.append(text)
        above = text if kind == "paragraph" else ""
    return topics


def _add_sentences(topic: Topic, rules: Rules) -> None:
    whole, pointed = True, False  # nothing was left out since the last sentence that was taken; a pointer was
    for number, paragraph in enumerate(topic.paragraphs):
        for start, end, is_item in _parts(paragraph):
            text = paragraph[start:end]
            leans = rules.leans.match(text) is not None or (is_item and text[0].islower())
            following = topic.paragraphs[number + 1] if number + 1 < len(topic.paragraphs) else ""
            if not _is_usable(text, following, rules, is_item=is_item):
                whole = whole and len(text) <= POINTER and rules.points.search(text) is not None and text[-1] in ".。"
                pointed = True
                continue
            topic.sentences.append(Sentence(text, number, start, end, is_item))
            topic.leaning.append(leans)
            topic.following.append(whole and not (leans and pointed))
            whole, pointed = True, False


def _parts(paragraph: str) -> Iterator[tuple[int, int, bool]]:
    """Spans of the sentences of a paragraph, without the number of a note; an item of a list is one span, and is said to be."""
    marks = list(ITEM.finditer(paragraph))
    for start, end in sentences(paragraph[: marks[0].start()] if marks else paragraph):
        number = NUMBER.match(paragraph, start, end)
        yield number.end() if number else start, end, False
    ends = [*(mark.start() for mark in marks), len(paragraph)][1:]
    for mark, end in zip(marks, ends, strict=True):
        if item := ITEM_END.sub("", paragraph[mark.end() : end]):
            yield mark.end(), mark.end() + len(item), True


def _is_usable(text: str, following: str, rules: Rules, *, is_item: bool) -> bool:
    if text[-1] in ":：":  # what introduces a list is quoted with the list
        return ITEM.match(following) is not None and text[0].isupper()
    if is_item:
        if text[-1] not in ".。" and len(list(sentences(text))) > 1:  # what stands behind its end is no part of it
            return False
        words = text[:1].upper() + text[1:]
        return rules.usable(words if text[-1] in ".。" else words + rules.stop)
    return rules.usable(text)


def _is_whole(amount: str) -> bool:
    """Whether an amount is written out to the last unit, whatever those around it are counted in: $91,682,000."""
    return amount.count(",") > 1 or amount.endswith(",000")


def with_unit(answer: str, passage: Passage) -> str:
    """An answer with the unit of its amounts, where it is said above the passage and not in it."""
    unit = passage.unit[0].text if len(passage.unit) == 1 else ""
    if not unit or unit in answer or all(map(_is_whole, bare_amounts(answer))):
        return answer
    return f"{answer}（金额单位：{unit}）" if passage.language == "zh" else f"{answer} (Amounts: {unit}.)"


def select(topic: Topic, rules: Rules, passage: Passage) -> list[int]:
    """Indices of the sentences that the section begins with, as many as there is room for; [] where that is no summary.

    Nothing is skipped but what only points elsewhere: a sentence whose neighbour is missing may speak of another thing.
    """
    least, most = rules.summary_length
    chosen: list[int] = []
    size = 0
    for at, sentence in enumerate(topic.sentences):
        size += rules.size(sentence.text) if chosen or not topic.leaning[at] else 0
        if not topic.following[at] or size > most:
            break
        if not chosen and topic.leaning[at]:
            continue
        chosen.append(at)
    while chosen and topic.sentences[chosen[-1]].text[-1] in ":：":
        chosen.pop()  # the list that it introduces did not fit
    text = topic.text(chosen, rules)
    whole = sum(rules.size(paragraph) for paragraph in topic.paragraphs)
    enough = len(chosen) > 1 and rules.size(text) >= max(least, SHARE * whole)
    return chosen if topic.is_opened and enough and rules.is_told(topic, text, passage) else []


def pick(options: list[tuple[str, str]], *parts: str) -> tuple[str, str]:
    """One of several wordings, the same one for the same parts."""
    return options[sum(map(ord, "".join(parts))) % len(options)]
