"""A list of people as CSV, TOML or JSON, for `user import`. Pure.

CSV has the names of its columns in the first line; TOML is a people file; JSON is a list of objects, or an object of objects.
The names are those of a people file, and two more: `password`, and for CSV `work_phone` and its like.
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lyncpy.contracts.names import Aor, aor_of
from lyncpy.contracts.passwords import PASSWORD_LONGEST, is_usable
from lyncpy.contracts.person_form import (
    ADDRESS,
    KEYS,
    LISTS,
    PHONE_KINDS,
    PHONES,
    TRUTHS,
    FieldUnusable,
    check_key,
    typed,
)
from lyncpy.contracts.toml_text import TomlUnusable, read_toml
from lyncpy.sip.text import shown

PASSWORD: Final = "password"  # noqa: S105 - the name of a column
ENABLED: Final = "enabled"
FORMS: Final = ("csv", "toml", "json")
PHONE_NAMES: Final[Mapping[str, str]] = {f"{kind}_phone": kind for kind in PHONE_KINDS}
ALIASES: Final[Mapping[str, str]] = {
    "name": "display_name",
    "email": "mail",
    "login": "logins",
    "first_name": "given_name",
    "last_name": "surname",
    "sip": ADDRESS,
}
"""Other names for columns, as other programs write them."""

_LISTED: Final = (*KEYS, PASSWORD)
_COLUMNS: Final = (*(key for key in _LISTED if key != PHONES), *PHONE_NAMES)
_DELIMITERS: Final = ",;\t"
_GROUP: Final = "group"


class ListUnusable(Exception):
    """The list as a whole cannot be read; the sentence says why."""


@dataclass(frozen=True, slots=True)
class ListedPerson:
    """One person of a list."""

    where: str
    """Where they stand in it, for an operator: "line 3"."""

    table: Mapping[str, object]
    """What `read_person` takes, without `enabled`."""

    is_enabled: bool = True
    password: str = ""
    objection: str = ""
    """Why this entry cannot be used; "" when it can, as far as it can be seen without knowing anybody."""


def read_list(text: str, form: str = "") -> list[ListedPerson]:
    """Read a list.

    Args:
        text: All of it.
        form: One of FORMS; "": what it looks like.

    Raises:
        ListUnusable: It is none, or a name in it is unknown.
    """
    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise ListUnusable("there is nobody in it")
    readers = {"csv": _of_csv, "toml": _of_toml, "json": _of_json}
    found = [_checked(where, table) for where, table in readers[form or _form_of(text)](text)]
    if not found:
        raise ListUnusable("there is nobody in it")
    return _without_twins(found)


def _form_of(text: str) -> str:
    """Tell what a list looks like."""
    begin = text.lstrip()
    if begin.startswith("{") or (begin.startswith("[") and begin[1:].lstrip()[:1] in ("{", "]")):
        return "json"
    first = next(line for line in begin.splitlines() if line.strip())
    return "toml" if begin[0] in "[#" or "=" in first else "csv"


def _of_csv(text: str) -> Iterator[tuple[str, Mapping[str, object]]]:
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(_DELIMITERS, key=first.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    names: Sequence[str] = ()
    try:
        for row in rows:
            if not any(cell.strip() for cell in row):
                continue
            if not names:
                names = _columns(row)
            else:
                yield f"line {rows.line_num}", _of_row(names, row)
    except csv.Error as error:
        raise ListUnusable(f"line {rows.line_num} is no CSV: {error}") from None


def _columns(row: Sequence[str]) -> Sequence[str]:
    names = [cell.strip().lower().replace(" ", "_").replace("-", "_") for cell in row]
    names = [ALIASES.get(name, name) for name in names]
    for name in names:
        try:
            check_key(name, _COLUMNS)
        except FieldUnusable as error:
            raise ListUnusable(f"the first line has to name the columns: {error}") from None
    if ADDRESS not in names or len({*names}) < len(names):
        raise ListUnusable(f'the first line has to name the columns, each once, and one of them "{ADDRESS}"')
    return names


def _of_row(names: Sequence[str], row: Sequence[str]) -> Mapping[str, object]:
    if len(row) > len(names):
        return {_OBJECTION: f"it has {len(row)} cells, and there are {len(names)} columns"}
    # A password may begin or end with a blank.
    cells = {name: cell if name == PASSWORD else cell.strip() for name, cell in zip(names, row, strict=False)}
    phones = {PHONE_NAMES[name]: text for name, text in cells.items() if text and name in PHONE_NAMES}
    table: dict[str, object] = {name: text for name, text in cells.items() if text and name not in PHONE_NAMES}
    try:
        table |= {name: typed(name, str(value)) for name, value in table.items() if name in (*TRUTHS, *LISTS)}
    except FieldUnusable as error:
        return {_OBJECTION: str(error)}
    return {**table, PHONES: phones} if phones else table


_OBJECTION: Final = "\0"
"""Stands in a table for why it cannot be used."""


def _of_toml(text: str) -> Iterator[tuple[str, Mapping[str, object]]]:
    try:
        tables: Mapping[str, Any] = read_toml(text.encode("utf-8", "surrogatepass"))  # Any: what TOML holds
    except TomlUnusable as error:
        raise ListUnusable(str(error)) from None
    for name, table in tables.items():
        if isinstance(table, list) and name == _GROUP:
            raise ListUnusable(f"groups ([[{_GROUP}]]) are not imported: take them out")
        yield f"[{shown(name)}]", _object(table)


def _of_json(text: str) -> Iterator[tuple[str, Mapping[str, object]]]:
    found = _loaded(text)
    if isinstance(found, dict):
        yield from ((shown(name), _object(table)) for name, table in found.items())
    elif isinstance(found, list):
        yield from ((f"entry {number}", _object(table)) for number, table in enumerate(found, 1))
    else:
        raise ListUnusable("it has to be a list of objects, or an object of objects")


def _loaded(text: str) -> object:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ListUnusable(f"it is no JSON: {error}") from None
    inner = found.get("people") if isinstance(found, dict) else None
    return inner if isinstance(inner, list) else found


def _object(table: object) -> Mapping[str, object]:
    if not isinstance(table, dict):
        return {_OBJECTION: "it is no table of names and values"}
    return {str(name): _plain(value) for name, value in table.items() if value is not None}


def _plain(value: object) -> object:
    """Give a date or time as text, as it is kept."""
    return value.isoformat() if hasattr(value, "isoformat") else value


def _checked(where: str, table: Mapping[str, object]) -> ListedPerson:
    """Look at an entry, as far as that needs nobody else."""
    if _OBJECTION in table:
        return ListedPerson(where, {}, objection=str(table[_OBJECTION]))
    rest = dict(table)
    password, is_enabled = rest.pop(PASSWORD, ""), rest.pop(ENABLED, True)
    objection = _objection(rest, password, is_enabled)
    return ListedPerson(where, rest, bool(is_enabled), "" if objection else str(password), objection)


def _objection(rest: Mapping[str, object], password: object, is_enabled: object) -> str:
    try:
        for name in rest:
            check_key(name, _LISTED)
    except FieldUnusable as error:
        return str(error)
    if password and not (isinstance(password, str) and is_usable(password)):
        return f"the password is no text of 1 to {PASSWORD_LONGEST} characters"
    return "" if isinstance(is_enabled, bool) else f'key "{ENABLED}" must be true or false'


def _without_twins(found: Sequence[ListedPerson]) -> list[ListedPerson]:
    """Object to who has an address that somebody before them has."""
    seen: dict[Aor, str] = {}
    result: list[ListedPerson] = []
    for one in found:
        address = aor_of(str(one.table.get(ADDRESS, "")))
        if not one.objection and address in seen:
            one = ListedPerson(one.where, one.table, objection=f"{seen[address]} has the same address")
        elif ADDRESS in one.table:
            seen[address] = one.where
        result.append(one)
    return result
