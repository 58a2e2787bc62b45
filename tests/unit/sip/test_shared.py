"""What messages of a dialog share is found out at the first of them."""

import pytest

from lyncpy.sip import shared
from lyncpy.sip.decoder import Decoder
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.layout import layout_of
from lyncpy.sip.message import Request, Response
from lyncpy.sip.shared import Recognition, SharedLines

BEGINNING = "MESSAGE sip:bob@contoso.test SIP/2.0\r\nVia: SIP/2.0/TLS 192.0.2.7:40000;branch=z9hG4bK{number}\r\n"
NAMES = "From: <sip:alice@contoso.test>;tag=a1\r\nTo: <sip:bob@contoso.test>;tag=b2\r\nCall-ID: c3\r\n"
END = "CSeq: {number} MESSAGE\r\nProxy-Authorization: NTLM cnum={number}\r\nContent-Length: 0\r\n\r\n"


def read(text: str) -> Request | Response:
    """Decode one message."""
    (message,) = Decoder().feed(text.encode())
    assert isinstance(message, Request | Response)
    return message


def message(number: int, names: str = NAMES) -> Request | Response:
    """Give one of Alice's messages, as it came."""
    return read((BEGINNING + names + END).format(number=number))


def test_number_via_signature_and_body_are_no_part_of_it() -> None:
    """All else is; what was read of it in the first message is known in the second."""
    first = message(1)
    _ = first.from_, first.cseq, first.via
    second = message(2)
    assert second.shared is first.shared
    assert second.from_ is first.from_
    assert second.cseq.number == 2
    assert second.via.branch == "z9hG4bK2"


@pytest.mark.parametrize("names", [NAMES.replace("To: ", "To:  "), NAMES.replace("c3", "C3"), NAMES + "Subject: x\r\n"])
def test_a_message_with_another_line_shares_nothing(names: str) -> None:
    """If only by a blank."""
    assert message(1).shared is not message(1, names).shared


def registration(number: int, more: str = "Expires: 600") -> str:
    """Write one of Alice's REGISTERs."""
    end = END.replace("MESSAGE", "REGISTER").format(number=number)
    return f"REGISTER sip:contoso.test SIP/2.0\r\n{NAMES}{more}\r\n{end}"


def test_a_register_shares_its_lines_with_the_one_before_it_over_its_connection() -> None:
    """Whatever came between; and with no other connection's."""
    decoder = Decoder()

    def said(text: str) -> SharedLines | None:
        (read,) = decoder.feed(text.encode())
        assert isinstance(read, Request)
        return read.shared

    first = said(registration(1))
    assert first is not None
    said((BEGINNING + NAMES + END).format(number=2))
    assert said(registration(3)) is first
    assert said(registration(4, "Expires: 0")) is not first
    assert read(registration(5)).shared is not first


@pytest.mark.parametrize("stray", ["\n", "\r", "\0"])
def test_registers_with_other_lines_share_nothing_whatever_stands_in_a_line(stray: str) -> None:
    """The text of both would be the same if the lines were joined with this."""
    recognition, layout = Recognition(), layout_of(("from", "to", "cseq"))
    first, second = (
        recognition.shared_lines("REGISTER sip:contoso.test SIP/2.0", layout, [*lines, "CSeq: 1 REGISTER"])
        for lines in (["From: a", f"To: b{stray}To: c"], [f"From: a{stray}To: b", "To: c"])
    )
    assert first is not None
    assert second is not first


def test_a_broken_line_is_refused_each_time() -> None:
    """An error is no view."""
    broken = NAMES.replace("<sip:alice@contoso.test>", "<sip:alice")
    for number in (1, 2):
        with pytest.raises(RemoteProtocolError, match="From"):
            _ = message(number, broken).from_


def test_what_does_not_come_again_is_not_remembered() -> None:
    """A question, what has no CSeq, and what is too long."""
    assert read("OPTIONS sip:contoso.test SIP/2.0\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n").shared is None
    assert read(registration(1, f"X: {'x' * shared.LONGEST}")).shared is None
    assert read("SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n").shared is None
    assert message(1, f"{NAMES}Subject: {'x' * shared.LONGEST}\r\n").shared is None


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one more than that all are begun anew."""
    monkeypatch.setattr(shared, "KEPT", 3)
    before = message(1).shared
    for number in range(4):
        message(1, NAMES.replace("c3", f"another {number}"))
    assert message(1).shared is not before


def test_what_follows_from_something_else_too_follows_it() -> None:
    """It is found out again when that has changed."""
    found: list[int] = []

    def find() -> int:
        found.append(1)
        return len(found)

    lines = SharedLines()
    assert [lines.found("x", given, find) for given in ("a", "a", "b", "b", "a")] == [1, 1, 2, 2, 3]
    assert lines.found("y", "a", find) == 4


def test_a_connection_that_never_repeats_itself_has_a_share() -> None:
    """It cannot put out what others say again and again."""
    ours = message(1).shared
    decoder = Decoder()

    def said(number: int) -> SharedLines | None:
        text = (BEGINNING + NAMES.replace("c3", f"x{number}") + END).format(number=1)
        (read,) = decoder.feed(text.encode())
        assert isinstance(read, Request)
        return read.shared

    given = [said(number) for number in range(shared.STRANGE + 5)]
    assert given[: shared.STRANGE] == [one for one in given if one is not None]
    assert said(0) is given[0], "what it says again is known"
    assert said(shared.STRANGE + 5) is not None, "and then it may say more"
    assert message(2).shared is ours
