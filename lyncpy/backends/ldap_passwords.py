"""IDirectoryPasswords: a password is somebody's if the LDAP server lets them bind with it.

Each question has a connection of its own, in one of a few threads, for a bind changes whose a connection is. Network addresses
take turns, so that whoever asks much waits behind themselves. What was right is remembered for a minute, so that a page with
fifty pictures of presence, each asked for with the password, is one question and not fifty. Only a code of it is kept, made with
a key of this process alone; what was wrong is never remembered, for that may be mended in the directory meanwhile.
"""

import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure
from zope.interface import implementer

from lyncpy.backends.ldap_access import LdapOptions
from lyncpy.backends.ldap_link import Access, is_dn
from lyncpy.backends.ldap_verdicts import WRONG, UnclearBind, verdict_of
from lyncpy.backends.pending_verdict import PendingVerdict
from lyncpy.backends.people import BlockingRunner
from lyncpy.backends.place_queue import PLACE, PlaceQueue
from lyncpy.contracts.directory import IDirectoryPasswords, Person, SignInObjection
from lyncpy.contracts.networks import is_loopback, network_of
from lyncpy.contracts.refusal import DirectoryUnavailable
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import IUnit

WAITING_MOST: Final = 64
WAITING_OF_PLACE: Final = 16
"""Questions that wait or are under way for each thread, in all and of one network address; more are not asked at all."""

REMEMBERED_S: Final = 60.0
REMEMBERED_MOST: Final = 4096

ANSWER_BYTES: Final = 65_536
"""The longest answer to a bind that is read."""

NOBODY_DN: Final = "cn=nobody,dc=invalid"
"""Whose password is asked for when nobody has the name that was given."""


class PasswordOptions(LdapOptions, Protocol):
    """The settings, those of passwords among them."""

    password_timeout_s: int


class BindConnection(Protocol):
    """What one bind is made with; `LdapConnection` says the rest."""

    def bind_once(self) -> Any:
        """Bind, and give the answer."""

    def unclear(self, result: Any) -> DirectoryUnavailable:
        """Say what an answer is that tells nothing of the password."""

    def abort(self, reason: str) -> None:
        """Make it fail, from another thread."""


@implementer(IDirectoryPasswords, IUnit)
class LdapPasswords:
    """Asks an LDAP server, a few questions at a time.

    Args:
        terms: The settings.
        reach: Says how to reach the server, without an account.
        connect: Makes the connection of one bind.
        threads: Where binds run, one in each at a time.
        timers: Limits how long one takes, with its wait.
    """

    name = "passwords"

    def __init__(
        self,
        terms: PasswordOptions,
        reach: Callable[[], Access],
        connect: Callable[[Access], BindConnection],
        threads: Sequence[BlockingRunner],
        timers: ITimers,
    ) -> None:
        self._terms = terms
        self._reach = reach
        self._connect = connect
        self._timers = timers
        self._threads = tuple(threads)
        self._free = list(threads)
        self._waiting: PlaceQueue[_Bind] = PlaceQueue(
            "directory.passwords_waiting", WAITING_MOST * len(threads), WAITING_OF_PLACE * len(threads)
        )
        self._under_way: set[_Bind] = set()
        self._idle: Deferred[None] | None = None
        self._key = secrets.token_bytes(32)
        self._right: OrderedDict[str, tuple[bytes, float]] = OrderedDict()
        self._closed = False
        self._end_reason = f"{terms.url} is not asked any more: the server ends"

    async def open(self) -> None:
        """Do nothing: threads start when they are needed."""

    async def close(self) -> None:
        """Cut what is under way, and end the threads."""
        self._closed = True
        while self._waiting:
            bind = self._waiting.take()
            bind.give_up(self._end_reason)
            self._let_go(bind)
        for bind in self._under_way:
            bind.give_up(self._end_reason)
        if self._under_way:
            self._idle = Deferred()
            await self._idle
        for thread in self._threads:
            await thread.stop()

    async def check(self, person: Person | None, password: str, peer: str) -> SignInObjection | None:
        """Ask whether a password is a person's; see the promise."""
        # RFC 4513 §5.1.2: a bind with a name and no password succeeds, as nobody.
        if not password:
            return WRONG
        dn = person.source if person is not None and is_dn(person.source) else NOBODY_DN
        since = person.password_set if person is not None else ""
        code = hmac.digest(self._key, f"{since}\0{password}".encode(), hashlib.sha256)
        if self._is_remembered(dn, code):
            return None
        verdict = await self._asked(dn, password, network_of(peer))
        if verdict is None and dn != NOBODY_DN:
            self._remember(dn, code)
            return None
        return verdict or WRONG

    def _is_remembered(self, dn: str, code: bytes) -> bool:
        right, until = self._right.get(dn, (b"", float("-inf")))
        return hmac.compare_digest(right, code) and self._timers.now() < until

    def _remember(self, dn: str, code: bytes) -> None:
        # The last one alone: where it is another than before, that may have been changed.
        self._right.pop(dn, None)
        if len(self._right) >= REMEMBERED_MOST:
            self._right.popitem(last=False)
        self._right[dn] = code, self._timers.now() + REMEMBERED_S

    async def _asked(self, dn: str, password: str, place: str) -> SignInObjection | None:
        """Bind when it is the place's turn and a thread is free."""
        url = self._terms.url
        if self._closed:
            raise DirectoryUnavailable(self._end_reason)
        excess = self._waiting.excess(place)
        if excess:
            whose = f" that {place} sends" if excess == PLACE else ""
            raise DirectoryUnavailable(
                f"{url} is asked about too many passwords{whose} at once: see why it is slow, or raise password_checks ([directory])"
            )
        bind = _Bind(self._connect(self._access(dn, password)), place)
        limit_s = self._terms.password_timeout_s
        slow = f"{url} took longer than {limit_s} s for a password: see why it is slow, or raise password_timeout_s ([directory])"
        late = self._timers.later(limit_s, lambda: bind.give_up(slow))
        bind.when_over = late.cancel
        self._waiting.put(bind)
        self._go_on()
        return await bind.wait()

    def _go_on(self) -> None:
        """Give what waits to threads that are free. A bind keeps its room until the thread is through with it."""
        while self._waiting and self._free:
            bind = self._waiting.take()
            if bind.is_over:  # its time was, before its turn
                self._let_go(bind)
                continue
            thread = self._free.pop()
            self._under_way.add(bind)
            _ = thread.call_in_thread(bind.make).addBoth(self._over, thread, bind)

    def _let_go(self, bind: "_Bind") -> None:
        bind.when_over()
        self._waiting.done(bind)

    def _over(self, outcome: SignInObjection | Failure | None, thread: BlockingRunner, bind: "_Bind") -> None:
        self._let_go(bind)
        self._under_way.remove(bind)
        self._free.append(thread)
        bind.conclude(outcome)
        self._go_on()
        if self._idle is not None and not self._under_way:
            self._idle.callback(None)

    def _access(self, dn: str, password: str) -> Access:
        access, parts = self._reach(), urlsplit(self._terms.url)
        if parts.scheme != "ldaps" and not access.start_tls and not is_loopback(parts.hostname or "localhost"):
            # `insecure` is the operator's word for what they put at risk themselves.
            raise DirectoryUnavailable(
                f"{access.url} would be told people's passwords without encryption, which insecure does not allow: set"
                ' start_tls = true, use ldaps://, or set passwords = "kept" ([directory])'
            )
        limit_s = self._terms.password_timeout_s
        return replace(
            access,
            bind_dn=dn,
            password=password,
            connect_timeout_s=min(access.connect_timeout_s, limit_s),
            answer_timeout_s=min(access.answer_timeout_s, limit_s),
            entry_bytes=ANSWER_BYTES,
            pull_bytes=ANSWER_BYTES,
        )


class _Bind(PendingVerdict[SignInObjection | None]):
    """One bind, from its wait to its end in the thread.

    Whoever waits may go before the thread comes to an end, and the thread may be stuck when their time is over:
    neither ends the other.
    """

    amount: Final = 1

    def __init__(self, link: BindConnection, place: str) -> None:
        super().__init__()
        self._link = link
        self.place = place
        self.when_over: Callable[[], object] = lambda: None
        """Called when it waits no more, and no thread has it."""

    def make(self) -> SignInObjection | None:
        """Ask the server, in the thread, unless nobody wants to know any more."""
        if not self.begin():
            raise CancelledError
        result = self._link.bind_once()
        try:
            return verdict_of(result)
        except UnclearBind:
            raise self._link.unclear(result) from None

    def give_up(self, reason: str) -> None:
        """Cut the connection, and tell who waits without waiting for the thread."""
        self._link.abort(reason)
        self.conclude(Failure(DirectoryUnavailable(reason)))
