"""The request for a certificate, and the answer to it ([MS-OCAUTHWS] 3.1.4.1)."""

import base64
import uuid
from dataclasses import dataclass
from typing import Final

from lyncpy.contracts.names import Aor, aor_of
from lyncpy.sip.markup import Element, attr, child, quote_attr, text_of
from lyncpy.workloads.webservices.bodies.faults import TRUST_NS, WSSE_NS, write_answer
from lyncpy.workloads.webservices.model.refusal import ServiceRefused

_SERVICE_NS: Final = "http://schemas.microsoft.com/OCS/AuthWebServices/"
_PKCS10: Final = "#PKCS10"
_X509: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-x509-token-profile-1.0#X509v3"


@dataclass(frozen=True, slots=True)
class CertificateRequest:
    """What a client asks for."""

    device: str
    """Its device's UUID, in lower case."""

    device_written: str
    """As the client wrote it, which the answer repeats."""

    entity: Aor
    """Whose certificate it is to be."""

    entity_written: str
    request: str
    """A PKCS#10 in base64."""


def read_certificate_request(operation: Element) -> CertificateRequest:
    """Read a GetAndPublishCert.

    Raises:
        ServiceRefused: It is none, or asks for what is not offered.
    """
    if operation.local != "GetAndPublishCert":
        raise _bad("this service certifies keys; ask with GetAndPublishCert")
    written = (attr(operation, "DeviceId") or "").strip()
    try:
        device = str(uuid.UUID(written))
    except ValueError:
        raise _bad("DeviceId is no UUID") from None
    entity = (attr(operation, "Entity") or "").strip()
    token = child(operation, "RequestSecurityToken")
    binary = None if token is None else child(token, "BinarySecurityToken")
    if binary is None or not (attr(binary, "ValueType") or "").endswith(_PKCS10):
        raise _bad("the request has no PKCS#10 in a BinarySecurityToken")
    return CertificateRequest(device, written, aor_of(entity), entity, text_of(binary))


def _bad(reason: str) -> ServiceRefused:
    return ServiceRefused("s:Client", reason)


def write_certificate_answer(request: CertificateRequest, certificate: bytes) -> bytes:
    """Write the answer with a certificate (DER)."""
    return write_answer(
        f'<GetAndPublishCertResponse xmlns="{_SERVICE_NS}" DeviceId={quote_attr(request.device_written)}'
        f' Entity={quote_attr(request.entity_written)} ResponseClass="Success">'
        f'<RequestSecurityTokenResponse xmlns="{TRUST_NS}/"><TokenType>{_X509}</TokenType><RequestedSecurityToken>'
        f'<BinarySecurityToken xmlns="{WSSE_NS}" ValueType="{_X509}" EncodingType="{_BASE64}">'
        f"{base64.b64encode(certificate).decode()}</BinarySecurityToken></RequestedSecurityToken>"
        "</RequestSecurityTokenResponse></GetAndPublishCertResponse>"
    )


_BASE64: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary"
