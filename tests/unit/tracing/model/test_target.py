"""Whom a trace concerns."""

import pytest

from lyncpy.workloads.tracing.model.glance import glance
from lyncpy.workloads.tracing.model.target import target_of
from tests.kit.traces import request

MESSAGE = glance(request("MESSAGE", "alice", "bob", call_id="Call1").encode())
JOIN = glance(b"INVITE sip:a@b;gruu;opaque=app:conf:focus:id:XY9 SIP/2.0\r\n\r\n")


@pytest.mark.parametrize(
    ("kind", "text", "concerned"),
    [
        ("user", "Alice@Example.com", True),
        ("user", "bob@example.com", True),
        ("user", "carol@example.com", False),
        ("address", "192.0.2.1", True),
        ("address", "192.0.2.77/24", True),
        ("address", "2001:db8::/32", False),
        ("call-id", "Call1", True),
        ("call-id", "call1", False),
        ("conference", "XY9", False),
    ],
)
def test_a_message_concerns_a_trace_or_not(kind: str, text: str, concerned: bool) -> None:
    """People and networks in any spelling; a Call-ID is exact."""
    assert target_of(kind, text).concerns(MESSAGE, "192.0.2.1") is concerned


@pytest.mark.parametrize("text", ["xy9", "sip:a@b;gruu;opaque=app:conf:focus:id:XY9"])
def test_a_conference_is_named_by_its_id_or_its_address(text: str) -> None:
    """Both are what an operator can copy."""
    assert target_of("conference", text).concerns(JOIN, "")
    assert str(target_of("conference", text)) == "conference xy9"


def test_a_connection_concerns_a_trace_of_its_address_alone() -> None:
    """Also one that has said nothing yet; what is no address is nobody's."""
    assert target_of("address", "192.0.2.0/24").has_peer("192.0.2.200")
    assert not target_of("address", "192.0.2.0/24").has_peer("a socket")
    assert not target_of("user", "a@b").has_peer("192.0.2.1")
    assert str(target_of("user", "A@b")) == "user a@b"


@pytest.mark.parametrize(
    ("kind", "text", "about"),
    [
        ("user", "Alice@example.com", "sip:alice@example.com"),
        ("call-id", "Call1", "call Call1"),
        ("conference", "XY9", "conference xy9"),
        ("address", "192.0.2.1", ""),
    ],
)
def test_facts_are_about_it_or_not(kind: str, text: str, about: str) -> None:
    """Of a network none tells; a call and a conference cannot be taken for a user."""
    assert target_of(kind, text).about == about


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        ("device", "x", "one of these can: user, address, call-id, conference"),
        ("user", "alice", "is not an address"),
        ("address", "300.1.1.1", "no IP address"),
        ("call-id", " ", "say what"),
        ("conference", "", "say what"),
    ],
)
def test_what_cannot_be_traced_is_said_in_words(kind: str, text: str, words: str) -> None:
    """An operator is told how it is written."""
    with pytest.raises(ValueError, match=words):
        target_of(kind, text)
