"""People sign in with Kerberos tickets of a real KDC: pidgin-sipe over SIP, curl over HTTPS."""

import re
from collections.abc import Iterator

import pytest

from lyncpy.app.cli import main
from tests.interop.conftest import Clients
from tests.kit.caller import Caller, Line
from tests.kit.enrollment import request_text
from tests.kit.kdc import Kdc, require_kerberos
from tests.kit.kerberos_client import KerberosKeys
from tests.kit.ports import free_ports
from tests.kit.purple_client import ConnectionRefusedByServer, PurpleClient
from tests.kit.server import RunningServer, wait_until

pytestmark = [pytest.mark.interop, pytest.mark.libraries]

HOST = "fe1.example.test"


@pytest.fixture(scope="module")
def kdc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kdc]:
    """Give a realm with alice and bob, and somebody who has no account with the server."""
    require_kerberos()
    kdc = Kdc(tmp_path_factory.mktemp("kerberos") / "kdc").start()
    try:
        for name in ("alice", "bob", "mallory"):
            kdc.add_user(name, f"{name}'s ticket")
        yield kdc
    finally:
        kdc.stop()


@pytest.fixture(scope="module")
def server(kdc: Kdc, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Give a server with keys for both of its services."""
    folder = tmp_path_factory.mktemp("server")
    keytab = kdc.add_service(f"sip/{HOST}", folder / "krb5.keytab")
    kdc.add_service(f"HTTP/{HOST}", keytab)
    places = {"web__https_host": "127.0.0.1", "web__https_port": free_ports(1)[0]}
    server = RunningServer(folder / "home", auth__keytab=str(keytab), sip__server_name=HOST, **places)
    server.init().start(environment=kdc.environment)
    try:
        yield server
    finally:
        server.stop()


def site_of(server: RunningServer) -> str:
    """Give the address of the web services."""
    port = next(word.partition("=")[2] for word in server.words if word.startswith("web.https_port="))
    return f"https://{HOST}:{port}"


def asked_by_curl(kdc: Kdc, server: RunningServer, cache: str, address: str) -> str:
    """Ask for a web ticket as the holder of a cache of tickets; give the whole answer."""
    site = site_of(server)
    text = request_text(f"{site}/CertProv/CertProvisioningService.svc", f"sip:{address}", bytes(32)).decode()
    place = site.removeprefix("https://")
    return kdc.run(
        *(
            "curl",
            "--silent",
            "--show-error",
            "--include",
            "--cacert",
            str(server.ca),
            "--resolve",
            f"{place}:127.0.0.1",
        ),
        *("--negotiate", "--user", ":", "--header", "content-type: text/xml", "--data-binary", "@-"),
        f"{site}/WebTicket/WebTicketService.svc",
        typed=text,
        KRB5CCNAME=cache,
    )


def environment_of(kdc: Kdc, name: str) -> dict[str, str]:
    """Give the variables of a client's process: where the realm is, and a cache of tickets of its own."""
    return {"KRB5_CONFIG": str(kdc.conf), "KRB5CCNAME": f"MEMORY:{name}"}


def granted_s(client: PurpleClient) -> int:
    """Give for how long a client was registered the last time."""
    answers = [
        one for one in client.sip("received", "SIP/2.0 200 OK") if re.search(r"^CSeq: \d+ REGISTER", one, re.MULTILINE)
    ]
    return int(re.findall(r"^Expires: (\d+)", answers[-1], re.MULTILINE)[0])


def test_signs_in_with_a_ticket_and_talks(clients: Clients, kdc: Kdc, server: RunningServer) -> None:
    """The password of the realm is all that the client has; every message is signed with the ticket's key."""
    alice, bob = (
        clients.make(name, password=f"{name}'s ticket", scheme="krb5", environment=environment_of(kdc, name))
        for name in ("alice", "bob")
    )
    alice.login()
    bob.login()

    alice.send_im("bob@example.test", "hello by ticket")

    bob.wait_for("im", who="sip:alice@example.test", text="hello by ticket")
    assert any("Authorization: Kerberos" in message for message in alice.sip("sent"))


@pytest.mark.parametrize("mutual", [False, True])
def test_a_client_of_mit_proves_itself_and_has_the_server_prove_itself(
    kdc: Kdc, server: RunningServer, monkeypatch: pytest.MonkeyPatch, *, mutual: bool
) -> None:
    """The answer to the REGISTER with the ticket brings the proof; without it the client has no keys, and would hang up."""
    monkeypatch.setenv("KRB5_CONFIG", str(kdc.conf))
    monkeypatch.setenv("KRB5CCNAME", kdc.sign_in("alice", "alice's ticket"))
    alice = Caller(
        Line(server.tls_port, ca=server.ca), "alice@example.test", keys=KerberosKeys(mutual=mutual)
    ).sign_in()
    assert alice.is_well()
    alice.keys.restart()
    alice.sign_in()
    assert alice.is_well()


def test_probes_show_a_ticket(
    kdc: Kdc, server: RunningServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Over SIP and at the site, out of a cache that is named; and what is wrong with tickets is told in words."""
    monkeypatch.setenv("KRB5_CONFIG", str(kdc.conf))
    cache = kdc.sign_in("alice", "alice's ticket")

    def probe(what: str, port: int, *more: str) -> tuple[int, str]:
        place = ["--server", f"127.0.0.1:{port}", "--name", HOST, "--ca", str(server.ca)]
        who = ["--user", "alice@example.test", "--scheme", "kerberos", "--ticket-cache", cache]
        return main(["probe", what, *place, *who, *more]), capsys.readouterr().out

    status, line = probe("signin", server.tls_port)
    assert (status, "alice@example.test signed in by Kerberos and out" in line) == (0, True), line
    status, line = probe("web", int(site_of(server).rpartition(":")[2]))
    assert (status, "alice@example.test got a web ticket" in line) == (0, True), line
    theirs = ["--peer", "bob@example.test", "--peer-ticket-cache", kdc.sign_in("bob", "bob's ticket")]
    status, line = probe("im", server.tls_port, *theirs)
    assert (status, "bob@example.test heard what alice@example.test said" in line) == (0, True), line
    status, line = probe("signin", server.tls_port, "--ticket-cache", "FILE:/nowhere/at-all")
    assert (status, "there is no ticket for sip/fe1.example.test" in line, "kinit" in line) == (3, True, True), line
    status, line = probe("signin", server.tls_port, "--user", "bob@example.test")
    assert (status, "REGISTER was answered with 403" in line) == (2, True), line


def test_a_registration_lasts_no_longer_than_its_ticket(clients: Clients, kdc: Kdc, server: RunningServer) -> None:
    """So the client comes again before it ends, and is asked for a new one."""
    kdc.admin(f"modprinc -maxlife 20m sip/{HOST}")
    try:
        alice = clients.make(
            "alice", password="alice's ticket", scheme="krb5", environment=environment_of(kdc, "short")
        ).login()
    finally:
        kdc.admin(f"modprinc -maxlife 10h sip/{HOST}")
    assert 1100 < granted_s(alice) <= 1200


def test_keys_are_renewed_while_people_talk(clients: Clients, kdc: Kdc, server: RunningServer) -> None:
    """A client gets a new ticket five minutes before the old one ends, over the same connection; nothing is lost by that."""
    kdc.admin(f"modprinc -maxlife 308s sip/{HOST}")
    try:
        alice, bob = (
            clients.make(
                name, password=f"{name}'s ticket", scheme="krb5", environment=environment_of(kdc, f"{name} again")
            ).login()
            for name in ("alice", "bob")
        )
    finally:
        kdc.admin(f"modprinc -maxlife 10h sip/{HOST}")
    # From its unsigned REGISTER to the answer to the next one a client has no keys, and says nothing that counts.
    wait_until(lambda: all(granted_s(client) > 308 for client in (alice, bob)), "tickets that last longer")
    assert all(len([one for one in client.sip("sent") if "gssapi-data=" in one]) >= 2 for client in (alice, bob))
    alice.send_im("bob@example.test", "by new keys")
    bob.wait_for("im", who="sip:alice@example.test", text="by new keys")
    assert not [event for event in alice.events if event["event"] in ("signed_off", "connection_error")]


def test_another_users_ticket_opens_nothing(clients: Clients, kdc: Kdc, server: RunningServer) -> None:
    """Bob's ticket does not make him Alice; the operator reads whose it was."""
    alice = clients.make(
        "alice", password="bob's ticket", login="bob@EXAMPLE.TEST", scheme="krb5", environment=environment_of(kdc, "x")
    )
    with pytest.raises(ConnectionRefusedByServer):
        alice.login()
    assert "bob@EXAMPLE.TEST" in (said := server.ssh("why alice@example.test"))
    assert "not this user" in said


def test_automatic_choice_goes_on_to_a_password(clients: Clients, kdc: Kdc, server: RunningServer) -> None:
    """A client without a ticket signs in with the password that lyncpy keeps."""
    clients.make("carol", scheme="auto", names={HOST: "127.0.0.1"}, environment=environment_of(kdc, "carol")).login()


def test_curl_gets_a_web_ticket_for_a_kerberos_ticket(kdc: Kdc, server: RunningServer) -> None:
    """By Negotiate, without a password; the answer proves the server."""
    said = asked_by_curl(kdc, server, kdc.sign_in("alice", "alice's ticket"), "alice@example.test")
    final = said[said.index("HTTP/1.1 200") :]
    assert "RequestedSecurityToken" in final
    assert "www-authenticate: negotiate " in final.lower()


def test_curl_gets_nothing_for_the_ticket_of_somebody_else(kdc: Kdc, server: RunningServer) -> None:
    """Neither one who is unknown here, nor one who claims to be another, nor one without a ticket."""
    said = asked_by_curl(kdc, server, kdc.sign_in("mallory", "mallory's ticket"), "mallory@example.test")
    assert "HTTP/1.1 200" not in said
    assert "nobody has here" in said
    said = asked_by_curl(kdc, server, kdc.sign_in("bob", "bob's ticket"), "alice@example.test")
    assert "RequestedSecurityToken" not in said
    assert "somebody else" in said
    said = asked_by_curl(kdc, server, "MEMORY:none", "alice@example.test")
    assert "RequestedSecurityToken" not in said


def test_a_certificate_is_got_with_a_kerberos_ticket(clients: Clients, kdc: Kdc, server: RunningServer) -> None:
    """A client that signs in by certificate proves itself to the web services by Negotiate."""
    alice = clients.make(
        "alice",
        password="alice's ticket",
        scheme="tls-dsk",
        names={HOST: "127.0.0.1"},
        environment=environment_of(kdc, "certificate"),
    )
    alice.login()
    assert any("Authorization: TLS-DSK" in message for message in alice.sip("sent"))
