"""What every SOAP service has in common: an answer, or a fault whose code is told to the site, which counts it."""

import pytest
from twisted.logger import Logger

from lyncpy.contracts.http import HttpAsked
from lyncpy.sip.soap import Envelope
from lyncpy.workloads.webservices.bodies.faults import write_answer
from lyncpy.workloads.webservices.model.refusal import ServiceRefused, untrusted
from lyncpy.workloads.webservices.soap_resource import answer_soap
from tests.kit.results import result_of


@pytest.mark.parametrize(
    ("body", "no", "status", "code"),
    [
        (write_answer("<a/>"), None, 200, ""),
        (b"no XML", None, 500, "s:Client"),
        (write_answer("<a/>"), ServiceRefused("wst:InvalidScope", "no such service"), 500, "wst:InvalidScope"),
        (write_answer("<a/>"), untrusted("forged"), 500, "wsse:FailedAuthentication"),
    ],
)
def test_a_fault_is_told_with_its_code(body: bytes, no: ServiceRefused | None, status: int, code: str) -> None:
    """The status is 500 whatever it is."""

    async def serve(envelope: Envelope) -> bytes:
        if no is not None:
            raise no
        return write_answer("<b/>")

    asked = HttpAsked("POST", "site.test", "/a", body=body)
    answer = result_of(answer_soap(asked, serve, Logger()))
    assert (answer.status, answer.refused) == (status, code)
    assert (f"<faultcode>{code}<" in answer.body.decode()) is bool(code)
