"""Who may look at the console, and for how long: tickets, which are kept in the store so that every server of a deployment knows them.

There are two kinds. A *session* is what a browser has in a cookie; it is of who has shown an operator's token, or a link. A *link* is
printed by the shell, opens one session, and is good for some minutes. What is stored is a digest: a ticket is long and random.
"""

import hashlib
import json
import re
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Final

from lyncpy.contracts.answers import FACTS, form
from lyncpy.contracts.limit import Limit
from lyncpy.contracts.store import Conflict, IStore, Record
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import Arg, CommandCall, CommandFailed, OperatorRole, ShellCommand, Table
from lyncpy.core.timestamps import moment
from lyncpy.core.versioned import NONE_YET
from lyncpy.workloads.admin.settings import Settings
from lyncpy.workloads.admin.tokens import OperatorTokens, TokenHolder

KIND: Final = "console-ticket"
SESSION, LINK = "session", "link"
LINK_S: Final = 600.0
"""Seconds that a link is good."""

OF_ONE: Final = 8
"""Tickets of a kind that one operator may have; the oldest goes."""

ALL: Final = "all"
_SECRET_BYTES: Final = 32
SECRET: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_SHOWN: Final = 8
"""Of the digest: by these an operator names a session."""


class NoPlace(Exception):
    """There are as many sessions as may be; the sentence says what to do."""


@dataclass(frozen=True, slots=True)
class ConsoleTicket:
    """A session or a link, as it is stored."""

    what: str
    name: str
    """Whose it is: a token's name, or the author of the link."""

    since: float
    until: float
    place: str = ""
    """The address that opened it."""

    token: str = ""
    """The digest of the token that was shown; "": none was."""


class ConsoleTickets:
    """Gives, finds and ends tickets.

    Args:
        store: Keeps them.
        tokens: Of operators: with a token its sessions end.
        settings: The section [admin].
        timers: The clock.
        site: The address of the site; "" when there is none.
    """

    def __init__(self, store: IStore, tokens: OperatorTokens, settings: Settings, timers: ITimers, site: str) -> None:
        self._store = store
        self._tokens = tokens
        self._settings = settings
        self._timers = timers
        self._site = site
        self._limit = Limit("admin.console_sessions", settings.console_sessions)

    # --- for the pages

    async def of_token(self, holder: TokenHolder, place: str) -> str:
        """Open a session for who has shown a token; give its secret.

        Raises:
            NoPlace: There may be no more.
            StoreUnavailable: It cannot be kept.
        """
        return await self._new(SESSION, holder.name, self._settings.console_s, place, holder.sha256)

    async def of_link(self, secret: str, place: str) -> str | None:
        """Open a session for who has a link, and end the link; give the secret of the session. None for a link that is none.

        Raises:
            NoPlace, StoreUnavailable: As above; the link is used up all the same.
        """
        found = await self._found(secret)
        if found is None or found[1].what != LINK:
            return None
        record, link = found
        if not await self._remove(record):
            return None
        return await self._new(SESSION, link.name, self._settings.console_s, place)

    async def session(self, secret: str) -> ConsoleTicket | None:
        """Give the session of a cookie; None for one that is over, or whose token is.

        Raises:
            StoreUnavailable: It cannot be looked up.
        """
        found = await self._found(secret)
        if found is None or found[1].what != SESSION:
            return None
        one = found[1]
        return one if not one.token or await self._tokens.stands(one.name, one.token) else None

    async def sign_out(self, secret: str) -> None:
        """End the session of a cookie."""
        found = await self._found(secret)
        if found is not None:
            await self._remove(found[0])

    # --- for the shell

    def commands(self) -> tuple[ShellCommand, ...]:
        """Give the shell commands of the console."""
        which = Arg("session", f'its first letters, as `console sessions` shows them, or "{ALL}"')
        return (
            ShellCommand(
                "console link",
                "Make a link that opens the web console in one browser, once, within ten minutes.",
                self.link,
                role=OperatorRole.OPERATOR,
                form=form(facts="link until:time"),
            ),
            ShellCommand(
                "console sessions",
                "Who may look at the web console, and until when.",
                self.sessions,
                form=form("session name from since:time until:time"),
            ),
            ShellCommand(
                "console end",
                "End a session of the web console at once, or all of them and all links.",
                self.end_session,
                args=(which,),
                role=OperatorRole.OPERATOR,
                form=form("session name"),
            ),
        )

    async def link(self, asked: CommandCall) -> Table:
        """Make a link."""
        if not self._settings.console or not self._site:
            missing = "[admin] console = true" if not self._settings.console else "[web] https_port"
            raise CommandFailed(f"there is no web console here; {missing} gives one")
        try:
            secret = await self._new(LINK, asked.author, LINK_S, "")
        except NoPlace as error:
            raise CommandFailed(str(error)) from None
        rows = [
            ("link", f"{self._site}/console/enter?ticket={secret}"),
            ("until", moment(self._timers.wall() + LINK_S)),
        ]
        return Table(FACTS, rows, note="whoever opens it first may look at the console, and nobody after them")

    async def sessions(self, asked: CommandCall) -> Table:
        """List the sessions that are good."""
        rows = [
            (record.key[:_SHOWN], one.name, one.place, moment(one.since), moment(one.until))
            for record, one in await self._living(lambda one: one.what == SESSION)
        ]
        return Table(("session", "name", "from", "since", "until"), rows)

    async def end_session(self, asked: CommandCall) -> Table:
        """End sessions."""
        which = asked.args["session"]
        found = [
            (record, one)
            for record, one in await self._living(lambda _: True)
            if which == ALL or (len(which) >= 4 and record.key.startswith(which))
        ]
        if not found and which != ALL:
            raise CommandFailed(f'there is no session "{which[:80]}"; see: console sessions')
        for record, _ in found:
            await self._remove(record)
        rows = [(record.key[:_SHOWN], one.name) for record, one in found if one.what == SESSION]
        return Table(("session", "name"), rows, note=f"{len(rows)} ended")

    # --- what is kept

    async def _new(self, what: str, name: str, lasts_s: float, place: str, token: str = "") -> str:
        now = self._timers.wall()
        living = await self._living(lambda one: one.what == what)
        own = [record for record, one in living if one.name == name]
        for record in own[: max(0, len(own) - OF_ONE + 1)]:
            await self._remove(record)
        if len(living) - max(0, len(own) - OF_ONE + 1) >= self._settings.console_sessions:
            self._limit.hit()
            raise NoPlace(
                f"there are {len(living)} {what}s, and may be no more ([admin] console_sessions);"
                " end some: console sessions, console end"
            )
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        ticket = ConsoleTicket(what, name, now, now + lasts_s, place, token)
        await self._store.write(KIND, _digest(secret), json.dumps(asdict(ticket)).encode(), NONE_YET)
        return secret

    async def _living(self, wanted: Callable[[ConsoleTicket], bool]) -> list[tuple[Record, ConsoleTicket]]:
        """Give the tickets that are good, the oldest first; what is over is removed."""
        found = []
        for record in await self._store.scan(KIND):
            one = _unpack(record.value)
            if self._timers.wall() >= one.until:
                await self._remove(record)
            elif wanted(one):
                found.append((record, one))
        return sorted(found, key=lambda pair: pair[1].since)

    async def _found(self, secret: str) -> tuple[Record, ConsoleTicket] | None:
        if not SECRET.fullmatch(secret):
            return None
        record: Record | None = await self._store.read(KIND, _digest(secret))
        if record is None:
            return None
        one = _unpack(record.value)
        return (record, one) if self._timers.wall() < one.until else None

    async def _remove(self, record: Record) -> bool:
        """Remove a ticket; False: somebody else was first, for none ever changes."""
        try:
            await self._store.remove(KIND, record.key, record.version)
        except Conflict:
            return False
        return True


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _unpack(value: bytes) -> ConsoleTicket:
    return ConsoleTicket(**json.loads(value))
