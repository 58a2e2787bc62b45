"""SOAP envelopes, as old clients write them and read ours."""

import pytest

from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.markup import local
from lyncpy.sip.soap import ENVELOPE_NS, head_of, read_operation, write_envelope, write_soap_fault
from tests.kit.hall import tree


def test_the_operation_is_the_first_element_of_the_body() -> None:
    """Whatever stands before the body, and behind the operation."""
    body = f'<s:Envelope xmlns:s="{ENVELOPE_NS}"><s:Header/><s:Body><a/><b/></s:Body></s:Envelope>'
    assert local(read_operation(body.encode())) == "a"


@pytest.mark.parametrize("body", ["<Envelope/>", "<Envelope><Body/></Envelope>"])
def test_an_envelope_without_an_operation_is_refused(body: str) -> None:
    """There is nothing to do."""
    with pytest.raises(RemoteProtocolError, match="no operation"):
        read_operation(body.encode())


def test_what_is_written_can_be_read() -> None:
    """An answer is an envelope like a request."""
    assert local(read_operation(write_envelope("<answer/>"))) == "answer"


def test_a_fault_says_why() -> None:
    """A SOAP client reads the fault's words."""
    assert tree(write_soap_fault("Client.BadCall", "a < b")).findtext("Body/Fault/faultstring") == "a < b"


@pytest.mark.parametrize(
    ("request_", "head"),
    [
        (b"<e><h>1</h> <s:Body>2</s:Body></e>", b"<e><h>1</h> "),
        (b"<e><!-- Body --><h/><Body/></e>", b"<e>"),
        (b"Body", b""),
        (b"<e/>", b""),
        (b"", b""),
    ],
)
def test_the_head_of_a_request_is_what_stands_before_its_body(request_: bytes, head: bytes) -> None:
    """As far as that can be told; whoever relies on it looks where the body begins."""
    assert head_of(request_) == head
