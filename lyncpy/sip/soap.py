"""SOAP 1.1: the envelope read and written, in SERVICE requests of clients before 2010 and over HTTP of those since.

Spec: [MS-SIP] 2.2.4; https://www.w3.org/TR/2000/NOTE-SOAP-20000508/ §4.
"""

from dataclasses import dataclass
from typing import Final

from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.markup import MAX_NODES, Element, child, escape, read_xml

SOAP_TYPE: Final = "application/SOAP+xml"

ENVELOPE_NS: Final = "http://schemas.xmlsoap.org/soap/envelope/"

REQUEST_NS: Final = "http://schemas.microsoft.com/winrtc/2002/11/sip"
"""Of every operation in an envelope, and of what answers it."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """A SOAP request."""

    header: Element | None
    operation: Element
    """The first element of its body."""

    body: Element


def head_of(request: bytes) -> bytes:
    """Give what stands before the body of an envelope, as far as that can be told without reading it.

    What it gives means nothing by itself: only where a request that began with the same bytes was read, and its body
    began behind them, does this one have the same header.
    """
    return request[: max(0, request.rfind(b"<", 0, max(0, request.find(b"Body"))))]


def read_envelope(body: bytes, *, max_nodes: int = MAX_NODES) -> Envelope:
    """Read a SOAP request.

    Raises:
        RemoteProtocolError: No XML, or no operation in an envelope's body.
    """
    root = read_xml(body, max_nodes=max_nodes)
    content = child(root, "Body")
    operation = None if content is None else next(iter(content), None)
    if operation is None:
        raise RemoteProtocolError("no operation in the SOAP body")
    assert content is not None  # the operation is in it
    return Envelope(child(root, "Header"), operation, content)


def read_operation(body: bytes) -> Element:
    """Give the element of a SOAP request that names the operation.

    Raises:
        RemoteProtocolError: No XML, or no operation in an envelope's body.
    """
    return read_envelope(body).operation


def write_envelope(content: str) -> bytes:
    """Write an envelope around XML that is well-formed."""
    return (
        f'<SOAP-ENV:Envelope xmlns:SOAP-ENV="{ENVELOPE_NS}"><SOAP-ENV:Body>{content}</SOAP-ENV:Body></SOAP-ENV:Envelope>'
    ).encode()


def write_soap_fault(code: str, reason: str) -> bytes:
    """Write a fault: its code without a prefix ("Client.BadCall"), and a reason in words."""
    return write_envelope(
        f"<SOAP-ENV:Fault><faultcode>SOAP-ENV:{code}</faultcode><faultstring>{escape(reason)}</faultstring></SOAP-ENV:Fault>"
    )
