"""People: where they come from, who is known, and their secrets."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field

from zope.interface import Interface

from lyncpy.contracts.names import Aor


@dataclass(frozen=True, slots=True)
class Phone:
    """A phone number of a person."""

    kind: str
    """"work", "mobile", "home" or "other"."""

    number: str
    """As the directory writes it."""


@dataclass(frozen=True, slots=True)
class Person:
    """What a directory knows about one user. Empty text: not known."""

    aor: Aor
    key: str
    """The directory's own stable key of the entry: entryUUID, objectGUID or the table's name."""

    enabled: bool = True
    display_name: str = ""
    given_name: str = ""
    surname: str = ""
    mail: str = ""
    title: str = ""
    company: str = ""
    department: str = ""
    office: str = ""
    phones: tuple[Phone, ...] = ()
    line: str = ""
    """The Lync line URI (`tel:+1…`), if any."""

    logins: tuple[str, ...] = ()
    """Names that a client may give in place of the address: `alice`, `CONTOSO\\\\alice`, `alice@corp.example`; any case."""

    nt_hash: bytes | None = field(default=None, repr=False)
    """16 bytes; only when the directory itself carries it."""

    source: str = ""
    """For an operator: the DN or the file and table that this came from."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """An entry that could not be used, and why, in words for an operator."""

    source: str
    reason: str
    key: str = ""
    """The entry's stable key, where it could be read."""

    keeps: bool = False
    """Whether a person known by this key stays as he was: the entry is still his, but could not be read whole."""


@dataclass(frozen=True, slots=True)
class Pull:
    """The answer of a directory to one pull."""

    people: tuple[Person, ...]
    """All people (`complete`), or those who changed since the cookie."""

    gone: frozenset[str]
    """Keys that exist no more; only in an incremental answer."""

    complete: bool
    present: frozenset[str] | None = None
    """In an incremental answer: the keys of all entries there are, skipped ones too, or None when they were not counted."""

    skipped: tuple[Skipped, ...] = ()
    cookie: str = ""
    """Give this back at the next pull; empty: none."""


class IDirectory(Interface):
    """Where people come from: an LDAP server, a file."""

    def pull(cookie: str) -> Awaitable[Pull]:
        """Read people: all of them for an empty or unusable cookie, else what changed.

        Nothing is cached between calls but connections. A bad entry is in `skipped`, never
        an error.

        Raises:
            DirectoryUnavailable: With a sentence for an operator that names the server,
                the setting and what to do.
        """

    def close() -> Awaitable[None]:
        """Let go of connections; a pull under way fails."""


class IPeople(Interface):
    """The people this server knows now, in memory; kept by the directory workload."""

    def person(aor: Aor) -> Person | None:
        """Give the person with this address, disabled ones too."""

    def by_login(domain: str, user: str) -> Person | None:
        """Give the person whom a client names at sign-in.

        `user` may be a sign-in address, a UPN or an account name, `domain` may be empty;
        letters of either case. None when nobody or more than one fits.
        """

    def all() -> Sequence[Person]:
        """Give everybody, by address."""


class ISecrets(Interface):
    """NT hashes of people. An NT hash is a password: it never reaches a log, a repr or a command's output."""

    def nt_hash(aor: Aor) -> Awaitable[bytes | None]:
        """Give the 16 bytes, or None when the user has none. One set here wins over the directory's."""

    def keep(aor: Aor, nt_hash: bytes | None) -> Awaitable[None]:
        """Set or remove; durable when it returns."""
