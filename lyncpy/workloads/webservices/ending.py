"""Certificates of people's devices that end soon, and the authority that has issued them."""

from collections.abc import Sequence
from typing import Final

from twisted.logger import Logger

from lyncpy.contracts.names import bare
from lyncpy.contracts.owners import IOwners, OwnerId
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.contracts.store import IStore, Record
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import Reason
from lyncpy.core.deadline import Deadline
from lyncpy.core.slices import Slices
from lyncpy.core.spawn import spawn
from lyncpy.core.timestamps import moment
from lyncpy.workloads.webservices.authority import PeopleAuthority
from lyncpy.workloads.webservices.issued_table import KIND
from lyncpy.workloads.webservices.model.issued import unpack

FIRST_S: Final = 300.0
LOOK_S: Final = 21_600.0

SOON_S: Final = 3 * 86_400.0
"""A device whose certificate ends asks its user for the password: what a help desk wants to know a few days before."""

AUTHORITY_S: Final = 30 * 86_400.0
"""Another authority is made long before, by the next certificate that is asked for."""

NAMED_MOST: Final = 3
SLICE: Final = 50


class EndingCertificates:
    """Looks at all certificates of people's devices, four times a day.

    Args:
        store: Where they are.
        owners: Whose they are.
        authority: Which has issued them.
        timers: The clocks.
    """

    log = Logger()

    def __init__(self, store: IStore, owners: IOwners, authority: PeopleAuthority, timers: ITimers) -> None:
        self._store = store
        self._owners = owners
        self._authority = authority
        self._timers = timers
        self._next = Deadline(timers, lambda: spawn(self._look(), self.log, "looking at people's certificates"))
        self._is_closed = False
        self._found: tuple[Reason, ...] = ()

    def open(self) -> None:
        """Begin."""
        self._next.set(FIRST_S)

    def close(self) -> None:
        """Stop."""
        self._is_closed = True
        self._next.clear()

    def conditions(self) -> Sequence[Reason]:
        """Say what ends."""
        return self._found

    async def _look(self) -> None:
        try:
            records = await self._store.scan(KIND)
            now, slices = self._timers.wall(), Slices(self._timers, SLICE)
            ending: list[tuple[float, str]] = []
            for record in records:
                ending += self._of(record, now)
                await slices.spend()
            self._found = (*_devices(ending), *await self._of_authority(now))
        except StoreUnavailable as error:
            self.log.debug("people's certificates cannot be looked at now: {reason}", reason=error)
        finally:
            if not self._is_closed:
                self._next.set(LOOK_S)

    def _of(self, record: Record, now: float) -> list[tuple[float, str]]:
        """Give when certificates of a person end, and whose they are."""
        address = self._owners.address(OwnerId(record.key))
        if address is None:
            return []
        who = bare(address)
        return [(one.until, who) for one in unpack(record.value).certificates if now < one.until < now + SOON_S]

    async def _of_authority(self, now: float) -> Sequence[Reason]:
        try:
            authority = await self._authority.kept()
        except StoreUnavailable as error:
            remedy = "bring back the key that belongs to this database ([store] key_file)"
            finding = f"the authority of people's certificates cannot be read: {error}"
            return (Reason("certificate", finding, good=False, remedy=remedy, key="authority"),)
        if authority is None or authority.until > now + AUTHORITY_S:
            return ()
        finding = f"the authority of people's certificates ends on {moment(authority.until)}"
        remedy = "the next device that asks for a certificate has another one made"
        return (Reason("certificate", finding, good=False, remedy=remedy, key="authority"),)


def _devices(ending: list[tuple[float, str]]) -> Sequence[Reason]:
    if not ending:
        return ()
    until, _ = min(ending)
    names = sorted({who for _, who in ending})
    more = f" and {len(names) - NAMED_MOST} more people" if len(names) > NAMED_MOST else ""
    count = "one certificate ends" if len(ending) == 1 else f"{len(ending)} certificates end"
    finding = f"{count} within 3 days, of devices of {', '.join(names[:NAMED_MOST])}{more}, from {moment(until)} on"
    remedy = "nothing has to be done: their clients ask them for the password then, and get others"
    return (Reason("certificate", finding, good=False, remedy=remedy, key="devices"),)
