"""People from a real OpenLDAP server: its life, its troubles, and what an operator is told."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from lyncpy.contracts.directory import Moment, judged
from lyncpy.contracts.names import Aor
from lyncpy.contracts.refusal import DirectoryUnavailable
from lyncpy.workloads.directory.pull import PeopleSource, Pulls
from lyncpy.workloads.directory.records import DirectoryRecords
from lyncpy.workloads.directory.settings import places_of
from tests.kit.certificates import authority
from tests.kit.directory import PlainSeals
from tests.kit.hostile import time_limit
from tests.kit.leases import only_node
from tests.kit.office import Office, OpenOffice
from tests.kit.slapd import PEOPLE, READER_DN, SLAPD, SUFFIX, Slapd, ldif

pytestmark = [pytest.mark.interop, pytest.mark.skipif(not SLAPD.exists(), reason="slapd is not installed")]

ALICE, BOB, CAROL = Aor("sip:alice@example.com"), Aor("sip:bob@example.com"), Aor("sip:carol@example.com")


@pytest.fixture(scope="module")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    """One server for this module; every test has an ou of its own."""
    with Slapd(tmp_path_factory.mktemp("slapd")) as slapd:
        yield slapd


@pytest.fixture
def ou(slapd: Slapd, request: pytest.FixtureRequest) -> str:
    """A place in the tree with alice, bob and carol in it."""
    name = f"ou={request.node.name.replace('[', '-').replace(']', '')},{SUFFIX}"
    slapd.do("add", name, attributes={"objectClass": "organizationalUnit"})
    for uid in ("alice", "bob", "carol"):
        slapd.add(uid, ou=name)
    return name


@pytest.fixture
def office(slapd: Slapd, ou: str, opened: OpenOffice) -> Office:
    """Pulls over that place."""
    return opened(slapd, bases=[ou])


def test_brings_all_facts_of_a_person(office: Office, ou: str, slapd: Slapd) -> None:
    """What the directory knows about Alice is known after the first pull."""
    slapd.modify(
        f"uid=alice,{ou}", sambaNTPassword="0123456789ABCDEF0123456789abcdef", msRTCSIP_Line="tel:+14255550100"
    )
    office.pull()
    alice = office.people.person(ALICE)
    assert alice is not None
    assert (alice.display_name, alice.title, alice.company, alice.department, alice.office) == (
        "Alice Example",
        "Engineer",
        "Example Ltd",
        "Research",
        "B 2.17",
    )
    assert [(one.kind, one.number) for one in alice.phones] == [
        ("work", "+1 425 555 0100"),
        ("mobile", "+1 425 555 0101"),
    ]
    assert alice.line == "tel:+14255550100"
    assert alice.nt_hash == bytes.fromhex("0123456789abcdef" * 2)
    assert alice.source == f"uid=alice,{ou}"
    assert office.people.by_login("EXAMPLE", "Alice") == alice


def test_added_changed_and_removed_people_follow_incrementally(office: Office, ou: str, slapd: Slapd) -> None:
    """The second pull reads only what changed, and finds who is gone."""
    assert office.pull().complete
    office.facts.clear()
    slapd.add("dave", ou=ou)
    slapd.modify(f"uid=bob,{ou}", title="Director")
    slapd.delete(f"uid=carol,{ou}")

    outcome = office.pull()

    assert not outcome.complete
    assert [person.aor for person in outcome.changes.added] == ["sip:dave@example.com"]
    assert [person.title for person in outcome.changes.changed] == ["Director"]
    assert [person.aor for person in outcome.changes.removed] == [CAROL]
    assert office.people.person(CAROL) is None
    assert {fact.aor: not fact.is_known for fact in office.facts.changed()} == {
        "sip:dave@example.com": False,
        BOB: False,
        CAROL: True,
    }


def test_a_disabled_person_is_told_at_the_next_pull(office: Office, ou: str, slapd: Slapd) -> None:
    """Whoever signs users out hears of it from the next pull."""
    office.pull()
    office.facts.clear()
    slapd.modify(f"uid=alice,{ou}", msRTCSIP_UserEnabled="FALSE")
    office.pull()
    assert [(fact.aor, fact.may_stay) for fact in office.facts.changed()] == [(ALICE, False)]


def test_a_renamed_entry_stays_the_same_person(office: Office, ou: str, slapd: Slapd) -> None:
    """A new DN is no new person."""
    office.pull()
    slapd.rename(f"uid=alice,{ou}", "uid=alice.new")
    outcome = office.pull()
    assert not outcome.changes.removed
    assert not outcome.changes.added
    renamed = office.people.person(ALICE)
    assert renamed is not None
    assert renamed.source == f"uid=alice.new,{ou}"


def test_a_new_address_is_the_same_person(office: Office, ou: str, slapd: Slapd) -> None:
    """After a marriage the old address signs in nobody, and all that is theirs is under the new one."""
    office.pull()
    owner = office.people.owners.owner(ALICE)
    slapd.modify(f"uid=alice,{ou}", msRTCSIP_PrimaryUserAddress="sip:alice.smith@example.com")
    outcome = office.pull()
    assert not outcome.complete
    assert [(move.before.aor, move.after.aor) for move in outcome.changes.moved] == [
        (ALICE, "sip:alice.smith@example.com")
    ]
    assert office.people.person(ALICE) is None
    assert office.people.owners.owner(Aor("sip:alice.smith@example.com")) == owner
    assert office.people.owners.led_to(ALICE) == "sip:alice.smith@example.com"


def test_an_entry_made_anew_under_the_same_address_is_somebody_else(office: Office, ou: str, slapd: Slapd) -> None:
    """Another entryUUID is another person; the one before is held back."""
    office.pull()
    owner = office.people.owners.owner(ALICE)
    slapd.delete(f"uid=alice,{ou}")
    slapd.add("alice", ou=ou)
    outcome = office.pull()
    assert [person.aor for person in outcome.changes.removed] == [ALICE]
    assert [person.aor for person in outcome.changes.added] == [ALICE]
    assert office.people.owners.owner(ALICE) not in (owner, "")
    assert [one.id for one in office.people.owners.held_back()] == [owner]


def test_two_entries_that_swap_their_addresses(office: Office, ou: str, slapd: Slapd) -> None:
    """In one pull, as in two with a time at which both have one address."""
    office.pull()
    alice, bob = office.people.owners.owner(ALICE), office.people.owners.owner(BOB)
    for uid, address in (("alice", BOB), ("bob", ALICE)):
        slapd.modify(f"uid={uid},{ou}", msRTCSIP_PrimaryUserAddress=address)
    office.pull()
    assert (office.people.owners.owner(BOB), office.people.owners.owner(ALICE)) == (alice, bob)
    slapd.modify(f"uid=alice,{ou}", msRTCSIP_PrimaryUserAddress=ALICE)
    office.pull()
    slapd.modify(f"uid=bob,{ou}", msRTCSIP_PrimaryUserAddress=BOB)
    office.pull()
    assert (office.people.owners.owner(ALICE), office.people.owners.owner(BOB)) == (alice, bob)


def test_who_is_moved_out_of_the_base_is_gone_and_comes_back_with_it(office: Office, ou: str, slapd: Slapd) -> None:
    """A move changes who is under the base, in both directions."""
    office.pull()
    slapd.rename(f"uid=bob,{ou}", "uid=bob", under=f"ou=others,{SUFFIX}")
    office.pull()
    assert office.people.person(BOB) is None
    slapd.rename(f"uid=bob,ou=others,{SUFFIX}", "uid=bob", under=ou)
    office.pull()
    assert office.people.person(BOB) is not None


def test_a_subtree_that_is_moved_in_is_found_though_no_entry_changed(office: Office, ou: str, slapd: Slapd) -> None:
    """Entries whose modifyTimestamp is old are found by counting."""
    elsewhere = f"ou=team,ou=others,{SUFFIX}"
    slapd.do("add", elsewhere, attributes={"objectClass": "organizationalUnit"})
    slapd.add("team.member", ou=elsewhere)
    office.pull()
    state = office.pulls.state
    cookie = state.cookie.replace('"mark":"2', '"mark":"3')  # what was changed until now is not seen again
    slapd.rename(elsewhere, "ou=team", under=ou)
    answer = office.read(cookie)
    assert not answer.people
    assert answer.present is not None
    assert len(answer.present) == 4
    office.pulls.state = type(state)(state.urls, cookie, state.pulled_at, state.full_at, state.skipped)
    office.pull()
    assert office.people.person(Aor("sip:team.member@example.com")) is not None


def test_bad_entries_are_skipped_and_named_and_the_rest_goes_on(office: Office, ou: str, slapd: Slapd) -> None:
    """Each entry that cannot be used is named with its DN and the reason."""
    slapd.add("noaddress", ou=ou, drop=("mail", "msRTCSIP-PrimaryUserAddress"))
    slapd.add("broken", ou=ou, msRTCSIP_PrimaryUserAddress="sip:not an address")
    slapd.add("foreign", ou=ou, msRTCSIP_PrimaryUserAddress="sip:foreign@other.example")
    slapd.add("twin", ou=ou, msRTCSIP_PrimaryUserAddress="sip:Alice@Example.com")
    slapd.add("hash", ou=ou, msRTCSIP_PrimaryUserAddress="sip:hash@example.com", sambaNTPassword="secret-nonsense")
    outcome = office.pull()
    reasons = {one.source.partition(",")[0]: one.reason for one in outcome.changes.skipped}
    assert set(reasons) == {"uid=noaddress", "uid=broken", "uid=foreign", "uid=twin", "uid=hash"}
    assert "has no address" in reasons["uid=noaddress"]
    assert '"sip:not an address"' in reasons["uid=broken"]
    assert 'not in the domain "example.com"' in reasons["uid=foreign"]
    assert f"already that of uid=alice,{ou}" in reasons["uid=twin"]
    assert "sambaNTPassword" in reasons["uid=hash"]
    assert "nonsense" not in reasons["uid=hash"]
    assert {person.aor for person in office.people.everybody()} == {ALICE, BOB, CAROL, Aor("sip:hash@example.com")}


def test_an_attribute_that_is_no_text_is_left_out_and_named(slapd: Slapd, ou: str, opened: OpenOffice) -> None:
    """Bytes that are not UTF-8 are named by attribute, and keep nobody out; what stood there before is forgotten."""
    office = opened(slapd, bases=[ou], attributes={"title": "rawNote"})
    slapd.modify(f"uid=bob,{ou}", rawNote=b"Engineer")
    office.pull()
    slapd.modify(f"uid=bob,{ou}", rawNote=b"\xff\xfe")
    slapd.add("dave", ou=ou, rawNote=b"\xc3")
    outcome = office.pull()
    assert {one.source.partition(",")[0] for one in outcome.changes.skipped} == {"uid=bob", "uid=dave"}
    assert 'attribute "rawNote" cannot be read' in outcome.changes.skipped[0].reason
    bob = office.people.person(BOB)
    assert bob is not None
    assert (bob.title, bob.enabled) == ("", True)
    assert office.people.person(Aor("sip:dave@example.com")) is not None
    slapd.modify(f"uid=bob,{ou}", rawNote=b"Director")
    assert {one.source.partition(",")[0] for one in office.pull().changes.skipped} == {"uid=dave"}


def test_who_is_disabled_is_so_whatever_else_cannot_be_read(slapd: Slapd, ou: str, opened: OpenOffice) -> None:
    """Locking tools write a mark before the hash, and others leave half an office behind."""
    office = opened(slapd, bases=[ou], attributes={"office": "rawNote"})
    slapd.modify(f"uid=alice,{ou}", sambaNTPassword="0123456789ABCDEF0123456789ABCDEF")
    office.pull()
    slapd.modify(
        f"uid=alice,{ou}",
        sambaNTPassword="!0123456789ABCDEF0123456789ABCDEF",
        msRTCSIP_UserEnabled="FALSE",
        rawNote=b"\xff",
    )
    slapd.modify(f"uid=bob,{ou}", sambaNTPassword="!")
    outcome = office.pull()
    alice, bob = office.people.person(ALICE), office.people.person(BOB)
    assert alice is not None and bob is not None
    assert (alice.enabled, alice.nt_hash, bob.enabled) == (False, None, False)
    assert {person.aor for person in outcome.changes.disabled} == {ALICE, BOB}


def test_people_have_time_and_passwords_until_they_have_not(slapd: Slapd, ou: str, office: Office) -> None:
    """A moment to come, one that is past, and never."""
    now = int(time.time())
    slapd.modify(f"uid=alice,{ou}", accountExpires=_filetime(now + 3600), pwdLastSet="0")
    slapd.modify(f"uid=bob,{ou}", accountExpires=_filetime(now - 3600))
    slapd.modify(f"uid=carol,{ou}", accountExpires="9223372036854775807")
    office.pull()
    alice, bob, carol = (office.people.person(aor) for aor in (ALICE, BOB, CAROL))
    assert alice is not None and bob is not None and carol is not None
    assert alice.until == Moment(now + 3600, "accountExpires")
    assert alice.must_change == Moment(0.0, "pwdLastSet=0")
    assert not judged(bob, now).enabled
    assert carol.until is None
    slapd.modify(f"uid=bob,{ou}", accountExpires="soon")
    outcome = office.pull()
    assert [one.source for one in outcome.changes.skipped] == [f"uid=bob,{ou}"]
    bob = office.people.person(BOB)
    assert bob is not None
    assert not bob.enabled


def _filetime(second: int) -> str:
    return str((second + 11_644_473_600) * 10_000_000)


def test_the_address_of_a_skipped_twin_is_free_when_the_first_is_removed(office: Office, ou: str, slapd: Slapd) -> None:
    """The second entry with an address becomes a person as soon as the first is gone."""
    twin = slapd.add("twin", ou=ou, msRTCSIP_PrimaryUserAddress="sip:alice@example.com")
    office.pull()
    slapd.delete(f"uid=alice,{ou}")
    office.pull()
    person = office.people.person(ALICE)
    assert person is not None
    assert person.source == twin
    assert not office.pulls.state.skipped


def test_an_emptied_base_removes_nobody(office: Office, ou: str, slapd: Slapd) -> None:
    """Somebody emptied the tree: nobody is removed, it says why, and can be forced."""
    office.pull()
    for uid in ("alice", "bob", "carol"):
        slapd.delete(f"uid={uid},{ou}")
    outcome = office.pull()
    assert "remove 3 of 3 people" in outcome.withheld
    assert len(office.people) == 3
    assert "remove 3 of 3" in office.pull(full=True).withheld
    assert office.pull(force=True).withheld == ""
    assert len(office.people) == 0


def test_a_dry_run_shows_and_changes_nothing(office: Office, ou: str, slapd: Slapd) -> None:
    """The operator sees what a pull would do; nobody hears of it."""
    office.pull()
    office.facts.clear()
    slapd.add("dave", ou=ou)
    outcome = office.pull(dry_run=True)
    assert [person.aor for person in outcome.changes.added] == ["sip:dave@example.com"]
    assert office.people.person(Aor("sip:dave@example.com")) is None
    assert not office.facts.changed()


def test_two_bases_and_two_filters_are_one_set_of_people(slapd: Slapd, ou: str, opened: OpenOffice) -> None:
    """Overlapping bases do not double anybody; an entry that fits any filter counts."""
    office = opened(
        slapd, bases=[ou, f"uid=bob,{ou}"], filters=["(uid=alice)", "uid=bob"], address="sip:{uid}@{domain}"
    )
    office.pull()
    assert [person.aor for person in office.people.everybody()] == [ALICE, BOB]
    assert not office.pulls.state.skipped


def test_without_bases_the_server_is_asked_what_it_holds(slapd: Slapd, ou: str, opened: OpenOffice) -> None:
    """The naming context of the root DSE is searched; a filter narrows it."""
    office = opened(slapd, filters=[f"(&(uid=carol)(entryDN=uid=carol,{ou}))"])
    office.pull()
    assert [person.aor for person in office.people.everybody()] == [CAROL]


@pytest.mark.parametrize("how", ["ldaps", "start_tls"])
def test_an_encrypted_connection_is_used_when_its_certificate_holds(
    slapd: Slapd, ou: str, how: str, opened: OpenOffice
) -> None:
    """Both ways to TLS read people with a checked certificate and a bind account."""
    settings = {"url": slapd.tls_url} if how == "ldaps" else {"start_tls": True}
    office = opened(
        slapd, bases=[ou], ca_file="ca.pem", bind_dn=READER_DN, bind_password_file="reader.password", **settings
    )
    office.pull()
    assert len(office.people) == 3


@pytest.mark.parametrize("how", ["ldaps", "start_tls"])
def test_a_certificate_of_an_unknown_authority_is_refused(
    slapd: Slapd, how: str, tmp_path: Path, opened: OpenOffice
) -> None:
    """Nothing is read, and the sentence names ca_file."""
    (tmp_path / "other.pem").write_bytes(authority("Somebody Else").pem)
    settings = {"url": slapd.tls_url} if how == "ldaps" else {"start_tls": True}
    for ca_file in (str(tmp_path / "other.pem"), ""):
        office = opened(slapd, ca_file=ca_file, **settings)
        assert "certificate that does not hold" in office.trouble()
        assert "ca_file" in office.pulls.failure


def test_a_certificate_for_another_name_is_refused(tmp_path: Path, opened: OpenOffice) -> None:
    """The chain is right, the name is not: such a server may be anybody's."""
    with Slapd(tmp_path / "slapd", names=("ldap.other.example",)) as slapd:
        assert "IP address mismatch" in opened(slapd, url=slapd.tls_url, ca_file="ca.pem").trouble()
        assert "certificate that does not hold" in opened(slapd, start_tls=True, ca_file="ca.pem").trouble()


def test_a_wrong_bind_password_is_told_without_the_password(slapd: Slapd, tmp_path: Path, opened: OpenOffice) -> None:
    """The sentence names the account's settings and never what was tried."""
    (tmp_path / "wrong").write_text("hunter2\n")
    office = opened(slapd, bind_dn=READER_DN, bind_password_file=str(tmp_path / "wrong"))
    told = office.trouble()
    assert "invalidCredentials" in told
    assert "bind_password_file" in told
    assert "hunter2" not in told


def test_a_base_that_does_not_exist_is_told(slapd: Slapd, opened: OpenOffice) -> None:
    """A misspelt base is an error, not an empty directory."""
    office = opened(slapd, bases=[f"ou=nowhere,{SUFFIX}"])
    assert "noSuchObject" in office.trouble()


def test_a_filter_that_cannot_be_read_is_told(slapd: Slapd, opened: OpenOffice) -> None:
    """A filter with a missing parenthesis names the setting."""
    office = opened(slapd, bases=[PEOPLE], filters="(&(uid=*)")
    assert "filters" in office.trouble()


def test_a_stopped_server_changes_nothing_and_is_read_again_when_it_is_back(tmp_path: Path, opened: OpenOffice) -> None:
    """An outage is told once; everybody stays known; a restart during it knows everybody."""
    with Slapd(tmp_path / "slapd") as slapd:
        for uid in ("alice", "bob"):
            slapd.add(uid)
        office = opened(slapd)
        office.pump.run(office.pulls.open())
        slapd.stop()
        assert "cannot be reached" in office.trouble()
        assert len(office.people) == 2

        again = opened(slapd)
        again.store = office.store
        again.pulls = Pulls(
            PeopleSource(again.directory, places_of([again.settings])),
            DirectoryRecords(office.store, PlainSeals()),
            again.people,
            again.groups,
            again.facts,
            again.settings,
            again.timers,
            only_node(),
        )
        again.pump.run(again.pulls.open())
        assert [person.aor for person in again.people.everybody()] == [ALICE, BOB]
        assert again.pulls.failure

        slapd.start()
        slapd.modify(f"uid=bob,{PEOPLE}", title="Director")
        outcome = again.pull()
        assert not outcome.complete
        assert [person.title for person in outcome.changes.changed] == ["Director"]
        assert again.pulls.failure == ""


@pytest.mark.parametrize("settings", [{}, {"start_tls": True, "ca_file": "ca.pem"}, {"tls": True, "ca_file": "ca.pem"}])
def test_a_frozen_server_is_given_up_in_time(tmp_path: Path, settings: dict[str, Any], opened: OpenOffice) -> None:
    """A server that takes connections and says nothing costs a second, not a thread for ever."""
    with Slapd(tmp_path / "slapd") as slapd:
        url = slapd.tls_url if settings.pop("tls", False) else slapd.url
        office = opened(slapd, url=url, **settings)
        slapd.freeze()
        with time_limit(30):
            assert "does not answer in time" in office.trouble()
        slapd.thaw()
        assert office.pull().complete


def test_closing_ends_a_pull_that_waits_for_a_frozen_server(tmp_path: Path, opened: OpenOffice) -> None:
    """The server can be stopped while LDAP hangs."""
    with Slapd(tmp_path / "slapd") as slapd:
        office = opened(slapd, answer_timeout_s=60)
        slapd.freeze()
        pulling = Deferred.fromCoroutine(office.pulls.pull())
        failed: list[object] = []
        _ = pulling.addErrback(failed.append)
        office.wait_until_connected()
        with time_limit(30):  # half of what the server is given
            office.pump.run(office.pulls.close())
        assert failed


def test_a_pull_that_takes_too_long_is_given_up(tmp_path: Path, opened: OpenOffice) -> None:
    """However long single answers may take, the whole has a limit, and the sentence names it."""
    with Slapd(tmp_path / "slapd") as slapd:
        office = opened(slapd, answer_timeout_s=60, pull_timeout_s=30)
        slapd.freeze()
        pulling = Deferred.fromCoroutine(office.pulls.pull())
        office.wait_until_connected()
        office.clock.advance(31)
        with pytest.raises(DirectoryUnavailable, match=r"took longer than 30 s: .* raise pull_timeout_s"):
            office.pump.run(pulling)


def test_pages_of_2500_people(tmp_path: Path, opened: OpenOffice) -> None:
    """More people than the server gives at once come page by page; few of them changed cost little."""
    slapd = Slapd(tmp_path / "slapd", size_limit="size.soft=500 size.hard=500 size.prtotal=unlimited")
    slapd.load(
        [
            f"dn: {SUFFIX}\nobjectClass: dcObject\nobjectClass: organization\no: Example\ndc: example",
            f"dn: {PEOPLE}\nobjectClass: organizationalUnit\nou: people",
        ]
    )
    slapd.load([ldif(f"user{n}") for n in range(2500)])
    slapd.start()
    try:
        office = opened(slapd, page_size=400, pull_timeout_s=60, answer_timeout_s=10)
        office.pull()
        assert len(office.people) == 2500
        slapd.modify(f"uid=user7,{PEOPLE}", title="Director")
        outcome = office.pull()
        assert not outcome.complete
        assert [person.aor for person in outcome.changes.changed] == ["sip:user7@example.com"]
        assert outcome.changes.unchanged == 2499
    finally:
        slapd.stop()


def test_a_part_of_the_people_is_never_taken_for_all(tmp_path: Path, opened: OpenOffice) -> None:
    """A server that gives fewer than there are makes the pull fail; it removes nobody."""
    with Slapd(tmp_path / "slapd", size_limit="size.soft=2 size.hard=2 size.prtotal=2") as slapd:
        for uid in ("alice", "bob", "carol"):
            slapd.add(uid)
        told = opened(slapd).trouble()
        assert "sizeLimitExceeded" in told
        assert "raise the server's limit" in told


def test_more_entries_than_the_setting_allows_are_refused(slapd: Slapd, ou: str, opened: OpenOffice) -> None:
    """A filter that fits everything cannot fill the memory."""
    assert "entries_max" in opened(slapd, bases=[ou], entries_max=2).trouble()


def test_active_directory_numbers_are_followed_on_one_controller_only(tmp_path: Path, opened: OpenOffice) -> None:
    """The uSNChanged of one controller means nothing on another: there everything is read."""
    root = "dsServiceName: CN=NTDS Settings,CN={dc}\nhighestCommittedUSN: {usn}"
    guid = bytes(range(16))
    with Slapd(tmp_path / "slapd", root_dse=root.format(dc="DC1", usn=100)) as slapd:
        slapd.add("alice", objectGUID=guid, uSNChanged="90", sAMAccountName="alice", userAccountControl="512")
        slapd.add("bob", objectGUID=guid[::-1], uSNChanged="95", sAMAccountName="bobby", userAccountControl="512")
        office = opened(slapd, preset="activedirectory")
        office.pull()
        alice = office.people.person(ALICE)
        assert alice is not None
        assert alice.key == "03020100-0504-0706-0809-0a0b0c0d0e0f"
        assert office.people.by_login("CORP", "bobby") == office.people.person(BOB)

        slapd.modify(f"uid=alice,{PEOPLE}", title="Unnoticed")
        slapd.modify(f"uid=bob,{PEOPLE}", userAccountControl="514", uSNChanged="101")
        outcome = office.pull()
        assert not outcome.complete
        assert [(one.aor, one.enabled) for one in outcome.changes.changed] == [(BOB, False)]

        slapd.stop()
        slapd.tell_root(root.format(dc="DC2", usn=40))
        slapd.start()
        outcome = office.pull()
        assert outcome.complete
        assert [one.title for one in outcome.changes.changed] == ["Unnoticed"]

        slapd.stop()
        slapd.tell_root(root.format(dc="DC2", usn=30))
        slapd.start()
        assert office.pull().complete
