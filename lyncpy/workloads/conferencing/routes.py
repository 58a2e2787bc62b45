"""What conferencing answers over SIP."""

from typing import Final

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.names import aor_of
from lyncpy.contracts.refusal import Diagnostics, Refused
from lyncpy.contracts.workload import Route
from lyncpy.sip.message import Response, response_to
from lyncpy.workloads.conferencing.bodies import C3P_TYPE, read_request, write_capabilities, write_failure

FACTORY: Final = "app:conf:focusfactory"

_NO_SUCH_COMMAND: Final = Diagnostics(3004, "The requested C3P command is not implemented", public=True)
_NOT_YOURS: Final = Diagnostics(3000, "Bad From in C3P Request")

_CAPABILITIES: Final = ("getConferencingCapabilities", "getAvailableMcuTypes")

_REASONS: Final = {
    "getConference": "conferenceDoesntExist",
    "modifyConference": "conferenceDoesntExist",
    "deleteConference": "conferenceDoesntExist",
}
"""Where the protocol has a better word than that it failed."""


class Routes:
    """The focus factory of every user."""

    def rows(self) -> tuple[Route, ...]:
        """Give the table of routes."""
        return (Route("SERVICE", self.factory, content=C3P_TYPE, app=FACTORY),)

    async def factory(self, arrival: Arrival) -> Response:
        """Answer a question to the sender's own focus factory.

        A failure rides in a 200, as the protocol has it: the request was understood. The
        sender is whom the gate proved; what `from` in the body says decides nothing.

        Spec: [MS-CONFPRO] 3.2; [MS-OCER] 3004.
        """
        request = arrival.request
        if aor_of(request.target.aor) != arrival.sender.aor:
            raise Refused(403, _NOT_YOURS)
        command = read_request(request.body)
        if command.name in _CAPABILITIES:
            return response_to(request, 200, content_type=C3P_TYPE, body=write_capabilities(command, ()))
        body = write_failure(command, _REASONS.get(command.name, "otherFailure"))
        return response_to(request, 200, headers=[_NO_SUCH_COMMAND.header()], content_type=C3P_TYPE, body=body)
