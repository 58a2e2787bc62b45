"""Who a ticket is from: what it says, compared with the people there are now."""

from hashlib import sha256
from hmac import digest
from typing import Final

from lyncpy.contracts.archive import IStamps
from lyncpy.contracts.directory import IPeople, ISecrets
from lyncpy.contracts.names import Aor
from lyncpy.contracts.owners import IOwners
from lyncpy.contracts.timers import ITimers
from lyncpy.sip.markup import Element
from lyncpy.workloads.webservices.issued_table import IssuedTable
from lyncpy.workloads.webservices.model.issued import Issued, check_round, with_signature, with_ticket
from lyncpy.workloads.webservices.model.proof import Possession
from lyncpy.workloads.webservices.model.refusal import untrusted
from lyncpy.workloads.webservices.model.tickets import (
    TicketClaims,
    TicketKeys,
    check_audience,
    check_time,
    new_ticket_id,
    read_ticket,
    write_ticket,
)

_MARK_BYTES: Final = 16


class PasswordMarks:
    """Tells one password of somebody from another without saying anything of either.

    Args:
        secrets: People's NT hashes.
        people: When the directory says that they last set their passwords.
        owners: Who has which address: a password goes along with a new one.
        stamps: Of the server's key, which is durable.
    """

    def __init__(self, secrets: ISecrets, people: IPeople, owners: IOwners, stamps: IStamps) -> None:
        self._secrets = secrets
        self._people = people
        self._owners = owners
        self._key = derived(stamps, "password mark")

    async def mark(self, aor: Aor) -> bytes:
        """Give the mark of somebody's present password."""
        owner = self._owners.owner(aor)
        secret = await self._secrets.nt_hash(aor)
        person = self._people.person(aor)
        known = owner.encode() + b"\0" + (secret or b"")
        if person is not None and person.password_set:
            known += b"\0" + person.password_set.encode()
        return digest(self._key, known, "sha256")[:_MARK_BYTES]


def derived(stamps: IStamps, purpose: str) -> bytes:
    """Derive a key from the server's own, so that a code of one kind is never good for another."""
    return sha256(stamps.stamp(f"lyncpy web services 1: {purpose}".encode())).digest()


class WebTickets:
    """Issues tickets, and admits who shows one.

    Args:
        marks: Of passwords: a ticket ends with the password that it was got for.
        stamps: Of the server's key.
        lifetime_s: Seconds for which a ticket holds.
    """

    def __init__(
        self,
        people: IPeople,
        owners: IOwners,
        issued: IssuedTable,
        marks: PasswordMarks,
        stamps: IStamps,
        timers: ITimers,
        lifetime_s: int,
    ) -> None:
        self._people = people
        self._owners = owners
        self._issued = issued
        self._marks = marks
        self._timers = timers
        self._lifetime_s = lifetime_s
        self._keys = TicketKeys(derived(stamps, "ticket signature"), derived(stamps, "ticket seal"))

    async def issue(
        self, aor: Aor, audience: str, issuer: str, key: bytes, proof: Possession | None = None
    ) -> tuple[TicketClaims, str]:
        """Give a ticket to somebody who has just proved who they are, and its text.

        Args:
            proof: Of the key of their certificate, which is good once; None: they proved their password.

        Raises:
            ServiceRefused: They have been disabled meanwhile, or the proof was sent before.
        """

        def decide(issued: Issued) -> Issued:
            given = with_ticket(issued)
            return given if proof is None else with_signature(given, proof, self._timers.steady())

        now, owner = int(self._timers.wall()), self._owners.owner(aor)
        # Written down before it is given: who is disabled from here on has something that ends.
        issued = await self._issued.change(owner, decide)
        mark = await self._marks.mark(aor)
        person = self._people.person(aor)
        if person is None or not person.may_stay or self._owners.owner(aor) != owner:
            raise untrusted("the account was disabled meanwhile")
        ticket = TicketClaims(
            id=new_ticket_id(),
            aor=aor,
            owner=owner,
            audience=audience,
            issued=now,
            expires=now + self._lifetime_s,
            round=issued.round,
            mark=mark,
            key=key,
        )
        return ticket, write_ticket(ticket, issuer, self._keys)

    async def admit(self, assertion: Element, audience: str) -> TicketClaims:
        """Give the ticket that somebody shows, if it holds now and here.

        Raises:
            ServiceRefused: With a reason.
        """
        ticket = read_ticket(assertion, self._keys)
        check_time(ticket, self._timers.wall())
        check_audience(ticket, audience)
        issued = await self._issued.read(ticket.owner)
        mark = await self._marks.mark(ticket.aor)
        # Behind the waits: a pull may have come between.
        person = self._people.person(ticket.aor)
        if person is None or not ticket.owner or self._owners.owner(ticket.aor) != ticket.owner:
            raise untrusted("nobody has this ticket's address any more")
        if not person.may_stay:
            raise untrusted("the account of this ticket is disabled")
        check_round(issued, ticket)
        if mark != ticket.mark:
            raise untrusted("the password has been changed since the ticket was issued")
        return ticket
