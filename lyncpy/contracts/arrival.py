"""One request as it came in, and who sent it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from math import inf

from lyncpy.contracts.names import Aor, Epid, FlowName, Instance, epid_of, instance_of
from lyncpy.sip.message import Request, Response


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the gate proved the sender to be."""

    aor: Aor
    epid: Epid
    scheme: str
    """The authentication scheme, e.g. "NTLM"."""

    guest: bool = False
    """They have no account, and have proven no more than that they know the key of a conference."""


@dataclass(slots=True, eq=False)
class Arrival:
    """A request on its way through the server. One object per request, never shared."""

    request: Request
    flow: FlowName
    peer: str
    """The remote address, without port."""

    at: float
    """Monotonic seconds at which the request was complete."""

    who: Identity | None = None
    """Set by the gate; every route but the gate's own may rely on it."""

    provisional: Callable[[Response], None] = lambda response: None
    """Send a 1xx on the server transaction."""

    order: int = field(default_factory=count(1).__next__)
    """Which of all came first: what is waited for may let a later request overtake an earlier one."""

    proven_until: float = inf
    """Monotonic seconds at which the keys of the sender end, and they have to prove themselves anew."""

    _cancelled: bool = False
    _on_cancel: tuple[Callable[[], None], ...] = ()

    @property
    def sender(self) -> Identity:
        """The proven sender; asking before the gate has admitted the request is our bug."""
        if self.who is None:
            raise RuntimeError("the request has not been admitted")
        return self.who

    def on_cancel(self, hear: Callable[[], None]) -> None:
        """Call `hear` once when the sender cancels (CANCEL) or vanishes; at once if they have."""
        if self._cancelled:
            hear()
        else:
            self._on_cancel += (hear,)

    def forget(self, hear: Callable[[], None]) -> None:
        """Do not call `hear` any more, which may refer to this: a circle would wait for the garbage collector."""
        self._on_cancel = tuple([other for other in self._on_cancel if other != hear])

    def cancel(self) -> None:
        """Tell all listeners that nobody waits for the answer any more. May be called twice."""
        if not self._cancelled:
            self._cancelled = True
            heard, self._on_cancel = self._on_cancel, ()
            for hear in heard:
                hear()


def device_of(request: Request) -> tuple[Epid, Instance]:
    """Name the device that a REGISTER signs in: its epid and its instance, "" each where it says none.

    A device without an epid of its own is known by its instance: the last 12 digits, as short and as stable.

    Raises:
        RemoteProtocolError: From or Contact cannot be read.

    Spec: [MS-SIPREGE] 2.2.1; RFC 5626 §4.1.
    """
    contacts = request.contacts
    instance = instance_of(contacts[0].get("+sip.instance") or "") if contacts else Instance("")
    return epid_of(request.from_.epid or instance[-12:]), instance
