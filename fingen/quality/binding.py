"""Whether a figure of the source is the one that an answer speaks of: its sign, its row, its column, its time, its way."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from decimal import Decimal
from functools import cached_property
from typing import Literal

from fingen.quality.basis import Basis
from fingen.quality.claims import (
    LINK_WORDS,
    LINK_WORDS_ZH,
    ClaimContext,
    Mark,
    Move,
    attached_polarity,
    is_balance,
    is_cost,
    moves_in,
    polarity,
    row_polarity,
    side_of,
)
from fingen.quality.fact_check import FactCheck
from fingen.quality.labels import Mention, claimed_labels, find_mentions, is_close, is_of_figure_before, is_of_list
from fingen.quality.names import forms_of
from fingen.quality.pairing import is_change_of, is_of_another_name, is_of_another_row, is_past_unsaid
from fingen.quality.quantities import ONE, Quantity
from fingen.quality.rivals import find_rival, is_of_other_base, shares_counted
from fingen.quality.source import Source, heading_key, labels_of, row_key, sizes
from fingen.quality.tables import UNKNOWN, Periods, Place

_CHANGES = re.compile(r"增减|同比|变动|增长率|增幅|环比|\bchange\b|variance|\bv\.|\bvs\.", re.IGNORECASE)
_FOLLOWING = re.compile(
    r"\s(?:in|for|of|from|at|on|to)\s[^.,;(]{1,40}|\s[a-z]+(?=[.,;)]| and )"
)  # 3.7 in euro and 2.6 in dollar
_PART = re.compile(r"[,;]| (?:and|while|but) ")
_ADDED = re.compile(r"增加|\b(?:increases?|additions?)\b", re.IGNORECASE)
_TAKEN = re.compile(r"减少|\b(?:decreases?|disposals?|reductions?)\b", re.IGNORECASE)
_WHOLE = re.compile(
    r"\b(?:company|group|business) as a whole\b|\b(?:whole|entire) (?:company|group)\b|(?:公司|集团)(?:整体|全部)|整个(?:公司|集团)|全公司"
    r"|(?:公司|集团)?主营业务(?:整体|收入合计)|\bthe whole (?:company|group|bank)(?:['’]s)?\b"
)
_WHOLE_OF_PROSE = re.compile(r"公司全年|(?:本行|本?公司|集团)(?:自身|本身)|\b(?:company|group|bank) itself\b")
_PARTS = re.compile(
    r"\b(?:within|in|of|for|by) the [\w& -]{3,40}? (?:entit(?:y|ies)|segments?|divisions?|business(?:es)?|subsidiar(?:y|ies))\b"
    r"|分部|下属|子公司|事业部|被投资|其中一家|(?<!主营)(?<!全部)(?<!各项)(?<!整体)业务(?:毛利率?|收入|营收|成本)", re.IGNORECASE
)  # fmt: skip
_START = re.compile(r"期初|年初(?![至到])|上年年?末|上期期?末|\b(?:opening|beginning)\b", re.IGNORECASE)
_END = re.compile(r"期末|年末|\b(?:closing|end)\b", re.IGNORECASE)
_BACK = re.compile(r"[由从较比自]|以来|\b(?:from|than|since|against|versus)\b")
_PART_ZH = re.compile(r"[,，;；]")
_MARKS = re.compile('[“”"‘’]')
_PLAIN = re.compile(r"^(?:total|consolidated) |金额$|总额$|合计$")
_NEXT = 16  # characters between a name and its figure
_OF_ONE_BEFORE = 12  # characters behind a figure in which a name is that figure's own
_NAME_LENGTH = {True: 9, False: 4}  # characters of a name that is sure to be one
_TOTAL = re.compile(r"\b(?:total|consolidated|group)\b|合计|小计|总计|总额|总数", re.IGNORECASE)
_LINKING = re.compile(f"{LINK_WORDS}|{LINK_WORDS_ZH}")
_AS_COST = re.compile(rf"(?:支出|损失|亏损|开支)(?:{LINK_WORDS_ZH})*+$")
_LATIN = re.compile(r"[a-z]{4,}")
_HAN_RUN = re.compile(r"[\u4e00-\u9fff]{2,}")
_CONTENT = re.compile(r"[a-z0-9]{3,}")


# named: its row is named and its time agrees; dated: its time agrees; unbound: nothing speaks against it; no: something does
Verdict = Literal["named", "dated", "unbound", "no"]


class Binding:
    """An answer's figures against those of its sources. Nothing is claimed where the words leave a doubt."""

    def __init__(self, reading: ClaimContext, sources: Sequence[Source], question: str = "") -> None:
        self.basis = Basis(reading, question)
        self._facts = FactCheck(reading, sources, question)
        self._question = question
        self.reading = reading
        self.sources = sources
        self._claims: dict[tuple[int, int], tuple[Mention, ...]] = {}
        self._polarities: dict[int, int] = {}

    @cached_property
    def _asked(self) -> set[int]:
        """The years that the question names."""
        return {each.when[0] for each in ClaimContext(self._question, None).figures if each.when[0]}

    def judge(self, figure: Quantity, source: Source, place: Place) -> tuple[Verdict, str, str]:
        """How a figure of the source suits what the answer says; where it does not, the reason and what the source says."""
        if wrong := self._facts.conflict(figure, source, place):
            return "no", *wrong
        for reason, look in (("binding-entity", self._entity), ("sign", self._sign), ("label", self._label),
                             ("binding-period", self._time), ("binding-basis", self.basis.conflict),
                             ("direction", self._direction)):  # fmt: skip
            if reason in self._facts.settled(figure, place):
                continue
            if detail := look(figure, source, place):
                return "no", self._which_label(figure, source, place) if reason == "label" else reason, detail
        if self.is_named(figure, source, place):
            return "named", "", ""
        claimed, _ = self.reading.periods(figure)
        known = self._periods_of(source, place) if claimed else claimed
        return ("dated" if known and not _conflict(claimed, known) else "unbound"), "", ""

    def is_against_tag(self, figure: Quantity, source: Source, place: Place) -> bool:
        """Whether what the answer says of a figure contradicts the tag that it has in the source: there is no doubt then."""
        return self._facts.conflict(figure, source, place) is not None

    def is_named(self, figure: Quantity, source: Source, place: Place) -> bool:
        """Whether the answer names the row of a figure, or what the sentence of the source has it as."""
        if self._facts.names_row(figure, place):
            return True
        if place.row is not None:
            return bool(key := row_key(place.row)) and self._says_row(figure, source, key)
        start, end = source.reading.sentence(place.figure.start)
        claims = self._claimed(figure, source)
        return bool(claims) and all(claim.key in source.text[start:end].lower() for claim in claims)

    def is_bound(self, figure: Quantity, source: Source, place: Place) -> bool:
        """Whether row or subject, period and unit of a figure that fits are seen to be those that the answer says."""
        if figure.scale != ONE and place.is_scale_unknown:
            return False
        named = self.is_named(figure, source, place) or (
            place.row is None and self._shares_subject(figure, source, place)
        )
        return named and self._agrees_in_time(figure, source, place)

    def _agrees_in_time(self, figure: Quantity, source: Source, place: Place) -> bool:
        """Whether both are of one time. Where a sentence names none, it speaks of the time of the report."""
        own: Periods = frozenset((source.report_year,)) if source.report_year else UNKNOWN
        claimed = self.reading.periods(figure)[0] or own
        is_alone = place.row is None or len(source.row_of(place)) == 1
        known = self._periods_of(source, place) or (own if is_alone else UNKNOWN)
        quarters = [{each for each in periods if isinstance(each, str)} for periods in (claimed, known)]
        return bool(claimed & known) and quarters[0] == quarters[1]

    def _shares_subject(self, figure: Quantity, source: Source, place: Place) -> bool:
        """Whether the words that lead up to a figure, the nearest and two thirds of all, are in the sentence of the source."""
        said = _subject(self.reading, figure)
        start, end = source.reading.sentence(place.figure.start)
        there = source.text[start:end].lower()
        return bool(said) and said[-1] in there and 3 * sum(word in there for word in said) >= 2 * len(said)

    def other_cell(
        self, figure: Quantity, source: Source, low: Decimal, high: Decimal, own: Collection[str] = ()
    ) -> Place | None:
        """A cell of the very row and time that the answer names, where none of these has a value in [low, high].

        `own` are the rows that the figure may be of: one with a fuller name outweighs one of a group that is not said.
        """
        move, claims = self.reading.move(figure), self._claimed(figure, source)
        claimed, _ = self.reading.periods(figure)
        if not claimed or (move is not None and not move.level):
            return None
        said = {claim.key for claim in claims}
        cells = [
            place
            for claim in claims
            for place in source.rows_named(claim.key)
            if place.figure.kind == figure.kind and place.periods and not _conflict(claimed, place.periods)
        ]
        if any(key != each and each in key for key in own for each in said):
            cells = [cell for cell in cells if not self._is_of_group_unsaid(figure, cell)]
        if any(_column(cell) in said for cell in cells):
            cells = [cell for cell in cells if _column(cell) in said]
        shown = [cell.figure.shown * figure.scale for cell in cells if cell.is_scale_unknown]
        found = any(low <= size <= high for cell in cells for size in (*sizes(cell), abs(cell.figure.value)))
        found = found or any(low <= size <= high for size in shown)
        return cells[0] if cells and not found else None

    # --- whose -----------------------------------------------------------------------------------------------------------

    @cached_property
    def _companies(self) -> dict[str, tuple[str, ...]]:
        """The companies of the sources, each by the ways its name is written in lower case."""
        companies = {source.passage.company for source in self.sources if source.passage.company}
        return {company: tuple(form.lower() for form in forms_of(company)) for company in companies}

    def _entity(self, figure: Quantity, source: Source, place: Place) -> str | None:
        if is_of_another_name(self.reading, figure, source, place):
            return "the source has it of another name"
        if len(self._companies) < 2 or source.passage.company is None:
            return None
        start, end = self.reading.sentence(figure.start)
        sentence = self._lower[start:end]
        named = {company for company, forms in self._companies.items() if any(form in sentence for form in forms)}
        if not named or source.passage.company in named:
            return None
        return f"it is from a report of {source.passage.company}"

    # --- sign -------------------------------------------------------------------------------------------------------------

    def _sign(self, figure: Quantity, source: Source, place: Place) -> str | None:
        if figure.sign == 0 or place.figure.sign == 0 or self._is_called_as(figure, place):
            return None
        attached = self._attached(figure) if figure.sign > 0 else -1
        if figure.sign > 0 and place.figure.kind == "amount" and source.is_turned(place):
            return "the source has it the other way" if attached == place.figure.sign else None
        if place.row is not None:
            attached, by_label = self._by_label(figure, place, place.row.label, attached)
            if figure.sign > 0 and source.is_two_sided_loss(place):
                return None
            if source.is_gain_of_expenses(place):
                return self._sign_of_gain(figure)
            of_source = by_label or polarity(self._words_of(source, place))
            if figure.sign > 0 and by_label * (attached or self.reading.polarity(figure)) < 0:
                return "the source has a gain" if of_source > 0 else "the source has a loss"
        else:
            of_source = attached_polarity(source.reading, place.figure)
        if place.figure.sign < 0:
            return self._sign_of_negative(figure, source, place, attached, of_source)
        if figure.sign < 0:
            move = None if place.table else source.reading.move(place.figure)
            negative = place.table is None and source.reading.excuses_minus(place.figure, costs=False)
            fine = of_source < 0 or negative or (move is not None and move.sign < 0)
            return None if fine else "the source has it without a minus"
        if attached < 0 and place.row is not None and not of_source and source.is_signed(place):
            return "the source has it without a minus"
        if attached and of_source and attached != of_source:
            return "the source has a gain" if of_source > 0 else "the source has a loss"
        return None

    def _is_called_as(self, figure: Quantity, place: Place) -> bool:
        """Whether a figure without a minus on either side is told by the full name of its row: income after provision for losses."""
        if place.row is None or figure.sign < 0 or place.figure.sign < 0 or " " not in (key := row_key(place.row)):
            return False
        before = self.reading.around(figure)[0].lower()
        return key in before and not polarity(before.replace(key, " "))

    def _by_label(self, figure: Quantity, place: Place, label: str, attached: int) -> tuple[int, int]:
        """Which side the words of a figure name, where its labels speak of sides, and which side the labels give its cell."""
        heading = place.column.heading if place.column else ""
        labels = (label, heading) if place.figure.kind == "amount" else ()
        if not attached and any(map(side_of, labels)):
            attached = attached_polarity(self.reading, figure, costs=True)
        if place.change and (move := self.reading.move(figure)) and not move.level:
            labels = ()  # a change is no gain or loss: the loss narrowed by 5
        return attached, next((way for each in labels if (way := row_polarity(each, place.figure.sign))), 0)

    def _sign_of_gain(self, figure: Quantity) -> str | None:
        """What is wrong with a figure for one that is negative among expenses: it is told as an expense, not as a gain."""
        before, _ = self.reading.around(figure)
        told = _AS_COST.search(before) if figure.sign > 0 else None
        return "the source has a gain" if told and "负" not in told[0] else None

    def _attached(self, figure: Quantity) -> int:
        if figure.start not in self._polarities:
            self._polarities[figure.start] = attached_polarity(self.reading, figure)
        return self._polarities[figure.start]

    def _sign_of_negative(
        self, figure: Quantity, source: Source, place: Place, attached: int, of_source: int
    ) -> str | None:
        """What is wrong with a figure without a minus for one with it: a loss or cost may be said in words."""
        move = self.reading.move(figure)
        label = place.row.label if place.row else ""
        if figure.sign < 0 or attached < 0 or (move and move.sign < 0 and not move.level):
            return None
        if attached > 0 and is_cost(label) and not polarity(label):
            return None  # a cost below nought is told as income
        if attached > 0:
            return "the source has a loss" if of_source < 0 else None if of_source else "the source has it with a minus"
        if of_source < 0 or (move and move.sign < 0):
            return None
        if move and not move.level and place.figure.kind != "amount":
            return None  # the direction says it
        is_result = is_balance(label)
        if not is_result and not (move and move.sign > 0) and source.is_always_negative(place):
            return None  # only what has two sides can be told on the wrong one: costs, deductions and moves have one
        if place.row is not None and source.has_positive_costs(place):
            return None if self.reading.says_gain(figure, place.row.label) else "the source has it with a minus"
        is_written = (
            place.row is None and source.text[place.figure.start] in "-–"
        )  # a sentence has no signs of accounts
        is_taken_off = figure.kind == "amount" and not is_written
        excused = self.reading.excuses_minus(
            figure, costs=is_taken_off and not is_result, near=is_result or not is_taken_off
        )
        if excused or (is_taken_off and is_cost(label)):
            return None  # what is taken off may be written with a minus in a table and is told without one
        return "the source has it with a minus"

    def _words_of(self, source: Source, place: Place) -> str:
        if place.row is not None and place.column is not None:
            return " ".join((*place.row.parents[-1:], place.row.label, place.column.heading))
        before, after = source.reading.around(place.figure)
        return f"{before[-110:]} {after[:40]}"

    def _says(self, place: Place) -> str:
        if place.row is None or place.column is None:
            return ""
        return "the source has it as something else"

    # --- row and column ---------------------------------------------------------------------------------------------------

    @cached_property
    def _lower(self) -> str:
        return self.reading.text.lower()

    @cached_property
    def _names(self) -> tuple[str, ...]:
        companies = {source.passage.company for source in self.sources if source.passage.company}
        names = [form.lower() for company in companies for form in forms_of(company)]
        names += [form.split(" ")[0] for form in names if form.isascii() and not form.startswith("the ")]
        return tuple(sorted(set(filter(None, names)), key=len, reverse=True))

    def mentions(self, figure: Quantity, source: Source) -> list[Mention]:
        """The labels of the source's tables in the sentence of a figure."""
        return self.mentions_in(*self.reading.sentence(figure.start), source)

    def mentions_in(self, start: int, end: int, source: Source) -> list[Mention]:
        """The labels of the source's tables in a part of the answer."""
        return find_mentions(self._lower, start, end, source.labels)

    def _claimed(self, figure: Quantity, source: Source) -> tuple[Mention, ...]:
        """The labels of a row and a column of the source that the answer gives the figure as."""
        key = (figure.start, id(source))
        if key not in self._claims:
            mentions = self.mentions(figure, source) if source.tables else []
            self._claims[key] = (
                claimed_labels(self.reading, self._lower, figure, mentions, self._names) if mentions else ()
            )
        return self._claims[key]

    def _label(self, figure: Quantity, source: Source, place: Place) -> str | None:
        if place.table is None and self._is_part_in_prose(figure, source, place):
            return "the source has it of a part"
        if figure.kind == "percent" and is_of_other_base(self.reading, figure, source, place):
            return "the source has it as a share of something else"
        if (said := shares_counted(self.reading, figure)) and (known := shares_counted(source.reading, place.figure)):
            return f"the source has it for {known} shares" if said != known and place.row is None else None
        if place.table is None or place.row is None or place.column is None or figure.unit == "time":
            return None
        if self._is_named_as_part(figure, place):
            return None
        if self._is_part_of_whole(figure, source, place) or self._names_plainer_row(figure, source, place):
            return self._says(place)
        if self._names_other_group(figure, source, place):
            return self._says(place)
        keys = labels_of(place.table)
        for claim in self._claimed(figure, source):
            if claim.key in keys and self._is_other(figure, source, place, claim):
                return self._says(place)
            if claim.key not in keys and self._is_total_of_another(figure, source, place, claim):
                return self._says(place)
        if self._names_other_row(figure, source, place) or find_rival(self.reading, figure, source, place):
            return self._says(place)
        return None

    def _is_named_as_part(self, figure: Quantity, place: Place) -> bool:
        """Whether the sentence has the figure's own row as a part of another one: land within total property, 固定资产合计中的“土地”."""
        own = row_key(place.row) if place.row else ""
        told = _MARKS.sub("", self._lower[slice(*self.reading.sentence(figure.start))])
        return bool(own) and (f"{own} within " in told or f"{own} made up " in told or f"中的{own}" in told)

    def _names_plainer_row(self, figure: Quantity, source: Source, place: Place) -> bool:
        """Whether the clause names another row of the column, and nothing that tells the figure's own row from it."""
        if place.row is None or figure.kind != place.figure.kind or not (own := row_key(place.row)):
            return False
        before, after = self.reading.around(figure)
        lower = before.lower()
        clause = f"{lower} {after[:24]}".lower()
        is_first = figure.start - len(before) == self.reading.sentence(figure.start)[0]
        least = 0 if is_first else _OF_ONE_BEFORE
        for other in source.column_of(place):
            if other.row is place.row or other.row is None or other.figure.kind != place.figure.kind:
                continue
            name = _PLAIN.sub("", row_key(other.row))
            at = lower.rfind(name)
            if (
                len(name) < _NAME_LENGTH[name.isascii()]
                or at < least
                or lower[at - 1 : at] == "-"
                or len(lower) - at - len(name) > _NEXT
            ):
                continue
            if other.figure.value == place.figure.value or self._is_group_of(
                place, name, figure.start - len(before) + at
            ):
                continue
            if name in own and self._is_of_group_unsaid(figure, other):
                continue
            if own not in clause and not any(word in clause for word in _telling(own, name)):
                return True
        return False

    def _names_other_group(self, figure: Quantity, source: Source, place: Place) -> bool:
        """Whether the clause before a figure names another group of rows alone, which has a row of the same label."""
        own = heading_key(place.row.parents[-1]) if place.row and place.row.parents else ""
        if place.row is None or not own or not (key := row_key(place.row)):
            return False
        before, _ = self.reading.around(figure)
        clause = _PART.split(before.lower())[-1]
        groups = {
            heading_key(twin.row.parents[-1])
            for twin in source.rows_named(key)
            if twin.row and twin.row.parents and twin.column is place.column and twin.figure.value != place.figure.value
        }
        return any(
            group and group in clause and not any(word in clause for word in (own, *_telling(own, group)))
            for group in groups - {own}
        )

    def _is_group_of(self, place: Place, name: str, at: int) -> bool:
        """Whether a name is that of the group that a row stands in, and the words before it have one of the row's own label."""
        if place.row is None or not any(name in heading_key(parent) for parent in place.row.parents):
            return False
        told = self._lower[self.reading.sentence(at)[0] : at]
        return not _TOTAL.search(told[-8:]) and any(word in told for word in _telling(row_key(place.row), name))

    def _is_of_group_unsaid(self, figure: Quantity, place: Place) -> bool:
        """Whether a row stands under a heading that is not said up to the next figure, so that its name alone may be another's."""
        behind = _PART.split(self.reading.around(figure)[1])[0]
        start, end = self.reading.sentence(figure.start)[0], figure.end + len(behind)
        heads = [heading_key(parent) for parent in place.row.parents] if place.row else []
        return any(heads) and not any(word in self._lower[start:end] for head in heads for word in _telling(head, ""))

    def _is_part_in_prose(self, figure: Quantity, source: Source, place: Place) -> bool:
        """Whether a figure is given as that of the company as a whole, and the words of the source before it name a part."""
        start = figure.start - len(self.reading.around(figure)[0])
        words = self._lower[start : figure.start]
        if not (_WHOLE.search(words) or _WHOLE_OF_PROSE.search(words)):
            return False
        sentence = source.text[source.reading.sentence(place.figure.start)[0] : place.figure.start]
        is_part = _PARTS.search(sentence) or sentence.lstrip().startswith("其中")
        return bool(is_part) and not (_TOTAL.search(sentence) or _WHOLE.search(sentence.lower()))

    def _is_part_of_whole(self, figure: Quantity, source: Source, place: Place) -> bool:
        """Whether a figure is given as that of the company as a whole, and its column has another one for the total."""
        start = figure.start - len(self.reading.around(figure)[0])
        if (
            place.row is None
            or not _WHOLE.search(self._lower, start, figure.start)
            or _TOTAL.search(self._words_of(source, place))
        ):
            return False
        totals = (
            each for each in source.places if each.column is place.column and each.table is place.table and each.row
        )
        return any(
            _TOTAL.search(each.row.label) and each.figure.value != place.figure.value for each in totals if each.row
        )

    def _is_total_of_another(self, figure: Quantity, source: Source, place: Place, claim: Mention) -> bool:
        """Whether a figure stands in a row that is not named, and what it is given as is a row of another table."""
        if place.row is None or place.table is None or claim.key in place.table.caption.lower():
            return False
        if (own := row_key(place.row)) and (
            _is_kind_of(own, claim.key, is_row=True) or claim.key in own or own in claim.key
            or self._says_row(figure, source, own) or own in self._lower[: figure.start] or place.row.periods
        ):  # fmt: skip
            return False
        cells = [cell for cell in source.rows_named(claim.key) if cell.figure.kind == place.figure.kind]
        low, high = abs(figure.value) - figure.step / 2, abs(figure.value) + figure.step / 2
        return bool(cells) and not any(low <= size <= high for cell in cells for size in sizes(cell))

    def _names_other_row(self, figure: Quantity, source: Source, place: Place) -> bool:
        """Whether the nearest label before a figure, with no figure in between, is that of another row of its table."""
        start = figure.start - len(self.reading.around(figure)[0])
        named = [
            mention
            for mention in self.mentions(figure, source)
            if start <= mention.start and mention.end <= figure.start
        ]
        if named and is_of_list(self._lower, figure, self.reading.quantities, named[-1]):
            return False
        if place.row and any(claim.key == row_key(place.row) for claim in self._claimed(figure, source)):
            return False
        while named and is_of_figure_before(self._lower, named[-1], self.reading.quantities):
            named.pop()
        if named and not is_close(self._lower[named[-1].end : figure.start], self._names):
            named = []
        if named and figure.kind == "percent" and place.change and is_change_of(named[-1].key, place):
            return False
        following = _FOLLOWING.match(self._lower, figure.end)
        if start > 0 and (part := _PART.search(self._lower, start, figure.start)):
            start = part.end()  # what stands before it is of the figure before
        region = self._lower[start : figure.start] + (following[0] if following else "")
        return is_of_another_row(region, named[-1] if named else None, place)

    def _is_other(self, figure: Quantity, source: Source, place: Place, claim: Mention) -> bool:
        """Whether a label that the answer gives a figure as is that of another row or column of its table."""
        if place.row is None or place.column is None or place.table is None:
            return False
        row, column = row_key(place.row), heading_key(place.column.heading)
        if claim.key in (row, column) or any(claim.key in heading_key(parent) for parent in place.row.parents):
            return False
        if place.column.changed is not None and claim.key == heading_key(place.column.changed.heading):
            return False  # a margin, up 2 points: the column of changes right of it
        if self.basis.tells_apart(figure, source, place, claim.key):
            return False  # on an adjusted basis, operating profit: the row is that of adjusted operating profit
        is_row = any(row_key(other) == claim.key for other, _ in place.table.rows)
        if is_row and figure.kind == "percent" and place.change and is_change_of(claim.key, place):
            return False
        own = row if is_row else column
        if is_row and self._says_more(figure, own, claim.key):
            return False
        return bool(own) and not _is_kind_of(own, claim.key, is_row=is_row) and not self._says_row(figure, source, own)

    def _says_more(self, figure: Quantity, own: str, said: str) -> bool:
        """Whether what a row's label has beyond the one said stands in the sentence: diluted EPS ... on the non-GAAP basis."""
        more = set(own.split()) - set(said.split())
        if not own.isascii() or not set(said.split()) < set(own.split()):
            return False
        start, end = self.reading.sentence(figure.start)
        told = {word.rstrip("s") for word in re.findall(r"[a-z0-9][a-z0-9-]*", self._lower[start:end])}
        return {word.rstrip("s") for word in more} <= told

    def _which_label(self, figure: Quantity, source: Source, place: Place) -> str:
        rows = {row_key(row) for row, _ in place.table.rows} if place.table else set()
        if self._names_other_group(figure, source, place):
            return "binding-row"
        wrong = (claim for claim in self._claimed(figure, source) if self._is_other(figure, source, place, claim))
        return "binding-row" if any(claim.key in rows for claim in wrong) else "binding-column"

    def _says_row(self, figure: Quantity, source: Source, key: str) -> bool:
        """Whether the words around have a label, in full or all its words, besides the one that the figure is given as.

        These are the sentence, or the words up to the figures before and after where it is given as something in them.
        """
        claims = self._claimed(figure, source)
        if any(claim.key == key or self._says_more(figure, key, claim.key) for claim in claims):
            return True
        start, end = self.reading.sentence(figure.start)
        before, after = self.reading.around(figure)
        if claims:
            start = min(figure.start - len(before), *(claim.start for claim in claims))
            end = figure.end + len(after)
        sentence = self._lower[start:end]
        for claim in claims:
            sentence = sentence[: claim.start - start] + "~" * (claim.end - claim.start) + sentence[claim.end - start :]
        if key in sentence:
            return True
        words = set(_CONTENT.findall(key))
        return bool(words) and key.isascii() and words <= set(_CONTENT.findall(sentence))

    # --- time -------------------------------------------------------------------------------------------------------------

    def _time(self, figure: Quantity, source: Source, place: Place) -> str | None:
        claimed, close = self.reading.periods(figure)
        if place.row is not None and self._is_end_for_start(figure, source, place):
            return "it is of the end, not of the start"
        if not claimed:
            if is_past_unsaid(self.reading, figure, place, source, self._years_said(figure, source)):
                return f"it is of {_named(place.periods)}, which is not said"
            return None
        known = self._periods_of(source, place)
        if not known or not _conflict(claimed, known):
            return None
        if not close and any(not _conflict(mark.periods, known) for mark in self._marks_around(figure)):
            return None
        return f"it is of {_named(known)}, not of {_named(claimed)}"

    def _is_end_for_start(self, figure: Quantity, source: Source, place: Place) -> bool:
        """Whether a figure is given as that of the start of a time, and stands in the column of its end."""
        if place.row is None or place.column is None or _START.search(f"{place.row.label} {place.column.heading}"):
            return False
        before, _ = self.reading.around(figure)
        clause = _PART_ZH.split(before)[-1]
        named = _START.search(clause)
        if named is None or _BACK.search(clause) or not _END.search(place.column.heading):
            return False
        return any(_START.search(each.column.heading) for each in source.row_of(place) if each.column)

    def _years_said(self, figure: Quantity, source: Source) -> list[int]:
        """The years that the sentence of a figure, those before it and the question name, and that of the report."""
        _, end = self.reading.sentence(figure.start)
        years = {each.when[0] for each in self.reading.figures if each.when[0] and each.start < end} | self._asked
        return sorted(years | ({source.report_year} if source.report_year else set()))

    def _marks_around(self, figure: Quantity) -> list[Mark]:
        start, end = self.reading.sentence(figure.start)
        before, after = self.reading.around(figure)
        left, right = (
            figure.start - len(before),
            figure.end + len(re.split("[，；]", after)[0]),
        )  # what follows is of the next
        return [mark for mark in self.reading.marks(start, end) if left <= mark.start < right]

    def _periods_of(self, source: Source, place: Place) -> Periods:
        if place.table is not None:
            return place.periods
        periods, close = source.reading.periods(place.figure)
        return periods if close else frozenset()

    # --- direction --------------------------------------------------------------------------------------------------------

    def _direction(self, figure: Quantity, source: Source, place: Place) -> str | None:
        move = self.reading.move(figure)
        if move is None:
            return None
        if place.row is not None and self._lower[move.start : move.end] in place.row.label.lower():
            return None  # "table games drop" is a label, no fall
        if move.level:
            return self._level(figure, move, place)
        went = self._went(source, place)
        if went and went != move.sign:
            return "the source has it fall" if went < 0 else "the source has it rise"
        return None

    def _went(self, source: Source, place: Place) -> int:
        """1 or -1 for a change that the source has as a rise or a fall, else 0."""
        if place.table is None:
            move = source.reading.move(place.figure)
            return move.sign if move is not None and not move.level else 0
        if place.row is None or place.column is None or place.figure.value == 0:
            return 0
        heading = place.column.heading
        added, taken = _ADDED.search(heading) is not None, _TAKEN.search(heading) is not None
        if added != taken and place.figure.sign > 0 and place.figure.kind == "amount":
            return 1 if added else -1
        if said := _said_in(source.text[place.cell[0] : place.cell[1]]):
            return said
        negative = (
            other.figure.sign < 0
            for other in source.row_of(place)
            if other is not place and not other.percent and not other.change
        )
        if not _CHANGES.search(heading) or any(negative):
            return 0  # the rise of a negative figure may be written either way
        return place.figure.sign

    def _level(self, figure: Quantity, move: Move, place: Place) -> str | None:
        """What the figure is said to have risen or fallen to, where the row has the year before as well."""
        if place.row is None or place.table is None or figure.kind != "amount":
            return None
        if place.figure.sign < 0 and (is_balance(place.row.label) or not is_cost(place.row.label)):
            return None
        if not re.search(r"\bto\b|[至到]", self.reading.text[move.start : figure.start]):
            return None  # fell from 5 to 4: of the 5 the word says nothing
        year = max((period for period in place.periods if isinstance(period, int)), default=None)
        if year is None or len(place.periods) != 1:
            return None
        earlier = [other for source in self.sources for other in source.row_of(place) if other.periods == {year - 1}]
        if (
            len(earlier) != 1
            or earlier[0].figure.sign != place.figure.sign
            or earlier[0].figure.kind != place.figure.kind
        ):
            return None
        difference = abs(place.figure.value) - abs(earlier[0].figure.value)  # a cost in brackets grows as well
        if difference and (difference > 0) != (move.sign > 0):
            return f"the year before it was {earlier[0].figure.shown:,}"
        return None


def _subject(reading: ClaimContext, figure: Quantity) -> list[str]:
    """How the words that lead up to a figure start, without those that only link; in Chinese, each two characters."""
    before, _ = reading.around(figure)
    start, _ = reading.sentence(figure.start)
    for text in (before, reading.text[start : figure.start]):
        words = _LINKING.sub(" ", text.lower())
        found = [word[:5] for word in _LATIN.findall(words)]
        found += [run[at : at + 2] for run in _HAN_RUN.findall(words) for at in range(len(run) - 1)]
        if found:
            return found
    return []


def _said_in(cell: str) -> int:
    """1 or -1 where a cell itself has the word for a rise or a fall: 减少2.0个百分点."""
    up, down = moves_in(cell)
    return up - down


def _column(place: Place) -> str:
    return heading_key(place.column.heading) if place.column is not None else ""


def _telling(label: str, name: str) -> list[str]:
    """The words of a label that another name does not have; in Chinese the pairs of characters."""
    if label.isascii():
        return [word for word in _LATIN.findall(label) if word not in name]
    return [label[at : at + 2] for at in range(len(label) - 1) if label[at : at + 2] not in name]


def _is_kind_of(own: str, said: str, *, is_row: bool) -> bool:
    """Whether a label is a fuller name of the one said: total revenue of revenue, 归属于母公司的净利润 of 净利润."""
    if not is_row:
        return said in own
    return own in (f"total {said}", f"consolidated {said}", f"{said} total") or own.endswith(f"的{said}")


def _conflict(claimed: Periods, known: Periods) -> bool:
    """Whether two times cannot be one: no year in common, or no quarter where both name some."""
    for kind in (int, str):
        mine = {period for period in claimed if isinstance(period, kind)}
        theirs = {period for period in known if isinstance(period, kind)}
        if mine and theirs and not mine & theirs:
            return True
    return False


def _named(periods: Periods) -> str:
    return " and ".join(sorted(map(str, periods)))
