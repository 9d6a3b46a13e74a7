"""`fingen reproduce`: the published figures to the digit, and a whole experiment from its rows to its page, on a tiny model."""

from __future__ import annotations

import json
import random
from fractions import Fraction
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from browser import dump_dom, need_chromium
from classifiers import make_classifier
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from small_models import make_base

from fingen import metrics
from fingen.cli import main
from fingen.config import MODELS, RESERVED_SET_NAMES
from fingen.reproduce.published import EXPERIMENTS, PUBLISHED_IN, RELEASED_IN, Table
from fingen.scoring.report import Choices, read_score
from fingen.sets import read_split
from fingen.training.checkpoints import read_history
from fingen.training.settings import DISTILLING_RECIPES, recipe_names

WORDS = {
    "positive": "profit rose strongly to a record",
    "negative": "loss widened and jobs were cut",
    "neutral": "the company is based in Espoo",
}
MEANS = {  # the means that FinGPT's page prints below its tables, of all four benchmarks and of the first three
    "weighted_f1": {"v3.1": ("0.805", "0.860"), "v3.1.1 (8bit)": ("0.804", "0.860"), "v3.1.2 (QLoRA)": ("0.735", "0.786"),
                    "v3.2": ("0.809", "0.868"), "v3.3": ("0.826", "0.886"), "ChatGLM2": ("0.452", "0.453"),
                    "Llama2": ("0.497", "0.495"), "v3.0.2 (FinBERT)": ("0.798", "0.852")},
    "micro_f1": {"v3.1": ("0.803", ""), "v3.1.1 (8bit)": ("0.802", ""), "v3.1.2 (QLoRA)": ("0.733", ""), "v3.2": ("0.806", ""),
                 "v3.3": ("0.821", ""), "ChatGLM2": ("0.544", ""), "Llama2": ("0.563", ""), "v3.0.2 (FinBERT)": ("0.793", "")},
    "macro_f1": {"v3.1": ("0.769", ""), "v3.1.1 (8bit)": ("0.767", ""), "v3.1.2 (QLoRA)": ("0.690", ""), "v3.2": ("0.776", ""),
                 "v3.3": ("0.795", ""), "ChatGLM2": ("0.469", ""), "Llama2": ("0.517", ""), "v3.0.2 (FinBERT)": ("0.760", "")},
}  # fmt: skip
GAINS = {
    "Qwen-7B": "2.67",
    "Baichuan2-7B": "17.33",
    "Llama-3-8B": "12.00",
    "ChatGLM3-6B": "36.00",
}  # as that page prints


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(main, ["reproduce", *arguments])
    assert result.exit_code == code, result.output
    return result


def write_fpb(path: Path, rows: int) -> str:
    """Sentences in the form of Financial PhraseBank, told apart by a word or two."""
    chance = random.Random(1)
    labels = [label for label in WORDS for _ in range(rows // 3)]
    chance.shuffle(labels)
    lines = [f"In {1900 + number} {WORDS[label]} at plant {number}@{label}" for number, label in enumerate(labels)]
    lines += ["The same sentence stands here twice@positive", "The same sentence stands here twice@neutral"]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return f"fpb={path}"


# --- what was published ------------------------------------------------------------------------------------------------


def test_the_published_columns_give_the_means_that_their_page_prints():
    for table in EXPERIMENTS["fingpt-v3.3"].tables:
        lines = dict(table.lines)
        for column, (of_all, of_three) in MEANS[table.measure].items():
            figures = [float(figure) for figure in lines[column].values()]
            # The page's own means were made of unrounded figures.
            assert fmean(figures) == pytest.approx(float(of_all), abs=0.0011), (table.measure, column)
            assert not of_three or fmean(figures[:3]) == pytest.approx(float(of_three), abs=0.0011), (
                table.measure,
                column,
            )


def test_the_published_gains_are_the_differences_of_the_columns():
    figures = {name: figure["openfindata"] for name, figure in EXPERIMENTS["openfindata-intent"].tables[0].lines}

    for model, gain in GAINS.items():
        assert float(figures[f"{model}, tuned"]) - float(figures[model]) == pytest.approx(float(gain), abs=1e-9)
    assert all(
        (float(figure) * 75 / 100) == pytest.approx(round(float(figure) * 75 / 100), abs=0.005)
        for figure in figures.values()
    )


def test_every_experiment_names_pages_recipes_and_models_that_there_are():
    for name, experiment in EXPERIMENTS.items():
        pages = [experiment.page, *(table.page for table in experiment.tables)]
        if name == "od-finllm":  # of which no page is known, and no figure is shown
            assert pages == [""]
            pages = []
        assert all(page.startswith("https://github.com/") and "/blob/" in page for page in pages), name
        assert experiment.recipe is None or experiment.recipe in recipe_names(), name
        assert experiment.bases.keys() <= MODELS.keys(), name
        assert all(table.measure in Choices.model_fields for table in experiment.tables), name
        for table in experiment.tables:
            assert all(len(figures) == len(table.columns) for figures in table.rows.values()), name
            assert set(table.rows) == set(experiment.benchmarks), name
            assert set(experiment.bases.values()) <= set(table.columns), name
        assert experiment.distilled is None or experiment.distilled in recipe_names(DISTILLING_RECIPES), name
    assert set(PUBLISHED_IN) == {name for experiment in EXPERIMENTS.values() for name in experiment.benchmarks}
    assert all(2013 <= year <= 2026 for year in (*PUBLISHED_IN.values(), *RELEASED_IN.values()))


def test_a_published_share_has_the_interval_of_its_rows(sentiment: Path):
    """Wilson's, as the roots of (p - share)^2 = z^2 p (1 - p) / n; F1s have none: it takes the answers themselves."""
    n, share, square = 1212, round(0.856 * 1212) / 1212, 1.959963984540054**2
    a, b, c = 1 + square / n, -(2 * share + square / n), share**2
    low, high = ((-b + sign * (b * b - 4 * a * c) ** 0.5) / (2 * a) for sign in (-1, 1))
    page = (sentiment / "build" / "reproductions" / NAME / "reproduction.html").read_text(encoding="utf-8")

    assert f'>0.856<span class="interval">{low:.3f}–{high:.3f}</span><span class="interval">n = 1,212</span>' in page
    assert ">0.855</td>" in page


def test_a_table_is_told_by_subject():
    table = Table("accuracy", "t", "p", ("a", "b"), {"x": ("1", "2"), "y": ("", "4")})

    assert table.lines == [("a", {"x": "1", "y": ""}), ("b", {"x": "2", "y": "4"})]


# --- figures of our own ------------------------------------------------------------------------------------------------


@given(st.lists(st.fractions(0, 1), min_size=1, max_size=6))
def test_holm_rejects_what_his_procedure_rejects(ps: list[Fraction]):
    """Step down: the smallest p against level / m, the next against level / (m - 1), and so on until one is too large."""
    adjusted = metrics.holm([float(p) for p in ps])

    for level in (0.01, 0.05, 0.2):
        order, rejected = sorted(range(len(ps)), key=lambda place: ps[place]), set()
        for rank, place in enumerate(order):
            if float(ps[place]) * (len(ps) - rank) > level:
                break
            rejected.add(place)
        assert {place for place, p in enumerate(adjusted) if p <= level} == rejected
    assert all(p >= q - 1e-12 for p, q in zip(adjusted, map(float, ps), strict=True))


@given(st.integers(1, 300))
def test_no_smaller_difference_could_be_shown(rows: int):
    smallest = metrics.smallest_difference(rows)
    shown = [one for one in range(rows + 1) if metrics.mcnemar(one, 0) < 0.05]

    assert smallest == (min(shown) / rows if shown else None)


# --- the road ----------------------------------------------------------------------------------------------------------


def test_an_experiment_without_settings_is_shown_as_it_was_published():
    said = run("fingpt-v3.3", code=1).stdout
    page = Path("build/reproductions/fingpt-v3.3-llama2-13b/reproduction.html").read_text(encoding="utf-8")

    assert "not repeatable, because the settings of its training were not published" in said
    assert "not repeatable" in page
    for table in EXPERIMENTS["fingpt-v3.3"].tables:
        for _, figures in table.lines:
            assert all(f">{figure}<" in page for figure in figures.values() if figure)


def test_what_is_in_the_way_is_said_before_anything_is_fetched():
    plan = json.loads(run("fingpt-v3.1", "--dry-run", "--json").stdout)

    assert plan["settings"]["warmup"] == 1500
    assert plan["settings"]["load"] == "fp16"
    assert any("--data fpb=FILE" in obstacle for obstacle in plan["obstacles"])
    assert any("transformers 4.30.2" in obstacle for obstacle in plan["obstacles"])  # ChatGLM2's own code
    assert not Path("build").exists()

    error = run("fingpt-v3.2", "--model", "tiny", code=2).stderr
    assert "1 files are missing" in error
    assert "https://huggingface.co/datasets/takala/financial_phrasebank" in error


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["fingpt-v4"], "did you mean fingpt-v3"),
        (["fingpt-v3.2", "--data", "fpb"], "no NAME=PATH of this experiment"),
        (["fingpt-v3.2", "--data", "nwgi=nowhere.csv"], "there is no nowhere.csv"),
        (["fingpt-v3.2", "--only", "gold"], "not in this experiment"),
        (["fingpt-v3.2", "--override", "speed=3"], "no such setting"),
        (["fingpt-v3.2", "--scale", "0"], "0"),
        (["fingpt-v3.2", "--classifier", "nowhere"], "no such folder"),
        (["finance-llama3", "--classifier", "ProsusAI/finbert"], "no rows of classes"),
    ],
)
def test_what_cannot_be_is_refused(arguments: list[str], said: str):
    assert said in run(*arguments, code=2).stderr


def test_rows_and_warm_up_are_scaled_alike_and_a_warm_up_beyond_the_run_is_refused():
    data = write_fpb(Path("fpb.txt"), 60)
    small = ("fingpt-v3.1", "--model", "tiny", "--only", "fpb", "--data", data)

    plan = json.loads(run(*small, "--scale", "0.01", "--dry-run", "--json").stdout)
    error = run(*small, "--scale", "0.5", "--override", "load=fp32", code=2).stderr

    assert plan["settings"]["warmup"] == 15
    assert "the warm-up of 750 steps is longer than the run" in error


@pytest.fixture(scope="module")
def sentiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where FinGPT's v3.1.1 was repeated on a file of its first benchmark."""
    folder = tmp_path_factory.mktemp("sentiment")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_fpb(Path("fpb.txt"), 60)
        make_classifier(Path("FinBERT"), steps=40)
        result = CliRunner().invoke(main, ["reproduce", *SENTIMENT])
        assert result.exit_code == 1, result.output  # no rows of our own: the offline teacher writes none
    return folder


SENTIMENT = ("fingpt-v3.1.1", "--model", "tiny", "--only", "fpb", "--data", "fpb=fpb.txt", "--override", "load=fp32",
             "--override", "warmup=0.1", "--override", "epochs=1", "--override", "learning_rate=3e-3", "--classifier", "FinBERT", "--quiet",
             "--json")  # fmt: skip
NAME = "fingpt-v3.1.1-tiny"


def test_the_page_has_the_published_table_and_ours(sentiment: Path):
    folder = sentiment / "build" / "reproductions" / NAME
    page = (folder / "reproduction.html").read_text(encoding="utf-8")
    report, _ = read_score(folder / "score")
    done: dict[str, Any] = json.loads((folder / "reproduction.json").read_text(encoding="utf-8"))

    for score in report.scores:
        assert score.choices is not None
        figure = score.choices.weighted_f1
        assert f"{figure.value:.3f}" in page
        assert f"{figure.low:.3f}–{figure.high:.3f}" in page
    assert {"classifier", "adapter", "base", "baseline"} <= {score.kind for score in report.scores}
    assert ">FinBERT<" in page
    assert "another base model: tiny; published with chatglm2, so no row is the published one" in page
    assert 'class="same"' not in page  # the published row is marked for its own base alone
    assert "1 sentences stand in it with two labels" in page
    assert any("licence of fpb" in note for note in done["notes"])
    assert len(done["missing"]) == 1
    assert "the offline teacher writes no sentences of news; name one with --writer" in done["missing"][0]
    assert set(done["seconds"]) >= {"published", "score", f"{NAME}-tuned-on-published-rows"}


def test_its_rows_are_the_published_ones_as_often_as_they_were(sentiment: Path):
    folder = sentiment / "build" / "reproductions" / NAME
    train = [row.input for row in read_split(folder / f"{NAME}-published-rows", "train")]
    _, predictions = read_score(folder / "score")
    scored = {row.text for row in predictions}

    assert all(train.count(text) == 6 for text in set(train) if "twice" not in text)
    assert not [text for text in set(train) if "twice" not in text and any(text in one for one in scored)]


def test_what_is_done_is_not_done_again_and_other_settings_are_refused(
    sentiment: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(sentiment)
    adapter = Path("build/reproductions", NAME, f"{NAME}-tuned-on-published-rows", "adapter_model.safetensors")
    before = adapter.stat().st_mtime_ns

    run(*SENTIMENT, code=1)
    error = run(*SENTIMENT, "--scale", "0.5", "--out", f"build/reproductions/{NAME}", code=2).stderr

    assert adapter.stat().st_mtime_ns == before
    assert "made with other settings: scale" in error


def test_a_folder_of_reproductions_is_no_set(sentiment: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(sentiment)
    result = CliRunner().invoke(main, ["verify", "--quiet"])

    assert "reproductions" in RESERVED_SET_NAMES
    assert result.exit_code == 2
    assert "no set here" in result.stderr


def test_the_page_in_a_browser(sentiment: Path):
    need_chromium()
    page = dump_dom(sentiment / "build" / "reproductions" / NAME / "reproduction.html")

    assert page.count("<tr") > 40
    assert "tuned-on-published-rows" in page


# --- the others, whole -------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_openfindatas_intents_with_published_rows_and_our_own():
    options = "A. 行业板块问询\nB. 个股问询\nC. 大盘问询\nD. 客服问询\nE. 基金问询"
    letters = dict(zip("ABCDE", (line.partition(". ")[2] for line in options.split("\n")), strict=True))
    rows = [{"instruction": f"问句: 第{number}问，{letters[letter][:2]}怎么看\n{options}", "input": "", "output": letter}
            for number, letter in enumerate("ABCDE" * 8)]  # fmt: skip
    asked = [{"id": str(number), "question": f"问句:{letters[letter][:2]}如何{number}", **letters, "answer": letter}
             for number, letter in enumerate("ABCDE" * 4)]  # fmt: skip
    Path("rows.json").write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    Path("open.json").write_text(json.dumps(asked, ensure_ascii=False), encoding="utf-8")

    run("openfindata-intent", "--model", "tiny", "--scale", "0.1", "--data", "rows=rows.json", "--data", "openfindata=open.json",
        "--override", "load=fp32", "--quiet")  # fmt: skip

    page = Path("build/reproductions/openfindata-intent-tiny-0.1/reproduction.html").read_text(encoding="utf-8")
    assert "tuned-on-published-rows" in page
    assert "tuned-on-own-rows" in page
    assert "30.0</td>" in page  # 6 of 20 rows must differ before it can be shown


@pytest.mark.slow
def test_sentiment_on_a_real_model(smollm2: Path, shared: Path):
    """English sentences of the benchmark itself; so few of them rank nothing, and what is learned of them shows in the loss."""
    sentences = (shared / "sentiment" / "fpb_Sentences_50Agree.txt").read_text(encoding="latin-1").splitlines()
    Path("fpb.txt").write_text("\n".join(random.Random(3).sample(sentences, 90)), encoding="utf-8")

    run("fingpt-v3.1", "--model", str(smollm2), "--only", "fpb", "--data", "fpb=fpb.txt", "--override", "load=fp32", "--override",
        "warmup=0.1", "--override", "epochs=1", "--override", "learning_rate=5e-4", "--override", "batch=8", "--out", "build/real", "--quiet", code=1)  # fmt: skip

    page = Path("build/real/reproduction.html").read_text(encoding="utf-8")
    report, _ = read_score(Path("build/real/score"))
    scores = {score.kind: score.choices for score in report.scores}
    (history,) = Path("build/real").glob("*-published-rows/training.jsonl")
    losses = [row["loss"] for row in read_history(history) if "loss" in row]
    assert fmean(losses[-5:]) < fmean(losses[:5]) / 2
    assert scores["adapter"].weighted_f1.value > scores["base"].weighted_f1.value
    assert f"another base model: {smollm2}; published with chatglm2" in page


@pytest.mark.slow
def test_questions_and_answers_say_that_no_score_was_published(shared: Path):
    root = Path(__file__).resolve().parent.parent
    rows = shared / "qa" / "datasets_finance_alpaca_977.json"
    gold = shared / "qa" / "finglm_gold_300617_603339_002099.json"

    run("finance-llama3", "--model", "tiny", "--scale", "0.02", "--data", f"rows={rows}", "--data", f"gold={gold}",
        "--reports", str(root / "raw"), "--override", "load=fp32", "--override", "epochs=1", "--quiet")  # fmt: skip

    folder = Path("build/reproductions/finance-llama3-tiny-0.02")
    page = (folder / "reproduction.html").read_text(encoding="utf-8")
    assert "None published." in page
    for name in ("score", "score-gold"):
        assert f'href="{name}/report.html"' in page
        assert (folder / name / "report.html").is_file()
    assert all(any(character.isdigit() for character in row.output) for row in read_split(folder / "gold", "test"))


def test_a_teacher_is_tuned_and_taught_to_a_smaller_model():
    """The whole road: rows, teacher, three students, one score of all of them, a file for llama.cpp."""
    report = Path(__file__).resolve().parent.parent / "raw"
    base = make_base(
        Path("base"), ["What did revenue come to in 2024?", "Revenue came to 42 million yuan."], positions=700
    )
    dry = json.loads(run("od-finllm", "--model", str(base), "--reports", str(report), "--dry-run", "--json").stdout)
    asked = ("od-finllm", "--model", str(base), "--reports", str(report), "--override", "steps=4", "--override", "validation_share=0.1",
             "--quiet")  # fmt: skip
    run(*asked)
    folder = Path("build/reproductions/od-finllm-base")
    again = json.loads(run(*asked, "--json").stdout)
    records = {
        path.parent.name: json.loads(path.read_text(encoding="utf-8"))["distilled"]
        for path in folder.glob("student*/merged.json")
    }
    report_of, _ = read_score(folder / "score")

    assert sum("student" in step for step in dry["steps"]) == 4
    assert records.keys() == {"student-as-it-is-cut", "student-of-the-rows-alone", "student-distilled"}
    assert len({json.dumps(each["layers"]["kept"]) for each in records.values()}) == 1
    assert {"hidden", "embedding", "kl"} <= {
        name.removeprefix("loss_") for name in records["student-distilled"]["terms"]["before"]
    }
    assert {score.subject for score in report_of.scores} >= {*records, f"{folder.name}-tuned-on-own-rows"}
    assert (folder / "student-distilled" / "student-distilled-q8_0.gguf").is_file()
    assert again["missing"] == []
    assert "None published." in (folder / "reproduction.html").read_text(encoding="utf-8")
    named = json.loads(run("od-finllm", "--reports", str(report), "--dry-run", "--json").stdout)["steps"]
    assert sum("Llama-student" in step for step in named) == 4  # as the licence of the published base wants it
    refused = run("od-finllm", "--model", "tiny", "--out", "no-rows", "--quiet", code=1)
    assert "the offline teacher writes no pairs on topics" in refused.output
