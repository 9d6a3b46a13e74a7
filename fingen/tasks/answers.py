"""What is asked of teachers, and what they answer: JSON with a list of items, of which each stands or falls alone."""

from __future__ import annotations

from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

from fingen.prompts import Template, fill
from fingen.records import Parsed, Request, request_key
from fingen.tasks.wrapped import read_json


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


def parse_items(text: str, model: type[Item]) -> Parsed[Item]:
    """The valid items of an answer, and the others with what is wrong with them: an item falls alone.

    Raises:
        ValueError: the answer as a whole is not JSON of the asked form.
    """
    data, repairs = read_json(text)
    if "\\u" in text or not _is_encodable(text):  # only an escape can name half a character
        data = _encodable(data)
    data, bare = _in_an_object(data, model)
    if not isinstance(data, dict) or not isinstance(data.get("items"), list):
        raise ValueError("not an object with a list `items`")
    parsed = Parsed[Item](repairs=[*repairs, *bare], reason=str(data.get("reason") or ""))
    for item in data["items"]:
        whole, mended = _mend(item, model)
        try:
            parsed.items.append(model.model_validate(whole))
            parsed.repairs += mended
        except ValidationError as e:
            first = e.errors()[0]
            broken = item if isinstance(item, dict) else {"item": item}
            parsed.broken.append((broken, f"{'.'.join(map(str, first['loc']))}: {first['msg']}"))
    return parsed


def _in_an_object(data: Any, model: type[Strict]) -> tuple[Any, list[str]]:
    """A list of items, or one item, as the answer that it would have been in."""
    if isinstance(data, list) and all(isinstance(item, dict) for item in data):
        return {"items": data}, ["a list without its object"]
    required = {name for name, field in model.model_fields.items() if not _takes_none(field)}
    if isinstance(data, dict) and "items" not in data and required <= data.keys():
        return {"items": [data]}, ["an item without its list"]
    return data, []


def _mend(item: Any, model: type[Strict]) -> tuple[Any, list[str]]:
    """An item without fields that nobody asked for, and with null in those that may be null and are not there."""
    if not isinstance(item, dict):
        return item, []
    fields = model.model_fields
    missing = [name for name, field in fields.items() if name not in item and _takes_none(field)]
    extra = [name for name in item if name not in fields]
    whole = {**{name: value for name, value in item.items() if name in fields}, **dict.fromkeys(missing)}
    return whole, [f"no `{name}`" for name in missing] + ["a field too many"] * bool(extra)


def _takes_none(field: FieldInfo) -> bool:
    return type(None) in get_args(field.annotation)


def unusable(text: str, model: type[Strict]) -> str | None:
    """What is wrong with an answer as a whole, in words for the teacher; None if it holds a valid item, or is empty."""
    try:
        parsed = parse_items(text, model)
    except ValueError as e:
        return str(e)
    return f"no valid item; the first fault: {parsed.broken[0][1]}" if parsed.broken and not parsed.items else None


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
