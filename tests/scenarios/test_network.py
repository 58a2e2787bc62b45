"""What networks and clients do to a server: slow lines, bytes in pieces, clients that do not read, cuts."""

import pytest

from tests.kit.stage import Stage

SMALL = {"sip": {"unwritten_bytes": 65_536}}
"""The least that the server may keep for a client that does not read."""


def _publishes_a_lot(stage: Stage, times: int) -> None:
    """Have Alice's note change again and again; each is 20 KB to every watcher."""
    alice = next(actor for actor in stage.actors if actor.sip.user == "alice")
    for number in range(times):
        assert alice.publishes(note=f"{number} " + "x" * 20_000, container=200).status == 200


@pytest.mark.parametrize("piece_bytes", [1, 7, 1000])
def test_bytes_may_come_in_any_pieces(stage: Stage, piece_bytes: int) -> None:
    """Sign-in and a conversation byte by byte."""
    stage.network.piece_bytes = piece_bytes
    alice, bob = stage.actor("alice"), stage.actor("bob")
    assert (alice.sip.register().status, bob.sip.register().status) == (200, 200)
    assert alice.pages(bob, "grüße " * 50).status == 200
    assert bob.texts[0].words == "grüße " * 50


def test_many_requests_may_come_in_one_piece(stage: Stage) -> None:
    """A client does not wait for answers; each is answered, and messages keep their order."""
    alice, bob = stage.sign_in("alice", "bob")
    talk, _ = alice.talks_to(bob)
    with alice.in_one_breath():
        said = [talk.says(f"{number}") for number in range(50)]
    assert [exchange.status for exchange in said] == [200] * 50
    assert [text.words for text in bob.texts] == [str(number) for number in range(50)]


def test_a_slow_line_changes_nothing_but_the_time(stage: Stage) -> None:
    """A second each way: sign-in, presence and a conversation all come about."""
    stage.network.latency_s = 1.0
    alice, bob = stage.sign_in("alice", "bob")
    bob.watches(alice)
    stage.passes(3)
    assert bob.hears(alice).availability == "available"
    talk = alice.invites(bob)
    stage.passes(5)
    assert talk.is_answered
    said = talk.says("far away")
    stage.passes(5)
    assert said.status == 200


def test_a_client_that_does_not_read_is_dropped_and_nobody_else_notices() -> None:
    """What must not be lost is bounded; carol hears everything, bob is gone and may come back."""
    with Stage.opened(**SMALL) as stage:
        alice, bob, carol = stage.sign_in("alice", "bob", "carol")
        carol.watches(bob)
        bob.sip.connect().stop_reading()
        bob.is_silent()

        for number in range(12):
            alice.pages(bob, f"{number} " + "x" * 20_000)

        assert not bob.sip.is_connected
        assert alice.pages(carol, "are you there?").status == 200
        assert carol.hears(bob).availability == "offline"
        bob.signs_in()


def test_a_client_that_does_not_read_presence_is_told_the_latest_when_it_reads_on() -> None:
    """However much is published meanwhile, the server keeps little, drops nobody, and nothing stale is left."""
    with Stage.opened(**SMALL) as stage:
        alice, bob, carol, dave = stage.sign_in("alice", "bob", "carol", "dave")
        for watcher in (bob, carol):
            watcher.watches(alice, dave)
        told = len(bob.others.told)
        line = bob.sip.connect()
        line.stop_reading()

        _publishes_a_lot(stage, 60)
        dave.publishes(6500)
        alice.publishes(9500)

        assert carol.hears(alice).note.startswith("59 ")
        assert sum(flow.unwritten_bytes for flow in stage.ground.flows.facts()) < 200_000
        line.read_again()
        stage.settle()
        assert bob.hears(alice).note.startswith("59 ")
        assert bob.hears(alice).availability == "do not disturb"
        assert bob.hears(dave).availability == "busy"
        assert len(bob.others.told) - told < 15
        alice.publishes(note="and on", container=200)
        assert bob.hears(alice).note == "and on"


def test_a_client_that_reads_again_in_time_has_missed_nothing() -> None:
    """It stops for a moment, and finds everything that came meanwhile, in order."""
    with Stage.opened(**SMALL) as stage:
        alice, bob = stage.sign_in("alice", "bob")
        bob.watches(alice)
        told = len(bob.others.told)
        line = bob.sip.connect()
        line.stop_reading()
        _publishes_a_lot(stage, 5)
        assert len(bob.others.told) == told
        line.read_again()
        assert bob.hears(alice).note.startswith("4 ")
        assert len(bob.others.told) == told + 5


def test_a_client_that_does_not_read_is_not_read_from_either() -> None:
    """What it asks waits until it reads again; then it is answered."""
    with Stage.opened(**SMALL) as stage:
        alice, bob, carol = stage.sign_in("alice", "bob", "carol")
        bob.watches(alice)
        line = bob.sip.connect()
        line.stop_reading()
        _publishes_a_lot(stage, 5)
        asked = bob.pages(carol, "can you hear me?")
        assert carol.texts == []
        line.read_again()
        stage.settle()
        assert asked.status == 200
        assert [text.words for text in carol.texts] == ["can you hear me?"]


def test_what_is_no_sip_ends_its_connection_only(stage: Stage) -> None:
    """Somebody speaks HTTP to the port; Alice talks on."""
    alice, bob = stage.sign_in("alice", "bob")
    heard: list[bytes] = []
    line = stage.network.connect("10.6.6.6", heard.append)
    line.send(b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n")
    stage.passes(1)
    assert not line.is_open
    assert b"".join(heard).startswith(b"SIP/2.0 400 ")
    assert alice.talks_to(bob)[0].says("all well").status == 200


def test_a_broken_message_is_refused_and_its_connection_serves_on(stage: Stage) -> None:
    """What can be framed can be answered: 400, and the next request is answered as ever."""
    alice, bob = stage.sign_in("alice", "bob")
    request = alice.sip.request("MESSAGE", bob.aor, [("Content-Type", "text/plain")], b"hi")
    broken = alice.sip.ask(request.edited(put=[("Max-Forwards", "many")]))
    assert broken.status == 400
    assert alice.pages(bob, "hello").status == 200


def test_a_body_that_is_too_large_is_refused_and_its_connection_serves_on(stage: Stage) -> None:
    """413, and the next message arrives."""
    alice, bob = stage.sign_in("alice", "bob")
    assert alice.pages(bob, "x" * 300_000).status == 413
    assert alice.pages(bob, "in short").status == 200
    assert [text.words for text in bob.texts] == ["in short"]


def test_a_client_that_floods_is_slowed_and_others_are_not() -> None:
    """Beyond its rate its messages wait for their turn; all of them arrive, in order."""
    with Stage.opened(limits={"requests_per_s": 5.0, "requests_burst": 40.0}) as stage:
        alice, bob, carol = stage.sign_in("alice", "bob", "carol")
        exchanges = [alice.pages(bob, str(number)) for number in range(60)]
        late = [one for one in exchanges if one.is_pending]
        assert len(late) > 10
        assert carol.pages(bob, "unhurried").status == 200
        stage.passes(10)
        assert {one.status for one in exchanges} == {200}
        assert [text.words for text in bob.texts if text.words != "unhurried"] == [str(n) for n in range(60)]
        stage.passes(10)
        assert alice.pages(bob, "sorry").status == 200
