"""People and their groups: where they come from, who is known, and people's secrets."""

import enum
from collections.abc import Awaitable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

from zope.interface import Interface

from lyncpy.contracts.authenticator import DenialReason
from lyncpy.contracts.names import Aor


class TelephonyMode(enum.StrEnum):
    """How somebody uses a telephone, in the words that clients are told."""

    UNSAID = ""
    """By their line: who has one uses it from their client."""

    NONE = "None"
    UC = "Uc"
    """From their client, by this server."""

    RCC = "Rcc"
    """At another telephone system, which their client controls."""

    DUAL = "Dual"


@dataclass(frozen=True, slots=True)
class Phone:
    """A phone number of a person."""

    kind: str
    """"work", "mobile", "home" or "other"."""

    number: str
    """As the directory writes it."""

    uri: str = ""
    """The tel URI that the dial plan makes of it; "" where it makes none."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A time at which a right of a person begins or ends, and the attribute that says so."""

    at: float
    """Seconds since the epoch."""

    by: str
    """The attribute or key, for an operator."""


@dataclass(frozen=True, slots=True)
class Person:
    """One user, as the directory has them. Empty text: not known."""

    aor: Aor
    key: str
    """The directory's own stable key of the entry: entryUUID, ipaUniqueID, nsUniqueId, objectGUID or the table's name."""

    enabled: bool = True
    """Whether they may sign in: not switched off, and now is between `begins` and `until`."""

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
    """The number under which they are called, a tel URI in its normal form (`sip.telephone`), if any."""

    listed_line: str = ""
    """What the directory says where an operator has given them another line."""

    private_line: str = ""
    """A second number, as of `line`, that nobody is told and that rings without delegates, teams and forwarding."""

    telephony: TelephonyMode = TelephonyMode.UNSAID

    logins: tuple[str, ...] = ()
    """Names that a client may give in place of the address: `alice`, `CONTOSO\\\\alice`, `alice@corp.example`; any case."""

    nt_hash: bytes | None = field(default=None, repr=False)
    """16 bytes; only when the directory itself carries it."""

    password_set: str = ""
    """When their password was last set in the directory, in whatever form: another text is another password."""

    source: str = ""
    """For an operator: the DN or the file and table that this came from."""

    barred: str = ""
    """What the directory says that switches them off, for an operator: `msRTCSIP-UserEnabled=FALSE`."""

    begins: Moment | None = None
    """Before this they may not sign in; None: they always might."""

    until: Moment | None = None
    """From this on they may not sign in, and are signed out; None: for ever."""

    must_change: Moment | None = None
    """From this on they cannot sign in before they have changed their password."""

    other_mails: tuple[str, ...] = ()
    """Further mail addresses, by which they are found too."""

    manager: str = ""
    """Whom they report to, as a group names its members, or by the address; "" for nobody."""

    hidden: bool = False
    """Whether nobody finds them by searching."""

    is_contact: bool = False
    """Whether they are only there to be found: somebody without an account here, perhaps of another domain. Never enabled."""

    is_out_of_time: bool = False
    """Whether `enabled` is false because of `begins` or `until`; see `judged`."""

    is_overdue: bool = False
    """Whether `must_change` has come and ends what they are signed in with; see `judged`."""

    @property
    def telephony_mode(self) -> TelephonyMode:
        """How they use a telephone, as clients are told."""
        if self.telephony is TelephonyMode.UNSAID:
            return TelephonyMode.UC if self.line else TelephonyMode.NONE
        return self.telephony

    @property
    def may_stay(self) -> bool:
        """Whether what they are signed in with goes on. Who may not is a colleague all the same, if `enabled`."""
        return self.enabled and not self.is_overdue

    @property
    def is_kept_here(self) -> bool:
        """Whether operators added them, and no directory has them."""
        return self.key.startswith(KEPT_HERE)


def judged(person: Person, wall: float, *, overdue_ends: bool = True) -> Person:
    """Give a person as they are at a time: enabled only between `begins` and `until`. The same object where nothing changes.

    Args:
        person: As the directory says, or as they were at another time.
        wall: Seconds since the epoch.
        overdue_ends: Whether the moment of `must_change` ends sign-ins.
    """
    early = person.begins is not None and wall < person.begins.at
    late = person.until is not None and wall >= person.until.at
    could = person.enabled or person.is_out_of_time
    out = could and (early or late)
    overdue = overdue_ends and person.must_change is not None and wall >= person.must_change.at
    if (out, overdue) == (person.is_out_of_time, person.is_overdue):
        return person
    return replace(person, enabled=could and not out, is_out_of_time=out, is_overdue=overdue)


@dataclass(frozen=True, slots=True)
class SignInObjection:
    """Why somebody may not sign in."""

    reason: DenialReason
    """DISABLED, EXPIRED, NOT_YET_VALID or MUST_CHANGE_PASSWORD; of a password also what a directory says of it."""

    words: str
    """What follows their name in a sentence for an operator."""

    unproven: bool = False
    """Whether a directory says so of any password, a wrong one too."""


def objection_to(person: Person, wall: float) -> SignInObjection | None:
    """Say why somebody may not sign in at a time; None when they may."""
    person = judged(person, wall)
    if person.is_out_of_time:
        if person.until is not None and wall >= person.until.at:
            return SignInObjection(DenialReason.EXPIRED, f"expired on {_when(person.until)}")
        if person.begins is not None:
            return SignInObjection(DenialReason.NOT_YET_VALID, f"may sign in from {_when(person.begins)} on")
    if not person.enabled:
        return SignInObjection(
            DenialReason.DISABLED, f"is switched off: {person.barred}" if person.barred else "is switched off"
        )
    if person.must_change is not None and wall >= person.must_change.at:
        return SignInObjection(
            DenialReason.MUST_CHANGE_PASSWORD, f"must change the password first ({person.must_change.by})"
        )
    return None


def _when(moment: Moment) -> str:
    return f"{datetime.fromtimestamp(moment.at, UTC):%Y-%m-%dT%H:%M:%SZ} ({moment.by})"


@dataclass(frozen=True, slots=True)
class Group:
    """One group of people, as the directory has it."""

    key: str
    """The directory's own stable key of the entry; no person has the same."""

    name: str
    """As people call it; several groups may have one name."""

    aor: Aor = Aor("")  # noqa: RUF009 - a text
    """The address under which its members are invited, or "" when it has none."""

    members: frozenset[str] = frozenset()
    """Names of people and of other groups: a key, a place (`place_of` a source), or `uid:` and a login in lower case."""

    source: str = ""
    """As of a person."""

    hidden: bool = False
    """As of a person."""

    mail: str = ""
    """Its mail address, in whatever domain, where that is another than `aor`."""

    is_closed: bool = False
    """Whether users are not told who is in it."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """An entry that could not be used, and why, in words for an operator."""

    source: str
    reason: str
    key: str = ""
    """The entry's stable key, where it could be read."""

    keeps: bool = False
    """Whether the entry is used all the same, without what the reason says."""

    barred: str = ""
    """As of a person: what switches them off, though nothing else of the entry is used."""


@dataclass(frozen=True, slots=True)
class Pull:
    """The answer of a directory to one pull."""

    people: tuple[Person, ...]
    """All people (`complete`), or those who changed since the cookie."""

    gone: frozenset[str]
    """Keys that exist no more; only in an incremental answer."""

    complete: bool
    present: Collection[str] | None = None
    """In an incremental answer: the keys of all entries there are, skipped ones too, or None when they were not counted."""

    skipped: tuple[Skipped, ...] = ()
    groups: tuple[Group, ...] | None = None
    """All groups (`complete`), or those that changed since the cookie; None when the directory is not asked for groups."""

    groups_present: Collection[str] | None = None
    """As `present`, of groups."""

    sources: Mapping[str, str] = field(default_factory=lambda: _NOWHERE)
    """With `present`: where the entries of people and groups stand now, by key."""

    cookie: str = ""
    """Give this back at the next pull; empty: none."""

    unread: tuple[str, ...] = ()
    """Why some of several directories could not be read, in words for an operator; all their people and groups are as they were."""

    silent: frozenset[str] = frozenset()
    """With `present`: the names of those of several directories that say by no count who is gone; what is unread is among them."""


_NOWHERE: Final[Mapping[str, str]] = MappingProxyType({})


NAME_ENDS: Final = "/"
"""Stands in a key behind the name of its directory, where that has one."""


KEPT_HERE: Final = "@store"
"""Stands in the key of who was added by operators and is kept in the store, as if it were a directory's name."""


def directory_of(key: str, names: Collection[str]) -> str:
    """Give the name of the directory whose a key is; "" for the one without a name, `KEPT_HERE` for none of them."""
    name, mark, _ = key.partition(NAME_ENDS)
    return name if mark and (name in names or name == KEPT_HERE) else ""


class IDirectory(Interface):
    """Where people and groups come from: an LDAP server, a file."""

    def pull(cookie: str, *, counting: bool | None = None) -> Awaitable[Pull]:
        """Read people and groups: all of them for an empty or unusable cookie, else what changed.

        Nothing is cached between calls but connections. A bad entry is in `skipped`, never
        an error.

        Args:
            cookie: Of the last answer.
            counting: Whether entries are counted, to find out who is gone, where only changes are read; None: when it
                is its turn.

        Raises:
            DirectoryUnavailable: With a sentence for an operator that names the server,
                the setting and what to do.
        """

    def close() -> Awaitable[None]:
        """Let go of connections; a pull under way fails."""


@dataclass(frozen=True, slots=True)
class DirectoryNotice:
    """The directory tells that something has changed since it was asked to tell."""

    by: str
    """How it does that, for an operator."""

    gone: bool = False
    """Whether something may be gone. Otherwise a pull of what has changed finds it."""

    is_first: bool = False
    """It begins to tell: what changed before is not told."""


class IDirectoryNotices(Interface):
    """A directory that tells of changes; what they are, a pull finds out."""

    def wait() -> Awaitable[DirectoryNotice]:
        """Wait for the next notice, asking for such first where that has not been done or was lost. One at a time.

        What comes at once is one notice.

        Raises:
            NoNotices: It does not do that.
            DirectoryUnavailable: It cannot be asked now, or does not tell any more.
        """

    def close() -> Awaitable[None]:
        """Let go of the connection; a wait fails."""


class IPeople(Interface):
    """The people this server knows now, in memory; kept by the directory workload."""

    def person(aor: Aor) -> Person | None:
        """Give the person with this address, disabled ones too."""

    def by_login(domain: str, user: str) -> Person | None:
        """Give the person whom a client names at sign-in.

        `user` may be a sign-in address, a UPN or an account name, `domain` may be empty;
        letters of either case. None when nobody or more than one fits.
        """

    def by_number(uri: str) -> Sequence[Person]:
        """Give everybody whose line or private line this is, by address; disabled ones too.

        Args:
            uri: A tel URI in its normal form.
        """

    def everybody() -> Sequence[Person]:
        """Give everybody, by address."""


class IGroups(Interface):
    """The groups of the directory, in memory; kept by the directory workload.

    A change is told as `GroupsChanged`, or as `PersonChanged` where it is a member who changed.
    """

    def all_groups() -> Sequence[Group]:
        """Give every group, by name."""

    def group(key: str) -> Group | None:
        """Give the group with this key."""

    def named(text: str) -> Group | None:
        """Give the group that is called so, letters of either case: by address, source, or name. None when several fit."""

    def by_address(aor: Aor) -> Group | None:
        """Give the group that is invited under this address. None when several fit."""

    def by_mail(mail: str) -> Group | None:
        """Give the group with this mail address, else the one that is invited under it. None when several fit."""

    def listed(group: Group) -> tuple[Sequence[Person], Sequence[Group]]:
        """Give the people and groups that a group names itself, as far as users may find them, by name."""

    def groups_of(aor: Aor) -> Sequence[Group]:
        """Give the groups that a person is in, also those that hold a group which they are in, by name."""

    def members(key: str, limit: int) -> Sequence[Aor]:
        """Give the people of a group and of the groups in it, by address.

        Each once, whatever circles groups make; nobody who is disabled or unknown. When
        there are more than `limit`, any `limit` of them: who wants to know asks for one more.
        """


@dataclass(frozen=True, slots=True)
class SearchCondition:
    """An attribute, by the name directories use, has words that begin as those of a value; an address begins with it."""

    attribute: str
    value: str


@dataclass(frozen=True, slots=True)
class FoundPeople:
    """Who was found."""

    people: tuple[Person, ...]
    """The best first, and of those who are as good by name; nobody who may not be found."""

    more: bool
    """Whether there are others."""


@dataclass(frozen=True, slots=True)
class FoundGroups:
    """Which groups were found; as of people."""

    groups: tuple[Group, ...]
    more: bool


class IAddressBook(Interface):
    """Search among people and groups, by an index in memory that follows the directory.

    A question costs a few milliseconds at most, whatever is asked and however few are found: nobody is looked at who
    does not fit. At a start it waits until the index is made. While very many are switched off at once, one may find
    fewer than there are.
    """

    def find_people(text: str, most: int) -> Awaitable[FoundPeople]:
        """Find people by what somebody has typed.

        Every word has to be the beginning of a word of theirs, in any order: of their name, address, mail, company,
        department, title or office, without case and accents; or digits with which a phone number of theirs begins or ends.

        Args:
            text: Of any length; eight words count.
            most: Results at most, 1 or more.
        """

    def find_matching(conditions: Sequence[SearchCondition], most: int) -> Awaitable[FoundPeople]:
        """Find people for whom all conditions hold, as the fields of a form say; nobody for none.

        Where a form of names finds nobody, its words are looked for as in `find_people`.
        """

    def find_groups(text: str, most: int) -> Awaitable[FoundGroups]:
        """Find groups by words of their name or address."""


NOBODY: Final = Aor("sip:nobody@invalid")
"""Whose secret is looked for when nobody has the name that was given, so that this takes as long."""


class ISecrets(Interface):
    """NT hashes of people. An NT hash is a password: it never reaches a log, a repr or a command's output."""

    def nt_hash(aor: Aor) -> Awaitable[bytes | None]:
        """Give the 16 bytes, or None when the user has none. One set here wins over the directory's."""

    def set_hash(aor: Aor, nt_hash: bytes | None) -> Awaitable[None]:
        """Set or remove; durable when it returns."""


class IDirectoryPasswords(Interface):
    """Passwords that the directory keeps and shows nobody: it can be asked whether one is somebody's.

    A password goes nowhere but to the directory, and never over a connection that others could read.
    """

    def check(person: Person | None, password: str, peer: str) -> Awaitable[SignInObjection | None]:
        """Ask whether a password is a person's; None: it is, else why it does not let them in.

        Nobody (None) takes as long as somebody. An empty password is nobody's. Cancelled before the directory was asked it
        ends, and nobody is asked; later it goes on to its verdict, for the directory counts what it was asked.
        Where too many wait already, of all or of that address, it is not asked. Addresses take turns.

        Args:
            peer: The network address that the password comes from.

        Raises:
            DirectoryUnavailable: There was no verdict in time, with a sentence for an operator.
        """
