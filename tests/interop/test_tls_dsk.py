"""pidgin-sipe with certificates: the password over HTTPS, then a certificate, over SIP."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.interop.conftest import PLUGIN
from tests.kit.certificates import Issued, issue, put
from tests.kit.ports import free_ports
from tests.kit.purple_client import ConnectionRefusedByServer, PurpleClient
from tests.kit.server import RunningServer, wait_until

pytestmark = [pytest.mark.interop, pytest.mark.libraries]


def server_at(home: Path, **settings: object) -> RunningServer:
    """Give a server with a site, which does not run yet."""
    if not PLUGIN.exists():
        pytest.skip("pidgin-sipe is not installed")
    (port,) = free_ports(1)
    return RunningServer(
        home, web__https_host="127.0.0.1", web__https_port=port, sip__server_name="localhost", **settings
    ).init()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Give one that runs; it has to end in order after the last test."""
    with server_at(tmp_path_factory.mktemp("dsk") / "home", limits__unauthenticated_s=5.0).serving() as running:
        yield running


def client_of(server: RunningServer, user: str, folder: Path) -> PurpleClient:
    """Give somebody's client, which is connected to nothing."""
    account = server.accounts[user]
    return PurpleClient(
        account.address,
        account.password,
        server=f"localhost:{server.tls_port}",
        folder=folder / user,
        ca=server.ca,
        names={"localhost": "127.0.0.1"},
    )


def talk(alice: PurpleClient, bob: PurpleClient) -> None:
    """Have a message go each way, between clients that believe no signature that does not hold."""
    alice.send_im(bob.address, "with a certificate")
    bob.wait_for("im", text="with a certificate")
    bob.send_im(alice.address, "with a password")
    alice.wait_for("im", text="with a password")


@pytest.mark.parametrize("auth", ["tls-dsk", "auto"])
def test_a_client_signs_in_with_a_certificate(server: RunningServer, tmp_path: Path, auth: str) -> None:
    """Ticket and certificate for the password, then the handshake; all that follows is signed with its keys."""
    alice, bob = client_of(server, "alice", tmp_path), client_of(server, "bob", tmp_path)
    try:
        alice.login(auth=auth)
        bob.login(auth="ntlm")
        talk(alice, bob)
        sent = alice.sip("sent")
        assert all("Authorization: TLS-DSK" in one for one in sent if one.startswith("MESSAGE"))
        assert any(one.startswith("MESSAGE") for one in sent)
        assert "with a certificate" not in server.log()
    finally:
        for client in (alice, bob):
            client.leave()
            client.close()


def test_a_client_starts_a_second_time(server: RunningServer, tmp_path: Path) -> None:
    """It keeps its certificate in memory alone, so it gets another one, in the place of the first: there is one device."""
    for _ in range(2):
        carol = client_of(server, "carol", tmp_path)
        try:
            carol.login(auth="tls-dsk")
        finally:
            carol.leave()
            carol.close()
    assert server.log().count("carol@example.test got certificate") == 2
    assert server.ssh("user certificates carol@example.test").count(" good") == 1


def test_a_client_whose_certificate_is_revoked_is_out(server: RunningServer, tmp_path: Path) -> None:
    """At once, and until its user begins anew with the password; the operator reads why."""
    dave = client_of(server, "dave", tmp_path)
    try:
        dave.login(auth="tls-dsk")
        server.ssh("user revoke dave@example.test")
        dave.wait_for("connection_error", timeout_s=20)
        wait_until(lambda: "dave@example.test" not in server.ssh("sessions"), "dave to be gone")
        dave.login(auth="tls-dsk")
        assert server.log().count("dave@example.test got certificate") == 2
    finally:
        dave.leave()
        dave.close()


def test_a_wrong_password_gets_no_certificate(server: RunningServer, tmp_path: Path) -> None:
    """The client says so, and does not try for ever."""
    erin = client_of(server, "erin", tmp_path)
    try:
        with pytest.raises(ConnectionRefusedByServer):
            erin.login(auth="tls-dsk", password="wrong")
        assert "erin@example.test got certificate" not in server.log()
    finally:
        erin.leave()
        erin.close()


def test_a_server_with_an_elliptic_key_serves_it_too(tmp_path: Path) -> None:
    """As most certificates of public authorities have; the client knows RSA alone, within SIP."""
    running = server_at(tmp_path / "home")
    authority_key = load_pem_private_key((running.home / "ca.key").read_bytes(), None)
    assert isinstance(authority_key, rsa.RSAPrivateKey)
    authority = Issued(x509.load_pem_x509_certificate(running.ca.read_bytes()), authority_key)
    key = ec.generate_private_key(ec.SECP256R1())
    put(running.home, issue("localhost", "127.0.0.1", today=datetime.now(UTC), key=key, by=authority))
    clients: list[PurpleClient] = []
    try:
        running.start()
        clients += [client_of(running, user, tmp_path) for user in ("alice", "bob")]
        alice, bob = clients
        alice.login(auth="tls-dsk")
        bob.login(auth="tls-dsk")
        talk(alice, bob)
        running.stop()
    finally:
        for client in clients:
            client.leave()
            client.close()
        running.close()


def test_a_server_that_does_not_offer_it_is_told_apart(tmp_path: Path) -> None:
    """With the setting off a client that insists on it cannot sign in, and one that chooses takes NTLM."""
    running = server_at(tmp_path / "home", auth__tls_dsk="false")
    clients: list[PurpleClient] = []
    try:
        running.start()
        clients += [client_of(running, user, tmp_path) for user in ("alice", "bob")]
        alice, bob = clients
        with pytest.raises(ConnectionRefusedByServer, match="Incompatible authentication scheme chosen"):
            alice.login(auth="tls-dsk")
        bob.login(auth="auto")
        assert "got certificate" not in running.log()
        running.stop()
    finally:
        for client in clients:
            client.leave()
            client.close()
        running.close()
