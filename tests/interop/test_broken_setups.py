"""Set-ups that are broken in many ways: `lyncpy check`, a start and `reload` say the same sentence of each.

Each row breaks the home of a server that is not running, and that of one that is. A new kind of fault is a row here.
"""

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lyncpy.backends.sealing import write_key
from tests.kit import certificates, forks
from tests.kit.ports import free_ports
from tests.kit.server import RunningServer, ServerFailed

pytestmark = pytest.mark.interop


class Setup:
    """The home of a server, to be broken; it is as it was afterwards.

    Args:
        server: Whose it is.
        kept: Where a copy of it is.
    """

    def __init__(self, server: RunningServer, kept: Path) -> None:
        self.server = server
        self.home = server.home
        self.file = server.home / "lyncpy.toml"
        self._kept = kept
        self.holder: subprocess.Popen[bytes] | None = None
        self.listening: socket.socket | None = None

    def mend(self) -> None:
        """Bring back what was."""
        if self.holder is not None:
            self.holder.communicate()
            self.holder = None
        if self.listening is not None:
            self.listening.close()
            self.listening = None
        kept = {file.name for file in self._kept.iterdir()}
        for file in self.home.iterdir():
            if file.is_file() and file.name not in kept and not file.name.startswith("lyncpy.db"):
                file.unlink()
        for file in self._kept.iterdir():
            shutil.copy2(file, self.home / file.name)
            os.chown(self.home / file.name, os.geteuid(), os.getegid())

    def settings(self, section: str, **values: object) -> None:
        """Change settings."""
        self.server.write_settings(section, **values)

    def edit(self, before: str, after: str) -> None:
        """Replace a text in the settings."""
        text = self.file.read_text()
        assert before in text
        self.file.write_text(text.replace(before, after, 1))

    def write(self, name: str, content: bytes | str, mode: int = 0o600) -> None:
        """Write a file."""
        path = self.home / name
        path.unlink(missing_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(mode)

    def sql(self, statement: str) -> None:
        """Change the database."""
        with closing(sqlite3.connect(self.home / "lyncpy.db")) as connection, connection:
            connection.execute(statement)

    def hold(self) -> None:
        """Have another program write to the database, for which nobody waits long."""
        self.settings("store", busy_s=0.2)
        code = (
            "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1], isolation_level=None)\nc.execute('begin immediate')\n"
            "print(flush=True)\nsys.stdin.read()"
        )
        self.holder = subprocess.Popen(
            [sys.executable, "-c", code, str(self.home / "lyncpy.db")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self.holder.stdout is not None
        self.holder.stdout.readline()

    def take(self, port: int) -> None:
        """Listen at a port."""
        self.listening = socket.create_server(("127.0.0.1", port))

    # --- the three that are asked

    def checked(self) -> list[str]:
        """Give what `lyncpy check` says is bad."""
        done = forks.run(("check", str(self.file)), "", timeout=60)
        lines = done.stdout.splitlines()
        bad = [line.removeprefix("BAD ") for line in lines if not line.startswith("ok ")]
        return [*bad, *done.stderr.splitlines()]

    def started(self) -> tuple[bool, str]:
        """Start it, and end it again: tell whether it started, and what it said."""
        begin = len(self.server.log())
        try:
            self.server.start()
        except ServerFailed:
            self.server.close()
            return False, self.server.log()[begin:]
        said = self.server.log()[begin:]
        self.server.close()
        return True, said

    def reloaded(self) -> str:
        """Give what `reload` says in the shell of a server that runs."""
        done = subprocess.run(self.server.ssh_words("reload"), capture_output=True, text=True, timeout=60, check=False)
        return done.stdout + done.stderr


Break = Callable[[Setup], object]


def certificate(*names: str, days: tuple[float, float] = (-30, 365)) -> certificates.Issued:
    """Issue a certificate of today."""
    return certificates.issue(*names, days=days, today=datetime.now(UTC))


def put(setup: Setup, issued: certificates.Issued, key: bytes | None = None) -> None:
    """Give the server a certificate."""
    setup.write("server.pem", issued.pem, 0o644)
    setup.write("server.key", key or issued.key_pem())


def damage(setup: Setup) -> None:
    """Overwrite pages in the middle of the database."""
    path = setup.home / "lyncpy.db"
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096 * 2)
        file.write(b"\xee" * (size - 4096 * 2))


def another_key(setup: Setup) -> None:
    """Put another server's key in the place of its own."""
    (setup.home / "store.key").unlink()
    write_key(setup.home / "store.key")


def open_tokens(setup: Setup) -> None:
    """Open the site, and its file of tokens to everybody."""
    setup.edit("https_port = 0", f"https_port = {free_ports(1)[0]}")
    setup.write("web-readers.toml", "", 0o644)


@dataclass(frozen=True)
class Fault:
    """One way to break a set-up.

    Attributes:
        name: For the report.
        broken: Breaks it.
        sentence: A part of the sentence that all three say.
        starts: Whether the server starts all the same.
        running: Whether a server that runs can be broken so: its own database cannot.
    """

    name: str
    broken: Break
    sentence: str
    starts: bool = False
    running: bool = True


LDAP = {"url": "ldap://127.0.0.1:1", "bases": ["dc=example,dc=com"]}

FAULTS = [
    # --- the file of settings
    Fault("key twice", lambda s: s.edit("[sip]\n", '[sip]\ndomain = "a.test"\n'), "[sip] domain: stands there twice"),
    Fault("section twice", lambda s: s.edit("[sip]\n", "[im]\n[im]\n[sip]\n"), "[im]: the section stands there twice"),
    Fault(
        "no quotes",
        lambda s: s.edit("[sip]\n", "[sip]\nserver_name = sip.test\n"),
        "neither text in quotes, nor a number",
    ),
    Fault(
        "a quote is missing",
        lambda s: s.edit("[sip]\n", '[sip]\nserver_name = "sip\n'),
        "[sip] server_name: a quote is missing",
    ),
    Fault(
        "code page",
        lambda s: s.write("lyncpy.toml", "# für\n".encode("latin-1") + s.file.read_bytes()),
        "line 1: a letter in another code page than UTF-8 (byte 0xfc): save the file as UTF-8",
    ),
    Fault(
        "UTF-16",
        lambda s: s.write("lyncpy.toml", s.file.read_text().encode("utf-16")),
        "is UTF-16 text: save it as UTF-8",
    ),
    Fault(
        "misspelt setting",
        lambda s: s.settings("im", mesage_s=5.0),
        '[im] mesage_s: there is no such key; did you mean "message_s"?',
    ),
    Fault(
        "misspelt section",
        lambda s: s.edit("[sip]\n", "[imm]\n[sip]\n"),
        '[imm]: there is no such section; did you mean "im"?',
    ),
    Fault(
        "text for a number",
        lambda s: s.settings("im", message_s="5"),
        "[im] message_s: '5' cannot be used: write a number, without quotes: 5.0",
    ),
    Fault(
        "too large",
        lambda s: s.settings("im", message_s=500.0),
        "[im] message_s: 500.0 cannot be used: it should be less than or equal to 120",
    ),
    Fault(
        "least above most",
        lambda s: s.settings("registrar", expires_minimum_s=7300),
        "[registrar] expires_minimum_s = 7300 is above expires_s = 7200",
    ),
    Fault(
        "no name",
        lambda s: s.settings("sip", domains=["exa mple"]),
        'write a name as in DNS, of the letters a to z, digits, dots and hyphens: "example.com"',
    ),
    Fault(
        "StartTLS within TLS",
        lambda s: s.settings("directory", url="ldaps://x", start_tls=True),
        "start_tls is for ldap://",
    ),
    Fault(
        "account without password",
        lambda s: s.settings("directory", url="ldaps://x", bind_dn="cn=x"),
        "bind_dn needs bind_password_file",
    ),
    Fault(
        "plain text for others",
        lambda s: s.edit("[sip]\n", '[sip]\ntcp_host = "0.0.0.0"\n'),
        "can be reached by others and has no TLS",
    ),
    # --- the certificate
    Fault("no certificate", lambda s: (s.home / "server.pem").unlink(), "[sip] certificate: there is no file"),
    Fault("no PEM", lambda s: s.write("server.pem", "no"), "server.pem holds no certificate in PEM"),
    Fault("no private key", lambda s: s.write("server.key", "no"), "server.key holds no private key in PEM"),
    Fault(
        "another's key",
        lambda s: put(s, certificate("sip.example.test"), certificate("x").key_pem()),
        "is not the key of the certificate in",
    ),
    Fault(
        "a key with a passphrase",
        lambda s: put(s, (one := certificate("sip.example.test")), one.key_pem(b"x")),
        "has a passphrase, which nobody could type at start",
    ),
    Fault(
        "a certificate that has ended", lambda s: put(s, certificate("sip.example.test", days=(-30, -1))), "; renew it"
    ),
    Fault(
        "a certificate that has not begun",
        lambda s: put(s, certificate("sip.example.test", days=(1, 9))),
        "check the clock of this machine",
    ),
    Fault(
        "a certificate that ends soon",
        lambda s: put(s, certificate("sip.example.test", days=(-30, 5))),
        "[sip] certificate ends in 4 days",
        starts=True,
    ),
    Fault(
        "a certificate for another name",
        lambda s: put(s, certificate("other.test")),
        "certificate is not for server_name 'sip.example.test' but for other.test",
        starts=True,
    ),
    Fault("no chain", lambda s: s.settings("sip", chain="chain.pem"), "[sip] chain: there is no file"),
    # --- the store
    Fault(
        "no key of the store",
        lambda s: (s.home / "store.key").unlink(),
        'store.key" ([store] key_file) is missing: bring it back from a copy',
    ),
    Fault(
        "a key that others read",
        lambda s: (s.home / "store.key").chmod(0o644),
        "([store] key_file) can be read by others: run `chmod 600",
    ),
    Fault(
        "a key that is none",
        lambda s: s.write("store.key", "x"),
        "([store] key_file) does not hold a key: 64 hexadecimal digits",
    ),
    Fault(
        "another server's key",
        another_key,
        "a secret in the database was not sealed with the key in",
        starts=True,
    ),
    Fault(
        "no database",
        lambda s: s.write("lyncpy.db", b"x" * 9000),
        "([store] url) cannot be used: it is damaged (file is not a database)",
        running=False,
    ),
    Fault(
        "a damaged database",
        damage,
        "([store] url) cannot be used: it is damaged (database disk image is malformed): end whatever uses it",
        running=False,
    ),
    Fault(
        "a database of a later version",
        lambda s: s.sql("update alembic_version set version_num = '9999', oldest = '9998'"),
        "the database was written by a newer lyncpy (schema 9999",
        running=False,
    ),
    Fault(
        "a database that somebody holds",
        lambda s: s.hold(),
        "database is locked: process",
    ),
    Fault(
        "no folder for the database",
        lambda s: s.settings("store", url="sqlite:///no/lyncpy.db"),
        'cannot be made: there is no folder "',
    ),
    Fault(
        "a folder as database",
        lambda s: s.settings("store", url="sqlite:///../kept"),
        "([store] url) cannot be opened: Is a directory",
    ),
    Fault(
        "no PostgreSQL there",
        lambda s: s.settings("store", url="postgresql://lyncpy@127.0.0.1:1/lyncpy"),
        "Connection refused",
    ),
    Fault(
        "a clock that is behind",
        lambda s: s.sql("update records set value = cast('9999999999' as blob) where kind = 'clock'"),
        "the clock of this machine is behind: a server of this database ran at 2286-11-20",
        starts=True,
        running=False,
    ),
    # --- ports
    Fault("a port that another program has", lambda s: s.take(free_port(s)), "cannot be opened: process"),
    Fault(
        "one port twice",
        lambda s: s.edit("https_port = 0", f"https_port = {s.server.tls_port}"),
        "is the same, and one of them finds it taken",
    ),
    Fault(
        "no address of this machine",
        lambda s: s.edit('tls_host = "127.0.0.1"', 'tls_host = "192.0.2.1"'),
        "cannot be opened: this machine has no such address; correct tls_host",
    ),
    # --- the shell
    Fault(
        "no keys of operators",
        lambda s: (s.home / "authorized_keys").unlink(),
        "there is no such file, so nobody can sign in to the shell",
        starts=True,
        running=False,
    ),
    Fault(
        "keys that others write",
        lambda s: (s.home / "authorized_keys").chmod(0o622),
        "lets nobody in, because others may write to it",
        starts=True,
        running=False,
    ),
    Fault(
        "a broken key",
        lambda s: s.write("authorized_keys", (s.home / "authorized_keys").read_text() + "ssh-ed25519 AAAA me\n"),
        "line 2 lets nobody in: the key is broken",
        starts=True,
    ),
    Fault(
        "a host key that others read",
        lambda s: (s.home / "ssh_host_rsa_key").chmod(0o644),
        "[admin] host_key_folder: others may read",
    ),
    Fault(
        "a host key that is none", lambda s: s.write("ssh_host_rsa_key", "x"), "is not a private key without passphrase"
    ),
    # --- files
    Fault(
        "tokens that others read",
        open_tokens,
        "[web] readers_file: ",
        starts=True,
    ),
    Fault(
        "settings that others read",
        lambda s: s.file.chmod(0o604),
        "lyncpy.toml can be read by everybody here; run `chmod o-rwx",
        starts=True,
    ),
    Fault(
        "a certificate that others write",
        lambda s: (s.home / "server.pem").chmod(0o666),
        "server.pem can be changed by everybody here; run `chmod o-w",
        starts=True,
    ),
    # Only root can give files away.
    *(
        [
            Fault(
                "a file of another user",
                lambda s: os.chown(s.home / "store.key", 12345, -1),
                "store.key belongs to user 12345, and the folder of the server to user",
                starts=True,
            )
        ]
        if os.geteuid() == 0
        else []
    ),
    # --- people
    Fault(
        "no people file",
        lambda s: (s.home / "people.toml").unlink(),
        'people.toml" ([directory] url) cannot be read: No such file or directory',
        starts=True,
    ),
    Fault(
        "people twice",
        lambda s: s.write("people.toml", "[a]\n[a]\n"),
        'people.toml": line 2, [a]: the section stands there twice',
        starts=True,
    ),
    Fault(
        "people in a code page",
        lambda s: s.write("people.toml", "[a]\naddress = 'ü'\n".encode("latin-1")),
        "line 2, [a] address: a letter in another code page",
        starts=True,
    ),
    Fault(
        "a misspelt fact",
        lambda s: s.write("people.toml", "[a]\naddres = 'a@example.test'\n"),
        'unknown key "addres"; did you mean "address"?',
        starts=True,
    ),
    Fault(
        "a person without address",
        lambda s: s.write("people.toml", (s.home / "people.toml").read_text() + "[zoe]\n"),
        "[zoe]: it has no address; add a line like",
        starts=True,
    ),
    Fault("no LDAP server there", lambda s: s.settings("directory", **LDAP), "ldap://127.0.0.1:1 cannot be reached"),
    Fault(
        "no password of the account",
        lambda s: s.settings("directory", **LDAP, bind_dn="cn=x", bind_password_file="no"),
        'no" ([directory] bind_password_file) cannot be read (No such file or directory)',
    ),
    Fault(
        "no authorities",
        lambda s: s.settings("directory", url="ldaps://127.0.0.1:1", ca_file="no.pem"),
        'the CA file "',
    ),
    Fault(
        "LDAP without encryption",
        lambda s: s.settings("directory", url="ldap://192.0.2.1"),
        "ldap://192.0.2.1 would be read without encryption",
    ),
    Fault("no source of addresses", lambda s: s.settings("directory", **LDAP, address=["{"]), "[directory] "),
    # --- others
    Fault("no keytab", lambda s: s.settings("auth", keytab="no.keytab"), "no.keytab", starts=True),
    Fault(
        "no program of Samba",
        lambda s: s.settings("auth", ntlm_auth=["/no/ntlm_auth"]),
        "/no/ntlm_auth cannot be started",
        starts=True,
    ),
    Fault(
        "no seed for the bus",
        lambda s: s.settings("bus", url="nats://127.0.0.1:1", nkey_file="no"),
        "no ([bus] nkey_file) cannot be read: No such file or directory",
        starts=True,
    ),
]


def free_port(setup: Setup) -> int:
    """Have the settings name a port that is not this server's yet."""
    (port,) = free_ports(1)
    setup.edit(f"port = {setup.server.admin_port}", f"port = {port}")
    return port


@pytest.fixture(scope="module")
def kept_open(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Setup, Setup]]:
    """Give a server that runs, and one that does not and has run."""
    setups = []
    for name in ("runs", "rests"):
        server = RunningServer(tmp_path_factory.mktemp(name) / "home").init()
        server.start()
        server.stop()
        kept = server.home.with_name("kept")
        kept.mkdir()
        for file in server.home.iterdir():
            if name == "rests" or not file.name.startswith("lyncpy.db"):
                shutil.copy2(file, kept)
        setups.append(Setup(server, kept))
    setups[0].server.start()
    yield setups[0], setups[1]
    for one in setups:
        one.mend()
        one.server.close()


@pytest.fixture
def setups(kept_open: tuple[Setup, Setup]) -> Iterator[tuple[Setup, Setup]]:
    """Give both, and mend them afterwards."""
    yield kept_open
    for one in kept_open:
        one.mend()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_check_start_and_reload_say_the_same(setups: tuple[Setup, Setup], fault: Fault) -> None:
    """Before a start, at it, and beside a server that runs."""
    running, resting = setups
    fault.broken(resting)
    said = resting.checked()
    assert any(fault.sentence in line for line in said), said
    assert not any(word in line for line in said for word in ("Traceback", "[Errno", "pattern", "_ssl.c"))
    starts, log = resting.started()
    assert fault.sentence in log, log
    assert "Traceback" not in log
    assert starts == fault.starts, log
    if fault.running:
        fault.broken(running)
        assert fault.sentence in running.reloaded().replace("\n", " ")


def test_nothing_is_wrong_with_what_was_not_broken(setups: tuple[Setup, Setup]) -> None:
    """Before a start, and beside a server that runs, whose ports are its own."""
    running, resting = setups
    assert resting.checked() == running.checked() == []
    assert "look at this" not in running.reloaded()
