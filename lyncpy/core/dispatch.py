"""Admit, choose, answer: every request gets exactly one final response here."""

from dataclasses import dataclass
from typing import Protocol

from twisted.internet.defer import CancelledError
from twisted.logger import Logger

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.names import FlowName, aor_of
from lyncpy.contracts.owners import IOwners
from lyncpy.contracts.refusal import Diagnostics, Refused, translated
from lyncpy.contracts.workload import Route
from lyncpy.core.outbound import Outbound
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.message import Response


class GateForDispatch(Protocol):
    """What Dispatch needs of the gate."""

    async def admit(self, arrival: Arrival) -> Arrival:
        """Prove the sender; raise Refused."""


class RouterForDispatch(Protocol):
    """What Dispatch needs of the router."""

    def choose(self, arrival: Arrival) -> Route:
        """Find the route; raise Refused."""

    def choose_here(self, arrival: Arrival) -> Route:
        """Find the route of what is to be answered here, whichever home it names; raise Refused."""


class DispatchForTransactions(Protocol):
    """What transactions need of Dispatch."""

    async def serve(self, arrival: Arrival) -> Response | None:
        """Answer one request; never raises."""


class GateForTransactions(Protocol):
    """What transactions need of the gate."""

    def opened(self, flow: FlowName, peer: str, *, secure: bool) -> None:
        """Note that a connection is ready."""

    def accepts_response(self, flow: FlowName, response: Response) -> bool:
        """Tell whether a client's response is signed as it has to be."""

    def closed(self, flow: FlowName) -> None:
        """Forget a connection that is gone."""


@dataclass(frozen=True, slots=True)
class TransactionUser:
    """The layer above server transactions, the "transaction user" of RFC 3261 §5."""

    dispatch: DispatchForTransactions
    """Answers requests."""

    gate: GateForTransactions
    """Is told of connections, and asked whether a response may be believed."""

    outbound: Outbound
    """Receives the responses."""


class Dispatch:
    """The one place that turns an exception into a SIP status.

    Args:
        gate: Authenticates requests.
        router: Chooses the workload of a request.
        owners: Says who has which address, now and formerly.
    """

    log = Logger()

    def __init__(self, gate: GateForDispatch, router: RouterForDispatch, owners: IOwners) -> None:
        self._gate = gate
        self._router = router
        self._owners = owners

    async def serve(self, arrival: Arrival, *, is_proven: bool = False) -> Response | None:
        """Answer one request, whatever happens; None for an ACK, which has no answer.

        Args:
            arrival: The request.
            is_proven: Another node has admitted it, and this one is its home.
        """
        request = arrival.request
        try:
            if not is_proven:
                await self._gate.admit(arrival)
            if not request.to.tag:
                self._lead_on(arrival)
            route = self._router.choose_here(arrival) if is_proven else self._router.choose(arrival)
            response = await route.answer(arrival)
        except Refused as no:
            response = no.response(request)
        except CancelledError:
            # Whoever ended this coroutine has answered in its place, or nobody waits for an answer.
            self.log.debug("{method} on {flow} was given up", method=request.method, flow=arrival.flow)
            response = Refused(504, Diagnostics(1, "Service unavailable")).response(request)
        except Exception as error:  # noqa: BLE001 - the one place a bug becomes a 500
            response = self._failed(arrival, error)
        return None if request.method == "ACK" else response

    def _lead_on(self, arrival: Arrival) -> None:
        """Retarget a request for a former address to the present one of its user, as long as addresses are led on.

        Spec: RFC 3261 §16.5: the server is responsible for the address, and its location service
        gives another target. To stays as the sender wrote it, and a dialog is left alone.
        """
        request = arrival.request
        target = request.target
        if target.user is None or target.opaque:
            return
        new = self._owners.led_to(aor_of(target.aor))
        if new is not None:
            arrival.request = request.edited(uri=new)

    def _failed(self, arrival: Arrival, error: Exception) -> Response:
        """Give the response to an exception: 4xx the sender's fault, 503 a resource's, 500 ours, which the log explains."""
        refused = translated(error)
        method = arrival.request.method
        if isinstance(error, RemoteProtocolError):
            # A client's disorder is no fault of ours, whichever status it deserves: RFC 3261 §12.2.2
            # has 500 for a CSeq that came too late.
            self.log.debug(
                "{method} on {flow} breaks the protocol: {reason}",
                method=method,
                flow=arrival.flow,
                reason=error.reason,
            )
        elif refused.status == 500:
            self.log.failure("{method} on {flow} failed", method=method, flow=arrival.flow)
        elif refused.status == 503:
            self.log.warn("{method} on {flow} refused: {reason}", method=method, flow=arrival.flow, reason=str(error))
        return refused.response(arrival.request)
