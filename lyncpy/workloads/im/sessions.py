"""The table of sessions under way.

The key is Call-ID and the caller's tag: two real clients may use the same Call-ID, so it
identifies nothing alone.

Two people may invite each other in the same moment. Each such session is linked to the other, for
clients give up one of them by a request that would otherwise end both.

A message is counted in memory. What was counted is recorded once in a while, for all sessions at once: so it
costs a message nothing, and the store one commit.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Protocol

from lyncpy.contracts.bus import IBus, Interest
from lyncpy.contracts.facts import about_call
from lyncpy.contracts.names import Aor, Epid, bare
from lyncpy.contracts.refusal import Refused
from lyncpy.contracts.timers import ITimers
from lyncpy.core.deadline import Deadline, Deadlines
from lyncpy.sip.message import Request
from lyncpy.workloads.im.call_records import SessionRecorder
from lyncpy.workloads.im.model import session as rules
from lyncpy.workloads.im.model.session import EndReason, Session
from lyncpy.workloads.im.session_limits import SessionLimits

Key = tuple[str, str]

OVER_S: Final = 32.0
"""64*T1 in seconds: how long a dialog is known to have ended; by then its clients have to know (RFC 3261 §17)."""


PIECE: Final = 50
"""Sessions whose counts are recorded in one turn of the reactor: half a millisecond; very many may have talked."""


class KeepsSessions(Protocol):
    """Has another node go on with sessions, when this one is lost."""

    def deposit(self, session: Session) -> None:
        """Note a session as it is now."""

    def over(self, session: Session) -> None:
        """Note that a session has ended."""


class Sessions:
    """Every session of this process; bounded in total and per user."""

    def __init__(
        self,
        recorder: SessionRecorder,
        keeper: KeepsSessions,
        bus: IBus,
        timers: ITimers,
        *,
        limits: SessionLimits,
        total: int,
        counts_s: float,
    ) -> None:
        """Begin empty.

        Args:
            recorder: Has the records of sessions written.
            keeper: Is told of sessions that were answered.
            bus: Tells whoever traces them what becomes of them.
            limits: How many there may be, and of one user.
            total: Dialogs that are over and still known, at most.
            counts_s: Seconds after which new counts of sessions under way are recorded.
        """
        self._recorder = recorder
        self._keeper = keeper
        self._bus = bus
        self._timers = timers
        self._total = total
        self.people: Final = Interest()
        """Who is in one: of their devices it is to be heard when they are gone."""

        self._sessions: dict[Key, Session] = {}
        self._of: dict[Aor, set[Key]] = {}
        self._begun: Counter[Aor] = Counter()
        self._limits = limits
        limits.bound(self._sessions, self._begun)
        self._idle: Deadlines[Key] = Deadlines(timers, self._expire)
        self._counts_s = counts_s
        self._counted: dict[Key, None] = {}
        """Sessions whose counts have changed since they were recorded."""

        self._record_counts = Deadline(timers, self._record_counted)
        self._by_tags: dict[tuple[str, str], Key] = {}
        """Established sessions, by the caller's tag and the callee's."""

        self._asked: dict[tuple[Aor, Aor, str], dict[Key, None]] = {}
        """Unanswered sessions, by caller, callee and media; oldest first."""

        self._crossing: dict[Key, Key] = {}
        """Sessions of two people who invited each other at once."""

        self._left_over: set[Key] = set()
        """Of two that crossed, the one that remains after the other was cancelled in its favour."""

        self._over: OrderedDict[tuple[str, str, str], float] = OrderedDict()
        """Dialogs that a BYE has ended, and until when that is known, in monotonic seconds; oldest first."""

    def __len__(self) -> int:
        return len(self._sessions)

    def all_sessions(self) -> Sequence[Session]:
        """Return all sessions, oldest first."""
        return tuple(self._sessions.values())

    def sessions_of(self, aor: Aor, epid: Epid | None = None) -> Sequence[Session]:
        """Return a user's sessions; with `epid`, those of one endpoint."""
        found = [self._sessions[key] for key in self._of.get(aor, ())]
        if epid is None:
            return found
        return [s for s in found if any(side.aor == aor and side.epid == epid for side in (s.caller, s.callee))]

    def add_session(self, session: Session) -> None:
        """Add a new session.

        Only sessions that a user began count for them: if being called counted, any caller could use up
        another user's share.

        Raises:
            Refused: 482, the dialog exists; 503 (17000), there are too many.
        """
        key = _key(session)
        if key in self._sessions:
            raise Refused(482)
        caller = session.caller.aor
        self._limits.check(len(self._sessions), self._begun[caller])
        self._sessions[key] = session
        self._begun[caller] += 1
        for user in {caller, session.callee.aor}:
            self._join(user, key)
        if session.answered:
            self._by_tags[session.caller.tag, session.callee.tag] = key
        else:
            self._ask(key, session)
        self._idle.set(key, rules.deadline(session) - self._timers.now())
        self._note(session, lambda: "goes on at this server" if session.answered else "begins")

    def find(self, request: Request) -> Session | None:
        """Find the session that a request within a dialog belongs to, by its Call-ID and the caller's tag."""
        call_id = request.call_id
        found = self._sessions.get((call_id, request.from_.tag or ""))
        return found if found is not None else self._sessions.get((call_id, request.to.tag or ""))

    def find_by_tags(self, request: Request) -> Session | None:
        """Find the session whose tags a request has, whatever its Call-ID.

        COMPAT pidgin-sipe 1.25: when both have invited, it goes on with the tags of one dialog
        and the Call-ID of the other.
        """
        one, other = request.from_.tag or "", request.to.tag or ""
        key = self._by_tags.get((one, other)) or self._by_tags.get((other, one))
        return None if key is None else self._sessions[key]

    def find_begun(self, request: Request, caller: Aor) -> Session | None:
        """Find the session that a user has begun with this Call-ID and From tag."""
        found = self._sessions.get((request.call_id, request.from_.tag or ""))
        return found if found is not None and found.caller.aor == caller else None

    def is_crossing(self, session: Session) -> bool:
        """Tell whether the callee has invited the caller in the same moment, and that was not refused."""
        key = _key(session)
        return key in self._left_over or self._crossing.get(key) in self._sessions

    def is_over(self, request: Request) -> bool:
        """Tell whether a BYE has ended the dialog that a request names, at most `OVER_S` ago."""
        call_id, one, other = request.call_id, request.from_.tag or "", request.to.tag or ""
        now = self._timers.now()
        return any(self._over.get(name, now) > now for name in ((call_id, one, other), (call_id, other, one)))

    def current(self, session: Session) -> Session | None:
        """Return a session as it is in the table now; None: it has ended."""
        return self._sessions.get(_key(session))

    def count(self, session: Session, side_tag: str, *, delivered: bool) -> None:
        """Count a MESSAGE of a side; the record has it within `counts_s`. What comes after the end is in none.

        Args:
            delivered: Whether the receiver's own 2xx has come.
        """
        rules.count(session, side_tag, self._timers.now(), delivered=delivered)
        if not session.counts.is_news:
            key = _key(session)
            if key in self._sessions:
                session.counts.is_news = True
                self._counted[key] = None
                self._record_counts.set_first(self._counts_s)

    def update(self, session: Session) -> None:
        """Replace a session and have it recorded at once; nothing happens when it has ended meanwhile."""
        key = _key(session)
        if key in self._sessions:
            before = self._sessions[key]
            if session.answered and not before.answered:
                self._note(session, lambda: "was accepted")
                self._answer(key, before)
                self._by_tags[session.caller.tag, session.callee.tag] = key
                if session.callee.aor != before.callee.aor:  # it was taken in place of who was called
                    self._note(before, lambda: f"was taken by {bare(session.callee.aor)}")
                    if before.callee.aor != session.caller.aor:
                        self._leave(before.callee.aor, key)
                    self._join(session.callee.aor, key)
            self._sessions[key] = session
            self._recorder.note(rules.recorded(session))
            self._keeper.deposit(session)

    def update_unrecorded(self, session: Session) -> None:
        """Replace a session where its record has not changed; nothing happens when it has ended meanwhile."""
        key = _key(session)
        if key in self._sessions:
            self._sessions[key] = session

    def end_session(self, session: Session) -> None:
        """Remove a session and have its end recorded; may be called twice.

        All indexes of a session are removed here and in no other place.
        """
        key = _key(session)
        if self._sessions.pop(key, None) is None:
            return
        # The share of its caller: a counter at 0 is removed, or the table would grow with every user of ever.
        self._begun[session.caller.aor] -= 1
        if not self._begun[session.caller.aor]:
            del self._begun[session.caller.aor]
        self._idle.clear(key)
        self._counted.pop(key, None)
        self._answer(key, session)
        # Clients that mix up two dialogs may use the same tags in both: only its own entry goes.
        tags = session.caller.tag, session.callee.tag
        if self._by_tags.get(tags) == key:
            del self._by_tags[tags]
        # Of two that crossed, one was cancelled in favour of the other, whose client may still send a BYE that means
        # the cancelled one: the other is noted, so that this BYE does not end it (`is_crossing`).
        self._left_over.discard(key)
        other = self._crossing.pop(key, None)
        if other in self._sessions and session.record.end_reason == EndReason.CANCELLED.value:
            self._left_over.add(other)
        for user in {session.caller.aor, session.callee.aor}:
            self._leave(user, key)
        self._recorder.note(rules.recorded(session))
        self._keeper.over(session)
        self._note(session, lambda: rules.ending(session))

    def _note(self, session: Session, what: Callable[[], str]) -> None:
        """Tell whoever traces the two, or their dialog, what has become of it."""
        about = session.caller.aor, session.callee.aor, about_call(session.record.call_id)
        self._bus.note(lambda: f"{_people(session)} {what()}", *about)

    def _join(self, user: Aor, key: Key) -> None:
        """Note that somebody is in a session."""
        self._of.setdefault(user, set()).add(key)
        self.people.add(user)

    def _leave(self, user: Aor, key: Key) -> None:
        """Note that somebody is in a session no longer."""
        mine = self._of[user]
        mine.discard(key)
        if not mine:
            del self._of[user]
            self.people.discard(user)

    def hang_up(self, session: Session) -> None:
        """End a session by BYE: for a while, requests in its dialog are refused."""
        now = self._timers.now()
        while self._over and (len(self._over) >= self._total or next(iter(self._over.values())) <= now):
            self._over.popitem(last=False)
        self._over[session.record.call_id, session.caller.tag, session.callee.tag] = now + OVER_S
        self.end_session(session)

    def _ask(self, key: Key, session: Session) -> None:
        """Note that a session is unanswered, and whether it crosses one of its callee to its caller."""
        caller, callee, media = session.caller.aor, session.callee.aor, session.record.media
        # The latest is taken: earlier ones ring for another reason. A user may invite a further device of their own.
        opposite = self._asked.get((callee, caller, media)) if caller != callee else None
        if opposite:
            other = next(reversed(opposite))
            self._crossing[key], self._crossing[other] = other, key
        self._asked.setdefault((caller, callee, media), {})[key] = None

    def _answer(self, key: Key, session: Session) -> None:
        name = session.caller.aor, session.callee.aor, session.record.media
        asked = self._asked.get(name)
        if asked is not None:
            asked.pop(key, None)
            if not asked:
                del self._asked[name]

    def _record_counted(self) -> None:
        """Have all records written whose counts have changed until now."""
        self._record_some(len(self._counted))

    def _record_some(self, left: int) -> None:
        """Have the records written that have waited for longest, a piece in each turn of the reactor."""
        piece = [key for key, _ in zip(self._counted, range(min(left, PIECE)), strict=False)]
        for key in piece:
            del self._counted[key]
            session = self._sessions[key]
            session.counts.is_news = False
            self._recorder.note(rules.recorded(session))
            self._keeper.deposit(session)
        if len(piece) == PIECE and left > PIECE:
            self._timers.soon(partial(self._record_some, left - PIECE))
        elif self._counted:
            self._record_counts.set_first(self._counts_s)

    def _expire(self, key: Key) -> None:
        """End a session whose deadline has come.

        A message moves the deadline, and sets no timer: that would cost each message one. So the timer may come
        too early, and is set again then.
        """
        session, now = self._sessions[key], self._timers.now()
        after = rules.expire(session, now, self._timers.wall())
        if after is session:
            self._idle.set(key, rules.deadline(session) - now)
        else:
            self.end_session(after)


def _people(session: Session) -> str:
    people = f"{bare(session.caller.aor)} with {bare(session.callee.aor)}"
    return f"the session of {people} ({session.record.media or 'of unknown media'})"


def _key(session: Session) -> Key:
    return session.record.call_id, session.caller.tag
