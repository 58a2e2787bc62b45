"""An `IOutbound` whose endpoints answer when the test says so."""

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from zope.interface import implementer

from lyncpy.contracts.flows import FlowGone
from lyncpy.contracts.names import FlowName
from lyncpy.contracts.outbound import ICall, IOutbound, ResponseObserver
from lyncpy.sip.message import Request, Response, response_to
from lyncpy.sip.prepared import Prepared


def unregistered(_flow: FlowName, _key: str) -> str | None:
    """Tell that no device has registered a Contact."""
    return None


@implementer(ICall)
class FakeCall:
    """One client transaction, answered by hand."""

    def __init__(self, flow: FlowName, request: Request, hooks: dict[str, Any]) -> None:
        """Keep what was sent."""
        self.flow = flow
        self.request = request
        self.final: Deferred[Response] = Deferred()
        self.local = False
        self.cancelled = 0
        self._hooks = hooks

    def cancel(self, reason: str | None = None) -> None:
        """Count it; a real endpoint may or may not react."""
        self.cancelled += 1

    def abandon(self) -> None:
        """Answer as a flow that is gone does, and count it as cancelled, too."""
        self.cancelled += 1
        self.local = True
        self.final.callback(response_to(self.request, 430))

    def rings(self, status: int = 180, *, tag: str = "early", headers: tuple[tuple[str, str], ...] = ()) -> None:
        """Answer provisionally."""
        self._hooks["on_provisional"](response_to(self.request, status, to_tag=tag, headers=headers))

    def answers(self, status: int, *, tag: str = "", headers: tuple[tuple[str, str], ...] = ()) -> None:
        """Answer finally, as the endpoint."""
        tag = tag or f"tag-{self.flow}"
        self.final.callback(response_to(self.request, status, to_tag=tag, headers=headers))

    def answers_late(self, status: int = 200) -> None:
        """Accept although another answer was final."""
        self._hooks["on_late"](response_to(self.request, status, to_tag=f"late-{self.flow}"))

    def fails(self, status: int) -> None:
        """End without an answer of the endpoint: 430 or 408."""
        self.local = True
        self.final.callback(response_to(self.request, status))


@implementer(IOutbound)
class FakeOutbound:
    """Keeps calls and what was told; flows in `gone` take nothing."""

    def __init__(self) -> None:
        """Begin with nothing sent."""
        self.calls: list[FakeCall] = []
        self.told: list[tuple[FlowName, Request]] = []
        self.gone: set[FlowName] = set()
        self.full: set[FlowName] = set()

    def send_request(
        self,
        flow: FlowName,
        request: Request,
        *,
        timeout: float,
        on_provisional: Callable[[Response], None] | None = None,
        on_late: Callable[[Response], None] | None = None,
    ) -> ICall:
        """Begin a call that the test answers."""
        call = FakeCall(flow, request, {"on_provisional": on_provisional, "on_late": on_late})
        self.calls.append(call)
        if flow in self.gone:
            call.fails(430)
        begun: ICall = call
        return begun

    def send_prepared(self, flow: FlowName, prepared: Prepared, hear: ResponseObserver, *, timeout: float) -> None:
        """Begin a call that the test answers; whoever asked hears of it."""
        call = FakeCall(flow, prepared.request(), {})
        self.calls.append(call)
        _ = call.final.addCallback(lambda response: hear(response, local=call.local))
        if flow in self.gone:
            call.fails(430)

    def ask_prepared(self, flow: FlowName, prepared: Prepared, *, timeout: float) -> ICall:
        """Begin a call that the test answers."""
        return self.send_request(flow, prepared.request(), timeout=timeout)

    def send_unanswered(self, flow: FlowName, request: Request | Prepared) -> None:
        """Keep it, or fail as a closed flow does."""
        if flow in self.gone:
            raise FlowGone(flow)
        self.told.append((flow, request.request() if isinstance(request, Prepared) else request))

    def is_full(self, flow: FlowName) -> bool:
        """Tell whether the test says so."""
        return flow in self.full

    def to(self, flow: str) -> FakeCall:
        """Give the newest call to a flow."""
        return next(call for call in reversed(self.calls) if call.flow == flow)
