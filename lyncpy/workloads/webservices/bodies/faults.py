"""SOAP faults of the web services ([MS-OCAUTHWS] 2.2.3; WS-Trust 1.3 §11), and the envelope around answers."""

from typing import Final

from lyncpy.sip.markup import escape
from lyncpy.sip.soap import ENVELOPE_NS
from lyncpy.workloads.webservices.model.refusal import ServiceRefused

WSSE_NS: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
WSU_NS: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
TRUST_NS: Final = "http://docs.oasis-open.org/ws-sx/ws-trust/200512"
ADDRESSING_NS: Final = "http://www.w3.org/2005/08/addressing"
XML_TYPE: Final = "text/xml; charset=utf-8"

_FAULT_NS: Final = "urn:component:Microsoft.Rtc.WebAuthentication.2010"


def write_answer(content: str, header: str = "") -> bytes:
    """Write an envelope around XML that may use the prefixes `s`, `wsse`, `wsu`, `wst` and `wsa`."""
    head = f"<s:Header>{header}</s:Header>" if header else ""
    return (
        f'<s:Envelope xmlns:s="{ENVELOPE_NS}" xmlns:wsse="{WSSE_NS}" xmlns:wsu="{WSU_NS}" xmlns:wst="{TRUST_NS}"'
        f' xmlns:wsa="{ADDRESSING_NS}">{head}<s:Body>{content}</s:Body></s:Envelope>'
    ).encode()


def write_fault(refused: ServiceRefused) -> bytes:
    """Write the fault that tells why a request was refused."""
    detail = ""
    if refused.error_id:
        detail = (
            f'<detail><OCSDiagnosticsFault xmlns="{_FAULT_NS}"><Ms-Diagnostics-Fault>'
            f"<ErrorId>{refused.error_id}</ErrorId><Reason>{escape(refused.reason)}</Reason>"
            "</Ms-Diagnostics-Fault></OCSDiagnosticsFault></detail>"
        )
    return write_answer(
        f"<s:Fault><faultcode>{refused.code}</faultcode>"
        f'<faultstring xml:lang="en-US">{escape(refused.reason)}</faultstring>{detail}</s:Fault>'
    )
