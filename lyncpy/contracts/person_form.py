"""A person as a table of names and values: in a people file, in a list that is imported, and as people are kept in the store.

Values have types in TOML and JSON; where there is only text, as on a command line and in CSV, `typed` reads it.
"""

import difflib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Final

from lyncpy.contracts.addresses import BadDirectoryEntry, address_of, any_address_of
from lyncpy.contracts.directory import Moment, Person, Phone
from lyncpy.contracts.lines import line_of, telephony_of
from lyncpy.contracts.names import Aor, aor_of
from lyncpy.sip.text import one_line, shown

TEXTS: Final = (
    "display_name",
    "given_name",
    "surname",
    "mail",
    "title",
    "company",
    "department",
    "office",
    "manager",
    "line",
    "private_line",
    "telephony",
)
TRUTHS: Final = ("enabled", "hidden", "contact", "must_change_password")
LISTS: Final = ("other_mails", "logins")
PHONES: Final = "phones"
PHONE_KINDS: Final = ("work", "mobile", "home", "other")
ADDRESS: Final = "address"
UNTIL: Final = "until"
KEYS: Final = (ADDRESS, *TRUTHS[:3], "other_mails", UNTIL, TRUTHS[3], "logins", PHONES, *TEXTS)

_FIRST: Final = datetime(1000, 1, 1, tzinfo=UTC).timestamp()
_LAST: Final = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()

_YES: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class FieldUnusable(Exception):
    """A key is unknown, or its value is of the wrong kind; the sentence names it, and what it has to be."""


class TableFields:
    """The keys of one table, each with its type checked as it is read.

    Args:
        table: What is in it.
        known: The keys that it may have.

    Raises:
        FieldUnusable: It has another one; and so does each method when the value is of another type.
    """

    def __init__(self, table: Mapping[str, object], known: Sequence[str]) -> None:
        self._table = table
        for key in table:
            check_key(key, known)

    def text(self, key: str) -> str:
        """Give a text in one line; "" for none."""
        value = self._table.get(key, "")
        if not isinstance(value, str):
            raise _wrong(key, 'text in quotes, e.g. "Alice"')
        return one_line(value)

    def truth(self, key: str, *, default: bool) -> bool:
        """Give a truth."""
        value = self._table.get(key, default)
        if not isinstance(value, bool):
            raise _wrong(key, "true or false")
        return value

    def moment(self, key: str) -> Moment | None:
        """Read a day, which counts to its end, or a time; UTC where no zone is said."""
        value = self._table.get(key)
        if value is None:
            return None
        if isinstance(value, str):
            with suppress(ValueError):
                value = date.fromisoformat(value) if len(value) == len("2026-12-31") else datetime.fromisoformat(value)
        if isinstance(value, datetime):
            return _moment((value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp(), key)
        if isinstance(value, date):
            return _moment(datetime(value.year, value.month, value.day, tzinfo=UTC).timestamp() + 86400, key)
        raise _wrong(key, "a day or a time, e.g. 2026-12-31 or 2026-12-31T18:00:00+01:00")

    def texts(self, key: str) -> tuple[str, ...]:
        """Give the texts of a list, or one alone."""
        return _texts(key, self._table.get(key, ()))

    def phones(self) -> tuple[Phone, ...]:
        """Give the phone numbers, by their kinds."""
        value = self._table.get(PHONES, {})
        if not isinstance(value, dict) or not set(value) <= set(PHONE_KINDS):
            raise _wrong(PHONES, f'a table of {", ".join(PHONE_KINDS)}, e.g. {{ work = "+1 425 555 0100" }}')
        return tuple(Phone(kind, number) for kind in PHONE_KINDS for number in _texts(PHONES, value.get(kind, ())))


def _moment(at: float, key: str) -> Moment:
    """Give a moment that can be written down: behind the last day that has a name nobody waits."""
    return Moment(min(max(at, _FIRST), _LAST), key)


def check_key(key: str, known: Sequence[str]) -> None:
    """Look whether there may be such a key.

    Raises:
        FieldUnusable: There may not.
    """
    if key not in known:
        near = difflib.get_close_matches(key[:80], known, 1)
        hint = f'; did you mean "{near[0]}"?' if near else f"; known are {', '.join(sorted(known))}"
        raise FieldUnusable(f'unknown key "{shown(key)}"{hint}')


def _texts(key: str, value: object) -> tuple[str, ...]:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list | tuple) or not all(isinstance(one, str) for one in values):
        raise _wrong(key, 'text or a list of texts, e.g. ["alice", "CONTOSO\\\\alice"]')
    return tuple(text for one in values if (text := one_line(one)))


def _wrong(key: str, wanted: str) -> FieldUnusable:
    return FieldUnusable(f'key "{key}" must be {wanted}')


def typed(key: str, text: str) -> object:
    """Make what `read_person` takes of a text: a truth of yes, no, true and false, a list of what stands between semicolons.

    Raises:
        FieldUnusable: A truth is none.
    """
    if key in TRUTHS:
        found = _YES.get(text.strip().lower())
        if found is None:
            raise _wrong(key, "yes or no")
        return found
    if key in LISTS:
        return [one.strip() for one in text.split(";") if one.strip()]
    return text


def read_person(
    table: Mapping[str, object], key: str, source: str, domains: tuple[str, ...], left_out: Callable[[str], None]
) -> Person:
    """Make a person of a table.

    Args:
        table: Names of `KEYS`, and values.
        key: By which they are known.
        source: Where it stands, for an operator.
        domains: Of addresses here.
        left_out: Is told what is wrong with facts that they are known without.

    Raises:
        FieldUnusable: A key is unknown or of the wrong type.
        BadDirectoryEntry: The address is missing, or none of these domains.
    """
    fields = TableFields(table, KEYS)
    facts = {name: fields.text(name) for name in TEXTS}
    is_enabled = fields.truth("enabled", default=True)
    # All is read before the address is judged: a mistake in the file is told as such, whoever's it is.
    person = Person(
        aor=Aor(""),
        key=key,
        enabled=is_enabled,
        barred="" if is_enabled else "enabled = false",
        hidden=fields.truth("hidden", default=False),
        is_contact=fields.truth("contact", default=False),
        other_mails=fields.texts("other_mails"),
        until=fields.moment(UNTIL),
        must_change=Moment(0.0, "must_change_password")
        if fields.truth("must_change_password", default=False)
        else None,
        phones=fields.phones(),
        logins=fields.texts("logins"),
        source=source,
        display_name=facts["display_name"],
        given_name=facts["given_name"],
        surname=facts["surname"],
        mail=facts["mail"],
        title=facts["title"],
        company=facts["company"],
        department=facts["department"],
        office=facts["office"],
        manager=aor_of(facts["manager"]) if facts["manager"] else "",
        line=line_of(facts["line"], "line", left_out),
        private_line=line_of(facts["private_line"], "private_line", left_out),
        telephony=telephony_of(facts["telephony"], left_out),
    )
    address = fields.text(ADDRESS)
    try:
        if not address:
            raise BadDirectoryEntry(f'it has no address; add a line like address = "user@{domains[0]}"')
        if person.is_contact:
            return replace(person, aor=any_address_of(address), enabled=False, barred=person.barred or "contact = true")
        return replace(person, aor=address_of(address, domains))
    except BadDirectoryEntry as bad:
        raise BadDirectoryEntry(bad.reason, person.barred) from None
