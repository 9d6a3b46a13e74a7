"""`fingen distill`: what a student learns by, which layers are taken out, what is kept of a teacher, and what two vocabularies share.

Oracles: loops over single rows and tokens, models that are built anew without a layer, transformers' own loading.
"""

from __future__ import annotations

import copy
import itertools
import json
import math
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from patience import PATIENCE
from safetensors.torch import load_file, save_file
from small_models import run
from transformers import AutoModelForCausalLM, LlamaForCausalLM

from fingen.config import Distilling
from fingen.errors import UsageError
from fingen.records import Record
from fingen.sets import read_split
from fingen.training.base import quiet
from fingen.training.checkpoints import read_history
from fingen.training.data import Example, build_examples, cut
from fingen.training.distill.alignment import align, build_alignment, compare_vocabularies, token_bytes
from fingen.training.distill.answers import AnswerStore, Online
from fingen.training.distill.answers import token_bytes as stored_bytes
from fingen.training.distill.licences import begins_rightly, find_terms, refusal, rightly_named
from fingen.training.distill.losses import Distillation
from fingen.training.distill.pairs import LayerPair, build_pairs
from fingen.training.distill.pruning import choose_layers, cut_layers, find_layers
from fingen.training.recipe import LOSS
from fingen.training.template import build_template
from fingen.training.tiny import tiny_config, train_tokenizer

ROOT = Path(__file__).resolve().parent.parent
torch.set_num_threads(1)  # the models are too small for two
FAST = ("--set", "build/intent", "--learning-rate", "0.003", "--epochs", "2", "--override", "save_every=2")


def records(count: int = 14) -> list[Record]:
    return [
        Record(instruction=f"Question {n}: what did item {n % 5} cost in {2000 + n}?", input="A passage." * (n % 3),
               output=f"It cost {n} in {2000 + n}" + ", more than before" * (n % 3), id=f"r-{n:03}", task="qa", language="en",
               teacher="offline", origin="synthetic")
        for n in range(count)
    ]  # fmt: skip


TEXTS = [f"{r.instruction} {r.input} {r.output}" for r in records()]


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return train_tokenizer(TEXTS * 5)


@pytest.fixture(scope="module")
def foreign() -> Any:
    """A tokenizer of another vocabulary, which knows half of the words."""
    return train_tokenizer([text[: len(text) // 3] for text in TEXTS] * 4 + ["cost more than other things"] * 5)


@pytest.fixture(scope="module")
def rows(tokenizer: Any) -> tuple[Example, ...]:
    return build_examples(records(), build_template(tokenizer, "chat"), 2048).kept


def model(tokenizer: Any, seed: int, *, hidden: int = 64, layers: int = 2) -> Any:
    torch.manual_seed(seed)
    config = tiny_config(tokenizer, hidden=hidden, layers=layers)
    config.tie_word_embeddings = (
        False  # tied, a model of random weights says the last token again, whatever its layers do
    )
    made = LlamaForCausalLM(config).double()
    for parameter in made.parameters():
        parameter.data.mul_(3 if parameter.ndim > 1 else 1)
    return made.eval()


def online(
    teacher: Any, rows: Sequence[Example], width: int, top: int = 0, temperature: float = 1.0, modules: Any = ()
) -> Online:
    return Online(teacher, {row.id: row for row in rows}, 0, width, temperature, top, modules)


def sums(objective: Distillation, student: Any, rows: Sequence[Example]) -> dict[str, float]:
    with torch.no_grad():
        return {name: total.item() for name, total in objective(student, rows).items()}


def gradients(student: Any, objective: Distillation, groups: Sequence[Sequence[Example]]) -> dict[str, torch.Tensor]:
    student.zero_grad()
    for group in groups:
        objective(student, group)[LOSS].backward()
    return {name: p.grad.clone() for name, p in student.named_parameters() if p.grad is not None}


# what is learned


def reference(
    teacher: Any, student: Any, rows: Sequence[Example], share: float, temperature: float
) -> dict[str, float]:
    """The loss, token by token."""
    ce = kl = 0.0
    for row in rows:
        ids = torch.tensor([row.ids])
        with torch.no_grad():
            theirs, ours = (each(input_ids=ids).logits[0].tolist() for each in (teacher, student))
        for place in range(len(row.ids) - row.answer - 1, len(row.ids) - 1):
            spread = []
            for logits, heat in ((ours[place], 1.0), (theirs[place], temperature), (ours[place], temperature)):
                scaled = [logit / heat for logit in logits]
                top = max(scaled)
                whole = top + math.log(sum(math.exp(each - top) for each in scaled))
                spread.append([each - whole for each in scaled])
            plain, p, q = spread
            ce -= plain[row.ids[place + 1]]
            kl += sum(math.exp(a) * (a - b) for a, b in zip(p, q, strict=True))
    return {"ce": ce, "kl": kl, LOSS: (1 - share) * ce + share * temperature**2 * kl}


@pytest.mark.parametrize(("share", "temperature"), [(0.5, 1.0), (0.9, 2.0), (1.0, 0.7)])
def test_the_loss_is_that_of_a_loop_over_tokens(share: float, temperature: float, tokenizer: Any, rows: Any):
    teacher, student, width = model(tokenizer, 1), model(tokenizer, 2), len(tokenizer)
    tuning = Distilling(kl=share, temperature=temperature, top=0)
    objective = Distillation(online(teacher, rows, width, 0, temperature), tuning, 0, width)

    assert sums(objective, student, rows[:5]) == pytest.approx(
        reference(teacher, student, rows[:5], share, temperature), rel=1e-6
    )


@pytest.mark.parametrize("by", ["reverse", "jsd"])
def test_what_a_student_wrote_is_compared_from_its_own_side(by: str, tokenizer: Any, rows: Any):
    """Token by token; with the likeliest tokens and one bucket for the others it can only come nearer."""
    teacher, student, width = model(tokenizer, 1), model(tokenizer, 2), len(tokenizer)
    found = {
        top: sums(
            Distillation(online(teacher, rows, width, top), Distilling(kl=1.0, top=top), 0, width, by=by),
            student,
            rows[:4],
        )
        for top in (0, 8)
    }
    expected = 0.0
    for row in rows[:4]:
        with torch.no_grad():
            p, q = (
                each(input_ids=torch.tensor([row.ids])).logits[0].softmax(-1).tolist() for each in (teacher, student)
            )
        for place in range(len(row.ids) - row.answer - 1, len(row.ids) - 1):
            pairs = list(zip(p[place], q[place], strict=True))
            if by == "reverse":
                expected += sum(b * math.log(b / a) for a, b in pairs)
            else:
                expected += sum(a * math.log(2 * a / (a + b)) + b * math.log(2 * b / (a + b)) for a, b in pairs) / 2

    assert found[0][by] == pytest.approx(expected, rel=1e-6)
    assert found[0][LOSS] == found[0][by]
    assert 0 < found[8][by] < found[0][by]


def test_all_tokens_as_the_likeliest_are_the_whole_and_fewer_are_less(tokenizer: Any, rows: Any):
    teacher, student, width = model(tokenizer, 1), model(tokenizer, 2), len(tokenizer)
    found = {}
    for top in (0, 1, 8, width - 1, width):
        objective = Distillation(online(teacher, rows, width, top), Distilling(top=top), 0, width)
        found[top] = sums(objective, student, rows)["kl"]

    assert found[width] == pytest.approx(found[0], rel=1e-9)
    assert found[width - 1] == pytest.approx(found[0], rel=1e-6)
    assert 0 < found[1] < found[8] < found[0]  # what is put into one bucket can only come nearer


@pytest.mark.parametrize("top", [0, 16])
def test_a_student_that_is_its_teacher_has_nothing_to_learn_of_it(top: int, tokenizer: Any, rows: Any):
    teacher, width = model(tokenizer, 1), len(tokenizer)
    student = copy.deepcopy(teacher)
    pairs = [LayerPair(0, 0), LayerPair(1, 1)]
    tell = online(teacher, rows, width, top, modules=[teacher.get_input_embeddings(), *find_layers(teacher)])
    tuning = Distilling(kl=1.0, top=top, hidden=1.0, embedding=1.0)
    terms = Distillation(tell, tuning, 0, width, True, pairs)(student, rows)
    terms[LOSS].backward()

    assert {name for name in terms if abs(terms[name].item()) > 1e-5} == {"ce"}
    assert max(float(p.grad.abs().max()) for p in student.parameters() if p.grad is not None) < 1e-4


@pytest.mark.parametrize("other", [False, True])
@pytest.mark.parametrize("measure", ["cosine", "mse"])
def test_a_step_may_be_cut_anywhere(other: bool, measure: str, tokenizer: Any, foreign: Any, rows: Any):
    """With all terms, and with another vocabulary: one row at a time, some, and all at once with what they begin with shared."""
    teacher = model(tokenizer, 1)
    own = foreign if other else tokenizer
    student = model(own, 2, hidden=128, layers=3)
    theirs = {row.id: row for row in rows}
    ours = build_examples(records(), build_template(own, "chat"), 2048).kept
    alignment = None
    if other:
        widths = (len(tokenizer), len(own))
        both = compare_vocabularies(tokenizer, own, widths, (tokenizer.eos_token_id, own.eos_token_id))
        alignment = build_alignment(tokenizer, own, [(theirs[row.id], row) for row in ours], both)
        assert alignment.share == 1
    pairs = build_pairs("0:0,2:1", 3, 2)
    modules = [teacher.get_input_embeddings(), *find_layers(teacher)]
    tuning = Distilling(hidden=0.5, embedding=0.5, measure=measure, top=16)
    objective = Distillation(
        online(teacher, rows, len(tokenizer), 16, modules=modules), tuning, 0, len(own), True, pairs, alignment
    )
    needed = objective.add_projections(student, {"embedding": 64, "layers": 64})
    student.double()
    one, some, every = (gradients(student, objective, list(cut(ours, tokens))) for tokens in (1, 300, 100_000))

    assert needed == ["embedding", "pair0", "pair1"]
    assert {name.rpartition(".")[0] for name in one if "projections" in name} == {
        f"distill_projections.{n}" for n in needed
    }
    for name, value in one.items():
        assert value.abs().max() > 0, name
        torch.testing.assert_close(some[name], value, rtol=1e-4, atol=1e-7)
        torch.testing.assert_close(every[name], value, rtol=1e-4, atol=1e-7)


# what is kept of a teacher


def test_what_is_kept_of_a_teacher_is_what_it_says_within_half_precision(tokenizer: Any, rows: Any, tmp_path: Path):
    teacher, student, width, top = model(tokenizer, 1), model(tokenizer, 2), len(tokenizer), 16
    asked = online(teacher, rows, width, top)
    store = AnswerStore(tmp_path, {"teacher": 1}, top)
    store.fill(asked, rows[:9], 200)
    assert [row.id for row in store.missing(rows)] == [row.id for row in rows[9:]]
    store.fill(asked, rows, 200)
    assert not AnswerStore(tmp_path, {"teacher": 1}, top).missing(rows)
    assert AnswerStore(tmp_path, {"teacher": 2}, top).missing(rows)
    by_row = {row.id: row for row in rows}

    terms = [
        sums(Distillation(tell, Distilling(top=top), 0, width), student, rows) for tell in (asked, store.reader(by_row))
    ]
    assert terms[1]["kl"] == pytest.approx(terms[0]["kl"], rel=2e-3)
    with sqlite3.connect(store.path) as db:
        sizes = db.execute("SELECT length(told), places FROM answers").fetchall()
    assert all(size == places * stored_bytes(top) for size, places in sizes)
    assert stored_bytes(128) <= 1024


# which layers are taken out


@pytest.mark.parametrize("common", [0, 200])
def test_each_layer_that_is_taken_out_is_the_one_that_is_missed_least(common: int, tokenizer: Any, rows: Any):
    """Also where all rows begin with so much that it is computed once."""
    rows = [replace(row, ids=(*([9, 8, 7, 6] * (common // 4)), *row.ids)) for row in rows[:6]]
    teacher = model(tokenizer, 3, layers=4)
    chosen = choose_layers(teacher, 2, rows, 0, 900)
    gone: list[int] = []
    for layer, kl in chosen:
        losses = {}
        for number in set(range(4)) - set(gone):
            less = copy.deepcopy(teacher)
            for each in sorted([*gone, number], reverse=True):
                del less.model.layers[each]
            for place, each in enumerate(less.model.layers):
                each.self_attn.layer_idx = place
            less.config.num_hidden_layers = len(less.model.layers)
            losses[number] = reference(teacher, less, rows, 1, 1)["kl"] / sum(row.answer for row in rows)
        assert layer == min(losses, key=losses.__getitem__)
        assert kl == pytest.approx(losses[layer], rel=1e-4)
        gone.append(layer)

    begun = choose_layers(teacher, 2, rows, 0, 900, begun=chosen[:1])
    assert begun == chosen
    with pytest.raises(UsageError, match="the teacher has 4 layers"):
        choose_layers(teacher, 4, rows, 0, 300)


def test_a_configuration_loses_what_it_lists_by_layer(tokenizer: Any, tmp_path: Path):
    from transformers import Qwen2Config, Qwen2ForCausalLM

    config = Qwen2Config(vocab_size=len(tokenizer), hidden_size=64, intermediate_size=128, num_hidden_layers=4, num_attention_heads=2,
                         num_key_value_heads=1, use_sliding_window=True, sliding_window=8, max_window_layers=2,
                         eos_token_id=[1, 2, 3, 4])  # fmt: skip
    torch.manual_seed(1)
    whole = Qwen2ForCausalLM(config).eval()
    kinds = list(whole.config.layer_types)
    less = copy.deepcopy(whole)
    assert cut_layers(less, [1, 2]) == [0, 3]
    assert less.config.layer_types == [kinds[0], kinds[3]]
    assert less.config.eos_token_id == [1, 2, 3, 4]
    less.save_pretrained(tmp_path)
    ids = torch.tensor([list(range(20))])
    back = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    torch.testing.assert_close(back(ids).logits, less(ids).logits)


def test_layers_are_paired_as_they_were_or_evenly():
    assert build_pairs("", 2, 4, [0, 3]) == [LayerPair(0, 0), LayerPair(1, 3)]
    assert [pair.teacher for pair in build_pairs("", 16, 32)] == list(range(1, 32, 2))
    assert build_pairs("0:0,1:2", 2, 3) == [LayerPair(0, 0), LayerPair(1, 2)]
    for wrong in ("0", "0:0,", "a:b", "0:3", "2:0"):
        with pytest.raises(UsageError, match="--layer-map"):
            build_pairs(wrong, 2, 3)


# two vocabularies

CUTS = st.lists(st.integers(0, 40), max_size=12)


def parts(text: bytes, cuts: Sequence[int]) -> list[bytes]:
    ends = sorted({0, len(text), *(each for each in cuts if each < len(text))})
    return [text[a:b] for a, b in itertools.pairwise(ends)]


@given(text=st.text(max_size=20), left=CUTS, right=CUTS, first=st.sampled_from([(0, 0), (1, 0), (0, 1), (2, 2)]))
def test_groups_are_the_smallest_that_spell_the_same(
    text: str, left: list[int], right: list[int], first: tuple[int, int]
):
    """A token that spells nothing, such as one that begins a text, may stand on either side: it is in no group."""
    sides = [[b""] * nothing + parts(text.encode(), cuts) for nothing, cuts in zip(first, (left, right), strict=True)]
    groups = align(*sides)

    spelled = [
        [b"".join(side[place] for place in getattr(group, name)) for group in groups]
        for side, name in zip(sides, ("teacher", "student"), strict=True)
    ]
    assert spelled[0] == spelled[1]
    assert b"".join(spelled[0]) == text.encode()
    boundaries = [{len(b"".join(side[: place + 1])) for place in range(len(side))} - {0} for side in sides]
    assert len(groups) == len(boundaries[0] & boundaries[1])  # a cut that both have is one of the groups
    covered = [place for group in groups for place in group.student]
    assert covered == list(range(first[1], len(sides[1])))


@given(text=st.text(max_size=20), cuts=CUTS)
def test_the_same_tokens_are_aligned_one_by_one(text: str, cuts: list[int]):
    tokens = parts(text.encode(), cuts)

    assert [(list(g.teacher), list(g.student)) for g in align(tokens, tokens)] == [
        ([n], [n]) for n in range(len(tokens))
    ]
    with pytest.raises(ValueError, match="different texts"):
        align([*tokens, b"x"], tokens)


def test_one_vocabulary_taken_for_two_teaches_the_same(tokenizer: Any, rows: Any):
    teacher, student, width = model(tokenizer, 1), model(tokenizer, 2), len(tokenizer)
    both = compare_vocabularies(tokenizer, tokenizer, (width, width), (tokenizer.eos_token_id,) * 2)
    alignment = build_alignment(tokenizer, tokenizer, [(row, row) for row in rows], both)
    tell, tuning = online(teacher, rows, width, 16), Distilling(top=16)
    one = sums(Distillation(tell, tuning, 0, width), student, rows)
    two = sums(Distillation(tell, tuning, 0, width, alignment=alignment), student, rows)

    assert alignment.share == 1
    assert all(group.is_single for groups in alignment.groups.values() for group in groups)
    assert both.students.tolist() == list(range(width))
    assert two["kl"] == pytest.approx(one["kl"], rel=1e-6)
    assert two["sorted"] == 0


@settings(max_examples=30, deadline=None)
@given(text=st.text(max_size=30))
def test_tokens_spell_the_bytes_of_a_text(text: str, tokenizer: Any, foreign: Any):
    if "<|" in text:
        return
    for each in (tokenizer, foreign):
        spell = token_bytes(each)
        assert b"".join(map(spell, each.encode(text, add_special_tokens=False))) == text.encode()


def test_a_group_of_several_tokens_counts_by_the_chain_rule(tokenizer: Any, foreign: Any, rows: Any):
    """KL between two, this text or another, by the products of the tokens' probabilities, one row after the other."""
    teacher, student = model(tokenizer, 1), model(foreign, 2)
    ours = {row.id: row for row in build_examples(records(), build_template(foreign, "chat"), 2048).kept}
    both = compare_vocabularies(
        tokenizer, foreign, (len(tokenizer), len(foreign)), (tokenizer.eos_token_id, foreign.eos_token_id)
    )
    alignment = build_alignment(tokenizer, foreign, [(row, ours[row.id]) for row in rows], both)
    only = {id: tuple(group for group in groups if not group.is_single) for id, groups in alignment.groups.items()}
    assert sum(map(len, only.values())) > 10
    expected = 0.0
    for row in rows:
        logs = []
        for each, example in ((teacher, row), (student, ours[row.id])):
            with torch.no_grad():
                found = each(input_ids=torch.tensor([example.ids])).logits[0].log_softmax(-1)
            start = len(example.ids) - example.answer
            logs.append([float(found[start + n - 1, example.ids[start + n]]) for n in range(example.answer)])
        for group in only[row.id]:
            p, q = (
                math.exp(sum(side[n] for n in places))
                for side, places in zip(logs, (group.teacher, group.student), strict=True)
            )
            expected += p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))
    objective = Distillation(
        online(teacher, rows, len(tokenizer)),
        Distilling(top=0),
        0,
        len(foreign),
        alignment=replace(alignment, groups=only),
    )

    assert sums(objective, student, [ours[row.id] for row in rows])["kl"] == pytest.approx(expected, rel=1e-4)


# licences


@pytest.mark.parametrize(
    ("teacher", "student", "allowed"),
    [
        ("meta-llama/Meta-Llama-3-8B-Instruct", "Qwen/Qwen2.5-0.5B-Instruct", False),
        ("meta-llama/Meta-Llama-3-8B-Instruct", "meta-llama/Meta-Llama-3-8B-Instruct", True),
        ("meta-llama/Llama-2-7b-chat-hf", "meta-llama/Llama-3.2-1B-Instruct", False),
        ("meta-llama/Llama-3.1-8B-Instruct", "Qwen/Qwen2.5-0.5B-Instruct", True),
        ("Qwen/Qwen2.5-7B-Instruct", "meta-llama/Llama-3.2-1B-Instruct", True),
        ("models/mine", "models/yours", True),
    ],
)
def test_a_licence_that_forbids_it_is_named(teacher: str, student: str, allowed: bool):
    assert (refusal({"hub_id": teacher}, {"hub_id": student}) is None) == allowed


def test_a_name_that_a_licence_wants_stands_in_front():
    three, later, two = (find_terms({"licence": f"{name} Community"}) for name in ("Llama 3", "Llama 3.1", "Llama 2"))

    assert rightly_named("reports-small", three) == "Llama-3-reports-small"
    assert rightly_named("reports-small", later) == "Llama-reports-small"
    assert rightly_named("llama3.1-8b-drop6", later) == "llama3.1-8b-drop6"
    assert begins_rightly("reports-small", two)
    assert not begins_rightly("reports-llama", later)


# the command


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a set of 24 rows, an adapter as a teacher, and other students."""
    folder = tmp_path_factory.mktemp("workplace")
    with pytest.MonkeyPatch.context() as patch, quiet():
        patch.chdir(folder)
        run("synth", "intent", "--n", "24", "--validation", "6", "--teacher", "offline", "--quiet")
        asked = [row.instruction for row in read_split(Path("build/intent"), "train")]
        own = train_tokenizer(asked * 5)
        other = train_tokenizer([text[: len(text) // 2] for text in asked] * 2 + ["other words"] * 9)
        for name, tokenizer, hidden, layers in (("base", own, 64, 4), ("wide", own, 128, 3), ("other", other, 64, 2)):
            made = model(tokenizer, 7, hidden=hidden, layers=layers).float()
            made.save_pretrained(name)
            tokenizer.save_pretrained(name)
        run(
            "finetune",
            "--set",
            "build/intent",
            "--model",
            "base",
            "--epochs",
            "2",
            "--learning-rate",
            "0.01",
            "--quiet",
        )
    return folder


@pytest.fixture
def here(workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(workplace, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def distill(*arguments: object, code: int = 0) -> dict[str, Any]:
    done = run("distill", "build/adapters/intent-base", *FAST, *arguments, "--json", "--quiet", code=code)
    return json.loads(done.stdout) if code == 0 else {"said": done.output}


def test_a_student_is_an_ordinary_model_with_its_layers_told(here: Path):
    told = distill("--drop", "2")
    folder = Path("build/models/intent-base-drop2")
    layers = told["distilled"]["layers"]
    out = [each["layer"] for each in layers["dropped"]]
    again = distill("--drop", "2")
    history = read_history(folder / "training.jsonl")

    assert told["changed"]
    assert not again["changed"]
    assert sorted([*layers["kept"], *out]) == [0, 1, 2, 3]
    assert AutoModelForCausalLM.from_pretrained(folder).config.num_hidden_layers == 2
    assert told["distilled"]["answers"] == {"top": 128, "cached": True, "bytes_a_token": 776}
    steps = [row for row in history if "loss" in row]
    assert all(row["loss"] == pytest.approx(0.5 * row["loss_ce"] + 0.5 * row["loss_kl"], rel=1e-5) for row in steps)
    terms = told["distilled"]["terms"]
    assert terms["after"]["loss_kl"] < terms["before"]["loss_kl"]
    assert (
        terms["after"]["loss_kl"]
        == next(row for row in reversed(history) if "validation_loss" in row)["validation_loss_kl"]
    )
    assert f"without {out[0]}" in (folder / "README.md").read_text(encoding="utf-8")
    run("chat", folder, "--once", "hello", "--json")
    scored = run("score", "--model", folder, "--set", "build/intent", "--split", "validation", "--json", "--quiet")
    assert json.loads(scored.stdout)["scores"]


def test_a_student_goes_on_as_one_file(here: Path):
    """The Modelfile names the file that is there, and the student stays what it was."""
    distill("--drop", "2", "--out", "small")
    told = json.loads(run("merge", "small", "--gguf", "q8_0", "--json").stdout)

    assert Path(told["file"]) == Path("small/small-q8_0.gguf")
    assert "\nFROM ./small-q8_0.gguf\n" in Path("small/Modelfile").read_text(encoding="utf-8")
    assert not distill("--drop", "2", "--out", "small")["changed"]


def test_a_student_learns_of_its_own_answers_and_goes_on_where_it_was_killed(here: Path):
    """In the second stage: its answers are drawn, the teacher says of each token what it thinks, and that is nearer after it."""
    on_policy = ("--drop", "2", "--on-policy", "0.5")
    first = distill("--drop", "2", "--out", "first")
    told = distill(*on_policy, "--out", "whole")
    second, history = told["metrics"]["on_policy"], read_history(Path("whole/on-policy.jsonl"))
    for after in (4, 5):  # at the end of the first stage, and of the second
        assert kill(here, *on_policy, "--out", f"parts{after}", after=after) == -signal.SIGKILL
        resumed = distill(*on_policy, "--out", f"parts{after}", "--resume")
        assert resumed["metrics"] == told["metrics"]
        for name in ("training.jsonl", "on-policy.jsonl", "model.safetensors"):
            assert Path(f"parts{after}", name).read_bytes() == Path("whole", name).read_bytes(), name

    assert (second["rows"], second["steps"], len([row for row in history if "loss" in row])) == (12, 2, 2)
    assert second["after"]["loss_reverse"] < second["before"]["loss_reverse"]
    assert told["metrics"]["loss"] == first["metrics"]["loss"]  # the first stage is the same
    assert not Path("whole/on-policy").exists()
    assert Path("whole/model.safetensors").read_bytes() != Path("first/model.safetensors").read_bytes()
    asked = distill(*on_policy, "--no-cache", "--override", "divergence=jsd", "--out", "online")["metrics"]["on_policy"]
    assert asked["after"]["loss_jsd"] < asked["before"]["loss_jsd"]
    refused = distill("--student", "other", "--on-policy", "0.5", "--out", "small", code=2)["said"]
    assert "--on-policy: what a student writes in a vocabulary of its own" in refused


def test_students_that_are_compared_have_the_same_layers_out(here: Path):
    """What was chosen is kept with the teacher's answers: a second student does not measure it again."""
    kept = distill("--drop", "2", "--out", "one")["distilled"]["layers"]
    (chosen,) = Path("build/cache/teachers").glob("layers-*.json")
    changed = [[layer, kl + 1] for layer, kl in json.loads(chosen.read_text(encoding="utf-8"))["chosen"]]
    chosen.write_text(json.dumps({"chosen": changed}), encoding="utf-8")
    again = distill("--drop", "2", "--kl", "0", "--out", "two")["distilled"]["layers"]

    assert again["kept"] == kept["kept"]
    assert [each["kl"] for each in again["dropped"]] == [each["kl"] + 1 for each in kept["dropped"]]


def test_an_untrained_student_is_its_teacher_without_the_layers(here: Path):
    told = distill("--drop", "1", "--untrained", "--out", "cut")
    run("merge", "build/adapters/intent-base", "--out", "whole", "--quiet")
    whole = AutoModelForCausalLM.from_pretrained("whole").eval()
    (out,) = [each["layer"] for each in told["distilled"]["layers"]["dropped"]]
    cut_layers(whole, [out])
    ids = torch.tensor([list(range(30))])
    with torch.no_grad():
        torch.testing.assert_close(AutoModelForCausalLM.from_pretrained("cut").eval()(ids).logits, whole(ids).logits)
    assert told["metrics"] is None


def test_the_cache_serves_without_the_teacher_and_online_is_the_same(here: Path):
    one = distill("--student", "wide", "--out", "one")
    shutil.move("base/model.safetensors", "away.safetensors")
    Path("base/model.safetensors").write_bytes(b"nothing")  # nobody can load the teacher now
    refused = distill("--student", "wide", "--no-cache", "--out", "two", code=2)
    two = distill("--student", "wide", "--out", "one", "--replace")
    shutil.move("away.safetensors", "base/model.safetensors")
    asked = distill("--student", "wide", "--no-cache", "--out", "three")

    assert "base: cannot be loaded" in refused["said"]
    assert two["metrics"]["loss"] == one["metrics"]["loss"]
    assert asked["metrics"]["loss"] == pytest.approx(one["metrics"]["loss"], rel=2e-3)


def test_the_recipe_teaches_states_and_drops_the_map_between_widths(here: Path):
    told = distill("--student", "wide", "--recipe", "od-finllm", "--out", "wide-student")
    names = load_file("wide-student/model.safetensors")
    last = [row for row in read_history(Path("wide-student/training.jsonl")) if "loss" in row][-1]

    assert told["distilled"]["projections"] == ["embedding", "pair0", "pair1", "pair2"]
    assert told["distilled"]["pairs"] == [
        {"student": 0, "teacher": 0},
        {"student": 1, "teacher": 2},
        {"student": 2, "teacher": 3},
    ]
    assert not [name for name in names if "projection" in name]
    parts_of = {"ce": 0.5, "kl": 0.5 * 4, "embedding": 0.5, "hidden": 0.5}
    assert last["loss"] == pytest.approx(
        sum(weight * last[f"loss_{name}"] for name, weight in parts_of.items()), rel=1e-5
    )
    assert told["sources"]["hidden"] == "recipe od-finllm"


def test_an_adapter_on_a_pruned_student_says_which_term_is_nothing(here: Path):
    done = run(
        "distill",
        "build/adapters/intent-base",
        *FAST,
        "--drop",
        "2",
        "--rank",
        "4",
        "--embedding",
        "1",
        "--out",
        "lora",
    )
    cut_model = distill("--drop", "2", "--untrained", "--out", "cut")
    before, after = (load_file(f"{name}/model.safetensors") for name in ("cut", "lora"))

    assert "the embedding term stays zero" in done.stderr
    assert cut_model["distilled"]["layers"]
    assert before.keys() == after.keys()
    assert torch.equal(before["model.embed_tokens.weight"], after["model.embed_tokens.weight"])
    assert not torch.equal(
        before["model.layers.0.self_attn.q_proj.weight"], after["model.layers.0.self_attn.q_proj.weight"]
    )
    wrong = distill("--student", "wide", "--rank", "4", "--hidden", "1", "--out", "x", code=2)
    assert "the widths of teacher and student differ" in wrong["said"]


def test_another_vocabulary_is_aligned_or_refused(here: Path):
    told = distill("--student", "other", "--out", "small")
    losses = [row["loss"] for row in read_history(Path("small/training.jsonl")) if "loss" in row]

    assert told["distilled"]["aligned"] == 1
    assert losses[-1] < losses[0]
    assert told["distilled"]["terms"]["after"]["loss_kl"] < told["distilled"]["terms"]["before"]["loss_kl"]


def test_a_vocabulary_that_changes_the_text_is_refused(here: Path):
    for name, key, value in (
        ("tokenizer.json", "normalizer", {"type": "Lowercase"}),
        ("tokenizer_config.json", "tokenizer_class", "PreTrainedTokenizerFast"),
    ):
        path = Path("other", name)
        path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), key: value}), encoding="utf-8")
    said = distill("--student", "other", "--out", "small", code=2)["said"]

    assert "of the answers' bytes can be aligned in the two vocabularies, and 90% are needed" in said
    assert not Path("small/merged.json").exists()


KILLED = """
import os, signal, sys
from fingen.training import checkpoints
from fingen.cli import main
whole, seen = checkpoints.mark_whole, []
def killing(folder):
    whole(folder)
    seen.append(folder)
    if len(seen) == {after}:
        os.kill(os.getpid(), signal.SIGKILL)
checkpoints.mark_whole = killing
sys.argv = ["fingen", *{arguments!r}]
main()
"""


def kill(here: Path, *arguments: str, after: int) -> int:
    """How a distillation ends that is killed at its so-and-so-many-th checkpoint."""
    whole = ["distill", "build/adapters/intent-base", *FAST, *arguments, "--quiet"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    ended = subprocess.run([sys.executable, "-c", KILLED.format(after=after, arguments=whole)], env=environment, timeout=PATIENCE,
                           capture_output=True, check=False)  # fmt: skip
    assert ended.returncode in (0, -signal.SIGKILL), ended.stderr.decode()
    return ended.returncode


@pytest.mark.parametrize("student", [("--drop", "2"), ("--student", "wide", "--recipe", "od-finllm")])
def test_a_run_that_was_killed_goes_on_to_the_same_bytes(student: tuple[str, ...], here: Path):
    distill(*student, "--out", "whole")
    assert kill(here, *student, "--out", "parts", after=2) == -signal.SIGKILL
    refused = distill(*student, "--out", "parts", code=2)
    distill(*student, "--out", "parts", "--resume")

    assert "that was not finished" in refused["said"]
    for name in ("training.jsonl", "model.safetensors"):
        assert Path("parts", name).read_bytes() == Path("whole", name).read_bytes(), name
    assert not Path("parts/checkpoints").exists()


def test_two_processes_teach_what_one_does(here: Path):
    asked = ("--drop", "2", "--on-policy", "0.5")
    alone = distill(*asked, "--out", "alone")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "fingen"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*launch, "distill", "build/adapters/intent-base", *FAST, *asked, "--out", "together"], env=environment,
                          capture_output=True, text=True, timeout=PATIENCE, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("written: ") == 1  # one of them speaks
    together = json.loads(Path("together/merged.json").read_text(encoding="utf-8"))

    assert (alone["processes"], together["processes"]) == (1, 2)
    for name in ("training.jsonl", "on-policy.jsonl"):
        one, two = (
            [row[key] for row in read_history(Path(folder, name)) for key in row if "loss" in key]
            for folder in ("alone", "together")
        )
        assert two == pytest.approx(one, rel=1e-2, abs=1e-3), name
    weights, others = (load_file(f"{folder}/model.safetensors") for folder in ("alone", "together"))
    for name, values in weights.items():
        torch.testing.assert_close(others[name], values, rtol=1e-2, atol=2e-3)


def test_what_is_in_the_way_is_said_at_once(here: Path):
    dry = run("distill", "build/adapters/intent-base", "--drop", "2", "--dry-run", "--json")
    plan = json.loads(dry.stdout)

    assert (plan["rows"], plan["validation"], plan["obstacles"]) == (24, 6, [])
    assert plan["set"] == "build/intent"
    assert not Path("build/models").exists()
    for arguments, said in (
        ((), "name one of them: --drop 6, or --student MODEL"),
        (("--drop", "2", "--student", "wide"), "name one of them"),
        (("--drop", "2", "--layer-map", "0:0"), "--layer-map has no weight"),
        (("--drop", "4"), "the teacher has 4 layers"),
        (("--drop", "2", "--set", "nowhere"), "nowhere: no such set"),
        (("--drop", "2", "--override", "kl=1.5"), "it takes float, from 0 to 1"),
        (("--drop", "2", "--recipe", "od"), "od-finllm"),
        (("--student", "wide", "--hidden", "1", "--layer-map", "0:9"), "there is no 0:9"),
    ):
        assert said in run("distill", "build/adapters/intent-base", *arguments, code=2).output, arguments
    for arguments, said, way in (
        (("--drop", "99"), "--drop 99: the teacher has 4 layers", "take out 1 to 3"),
        (("--drop", "1", "--hidden", "1", "--layer-map", "3:3"), "there is no 3:3", "the student has 3 layers"),
        (("--student", "wide", "--hidden", "1", "--layer-map", "0:9"), "there is no 0:9", "the teacher 4"),
    ):
        planned = run("distill", "build/adapters/intent-base", *arguments, "--dry-run", "--json", code=2)
        (obstacle,) = json.loads(planned.stdout)["obstacles"]
        assert said in obstacle["what"], arguments
        assert way in obstacle["remedy"], arguments
    run("merge", "build/adapters/intent-base", "--out", "whole", "--quiet")
    refused = run("distill", "build/adapters/intent-base", "--drop", "2", "--out", "whole", code=2)
    assert "whole holds a model of `fingen merge`" in refused.output


def test_a_student_that_is_its_teacher_is_refused(here: Path):
    """By its weights, wherever they lie; an adapter's base is another model than the adapter on it."""
    shutil.copytree("base", "copy")
    for student in ("base", "./base", "copy"):
        refused = run("distill", "base", "--student", student, "--set", "build/intent", "--dry-run", code=2).output
        assert f"{student} is base: what the teacher says" in refused
        assert "--drop 6" in refused
    other = load_file("copy/model.safetensors")
    other["model.norm.weight"] = other["model.norm.weight"] + 1
    save_file(other, "copy/model.safetensors", {"format": "pt"})
    run("distill", "base", "--student", "copy", "--set", "build/intent", "--dry-run")
    run("distill", "build/adapters/intent-base", "--student", "base", "--dry-run")


def test_a_licence_is_kept_before_anything_is_fetched(here: Path):
    llama = ("distill", "llama3", "--student", "qwen2.5-0.5b", "--set", "build/intent", "--dry-run", "--json")
    refused = run(*llama, code=2).output
    agreed = run(*llama, "--license-agreed", code=2).output  # its files are not here all the same
    named = run(
        "distill", "llama3.1", "--drop", "8", "--set", "build/intent", "--out", "small", "--dry-run", code=2
    ).output

    assert "the licence of Llama 3 forbids to improve other models" in refused
    assert "forbids" not in agreed
    assert "Llama in front" in named
