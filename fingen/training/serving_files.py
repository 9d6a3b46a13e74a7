"""The ways on from a merged model: what other programs need in order to put a question as the training did.

Servers render the chat template that lies in the folder, with settings of their own; Ollama wants one in Go's language. Both
are made here from the template of the training, and checked against it, or left out and said to be missing.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from fingen.adapters import markdown
from fingen.disk import dump_json, write_text
from fingen.errors import UsageError, visible
from fingen.text import as_shown
from fingen.training.template import ANY_DAY, Template, apply_chat_template, hold_day

MODELFILE, CARD = "Modelfile", "README.md"
NAME_CHARACTERS = 60  # of a model, at most; Ollama takes 80
CARD_TEMPLATE = Path(__file__).with_name("merged_card.md.j2")
OUTTYPES = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}  # of llama.cpp's conversion
SYSTEM, QUESTION, ANSWER = "SYSTEM-GOES-HERE", "QUESTION-GOES-HERE", "ANSWER-GOES-HERE"
# FinGPT's prompt as a chat template: one question, no system message.
FINGPT = (
    "{{% if messages[0]['role'] == 'system' %}}{{{{ raise_exception('this model knows no system message') }}}}{{% endif %}}"
    "{{% for message in messages %}}{{% if message['role'] == 'user' %}}"
    "{{{{ {first} + 'Instruction: ' + message['content'] + '\\nAnswer: ' }}}}"
    "{{% else %}}{{{{ message['content'] + eos_token }}}}{{% endif %}}{{% endfor %}}"
)
NO_THOUGHTS = "{% set enable_thinking = false %}"
CLOSED = "{{% if add_generation_prompt %}}{{{{ {closing} }}}}{{% endif %}}"


@dataclass(frozen=True)
class GoTemplate:
    """A prompt in Go's template language. `system` says whether it has a place for a system message."""

    text: str
    system: bool


def fix_chat_template(template: Template) -> bool:
    """Make the tokenizer's chat template render a question as the training did, on any day, with nothing else said to it.

    False where it still does not: a server that uses it then puts questions in another way than they were learned.
    """
    tokenizer = template.tokenizer
    learned = {text: template.encode_prompt(template.render(text)) for text in (QUESTION, "一 2\n三 4 ?")}
    if template.form == "fingpt":
        first = "''" if tokenizer.bos_token_id is None else "bos_token"
        tokenizer.chat_template = FINGPT.format(first=first)
    else:
        tokenizer.chat_template = hold_day(tokenizer.get_chat_template())
        if template.closing:
            tokenizer.chat_template += CLOSED.format(closing=dump_json(template.closing))
        if _encode(tokenizer, QUESTION) != learned[QUESTION]:
            tokenizer.chat_template = NO_THOUGHTS + tokenizer.chat_template
    return all(_encode(tokenizer, text) == ids for text, ids in learned.items())


def _encode(tokenizer: Any, question: str) -> list[int] | None:
    """A question as a server would encode it; None where the template fails."""
    text = _render(tokenizer, question)
    return None if text is None else list(tokenizer.encode(text, add_special_tokens=False))


def _render(tokenizer: Any, question: str, *, system: str | None = None, answer: str | None = None) -> str | None:
    messages = [{"role": "system", "content": system}] if system else []
    messages.append({"role": "user", "content": question})
    if answer:
        messages.append({"role": "assistant", "content": answer})
    try:
        return apply_chat_template(tokenizer, messages, day=ANY_DAY, add_generation_prompt=not answer)
    except UsageError:  # it has no place for one of them
        return None


def build_go_template(tokenizer: Any) -> GoTemplate | None:
    """The chat template for one question in Go's language, tried on other texts; None where it cannot be had.

    A token that the tokenizer puts first by itself is left out: llama.cpp puts it there too, and would double it.
    """
    asked, answered = _render(tokenizer, QUESTION), _render(tokenizer, QUESTION, answer=ANSWER)
    if asked is None or answered is None or asked.count(QUESTION) != 1 or answered.count(ANSWER) != 1:
        return None
    before, _, behind = asked.partition(QUESTION)
    end = answered.partition(ANSWER)[2]
    opening, between = _around_system(tokenizer, behind)
    first = _first(tokenizer)
    pieces = [before.removeprefix(first), behind, end]
    if opening is not None and between is not None:
        pieces += [opening.removeprefix(first), between]
    if any(sign in piece for piece in pieces for sign in ("{{", "}}", '"""')):
        return None
    head = pieces[0]
    if len(pieces) > 3:
        head = f"{{{{ if .System }}}}{pieces[3]}{{{{ .System }}}}{pieces[4]}{{{{ else }}}}{pieces[0]}{{{{ end }}}}"
    go = GoTemplate(f"{head}{{{{ .Prompt }}}}{behind}{{{{ .Response }}}}{end}", len(pieces) > 3)
    other = "又一个 question?"
    plain = before + other + behind == _render(tokenizer, other)
    with_system = opening is None or f"{opening}{ANSWER}{between}{other}{behind}" == _render(
        tokenizer, other, system=ANSWER
    )
    return go if plain and with_system else None


def _around_system(tokenizer: Any, behind: str) -> tuple[str, str] | tuple[None, None]:
    """What stands before a system message, and between it and the question; None where there is no place for one."""
    text = _render(tokenizer, QUESTION, system=SYSTEM)
    if text is None or text.count(SYSTEM) != 1 or text.count(QUESTION) != 1 or not text.endswith(QUESTION + behind):
        return None, None
    opening, _, rest = text.removesuffix(QUESTION + behind).partition(SYSTEM)
    return (opening, rest) if text.index(SYSTEM) < text.index(QUESTION) else (None, None)


def _first(tokenizer: Any) -> str:
    """The text of the token that the tokenizer puts before any other by itself; empty if it puts none."""
    ids = tokenizer.encode("x")
    return str(tokenizer.bos_token) if ids and ids[0] == tokenizer.bos_token_id else ""


def write_ways(folder: Path, record: dict[str, Any], template: Template, *, same: bool, name: str, shown: Path) -> None:
    """Write Modelfile and card into the folder of a merged model, which people will know as `shown`.

    `record` is what the merge says of itself, `same` what `fix_chat_template` said.
    """
    go = build_go_template(template.tokenizer) if same else None
    title, name = name, plain_name(name)
    gguf = f"{name}-{OUTTYPES[record['load']]}.gguf"
    end = str(template.tokenizer.convert_ids_to_tokens(template.end))
    environment = jinja2.Environment(
        finalize=as_shown, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
        autoescape=False,  # Markdown: `text` escapes for it
    )  # fmt: skip
    environment.filters |= {"text": markdown, "quote": shlex.quote}
    card = environment.from_string(CARD_TEMPLATE.read_text(encoding="utf-8")).render(
        r={"distilled": None, **record},
        title=title,
        name=name,
        folder=shown.as_posix(),
        gguf=gguf,
        outtype=OUTTYPES[record["load"]],
        go=go,
        same=same,
    )
    modelfile = _modelfile(gguf, go, end, record["context_tokens"])
    for file_name, text in ((MODELFILE, modelfile), (CARD, card)):
        write_text(folder / file_name, text)


def plain_name(name: str) -> str:
    """A name that no shell takes apart, and Ollama takes in small letters."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("._-")[:NAME_CHARACTERS] or "model"


def _modelfile(gguf: str, go: GoTemplate | None, end: str, context_tokens: int) -> str:
    lines = [
        "# For `ollama create`, once llama.cpp has made the file below; README.md beside this has the commands.",
        f"FROM ./{gguf}",
        "# The likeliest answer, as `fingen chat` gives it: Ollama would hold back words that were said already.",
        "PARAMETER temperature 0",
        "PARAMETER repeat_penalty 1",
        "# Tokens of question and answer together; what is longer Ollama cuts at its beginning.",
        f"PARAMETER num_ctx {context_tokens}",
        f'PARAMETER stop "{visible(end)}"',
    ]
    if go is None:
        lines += [
            "# TEMPLATE is missing: the chat template of this model could not be put into Go's language and checked.",
            "# Without it Ollama takes the one in the GGUF file where it can, and may put questions otherwise than they were",
            "# learned. Compare what it sends with what `fingen chat` says.",
        ]
    else:
        lines.append(f'TEMPLATE """{go.text}"""')
        if not go.system:
            lines.append("# This model has no place for a system message: SYSTEM would change nothing.")
    return "\n".join(lines) + "\n"
