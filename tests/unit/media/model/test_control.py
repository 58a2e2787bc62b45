"""The server's end of the control connection: what an engine may say, and what it may not."""

import pytest

from lyncpy.media.model.control import ASKED_MOST, Control, Settled
from lyncpy.media.model.forms import (
    Allocate,
    Allocated,
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
    Reached,
    Ready,
    write,
)

READY = Ready(1, 3, ("PCMA",))
PLAIN = LegWish("::1", 1000, 1999)
ICE = LegWish("::1", 1000, 1999, ice=True, secure=True)
LOCAL = LocalLeg("::1", 1000, 1001)
ICE_LOCAL = LocalLeg("::1", 1000, 1001, "u", "p", ("1 1 UDP 1 ::1 1 typ host",), "A" * 40)
FIGURES = Measured((LegFigures(), LegFigures()))


@pytest.fixture
def control() -> Control:
    """Give one whose engine has said what it can do."""
    control = Control()
    assert control.room == 0
    assert control.hear(write(0, READY)) == [READY]
    assert control.room == 3
    return control


@pytest.fixture
def begun(control: Control) -> Control:
    """Give one with a call, of a leg with ICE and one without."""
    number, data = control.ask(Allocate("c", (ICE, PLAIN)))
    assert data == write(number, Allocate("c", (ICE, PLAIN)))
    answer = Allocated((ICE_LOCAL, LOCAL))
    assert control.hear(write(number, answer)) == [Settled(number, answer)]
    return control


def test_a_call_is_there_from_its_question_to_the_one_that_ends_it(begun: Control) -> None:
    """And counts as long."""
    assert (begun.calls, begun.room) == (("c",), 2)
    assert begun.hear(write(0, Reached("c", 0)) + write(0, Digit("c", 1, "5"))) == [Reached("c", 0), Digit("c", 1, "5")]
    measure, _ = begun.ask(Measure("c"))
    end, _ = begun.ask(End("c"))
    assert (begun.calls, begun.room) == ((), 3)
    assert begun.hear(write(0, Digit("c", 1, "6"))) == [], "it crossed the question that ends the call"
    said = write(measure, FIGURES) + write(end, FIGURES)
    assert begun.hear(said) == [Settled(measure, FIGURES), Settled(end, FIGURES)]


def test_a_call_that_the_engine_gives_up_is_there_no_more(begun: Control) -> None:
    """What is asked of it after that is declined by the engine."""
    assert begun.hear(write(0, Ended("c", "broken"))) == [Ended("c", "broken")]
    assert begun.calls == ()
    end, _ = begun.ask(End("c"))
    assert begun.hear(write(end, Declined("no such call"))) == [Settled(end, Declined("no such call"))]


def test_a_call_that_is_declined_is_none(control: Control) -> None:
    """Its room is free again."""
    number, _ = control.ask(Allocate("c", (PLAIN, PLAIN)))
    assert control.room == 2
    assert control.hear(write(number, Declined("no ports"))) == [Settled(number, Declined("no ports"))]
    assert control.room == 3


def test_an_engine_that_does_not_answer_has_no_room(control: Control) -> None:
    """It is asked no more than it answers."""
    for _ in range(ASKED_MOST):
        _ = control.ask(MediaPing())
    assert control.room == 0


def test_an_engine_says_first_what_it_can_do_and_once(control: Control) -> None:
    """In the version that the server speaks."""
    with pytest.raises(FormError, match="first"):
        Control().hear(write(1, Done()))
    with pytest.raises(FormError, match="version 2"):
        Control().hear(write(0, Ready(2, 3, ())))
    with pytest.raises(FormError, match="once"):
        Control().hear(write(1, READY))
    with pytest.raises(FormError, match="once"):
        control.hear(write(0, READY))


@pytest.mark.parametrize(
    ("number", "message", "why"),
    [
        (0, MediaPing(), "does not ask"),
        (5, Digit("c", 0, "1"), "does not ask"),
        (7, Done(), "no answer to anything"),
        (0, Digit("c", 2, "1"), "no such leg"),
    ],
)
def test_what_cannot_be_ends_the_connection(begun: Control, number: int, message: Message, why: str) -> None:
    """A question, an event with a number, an answer to nothing, a leg that is not."""
    with pytest.raises(FormError, match=why):
        begun.hear(write(number, message))


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Done(), "no answer to anything"),
        (Allocated((ICE_LOCAL, LOCAL, LOCAL)), "another number"),
        (Allocated((LOCAL, LOCAL)), "not what was asked for"),
        (Allocated((ICE_LOCAL, ICE_LOCAL)), "not what was asked for"),
    ],
)
def test_an_answer_is_to_what_was_asked(control: Control, answer: Message, why: str) -> None:
    """Sound without its encryption would be worse than none."""
    number, _ = control.ask(Allocate("c", (ICE, PLAIN)))
    with pytest.raises(FormError, match=why):
        control.hear(write(number, answer))


def test_figures_are_of_each_leg(begun: Control) -> None:
    """As many as the call has."""
    number, _ = begun.ask(Measure("c"))
    with pytest.raises(FormError, match="another number"):
        begun.hear(write(number, Measured(())))
