"""`fingen chat`: any model, several turns, a system line, a passage, and choices with their options and labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from asked_models import CHAT, LOSES_SYSTEM, NO_SYSTEM, TEXTS, make_workplace
from small_models import greedy, make_base, run
from transformers import AutoModelForCausalLM, AutoTokenizer

from fingen.sets import read_split

torch.set_num_threads(1)  # the models are too small for two
FOLLOW_UPS = (
    "And then?",
    "Why did it fall?",
    "He said so?",
    "42 million",
    "less debt?",
    "costs",
    "What of 2023?",
    "it was so",
)
PASSAGE = "Revenue was 42 million.\nFinance costs fell."


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_workplace(tmp_path_factory.mktemp("chat"))


@pytest.fixture
def there(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(workplace)
    Path("passage.txt").write_text(PASSAGE + "\n", encoding="utf-8")
    return workplace


def said(folder: str, messages: list[dict[str, str]], tokens: int) -> str:
    """An oracle: what the model itself writes to a conversation, each token from a forward of its own."""
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    ids = greedy(model, tokenizer.encode(text, add_special_tokens=False), tokens)
    end = tokenizer.eos_token_id
    return str(tokenizer.decode(ids[: ids.index(end)] if end in ids else ids, skip_special_tokens=True))


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def replies(*arguments: object, **options: Any) -> list[dict[str, Any]]:
    """What chat prints as JSON, one object after another."""
    text, found, decoder = run("chat", *arguments, "--json", **options).stdout.strip(), [], json.JSONDecoder()
    while text:
        value, end = decoder.raw_decode(text)
        found.append(value)
        text = text[end:].strip()
    return found


def test_a_model_as_it_is_answers(there: Path):
    asked = "What was revenue?"
    (plain,) = replies("base", "--once", asked, "--max-tokens", 5)

    assert plain == {"question": asked, "model": said("base", [user(asked)], 5)}
    assert run("chat", "base", "--once", asked, "--max-tokens", 5).stdout.rstrip("\n") == plain["model"]


def test_turns_go_on_from_those_before_until_they_are_cleared(there: Path):
    opened = "What was revenue?"
    before = [user(opened), {"role": "assistant", "content": said("base", [user(opened)], 4)}]
    both = {asked: (said("base", [*before, user(asked)], 4), said("base", [user(asked)], 4)) for asked in FOLLOW_UPS}
    asked = next(asked for asked, (later, alone) in both.items() if later != alone)  # else nothing would be shown
    lines = f"{opened}\n{asked}\n/clear\n{asked}\n\n"
    remembered = replies("base", "--turns", "--max-tokens", 4, input=lines)
    single = replies("base", "--max-tokens", 4, input=lines.replace("/clear\n", ""))
    later, alone = both[asked]

    assert [reply["model"] for reply in remembered] == [before[1]["content"], later, alone]
    assert [reply["model"] for reply in single] == [before[1]["content"], alone, alone]


def test_a_system_message_and_a_passage_stand_where_rows_have_them(there: Path):
    told = [{"role": "system", "content": "Be brief."}]
    lines = "What was revenue?\nAnd then?\n\n"
    ways = ("base", "--system", "Be brief.", "--passage", "passage.txt", "--max-tokens", 4)
    first, second = replies(*ways, "--turns", input=lines)
    single = replies(*ways, input=lines)

    asked = user(f"What was revenue?\n{PASSAGE}")
    assert first["model"] == said("base", [*told, asked], 4)
    answered = {"role": "assistant", "content": first["model"]}
    assert second["model"] == said("base", [*told, asked, answered, user("And then?")], 4)
    assert single[1]["model"] == said("base", [*told, user(f"And then?\n{PASSAGE}")], 4)


def test_a_merged_model_is_asked_as_it_was_trained(there: Path):
    ways = ("--passage", "passage.txt", "--once", "What was item 3?", "--max-tokens", 6)
    (tuned,), (merged,) = replies("build/adapters/fingpt", *ways), replies("build/models/fingpt", *ways)
    tokenizer = AutoTokenizer.from_pretrained("build/models/fingpt")
    model = AutoModelForCausalLM.from_pretrained("build/models/fingpt")
    text = f"Instruction: What was item 3?\nInput: {PASSAGE}\nAnswer: "
    first = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
    ids = greedy(model, [*first, *tokenizer.encode(text, add_special_tokens=False)], 6)

    assert merged["model"] == tuned["adapter"]
    assert tokenizer.decode(ids, skip_special_tokens=True).startswith(merged["model"])


@pytest.mark.parametrize("name", ["adapters", "models"])
def test_options_are_added_to_a_question_and_the_answer_has_its_label(name: str, there: Path):
    row = next(read_split(Path("build/intent"), "train"))
    before, behind = row.instruction.partition("Client: ")[0] + "Client: ", row.instruction.partition("\nA. ")[2]
    options = dict(line.split(". ", 1) for line in f"A. {behind}".splitlines())
    folder, asked = f"build/{name}/intent-silent", "my card is blocked"
    side = "adapter" if name == "adapters" else "model"
    (bare,) = replies(folder, "--once", asked, "--max-tokens", 4)
    (whole,) = replies(folder, "--once", f"{before}{asked}\nA. {behind}", "--max-tokens", 4)
    printed = run("chat", folder, "--once", asked, "--max-tokens", 4).stdout.strip()

    assert bare[side] == whole[side]
    assert bare["labels"] == {side: options.get(bare[side])}
    assert "labels" not in whole  # whose letters mean what the question says
    assert bare[side] in options
    assert printed == f"{bare[side]}. {options[bare[side]]}"


def test_a_set_of_labels_has_its_instruction_put_above_the_text(there: Path):
    row = next(read_split(Path("build/labels"), "train"))
    (found,) = replies("build/adapters/labels-base", "--base", "--once", "Profit rose in quarter 12", "--max-tokens", 4)
    whole = run("chat", "base", "--once", f"{row.instruction}\nProfit rose in quarter 12", "--max-tokens", 4).stdout

    assert found["base"] == whole.rstrip("\n")
    assert found["labels"]["adapter"] in ("up", "down", None)
    assert found["labels"]["adapter"] == (found["adapter"] if found["adapter"] in ("up", "down") else None)


def test_free_text_has_nothing_put_around_it(there: Path):
    (found,) = replies("build/adapters/texts-base", "--base", "--once", "What was item 3?", "--max-tokens", 4)

    assert set(found) == {"question", "base", "adapter"}
    assert found["base"] == said("base", [user("What was item 3?")], 4)


def test_settings_that_a_base_was_published_with_do_not_change_the_likeliest_answer(there: Path, tmp_path: Path):
    asked = "He said so, and then?"
    make_base(tmp_path / "base", TEXTS, chat=CHAT, talks=True)
    before = said(str(tmp_path / "base"), [user(asked)], 12)
    settings = tmp_path / "base" / "generation_config.json"
    stored = json.loads(settings.read_text(encoding="utf-8"))
    sampling = {
        "do_sample": True,
        "temperature": 0.7,
        "top_k": 20,
        "repetition_penalty": 9.0,
        "no_repeat_ngram_size": 1,
    }
    settings.write_text(json.dumps(stored | sampling), encoding="utf-8")

    assert replies(tmp_path / "base", "--once", asked, "--max-tokens", 12)[0]["model"] == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("base", "--base"), "--base goes with an adapter"),
        (("tiny",), "it is made from a set"),
        (("nowhere",), "no whole adapter is here, and it is no alias, folder or Hub id of a model"),
        (("build",), "it has no config.json"),
        (("base", "--passage", "nosuch.txt"), "nosuch.txt: cannot be read"),
        (("base", "--passage", "binary.txt"), "binary.txt: no text in UTF-8"),
        (("base", "--passage", "empty.txt"), "empty.txt: empty"),
        (("base", "--once", "a<|end|>b"), "holds <|end|>, a control token"),
        (("base", "--system", "a<|end|>b"), "holds <|end|>, a control token"),
        (("build/adapters/fingpt", "--system", "Be brief."), "no place for a system message"),
        (("build/models/fingpt", "--turns"), "no place for a system message or earlier turns"),
        (("build/adapters/labels-base", "--passage", "passage.txt"), "where a passage would stand"),
        (("refuses", "--system", "Be brief."), "the chat template fails: none"),
        (("loses", "--system", "Be brief."), "leaves out a system message"),
    ],
)
def test_what_has_no_place_is_refused_before_anything_is_asked(arguments: tuple[str, ...], said: str, there: Path):
    Path("binary.txt").write_bytes(b"\xff\xfe\x00a")
    Path("empty.txt").write_text(" \n", encoding="utf-8")
    for name, chat in (("refuses", NO_SYSTEM), ("loses", LOSES_SYSTEM)):
        if not Path(name).is_dir():
            make_base(Path(name), TEXTS, chat=chat)
    refused = run("chat", *arguments, code=2, input="")

    assert said in refused.stderr
    assert "-> " in refused.stderr
    assert not refused.stdout
