"""What may go out: without quotes no sentence of a report leaves, and whoever has the report proves each row all the same."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hub_server import TOKEN, HubServer
from hypothesis import given
from hypothesis import strategies as st
from test_pull import pulled, rows_of
from test_push import files, intent, make_set, push, pushed, refused

from fingen import cli
from fingen.disk import dump_json, sha256_file
from fingen.hub.verbatim import longest_run, without_quotes
from fingen.quality.evidence import find_hashed, hash_text, is_hash
from fingen.quality.privacy import PRIVATE, scan
from fingen.records import Evidence, Period, Record, Rejected, SourceEntry, Turn
from fingen.sets import read_manifest

pytest_plugins = "test_push"  # its fixtures
# huggingface_hub sends a large file in a way that httpx2 has deprecated.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning"),
    pytest.mark.usefixtures("readers_here"),
]
REPORT = Path(__file__).resolve().parent.parent / "raw" / "sample_annual_report_2024.pdf"
REPO = "you/demo"


def verified(*arguments: object, code: int = 0) -> dict[str, Any]:
    ran = CliRunner().invoke(cli.main, ["verify", *map(str, arguments), "--json", "--quiet"], prog_name="fingen")
    assert ran.exit_code == code, ran.output
    return json.loads(ran.stdout)["laws"]


def everything(hub: HubServer, repo: str = REPO) -> str:
    """All texts that arrived, those in tables too."""
    texts = []
    for name, data in files(hub, repo).items():
        if name.endswith(".parquet"):
            texts.append(dump_json(pq.read_table(io.BytesIO(data)).to_pylist()))
        else:
            texts.append(data.decode())
    return " ".join("\n".join(texts).replace('\\"', '"').replace("\\n", " ").split())


def sentences_of(folder: Path) -> Iterator[str]:
    """What stands in the passages and not in questions and answers: these go as they are."""
    rows = [record for records in rows_of(folder).values() for record in records]
    told = " ".join(text for record in rows for text in (record.instruction, record.output))
    for line in (folder / "chunks.jsonl").read_text(encoding="utf-8").splitlines():
        for sentence in re.split(r"[\n。]|\. ", json.loads(line)["text"]):
            if len(sentence) > 30 and sentence not in told:
                yield " ".join(sentence.split())


@pytest.fixture(scope="module")
def gone(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[HubServer, Path]]:
    """The sample's set on a Hub without quotes, and pulled from there."""
    folder = tmp_path_factory.mktemp("gone")
    with pytest.MonkeyPatch.context() as patch, HubServer() as server:
        patch.chdir(folder)
        for name, value in {"HF_ENDPOINT": server.url, "HF_TOKEN": TOKEN, "HF_HUB_DISABLE_XET": "1"}.items():
            patch.setenv(name, value)
        patch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
        pushed(sample, "--allow-offline", "--without-quotes", "--with-rejects")
        pulled(REPO, "--out", "back")
        yield server, folder / "back"


def test_no_sentence_of_the_report_goes(sample: Path, gone: tuple[HubServer, Path]):
    sentences, kept = list(sentences_of(sample)), (sample / "train.jsonl").read_text(encoding="utf-8")
    text = everything(gone[0])

    assert len(sentences) > 100
    assert sum(sentence in kept for sentence in sentences) > 20  # so they would be found
    assert not [sentence for sentence in sentences if sentence in text]
    assert "chunks.jsonl" not in files(gone[0], REPO)
    assert "Quotes and passages are not in here" in files(gone[0], REPO)["README.md"].decode()
    assert "Quotes and passages are not in here" in (gone[1] / "README.md").read_text(encoding="utf-8")


def test_whoever_has_the_report_proves_every_row(sample: Path, gone: tuple[HubServer, Path]):
    own, blind, seen = verified(sample), verified(gone[1]), verified(gone[1], "--source", REPORT)

    assert (blind["evidence"]["passed"], blind["evidence"]["failed"]) == (0, 0)
    assert any("--source" in why for why in blind["evidence"]["why"])
    for law in ("evidence", "figures", "binding", "names", "question", "answer", "duplicates", "splits"):
        told = [{name: laws[law][name] for name in ("passed", "failed", "unchecked")} for laws in (own, seen)]
        assert told[0] == told[1], law
    assert seen["evidence"]["passed"] > 60
    assert any(record.input for record in rows_of(gone[1])["train"])


def test_a_hash_of_something_else_is_found_out(gone: tuple[HubServer, Path], tmp_path: Path):
    lines = (gone[1] / "train.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if row["evidence"] != "[]"][:3]
    rows += [next(row for row in map(json.loads, lines[5:]) if row["input"] and row["evidence"] != "[]")]
    quotes = [json.loads(row["evidence"]) for row in rows]
    rows[0]["evidence"] = dump_json([{**quotes[0][0], "quote": hash_text("Revenue fell to nothing at all.")}])
    rows[1]["evidence"] = dump_json([{**each, "page": 17} for each in quotes[1]])
    rows[3]["input"] = hash_text("another passage")
    (tmp_path / "rows.jsonl").write_text("".join(dump_json(row) + "\n" for row in rows), encoding="utf-8")

    law = verified(tmp_path / "rows.jsonl", "--source", REPORT, code=1)["evidence"]
    assert [(each["row"], each["reason"]) for each in law["problems"]] == [
        (1, "not-found"),
        (2, "not-on-page"),
        (4, "not-found"),
    ]
    assert "the passage is another one" in law["problems"][2]["detail"]
    assert law["passed"] == 1


def test_a_set_that_was_cut_otherwise_is_read_as_it_was_made(desk: Path, hub: HubServer):
    made = CliRunner().invoke(
        cli.main,
        [
            "pdf2qa",
            str(REPORT),
            "--teacher",
            "offline",
            "--out",
            "build/small",
            "--chunk-tokens",
            "300",
            "--limit",
            "6",
            "--quiet",
        ],
    )
    assert made.exit_code == 0, made.output
    pushed("build/small", "--allow-offline", "--without-quotes")
    pulled("you/small", "--out", "back")

    law = verified("back", "--source", REPORT)["evidence"]
    assert law["passed"] > 3
    assert law["unchecked"] == 0


def test_what_came_without_quotes_can_go_again(gone: tuple[HubServer, Path], hub: HubServer):
    plan = pushed(gone[1], "--allow-offline", "--repo", REPO)["plan"]

    there = files(gone[0], REPO)
    assert {name for name, data in files(hub, REPO).items() if data != there.get(name)} <= {
        "README.md",
        "manifest.json",
    }
    assert [(told["quote_words"], told["passage_words"]) for told in plan["verbatim"]] == [(0, 0)]


def test_rejects_go_without_what_may_quote(desk: Path, hub: HubServer):
    secret = "The words of the report."
    rejects = [
        Rejected(item={"question": "Why?", "answer": "So.", "evidence": [secret], "note": secret}, reason="figure",
                 detail=f"the source says {secret}", chunks=(), request=None),
        Rejected(item={"answer": secret}, reason="unusable-answer", detail="no JSON", chunks=(), request=None),
    ]  # fmt: skip
    make_set(desk / "build/intent", [intent(n) for n in range(3)], rejected=rejects)
    pushed("build/intent", "--with-rejects", "--without-quotes")

    text = files(hub, "you/intent")["rejected.jsonl"].decode()
    assert [json.loads(line)["item"] for line in text.splitlines()] == [{"question": "Why?", "answer": "So."}, {}]
    assert secret not in everything(hub, "you/intent")


def test_the_texts_of_rows_without_a_report_stay(desk: Path, hub: HubServer):
    """What is classified is the row itself: it is nobody's passage."""
    make_set(desk / "build/intent", [intent(n, input=f"第{n}条新闻", origin="imported") for n in range(3)], held_out=[])
    pushed("build/intent", "--without-quotes")

    assert [json.loads(line)["input"] for line in files(hub, "you/intent")["train.jsonl"].decode().splitlines()] == [
        f"第{n}条新闻" for n in range(3)
    ]


def test_quotes_and_passages_go_together_or_not_at_all(sample: Path, hub: HubServer):
    said = refused(hub, sample, "--allow-offline", "--without-quotes", "--with-chunks", code=2)

    assert "--without-quotes keeps back what --with-chunks sends" in said


# --- how much goes ------------------------------------------------------------------------------------------------------


def test_a_dry_run_counts_what_goes_word_for_word(sample: Path, desk: Path, hub: HubServer):
    """Counted again by hand, from the files."""
    word = re.compile(r"[\u3400-\u9fff]|[^\W\d_\u3400-\u9fff]+|\d+(?:[.,]\d+)*")
    rows = [record for records in rows_of(sample).values() for record in records]
    chunks = {row["id"]: row["text"] for row in map(json.loads, (sample / "chunks.jsonl").read_text().splitlines())}
    quotes = {quote.quote for record in rows for quote in record.evidence}
    shown = {chunk for record in rows if record.input for chunk in record.chunks}
    plan = json.loads(push(sample, "--allow-offline", "--dry-run", "--json", "--quiet").stdout)["plan"]
    [told] = plan["verbatim"]

    assert told["document"] == REPORT.name
    assert told["quote_words"] == sum(len(word.findall(quote)) for quote in quotes) > 1_000
    assert told["passage_words"] == sum(len(word.findall(chunks[chunk])) for chunk in shown) > 1_000
    [longest] = [record for record in rows if record.id == told["run_id"]]
    said = word.findall(longest.output)
    source = [word.findall(chunks[chunk]) for chunk in longest.chunks]
    assert any(said[i : i + told["run_words"]] == text[j : j + told["run_words"]]
               for i in range(len(said)) for text in source for j in range(len(text)))  # fmt: skip
    seen = push(sample, "--allow-offline", "--dry-run", "--without-quotes").stderr
    assert f"{told['quote_words']:,} words in quotes, {told['passage_words']:,} in passages stay here" in seen
    assert hub.repos == {}


WORDS = st.lists(st.sampled_from("a b c 营 收 3.5".split()), max_size=9)


@given(WORDS, WORDS)
def test_the_longest_run_is_the_longest(answer: list[str], text: list[str]):
    most = max((n for n in range(len(answer) + 1) for i in range(len(answer) - n + 1)
                for j in range(len(text)) if answer[i : i + n] == text[j : j + n]), default=0)  # fmt: skip

    assert longest_run(" ".join(answer), [f" {' '.join(text)} "]) == most


# --- hashes -------------------------------------------------------------------------------------------------------------


def test_a_hash_can_be_made_by_anybody():
    """As the card says it: letters, digits, symbols, the punctuation of figures; NFKC, no white space."""
    plain = unicodedata.normalize("NFKC", "Revenueroseby12.5%to1,234million")

    told = f"sha256:{hashlib.sha256(plain.encode()).hexdigest()}:{len(plain)}"
    assert hash_text("Revenue rose by 12.5%\n to １,２３４ million.") == told


@given(st.text("ab 1.5,-(%)营收\n", min_size=1, max_size=12), st.text("ab 1.5,营收\n", max_size=12))
def test_a_text_is_found_by_its_hash_where_it_stands(quote: str, around: str):
    hashed = hash_text(quote)
    found = find_hashed(hashed, f"{around} x {quote} x {around}")

    assert is_hash(hashed)
    assert not found or hash_text(found).split(":")[1] == hashed.split(":")[1]
    assert bool(found) or not re.search(r"[ab营收]", quote) or re.search(r"^\W|\W$", quote)


@given(st.binary(max_size=40))
def test_a_hash_is_no_personal_data(data: bytes):
    hashed = hash_text(data.hex() + "x")

    assert not {found.kind for language in ("en", "zh") for found in scan(hashed, language)} & PRIVATE


# --- where reports come from --------------------------------------------------------------------------------------------


def with_sources(folder: Path, *filings: dict[str, str]) -> str:
    sources = tuple(
        SourceEntry(path=f"r{n}.pdf", sha256=f"{n:064}", pages=3, language="en", company="A|B Inc.", filing=filing,
                    period=Period(kind="annual", end="2024-12-31"))
        for n, filing in enumerate(filings)
    )  # fmt: skip
    make_set(folder, [intent(n) for n in range(3)], sources=sources)
    return (folder / "README.md").read_text(encoding="utf-8")


def cells(card: str, document: str) -> list[str]:
    [line] = [line for line in card.splitlines() if line.startswith(f"| {document} ")]
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def test_the_card_says_where_each_report_is_from(desk: Path):
    address = "https://www.sec.gov/Archives/edgar/data/1/0000000001-25-000001-index.htm"
    card = with_sources(
        desk / "build/filed", {"source": address, "accession": "0000000001-25-000001", "filed": "2025-02-01"}, {}
    )

    named = cells(card, "r0.pdf")
    assert named[1:5] == [
        "A&#124;B Inc.",
        "annual 2024-12-31",
        f"<{address}>, accession 0000000001-25-000001",
        "2025-02-01",
    ]
    assert named[-1] == f"{0:064}"
    assert cells(card, "r1.pdf")[3:5] == ["not known", "not known"]
    assert "nobody has looked them up" in card


@pytest.mark.parametrize(
    "address", ["https://x.org/a|b", "https://x.org/<script>", "https://x.org/a)[b](c", "javascript:alert(1)"]
)
def test_an_address_of_others_breaks_no_card(desk: Path, address: str):
    card = with_sources(desk / "build/filed", {"source": address})

    shown = cells(card, "r0.pdf")
    assert len(shown) == 8
    assert not re.search(r"<\w|(?<!\\)\[", shown[3].replace("<https://x.org/a>", ""))


def test_an_address_in_documents_yaml_comes_to_the_card_of_a_pushed_set(desk: Path, hub: HubServer):
    (desk / "in").mkdir()
    shutil.copy(REPORT, desk / "in/lanhai.pdf")
    (desk / "in/documents.yaml").write_text(
        'lanhai.pdf: {source: "https://www.example.com/lanhai.pdf", filed: "2025-03-28"}\n', encoding="utf-8"
    )
    made = CliRunner().invoke(
        cli.main, ["pdf2qa", "in", "--teacher", "offline", "--limit", "3", "--out", "build/lanhai", "--quiet"]
    )
    assert made.exit_code == 0, made.output
    pushed("build/lanhai", "--allow-offline")

    card = files(hub, "you/lanhai")["README.md"].decode()
    [source] = read_manifest(desk / "build/lanhai").sources
    assert cells(card, "lanhai.pdf")[1:] == [
        "蓝海精密仪器股份有限公司", "annual 2024-12-31", "<https://www.example.com/lanhai.pdf>", "2025-03-28", "18", "1", source.sha256,
    ]  # fmt: skip
    assert source.sha256 == sha256_file(REPORT)


def test_evidence_that_is_hashed_is_a_quote_like_any_other():
    row = Record(instruction="?", input="", output="!", id="a", task="t", language="en", teacher="x", origin="document",
                 evidence=(Evidence(quote=hash_text("12 plants"), page=3),))  # fmt: skip

    assert Record.model_validate_json(dump_json(row.model_dump(mode="json"))) == row


def test_conversations_and_preferences_keep_no_words_of_the_report_either():
    passage, quote = "Revenue rose. Costs fell because energy was cheap.", "Costs fell because energy was cheap."
    row = Record(instruction="And costs?", input="", system=passage, output="They fell.", rejected="They rose.", id="a", task="qa-concept",
                 reason=f"sign: the source says {quote}", language="en", document="r.pdf", chunks=("c-1",), teacher="x",
                 origin="document", evidence=(Evidence(quote=quote, page=3),), draws={"context": "passage"},
                 turns=(Turn(role="user", content="Revenue?"),
                        Turn(role="assistant", content="It rose.", evidence=(Evidence(quote="Revenue rose.", page=3),))))  # fmt: skip
    gone = without_quotes(row)

    assert not [words for words in (quote, "Revenue rose.") if words in gone.model_dump_json()]
    assert (gone.instruction, gone.output, gone.reason) == (row.instruction, row.output, "sign")
    assert (gone.system, gone.turns[1].evidence[0].quote) == (hash_text(passage), hash_text("Revenue rose."))
