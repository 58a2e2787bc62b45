"""What an LDAP directory has to be like, asked of it as a pull asks: by `lyncpy check`, a reload, and `lyncpy doctor ldap`."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Final

from ldap3.core.exceptions import LDAPExceptionError
from ldap3.operation.search import parse_filter
from ldap3.utils.dn import parse_dn

from lyncpy.backends.ldap_access import LdapOptions, access_of, filters_of, of_groups, with_account
from lyncpy.backends.ldap_clock import compared
from lyncpy.backends.ldap_link import Access, DirectoryConnection, LdapConnection, LdapEntry
from lyncpy.backends.ldap_mapping import Mapped, mapped
from lyncpy.contracts.addresses import BadDirectoryEntry
from lyncpy.contracts.directory import Person, Skipped
from lyncpy.contracts.finding import Finding
from lyncpy.contracts.names import bare
from lyncpy.contracts.refusal import DirectoryUnavailable
from lyncpy.sip.text import shown

LOOKED_AT: Final = 20
"""Entries that are read of each kind: enough to see whether filters and mapping are right."""

NAMED: Final = 3
"""Entries that cannot be used and are named."""


def ldap_findings(
    terms: LdapOptions,
    domains: tuple[str, ...],
    home: Path,
    now: datetime,
    *,
    names: bool = False,
    connect: Callable[[Access], DirectoryConnection] = LdapConnection,
) -> Iterator[Finding]:
    """Reach a server, bind, and search for some people and groups.

    Args:
        terms: The settings.
        domains: Of the addresses.
        home: The folder that relative file names start from.
        now: What the clock of this machine says.
        names: Whether to show what is made of each entry.
        connect: Makes the connection.
    """
    try:
        mapping = mapped(terms, domains)
    except ValueError as error:
        yield Finding(good=False, sentence=f"[directory] {error}", stops=True)
        return
    said = list(_misspelt(terms))
    yield from (Finding(good=False, sentence=one) for one in said)
    if said:
        return
    try:
        access = with_account(access_of(terms, home), terms, home)
        with connect(replace(access, page_size=min(access.page_size, LOOKED_AT))) as link:
            whom = f'"{shown(terms.bind_dn)}" may bind' if terms.bind_dn else "anybody may bind"
            yield Finding(good=True, sentence=f"[directory] url: {terms.url} is reached, and {whom}")
            yield from _clock(terms, link, now)
            yield from _searched(terms, mapping, link, names=names)
    except DirectoryUnavailable as error:
        yield Finding(good=False, sentence=str(error))


def _misspelt(terms: LdapOptions) -> Iterator[str]:
    """Say which texts no LDAP server could read."""
    for setting, filters in (
        ("filters", terms.filters),
        ("contact_filters", terms.contact_filters),
        ("group_filters", terms.group_filters or ()),
    ):
        yield from (
            f'[directory] {setting}: "{shown(text)}" is no LDAP filter: correct it; one is written as (objectClass=person)'
            for text in filters
            if not _is_filter(text)
        )
    for setting, bases in (("bases", terms.bases), ("group_bases", terms.group_bases)):
        yield from (
            f'[directory] {setting}: "{shown(text)}" is no distinguished name: write it as "ou=people,dc=example,dc=com"'
            for text in bases
            if not _is_place(text)
        )


def _is_filter(text: str) -> bool:
    try:
        parse_filter(text, None, auto_escape=True, auto_encode=False, validator=None, check_names=False)
    except LDAPExceptionError:
        return False
    return True


def _is_place(text: str) -> bool:
    try:
        return not text or bool(parse_dn(text))
    except LDAPExceptionError:
        return False


def _clock(terms: LdapOptions, link: DirectoryConnection, now: datetime) -> Iterator[Finding]:
    """Compare the clocks, where the server tells its own, as Active Directory does."""
    theirs = link.root().clock
    if theirs is None:
        return
    yield compared(terms.url, (now - theirs).total_seconds())


def _searched(terms: LdapOptions, mapping: Mapped, link: DirectoryConnection, *, names: bool) -> Iterator[Finding]:
    filters, bases = filters_of(terms), terms.bases or link.root().bases
    if not bases:
        sentence = f"{terms.url} does not say what it holds: name the DN to search under in bases ([directory])"
        yield Finding(good=False, sentence=sentence)
        return
    nobody = True
    for base in bases:
        found = list(islice(link.search(base, filters.people, mapping.wanted()), LOOKED_AT))
        nobody = nobody and not found
        asked = f'[directory] bases: "{shown(base)}", filter {shown(filters.people)}'
        yield Finding(good=True, sentence=f"{asked}: {_counted(len(found), 'entry', 'entries')}")
        yield from _read(mapping, found, names=names)
    if nobody:
        sentence = (
            f"{terms.url} gives nobody: correct [directory] bases and filters, or let the account bind_dn read there"
        )
        yield Finding(good=False, sentence=sentence)
    for base in (terms.group_bases or bases) if filters.groups else ():
        groups = list(islice(link.search(base, filters.groups, mapping.key, of_groups(terms)), LOOKED_AT))
        asked = f'[directory] group_bases: "{shown(base)}", filter {shown(filters.groups)}'
        yield Finding(good=True, sentence=f"{asked}: {_counted(len(groups), 'group', 'groups')}")


def _read(mapping: Mapped, found: Sequence[LdapEntry], *, names: bool) -> Iterator[Finding]:
    """Make people of entries, as a pull does."""
    good: list[str] = []
    bad: list[str] = []
    for one in found:
        try:
            person = mapping.person(one.raw, one.dn)
            good.append(bare(person.aor))
        except BadDirectoryEntry as error:
            bad.append(f"{one.dn}: {error.reason}")
        else:
            if names:
                words = f'{one.dn} is {bare(person.aor)}, "{person.display_name}", with the logins {", ".join(person.logins) or "none"}'
                yield Finding(good=True, sentence=shown(words, 400))
    if good:
        sentence = (
            f"[directory] address: {len(good)} of {len(found)} that were looked at are people, as {shown(good[0])}"
        )
        yield Finding(good=True, sentence=sentence)
    elif bad:
        sentence = (
            "[directory] address: none of the entries that were looked at is a person: correct address, or filters"
        )
        yield Finding(good=False, sentence=sentence)
    for reason in bad[:NAMED]:
        # Who is left out so may be meant to be: `directory skipped` has all of them.
        yield Finding(good=True, sentence=f"[directory] left out is {shown(reason)}")


def _counted(count: int, one: str, many: str) -> str:
    more = "at least " if count == LOOKED_AT else ""
    return f"{more}{count} {one if count == 1 else many}"


def is_meant(person: Person, wanted: str) -> bool:
    """Tell whether somebody is called so, by address, key or login."""
    low = wanted.lower().removeprefix("sip:")
    return low in (bare(person.aor), person.key.lower(), *(login.lower() for login in person.logins))


def person_in(
    terms: LdapOptions,
    domains: tuple[str, ...],
    home: Path,
    wanted: str,
    connect: Callable[[Access], DirectoryConnection] = LdapConnection,
) -> Person | Skipped | None:
    """Read people until one is found; a large directory takes its time.

    Raises:
        DirectoryUnavailable: It cannot be read.
    """
    try:
        mapping = mapped(terms, domains)
    except ValueError as error:
        raise DirectoryUnavailable(f"[directory] {error}") from None
    with connect(with_account(access_of(terms, home), terms, home)) as link:
        bases = terms.bases or link.root().bases
        left_out: Skipped | None = None
        for one in (one for base in bases for one in link.search(base, filters_of(terms).people, mapping.wanted())):
            found = _if_meant(mapping, one, wanted)
            if isinstance(found, Person):
                return found
            # Its DN may only sound like the one that is wanted, who may come behind it.
            left_out = left_out or found
        return left_out


def _if_meant(mapping: Mapped, one: LdapEntry, wanted: str) -> Person | Skipped | None:
    """Make a person of an entry, if it is the one that is wanted; of one that cannot be used its DN tells."""
    try:
        person = mapping.person(one.raw, one.dn)
    except BadDirectoryEntry as bad:
        return Skipped(one.dn, bad.reason) if wanted.partition("@")[0].lower() in one.dn.lower() else None
    return person if is_meant(person, wanted) else None
