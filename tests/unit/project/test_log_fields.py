"""Fields of the log: one name for one thing, so that a filter over the JSON log finds all of it."""

import ast
import string
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from tests.kit.trees import calls_of

SOURCE: Final = Path(__file__).parents[3] / "lyncpy"
LEVELS: Final = ("debug", "info", "warn", "error", "failure", "critical", "_say")

FIELDS: Final = {
    "aor": ("user", "person", "who", "whom", "contact", "organizer", "sender"),
    "address": ("peer", "ip", "remote", "client", "addr"),
    "reason": ("why", "cause", "error", "fault", "problem", "doubt", "exception", "because"),
    "flow": ("connection", "link"),
    "epid": ("device", "endpoint"),
    "conference": ("meeting", "focus"),
    "owner": ("owner_id", "whose"),
    "path": ("file", "filename", "folder", "directory"),
    "count": ("number", "total", "amount", "n", "many"),
    "seconds": ("delay", "duration", "after_s"),
    "status": ("code", "answer"),
    "method": ("request", "verb"),
    "event": ("package",),
}
"""A field → other words for the same. `aor` is an address of record, `address` a host's; `owner` is an `OwnerId`."""

OTHERS: Final = {other: name for name, others in FIELDS.items() for other in others}


@cache
def _lines() -> Mapping[str, ast.Call]:
    """Give each line that is logged by where it stands."""
    return {
        f"{file.relative_to(SOURCE)}:{call.lineno}": call
        for file in sorted(SOURCE.rglob("*.py"))
        for call in calls_of(file)
        if isinstance(call.func, ast.Attribute) and _logs(call.func)
    }


def _logs(called: ast.Attribute) -> bool:
    return called.attr in LEVELS and (
        called.attr == "_say" or ast.unparse(called.value).rpartition(".")[2] in ("log", "_log")
    )


def test_the_log_is_found() -> None:
    """The rules would hold for nothing, otherwise."""
    assert len(_lines()) > 100


def test_a_thing_has_one_name() -> None:
    """A user is `aor` everywhere, and why something happened is its `reason`."""
    others = {
        f"{place}: {word.arg}": f"call it {OTHERS[word.arg]}"
        for place, call in _lines().items()
        for word in call.keywords
        if word.arg in OTHERS
    }
    assert others == {}


def test_each_field_that_a_line_names_is_given() -> None:
    """Twisted would log that it cannot format the line, at the moment at which it is needed."""
    lacking = {place: lacks for place, call in _lines().items() if (lacks := _lacking(call))}
    assert lacking == {}


def _lacking(call: ast.Call) -> set[str]:
    """Give the fields that the text of a line names, and that are not given with it."""
    text = call.args[0] if call.args else None
    if (
        not isinstance(text, ast.Constant)
        or not isinstance(text.value, str)
        or any(word.arg is None for word in call.keywords)
    ):
        return set()
    given = {word.arg for word in call.keywords} | {"log_namespace", "log_source"}
    named = {name.partition(".")[0].partition("[")[0] for _, name, _, _ in string.Formatter().parse(text.value) if name}
    return named - given
