"""`lyncpy probe` over real connections: at a server that works, and at what does not."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Thread

import pytest

from lyncpy.app.cli import main
from lyncpy.app.probe_command import PASSWORD
from tests.kit.ports import free_ports
from tests.kit.server import RunningServer

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Give a server with a site."""
    (port,) = free_ports(1)
    running = RunningServer(
        tmp_path_factory.mktemp("probes") / "home",
        web__https_host="127.0.0.1",
        web__https_port=port,
        sip__server_name="localhost",
    ).init()
    with running.serving():
        yield running


class Prober:
    """Runs probes at a server, in this process."""

    def __init__(self, server: RunningServer, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Keep everybody's password in a file of its own."""
        self._server = server
        self._folder = folder
        self._capsys = capsys

    def password(self, name: str, text: str = "") -> str:
        """Give the file of somebody's password."""
        file = self._folder / f"{name}.password"
        file.touch(0o600)
        file.write_text(f"{text or self._server.accounts[name].password}\n")
        return str(file)

    def __call__(self, what: str, *more: str, place: str = "", text: str = "") -> tuple[int, str]:
        """Probe as Alice; give status and line."""
        words = ["probe", what, "--server", place or f"localhost:{self._server.address.rpartition(':')[2]}"]
        words += ["--user", self._server.accounts["alice"].address, "--password-file", self.password("alice", text)]
        words += [] if "--ca" in more else ["--ca", str(self._server.ca)]
        status = main([*words, *more])
        return status, self._capsys.readouterr().out


@pytest.fixture
def probe(server: RunningServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Prober:
    """Give what runs probes."""
    return Prober(server, tmp_path, capsys)


@pytest.fixture
def odd() -> Iterator[socket.socket]:
    """Give a port that does what the test says."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        yield listening


@pytest.mark.libraries
@pytest.mark.parametrize("what", ["signin", "presence", "im", "conference", "directory"])
def test_each_does_what_it_says(probe: Prober, server: RunningServer, what: str, tmp_path: Path) -> None:
    """With its durations, for Nagios and for Prometheus."""
    bob = ["--peer", server.accounts["bob"].address, "--peer-password-file", probe.password("bob")]
    samples = tmp_path / "lyncpy.prom"
    status, line = probe(what, "--prometheus", str(samples), *(bob if what in ("presence", "im") else ()))
    assert (status, line.startswith(f"LYNCPY {what.upper()} OK - ")) == (0, True), line
    assert "signin=" in line.partition(" | ")[2]
    assert f'lyncpy_probe_success{{probe="{what}"' in samples.read_text()
    if what == "signin":
        with samples.open() as given:
            subprocess.run(["promtool", "check", "metrics"], stdin=given, check=True, timeout=60)


def test_a_client_of_certificates_is_probed(probe: Prober) -> None:
    """By way of the site's metadata, a ticket and a certificate of real ones, each a step with its duration."""
    status, line = probe("signin", "--scheme", "tls-dsk")
    assert (status, "alice@example.test signed in by TLS-DSK and out" in line) == (0, True), line
    assert all(f" {step}=" in line for step in ("metadata", "ticket", "certificate", "signin"))


def test_the_site_is_probed(probe: Prober, server: RunningServer) -> None:
    """Whether the server works, and a web ticket."""
    port = next(word.partition("=")[2] for word in server.words if word.startswith("web.https_port="))
    status, line = probe("web", place=f"localhost:{port}")
    assert (status, "alice@example.test got a web ticket" in line) == (0, True), line
    status, line = probe("web", "--scheme", "tls-dsk", place=f"localhost:{port}")
    assert (status, "alice@example.test got a web ticket and a certificate" in line) == (0, True), line
    status, line = probe("web", place=f"localhost:{port}", text="wrong")
    assert (status, "ticket: the request for a web ticket was answered with 401" in line) == (2, True), line


def test_a_password_comes_in_a_variable_too(
    server: RunningServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line, and nothing on the error output."""
    account, port = server.accounts["alice"], server.address.rpartition(":")[2]
    monkeypatch.setenv(PASSWORD, account.password)
    words = ["--server", f"localhost:{port}", "--user", account.address, "--ca", str(server.ca)]
    assert main(["probe", "signin", *words]) == 0
    said = capsys.readouterr()
    assert (said.err, said.out.count("\n")) == ("", 1)


def test_what_is_wrong_is_told_in_words(probe: Prober, server: RunningServer, tmp_path: Path) -> None:
    """A wrong password, an authority that did not issue the certificate, another name, a port at which nobody listens."""
    status, line = probe("signin", text="wrong")
    assert (status, "name or password are not accepted" in line) == (2, True), line
    status, line = probe("signin", "--ca", "/etc/ssl/certs/ca-certificates.crt")
    assert (status, "tls: the certificate of localhost:" in line, "--ca" in line) == (2, True, True), line
    status, line = probe("signin", "--name", "other.example.com")
    assert (status, "Hostname mismatch" in line) == (2, True), line
    (port,) = free_ports(1)
    status, line = probe("signin", place=f"localhost:{port}")
    assert (status, f"tcp: nothing listens at localhost:{port}; is the server running" in line) == (2, True), line
    status, line = probe("signin", place="nowhere.invalid")
    assert (status, 'dns: the name "nowhere.invalid" has no address' in line) == (2, True), line


def test_a_server_that_says_nothing_is_told(probe: Prober, odd: socket.socket) -> None:
    """Within the time that it was given."""
    status, line = probe("signin", "--timeout", "0.5", place=f"127.0.0.1:{odd.getsockname()[1]}")
    assert (status, "does not answer the TLS handshake" in line) == (2, True), line


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"220 mail.example.com ESMTP\r\n", "speaks no TLS"),
        (bytes(range(256)) * 64, "tls: "),
        (b"", "ended the connection in the TLS handshake"),
    ],
)
def test_garbage_is_told(probe: Prober, odd: socket.socket, said: bytes, words: str) -> None:
    """Whatever answers at the port."""

    def answer() -> None:
        line, _ = odd.accept()
        with line:
            line.recv(65_536)
            line.sendall(said)

    thread = Thread(target=answer)
    thread.start()
    status, line = probe("signin", place=f"127.0.0.1:{odd.getsockname()[1]}")
    thread.join()
    assert (status, words in line) == (2, True), line
