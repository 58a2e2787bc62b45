"""Whom settings name: the members of policies and dial plans, of whom each has to be somebody, and the announcer, who has to be nobody."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final, Protocol

from lyncpy.app.config import Config
from lyncpy.app.kept_doctor import kept_addresses
from lyncpy.backends.people import read_file
from lyncpy.contracts.directory import IPeople, Pull
from lyncpy.contracts.finding import Finding
from lyncpy.contracts.names import Aor, aor_of, bare
from lyncpy.contracts.refusal import DirectoryUnavailable
from lyncpy.contracts.workload import Reason
from lyncpy.sip.text import shown
from lyncpy.workloads.directory.groups import meanings_of, names_of

NAMED_MOST: Final = 5
"""Members that a look names; `policy show` of a running server has all."""


class _HasMembers(Protocol):
    @property
    def members(self) -> Sequence[str]: ...


def member_findings(config: Config) -> Iterator[Finding]:
    """Look for members of policies and dial plans that are nobody. Where an LDAP server is asked too, only a server that has pulled knows that, and says it."""
    voice = config.sections.voice
    tables: Sequence[tuple[str, Mapping[str, _HasMembers]]] = (
        ("policies", config.sections.policies.named),
        ("voice.dial_plans", voice.dial_plans),
        ("voice.policies", voice.policies),
    )
    wanted = [
        (f"{table}.{name}", text) for table, named in tables for name, one in named.items() for text in one.members
    ]
    if not wanted or any(one.is_ldap for one in config.directories):
        return
    try:
        pulls = [read_file(config.path(one.url), config.sections.sip.all_domains) for one in config.directories]
    except DirectoryUnavailable:
        return  # that is said where it is looked at
    strange = [(section, text) for section, text in wanted if not _is_named(text, pulls)]
    # Operators may have added them.
    yield from _told(strange, kept_addresses(config) if strange else ())


def announcer_findings(config: Config) -> Iterator[Finding]:
    """Look whether the address from which `announce` speaks is somebody's: they would be thought to have said it. Of an LDAP server a server that runs knows it."""
    people = [config.path(one.url) for one in config.directories if not one.is_ldap]
    domains = config.sections.sip.all_domains
    try:
        known = {one.aor for file in people for one in read_file(file, domains).people}
    except DirectoryUnavailable:
        return  # as above
    yield from (Finding(good=False, sentence=one.finding) for one in _announcer_taken(config, known))


def announcer_reasons(config: Config, people: IPeople) -> Sequence[Reason]:
    """Say of a running server what `announcer_findings` says of one that may not run; it costs nothing."""
    return _announcer_taken(config, {aor for aor in _announcers(config) if people.person(aor) is not None})


def _announcers(config: Config) -> Sequence[Aor]:
    """Give the addresses from which `announce` speaks."""
    return [aor_of(f"{config.sections.im.announcer}@{domain}") for domain in config.sections.sip.all_domains]


def _announcer_taken(config: Config, known: Collection[Aor]) -> Sequence[Reason]:
    taken = next((aor for aor in _announcers(config) if aor in known), None)
    if taken is None:
        return ()
    sentence = f"[im] announcer: {bare(taken)} is somebody's address, and `announce` says nothing in their name: name another one"
    return (Reason("im", sentence, good=False, key="announcer"),)


def _is_named(text: str, pulls: Sequence[Pull]) -> bool:
    aor, meanings = aor_of(text), set(meanings_of(text))
    return any(
        any(one.aor == aor for one in pull.people) or any(meanings & names_of(one) for one in pull.groups or ())
        for pull in pulls
    )


def _told(strange: Sequence[tuple[str, str]], kept: Collection[Aor]) -> Iterator[Finding]:
    found = [(section, text) for section, text in strange if aor_of(text) not in kept]
    for section, text in found[:NAMED_MOST]:
        sentence = f"[{section}] members: \"{shown(text)}\" is nobody's address and no group's name: correct it, or add who is meant to the directory"
        yield Finding(good=False, sentence=sentence)
    if len(found) > NAMED_MOST:
        more = f"members: {len(found) - NAMED_MOST} more are nobody; `policy show` of a running server names those of policies"
        yield Finding(good=False, sentence=more)
