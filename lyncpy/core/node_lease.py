"""This node among the others: its lease, which of them are known dead, and which duties are whose.

Two keep one promise: `LeasedNode` where several servers work with one store, and `OnlyNode` where there can be no other.
"""

import math
from collections import deque
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from zope.interface import implementer

from lyncpy.contracts.bus import IBus
from lyncpy.contracts.facts import NodeLost
from lyncpy.contracts.names import NodeName
from lyncpy.contracts.nodes import DUTIES, Duty, Fenced, Home, ILeases, INodes, NodeLease
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import IUnit, Reason
from lyncpy.core.deadline import Deadline
from lyncpy.core.spawn import spawn

START_S: Final = 30.0
"""Seconds of the first lease, where others are shorter: who starts reads and builds much, and on a busy machine its loop stands still
for longer than a lease. Nobody is signed in at it yet."""

RENEWALS: Final = 4
"""Renewals within the length of a lease: one that fails, and the next one, too, cost nothing yet."""

WATCHED: Final = 0.5
"""The part of its length for which a lease must have been seen unchanged, while the store worked, before it is written down as
over: when a store comes back, all leases have run out, and whoever lives has had two tries by then."""

GONE: Final = 20
"""Nodes that are gone and still told of to operators."""

SAME: Final = 0.1
"""The part of its length by which the end of an unchanged lease may seem to move: the store's answers take their time."""

UNSEEN: Final = -math.inf
"""When a lease runs out that was never seen: before any other. 0 is a moment like others, when this machine was started, and
a lease may have run out before."""


class _Homes:
    """What both say of homes: the store knows them.

    Args:
        node: This process.
        leases: Where they are.
    """

    def __init__(self, node: NodeName, leases: ILeases) -> None:
        self.node = node
        self.epoch = 0
        self._leases = leases

    async def take_home(self, key: str) -> Home:
        """Make this node the home of a name, unless a living one is; give which node is."""
        (home,) = await self.take_homes((key,))
        return home

    async def take_homes(self, keys: Collection[str]) -> Sequence[Home]:
        """Make this node the home of each name of which no living one is; give which node is."""
        homes: Sequence[Home] = await self._leases.take_homes(keys, self.node)
        return homes

    async def give_up(self, home: Home) -> None:
        """Have a home of this node be nobody's."""
        await self._leases.give_up(home)

    async def forget(self, key: str) -> None:
        """Forget a name that there is nothing of any more."""
        await self._leases.forget(key, self.node)

    async def all_homes(self, prefix: str = "") -> Sequence[Home]:
        """Give the homes whose key begins so."""
        found: Sequence[Home] = await self._leases.homes(prefix)
        return found


@implementer(INodes, IUnit)
class OnlyNode(_Homes):
    """The one server of its store: all that were before it are dead, and every duty is its own.

    Args:
        node: This process.
        leases: Where its start is noted, for what is left open to be told from what is not.
        place: Where it runs.
    """

    name = "nodes"
    is_alone = True

    def __init__(self, node: NodeName, leases: ILeases, place: str) -> None:
        super().__init__(node, leases)
        self._place = place

    async def open(self) -> None:
        """Take the place of all before it."""
        self.epoch = await self._leases.join(self.node, self._place, 0.0, is_connected=False)
        await self._leases.end_others(self.node)

    async def close(self) -> None:
        """Leave nothing behind that seems to be alive; where the store takes nothing more, nobody else looks."""
        with suppress(StoreUnavailable):
            await self._leases.leave(self.node)

    def others(self) -> Sequence[NodeLease]:
        """Give the other nodes: there are none."""
        return ()

    def gone(self) -> Sequence[NodeLease]:
        """Give the nodes that were here: of those before it nobody asks."""
        return ()

    async def find_dead(self, names: Collection[NodeName]) -> frozenset[NodeName]:
        """Give all but this one."""
        return frozenset(names) - {self.node}

    def has_duty(self, duty: Duty) -> bool:
        """Tell that it is this one's."""
        return True

    def lapsed_s(self) -> float:
        """Give for how long the lease has been over: there is none, so that it never is."""
        return UNSEEN

    def is_held(self) -> bool:
        """Tell that nobody can take this node for dead: there is nobody."""
        return True

    def doubt(self) -> None:
        """Note nothing: there is nobody who could take it for dead."""


@implementer(INodes, IUnit)
class LeasedNode(_Homes):
    """One of several servers of a store.

    Args:
        node: This process.
        leases: Those of all.
        place: Where it runs, for operators of the others.
        bus: Hears of nodes that are lost.
        timers: The deadlines.
        lease_s: Seconds of a lease.
        is_connected: Whether the bus reaches others; who is not must be alone.
        begin_anew: Ends all that this process is, for it is known dead, and starts it under another name.
    """

    name = "nodes"
    is_alone = False
    log = Logger()

    def __init__(
        self,
        node: NodeName,
        leases: ILeases,
        place: str,
        *,
        bus: IBus,
        timers: ITimers,
        lease_s: float,
        is_connected: bool,
        begin_anew: Callable[[], None],
    ) -> None:
        super().__init__(node, leases)
        self._place = place
        self._bus = bus
        self._timers = timers
        self._lease_s = lease_s
        self._is_connected = is_connected
        self._begin_anew = begin_anew
        self._next = Deadline(timers, self._due)
        self._renewed_at = 0.0
        """Monotonic seconds at which the store was asked for the lease that this node has."""

        self._living: dict[NodeName, NodeLease] = {}
        self._watched: dict[NodeName, tuple[float, float]] = {}
        """When the lease of each runs out, as it was seen first, and since when it has been seen so; monotonic seconds."""

        self._untold: list[NodeLease] = []
        """Those that are gone and that nobody has been told of yet: the store may fail before the duties are taken."""

        self._gone: deque[NodeLease] = deque(maxlen=GONE)
        self._duties: dict[Duty, Home] = {}
        self._trouble = ""
        self._doubted_at: float | None = None
        self._is_closed = False

    # --- its life

    async def open(self) -> None:
        """Join, and wait until nobody is there who must not be.

        Raises:
            StoreUnavailable: Somebody is who hears nothing of this node, or this one of them.
        """
        first_s = max(self._lease_s, START_S)
        self.epoch = await self._leases.join(self.node, self._place, first_s, is_connected=self._is_connected)
        self._renewed_at = self._timers.now()
        self.log.info(
            "this is node {node}, the {epoch}th at this store; its lease is of {seconds} s",
            node=self.node,
            epoch=self.epoch,
            seconds=self._lease_s,
        )
        await self._look()
        first = {one.name: one.left_s + self._timers.now() for one in self._deaf()}
        while deaf := self._deaf():
            await self._wait(self._lease_s / RENEWALS / 2)
            await self._look()
            for one in deaf:
                again = self._living.get(one.name)
                if again is not None and self._is_renewed(again, first.get(one.name, UNSEEN)):
                    await self.close()
                    raise StoreUnavailable(self._objection(again))
        self._next.set(self._lease_s / RENEWALS)

    async def close(self) -> None:
        """Leave: others need not wait for the end of the lease."""
        self._is_closed = True
        self._next.clear()
        try:
            await self._leases.leave(self.node)
        except StoreUnavailable as error:
            self.log.warn("the others wait for the end of this node's lease: {reason}", reason=str(error))

    def conditions(self) -> Sequence[Reason]:
        """Say whether others may take this node for dead."""
        if not self._trouble:
            return ()
        return (
            Reason(
                "nodes",
                f"the lease of this node cannot be renewed, and others may take it for dead: {self._trouble}",
                good=False,
                remedy="have the PostgreSQL server ([store] url) answer this machine",
                key="lease",
            ),
        )

    # --- INodes

    def gone(self) -> Sequence[NodeLease]:
        """Give the nodes that were here and are not, as far as this one has seen it."""
        return tuple(self._gone)

    def others(self) -> Sequence[NodeLease]:
        """Give the other nodes that are not known dead."""
        return tuple(self._living.values())

    async def find_dead(self, names: Collection[NodeName]) -> frozenset[NodeName]:
        """Ask the store which of these nodes are known dead."""
        if not names:
            return frozenset()
        found: Sequence[NodeLease] = await self._leases.nodes(names)
        return frozenset(names) - {one.name for one in found if not one.is_ended} - {self.node}

    def has_duty(self, duty: Duty) -> bool:
        """Tell whether a duty is this node's, and its lease has surely not run out."""
        home = self._duties.get(duty)
        if home is None or home.node != self.node:
            return False
        return self._timers.now() < self._renewed_at + self._lease_s

    def lapsed_s(self) -> float:
        """Give for how long the lease may have been over; negative: for how long it surely holds."""
        return self._timers.now() - self._renewed_at - self._lease_s

    def is_held(self) -> bool:
        """Tell whether nobody can take this node for dead, as far as it knows."""
        if self._doubted_at is not None:
            return False
        return bool(self._trouble) or self._timers.now() < self._renewed_at + self._lease_s

    def doubt(self) -> None:
        """Note that another node takes this one for dead; ask the store at once."""
        if self._doubted_at is None and not self._is_closed:
            self._doubted_at = self._timers.now()
            self._next.set(0.0)

    # --- renewing

    def _due(self) -> None:
        spawn(self._renewal(), self.log, "the renewal of the lease")

    async def _renewal(self) -> None:
        try:
            await self._look()
        except Fenced:
            self._fenced()
        except StoreUnavailable as error:
            self._troubled(str(error))
        except Exception as error:
            # Whatever it is: a lease that nobody tries to renew any more is over.
            self._troubled(f"{type(error).__name__}: {error}")
            raise
        else:
            self._troubled("")
        finally:
            if not self._is_closed:
                self._next.set(self._lease_s / RENEWALS)

    async def _look(self) -> None:
        """Renew the lease, look who is there, end who is not, and take the duties that are free.

        Raises:
            Fenced: This node is not.
            StoreUnavailable: The store is not.
        """
        asked = self._timers.now()
        found = await self._leases.renew(self.node, self._lease_s)
        if asked - self._renewed_at > self._lease_s * WATCHED:
            # The store was away, or this node was: what was seen before says nothing about the others.
            self._watched.clear()
        self._renewed_at = asked
        if self._doubted_at is not None and asked >= self._doubted_at:
            self._doubted_at = None
        self._note(found)
        over = self._over(asked)
        for name in await self._leases.end_leases(over) if over else ():
            self.log.warn("node {node} is dead: its lease has run out", node=name)
            self._untold.append(self._living.pop(name))
        # First: whoever hears of a dead node looks whose the duties are.
        await self._take_duties()
        while self._untold:
            one = self._untold.pop(0)
            self._watched.pop(one.name, None)
            self._gone.append(one)
            self._bus.tell_here(NodeLost(one.name))

    def _note(self, found: Sequence[NodeLease]) -> None:
        """Note who is there, and who was and is not."""
        living = {one.name: one for one in found if not one.is_ended and one.name != self.node}
        for name, one in self._living.items():
            if name not in living:
                self.log.info("node {node} is gone", node=name)
                self._untold.append(one)
        self._living = living

    def _over(self, now: float) -> Sequence[NodeLease]:
        """Give the leases that have run out, and that nobody has renewed though the store has worked."""
        over = []
        for one in self._living.values():
            until, since = self._watched.get(one.name, (UNSEEN, now))
            if self._is_renewed(one, until):
                self._watched[one.name] = now + one.left_s, now
            elif one.left_s <= 0.0 and now - since >= self._lease_s * WATCHED:
                over.append(one)
        return over

    def _is_renewed(self, lease: NodeLease, until: float) -> bool:
        # Another end, whether later or, as after the first lease, earlier.
        return abs(self._renewed_at + lease.left_s - until) > self._lease_s * SAME

    async def _take_duties(self) -> None:
        there = {self.node, *self._living}
        free = [duty for duty in Duty if (home := self._duties.get(duty)) is None or home.node not in there]
        if not free:
            return
        taken = {home.key: home for home in await self.take_homes([DUTIES + duty.value for duty in free])}
        for duty in free:
            home = self._duties[duty] = taken[DUTIES + duty.value]
            if home.node == self.node:
                self.log.info("the duty {duty} is this node's", duty=duty.value)

    def _fenced(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._next.clear()
            self.log.critical(
                "node {node} is known dead to the others: its lease had run out; it begins anew under another name",
                node=self.node,
            )
            self._begin_anew()

    def _troubled(self, why: str) -> None:
        """Log the first failure of a row."""
        if why and not self._trouble:
            self.log.error("the lease of this node cannot be renewed: {reason}", reason=why)
        elif self._trouble and not why:
            self.log.info("the lease of this node is renewed again")
        self._trouble = why

    # --- who must not be there

    def _deaf(self) -> Sequence[NodeLease]:
        """Give the nodes that do not hear this one, or it them."""
        return [one for one in self._living.values() if not (self._is_connected and one.is_connected)]

    def _objection(self, other: NodeLease) -> str:
        whose = "it has" if self._is_connected else "this one has"
        return (
            f"another server, {other.place}, works with this database ([store] url), and {whose} no [bus] url: "
            'several servers need both; set [bus] url to "nats://…" for all of them, or give this one its own database'
        )

    async def _wait(self, seconds: float) -> None:
        over: Deferred[None] = Deferred()
        self._timers.later(seconds, lambda: over.callback(None))
        await over
