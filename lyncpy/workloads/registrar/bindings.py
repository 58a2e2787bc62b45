"""The table of endpoints: who is signed in, over which connection, until when.

Bindings live in memory only: a flow does not survive its process, so neither does what
hangs on it. Other workloads read the table through `ILocator` and learn of changes by
the facts EndpointArrived and EndpointGone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from zope.interface import implementer

from lyncpy.contracts.bus import IBus
from lyncpy.contracts.facts import EndpointArrived, EndpointGone, EndpointGoneReason
from lyncpy.contracts.locator import Endpoint, ILocator
from lyncpy.contracts.names import Aor, Epid, FlowName, named_by
from lyncpy.contracts.timers import ITimers
from lyncpy.core.deadline import Deadlines
from lyncpy.core.set_index import remove_member
from lyncpy.sip.grammar import remembered
from lyncpy.sip.uri import Uri
from lyncpy.workloads.registrar.model import (
    EVICTIONS,
    TAKEOVERS,
    EndpointConflict,
    RegisterAction,
    RegistrationDialog,
    token_of,
)

LAPSE_GRACE_S = 30
"""A refresh that is this late still finds its binding."""


@dataclass(slots=True)
class Binding:
    """An endpoint, with what belongs to its registration."""

    endpoint: Endpoint
    thread: RegistrationDialog | None
    """The dialog in which it is told of its registration; None: it asked for none."""

    contest: EndpointConflict
    """How often this device's name was taken from one connection by another."""


@implementer(ILocator)
class Bindings:
    """Every endpoint of this process, by user, by connection and by GRUU; bounded by the registrar's settings."""

    def __init__(self, bus: IBus, timers: ITimers) -> None:
        self._bus = bus
        self._timers = timers
        self._lapses: Deadlines[tuple[Aor, Epid]] = Deadlines(timers, self._lapsed)
        self._users: dict[Aor, dict[Epid, Binding]] = {}
        self._flows: dict[FlowName, set[tuple[Aor, Epid]]] = {}
        self._contacts: dict[tuple[FlowName, str], str] = {}
        """Maps connection and GRUU, and connection and user, to the Contact that was registered there."""

        self._evictions: dict[Aor, EndpointConflict] = {}
        """How often a device of a signed-in user had to leave for another."""

        self._count = 0

    def __len__(self) -> int:
        return self._count

    # --- ILocator

    async def endpoints(self, aor: Aor) -> Sequence[Endpoint]:
        """Give the user's endpoints, oldest first."""
        return self.endpoints_of(aor)

    async def by_uri(self, uri: Uri) -> Endpoint | None:
        """Give the endpoint that a GRUU names."""
        gruu_end = _end_of_gruu(uri.opaque)
        if not gruu_end:
            return None
        for binding in self._users.get(named_by(uri), {}).values():
            if binding.endpoint.gruu.endswith(gruu_end):
                return binding.endpoint
        return None

    def contact(self, flow: FlowName, key: str) -> str | None:
        """Give the Contact of the endpoint that a `device_key` names, if it was registered over this connection."""
        return self._contacts.get((flow, key))

    def all_endpoints(self) -> Sequence[Endpoint]:
        """Give every endpoint, by user."""
        return tuple(b.endpoint for aor in sorted(self._users) for b in self._users[aor].values())

    # --- for the registrar

    def endpoints_of(self, aor: Aor) -> tuple[Endpoint, ...]:
        """Give the user's endpoints, oldest first."""
        return tuple(binding.endpoint for binding in self._users.get(aor, {}).values())

    def on(self, flow: FlowName) -> tuple[Endpoint, ...]:
        """Give the endpoints that were registered over a connection."""
        return tuple(self._users[aor][epid].endpoint for aor, epid in self._flows.get(flow, ()))

    def endpoint(self, aor: Aor, epid: Epid) -> Endpoint | None:
        """Find an endpoint by user and epid; None: it is not signed in."""
        binding = self.binding(aor, epid)
        return binding.endpoint if binding else None

    def binding(self, aor: Aor, epid: Epid) -> Binding | None:
        """Find a binding by user and epid; None: the endpoint is not signed in."""
        mine = self._users.get(aor)
        return None if mine is None else mine.get(epid)

    def thread(self, aor: Aor, epid: Epid) -> RegistrationDialog | None:
        """Give the dialog in which an endpoint is told of its registration; None: it asked for none, or is gone."""
        binding = self.binding(aor, epid)
        return binding.thread if binding else None

    def contest(self, aor: Aor, epid: Epid) -> EndpointConflict:
        """Give the contest about a signed-in device's name; of another one, a contest that nobody has begun."""
        binding = self.binding(aor, epid)
        return binding.contest if binding else EndpointConflict(TAKEOVERS)

    def evictions(self, aor: Aor) -> EndpointConflict:
        """Give the contest about a signed-in user's places."""
        return (
            self._evictions.setdefault(aor, EndpointConflict(EVICTIONS))
            if aor in self._users
            else EndpointConflict(EVICTIONS)
        )

    def register(self, endpoint: Endpoint, thread: RegistrationDialog | None) -> RegisterAction:
        """Add or refresh an endpoint; tell which of the two it was.

        Args:
            endpoint: The endpoint; one that is refreshed keeps the time since when it is here.
            thread: The dialog in which it is told of its registration; None: it asked for none.

        An endpoint that comes back over another connection replaces its old self: the old
        one is told to be gone before the new one arrives, so that what hung on it ends.
        """
        binding = self.binding(endpoint.aor, endpoint.epid)
        known = None if binding is None else binding.endpoint
        if binding is not None and known is not None and _is_same(known, endpoint):
            binding.endpoint = endpoint if endpoint.since == known.since else replace(endpoint, since=known.since)
            binding.thread = thread
            self._note_contact(endpoint)
            # One that is renewed lapses later than its time says, which is looked at then.
            if endpoint.expires < known.expires:
                self._lapse_later(endpoint)
            return RegisterAction.REFRESHED
        contest, evictions = self.contest(endpoint.aor, endpoint.epid), self._evictions.get(endpoint.aor)
        if known is not None:
            if known.flow != endpoint.flow:
                contest.taken(self._timers.now())
            self.remove(known, EndpointGoneReason.REPLACED)
            if evictions is not None:
                self._evictions[endpoint.aor] = evictions
        binding = Binding(endpoint, thread, contest)
        self._users.setdefault(endpoint.aor, {})[endpoint.epid] = binding
        self._lapse_later(endpoint)
        self._flows.setdefault(endpoint.flow, set()).add((endpoint.aor, endpoint.epid))
        self._note_contact(endpoint)
        self._count += 1
        self._bus.tell(EndpointArrived(endpoint.aor, endpoint.epid, endpoint.flow))
        return RegisterAction.ADDED

    def remove(self, endpoint: Endpoint, reason: EndpointGoneReason) -> bool:
        """Remove an endpoint and tell so; False when it is not (or not any more) in the table."""
        known = self.endpoint(endpoint.aor, endpoint.epid)
        if known is None or known.flow != endpoint.flow:
            return False
        mine = self._users[endpoint.aor]
        del mine[endpoint.epid]
        self._lapses.clear((endpoint.aor, endpoint.epid))
        if not mine:
            del self._users[endpoint.aor]
            self._evictions.pop(endpoint.aor, None)
        for key in (known.gruu, known.aor):
            self._contacts.pop((known.flow, key), None)
        remove_member(self._flows, endpoint.flow, (endpoint.aor, endpoint.epid))
        self._count -= 1
        self._bus.tell(EndpointGone(known.aor, known.epid, known.flow, reason, last=not mine))
        return True

    def drop_flow(self, flow: FlowName, reason: EndpointGoneReason) -> None:
        """Remove all endpoints of a connection that is gone."""
        for aor, epid in tuple(self._flows.get(flow, ())):
            self.remove(self._users[aor][epid].endpoint, reason)

    def _note_contact(self, endpoint: Endpoint) -> None:
        for key in (endpoint.gruu, endpoint.aor):
            self._contacts[endpoint.flow, key] = endpoint.contact

    def _lapse_later(self, endpoint: Endpoint) -> None:
        delay_s = max(0.0, endpoint.expires - self._timers.now()) + LAPSE_GRACE_S
        self._lapses.set((endpoint.aor, endpoint.epid), delay_s)

    def _lapsed(self, name: tuple[Aor, Epid]) -> None:
        known = self.endpoint(*name)
        if known is None:
            return
        if self._timers.now() < known.expires + LAPSE_GRACE_S:
            self._lapse_later(known)
        else:
            self.remove(known, EndpointGoneReason.EXPIRED)


@remembered
def _end_of_gruu(opaque: str) -> str:
    """Give how the GRUU ends that has this opaque parameter; "" when it names no endpoint."""
    token = token_of(opaque)
    return f"opaque=user:epid:{token};gruu" if token else ""


def _is_same(known: Endpoint, endpoint: Endpoint) -> bool:
    return known.flow == endpoint.flow and known.instance == endpoint.instance
