"""Operators' tokens: who has one, with which role; for programs that ask over HTTPS.

A token is `NAME.SECRET`, and is shown once. What is stored is the secret's digest: it is long and random, so that a plain
one keeps it well. The record is read at each use, so that a token that is revoked anywhere is refused at once everywhere.
"""

import hashlib
import hmac
import json
import re
import secrets
from dataclasses import asdict, dataclass
from typing import Final

from lyncpy.contracts.answers import FACTS, form
from lyncpy.contracts.store import IStore
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import Arg, CommandCall, CommandFailed, Flag, OperatorRole, ShellCommand, Table
from lyncpy.core.flags import span_flag
from lyncpy.core.timestamps import moment
from lyncpy.core.versioned import LastWriter

KIND: Final = "operator-token"
ROLES: Final = {"viewer": OperatorRole.VIEWER, "operator": OperatorRole.OPERATOR}
"""What a token may be; the Python prompt is for keys alone."""

TOKENS_MOST: Final = 200
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_SECRET_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """One token, as it is stored."""

    sha256: str
    role: str
    created: float
    by: str
    until: float | None = None
    """When it ends; None: never."""


@dataclass(frozen=True, slots=True)
class TokenHolder:
    """A program that showed its token."""

    name: str
    role: OperatorRole
    sha256: str
    """The digest of its secret, by which this token is told from a later one of the same name."""


class OperatorTokens:
    """Makes, finds and revokes tokens."""

    def __init__(self, store: IStore, timers: ITimers) -> None:
        self._store = store
        self._timers = timers

    def commands(self) -> tuple[ShellCommand, ...]:
        """Give the shell commands of tokens."""
        name = Arg("name", "what the program is called: small letters, digits, - and _")
        role = Flag("role", "what it may do; viewer when left out", takes="|".join(ROLES))
        lasts = Flag("for", "how long it is good, as 12h or 90d; for ever when left out", takes="TIME")
        operator = OperatorRole.OPERATOR
        return (
            ShellCommand(
                "token create",
                "Make a token with which a program may use /api/; it is shown this once.",
                self.create,
                args=(name,),
                flags=(role, lasts),
                role=operator,
                form=form(facts="name role until:time? token"),
            ),
            ShellCommand(
                "token revoke",
                "Refuse a token from now on.",
                self.revoke,
                args=(name,),
                role=operator,
                form=form("name role"),
            ),
            ShellCommand(
                "tokens",
                "The tokens with which programs may use /api/.",
                self.tokens,
                form=form("name role created:time by until:time? valid:truth"),
            ),
        )

    async def create(self, asked: CommandCall) -> Table:
        """Make a token."""
        name, role = asked.args["name"], asked.flags.get("role", "viewer")
        if not _NAME.fullmatch(name):
            raise CommandFailed(f'"{name[:80]}" is no name of a token: small letters, digits, - and _, at most 40')
        if role not in ROLES:
            raise CommandFailed(f'--role is {" or ".join(ROLES)}, not "{role[:80]}"')
        now = self._timers.wall()
        lasts_s = span_flag(asked.flags, "for")
        writer = LastWriter(self._store, KIND)
        known = {record.key for record in await writer.scan()}
        if name in known:
            raise CommandFailed(f'there is a token "{name}" already; revoke it first, or take another name')
        if len(known) >= TOKENS_MOST:
            raise CommandFailed(f"there are {len(known)} tokens, and may be no more; revoke those that nobody needs")
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        until = None if lasts_s is None else now + lasts_s
        record = TokenRecord(_digest(secret), role, now, asked.author, until)
        await writer.write(name, json.dumps(asdict(record)).encode())
        rows = [("name", name), ("role", role), ("until", _moment(until)), ("token", f"{name}.{secret}")]
        return Table(
            FACTS, rows, note="nobody can show it again: give it to the program as Authorization: Bearer TOKEN"
        )

    async def revoke(self, asked: CommandCall) -> Table:
        """Remove a token."""
        name, writer = asked.args["name"], LastWriter(self._store, KIND)
        found = await writer.read(name)
        if found is None:
            raise CommandFailed(f'there is no token "{name[:80]}"; see: tokens')
        await writer.write(name, None)
        return Table(("name", "role"), [(name, _unpack(found.value).role)], note="revoked")

    async def tokens(self, asked: CommandCall) -> Table:
        """List tokens."""
        now = self._timers.wall()
        found = [(record.key, _unpack(record.value)) for record in await self._store.scan(KIND)]
        rows = [
            (name, one.role, moment(one.created), one.by, _moment(one.until), one.until is None or now < one.until)
            for name, one in sorted(found, key=lambda pair: pair[0])
        ]
        return Table(("name", "role", "created", "by", "until", "valid"), rows)

    async def holder(self, token: str) -> TokenHolder | None:
        """Give who holds a token; None for one that nobody has, or that is over.

        Raises:
            StoreUnavailable: It cannot be looked up.
        """
        name, _, secret = token.partition(".")
        if not (_NAME.fullmatch(name) and _SECRET.fullmatch(secret)):
            return None
        record = await self._store.read(KIND, name)
        if record is None:
            return None
        one = _unpack(record.value)
        is_right = hmac.compare_digest(_digest(secret), one.sha256)
        is_over = one.until is not None and self._timers.wall() >= one.until
        return TokenHolder(name, ROLES[one.role], one.sha256) if is_right and not is_over else None

    async def stands(self, name: str, sha256: str) -> bool:
        """Tell whether a token is good that somebody has shown before.

        Raises:
            StoreUnavailable: It cannot be looked up.
        """
        record = await self._store.read(KIND, name)
        if record is None:
            return False
        one = _unpack(record.value)
        return one.sha256 == sha256 and (one.until is None or self._timers.wall() < one.until)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _unpack(value: bytes) -> TokenRecord:
    return TokenRecord(**json.loads(value))


def _moment(at: float | None) -> str | None:
    return None if at is None else moment(at)
