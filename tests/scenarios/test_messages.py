"""Instant messages between two people: what arrives, as what, and what the sender is told."""

import base64

import pytest

from lyncpy.sip.message import Request
from tests.kit.stage import Stage
from tests.kit.talks import PLAIN

HTML = b"<html><body><b>bold</b>\r\n<script>x</script>\xc3\xa4</body></html>"
RTF = b"{\\rtf1\\ansi\\ansicpg1252 {\\b h\\'e9}\\par }\r\n"
MULTIPART = b"--b1\r\nContent-Type: text/plain\r\n\r\nplain\r\n--b1\r\nContent-Type: text/html\r\n\r\n<b>h</b>\r\n\r\n--b1--\r\n"
EVERY_BYTE = bytes(range(256)) * 4


def test_a_conversation(stage: Stage) -> None:
    """Invited, answered, both speak, one types, one hangs up; the other is told."""
    alice, bob = stage.sign_in("alice", "bob")
    hers, his = alice.talks_to(bob)
    assert hers.says("hi Bob").status == 200
    assert his.says("hi Alice").status == 200
    assert hers.types().status == 200
    assert his.typing == 1
    assert hers.hangs_up().status == 200
    assert his.is_over
    assert [text.words for text in his.texts] == ["hi Bob"]
    assert [text.words for text in hers.texts] == ["hi Alice"]


def test_an_acknowledgement_is_the_receiver_s_own(stage: Stage) -> None:
    """As long as Bob's client does not answer, Alice's message is not delivered, and at last reported so."""
    alice, bob = stage.sign_in("alice", "bob")
    talk, _ = alice.talks_to(bob)
    bob.ignores_messages = True
    said = talk.says("hello?")
    stage.passes(20)
    assert said.is_pending
    stage.passes(11)
    assert said.status == 408


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (PLAIN, "grüße, 世界 ".encode()),
        ("text/plain; charset=UTF-8;msgr=WAAtAE0ATQBTAC0ASQBNAC0A", b"formatted\r\n"),
        ("text/html; charset=utf-8", HTML),
        ("text/rtf", RTF),
        ('multipart/alternative; boundary="b1"', MULTIPART),
        ("application/x-anything", EVERY_BYTE),
        ("text/plain", b""),
    ],
)
def test_bodies_arrive_byte_for_byte(stage: Stage, content_type: str, body: bytes) -> None:
    """The server reads no message and changes none, whatever its type."""
    alice, bob = stage.sign_in("alice", "bob")
    talk, _ = alice.talks_to(bob)
    assert talk.says(body, content_type).status == 200
    (text,) = bob.texts
    assert (text.sender, text.content_type, text.body) == ("alice", content_type, body)


def test_what_is_said_with_the_invitation_arrives_with_it(stage: Stage) -> None:
    """The first message rides in a header of the INVITE, which passes unchanged."""
    alice, bob = stage.sign_in("alice", "bob")
    alice.invites(bob, "are you there?")
    text = bob.talks[-1].invite.headers.get("ms-text-format") or ""
    assert base64.b64decode(text.partition("ms-body=")[2]).decode() == "are you there?"


def test_the_receiver_knows_who_speaks(stage: Stage) -> None:
    """The server vouches for the sender with the name that the directory has, and the sender's own claim is dropped."""
    alice, bob = stage.sign_in("alice", "bob")
    request = alice.sip.request(
        "MESSAGE",
        bob.aor,
        [("Content-Type", "text/plain"), ("P-Asserted-Identity", '"The boss" <sip:boss@example.com>')],
    )
    assert alice.sip.ask(request).status == 200
    (heard,) = [one for one in bob.sip.heard if one.method == "MESSAGE"]
    assert heard.headers.get_all("P-Asserted-Identity") == ('"Alice" <sip:alice@example.com>',)


def test_no_credential_travels_on(stage: Stage) -> None:
    """What Alice signed with stays between her and the server."""
    alice, bob = stage.sign_in("alice", "bob")
    talk, _ = alice.talks_to(bob)
    talk.says("psst")
    for request in bob.sip.heard:
        assert request.headers.get("Authorization") is None


def test_a_message_without_a_conversation_reaches_every_device(stage: Stage) -> None:
    """The first answer counts."""
    (alice,) = stage.sign_in("alice")
    desk, phone = stage.sign_in("bob", "bob")
    assert alice.pages(desk, "anyone?").status == 200
    assert len(desk.texts) == len(phone.texts) == 1


def test_a_message_to_one_device(stage: Stage) -> None:
    """A GRUU names the one that is meant."""
    (alice,) = stage.sign_in("alice")
    desk, phone = stage.sign_in("bob", "bob")
    assert alice.pages(phone.sip.gruu, "on your phone").status == 200
    assert (len(desk.texts), len(phone.texts)) == (0, 1)


@pytest.mark.parametrize("method", ["MESSAGE", "INVITE"])
def test_somebody_who_is_offline_is_said_to_be(stage: Stage, method: str) -> None:
    """480 is what clients show as "offline"."""
    (alice,) = stage.sign_in("alice")
    carol = "sip:carol@example.com"
    exchange = alice.pages(carol, "hello?") if method == "MESSAGE" else alice.invites(carol).exchange
    assert exchange is not None
    assert (exchange.status, exchange.diagnostics) == (480, 1)


@pytest.mark.parametrize("method", ["MESSAGE", "INVITE"])
def test_somebody_who_does_not_exist_is_said_not_to(stage: Stage, method: str) -> None:
    """404, and not 480: the sender has mistyped an address."""
    (alice,) = stage.sign_in("alice")
    nobody = "sip:nobody@example.com"
    exchange = alice.pages(nobody, "hello?") if method == "MESSAGE" else alice.invites(nobody).exchange
    assert exchange is not None
    assert (exchange.status, exchange.diagnostics) == (404, 1003)


def test_another_domain_is_not_ours(stage: Stage) -> None:
    """Without federation, nothing leaves the house."""
    (alice,) = stage.sign_in("alice")
    assert alice.pages("sip:bob@elsewhere.example", "hello?").status == 404


def test_messages_to_who_has_vanished_come_back(stage: Stage) -> None:
    """Bob's connection breaks with a message under way: Alice is told at once, gets a BYE, and the next INVITE fails as offline."""
    alice, bob = stage.sign_in("alice", "bob")
    talk, _ = alice.talks_to(bob)
    bob.ignores_messages = True
    said = talk.says("are you there?")
    bob.is_cut_off()
    assert said.status == 430
    assert talk.is_over
    assert talk.ended_by is not None
    again = alice.invites(bob)
    assert again.exchange is not None
    assert again.exchange.status == 480


def test_a_conversation_that_is_over_is_over(stage: Stage) -> None:
    """What is said after the BYE gets 481, from which a client makes a new conversation."""
    alice, bob = stage.sign_in("alice", "bob")
    hers, his = alice.talks_to(bob)
    hers.hangs_up()
    assert his.says("one more thing").status == 481
    assert alice.texts == []


def test_nobody_speaks_in_a_conversation_of_others(stage: Stage) -> None:
    """Mallory has overheard Call-ID and tags; it does not help her."""
    alice, bob, mallory = stage.sign_in("alice", "bob", "mallory")
    talk, _ = alice.talks_to(bob)
    assert talk.dialog is not None
    for method in ("MESSAGE", "INFO", "BYE"):
        lines = [("Content-Type", "text/plain"), ("CSeq", f"7 {method}")]
        request = talk.dialog.next_request("MESSAGE", [], b"it is me").edited(put=lines)
        hers = Request(method, request.uri, request.headers, request.body)
        assert mallory.sip.ask(hers).status == 403
        as_herself = (hers.headers.get("From") or "").replace(alice.aor, mallory.aor)
        assert mallory.sip.ask(hers.edited(put=[("From", as_herself)])).status == 481
    assert talk.says("still ours").status == 200


def test_a_forged_notification_does_not_reach_anybody(stage: Stage) -> None:
    """Real clients believe a notification by its Event alone: Mallory could sign Bob out, or forge his contacts."""
    bob, mallory = stage.sign_in("bob", "mallory")
    before = len(bob.sip.heard)
    for method in ("NOTIFY", "BENOTIFY"):
        for uri in (bob.aor, bob.sip.gruu):
            request = mallory.sip.request(
                method,
                uri,
                [("Event", "registration-notify"), ("Content-Type", "text/registration-event")],
                b"deregistered;event=rejected",
            )
            exchange = mallory.sip.ask(request)
            assert exchange.is_pending or exchange.status == 405
    talk, _ = mallory.talks_to(bob)
    inside = talk.sends(
        "NOTIFY", [("Event", "registration-notify")], b"deregistered;event=rejected", "text/registration-event"
    )
    assert inside.status >= 400
    assert [one.method for one in bob.sip.heard[before:]] == ["INVITE", "ACK"]
