"""IDirectory over ldap3, in threads of its own, paged, with a change cookie.

How increments work. The cookie remembers up to where changes were read: on Active
Directory the controller's name and its highestCommittedUSN, elsewhere a modifyTimestamp.
The next pull asks for what is newer and counts the keys of all entries that fit; who is
not among them was deleted, moved away or no longer fits the filter. Another controller,
other settings, or a server that shows neither mark: everything is read again. Groups are read the
same way, in the same pull, by searches of their own.
"""

import enum
import hashlib
import json
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import Deferred
from zope.interface import implementer

from lyncpy.backends.ldap_access import Filters, LdapOptions, access_of, filters_of, of_groups, with_account
from lyncpy.backends.ldap_clock import compared
from lyncpy.backends.ldap_conditions import Raw
from lyncpy.backends.ldap_faults import PEOPLE, SearchSettings
from lyncpy.backends.ldap_groups import GroupMapping
from lyncpy.backends.ldap_link import Access, DirectoryConnection, LdapEntry, Root, is_dn
from lyncpy.backends.ldap_mapping import Mapped, mapped
from lyncpy.backends.ldap_policies import PasswordPolicies
from lyncpy.backends.ldap_reach import LastAddress
from lyncpy.backends.people import BlockingRunner
from lyncpy.contracts.addresses import BadDirectoryEntry
from lyncpy.contracts.directory import Group, IDirectory, Person, Pull, Skipped
from lyncpy.contracts.refusal import DirectoryUnavailable
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import Reason
from lyncpy.sip.text import shown

LEAD_S: Final = 60
"""An entry whose timestamp is later than this from now is not believed: it would hide all changes until then."""

OVERLAP_S: Final = 180
"""Read again from a little before the last mark: replicas and seconds of one second deliver late by a minute, and a
believed timestamp is ahead by `LEAD_S` at most, and by as much again where our own clock is."""

READS: Final = 7
"""How entries are read by this version; whoever changes what is made of one raises it, and everybody is read anew once."""

STAMP: Final = "%Y%m%d%H%M%SZ"


class MarkKind(enum.StrEnum):
    """By what a server tells which entries were changed."""

    USN = "usn"
    """The update sequence number of one controller ([MS-ADTS] 3.1.1.1.9)."""

    TIME = "time"
    """The operational attribute modifyTimestamp (RFC 4512 §3.4.2)."""


@dataclass(frozen=True, slots=True)
class Cookie:
    """Up to where a directory was read."""

    fit: str
    """A digest of the settings that it was read with."""

    by: MarkKind

    mark: str
    """A number: the next pull reads what is at or past it. A time: the last change that was seen."""

    service: str = ""
    """Whose numbers these are."""

    sweep: int = 0
    """Pulls since keys were counted."""

    run: str = ""
    """Whose monotonic clock `at` is of."""

    at: float = 0.0
    """When the pull was made."""

    policies: Mapping[str, str] = field(default_factory=dict)
    """What password policies said, by DN."""

    def text(self) -> str:
        """Write the cookie as JSON."""
        return json.dumps(asdict(self), separators=(",", ":"))


def read_cookie(text: str) -> Cookie | None:
    """Read a cookie; None for text that is none."""
    try:
        fields = json.loads(text)
        cookie = replace(Cookie(**fields), by=MarkKind(fields["by"]))
    except (ValueError, TypeError, KeyError):
        return None
    texts = (cookie.fit, cookie.mark, cookie.service, cookie.run)
    numbers = (cookie.sweep, cookie.at)
    fits = all(isinstance(one, str) for one in texts) and all(isinstance(one, int | float) for one in numbers)
    fits = fits and isinstance(cookie.policies, dict) and all(isinstance(one, str) for one in cookie.policies.values())
    return cookie if fits else None


@dataclass(frozen=True, slots=True)
class Now:
    """When a pull begins."""

    past: float
    """Seconds since the epoch that have surely passed: our clock, unless that jumped ahead lately."""

    monotonic: float
    run: str
    """The name of this start of the server, of whose clock `monotonic` is."""


@implementer(IDirectory)
class LdapDirectory:
    """People from an LDAP server. Pulls are made one at a time by whoever calls; each has a connection of its own.

    Args:
        terms: The settings and the mapping.
        domains: Of the addresses; those that are made of logins are in the first.
        home: The folder that relative file names start from.
        connect: Makes the connection of a pull.
        threads: Where pulls run; one thread is enough.
        timers: The clock.

    Raises:
        ValueError: A source, a condition or a DN in the settings that cannot be read.
    """

    def __init__(
        self,
        terms: LdapOptions,
        domains: tuple[str, ...],
        home: Path,
        connect: Callable[[Access], DirectoryConnection],
        threads: BlockingRunner,
        timers: ITimers,
    ) -> None:
        if terms.password_policy and not is_dn(terms.password_policy):
            raise ValueError(f'password_policy is not a DN: "{shown(terms.password_policy)}"')
        self._terms = terms
        self._home = home
        self._mapped = mapped(terms, domains)
        self._filters = filters_of(terms)
        self._fit = _digest(terms, domains)
        self._threads = threads
        self._timers = timers
        self._connect = connect
        self._link: DirectoryConnection | None = None
        self._ended: Deferred[None] | None = None
        self._closed = False
        self._run = secrets.token_hex(8)
        self._last = LastAddress()
        self._ahead_s = 0.0
        """By how much the clock of this machine was ahead at the last pull."""

    async def pull(self, cookie: str, *, counting: bool | None = None) -> Pull:
        """Read people, in the thread."""
        if self._closed or self._ended is not None:
            raise DirectoryUnavailable(f"{self._terms.url} is being closed or read already")
        link = self._connect(self.access())
        reading = _Reading(
            self._terms, self._mapped, self._filters, self._fit, self._now(), counting, self._timers.wall()
        )
        known = read_cookie(cookie) if self._terms.incremental else None
        self._link = link
        ended: Deferred[None] = Deferred()
        self._ended = ended
        late = self._timers.later(self._terms.pull_timeout_s, lambda: link.abort(self._too_late()))
        try:
            found: Pull = await self._threads.call_in_thread(lambda: reading.run(link, known))
            self._ahead_s = reading.ahead_s
            return found
        finally:
            late.cancel()
            self._link = self._ended = None
            ended.callback(None)

    def conditions(self) -> Sequence[Reason]:
        """Say whether its clock is another than that of this machine."""
        found = compared(self._terms.url, self._ahead_s)
        return () if found.good else (Reason("clock", found.sentence, good=False, key=self._terms.url),)

    async def close(self) -> None:
        """Cut the connection of a pull under way, wait for its thread to notice, end the thread."""
        self._closed = True
        if self._link is not None and self._ended is not None:
            self._link.abort(f"{self._terms.url} is being closed")
            await self._ended
        await self._threads.stop()

    def _now(self) -> Now:
        return Now(self._timers.past(), self._timers.now(), self._run)

    def _too_late(self) -> str:
        limit_s = self._terms.pull_timeout_s
        return f"{self._terms.url} took longer than {limit_s} s: make filters narrower or raise pull_timeout_s ([directory])"

    def access(self) -> Access:
        """Say how to reach the server now.

        Raises:
            DirectoryUnavailable: There is no password.
        """
        return with_account(self.reach(), self._terms, self._home)

    def reach(self) -> Access:
        """Say how to reach the server without an account; which of its addresses answered last, all connections share."""
        return replace(access_of(self._terms, self._home), last=self._last)


class _Reading:
    """One pull, in its thread: it knows nothing of what the reactor does meanwhile."""

    def __init__(
        self,
        terms: LdapOptions,
        mapping: Mapped,
        filters: Filters,
        fit: str,
        now: Now,
        counting: bool | None,
        wall: float,
    ) -> None:
        self._counting = counting
        self._wall = wall
        self.ahead_s = 0.0
        self._terms = terms
        self._mapped = mapping
        self._grouped = GroupMapping(mapping, terms.group_members_max)
        self._filters = filters
        self._fit = fit
        self._now = now

    def run(self, link: DirectoryConnection, known: Cookie | None) -> Pull:
        with link:
            root = link.root()
            if root.clock is not None:
                self.ahead_s = self._wall - root.clock.timestamp()
            bases = self._terms.bases or root.bases
            if not bases:
                raise DirectoryUnavailable(
                    f"{self._terms.url} does not say what it holds: name the DN to search under in bases ([directory])"
                )
            policies = PasswordPolicies(link.glimpse, self._mapped.of_policy(), self._terms.password_policy)
            if known is not None and known.fit == self._fit and _is_of(known, root) and policies.are(known.policies):
                return self._changes(link, bases, root, known, policies)
            return self._all(link, bases, root, policies)

    def _all(self, link: DirectoryConnection, bases: Sequence[str], root: Root, policies: PasswordPolicies) -> Pull:
        entries = self._entries(link, bases, self._filters.people)
        people, skipped, _ = self._persons(entries, policies)
        groups, useless = self._groups(link, bases, "")
        cookie = self._cookie(root, entries.values(), None, policies)
        skipped += (*useless, *policies.troubles())
        return Pull(people, frozenset(), complete=True, skipped=skipped, groups=groups, cookie=cookie)

    def _changes(
        self, link: DirectoryConnection, bases: Sequence[str], root: Root, known: Cookie, policies: PasswordPolicies
    ) -> Pull:
        newer = f"({_MARKS[known.by]}>={_since(known)})"
        entries = self._entries(link, bases, f"(&{self._filters.people}{newer})")
        people, skipped, gone = self._persons(entries, policies)
        groups, useless = self._groups(link, bases, newer)
        present, groups_present, sources = None, None, {}
        turn = known.sweep + 1
        if turn >= self._terms.sweep_every if self._counting is None else self._counting:
            keys = self._bounded(self._found(link, bases, self._filters.people, self._mapped.key))
            sources = {self._mapped.key_of(one.raw, one.dn): one.dn for one in keys}
            present = frozenset(sources)
            placed = self._group_places(link, bases)
            groups_present = None if placed is None else frozenset(placed)
            sources |= placed or {}
        following = replace(known, sweep=0 if present is not None else turn if self._counting is None else known.sweep)
        cookie = self._cookie(root, entries.values(), following, policies)
        return Pull(
            people,
            gone,
            complete=False,
            present=present,
            skipped=(*skipped, *useless, *policies.troubles()),
            groups=groups,
            groups_present=groups_present,
            sources=sources,
            cookie=cookie,
        )

    def _groups(
        self, link: DirectoryConnection, bases: Sequence[str], newer: str
    ) -> tuple[tuple[Group, ...] | None, tuple[Skipped, ...]]:
        """Read groups, all or the newer ones; their marks count for nothing, for they are read after the people."""
        if not self._filters.groups:
            return None, ()
        filters = f"(&{self._filters.groups}{newer})" if newer else self._filters.groups
        groups: dict[str, Group] = {}
        skipped: list[Skipped] = []
        for one in self._found_groups(link, bases, filters, self._grouped.wanted()):
            key = self._mapped.key_of(one.raw, one.dn)
            try:
                groups[key] = self._grouped.group(one.raw, one.dn, lambda dn, name: link.entry(dn, (name,)))
            except BadDirectoryEntry as bad:
                skipped.append(Skipped(one.dn, bad.reason, key=key))
        return tuple(groups.values()), tuple(skipped)

    def _group_places(self, link: DirectoryConnection, bases: Sequence[str]) -> dict[str, str] | None:
        """Give where each group stands, by key; None when the directory is not asked for groups."""
        if not self._filters.groups:
            return None
        found = self._found_groups(link, bases, self._filters.groups, self._mapped.key)
        return {self._mapped.key_of(one.raw, one.dn): one.dn for one in found}

    def _found_groups(
        self, link: DirectoryConnection, bases: Sequence[str], filters: str, attributes: Sequence[str]
    ) -> Iterator[LdapEntry]:
        found = self._found(link, self._terms.group_bases or bases, filters, attributes, of_groups(self._terms))
        return self._bounded(found, self._terms.groups_max, "group")

    def _entries(self, link: DirectoryConnection, bases: Sequence[str], filters: str) -> dict[str, LdapEntry]:
        """Give entries by key: bases may overlap."""
        attributes = (*self._mapped.wanted(), *_MARKS.values())
        found = self._bounded(self._found(link, bases, filters, attributes))
        return {self._mapped.key_of(one.raw, one.dn): one for one in found}

    def _found(
        self,
        link: DirectoryConnection,
        bases: Sequence[str],
        filters: str,
        attributes: Sequence[str],
        named: SearchSettings = PEOPLE,
    ) -> Iterator[LdapEntry]:
        for base in bases:
            yield from link.search(base, filters, attributes, named)

    def _bounded(self, found: Iterable[LdapEntry], most: int = 0, what: str = "") -> Iterator[LdapEntry]:
        most = most or self._terms.entries_max
        for count, one in enumerate(found, 1):
            if count > most:
                setting, filters = (f"{what}s_max", f"{what}_filters") if what else ("entries_max", "filters")
                raise DirectoryUnavailable(
                    f"{self._terms.url} has more than {most} {what or 'entrie'}s that fit: "
                    f"make {filters} narrower or raise {setting} ([directory])"
                )
            yield one

    def _persons(
        self, entries: Mapping[str, LdapEntry], policies: PasswordPolicies
    ) -> tuple[tuple[Person, ...], tuple[Skipped, ...], frozenset[str]]:
        """Make people of entries; give them, the entries that cannot be used, and the keys of people who have lost their address."""
        people: list[Person] = []
        skipped: list[Skipped] = []
        for key, one in entries.items():
            reasons: list[str] = []
            try:
                people.append(self._mapped.person(policies.completed(one.raw), one.dn, reasons.append))
            except BadDirectoryEntry as bad:
                skipped.append(Skipped(one.dn, bad.reason, key=key, barred=bad.barred))
            else:
                if reasons:
                    text = "; ".join(dict.fromkeys(reasons))
                    skipped.append(Skipped(one.dn, f"the person is known without this: {text}", key=key, keeps=True))
        return tuple(people), tuple(skipped), frozenset(one.key for one in skipped if not one.keeps)

    def _cookie(
        self, root: Root, entries: Iterable[LdapEntry], before: Cookie | None, policies: PasswordPolicies
    ) -> str:
        """Give the next cookie, or "" where the server offers no mark to go by."""
        sweep = before.sweep if before is not None else 0
        if root.service and root.usn is not None and (before is None or before.by is MarkKind.USN):
            mark = str(root.usn + 1)
            return Cookie(self._fit, MarkKind.USN, mark, root.service, sweep, policies=policies.marks()).text()
        # The last change that is seen was made before now by the server's clock. So what is changed from now on is
        # newer than that by at least the time that has passed here since: no clock is compared with another.
        # A timestamp that is ahead of us is not believed, for its clock may have been put right since: then the mark
        # moves on with the time alone. One that is too early costs work, one that is too late hides changes.
        times = [_time(one.raw) for one in entries]
        latest = datetime.fromtimestamp(self._now.past, UTC) + timedelta(seconds=LEAD_S)
        seen = [time for time in times if time is not None and time <= latest]
        if before is not None and (reached := _read_mark(before.mark)) is not None:
            passed_s = max(0.0, self._now.monotonic - before.at) if before.run == self._now.run else 0.0
            seen.append(reached + timedelta(seconds=passed_s))
        if None in times or not seen:
            return ""
        mark, run, at = max(seen).strftime(STAMP), self._now.run, self._now.monotonic
        return Cookie(self._fit, MarkKind.TIME, mark, "", sweep, run, at, policies.marks()).text()


_MARKS: Final = {MarkKind.USN: "uSNChanged", MarkKind.TIME: "modifyTimestamp"}


def _is_of(known: Cookie, root: Root) -> bool:
    """Tell whether a cookie's mark means something on this server."""
    if known.by is MarkKind.TIME:
        return _read_mark(known.mark) is not None
    # A mark beyond the last change is of a controller that has lost some since; their numbers are given again.
    reached = root.usn is not None and known.mark.isdecimal() and int(known.mark) <= root.usn + 1
    return known.by is MarkKind.USN and reached and bool(root.service) and known.service == root.service


def _time(raw: Raw) -> datetime | None:
    """Read modifyTimestamp (RFC 4517 §3.3.13, as far as servers write it: UTC)."""
    values = raw.get("modifytimestamp")
    return _read_mark(values[0][:14].decode("ascii", "replace") + "Z") if values else None


def _read_mark(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, STAMP).replace(tzinfo=UTC)
    except ValueError:
        return None


def _since(known: Cookie) -> str:
    """Give the value from which on entries are read again."""
    mark = _read_mark(known.mark) if known.by is MarkKind.TIME else None
    return known.mark if mark is None else (mark - timedelta(seconds=OVERLAP_S)).strftime(STAMP)


def _digest(terms: LdapOptions, domains: tuple[str, ...]) -> str:
    """Compute a digest of all settings that decide which entries are read, and how."""
    parts: Any = (  # Any: JSON
        READS,
        " ".join(domains),
        terms.url,
        terms.preset,
        terms.bases,
        terms.filters,
        terms.address,
        sorted(terms.attributes.items()),
        terms.disabled_when,
        terms.since,
        terms.until,
        terms.must_change,
        terms.must_change_unless,
        terms.password_policy,
        terms.hidden_when,
        terms.contact_filters,
        terms.group_bases,
        terms.group_filters,
        terms.group_members_max,
    )
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
