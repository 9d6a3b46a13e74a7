"""How a row is put to a model: one rendering, for training and for use."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import jinja2

from fingen.disk import dump_json
from fingen.errors import UsageError
from fingen.prompts import MOST_CHARACTERS, WRONG_FORM, bounded
from fingen.thoughts import closing

_QUESTION, _MARK, _SPACE = "QUESTION-GOES-HERE", "ANSWER-GOES-HERE", "  "
# What a chat template that writes the day is told, in training and in use: Llama 3.2's names it where it is told none.
DAY = datetime(2024, 7, 26, tzinfo=UTC)
ANY_DAY = datetime(1999, 12, 31, 23, 59, 58, tzinfo=UTC)  # another one, on which a server may be asked
DIRECTIVES = "aAbBcdfHIjmMpSUwWxXyYzZ"  # of strftime, on any system
Message = Mapping[str, str]  # role and content


@dataclass(frozen=True)
class Template:
    """A tokenizer with the form that its prompts have. `end` is the token that ends an answer."""

    tokenizer: Any
    form: str  # "chat" or "fingpt"
    end: int
    controls: tuple[str, ...]  # texts that the tokenizer reads as control tokens
    closing: str = ""  # what ends the thought that the chat template leaves open before an answer
    writes_day: bool = False  # whether the chat template writes what day it is
    trims: bool = False  # whether the chat template leaves out white space around an answer

    def render(self, instruction: str, passage: str = "", *, system: str = "", turns: Sequence[Message] = ()) -> str:
        """The prompt of a row, up to where the answer begins: what the model is told, what was said before, the question.

        Raises:
            UsageError: a text holds a control token of the model, with which it could speak in another's name; or there is no
                place for a system message, or for earlier turns.
        """
        before = [*([{"role": "system", "content": system}] if system else []), *map(dict, turns)]
        if control := self.find_control(instruction, passage, *(message["content"] for message in before)):
            raise UsageError(f"the text holds {control}, a control token of the model", hint="take it out of the text")
        if self.form == "fingpt":
            if before:
                said = "FinGPT's prompt is one question: it has no place for a system message or earlier turns"
                raise UsageError(said, hint="put what matters into the question")
            middle = f"Input: {passage}\n" if passage else ""
            return f"Instruction: {instruction}\n{middle}Answer: "
        question = "\n".join(part for part in (instruction, passage) if part)
        text = _chat(self.tokenizer, [*before, {"role": "user", "content": question}], prompt=True)
        if any(message["content"].strip() not in text for message in before):
            said = "the chat template leaves out a system message, or what was said before"
            raise UsageError(said, hint="put what matters into the question")
        return text + self.closing

    def encode_prompt(self, text: str) -> list[int]:
        """Token ids of a rendered prompt. A chat template writes all control tokens itself: none is added to them."""
        if self.form == "chat":
            return list(self.tokenizer.encode(text, add_special_tokens=False))
        first = self.tokenizer.bos_token_id
        bare = list(self.tokenizer.encode(text, add_special_tokens=False))
        return bare if first is None else [first, *bare]

    def encode_answer(self, text: str) -> list[int]:
        """Token ids of an answer as the chat template writes it, with the token that ends it."""
        said = text.strip() if self.trims else text
        return [*self.tokenizer.encode(said, add_special_tokens=False), self.end]

    def find_control(self, *texts: str) -> str | None:
        """The first control token that stands in one of the texts."""
        return next((control for control in self.controls if any(control in text for text in texts)), None)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is done to the prompts of this model, in training and in use."""
        held = f"the chat template writes the day: it is told {DAY:%Y-%m-%d} on any, so that prompts stay as they were learned"
        closed = (
            f"the chat template opens a thought before the answer: it is closed, empty, with {self.closing.strip()}"
        )
        return (*([held] if self.writes_day else []), *([closed] if self.closing else []))

    @property
    def pad(self) -> int:
        """What fills a batch; it is masked, so any token will do."""
        pad: int | None = self.tokenizer.pad_token_id
        return self.end if pad is None else pad

    @property
    def sha256(self) -> str:
        """Of a rendered example, its token ids and the end: the same template puts a row in the same way."""
        text = self.render("instruction", "input")
        ids = [*self.encode_prompt(text), *self.encode_answer("output")]
        return hashlib.sha256(f"{text}\0{ids}".encode()).hexdigest()


def build_template(tokenizer: Any, form: str) -> Template:
    """The template of a tokenizer in a form.

    Raises:
        UsageError: the tokenizer has no chat template, one that leaves a thought open for good, or nothing that ends an answer.
    """
    special = {str(token) for token in tokenizer.all_special_tokens}
    special |= {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    controls = tuple(sorted(special, key=lambda text: (-len(text), text)))
    end, thought, writes_day, trims = tokenizer.eos_token_id, "", False, False
    if form == "chat":
        if not tokenizer.chat_template:
            raise UsageError(
                "the base model has no chat template, so it was not made for conversation",
                hint="take its instruct or chat version, or pass --override form=fingpt",
            )
        end = _end_of_turn(tokenizer, end)
        trims = not _behind(tokenizer, f"{_MARK}{_SPACE}").startswith(_SPACE)
        thought = _close_thought(tokenizer)
        asked = [{"role": "user", "content": _QUESTION}]
        writes_day = len({_chat(tokenizer, asked, prompt=True, day=day) for day in (DAY, ANY_DAY)}) > 1
    if end is None:
        raise UsageError("the tokenizer has no token that ends an answer", hint="take another base model")
    return Template(tokenizer, form, end, controls, thought, writes_day, trims)


def _close_thought(tokenizer: Any) -> str:
    """What ends the thought that a chat template opens before an answer; empty where it opens none."""
    prompt = _chat(tokenizer, [{"role": "user", "content": _QUESTION}], prompt=True)
    if (found := closing(prompt.rpartition(_QUESTION)[2])) is None:
        said = "the chat template opens a thought before the answer, and nothing is known to close it"
        raise UsageError(said, hint="take a model that answers at once, or mend its template")
    return found


def _end_of_turn(tokenizer: Any, otherwise: int | None) -> int | None:
    """The control token that follows an answer in a conversation; it need not be the tokenizer's own end of text."""
    ids = tokenizer.encode(_behind(tokenizer, _MARK).strip(), add_special_tokens=False)
    special = set(tokenizer.all_special_ids) | {i for i, t in tokenizer.added_tokens_decoder.items() if t.special}
    return ids[0] if ids and ids[0] in special else otherwise


def _behind(tokenizer: Any, answer: str) -> str:
    """What a chat template writes behind the mark of an answer."""
    messages = [{"role": "user", "content": "question"}, {"role": "assistant", "content": answer}]
    return _chat(tokenizer, messages, prompt=False).rpartition(_MARK)[2]


def _chat(tokenizer: Any, messages: Sequence[Message], *, prompt: bool, day: datetime = DAY) -> str:
    # Models that think before they answer are asked not to: the sets hold answers, not thoughts. Others ignore it.
    return apply_chat_template(tokenizer, messages, day=day, add_generation_prompt=prompt, enable_thinking=False)


def apply_chat_template(tokenizer: Any, messages: Sequence[Message], *, day: datetime = DAY, **values: Any) -> str:
    """A conversation as the chat template of a model writes it on a day; the template is a program that others wrote.

    transformers runs it in a sandbox, which stops neither a loop without an end nor a text without one: that is done here.

    Raises:
        UsageError: it fails, refuses the conversation, or does not come to an end.
    """
    try:
        most = MOST_CHARACTERS + sum(len(message["content"]) for message in messages)
        held = hold_day(tokenizer.get_chat_template(), day)
        with bounded(most):
            text: str = tokenizer.apply_chat_template(
                [*map(dict, messages)], chat_template=held, tokenize=False, **values
            )
        if len(text) > most:
            raise jinja2.TemplateError(f"it writes {len(text):,} characters")
    except (jinja2.TemplateError, *WRONG_FORM, MemoryError) as e:
        line = next(iter(str(e).strip().splitlines()), type(e).__name__)
        raise UsageError(f"the chat template fails: {line}", hint="take another model, or mend its template") from e
    return text


def hold_day(chat_template: str, day: datetime = DAY) -> str:
    """A chat template that is told one day, on any; as it is where it does not ask.

    It asks by a function that transformers and servers put there. A macro of that name stands before it in the template.
    """
    if "strftime_now" not in chat_template:
        return chat_template
    written = {f"%{letter}": day.strftime(f"%{letter}") for letter in DIRECTIVES}
    written |= {"%e": f"{day.day:2}", "%F": day.strftime("%Y-%m-%d"), "%T": day.strftime("%H:%M:%S")}
    written |= {part.replace("%", "%-"): text.lstrip("0 ") or "0" for part, text in written.items()}  # no leading zeros
    filled = "".join(f" | replace({dump_json(part)}, {dump_json(text)})" for part, text in written.items()
                     if part in chat_template)  # fmt: skip
    return f"{{% macro strftime_now(form) %}}{{{{ form{filled} }}}}{{% endmacro %}}{chat_template}"
