"""People from a real Active Directory (a Samba domain controller): who they are, what changes, what an operator is told."""

import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lyncpy.contracts.directory import Moment, judged
from lyncpy.contracts.names import Aor
from tests.kit.certificates import authority
from tests.kit.office import Office, OpenOffice
from tests.kit.samba import DISABLED, ENABLED, READER, READER_DN, READER_PASSWORD, SUFFIX, Samba, reading

pytestmark = pytest.mark.interop

ALICE, BOB, CAROL = Aor("sip:alice@example.com"), Aor("sip:bob@example.com"), Aor("sip:carol@example.com")


class Branch:
    """A part of the tree with Alice, Bob and Carol in it; login names are unique in the domain, so they carry its number."""

    def __init__(self, samba: Samba, number: int) -> None:
        self.samba = samba
        self.number = number
        self.dn = samba.add_ou(f"OU=Branch {number},{SUFFIX}")
        self.alice, self.bob, self.carol = (self.add(name) for name in ("alice", "bob", "carol"))

    def login(self, name: str) -> str:
        """Give somebody's login name."""
        return f"{name}{self.number}"

    def add(self, name: str, *, ou: str = "", **attributes: Any) -> str:  # Any: what LDAP takes
        """Add a person of this branch; give the DN."""
        attributes = {"msRTCSIP_PrimaryUserAddress": f"sip:{name}@example.com", **attributes}
        return self.samba.add(self.login(name), ou=ou or self.dn, cn=name, **attributes)


@pytest.fixture
def branch(samba: Samba, _numbers: Iterator[int]) -> Branch:
    """Give a branch of the test's own."""
    return Branch(samba, next(_numbers))


@pytest.fixture(scope="module")
def _numbers() -> Iterator[int]:
    return iter(range(1, 1000))


@pytest.fixture
def office(samba: Samba, branch: Branch, opened: OpenOffice) -> Office:
    """Pulls over that branch."""
    return opened(samba, **reading(samba, bases=[branch.dn]))


# --- who they are


def test_brings_all_facts_of_a_person(office: Office, branch: Branch, samba: Samba) -> None:
    """What Active Directory knows about Alice is known after the first pull, and her key is the GUID that its tools show."""
    samba.modify(
        branch.alice,
        displayName="Alíce Müller-Łukasiewicz 李",
        msRTCSIP_Line="tel:+14255550100;ext=100",
        homePhone="+1 425 555 0102",
        otherTelephone=["+1 425 555 0103"],
    )
    office.pull()
    alice = office.people.person(ALICE)
    assert alice is not None
    assert (alice.display_name, alice.title, alice.company, alice.department, alice.office, alice.mail) == (
        "Alíce Müller-Łukasiewicz 李",
        "Engineer",
        "Example Ltd",
        "Research",
        "B 2.17",
        f"{branch.login('alice')}@mail.example.com",
    )
    assert {(one.kind, one.number) for one in alice.phones} == {
        ("work", "+1 425 555 0100"),
        ("mobile", "+1 425 555 0101"),
        ("home", "+1 425 555 0102"),
        ("other", "+1 425 555 0103"),
    }
    assert alice.line == "tel:+14255550100;ext=100"
    assert alice.enabled
    assert alice.nt_hash is None
    assert alice.key == str(uuid.UUID(bytes_le=samba.read(branch.alice, "objectGUID")["objectGUID"][0]))
    assert office.people.by_login("EXAMPLE", branch.login("Alice")) == alice
    assert alice.logins == (branch.login("alice"), f"{branch.login('alice')}@ad.example.com")


def test_only_who_has_an_address_is_a_person_and_only_who_may_is_enabled(
    office: Office, branch: Branch, samba: Samba
) -> None:
    """Accounts without Lync are none of ours; a disabled account, or one disabled for Lync, is known and may not sign in."""
    branch.add("plain", plain=True)
    samba.modify(branch.alice, userAccountControl=str(DISABLED | 32))
    samba.modify(branch.bob, msRTCSIP_UserEnabled="FALSE")
    outcome = office.pull()
    assert {(person.aor, person.enabled) for person in office.people.everybody()} == {
        (ALICE, False),
        (BOB, False),
        (CAROL, True),
    }
    assert not outcome.changes.skipped


def test_nested_places_and_names_in_any_script_are_read(office: Office, branch: Branch, samba: Samba) -> None:
    """People are found at any depth, under names with commas, quotes and letters of all sorts."""
    deep = samba.add_ou(f"OU=Łódź \\+ Umgebung,{samba.add_ou(f'OU=Büro München,{branch.dn}')}")
    dave = samba.add(
        branch.login("dave"),
        ou=deep,
        cn='Dave \\"D\\" Öz\\, 李',
        msRTCSIP_PrimaryUserAddress="SIP:Dave.Öz@example.com",
    )
    erin = branch.add("erin", ou=deep)
    outcome = office.pull()
    assert {person.source for person in office.people.everybody()} == {branch.alice, branch.bob, branch.carol, erin}
    assert [(one.source, "Dave.Öz" in one.reason) for one in outcome.changes.skipped] == [(dave, True)]


def test_two_bases_one_inside_the_other_are_read_once(samba: Samba, branch: Branch, opened: OpenOffice) -> None:
    """Bases may overlap; somebody outside of all is none of ours."""
    inner = samba.add_ou(f"OU=Inner,{branch.dn}")
    branch.add("dave", ou=inner)
    office = opened(samba, **reading(samba, bases=[inner, branch.dn], filters=["(givenName=dave*)", "(cn=alice)"]))
    office.pull()
    assert {str(person.aor) for person in office.people.everybody()} == {ALICE, "sip:dave@example.com"}
    assert not office.pulls.state.skipped


def test_a_whole_domain_is_read_in_pages_past_its_references(samba: Samba, opened: OpenOffice) -> None:
    """Without bases everybody of the domain is found, more than a domain controller gives at once; references lead nowhere."""
    ou = samba.add_ou(f"OU=Many,{SUFFIX}")
    samba.load((f"many{n}" for n in range(1100)), ou)
    terms = reading(samba, filters=["(&(objectCategory=person)(sAMAccountName=many*))"], page_size=5000)
    office = opened(samba, **terms)
    assert office.pull().complete
    assert len(office.people) == 1100
    samba.modify(f"CN=many7,{ou}", title="Director")
    outcome = office.pull()
    assert not outcome.complete
    assert [(person.aor, person.title) for person in outcome.changes.changed] == [("sip:many7@example.com", "Director")]
    assert outcome.changes.unchanged == 1099


def test_a_directory_that_lync_never_touched_is_read_by_mail(samba: Samba, branch: Branch, opened: OpenOffice) -> None:
    """Without Lync's attributes three settings make people of ordinary accounts."""
    branch.add("dave", plain=True, mail="dave@example.com")
    samba.modify(branch.add("erin", plain=True, mail="erin@example.com"), userAccountControl=str(DISABLED | 32))
    terms = reading(
        samba,
        bases=[branch.dn],
        filters=["(&(objectCategory=person)(mail=*@example.com))"],
        address="mail",
        disabled_when=["userAccountControl&2"],
    )
    office = opened(samba, **terms)
    office.pull()
    assert [(str(person.aor), person.enabled) for person in office.people.everybody()] == [
        ("sip:dave@example.com", True),
        ("sip:erin@example.com", False),
    ]


# --- what changes


def test_added_changed_disabled_and_deleted_people_follow_incrementally(
    office: Office, branch: Branch, samba: Samba
) -> None:
    """The second pull reads only what has a newer number, and finds who is gone though a tombstone stays."""
    assert office.pull().complete
    office.facts.clear()
    branch.add("dave")
    samba.modify(branch.alice, title="Director")
    samba.modify(branch.bob, userAccountControl=str(DISABLED | 32))
    samba.delete(branch.carol)

    outcome = office.pull()

    assert not outcome.complete
    assert [person.aor for person in outcome.changes.added] == ["sip:dave@example.com"]
    assert {(person.aor, person.title, person.enabled) for person in outcome.changes.changed} == {
        (ALICE, "Director", True),
        (BOB, "Engineer", False),
    }
    assert [person.aor for person in outcome.changes.removed] == [CAROL]
    assert {(fact.aor, fact.is_known) for fact in office.facts.changed()} == {
        ("sip:dave@example.com", True),
        (ALICE, True),
        (BOB, True),
        (CAROL, False),
    }

    samba.modify(branch.bob, userAccountControl=str(ENABLED | 32))
    outcome = office.pull()
    assert [(person.aor, person.enabled) for person in outcome.changes.changed] == [(BOB, True)]
    assert office.pull().changes.is_empty


def test_who_is_brought_back_from_the_tombstones_is_the_same_person(
    office: Office, branch: Branch, samba: Samba
) -> None:
    """A deletion that was a mistake is undone with the key that was."""
    office.pull()
    before = office.people.person(CAROL)
    assert before is not None
    samba.delete(branch.carol)
    office.pull()
    assert office.people.person(CAROL) is None
    samba.undelete(before.key, branch.carol)
    samba.modify(
        branch.carol,
        msRTCSIP_PrimaryUserAddress=CAROL,
        msRTCSIP_UserEnabled="TRUE",
        userAccountControl=str(ENABLED | 32),
    )
    office.pull()
    after = office.people.person(CAROL)
    assert after is not None
    assert (after.key, after.enabled) == (before.key, True)


def test_who_is_moved_out_of_the_base_is_gone_and_comes_back_with_it(
    office: Office, branch: Branch, samba: Samba
) -> None:
    """A move changes who is under the base, in both directions, alone and with a whole place."""
    office.pull()
    away = samba.add_ou(f"OU=Away {branch.number},{SUFFIX}")
    samba.rename(branch.bob, "CN=bob", under=away)
    office.pull()
    assert office.people.person(BOB) is None
    samba.rename(away, f"OU=Away {branch.number}", under=branch.dn)
    office.pull()
    bob = office.people.person(BOB)
    assert bob is not None
    assert bob.source == f"CN=bob,OU=Away {branch.number},{branch.dn}"


def test_a_renamed_account_is_the_same_person_and_a_renamed_address_another(
    office: Office, branch: Branch, samba: Samba
) -> None:
    """A new DN and login name change nothing about who she is; with a new address the old one is nobody's."""
    office.pull()
    samba.rename(branch.alice, "CN=Alice Smith")
    renamed = f"CN=Alice Smith,{branch.dn}"
    samba.modify(renamed, sAMAccountName=branch.login("smith"))
    outcome = office.pull()
    assert not (outcome.changes.added or outcome.changes.removed)
    assert office.people.by_login("EXAMPLE", branch.login("smith")) == office.people.person(ALICE)
    assert office.people.by_login("EXAMPLE", branch.login("alice")) is None

    samba.modify(renamed, msRTCSIP_PrimaryUserAddress="sip:alice.smith@example.com")
    office.pull()
    assert office.people.person(ALICE) is None
    assert office.people.person(Aor("sip:alice.smith@example.com")) is not None


def test_who_loses_the_address_is_gone(office: Office, branch: Branch, samba: Samba) -> None:
    """Lync's own way to remove a user clears the attributes; the account stays."""
    office.pull()
    samba.modify(branch.carol, msRTCSIP_PrimaryUserAddress=[], msRTCSIP_UserEnabled=[])
    outcome = office.pull()
    assert not outcome.complete
    assert [person.aor for person in outcome.changes.removed] == [CAROL]


def test_numbers_of_another_controller_or_another_life_of_it_are_not_believed(
    office: Office, branch: Branch, samba: Samba
) -> None:
    """A changed name, an id that is new after a restore, and numbers that went back: each time everything is read."""
    office.pull()
    cookie = office.pulls.state.cookie
    assert not office.read(cookie).complete
    assert office.read(cookie.replace("CN=DC1", "CN=DC9")).complete
    settings_dn = samba.read("", "dsServiceName")["dsServiceName"][0].decode()
    life = samba.read(settings_dn, "invocationId")["invocationId"][0].hex()
    assert life in cookie
    assert office.read(cookie.replace(life, "00" * 16)).complete
    assert office.read(cookie.replace('"mark":"', '"mark":"9')).complete


# --- ways in, and what an operator is told


@pytest.mark.parametrize("account", [READER, READER_DN, "EXAMPLE\\reader"])
@pytest.mark.parametrize("way", ["ldaps", "start_tls"])
def test_both_ways_to_tls_take_an_account_in_any_form(
    samba: Samba, branch: Branch, opened: OpenOffice, way: str, account: str
) -> None:
    r"""With a checked certificate, as user@domain, as a DN and as DOMAIN\user."""
    how = {"url": samba.url, "start_tls": True} if way == "start_tls" else {}
    office = opened(samba, **reading(samba, bases=[branch.dn], bind_dn=account, **how))
    office.pull()
    assert len(office.people) == 3


@pytest.mark.parametrize("way", ["ldaps", "start_tls"])
def test_a_certificate_of_an_unknown_authority_is_refused(
    samba: Samba, opened: OpenOffice, tmp_path: Path, way: str
) -> None:
    """The password is not sent, and the sentence names ca_file."""
    (tmp_path / "other.pem").write_bytes(authority("Somebody Else").pem)
    how = {"url": samba.url, "start_tls": True} if way == "start_tls" else {}
    told = opened(samba, **reading(samba, ca_file=str(tmp_path / "other.pem"), **how)).trouble()
    assert "certificate that does not hold" in told
    assert "ca_file" in told


def test_a_bind_without_encryption_is_told_with_its_remedy(samba: Samba, opened: OpenOffice) -> None:
    """Active Directory takes no password in the clear; the sentence names what to set."""
    told = opened(samba, **reading(samba, url=samba.url)).trouble()
    assert "strongerAuthRequired" in told
    assert "set start_tls = true or use ldaps://" in told


def test_a_wrong_password_and_no_account_are_told(samba: Samba, opened: OpenOffice, tmp_path: Path) -> None:
    """Each sentence names the settings to correct, and never what was tried."""
    (tmp_path / "wrong").write_text("hunter2\n")
    told = opened(samba, **reading(samba, bind_password_file=str(tmp_path / "wrong"))).trouble()
    assert "invalidCredentials" in told
    assert "bind_password_file" in told
    assert "hunter2" not in told
    assert "set bind_dn" in opened(samba, **reading(samba, bind_dn="", bind_password_file="")).trouble()


def test_an_account_that_is_disabled_is_told_apart_from_a_wrong_password(samba: Samba, opened: OpenOffice) -> None:
    """The operator need not look for a typing error: the password is right."""
    dn = samba.add("sleeper", ou=f"CN=Users,{SUFFIX}", plain=True, password=READER_PASSWORD)
    samba.modify(dn, userAccountControl=str(DISABLED))
    told = opened(samba, **reading(samba, bind_dn="sleeper@ad.example.com")).trouble()
    assert "the account bind_dn may not sign in, for the directory has switched the account off" in told


@pytest.mark.parametrize("base", [f"OU=Nowhere,{SUFFIX}", "DC=other,DC=example,DC=net", "not a dn"])
def test_a_wrong_base_is_told_and_removes_nobody(office: Office, samba: Samba, opened: OpenOffice, base: str) -> None:
    """A misspelt base is an error that names itself and the setting, not an empty directory."""
    told = opened(samba, **reading(samba, bases=[base])).trouble()
    assert base in told
    assert "bases" in told
    assert "([directory])" in told


def test_a_controller_that_is_stopped_changes_nothing(office: Office, branch: Branch, samba: Samba) -> None:
    """Everybody stays known in an outage, and what changed after it follows incrementally."""
    office.pull()
    samba.stop()
    assert "cannot be reached" in office.trouble()
    assert len(office.people) == 3
    samba.start()
    samba.modify(branch.bob, title="Director")
    outcome = office.pull()
    assert not outcome.complete
    assert [person.title for person in outcome.changes.changed] == ["Director"]


def test_accounts_expire_and_passwords_must_be_changed(office: Office, branch: Branch, samba: Samba) -> None:
    """AccountExpires in the past or the future or never; pwdLastSet 0; all by an increment."""
    office.pull()
    now = time.time()
    samba.modify(branch.alice, accountExpires=str(int((now - 3600 + 11_644_473_600) * 10_000_000)))
    samba.modify(branch.bob, accountExpires="0", pwdLastSet="0")
    samba.modify(branch.carol, accountExpires="9223372036854775807")
    assert not office.pull().complete
    alice, bob, carol = (office.people.person(aor) for aor in (ALICE, BOB, CAROL))
    assert alice is not None and bob is not None and carol is not None
    assert alice.until is not None
    assert abs(alice.until.at - (now - 3600)) < 1
    assert not judged(alice, now).enabled
    assert (bob.until, carol.until) == (None, None)
    assert bob.must_change == Moment(0.0, "pwdLastSet=0")


def test_contacts_and_people_with_mail_alone_are_there_to_be_found(
    samba: Samba, branch: Branch, opened: OpenOffice
) -> None:
    """Neither can sign in; a person is also known by the mails of proxyAddresses, and takes over the address of a contact."""
    samba.do(
        "add",
        f"CN=Zoe,{branch.dn}",
        attributes={"objectClass": "contact", "displayName": "Zoe Zander", "mail": "zoe@fabrikam.test"},
    )
    plain = branch.add("plain", plain=True, mail="plain@example.com", userAccountControl=str(ENABLED))
    samba.modify(branch.alice, proxyAddresses=["SMTP:alice@example.com", "smtp:al@example.net", "X500:/o=x"])
    filters = ["(objectClass=contact)", "(&(objectCategory=person)(mail=*))"]
    office = opened(samba, **reading(samba, bases=[branch.dn], contact_filters=filters))
    office.pull()
    known = {person.aor: (person.is_contact, person.enabled) for person in office.people.everybody()}
    assert known == {
        ALICE: (False, True),
        BOB: (False, True),
        CAROL: (False, True),
        "sip:zoe@fabrikam.test": (True, False),
        "sip:plain@example.com": (True, False),
    }
    alice = office.people.person(ALICE)
    assert alice is not None and alice.other_mails == ("alice@example.com", "al@example.net")
    samba.modify(plain, msRTCSIP_PrimaryUserAddress="sip:plain@example.com", msRTCSIP_UserEnabled="TRUE")
    office.pull()
    person = office.people.person(Aor("sip:plain@example.com"))
    assert person is not None and (person.is_contact, person.enabled) == (False, True)
