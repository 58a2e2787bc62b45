"""Who asks: nobody in particular, a user with their password, in clear or proved by NTLM, or a program with a token.

Failed passwords count together with those over SIP, so that the site is no second place to
guess them. Tokens are long and random, hence a plain digest keeps them well; the file is
read again whenever it has changed, so that a token that is taken out is refused at once.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from lyncpy.contracts.authenticator import AuthenticationDenied
from lyncpy.contracts.directory import IPeople, Person
from lyncpy.contracts.http import (
    ANYBODY,
    HttpAsked,
    HttpReader,
    HttpReaderKind,
    HttpRefused,
    INtlmHandshakes,
    IPasswords,
    ITicketHandshakes,
    TicketProof,
)
from lyncpy.contracts.names import Aor, aor_of
from lyncpy.contracts.owners import IMeanings
from lyncpy.contracts.refusal import Diagnostics, Refused
from lyncpy.contracts.secret_file import open_secret
from lyncpy.contracts.toml_text import TomlUnusable, read_toml
from lyncpy.core.keyed_lock import KeyedLock
from lyncpy.core.signins import UNASKED, SignIns
from lyncpy.sip.binary import read_base64
from lyncpy.sip.errors import RemoteProtocolError

REALM: Final = "lyncpy"
_KIND: Final = "web sign-in"
_LOGIN_CHARACTERS: Final = 254
_BASIC_CHARACTERS: Final = 8_192
"""Of a name and a password in base64; no password that anybody could have needs more."""

_NOT_ENABLED: Final = 28000
_FILE_BYTES: Final = 1 << 20
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/=-]{32,512}")
"""What `Authorization: Bearer` may carry (RFC 6750 §2.1), and nothing that could be guessed."""

_ADDRESS: Final = re.compile(r"(?:sip:)?[^\s@:;?<>\"]{1,64}@[A-Za-z0-9.-]{1,253}")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


_NOT_NOW: Final = HttpRefused(
    503, "the directory cannot be asked for passwords now, try again later", (("Retry-After", "30"),)
)


class ReadersUnusable(Exception):
    """The file of tokens cannot be used; the sentence says why and what to do."""


@dataclass(frozen=True, slots=True)
class TokenReader:
    """A program that may read with a token."""

    name: str
    aor: Aor
    sha256: bytes


def read_named(file: Path) -> tuple[TokenReader, ...]:
    """Read the file of tokens; none, when there is no such file.

    Raises:
        ReadersUnusable: Others may read it, or it is not what it should be.
    """
    try:
        with open_secret(file) as opened:
            document = read_toml(opened.read(_FILE_BYTES))
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise ReadersUnusable(f"[web] readers_file: {file} cannot be used: {error.strerror}") from None
    except TomlUnusable as error:
        raise ReadersUnusable(f"[web] readers_file: {file}: {error}") from None
    return tuple(_named(file, name, table) for name, table in document.items())


def _named(file: Path, name: str, table: Any) -> TokenReader:  # Any: whatever stands in the file
    known = {"address", "sha256"}
    if not isinstance(table, dict) or set(table) != known:
        raise ReadersUnusable(f"[web] readers_file: {file}: [{name}] needs address and sha256, and nothing else")
    address, digest = str(table["address"]), str(table["sha256"]).lower()
    if not _ADDRESS.fullmatch(address):
        raise ReadersUnusable(f"[web] readers_file: {file}: [{name}] address: write it as name@example.com")
    if not _DIGEST.fullmatch(digest):
        raise ReadersUnusable(
            f"[web] readers_file: {file}: [{name}] sha256: give the 64 hexadecimal digits that sha256sum prints"
        )
    return TokenReader(name, aor_of(address), bytes.fromhex(digest))


class Tokens:
    """The programs in the file of tokens, as it is now; it is read at the first use of a token."""

    log = Logger()

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen: object = None
        self._named: tuple[TokenReader, ...] = ()

    def all_holders(self) -> tuple[TokenReader, ...]:
        """Give the names of all programs that have tokens."""
        return self._current()

    def holder_of(self, token: str) -> TokenReader | None:
        """Find the program that holds a token. All are compared, so that time tells nothing."""
        digest = hashlib.sha256(token.encode()).digest()
        found = [one for one in self._current() if hmac.compare_digest(one.sha256, digest)]
        return found[0] if found else None

    def _current(self) -> tuple[TokenReader, ...]:
        try:
            status = self._file.stat()
            seen: object = (status.st_mtime_ns, status.st_size, status.st_ino, status.st_mode)
        except OSError:
            seen = "absent"
        if seen != self._seen:
            self._seen = seen
            try:
                self._named = read_named(self._file)
            except ReadersUnusable as error:
                # Nobody is let in by half a file.
                self._named = ()
                self.log.error("{reason}", reason=str(error))
        return self._named


class Readers:
    """Authenticates who asks.

    Args:
        passwords: Verifies names and passwords.
        ntlm: Verifies passwords that are proved and not sent; None: all are sent.
        people: Everybody.
        signins: Counts failures.
        writers: Queues the tries of one name.
        tokens: Of programs.
        meanings: Whom the addresses beside the tokens mean.
        tickets: Verifies Kerberos tickets; None: none are asked for.
    """

    log = Logger()

    def __init__(
        self,
        passwords: IPasswords,
        ntlm: INtlmHandshakes | None,
        people: IPeople,
        signins: SignIns,
        writers: KeyedLock,
        tokens: Tokens,
        meanings: IMeanings,
        tickets: ITicketHandshakes | None,
    ) -> None:
        self._tickets = tickets
        self._meanings = meanings
        self._passwords = passwords
        self._ntlm = ntlm
        self._people = people
        self._signins = signins
        self._writers = writers
        self._tokens = tokens

    async def who(self, asked: HttpAsked) -> HttpReader:
        """Authenticate the reader of a request; without credentials it is anybody.

        Raises:
            HttpRefused: 401 for credentials that are wrong, 429 after too many such.
        """
        scheme, _, value = asked.headers.get("authorization", "").strip().partition(" ")
        match scheme.lower():
            case "":
                return ANYBODY
            case "basic":
                return await self._basic(*_basic(value), asked)
            case "ntlm":
                return await self._ntlm_step(value.strip(), asked)
            case "negotiate" if value.strip().startswith(_NTLM_BEGINS):
                # Windows does so where it has no ticket ([MS-NTHT] 3.1.5).
                return await self._ntlm_step(value.strip(), asked, _NEGOTIATE)
            case "negotiate" if self._tickets is not None:
                return await self._shown(value.strip(), asked, self._tickets)
            case "bearer":
                named = self._tokens.holder_of(value.strip()) if _TOKEN.fullmatch(value.strip()) else None
                if named is None:
                    raise HttpRefused(401, "nobody has this token", (("WWW-Authenticate", _bearer("invalid_token")),))
                return HttpReader(HttpReaderKind.NAMED, self._meant(named), named.name)
            case _:
                raise HttpRefused(401, "use Basic or Bearer", tuple(("WWW-Authenticate", one) for one in _ALL))

    def forget(self, connection: str) -> None:
        """Forget a connection that is over, and the handshake on it."""
        if self._ntlm is not None:
            self._ntlm.drop(connection)

    def note_meanings(self) -> None:
        """Look up the people of all tokens, so that they are noted while they have the addresses."""
        for named in self._tokens.all_holders():
            self._meanings.present_address(_place(named), named.aor)

    def _meant(self, named: TokenReader) -> Aor:
        """Give the present address of a token's holder; None: its person has left, and the token with them.

        Raises:
            HttpRefused: 401, when they left the directory, or are disabled.
        """
        aor = self._meanings.present_address(_place(named), named.aor)
        person = None if aor is None else self._people.person(aor)
        if aor is None or (person is not None and not person.may_stay):
            raise HttpRefused(401, "nobody has this token", (("WWW-Authenticate", _bearer("invalid_token")),))
        return aor

    def challenges(self, kinds: Iterable[HttpReaderKind], *, handshakes: bool = False) -> tuple[str, ...]:
        """Give the WWW-Authenticate values for those who may read, the better ones first."""
        kinds = frozenset(kinds)
        shown = (_NEGOTIATE,) if self._tickets is not None else ()
        proved = (_NTLM,) if self._ntlm is not None else ()
        better = (*shown, *proved) if handshakes and HttpReaderKind.SIGNED_IN in kinds else ()
        return (*better, *(_CHALLENGES[kind] for kind in HttpReaderKind if kind in kinds and kind in _CHALLENGES))

    async def _basic(self, login: str, password: str, asked: HttpAsked) -> HttpReader:
        person = self._people.by_login("", login)
        wrong = HttpRefused(401, "name or password is wrong", (("WWW-Authenticate", _BASIC),))
        check = partial(self._passwords.check, login, password, asked.peer)
        reader = await self._to_its_end(self._tried(person, login, asked, check, wrong))
        return replace(reader, password=password)

    async def _shown(self, token: str, asked: HttpAsked, tickets: ITicketHandshakes) -> HttpReader:
        """Let somebody in who shows a ticket; whose it is, is known only once it holds.

        Until then its tries are the connection's, and count for the place like those as somebody unknown. What
        does not hold gets the other schemes, with which a client may go on.
        """
        schemes = (_BASIC,) if self._ntlm is None else (_NTLM, _BASIC)
        instead = tuple(("WWW-Authenticate", one) for one in schemes)
        attempt = self._signins.attempt(aor_of(f"ticket-{asked.connection}@invalid"), asked.peer)
        try:
            self._signins.check_wait(attempt)
            outcome = await tickets.check(token, asked.peer)
            if isinstance(outcome, TicketProof):
                proven = self._signins.attempt(outcome.aor, asked.peer, account=outcome.principal)
                self._signins.succeeded(proven, "http negotiate")
                proof = f"{_NEGOTIATE} {outcome.reply}" if outcome.reply else ""
                return HttpReader(HttpReaderKind.SIGNED_IN, outcome.aor, proof=proof)
            assert isinstance(outcome, AuthenticationDenied)  # as the promise says
            if outcome.aor is not None:
                attempt = self._signins.attempt(outcome.aor, asked.peer, account=outcome.account)
            said = self._signins.failed(outcome, attempt, "http negotiate")
        except RemoteProtocolError as error:
            raise HttpRefused(401, error.reason, instead) from None
        except Refused as no:
            raise _translated(no, asked, HttpRefused(401, "the ticket is refused", instead)) from None
        raise HttpRefused(401, said.reason if said is not None else "the ticket is none", instead)

    async def _ntlm_step(self, token: str, asked: HttpAsked, scheme: str = "NTLM") -> HttpReader:
        """Make one step of a handshake ([MS-NTHT] 3.2.5).

        Args:
            scheme: The one that the client uses, in which it is answered.
        """
        ntlm = self._ntlm
        if ntlm is None:
            raise HttpRefused(401, "send the password, by Basic", (("WWW-Authenticate", _BASIC),))
        wrong = HttpRefused(401, "name or password is wrong", (("WWW-Authenticate", scheme),))
        try:
            challenge = ntlm.challenge(asked.connection, token)
            if challenge is not None:
                raise HttpRefused(401, "answer the challenge", (("WWW-Authenticate", f"{scheme} {challenge}"),))
            domain, user = ntlm.account(token)
        except RemoteProtocolError as error:
            raise HttpRefused(401, error.reason, wrong.headers) from None
        login = f"{domain}\\{user}" if domain else user
        person = self._people.by_login(domain, user)
        check = partial(ntlm.check, asked.connection, token, asked.peer)
        return await self._to_its_end(self._tried(person, login, asked, check, wrong))

    async def _to_its_end(self, attempt: Coroutine[Any, Any, HttpReader]) -> HttpReader:
        """Wait for a try to end, which goes on whoever leaves.

        Whoever hangs up, or is told that it takes too long, does not end a try that the directory has heard of: else its
        guesses would count there and not here. Who is told nothing any more may have their verdict counted.
        """
        trying = Deferred.fromCoroutine(attempt)
        waiting: Deferred[HttpReader] = Deferred(lambda _: trying.cancel())

        def ended(outcome: HttpReader | Failure) -> None:
            if not waiting.called:
                waiting.callback(outcome)  # a Failure becomes an error
            elif isinstance(outcome, Failure) and not outcome.check(HttpRefused, CancelledError):
                self.log.failure("a sign-in that nobody waits for failed", failure=outcome)

        _ = trying.addBoth(ended)
        return await waiting

    async def _tried(
        self,
        person: Person | None,
        login: str,
        asked: HttpAsked,
        check: Callable[[], Awaitable[Aor | AuthenticationDenied]],
        wrong: HttpRefused,
    ) -> HttpReader:
        """Let somebody try, and count it with the tries over SIP.

        Args:
            person: Whose login it is, if anybody's.
            check: Verifies their password.
            wrong: What is said when it does not hold.
        """
        aor = person.aor if person is not None else aor_of(login[:_LOGIN_CHARACTERS])
        try:
            # One at a time for each name: many guesses at once would all pass before the first has failed.
            async with self._writers.hold(_KIND, aor):
                attempt = self._signins.attempt(aor, asked.peer, account=login)
                self._signins.check(attempt)
                self._signins.count_attempt(attempt)
                try:
                    outcome = await check()
                    if isinstance(outcome, AuthenticationDenied):
                        self._signins.failed(outcome, attempt, "http password")
                        raise wrong
                    # Whose password it is; the login may have gone to somebody else since it was looked up here.
                    self._signins.spare(attempt)
                    proven = self._signins.attempt(outcome, asked.peer, account=login)
                    self._signins.succeeded(proven, "http password")
                finally:
                    self._signins.spare(attempt)
        except Refused as no:
            raise _translated(no, asked, wrong) from None
        return HttpReader(HttpReaderKind.SIGNED_IN, outcome)


def _place(named: TokenReader) -> str:
    """Give the place of a token for `IMeanings`; another token for the same address means who has it then."""
    return f"token {named.sha256.hex()[:16]}"


def _basic(value: str) -> tuple[str, str]:
    """Read name and password (RFC 7617 §2)."""
    try:
        login, colon, password = read_base64(value, _BASIC_CHARACTERS, "it").decode("utf-8").partition(":")
    except (RemoteProtocolError, UnicodeDecodeError):
        login = colon = password = ""
    if not colon or not login or len(login) > _LOGIN_CHARACTERS:
        raise HttpRefused(401, "these are no name and password", (("WWW-Authenticate", _BASIC),))
    return login, password


def _translated(no: Refused, asked: HttpAsked, wrong: HttpRefused) -> HttpRefused:
    """Give what is said over HTTP of a sign-in that is refused; `wrong` for whatever tells nothing."""
    if no.diagnostics is UNASKED:
        return _NOT_NOW
    if no.status == 503:
        waits = tuple(header for header in no.headers if header[0] == "Retry-After")
        sentence = no.diagnostics.reason if no.diagnostics is not None else "try again later"
        return HttpRefused(429, sentence, waits)
    return _barred(no, asked) if no.status == 403 else wrong


def _barred(no: Refused, asked: HttpAsked) -> HttpRefused:
    """Say why somebody whose password is right may not come in, also in the header from which Lync's clients read it."""
    reason = no.diagnostics.reason if no.diagnostics is not None else ""
    return HttpRefused(403, reason, (Diagnostics(_NOT_ENABLED, reason).web_header(asked.host),))


def _bearer(error: str) -> str:
    return f'Bearer realm="{REALM}"' + (f', error="{error}"' if error else "")


_NTLM: Final = "NTLM"
_NEGOTIATE: Final = "Negotiate"
_NTLM_BEGINS: Final = base64.b64encode(b"NTLMSSP\0\0").decode()[:10]
"""What every message of NTLM begins with, in base64."""

_BASIC: Final = f'Basic realm="{REALM}", charset="UTF-8"'
_CHALLENGES: Final[Mapping[HttpReaderKind, str]] = {HttpReaderKind.SIGNED_IN: _BASIC, HttpReaderKind.NAMED: _bearer("")}
_ALL: Final = tuple(_CHALLENGES.values())
