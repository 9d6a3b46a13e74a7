"""How a row is put to a model: one rendering, for training and for use."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import jinja2

from fingen.errors import UsageError
from fingen.prompts import MOST_CHARACTERS, WRONG_FORM, bounded

_MARK = "ANSWER-GOES-HERE"


@dataclass(frozen=True)
class Template:
    """A tokenizer with the form that its prompts have. `end` is the token that ends an answer."""

    tokenizer: Any
    form: str  # "chat" or "fingpt"
    end: int
    controls: tuple[str, ...]  # texts that the tokenizer reads as control tokens

    def render(self, instruction: str, passage: str = "") -> str:
        """The prompt of a row, up to where the answer begins.

        Raises:
            UsageError: the text holds a control token of the model, with which it could speak in another's name.
        """
        if control := self.find_control(instruction, passage):
            raise UsageError(f"the text holds {control}, a control token of the model", hint="take it out of the text")
        if self.form == "fingpt":
            middle = f"Input: {passage}\n" if passage else ""
            return f"Instruction: {instruction}\n{middle}Answer: "
        question = "\n".join(part for part in (instruction, passage) if part)
        return _chat(self.tokenizer, [{"role": "user", "content": question}], prompt=True)

    def encode_prompt(self, text: str) -> list[int]:
        """Token ids of a rendered prompt. A chat template writes all control tokens itself: none is added to them."""
        if self.form == "chat":
            return list(self.tokenizer.encode(text, add_special_tokens=False))
        first = self.tokenizer.bos_token_id
        bare = list(self.tokenizer.encode(text, add_special_tokens=False))
        return bare if first is None else [first, *bare]

    def encode_answer(self, text: str) -> list[int]:
        """Token ids of an answer, with the token that ends it."""
        return [*self.tokenizer.encode(text, add_special_tokens=False), self.end]

    def find_control(self, *texts: str) -> str | None:
        """The first control token that stands in one of the texts."""
        return next((control for control in self.controls if any(control in text for text in texts)), None)

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
        UsageError: the tokenizer has no chat template, or nothing that ends an answer.
    """
    special = {str(token) for token in tokenizer.all_special_tokens}
    special |= {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    controls = tuple(sorted(special, key=lambda text: (-len(text), text)))
    end = tokenizer.eos_token_id
    if form == "chat":
        if not tokenizer.chat_template:
            raise UsageError(
                "the base model has no chat template, so it was not made for conversation",
                hint="take its instruct or chat version, or pass --override form=fingpt",
            )
        end = _end_of_turn(tokenizer, end)
    if end is None:
        raise UsageError("the tokenizer has no token that ends an answer", hint="take another base model")
    return Template(tokenizer, form, end, controls)


def _end_of_turn(tokenizer: Any, otherwise: int | None) -> int | None:
    """The control token that follows an answer in a conversation; it need not be the tokenizer's own end of text."""
    messages = [{"role": "user", "content": "question"}, {"role": "assistant", "content": _MARK}]
    behind = _chat(tokenizer, messages, prompt=False).rpartition(_MARK)[2]
    ids = tokenizer.encode(behind.strip(), add_special_tokens=False)
    special = set(tokenizer.all_special_ids) | {i for i, t in tokenizer.added_tokens_decoder.items() if t.special}
    return ids[0] if ids and ids[0] in special else otherwise


def _chat(tokenizer: Any, messages: list[dict[str, str]], *, prompt: bool) -> str:
    # Models that think before they answer are asked not to: the sets hold answers, not thoughts. Others ignore it.
    return apply_chat_template(tokenizer, messages, add_generation_prompt=prompt, enable_thinking=False)


def apply_chat_template(tokenizer: Any, messages: list[dict[str, str]], **values: Any) -> str:
    """A conversation as the chat template of a model writes it; the template is a program that others wrote.

    transformers runs it in a sandbox, which stops neither a loop without an end nor a text without one: that is done here.

    Raises:
        UsageError: it fails, refuses the conversation, or does not come to an end.
    """
    try:
        most = MOST_CHARACTERS + sum(len(message["content"]) for message in messages)
        with bounded(most):
            text: str = tokenizer.apply_chat_template(messages, tokenize=False, **values)
        if len(text) > most:
            raise jinja2.TemplateError(f"it writes {len(text):,} characters")
    except (jinja2.TemplateError, *WRONG_FORM, MemoryError) as e:
        line = next(iter(str(e).strip().splitlines()), type(e).__name__)
        raise UsageError(f"the chat template fails: {line}", hint="take another model, or mend its template") from e
    return text
