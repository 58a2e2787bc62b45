"""Directories that tell of changes: who is switched off there is out in seconds, however long the interval is."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from lyncpy.auth.ntlm import nt_hash
from lyncpy.contracts.names import Aor
from tests.interop.conftest import Clients
from tests.kit.ears import Ear, listening
from tests.kit.office import OpenOffice
from tests.kit.samba import ADMINISTRATOR, ADMINISTRATOR_PASSWORD, DISABLED, SUFFIX, Samba, reading
from tests.kit.server import RunningServer, wait_until
from tests.kit.slapd import PEOPLE, Slapd

pytestmark = pytest.mark.interop

ALICE, BOB = Aor("sip:alice@example.com"), Aor("sip:bob@example.com")
DAY_S = 86_400


class TellingSlapd(Slapd):
    """An OpenLDAP with the overlay syncprov."""

    def _write(self, size_limit: str, names: Sequence[str]) -> None:
        super()._write(size_limit, names)
        conf = self.folder / "slapd.conf"
        text = conf.read_text().replace("moduleload back_mdb", "moduleload back_mdb\nmoduleload syncprov")
        conf.write_text(f"{text}index entryCSN eq\noverlay syncprov\n")


@pytest.fixture
def slapd(tmp_path: Path) -> Iterator[Slapd]:
    """An OpenLDAP that tells of changes."""
    with TellingSlapd(tmp_path / "slapd") as running:
        yield running


# --- OpenLDAP


def test_what_changes_in_openldap_is_known_without_a_pull(slapd: Slapd, opened: OpenOffice) -> None:
    """Over TLS; entries are counted only where one may be gone. What is none of ours is no news."""
    alice, bob = slapd.add("alice"), slapd.add("bob")
    with listening(opened, slapd, url=slapd.tls_url, ca_file="ca.pem", bases=[PEOPLE]) as ear:
        people = ear.office.people
        slapd.modify(alice, msRTCSIP_UserEnabled="FALSE")
        ear.until(lambda: (found := people.person(ALICE)) and not found.enabled)
        slapd.add("carol", ou="ou=others,dc=example,dc=com")
        slapd.add("dave")
        ear.until(lambda: len(people) == 3)
        assert not any(ear.counted)
        slapd.delete(alice)
        slapd.rename(bob, "uid=bob", under="ou=others,dc=example,dc=com")
        ear.until(lambda: len(people) == 1)
        assert ear.counted[-1]


def test_what_changed_while_openldap_was_away_is_found_when_it_is_back(slapd: Slapd, opened: OpenOffice) -> None:
    """Those too who are gone; the operator sees how changes are found meanwhile."""
    alice, bob = slapd.add("alice"), slapd.add("bob")
    slapd.add("carol")
    with listening(opened, slapd, bases=[PEOPLE]) as ear:
        slapd.stop()
        ear.until(lambda: "at the interval, because" in ear.notices.state)
        assert slapd.url in ear.notices.state
        slapd.start()
        slapd.delete(alice)
        slapd.modify(bob, msRTCSIP_UserEnabled="FALSE")
        ear.until(lambda: ear.office.people.person(ALICE) is None)
        found = ear.office.people.person(BOB)
        assert found is not None
        assert not found.enabled


def test_an_openldap_that_does_not_tell_is_pulled_at_the_interval(tmp_path: Path, opened: OpenOffice) -> None:
    """With the reason, and what would change that."""
    with Slapd(tmp_path / "slapd") as silent:
        ear = Ear(opened(silent))
        ear.notices.open()
        ear.until(lambda: "syncprov" in ear.notices.state)
        assert ear.notices.state.startswith("at the interval, because ldap://127.0.0.1")
        ear.pulls.close()
        ear.office.pump.run(ear.notices.close())
        assert ear.counted == []


@pytest.fixture
def server(slapd: Slapd, tmp_path: Path) -> Iterator[RunningServer]:
    """A server with Alice and Bob of that directory, which it pulls once a day."""
    running = RunningServer(tmp_path / "home", directory__url=slapd.url, directory__interval_s=DAY_S).init()
    with (running.home / "demo-accounts.toml").open("a") as file:
        for name in ("alice", "bob"):
            address, password = f"{name}@example.test", f"{name}'s secret"
            slapd.add(name, msRTCSIP_PrimaryUserAddress=f"sip:{address}", sambaNTPassword=nt_hash(password).hex())
            file.write(f'[{name}]\naddress = "{address}"\npassword = "{password}"\n')
    with running.serving():
        yield running


def test_who_is_disabled_is_signed_out_in_seconds(slapd: Slapd, server: RunningServer, clients: Clients) -> None:
    """A real client of a real server; its operator sees that the directory tells."""
    wait_until(lambda: "told by the server (content synchronisation)" in server.ssh("directory status"), "it tells")
    (alice,) = clients("alice")
    slapd.modify(f"uid=alice,{PEOPLE}", msRTCSIP_UserEnabled="FALSE")
    assert "disabled" in alice.wait_for("connection_error")["text"].lower()
    alice.wait_for("signed_off")
    slapd.modify(f"uid=alice,{PEOPLE}", msRTCSIP_UserEnabled="TRUE")
    wait_until(lambda: "and enabled" in server.ssh("why alice@example.test"), "she is enabled again")
    alice.login()


# --- Active Directory


def test_what_changes_in_active_directory_is_known_without_a_pull(samba: Samba, opened: OpenOffice) -> None:
    """To an ordinary account; who is moved out of the part that is read is gone, and groups are people's."""
    ou = samba.add_ou(f"OU=Here,{SUFFIX}")
    alice, bob = samba.add("alice", ou=ou), samba.add("bob", ou=ou)
    samba.do("add", f"CN=Crew,{ou}", attributes={"objectClass": "group", "sAMAccountName": "Crew"})
    with listening(opened, samba, **reading(samba, bases=[ou])) as ear:
        people, groups = ear.office.people, ear.office.groups
        samba.modify(alice, userAccountControl=str(DISABLED | 32))
        ear.until(lambda: (found := people.person(ALICE)) and not found.enabled)
        samba.modify(f"CN=Crew,{ou}", member=[bob])
        ear.until(lambda: groups.groups_of(BOB))
        assert not any(ear.counted)
        samba.rename(bob, "CN=bob", under=samba.add_ou(f"OU=Away,{SUFFIX}"))
        ear.until(lambda: people.person(BOB) is None)
        assert ear.counted[-1]


def test_who_may_read_what_is_deleted_hears_of_it(samba: Samba, opened: OpenOffice) -> None:
    """Active Directory shows that to administrators, unless somebody else was given the right."""
    ou = samba.add_ou(f"OU=Deleting,{SUFFIX}")
    carol = samba.add("carol", ou=ou)
    samba.add("dave", ou=ou)
    (samba.folder / "administrator.password").write_text(ADMINISTRATOR_PASSWORD)
    terms = reading(samba, bases=[ou], bind_dn=ADMINISTRATOR, bind_password_file="administrator.password")
    with listening(opened, samba, **terms) as ear:
        samba.delete(carol)
        ear.until(lambda: len(ear.office.people) == 1)
