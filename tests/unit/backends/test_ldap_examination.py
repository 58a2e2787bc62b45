"""Looking for one person in an LDAP directory."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from lyncpy.backends.ldap_examination import person_in
from lyncpy.backends.ldap_faults import PEOPLE, SearchSettings
from lyncpy.backends.ldap_link import LdapEntry
from lyncpy.contracts.directory import Person, Skipped
from lyncpy.workloads.directory.settings import DirectorySource

BASES = ("ou=one", "ou=two")


class Link:
    """A server that has an entry under each base."""

    def __init__(self, entries: dict[str, LdapEntry]) -> None:
        self.entries = entries

    def __enter__(self) -> "Link":
        return self

    def __exit__(self, *ended: object) -> None:
        """Nothing was opened."""

    def search(
        self, base: str, filters: str, attributes: Sequence[str], named: SearchSettings = PEOPLE
    ) -> Iterator[LdapEntry]:
        """Give what is there."""
        yield self.entries[base]


def entry(dn: str, mail: str) -> LdapEntry:
    """Give one of inetOrgPerson; with no address nobody can be made of it."""
    address = {"mail": [mail.encode()]} if mail else {}
    return LdapEntry(
        dn, {"uid": [dn.partition(",")[0].partition("=")[2].encode()], "entryuuid": [dn.encode()], **address}
    )


@pytest.mark.parametrize("bases", [BASES, BASES[::-1]])
def test_who_is_left_out_and_sounds_alike_hides_nobody(bases: tuple[str, ...]) -> None:
    """The one that is wanted may come behind them, under another base."""
    link: Any = Link({"ou=one": entry("uid=joanna,ou=one", ""), "ou=two": entry("uid=ann,ou=two", "ann@example.com")})
    terms = DirectorySource.model_validate({"url": "ldap://127.0.0.1", "bases": bases})
    found = person_in(terms, ("example.com",), Path(), "ann@example.com", lambda access: link)
    assert isinstance(found, Person) and found.source == "uid=ann,ou=two"
    left_out = person_in(terms, ("example.com",), Path(), "joanna", lambda access: link)
    assert isinstance(left_out, Skipped) and left_out.source == "uid=joanna,ou=one"
