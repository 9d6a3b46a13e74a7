"""Draws and the questions that the offline teacher makes of them: the same on every machine, balanced, different, labelled right."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from fingen import cli
from fingen.errors import UsageError
from fingen.prompts import copy_templates, expand, read_data
from fingen.quality.duplicates import fold
from fingen.tasks.client_specs import ClientSpecs
from fingen.tasks.labels import Label, read_labels
from fingen.teachers.offline.intent import write

LANGUAGES = ("zh", "en")
SECTOR, STOCK, MARKET, SERVICE, FUND = range(5)  # in the order of the packaged labels
DATA = ("labels", "clients", "lexicon", "phrases")

ROOT = Path(__file__).resolve().parent.parent


@cache
def labels(language: str) -> tuple[Label, ...]:
    return read_labels(None, language, with_other=True)


@cache
def stream(language: str, label: int, count: int, seed: int = 1) -> list[tuple[dict[str, Any], str]]:
    """The first draws of a label and their questions."""
    drawn = ClientSpecs(labels(language), language, seed=seed).of(labels(language)[label].name)
    return [(draw, write(draw, language)) for draw in islice(drawn, count)]


def folded(language: str, label: int, count: int) -> set[str]:
    return {fold(text) for _, text in stream(language, label, count)}


@settings(max_examples=30, deadline=None)
@given(
    language=st.sampled_from(LANGUAGES),
    label=st.integers(0, 5),
    seed=st.integers(0, 1000),
    start=st.integers(0, 3000),
    others=st.integers(0, 20),
)
def test_topping_up_goes_on_where_it_stopped(language: str, label: int, seed: int, start: int, others: int):
    draws = ClientSpecs(labels(language), language, seed=seed)
    names = [known.name for known in labels(language)]
    list(islice(draws.of(names[label - 1]), others))

    again = ClientSpecs(labels(language), language, seed=seed)
    assert list(islice(draws.of(names[label], start), 5)) == list(islice(again.of(names[label]), start, start + 5))


def test_draws_and_questions_are_the_same_in_another_process():
    code = (
        "import json, sys; sys.path.insert(0, 'tests'); from test_draws import stream;"
        "print(json.dumps([stream(l, n, 20) for l in ('zh', 'en') for n in range(6)]))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, encoding="utf-8")

    here = [stream(language, label, 20) for language in LANGUAGES for label in range(6)]
    assert json.loads(run.stdout) == json.loads(json.dumps(here))


def test_another_seed_draws_otherwise():
    one, two = (stream("zh", STOCK, 50, seed) for seed in (1, 2))

    assert len({text for _, text in one} & {text for _, text in two}) < 5


@pytest.mark.parametrize("language", LANGUAGES)
def test_there_are_20_000_different_questions_and_no_label_is_short_of_them(language: str):
    each = [folded(language, label, 6000) for label in range(5)]

    assert min(map(len, each)) >= 4000
    assert len(set.union(*each)) >= 20_000
    assert sum(map(len, each)) == len(set.union(*each)), "one question under two labels"
    assert "" not in set.union(*each)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_first_hundred_hardly_repeats_itself(language: str):
    assert all(len(folded(language, label, 100)) >= 97 for label in range(5))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("label", range(6))
@pytest.mark.parametrize("field", ["who", "how"])
def test_who_and_how_come_up_by_their_weights(language: str, label: int, field: str):
    """Against the file itself: what fits every kind of subject of a label comes up in proportion."""
    clients = read_data(f"clients.{language}")[field]
    name = labels(language)[label].name
    fitting = {key: entry for key, entry in clients.items() if name in entry.get("labels", [name])}
    counted = Counter(draw[field] for draw, _ in stream(language, label, 1200))
    always = {key: e["weight"] for key, e in fitting.items() if not e.get("kinds") and not e.get("pair")}

    assert set(counted) <= set(fitting)
    assert set(always) <= set(counted)
    shares = [counted[key] / weight for key, weight in always.items()]
    assert max(shares) <= 1.35 * min(shares)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("label", range(5))
def test_every_stretch_has_borders_on_every_neighbour_that_the_lexicon_knows(language: str, label: int):
    name = labels(language)[label].name
    subjects = [subject for subject in read_data(f"lexicon.{language}")["subjects"] if subject["label"] == name]
    facets = [said for subject in subjects for said in subject["facets"].values()]
    known = {said["against"] for said in facets if isinstance(said, dict)}
    drawn = [draw for draw, _ in stream(language, label, 200)]

    assert known
    assert {draw["against"] for draw in drawn} == known | {None}
    assert all((draw["difficulty"] == "border") == (draw["against"] is not None) for draw in drawn)
    assert 0.1 <= sum(draw["difficulty"] == "border" for draw in drawn) / 200 <= 0.6


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("label", range(5))
def test_names_are_not_repeated_before_their_list_is_through(language: str, label: int):
    names = [draw["about"]["name"] for draw, _ in stream(language, label, 100) if "name" in draw["about"]]

    assert len(set(names)) >= 0.65 * len(names)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_second_name_is_another_one(language: str):
    pairs = [draw["about"] for label in range(5) for draw, _ in stream(language, label, 1200) if "and" in draw["about"]]

    assert len(pairs) > 100
    assert all(pair["name"] != pair["and"] for pair in pairs)


# What only a question of that label says, or no question of another one may: read off what clients mean, not off the grammar.
ONLY = {
    "zh": {
        FUND: r"基金|ETF联接|定投|净值|申购费|QDII|FOF|LOF",
        MARKET: r"大盘|沪指|上证指数|两市|股市|牛市|熊市",
        SERVICE: r"开户|密码|验证码|人工客服|身份证|银行卡|佣金",
    },
    "en": {
        FUND: r"\b(?:funds?|nav|expense ratio|dca)\b",
        MARKET: r"\b(?:are we in|is this) a bear market\b|\bgo to cash\b|\bthe s&p\b|\brecession\b|\bbreadth\b",
        SERVICE: r"\bpassword|\blog ?in\b|\btwo-factor|\b1099|\bbank account\b|\bcommission\b",
    },
}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("label", [FUND, MARKET, SERVICE])
def test_the_words_of_a_label_are_said_under_that_label(language: str, label: int):
    """Of 1,200 questions a label, those with its own words stand nearly all under it."""
    said = re.compile(ONLY[language][label], re.IGNORECASE)
    found = Counter({n: sum(bool(said.search(text)) for _, text in stream(language, n, 1200)) for n in range(5)})

    # Where both words are said by intention: whether the market drags a sector down, how to redeem a fund.
    meet = {FUND: {SERVICE, STOCK}, MARKET: {SECTOR, STOCK, FUND}, SERVICE: set()}[label]
    assert found[label] > 15
    assert sum(found[n] for n in range(5) if n != label and n not in meet) <= 0.1 * found[label]


def test_a_companys_products_customers_and_staff_are_about_the_company():
    border = [
        (draw, text)
        for draw, text in stream("zh", STOCK, 1200)
        if draw["against"] and draw["about"]["facet"] in ("公司产品和业务", "客户与供货", "管理层和员工")
    ]
    assert len(border) > 150
    assert sum(draw["about"]["name"] in text for draw, text in border) > 0.9 * len(border)


def test_a_fund_on_a_sector_says_that_it_is_a_fund_and_the_sector_does_not():
    themed = [(d, text) for d, text in stream("zh", FUND, 1200) if d["about"]["kind"] == "主题基金"]
    clean = [text for draw, text in themed if draw["how"] not in ("typos", "speech", "mixed")]
    sectors = [text for draw, text in stream("zh", SECTOR, 1200) if draw["about"]["kind"] == "板块"]

    assert len(clean) > 80
    assert all(re.search("基金|ETF|etf", text) for text in clean if not text.startswith("那"))
    assert not [text for text in sectors if re.search("基金|ETF|净值|定投", text)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_questions_are_as_short_as_people_type_them(language: str):
    lengths = sorted(len(text) for label in range(5) for _, text in stream(language, label, 1200))

    assert lengths[len(lengths) // 2] <= {"zh": 16, "en": 50}[language]
    assert lengths[-1] <= {"zh": 60, "en": 150}[language]
    assert lengths[0] >= 2


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_of_the_grammar_is_left_in_a_question(language: str):
    left = [
        text
        for label in range(6)
        for _, text in stream(language, label, 1200)
        if re.search(r"[{}|()\ufdd0\ufdd1]|  | ,|，，|？？？|,,", text)
    ]

    assert not left


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_facet_and_way_of_the_lexicon_has_words(language: str):
    """All kinds and facets with all ways of asking, whether or not chance has drawn them."""
    lexicon, clients = read_data(f"lexicon.{language}"), read_data(f"clients.{language}")
    for subject in lexicon["subjects"]:
        for facet, how in ((facet, how) for facet in subject["facets"] for how in clients["how"]):
            about = {"kind": subject["kind"], "facet": facet}
            about |= {"name": "ABC", "and": "XYZ"} if subject.get("names") else {}
            draw = {"label": subject["label"], "who": "novice", "how": how, "about": about, "difficulty": "clear"}
            assert write({**draw, "against": None, "n": 0}, language).strip()


def strings(value: Any) -> Iterator[Any]:
    """The leaves of the lists in a data file."""
    if isinstance(value, dict):
        for part in value.values():
            yield from strings(part)
    elif isinstance(value, list):
        for part in value:
            yield from strings(part) if isinstance(part, dict | list) else [part]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", DATA)
def test_what_stands_in_lists_is_text(name: str, language: str):
    """YAML takes a bare `on` for true and a bare 2 for a number."""
    assert [leaf for leaf in strings(read_data(f"{name}.{language}")) if not isinstance(leaf, str)] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_list_that_a_form_names_is_there(language: str):
    lexicon, phrases = read_data(f"lexicon.{language}")["words"], read_data(f"phrases.{language}")
    known = {*lexicon, *phrases["words"], "name", "and"}
    forms = [leaf for data in (lexicon, phrases) for leaf in strings(data)]

    assert {slot for form in forms for slot in re.findall(r"{([a-z_]+)}", form)} <= known


def test_a_brief_gives_the_instructions_and_the_rule_that_decides():
    draws = ClientSpecs(labels("zh"), "zh", seed=1)
    draw = next(d for d in draws.of("个股问询") if d["against"] == "行业板块问询" and "name" in d["about"])
    brief = draws.brief(draw)
    clients = read_data("clients.zh")

    assert brief["who"] == clients["who"][draw["who"]]["say"]
    assert brief["how"] == clients["how"][draw["how"]]["say"]
    assert draw["about"]["name"] in brief["about"]
    assert brief["rule"] == labels("zh")[STOCK].rules["行业板块问询"]


def test_a_users_own_labels_are_drawn_without_a_subject_and_the_offline_teacher_says_that_it_cannot():
    own = (Label(name="Cards", definition="about cards"), Label(name="Loans", definition="about loans"))
    draw = next(ClientSpecs(own, "en", seed=0).of("Cards"))

    assert draw["about"] == {}
    assert (draw["difficulty"], draw["against"]) == ("clear", None)
    with pytest.raises(UsageError, match=r"lexicon\.en\.yaml: no subject under the label Cards") as caught:
        write(draw, "en")
    assert "--teacher" in caught.value.hint


def test_a_border_on_a_label_that_is_not_there_is_none():
    two = labels("zh")[:2]

    assert {draw["against"] for draw in islice(ClientSpecs(two, "zh", seed=0).of("个股问询"), 200)} == {
        None,
        "行业板块问询",
    }


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("lexicon.zh", "words:\n", "wrods:\n"),
        ("lexicon.zh", "weight: 1", "weight: many"),
        ("lexicon.zh", "names: {index: 5", "names: {indices: 5"),
        ("clients.zh", "who:\n", "whom:\n"),
        ("clients.zh", "say: 一句平常的短问句, ", ""),
    ],
)
def test_an_edited_data_file_that_does_not_fit_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, old: str, new: str
):
    copy_templates(tmp_path / "prompts")
    path = tmp_path / "prompts" / f"{file}.yaml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    with pytest.raises(UsageError, match=re.escape(f"{file}.yaml: not of its form")):
        list(islice(ClientSpecs(read_labels(None, "zh"), "zh", seed=0).of("大盘问询"), 50))


def test_an_edited_lexicon_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    copy_templates(tmp_path / "prompts")
    path = tmp_path / "prompts" / "lexicon.zh.yaml"
    lexicon = yaml.safe_load(path.read_text(encoding="utf-8"))
    lexicon["words"]["company"] = lexicon["words"]["built"] = ["北极光电"]
    path.write_text(yaml.safe_dump(lexicon, allow_unicode=True), encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    drawn = islice(ClientSpecs(read_labels(None, "zh"), "zh", seed=0).of("个股问询"), 50)
    assert sum("北极光电" in write(draw, "zh") for draw in drawn) > 20


@given(st.lists(st.sampled_from(["a", "b", "字", " "]), min_size=1), st.integers(0, 100), st.integers(0, 100))
def test_a_form_takes_one_of_each(options: list[str], low: int, high: int):
    rng = random.Random(0)
    low, high = sorted((low, high))

    assert expand("{list}", {"list": options}, rng) in options
    assert expand(f"({'|'.join([*options, 'z'])})", {}, rng) in [*options, "z"]
    assert low <= int(expand(f"{{{low}-{high}}}", {}, rng)) <= high
    assert re.fullmatch(r"\d+\.\d", expand(f"{{{low}.0-{high}.5}}", {}, rng))
    assert expand("(a)", {}, rng) == "(a)", "brackets around no choice are brackets"


def test_a_form_that_holds_itself_is_an_error():
    with pytest.raises(RecursionError):
        expand("{list}", {"list": ["{list}"]}, random.Random(0))
    with pytest.raises(KeyError):
        expand("{gone}", {}, random.Random(0))


# ---- data files that do not fit, through the commands that read them

INTENT, NEWS, TOPICS, REPORTS = (
    "synth intent --n 40 --language {} --teacher offline --dry-run",
    "synth sentiment --n 9 --language {} --teacher anthropic --dry-run",
    "synth qa --n 9 --language {} --teacher anthropic --dry-run",
    "pdf2qa nowhere.pdf --teacher offline",
)
# File -> the command that reads it, and what it must have: keys, entries and keys of entries, by their way from the top.
NEEDED: dict[str, tuple[str, list[tuple[str | int, ...]]]] = {
    "labels": (INTENT, [("labels",), ("labels", 0, "name"), ("labels", 1, "definition")]),
    "lexicon": (INTENT, [("words",), ("subjects",), ("subjects", 0, "label"), ("subjects", 0, "kind"), ("subjects", 1, "facets")]),
    "clients": (INTENT, [("who",), ("how",), ("who", 0, "say"), ("who", 1, "weight"), ("how", 1, "say")]),
    "phrases": (INTENT.removesuffix(" --dry-run"), [("words",), ("around",), ("slips",), ("asked",), ("asked", 0), ("around", "openers")]),
    "sentiment.labels": (NEWS, [("labels",), ("labels", 0, "definition")]),
    "sentiment.draws": (NEWS, [("who",), ("how",), ("about",)]),
    "topics.labels": (TOPICS, [("labels",), ("labels", 0, "name")]),
    "topics.draws": (TOPICS, [("who",), ("how",), ("about",)]),
    "examples": (REPORTS, [(0, "task"), (0, "question"), (1, "evidence")]),
}  # fmt: skip
MISSING = [(file, way) for file, (_, ways) in NEEDED.items() for way in ways]


def refused(file: str, language: str, text: str, tmp_path: Path, patch: pytest.MonkeyPatch) -> str:
    """What the command says that reads the file, when it holds this text."""
    copy_templates(tmp_path / "prompts")
    (tmp_path / "prompts" / f"{file}.{language}.yaml").write_text(text, encoding="utf-8")
    patch.chdir(tmp_path)
    ran = CliRunner().invoke(cli.main, NEEDED[file][0].format(language).split(), prog_name="fingen")

    assert ran.exit_code == 2, ran.output
    assert f"{file}.{language}.yaml" in ran.output
    assert "\n  -> " in ran.output
    assert not re.search(r"Error:.*(?:KeyError|NoneType|AttributeError)|Traceback", ran.output)
    return ran.output


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize(("file", "way"), MISSING)
def test_a_key_that_is_missing_is_named_with_its_file(
    file: str, way: tuple[str | int, ...], language: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    data = yaml.safe_load((ROOT / "prompts" / f"{file}.{language}.yaml").read_text(encoding="utf-8"))
    inner, named = data, []
    for step in way:
        key = list(inner)[step] if isinstance(step, int) and isinstance(inner, dict) else step
        named.append(key)
        outer, inner = inner, inner[key]
    del outer[key]

    said = refused(file, language, yaml.safe_dump(data, allow_unicode=True), tmp_path, monkeypatch)

    assert str(named[-1]) in said.partition("Error: ")[2]
    if len(named) > 1 and isinstance(named[-2], int):
        assert f" {named[-2] + 1}" in said  # which entry


@pytest.mark.parametrize(
    "text", ["", "# only a comment", "just words", "[1, 2]", "a: [", "a: 2024-13-45", "\t- a", "- - [[]]", "1"]
)
@pytest.mark.parametrize("file", NEEDED)
def test_a_data_file_that_is_something_else_is_named(
    file: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    refused(file, "zh", text, tmp_path, monkeypatch)


@pytest.mark.parametrize("key", ["task", "language", "version", "needs"])
def test_a_key_that_a_template_lacks_is_named(key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    copy_templates(tmp_path / "prompts")
    path = tmp_path / "prompts" / "qa.en.md"
    path.write_text(re.sub(rf"^{key}:.*\n", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE), encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    ran = CliRunner().invoke(cli.main, ["pdf2qa", "nowhere.pdf", "--teacher", "offline"], prog_name="fingen")

    assert ran.exit_code == 2
    assert f"qa.en.md: not a template: the key '{key}' is missing" in ran.output
