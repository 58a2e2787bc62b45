"""pidgin-sipe with certificates: the password once, over HTTPS; then a certificate, over SIP."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.conftest import PLUGIN
from tests.kit.purple_client import PurpleClient
from tests.kit.server import RunningServer
from tests.kit.slapd import free_ports

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Give a server with a site; it has to end in order after the last test."""
    if not PLUGIN.exists():
        pytest.skip("pidgin-sipe is not installed")
    (port,) = free_ports(1)
    running = RunningServer(
        tmp_path_factory.mktemp("dsk") / "home",
        web__https_host="127.0.0.1",
        web__https_port=port,
        sip__server_name="localhost",
    ).init()
    try:
        yield running.start()
        running.stop()
    finally:
        running.close()


def client_of(server: RunningServer, user: str, folder: Path) -> PurpleClient:
    """Give somebody's client, which is connected to nothing."""
    account = server.accounts[user]
    return PurpleClient(
        account.address,
        account.password,
        server=f"localhost:{server.tls_port}",
        folder=folder,
        ca=server.ca,
        names={"localhost": "127.0.0.1"},
    )


@pytest.mark.parametrize("auth", ["tls-dsk", "auto"])
def test_a_client_signs_in_with_a_certificate(server: RunningServer, tmp_path: Path, auth: str) -> None:
    """Password, ticket and certificate over HTTPS, then the handshake; messages go both ways, signed by both sides."""
    alice, bob = client_of(server, "alice", tmp_path / "alice"), client_of(server, "bob", tmp_path / "bob")
    try:
        alice.login(auth=auth)
        bob.login(auth="ntlm")
        alice.send_im(bob.address, "with a certificate")
        bob.wait_for("im", text="with a certificate")
        bob.send_im(alice.address, "with a password")
        alice.wait_for("im", text="with a password")
    finally:
        for client in (alice, bob):
            client.leave()
            client.close()
