"""The table of this node's endpoints: who is signed in here, over which connection, until when.

Bindings live in memory only: a flow does not survive its process, so neither does what
hangs on it. Other workloads and other nodes read of them through `Registrations`, which is told of each change.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from lyncpy.contracts.facts import EndpointArrived, EndpointGone, EndpointGoneReason
from lyncpy.contracts.locator import Endpoint
from lyncpy.contracts.names import Aor, Epid, FlowName
from lyncpy.contracts.timers import ITimers
from lyncpy.core.deadline import Deadlines
from lyncpy.core.set_index import remove_member
from lyncpy.sip.grammar import remembered
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


class HearsOfBindings(Protocol):
    """Who is told of each change."""

    def tell(self, aor: Aor, *facts: EndpointArrived | EndpointGone) -> None:
        """Note that endpoints of a user have come or gone; whether one was the last is not for this table to say."""


class Bindings:
    """Every endpoint of this process, by user and by connection; bounded by the registrar's settings."""

    def __init__(self, told: HearsOfBindings, timers: ITimers) -> None:
        self._told = told
        self._timers = timers
        self._lapses: Deadlines[tuple[Aor, Epid]] = Deadlines(timers, self._lapsed)
        self._users: dict[Aor, dict[Epid, Binding]] = {}
        self._flows: dict[FlowName, set[tuple[Aor, Epid]]] = {}
        self._contacts: dict[tuple[FlowName, str], str] = {}
        """Maps connection and GRUU, and connection and user, to the Contact that was registered there."""

        self._evictions: dict[Aor, EndpointConflict] = {}
        """How often a device of a signed-in user had to leave for another."""

        self._count = 0

    @property
    def most_of_one(self) -> int:
        """How many endpoints the user with the most of them has here."""
        return max(map(len, self._users.values()), default=0)

    def __len__(self) -> int:
        return self._count

    @property
    def people_count(self) -> int:
        """How many users have an endpoint here."""
        return len(self._users)

    def contact(self, flow: FlowName, key: str) -> str | None:
        """Give the Contact of the endpoint that a `device_key` names, if it was registered over this connection."""
        return self._contacts.get((flow, key))

    def all_endpoints(self) -> Sequence[Endpoint]:
        """Give every endpoint of this node, by user."""
        return tuple(b.endpoint for aor in sorted(self._users) for b in self._users[aor].values())

    def endpoints_of(self, aor: Aor) -> tuple[Endpoint, ...]:
        """Give the user's endpoints, oldest first."""
        return tuple([binding.endpoint for binding in self._users.get(aor, {}).values()])

    def by_gruu(self, aor: Aor, end: str) -> Endpoint | None:
        """Find the user's endpoint whose GRUU ends so."""
        for binding in self._users.get(aor, {}).values():
            if binding.endpoint.gruu.endswith(end):
                return binding.endpoint
        return None

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

    def register(
        self, endpoint: Endpoint, thread: RegistrationDialog | None, contest: EndpointConflict | None = None
    ) -> RegisterAction:
        """Add or refresh an endpoint; tell which of the two it was.

        Args:
            endpoint: The endpoint; one that is refreshed keeps the time since when it is here.
            thread: The dialog in which it is told of its registration; None: it asked for none.
            contest: That about its name, where it was signed in at another node.

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
        contest = contest or self.contest(endpoint.aor, endpoint.epid)
        evictions = self._evictions.get(endpoint.aor)
        facts: tuple[EndpointGone, ...] = ()
        if known is not None:
            if known.flow != endpoint.flow:
                contest.taken(self._timers.now())
            self.drop(known.aor, known.epid, known.flow)
            facts = (EndpointGone(known.aor, known.epid, known.flow, EndpointGoneReason.REPLACED, last=False),)
            if evictions is not None:
                self._evictions[endpoint.aor] = evictions
        binding = Binding(endpoint, thread, contest)
        self._users.setdefault(endpoint.aor, {})[endpoint.epid] = binding
        self._lapse_later(endpoint)
        self._flows.setdefault(endpoint.flow, set()).add((endpoint.aor, endpoint.epid))
        self._note_contact(endpoint)
        self._count += 1
        self._told.tell(endpoint.aor, *facts, EndpointArrived(endpoint.aor, endpoint.epid, endpoint.flow))
        return RegisterAction.ADDED

    def remove(self, endpoint: Endpoint, reason: EndpointGoneReason) -> bool:
        """Remove an endpoint and tell so; False when it is not (or not any more) in the table."""
        if self.drop(endpoint.aor, endpoint.epid, endpoint.flow) is None:
            return False
        gone = EndpointGone(endpoint.aor, endpoint.epid, endpoint.flow, reason, last=False)
        self._told.tell(endpoint.aor, gone)
        return True

    def drop(self, aor: Aor, epid: Epid, flow: FlowName) -> Binding | None:
        """Remove an endpoint of which another node has told that it is gone; None: it is not in the table."""
        binding = self.binding(aor, epid)
        if binding is None or binding.endpoint.flow != flow:
            return None
        known = binding.endpoint
        mine = self._users[aor]
        del mine[epid]
        self._lapses.clear((aor, epid))
        if not mine:
            del self._users[aor]
            self._evictions.pop(aor, None)
        for key in (known.gruu, known.aor):
            self._contacts.pop((known.flow, key), None)
        remove_member(self._flows, flow, (aor, epid))
        self._count -= 1
        return binding

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
def end_of_gruu(opaque: str) -> str:
    """Give how the GRUU ends that has this opaque parameter; "" when it names no endpoint."""
    token = token_of(opaque)
    return f"opaque=user:epid:{token};gruu" if token else ""


def _is_same(known: Endpoint, endpoint: Endpoint) -> bool:
    return known.flow == endpoint.flow and known.instance == endpoint.instance
