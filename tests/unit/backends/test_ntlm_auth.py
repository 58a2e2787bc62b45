"""Programs that answer whose a response is: what they do to others when they hang, die, flood or answer late."""

from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from lyncpy.backends.ntlm_auth import (
    ANSWER_S,
    HELPERS_MOST,
    NOBODY_ACCOUNT,
    PAUSE_MOST_S,
    RESPONSE_BYTES,
    WAITING_MOST,
    WAITING_OF_PLACE,
    NtlmAuth,
    Verdict,
)
from lyncpy.backends.ntlm_auth_lines import question
from lyncpy.contracts.directory import Person, SignInObjection
from lyncpy.contracts.names import Aor
from lyncpy.contracts.ntlm import NtlmResponse
from lyncpy.contracts.refusal import DirectoryUnavailable
from lyncpy.core.timers import Timers
from tests.kit.helper_programs import Program, Programs
from tests.kit.logs import overheard
from tests.kit.results import answer_of

ALICE = Person(Aor("sip:alice@example.com"), "1", logins=("alice",))
KEY = bytes(range(16))
YES = f"Authenticated: Yes\nUser-Session-Key: {KEY.hex()}\n.\n".encode()
NO = b"Authenticated: No\nAuthentication-Error: NT_STATUS_WRONG_PASSWORD\n.\n.\n"


def given(user: str = "alice", response: bytes = b"r" * 60) -> NtlmResponse:
    """What a client answered."""
    return NtlmResponse("", user, b"challeng", response)


class Desk:
    """A domain whose programs the test plays."""

    def __init__(self) -> None:
        self.programs = Programs()
        reactor: Any = self.programs  # Any: of a reactor it has what is used
        self.clock = Clock()
        self.domain = NtlmAuth(
            ("/bin/ntlm_auth", "--configfile=x"),
            "EXAMPLE",
            lambda person: person.key != "file",
            reactor,
            Timers(self.clock, lambda: 0.0),
        )

    def ask(self, person: Person | None = ALICE, *, peer: str = "192.0.2.1", **what: Any) -> Deferred[Verdict | None]:
        """Ask, and wait."""
        return Deferred.fromCoroutine(self.domain.verify(person, given(**what), peer))

    @property
    def started(self) -> list[Program]:
        """The programs."""
        return self.programs.started


def reason(asked: "Deferred[Verdict | None]") -> str:
    """Give the reason of an objection, or what is wrong with the domain."""
    try:
        verdict = answer_of(asked)
    except DirectoryUnavailable as error:
        return str(error)
    assert isinstance(verdict, SignInObjection)
    return verdict.reason


def test_a_program_is_started_when_it_is_needed_and_stays() -> None:
    """One question after the other; its words are English."""
    desk = Desk()
    assert not desk.started
    first = desk.ask()
    (program,) = desk.started
    assert program.command == ("/bin/ntlm_auth", "--configfile=x", "--helper-protocol=ntlm-server-1")
    assert program.environment["LC_ALL"] == "C"
    assert program.asked == [question(given())]
    program.says(YES)
    assert answer_of(first) == KEY
    second = desk.ask()
    program.says(NO)
    assert reason(second) == "wrong password"
    assert len(desk.started) == 1


def test_some_run_at_once_and_the_others_wait_in_turn() -> None:
    """An address that asks much waits behind itself."""
    desk = Desk()
    asked = [desk.ask() for _ in range(HELPERS_MOST + 2)]
    other = desk.ask(peer="192.0.2.2")
    assert len(desk.started) == HELPERS_MOST
    desk.started[0].says(YES)
    desk.started[0].says(YES)
    assert answer_of(asked[0]) == KEY
    desk.started[0].says(YES)
    assert answer_of(other) == KEY
    desk.started[0].says(YES)
    assert answer_of(asked[-1]) == KEY


def test_what_waits_has_a_bound_and_a_share() -> None:
    """One address cannot keep the others out."""
    desk = Desk()
    asked = [desk.ask(peer=f"192.0.2.{n % 5}") for n in range(WAITING_OF_PLACE * 5)]
    refused = [one for one in asked if one.called]
    assert len(asked) - len(refused) == WAITING_MOST
    assert all("too many passwords at once" in reason(one) for one in refused)
    desk = Desk()
    asked = [desk.ask() for _ in range(WAITING_OF_PLACE + 1)]
    assert [one.called for one in asked] == [False] * WAITING_OF_PLACE + [True]
    assert "too many passwords that 192.0.2.1 sends at once" in reason(asked[-1])
    other = desk.ask(peer="192.0.2.2")
    assert not other.called
    desk.clock.advance(ANSWER_S)
    assert {reason(one)[:20] for one in (*asked[:-1], other)} == {"ntlm_auth took longe"}
    for program in desk.started:
        program.ends(9)
    desk.clock.advance(PAUSE_MOST_S)
    assert not desk.ask().called


def test_whoever_hangs_up_makes_no_room_in_the_queue() -> None:
    """Else it would grow as long as all programs are busy; when their turn comes, they are passed by."""
    desk = Desk()
    for _ in range(WAITING_OF_PLACE):
        asked = desk.ask()
        _ = asked.addErrback(lambda failure: failure.trap(CancelledError))
        asked.cancel()
    assert "too many" in reason(desk.ask())
    desk.started[0].says(YES)
    last = desk.ask()
    desk.started[0].says(YES)
    assert answer_of(last) == KEY


def test_one_that_hangs_is_ended_and_its_late_answer_is_nobodys() -> None:
    """The next question goes to another program."""
    desk = Desk()
    late = desk.ask()
    (program,) = desk.started
    desk.clock.advance(ANSWER_S)
    assert "took longer than 10 s" in reason(late)
    assert not program.runs
    program.says(YES)
    program.ends(9)
    desk.clock.advance(1)
    again = desk.ask()
    assert not again.called
    desk.started[1].says(NO)
    assert reason(again) == "wrong password"


def test_one_that_dies_is_started_again_later_and_later() -> None:
    """Whoever asks meanwhile is told at once why; the operator reads it once for each start."""
    desk = Desk()
    with overheard() as events:
        for pause in (1, 2, 4, 8, 16, 32, 60, 60):
            asked = desk.ask()
            program = desk.started[-1]
            program.complains(b"x\nwinbind: no such file\n")
            program.ends(1)
            assert "exit code 1" in reason(asked) and "it said: winbind: no such file" in reason(asked)
            desk.clock.advance(pause - 0.5)
            assert "no such file" in reason(desk.ask())
            assert desk.started[-1] is program
            desk.clock.advance(0.5)
    assert len(desk.started) == 8
    told = [one["pause_s"] for one in events if "tried again" in one["log_format"]]
    assert told == [1, 2, 4, 8, 16, 32, PAUSE_MOST_S, PAUSE_MOST_S]


def test_one_that_ends_after_an_answer_is_started_again_at_once() -> None:
    """As when Samba is upgraded; a question under way is refused, one that waits goes on."""
    desk = Desk()
    first = desk.ask()
    desk.started[0].says(YES)
    assert answer_of(first) == KEY
    under_way = desk.ask()
    with overheard() as events:
        desk.started[0].ends()
    assert ["it ended" in one["reason"] for one in events] == [True]
    assert "it ended" in reason(under_way)
    again = desk.ask()
    desk.started[1].says(YES)
    assert answer_of(again) == KEY


def test_a_program_that_is_not_there_is_told_with_its_setting() -> None:
    """Nobody waits for it."""
    desk = Desk()
    desk.programs.error = FileNotFoundError(2, "No such file or directory")
    assert reason(desk.ask()) == "[auth] ntlm_auth: /bin/ntlm_auth cannot be started: No such file or directory"
    assert "cannot be started" in reason(desk.ask())
    desk.programs.error = None
    desk.clock.advance(1)
    assert not desk.ask().called


@pytest.mark.parametrize("words", [b"x" * 5000, b"Error: bad\n.\n", YES + YES])
def test_one_that_writes_something_else_is_ended(words: bytes) -> None:
    """Nobody is let in by it, however much comes after it."""
    desk = Desk()
    asked = desk.ask()
    desk.started[0].says(words)
    assert "no answer" in reason(asked)
    desk.started[0].says(YES)
    desk.started[0].complains(b"y" * 100_000)
    assert not desk.started[0].runs
    desk.started[0].ends(9)


def test_one_that_writes_something_else_is_started_again_after_a_pause() -> None:
    """Though it had answered before; the operator reads why, each time."""
    desk = Desk()
    for turn in range(2):
        first = desk.ask()
        desk.started[turn].says(YES)
        assert answer_of(first) == KEY
        asked = desk.ask()
        with overheard() as events:
            desk.started[turn].says(b"garbage\n.\n")
            desk.started[turn].ends(9)
        assert "no answer" in reason(asked)
        assert [("no answer" in one["reason"], one["pause_s"]) for one in events] == [(True, 1)]
        assert "no answer" in reason(desk.ask())
        assert len(desk.started) == turn + 1
        desk.clock.advance(1)


def test_one_that_talks_without_being_asked_is_ended() -> None:
    """Its answer would be the next one's."""
    desk = Desk()
    first = desk.ask()
    desk.started[0].says(YES)
    assert answer_of(first) == KEY
    desk.started[0].says(YES)
    assert not desk.started[0].runs
    second = desk.ask()
    assert len(desk.started) == 2
    desk.started[1].says(NO)
    assert reason(second) == "wrong password"


def test_who_goes_before_the_domain_was_asked_ends_it_and_later_nobody_does() -> None:
    """What the domain has counted is counted here too."""
    desk = Desk()
    running = [desk.ask() for _ in range(HELPERS_MOST)]
    waiting = desk.ask()
    waiting.cancel()
    with pytest.raises(CancelledError):
        answer_of(waiting)
    running[0].cancel()
    desk.started[0].says(NO)
    assert reason(running[0]) == "wrong password"
    assert [len(program.asked) for program in desk.started] == [1] * HELPERS_MOST


def test_the_domain_is_asked_only_about_names_that_the_directory_gives() -> None:
    """About others it is asked for nobody, so that it takes as long."""
    desk = Desk()
    nobody = desk.ask(None, user="eve")
    desk.started[0].says(YES)
    assert reason(nobody) == "wrong password"
    other = desk.ask(user="alice@example.com")
    desk.started[0].says(YES)
    assert reason(other) == "wrong password"
    too_long = desk.ask(response=b"x" * (RESPONSE_BYTES + 1))
    desk.started[0].says(YES)
    assert reason(too_long) == "wrong password"
    wanted = question(NtlmResponse("", NOBODY_ACCOUNT, b"challeng", b"")).split(b"\n")[0]
    elsewhere = desk.ask(Person(Aor("sip:bob@example.com"), "file"))
    desk.started[0].says(YES)
    assert answer_of(elsewhere) is None
    assert [asked.split(b"\n")[0] for asked in desk.started[0].asked] == [wanted] * 4
    assert max(map(len, desk.started[0].asked)) < 2 * RESPONSE_BYTES + 300


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        ("Reading winbind reply failed!", "winbindd_privileged"),
        ("No logon servers are currently available", "wbinfo -P"),
        ("The authentication failed because NTLM was blocked.", "Restrict NTLM"),
        ("NT_STATUS_NTLM_BLOCKED", "Restrict NTLM"),
        ("x (0xC0000418)", "Restrict NTLM"),
    ],
)
def test_an_answer_without_a_verdict_says_what_to_do(error: str, remedy: str) -> None:
    """It is no wrong password, and the program goes on."""
    desk = Desk()
    asked = desk.ask()
    desk.started[0].says(f"Authenticated: No\nAuthentication-Error: {error}\n.\n.\n".encode())
    assert error in reason(asked) and remedy in reason(asked)
    assert desk.started[0].runs


def test_at_the_end_all_programs_are_killed_and_waited_for() -> None:
    """Who waits is told; nobody is asked any more."""
    desk = Desk()
    asked = [desk.ask() for _ in range(HELPERS_MOST + 1)]
    closing = Deferred.fromCoroutine(desk.domain.close())
    assert not closing.called
    assert {reason(one) for one in asked} == {"the server ends", "ntlm_auth is not asked any more: the server ends"}
    for program in desk.started:
        assert not program.runs
        program.ends(9)
    assert closing.called
    assert "the server ends" in reason(desk.ask())
    answer_of(Desk().domain.open())
    answer_of(Desk().domain.close())
