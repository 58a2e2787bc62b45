"""The ports that settings name: what the system says of each, and who has it already."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lyncpy.app.config import Config, check
from lyncpy.app.database_lock import DatabaseLock
from lyncpy.app.ports import port_findings, running_server
from lyncpy.contracts.finding import Finding
from tests.kit.ports import free_ports
from tests.kit.results import result_of


def config_of(home: Path, tls: tuple[str, int], tcp: tuple[str, int], shell: int = 0) -> Config:
    """Give settings with two ports and perhaps a third."""
    sip = {
        "domain": "example.test",
        "tls_host": tls[0],
        "tls_port": tls[1],
        "tcp_host": tcp[0],
        "tcp_port": tcp[1],
        "tcp_beyond_loopback": True,
    }
    return check(home / "lyncpy.toml", {"sip": sip, "web": {"https_port": 0}, "admin": {"port": shell}})


def bad(config: Config) -> list[str]:
    """Give what is wrong; each keeps a server from starting."""
    found = [one for one in port_findings(config) if not one.good]
    assert all(one.stops for one in found)
    return [one.sentence for one in found]


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        ("", "127.0.0.1", True),
        ("", "::1", True),
        ("0.0.0.0", "127.0.0.1", True),
        ("0.0.0.0", "::1", False),
        ("127.0.0.1", "::1", False),
        ("127.0.0.1", "127.0.0.2", False),
        ("127.0.0.1", "localhost", True),
        ("::", "127.0.0.1", True),
        ("::", "0.0.0.0", True),
        ("0.0.0.0", "192.0.2.1", False),
    ],
)
def test_places_have_something_in_common_as_the_system_has_it(
    tmp_path: Path, one: str, other: str, overlap: bool
) -> None:
    """Whichever stands first; an address that this machine has not is another fault."""
    (port,) = free_ports(1)
    for first, second in ((one, other), (other, one)):
        said = bad(config_of(tmp_path, (first, port), (second, port)))
        same = [sentence for sentence in said if "[sip] tls_port is the same" in sentence]
        assert bool(same) == overlap, said
        if overlap:
            assert same[0].startswith(f"[sip] tcp_port {port}: ")


@contextmanager
def listener(port: int) -> Iterator[int]:
    """Have another program listen; give its number."""
    code = (
        f"import socket, sys\nserver = socket.create_server(('127.0.0.1', {port}))\nprint(flush=True)\nsys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        program.stdout.readline()
        yield program.pid


def test_who_has_a_port_is_named(tmp_path: Path) -> None:
    """In the sentence of a start."""
    tls, tcp = free_ports(2)
    config = config_of(tmp_path, ("127.0.0.1", tls), ("127.0.0.1", tcp))
    with listener(tcp) as pid:
        (sentence,) = bad(config)
    assert sentence.startswith(f"[sip] tcp_port: port {tcp} on 127.0.0.1 cannot be opened: process {pid} (")
    assert sentence.endswith(" uses it; stop that program or choose another tcp_port")
    assert not bad(config)


def test_a_port_of_this_very_server_is_no_fault(tmp_path: Path) -> None:
    """It is the one that works with the database; another's port is a fault beside it, too."""
    tls, tcp, shell = free_ports(3)
    config = config_of(tmp_path, ("127.0.0.1", tls), ("127.0.0.1", tcp), shell)
    lock = DatabaseLock(config.path(config.sections.store.path))
    assert running_server(config) == 0
    result_of(lock.open())
    try:
        assert running_server(config) == os.getpid()
        with listener(shell) as pid, socket.create_server(("127.0.0.1", tls)):
            found = list(port_findings(config))
    finally:
        result_of(lock.close())
    assert found[0].good and f"[sip] tls_port {tls} is open: process {os.getpid()}" in found[0].sentence
    assert found[1] == Finding(good=True, sentence=f"[sip] tcp_port {tcp} is free")
    assert f"cannot be opened: process {pid} (" in found[2].sentence


def test_an_address_that_is_not_this_machines_is_told(tmp_path: Path) -> None:
    """Also a name that nobody has."""
    tls, tcp = free_ports(2)
    strange = bad(config_of(tmp_path, ("192.0.2.1", tls), ("no.such.name.invalid", tcp)))
    assert strange[0].endswith("cannot be opened: this machine has no such address; correct tls_host")
    assert strange[1].startswith(f"[sip] tcp_port: port {tcp} on no.such.name.invalid cannot be opened: ")
    assert "; correct tcp_host: an address of this machine" in strange[1]
