"""The table of sessions under way.

Keyed by Call-ID and the caller's tag: two real clients may use the same Call-ID, so it
says nothing alone.
"""

from collections import Counter
from collections.abc import Sequence

from lyncpy.contracts.names import Aor, Epid
from lyncpy.contracts.refusal import Diagnostics, Refused
from lyncpy.contracts.timers import ITimer, ITimers
from lyncpy.sip.message import Request
from lyncpy.workloads.im import model
from lyncpy.workloads.im.model import Session, Side
from lyncpy.workloads.im.recorder import Recorder

Key = tuple[str, str]


class Sessions:
    """Every session of this process; bounded in total and per user."""

    def __init__(self, recorder: Recorder, timers: ITimers, *, total: int, per_user: int, idle_s: float) -> None:
        """Begin empty."""
        self._recorder = recorder
        self._timers = timers
        self._total = total
        self._per_user = per_user
        self._idle_s = idle_s
        self._sessions: dict[Key, Session] = {}
        self._of: dict[Aor, set[Key]] = {}
        self._begun: Counter[Aor] = Counter()
        self._idle: dict[Key, ITimer] = {}
        self._seen: dict[Key, float] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def all(self) -> Sequence[Session]:
        """Give all sessions, oldest first."""
        return tuple(self._sessions.values())

    def of(self, aor: Aor, epid: Epid | None = None) -> Sequence[Session]:
        """Give a user's sessions; those of one endpoint when it is named."""
        found = [self._sessions[key] for key in self._of.get(aor, ())]
        if epid is None:
            return found
        return [s for s in found if any(side.aor == aor and side.epid == epid for side in (s.caller, s.callee))]

    def add(self, session: Session) -> None:
        """Take a new session.

        What a user may have is what he began: if being called counted, any caller could keep
        him from talking.

        Raises:
            Refused: 482 for a dialog that exists, 503 when there are too many.
        """
        key = _key(session)
        if key in self._sessions:
            raise Refused(482)
        caller = session.caller.aor
        if len(self._sessions) >= self._total or self._begun[caller] >= self._per_user:
            raise Refused(503, Diagnostics(17000, "Server overloaded"), headers=[("Retry-After", "60")])
        self._sessions[key] = session
        self._begun[caller] += 1
        for user in {caller, session.callee.aor}:
            self._of.setdefault(user, set()).add(key)
        self._seen[key] = self._timers.now()
        self._watch(key, self._idle_s)

    def find(self, request: Request) -> tuple[Session, Side] | None:
        """Give the session that a request within a dialog belongs to, and the side that sent it."""
        call_id, from_tag, to_tag = request.call_id, request.from_.tag or "", request.to.tag or ""
        for key in ((call_id, from_tag), (call_id, to_tag)):
            session = self._sessions.get(key)
            side = session.side_of(from_tag) if session is not None else None
            if session is not None and side is not None and session.other(side).tag in ("", to_tag):
                return session, side
        return None

    def early(self, request: Request, sender: Aor) -> Session | None:
        """Give the session whose invitation an endpoint of `sender` has and has not answered yet, but speaks in."""
        session = self._sessions.get((request.call_id, request.to.tag or ""))
        return session if session is not None and not session.answered and session.callee.aor == sender else None

    def current(self, session: Session) -> Session | None:
        """Give the present state of a session, or None when it has ended."""
        return self._sessions.get(_key(session))

    def change(self, session: Session, *, at_once: bool) -> None:
        """Keep a new state and have it recorded; nothing happens when the session has ended meanwhile."""
        key = _key(session)
        if key in self._sessions:
            self._sessions[key] = session
            self._seen[key] = self._timers.now()
            self._recorder.note(session.record, at_once=at_once)

    def moved(self, session: Session) -> None:
        """Keep a new state that no record shows."""
        key = _key(session)
        if key in self._sessions:
            self._sessions[key] = session

    def end(self, session: Session) -> None:
        """Remove a session and have its last state recorded; may be called twice."""
        key = _key(session)
        if self._sessions.pop(key, None) is None:
            return
        self._begun[session.caller.aor] -= 1
        if not self._begun[session.caller.aor]:
            del self._begun[session.caller.aor]
        self._idle.pop(key).cancel()
        del self._seen[key]
        for user in {session.caller.aor, session.callee.aor}:
            mine = self._of[user]
            mine.discard(key)
            if not mine:
                del self._of[user]
        self._recorder.note(session.record, at_once=True)

    def _watch(self, key: Key, delay_s: float) -> None:
        self._idle[key] = self._timers.later(delay_s, lambda: self._look_at(key))

    def _look_at(self, key: Key) -> None:
        """End a session in which nothing was sent for too long; a message costs no timer this way."""
        silent_s = self._timers.now() - self._seen[key]
        if silent_s < self._idle_s:
            self._watch(key, self._idle_s - silent_s)
        else:
            self.end(model.ended(self._sessions[key], "server", "idle", self._timers.wall()))


def _key(session: Session) -> Key:
    return session.record.call_id, session.caller.tag
