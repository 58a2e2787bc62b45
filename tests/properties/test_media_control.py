"""What holds for server and media engine, whatever either says: bounds, one answer for each question, no call that nobody ends."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lyncpy.media.model.control import Control
from lyncpy.media.model.desk import Desk
from lyncpy.media.model.forms import (
    Allocate,
    Allocated,
    Codec,
    Connect,
    Digit,
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
    Ready,
    RemoteLeg,
    read,
    write,
)

CALLS = st.sampled_from(["a", "b", "c", "d"])
PLAIN = LegWish("::1", 1000, 1999)
FAR = RemoteLeg(Codec("PCMA", 8), -1, "::1", 5000)
LOCAL = Allocated((LocalLeg("::1", 1000, 1001),) * 2)
QUESTIONS: st.SearchStrategy[Question] = st.one_of(
    st.just(MediaPing()),
    st.builds(Allocate, CALLS, st.just((PLAIN, PLAIN))),
    st.builds(Connect, CALLS, st.integers(0, 3), st.just(FAR)),
    st.builds(Measure, CALLS),
    st.builds(End, CALLS),
)
EVENTS: st.SearchStrategy[Digit | Ended] = st.one_of(
    st.builds(Digit, CALLS, st.just(0), st.just("1")), st.builds(Ended, CALLS, st.just("broken"))
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=8,
)


@given(st.sampled_from(["ping", "allocate", "connect", "allocated", "ready", "digit"]), st.data())
def test_whatever_a_line_has_it_is_a_message_or_refused(kind: str, data: st.DataObject) -> None:
    """And what was read is written in the same way."""
    names = st.sampled_from(["call", "legs", "leg", "remote", "version", "calls_most", "codecs", "digit", "n"])
    line: dict[str, Any] = data.draw(st.dictionaries(names, JSON, max_size=4))  # Any: what JSON has
    try:
        number, message = read(json.dumps({**line, "k": kind}).encode())
    except FormError:
        return
    assert read(write(number, message)[:-1]) == (number, message)


@given(st.lists(st.one_of(QUESTIONS, EVENTS), max_size=30), st.data())
def test_each_question_is_answered_once_in_any_order(
    steps: list[Question | Digit | Ended], data: st.DataObject
) -> None:
    """The bound of calls holds, and only of calls that there are is anything told."""
    desk = Desk(Ready(1, 2, ("PCMA",)))
    answers: list[tuple[int, Message]] = []
    waiting: list[Allocate] = []
    for number, step in enumerate(steps, 1):
        if isinstance(step, Digit | Ended):
            desk.tell(step)
        else:
            for asked in desk.hear(write(number, step)):
                if isinstance(asked.question, Allocate):
                    waiting.append(asked.question)
                elif isinstance(asked.question, Connect):
                    desk.done(asked)
                else:
                    desk.measured(asked, Measured((LegFigures(),) * 2))
        is_now: bool = data.draw(st.booleans())
        if waiting and is_now:
            desk.allocated(waiting.pop().call, LOCAL)
        assert len(desk.calls) <= 2
    for one in waiting:
        desk.allocated(one.call, LOCAL)
    answers = [read(line) for line in desk.take().splitlines()]
    asked_numbers = [number for number, step in enumerate(steps, 1) if not isinstance(step, Digit | Ended)]
    assert sorted(number for number, _ in answers if number) == asked_numbers


@given(st.binary(max_size=300), st.integers(1, 40))
def test_bytes_are_no_trouble_in_any_pieces(data: bytes, size: int) -> None:
    """A server that sends anything is refused, and nothing else happens."""
    desk = Desk(Ready(1, 2, ()))
    try:
        for at in range(0, len(data), size):
            assert desk.hear(data[at : at + size]) == []
    except FormError:
        pass
    assert desk.calls == ()


def carry_out(desk: Desk, data: bytes) -> None:
    """Do what an engine is asked."""
    for asked in desk.hear(data):
        question = asked.question
        if isinstance(question, Allocate):
            desk.allocated(question.call, LOCAL)
        elif isinstance(question, Connect):
            desk.done(asked)
        else:
            desk.measured(asked, Measured((LegFigures(),) * 2))


@given(st.lists(st.one_of(QUESTIONS, EVENTS, st.just("answer")), max_size=40))
def test_a_server_and_an_engine_always_understand_one_another(steps: list[Question | Digit | Ended | str]) -> None:
    """Whatever crosses on the way: neither ever says what the other takes for broken, and both end with the same calls."""
    desk, control = Desk(Ready(1, 2, ("PCMA",))), Control()
    under_way = b""
    for step in ["answer", *steps, "answer"]:
        if isinstance(step, Digit | Ended):
            desk.tell(step)
        elif not isinstance(step, str) and (
            isinstance(step, MediaPing) or (step.call in control.calls) != isinstance(step, Allocate)
        ):
            under_way += control.ask(step)[1]
        # A call that is not there yet is asked nothing: its answer is waited for.
        if isinstance(step, str | Allocate):
            carry_out(desk, under_way)
            under_way = b""
            _ = control.hear(desk.take())
    assert sorted(control.calls) == sorted(desk.calls)


@given(
    st.lists(
        st.sampled_from([write(0, Ready(1, 2, ())), write(1, LOCAL), write(0, Ended("a", "x")), b"{}\n", b"x"]),
        max_size=5,
    )
)
def test_an_engine_that_says_anything_is_heard_or_refused(said: list[bytes]) -> None:
    """A hostile engine ends its own connection, and nothing else."""
    control = Control()
    try:
        for one in said:
            _ = control.hear(one)
    except FormError:
        pass
    assert control.calls == ()
