"""What every request has to say is read at once, however it is written."""

import pytest

from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.essentials import read_essentials
from lyncpy.sip.headers import CSeq, NameAddr
from lyncpy.sip.message import Headers, Request
from lyncpy.sip.shared import SharedLines
from lyncpy.sip.transaction import server_key

USUAL = {
    "Via": "SIP/2.0/TLS 192.0.2.7:40000;branch=z9hG4bK1;received=192.0.2.7",
    "From": "<sip:alice@contoso.test>;tag=a1;epid=0f",
    "To": "<sip:bob@contoso.test>",
    "Call-ID": "c3",
    "CSeq": "2 SERVICE",
}


def request(**other: str) -> Request:
    """Give a request that says so."""
    fields = USUAL | {name.replace("_", "-"): value for name, value in other.items()}
    return Request("SERVICE", "sip:bob@contoso.test", Headers(fields.items()))


def test_as_nearly_all_write_them() -> None:
    """None of them is read again by whoever asks."""
    one = request()
    read_essentials(one)
    assert one.__dict__["from_"] == NameAddr("", "sip:alice@contoso.test", {"tag": "a1", "epid": "0f"})
    assert (one.from_.tag, one.from_.epid) == ("a1", "0f")
    assert one.__dict__["to"] == NameAddr("", "sip:bob@contoso.test")
    assert one.__dict__["call_id"] == "c3"
    assert one.__dict__["cseq"] == CSeq(2, "SERVICE")
    assert one.__dict__["dialog_text"] == request().dialog_text


def test_they_are_known_to_the_next_that_shares_its_lines() -> None:
    """All but the number, which is each request's own."""
    shared = SharedLines()
    one, other = request(), request()
    one.shared = other.shared = shared
    read_essentials(other)
    assert set(shared.views) == {"call_id", "from_", "to", "dialog_text"}
    one.__dict__.update(shared.views)
    read_essentials(one)
    assert one.from_ is shared.views["from_"]


@pytest.mark.parametrize(
    "other",
    [{"From": "Alice <sip:alice@contoso.test>;tag=a1"}, {"To": "sip:bob@contoso.test;tag=b"}, {"CSeq": "2  SERVICE"}],
)
def test_in_other_words(other: dict[str, str]) -> None:
    """They say the same."""
    one = request(**other)
    read_essentials(one)
    assert one.from_.uri == "sip:alice@contoso.test"
    assert one.to.uri == "sip:bob@contoso.test"
    assert one.cseq == (2, "SERVICE")


@pytest.mark.parametrize("name", ["From", "To", "Call_ID", "CSeq"])
def test_what_says_nothing_is_refused(name: str) -> None:
    """With the name of the field."""
    with pytest.raises(RemoteProtocolError, match=rf"^{name.replace('_', '-')}: "):
        read_essentials(request(**{name: ""}))


def test_what_comes_twice_is_refused() -> None:
    """Of two, two readers could take different ones."""
    one = Request("SERVICE", "sip:bob@contoso.test", Headers([*USUAL.items(), ("To", "<sip:carol@contoso.test>")]))
    with pytest.raises(RemoteProtocolError, match="To: comes twice"):
        read_essentials(one)


@pytest.mark.parametrize(
    "via",
    ["SIP/2.0/TLS 192.0.2.7:40000; branch=z9hG4bK1", "SIP/2.0/TLS 192.0.2.7:40000;branch=z9hG4bK1;x=\"y\""],
)  # fmt: skip
def test_a_via_in_other_words_names_the_same_transaction(via: str) -> None:
    """Its branch, and who has sent it."""
    assert server_key(request(Via=via)) == server_key(request()) == ("SERVICE", "z9hG4bK1", "192.0.2.7:40000")


@pytest.mark.parametrize(
    "via", ["SIP/2.0;branch=z9hG4bK1", "SIP/2.0/TLS h;branch=z9hG4bK1;;x", "SIP/2.0/TLS :9;branch=z9hG4bK1"]
)
def test_a_broken_via_names_none(via: str) -> None:
    """Although its branch could be read."""
    with pytest.raises(RemoteProtocolError, match=r"^Via: "):
        server_key(request(Via=via))
