"""One connection, effect by effect."""

import json
from typing import Any

import pytest

from lyncpy.backends.nats.credentials import Credentials, read_nkey
from lyncpy.backends.nats.frames import ReceivedMessage
from lyncpy.backends.nats.session import (
    BecomeReady,
    Close,
    Deliver,
    Leave,
    NatsSession,
    NoteAnswered,
    NoteCluster,
    NoteComplaint,
    Send,
    SessionTerms,
    StartTls,
)
from tests.unit.backends.nats.test_credentials import PUBLIC, SEED

INFO = b'INFO {"version":"2","headers":true%b}\r\n'
PLAIN, OFFERS, WANTS = INFO % b"", INFO % b',"tls_available":true', INFO % b',"tls_required":true'


def session(credentials: Credentials | None = None, *, needs_tls: bool = False, tls_first: bool = False) -> NatsSession:
    """Give a connection that has just been made."""
    return NatsSession(SessionTerms("lyncpy n1", credentials or Credentials(), needs_tls, tls_first))


def said(effect: object) -> dict[str, Any]:
    """Read the CONNECT of an effect."""
    assert isinstance(effect, Send)
    connect, ping, rest = effect.data.split(b"\r\n")
    assert (ping, rest) == (b"PING", b"")
    told: dict[str, Any] = json.loads(connect.removeprefix(b"CONNECT "))
    return told


def ready() -> NatsSession:
    """Give a connection on which the server has taken us."""
    one = session()
    one.received(PLAIN)
    one.received(b"PONG\r\n")
    assert one.is_ready
    return one


def test_a_server_takes_us() -> None:
    """INFO, CONNECT and PING, PONG: we want no answers to what is right, and not what we publish ourselves."""
    one = session()
    assert one.begin() == ()
    (connect,) = one.received(PLAIN)
    told = said(connect)
    assert (told["verbose"], told["echo"], told["tls_required"], told["no_responders"]) == (False, False, False, True)
    assert told["name"] == "lyncpy n1" and "user" not in told
    assert not one.is_ready
    (effect,) = one.received(b"+OK\r\nPONG\r\n")
    assert isinstance(effect, BecomeReady) and effect.info.version == "2"
    assert one.is_ready


@pytest.mark.parametrize("info", [OFFERS, WANTS])
def test_tls_begins_after_the_first_word(info: bytes) -> None:
    """Nothing is said of us before."""
    one = session(Credentials("u", "p"), needs_tls=True)
    assert one.received(info) == [StartTls()]
    (connect,) = one.secured()
    assert (said(connect)["tls_required"], said(connect)["pass"]) == (True, "p")


@pytest.mark.parametrize(
    ("needs_tls", "tls_first", "is_vouched"), [(False, False, True), (True, True, True), (True, False, False)]
)
def test_what_was_said_before_tls_vouches_for_no_other(needs_tls: bool, tls_first: bool, is_vouched: bool) -> None:
    """Somebody between us could have named servers of their own in it."""
    one = session(needs_tls=needs_tls, tls_first=tls_first)
    if tls_first:
        one.secured()
    one.received(OFFERS)
    if needs_tls and not tls_first:
        one.secured()
    (effect,) = one.received(b"PONG\r\n")
    assert isinstance(effect, BecomeReady) and effect.is_vouched is is_vouched


def test_a_server_may_want_tls_that_we_do_not_need() -> None:
    """On this machine too."""
    assert session().received(WANTS) == [StartTls()]
    assert [type(effect) for effect in session().received(OFFERS)] == [Send]


def test_without_tls_nothing_is_said_where_it_is_needed() -> None:
    """Somebody between us could have taken the offer out."""
    (effect,) = session(Credentials("u", "p"), needs_tls=True).received(PLAIN)
    assert effect == Close("it offers no TLS, without which nothing is said to it")


@pytest.mark.parametrize("more", [b"PING\r\n", b"PI", PLAIN])
def test_what_is_said_before_tls_is_not_taken_for_the_servers(more: bytes) -> None:
    """It would be read as if it had come over TLS."""
    (effect,) = session().received(WANTS + more)
    assert effect == Close("it has said more than INFO before TLS")


def test_tls_may_come_first() -> None:
    """Then INFO comes over it."""
    one = session(needs_tls=True, tls_first=True)
    assert one.begin() == (StartTls(),)
    assert one.secured() == ()
    (connect,) = one.received(PLAIN)
    assert said(connect)["tls_required"] is True


def test_an_nkey_signs_what_the_server_gives() -> None:
    """Where it gives nothing, it has no nkeys."""
    credentials = Credentials(nkey=read_nkey(SEED))
    (connect,) = session(credentials).received(INFO % b',"nonce":"once"')
    assert said(connect)["nkey"] == PUBLIC
    (effect,) = session(credentials).received(PLAIN)
    assert effect == Close("it has no nkeys: it gives nothing to sign")


def test_a_server_that_refuses_us_is_left_with_its_words() -> None:
    """Before it has taken us; afterwards it ends the connection itself where it means to."""
    one = session()
    one.received(PLAIN)
    assert one.received(b"-ERR 'Authorization Violation'\r\nPONG\r\n") == [Close("Authorization Violation")]
    assert not one.is_ready
    complaint = b"-ERR 'Permissions Violation for Publish to \"a\"'\r\n"
    assert ready().received(complaint) == [NoteComplaint('Permissions Violation for Publish to "a"')]


def test_what_comes_is_delivered_and_a_ping_answered() -> None:
    """In the order in which it came."""
    assert ready().received(b"MSG a 1 1\r\nx\r\nPING\r\n+OK\r\n") == [
        Deliver(ReceivedMessage("a", 1, "", b"x")),
        Send(b"PONG\r\n"),
    ]


def test_nothing_is_delivered_before_we_were_taken() -> None:
    """Whoever sends it so early is no server of ours."""
    assert session().received(b"MSG a 1 1\r\nx\r\nPONG\r\n") == []
    assert session().probe() == ()


def test_a_server_that_answers_nothing_is_left() -> None:
    """After two PINGs without a PONG."""
    one = ready()
    assert one.probe() == (Send(b"PING\r\n"),)
    assert one.received(b"PONG\r\n") == [NoteAnswered()]
    assert [one.probe(), one.probe(), one.probe()] == [
        (Send(b"PING\r\n"),),
        (Send(b"PING\r\n"),),
        (Close("it answers no PING"),),
    ]
    assert not one.is_ready


def test_the_last_answer_says_that_all_was_read() -> None:
    """Each PING has one, and what comes meanwhile is told."""
    assert session().leave() == b""
    one = ready()
    assert one.probe() == (Send(b"PING\r\n"),)
    assert one.leave() == b"PING\r\n"
    assert not one.is_ready and one.probe() == () and one.leave() == b""
    assert one.received(b"PONG\r\nPING\r\nPONG\r\n") == [NoteAnswered(), Send(b"PONG\r\n"), Leave()]


def test_the_cluster_may_change_and_garbage_ends_it() -> None:
    """A later INFO names other servers."""
    one = ready()
    (effect,) = one.received(INFO % b',"connect_urls":["a:1"]')
    assert isinstance(effect, NoteCluster) and effect.info.connect_urls == ("a:1",)
    (effect,) = one.received(b"\x16\x03\x01 garbage\r\n")
    assert isinstance(effect, Close) and "no line of NATS" in effect.reason
