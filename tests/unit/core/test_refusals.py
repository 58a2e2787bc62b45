"""The last refusals, as an operator sees them."""

import pytest
from twisted.internet.task import Clock

from lyncpy.contracts.refusal import Diagnostics, Refused
from lyncpy.contracts.workload import CommandCall, CommandFailed
from lyncpy.core.refusals import KEPT, KEPT_OF_ONE, LastRefusals
from lyncpy.core.timers import Timers
from lyncpy.sip.message import Headers, Response
from tests.kit.gatehouse import request_of
from tests.kit.results import result_of


@pytest.fixture
def clock() -> Clock:
    """Give time that the test moves."""
    return Clock()


@pytest.fixture
def last(clock: Clock) -> LastRefusals:
    """Give none yet."""
    return LastRefusals(Timers(clock, lambda: 1_780_000_000.0 + clock.seconds()))


def _refuse(last: LastRefusals, user: str, reason: str = "Nobody", method: str = "MESSAGE") -> None:
    response = Refused(404, Diagnostics(4005, reason)).response(request_of(f"sip:{user}@contoso.test", method))
    last.note(method, response, reason)


def _shown(last: LastRefusals, **flags: str) -> list[tuple[object, ...]]:
    return [row[1:] for row in result_of(last.shown(CommandCall({}, flags))).rows]


def test_the_newest_comes_first_and_the_same_again_is_one_row(last: LastRefusals, clock: Clock) -> None:
    """With its last time, and how often."""
    _refuse(last, "alice")
    _refuse(last, "bob", "Disabled")
    clock.advance(60)
    _refuse(last, "alice")
    rows = result_of(last.shown(CommandCall({}, {}))).rows
    assert rows[0] == ("2026-05-28T20:27:40Z", "alice@contoso.test", "MESSAGE", 404, "Nobody", 2)
    assert rows[1][1:] == ("bob@contoso.test", "MESSAGE", 404, "Disabled", 1)


def test_of_one_user(last: LastRefusals) -> None:
    """Whose address has this in it, in any case; and no more than is wanted."""
    for user in ("alice", "bob", "malice"):
        _refuse(last, user)
    assert [row[0] for row in _shown(last, of="ALICE")] == ["malice@contoso.test", "alice@contoso.test"]
    assert [row[0] for row in _shown(last, limit="1")] == ["malice@contoso.test"]
    with pytest.raises(CommandFailed):
        _shown(last, limit="0")


def test_nobody_pushes_out_what_others_were_refused(last: LastRefusals) -> None:
    """One has a share, and all together a bound."""
    _refuse(last, "alice")
    for number in range(KEPT_OF_ONE + 5):
        _refuse(last, "bob", f"No {number}")
    assert [row[0] for row in _shown(last)].count("bob@contoso.test") == KEPT_OF_ONE
    assert _shown(last)[-1][0] == "alice@contoso.test"
    for number in range(KEPT + 5):
        _refuse(last, f"u{number}")
    assert len(last) == KEPT


def test_what_cannot_be_read_is_noted_all_the_same(last: LastRefusals) -> None:
    """Of nobody."""
    last.note("X" * 1000, Response(400, "Bad", Headers([("From", "<<<")])), "y" * 1000)
    assert _shown(last) == [("", "X" * 40, 400, "y" * 200, 1)]
