"""What a command answers to programs: the names of its fields, and what stands in each.

A form is written as words, `user enabled:truth since:time? members:text*`: a name, what stands there (text when nothing
is said), `?` where it may be null, `*` for a list.
"""

import enum
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

FACTS: Final = ("what", "value")
"""The columns of a table that tells of one thing: to programs its rows are the keys of one object."""

_FIELD: Final = re.compile(r"([a-z][a-z0-9_]*)(?::([a-z]+))?([?*]?)")


class FieldKind(enum.Enum):
    """What stands in a field."""

    TEXT = "text"
    NUMBER = "number"
    TRUTH = "truth"
    TIME = "time"
    """RFC 3339, in UTC."""

    SECONDS = "seconds"
    """A number of them."""

    ANY = "any"
    """A text, a number or a truth, as the thing is that is spoken of."""


_SCHEMAS: Final[Mapping[FieldKind, Mapping[str, object]]] = {
    FieldKind.TEXT: {"type": "string"},
    FieldKind.NUMBER: {"type": "number"},
    FieldKind.TRUTH: {"type": "boolean"},
    FieldKind.TIME: {"type": "string", "format": "date-time"},
    FieldKind.SECONDS: {"type": "number"},
    FieldKind.ANY: {"type": ["string", "number", "boolean"]},
}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an answer."""

    name: str
    kind: FieldKind = FieldKind.TEXT
    may_be_null: bool = False
    is_list: bool = False

    @property
    def words(self) -> str:
        """Write what stands there, for people: "time or null"."""
        if self.is_list:
            return f"a list of {self.kind.value}"
        return f"{self.kind.value} or null" if self.may_be_null else self.kind.value

    def schema(self) -> dict[str, Any]:
        """Give the JSON Schema of its value."""
        one = dict(_SCHEMAS[self.kind])
        if self.is_list:
            return {"type": "array", "items": one}
        return {"anyOf": [one, {"type": "null"}]} if self.may_be_null else one


@dataclass(frozen=True, slots=True)
class Form:
    """The form of an answer."""

    rows: tuple[Field, ...] = ()
    """Of each row."""

    facts: tuple[Field, ...] = ()
    """Of the one thing that the answer tells of."""

    counts: tuple[str, ...] = ()
    """Numbers that are told beside "rows", how many there are."""

    has_more: bool = False
    """Whether there may be other facts, which are not known before: those that rooms add."""

    def _schema_of_several(self, command: str) -> dict[str, Any]:
        rows = (Field("node"), *(self.rows or self.facts))
        each = Form(rows=rows, counts=self.counts).schema(command)
        if not self.rows:
            each["properties"]["rows"]["items"]["additionalProperties"] = self.has_more
        return each

    def schema(self, command: str, *, of_several: bool = False) -> dict[str, Any]:
        """Give the JSON Schema of the whole answer.

        Args:
            command: The name.
            of_several: Whether several servers have answered: each row says of which it is, and what one would tell in
                facts is a row of each.
        """
        if of_several:
            return self._schema_of_several(command)
        counts = {name: {"type": "integer"} for name in ("rows", *self.counts)}
        facts = _object(self.facts, is_open=self.has_more)
        if self.facts:
            # A command that failed may have nothing to tell.
            facts = {"anyOf": [facts, {"type": "object", "maxProperties": 0}]}
        error = _object((Field("kind"), Field("message")))
        return {
            "type": "object",
            "properties": {
                "command": {"const": command},
                "ok": {"type": "boolean"},
                "rows": {"type": "array", "items": _object(self.rows)},
                "facts": facts,
                "counts": {"type": "object", "properties": counts, "required": ["rows"], "additionalProperties": False},
                "note": {"type": "string"},
                "error": {"anyOf": [{"type": "null"}, error]},
            },
            "required": ["command", "ok", "rows", "facts", "counts", "note", "error"],
            "additionalProperties": False,
        }


NOTHING: Final = Form()
"""A command that has nothing to show but a sentence."""


def form(rows: str = "", facts: str = "", counts: str = "", *, has_more: bool = False) -> Form:
    """Read a form from its words.

    Raises:
        ValueError: A word is none.
    """
    return Form(_fields(rows), _fields(facts), tuple(counts.split()), has_more)


def name_of(label: str) -> str:
    """Give the name that a fact has to programs: `memory at most, MiB` is `memory_at_most_mib`."""
    return re.sub(r"[^a-z0-9]+", "_", label.lower()).strip("_")


@dataclass(frozen=True, slots=True)
class Shown:
    """A cell that people read as words, and programs as a value."""

    words: str
    value: object

    def __str__(self) -> str:
        """Give the words."""
        return self.words


def facts_of(rows: Sequence[tuple[object, ...]], fields: Sequence[Field]) -> dict[str, object]:
    """Make an object of rows of a label and a value: what is declared is there, null or empty where nothing is told."""
    lists = {one.name for one in fields if one.is_list}
    found: dict[str, object] = {one.name: [] if one.is_list else None for one in fields}
    for label, value in rows:
        name = name_of(str(label))
        told = found.get(name)
        if name in lists and isinstance(told, list):
            told.append(value)
        else:
            found[name] = value
    return found


@cache
def _fields(text: str) -> tuple[Field, ...]:
    """Read the fields of an answer, each text once: commands alone have some, and a process of many servers has the same."""
    return tuple(map(_field, text.split()))


def _field(word: str) -> Field:
    matched = _FIELD.fullmatch(word)
    if matched is None:
        raise ValueError(f'"{word}" is no field')
    name, kind, mark = matched.groups()
    return Field(name, FieldKind(kind or "text"), may_be_null=mark == "?", is_list=mark == "*")


def _object(fields: Sequence[Field], *, is_open: bool = False) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {one.name: one.schema() for one in fields},
        "required": [one.name for one in fields],
        "additionalProperties": is_open,
    }
