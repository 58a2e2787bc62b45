"""What a registration asks for, what it is granted, and how endpoints are named. Pure."""

import base64
import enum
import hashlib
import uuid
from dataclasses import dataclass, replace
from math import inf
from typing import Final

from lyncpy.contracts.names import Aor, Epid, Instance, instance_of
from lyncpy.sip.text import one_line
from lyncpy.sip.uri import parse_uri

INSTANCE_NAMESPACE: Final = uuid.UUID("fcacfb03-8a73-46ef-91b1-e5ebeeaba4fe")
"""The namespace from which clients derive +sip.instance ([MS-SIPRE])."""

EVENTS_ALLOWED: Final = (
    "vnd-microsoft-provisioning,vnd-microsoft-roaming-contacts,vnd-microsoft-roaming-ACL,presence,"
    "presence.wpending,vnd-microsoft-roaming-self,vnd-microsoft-provisioning-v2"
)
"""Allow-Events of the 200. Client: it splits at commas without trimming, so there are no blanks."""


class RegisterAction(enum.Enum):
    """What a REGISTER did; the values are what the client is told in presence-state ([MS-SIPREGE] 2.2.1)."""

    ADDED = "added"
    REFRESHED = "refreshed"


@dataclass(frozen=True, slots=True)
class RequestedBinding:
    """What a REGISTER asks for."""

    epid: Epid
    instance: Instance

    contact: str
    """The Contact URI as it came, or as `replaced` made it."""

    expires_s: int | None
    """None: the server chooses; 0: sign out."""

    every: bool = False
    """`Contact: *`: all endpoints on this connection."""


@dataclass(frozen=True, slots=True)
class RegisterRequest:
    """What a REGISTER says, but for its number and its proof."""

    aor: Aor
    binding: RequestedBinding

    gruu: str
    """Names the endpoint; "" when it signs out."""

    agent: str
    """What the client calls itself."""

    keeps_alive: bool
    """It promises keep-alives."""


@dataclass(frozen=True, slots=True)
class RegistrationDialog:
    """The dialog that a REGISTER with `Event: registration` makes: in it the client is told when it is signed out.

    Spec: [MS-SIPREGE] 2.2.1.1.
    """

    call_id: str
    remote: str
    """From of the REGISTER, with its tag: To of what is sent."""

    local: str
    """To of its 200, with our tag: From of what is sent."""

    def goes_on_in(self, call_id: str, remote: str) -> bool:
        """Tell whether a REGISTER with this Call-ID and From is of the same dialog."""
        return (self.call_id, self.remote) == (call_id, remote)


TAKEOVERS: Final = 4
"""How often a device may move to another connection before that is a contest: nobody's network fails so often
without the server noticing the end of the former connection."""

EVICTIONS: Final = 16
"""How often a user's newest device may send the oldest one away before that is a contest: a person who goes
to and fro between two desks has to be let in each time."""

CONTEST_S: Final = 1800.0
"""In how many seconds so many times are a contest, and how long it goes on after the last try."""


class EndpointConflict:
    """A contest of two clients for one place: each comes back as soon as the other has signed it out.

    Whoever has the place when it becomes a contest keeps it as long as they are there: then nobody is
    thrown out any more. It is over when nobody has tried for `CONTEST_S`.

    Args:
        limit: How often the place may change hands before it is a contest.
    """

    __slots__ = ("_limit", "_times", "_until")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._times: tuple[float, ...] = ()
        self._until: float | None = None

    def taken(self, now: float) -> None:
        """Note that the place was taken from its holder."""
        self._times = (*self._times, now)[-self._limit :]
        if len(self._times) == self._limit and now - self._times[0] < CONTEST_S:
            self._until = now + CONTEST_S

    def refused(self, now: float) -> None:
        """Note that an attempt to take the place was refused."""
        self._until = now + CONTEST_S

    def is_on(self, now: float) -> bool:
        """Tell whether the place may not be taken now."""
        return self._until is not None and now < self._until


@dataclass(frozen=True, slots=True)
class RegistrationTerms:
    """The settings that bound the granted lifetime, in seconds."""

    default_s: int
    minimum_s: int
    maximum_s: int


def granted(wish_s: int | None, terms: RegistrationTerms, proven_s: float = inf) -> int:
    """Give the lifetime of a registration in seconds.

    Args:
        wish_s: What the client asks for.
        terms: What it may have.
        proven_s: Seconds until it has to prove itself anew; it hears of that when it registers again.

    Spec: [MS-SIPREGE] 3.2: the server clamps what is asked for and grants its default when
    nothing is.
    """
    wish_s = terms.default_s if wish_s is None else wish_s
    return int(min(max(wish_s, terms.minimum_s), terms.maximum_s, max(proven_s, 1)))


def derived_instance(epid: Epid) -> Instance:
    """Derive the +sip.instance UUID of an epid, for a client that sends none.

    Spec: [MS-SIPRE] 3.1: SHA-1 over the namespace's bytes as a GUID and the epid; version 5. A
    client derives its own from the letters that it writes.
    """
    digest = hashlib.sha1(INSTANCE_NAMESPACE.bytes_le + epid.written.encode(), usedforsecurity=False).digest()
    return instance_of(str(uuid.UUID(bytes_le=digest[:16], version=5)))


def gruu_of(aor: Aor, instance: Instance) -> str:
    """Name an endpoint by a globally routable URI ([MS-SIPRE] 2.2.2).

    The opaque part is URL-safe base64 of the GUID's 16 bytes and two zero bytes.
    """
    token = base64.urlsafe_b64encode(uuid.UUID(instance).bytes_le + b"\0\0").decode()
    return f"{aor};opaque=user:epid:{token};gruu"


def token_of(opaque: str) -> str:
    """Give the endpoint's token in a GRUU's opaque parameter, or "" when it names no endpoint."""
    return opaque[len("user:epid:") :] if opaque.lower().startswith("user:epid:") else ""


def replaced(contact: str, address: str, port: int, cid: str) -> str:
    """Put the place that a connection comes from into a Contact URI, and the connection's name.

    A client writes `proxy=replace` because it does not know how it is seen from here. All other
    parameters stay, `ms-opaque` above all.

    Spec: [MS-CONMGMT] 3.2; only a SIP URI has a place.
    """
    uri = parse_uri(contact)
    if uri.scheme == "tel":
        return contact
    host = f"[{address}]" if ":" in address else address
    return str(replace(uri, host=host, port=port, params={**uri.params, "ms-received-cid": cid}))


def display(name: str, uri: str, tag: str, epid: str) -> str:
    """Write the From header of a 200, with the name that the directory knows.

    Spec: [MS-SIPREGE] 3.2: clients learn their own display name here.
    """
    quoted = one_line(name).replace("\\", "\\\\").replace('"', '\\"')
    text = f'"{quoted}"<{uri}>' if quoted else f"<{uri}>"
    return text + (f";tag={tag}" if tag else "") + (f";epid={epid}" if epid else "")
