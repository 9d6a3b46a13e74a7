"""What the rules of all languages share: topics of a passage, and choosing sentences that read well together."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from fingen.records import Passage
from fingen.text import bare_amounts, sentences

STRETCH = 3  # sentences taken together


@dataclass(frozen=True)
class Pair:
    """A question with its two wordings, the answer and the quotes that it is made of. A lower rank is better."""

    question: str
    rephrased: str
    answer: str
    quotes: tuple[str, ...]
    rank: float


@dataclass(frozen=True)
class Concept:
    """A sentence (`at`, an index in its topic) that defines or explains something, and how to ask for it."""

    at: int
    question: str
    rephrased: str
    rank: float


@dataclass(frozen=True)
class Sentence:
    """A sentence, the paragraph it is in, and where it stands there."""

    text: str
    paragraph: int
    start: int
    end: int


@dataclass
class Topic:
    """The running text under one heading. `path` is the sections above it and its own title."""

    path: tuple[str, ...]
    paragraphs: list[str] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    sentences: list[Sentence] = field(default_factory=list)  # those that can be quoted, in order
    leaning: list[bool] = field(default_factory=list)  # whether a sentence needs the one before it

    def around(self, at: int, length: tuple[int, int]) -> list[int]:
        """A sentence, with the ones it leans on before it and those that follow it in its paragraph, while there is room."""
        start = self.support(at)
        if start is None:
            return []
        chosen = list(range(start, at + 1))
        size = sum(len(self.sentences[index].text) for index in chosen)
        for index in range(at + 1, len(self.sentences)):
            size += len(self.sentences[index].text)
            if self.sentences[index].paragraph != self.sentences[at].paragraph or size > length[1]:
                break
            if not self.adjacent(index - 1, index):
                break
            chosen.append(index)
        return chosen

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
        """The chosen sentences as running text."""
        return rules.joint.join(self.sentences[index].text for index in chosen)

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
    concept_length: tuple[int, int]
    summary_length: tuple[int, int]
    usable: Callable[[str], bool]  # whether a sentence can be quoted outside its paragraph
    leans: re.Pattern[str]  # starts of sentences that need the one before
    skipped: re.Pattern[str]  # section titles with nothing worth asking
    terms: Callable[[str], list[str]]  # the content words of a sentence
    size: Callable[[str], int]
    attribute: Callable[[str, Passage], str]  # says whose words they are, where the text speaks as "we"
    concepts: Callable[[Topic, Passage], Iterator[Concept]]
    from_tables: Callable[[Topic, Passage], Iterator[Pair]]
    summary_question: Callable[[Topic, Passage], tuple[str, str] | None]
    own: re.Pattern[str]  # words by which a text speaks of the company itself
    in_order: re.Pattern[str]  # sections (policies) told from their beginning: each sentence rests on those before it


def find_topics(passage: Passage, rules: Rules) -> list[Topic]:
    """The passage parted at its headings; parts under headings that are not worth asking about are left out."""
    topics = [Topic(passage.section)]
    headings: list[str] = []
    for kind, text in passage.kinds:
        if kind == "heading":
            headings.append(text)
            continue
        if headings:
            above = topics[-1].path if not passage.section else passage.section
            fresh = [title for title in headings if title not in above]
            topics.append(Topic((*above, *fresh)))
            headings = []
        if kind == "table":
            topics[-1].tables.append(text)
        else:
            topics[-1].paragraphs.append(text)
    kept = [topic for topic in topics if not any(rules.skipped.search(title) for title in topic.path)]
    for topic in kept:
        _add_sentences(topic, rules)
    return kept


def _add_sentences(topic: Topic, rules: Rules) -> None:
    for number, paragraph in enumerate(topic.paragraphs):
        for start, end in sentences(paragraph):
            text = paragraph[start:end]
            if rules.usable(text):
                topic.sentences.append(Sentence(text, number, start, end))
                topic.leaning.append(rules.leans.match(text) is not None)


def with_unit(answer: str, passage: Passage) -> str:
    """An answer with the unit of its amounts, where it is said above the passage and not in it."""
    unit = passage.unit[0].text if len(passage.unit) == 1 else ""
    if not unit or unit in answer or not bare_amounts(answer):
        return answer
    return f"{answer}（金额单位：{unit}）" if passage.language == "zh" else f"{answer} (Amounts: {unit}.)"


def select(topic: Topic, rules: Rules) -> list[int]:
    """Indices of the leading and the most central sentences, in order, within the length; [] where too little is there.

    Sentences are taken as stretches of up to three that follow each other, so that they read on. Centrality of a sentence
    is the number of sentences that share each of its terms, averaged over its terms: what many sentences speak about is
    what the section is about (a degree centrality, as in LexRank without the iteration).
    """
    terms = [set(rules.terms(sentence.text)) for sentence in topic.sentences]
    shared = Counter(term for found in terms for term in found)
    central = [sum(shared[term] for term in found) / (len(found) + 3) for found in terms]
    stretches = list(_stretches(topic))
    if not any(rules.in_order.search(title) for title in topic.path):
        stretches[1:] = sorted(stretches[1:], key=lambda part: -sum(central[at] for at in part) / len(part))
    least, most = rules.summary_length
    chosen: list[int] = []
    size = 0
    for stretch in stretches:
        length = sum(rules.size(topic.sentences[at].text) for at in stretch)
        if size + length <= most:
            chosen += stretch
            size += length
    return sorted(chosen) if size >= least and len(chosen) > 1 else []


def _stretches(topic: Topic) -> Iterator[list[int]]:
    """Runs of up to three sentences that follow each other, each starting with one that stands on its own."""
    stretch: list[int] = []
    for at, leans in enumerate(topic.leaning):
        if stretch and len(stretch) < STRETCH and topic.adjacent(stretch[-1], at):
            stretch.append(at)
            continue
        if stretch:
            yield stretch
        stretch = [] if leans else [at]
    if stretch:
        yield stretch


def pick(options: list[tuple[str, str]], *parts: str) -> tuple[str, str]:
    """One of several wordings, the same one for the same parts."""
    return options[sum(map(ord, "".join(parts))) % len(options)]
