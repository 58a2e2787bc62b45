"""Requests written ahead and their answers: client transactions without a machine of their own.

What `sip.transaction` says of a non-INVITE client comes to little on a stream: a final answer,
its absence or the loss of the connection ends it, and a provisional one changes nothing (RFC 4320 §4.1). So
one of these is a row in a table; all that have the same patience share a timer, since their
deadlines come in the order in which they were asked.

Spec: RFC 3261 §17.1.2.
"""

from collections import deque
from collections.abc import Callable

from twisted.internet.defer import Deferred
from zope.interface import implementer

from lyncpy.contracts.names import FlowName
from lyncpy.contracts.outbound import ICall, ResponseObserver
from lyncpy.contracts.timers import ITimers
from lyncpy.core.deadline import Deadline
from lyncpy.sip.message import Response, response_to
from lyncpy.sip.prepared import Prepared, Template


class PreparedCall:
    """One prepared request, under way to its receiver.

    Attributes:
        prepared: What was sent.
        request: What names its method.
        due: Monotonic seconds at which its answer is overdue.
    """

    __slots__ = ("_forget", "_hear", "_queue", "branch", "due", "flow", "prepared", "request")

    def __init__(
        self,
        flow: FlowName,
        branch: str,
        prepared: Prepared,
        hear: ResponseObserver,
        queue: "SharedPatience",
        forget: Callable[["PreparedCall"], None],
    ) -> None:
        self.flow = flow
        self.branch = branch
        self.request: Template = prepared.template
        self.due = 0.0
        self.prepared = prepared
        self._hear: ResponseObserver | None = hear
        self._queue = queue
        self._forget = forget

    @property
    def is_over(self) -> bool:
        """Tell whether the request has its final answer."""
        return self._hear is None

    def receive_response(self, response: Response) -> None:
        """Process a response of the client."""
        if response.status >= 200:
            self._end(response, local=False)

    def lose(self) -> None:
        """End it with 430: the connection is gone."""
        self.fail(430)

    def fail(self, status: int) -> None:
        """End it without an answer of the client."""
        self._end(response_to(self.prepared.request(), status), local=True)

    def _end(self, response: Response, *, local: bool) -> None:
        hear, self._hear = self._hear, None
        if hear is not None:
            self._forget(self)
            self._queue.ended(self)
            hear(response, local=local)


@implementer(ICall)
class AwaitedResponse:
    """The final response to a prepared request, for who awaits it.

    Attributes:
        call: The request under way; None: it was not sent.
        final: See `ICall`.
        local: See `ICall`.
    """

    __slots__ = ("call", "final", "local")

    def __init__(self) -> None:
        self.call: PreparedCall | None = None
        self.final: Deferred[Response] = Deferred()
        self.local = False

    def hear(self, response: Response, *, local: bool) -> None:
        """Give the response to who awaits it."""
        self.local = local
        self.final.callback(response)

    def cancel(self, reason: str | None = None) -> None:
        """Do nothing: only an INVITE can be cancelled (RFC 3261 §9.1)."""

    def abandon(self) -> None:
        """Answer as if the connection were gone."""
        if self.call is not None:
            self.call.lose()


class SharedPatience:
    """Questions that wait equally long, in the order in which they were asked.

    Args:
        timers: The deadlines.
        seconds: How long each may wait.
        overdue: Called with each that has waited for so long.
    """

    def __init__(self, timers: ITimers, seconds: float, overdue: Callable[[PreparedCall], None]) -> None:
        self._timers = timers
        self._seconds = seconds
        self._overdue = overdue
        self._waiting: deque[PreparedCall] = deque()
        self._deadline = Deadline(timers, self._look)

    def add(self, ask: PreparedCall) -> None:
        """Add a request, which waits for its answer from now on."""
        ask.due = self._timers.now() + self._seconds
        self._waiting.append(ask)
        self._deadline.set_first(self._seconds)

    def ended(self, ask: PreparedCall) -> None:
        """Remove an answered request; if it was the first, also the answered ones behind it."""
        waiting = self._waiting
        if waiting and waiting[0] is ask:
            self._drop_ended()
            if not waiting:
                self._deadline.clear()

    def _look(self) -> None:
        # A hair before the deadline is in time: sums of floats are not exact.
        now = self._timers.now() + 1e-6
        while self._waiting and self._waiting[0].due <= now:
            self._overdue(self._waiting[0])
            self._drop_ended()
        if self._waiting:
            self._deadline.set_first(self._waiting[0].due - now)

    def _drop_ended(self) -> None:
        while self._waiting and self._waiting[0].is_over:
            self._waiting.popleft()
