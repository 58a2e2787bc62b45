"""Whose a certificate is that somebody shows, and whether it still stands."""

from lyncpy.contracts.directory import IPeople
from lyncpy.contracts.names import Aor
from lyncpy.contracts.owners import IOwners
from lyncpy.contracts.timers import ITimers
from lyncpy.workloads.webservices.issued_table import IssuedTable
from lyncpy.workloads.webservices.model.certificates import ShownCertificate
from lyncpy.workloads.webservices.model.issued import GOOD, standing
from lyncpy.workloads.webservices.model.refusal import untrusted
from lyncpy.workloads.webservices.tickets import PasswordMarks


class CertificateHolders:
    """Finds the people of certificates. That somebody has the key of one is for the caller to verify.

    Args:
        marks: Of passwords: a certificate ends with the password that it was got with.
    """

    def __init__(
        self, people: IPeople, owners: IOwners, issued: IssuedTable, marks: PasswordMarks, timers: ITimers
    ) -> None:
        self._people = people
        self._owners = owners
        self._issued = issued
        self._marks = marks
        self._timers = timers

    async def holder(self, shown: ShownCertificate) -> Aor:
        """Give the present address of whom a certificate was issued to.

        Raises:
            ServiceRefused: It does not stand, with a reason.
        """
        issued = await self._issued.read(shown.owner)
        known = [one for one in issued.certificates if one.digest == shown.digest]
        if not known:
            raise untrusted("the certificate is not of this server, or was revoked")
        aor: Aor | None = self._owners.address(shown.owner)
        if aor is None:
            raise untrusted("nobody has this certificate any more")
        state = standing(known[0], (await self._marks.mark(aor)).hex(), self._timers.wall())
        # Behind the waits: a pull may have come between.
        person = self._people.person(aor)
        if person is None or self._owners.owner(aor) != shown.owner or not person.may_stay:
            raise untrusted("the account of this certificate is disabled")
        if state != GOOD:
            raise untrusted(f"the certificate is good no more: {state}")
        return aor
