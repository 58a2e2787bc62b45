"""Clients that cost: slow, silent, greedy, deaf, in the wrong language, or gone in the middle of everything."""

import contextlib
import socket
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest

from lyncpy.sip.encoder import encode
from lyncpy.sip.message import Request, Response, response_to
from tests.kit import wishes
from tests.kit.caller import Caller, Gone, Line
from tests.kit.hostile import Answering, assert_calm, open_sockets, resident_kb, time_limit
from tests.kit.server import PATIENCE_S, RunningServer, wait_until

pytestmark = pytest.mark.interop

PENDING = 40
SUBSCRIPTIONS = 30
STRANGERS = 300
BURST = 200

BOB = "bob@example.test"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Give a server with small bounds; its log must be calm and its end orderly."""
    running = RunningServer(
        tmp_path_factory.mktemp("abuse") / "home",
        limits__unauthenticated_s=2.0,
        # From where somebody has signed in before the bound of one address does not count: here it is that of all.
        limits__unauthenticated_total=STRANGERS,
        limits__pending_per_flow=PENDING,
        limits__subscriptions_per_flow=SUBSCRIPTIONS,
        limits__requests_per_s=50.0,
        limits__requests_burst=float(BURST),
        sip__handshake_s=2,
        sip__close_s=1,
        sip__unwritten_bytes=300_000,
    ).init()
    with running.serving():
        yield running
        running.stop()
        assert_calm(running)


@pytest.fixture(autouse=True)
def limit(server: RunningServer) -> Iterator[None]:
    """End a test that hangs; see that no connection and no memory is left behind."""
    sockets, memory = open_sockets(server.pid), resident_kb(server.pid)
    with time_limit(40):
        yield
    wait_until(lambda: open_sockets(server.pid) <= sockets, "every connection is closed", 10.0)
    assert resident_kb(server.pid) - memory < 50_000
    assert_calm(server)


def signed_in(server: RunningServer, name: str, *, tls: bool = False) -> Caller:
    """Sign somebody in on a new connection."""
    account = server.accounts[name]
    line = Line(server.tls_port, ca=server.ca) if tls else Line(server.tcp_port)
    return Caller(line, account.address, account.password).sign_in()


# --- slow and silent


def test_who_does_not_sign_in_is_sent_away_in_time(server: RunningServer) -> None:
    """Silent, dripping a header byte by byte, stuck before or after the TLS handshake: all end after two seconds."""
    alice = signed_in(server, "alice")
    silent = Line(server.tcp_port)
    dripping = Line(server.tcp_port)
    no_handshake = Line(server.tls_port)
    half_handshake = Line(server.tls_port)
    half_handshake.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    after_handshake = Line(server.tls_port, ca=server.ca)
    asking = Line(server.tcp_port)
    begun = time.monotonic()
    dripping.send(b"OPTIONS sip:example.test SIP/2.0\r\nX-Slow: ")
    with contextlib.suppress(Gone):
        while not dripping.is_closed(0.05):
            assert time.monotonic() - begun < PATIENCE_S, "a client that drips is not sent away"
            dripping.send(b"a")
            asking.send(b"\r\n\r\n")
    assert time.monotonic() - begun > 1.5
    for line in (silent, dripping, no_handshake, half_handshake, after_handshake, asking):
        assert line.is_closed()
    assert alice.is_well()


def test_a_crowd_of_strangers_is_bounded_and_leaves_room_behind(server: RunningServer) -> None:
    """Five hundred connections from one address: the oldest make room for the others, and for Bob; when they are gone all is well."""
    alice = signed_in(server, "alice")
    crowd = [Line(server.tcp_port) for _ in range(500)]
    assert crowd[0].is_closed(2.0)
    assert not crowd[-1].is_closed(0.05)
    assert alice.is_well()
    bob = signed_in(server, "bob", tls=True)
    assert bob.is_well()
    bob.line.close()
    for line in crowd:
        line.close()
    wait_until(lambda: open_sockets(server.pid) < STRANGERS, "the crowd is gone")
    assert signed_in(server, "bob", tls=True).is_well()
    assert server.log().count("strangers make room") < 5


def test_the_wrong_language_is_turned_away(server: RunningServer) -> None:
    """HTTP to the SIP port gets one readable line; garbage or SIP to the TLS port ends; nobody else notices."""
    alice = signed_in(server, "alice", tls=True)
    http = socket.create_connection(("127.0.0.1", server.tcp_port), 5)
    http.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    with http, http.makefile("rb") as answer:
        assert answer.read().startswith(b"SIP/2.0 400 ")
    for first in (
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        encode(alice.request("OPTIONS", "sip:example.test")),
        b"\x16\x03\x01\xff\xff" + b"\xff" * 70_000,
        b"\x16\x03\x00\x00\x01\x00",
        b"\x80\x2e\x01\x00\x02",
        b"\0" * 1_000,
        b"SSH-2.0-x\r\n",
    ):
        line = Line(server.tls_port)
        with contextlib.suppress(Gone):
            line.send(first)
        assert line.is_closed(4.0), first[:20]
        if first[:1] not in (b"\x16", b"\x80"):
            other = Line(server.tcp_port)
            other.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n")
            assert other.is_closed()
    assert alice.is_well()


def test_a_half_closed_connection_ends(server: RunningServer) -> None:
    """Who has nothing more to say is answered what can be, and the connection is given back."""
    for name, tls in (("alice", False), ("bob", True)):
        caller = signed_in(server, name, tls=tls)
        caller.send(caller.request("OPTIONS", "sip:example.test"))
        caller.line.socket.shutdown(socket.SHUT_WR)
        assert caller.line.is_closed()


def test_a_flood_of_keep_alives_is_passed_over(server: RunningServer) -> None:
    """A megabyte of line ends is nothing; the message behind it is answered."""
    alice = signed_in(server, "alice")
    for _ in range(16):
        alice.line.send(b"\r\n" * 32_768)
    assert alice.is_well()


# --- greedy


def test_requests_beyond_the_rate_wait_for_their_turn(server: RunningServer) -> None:
    """Each gets its answer, as slowly as the rate has it; nobody else waits."""
    alice, bob = signed_in(server, "alice"), signed_in(server, "bob")
    asked = [alice.request("OPTIONS", "sip:example.test") for _ in range(BURST * 2)]
    alice.line.send(b"".join(encode(alice.keys.sign(request)) for request in asked))
    assert bob.is_well()
    assert {alice.answer_to(request, 30.0).status for request in asked} == {200}
    assert alice.is_well()


def test_a_flood_is_slowed_by_not_reading_it(server: RunningServer) -> None:
    """Who writes without end is heard no faster than his rate has it; the server's memory stays, and others are heard."""
    alice, bob = signed_in(server, "alice"), signed_in(server, "bob")
    before = resident_kb(server.pid)
    one = encode(alice.keys.sign(alice.request("OPTIONS", "sip:example.test")))
    alice.line.socket.settimeout(1.0)
    begun, written = time.monotonic(), 0
    with contextlib.suppress(TimeoutError):
        while time.monotonic() - begun < 5.0:
            written += 1
            alice.line.socket.sendall(one.replace(b";branch=z9hG4bK", b";branch=z9hG4bK%d" % written))
    heard = server.log().count("does not verify: replayed")
    assert 0 < heard < BURST + 100.0 * (time.monotonic() - begun)
    assert heard < written / 2
    assert resident_kb(server.pid) - before < 20_000
    assert bob.is_well()
    alice.line.close()


def test_invitations_that_ring_are_bounded(server: RunningServer) -> None:
    """One connection has only so many requests under way; when it is gone, all that rang is cancelled."""
    alice, bob = signed_in(server, "alice"), signed_in(server, "bob")
    invitations = [wishes.invite(alice, BOB) for _ in range(PENDING + 5)]
    with Answering(bob, lambda request: response_to(request, 180 if request.method == "INVITE" else 200)) as ringing:
        for request in invitations:
            alice.send(request)
        for request in invitations[PENDING:]:  # some seconds later
            assert alice.answer_to(request).status == 503
        wait_until(lambda: methods(ringing).count("INVITE") == PENDING, "every other one rings")
        alice.line.close()
        wait_until(lambda: methods(ringing).count("CANCEL") == PENDING, "every invitation is cancelled")
    assert methods(ringing).count("INVITE") == PENDING
    assert bob.is_well()


def methods(answering: Answering) -> list[str]:
    """Give what somebody heard."""
    return [request.method for request in answering.heard]


def test_subscriptions_are_bounded(server: RunningServer) -> None:
    """One more than the bound is refused; ending one makes room."""
    alice = signed_in(server, "alice")
    statuses = []
    for _ in range(SUBSCRIPTIONS + 5):
        last = wishes.watch(alice, BOB)
        statuses.append(alice.ask(last).status)
    assert statuses == [200] * SUBSCRIPTIONS + [503] * 5
    assert alice.is_well()


def test_more_contacts_and_groups_than_allowed_are_refused(server: RunningServer) -> None:
    """Sixty-four groups, "Other Contacts" among them; the next one is refused, and the list is as it was."""
    dave = signed_in(server, "dave")
    statuses = [dave.ask(wishes.add_group(dave, f"group {number}")).status for number in range(70)]
    assert statuses == [200] * 63 + [413] * 7


# --- deaf


def test_a_client_that_never_reads_is_dropped_and_costs_nobody_else(server: RunningServer) -> None:
    """What piles up for Bob is bounded: Alice hears that he cannot be reached, and goes on."""
    alice = signed_in(server, "alice")
    account = server.accounts["bob"]
    bob = Caller(Line(server.tcp_port), account.address, account.password).sign_in()
    asked = [wishes.page(alice, BOB, "x" * 200_000) for _ in range(PENDING - 5)]
    for request in asked:
        alice.send(request)
    statuses = {alice.answer_to(request).status for request in asked}
    assert statuses <= {430, 480}, statuses
    assert "left" in server.tail() and "unwritten_bytes" in server.log()
    assert alice.is_well()
    bob.line.close()


# --- gone in the middle


def inviting(server: RunningServer, *, rings: bool) -> tuple[Caller, Caller, Request]:
    """Have Alice invite Bob, who has heard of it, and rings or does not yet; give both, and what she sent."""
    alice, bob = signed_in(server, "alice"), signed_in(server, "bob")
    invitation = wishes.invite(alice, BOB)
    alice.send(invitation)
    heard = bob.await_request("INVITE")
    if rings:
        bob.answer(heard, 180, tag="b")
        alice.await_(lambda message: isinstance(message, Response) and message.status == 180)
    return alice, bob, invitation


def test_an_inviter_who_vanishes_stops_the_ringing(server: RunningServer) -> None:
    """Before or after the other side rings: CANCEL."""
    for rings in (False, True):
        alice, bob, invitation = inviting(server, rings=rings)
        alice.line.close()
        assert bob.await_request("CANCEL").call_id == invitation.call_id
        assert bob.is_well()
        bob.line.close()


def test_somebody_who_vanishes_while_it_rings_is_unreachable(server: RunningServer) -> None:
    """The inviter hears so at once, and does not wait until it times out."""
    for rings in (False, True):
        alice, bob, invitation = inviting(server, rings=rings)
        bob.line.close()
        assert alice.answer_to(invitation, 3.0).status in (430, 480)
        assert alice.is_well()
        alice.line.close()


def talking(alice: Caller, bob: Caller, *, acknowledged: bool = True) -> tuple[Request, str]:
    """Have two people talk; give the invitation and Bob's tag."""
    invitation = wishes.invite(alice, BOB)
    alice.send(invitation)
    bob.answer(bob.await_request("INVITE"), 200, tag="b0b")
    assert alice.answer_to(invitation).status == 200
    if acknowledged:
        alice.send(within(alice, "ACK", invitation, "b0b"))
        bob.await_request("ACK")
    return invitation, "b0b"


def within(alice: Caller, method: str, invitation: Request, tag: str) -> Request:
    """Write a request of the caller in the dialog."""
    return alice.request(
        method,
        f"sip:{BOB}",
        to=f"<sip:{BOB}>;tag={tag}",
        from_=invitation.headers.get("From") or "",
        call_id=invitation.call_id,
        cseq=invitation.cseq.number + (method != "ACK"),
        content_type="text/plain" if method == "MESSAGE" else "",
        body=b"hi" if method == "MESSAGE" else b"",
    )


@pytest.mark.parametrize("acknowledged", [False, True], ids=["before the ACK", "in the talk"])
def test_a_talk_ends_when_one_side_vanishes(server: RunningServer, acknowledged: bool) -> None:
    """The other side gets a BYE, and the record says how it ended."""
    for leaver in (0, 1):
        alice, bob = signed_in(server, "alice"), signed_in(server, "bob")
        invitation, _ = talking(alice, bob, acknowledged=acknowledged)
        gone, left = ((alice, bob), (bob, alice))[leaver]
        gone.line.close()
        bye = left.await_request("BYE", 3.0)
        left.answer(bye, 200)
        assert left.is_well()
        left.line.close()
        wait_until(
            lambda call_id=invitation.call_id: server.sql(
                "select * from sessions where call_id = ? and ended_at > 0", call_id
            ),  # type: ignore[misc]  # mypy cannot infer a lambda's default
            "the record has an end",
        )


def test_a_talk_with_a_message_under_way_ends_with_an_answer(server: RunningServer) -> None:
    """The receiver vanishes instead of answering: the sender hears that it did not arrive."""
    alice, bob = signed_in(server, "alice"), signed_in(server, "bob")
    invitation, tag = talking(alice, bob)
    message = within(alice, "MESSAGE", invitation, tag)
    alice.send(message)
    bob.await_request("MESSAGE")
    bob.line.close()
    assert alice.answer_to(message, 3.0).status in (430, 480, 481)
    assert alice.is_well()


def test_connections_cut_at_every_byte_of_a_sign_in_leave_nothing(server: RunningServer) -> None:
    """Wherever a client is cut off, its place is given back."""
    account = server.accounts["alice"]
    caller = Caller(Line(server.tcp_port), account.address, account.password)
    data = encode(caller.register())
    for start, end in pairwise(range(0, len(data), 7)):
        line = Line(server.tcp_port)
        line.send(data[:end] if start % 2 else data + data[:end])
        line.close()
    caller.line.close()
    assert signed_in(server, "alice").is_well()
