"""What a JSON Schema has to say against a document; of the words of JSON Schema, those that answers use."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "number": (int, float),
    "integer": (int,),
    "null": (type(None),),
}


def objections(schema: Mapping[str, Any], value: object, where: str = "$") -> Iterator[str]:
    """Give a sentence for all that does not fit."""
    if "anyOf" in schema:
        tries = [list(objections(one, value, where)) for one in schema["anyOf"]]
        if all(tries):
            yield from min(tries, key=len)
        return
    if "const" in schema and value != schema["const"]:
        yield f"{where} is not {schema['const']!r}"
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_is(value, kind) for kind in kinds):
        yield f"{where} is {value!r}, not {' or '.join(kinds)}"
        return
    if schema.get("format") == "date-time" and not _is_time(value):
        yield f"{where} is no time of RFC 3339: {value!r}"
    if isinstance(value, dict):
        yield from _in_object(schema, value, where)
    if isinstance(value, list):
        for number, one in enumerate(value):
            yield from objections(schema.get("items", {}), one, f"{where}[{number}]")


def _in_object(schema: Mapping[str, Any], value: Mapping[str, object], where: str) -> Iterator[str]:
    known = schema.get("properties", {})
    yield from (f"{where} lacks {name}" for name in schema.get("required", ()) if name not in value)
    if len(value) > schema.get("maxProperties", len(value)):
        yield f"{where} is not empty"
    for name, one in value.items():
        if name in known:
            yield from objections(known[name], one, f"{where}.{name}")
        elif not schema.get("additionalProperties", True):
            yield f"{where}.{name} is not declared"


def _is(value: object, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _TYPES[kind])


def _is_time(value: object) -> bool:
    if not isinstance(value, str) or value[10:11] != "T" or not value.endswith("Z"):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True
