"""IDirectory from a TOML file, the default: one table for each person, and one of `[[group]]` for each group.

```toml
[alice]
address = "alice@example.com"
display_name = "Alice Liddell"
department = "Research"
phones = { work = "+1 425 555 0100", mobile = ["+1 425 555 0101"] }

[[group]]
name = "Engineering"
members = ["alice", "bob@example.com", "Interns"]
```

`line = "+1 425 555 0100"` gives a person a number, `private_line` a second one that nobody is told, and `telephony` ("none", "uc", "rcc",
"dual") says what they use it with.

`hidden = true` keeps a person out of searches; `contact = true` says that somebody, perhaps of another domain, is only there
to be found, and has no account here. `until = 2026-12-31` says to the end of which day (UTC), or until which time, a person may sign in;
`must_change_password = true` that they have to change their password first.

A member is a person's table or address, or the name or address of another group. `mail = "crew@example.org"` is another address by
which clients ask for its members.
"""

import hashlib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from twisted.internet.defer import Deferred
from zope.interface import implementer

from lyncpy.contracts.addresses import BadDirectoryEntry, address_of
from lyncpy.contracts.directory import Group, IDirectory, Person, Pull, Skipped
from lyncpy.contracts.finding import Finding
from lyncpy.contracts.names import Aor, aor_of
from lyncpy.contracts.person_form import FieldUnusable, TableFields, read_person
from lyncpy.contracts.refusal import DirectoryUnavailable
from lyncpy.contracts.regular_file import open_regular
from lyncpy.contracts.toml_text import TomlUnusable, read_toml
from lyncpy.sip.text import shown

T = TypeVar("T")

GROUP: Final = "group"
GROUP_KEYS: Final = ("name", "address", "mail", "members")

FILE_BOUND: Final = 32 * 2**20
"""Bytes; some hundred thousand people. A larger file is no list of people but a mistake."""


class BlockingRunner(Protocol):
    """A thread for calls that block (`Threads`)."""

    def call_in_thread(self, call: Callable[[], T]) -> Deferred[T]:
        """Call a function in the thread, and give its result."""

    def stop(self) -> Awaitable[None]:
        """End the thread when it has done what it was asked."""


@implementer(IDirectory)
class PeopleFile:
    """Reads the whole file at each pull; an unchanged one is recognised by its digest.

    Args:
        path: The file; it is read at the first pull.
        domains: Of the addresses.
        threads: Where the file is read.
    """

    def __init__(self, path: Path, domains: tuple[str, ...], threads: BlockingRunner) -> None:
        self._path = path
        self._domains = domains
        self._threads = threads

    async def pull(self, cookie: str, *, counting: bool | None = None) -> Pull:
        """Read the file, whole; the answer is empty when it is still the one that gave `cookie`."""
        return await self._threads.call_in_thread(lambda: self._read(cookie))

    async def close(self) -> None:
        """End the thread that reads."""
        await self._threads.stop()

    def _read(self, cookie: str) -> Pull:
        return read_file(self._path, self._domains, cookie)


def read_file(path: Path, domains: tuple[str, ...], cookie: str = "") -> Pull:
    """Read a file of people; the answer is empty when it is still the one that gave `cookie`. Raises as `read_people`."""
    try:
        with open_regular(path) as file:
            content = file.read(FILE_BOUND + 1)
    except OSError as error:
        raise DirectoryUnavailable(
            f'the people file "{path}" ([directory] url) cannot be read: {error.strerror}; make it, or name another one'
        ) from error
    if len(content) > FILE_BOUND:
        raise DirectoryUnavailable(
            f'the people file "{path}" is larger than {FILE_BOUND >> 20} MiB; is it the right one?'
        )
    digest = hashlib.sha256(" ".join(domains).encode() + b"\n" + content).hexdigest()
    if digest == cookie:
        return Pull((), frozenset(), complete=False, groups=(), cookie=cookie)
    return read_people(content, str(path), domains, digest)


NAMED: Final = 5
"""Entries that are left out and are named; `directory skipped` has all."""


def people_findings(path: Path, domains: tuple[str, ...]) -> Iterator[Finding]:
    """Read a file of people, as a pull does."""
    try:
        found = read_file(path, domains)
    except DirectoryUnavailable as error:
        yield Finding(good=False, sentence=str(error))
        return
    groups = len(found.groups or ())
    nobody = "" if found.people else ": nobody can sign in; write a table for each person, as [alice]"
    sentence = f"[directory] url: {path} has {len(found.people)} people and {groups} groups{nobody}"
    yield Finding(good=True, sentence=sentence)
    for one in found.skipped[:NAMED]:
        yield Finding(good=False, sentence=f"skipped {one.source}: {one.reason}")
    if len(found.skipped) > NAMED:
        more = len(found.skipped) - NAMED
        yield Finding(good=False, sentence=f"{more} more entries are skipped; see `directory skipped`")


def read_people(content: bytes, path: str, domains: tuple[str, ...], cookie: str = "") -> Pull:
    """Parse the content of a people file.

    Raises:
        DirectoryUnavailable: The file as a whole cannot be relied on: it is no TOML, or a
            key is unknown or of the wrong type. The text names file, table, key and remedy.
    """
    tables = _tables(content, path)
    people: list[Person] = []
    skipped: list[Skipped] = []
    # A person may be called [group] all the same; that is a table, groups are a list of them.
    arrays = tables.pop(GROUP) if isinstance(tables.get(GROUP), list) else []
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise DirectoryUnavailable(
                f'"{path}": key "{shown(name)}" stands outside a table; each person is a table, e.g. [alice]'
            )
        source = f"{path} [{shown(name)}]"
        try:
            left_out: list[str] = []
            people.append(read_person(table, name, source, domains, left_out.append))
            skipped += (
                Skipped(source, f"the person is known without this: {one}", name, keeps=True) for one in left_out
            )
        except FieldUnusable as error:
            raise DirectoryUnavailable(f'"{path}", table [{shown(name)}]: {error}') from None
        except BadDirectoryEntry as bad:
            skipped.append(Skipped(source, bad.reason, key=name, barred=bad.barred))
    groups, useless = _read_groups(arrays, path, domains, people)
    skipped += useless
    return Pull(tuple(people), frozenset(), complete=True, skipped=tuple(skipped), groups=tuple(groups), cookie=cookie)


def _tables(
    content: bytes, path: str
) -> dict[str, Any]:  # Any: what TOML holds; each value's type is checked as it is read
    """Read the file as TOML."""
    try:
        return read_toml(content)
    except TomlUnusable as error:
        raise DirectoryUnavailable(f'"{path}": {error}') from error


def _read_groups(
    arrays: Iterable[object], path: str, domains: tuple[str, ...], people: Iterable[Person]
) -> tuple[list[Group], list[Skipped]]:
    """Read the groups; their members become keys here, for the whole file is at hand.

    Raises:
        DirectoryUnavailable: Something is no table, or two groups have one name.
    """
    groups: list[Group] = []
    skipped: list[Skipped] = []
    for number, table in enumerate(arrays, 1):
        where = f'"{path}", table {number} of [[{GROUP}]]'
        if not isinstance(table, dict):
            raise DirectoryUnavailable(f"{where}: each group is a table that begins with [[{GROUP}]]")
        try:
            fields = TableFields(table, GROUP_KEYS)
            name, members = fields.text("name"), fields.texts("members")
            addresses = fields.text("address"), fields.text("mail")
        except FieldUnusable as error:
            raise DirectoryUnavailable(f"{where}: {error}") from None
        source = f"{path} [[{GROUP}]] {shown(name) or number}"
        try:
            groups.append(_group(name, addresses, members, source, domains))
        except BadDirectoryEntry as bad:
            skipped.append(Skipped(source, bad.reason))
    keys = _keys_by_name(groups, people, path)
    resolved = [_with_members(group, keys, skipped) for group in groups]
    return resolved, skipped


def _keys_by_name(groups: Iterable[Group], people: Iterable[Person], path: str) -> dict[str, str]:
    """Give the key of everybody and every group by each name that a group may call its members; a person's wins."""
    keys: dict[str, str] = {}
    taken: set[str] = set()
    for group in groups:
        if group.key in taken:
            raise DirectoryUnavailable(f'"{path}": two of [[{GROUP}]] have the name "{shown(group.name)}"; rename one')
        taken.add(group.key)
        keys |= {name: group.key for name in (group.name.lower(), group.aor) if name}
    return keys | {name: person.key for person in people for name in (person.key.lower(), person.aor)}


def _with_members(group: Group, keys: Mapping[str, str], skipped: list[Skipped]) -> Group:
    """Replace the names of a group's members by keys; names that nobody has are added to `skipped`."""
    found = {name: keys.get(name.lower()) or keys.get(aor_of(name)) for name in group.members}
    strange = sorted(name for name, key in found.items() if key is None)
    if strange:
        names = ", ".join(f'"{shown(name)}"' for name in strange[:5])
        skipped.append(Skipped(group.source, f"the group is used, but nobody and no group is called {names}"))
    return replace(group, members=frozenset(key for key in found.values() if key is not None))


def _group(
    name: str, addresses: tuple[str, str], members: Iterable[str], source: str, domains: tuple[str, ...]
) -> Group:
    """Make a group; its addresses are the one that it is invited under and that of mail, either "" when it has none."""
    if not name:
        raise BadDirectoryEntry('it has no name; add a line like name = "Engineering"')
    address, mail = addresses
    aor = address_of(address, domains) if address else Aor("")
    other = "" if aor_of(mail) == aor else mail
    return Group(f"{GROUP}:{name.lower()}", name, aor, frozenset(members), source, mail=other)
