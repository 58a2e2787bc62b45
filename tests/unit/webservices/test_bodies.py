"""Requests as clients write them, and answers as they read them."""

import base64

import pytest
from lxml import etree

from lyncpy.contracts.names import Aor
from lyncpy.contracts.owners import OwnerId
from lyncpy.sip.soap import read_envelope
from lyncpy.workloads.webservices.bodies.enrollment import read_certificate_request, write_certificate_answer
from lyncpy.workloads.webservices.bodies.faults import write_fault
from lyncpy.workloads.webservices.bodies.metadata import (
    PASSWORDS,
    MetadataOperation,
    MetadataPort,
    issued_token,
    write_metadata,
)
from lyncpy.workloads.webservices.bodies.trust import TicketRequest, read_ticket_request, write_ticket_answer
from lyncpy.workloads.webservices.model.refusal import ServiceRefused, untrusted
from lyncpy.workloads.webservices.model.tickets import TicketClaims
from tests.kit.enrollment import SOAP, certificate_text, found, request_text

ALICE = Aor("sip:alice@example.test")
PLACE = "https://x.test/CertProv/CertProvisioningService.svc"
REAL = request_text(PLACE, "sip:Alice@Example.test", bytes(32)).decode()


def _read(text: str) -> TicketRequest:
    return read_ticket_request(read_envelope(text.encode()))


def test_a_request_for_a_ticket_is_read() -> None:
    """As a real client writes it, with the word of an older edition in it."""
    request = _read(REAL)
    assert (request.audience, request.claimed, request.entropy) == (PLACE, ALICE, bytes(32))
    assert (request.context, request.message) == ("0e324752-1b8c-4d3a-9f6b-2e4a5c6d7e8f", "")
    assert "entropy" not in repr(request)


def test_a_request_may_say_less() -> None:
    """Who it is for is known by the password; a bearer's ticket has no key."""
    head = REAL.index("<wst:Claims"), REAL.index("<wst:KeyType")
    request = _read(REAL[: head[0]] + REAL[head[1] :])
    assert (request.claimed, request.entropy) == (None, b"")
    other = REAL.replace("/claims/uri", "/claims/other")
    assert _read(other).claimed is None
    header = f'<s:Header xmlns:s="{SOAP}"><MessageID> uuid:1 </MessageID></s:Header><soap:Body>'
    assert _read(REAL.replace("<soap:Body>", header)).message == "uuid:1"
    assert _read(REAL.replace("<soap:Body>", f'<s:Header xmlns:s="{SOAP}"/><soap:Body>')).message == ""


@pytest.mark.parametrize(
    ("old", "new", "code", "words"),
    [
        ("RequestSecurityToken", "Other", "InvalidRequest", "ask with RequestSecurityToken"),
        ("trust/Issue<", "trust/Renew<", "InvalidRequest", "nothing else"),
        ("#SAMLV1.1", "#SAMLV2.0", "BadRequest", "only SAML 1.1"),
        ("<wst:KeyType>", "<wst:KeySize>128</wst:KeySize><wst:KeyType>", "BadRequest", "256 bits"),
        ("wsp:AppliesTo", "wsp:Nothing", "InvalidScope", "for which service"),
        ("wsa:EndpointReference", "wsa:Nothing", "InvalidScope", "for which service"),
        ("wsa:Address", "wsa:Nothing", "InvalidScope", "for which service"),
        ("<wst:BinarySecret>", "<wst:BinarySecret>é", "BadRequest", "entropy"),
        (base64.b64encode(bytes(32)).decode(), "AAAA", "BadRequest", "16 to 256 bytes"),
    ],
)
def test_what_is_not_offered_is_refused_with_a_reason(old: str, new: str, code: str, words: str) -> None:
    """The codes are those of WS-Trust."""
    with pytest.raises(ServiceRefused) as refused:
        _read(REAL.replace(old, new))
    assert refused.value.code == f"wst:{code}"
    assert words in refused.value.reason


@pytest.mark.parametrize("entropy", [b"", b"e" * 32])
def test_an_answer_holds_what_a_client_cuts_out(entropy: bytes) -> None:
    """The server's entropy is the first secret; the times are as a time stamp has them."""
    ticket = TicketClaims("t", ALICE, OwnerId("1"), PLACE, 1_700_000_000, 1_700_028_800, 0, b"")
    request = TicketRequest('a"b', "uuid:1" if entropy else "", PLACE, None, b"")
    text = write_ticket_answer(request, ticket, "<saml:Assertion xmlns:saml='urn:s'/>", entropy)
    root = etree.fromstring(text)
    assert found(root, "//*[local-name()='BinarySecret']/text()") == (
        [base64.b64encode(entropy).decode()] if entropy else []
    )
    assert found(root, "//@Context") == ['a"b']
    assert found(root, "//wsu:Expires/text()") == ["2023-11-15T06:13:20Z"]
    assert found(root, "//*[local-name()='RelatesTo']/text()") == (["uuid:1"] if entropy else [])


def test_a_request_for_a_certificate_is_read() -> None:
    """The device is known by its UUID, however it is written."""
    envelope = f"<e><Body>{certificate_text('Alice@example.test', b'request')}</Body></e>"
    request = read_certificate_request(read_envelope(envelope.encode()).operation)
    assert request.device == "0e324752-1b8c-4d3a-9f6b-2e4a5c6d7e8f"
    assert request.entity == ALICE
    assert base64.b64decode(request.request) == b"request"
    root = etree.fromstring(write_certificate_answer(request, b"certificate"))
    (answer,) = found(root, "//*[local-name()='GetAndPublishCertResponse']")
    assert answer.get("Entity") == "Alice@example.test"
    assert answer.get("DeviceId") == request.device_written
    path = "*[local-name()='RequestSecurityTokenResponse']/*[local-name()='RequestedSecurityToken']/*/text()"
    assert found(answer, path) == [base64.b64encode(b"certificate").decode()]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("GetAndPublishCert", "Other", "ask with GetAndPublishCert"),
        ("{0E324752", "{xE324752", "no UUID"),
        ("RequestSecurityToken>", "Nothing>", "no PKCS#10"),
        ("BinarySecurityToken", "Nothing", "no PKCS#10"),
        ("#PKCS10", "#X509v3", "no PKCS#10"),
    ],
)
def test_what_is_no_request_for_a_certificate_is_refused(old: str, new: str, words: str) -> None:
    """With what is missing."""
    text = certificate_text("alice@example.test", b"request").replace(old, new)
    with pytest.raises(ServiceRefused, match=words):
        read_certificate_request(read_envelope(f"<e><Body>{text}</Body></e>".encode()).operation)


def test_a_fault_tells_its_reason_and_its_number() -> None:
    """Without a number there is no detail."""
    text = write_fault(untrusted('no "<ticket>"')).decode()
    assert "<faultcode>wsse:FailedAuthentication</faultcode>" in text
    assert "<ErrorId>28020</ErrorId><Reason>no &quot;&lt;ticket&gt;&quot;</Reason>" in text or (
        '<ErrorId>28020</ErrorId><Reason>no "&lt;ticket&gt;"</Reason>' in text
    )
    etree.fromstring(text)
    assert b"<detail>" not in write_fault(ServiceRefused("s:Client", "no"))


def test_a_reason_is_one_line_whatever_it_repeats() -> None:
    """A client shows it, and cuts it out of the fault by its line; nobody's words end that, or turn it round."""
    text = write_fault(ServiceRefused("s:Client", 'no "a\n b\u202e"')).decode()
    assert 'no "a\\n b\\u202e"' in text.replace("&quot;", '"')


def test_metadata_say_where_and_whose() -> None:
    """As a real client looks for them: policy and service are children of the root."""
    issuer = "https://x.test/tickets?a=1&b=2"
    ports = (
        MetadataPort("WithKey", "https://x.test/key", issued_token(issuer, with_key=True)),
        MetadataPort("Bearer", "https://x.test/bearer", issued_token(issuer, with_key=False)),
        MetadataPort("Password", "https://x.test/auth", PASSWORDS),
    )
    root = etree.fromstring(write_metadata("Service", (MetadataOperation("Operation", "urn:action"),), ports))
    for name, element in (("WithKey", "EndorsingSupportingTokens"), ("Bearer", "SignedSupportingTokens")):
        path = f"*[local-name()='Policy'][@*[local-name()='Id']='{name}_policy']"
        for step in ("ExactlyOne", "All", element, "Policy", "IssuedToken", "Issuer", "Address"):
            path += f"/*[local-name()='{step}']"
        assert found(root, f"{path}/text()") == [issuer]
    places = found(root, "*[local-name()='service']/*[local-name()='port']/*[local-name()='address']/@location")
    assert places == [port.address for port in ports]
