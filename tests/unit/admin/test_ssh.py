"""The door: which signatures count, what is served, and why a port does not open."""

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from twisted.conch.error import ValidPublicKey
from twisted.conch.ssh.common import NS
from twisted.conch.ssh.keys import Key
from twisted.cred.credentials import SSHPrivateKey
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.testing import MemoryReactorClock

from lyncpy.contracts.workload import OperatorRole
from lyncpy.core.timers import Timers
from lyncpy.workloads.admin.keyring import AuthorizedKey, AuthorizedKeys
from lyncpy.workloads.admin.service import Admin, ServerControl
from lyncpy.workloads.admin.settings import Settings
from lyncpy.workloads.admin.ssh import KeyChecker, Server
from tests.kit.platform import platform_of
from tests.kit.results import result_of
from tests.kit.shell import Parlour, nothing_to_reload

SIGNED = b"what is signed"
KEYS = {
    "ed25519": Key(ed25519.Ed25519PrivateKey.generate()),
    "ecdsa": Key(ec.generate_private_key(ec.SECP384R1())),
    "rsa": Key(rsa.generate_private_key(65537, 2048)),
}


@pytest.fixture
def checker(tmp_path: Path) -> KeyChecker:
    """Let all keys in."""
    file = tmp_path / "authorized_keys"
    file.write_bytes(b"\n".join(key.public().toString("OPENSSH") for key in KEYS.values()))
    file.chmod(0o600)
    return KeyChecker(AuthorizedKeys(file, OperatorRole.OPERATOR))


def offered(kind: str, algorithm: bytes, signature: bytes | None) -> Any:
    """Give what a client offers."""
    return SSHPrivateKey(b"anybody", algorithm, KEYS[kind].public().blob(), SIGNED, signature)


@pytest.mark.parametrize(
    ("kind", "algorithm"),
    [
        ("ed25519", b"ssh-ed25519"),
        ("ecdsa", b"ecdsa-sha2-nistp384"),
        ("rsa", b"rsa-sha2-512"),
        ("rsa", b"rsa-sha2-256"),
    ],
)
def test_a_good_signature_lets_in(checker: KeyChecker, kind: str, algorithm: bytes) -> None:
    """By the key alone; whatever name the client gives itself."""
    admission = checker.requestAvatarId(offered(kind, algorithm, KEYS[kind].sign(SIGNED, algorithm)))
    assert isinstance(admission, AuthorizedKey)
    with pytest.raises(ValidPublicKey):
        checker.requestAvatarId(offered(kind, algorithm, None))


@pytest.mark.parametrize(
    ("algorithm", "signature"),
    [
        (b"ssh-rsa", KEYS["rsa"].sign(SIGNED, b"ssh-rsa")),
        (b"rsa-sha2-512", KEYS["rsa"].sign(SIGNED, b"ssh-rsa")),
        (b"rsa-sha2-512", KEYS["rsa"].sign(SIGNED, b"rsa-sha2-256")),
        (b"rsa-sha2-512", KEYS["rsa"].sign(b"something else", b"rsa-sha2-512")),
        (b"ssh-ed25519", KEYS["ed25519"].sign(SIGNED)),
        (b"rsa-sha2-512", b"\x00"),
        (b"rsa-sha2-512", b"\x00" * 40),
        (b"rsa-sha2-512", NS(b"rsa-sha2-512")),
        (b"rsa-sha2-512", NS(b"rsa-sha2-512") + b"\xff\xff\xff\xff"),
    ],
)
def test_no_other_signature_does(checker: KeyChecker, algorithm: bytes, signature: bytes) -> None:
    """With SHA-1, of another key, of other bytes, or none at all."""
    with pytest.raises(UnauthorizedLogin):
        checker.requestAvatarId(offered("rsa", algorithm, signature))


def test_without_a_port_there_is_no_shell(tmp_path: Path) -> None:
    """Nothing listens, no key is made, and the commands are still declared."""
    parlour = Parlour(port=0)
    result_of(parlour.admin.open())
    result_of(parlour.admin.close())
    assert parlour.admin.port == 0
    assert "status" in {command.name for command in parlour.admin.offer.commands}
    assert list(tmp_path.iterdir()) == []


def test_two_commands_of_one_name_are_found_at_start() -> None:
    """One would hide the other."""
    parlour = Parlour(port=0)
    offer = parlour.weather.offer()
    twice = Admin(
        parlour.platform,
        [offer, offer],
        Path(),
        parlour.settings,
        parlour.reactor,
        ServerControl(nothing_to_reload),
        {},
    )
    with pytest.raises(ValueError, match=r"declared twice: .*'users'"):
        result_of(twice.open())


def test_it_listens_where_it_is_told(tmp_path: Path) -> None:
    """On loopback unless a setting says otherwise."""
    reactor = MemoryReactorClock()
    parlour = Parlour()
    settings = Settings(port=2200, socket="")
    timers = Timers(reactor, lambda: 0.0)
    platform = platform_of(reactor, timers=timers, records=parlour.records)
    admin = Admin(
        platform, [parlour.weather.offer()], tmp_path, settings, reactor, ServerControl(nothing_to_reload), {}
    )
    result_of(admin.open())
    (port, factory, _, interface) = reactor.tcpServers[0]
    assert (port, interface) == (2200, "127.0.0.1")
    assert isinstance(factory, Server)
    assert factory.services.keys() == {b"ssh-userauth", b"ssh-connection"}
    result_of(admin.close())
