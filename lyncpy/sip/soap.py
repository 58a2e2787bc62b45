"""SOAP in SERVICE requests, as clients before 2010 use it: the envelope read and written. Spec: [MS-SIP] 2.2.4."""

from typing import Final

from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.markup import Element, child, escape, read_xml

SOAP_TYPE: Final = "application/SOAP+xml"

ENVELOPE_NS: Final = "http://schemas.xmlsoap.org/soap/envelope/"

REQUEST_NS: Final = "http://schemas.microsoft.com/winrtc/2002/11/sip"
"""Of every operation in an envelope, and of what answers it."""


def read_operation(body: bytes) -> Element:
    """Give the element of a SOAP request that names the operation.

    Raises:
        RemoteProtocolError: No XML, or no operation in an envelope's body.
    """
    content = child(read_xml(body), "Body")
    operation = None if content is None else next(iter(content), None)
    if operation is None:
        raise RemoteProtocolError("no operation in the SOAP body")
    return operation


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
