"""Personal data and keys are found and masked; the numbers that reports are full of are left alone.

No real person's data stand here: numbers with check digits are made by the tests, keys are put together when they run.
"""

from __future__ import annotations

import itertools
import json
from datetime import date
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fingen.quality.privacy import PRIVATE, TOKENS, mask, matches_masked, protect, protect_chunk, scan
from fingen.records import Block, Chunk, Evidence, Language, Record

DIGITS = st.integers(0, 9)


def id_card(region: int, born: str, order: int) -> str:
    """An identity number with its check character: (sum of digit * 2**(17 - i) + check) % 11 == 1, ISO 7064 mod 11-2."""
    body = f"{region}{born}{order:03d}"
    weighted = sum(int(digit) * 2 ** (17 - place) for place, digit in enumerate(body))
    return body + next("0123456789X"[check] for check in range(11) if (weighted + check) % 11 == 1)


def card(prefix: str, length: int, fill: int) -> str:
    """A card number: the last digit makes the sum, with every second digit doubled and its digits added, end in 0."""
    body = prefix + f"{fill:0{length - len(prefix) - 1}d}"[: length - len(prefix) - 1]
    return next(number for check in range(10) if luhn_sum(number := f"{body}{check}") % 10 == 0)


def luhn_sum(number: str) -> int:
    total = 0
    for place, digit in enumerate(reversed(number)):
        doubled = str(int(digit) * (1 + place % 2))
        total += sum(int(part) for part in doubled)
    return total


ID = id_card(110105, "19491231", 2)
CARD = card("621700", 19, 1234567)
VISA = card("453201", 16, 12345678)
MOBILE = "138" + "0013" + "8000"
ALPHABET = "Zk3qW8vT1xR6yB9nM4cJ7hG2fD5sA0pL"
KEY = "sk-" + "ant-" + ALPHABET


def kinds(text: str, language: str = "zh") -> list[str]:
    return [found.kind for found in scan(text, language)]  # type: ignore[arg-type]


def test_a_well_known_example_of_an_identity_number_is_made_and_found():
    assert ID == "11010519491231002X"  # the example of the standard, GB 11643-1999
    assert kinds(f"身份证号：{ID}，住址见下。") == ["id-card"]


@pytest.mark.parametrize(
    "text",
    [
        f"手机{MOBILE}",
        f"请拨打{MOBILE}，联系张三",
        f"李四，{MOBILE}、{MOBILE[:-1]}9",
        f"电话 | {MOBILE[:3]} {MOBILE[3:7]} {MOBILE[7:]}",
        f"+86 {MOBILE}",
        f"(+86){MOBILE[:3]}-{MOBILE[3:7]}-{MOBILE[7:]}",
        "手机" + MOBILE.translate({48 + i: 0xFF10 + i for i in range(10)}),
        "Call me on +44 7700 900123 tonight",
        "请联系我：＋44 7700 900123",
        "Ann Smith, mobile: +1 (415) 555-0132",
        "Ann Smith: 415-555-0132",
    ],
)
def test_phones_of_persons_are_found(text: str):
    assert set(kinds(text, "en" if text.isascii() else "zh")) == {"phone"}


@pytest.mark.parametrize(
    "text",
    [
        "公司电话：0571-88886666，传真：0571-88887777",
        "投资者热线：400-800-8888，客服95588",
        "营业收入13800138000元，净利润 13,800,138,000.00 元",
        f"营业收入 | {MOBILE} | 15912345678",
        f"货币资金 ¥{MOBILE}",
        f"{MOBILE}.52",
        "Investor Relations: +1 (415) 555-0132",
        "(415) 555-0132\n(Registrant's telephone number, including area code)",
        "Toll free: 1-800-555-0132, or 800-555-0132",
        "Revenue grew by +12,345,678 and margin by +12.5%; see pages 101-102, note 12-15.",
        "+1 234 567 890 compared with +2 345 678 901 in 2019",
        "Commission file number 001-09595, CUSIP 136069101, 2013-2014-2015",
        "统一社会信用代码 91330000143034452L，注册号 330000000012345，股票代码 300617",
        "2019-12-31 20191231 2018-2019 1.1382e10",
        "pages 138 0013 8000 of 9000",
    ],
)
def test_figures_switchboards_and_register_numbers_are_left(text: str):
    assert kinds(text, "en" if text.isascii() else "zh") == []


@given(
    st.sampled_from([110105, 320423, 440305, 650102]),
    st.dates(min_value=date(1920, 1, 1), max_value=date(2020, 12, 31)),
    st.integers(0, 999),
    DIGITS,
)
def test_an_identity_number_is_found_by_its_check_digit_alone(region: int, born: date, order: int, wrong: int):
    number = id_card(region, f"{born:%Y%m%d}", order)
    assert kinds(f"证件{number}") == ["id-card"]
    assume(str(wrong) != number[-1])
    assert "id-card" not in kinds(f"证件{number[:-1]}{wrong}")
    assert "id-card" not in kinds(f"证件{number[:6]}{number[8:17]}")  # the old form of 15 digits


@given(
    st.sampled_from([("621700", 19), ("622202", 16), ("453201", 16), ("520082", 16), ("340000", 15)]),
    st.integers(0, 99999999),
    st.integers(1, 9),
)
def test_a_bank_card_is_found_by_its_issuer_and_check_digit(issuer: tuple[str, int], fill: int, shift: int):
    number = card(*issuer, fill)
    assert luhn_sum(number) % 10 == 0
    assert kinds(f"卡号：{number}") == ["bank-card"]
    wrong = number[:-1] + str((int(number[-1]) + shift) % 10)
    assert kinds(f"卡号：{wrong}") == []
    assert kinds(f"余额{number}元") == []
    assert kinds(f"{int(number):,}") == []
    assert kinds(f"{number}.25") == []


def test_cards_in_groups_are_found():
    assert kinds("卡号 " + " ".join(VISA[i : i + 4] for i in range(0, 16, 4))) == ["bank-card"]
    assert kinds("card " + "-".join(VISA[i : i + 4] for i in range(0, 16, 4)), "en") == ["bank-card"]


@pytest.mark.parametrize(
    ("mailbox", "personal"),
    [
        ("ann.smith@lanhai.com", True),
        ("zhangsan@lanhai.com.cn", True),
        ("gyf@lanhai.com.cn", True),
        ("zhang88@163.com", True),
        ("zhang88＠163.com", True),
        ("ir@lanhai.com", False),
        ("investor.relations@lanhai.com", False),
        ("info@lanhai.com", False),
        ("service@lanhai.com.cn", False),
        ("zqb@lanhai.com.cn", False),
        ("300617@lanhai.com", False),
        ("lanhai01@lanhai.com.cn", False),
    ],
)
def test_mailboxes_of_persons_and_of_functions(mailbox: str, personal: bool):
    assert kinds(f"电子信箱：{mailbox}。") == (["email"] if personal else [])


@pytest.mark.parametrize(
    "key",
    [
        KEY,
        "sk-" + "proj-" + ALPHABET,
        "AKIA" + "Q7W3E9R5T1Y8U2I6",
        "hf_" + ALPHABET,
        "ghp_" + ALPHABET + "AbCd12",
        "-----BEGIN " + "RSA PRIVATE KEY-----\n" + f"{ALPHABET}\n" * 9 + "-----END RSA " + "PRIVATE KEY-----",
        "-----BEGIN " + "PRIVATE KEY-----\n" + ALPHABET,
    ],
)
def test_keys_are_found(key: str):
    assert kinds(f"export API={key}\n", "en") == ["api-key"]
    masked = mask(key, scan(key, "en"))
    assert masked == TOKENS["api-key"]


def test_a_long_random_value_is_a_key_where_it_is_named_one():
    assert kinds(f'"api_key": "{ALPHABET}"', "en") == ["api-key"]
    assert kinds(f"password={ALPHABET}", "en") == ["api-key"]
    assert kinds(f"serial {ALPHABET}", "en") == []
    assert kinds("key = consolidated-statement-of-comprehensive-income-2019", "en") == []
    assert kinds("The key: internationalisation-and-telecommunications", "en") == []


PERSONAL = [ID, CARD, VISA, MOBILE, f"+86 {MOBILE}", "+44 7700 900123", "415-555-0132", KEY, "zhang.san@lanhai.com"]
AROUND = [
    "ir@lanhai.com",
    "手机",
    "电话：",
    "投资者",
    "元",
    "¥",
    "api_key=",
    ALPHABET,
    "1,234.5",
    "2019年",
    "Investor",
    "mobile",
]
MARKS = [" ", ",", ".", "-", "+", "|", "，", "。", "\n", "、", "12", "_", "x", "0571-88886666", *TOKENS.values()]
PIECES = st.sampled_from([*PERSONAL, *AROUND, *MARKS])


@given(st.lists(PIECES, max_size=12).map("".join), st.sampled_from(["en", "zh"]))
def test_nothing_is_found_in_what_was_masked(text: str, language):
    found = scan(text, language)
    assert all(a.end <= b.start for a, b in itertools.pairwise(found))
    masked = mask(text, found)

    assert scan(masked, language) == []
    assert mask(masked, scan(masked, language)) == masked
    only_private = mask(text, [personal for personal in found if personal.kind in PRIVATE])
    assert not {personal.kind for personal in scan(only_private, language)} & PRIVATE


@given(st.lists(PIECES, max_size=8).map("".join), st.text(max_size=8), st.text(max_size=8))
def test_a_masked_quote_is_matched_in_its_text_masked_or_not(quote: str, before: str, after: str):
    masked = mask(quote, scan(quote, "zh"))
    assume(masked.strip())

    assert matches_masked(masked, f"{before} {quote} {after}")
    assert matches_masked(masked, f"{before} {masked} {after}")
    assert matches_masked(" \n".join(masked), quote)


def test_a_token_matches_its_own_kind_only():
    assert matches_masked("手机[PHONE]，净利润", f"张三手机{MOBILE}，净利润上升")
    assert not matches_masked("手机[PHONE]，净利润", "张三手机已停用，净利润上升")
    assert not matches_masked("手机[PHONE]，净利润", f"张三手机{MOBILE}，营业收入上升")
    assert not matches_masked("营业收入12亿元", "营业收入13亿元")
    assert not matches_masked(" ", "营业收入13亿元")


def record(**texts: object) -> Record:
    fields = {"input": "", "id": "r1", "task": "intent", "language": "zh", "teacher": "scripted", "origin": "synthetic"}
    return Record.model_validate(fields | {"instruction": "转账给谁？", "output": "转账"} | texts)


def test_a_record_is_kept_masked_or_dropped_and_counted():
    personal = record(
        instruction=f"给{MOBILE}转账500元",
        input=f"卡号{CARD}",
        output=f"转给手机{MOBILE}，卡号{CARD}，邮箱zhang.san@lanhai.com",
        evidence=(Evidence(quote=f"手机{MOBILE}", page=3),),
        options={"A": f"身份证{ID}"},
    )
    kept, counts = protect(personal, "keep")
    masked, _ = protect(personal, "mask")
    dropped, _ = protect(personal, "drop")

    assert kept == personal
    assert dropped is None
    assert counts == {"phone": 3, "bank-card": 2, "id-card": 1, "email": 1}
    assert masked == personal.model_copy(
        update={
            "instruction": "给[PHONE]转账500元",
            "input": "卡号[CARD]",
            "output": "转给手机[PHONE]，卡号[CARD]，邮箱zhang.san@lanhai.com",  # e-mail is counted, not masked
            "evidence": (Evidence(quote="手机[PHONE]", page=3),),
            "options": {"A": "身份证[ID]"},
        }
    )


def test_a_record_without_personal_data_passes_every_mode():
    plain = record(output="邮箱是zhang.san@lanhai.com，营业收入13,800,138,000元")
    for mode in ("keep", "mask", "drop"):
        assert protect(plain, mode) == (plain, {"email": 1})


def test_what_is_found_is_not_shown():
    (found,) = scan(f"手机{MOBILE}", "zh")
    assert MOBILE not in repr(found)


def test_real_reports_raise_no_false_alarm_of_numbers(shared: Path):
    """The parse of a Chinese report has three identity numbers of its founders, and no other personal number."""
    lines = (shared / "qa/finglm_parsed_300617_安靠智电_2019.txt").read_text(encoding="utf-8").splitlines()
    text = "\n".join(str(json.loads(line).get("inside", "")) for line in lines if line.strip())
    found = scan(text, "zh")

    assert {personal.kind for personal in found} == {"id-card"}
    assert len({text[personal.start : personal.end] for personal in found}) == 3


@pytest.mark.parametrize(
    ("text", "language", "names"),
    [
        ("Mr. John Q. Smith joined in 2019. John Q. Smith holds shares.", "en", ["John Q. Smith", "John Q. Smith"]),
        ("Mary-Anne O'Neill, 54, Chief Financial Officer, left.", "en", ["Mary-Anne O'Neill"]),
        ("We thank our Chairman, Peter Brown.", "en", ["Peter Brown"]),
        ("/s/ Jane Doe", "en", ["Jane Doe"]),
        ("The Chief Executive Officer of Acme Holdings Limited resigned in New York.", "en", []),
        ("Independent Auditor Report. Board of Directors, Audit Committee", "en", []),
        ("Revenue of Apple Pay rose in March.", "en", []),
        ("王小明先生于2019年加入公司，王小明持有股份。", "zh", ["王小明", "王小明"]),
        ("公司负责人：李雷", "zh", ["李雷"]),
        ("董事长 欧阳明华", "zh", ["欧阳明华"]),
        ("公司董事会认为，营业收入增长。", "zh", []),
    ],
)
def test_names_are_found_where_the_words_beside_them_say_so(text: str, language: Language, names: list[str]):
    found = scan(text, language, "mask-names")

    assert [text[each.start : each.end] for each in found if each.kind == "person"] == names
    assert scan(text, language) == []


@given(st.lists(st.sampled_from([f"手机{MOBILE}", "营业收入增长", "\n", f"号 {ID} "]), min_size=1, max_size=12))
def test_the_blocks_of_a_masked_chunk_hold_what_they_held(parts: list[str]):
    """Each block of the text, masked alone, is the block of the masked text."""
    starts = list(itertools.accumulate(map(len, parts), initial=0))
    blocks = tuple(
        Block(kind="paragraph", page=1, box=(0, 0, 1, 1), start=start, end=end)
        for start, end in itertools.pairwise(starts)
    )
    chunk = Chunk(id="c-1", document="a", language="zh", first_page=1, last_page=1, section=(), text="".join(parts),
                  tokens=1, blocks=blocks)  # fmt: skip
    masked, found = protect_chunk(chunk, "mask")

    assert masked.id == chunk.id
    assert [masked.text[block.start : block.end] for block in masked.blocks] == [
        part.replace(MOBILE, "[PHONE]").replace(ID, "[ID]") for part in parts
    ]
    assert sum(found.values()) == sum(MOBILE in part or ID in part for part in parts)
