"""Two people talk; what is not delivered is said to be; and each session leaves its record."""

import re
from collections.abc import Iterator

import pytest

from lyncpy.sip.message import Request, Response
from tests.interop.conftest import Clients, SessionsOf
from tests.kit.actors import PUBLISH_TYPE
from tests.kit.call_rules import named, rules
from tests.kit.caller import Caller, Line
from tests.kit.phones import OFFER
from tests.kit.presence import publication, publish_body
from tests.kit.purple_client import PurpleClient
from tests.kit.server import RunningServer, latest, wait_until

pytestmark = pytest.mark.interop

UNDELIVERED = re.compile(r"not delivered to .*offline", re.DOTALL)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Give a server that waits no longer for an answer than its settings admit."""
    home = tmp_path_factory.mktemp("server") / "home"
    with RunningServer(home, im__message_s=5.0, im__record_counts_s=0.1).init().serving() as running:
        yield running


def talking(clients: Clients, *names: str) -> list[PurpleClient]:
    """Sign in and exchange a word each way, so that there is a session."""
    one, other = made = clients(*names)
    one.send_im(other.address, "knock knock")
    other.wait_for("im", who=one.uri, text="knock knock")
    other.send_im(one.address, "who is there?")
    one.wait_for("im", who=other.uri, text="who is there?")
    one.settle()
    other.settle()
    return made


@pytest.mark.libraries
def test_messages_go_both_ways(clients: Clients, sessions_of: SessionsOf) -> None:
    """Alice and Bob talk in one session, with any characters; its record counts what each said."""
    alice, bob = talking(clients, "alice", "bob")
    for text in ("Grüße aus Köln — ☕ 你好 🙂", "1 < 2 & 3 > 2", '"quoted" \\ back'):
        alice.send_im(bob.address, text)
        bob.wait_for("im", who=alice.uri, text=text)
    bob.send_im(alice.address, "ja")
    alice.wait_for("im", who=bob.uri, text="ja")
    alice.settle()

    alice.close_im(bob.address)

    wait_until(lambda: latest(sessions_of(alice, bob), "ended_at"), "the end in the record")
    record = sessions_of(alice, bob)[-1]
    assert (record["user1_messages"], record["user2_messages"], record["messages_failed"]) == (4, 2, 0)
    assert (record["response_code"], record["ended_by"], record["end_reason"]) == (200, "user1", "bye")
    assert record["answered_at"] >= record["invited_at"]
    assert record["ended_at"] >= record["answered_at"]
    assert "Sipe/1.25" in record["user1_client"] and "Sipe/1.25" in record["user2_client"]
    assert record["user1_endpoint"] and record["user2_endpoint"] not in ("", record["user1_endpoint"])
    assert (record["media"], len(bob.sip("received", "INVITE"))) == ("im", 1)


def test_a_long_text_arrives_whole(clients: Clients) -> None:
    """A text of many lines arrives whole, both as the first of a session, inside the invitation, and later."""
    carol, dave = clients("carol", "dave")
    text = "ä ".join(str(number) for number in range(1000))

    for _ in range(2):
        carol.send_im(dave.address, text)
        assert dave.wait_for("im", who=carol.uri)["text"] == text


def test_typing_is_seen(clients: Clients) -> None:
    """Bob sees that Alice types, and the message that comes of it."""
    alice, bob = talking(clients, "alice", "bob")

    alice.typing(bob.address)

    bob.wait_for("typing", who=alice.uri, typing=True)


def test_a_closed_window_is_opened_by_the_next_message(clients: Clients, sessions_of: SessionsOf) -> None:
    """After Alice has closed the window, Bob's next word begins a second session."""
    alice, bob = talking(clients, "alice", "bob")
    alice.close_im(bob.address)
    alice.settle()

    bob.send_im(alice.address, "one more thing")
    alice.wait_for("im", who=bob.uri, text="one more thing")
    bob.settle()

    wait_until(lambda: latest(sessions_of(bob, alice), "user1_messages") == 1, "a record of the second session")
    assert sessions_of(bob, alice)[-1]["ended_at"] is None


def test_to_somebody_offline_it_is_not_delivered(clients: Clients, sessions_of: SessionsOf) -> None:
    """Alice is told at once that Frank is offline; the record says that the session was refused with 480."""
    (alice,) = clients("alice")
    frank = clients.make("frank")

    alice.send_im(frank.address, "are you there?")

    assert UNDELIVERED.search(alice.wait_for("conv_error", who=frank.uri)["text"])
    wait_until(lambda: sessions_of(alice, frank), "a record")
    (record,) = sessions_of(alice, frank)
    assert (record["response_code"], record["end_reason"], record["user1_messages"]) == (480, "rejected", 0)
    assert record["diagnostic_id"] is not None


def test_to_nobody_it_is_not_delivered(clients: Clients, server: RunningServer) -> None:
    """Alice is told that a message to an address that does not exist was not delivered."""
    (alice,) = clients("alice")

    alice.send_im("nobody@example.test", "hello?")

    alice.wait_for("conv_error", who="sip:nobody@example.test", text=UNDELIVERED)
    query = "select * from sessions where user2 = 'sip:nobody@example.test'"
    wait_until(lambda: server.sql(query), "a record")
    (record,) = server.sql(query)
    assert record["response_code"] == 404


def test_to_a_frozen_client_it_is_not_delivered(
    clients: Clients, sessions_of: SessionsOf, server: RunningServer
) -> None:
    """Nobody acknowledges for a machine that hangs: the sender hears that it was not delivered, and soon it is gone."""
    alice, bob = talking(clients, "alice", "bob")
    bob.freeze()

    alice.send_im(bob.address, "still with us?")

    assert "still with us?" in alice.wait_for("conv_error", who=bob.uri)["text"]
    wait_until(lambda: latest(sessions_of(alice, bob), "messages_failed") == 1, "the failure in the record")
    gone = re.compile(f"{re.escape(bob.uri)} closed: its client does not answer")
    wait_until(lambda: gone.search(server.log()), "that its client is taken for gone")


def test_a_vanished_client_ends_its_session(clients: Clients, sessions_of: SessionsOf) -> None:
    """Bob's machine dies: the session is over, and Alice's next word is not delivered."""
    alice, bob = talking(clients, "alice", "bob")

    bob.kill()

    # Until it is written, the last record is that of their talk before.
    wait_until(lambda: latest(sessions_of(alice, bob), "end_reason") == "connection lost", "the end in the record")
    alice.send_im(bob.address, "hello?")
    alice.wait_for("conv_error", who=bob.uri, text=UNDELIVERED)


def test_a_blocked_person_is_told_that_the_other_is_offline(clients: Clients) -> None:
    """Dave cannot tell that Carol has blocked him; she does not hear of it."""
    carol, dave = clients("carol", "dave")
    carol.add_buddy(dave.address)
    carol.wait_presence(dave.address, status="available")
    carol.block(dave.address)
    carol.settle()

    dave.send_im(carol.address, "talk to me")

    dave.wait_for("conv_error", who=carol.uri, text=UNDELIVERED)
    assert not carol.sip("received", "INVITE")


def test_of_two_clients_the_first_that_answers_has_the_session(clients: Clients, sessions_of: SessionsOf) -> None:
    """An invitation goes to both of Bob's machines; one has the session, and the other one is left out of it.

    Client: with two devices it accepts after ten seconds. The other one accepts too, in spite
    of the CANCEL, and must not be left in a session with nobody.
    """
    alice, *devices = clients("alice", "bob", "bob@laptop")
    devices[0].until(lambda: devices[0].log().count('<category name="device"') > 1, "two devices of his own")

    alice.send_im(devices[0].address, "which one?")

    devices[0].until(lambda: _heard(devices), "the message at one of them")
    (winner,) = _heard(devices)
    (loser,) = set(devices) - {winner}
    loser.until(lambda: loser.sip("received", "CANCEL"), "a CANCEL")
    loser.until(lambda: loser.sip("received", "BYE"), "an end of what it accepted late")
    winner.send_im(alice.address, "this one")
    alice.wait_for("im", who=winner.uri, text="this one")
    assert _heard(devices) == [winner]
    wait_until(lambda: latest(sessions_of(alice, winner), "user2_messages"), "his word in the record")
    record = sessions_of(alice, winner)[-1]
    assert (record["response_code"], record["user1_messages"], record["user2_messages"]) == (200, 1, 1)


def _heard(devices: list[PurpleClient]) -> list[PurpleClient]:
    return [device for device in devices if any(event["event"] == "im" for event in device.events)]


def test_what_is_written_before_the_client_has_accepted_arrives(clients: Clients) -> None:
    """Bob, with two clients, happens to write to Alice while his client still keeps her invitation waiting."""
    alice, here, there = clients("alice", "bob", "bob@laptop")
    here.until(lambda: here.log().count('<category name="device"') > 1, "two devices of his own")
    alice.send_im(here.address, "hello")
    there.until(lambda: there.sip("received", "INVITE"), "an invitation")

    there.send_im(alice.address, "I was about to write to you")

    alice.wait_for("im", who=here.uri, text="I was about to write to you")
    assert not [event for event in there.events if event["event"] == "conv_error"]


def test_a_forwarded_call_rings_the_third(clients: Clients, server: RunningServer) -> None:
    """Bob has set that Carol takes his calls: her client rings, is told whose call it is, and rings no more when Alice gives up.

    It has no sound here, so nobody takes the call.
    """
    (carol,) = clients("carol")
    alice, bob = (
        Caller(Line(server.tcp_port), server.accounts[name].address, server.accounts[name].password).sign_in()
        for name in ("alice", "bob")
    )
    wanted = rules("forward_immediate enablecf", named("forwardto", carol.uri))
    body = publish_body(bob.aor, publication("routing", 0, 200, wanted, "static", 0))
    published = bob.ask(bob.request("SERVICE", content_type=PUBLISH_TYPE, body=body))
    assert published.status == 200
    invite = alice.request("INVITE", bob.aor, content_type="application/sdp", body=OFFER)
    alice.send(invite)
    wait_until(lambda: carol.sip("received", "INVITE"), "the INVITE at Carol's client")
    (heard,) = carol.sip("received", "INVITE")
    assert f"<{bob.aor}>;index=1;ms-retarget-reason=forwarding" in heard
    alice.await_(lambda one: isinstance(one, Response) and one.status == 180)
    dropped = invite.headers.edited(drop=["Contact", "Content-Type"], put=[("CSeq", f"{invite.cseq.number} CANCEL")])
    alice.send(Request("CANCEL", invite.uri, dropped))
    assert alice.answer_to(invite).status == 487
    wait_until(lambda: carol.sip("received", "CANCEL"), "the CANCEL at Carol's client")
    for one in (alice, bob):
        one.line.close()
