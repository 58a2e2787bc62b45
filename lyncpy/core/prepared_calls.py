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


@implementer(ICall)
class PreparedCall(Future[Response]):
    """One prepared request, under way to its receiver; it is its final response, too, for who awaits that.

    Attributes:
        prepared: What was sent.
        request: What names its method.
        due: Monotonic seconds at which its answer is overdue.
        local: See `ICall`.

    Args:
        hear: Called with the final response; None: somebody awaits it.
    """

    __slots__ = ("_forget", "_observer", "_patience", "branch", "due", "flow", "local", "prepared", "request")

    def __init__(
        self,
        flow: FlowName,
        branch: str,
        prepared: Prepared,
        hear: ResponseObserver | None,
        patience: SharedPatience["PreparedCall"],
        forget: Callable[["PreparedCall"], None],
    ) -> None:
        super().__init__()
        self.flow = flow
        self.branch = branch
        self.request: Template = prepared.template
        self.due = 0.0
        self.local = False
        self.prepared = prepared
        self._observer = hear
        self._patience = patience
        self._forget = forget

    @property
    def final(self) -> Future[Response]:
        """See `ICall`."""
        return self

    def receive_response(self, response: Response) -> None:
        """Process a response of the client."""
        if response.status >= 200 and not self.is_set:
            self._end(response)

    def cancel(self, reason: str | None = None) -> None:
        """Do nothing: only an INVITE can be cancelled (RFC 3261 §9.1)."""

    def abandon(self) -> None:
        """Answer as if the connection were gone."""
        self.lose()

    def lose(self) -> None:
        """End it with 430: the connection is gone."""
        self.fail(430)

    def fail(self, status: int) -> None:
        """End it without an answer of the client."""
        if not self.is_set:
            self.local = True
            self._end(response_to(self.prepared.request(), status))

    def _end(self, response: Response) -> None:
        self._forget(self)
        self._patience.ended(self)
        self.set_result(response)
        observer, self._observer = self._observer, None
        if observer is not None:
            observer(response, local=self.local)
