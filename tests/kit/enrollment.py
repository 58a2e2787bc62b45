"""A client of the web services: it asks for metadata, a ticket and a certificate, as desktop clients do.

It shares no code with the server: XML is canonical by a foreign library, and what a real client cuts out of an
answer as text is cut out as text.
"""

import base64
import hmac
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha1, sha256
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

SOAP: Final = "http://schemas.xmlsoap.org/soap/envelope/"
WSSE: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
WSU: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
DSIG: Final = "http://www.w3.org/2000/09/xmldsig#"
EXCLUSIVE: Final = "http://www.w3.org/2001/10/xml-exc-c14n#"
TRUST: Final = "http://docs.oasis-open.org/ws-sx/ws-trust/200512"
KINDS: Final = {
    "sha1": (f"{DSIG}hmac-sha1", f"{DSIG}sha1", sha1),
    "sha256": (
        "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
        "http://www.w3.org/2001/04/xmlenc#sha256",
        sha256,
    ),
}
RSAS: Final = {
    "sha1": (f"{DSIG}rsa-sha1", f"{DSIG}sha1", sha1),
    "sha256": (
        "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
        "http://www.w3.org/2001/04/xmlenc#sha256",
        sha256,
    ),
}
DEVICE: Final = "{0E324752-1B8C-4D3A-9F6B-2E4A5C6D7E8F}"


@dataclass(frozen=True)
class WebAnswer:
    """An answer over HTTP."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case; of several the last."""

    body: bytes
    challenges: tuple[str, ...] = ()
    """The values of WWW-Authenticate."""

    @property
    def reason(self) -> str:
        """Give the words of a fault, which a person reads."""
        found = re.search(r"<faultstring[^>]*>(.*?)</faultstring>", self.body.decode())
        return found[1].replace("&quot;", '"').replace("&amp;", "&") if found else ""


Send = Callable[[str, str, Mapping[str, str], bytes], WebAnswer]
"""Sends one request: method, address, headers, body."""


@dataclass(frozen=True)
class HeldTicket:
    """A ticket, as its client knows it."""

    assertion: str
    lifetime: str
    """The content of Lifetime, as it came."""

    key: bytes = field(repr=False)

    def stolen(self) -> "HeldTicket":
        """Give the ticket as somebody has it who read it on its way: without its key."""
        return replace(self, key=bytes(32))


class WebClient:
    """One user's client.

    Args:
        send: How it reaches the server.
        address: The user's, without `sip:`.
        password: Sent with Basic.
    """

    entropy = bytes(range(32))

    def __init__(self, send: Send, address: str, password: str) -> None:
        self.send = send
        self.address = address
        self.basic = "Basic " + base64.b64encode(f"{address}:{password}".encode()).decode()

    # --- metadata

    def metadata(self, service: str) -> etree._Element:
        """Read the metadata document of a service."""
        answer = self.send("GET", f"{service}/mex", {}, b"")
        assert answer.status == 200, answer
        return etree.fromstring(answer.body)

    def port(self, service: str, name: str) -> tuple[str, str]:
        """Give the address of a port, and that of the service whose tickets it takes ("": none)."""
        document = self.metadata(service)
        (place,) = found(document, f"*[local-name()='service']/*[@name='{name}']/*/@location")
        policy = f"*[local-name()='Policy'][@*[local-name()='Id']='{name}_policy']"
        issuers = found(document, f"{policy}//*[local-name()='Issuer']/*/text()")
        return str(place), str(issuers[0]) if issuers else ""

    # --- tickets

    def ask_ticket(self, audience: str, tickets: str, claim: str = "", **headers: str) -> WebAnswer:
        """Ask for a ticket, with the password unless other headers are given."""
        text = request_text(audience, claim or f"sip:{self.address}", self.entropy)
        given = {"authorization": self.basic, **headers}
        return self.send("POST", tickets, {"content-type": "text/xml", **given}, text)

    def ticket(self, audience: str, tickets: str) -> HeldTicket:
        """Get a ticket."""
        answer = self.ask_ticket(audience, tickets)
        assert answer.status == 200, answer
        return self.held(answer.body.decode())

    def held(self, text: str) -> HeldTicket:
        """Cut a ticket out of an answer."""
        server = base64.b64decode(re.findall("<BinarySecret[^>]*>(.*?)</BinarySecret>", text)[0])
        found, state = b"", server
        while len(found) < 32:
            state = hmac.digest(self.entropy, state, "sha1")
            found += hmac.digest(self.entropy, state + server, "sha1")
        assertion = re.findall("<saml:Assertion.*?</saml:Assertion>", text)[0]
        return HeldTicket(assertion, re.findall("<Lifetime>(.*?)</Lifetime>", text)[0], found[:32])

    # --- certificates

    def ask_certificate(
        self,
        place: str,
        ticket: HeldTicket,
        request: bytes,
        *,
        entity: str = "",
        device: str = DEVICE,
        kind: str = "sha1",
        lifetime: str = "",
    ) -> WebAnswer:
        """Ask to have a key certified."""
        security = security_header(replace(ticket, lifetime=lifetime or ticket.lifetime), kind)
        body = certificate_text(entity or self.address, request, device)
        return self.post(place, security, body)

    def post(self, place: str, security: str, body: str) -> WebAnswer:
        """Send a request with a security header."""
        text = (
            f'<soap:Envelope xmlns:soap="{SOAP}" xmlns:wsse="{WSSE}" xmlns:wst="{TRUST}">'
            f"<soap:Header>{security}</soap:Header><soap:Body>{body}</soap:Body></soap:Envelope>"
        )
        return self.send("POST", place, {"content-type": "text/xml"}, text.encode())

    def certificate(self, answer: WebAnswer) -> x509.Certificate:
        """Read the certificate of an answer."""
        assert answer.status == 200, (answer.reason, answer)
        (text,) = re.findall("<BinarySecurityToken[^>]*>(.*?)</BinarySecurityToken>", answer.body.decode())
        return x509.load_der_x509_certificate(base64.b64decode(text))


def found(root: etree._Element, path: str) -> list[Any]:  # Any: elements, or text
    """Give what a path of names leads to."""
    result = root.xpath(path, namespaces={"wsu": WSU})
    assert isinstance(result, list)
    return result


def request_text(audience: str, claim: str, entropy: bytes) -> bytes:
    """Write a request for a ticket, with the mixed namespaces of real ones."""
    return (
        f'<?xml version="1.0"?>\r\n<soap:Envelope xmlns:soap="{SOAP}" xmlns:wst="{TRUST}"'
        ' xmlns:wsp="http://schemas.xmlsoap.org/ws/2004/09/policy" xmlns:wsa="http://www.w3.org/2005/08/addressing"'
        ' xmlns:auth="http://schemas.xmlsoap.org/ws/2006/12/authorization"><soap:Body>'
        '<wst:RequestSecurityToken Context="0e324752-1b8c-4d3a-9f6b-2e4a5c6d7e8f">'
        "<wst:TokenType>http://docs.oasis-open.org/wss/oasis-wss-saml-token-profile-1.1#SAMLV1.1</wst:TokenType>"
        "<wst:RequestType>http://schemas.xmlsoap.org/ws/2005/02/trust/Issue</wst:RequestType>"
        f"<wsp:AppliesTo><wsa:EndpointReference><wsa:Address>{audience}</wsa:Address></wsa:EndpointReference></wsp:AppliesTo>"
        '<wst:Claims Dialect="urn:component:Microsoft.Rtc.WebAuthentication.2010:authclaims">'
        '<auth:ClaimType Uri="http://schemas.xmlsoap.org/ws/2005/05/identity/claims/uri" Optional="false">'
        f"<auth:Value>{claim}</auth:Value></auth:ClaimType></wst:Claims>"
        f"<wst:Entropy><wst:BinarySecret>{base64.b64encode(entropy).decode()}</wst:BinarySecret></wst:Entropy>"
        f"<wst:KeyType>{TRUST}/SymmetricKey</wst:KeyType>"
        "</wst:RequestSecurityToken></soap:Body></soap:Envelope>"
    ).encode()


def certificate_text(entity: str, request: bytes, device: str = DEVICE) -> str:
    """Write a GetAndPublishCert."""
    return (
        '<GetAndPublishCert xmlns="http://schemas.microsoft.com/OCS/AuthWebServices/"'
        f' xmlns:wst="{TRUST}/" DeviceId="{device}" Entity="{entity}"><wst:RequestSecurityToken>'
        f"<wst:RequestType>{TRUST}/Issue</wst:RequestType>"
        f'<wsse:BinarySecurityToken xmlns:wsse="{WSSE}"'
        ' ValueType="http://schemas.microsoft.com/OCS/AuthWebServices.xsd#PKCS10">\r\n'
        f"{base64.encodebytes(request).decode()}</wsse:BinarySecurityToken>"
        "</wst:RequestSecurityToken></GetAndPublishCert>"
    )


def search_text(text: str = "", *, conditions: Mapping[str, str] | None = None, names: str = "", most: str = "") -> str:
    """Write a SearchAbEntry, with the relative namespace of real ones."""
    inner = f"<BasicSearch><SearchList>displayName,mail</SearchList><Value>{text}</Value><Verb>BeginsWith</Verb></BasicSearch>"
    if conditions is not None:
        rows = "".join(
            f"<AbEntryRequest.ChangeSearchQuery> <SearchOn>{name}</SearchOn> <Value>{value}</Value>"
            "</AbEntryRequest.ChangeSearchQuery>"
            for name, value in conditions.items()
        )
        inner = (
            '<ChangeSearch xmlns:q1="DistributionListExpander"'
            f' soapenc:arrayType="q1:AbEntryRequest.ChangeSearchQuery[{len(conditions)}]">{rows}</ChangeSearch>'
        )
    return (
        '<SearchAbEntry xmlns="DistributionListExpander"'
        ' xmlns:soapenc="http://schemas.xmlsoap.org/soap/encoding/"> <AbEntryRequest>'
        f"{inner}<Metadata> <FromDialPad>false</FromDialPad> <MaxResultNum>{most}</MaxResultNum>"
        f"<ReturnList>{names}</ReturnList></Metadata></AbEntryRequest></SearchAbEntry>"
    )


def group_text(mail: str, operation: str = "ExpandGroup", namespace: str = "DistributionListExpander") -> str:
    """Write a request for the members of a group, under any name."""
    return f'<{operation} xmlns="{namespace}"><groupMailAddress>{mail}</groupMailAddress></{operation}>'


def bearer_header(ticket: HeldTicket) -> str:
    """Write a security header with a ticket alone, as whoever bears it may use it."""
    timestamp = f'<wsu:Timestamp xmlns:wsu="{WSU}" wsu:Id="timestamp">{ticket.lifetime}</wsu:Timestamp>'
    return f'<wsse:Security xmlns:wsse="{WSSE}">{timestamp}{ticket.assertion}</wsse:Security>'


def security_header(ticket: HeldTicket, kind: str = "sha1", *, about: str = "timestamp") -> str:
    """Write a security header with a ticket and the proof of its key."""
    hmac_name, digest_name, digest = KINDS[kind]
    timestamp = f'<wsu:Timestamp xmlns:wsu="{WSU}" wsu:Id="timestamp">{ticket.lifetime}</wsu:Timestamp>'
    value = base64.b64encode(digest(_canonical(timestamp)).digest()).decode()
    info = (
        f'<SignedInfo xmlns="{DSIG}"><CanonicalizationMethod Algorithm="{EXCLUSIVE}"/>'
        f'<SignatureMethod Algorithm="{hmac_name}"/><Reference URI="#{about}"><Transforms>'
        f'<Transform Algorithm="{EXCLUSIVE}"/></Transforms><DigestMethod Algorithm="{digest_name}"/>'
        f"<DigestValue>{value}</DigestValue></Reference></SignedInfo>"
    )
    signed = base64.b64encode(hmac.digest(ticket.key, _canonical(info), kind)).decode()
    signature = f'<Signature xmlns="{DSIG}">{info}<SignatureValue>{signed}</SignatureValue></Signature>'
    return f'<wsse:Security xmlns:wsse="{WSSE}">{timestamp}{ticket.assertion}{signature}</wsse:Security>'


def holder_header(
    certificate: x509.Certificate, key: rsa.RSAPrivateKey, now: float, kind: str = "sha1", *, lasts_s: float = 300.0
) -> str:
    """Write a security header with a certificate and the proof of its key."""
    begins, ends = (datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z") for at in (now, now + lasts_s))
    lifetime = f"<wsu:Created>{begins}</wsu:Created><wsu:Expires>{ends}</wsu:Expires>"
    timestamp = f'<wsu:Timestamp xmlns:wsu="{WSU}" wsu:Id="_0">{lifetime}</wsu:Timestamp>'
    method, digest_name, digest = RSAS[kind]
    value = base64.b64encode(digest(_canonical(timestamp)).digest()).decode()
    info = (
        f'<SignedInfo xmlns="{DSIG}"><CanonicalizationMethod Algorithm="{EXCLUSIVE}"/>'
        f'<SignatureMethod Algorithm="{method}"/><Reference URI="#_0"><Transforms>'
        f'<Transform Algorithm="{EXCLUSIVE}"/></Transforms><DigestMethod Algorithm="{digest_name}"/>'
        f"<DigestValue>{value}</DigestValue></Reference></SignedInfo>"
    )
    used = hashes.SHA1() if kind == "sha1" else hashes.SHA256()
    signed = base64.b64encode(key.sign(_canonical(info), padding.PKCS1v15(), used)).decode()
    token = base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()
    return (
        f'<wsse:Security xmlns:wsse="{WSSE}">{timestamp}<wsse:BinarySecurityToken>{token}</wsse:BinarySecurityToken>'
        f'<Signature xmlns="{DSIG}">{info}<SignatureValue>{signed}</SignatureValue></Signature></wsse:Security>'
    )


def _canonical(text: str) -> bytes:
    return etree.tostring(etree.fromstring(text), method="c14n", exclusive=True)


def key_request(
    key: rsa.RSAPrivateKey, name: str = "alice@example.com", digest: hashes.HashAlgorithm | None = None
) -> bytes:
    """Write a PKCS#10 for a key, as DER; signed with SHA-256 if nothing else is said."""
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return builder.sign(key, digest or hashes.SHA256()).public_bytes(Encoding.DER)  # type: ignore[arg-type]  # any of them


def sha1_key_request(key: rsa.RSAPrivateKey, name: str) -> bytes:
    """Write a PKCS#10 whose signature is of SHA-1, which the library makes no more."""
    plain = x509.load_der_x509_csr(key_request(key, name))
    signature = key.sign(plain.tbs_certrequest_bytes, padding.PKCS1v15(), hashes.SHA1())
    sha1_with_rsa = bytes.fromhex("300d06092a864886f70d0101050500")
    content = plain.tbs_certrequest_bytes + sha1_with_rsa + b"\x03" + _length(len(signature) + 1) + b"\0" + signature
    return b"\x30" + _length(len(content)) + content


def _length(size: int) -> bytes:
    digits = size.to_bytes((size.bit_length() + 7) // 8 or 1)
    return digits if size < 128 else bytes([0x80 | len(digits)]) + digits


def new_device() -> str:
    """Give a device that nobody had before."""
    return str(uuid.uuid4())
