"""Web tickets: what is written is read, and nothing that anybody has changed."""

import hmac
from dataclasses import replace

import pytest
from lxml import etree

from lyncpy.contracts.names import Aor
from lyncpy.contracts.owners import OwnerId
from lyncpy.sip.markup import Element, read_xml
from lyncpy.workloads.webservices.model.refusal import NO_VALID_TOKEN, ServiceRefused
from lyncpy.workloads.webservices.model.tickets import (
    TicketClaims,
    TicketKeys,
    check_audience,
    check_time,
    derived_key,
    new_ticket_id,
    read_ticket,
    read_time,
    write_ticket,
    written_time,
)

KEYS = TicketKeys(b"s" * 32, b"e" * 32)
ISSUER = "https://sip.example.test/WebTicket/WebTicketService.svc"
TICKET = TicketClaims(
    id="SamlSecurityToken-1",
    aor=Aor("sip:alice&bob@example.test"),
    owner=OwnerId("o#1"),
    audience="https://sip.example.test/CertProv/CertProvisioningService.svc",
    issued=1_700_000_000,
    expires=1_700_028_800,
    round=3,
    mark=b"m" * 16,
    key=b"k" * 32,
)


def _element(text: str) -> Element:
    return read_xml(text.encode())


def _refused(assertion: Element, keys: TicketKeys = KEYS) -> str:
    with pytest.raises(ServiceRefused) as refused:
        read_ticket(assertion, keys)
    assert (refused.value.code, refused.value.error_id) == ("wsse:FailedAuthentication", NO_VALID_TOKEN)
    return refused.value.reason


@pytest.mark.parametrize("ticket", [TICKET, replace(TICKET, key=b"")])
def test_a_ticket_is_read_as_it_was_written(ticket: TicketClaims) -> None:
    """Whatever is in it; and its secrets stand in no repr and not in its text."""
    text = write_ticket(ticket, ISSUER, KEYS)
    assert read_ticket(_element(text), KEYS) == ticket
    assert "kkkk" not in repr(ticket) + repr(KEYS) + text
    assert ticket.mark.hex() not in text


def test_a_ticket_stands_by_itself_in_another_document() -> None:
    """A client moves it into its own request, where prefixes may mean something else; another writer may write it anew."""
    text = write_ticket(TICKET, ISSUER, KEYS)
    moved = f'<e xmlns="urn:x" xmlns:saml="urn:y" xmlns:ds="urn:z">{text} </e>'
    assert read_ticket(_element(moved)[0], KEYS) == TICKET
    foreign = etree.tostring(etree.fromstring(moved)[0], with_tail=False).decode()
    assert read_ticket(_element(foreign), KEYS) == TICKET


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("2023-11-15", "2033-11-15"),
        ("alice", "carol"),
        ("CertProv/", "Another/"),
        ("holder-of-key", "bearer"),
        ("SamlSecurityToken-1", "SamlSecurityToken-2"),
        ("</saml:Advice>", "<more/></saml:Advice>"),
        ("<ds:SignatureValue>", "<ds:SignatureValue>A"),
        ("</ds:Signature>", "</ds:Signature>and"),
        ("<saml:Advice>", " <saml:Advice>"),
    ],
)
def test_whatever_is_changed_is_noticed(old: str, new: str) -> None:
    """Each word of it is signed."""
    text = write_ticket(TICKET, ISSUER, KEYS)
    assert old in text
    assert _refused(_element(text.replace(old, new, 1))) == "this is no ticket of this server, or it was changed"


def test_a_ticket_without_its_one_signature_is_none() -> None:
    """Nor is any other element, or one with another's signature beside its own."""
    text = write_ticket(TICKET, ISSUER, KEYS)
    begin, end = text.index("<ds:Signature "), text.index("</saml:Assertion>")
    none = "this is no ticket of this server"
    assert _refused(_element(text[:begin] + text[end:])) == none
    assert _refused(_element(text[:begin] + 2 * text[begin:end] + text[end:])) == none
    assert _refused(_element(text.replace("saml:Assertion", "saml:Other"))) == none
    assert _refused(_element("<Assertion/>")) == none


def test_a_ticket_of_another_server_is_none() -> None:
    """Not even of one that signs with the same key and seals with another."""
    text = write_ticket(TICKET, ISSUER, KEYS)
    assert _refused(_element(text), TicketKeys(b"x" * 32, KEYS.sealing)).endswith("or it was changed")
    assert _refused(_element(text), TicketKeys(KEYS.signing, b"x" * 32)).endswith("another key")


def test_no_two_tickets_have_one_name() -> None:
    """A name is all that tells one from another."""
    assert len({new_ticket_id() for _ in range(100)}) == 100


def test_the_key_is_made_of_both_sides() -> None:
    """P_SHA-1 of TLS 1.0: two rounds of HMAC-SHA-1, cut."""
    client, server = b"c" * 32, b"s" * 32
    one = hmac.digest(client, server, "sha1")
    two = hmac.digest(client, one, "sha1")
    whole = hmac.digest(client, one + server, "sha1") + hmac.digest(client, two + server, "sha1")
    assert derived_key(client, server) == whole[:32]


def test_a_ticket_has_its_time_and_its_place() -> None:
    """Until, not including."""
    check_time(TICKET, TICKET.expires - 0.001)
    check_audience(TICKET, TICKET.audience)
    with pytest.raises(ServiceRefused, match="expired"):
        check_time(TICKET, TICKET.expires)
    with pytest.raises(ServiceRefused, match="another service"):
        check_audience(TICKET, ISSUER)


@pytest.mark.parametrize(
    "text", ["2023-11-14T22:13:20Z", " 2023-11-14T22:13:20.000Z\n", "2023-11-14T23:13:20.0000000+01:00"]
)
def test_times_are_read_as_clients_write_them(text: str) -> None:
    """And written in the plainest way."""
    assert read_time(text) == 1_700_000_000
    assert written_time(1_700_000_000.9) == "2023-11-14T22:13:20Z"


@pytest.mark.parametrize("text", ["", "now", "2023-11-14", "2023-11-14T22:13:20", "2023-13-14T22:13:20Z", "9" * 400])
def test_what_is_no_time_is_refused(text: str) -> None:
    """With the beginning of what it was."""
    with pytest.raises(ServiceRefused, match="no time"):
        read_time(text)
