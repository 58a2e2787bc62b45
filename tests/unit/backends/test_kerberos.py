"""What waits for the one thread that looks at tickets; and without the library nobody verifies any."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from twisted.internet.defer import CancelledError, Deferred

from lyncpy.backends import kerberos
from lyncpy.backends.kerberos import KerberosMissing, KerberosTickets
from lyncpy.backends.threads import Threads
from lyncpy.contracts.authenticator import AuthenticationDenied, DenialReason
from lyncpy.contracts.kerberos import SIP_SERVICE, AcceptedTicket
from tests.kit.logs import overheard
from tests.kit.results import answer_of, result_of
from tests.kit.threads import HeldThread, ThreadPump


def test_without_the_library_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the extra is not installed."""
    monkeypatch.setitem(sys.modules, "gssapi", None)
    with pytest.raises(KerberosMissing, match=r"pip install 'lyncpy\[kerberos\]'"):
        KerberosTickets(tmp_path / "keytab", Threads(ThreadPump(), "tickets"), 40_000)


class Desk:
    """Tickets, of which as many may wait as have 40,000 bytes, and a thread that goes on when it is told to."""

    def __init__(self, folder: Path) -> None:
        self.thread = HeldThread()
        self.tickets = KerberosTickets(folder / "keytab", self.thread, 40_000)

    def show(self, peer: str, token: bytes = b"x" * 4000) -> "Deferred[AcceptedTicket | AuthenticationDenied]":
        return Deferred.fromCoroutine(self.tickets.accept(token, SIP_SERVICE, peer))


def denial(shown: "Deferred[AcceptedTicket | AuthenticationDenied]") -> AuthenticationDenied:
    """Give what came of a token that was refused."""
    outcome = answer_of(shown)
    assert isinstance(outcome, AuthenticationDenied)
    return outcome


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Give the tokens that were looked at; none is a ticket."""
    seen: list[bytes] = []

    def verify(library: object, keytab: Path, token: bytes, service: str) -> AuthenticationDenied:
        seen.append(token)
        if token == b"bug":
            raise RuntimeError
        return AuthenticationDenied(DenialReason.BAD_TICKET)

    monkeypatch.setitem(sys.modules, "gssapi", SimpleNamespace())
    monkeypatch.setattr(kerberos, "verify_ticket", verify)
    return seen


def test_of_what_waits_a_quarter_may_be_one_places(tmp_path: Path, seen: list[bytes]) -> None:
    """What comes then is refused in words, and not looked at; others have room until all of it is used."""
    desk = Desk(tmp_path)
    waiting = [desk.show("192.0.2.1") for _ in range(2)]
    refused = denial(desk.show("192.0.2.1"))
    assert refused.reason is DenialReason.TOO_MANY_TICKETS
    assert "192.0.2.1" in refused.detail
    waiting += [desk.show("2001:db8::1"), desk.show("2001:db8::2")]
    assert "2001:db8::/64" in denial(desk.show("2001:db8::3")).detail
    waiting += [desk.show(f"192.0.2.{place}") for place in (3, 3, 4, 4, 5, 5)]
    assert "too many wait;" in denial(desk.show("192.0.2.6")).detail
    while desk.thread.calls:
        desk.thread.go_on()
    assert {denial(one).reason for one in waiting} == {DenialReason.BAD_TICKET}
    assert len(seen) == 10
    assert not desk.show("192.0.2.1").called


def test_small_tokens_count_too(tmp_path: Path, seen: list[bytes]) -> None:
    """Else millions of a byte each could wait, with who waits for each."""
    desk = Desk(tmp_path)
    waiting = [desk.show("192.0.2.1", b"%d" % number) for number in range(5)]
    assert [one.called for one in waiting] == [False] * 4 + [True]
    assert denial(waiting.pop()).reason is DenialReason.TOO_MANY_TICKETS
    while desk.thread.calls:
        desk.thread.go_on()
    assert len(seen) == len(waiting)
    assert not desk.show("192.0.2.1").called
    assert not desk.show("192.0.2.1").called


def test_places_take_turns(tmp_path: Path, seen: list[bytes]) -> None:
    """Whoever shows many waits behind themselves."""
    desk = Desk(tmp_path)
    waiting = [desk.show("192.0.2.1", b"mine %d" % number) for number in range(4)]
    waiting.append(desk.show("192.0.2.2", b"theirs"))
    while desk.thread.calls:
        desk.thread.go_on()
    assert seen.index(b"theirs") <= 2
    assert len(seen) == len(waiting)


def test_who_goes_while_they_wait_may_show_the_ticket_again(tmp_path: Path, seen: list[bytes]) -> None:
    """It was not looked at, so that no replay cache knows it."""
    desk = Desk(tmp_path)
    first, second, third = (desk.show("192.0.2.1", token) for token in (b"1", b"2", b"3"))
    for gone in (first, second):
        gone.cancel()
        _ = gone.addErrback(lambda failure: failure.trap(CancelledError))
    desk.thread.go_on()
    assert denial(third).reason is DenialReason.BAD_TICKET
    assert seen == [b"1", b"3"]


def test_a_bug_is_told_who_asked_and_the_next_one_is_looked_at(tmp_path: Path, seen: list[bytes]) -> None:
    """The thread is not lost."""
    desk = Desk(tmp_path)
    broken, whole = desk.show("192.0.2.1", b"bug"), desk.show("192.0.2.1")
    desk.thread.go_on()
    with pytest.raises(RuntimeError):
        denial(broken)
    gone = desk.show("192.0.2.1", b"bug")
    gone.cancel()
    _ = gone.addErrback(lambda failure: failure.trap(CancelledError))
    with overheard() as heard:
        desk.thread.go_on()
    assert [event["log_failure"].type for event in heard] == [RuntimeError]
    assert denial(whole).reason is DenialReason.BAD_TICKET


def test_at_the_end_nobody_goes_on_waiting(tmp_path: Path, seen: list[bytes]) -> None:
    """But for whoever's ticket is being looked at."""
    desk = Desk(tmp_path)
    first, second = desk.show("192.0.2.1"), desk.show("192.0.2.1")
    result_of(desk.tickets.close())
    assert denial(second).reason is DenialReason.TOO_MANY_TICKETS
    assert "ends" in denial(desk.show("192.0.2.2")).detail
    assert not first.called
    desk.thread.go_on()
    assert denial(first).reason is DenialReason.BAD_TICKET
    assert len(seen) == 1
    assert desk.thread.stopped
