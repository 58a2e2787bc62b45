"""Passwords that real directories keep: OpenLDAP with its overlay ppolicy, and a Samba domain controller."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from lyncpy.contracts.refusal import DirectoryUnavailable
from tests.interop.conftest import PLUGIN
from tests.kit.password_asker import Ask, asker
from tests.kit.ports import free_ports
from tests.kit.purple_client import ConnectionRefusedByServer, PurpleClient
from tests.kit.samba import DISABLED, ENABLED, Samba
from tests.kit.server import RunningServer
from tests.kit.slapd import PEOPLE, SLAPD, SUFFIX, Slapd

pytestmark = pytest.mark.interop

POLICIES = f"ou=policies,{SUFFIX}"
PASSWORD = "Gehe1m ß€ 密码 ﬁ\u00a0\\*()\"&:;<'"
"""Of letters that a preparation (RFC 4013) would change, and of those with a meaning in filters, DNs, XML and HTTP."""

MILD = {"pwdMustChange": "FALSE", "pwdLockout": "TRUE", "pwdMaxFailure": "4"}
"""A policy under which a password that an administrator sets need not be changed."""


class Strict(Slapd):
    """A server with the overlay, which tells clients what they ask for."""

    def _write(self, size_limit: str, names: Sequence[str]) -> None:
        super()._write(size_limit, names)
        path = self.folder / "slapd.conf"
        text = path.read_text().replace("moduleload back_mdb", "moduleload back_mdb\nmoduleload ppolicy")
        path.write_text(f'{text}overlay ppolicy\nppolicy_default "cn=default,{POLICIES}"\nppolicy_use_lockout\n')


@pytest.fixture(scope="module")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    """One server for this module, with people in every state that it knows."""
    if not SLAPD.exists():
        pytest.skip("slapd is not installed")
    with Strict(tmp_path_factory.mktemp("slapd")) as slapd:
        slapd.do("add", POLICIES, attributes={"objectClass": "organizationalUnit"})
        policy = {"objectClass": ["device", "pwdPolicy"], "pwdAttribute": "userPassword", "pwdMustChange": "TRUE"}
        wanted = {
            "default": {"pwdLockout": "TRUE", "pwdMaxFailure": "2", "pwdMaxAge": "86400"},
            "aged": {"pwdMaxAge": "1"},
            "mild": MILD,
        }
        for name, fields in wanted.items():
            slapd.do("add", f"cn={name},{POLICIES}", attributes={**policy, **fields})
        for uid in ("alice", "bob", "carol", "dave"):
            slapd.add(uid, userPassword=PASSWORD)
        slapd.add("erin")
        slapd.modify(f"uid=carol,{PEOPLE}", pwdPolicySubentry=f"cn=aged,{POLICIES}")
        slapd.modify(f"uid=dave,{PEOPLE}", pwdReset="TRUE")
        yield slapd


@pytest.fixture
def ask(slapd: Slapd) -> Iterator[Ask]:
    """Ask OpenLDAP, over TLS."""
    with asker(slapd, url=slapd.tls_url, ca_file="ca.pem") as asking:
        yield asking


def test_a_password_is_right_or_wrong(ask: Ask) -> None:
    """As it was typed, whatever is in it; none, and one of nobody, is never right."""
    alice = f"uid=alice,{PEOPLE}"
    assert ask(alice, PASSWORD) == ""
    assert ask(alice, PASSWORD.replace("ﬁ", "fi")) == "wrong password"
    assert ask(alice, "") == "wrong password"
    assert ask("", PASSWORD) == "wrong password"
    assert ask(f"uid=zoe,{PEOPLE}", PASSWORD) == "wrong password"
    assert ask(f"uid=erin,{PEOPLE}", PASSWORD) == "wrong password"


def test_an_account_that_is_locked_is_told(ask: Ask) -> None:
    """After as many wrong passwords as the policy allows, the right one does not count."""
    bob = f"uid=bob,{PEOPLE}"
    assert [ask(bob, "wrong") for _ in range(2)] == ["wrong password"] * 2
    assert ask(bob, PASSWORD) == "locked"


def test_a_password_that_is_too_old_is_told(ask: Ask) -> None:
    """By the policy's age."""
    time.sleep(2)  # the server's clock is the real one, and the shortest age a second
    assert ask(f"uid=carol,{PEOPLE}", PASSWORD) == "password expired"


def test_a_password_that_an_administrator_has_set_must_be_changed(ask: Ask) -> None:
    """Though the bind succeeds."""
    assert ask(f"uid=dave,{PEOPLE}", PASSWORD) == "must change password"


@pytest.mark.parametrize(("policy", "reason"), [("default", "must change password"), ("mild", "")])
def test_the_policy_says_whether_a_password_that_was_set_must_be_changed(
    slapd: Slapd, policy: str, reason: str
) -> None:
    """Under a mild one it is as good as any; that this one is in force is seen by wrong ones."""
    dn = f"uid=of-{policy},{PEOPLE}"
    slapd.add(f"of-{policy}", userPassword="the first")
    slapd.modify(dn, pwdPolicySubentry=f"cn={policy},{POLICIES}")
    slapd.modify(dn, userPassword=PASSWORD)
    where = {"url": slapd.tls_url, "ca_file": "ca.pem"}
    with asker(slapd, **where) as ask:
        assert ask(dn, PASSWORD) == reason
    with asker(slapd, **where) as ask:  # which remembers nothing
        for _ in range(4):
            ask(dn, "wrong")
        assert ask(dn, PASSWORD) == "locked"


def test_start_tls_does_as_well(slapd: Slapd) -> None:
    """The same settings as of a pull; a certificate of another authority is refused."""
    dn = f"uid=alice,{PEOPLE}"
    with asker(slapd, start_tls=True, ca_file="ca.pem") as ask:
        assert ask(dn, PASSWORD) == ""
    with asker(slapd, start_tls=True) as ask, pytest.raises(DirectoryUnavailable, match="certificate"):
        ask(dn, PASSWORD)


def test_a_server_that_cannot_be_asked_gives_no_verdict(slapd: Slapd) -> None:
    """Frozen or away, and then there again."""
    dn = f"uid=alice,{PEOPLE}"
    with asker(slapd) as ask:
        slapd.freeze()
        try:
            with pytest.raises(DirectoryUnavailable, match="does not answer in time"):
                ask(dn, PASSWORD)
        finally:
            slapd.thaw()
        slapd.stop()
        try:
            with pytest.raises(DirectoryUnavailable, match="cannot be reached"):
                ask(dn, PASSWORD)
        finally:
            slapd.start()
        assert ask(dn, PASSWORD) == ""


@pytest.mark.parametrize(
    ("name", "changes", "reason"),
    [
        ("right", {}, ""),
        ("disabled", {"userAccountControl": str(DISABLED)}, "disabled"),
        ("expired", {"accountExpires": "116444736000000001"}, "expired"),
        ("renewed", {"pwdLastSet": "0"}, "must change password"),
        ("nights", {"logonHours": bytes(21)}, "not allowed now or here"),
    ],
)
def test_an_account_is_as_the_controller_says(samba: Samba, name: str, changes: dict[str, Any], reason: str) -> None:
    """To who knows the password; to others it is just wrong."""
    dn = samba.add(name, password=PASSWORD, userAccountControl=str(ENABLED))
    if changes:
        samba.modify(dn, **changes)
    with asker(samba, url=samba.tls_url, ca_file="ca.pem") as ask:
        assert ask(dn, PASSWORD) == reason
        assert ask(dn, "") == "wrong password"
        assert ask(dn, "wrong") == "wrong password"


@pytest.fixture
def running(slapd: Slapd, tmp_path: Path) -> Iterator[RunningServer]:
    """Give a server whose people and passwords are all of that directory."""
    if not PLUGIN.exists():
        pytest.skip("pidgin-sipe is not installed")
    (port,) = free_ports(1)
    server = RunningServer(
        tmp_path / "home", web__https_host="127.0.0.1", web__https_port=port, sip__server_name="localhost"
    ).init()
    server.write_settings("directory", url=slapd.tls_url, ca_file=str(slapd.ca_file), bases=[PEOPLE])
    server.write_settings("webservices", ntlm=False)
    try:
        yield server.start()
        server.stop()
    finally:
        server.close()


def test_a_client_signs_in_with_the_password_of_the_directory(
    slapd: Slapd, running: RunningServer, tmp_path: Path
) -> None:
    """Nothing was set here: pidgin-sipe sends it once, over HTTPS, and signs in with a certificate; the log does not have it."""
    for uid in ("frank", "grace"):
        slapd.add(uid, userPassword=PASSWORD, msRTCSIP_PrimaryUserAddress=f"sip:{uid}@example.test")
        slapd.modify(f"uid={uid},{PEOPLE}", pwdPolicySubentry=f"cn=mild,{POLICIES}")
    running.ssh("directory pull")
    clients: list[PurpleClient] = []

    def client(uid: str, password: str = PASSWORD) -> PurpleClient:
        clients.append(
            PurpleClient(
                f"{uid}@example.test",
                password,
                server=f"localhost:{running.tls_port}",
                folder=tmp_path / f"{uid}-{len(clients)}",
                ca=running.ca,
                names={"localhost": "127.0.0.1"},
            )
        )
        return clients[-1]

    frank, grace = client("frank"), client("grace")
    try:
        frank.login(auth="tls-dsk")
        grace.login(auth="auto")
        frank.send_im(grace.address, "with one password for all")
        grace.wait_for("im", text="with one password for all")
        assert "frank@example.test got certificate" in running.log()
        slapd.modify(f"uid=frank,{PEOPLE}", userPassword="another one")
        running.ssh("directory pull")
        frank.send_im(grace.address, "with a key of the old password")
        frank.wait_for("conv_error")
        assert "good" not in running.ssh("user certificates frank@example.test")
        with pytest.raises(ConnectionRefusedByServer):
            client("frank").login(auth="tls-dsk")
        client("frank", "another one").login(auth="tls-dsk")
        slapd.modify(f"uid=grace,{PEOPLE}", userPassword="hers alone")
        client("grace", "hers alone").login(auth="tls-dsk")
        log = running.log()
        assert "grace@example.test has another password: 1 certificates of the old one ended" in log
        assert not [one for one in (PASSWORD, "Gehe1m", "another one", "hers alone") if one in log]
    finally:
        for one in clients:
            one.leave()
            one.close()
