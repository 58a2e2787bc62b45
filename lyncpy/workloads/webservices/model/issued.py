"""What was issued to one person, and which of it still stands. Pure.

A certificate stands while it is in its owner's record, in its time, and while the password with which it was got
has not changed. Whatever ends that, ends it for good: with all that somebody has another round begins, and the
tickets of the rounds before count no more.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Final

from lyncpy.workloads.webservices.model.refusal import untrusted
from lyncpy.workloads.webservices.model.tickets import Ticket


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    """A certificate of one device of a person."""

    digest: str
    """SHA-256 of its DER, in hexadecimal digits: what tells whether a certificate is this one."""

    serial: str
    """As its first 16 hexadecimal digits; names it for an operator."""

    device: str
    """The client's own name for its device, a UUID."""

    issued: float
    until: float
    """Both in seconds since the epoch."""

    mark: str
    """Of the password with which it was got, in hexadecimal digits; see `Ticket`."""

    ticket: str
    """The ticket with which it was got."""

    key: str
    """Names its key, see `KeyRequest`."""


@dataclass(frozen=True, slots=True)
class Issued:
    """All that counts of what was issued to a person, the oldest first."""

    round: int = 0
    """How often all was revoked; a ticket of an earlier round does not count."""

    certificates: Sequence[IssuedCertificate] = field(default=())


def check_ticket_use(issued: Issued, ticket: Ticket, key: str) -> None:
    """Refuse a ticket that has got a certificate for another key: it is good for one. For the same key it may be asked again.

    Raises:
        ServiceRefused: It was used before.
    """
    if any(one.ticket == ticket.id and one.key != key for one in issued.certificates):
        raise untrusted("the ticket was used for another certificate")


def check_round(issued: Issued, ticket: Ticket) -> None:
    """Refuse a ticket that was revoked with all else that its owner had.

    Raises:
        ServiceRefused: With a reason.
    """
    if ticket.round != issued.round:
        raise untrusted("the ticket was revoked")


def with_certificate(issued: Issued, new: IssuedCertificate, most: int, now: float) -> Issued:
    """Add a certificate: in the place of the same device's, of those whose time is over, and of the oldest beyond the bound."""
    kept = [one for one in issued.certificates if one.device != new.device and one.until > now]
    return replace(issued, certificates=(*kept, new)[-most:])


def without(issued: Issued, serial: str) -> Issued:
    """Revoke one certificate; the very same value when there is none of this serial number."""
    kept = tuple(one for one in issued.certificates if one.serial != serial)
    return issued if len(kept) == len(issued.certificates) else replace(issued, certificates=kept)


def revoked(issued: Issued) -> Issued:
    """Revoke all that was issued to a person, certificates and tickets."""
    return Issued(issued.round + 1)


GOOD: Final = "good"
EXPIRED: Final = "expired"


def standing(one: IssuedCertificate, mark: str, now: float) -> str:
    """Say whether a certificate stands: `GOOD`, or why not: `EXPIRED`, or that the password has changed.

    Args:
        mark: Of the person's present password.
        now: Seconds since the epoch.
    """
    if now >= one.until:
        return EXPIRED
    return GOOD if one.mark == mark else "password changed"


def pack(issued: Issued) -> bytes:
    """Write what is kept of a person."""
    fields = {"round": issued.round, "certificates": [asdict(one) for one in issued.certificates]}
    return json.dumps(fields, separators=(",", ":")).encode()


def unpack(value: bytes | None) -> Issued:
    """Read it; nothing is kept of who was issued nothing."""
    if value is None:
        return Issued()
    fields = json.loads(value)
    return Issued(fields["round"], tuple(IssuedCertificate(**one) for one in fields["certificates"]))
