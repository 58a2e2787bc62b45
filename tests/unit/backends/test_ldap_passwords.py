"""Asking an LDAP server about passwords: when, with what, how many at once, and for how long."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from lyncpy.backends.ldap import LdapDirectory
from lyncpy.backends.ldap_link import Access, LdapConnection
from lyncpy.backends.ldap_passwords import (
    NOBODY_DN,
    REMEMBERED_MOST,
    REMEMBERED_S,
    WAITING_MOST,
    WAITING_OF_PLACE,
    LdapPasswords,
)
from lyncpy.contracts.directory import Person, SignInObjection
from lyncpy.contracts.names import Aor
from lyncpy.contracts.refusal import DirectoryUnavailable
from lyncpy.workloads.directory.settings import Settings
from tests.kit.directory import Inline
from tests.kit.gatehouse import timers_of
from tests.kit.logs import overheard
from tests.kit.results import started
from tests.kit.threads import HeldThread

T = TypeVar("T")

ALICE = Person(Aor("sip:alice@example.test"), "1", source="uid=alice,dc=example,dc=com")


def _found(asked: Deferred[T]) -> T:
    """Give what came of a question."""
    results: list[T] = []
    _ = asked.addCallback(results.append)
    (result,) = results
    return result


def _trouble(asked: Deferred[Any]) -> DirectoryUnavailable:
    """Give why there was no verdict."""
    found: list[Failure] = []
    _ = asked.addErrback(found.append)
    (failure,) = found
    assert isinstance(failure.value, DirectoryUnavailable)
    return failure.value


class Link:
    """A connection on which the server answers as it is told to."""

    def __init__(self, access: Access, answer: Mapping[str, Any]) -> None:
        self.access = access
        self.answer = answer
        self.aborted = ""
        self.asked = False
        self.meanwhile: Callable[[], object] = lambda: None

    def bind_once(self) -> Mapping[str, Any]:
        """Answer, unless the time is over."""
        self.asked = True
        self.meanwhile()
        if self.aborted:
            raise DirectoryUnavailable(self.aborted)
        return self.answer

    def unclear(self, result: Mapping[str, Any]) -> DirectoryUnavailable:
        """Repeat the code."""
        return DirectoryUnavailable(f"it answers {result['result']}")

    def abort(self, reason: str) -> None:
        """Note it."""
        self.aborted = reason


class Desk:
    """The thing under test, with what is beside it."""

    def __init__(self, code: int = 0, threads: int = 1, **settings: object) -> None:
        self.clock = Clock()
        self.threads = [HeldThread() for _ in range(threads)]
        self.links: list[Link] = []
        self.answer: Mapping[str, Any] = {"result": code}
        terms = Settings.model_validate({"url": "ldap://127.0.0.1", **settings})
        self.directory = LdapDirectory(
            terms,
            ("example.test",),
            Path("/home"),
            LdapConnection,
            Inline(),
            timers_of(self.clock),
        )
        self.passwords = LdapPasswords(terms, self.directory.reach, self._connect, self.threads, timers_of(self.clock))

    def _connect(self, access: Access) -> Link:
        self.links.append(Link(access, self.answer))
        return self.links[-1]

    def ask(self, person: Person | None = ALICE, password: str = "secret") -> Deferred[SignInObjection | None]:
        """Ask, and let the threads go on."""
        asked = started(self.passwords.check(person, password, "192.0.2.1"))
        for one in self.threads:
            one.go_on()
        return asked


def test_a_password_is_asked_where_the_directory_answered_last() -> None:
    """Of several controllers, the one that pulls found dead is not tried first again by each sign-in."""
    desk = Desk()
    assert [_found(desk.ask()), _found(desk.ask(password="another"))] == [None, None]
    first, second = (link.access.last for link in desk.links)
    assert first is second is desk.directory.reach().last


def test_a_password_is_right_when_the_server_binds_with_it() -> None:
    """As the DN of the person, with what was typed."""
    desk = Desk()
    assert _found(desk.ask(password="gehe1m ß€\t")) is None
    assert (desk.links[0].access.bind_dn, desk.links[0].access.password) == (ALICE.source, "gehe1m ß€\t")
    assert "gehe1m" not in repr(desk.links[0].access)


def test_an_empty_password_is_refused_without_a_question() -> None:
    """A bind with none would succeed, as nobody (RFC 4513 §5.1.2)."""
    desk = Desk()
    verdict = _found(desk.ask(password=""))
    assert verdict is not None
    assert verdict.reason == "wrong password"
    assert desk.links == []


@pytest.mark.parametrize("person", [None, Person(ALICE.aor, "1"), Person(ALICE.aor, "1", source="people.toml [alice]")])
def test_who_has_no_entry_is_asked_for_as_nobody(person: Person | None) -> None:
    """A DN that is empty would be anonymous; a question takes as long as any other, and no answer makes it right."""
    desk = Desk()
    verdict = _found(desk.ask(person))
    assert verdict is not None
    assert verdict.reason == "wrong password"
    assert [one.access.bind_dn for one in desk.links] == [NOBODY_DN]


def test_what_was_right_is_remembered_for_a_minute() -> None:
    """For that person and that password alone."""
    desk = Desk()
    _found(desk.ask())
    desk.answer = {"result": 49}
    assert _found(desk.ask()) is None
    assert _found(desk.ask(password="Secret")) is not None
    assert _found(desk.ask(Person(Aor("sip:bob@example.test"), "2", source="uid=bob,dc=example,dc=com"))) is not None
    desk.clock.advance(REMEMBERED_S)
    assert _found(desk.ask()) is not None
    assert len(desk.links) == 4


def test_a_password_that_was_set_again_is_asked_about_anew() -> None:
    """The one before is not right for the rest of its minute, once a pull has told."""
    desk = Desk()
    _found(desk.ask())
    desk.answer = {"result": 49}
    assert _found(desk.ask(replace(ALICE, password_set="20261130120000Z"))) is not None


def test_a_password_is_not_right_any_more_once_another_one_is() -> None:
    """It was changed, also where the directory does not tell: the one before is not good for the rest of its minute."""
    desk = Desk()
    _found(desk.ask(password="the old one"))
    _found(desk.ask(password="the new one"))
    desk.answer = {"result": 49}
    assert _found(desk.ask(password="the new one")) is None
    assert _found(desk.ask(password="the old one")) is not None


def test_what_was_wrong_is_not_remembered() -> None:
    """It may be mended meanwhile."""
    desk = Desk(49)
    assert _found(desk.ask()) is not None
    desk.answer = {"result": 0}
    assert _found(desk.ask()) is None


@pytest.mark.untraced
def test_no_more_than_so_many_are_remembered() -> None:
    """The oldest is forgotten."""
    desk = Desk()
    people = [replace(ALICE, source=f"uid=u{n},dc=example,dc=com") for n in range(REMEMBERED_MOST + 1)]
    for one in people:
        _found(desk.ask(one))
    _found(desk.ask(people[1]))
    assert len(desk.links) == REMEMBERED_MOST + 1
    _found(desk.ask(people[0]))
    assert len(desk.links) == REMEMBERED_MOST + 2


def test_a_server_that_does_not_answer_in_time_gives_no_verdict() -> None:
    """The sentence names the limit."""
    desk = Desk(password_timeout_s=3)
    asked = started(desk.passwords.check(ALICE, "secret", "192.0.2.1"))
    desk.clock.advance(3)
    desk.threads[0].go_on()
    assert "took longer than 3 s for a password" in str(_trouble(asked))
    assert "password_timeout_s" in desk.links[0].aborted


def test_an_answer_that_says_nothing_gives_no_verdict() -> None:
    """Busy is not wrong."""
    assert str(_trouble(Desk(51).ask())) == "it answers 51"


def test_questions_are_shared_by_threads_and_bounded() -> None:
    """A thread that is free gets the next one; one too many is not asked."""
    desk = Desk(threads=2)
    places = 2 * WAITING_MOST // WAITING_OF_PLACE
    waiting = [
        started(desk.passwords.check(ALICE, f"secret {n}", f"192.0.2.{n % places}")) for n in range(2 * WAITING_MOST)
    ]
    assert [len(one.calls) for one in desk.threads] == [1, 1]
    assert "password_checks" in str(_trouble(started(desk.passwords.check(ALICE, "one more", "192.0.2.99"))))
    assert len(desk.links) == 2 * WAITING_MOST
    desk.threads[1].go_on()
    desk.threads[0].go_on()
    assert [_found(one) for one in waiting] == [None] * len(waiting)
    assert _found(desk.ask(password="one more")) is None


def test_an_address_has_a_share_and_waits_behind_itself() -> None:
    """Whoever guesses from one keeps nobody else's password from being looked at."""
    desk = Desk()
    waiting = [started(desk.passwords.check(ALICE, f"secret {n}", "192.0.2.1")) for n in range(WAITING_OF_PLACE)]
    assert "that 192.0.2.1 sends at once" in str(
        _trouble(started(desk.passwords.check(ALICE, "one more", "192.0.2.1")))
    )
    other = started(desk.passwords.check(ALICE, "other", "2001:db8::1"))
    desk.threads[0].go_on()
    assert _found(other) is None
    assert [_found(one) for one in waiting] == [None] * len(waiting)
    desk = Desk()
    order: list[str] = []
    asking = [started(desk.passwords.check(ALICE, f"mine {n}", "192.0.2.1")) for n in range(3)]
    asking.append(started(desk.passwords.check(ALICE, "theirs", "192.0.2.2")))
    for link in desk.links:
        link.meanwhile = partial(order.append, link.access.password)
    desk.threads[0].go_on()
    assert order == ["mine 0", "mine 1", "theirs", "mine 2"]
    assert [_found(one) for one in asking] == [None] * 4


@pytest.mark.parametrize("insecure", [False, True])
def test_passwords_of_people_go_nowhere_unencrypted(insecure: bool) -> None:
    """Not even where people and the server's own password do."""
    desk = Desk(url="ldap://ldap.example.com", insecure=insecure)
    assert "without encryption" in str(_trouble(desk.ask()))
    assert desk.links == []
    assert _found(Desk(url="ldaps://ldap.example.com").ask()) is None
    assert _found(Desk(url="ldap://ldap.example.com", start_tls=True).ask()) is None


def test_an_end_cuts_what_is_under_way() -> None:
    """The threads end after it, and nothing is asked any more."""
    desk = Desk()
    asked = started(desk.passwords.check(ALICE, "secret", "192.0.2.1"))
    _found(started(desk.passwords.open()))
    closing = started(desk.passwords.close())
    assert not desk.threads[0].stopped
    desk.threads[0].go_on()
    assert "the server ends" in str(_trouble(asked))
    _found(closing)
    assert desk.threads[0].stopped
    _trouble(desk.ask(password="another"))


def _gone(asked: Deferred[Any]) -> bool:
    """Tell whether a question ended because its caller went."""
    found: list[Failure] = []
    _ = asked.addErrback(found.append)
    return bool(found) and found[0].check(CancelledError) is not None


def test_who_goes_before_the_server_is_asked_asks_nothing() -> None:
    """The place in the queue is taken until the thread comes by, so that the queue cannot grow behind the bound."""
    desk = Desk()
    first = started(desk.passwords.check(ALICE, "secret", "192.0.2.1"))
    for n in range(WAITING_OF_PLACE - 1):
        asked = started(desk.passwords.check(ALICE, f"guess {n}", "192.0.2.1"))
        asked.cancel()
        assert _gone(asked)
    assert "password_checks" in str(_trouble(started(desk.passwords.check(ALICE, "one more", "192.0.2.1"))))
    desk.threads[0].go_on()
    assert _found(first) is None
    assert [one.asked for one in desk.links] == [True] + [False] * (WAITING_OF_PLACE - 1)
    assert _found(desk.ask(password="one more")) is None


def test_who_goes_while_the_server_is_asked_is_told_its_verdict_all_the_same() -> None:
    """It has counted the password; the time for it is limited as before."""
    desk = Desk(49, password_timeout_s=3)
    asked = started(desk.passwords.check(ALICE, "guess", "192.0.2.1"))
    desk.links[0].meanwhile = asked.cancel
    desk.threads[0].go_on()
    verdict = _found(asked)
    assert verdict is not None
    assert verdict.reason == "wrong password"
    desk.clock.advance(3)
    assert not desk.links[0].aborted

    again = started(desk.passwords.check(ALICE, "guess", "192.0.2.1"))

    def go_too_late() -> None:
        again.cancel()
        desk.clock.advance(3)

    desk.links[1].meanwhile = go_too_late
    desk.threads[0].go_on()
    assert "password_timeout_s" in desk.links[1].aborted
    assert "password_timeout_s" in str(_trouble(again))


def test_who_waits_is_told_at_the_limit_though_the_thread_is_stuck() -> None:
    """As in the look-up of a name, which nothing ends."""
    desk = Desk(password_timeout_s=3)
    asked = started(desk.passwords.check(ALICE, "secret", "192.0.2.1"))
    desk.clock.advance(3)
    assert "took longer than 3 s" in str(_trouble(asked))
    closing = started(desk.passwords.close())
    assert not desk.threads[0].stopped
    desk.threads[0].go_on()
    _found(closing)
    assert desk.threads[0].stopped


def test_who_waits_until_the_limit_is_not_asked_for_when_their_turn_comes() -> None:
    """Others have the room, once it would be theirs; an end tells who waits still."""
    desk = Desk(password_timeout_s=3)
    waiting = [started(desk.passwords.check(ALICE, f"secret {n}", "192.0.2.1")) for n in range(WAITING_OF_PLACE)]
    desk.clock.advance(3)
    assert all("took longer than 3 s" in str(_trouble(one)) for one in waiting)
    assert "password_checks" in str(_trouble(started(desk.passwords.check(ALICE, "one more", "192.0.2.1"))))
    desk.threads[0].go_on()
    assert [one.asked for one in desk.links] == [True] + [False] * (WAITING_OF_PLACE - 1)
    again = [started(desk.passwords.check(ALICE, f"again {n}", "192.0.2.1")) for n in range(WAITING_OF_PLACE)]
    closing = started(desk.passwords.close())
    assert not desk.threads[0].stopped
    desk.threads[0].go_on()
    _found(closing)
    assert all("the server ends" in str(_trouble(one)) for one in again)
    desk.clock.advance(3)
    assert not desk.clock.getDelayedCalls()


def test_an_end_waits_for_binds_whose_callers_have_gone() -> None:
    """And cuts them."""
    desk = Desk()
    asked = started(desk.passwords.check(ALICE, "secret", "192.0.2.1"))
    asked.cancel()
    assert _gone(asked)
    closing = started(desk.passwords.close())
    assert desk.links[0].aborted
    assert not desk.threads[0].stopped
    desk.threads[0].go_on()
    _found(closing)
    assert desk.threads[0].stopped


def test_a_fault_in_a_bind_is_heard_by_whoever_waits_and_else_logged() -> None:
    """A mistake of ours is neither lost nor taken for a verdict."""

    def fault() -> None:
        raise ZeroDivisionError

    for waits in (True, False):
        desk = Desk(password_timeout_s=3)
        asked = started(desk.passwords.check(ALICE, "secret", "192.0.2.1"))
        desk.links[0].meanwhile = fault
        with overheard() as heard:
            if not waits:
                desk.clock.advance(3)
                _trouble(asked)
            desk.threads[0].go_on()
        found: list[Failure] = []
        _ = asked.addErrback(found.append)
        assert [one.check(ZeroDivisionError) for one in found] == [ZeroDivisionError] * waits
        assert len(heard) == (not waits)
