"""What every SOAP service has in common: its request is read within bounds, and each refusal is a fault with a reason."""

from collections.abc import Awaitable, Callable
from typing import Final

from twisted.logger import Logger

from lyncpy.contracts.http import HttpAnswer, HttpAsked
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.soap import Envelope, read_envelope
from lyncpy.sip.text import shown
from lyncpy.workloads.webservices.bodies.faults import XML_TYPE, write_fault
from lyncpy.workloads.webservices.model.refusal import ServiceRefused

ELEMENTS: Final = 1_000
"""In one request; a real one has some fifty."""

Serve = Callable[[Envelope], Awaitable[bytes]]
"""Answers one request with an envelope; raises ServiceRefused."""


async def answer_soap(asked: HttpAsked, serve: Serve, log: Logger) -> HttpAnswer:
    """Answer one SOAP request: 200 with what `serve` gives, or 500 with a fault, as SOAP 1.1 wants it (§6.2)."""
    try:
        return HttpAnswer(200, XML_TYPE, await serve(read_envelope(asked.body, max_nodes=ELEMENTS)))
    except RemoteProtocolError as error:
        refused = ServiceRefused("s:Client", error.reason)
    except ServiceRefused as error:
        refused = error
    log.info(
        "{path} refused for {address}: {reason}", path=asked.path, address=asked.peer, reason=shown(refused.reason)
    )
    return HttpAnswer(500, XML_TYPE, write_fault(refused), refused=refused.code)
