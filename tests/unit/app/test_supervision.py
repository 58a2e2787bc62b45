"""Which process of a machine is started, ended and killed when."""

from collections.abc import Sequence

import pytest

from lyncpy.app.supervision import (
    REST_MOST_S,
    STEADY_S,
    Effect,
    EndAll,
    EndProcess,
    KillProcess,
    ProcessState,
    SayReady,
    SayTrouble,
    StartProcess,
    Supervision,
    rest_s,
)

END_S = 60.0
KILL = 9


def starts(effects: Sequence[Effect]) -> list[int]:
    """Give the numbers of the processes that are started."""
    return [one.number for one in effects if isinstance(one, StartProcess)]


def told(effects: Sequence[Effect]) -> str:
    """Give what is said of trouble."""
    return " ".join(one.sentence for one in effects if isinstance(one, SayTrouble))


def running(count: int = 3) -> Supervision:
    """Give one all of whose processes serve since 0."""
    supervision = Supervision(count, END_S)
    supervision.begin()
    for number in range(1, count + 1):
        supervision.started(number, 100 + number)
        supervision.named(number, f"n{number}")
        supervision.ready(number, 0.0)
    return supervision


def test_the_first_begins_alone() -> None:
    """The others begin when it serves, and when they do all is ready, once."""
    supervision = Supervision(3, END_S)
    assert starts(supervision.begin()) == [1]
    assert starts(supervision.ready(1, 1.0)) == [2, 3]
    assert supervision.ready(2, 2.0) == []
    assert supervision.ready(3, 3.0) == [SayReady()]
    assert starts(supervision.died(3, 100.0, None, KILL)) == [3]
    assert supervision.ready(3, 101.0) == []


def test_where_the_first_cannot_start_all_ends() -> None:
    """With its own words, and with a status that says so: what keeps it from starting keeps all."""
    supervision = Supervision(2, END_S)
    supervision.begin()
    supervision.started(1, 100)
    supervision.failed(1, "store: nobody answers at 127.0.0.1:5432")
    effects = supervision.died(1, 1.0, 1, None)
    assert "process 1 (pid 100) ended with status 1: store: nobody answers at 127.0.0.1:5432" in told(effects)
    assert effects[-1] == EndAll(1)
    assert supervision.is_ending


def test_one_that_has_served_is_replaced_at_once() -> None:
    """However often: the others go on."""
    supervision = running()
    for round_ in range(1, 4):
        now = round_ * (STEADY_S + 1)
        effects = supervision.died(2, now, None, KILL)
        assert starts(effects) == [2]
        assert "was ended by signal 9 (SIGKILL)" in told(effects)
        assert "replaced at once" in told(effects)
        supervision.started(2, 200 + round_)
        supervision.ready(2, now)
    assert [one.state for one in supervision.facts()] == [ProcessState.RUNNING] * 3
    assert [one.starts for one in supervision.facts()] == [1, 4, 1]


def test_one_that_ends_at_its_start_again_and_again_is_braked() -> None:
    """The first time it is started at once; then after longer and longer, and it is said why, as it says itself."""
    supervision = running()
    now, rests = 1.0, []
    assert starts(supervision.died(2, now, 1, None)) == [2]
    for _ in range(9):
        supervision.failed(2, "the disk is full")
        effects = supervision.died(2, now, 1, None)
        assert starts(effects) == []
        assert "the disk is full" in told(effects)
        deadline = supervision.deadline()
        assert deadline is not None
        rests.append(deadline - now)
        assert supervision.expire(deadline - 0.1) == []
        assert starts(supervision.expire(deadline)) == [2]
        now = deadline
    assert rests == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]
    assert supervision.facts()[1].failures == 10
    assert supervision.facts()[1].trouble == "ended with status 1: the disk is full"


def test_a_brake_is_let_go_by_service() -> None:
    """One that has served for a while at last is replaced at once again; one that has not, is not."""
    supervision = running()
    for _ in range(5):
        supervision.died(2, 1.0, 1, None)
        supervision.expire(1000.0)
    supervision.ready(2, 1000.0)
    assert starts(supervision.died(2, 1000.0 + STEADY_S - 1, None, KILL)) == []
    supervision.expire(2000.0)
    supervision.ready(2, 2000.0)
    assert starts(supervision.died(2, 2000.0 + STEADY_S, None, KILL)) == [2]


def test_rests_are_bounded() -> None:
    """However often a process has failed."""
    assert [rest_s(failures) for failures in (0, 1, 2, 3, 10_000)] == [0.0, 0.0, 1.0, 2.0, REST_MOST_S]


def test_one_that_begins_anew_has_another_name() -> None:
    """It is the same process for the system, starts once more, and is no death."""
    supervision = running()
    supervision.named(2, "n2")
    assert supervision.facts()[1].state is ProcessState.RUNNING
    supervision.named(2, "n9")
    facts = supervision.facts()[1]
    assert (facts.state, facts.node, facts.pid, facts.starts) == (ProcessState.STARTING, "n9", 102, 1)
    assert facts.trouble == "was known dead to the others, and began anew"
    supervision.ready(2, 5.0)
    assert supervision.facts()[1].state is ProcessState.RUNNING


def test_all_end_in_order() -> None:
    """Each is asked once, nobody is replaced, and when the last has gone, so has all."""
    supervision = running()
    assert supervision.shut_down(10.0) == [EndProcess(1), EndProcess(2), EndProcess(3)]
    assert supervision.died(1, 11.0, 0, None) == ()
    assert supervision.died(3, 11.0, 0, None) == ()
    assert supervision.died(2, 12.0, 0, None) == [EndAll(0)]


def test_whoever_asks_twice_is_impatient() -> None:
    """Those that are not gone yet wait for nobody any more."""
    supervision = running()
    supervision.shut_down(10.0)
    supervision.died(1, 11.0, 0, None)
    assert supervision.shut_down(12.0) == [EndProcess(2, hastens=True), EndProcess(3, hastens=True)]


def test_what_does_not_end_is_killed() -> None:
    """In the end, and it is said, also by the status."""
    supervision = running(2)
    supervision.shut_down(10.0)
    supervision.died(1, 11.0, 0, None)
    assert supervision.deadline() == 10.0 + END_S
    effects = supervision.expire(10.0 + END_S)
    assert effects[-1] == KillProcess(2)
    effects = supervision.died(2, 71.0, None, KILL)
    assert "the end is not in order: process 2 (node n2, pid 102) was ended by signal 9" in told(effects)
    assert effects[-1] == EndAll(1)


def test_an_end_while_one_rests() -> None:
    """Who is not there needs no end, and is not started any more."""
    supervision = running(2)
    supervision.died(2, 1.0, 1, None)
    supervision.died(2, 1.0, 1, None)
    assert supervision.shut_down(1.5) == [EndProcess(1)]
    assert supervision.deadline() == 1.5 + END_S
    assert supervision.died(1, 2.0, 0, None) == [EndAll(0)]


def test_an_end_while_nobody_is_there() -> None:
    """It is over at once."""
    supervision = running(1)
    supervision.died(1, 1.0, 1, None)
    supervision.died(1, 1.0, 1, None)
    assert supervision.shut_down(1.5) == [EndAll(0)]


def test_an_end_before_the_first_serves() -> None:
    """The others were never started; what the first says on its way out starts nobody."""
    supervision = Supervision(2, END_S)
    supervision.begin()
    supervision.started(1, 7)
    assert supervision.shut_down(1.0) == [EndProcess(1)]
    assert supervision.ready(1, 1.1) == ()
    assert supervision.died(1, 2.0, 0, None) == [EndAll(0)]


@pytest.mark.parametrize(("number", "words"), [(15, "signal 15 (SIGTERM)"), (200, "signal 200")])
def test_signals_have_names(number: int, words: str) -> None:
    """Where the system has one for them."""
    assert words in told(running().died(1, 100.0, None, number))
