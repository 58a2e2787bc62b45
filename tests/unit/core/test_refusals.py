"""The last refusals, as an operator sees them."""

import pytest
from twisted.internet.task import Clock

from lyncpy.contracts.names import Aor
from lyncpy.contracts.refusal import Diagnostics, Refused
from lyncpy.contracts.workload import CommandCall, CommandFailed
from lyncpy.core.refusals import KEPT, KEPT_OF_ONE, RECENT_S, TOLD, LastRefusals
from lyncpy.core.timers import Timers
from lyncpy.sip.message import Headers, Request, Response
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
    proof = ("Authorization", 'NTLM qop="auth", realm="R", gssapi-data="c2VjcmV0"')
    request = request_of(f"sip:{user}@contoso.test", method, proof)
    last.note(request, Refused(404, Diagnostics(4005, reason)).response(request), reason)


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
    last.note(Request("X" * 1000, "sip:a", Headers()), Response(400, "Bad", Headers([("From", "<<<")])), "y" * 1000)
    assert _shown(last) == [("", "X" * 40, 400, "y" * 200, 1)]


def test_what_was_said_is_shown_without_its_secrets(last: LastRefusals, clock: Clock) -> None:
    """The lines of the request, then those of the answer; said again at once, they are not written down anew."""
    _refuse(last, "alice")
    _refuse(last, "alice")
    clock.advance(5)
    _refuse(last, "alice")
    (row, *lines) = _shown(last, lines="true")
    assert row[-1] == 3
    texts = [str(line[3]) for line in lines]
    assert texts[0] == "MESSAGE sip:contoso.test SIP/2.0"
    assert 'Authorization: NTLM qop="auth", realm="R", gssapi-data="***"' in texts
    assert texts[texts.index("") + 1] == "SIP/2.0 404 Not Found"
    assert "c2VjcmV0" not in str(lines)


def test_why_tells_of_the_last_refusals(last: LastRefusals, clock: Clock) -> None:
    """With what tells most of it; after a while it is no trouble any more."""
    for reason in ("One", "Two", "Three", "Four", "Four"):
        _refuse(last, "alice", reason)
        clock.advance(2)
    _refuse(last, "bob")
    found = result_of(last.reasons(Aor("sip:alice@contoso.test")))
    assert len(found) == TOLD
    assert found[0].finding.startswith(
        "MESSAGE of device e1 was refused 2 times, last at 2026-05-28T20:26:48Z: 404, Four; it said: MESSAGE "
    )
    assert "and heard: SIP/2.0 404 Not Found" in found[0].finding
    assert 'ms-diagnostics: 4005;reason="Four"' in found[0].finding
    assert (found[0].good, found[0].remedy) == (False, "all lines: refusals --lines")
    clock.advance(RECENT_S)
    assert result_of(last.reasons(Aor("sip:alice@contoso.test")))[0].good


def test_why_names_the_devices_that_were_refused_the_same(last: LastRefusals) -> None:
    """The last few of them, the latest first; what was said is of the last one."""
    for device in ("aa", "bb", "aa", "cc", "dd", "ee"):
        request = request_of("sip:alice@contoso.test", "MESSAGE", epid=device)
        last.note(request, Refused(404, Diagnostics(4005, "Nobody")).response(request), "Nobody")
    (found,) = result_of(last.reasons(Aor("sip:alice@contoso.test")))
    assert found.finding.startswith("MESSAGE of devices ee, dd, cc, aa was refused 6 times, last at ")


def test_what_cannot_be_written_is_noted_all_the_same(last: LastRefusals) -> None:
    """Of a message that has no bytes."""
    request = Request("MESSAGE", "sip:a\r\nb", Headers())
    last.note(request, Response(400, "Bad", Headers([("From", "<sip:alice@contoso.test>")])), "bad")
    assert _shown(last, lines="true")[1][3] == "a message that cannot be written"
