"""What holds for every table of states, whatever happens in whatever order."""

import enum
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lyncpy.app import supervision
from lyncpy.sip import dialog, subscription
from lyncpy.sip.message import Headers, Request
from lyncpy.sip.subscription import Document, SubscriptionEnded, SubscriptionMachine, SubscriptionTerms
from lyncpy.sip.transaction import (
    ALL_RULES,
    Rules,
    StateDuration,
    Transaction,
    TransactionEffect,
    TransactionEvent,
    TransactionState,
)
from lyncpy.workloads.conferencing.model import lifetime
from lyncpy.workloads.conferencing.model.attendees import MeetingState
from lyncpy.workloads.im.model import room, session

ROOT = Path(__file__).resolve().parent.parent.parent

Table = Mapping[enum.Enum, Mapping[enum.Enum, enum.Enum]]


def _tables() -> list[tuple[str, enum.Enum, Table]]:
    """Every table as state → event → state."""
    found: list[tuple[str, enum.Enum, Table]] = [
        (rules.name, rules.first, {s: {e: m[0] for e, m in row.items()} for s, row in rules.moves.items()})
        for rules in ALL_RULES
    ]
    found.append(("dialog", dialog.DialogState.EARLY, dialog.DIALOG))  # type: ignore[arg-type]  # keys of a mapping do not vary
    notifier = {s: {e: m[0] for e, m in row.items()} for s, row in subscription.SUBSCRIPTION.items()}
    found.append(("subscription", subscription.SubscriptionState.NEW, notifier))  # type: ignore[arg-type]  # see above
    found.append(("session", session.SessionState.INVITED, session.SESSION))  # type: ignore[arg-type]  # see above
    found.append(("chat member", room.MemberState.JOINING, room.MEMBER))  # type: ignore[arg-type]  # see above
    found.append(("process", supervision.ProcessState.IDLE, supervision.PROCESS))  # type: ignore[arg-type]  # see above
    found.append(("meeting", MeetingState.OPENED, lifetime.MEETING))  # type: ignore[arg-type]  # see above
    return found


ENDS = {"TERMINATED", "ABANDONED"}
"""The names of last states: nothing moves on from them."""

TABLES = _tables()


def _reachable(table: Table, first: enum.Enum) -> set[enum.Enum]:
    seen, ahead = {first}, [first]
    while ahead:
        for after in table[ahead.pop()].values():
            if after not in seen:
                seen.add(after)
                ahead.append(after)
    return seen


@pytest.mark.parametrize(("name", "first", "table"), TABLES, ids=[name for name, _, _ in TABLES])
def test_every_state_is_reached_and_can_end(name: str, first: enum.Enum, table: Table) -> None:
    """No machine has a state that nobody enters, and none that nobody leaves but the last."""
    assert _reachable(table, first) == set(table)
    for state, row in table.items():
        last = [after for after in _reachable(table, state) if not table[after]]
        assert last, (name, state)
        assert {after.name for after in last} <= ENDS, (name, state)
        assert row or state.name in ENDS


@pytest.mark.parametrize("rules", ALL_RULES, ids=lambda rules: rules.name)
def test_time_alone_and_a_lost_connection_end_every_transaction(rules: Rules) -> None:
    """Nothing is waited for without a bound, and nothing outlives its connection."""
    for state, row in rules.moves.items():
        if state is TransactionState.TERMINATED:
            assert rules.waits[state] is StateDuration.EVER
            continue
        assert rules.waits[state] is not StateDuration.EVER
        assert row[TransactionEvent.LOST][0] is TransactionState.TERMINATED
        steps = 0
        while state is not TransactionState.TERMINATED:
            state = rules.moves[state][TransactionEvent.EXPIRED][0]
            steps += 1
        assert steps <= 2


@pytest.mark.parametrize("rules", ALL_RULES, ids=lambda rules: rules.name)
def test_whoever_ends_is_forgotten(rules: Rules) -> None:
    """Every move into the last state says so, and no other does."""
    for row in rules.moves.values():
        for state, effects in row.values():
            assert (state is TransactionState.TERMINATED) == (TransactionEffect.END in effects)


@given(
    st.sampled_from(ALL_RULES),
    st.lists(st.tuples(st.sampled_from(TransactionEvent), st.floats(0, 40)), max_size=30),
)
def test_a_transaction_answers_once_and_ends_once(rules: Rules, story: list[tuple[TransactionEvent, float]]) -> None:
    """Whatever happens, its user hears one final answer at most, and the end is the end."""
    now = 0.0
    machine = Transaction(rules, now, answer_s=50)
    effects: list[TransactionEffect] = []
    for event, wait in story:
        before = machine.state
        now += wait
        if event is TransactionEvent.EXPIRED:
            effects += machine.expire(now)
        else:
            effects += machine.receive(event, now)
        if before is TransactionState.TERMINATED:
            assert machine.state is TransactionState.TERMINATED
    while (deadline := machine.deadline()) is not None:
        effects += machine.expire(deadline)
    assert effects.count(TransactionEffect.END) == 1
    assert effects[-1] is TransactionEffect.END
    assert effects.count(TransactionEffect.TIMEOUT) + effects.count(TransactionEffect.GONE) <= 1
    assert machine.receive(TransactionEvent.SUCCESS, now) == ()


def _subscribe(number: int, expires: int, to_tag: str = "") -> Request:
    return Request(
        "SUBSCRIBE",
        "sip:alice@example.com",
        Headers(
            [
                ("From", "<sip:alice@example.com>;tag=a"),
                ("To", "<sip:alice@example.com>" + (f";tag={to_tag}" if to_tag else "")),
                ("Call-ID", "c"),
                ("CSeq", f"{number} SUBSCRIBE"),
                ("Event", "presence"),
                ("Supported", "ms-benotify, com.microsoft.autoextend"),
                ("Expires", str(expires)),
            ]
        ),
    )


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 500)), max_size=30), st.integers(0, 1000))
def test_a_subscription_ends_once_and_numbers_its_notifications(story: list[tuple[int, float]], expires: int) -> None:
    """However it lives, its end is told once, last, and CSeq numbers grow by one."""
    machine = SubscriptionMachine(_subscribe(1, expires), "s", "", ())
    terms = SubscriptionTerms(300, 0, 600)
    now = 0.0
    effects = list(machine.subscribe(_subscribe(1, expires), terms, Document("text/plain", b"1"), now))
    number = 1
    for what, wait in story:
        now += wait
        effects += machine.expire(now)
        if machine.state is subscription.SubscriptionState.TERMINATED:
            break
        match what:
            case 0:
                number += 1
                effects += machine.subscribe(_subscribe(number, expires, "s"), terms, None, now)
            case 1:
                effects += machine.terminate()
            case 2:
                effects += machine.lost()
            case 3:
                effects += machine.answered(481)
            case _:
                effects += machine.notify(Document("text/plain", b"2"), now)
    while (deadline := machine.deadline()) is not None:
        effects += machine.expire(deadline)
    assert machine.state is subscription.SubscriptionState.TERMINATED
    assert [type(effect) for effect in effects].count(SubscriptionEnded) == 1
    assert isinstance(effects[-1], SubscriptionEnded)
    numbers = [effect.request.cseq.number for effect in effects if isinstance(effect, subscription.SendNotify)]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("options", [(), ("--mermaid",)])
def test_every_machine_is_drawn(options: tuple[str, ...]) -> None:
    """A reader sees every table as a picture."""
    command = [sys.executable, str(ROOT / "scripts" / "draw-machines"), *options]
    drawn = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    for name, _, _ in TABLES:
        assert name in drawn
    assert drawn.count("terminated") > len(TABLES)
