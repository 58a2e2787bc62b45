"""The engine's end of the control connection: what a server may ask, and what it is answered."""

from dataclasses import replace

import pytest

from lyncpy.media.model.desk import Assignment, Desk
from lyncpy.media.model.forms import (
    Allocate,
    Allocated,
    Codec,
    Connect,
    Declined,
    Digit,
    Done,
    End,
    Ended,
    FormError,
    LegFigures,
    LegWish,
    LocalLeg,
    Measure,
    Measured,
    MediaPing,
    Message,
    Question,
    Reached,
    Ready,
    RemoteLeg,
    read,
    write,
)

READY = Ready(1, 2, ("PCMA", "opus"))
PLAIN = LegWish("::1", 1000, 1999)
ICE = replace(PLAIN, ice=True, secure=True)
ALLOCATED = Allocated((LocalLeg("::1", 1000, 1001), LocalLeg("::1", 1002, 1003)))
FAR = RemoteLeg(Codec("PCMA", 8), 101, "::1", 5000)
CLIENT = RemoteLeg(
    Codec("PCMA", 8), 101, user="u", password="p", candidates=("1 1 UDP 1 ::1 1 typ host",), key="A" * 40
)
FIGURES = Measured((LegFigures(), LegFigures()))


def said(desk: Desk) -> list[tuple[int, Message]]:
    """Give what the server is sent."""
    return [read(line) for line in desk.take().splitlines()]


@pytest.fixture
def desk() -> Desk:
    """Give one that has said what it can do."""
    desk = Desk(READY)
    assert said(desk) == [(0, READY)]
    return desk


def asked(desk: Desk, number: int, question: Question) -> list[Assignment]:
    """Ask."""
    return desk.hear(write(number, question))


@pytest.fixture
def begun(desk: Desk) -> Desk:
    """Give one with a call, of a leg with ICE and one without."""
    assert asked(desk, 1, Allocate("c", (ICE, PLAIN))) == [Assignment(1, Allocate("c", (ICE, PLAIN)))]
    desk.allocated("c", ALLOCATED)
    assert said(desk) == [(1, ALLOCATED)]
    return desk


def declined(desk: Desk, question: Question) -> str:
    """Ask what is not carried out; give why."""
    assert asked(desk, 9, question) == []
    [(number, answer)] = said(desk)
    assert number == 9 and isinstance(answer, Declined)
    return answer.reason


def test_a_call_from_its_beginning_to_its_end(begun: Desk) -> None:
    """Each question is answered once, under its number."""
    for number, question in ((2, Connect("c", 0, CLIENT)), (3, Connect("c", 1, FAR))):
        [one] = asked(begun, number, question)
        begun.done(one)
    [measure] = asked(begun, 4, Measure("c"))
    begun.measured(measure, FIGURES)
    begun.tell(Reached("c", 0))
    begun.tell(Digit("c", 1, "5"))
    [end] = asked(begun, 5, End("c"))
    assert begun.calls == ()
    begun.measured(end, FIGURES)
    begun.tell(Digit("c", 1, "6"))
    assert said(begun) == [
        (2, Done()), (3, Done()), (4, FIGURES), (0, Reached("c", 0)), (0, Digit("c", 1, "5")), (5, FIGURES),
    ]  # fmt: skip


def test_a_ping_is_answered_at_once(desk: Desk) -> None:
    """Nobody has to carry it out."""
    assert asked(desk, 3, MediaPing()) == []
    assert said(desk) == [(3, Done())]


@pytest.mark.parametrize("line", [write(0, MediaPing()), write(1, Done()), write(1, Ended("c", "x")), b"x\n"])
def test_what_is_no_question_ends_the_connection(desk: Desk, line: bytes) -> None:
    """An event, an answer, and anything else."""
    with pytest.raises(FormError):
        desk.hear(line)


def test_a_call_is_begun_once_and_within_bounds(begun: Desk) -> None:
    """One of the name, as many as the engine has room for, and as many legs as it joins."""
    assert "already" in declined(begun, Allocate("c", (PLAIN, PLAIN)))
    assert "joins 2 legs" in declined(begun, Allocate("d", (PLAIN, PLAIN, PLAIN)))
    assert "two ports" in declined(begun, Allocate("d", (PLAIN, replace(PLAIN, lowest=1999))))
    assert len(asked(begun, 2, Allocate("d", (PLAIN, PLAIN)))) == 1
    assert "takes no more" in declined(begun, Allocate("e", (PLAIN, PLAIN)))
    assert "not allocated yet" in declined(begun, Measure("d"))
    assert "no such call" in declined(begun, End("e"))


@pytest.mark.parametrize(
    ("leg", "remote", "why"),
    [
        (2, FAR, "no such leg"),
        (0, FAR, "needs user, password and candidates"),
        (0, replace(CLIENT, key=""), "a key is what a secure leg has"),
        (1, CLIENT, "needs address and port"),
        (1, replace(FAR, key="A" * 40), "a key is what a secure leg has"),
    ],
)
def test_the_other_end_is_what_the_leg_is_for(begun: Desk, leg: int, remote: RemoteLeg, why: str) -> None:
    """ICE, its absence, and keys are as the call was begun."""
    assert why in declined(begun, Connect("c", leg, remote))


def test_legs_are_joined_whose_packets_fit(begun: Desk) -> None:
    """What the engine cannot change is the same on both sides; a leg is connected once."""
    [one] = asked(begun, 2, Connect("c", 0, replace(CLIENT, codec=Codec("G722", 9))))
    begun.done(one)
    assert said(begun) == [(2, Done())]
    assert "connected already" in declined(begun, Connect("c", 0, CLIENT))
    assert "does not change G722 into PCMA" in declined(begun, Connect("c", 1, FAR))
    assert "same payload type" in declined(begun, Connect("c", 1, replace(FAR, codec=Codec("G722", 9), events=100)))
    assert len(asked(begun, 3, Connect("c", 1, replace(FAR, codec=Codec("G722", 9), events=-1)))) == 1


def test_codecs_that_it_knows_are_changed(begun: Desk) -> None:
    """Another codec, or another number for the same one."""
    assert len(asked(begun, 2, Connect("c", 0, replace(CLIENT, codec=Codec("opus", 96))))) == 1
    assert len(asked(begun, 3, Connect("c", 1, FAR))) == 1


def test_what_could_not_be_carried_out_is_as_it_was(begun: Desk) -> None:
    """A leg may be connected again, a call begun again; what is asked of a call that is gone is answered all the same."""
    [one] = asked(begun, 2, Connect("c", 1, FAR))
    begun.decline(one, "no")
    [again] = asked(begun, 3, Connect("c", 1, FAR))
    begun.done(again)
    [other] = asked(begun, 4, Allocate("d", (PLAIN, PLAIN)))
    begun.decline(other, "no ports")
    assert begun.calls == ("c",)
    [measure] = asked(begun, 5, Measure("c"))
    begun.tell(Ended("c", "broken"))
    begun.decline(measure, "it is gone")
    assert said(begun) == [
        (2, Declined("no")), (3, Done()), (4, Declined("no ports")), (0, Ended("c", "broken")), (5, Declined("it is gone")),
    ]  # fmt: skip
    assert "no such call" in declined(begun, Measure("c"))


def test_a_call_that_breaks_before_it_is_there_is_declined(desk: Desk) -> None:
    """Whoever asked for it does not know it yet."""
    assert len(asked(desk, 1, Allocate("c", (PLAIN, PLAIN)))) == 1
    desk.tell(Ended("c", "broken"))
    desk.allocated("c", ALLOCATED)
    assert said(desk) == [(1, Declined("broken"))]
