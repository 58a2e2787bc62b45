"""INtlmVerifier: a domain that this computer has joined says whose a response is, by way of Samba's `ntlm_auth` and winbind.

The program is started when somebody needs it, answers one question at a time, and stays; there are a few of it at most. One that
says nothing in time, or something else than an answer, is ended: its next answer could be that of another question. One that
ends by itself without having answered, or wrote something else, is started again later and later.
"""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone, ProcessExitedAlready
from twisted.internet.interfaces import IProcessTransport, IReactorProcess
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from lyncpy.backends.ldap_verdicts import WRONG
from lyncpy.backends.ntlm_auth_lines import (
    AnswerDecoder,
    HelperAnswer,
    HelperGarbled,
    UnclearAnswer,
    is_account_of,
    question,
    verdict_of,
)
from lyncpy.backends.pending_verdict import PendingVerdict
from lyncpy.backends.place_queue import PLACE, PlaceQueue
from lyncpy.contracts.authenticator import DenialReason
from lyncpy.contracts.directory import Person, SignInObjection
from lyncpy.contracts.networks import network_of
from lyncpy.contracts.ntlm import INtlmVerifier, NtlmResponse
from lyncpy.contracts.refusal import DirectoryUnavailable
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import IUnit
from lyncpy.sip.text import shown

PROTOCOL: Final = "--helper-protocol=ntlm-server-1"

HELPERS_MOST: Final = 4
"""Programs at once; winbind asks a domain controller over one connection, unless it is told otherwise."""

WAITING_MOST: Final = 256
WAITING_OF_PLACE: Final = 64
"""Questions that wait or are under way, in all and of one network address: an office comes by one."""

ANSWER_S: Final = 10.0
"""From a question to its answer, with its wait."""

PAUSE_S: Final = 1.0
PAUSE_MOST_S: Final = 60.0
"""Until a program is started again that has ended without an answer: twice as long after each."""

RESPONSE_BYTES: Final = 8192
"""The longest response that is asked about; a real one has some 300 bytes."""

NOBODY_ACCOUNT: Final = "nobody.invalid"
"""Whose password is asked for when nobody has the name that was given."""

_ERROR_CHARACTERS: Final = 400

Verdict = bytes | SignInObjection


def environment() -> dict[str, str]:
    """Give the helper's environment: its words are in one language."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}


@implementer(INtlmVerifier, IUnit)
class NtlmAuth:
    """Asks the domain, a few questions at a time.

    Args:
        command: The program, with its whole path, and options.
        own_domain: The NetBIOS name of the domain.
        is_of_domain: Tells whether a person is one whose directory is the domain's.
        reactor: Starts the program.
        timers: Limit how long a question takes.
    """

    name = "ntlm_auth"
    log = Logger()

    def __init__(
        self,
        command: Sequence[str],
        own_domain: str,
        is_of_domain: Callable[[Person], bool],
        reactor: IReactorProcess,
        timers: ITimers,
    ) -> None:
        self._command = (*command, PROTOCOL)
        self._own_domain = own_domain
        self._is_of_domain = is_of_domain
        self._reactor = reactor
        self._timers = timers
        self._helpers: list[_Helper] = []
        self._waiting: PlaceQueue[_Question] = PlaceQueue("auth.ntlm_waiting", WAITING_MOST, WAITING_OF_PLACE)
        self._pause_s = 0.0
        self._not_before = float("-inf")
        self._trouble = ""
        self._idle: Deferred[None] | None = None
        self._closed = False

    async def open(self) -> None:
        """Do nothing: the program starts when it is needed."""

    async def close(self) -> None:
        """Answer nobody any more, and end all programs."""
        self._closed = True
        self._refuse_waiting("ntlm_auth is not asked any more: the server ends")
        for helper in tuple(self._helpers):
            helper.stop("the server ends")
        if self._helpers:
            self._idle = Deferred()
            await self._idle

    async def verify(self, person: Person | None, given: NtlmResponse, peer: str) -> Verdict | None:
        """Ask whether a response proves a person's password; see the promise."""
        if person is None:
            await self._asked(_of_nobody(given), peer)
            return WRONG
        if not self._is_of_domain(person):
            # It takes as long as of nobody.
            with suppress(DirectoryUnavailable):
                await self._asked(_of_nobody(given), peer)
            return None
        if len(given.response) > RESPONSE_BYTES or not is_account_of(
            person, given.domain, given.user, self._own_domain
        ):
            await self._asked(_of_nobody(given), peer)
            words = "the domain is not asked: the name that the client sent is none of the logins that the directory gives them"
            return SignInObjection(DenialReason.WRONG_PASSWORD, words)
        return await self._asked(given, peer)

    async def _asked(self, given: NtlmResponse, peer: str) -> Verdict:
        if self._closed:
            raise DirectoryUnavailable("ntlm_auth is not asked any more: the server ends")
        if not self._may_start and not self._helpers:
            raise DirectoryUnavailable(self._trouble)
        asked = _Question(given, network_of(peer))
        excess = self._waiting.put(asked)
        if excess:
            whose = f" that {asked.place} sends" if excess == PLACE else ""
            raise DirectoryUnavailable(
                f"ntlm_auth is asked about too many passwords{whose} at once: see whether winbind and its domain controller are slow"
            )
        slow = (
            f"ntlm_auth took longer than {ANSWER_S:.0f} s: see whether winbind reaches a domain controller (wbinfo -P)"
        )
        late = self._timers.later(ANSWER_S, lambda: self._give_up(asked, slow))
        self._go_on()
        try:
            return await asked.wait()
        finally:
            late.cancel()
            self._let_go(asked)

    def _taken(self) -> "_Question":
        asked = self._waiting.take()
        asked.is_queued = False
        self._let_go(asked)
        return asked

    def _let_go(self, asked: "_Question") -> None:
        """Give the room of a question to others: not while it is queued, though whoever asked has gone."""
        if asked.is_over and not asked.is_queued:
            self._waiting.done(asked)

    @property
    def _may_start(self) -> bool:
        return self._timers.now() >= self._not_before

    def _give_up(self, asked: "_Question", reason: str) -> None:
        """End a question whose time is over, with the program that has it: its answer may come for another."""
        asked.fail(reason)
        for helper in self._helpers:
            if helper.asked is asked:
                helper.stop(reason)

    def _go_on(self) -> None:
        """Give what waits to programs, and start some where there are too few."""
        while self._waiting:
            helper = next((one for one in self._helpers if one.is_idle), None)
            if helper is None:
                if len(self._helpers) >= HELPERS_MOST or not self._may_start:
                    break
                helper = self._started()
                if helper is None:
                    break
            asked = self._taken()
            # Who has gone meanwhile, and of whom nobody was asked, need not be asked about.
            if not asked.is_over:
                helper.ask(asked)
        if self._waiting and not self._helpers:
            self._refuse_waiting(self._trouble)

    def _started(self) -> "_Helper | None":
        helper = _Helper(self)
        try:
            helper.start(self._reactor, self._command)
        except OSError as error:
            self._ended_unasked(f"[auth] ntlm_auth: {self._command[0]} cannot be started: {error.strerror}")
            return None
        self._helpers.append(helper)
        return helper

    def answered(self) -> None:
        """Hear that a program has answered."""
        self._pause_s = 0.0
        self._go_on()

    def ended(self, helper: "_Helper", *, had_answered: bool, reason: str) -> None:
        """Hear that a program is no more.

        Args:
            had_answered: And had written nothing else.
            reason: In a sentence for an operator.
        """
        self._helpers.remove(helper)
        if not had_answered and not self._closed:
            self._ended_unasked(reason)
        elif not self._closed:
            self.log.warn("{reason}; another one is started when somebody needs it", reason=reason)
        if self._idle is not None and not self._helpers:
            self._idle.callback(None)
        self._go_on()

    def _ended_unasked(self, reason: str) -> None:
        self._pause_s = min(max(PAUSE_S, self._pause_s * 2), PAUSE_MOST_S)
        self._not_before = self._timers.now() + self._pause_s
        self._trouble = reason
        self.log.error("{reason}; it is tried again in {pause_s} s", reason=reason, pause_s=self._pause_s)

    def _refuse_waiting(self, reason: str) -> None:
        while self._waiting:
            self._taken().fail(reason)


def _of_nobody(given: NtlmResponse) -> NtlmResponse:
    """Give a question about nobody, which takes as long as one about somebody."""
    return NtlmResponse("", NOBODY_ACCOUNT, given.challenge, given.response[:RESPONSE_BYTES])


class _Question(PendingVerdict[Verdict]):
    """What is asked, and of which place."""

    amount: Final = 1

    def __init__(self, given: NtlmResponse, place: str) -> None:
        super().__init__()
        self.given = given
        self.place = place
        self.is_queued = True

    def told(self, answer: HelperAnswer) -> None:
        """Tell who waits what the answer means."""
        try:
            self.conclude(verdict_of(answer))
        except UnclearAnswer as unclear:
            self.fail(f"ntlm_auth says: {unclear}: {remedy_of(str(unclear))}")

    def fail(self, reason: str) -> None:
        """Tell who waits that there is no verdict."""
        self.conclude(Failure(DirectoryUnavailable(reason)))


def remedy_of(words: str) -> str:
    """Say what to do about an answer without a verdict, in a part of a sentence."""
    if any(one in words.lower() for one in ("ntlm was blocked", "ntlm_blocked", "0xc0000418")):
        return (
            "the domain forbids NTLM (Network security: Restrict NTLM): add this computer to its exceptions, or let clients use"
            " Kerberos, or TLS-DSK with passwords that LDAP checks"
        )
    if "Reading winbind reply failed" in words or "winbindd_privileged" in words or "Access Denied" in words:
        return (
            "winbindd has to run (wbinfo -p), and the server's user to be of the group of its folder winbindd_privileged"
            " (on Debian: adduser lyncpy winbindd_priv, and a restart)"
        )
    return "see whether this computer is joined to the domain (wbinfo -t) and reaches a controller of it (wbinfo -P)"


class _Helper(ProcessProtocol):
    """One program that runs."""

    def __init__(self, owner: NtlmAuth) -> None:
        self.asked: _Question | None = None
        self._owner = owner
        self._decoder = AnswerDecoder()
        self._process: IProcessTransport | None = None
        self._said = ""
        self._why = ""
        """For which we have ended it."""

        self._is_open = True
        """Whether it reads and writes still."""

        self._had_answered = False

    @property
    def is_idle(self) -> bool:
        """Whether it can be asked."""
        return self.asked is None and self._is_open and not self._why

    def start(self, reactor: IReactorProcess, command: Sequence[str]) -> None:
        """Start it.

        Raises:
            OSError: It cannot be.
        """
        self._process = reactor.spawnProcess(self, command[0], command, environment())

    def ask(self, asked: _Question) -> None:
        """Ask it."""
        assert self._process is not None  # asked after its start
        asked.begin()
        self.asked = asked
        self._process.writeToChild(0, question(asked.given))

    def stop(self, reason: str) -> None:
        """End it; who waits for its answer is told why. May be called twice."""
        self._why = self._why or reason
        if self.asked is not None:
            self.asked.fail(reason)
        self._kill()

    def _kill(self) -> None:
        # One that has ended already says so soon.
        with suppress(ProcessExitedAlready):
            if self._process is not None:
                self._process.signalProcess("KILL")

    def inConnectionLost(self) -> None:
        """Hear that it reads nothing more."""
        self._is_open = False
        self._kill()

    def outConnectionLost(self) -> None:
        """Hear that it writes nothing more."""
        self.inConnectionLost()

    def outReceived(self, data: bytes) -> None:
        """Take what it writes."""
        if self._why:
            return
        try:
            answer = self._decoder.feed(data, expected=self.asked is not None)
        except HelperGarbled as error:
            self._had_answered = False  # what it answered before does not make it one that answers
            self.stop(f"ntlm_auth wrote what is no answer, and was ended: {error}")
            return
        if answer is not None and self.asked is not None:
            asked, self.asked = self.asked, None
            self._had_answered = True
            asked.told(answer)
            self._owner.answered()

    def errReceived(self, data: bytes) -> None:
        """Keep the end of what it complains about."""
        self._said = (self._said + data[-_ERROR_CHARACTERS:].decode("utf-8", "replace"))[-_ERROR_CHARACTERS:]

    def processEnded(self, reason: Failure) -> None:
        """Hear that it has ended, whatever by."""
        how = "it ended" if reason.check(ProcessDone) else reason.getErrorMessage()
        last = self._said.strip().rpartition("\n")[2]
        words = self._why or f"[auth] ntlm_auth: {how}{'; it said: ' + shown(last) if last else ''}"
        self._why = words
        if self.asked is not None:
            self.asked.fail(words)
            self.asked = None
        self._owner.ended(self, had_answered=self._had_answered, reason=words)
