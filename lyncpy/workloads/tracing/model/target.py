"""Whom or what a trace is about."""

import enum
import ipaddress
from dataclasses import dataclass

from lyncpy.contracts.facts import about_call, about_conference
from lyncpy.contracts.names import aor_of, conference_key
from lyncpy.workloads.tracing.model.glance import Glance, conference_in


class TraceTargetKind(enum.Enum):
    """What an operator can trace; the values are what they type."""

    USER = "user"
    """All devices of a person."""

    ADDRESS = "address"
    """All connections from an IP address or a network."""

    CALL_ID = "call-id"
    """One dialog."""

    CONFERENCE = "conference"
    """All that is said to and by a conference, and what happens in it."""


@dataclass(frozen=True, slots=True)
class TraceTarget:
    """Whom or what a trace is about, in normal form."""

    kind: TraceTargetKind
    value: str

    def __str__(self) -> str:
        """Write it as an operator would."""
        return f"{self.kind.value} {self.value.removeprefix('sip:')}"

    @property
    def about(self) -> str:
        """What facts are about that tell of it; "": none do."""
        match self.kind:
            case TraceTargetKind.USER:
                return self.value
            case TraceTargetKind.CALL_ID:
                return about_call(self.value)
            case TraceTargetKind.CONFERENCE:
                return about_conference(self.value)
        return ""

    def concerns(self, message: Glance, peer: str) -> bool:
        """Tell whether a message over a connection from this address belongs to the trace."""
        match self.kind:
            case TraceTargetKind.USER:
                return self.value in message.people
            case TraceTargetKind.CALL_ID:
                return message.call_id == self.value
            case TraceTargetKind.CONFERENCE:
                return self.value in message.conferences
        return self.has_peer(peer)

    def has_peer(self, peer: str) -> bool:
        """Tell whether the trace is about where this connection comes from."""
        if self.kind is not TraceTargetKind.ADDRESS:
            return False
        try:
            return ipaddress.ip_address(peer) in ipaddress.ip_network(self.value)
        except ValueError:
            return False


def target_of(kind: str, text: str) -> TraceTarget:
    """Read what an operator wants to trace.

    Raises:
        ValueError: With a sentence that says how it is written.
    """
    try:
        what = TraceTargetKind(kind)
    except ValueError:
        known = ", ".join(one.value for one in TraceTargetKind)
        raise ValueError(f'"{kind[:80]}" cannot be traced; one of these can: {known}') from None
    text = text.strip()
    match what:
        case TraceTargetKind.USER:
            if "@" not in text.strip("@"):
                raise ValueError(f'"{text[:80]}" is not an address; write it as alice@example.com')
            return TraceTarget(what, aor_of(text))
        case TraceTargetKind.ADDRESS:
            return TraceTarget(what, _network(text))
        case TraceTargetKind.CALL_ID:
            return TraceTarget(what, _not_empty(text))
    return TraceTarget(what, _not_empty(conference_in(text) or conference_key(text)))


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        raise ValueError(f'"{text[:80]}" is no IP address or network; write 192.0.2.1 or 192.0.2.0/24') from None


def _not_empty(text: str) -> str:
    if not text:
        raise ValueError("say what is to be traced")
    return text
