"""How much of what clients ask is under way at once; what comes faster waits for its turn.

Nobody is refused for being quick. Of each connection so many requests are under way, and so
many begin in a second; the next ones wait here, in order, and when enough of them wait nothing
more is read from that connection: TCP slows the client down. A user has a share over all of their
connections, and so have strangers of one network address: what is over it waits behind their own. Messages
and calls begin first: what else is asked takes its turn in a lane (`core/lanes.py`). What ends something (responses,
CANCEL, the ACK of an acceptance) does not wait, so that two clients who wait for each other's
answers go on. Whoever is read from no more gets on by the time limits of what is under way.

INVITEs ring, for minutes: they have a bound of their own, and one that finds no room in a few
seconds is refused.
"""

from collections.abc import Callable
from typing import Final

from twisted.logger import Logger

from lyncpy.contracts.flows import IFlows
from lyncpy.contracts.meter import IMeter
from lyncpy.contracts.names import FlowName
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.turns import TALK
from lyncpy.core.deadline import Deadlines
from lyncpy.core.lanes import Lanes, lane_of
from lyncpy.core.limits import Bucket
from lyncpy.core.request_limits import RequestLimits
from lyncpy.core.request_shares import InLane, Queue, ReadingHolds, Requester, Requesters, RequestShares, size_of
from lyncpy.core.settings import Settings
from lyncpy.sip.message import Request
from lyncpy.sip.transaction import Key

INVITE_WAIT_S: Final = 5.0
"""How long an INVITE waits while as many as may ring do; its caller should hear no before they give up."""

PACE_S: Final = 0.02
"""The least time between two looks at who is too fast: a few requests begin at each."""

SLICE: Final = 50
"""Requests that begin in one turn of the reactor for one connection; the others' turn comes between."""


class Intake:
    """Lets requests begin, in order, as there is room.

    Args:
        flows: What is not read from while too much waits.
        begin: Begins a request; it calls `begun`, and `served` at its end.
        refuse: Answers an INVITE that found no room.
        settings: The bounds.
        timers: The deadlines.
        meter: Counts what had to wait.
    """

    log = Logger()

    def __init__(
        self,
        flows: IFlows,
        begin: Callable[[FlowName, Key, Request], None],
        refuse: Callable[[FlowName, Key, Request], None],
        settings: Settings,
        timers: ITimers,
        meter: IMeter,
    ) -> None:
        self._flows = flows
        self._begin = begin
        self._refuse = refuse
        self._settings = settings
        self._timers = timers
        self._queues: dict[FlowName, Queue] = {}
        self._next: Deadlines[FlowName] = Deadlines(timers, self._on_time)
        """When something of a connection that waits may begin."""

        self._lanes: Lanes[InLane] = Lanes(self._begin_in_lane, timers, meter)
        self.states: Final = self._lanes.states
        """Gives the lines of the command `status` about what waits."""
        self._owners = Requesters()
        self._starved: dict[FlowName, Queue] = {}
        """Who waits for the bound of all alone, and not for their own."""
        self._on_idle: Callable[[], None] | None = None
        self._room = RequestShares(settings)
        self.begun: Final = self._room.begun
        """Counts a request that begins."""
        self._delayed = meter.counter("lyncpy_core_requests_delayed_total", "Requests that had to wait for their turn.")
        self._limits = RequestLimits(settings, self._room, self._queues.values(), self._owners, timers)
        self._reading = ReadingHolds(self._room, flows, settings, meter, self._limits.held)
        meter.gauge("lyncpy_core_requests_waiting_bytes", "Requests that wait for their turn.", lambda: self._room.size)
        meter.gauge(
            "lyncpy_core_requests_pending_count", "Requests that wait for an answer.", lambda: self._room.under_way
        )

    @property
    def pending(self) -> int:
        """Give the number of requests that wait for their answer."""
        return self._room.under_way

    def opened(self, flow: FlowName, owner: str) -> Queue:
        """Give the queue of a new connection; its owner is whoever else has the same name."""
        bucket = Bucket(self._settings.requests_burst, self._timers.now())
        queue = self._queues[flow] = Queue(flow, self._owners.enter(owner), bucket)
        return queue

    def belongs(self, queue: Queue, name: str) -> None:
        """Assign a connection to the user who has signed in on it: its requests count as theirs from now on."""
        old = queue.owner
        if old.name == name or queue.flow not in self._queues:
            return
        old.starved.pop(queue.flow, None)
        self._room.add(queue, -1)
        self._owners.leave(old)
        queue.owner = self._owners.enter(name)
        self._room.add(queue, 1)
        # In the lanes owners take turns: what comes under the new name would overtake what waits there under the old.
        _leave_lanes(queue)
        self._feed_owner(old)
        self._go_on(queue)

    def closed(self, queue: Queue) -> None:
        """Drop the waiting requests of a closed connection; pending ones count until they end."""
        self._queues.pop(queue.flow, None)
        self._starved.pop(queue.flow, None)
        queue.owner.starved.pop(queue.flow, None)
        self._next.clear(queue.flow)
        self._room.count(queue, -queue.size)
        queue.waiting.clear()
        queue.invites.clear()
        queue.in_lane.clear()
        self._owners.leave(queue.owner)
        # Room that was given to this connection, and that it had not taken yet, is another's.
        self._feed_owner(queue.owner)
        self._feed(self._starved, self._room.house_has_room)

    # --- what arrives

    def admit_or_queue(self, queue: Queue, key: Key, request: Request) -> None:
        """Admit a request: now, or when its turn comes. One that came again while it waits is one."""
        if _is_next(queue, request) and self._room.has_room(queue, request) and self._may_begin(queue):
            if request.method in TALK:
                self._begin(queue.flow, key, request)
            else:
                self._take_in_lane(queue, key, request)
        elif key not in queue.waiting and key not in queue.invites and key not in queue.in_lane:
            self._put_off(queue, key, request)
            if request.method == "INVITE":
                self._go_on(queue)  # there may be room by now for those that it has to wait for

    def take_at_once(self, queue: Queue) -> bool:
        """Tell whether a request that must not wait may begin; there is twice the usual room for it."""
        return queue.pending < 2 * self._settings.pending_per_flow and self._may_begin(queue)

    def withdraw(self, queue: Queue, key: Key) -> Request | None:
        """Remove and give a waiting request that was cancelled; None: it does not wait."""
        if key in queue.invites:
            request = queue.invites.pop(key)[0]
        elif key in queue.waiting:
            request = queue.waiting.pop(key)
        else:
            return None
        self._room.count(queue, -size_of(request))
        return request

    def withdraw_all(self, queue: Queue) -> tuple[Request, ...]:
        """Remove and give all requests that wait: the server ends."""
        invites = (request for request, _ in queue.invites.values())
        in_lane = (item.request for item in queue.in_lane.values())
        waiting = (*in_lane, *queue.waiting.values(), *invites)
        queue.in_lane.clear()
        queue.waiting.clear()
        queue.invites.clear()
        self._room.count(queue, -queue.size)
        self._next.clear(queue.flow)
        self._reading.relieve(queue)
        return waiting

    def when_idle(self, done: Callable[[], None]) -> None:
        """Call once nothing is under way, in a later turn."""
        self._on_idle = done
        self._tell_idle()

    # --- what is under way

    def served(self, queue: Queue, request: Request) -> None:
        """Count a request that has ended, and let the next one begin."""
        owner = queue.owner
        self._room.ended(queue, request)
        if not owner.flows:
            self._owners.remove_idle(owner)
        if queue.waiting or queue.invites:
            self._go_on(queue)
        if owner.starved:
            self._feed_owner(owner)
        if self._starved:
            self._feed(self._starved, self._room.house_has_room)
        if self._on_idle is not None:
            self._tell_idle()

    # --- how it is done

    def _tell_idle(self) -> None:
        if self._on_idle is not None and not self._room.under_way:
            done, self._on_idle = self._on_idle, None
            self._timers.later(0.0, done)  # the answer leaves first

    def _may_begin(self, queue: Queue) -> bool:
        """Take a token of the connection's rate; asked last of all, since asking counts."""
        settings = self._settings
        wait_s = queue.bucket.take_tokens(settings.requests_per_s, settings.requests_burst, self._timers.now())
        if wait_s <= 0:
            return True
        self._limits.burst.hit()
        self._next.set_first(queue.flow, max(wait_s, PACE_S))
        return False

    def _put_off(self, queue: Queue, key: Key, request: Request) -> None:
        self._delayed.add()
        self._limits.put_off(queue, request)
        # Behind others it waits for its place first: another INVITE may be among them.
        if not queue.waiting and self._steps_aside(queue, request):
            self._ring_later(queue, key, request)
        else:
            queue.waiting[key] = request
            self._starve(queue, request)
        self._reading.hold(queue, request)

    def _take_in_lane(self, queue: Queue, key: Key, request: Request) -> None:
        """Begin a request that is not of people who talk, or have it wait until it is the turn of its kind."""
        if key in queue.in_lane:
            return  # it came again
        since = self._lanes.begin_at_once()
        if since is not None:
            self._begin(queue.flow, key, request)
            self._lanes.begun_at_once(since)
            return
        self._delayed.add()
        item = queue.in_lane[key] = InLane(queue, key, request)
        self._reading.hold(queue, request)
        self._lanes.put(lane_of(request), queue.owner, item)

    def _begin_in_lane(self, item: InLane) -> None:
        """Begin a request whose turn it is, unless its connection is gone, or what began meanwhile has taken its room."""
        queue, key, request = item.queue, item.key, item.request
        # One that left the lanes and came back has its place by then behind those that came before it.
        if queue.in_lane.get(key) is not item:
            return
        if self._room.has_room(queue, request):
            del queue.in_lane[key]
            self._room.count(queue, -size_of(request))
            self._begin(queue.flow, key, request)
        else:
            _leave_lanes(queue)
            self._starve(queue, request)
        self._reading.relieve(queue)

    def _starve(self, queue: Queue, request: Request) -> None:
        """Note a connection that waits for room of its owner or of the server: the end of another's request lets it go on."""
        if queue.pending >= self._settings.pending_per_flow:
            return
        if not self._room.has_own_room(queue, request):
            queue.owner.starved[queue.flow] = queue
        elif not self._room.house_has_room(queue):
            self._starved[queue.flow] = queue

    def _steps_aside(self, queue: Queue, request: Request) -> bool:
        """Tell whether a request is an INVITE that waits beside the others: for room, or behind those that do."""
        return request.method == "INVITE" and (bool(queue.invites) or not self._room.has_own_room(queue, request))

    def _ring_later(self, queue: Queue, key: Key, request: Request) -> None:
        queue.invites[key] = (request, self._timers.now() + INVITE_WAIT_S)
        self._next.set_first(queue.flow, INVITE_WAIT_S)

    def _on_time(self, flow: FlowName) -> None:
        queue = self._queues.get(flow)
        if queue is not None:
            self._go_on(queue)

    def _go_on(self, queue: Queue) -> None:
        """Begin the waiting requests of a connection that may begin now."""
        if queue.running:
            return  # what begins may end at once: the loop below sees that
        queue.running = True
        try:
            self._call(queue)
            self._run(queue)
        finally:
            queue.running = False
        self._reading.relieve(queue)

    def _run(self, queue: Queue) -> None:
        for _ in range(SLICE):
            key, request = next(iter(queue.waiting.items()), (None, None))
            if key is None or request is None:
                return
            # INVITEs last as long as a phone rings: they step aside, so that requests behind them go on.
            if self._steps_aside(queue, request):
                del queue.waiting[key]
                self._ring_later(queue, key, request)
                continue
            # In order, per connection: nothing overtakes a request that has to wait for room or for its turn.
            if not self._room.has_room(queue, request):
                self._starve(queue, request)
                return
            if not self._may_begin(queue):
                return
            del queue.waiting[key]
            self._room.count(queue, -size_of(request))
            if request.method in TALK:
                self._begin(queue.flow, key, request)
            else:
                self._take_in_lane(queue, key, request)
        if queue.waiting:
            self._next.set_first(queue.flow, 0.0)

    def _call(self, queue: Queue) -> None:
        """Let INVITEs ring that found no room before; refuse those that have waited long enough."""
        now = self._timers.now()
        for key, (request, until) in tuple(queue.invites.items()):
            if self._room.has_room(queue, request):
                if not self._may_begin(queue):
                    return
                call = self._begin
            elif now >= until:
                call = self._refuse
            else:
                self._next.set_first(queue.flow, until - now)
                return
            del queue.invites[key]
            self._room.count(queue, -size_of(request))
            call(queue.flow, key, request)

    def _feed_owner(self, owner: Requester) -> None:
        """Give an owner's share to the first of their connections that wait for it."""
        self._feed(owner.starved, lambda queue: owner.pending < self._settings.pending_per_user)

    def _feed(self, starved: dict[FlowName, Queue], has_room: Callable[[Queue], bool]) -> None:
        """Give room to the first connection that waits for it, and to the next ones while those before do not take it."""
        fed = False
        while starved:
            flow, queue = next(iter(starved.items()))
            if queue.waiting and not has_room(queue):
                if not fed:
                    starved[flow] = starved.pop(flow)  # behind the others
                return
            del starved[flow]
            if queue.waiting:
                self._go_on(queue)
                fed = True
            if queue.in_lane:
                return  # it takes its room when the turn comes


def _is_next(queue: Queue, request: Request) -> bool:
    """Tell whether nothing of the connection waits for room that a request must not overtake."""
    return not queue.waiting and not (queue.invites and request.method == "INVITE")


def _leave_lanes(queue: Queue) -> None:
    """Have all of a connection that is in the lanes wait for room, before what waits for it already: that came later.

    A dialog's requests come in the order of their numbers, and one with a lower number than the last is refused
    (RFC 3261 §12.2.2).
    """
    for key, item in reversed(queue.in_lane.items()):
        queue.waiting[key] = item.request
        queue.waiting.move_to_end(key, last=False)
    queue.in_lane.clear()
