"""A client in disorder: numbers, tags and names of dialogs that do not fit. Each request gets an answer, and no bug is met."""

from collections.abc import Iterator
from itertools import product
from random import Random

import pytest

from lyncpy.sip.dialog import Dialog
from lyncpy.sip.message import Headers, Request
from tests.kit.actors import Actor
from tests.kit.stage import Stage

METHODS = ("SUBSCRIBE", "MESSAGE", "INFO", "INVITE", "UPDATE", "PRACK", "REFER", "NOTIFY", "SERVICE", "OPTIONS", "BYE")
EVENTS = ("presence", "vnd-microsoft-roaming-contacts", "vnd-microsoft-roaming-self", "conference", "presence.wpending")
NUMBERS = (0, 1, 2, 7, 2**31 - 1)
BODIES = (
    ("", b""),
    ("text/plain", b"hi"),
    ("application/sdp", b"v=0\r\n"),
    ("application/msrtc-adrl-categorylist+xml", b"<x/>"),
    ("application/cccp+xml", b"<request/>"),
    ("application/x-unknown", b"\xff"),
)


def dialogs(*actors: Actor) -> list[Dialog]:
    """Give every dialog that people are in."""
    found = [dialog for actor in actors for dialog in actor.sip.subscriptions.values()]
    found += [talk.dialog for actor in actors for talk in actor.talks if talk.dialog is not None]
    return found + [seat.dialog for actor in actors for seat in actor.seats if seat.dialog is not None]


def wrong(known: list[Dialog], chance: Random) -> Iterator[tuple[str, str, str, str, int]]:
    """Give names of dialogs that do not fit: target, Call-ID, From and To as two of them have it, and a number."""
    for number in NUMBERS:
        first, second, third = (chance.choice(known) for _ in range(3))
        yield first.target, first.call_id, second.local, third.remote, number
        yield first.target, first.call_id, first.local, first.remote, number
        yield second.target, first.call_id, first.local, first.remote.partition(";tag=")[0], number
        yield first.target, second.call_id, first.local, first.remote, number


@pytest.mark.parametrize("seed", range(3))
def test_nothing_that_does_not_fit_is_a_bug(stage: Stage, seed: int) -> None:
    """Whatever a signed-in client sends within or beside its dialogs is answered with 2xx to 6xx; afterwards all works."""
    chance = Random(seed)
    alice, bob, carol = stage.sign_in("alice", "bob", "carol")
    alice.watches(bob)
    alice.talks_to(bob)
    meeting = bob.meets()
    alice.joins(meeting.focus)
    known = dialogs(alice, bob)
    assert len(known) > 3
    for method, (target, call_id, from_, to, number) in product(METHODS, wrong(known, chance)):
        kind, body = chance.choice(BODIES)
        fields = [("From", from_), ("To", to), ("Call-ID", call_id), ("CSeq", f"{number} {method}")]
        fields += [("Event", chance.choice(EVENTS)), ("Max-Forwards", "70"), ("Contact", f"<{alice.sip.gruu}>")]
        fields += [("Expires", chance.choice(("0", "600")))] + ([("Content-Type", kind)] if kind else [])
        exchange = alice.sip.ask(Request(method, target, Headers(fields), body))
        stage.passes(0.1)
        assert len(exchange.finals) <= 1
    stage.passes(60)
    assert carol.pages(bob, "as ever").status == 200
