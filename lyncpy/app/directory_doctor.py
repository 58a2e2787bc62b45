"""`lyncpy doctor ldap FILE` and `lyncpy doctor user FILE ADDRESS`: what directories are asked, and what is made of their answers."""

import socket
from collections.abc import Generator, Iterator
from dataclasses import replace
from datetime import datetime
from itertools import chain
from urllib.parse import urlsplit

from lyncpy.app.config import Config
from lyncpy.app.kept_doctor import kept_story
from lyncpy.backends.ldap_examination import is_meant, ldap_findings, person_in
from lyncpy.backends.people import read_file
from lyncpy.contracts.directory import Person, Skipped, objection_to
from lyncpy.contracts.finding import Finding
from lyncpy.contracts.names import bare
from lyncpy.contracts.refusal import DirectoryUnavailable
from lyncpy.sip.text import shown
from lyncpy.workloads.directory.settings import DirectorySource


def ldap_story(config: Config, now: datetime) -> Iterator[Finding]:
    """Ask each LDAP server, and show what is made of its first entries."""
    asked = [one for one in config.directories if one.is_ldap]
    if not asked:
        yield Finding(good=True, sentence=f"people come from {config.people_from}: there is no LDAP server to ask")
    for one in asked:
        whose = f"{one.name}: " if one.name else ""
        # Each is told when it is there, for the server may be slow.
        for finding in chain(
            _addresses(one),
            ldap_findings(one, config.sections.sip.all_domains, config.home, now, names=True),
        ):
            yield replace(finding, sentence=f"{whose}{finding.sentence}")


def _addresses(source: DirectorySource) -> Iterator[Finding]:
    host = urlsplit(source.url).hostname or "localhost"
    try:
        found = dict.fromkeys(str(one[4][0]) for one in socket.getaddrinfo(host, None))
    except OSError as error:
        sentence = f"[directory] url: {host} has no address here ({error.strerror}): correct it, or publish it in DNS"
        yield Finding(good=False, sentence=sentence)
    else:
        yield Finding(good=True, sentence=f"[directory] url: {host} is {', '.join(found)}")


def user_story(config: Config, wanted: str, now: datetime) -> Iterator[Finding]:
    """Look for a person by their address or login in each directory and in the database, and show who they are there."""
    is_found = yield from _in_directories(config, wanted, now)
    is_added = yield from kept_story(config, wanted)
    if not is_found and not is_added:
        sentence = (
            f"nobody is {shown(wanted)}: add them to a directory, or correct [directory] filters, bases or address"
        )
        yield Finding(good=False, sentence=sentence)


def _in_directories(config: Config, wanted: str, now: datetime) -> Generator[Finding, None, bool]:
    """Tell whether they are in one, or may be in one that could not be read."""
    known = is_unread = False
    for source in config.directories:
        try:
            found = (
                _in_file(config, source, wanted)
                if not source.is_ldap
                else person_in(source, config.sections.sip.all_domains, config.home, wanted)
            )
        except DirectoryUnavailable as error:
            is_unread = True
            yield Finding(good=False, sentence=str(error))
            continue
        if isinstance(found, Person):
            known = True
            yield from _told(source, found, now)
        elif found is not None:
            known = True
            yield Finding(good=False, sentence=f"{found.source} is left out: {found.reason}")
        else:
            yield Finding(good=True, sentence=f"{source.url}: nobody there has the address or login {shown(wanted)}")
    return known or is_unread


def _in_file(config: Config, source: DirectorySource, wanted: str) -> Person | Skipped | None:
    pull = read_file(config.path(source.url), config.sections.sip.all_domains)
    person = next((one for one in pull.people if is_meant(one, wanted)), None)
    return person or next((one for one in pull.skipped if wanted.lower() in f"{one.source} {one.key}".lower()), None)


def _told(source: DirectorySource, person: Person, now: datetime) -> Iterator[Finding]:
    yield Finding(good=True, sentence=f"{source.url}: {bare(person.aor)} is {person.source or person.key}")
    facts = {
        "name": person.display_name,
        "logins": ", ".join(person.logins),
        "mail": person.mail,
        "title": person.title,
        "department": person.department,
        "manager": person.manager,
    }
    told = "; ".join(f"{name}: {shown(fact)}" for name, fact in facts.items() if fact)
    yield Finding(good=True, sentence=f"what is known of them: {told or 'nothing more'}")
    objection = objection_to(person, now.timestamp())
    if objection is not None:
        yield Finding(good=False, sentence=f"they may not sign in: {bare(person.aor)} {objection.words}")
    else:
        yield Finding(good=True, sentence="they may sign in")
    if source.binds:
        yield Finding(good=True, sentence=f"their password is the one with which {source.url} lets them bind")
    elif person.nt_hash is None:
        yield Finding(good=True, sentence="the directory has no password of theirs: it is the one kept here, if any")
