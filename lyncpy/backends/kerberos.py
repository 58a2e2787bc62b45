"""Tickets verified by the system's GSS-API (MIT Kerberos), by way of the library `gssapi`.

The keytab is read anew for each ticket, so that new keys count at once. GSS-API keeps a replay cache on disk
and waits for it: that happens in a thread. What waits for the thread is bounded in bytes, and places take turns.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from lyncpy.backends.kerberos_tokens import TicketLabel, TokenUnreadable, encryption_name, ticket_label
from lyncpy.backends.keytab import KeytabEntry, KeytabUnusable, read_keytab
from lyncpy.backends.people import BlockingRunner
from lyncpy.backends.place_queue import PLACE, PlaceQueue
from lyncpy.contracts.authenticator import AuthenticationDenied, DenialReason
from lyncpy.contracts.kerberos import TOKEN_BYTES, AcceptedTicket, IMics, ITickets
from lyncpy.contracts.networks import network_of
from lyncpy.contracts.workload import IUnit

INSTALL: Final = "pip install 'lyncpy[kerberos]' (on Debian: apt-get install libkrb5-dev gcc first)"
"""How the library gets there."""

WAITING_BYTES: Final = 33_554_432
"""Bytes of the tokens that wait for the thread or are in it; a quarter of them may be one place's: a company's at its start.

A token has a kilobyte or two, or eight where somebody is in many groups.
"""

TOKEN_LEAST_BYTES: Final = 2048
"""What the smallest token counts: whoever waits for it takes room besides it, and each takes the thread's time."""

ERRORS: Final = 0x96C73A00
"""The first of the numbers of RFC 4120 §7.5.9, as GSS-API gives them."""

_SPNEGO: Final = "1.3.6.1.5.5.2"
"""The mechanism that finds out which one both sides have (RFC 4178); Kerberos alone may come of it."""

_OTHER_KEYS: Final = (DenialReason.BAD_TICKET, DenialReason.WRONG_KEY_VERSION)
"""What is wrong with a ticket where the key that it was tried with is not its own."""

_SUPPLEMENTARY_BITS: Final = 16
"""Of a status, below those of errors (RFC 2744 §3.9.1)."""

_SKEW_S: Final = 300.0
"""`clockskew` of krb5.conf, where nobody changed it."""

_SHORTEST_S: Final = 120.0
"""For which a ticket holds that is nearly over, or over by a clock that is a little wrong."""

_REASONS: Final[Mapping[int, DenialReason]] = {
    31: DenialReason.BAD_TICKET,
    32: DenialReason.TICKET_EXPIRED,
    33: DenialReason.CLOCK_SKEW,
    34: DenialReason.TICKET_REPLAYED,
    # "Not us": it cannot be decrypted with the key of a name that differs from its own, if by letters' case alone.
    35: DenialReason.BAD_TICKET,
    36: DenialReason.BAD_TICKET,
    37: DenialReason.CLOCK_SKEW,
    41: DenialReason.BAD_TICKET,
    44: DenialReason.WRONG_KEY_VERSION,
    45: DenialReason.WRONG_KEY_VERSION,
}


_log: Final = Logger()


class KerberosMissing(Exception):
    """The library is not installed; the sentence says how it gets there."""


def load_gssapi() -> Any:  # Any: an extra, which need not be there
    """Give the library.

    Raises:
        KerberosMissing: It is not there, or not the system's Kerberos.
    """
    try:
        return importlib.import_module("gssapi")
    except (ImportError, OSError) as error:
        raise KerberosMissing(f"Kerberos needs the library gssapi: {INSTALL}; it said: {error}") from None


@implementer(IMics)
class _Mics:
    __slots__ = ("_context", "_errors")

    def __init__(self, context: Any, errors: Any) -> None:  # Any: of the extra
        self._context = context
        self._errors = errors

    def sign(self, text: bytes) -> bytes:
        signature: bytes = self._context.get_signature(text)
        return signature

    def holds(self, text: bytes, mic: bytes) -> bool:
        try:
            self._context.verify_signature(text, mic)
        except self._errors.SupplementaryError as error:
            # RFC 2743 §1.2.3: the signature holds and is out of its order, if that is all there is to say. A client may
            # ask that this is looked at; requests and responses overtake each other, and repeated ones are known by their number.
            return not error.maj_code >> _SUPPLEMENTARY_BITS
        except self._errors.GSSError:
            return False
        return True


_Outcome: TypeAlias = AcceptedTicket | AuthenticationDenied


@dataclass(frozen=True, slots=True)
class _Shown:
    """A token that waits, and who waits for what is in it."""

    token: bytes
    service: str
    place: str
    answer: Deferred[_Outcome] = field(default_factory=Deferred)

    @property
    def amount(self) -> int:
        """What it counts, in bytes."""
        return max(len(self.token), TOKEN_LEAST_BYTES)


@implementer(ITickets, IUnit)
class KerberosTickets:
    """Verifies tickets with the keys of a keytab.

    Args:
        keytab: The file; its owner alone may read it.
        threads: Where it is waited for the disk.
        waiting_bytes: See WAITING_BYTES.

    Raises:
        KerberosMissing: The library is not there.
    """

    name = "kerberos"

    def __init__(self, keytab: Path, threads: BlockingRunner, waiting_bytes: int) -> None:
        self._gssapi = load_gssapi()
        self._keytab = keytab
        self._threads = threads
        self._waiting: PlaceQueue[_Shown] = PlaceQueue("auth.kerberos_waiting_bytes", waiting_bytes, waiting_bytes // 4)
        self._working = self._closed = False

    async def open(self) -> None:
        """Do nothing: a keytab that is not there yet may come."""

    async def close(self) -> None:
        """Look at no further token, and end the thread."""
        self._closed = True
        while self._waiting:
            self._end(_unseen("the server ends"), self._waiting.take())
        await self._threads.stop()

    async def accept(self, token: bytes, service: str, peer: str) -> AcceptedTicket | AuthenticationDenied:
        """Verify a token; see the promise."""
        if len(token) > TOKEN_BYTES:
            return AuthenticationDenied(DenialReason.MALFORMED, detail=f"a token of {len(token)} bytes is too long")
        shown = _Shown(token, service, network_of(peer))
        if self._closed:
            return _unseen("the server ends")
        excess = self._waiting.put(shown)
        if excess:
            return _unseen(f"too many wait that {shown.place} has shown" if excess == PLACE else "too many wait")
        self._go_on()
        return await shown.answer

    def _go_on(self) -> None:
        """Have the next token verified, where none is being."""
        while self._waiting and not self._working:
            shown = self._waiting.take()
            if shown.answer.called:
                # Who has gone meanwhile may show the same token again: the replay cache has not seen it.
                self._waiting.done(shown)
                continue
            self._working = True
            verify = partial(verify_ticket, self._gssapi, self._keytab, shown.token, shown.service)
            _ = self._threads.call_in_thread(verify).addBoth(self._seen, shown)

    def _seen(self, outcome: _Outcome | Failure, shown: _Shown) -> None:
        self._working = False
        self._end(outcome, shown)
        self._go_on()

    def _end(self, outcome: _Outcome | Failure, shown: _Shown) -> None:
        """Tell who waits, if anybody still does."""
        self._waiting.done(shown)
        if not shown.answer.called:
            shown.answer.callback(outcome)  # a Failure becomes an error
        elif isinstance(outcome, Failure):
            _log.failure("a ticket that nobody waits for failed", failure=outcome)


def _unseen(why: str) -> AuthenticationDenied:
    return AuthenticationDenied(DenialReason.TOO_MANY_TICKETS, detail=f"{why}; the ticket was not looked at")


def verify_ticket(
    gssapi: Any, keytab: Path, token: bytes, service: str
) -> AcceptedTicket | AuthenticationDenied:  # Any: of the extra
    """Verify a token as `ITickets.accept` does, while the caller waits."""
    try:
        label = ticket_label(token)
    except TokenUnreadable as error:
        return AuthenticationDenied(DenialReason.MALFORMED, detail=f"the token cannot be read: {error}")
    try:
        entries = read_keytab(keytab)
    except KeytabUnusable as error:
        _log.error("{reason}", reason=str(error))
        return AuthenticationDenied(DenialReason.NO_KEYTAB, detail=str(error))
    ours = _entries_of(entries, label, service)
    if not ours:
        has = ", ".join(sorted({one.principal for one in entries})) or "nothing"
        detail = (
            f"it is for {label.service[:120]}@{label.realm[:120]}; wanted is {service}/..., and the keytab has {has}"
        )
        return AuthenticationDenied(DenialReason.WRONG_SERVICE, detail=detail)
    first, *others = _spellings(ours, label)
    outcome = _shown_to(gssapi, keytab, first, token, label, ours)
    for other in others:
        if isinstance(outcome, AcceptedTicket) or outcome.reason not in _OTHER_KEYS:
            break
        outcome = _shown_to(gssapi, keytab, other, token, label, ours)
    return outcome


def _shown_to(
    gssapi: Any, keytab: Path, service: str, token: bytes, label: TicketLabel, ours: list[KeytabEntry]
) -> AcceptedTicket | AuthenticationDenied:  # Any: of the extra
    """Verify a token with the keys that stand in the keytab under one principal."""
    kerberos = gssapi.MechType.kerberos
    try:
        name = gssapi.Name(service, gssapi.NameType.kerberos_principal)
        # Named credentials alone have the system's replay cache. Whatever other mechanisms the system has, and
        # whatever they would take for somebody's name: a principal is what Kerberos says.
        credentials = gssapi.Credentials(
            name=name,
            usage="accept",
            mechs=[kerberos, gssapi.OID.from_int_seq(_SPNEGO)],
            store={"keytab": str(keytab)},
        )
        context = gssapi.SecurityContext(creds=credentials, usage="accept")
        reply = context.step(token)
        if not context.complete:
            return AuthenticationDenied(DenialReason.MALFORMED, detail="the token is not the whole of a handshake")
        if context.mech != kerberos:
            return AuthenticationDenied(DenialReason.MALFORMED, detail="another mechanism than Kerberos was agreed on")
        principal, lifetime = str(context.initiator_name), _lifetime(float(context.lifetime))
    except gssapi.exceptions.GSSError as error:
        return _denied(error, label, ours)
    own = principal.endswith(f"@{label.realm}")
    return AcceptedTicket(principal, own, lifetime, _Mics(context, gssapi.exceptions), reply or b"")


def _lifetime(said: float) -> float:
    """Give the seconds until a ticket ends; GSS-API adds those by which clocks may differ."""
    return max(said - _SKEW_S, min(said, _SHORTEST_S))


def _entries_of(entries: tuple[KeytabEntry, ...], label: TicketLabel, service: str) -> list[KeytabEntry]:
    """Give the keys of the service that a ticket is for, if it is this one. Windows writes its names in any case."""
    wanted = label.service.lower()
    if wanted.partition("/")[0] != service.lower():
        return []
    return [one for one in entries if one.service.lower() == wanted and one.realm == label.realm]


def _spellings(ours: list[KeytabEntry], label: TicketLabel) -> list[str]:
    """Give the principals under which a service's keys stand in the keytab, that of the ticket first.

    There may be several that differ by their letters' case, each with keys of its own: the system looks for keys
    under the very name that it is asked for.
    """
    own = f"{label.service}@{label.realm}"
    return sorted({one.principal for one in ours}, key=lambda principal: (principal != own, principal))


def _denied(error: Any, label: TicketLabel, ours: list[KeytabEntry]) -> AuthenticationDenied:  # Any: of the extra
    number = error.min_code - ERRORS
    reason = _REASONS.get(number, DenialReason.MALFORMED)
    if reason is DenialReason.CLOCK_SKEW:
        detail = "the clocks of the client, the KDC and this server differ too much"
    elif reason in _OTHER_KEYS:
        versions = ", ".join(sorted({f"{one.version} {encryption_name(one.encryption)}" for one in ours}))
        detail = (
            f"the ticket for {label.service[:120]} has key version {label.version}, "
            f"{encryption_name(label.encryption)}; the keytab has {versions}"
        )
    else:
        detail = str(error).rpartition("Minor")[2][:200]
    return AuthenticationDenied(reason, detail=detail)
