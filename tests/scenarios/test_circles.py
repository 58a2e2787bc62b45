"""What has ended is freed at once: nothing that the server made refers to itself.

What lives through one look for garbage is not looked at for a day (`app.garbage`), and what rings lives long.
"""

import gc
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FunctionType, MethodType

import pytest

from lyncpy.contracts.directory import Group
from lyncpy.contracts.names import Aor
from tests.kit.actors import CONTACTS, SELF, Actor
from tests.kit.stage import Stage
from tests.kit.talks import Manner, Talk

SDP = "application/sdp"

OURS = ("lyncpy.", "twisted.", "builtins.coroutine", "builtins.generator")

FORGOTTEN_S = 60.0
"""After which the last answered transaction is forgotten."""


@contextmanager
def _no_circles(stage: Stage) -> Iterator[None]:
    """Let something happen, and find that no object of the server is garbage afterwards."""
    stage.passes(FORGOTTEN_S)
    gc.collect()
    gc.freeze()  # what was before, the stages of other tests for one, is not this story's
    gc.disable()
    try:
        yield
        stage.passes(FORGOTTEN_S)
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
    finally:
        gc.set_debug(0)
        gc.enable()
        garbage, gc.garbage[:] = list(gc.garbage), []
    names = [_name(thing) for thing in garbage]
    assert Counter(name for name in names if name.startswith(OURS)) == {}


def _name(thing: object) -> str:
    """Give the name of a function or a class, or of the class of any other object."""
    named = thing if isinstance(thing, FunctionType | MethodType | type) else type(thing)
    return f"{named.__module__}.{named.__qualname__}"


def _is_accepted(talk: Talk, other: Actor) -> None:
    other.talks[-1].accepts()
    talk.says("so there you are")
    talk.hangs_up()


def _is_declined(talk: Talk, other: Actor) -> None:
    other.talks[-1].declines()


def _is_cancelled(talk: Talk, other: Actor) -> None:
    talk.cancels()


def _times_out(talk: Talk, other: Actor) -> None:
    other.passes(400)


def _loses_the_caller(talk: Talk, other: Actor) -> None:
    talk.client.connect().vanish()
    other.passes(400)


@pytest.mark.parametrize("ends", [_is_accepted, _is_declined, _is_cancelled, _times_out])
def test_an_invitation(stage: Stage, ends: Callable[[Talk, Actor], None]) -> None:
    """It rings at two devices, and ends in each way."""
    alice, bob, phone = stage.sign_in("alice", "bob", "bob")
    for device in (bob, phone):
        device.lets_it_ring()
    with _no_circles(stage):
        ends(alice.invites(bob, "hello"), bob)


def test_an_invitation_whose_caller_vanishes(stage: Stage) -> None:
    """Nobody hears how it ended."""
    alice, bob = stage.sign_in("alice", "bob")
    bob.lets_it_ring()
    with _no_circles(stage):
        _loses_the_caller(alice.invites(bob), bob)


def test_an_invitation_that_is_given_up_with_a_bye(stage: Stage) -> None:
    """As pidgin-sipe does it."""
    alice, bob = stage.sign_in("alice", "bob")
    bob.lets_it_ring()
    with _no_circles(stage):
        alice.invites(bob).gives_up()


def test_an_invitation_that_is_accepted_twice(stage: Stage) -> None:
    """The second gets its BYE."""
    alice, desk, phone = stage.sign_in("alice", "bob", "bob")
    desk.is_slow(10)
    with _no_circles(stage):
        talk = alice.invites(phone)
        stage.passes(11)
        talk.hangs_up()


def test_an_invitation_that_is_not_sent() -> None:
    """Too many are under way to the device already."""
    with Stage.opened(limits={"sent_per_flow": 1}) as stage:
        alice, bob = stage.sign_in("alice", "bob")
        bob.is_silent()
        with _no_circles(stage):
            talks = [alice.invites(bob) for _ in range(3)]
            stage.passes(400)
        assert [talk.exchange.status for talk in talks if talk.exchange is not None] == [408, 430, 430]


@pytest.mark.parametrize("ends", [_is_accepted, _is_declined, _is_cancelled, _times_out])
def test_an_invitation_to_change_a_talk(stage: Stage, ends: Callable[[Talk, Actor], None]) -> None:
    """It rings within a dialog."""
    alice, bob = stage.sign_in("alice", "bob")
    talk, _ = alice.talks_to(bob)
    assert talk.dialog is not None
    bob.lets_it_ring()
    with _no_circles(stage):
        request = talk.dialog.next_request("INVITE", [("Contact", f"<{alice.sip.gruu}>")], b"v=0\r\n", SDP)
        again = Talk(alice.sip, bob.aor, request)
        again.exchange = alice.sip.begin(request, branch=False, on_answer=again.answered)
        stage.settle()
        ends(again, bob)


@pytest.mark.parametrize("status", [0, 200, 486, 603])
def test_an_invitation_to_a_conference(stage: Stage, status: int) -> None:
    """Of a person, whose clients accept, refuse, or say nothing."""
    alice, bob, carol = stage.sign_in("alice", "bob", "carol")
    seat = alice.meets()
    bob.manner = carol.manner = Manner(status=status)
    with _no_circles(stage):
        seat.invites(bob.aor)
        seat.calls_in(carol.aor)
        stage.passes(400)
        for other in (*bob.seats, *carol.seats):
            other.leaves()


def test_a_call_into_a_conference_that_ends(stage: Stage) -> None:
    """Nobody rings any more."""
    alice, bob = stage.sign_in("alice", "bob")
    bob.is_silent()
    with _no_circles(stage):
        seat = alice.meets()
        seat.calls_in(bob.aor)
        stage.passes(2)
        seat.ends()


@pytest.mark.parametrize("ends", ["accepted", "cancelled", "silent"])
def test_an_invitation_of_a_group_to_a_conference(ends: str) -> None:
    """Each member has an invitation of their own."""
    with Stage.opened() as stage:
        team = Group("g-1", "Team", Aor("sip:team@example.com"), frozenset({"key-alice", "key-bob", "key-carol"}))
        stage.directory.groups = [team]
        stage.pulls()
        alice, bob, carol = stage.sign_in("alice", "bob", "carol")
        if ends != "accepted":
            bob.is_silent()
            carol.is_silent()
        seat = alice.meets()
        with _no_circles(stage):
            exchange = seat.invites(team.aor)
            if ends == "cancelled":
                talk = Talk(alice.sip, team.aor, exchange.request, exchange)
                talk.cancels()
            stage.passes(400)
            for other in (*bob.seats, *carol.seats):
                other.leaves()


def test_what_waits_for_the_disk(stage: Stage) -> None:
    """Messages, subscriptions, lists and publications that live through a look."""
    alice, bob = stage.sign_in("alice", "bob")
    talk, _ = alice.talks_to(bob)
    with _no_circles(stage):
        stage.disk.slow_down()
        with alice.in_one_breath():
            alice.sip.subscribe(CONTACTS)
            alice.sip.subscribe(SELF)
            alice.watches(bob, "sip:carol@example.com")
            alice.publishes(3500, note="x")
            alice.adds("sip:carol@example.com")
            alice.pages("sip:carol@example.com", "hello?")
        stage.disk.catch_up()
        stage.passes(2)
        alice.publishes(6500)
        alice.removes("sip:carol@example.com")
        alice.watches(bob)
        talk.says("x")
        bob.ignores_messages = True
        alice.pages(bob, "are you there?")
        talk.says("are you?")
        stage.passes(400)


def test_who_is_refused(stage: Stage) -> None:
    """An exception knows where it was raised, and what was at hand there."""
    (alice,) = stage.sign_in("alice")
    with _no_circles(stage):
        alice.pages("sip:nobody@example.com", "hello?")
        alice.invites("sip:nobody@example.com")
        alice.invites("sip:bob@example.com")
        alice.watches("sip:nobody@example.com")
        alice.sip.ask(alice.sip.request("SERVICE", alice.aor, [("Content-Type", "text/plain")], b"<"))
        alice.sip.ask(alice.sip.request("OPTIONS", "sip:bob@example.com", []))
        alice.seat("sip:alice@example.com;gruu;opaque=app:conf:focus:id:none").joins()
        stranger = stage.actor("bob", password="guess")
        with suppress(AssertionError):
            stranger.sip.register()


def test_who_comes_and_goes(stage: Stage) -> None:
    """Of a device, with all that it asks for and all its ends."""
    stage.sign_in("bob")
    with _no_circles(stage):
        for way in ("signs_out", "hangs_up_the_line", "is_cut_off"):
            (carol,) = stage.sign_in("carol")
            carol.watches("sip:bob@example.com")
            carol.publishes(3500, note="x")
            carol.meets()
            getattr(carol, way)()
            stage.passes(400)
