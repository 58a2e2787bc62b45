"""One route for all SOAP: each operation is answered by the workload that offers it."""

import pytest

from lyncpy.contracts.arrival import Arrival
from lyncpy.core.operations import Operations
from lyncpy.sip.markup import Element, attr
from lyncpy.sip.message import Response, response_to
from lyncpy.sip.soap import SOAP_TYPE, write_envelope
from tests.kit.hall import Hall, tree


async def _weather(arrival: Arrival, operation: Element) -> Response:
    return response_to(arrival.request, 200, content_type="text/plain", body=f"in {attr(operation, 'in')}".encode())


def _asked(content: str) -> Response:
    hall = Hall()
    hall.operations.add_operations({"getWeather": _weather})
    return hall.device("alice").service(SOAP_TYPE, write_envelope(content))


def test_an_operation_is_answered_by_who_offers_it() -> None:
    """It is given the element, so that nobody parses the body again."""
    assert _asked('<m:getWeather xmlns:m="urn:m" in="Rome"/>').body == b"in Rome"


def test_an_operation_that_nobody_offers_is_refused() -> None:
    """A SOAP client is told so in its own language."""
    answer = _asked("<getMoney/>")
    assert answer.status == 400
    assert "not supported" in tree(answer.body).findtext("Body/Fault/faultstring")


def test_two_workloads_cannot_offer_the_same() -> None:
    """One would hide the other; that is found when the server is built."""
    operations = Operations()
    operations.add_operations({"getWeather": _weather})
    with pytest.raises(ValueError, match="getWeather"):
        operations.add_operations({"getTime": _weather, "getWeather": _weather})
