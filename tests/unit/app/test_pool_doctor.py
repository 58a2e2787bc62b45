"""`lyncpy check` connects to the other servers of a pool as clients do that are led there."""

import datetime
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from lyncpy.app import pool_doctor
from lyncpy.app.check import certificate_findings
from lyncpy.app.cli import main
from lyncpy.app.config import Config, load
from lyncpy.app.pool_doctor import pool_findings


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the settings of one server of a pool, with certificates for its own name and that of all."""
    folder = tmp_path_factory.mktemp("home")
    words = ["--set", "sip.domain=example.com", "--set", "pool.name=localhost"]
    assert main(["init", str(folder), *words]) == 0
    return folder / "lyncpy.toml"


@contextmanager
def other_server(folder: Path) -> Iterator[int]:
    """Show a server's certificate to whoever connects; give the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    plain, _ = listening.accept()
                    with context.wrap_socket(plain, server_side=True) as connection:
                        connection.recv(1)

        threading.Thread(target=serve, daemon=True).start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)


def pool_of(home: Path, *others: str) -> Config:
    """Give the settings with other servers beside this one."""
    names = ", ".join(f'"{name}"' for name in ("fe1.example.com", *others))
    return load(home, ["pool.name=fe1.example.com", f"pool.servers=[{names}]"])


def test_a_new_certificate_is_for_the_servers_own_name(home: Path) -> None:
    """And one that is not is told, with who refuses it."""
    now = datetime.datetime.now(datetime.UTC)
    good = {one.sentence: one.good for one in certificate_findings(load(home), now) if "[pool] name" in one.sentence}
    assert list(good.values()) == [True]
    other = load(home, ["pool.name=fe9.example.com"])
    (told,) = [one for one in certificate_findings(other, now) if "[pool] name" in one.sentence]
    assert not told.good and "it is not for fe9.example.com" in told.sentence and "have it issued" in told.sentence


def test_other_servers_are_looked_at(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that answers, one whose certificate is for other names, one that is not there; this one itself is not asked."""
    monkeypatch.setattr(pool_doctor, "TIMEOUT_S", 2.0)
    with other_server(home.parent) as port:
        found = list(pool_findings(pool_of(home, f"localhost:{port}")))
        assert [(one.good, one.sentence) for one in found] == [
            (
                True,
                f"[pool] servers: localhost at port {port} answers, with a certificate for it and for sip.example.com",
            )
        ]
        servers = f'pool.servers=["fe1.example.com", "localhost:{port}"]'
        elsewhere = load(home, ["sip.server_name=pool.example.com", "pool.name=fe1.example.com", servers])
        (wrong,) = pool_findings(elsewhere)
        assert not wrong.good and "not for pool.example.com: clients" in wrong.sentence
    with socket.create_server(("127.0.0.1", 0)) as free:
        gone = free.getsockname()[1]
    (away,) = pool_findings(pool_of(home, f"localhost:{gone}"))
    assert not away.good and f"localhost at port {gone} is not reached from here (" in away.sentence


def test_without_a_pool_nobody_is_asked(home: Path) -> None:
    """Nor where this server is the only one."""
    assert list(pool_findings(load(home))) == []
