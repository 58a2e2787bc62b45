"""What `lyncpy check` and `lyncpy doctor ldap` find of a real OpenLDAP server: reached, bound, searched, and what is wrong, in words."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lyncpy.backends.ldap_examination import ldap_findings, person_in
from lyncpy.contracts.directory import Person, Skipped
from lyncpy.contracts.finding import Finding
from lyncpy.contracts.refusal import DirectoryUnavailable
from lyncpy.workloads.directory.settings import DirectorySource
from tests.kit.slapd import PEOPLE, READER_DN, READER_PASSWORD, SLAPD, SUFFIX, Slapd

pytestmark = [pytest.mark.interop, pytest.mark.skipif(not SLAPD.exists(), reason="slapd is not installed")]

DOMAINS = ("example.com",)


@pytest.fixture(scope="module")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    """A server with two people, of whom one cannot be used."""
    with Slapd(tmp_path_factory.mktemp("slapd")) as slapd:
        slapd.add("alice")
        slapd.add("broken", drop=["mail"], msRTCSIP_PrimaryUserAddress="sip:no address")
        yield slapd


def found(slapd: Slapd, *, names: bool = False, **settings: object) -> list[Finding]:
    """Ask the server."""
    terms = DirectorySource.model_validate({"url": slapd.url, **settings})
    return list(ldap_findings(terms, DOMAINS, slapd.folder, datetime.now(UTC), names=names))


def test_what_is_asked_and_what_comes_back_is_shown(slapd: Slapd) -> None:
    """Which server, as whom, under what, with which filter; and what is made of the first entries."""
    said = [(one.good, one.sentence) for one in found(slapd, bases=[PEOPLE], names=True)]
    assert all(good for good, _ in said), said
    text = "\n".join(sentence for _, sentence in said)
    assert f"[directory] url: {slapd.url} is reached, and anybody may bind" in text
    assert f'[directory] bases: "{PEOPLE}", filter (' in text
    assert ": 2 entries" in text
    assert "1 of 2 that were looked at are people, as alice@example.com" in text
    assert f'uid=alice,{PEOPLE} is alice@example.com, "Alice Example"' in text
    assert f"left out is uid=broken,{PEOPLE}" in text
    assert f'[directory] group_bases: "{PEOPLE}"' in text


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"bases": ["ou=nowhere," + SUFFIX]}, "refused"),
        ({"bases": [PEOPLE], "filters": ["(uid=nobody)"]}, "gives nobody: correct [directory] bases and filters"),
        ({"bases": [PEOPLE], "filters": ["(uid=alice"]}, "is no LDAP filter: correct it"),
        ({"bases": ["people"]}, "is no distinguished name: write it as"),
        ({"bases": [PEOPLE], "address": ["employeeNumber"]}, "none of the entries that were looked at is a person"),
        (
            {"bind_dn": "cn=nobody," + SUFFIX, "bind_password_file": "wrong"},
            "correct bind_dn and what stands in bind_password_file",
        ),
        (
            {"bind_dn": "cn=nobody," + SUFFIX, "bind_password_file": "absent"},
            "cannot be read (No such file or directory)",
        ),
        (
            {"bind_dn": READER_DN, "bind_password_file": "spaced"},
            "what stands in bind_password_file begins or ends with a space: take that away if it is not meant, or correct bind_dn",
        ),
        ({"bases": [PEOPLE], "group_bases": ["ou=nowhere," + SUFFIX]}, "correct group_bases, or let the account"),
        ({"start_tls": True, "ca_file": "wrong"}, "it has no certificate in PEM"),
        ({"bases": [PEOPLE], "disabled_when": ["&"]}, "[directory] "),
    ],
)
def test_what_is_wrong_is_told(slapd: Slapd, settings: dict[str, Any], words: str) -> None:  # Any: settings
    """With the setting, as a pull would say it."""
    (slapd.folder / "wrong").write_text("wrong")
    (slapd.folder / "spaced").write_text(f"{READER_PASSWORD} \n")
    bad = [one.sentence for one in found(slapd, **settings) if not one.good]
    assert len(bad) == 1, bad
    assert words in bad[0]
    assert "[Errno" not in bad[0] and "Traceback" not in bad[0]


def test_a_person_is_looked_for(slapd: Slapd) -> None:
    """By address or login; who is left out, with the reason."""
    terms = DirectorySource.model_validate({"url": slapd.url, "bases": [PEOPLE]})
    for wanted in ("alice@example.com", "Alice"):
        person = person_in(terms, DOMAINS, slapd.folder, wanted)
        assert isinstance(person, Person) and person.source == f"uid=alice,{PEOPLE}"
    left_out = person_in(terms, DOMAINS, slapd.folder, "broken@example.com")
    assert isinstance(left_out, Skipped) and left_out.reason
    assert person_in(terms, DOMAINS, slapd.folder, "zoe@example.com") is None
    strange = DirectorySource.model_validate({"url": slapd.url, "disabled_when": ["&"]})
    with pytest.raises(DirectoryUnavailable, match="directory"):
        person_in(strange, DOMAINS, Path(), "zoe")
