"""Requests written ahead and their answers: client transactions without a machine of their own.

What `sip.transaction` says of a non-INVITE client comes to little on a stream: a final answer,
its absence or the loss of the connection ends it, and a provisional one changes nothing (RFC 4320 §4.1). So
one of these is a row in a table; all that have the same patience share a timer, since their
deadlines come in the order in which they were asked.

Spec: RFC 3261 §17.1.2.
"""

from collections.abc import Callable

from zope.interface import implementer

from lyncpy.contracts.names import FlowName
from lyncpy.contracts.outbound import ICall, ResponseObserver
from lyncpy.core.patience import SharedPatience
from lyncpy.core.tasks import Future
from lyncpy.sip.message import Response, response_to
from lyncpy.sip.prepared import Prepared, Template


class PreparedCall:
    """One prepared request, under way to its receiver.

    Attributes:
        prepared: What was sent.
        request: What names its method.
        due: Monotonic seconds at which its answer is overdue.
    """

    __slots__ = ("_forget", "_hear", "_patience", "branch", "due", "flow", "prepared", "request")

    def __init__(
        self,
        flow: FlowName,
        branch: str,
        prepared: Prepared,
        hear: ResponseObserver,
        patience: "SharedPatience[PreparedCall]",
        forget: Callable[["PreparedCall"], None],
    ) -> None:
        self.flow = flow
        self.branch = branch
        self.request: Template = prepared.template
        self.due = 0.0
        self.prepared = prepared
        self._hear: ResponseObserver | None = hear
        self._patience = patience
        self._forget = forget

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
            self._patience.ended(self)
            hear(response, local=local)


@implementer(ICall)
class AwaitedResponse(Future[Response]):
    """The final response to a prepared request, for who awaits it.

    Attributes:
        call: The request under way; None: it was not sent.
        local: See `ICall`.
    """

    __slots__ = ("call", "local")

    def __init__(self) -> None:
        super().__init__()
        self.call: PreparedCall | None = None
        self.local = False

    @property
    def final(self) -> Future[Response]:
        """See `ICall`."""
        return self

    def hear(self, response: Response, *, local: bool) -> None:
        """Give the response to who awaits it."""
        self.local = local
        self.set_result(response)

    def cancel(self, reason: str | None = None) -> None:
        """Do nothing: only an INVITE can be cancelled (RFC 3261 §9.1)."""

    def abandon(self) -> None:
        """Answer as if the connection were gone."""
        if self.call is not None:
            self.call.lose()
