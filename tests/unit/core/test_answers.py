"""Operators see how long answers take, and what is refused with which number."""

import pytest
from twisted.internet.task import Clock

from lyncpy.contracts.refusal import Diagnostics, Refused, explained
from lyncpy.core.answers import AnswerMeter
from lyncpy.core.refusals import LastRefusals
from lyncpy.core.timers import Timers
from lyncpy.sip.message import Headers, Request, Response
from tests.kit.gatehouse import request_of
from tests.kit.meters import MemoryMeter

SECONDS = "lyncpy_core_answer_seconds"
REFUSALS = "lyncpy_core_refusals_total"


@pytest.fixture
def meter() -> MemoryMeter:
    """Give an empty one."""
    return MemoryMeter()


@pytest.fixture
def message() -> Request:
    """Give a request."""
    return request_of("sip:alice@contoso.test", "MESSAGE")


def _answers(meter: MemoryMeter) -> AnswerMeter:
    return AnswerMeter(meter, LastRefusals(Timers(Clock(), lambda: 0.0)))


def test_how_long_answers_take_is_seen_by_method(meter: MemoryMeter) -> None:
    """An invention of a stranger makes no meter; an INVITE is as quick as who is called."""
    answers = _answers(meter)
    answers.answered("MESSAGE", 0.25)
    answers.answered("INVENTED", 0.5)
    answers.answered("INVITE", 30.0)
    assert meter.observed(SECONDS, method="MESSAGE") == [0.25]
    assert meter.observed(SECONDS, method="other") == [0.5]
    assert sum(len(one.values) for one in meter.histograms.values()) == 2


def test_refusals_are_counted_by_their_number(meter: MemoryMeter, message: Request) -> None:
    """The number is that of ms-diagnostics, or of its public sister."""
    answers = _answers(meter)
    for refused in (
        Refused(404, Diagnostics(4005, "Nobody")),
        Refused(403, Diagnostics(4141, "Disabled", public=True)),
        Refused(503),
    ):
        for _ in range(2):
            answers.refused(message, explained(refused.response(message), "sip.contoso.test"), is_ours=True)
    assert meter.count(REFUSALS, status="404", diagnostics="4005") == 2
    assert meter.count(REFUSALS, status="403", diagnostics="4141") == 2
    assert meter.count(REFUSALS, status="503", diagnostics="1") == 2


def test_a_challenge_is_no_refusal(meter: MemoryMeter, message: Request) -> None:
    """Each sign-in begins with one."""
    _answers(meter).refused(message, explained(Refused(401).response(message), "sip.contoso.test"), is_ours=True)
    assert not [name for name, _ in meter.counters if name == REFUSALS]


def test_a_client_does_not_choose_a_number(meter: MemoryMeter, message: Request) -> None:
    """What it refused is counted without the number that it gave."""
    theirs = Response(486, "Busy Here", Headers([("ms-diagnostics", "4711;reason=x")]))
    _answers(meter).refused(message, theirs, is_ours=False)
    assert meter.count(REFUSALS, status="486", diagnostics="endpoint") == 1
