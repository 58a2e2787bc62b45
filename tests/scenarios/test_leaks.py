"""What is left of people who came, did everything, and left: nothing."""

import gc
import weakref

import pytest
from twisted.logger import Logger

from lyncpy.wire.stream import SipStream
from tests.kit.actors import CONTACTS, SELF, Actor
from tests.kit.deployment import CAST
from tests.kit.logs import LogEar
from tests.kit.stage import Stage

IDLE_S = 60.0
"""After which the last answered transaction is forgotten."""


def _a_busy_day(stage: Stage) -> list[Actor]:
    """Let everybody watch everybody, talk, ring, cancel, decline and leave things undone."""
    actors = [*stage.sign_in(*CAST), *stage.sign_in("alice", "bob")]
    alice, bob, carol, dave, erin, frank, _, _, phone = actors
    for actor in actors:
        actor.watches(*{other.aor for other in actors})
        actor.publishes(6500, note="busy")
        actor.adds(alice.aor)
    phone.lets_it_ring()
    talk, _ = alice.talks_to(bob)
    talk.says("hello")
    dave.lets_it_ring()
    carol.invites(dave)
    cancelled = erin.invites(dave)
    cancelled.cancels()
    frank.is_silent()
    carol.invites(frank)
    erin.declines()
    carol.invites(erin)
    carol.pages("sip:nobody@example.com", "hello?")
    carol.ignores_messages = True
    alice.pages(carol, "are you there?")
    return actors


@pytest.mark.parametrize("way", ["signs_out", "hangs_up_the_line", "is_cut_off"])
def test_all_tables_are_empty_when_everybody_has_left(stage: Stage, way: str) -> None:
    """However they leave: politely, by closing the connection, or by losing it."""
    for actor in _a_busy_day(stage):
        getattr(actor, way)()
    stage.passes(IDLE_S)
    assert {name: count for name, count in stage.tables().items() if count} == {}


def test_all_tables_are_empty_when_everybody_has_vanished(stage: Stage) -> None:
    """Nobody says goodbye, and no connection is seen to end: silence is enough."""
    for actor in _a_busy_day(stage):
        actor.sip.connect().vanish()
    stage.passes(1000 + IDLE_S)
    assert {name: count for name, count in stage.tables().items() if count} == {}


def test_a_lapsed_registration_leaves_nothing_but_its_connection(stage: Stage) -> None:
    """A client that keeps its line alive but forgets to refresh has no endpoint, subscription or session left."""
    alice, bob = stage.sign_in("alice", "bob")
    alice.watches(bob)
    alice.talks_to(bob)
    stage.passes(7300)
    left = {name: count for name, count in stage.tables().items() if count}
    assert set(left) <= {"connections", "flows at the gate"}


def test_connections_leave_no_objects_behind(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the server made for a connection is collected once that is over."""
    # Until a process begins to log, Twisted keeps the events, and with them who logged.
    monkeypatch.setattr(SipStream, "log", Logger(observer=LogEar()))
    actors = _a_busy_day(stage)
    streams = [weakref.ref(line.protocol) for line in stage.network.lines]
    for actor in actors:
        actor.is_cut_off()
    stage.passes(IDLE_S + 400)
    del actor
    actors.clear()
    stage.actors.clear()
    stage.network.lines.clear()
    gc.collect()
    assert [stream() for stream in streams if stream() is not None] == []


def test_who_leaves_while_the_store_is_asked_leaves_nothing(stage: Stage) -> None:
    """Everything that a client asks at sign-in waits for the disk when its connection breaks."""
    alice = stage.actor("alice")
    alice.sip.register()
    stage.disk.slow_down()
    with alice.in_one_breath():
        alice.sip.subscribe(CONTACTS)
        alice.sip.subscribe(SELF)
        alice.watches("sip:bob@example.com", "sip:carol@example.com")
        alice.publishes(3500, note="x")
        alice.adds("sip:bob@example.com")
        alice.invites("sip:dave@example.com")
    alice.is_cut_off()
    stage.disk.catch_up()
    stage.passes(IDLE_S)
    assert {name: count for name, count in stage.tables().items() if count} == {}


def test_who_leaves_while_his_password_is_looked_up_leaves_nothing(stage: Stage) -> None:
    """The handshake's last step waits for the disk when the connection breaks."""
    alice = stage.actor("alice")
    steps = alice.sip.registering()
    next(steps)
    stage.disk.slow_down()
    last = list(steps)[-1]
    alice.is_cut_off()
    stage.disk.catch_up()
    stage.passes(IDLE_S)
    assert last.is_pending
    assert {name: count for name, count in stage.tables().items() if count} == {}


def test_hundreds_of_sign_ins_that_fail_leave_nothing(stage: Stage) -> None:
    """Strangers come and go; no handshake of theirs stays."""
    for number in range(200):
        stranger = stage.actor("alice", password="guess", address=f"10.7.{number}.1")
        steps = stranger.sip.registering()
        next(steps)
        if number % 2:
            next(steps)
        stranger.is_cut_off()
    stage.passes(IDLE_S)
    assert {name: count for name, count in stage.tables().items() if count} == {}
