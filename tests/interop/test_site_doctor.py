"""A site that a client cannot reach: what its user reads, and what the operator finds out."""

import subprocess
from pathlib import Path

import pytest

from tests.interop.conftest import PLUGIN
from tests.kit import forks
from tests.kit.ports import free_ports
from tests.kit.purple_client import ConnectionRefusedByServer, PurpleClient
from tests.kit.server import RunningServer

pytestmark = pytest.mark.interop


def doctor(server: RunningServer, *more: str) -> "subprocess.CompletedProcess[str]":
    """Ask all addresses that its clients are told."""
    return forks.run(["doctor", "site", str(server.home / "lyncpy.toml"), *server.words, *more], timeout=60)


def server_at(home: Path, **settings: object) -> RunningServer:
    """Give a server with a site, which does not run yet."""
    (port,) = free_ports(1)
    return RunningServer(
        home, web__https_host="127.0.0.1", web__https_port=port, sip__server_name="localhost", **settings
    ).init()


@pytest.mark.libraries
def test_a_site_is_asked_as_clients_ask_it(tmp_path: Path) -> None:
    """By its name and with its certificate checked; another name and another certificate are told from it."""
    server = server_at(tmp_path / "home")
    try:
        stopped = doctor(server)
        assert stopped.returncode == 1
        assert "nobody listens there; is the server running?" in stopped.stdout
        server.start()
        running = doctor(server)
        assert running.stdout.count("answered by 127.0.0.1") == 3
        assert "lyncdiscover.example.test, discovery: the name has no address here" in running.stdout
        port = next(one for one in server.words if one.startswith("web.https_port=")).partition("=")[2]
        under_another = doctor(server, "--set", f"web.url=https://127.0.0.2:{port}")
        assert (
            f"https://127.0.0.2:{port}/CertProv/CertProvisioningService.svc/mex, certificates: " in under_another.stdout
        )
        assert under_another.stdout.count("answered by") == 0
        other = server_at(tmp_path / "other")
        strange = doctor(server, "--set", f"sip.certificate={other.home / 'server.pem'}")
        assert "neither this server's own nor one that this machine trusts" in strange.stdout
    finally:
        server.close()


def test_a_client_that_cannot_reach_the_site_is_not_left_without_a_word(tmp_path: Path) -> None:
    """With *auto* it takes the certificate first and ends there: it names what failed, and `why` says where to look."""
    if not PLUGIN.exists():
        pytest.skip("pidgin-sipe is not installed")
    (closed,) = free_ports(1)
    server = server_at(tmp_path / "home", web__url=f"https://localhost:{closed}")
    account = server.accounts["alice"]
    client = PurpleClient(
        account.address,
        account.password,
        server=f"localhost:{server.tls_port}",
        folder=tmp_path / "alice",
        ca=server.ca,
        names={"localhost": "127.0.0.1"},
    )
    try:
        server.start()
        with pytest.raises(ConnectionRefusedByServer, match=f"https://localhost:{closed}"):
            client.login(auth="auto")
        report = doctor(server).stdout
        assert f"https://localhost:{closed}/CertProv/CertProvisioningService.svc/mex, certificates: nobody" in report
        assert "tls_dsk = false" in report
        client.login(auth="ntlm")
    finally:
        client.leave()
        client.close()
        server.close()
