"""How a device gets its certificate: metadata, a web ticket for the password, and the certificate for the ticket.

Spec: [MS-OCAUTHWS] 3.1, 3.2; WS-Security 1.0 §8. What is signed is written in canonical form at once (exclusive C14N).
"""

import base64
import hmac
import socket
import uuid
from dataclasses import dataclass, field
from hashlib import sha1
from secrets import token_bytes
from typing import Final
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from lyncpy.app.probes.device import ProbeSession
from lyncpy.app.probes.outcome import ProbeFailed
from lyncpy.app.probes.web import WebRequest, ask, basic, refused, ticket_wish
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.markup import Element, attr, local, quote_attr, read_xml, text_of
from lyncpy.sip.soap import ENVELOPE_NS
from lyncpy.sip.text import shown
from lyncpy.workloads.webservices.bodies.faults import TRUST_NS, WSSE_NS, WSU_NS
from lyncpy.workloads.webservices.model.tickets import DSIG_NS, EXCLUSIVE, KEY_BYTES, derived_key

KEY_BITS: Final = 2048

_CERTIFICATES_PORT: Final = "CertProvisioningServiceWebTicketProof_SHA1"
_TICKETS_PORT: Final = "WebTicketServiceWinNegotiate"


@dataclass(frozen=True, slots=True)
class WebTicket:
    """A ticket, as its owner knows it."""

    assertion: str
    """As it came, to the letter: it is signed."""

    created: str
    expires: str
    key: bytes = field(repr=False)


def new_key() -> rsa.RSAPrivateKey:
    """Make a device's key."""
    return rsa.generate_private_key(65_537, KEY_BITS)


def enrolled(
    session: ProbeSession, service: str, account: tuple[str, str, str]
) -> tuple[x509.Certificate, rsa.RSAPrivateKey]:
    """Get a certificate as a device does.

    Args:
        session: That of the probe.
        service: Where certificates are given, as the server's challenge says it.
        account: Address, login ("": the address) and password.

    Raises:
        ProbeFailed: With the step at which it failed.
    """
    audience, tickets = _port(session, service, _CERTIFICATES_PORT)
    if not tickets:
        raise ProbeFailed(f"{service} does not say who gives web tickets", "is it a lyncpy server?")
    place, _ = _port(session, tickets, _TICKETS_PORT)
    entropy = token_bytes(KEY_BYTES)
    address, login, password = account
    wish = ticket_wish(audience, address, entropy)
    status, body = ask(session, _asked("POST", place, wish, basic(login or address, password)), "ticket")
    if status != 200 or b"Assertion" not in body:
        raise refused("the request for a web ticket", status, body)
    ticket = _held(body.decode("utf-8", "replace"), entropy)
    key = new_key()
    # Each time the same device: a new certificate takes the place of the one before, and of no other probe's.
    device = uuid.uuid5(uuid.NAMESPACE_DNS, f"{session.name}-{len(session.devices)}.probe.{socket.gethostname()}")
    text = _certificate_wish(ticket, address, str(device).upper(), _key_request(key, address))
    status, body = ask(session, _asked("POST", audience, text), "certificate")
    if status != 200:
        raise refused("the request for a certificate", status, body)
    return _certificate(body), key


# --- metadata


def _port(session: ProbeSession, service: str, name: str) -> tuple[str, str]:
    """Give the address of a port, and of the service whose tickets it takes ("": none). Raises ProbeFailed."""
    asked = _asked("GET", f"{service}/mex")
    status, body = ask(session, asked, "metadata")
    if status != 200:
        raise refused(f"GET {asked.path}", status, body)
    try:
        elements = list(read_xml(body).walk())
    except RemoteProtocolError as error:
        raise ProbeFailed(f"{service}/mex is no metadata: {shown(error.reason)}", "is it a lyncpy server?") from None
    places = [
        attr(inner, "location")
        for one in elements
        if local(one) == "port" and attr(one, "name") == name
        for inner in one
        if attr(inner, "location")
    ]
    if not places:
        raise ProbeFailed(f"{service}/mex names no {name}", "is it a lyncpy server?")
    policies = [one for one in elements if local(one) == "Policy" and _id(one) == f"{name}_policy"]
    issuers = [
        text_of(inner).strip()
        for policy in policies
        for one in policy.walk()
        if local(one) == "Issuer"
        for inner in one
        if local(inner) == "Address"
    ]
    return str(places[0]), issuers[0] if issuers else ""


def _id(element: Element) -> str:
    return next((value for name, value in element.attributes if name.rpartition("}")[2].rpartition(":")[2] == "Id"), "")


def _asked(method: str, url: str, body: bytes = b"", authorization: str = "") -> WebRequest:
    """Read where a request goes; raises ProbeFailed."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 443
    except ValueError:
        host, port = "", 0
    if not host or parts.scheme != "https":
        words = f'the server names "{shown(url, 120)}", which is no https address'
        raise ProbeFailed(words, "on the server: look at [web] in its settings")
    # The site is another name than the server's, which --name may have given.
    return WebRequest((host, port), method, parts.path, body, authorization, name=host)


# --- the ticket


def _held(text: str, entropy: bytes) -> WebTicket:
    """Cut a ticket out of an answer, as text: its signature is over the letters. Raises ProbeFailed."""
    secret, created, expires = (_within(text, name) for name in ("BinarySecret", "wsu:Created", "wsu:Expires"))
    begin = text.find("<saml:Assertion")
    _, end, _ = text[begin:].partition("</saml:Assertion>")
    if secret is None or created is None or expires is None or begin < 0 or not end:
        raise ProbeFailed("the answer has no web ticket with a key", "is it a lyncpy server?")
    assertion = text[begin : text.index(end, begin) + len(end)]
    return WebTicket(assertion, created, expires, derived_key(entropy, base64.b64decode(secret)))


def _within(text: str, name: str) -> str | None:
    """Give what the first element of this name holds, as it stands there."""
    _, begin, rest = text.partition(f"<{name}")
    _, opened, rest = rest.partition(">")
    held, end, _ = rest.partition(f"</{name}>")
    return held if begin and opened and end else None


def _security(ticket: WebTicket) -> str:
    """Write the header that shows a ticket and proves its key."""
    timestamp = (
        f'<wsu:Timestamp xmlns:wsu="{WSU_NS}" wsu:Id="timestamp"><wsu:Created>{ticket.created}</wsu:Created>'
        f"<wsu:Expires>{ticket.expires}</wsu:Expires></wsu:Timestamp>"
    )
    digest = base64.b64encode(sha1(timestamp.encode(), usedforsecurity=False).digest()).decode()
    info = (
        f'<SignedInfo xmlns="{DSIG_NS}"><CanonicalizationMethod Algorithm="{EXCLUSIVE}"></CanonicalizationMethod>'
        f'<SignatureMethod Algorithm="{DSIG_NS}hmac-sha1"></SignatureMethod><Reference URI="#timestamp"><Transforms>'
        f'<Transform Algorithm="{EXCLUSIVE}"></Transform></Transforms>'
        f'<DigestMethod Algorithm="{DSIG_NS}sha1"></DigestMethod><DigestValue>{digest}</DigestValue></Reference></SignedInfo>'
    )
    proof = base64.b64encode(hmac.digest(ticket.key, info.encode(), "sha1")).decode()
    signature = f'<Signature xmlns="{DSIG_NS}">{info}<SignatureValue>{proof}</SignatureValue></Signature>'
    return f'<wsse:Security xmlns:wsse="{WSSE_NS}">{timestamp}{ticket.assertion}{signature}</wsse:Security>'


# --- the certificate


def _key_request(key: rsa.RSAPrivateKey, address: str) -> str:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, address[:64])])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return base64.b64encode(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)).decode()


def _certificate_wish(ticket: WebTicket, address: str, device: str, request: str) -> bytes:
    return (
        f'<?xml version="1.0"?><soap:Envelope xmlns:soap="{ENVELOPE_NS}"><soap:Header>{_security(ticket)}</soap:Header><soap:Body>'
        f'<GetAndPublishCert xmlns="http://schemas.microsoft.com/OCS/AuthWebServices/" xmlns:wst="{TRUST_NS}/"'
        f' DeviceId="{{{device}}}" Entity={quote_attr(address)}><wst:RequestSecurityToken>'
        f"<wst:RequestType>{TRUST_NS}/Issue</wst:RequestType>"
        f'<wsse:BinarySecurityToken xmlns:wsse="{WSSE_NS}"'
        f' ValueType="http://schemas.microsoft.com/OCS/AuthWebServices.xsd#PKCS10">{request}</wsse:BinarySecurityToken>'
        "</wst:RequestSecurityToken></GetAndPublishCert></soap:Body></soap:Envelope>"
    ).encode()


def _certificate(body: bytes) -> x509.Certificate:
    _, _, token = body.partition(b"BinarySecurityToken")
    try:
        return x509.load_der_x509_certificate(base64.b64decode(token.partition(b">")[2].partition(b"<")[0]))
    except ValueError:
        raise ProbeFailed("the answer has no certificate", "is it a lyncpy server?") from None
