"""A directory as FreeIPA keeps it, in a real 389 Directory Server: people and groups, passwords, and changes in seconds."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lyncpy.backends.ldap_link import LdapConnection
from lyncpy.backends.ldap_photos import LdapPhotos
from lyncpy.backends.threads import Threads
from lyncpy.contracts.directory import Person
from lyncpy.contracts.names import Aor
from tests.interop.conftest import PLUGIN
from tests.kit.directory import JPEG
from tests.kit.ds389 import ACCESS, DELETED, GROUPS, PEOPLE, READER_DN, SUFFIX, Ds389, missing
from tests.kit.ears import listening
from tests.kit.office import Office, OpenOffice
from tests.kit.password_asker import asker
from tests.kit.ports import free_ports
from tests.kit.purple_client import ConnectionRefusedByServer, PurpleClient
from tests.kit.server import RunningServer, wait_until

pytestmark = [pytest.mark.interop, pytest.mark.skipif(bool(missing()), reason=missing())]

PASSWORD = "Gehe1m ß€"


@pytest.fixture(scope="module")
def freeipa(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ds389]:
    """One server for this module."""
    with Ds389(tmp_path_factory.mktemp("ds389")) as running:
        yield running


def reading(server: Ds389, **settings: Any) -> dict[str, Any]:  # Any: what Settings takes
    """Give the settings that docs/directory.md names."""
    return {
        "url": server.tls_url,
        "ca_file": "ca.pem",
        "bind_dn": READER_DN,
        "bind_password_file": "reader.password",
        "bases": [PEOPLE],
        "group_bases": [GROUPS],
        **settings,
    }


@pytest.fixture
def office(freeipa: Ds389, opened: OpenOffice) -> Office:
    """An office that reads it."""
    return opened(freeipa, **reading(freeipa))


def _of(office: Office, uid: str) -> Person:
    found = office.people.person(Aor(f"sip:{uid}@example.com"))
    assert found is not None
    return found


def _stamp(**ago: float) -> str:
    return (datetime.now(UTC) - timedelta(**ago)).strftime("%Y%m%d%H%M%SZ")


def test_people_and_groups_are_read(freeipa: Ds389, office: Office) -> None:
    """Who is locked or expired may not sign in, whose password has expired must change it; groups are in groups."""
    alice, bob = freeipa.add("alice", jpegPhoto=JPEG + b"alice"), freeipa.add("bob")
    freeipa.add("locked", nsAccountLock="TRUE")
    freeipa.add("expired", krbPrincipalExpiration=_stamp(days=1))
    freeipa.add("later", krbPrincipalExpiration=_stamp(days=-1), krbPasswordExpiration=_stamp(days=-1))
    freeipa.add("aged", krbPasswordExpiration=_stamp(days=1), krbLastPwdChange=_stamp(days=91))
    crew = freeipa.add_group("crew", alice)
    freeipa.add_group("all", crew, bob)
    changes = office.pull().changes
    assert not changes.skipped
    found = _of(office, "alice")
    assert (found.display_name, found.given_name, found.title, found.department) == (
        *("Alice Example", "Alice", "Engineer", "Research"),
    )
    assert [(phone.kind, phone.number) for phone in found.phones] == [
        ("work", "+1 425 555 0100"),
        ("mobile", "+1 425 555 0101"),
    ]
    assert found.logins == ("alice",)
    assert found.key == freeipa.read(alice, "ipaUniqueID")["ipaUniqueID"][0].decode()
    may = {uid: _of(office, uid).may_stay for uid in ("alice", "locked", "expired", "later", "aged")}
    assert may == {"alice": True, "locked": False, "expired": False, "later": True, "aged": False}
    assert _of(office, "locked").barred == "nsAccountLock=TRUE"
    assert _of(office, "aged").password_set
    names = {uid: {group.name for group in office.groups.groups_of(_of(office, uid).aor)} for uid in ("alice", "bob")}
    assert names == {"alice": {"crew", "all"}, "bob": {"all"}}
    photos = LdapPhotos(
        ("jpegPhoto",), office.directory.access, LdapConnection, Threads(office.pump, "photos"), office.timers
    )
    (photo,) = office.pump.run(photos.read([found], lambda _: ""))
    assert photo is not None
    assert photo.data == JPEG + b"alice"
    office.pump.run(photos.close())


@pytest.mark.parametrize(("uid", "ipa"), [("carol", True), ("plain", False)])
def test_somebody_who_is_renamed_is_the_same_person(freeipa: Ds389, office: Office, uid: str, ipa: bool) -> None:
    """By FreeIPA's key, or by that of the server, where entryUUID is none or not shown."""
    dn = freeipa.add(uid, ipa=ipa)
    office.pull()
    before = _of(office, uid)
    freeipa.rename(dn, f"uid={uid}2")
    freeipa.modify(f"uid={uid}2,{PEOPLE}", mail=f"{uid}2@example.com")
    assert not office.pull().changes.skipped
    after = _of(office, f"{uid}2")
    assert (after.key, after.logins) == (before.key, (f"{uid}2",))
    assert len(after.key) in (35, 36)
    assert office.people.person(before.aor) is None
    freeipa.delete(f"uid={uid}2,{PEOPLE}")


def test_who_was_known_by_their_dn_keeps_what_is_theirs(freeipa: Ds389, opened: OpenOffice) -> None:
    """When the account may read keys since, or this server does; all of a directory at once, and their groups."""
    people = [freeipa.add(f"keyed{n}") for n in range(5)]
    groups = [freeipa.add_group(f"keyed{n}", dn) for n, dn in enumerate(people)]
    freeipa.modify(SUFFIX, aci=[rule.replace("ipaUniqueID || ", "").replace(" || nsUniqueId", "") for rule in ACCESS])
    office = opened(freeipa, **reading(freeipa))
    office.pull()
    before = _of(office, "keyed0")
    owner = office.people.owners.owner(before.aor)
    assert before.key == people[0]
    freeipa.modify(SUFFIX, aci=list(ACCESS))
    found = office.pull(full=True)
    assert (found.withheld, found.changes.skipped, found.changes.removed) == ("", (), ())
    after = _of(office, "keyed0")
    assert after.key == freeipa.read(people[0], "ipaUniqueID")["ipaUniqueID"][0].decode()
    assert office.people.owners.owner(after.aor) == owner
    assert {group.name for group in office.groups.groups_of(after.aor)} == {"keyed0"}
    assert not {group.key for group in office.groups.all_groups()} & set(groups)


def test_a_password_is_refused_in_the_servers_words(freeipa: Ds389) -> None:
    """By each kind of its policies; who is just warned is let in."""
    policies = {
        "must": freeipa.add_policy("must", passwordMustChange="on"),
        "lock": freeipa.add_policy(
            "lock", passwordLockout="on", passwordMaxFailure="2", passwordUnlock="on", passwordLockoutDuration="3600"
        ),
        "age": freeipa.add_policy("age", passwordExp="on", passwordMaxAge="86400", passwordWarning="3600"),
    }
    people = {"good": "", "off": "", "reset": "must", "guessed": "lock", "old": "age", "soon": "age"}
    dns = {uid: freeipa.add(uid, userPassword=PASSWORD) for uid in people}
    for uid, policy in people.items():
        freeipa.modify(dns[uid], pwdPolicySubentry=policies.get(policy, []))
    freeipa.modify(dns["off"], nsAccountLock="TRUE")
    freeipa.modify(dns["reset"], userPassword=PASSWORD)
    freeipa.modify(dns["old"], passwordExpirationTime=_stamp(days=1))
    freeipa.modify(dns["soon"], passwordExpirationTime=_stamp(minutes=-10))
    with asker(freeipa, url=freeipa.tls_url, ca_file="ca.pem") as ask:
        assert {uid: ask(dn, PASSWORD) for uid, dn in dns.items()} == {
            "good": "",
            "off": "disabled",
            "reset": "must change password",
            "guessed": "",
            "old": "password expired",
            "soon": "",
        }
        assert [ask(dns[uid], "wrong") for uid in ("good", "old")] == ["wrong password"] * 2
        assert ask("", PASSWORD) == ask(f"uid=nobody,{PEOPLE}", PASSWORD) == "wrong password"
    with asker(freeipa, url=freeipa.tls_url, ca_file="ca.pem") as ask:  # which remembers nothing
        assert [ask(dns["guessed"], "wrong") for _ in range(2)] == ["wrong password"] * 2
        assert ask(dns["guessed"], PASSWORD) == "locked"


def test_what_changes_is_known_without_a_pull(freeipa: Ds389, opened: OpenOffice) -> None:
    """By persistent search, which takes no plugin; whom an administrator preserves is gone."""
    dave, erin = freeipa.add("dave"), freeipa.add("erin")
    crew = freeipa.add_group("team", dave)
    with listening(opened, freeipa, **reading(freeipa)) as ear:
        office = ear.office
        freeipa.modify(dave, nsAccountLock="TRUE")
        ear.until(lambda: not _of(office, "dave").enabled)
        freeipa.modify(crew, member=[erin])
        ear.until(lambda: office.groups.groups_of(Aor("sip:erin@example.com")))
        freeipa.add("faye")
        ear.until(lambda: office.people.person(Aor("sip:faye@example.com")))
        assert not any(ear.counted)
        freeipa.rename(erin, "uid=erin", under=DELETED)
        freeipa.delete(dave)
        ear.until(lambda: not any(office.people.person(Aor(f"sip:{uid}@example.com")) for uid in ("dave", "erin")))
        assert ear.counted[-1]


@pytest.fixture
def server(freeipa: Ds389, tmp_path: Path) -> Iterator[RunningServer]:
    """Give a server whose people and passwords are all of that directory, which it pulls once a day."""
    if not PLUGIN.exists():
        pytest.skip("pidgin-sipe is not installed")
    (port,) = free_ports(1)
    running = RunningServer(
        tmp_path / "home", web__https_host="127.0.0.1", web__https_port=port, sip__server_name="localhost"
    ).init()
    asked = {"url": freeipa.tls_url, "ca_file": str(freeipa.ca_file), "bases": [PEOPLE], "group_bases": [GROUPS]}
    reader = {"bind_dn": READER_DN, "bind_password_file": str(freeipa.password_file)}
    running.write_settings("directory", **asked, **reader, interval_s=86400)
    running.write_settings("webservices", ntlm=False)
    with running.serving():
        yield running


def test_a_client_signs_in_until_its_user_is_locked(freeipa: Ds389, server: RunningServer, tmp_path: Path) -> None:
    """With the password of FreeIPA; it finds others by the address book, and is out in seconds."""
    for uid in ("grace", "heidi"):
        freeipa.add(uid, userPassword=PASSWORD, mail=f"{uid}@example.test")
    wait_until(lambda: "told by the server (persistent search)" in server.ssh("directory status"), "it tells")
    wait_until(lambda: "heidi@example.test" in server.ssh("users"), "they are known")

    def client(uid: str) -> PurpleClient:
        return PurpleClient(
            f"{uid}@example.test",
            PASSWORD,
            server=f"localhost:{server.tls_port}",
            folder=tmp_path / uid,
            ca=server.ca,
            names={"localhost": "127.0.0.1"},
        )

    grace, heidi = client("grace"), client("heidi")
    try:
        grace.login(auth="tls-dsk")
        assert grace.search(given="heid", surname="examp") == ["heidi@example.test"]
        freeipa.modify(f"uid=grace,{PEOPLE}", nsAccountLock="TRUE")
        assert "disabled" in grace.wait_for("connection_error")["text"].lower()
        freeipa.modify(f"uid=heidi,{PEOPLE}", nsAccountLock="TRUE")
        wait_until(lambda: "nsAccountLock=TRUE" in server.ssh("why heidi@example.test"), "heidi is locked")
        with pytest.raises(ConnectionRefusedByServer):
            heidi.login(auth="tls-dsk")
    finally:
        for one in (grace, heidi):
            one.leave()
            one.close()
