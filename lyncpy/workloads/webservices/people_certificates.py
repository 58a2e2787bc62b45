"""All certificates that were issued to people's devices, and the authority that has issued them; for operators."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cryptography import x509

from lyncpy.contracts.names import Aor
from lyncpy.contracts.owners import IOwners, OwnerId
from lyncpy.contracts.store import IStore
from lyncpy.contracts.timers import ITimers
from lyncpy.core.slices import Slices
from lyncpy.workloads.webservices.authority import PeopleAuthority
from lyncpy.workloads.webservices.issued_table import KIND
from lyncpy.workloads.webservices.model.issued import GOOD, standing, unpack
from lyncpy.workloads.webservices.tickets import PasswordMarks

SLICE: Final = 50


@dataclass(frozen=True, slots=True)
class HeldCertificate:
    """A certificate of a device."""

    aor: Aor | None
    """Whose it is; None: nobody has that account any more."""

    device: str
    digest: str
    """SHA-256 of its DER, in hexadecimal digits."""

    issued: float
    until: float
    """Both in seconds since the epoch."""

    state: str
    """Whether somebody can sign in with it, and if not why."""

    @property
    def is_good(self) -> bool:
        """Whether somebody can sign in with it."""
        return self.state == GOOD


class PeopleCertificates:
    """Reads them from the store.

    Args:
        store: Where they are.
        owners: Whose they are.
        authority: Which has issued them.
        marks: Of passwords: a certificate ends with the one that it was got with.
        timers: The clocks.
    """

    def __init__(
        self, store: IStore, owners: IOwners, authority: PeopleAuthority, marks: PasswordMarks, timers: ITimers
    ) -> None:
        self._store = store
        self._owners = owners
        self._authority = authority
        self._marks = marks
        self._timers = timers

    async def authority(self) -> x509.Certificate | None:
        """Give the certificate of the authority; None: none was needed yet. Raises StoreUnavailable."""
        kept = await self._authority.kept()
        return None if kept is None else kept.certificate

    async def all_issued(self, *, with_states: bool) -> Sequence[HeldCertificate]:
        """Give all that was issued and not revoked, those of one person together.

        Args:
            with_states: Whether to look for each person's password mark, too; else what is in its time is good.

        Raises:
            StoreUnavailable: Not now.
        """
        found: list[HeldCertificate] = []
        now, slices = self._timers.wall(), Slices(self._timers, SLICE)
        for record in await self._store.scan(KIND):
            aor = self._owners.address(OwnerId(record.key))
            certificates = unpack(record.value).certificates
            mark = (await self._marks.mark(aor)).hex() if with_states and aor is not None and certificates else None
            found += [
                HeldCertificate(
                    aor,
                    one.device,
                    one.digest,
                    one.issued,
                    one.until,
                    standing(one, one.mark if mark is None else mark, now),
                )
                for one in certificates
            ]
            await slices.spend()
        return found
