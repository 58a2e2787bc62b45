"""What keeps a promise is as the settings say: the bus, and which people the Windows domain is asked about."""

import time
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from lyncpy.app.backends import backends
from lyncpy.app.cli import main
from lyncpy.app.config import ConfigError, load
from lyncpy.auth.settings import Settings as AuthSettings
from lyncpy.backends.bus import MemoryBus
from lyncpy.backends.nats.bus import NatsBus
from lyncpy.backends.ntlm_auth_lines import question
from lyncpy.contracts.directory import NAME_ENDS, Person
from lyncpy.contracts.names import Aor, NodeName
from lyncpy.contracts.ntlm import NtlmResponse
from lyncpy.core.timers import Timers
from tests.kit.helper_programs import Programs

FILE = '\n[[directory]]\nname = "{}"\nurl = "people.toml"\n'
LDAP = '\n[[directory]]\nname = "{}"\nurl = "ldap://127.0.0.1"\npreset = "{}"\n'
HERS = NtlmResponse("CORP", "alice", b"challeng", bytes(60))


class Reactor(Clock, Programs):
    """A clock that starts programs."""

    def __init__(self) -> None:
        Clock.__init__(self)
        Programs.__init__(self)


@pytest.mark.parametrize(
    ("directories", "asked"),
    [
        (FILE.format("staff"), ["staff"]),
        (LDAP.format("corp", "activedirectory") + LDAP.format("lab", "openldap") + FILE.format("staff"), ["corp"]),
        (LDAP.format("lab", "openldap") + FILE.format("staff"), ["staff"]),
        (LDAP.format("lab", "openldap"), []),
    ],
)
def test_the_domain_is_asked_about_people_of_its_own(tmp_path: Path, directories: str, asked: list[str]) -> None:
    """Of Active Directories, else of files; an account of theirs that is called like somebody of OpenLDAP is somebody else."""
    assert main(["init", str(tmp_path), "--set", "sip.domain=example.com"]) == 0
    file = tmp_path / "lyncpy.toml"
    file.write_text(file.read_text() + directories)
    config = load(file, ["auth.ntlm_auth=/usr/bin/ntlm_auth", "auth.netbios_domain=CORP"])
    reactor: Any = Reactor()  # Any: of a reactor it has what is used
    domain = backends(config, NodeName("n1"), Timers(reactor, time.time), reactor).ntlm
    assert domain is not None
    found = []
    for name in ("corp", "lab", "staff"):
        alice = Person(Aor("sip:alice@example.com"), f"{name}{NAME_ENDS}1", logins=("alice",))
        _ = Deferred.fromCoroutine(domain.verify(alice, HERS, "192.0.2.1"))  # type: ignore[arg-type]  # a coroutine it is
        if reactor.started[-1].asked == [question(HERS)]:
            found.append(name)
    assert found == asked


def test_the_bus_is_this_processs_or_nats(tmp_path: Path) -> None:
    """As [bus] url says; only the second has to be opened, and tells how it is."""
    assert main(["init", str(tmp_path), "--set", "sip.domain=example.com"]) == 0
    reactor: Any = Reactor()  # Any: as above
    for url, kind in (("memory:", MemoryBus), ("nats://127.0.0.1:4222", NatsBus)):
        config = load(tmp_path / "lyncpy.toml", [f"bus.url={url}"])
        back = backends(config, NodeName("n1"), Timers(reactor, time.time), reactor)
        assert isinstance(back.bus, kind)
        assert (back.bus in back.units) is (kind is NatsBus)
        assert [row for states in back.states for row in states()] == (
            [
                ("bus", "no NATS server"),
                ("NATS servers known", 1),
                ("other servers", 0),
                ("subscriptions to single users", 0),
                ("subscriptions to 1,024ths of all", 0),
            ]
            if kind is NatsBus
            else []
        )
        assert len([one for conditions in back.conditions for one in conditions()]) == (kind is NatsBus)
    with pytest.raises(ConfigError) as refused:
        load(tmp_path / "lyncpy.toml", ["bus.url=nats://u:s3cret@127.0.0.1"])
    assert "password_file" in str(refused.value) and "s3cret" not in str(refused.value)


def test_a_program_has_its_whole_path(tmp_path: Path) -> None:
    """Whatever stands in the server's PATH."""
    assert main(["init", str(tmp_path), "--set", "sip.domain=example.com"]) == 0
    for wrong in ("ntlm_auth", '["ntlm_auth", "/etc/x"]', '["/bin/x", "a\\u0000b"]'):
        with pytest.raises(ConfigError):
            load(tmp_path / "lyncpy.toml", [f"auth.ntlm_auth={wrong}"])
    assert AuthSettings.model_validate({"ntlm_auth": ""}).ntlm_auth == ()
