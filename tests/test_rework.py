"""`fingen dedup`, `fingen split` and the gates: a set is made anew from its journal, nothing is asked, nothing is paid."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pymupdf
import pytest
from click.testing import CliRunner, Result
from rows import read_rows

from fingen import cli

pytestmark = pytest.mark.usefixtures("readers_here")

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ("pdf2qa", ROOT / "raw", "--teacher", "offline", "--context", "both", "--quiet")
ID_CARD, PHONE = "11010519491231002X", "13800138000"


def fingen(*arguments: object) -> Result:
    return CliRunner().invoke(cli.main, [str(argument) for argument in arguments], prog_name="fingen")


def done(*arguments: object) -> dict[str, Any]:
    ran = fingen(*arguments, "--json", "--quiet")
    assert ran.exit_code == 0, ran.output
    return json.loads(ran.stdout)


def rows(folder: Path, *splits: str) -> list[dict[str, Any]]:
    files = [folder / f"{split}.jsonl" for split in splits or ("train", "validation", "test", "memory")]
    return read_rows(*files)


def content(folder: Path) -> dict[str, bytes]:
    """Every file of a set but its journal."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith((".", "journal"))}


def asked(folder: Path) -> int:
    return int(done("journal", folder)["requests"])


@pytest.fixture(scope="module")
def made(sample_set: Path) -> Path:
    return sample_set


@pytest.fixture
def copy(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(made, tmp_path / "demo"))


@pytest.mark.parametrize("command", ["split", "dedup"])
def test_with_nothing_else_wanted_not_a_byte_changes(copy: Path, command: str):
    before, requests = content(copy), asked(copy)

    told = done(command, copy)

    assert told["changed"] is False
    assert content(copy) == before
    assert asked(copy) == requests


def test_other_shares_divide_the_same_records_afresh(copy: Path):
    before, requests = {row["id"] for row in rows(copy, "train", "validation", "test")}, asked(copy)

    told = done("split", copy, "--split", "0.4,0.3,0.3")

    after = {split: rows(copy, split) for split in ("train", "validation", "test")}
    assert told["splits"] == {split: len(rows(copy, split)) for split in ("train", "validation", "test", "memory")}
    closed = {split: [row for row in after[split] if not row["input"]] for split in after}
    assert len(closed["validation"]) + len(closed["test"]) > len(closed["train"]) / 4  # by hash: 0.6 to 0.4 of few
    gone = before - {row["id"] for split in after for row in after[split]}
    assert all("passage" in row_id or row_id.startswith("qa-") for row_id in gone)
    assert {row["id"] for split in closed for row in closed[split]} <= before
    assert asked(copy) == requests
    assert done("verify", copy)["laws"]["splits"]["failed"] == 0
    again = content(copy)
    assert done("split", copy, "--split", "0.4,0.3,0.3")["changed"] is False
    assert content(copy) == again


def test_the_command_that_made_it_goes_on_with_the_new_shares_alone(copy: Path):
    done("split", copy, "--split", "0.4,0.3,0.3")

    refused = fingen(*SAMPLE, "--out", copy)
    same = done(*SAMPLE[:-1], "--out", copy, "--split", "0.4,0.3,0.3")

    assert refused.exit_code == 2
    assert "split [0.4, 0.3, 0.3] -> [0.8, 0.1, 0.1]" in refused.stderr
    assert f"fingen split {copy}" in refused.stderr
    assert same["changed"] is False


def test_what_is_in_a_benchmark_goes_and_comes_back(copy: Path, tmp_path: Path):
    before = content(copy)
    reworded = {row["draws"]["rewords"] for row in rows(copy, "memory")}  # without them memory would take others
    row = next(row for row in rows(copy, "train") if not row["input"] and row["id"] not in reworded)
    benchmark = tmp_path / "bench.csv"
    benchmark.write_text(f'question,answer\n"{row["instruction"]}",x\n', encoding="utf-8")

    told = done("dedup", copy, "--keep-out", benchmark)

    assert told["rejects"]["contaminated"] == 1
    assert row["id"] not in {kept["id"] for kept in rows(copy)}
    (rejected,) = [item for item in rows(copy, "rejected") if item["reason"] == "contaminated"]
    assert rejected["detail"] == "exact: bench.csv, row 2"
    assert rejected["item"]["question"] == row["instruction"]
    assert str(tmp_path) not in (copy / "manifest.json").read_text(encoding="utf-8")
    assert done("verify", copy, "--keep-out", benchmark)["laws"]["contamination"]["failed"] == 0
    refused = fingen("split", copy)
    assert refused.exit_code == 2  # a gate would be lost on the way
    assert "bench.csv" in refused.stderr
    assert done("split", copy, "--keep-out", benchmark)["changed"] is False
    done("dedup", copy)
    assert content(copy) == before


def test_what_another_set_has_is_not_repeated(copy: Path, tmp_path: Path):
    other = tmp_path / "other"
    assert fingen(*SAMPLE, "--task", "concept", "--out", other).exit_code == 0
    theirs = {row["instruction"] for row in rows(other)}

    told = done("dedup", copy, "--against", other)

    assert (
        told["rejects"]["exact"] >= len({row["instruction"] for row in rows(other, "train", "validation", "test")}) / 2
    )
    assert theirs.isdisjoint(row["instruction"] for row in rows(copy, "train", "validation", "test"))
    details = [item["detail"] for item in rows(copy, "rejected") if item["reason"] == "exact"]
    assert any(detail.endswith(" in other") for detail in details)


def test_the_gates_are_there_when_a_set_is_made(tmp_path: Path, made: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    row = next(row for row in rows(made, "train") if not row["input"])
    Path("bench.json").write_text(json.dumps([{"instruction": row["instruction"], "output": "x"}]), encoding="utf-8")

    told = done(*SAMPLE[:-1], "--out", "gated", "--keep-out", "bench.json")

    assert told["rejects"]["contaminated"] == 1
    assert row["instruction"] not in {kept["instruction"] for kept in rows(Path("gated"))}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--keep-out", "nowhere.json"], "nowhere.json"),
        (["--keep-out", "broken.jsonl"], "broken.jsonl"),
        (["--against", "nowhere"], "nowhere"),
    ],
)
def test_a_gate_that_cannot_be_read_is_told_before_anything_is_asked(copy: Path, options: list[str], said: str):
    Path("broken.jsonl").write_text('{"question": "a?"}\n{"question": \n', encoding="utf-8")
    before = content(copy)

    for command in (("dedup", copy), (*SAMPLE[:-1], "--out", "new")):
        ran = fingen(*command, *options)
        assert ran.exit_code == 2, ran.output
        assert said in ran.stderr
    assert content(copy) == before
    assert not Path("new").exists()


def test_a_set_without_its_journal_is_reworked_from_its_rows(copy: Path):
    (copy / "journal.sqlite").unlink()
    before = Counter(row["id"] for row in rows(copy))

    told = done("split", copy, "--split", "0.4,0.3,0.3")

    fallen = [item["item"]["id"] for item in rows(copy, "rejected") if "id" in item["item"]]
    assert Counter([row["id"] for row in rows(copy)] + fallen) == before
    assert told["moved"] > 0
    assert done("verify", copy)["laws"]["splits"]["failed"] == 0
    assert done("split", copy, "--split", "0.4,0.3,0.3")["changed"] is False


# ---- personal data

BODY = (
    "本公司2024年的客户投诉由专人处理，投诉在十个工作日内得到答复，处理的结果记入客户档案并每月汇总分析。"
    "客户投诉的增加主要是由于新产品上市初期安装不当，登记人身份证号"
    + ID_CARD
    + "已经核对，公司增加了培训并延长了保修期。"
    "公司每年对投诉处理的及时性进行检查，检查结果报告董事会，负责人的手机"
    + PHONE
    + "全年开通，预计次年投诉会明显减少。"
)
CLEAN = (
    "本公司2024年的员工培训由人力资源部组织，每名员工每年参加不少于四十小时的课程，课程分为安全和技能两类。"
    "员工培训费用的上升主要是由于新建的培训中心投入使用，中心的折旧和讲师的薪酬全部计入管理费用。"
    "公司每年对培训的效果进行评估，并把评估结果作为下一年课程安排的依据。"
)


@pytest.fixture
def private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A report with an identity card and a phone number in a sentence that gets asked about."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    with pymupdf.open() as pdf:
        page = pdf.new_page()
        page.insert_text((72, 150), "江苏示例仪器股份有限公司", fontsize=22, fontname="china-s")
        page.insert_text((72, 190), "2024年年度报告", fontsize=18, fontname="china-s")
        for title, body in (("第一节 投诉处理", BODY), ("第二节 员工培训", CLEAN)):
            page = pdf.new_page()
            page.insert_text((72, 80), title, fontsize=15, fontname="china-s")
            page.insert_textbox(
                (72, 100, 500, 400), body, fontsize=12, fontname="china-s", align=pymupdf.TEXT_ALIGN_JUSTIFY
            )
        pdf.save(tmp_path / "in" / "report.pdf")
    return tmp_path


@pytest.mark.parametrize("mode", ["mask", "drop", "keep"])
def test_personal_data_is_masked_unless_told_otherwise(private: Path, mode: str):
    told = done("pdf2qa", "in", "--teacher", "offline", "--context", "both", "--out", "set", "--privacy", mode)
    folder = private / "set"
    text = "".join(json.dumps(row, ensure_ascii=False) for row in rows(folder))

    if mode != "drop":
        assert Counter(told["private"]) >= Counter({"id-card": 1, "phone": 1})
    for value, mark in ((ID_CARD, "[ID]"), (PHONE, "[PHONE]")):
        assert (value in text) == (mode == "keep")
        assert (mark in text) == (mode == "mask")
    if mode == "drop":
        assert told["rejects"]["privacy"] >= 1
    chunks = (folder / "chunks.jsonl").read_text(encoding="utf-8")
    assert (ID_CARD in chunks) == (PHONE in chunks) == (mode == "keep")
    rejects = (folder / "rejected.jsonl").read_text(encoding="utf-8")
    assert mode == "keep" or not any(secret in rejects for secret in (ID_CARD, PHONE))
    laws = json.loads(fingen("verify", "set", "--json", "--quiet").stdout)["laws"]
    bare = [row for row in rows(folder) if ID_CARD in row["instruction"] + row["input"] + row["output"]]
    assert laws["privacy"]["failed"] == 0
    assert laws["privacy"]["declared"] == len(bare)  # the set says that it keeps them
    assert bool(bare) == (mode == "keep")
    assert all(
        ID_CARD not in problem["detail"] and PHONE not in problem["detail"] for problem in laws["privacy"]["problems"]
    )
    assert laws["evidence"]["failed"] == 0  # a masked quote matches what it masks


@pytest.mark.parametrize("mode", ["mask", "mask-names", "drop", "keep"])
def test_what_is_masked_is_masked_before_a_teacher_sees_it(private: Path, mode: str):
    ask = ("pdf2qa", "in", "--teacher", "openai:gpt-5.4-nano", "--out", "set", "--privacy", mode)
    planned = fingen(*ask, "--dry-run", "--json", "--quiet")
    written = fingen(*ask, "--export-requests", "asked.jsonl")
    assert written.exit_code == 0, written.output
    asked = (private / "asked.jsonl").read_text(encoding="utf-8")

    assert (ID_CARD in asked) == (PHONE in asked) == (mode == "keep")
    masked = json.loads(planned.stdout)["masked"]
    assert masked == ({} if mode == "keep" else {"id-card": 1, "phone": 1})
    told = fingen(*ask, "--dry-run").stdout
    assert ("masked in what is sent: 1 id-card, 1 phone" in told) == (mode != "keep")


@pytest.mark.parametrize("context", ["none", "passage", "both"])
def test_one_count_of_figures_in_summary_card_manifest_and_verify(made: Path, context: str, tmp_path: Path):
    """Of the rows that are written: not of those that another set has, or that are too many of their kind."""

    def agreed(folder: Path) -> int:
        figures = json.loads((folder / "manifest.json").read_text())["figures"]
        verified = done("verify", folder)
        assert figures == verified["figures"]
        assert figures["all"] == figures["bound"] + figures["quoted"] + figures["computed"]
        card = (folder / "README.md").read_text(encoding="utf-8")
        assert f"The answers hold {figures['all']} figures. {figures['bound']} are bound:" in card
        rows = [json.loads(line) for path in folder.glob("t*.jsonl") for line in path.read_text().splitlines()]
        rows += [json.loads(line) for path in folder.glob("[vm]*.jsonl") for line in path.read_text().splitlines()]
        told = Counter(figure["level"] for row in rows for figure in json.loads(row["figures"]))
        assert told == Counter({level: figures[level] for level in ("bound", "quoted", "computed") if figures[level]})
        return int(figures["all"])

    sample = (*SAMPLE[:4], "--context", context)
    other, whole, rest = tmp_path / "other", tmp_path / "whole", tmp_path / "rest"
    done(*SAMPLE[:4], "--limit", 8, "--out", other)

    told = done(*sample, "--out", whole)
    fewer = done(*sample, "--out", rest, "--against", other)

    assert told["figures"]["all"] == agreed(whole) > agreed(rest) == fewer["figures"]["all"] > 0
    done("split", whole, "--split", "0.4,0.3,0.3")  # other rows are in memory
    agreed(whole)
    done("dedup", whole, "--against", other)
    agreed(whole)
