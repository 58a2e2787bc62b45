"""Tickets of an Active Directory (a Samba domain controller): whose they are, whatever was typed, and what the doctor says."""

import importlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lyncpy.auth.principals import person_of
from lyncpy.backends.kerberos import verify_ticket
from lyncpy.backends.kerberos_probe import NoTicket, ticket_for
from lyncpy.contracts.directory import Person
from lyncpy.contracts.kerberos import SIP_SERVICE, AcceptedTicket
from lyncpy.contracts.names import aor_of
from lyncpy.workloads.directory.people import People
from tests.interop.conftest import PLUGIN, MakeSamba
from tests.kit.kdc import require_kerberos
from tests.kit.kerberos_client import KerberosClient
from tests.kit.purple_client import PurpleClient
from tests.kit.samba import ENABLED, REALM, STAFF, Samba, missing, reading
from tests.kit.server import RunningServer

pytestmark = pytest.mark.interop

HOST = "fe1.ad.example.com"
SERVICE = f"sip/{HOST}@{REALM}"
PASSWORD = "Passw0rd!x"
PETER = "peter@example.test"


class Domain:
    """A domain controller, a keytab of ours, and the configuration of a member."""

    def __init__(self, samba: Samba) -> None:
        self.samba, self.keytab = samba, samba.folder / "krb5.keytab"
        samba.add("alice", plain=True, password=PASSWORD, userPrincipalName="alice.adler@ad.example.com")
        # 24: AES alone, as an administrator allows it for the account of a service.
        aes = {"servicePrincipalName": f"sip/{HOST}", "msDS_SupportedEncryptionTypes": "24"}
        samba.add("svc-lync", plain=True, password="Svc-Passw0rd!", **aes)
        samba.write_keytab(f"sip/{HOST}", self.keytab)
        self.conf = samba.folder / "krb5.conf"
        self.conf.write_text(
            f"[libdefaults]\n default_realm = {REALM}\n dns_lookup_kdc = false\n dns_canonicalize_hostname = false\n"
            f" rdns = false\n udp_preference_limit = 1\n[realms]\n {REALM} = {{\n  kdc = {samba.address}:88\n }}\n"
            f"[domain_realm]\n .ad.example.com = {REALM}\n"
        )
        self.cache = f"FILE:{samba.folder}/tickets"

    def sign_in(self, *words: str) -> None:
        """Get a ticket for tickets as Alice."""
        environment = {**os.environ, "KRB5CCNAME": self.cache}
        subprocess.run(
            ["kinit", *words], input=f"{PASSWORD}\n", env=environment, encoding="utf-8", check=True, timeout=30
        )


@pytest.fixture(scope="module")
def made(make_samba: MakeSamba) -> Iterator[Domain]:
    """Give a domain."""
    require_kerberos()
    if missing():
        pytest.skip(missing())
    with make_samba("ldap, kdc") as samba:
        yield Domain(samba)


@pytest.fixture
def domain(made: Domain, monkeypatch: pytest.MonkeyPatch) -> Domain:
    """Be in the domain."""
    monkeypatch.setenv("KRB5_CONFIG", str(made.conf))
    monkeypatch.setenv("KRB5CCNAME", made.cache)
    monkeypatch.setenv("KRB5RCACHEDIR", str(made.samba.folder))
    return made


@pytest.mark.parametrize(
    ("words", "principal"),
    [
        ((f"alice@{REALM}",), f"alice@{REALM}"),
        (("-C", "-E", "alice.adler@ad.example.com"), f"alice@{REALM}"),
        (("-E", "alice.adler@ad.example.com"), f"alice.adler\\@ad.example.com@{REALM}"),
    ],
)
def test_a_ticket_is_hers_however_she_signed_in(domain: Domain, words: tuple[str, ...], principal: str) -> None:
    """By sAMAccountName, by userPrincipalName, and by the latter as old clients ask for it; with her groups in the ticket."""
    domain.sign_in(*words)
    token = KerberosClient(f"sip@{HOST}").token()
    accepted = verify_ticket(importlib.import_module("gssapi"), domain.keytab, token, SIP_SERVICE)
    assert isinstance(accepted, AcceptedTicket), accepted
    assert (accepted.principal, accepted.own_realm) == (principal, True)
    people = People()
    hers = Person(aor_of("sip:a.adler@example.com"), "1", logins=("alice", "alice.adler@ad.example.com"))
    people.put_person(hers)
    # Somebody else has the address that her account's name would make.
    people.put_person(Person(aor_of("sip:alice@ad.example.com"), "2", logins=("bob",)))
    assert person_of(accepted.principal, people, own_realm=True) == hers


def test_a_client_signs_in_with_a_ticket_of_the_domain(domain: Domain, tmp_path: Path) -> None:
    """pidgin-sipe, which gets it for a name and a password of the domain; neither is known to the server."""
    if not PLUGIN.exists():
        pytest.skip("pidgin-sipe is not installed")
    samba = domain.samba
    samba.add("peter", password=PASSWORD, userAccountControl=str(ENABLED), msRTCSIP_PrimaryUserAddress=f"sip:{PETER}")
    server = RunningServer(tmp_path / "home").init()
    where = {"ca_file": str(samba.ca_file), "bind_password_file": str(samba.password_file), "bases": [STAFF]}
    server.write_settings("directory", **reading(samba, **where))
    server.write_settings("auth", keytab=str(domain.keytab), target_name=HOST)
    variables = {"KRB5_CONFIG": str(domain.conf), "KRB5CCNAME": "MEMORY:peter"}
    server.start(environment={"KRB5_CONFIG": str(domain.conf), "KRB5RCACHEDIR": str(samba.folder)})
    try:
        peter = PurpleClient(
            PETER,
            PASSWORD,
            login=f"peter@{REALM}",
            server=server.address,
            folder=tmp_path / "peter",
            ca=server.ca,
            scheme="krb5",
            environment=variables,
        )
        try:
            peter.login()
            assert any("Authorization: Kerberos" in message for message in peter.sip("sent"))
        finally:
            peter.leave()
            peter.close()
        server.stop()
    finally:
        server.close()


def test_the_doctor_gets_a_ticket_as_whoever_runs_it(domain: Domain, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service's name alone gets none there, and it says so."""
    gssapi = importlib.import_module("gssapi")
    domain.sign_in(f"alice@{REALM}")
    assert ticket_for(gssapi, domain.keytab, SERVICE, [SERVICE])
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{domain.samba.folder}/none")
    with pytest.raises(NoTicket, match="Run kinit as anybody"):
        ticket_for(gssapi, domain.keytab, SERVICE, [SERVICE])
