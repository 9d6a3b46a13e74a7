"""What is asked of teachers, and what they answer: JSON with a list of items, of which each stands or falls alone."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from fingen.prompts import Template, fill
from fingen.records import Request, request_key


class Strict(BaseModel):
    """Teachers answer exactly these fields; structured output needs every one of them to be required."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


Item = TypeVar("Item", bound=Strict)


def build_request(
    template: Template, values: dict[str, Any], schema: dict[str, Any], teacher: str, **about: Any
) -> Request:
    """Fill a template and put it as a question to a teacher; `about` are further fields of the request."""
    system, prompt = fill(template, values)
    return Request(
        key=request_key(teacher, system, prompt, schema),
        template=template.name,
        system=system,
        prompt=prompt,
        answer_schema=schema,
        **about,
    )


def items_schema(item: dict[str, Any]) -> dict[str, Any]:
    """The JSON schema of an answer with a list of such items."""
    return {
        "type": "object",
        "properties": {"items": {"type": "array", "items": {"$ref": "#/$defs/Item"}}},
        "required": ["items"],
        "additionalProperties": False,
        "$defs": {"Item": item},
    }


def parse_items(text: str, model: type[Item]) -> tuple[list[Item], list[tuple[dict[str, Any], str]]]:
    """The valid items of an answer, and the others with what is wrong with them: an item falls alone.

    Raises:
        ValueError: the answer as a whole is not JSON of the asked form.
    """
    try:
        data = json.loads(text)
    except RecursionError as e:
        raise ValueError("nested too deeply") from e
    if "\\u" in text or not _is_encodable(text):  # only an escape can name half a character
        data = _encodable(data)
    if not isinstance(data, dict) or not isinstance(data.get("items"), list):
        raise ValueError("not an object with a list `items`")
    items: list[Item] = []
    wrong: list[tuple[dict[str, Any], str]] = []
    for item in data["items"]:
        try:
            items.append(model.model_validate(item))
        except ValidationError as e:
            first = e.errors()[0]
            broken = item if isinstance(item, dict) else {"item": item}
            wrong.append((broken, f"{'.'.join(map(str, first['loc']))}: {first['msg']}"))
    return items, wrong


def unusable(text: str, model: type[Strict]) -> str | None:
    """What is wrong with an answer as a whole, in words for the teacher; None if it holds a valid item, or is empty."""
    try:
        items, wrong = parse_items(text, model)
    except ValueError as e:
        return str(e)
    return f"no valid item; the first fault: {wrong[0][1]}" if wrong and not items else None


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _encodable(value: Any) -> Any:
    """The same with U+FFFD for half characters, which JSON can name and UTF-8 cannot write."""
    if isinstance(value, str):
        return value if _is_encodable(value) else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_encodable(item) for item in value]
    return {_encodable(k): _encodable(v) for k, v in value.items()} if isinstance(value, dict) else value
