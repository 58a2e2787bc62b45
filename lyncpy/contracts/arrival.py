"""One request as it came in, and who sent it."""

from collections.abc import Callable
from dataclasses import dataclass, field

from lyncpy.contracts.names import Aor, Epid, FlowName
from lyncpy.sip.message import Request, Response


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the gate proved the sender to be."""

    aor: Aor
    epid: Epid
    scheme: str
    """The authentication scheme, e.g. "NTLM"."""

    guest: bool = False
    """He has no account, and no more proven than that he knows the key of a conference."""


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

    _cancelled: bool = False
    _on_cancel: list[Callable[[], None]] = field(default_factory=list)

    @property
    def sender(self) -> Identity:
        """The proven sender; asking before the gate has admitted the request is our bug."""
        if self.who is None:
            raise RuntimeError("the request has not been admitted")
        return self.who

    def on_cancel(self, hear: Callable[[], None]) -> None:
        """Call `hear` once when the sender cancels (CANCEL) or vanishes; at once if he has."""
        if self._cancelled:
            hear()
        else:
            self._on_cancel.append(hear)

    def cancel(self) -> None:
        """Tell all listeners that nobody waits for the answer any more. May be called twice."""
        if not self._cancelled:
            self._cancelled = True
            for hear in self._on_cancel:
                hear()
            self._on_cancel.clear()
