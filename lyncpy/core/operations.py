"""SOAP operations in SERVICE: one route, and a table of which workload answers which operation.

All of them come with one media type, so `core.router` cannot tell them apart.
"""

from collections.abc import Mapping

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.refusal import Diagnostics, Refused
from lyncpy.contracts.workload import Operation, Route
from lyncpy.sip.markup import local
from lyncpy.sip.message import Response
from lyncpy.sip.soap import SOAP_TYPE, read_operation, write_soap_fault

_UNSUPPORTED = Diagnostics(4000, "The requested operation is not supported")


class Operations:
    """Operations of all workloads, by name."""

    def __init__(self) -> None:
        self._operations: dict[str, Operation] = {}

    def rows(self) -> tuple[Route, ...]:
        """Give the table of routes."""
        return (Route("SERVICE", self.answer, content=SOAP_TYPE.lower()),)

    def add_operations(self, operations: Mapping[str, Operation]) -> None:
        """Add a workload's operations; a name that is there already is a mistake in assembly.

        Raises:
            ValueError: Two workloads answer the same operation.
        """
        twice = self._operations.keys() & operations.keys()
        if twice:
            raise ValueError(f"two workloads answer the SOAP operations {sorted(twice)}")
        self._operations.update(operations)

    async def answer(self, arrival: Arrival) -> Response:
        """Answer a SERVICE request with a SOAP body.

        Raises:
            Refused: 400, nobody answers this operation; and whatever the workload refuses.
            RemoteProtocolError: There is no operation in the body.
        """
        element = read_operation(arrival.request.body)
        operation = self._operations.get(local(element))
        if operation is None:
            fault = write_soap_fault("Client.BadCall", _UNSUPPORTED.reason)
            raise Refused(400, _UNSUPPORTED, content_type=SOAP_TYPE, body=fault)
        return await operation(arrival, element)
