"""What was issued to one person, and which of it still stands. Pure.

A certificate stands while it is in its owner's record, in its time, and while the password with which it was got
has not changed. Whatever ends that, ends it for good: with each revocation another round begins, and the
tickets of the rounds before count no more. Of whoever never had a ticket nothing is kept. A ticket that has got a certificate is remembered until it expires,
whatever becomes of the certificate.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from hashlib import sha256
from typing import Final

from lyncpy.workloads.webservices.model.proof import SKEW_S, Possession
from lyncpy.workloads.webservices.model.refusal import ServiceRefused, untrusted
from lyncpy.workloads.webservices.model.tickets import TicketClaims

USED_TICKETS: Final = 256
"""Tickets in their time with which one person got certificates; a client gets one at each start."""

USED_SIGNATURES: Final = 64
"""Requests in their time that one person has signed with the keys of certificates; a client sends a handful at its start."""

SPARE_S: Final = 60.0
"""For so much longer a signature is known: clocks by which time stamps are judged differ a little, and are set back a little."""

LONGEST_S: Final = 2 * SKEW_S + SPARE_S
"""The longest that one is known: a clock may be ahead, and its time stamps hold until they are as far behind.
Those of a clock that is right are known for half of that, about."""

_DIGEST_BYTES: Final = 16


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
    """Of the password with which it was got, in hexadecimal digits; see `TicketClaims`."""


@dataclass(frozen=True, slots=True)
class UsedTicket:
    """A ticket that has got a certificate, and may get one for the same key again."""

    id: str
    key: str
    """Names the key that was certified, see `KeyRequest`."""

    expires: int
    """Seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class UsedSignature:
    """A request that was signed with the key of a certificate, and is good once."""

    digest: str
    """Of the signature, in hexadecimal digits."""

    until: float
    """When its time stamp is too old, in seconds of the clock for lifetimes that are written down."""


@dataclass(frozen=True, slots=True)
class Issued:
    """All that counts of what was issued to a person, the oldest first."""

    round: int = 0
    """How often something was revoked; a ticket of an earlier round does not count."""

    certificates: Sequence[IssuedCertificate] = field(default=())
    used: Sequence[UsedTicket] = field(default=())
    """The tickets of this round that have got certificates, and have not expired."""

    is_open: bool = False
    """Whether a ticket was given in this round; else there is none that could end."""

    password: str = ""
    """Tells the last password that was sent from another, where no hash of it is known; "": none was sent."""

    signatures: Sequence[UsedSignature] = field(default=())
    """Requests for tickets that were taken, and could be sent again; whatever is revoked, they stay."""

    @property
    def is_ended(self) -> bool:
        """Whether nothing that they have counts any more, or ever did."""
        return not self.is_open and not self.certificates


def with_ticket(issued: Issued) -> Issued:
    """Give a ticket of this round; the very same value when that is known."""
    return issued if issued.is_open else replace(issued, is_open=True)


def with_signature(issued: Issued, proof: Possession, now: float) -> Issued:
    """Take a request that was signed with the key of a certificate, this once. Nothing is forgotten before its time.

    Args:
        now: By the clock for lifetimes that are written down.

    Raises:
        ServiceRefused: It was taken before, or there are too many of its person.
    """
    kept = tuple(one for one in issued.signatures if one.until > now)
    digest = sha256(proof.signature).digest()[:_DIGEST_BYTES].hex()
    if any(one.digest == digest for one in kept):
        raise untrusted("the request was sent before")
    if len(kept) >= USED_SIGNATURES:
        raise ServiceRefused(
            "s:Server",
            "you have asked for too many tickets with a certificate;"
            f" you may ask again in {LONGEST_S / 60:.0f} minutes at the latest",
        )
    return replace(issued, signatures=(*kept, UsedSignature(digest, now + proof.ends_in + SPARE_S)))


def with_use(issued: Issued, ticket: TicketClaims, key: str, now: float) -> Issued:
    """Use a ticket for a key: it is good for one. For the same key it may be used again.

    Args:
        now: Seconds since the epoch.

    Raises:
        ServiceRefused: It was used for another key, or too many are remembered: none is forgotten in its time.
    """
    kept = tuple(one for one in issued.used if one.expires > now)
    before = next((one.key for one in kept if one.id == ticket.id), None)
    if before not in (None, key):
        raise untrusted("the ticket was used for another certificate")
    if before is None:
        if len(kept) >= USED_TICKETS:
            raise ServiceRefused("s:Server", "too many tickets were used for certificates, try again later")
        kept = (*kept, UsedTicket(ticket.id, key, ticket.expires))
    return replace(issued, used=kept)


def check_round(issued: Issued, ticket: TicketClaims) -> None:
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
    """Revoke one certificate, and all tickets: whoever has the device may have one. The very same value when there is no such certificate.

    Args:
        serial: Its serial number; the other certificates stay.
    """
    kept = tuple(one for one in issued.certificates if one.serial != serial)
    return issued if len(kept) == len(issued.certificates) else replace(revoked(issued), certificates=kept)


def revoked(issued: Issued) -> Issued:
    """Revoke all that was issued to a person, certificates and tickets."""
    return replace(issued, round=issued.round + 1, certificates=(), used=(), is_open=False)


def with_password(issued: Issued, password: str) -> Issued:
    """Note which password somebody has sent: another one than before ends all that was opened with that one.

    Args:
        password: See `Issued`; where it is the same, the very same value is given.
    """
    if password == issued.password:
        return issued
    return replace(revoked(issued) if issued.password else issued, password=password)


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
    return json.dumps(asdict(issued), separators=(",", ":")).encode()


_KEPT: Final = tuple(one.name for one in fields(IssuedCertificate))


def unpack(value: bytes | None) -> Issued:
    """Read it; nothing is kept of who was issued nothing."""
    if value is None:
        return Issued()
    found = json.loads(value)
    return Issued(
        found["round"],
        # Earlier records have the tickets in the certificates, and not the list of them.
        tuple(IssuedCertificate(**{name: one[name] for name in _KEPT}) for one in found["certificates"]),
        tuple(UsedTicket(**one) for one in found.get("used", ())),
        # Of a person with an earlier record it is not known.
        found.get("is_open", True),
        found.get("password", ""),
        tuple(UsedSignature(**one) for one in found.get("signatures", ())),
    )
