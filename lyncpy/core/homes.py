"""Where the home of a thing is: what is asked about it is answered there, whichever node it comes to.

Whoever is asked first, while no living node is the home, takes it over. Requests within a dialog need no table: the route of the
dialog names the node (`core/router.py`). What is found out about homes of other nodes is kept until those nodes are lost, or
say that they are it no more.

Where there can be no other node, none of this is asked.
"""

from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from zope.interface import implementer

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.bus import IBus, IListening
from lyncpy.contracts.facts import NodeLost
from lyncpy.contracts.names import NodeName, node_of
from lyncpy.contracts.nodes import Home, IHomed, INodes
from lyncpy.contracts.refusal import Diagnostics, Refused, StoreUnavailable
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import IUnit
from lyncpy.core.keyed_lock import KeyedLock
from lyncpy.core.relay import NodeGone, NodeUnreachable
from lyncpy.core.spawn import spawn
from lyncpy.sip.message import Response

OTHERS_MOST: Final = 20_000
"""Homes of other nodes that are remembered; the one used least lately goes."""

LOOK_S: Final = 0.5
"""After how long a home is looked for again whose node cannot be reached, and is not known dead yet."""

PATIENCE_S: Final = 20.0
"""How long a request waits for that: less than its sender does (RFC 3261 §17.1.2.2)."""

MOVED: Final = 305
"""What a node answers another one that took it for the home; no client is ever told (RFC 3261 §21.3.4, "use proxy")."""

MOVES_MOST: Final = 8

ONCE: Final = frozenset({"MESSAGE", "INFO"})
"""Methods that are not tried again when the node that may have seen the request is lost: others would hear it twice."""

ANSWERED_S: Final = 2.0
"""How long a home that is handed over waits for what it is answering."""

BETWEEN_HOMES: Final = Diagnostics(1, "The server that has this conference cannot be reached")
IN_DOUBT: Final = Diagnostics(1, "This server does not know yet whether others have gone on without it")

TAKEN_AT_ONCE: Final = 50
"""Homes of a lost node that are asked for in one statement: all others ask for them, too, and most lose most of them."""

HOLD: Final = "home"
"""The kind of the lock under which a home is taken or given up."""

Answer = Callable[[Arrival], Awaitable[Response | None]]


class RelayForHomes(Protocol):
    """What is needed of the relay."""

    async def ask(self, node: NodeName, arrival: Arrival) -> Response | None:
        """Have another node answer; raise NodeUnreachable or Refused."""


@implementer(IUnit)
class Homes:
    """The homes of this node, and what it knows of others'.

    Args:
        nodes: Takes homes, and gives them up.
        relay: Has other nodes answer.
        bus: Tells which nodes are lost.
        timers: When a home is looked for again.
        writers: Lets one take a home at a time.
        route: The URI that names this node in the route of a dialog.
    """

    name = "homes"
    log = Logger()

    def __init__(
        self, nodes: INodes, relay: RelayForHomes, bus: IBus, timers: ITimers, writers: KeyedLock, route: str
    ) -> None:
        self._nodes = nodes
        self._relay = relay
        self._bus = bus
        self._timers = timers
        self._writers = writers
        self.is_alone: Final[bool] = nodes.is_alone
        self.headers: Final = () if self.is_alone else (("Record-Route", f"<{route}>"),)
        """What an answer that makes a dialog says, so that the dialog's requests are taken to this node."""

        self._mine: dict[str, Home] = {}
        self._others: OrderedDict[str, NodeName] = OrderedDict()
        self._leaves = False
        """Whether this node is on its way out, and takes nothing up that it has handed over."""

        self._busy: Counter[str] = Counter()
        """How many requests are being answered here, of each home of this node."""

        self._listening: IListening | None = None

    def __len__(self) -> int:
        """Give the number of homes of this node."""
        return len(self._mine)

    async def open(self) -> None:
        """Begin to hear of nodes that are lost."""
        self._listening = self._bus.listen(NodeLost, self._node_lost)

    async def close(self) -> None:
        """Hear no more; what has its home here is free when the node has left."""
        if self._listening is not None:
            self._listening.stop()

    def mine(self, key: str) -> Home | None:
        """Give a home, if it is this node's."""
        return self._mine.get(key)

    async def answer(self, homed: IHomed, key: str, answer: Answer, arrival: Arrival) -> Response | None:
        """Have a request answered by the home of what it is about.

        Args:
            homed: Knows what that is.
            key: Of its home.
            answer: What the home does.
            arrival: The request.

        Raises:
            Refused: 503, the home cannot be found now; 504, it was lost, and it is not known whether it has seen the request.
            StoreUnavailable: The home cannot be asked for.
        """
        if key not in self._mine and key not in self._others and not await homed.is_known(key):
            return await answer(arrival)  # which says that there is none
        await self._unless_handed_over(key, arrival)
        until, moves = self._timers.now() + PATIENCE_S, 0
        while self._timers.now() < until and moves < MOVES_MOST:
            node = await self.find(homed, key)
            if node == self._nodes.node:
                return await self._answer_here(homed, key, answer, arrival)
            if node_of(arrival.flow) != self._nodes.node:
                raise Refused(MOVED)
            try:
                response = await self._relay.ask(node, arrival)
            except NodeUnreachable:
                await self._wait(LOOK_S)
                self._others.pop(key, None)
            except NodeGone:
                self._others.pop(key, None)
                if arrival.request.method in ONCE:
                    raise
            else:
                if response is None or response.status != MOVED:
                    return response
                moves += 1
                self._others.pop(key, None)
        raise Refused(503, BETWEEN_HOMES, headers=[("Retry-After", "5")])

    async def find(self, homed: IHomed, key: str) -> NodeName:
        """Give the node that is a home; this one takes it over where none is.

        Raises:
            Refused, StoreUnavailable: It cannot be taken, or not be gone on with.
        """
        node = self._known(key)
        if node is not None:
            return node
        async with self._writers.hold(HOLD, key):
            node = self._known(key)
            if node is None:
                node = await self._take(homed, key)
        return node

    async def take_all(self, keys: Sequence[str]) -> Sequence[str]:
        """Ask at once for homes that were a lost node's; give those that are this one's now, to be gone on with by `find`.

        That nobody begins with one before it is asked for does no harm: whoever is asked for it, asks this node.

        Raises:
            StoreUnavailable: Those that were taken by then are found again by whoever asks.
        """
        mine: list[str] = []
        wanted = [key for key in keys if self._known(key) is None]
        for start in range(0, len(wanted), TAKEN_AT_ONCE):
            for home in await self._nodes.take_homes(wanted[start : start + TAKEN_AT_ONCE]):
                if home.node == self._nodes.node:
                    mine.append(home.key)
                else:
                    self._note(home)
        return mine

    def release_later(self, homed: IHomed, key: str) -> None:
        """Give a home of this node up, unless somebody asks for it meanwhile."""
        if key in self._mine:
            spawn(self.release(homed, key), self.log, "giving a home up")

    async def release(self, homed: IHomed, key: str) -> None:
        """Give a home of this node up, unless it is needed."""
        async with self._writers.hold(HOLD, key, must=True):
            home = self._mine.get(key)
            if home is None or self._busy[key] or homed.is_running(key):
                return
            del self._mine[key]
            try:
                await self._nodes.give_up(home)
                homed.home_ended(key)
                if not await homed.is_known(key):
                    await self._nodes.forget(key)
            except StoreUnavailable as error:
                self.log.debug("{key} stays here for now: {reason}", key=key, reason=str(error))
                self._mine[key] = home

    async def hand_over(self, homed: IHomed, key: str, abandon: Callable[[], None]) -> None:
        """Give a home up that is needed, for another node to go on with it; what is asked meanwhile waits, and goes there.

        Args:
            homed: Knows what it is of.
            key: Its own.
            abandon: Stops what runs here, and tells nobody.

        Raises:
            StoreUnavailable: It cannot be given up; it is free when this node is gone.
        """
        self._leaves = True
        async with self._writers.hold(HOLD, key, must=True):
            home = self._mine.pop(key, None)
            if home is None:
                return
            until = self._timers.now() + ANSWERED_S
            while self._busy[key] and self._timers.now() < until:
                await self._wait(LOOK_S / 10)
            abandon()
            homed.home_ended(key)
            await self._nodes.give_up(home)

    def forget(self, key: str) -> None:
        """Ask the store again where a home is."""
        self._others.pop(key, None)

    async def _unless_handed_over(self, key: str, arrival: Arrival) -> None:
        """Send whoever asks from another node on, where a home is this node's no more; while it is being handed over, wait."""
        if self._leaves and key not in self._mine and node_of(arrival.flow) != self._nodes.node:
            async with self._writers.hold(HOLD, key, must=True):
                pass
            raise Refused(MOVED)

    async def _take(self, homed: IHomed, key: str) -> NodeName:
        home = await self._nodes.take_home(key)
        if home.node != self._nodes.node:
            self._note(home)
            return home.node
        try:
            await homed.begin(home)
        except Exception:
            homed.home_ended(key)
            # Others may be able to.
            spawn(self._give_up(home), self.log, "giving a home up")
            raise
        self._mine[key] = home
        return home.node

    def _note(self, home: Home) -> None:
        """Remember the home that another node is."""
        if len(self._others) >= OTHERS_MOST:
            self._others.popitem(last=False)
        self._others[home.key] = home.node

    async def _give_up(self, home: Home) -> None:
        try:
            await self._nodes.give_up(home)
        except StoreUnavailable as error:
            self.log.warn("{key} stays here: {reason}", key=home.key, reason=str(error))

    async def _answer_here(self, homed: IHomed, key: str, answer: Answer, arrival: Arrival) -> Response | None:
        if not self._nodes.is_held():
            raise Refused(503, IN_DOUBT, headers=[("Retry-After", "2")])
        self._busy[key] += 1
        try:
            return await answer(arrival)
        finally:
            self._busy[key] -= 1
            if not self._busy[key]:
                del self._busy[key]
                if not homed.is_running(key):
                    self.release_later(homed, key)

    def _known(self, key: str) -> NodeName | None:
        if key in self._mine:
            return self._nodes.node
        node = self._others.get(key)
        if node is not None:
            self._others.move_to_end(key)
        return node

    def _node_lost(self, fact: NodeLost) -> None:
        for key in [key for key, node in self._others.items() if node == fact.node]:
            del self._others[key]

    async def _wait(self, seconds: float) -> None:
        over: Deferred[None] = Deferred()
        self._timers.later(seconds, partial(over.callback, None))
        await over
