"""The table of contact lists: the one place that writes them.

Nothing is kept in memory: a list is read once at sign-in and once for each change, and an
endpoint that has the list needs no more of it than the number it is at.
"""

import json
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from lyncpy.contracts.bus import IBus
from lyncpy.contracts.facts import ContactsChanged
from lyncpy.contracts.names import Aor, Epid, Version
from lyncpy.contracts.refusal import Diagnostics, Refused
from lyncpy.contracts.store import Conflict, IStore
from lyncpy.core.homes import Homes
from lyncpy.workloads.contacts.bodies import write_delta
from lyncpy.workloads.contacts.model import (
    Change,
    Contact,
    ContactList,
    Delta,
    Group,
    Limits,
    No,
    decide,
    follow,
    truth,
)

KIND: Final = "contacts"
TRIES: Final = 3


class Declined(Exception):
    """A change was not made; `truth` says how things stand."""

    def __init__(self, no: No, truth: Delta) -> None:
        """Keep the reason and the truth."""
        super().__init__(no.name)
        self.no = no
        self.truth = truth


class Lists:
    """Contact lists in the store, one writer of each at a time."""

    def __init__(self, store: IStore, bus: IBus, homes: Homes, limits: Limits) -> None:
        """Take where lists are kept and whom to tell of changes."""
        self._store = store
        self._bus = bus
        self._homes = homes
        self._limits = limits

    def hold(self, aor: Aor) -> AbstractAsyncContextManager[None]:
        """Keep a list as it is inside the block."""
        return self._homes.hold(KIND, aor)

    async def read(self, aor: Aor) -> ContactList:
        """Give a user's list; one that was never written holds the default group alone."""
        return (await self._read(aor))[0]

    async def change(self, aor: Aor, change: Change, by: Epid | None) -> Delta:
        """Make a change; it is durable, and told to all who listen, when this returns.

        Raises:
            Declined: A rule forbids it; nothing changed.
            Refused: 503, when other processes were first time and again.
        """
        async with self.hold(aor):
            for _ in range(TRIES):
                contacts, version = await self._read(aor)
                delta = decide(contacts, change, self._limits)
                if isinstance(delta, No):
                    raise Declined(delta, truth(contacts, change))
                try:
                    await self._store.write(KIND, aor, pack(follow(contacts, delta)), version)
                except Conflict:
                    continue
                self._bus.tell(ContactsChanged(aor, delta.number, write_delta(delta), by))
                return delta
        raise Refused(503, Diagnostics(1, "Service unavailable"), headers=[("Retry-After", "5")])

    async def _read(self, aor: Aor) -> tuple[ContactList, Version]:
        record = await self._store.read(KIND, aor)
        return (ContactList(), Version(0)) if record is None else (unpack(record.value), record.version)


def pack(contacts: ContactList) -> bytes:
    """Write a list as it is stored: JSON that an operator can read."""
    return json.dumps(
        {
            "delta_num": contacts.delta_num,
            "groups": [[group.id, group.name, group.external_uri] for group in contacts.groups.values()],
            "contacts": [
                [c.aor, c.name, list(c.groups), c.subscribed, c.external_uri, c.extension]
                for c in contacts.contacts.values()
            ],
        },
        ensure_ascii=False,
        separators=(",", ":"),
    ).encode()


def unpack(value: bytes) -> ContactList:
    """Read what `pack` wrote."""
    stored: dict[str, Any] = json.loads(value)  # Any: json gives no types; the values below do
    groups = (Group(*row) for row in stored["groups"])
    people = (
        Contact(Aor(aor), name, tuple(ids), subscribed, external_uri, extension)
        for aor, name, ids, subscribed, external_uri, extension in stored["contacts"]
    )
    return ContactList(stored["delta_num"], {g.id: g for g in groups}, {c.aor: c for c in people})
