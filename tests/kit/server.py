"""The real server in a process of its own, on free ports of 127.0.0.1, as a newcomer would run it."""

import json
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from lyncpy.app.home import write_config
from lyncpy.contracts.names import Aor, ConferenceId
from lyncpy.workloads.conferencing.conference_form import pack
from lyncpy.workloads.conferencing.model.conference import Conference
from tests.kit import forks
from tests.kit.forks import TOP, Forked
from tests.kit.key_pairs import key_of
from tests.kit.orphans import tied
from tests.kit.patience import pauses
from tests.kit.ports import free_ports

BIN: Final = Path(sys.executable).parent

READY: Final = "lyncpy is ready"
PATIENCE_S: Final = 60.0


_SHAPING: Final = (
    *("admin.authorized_keys=", "admin.host_key_folder=", "bus.", "directory.", "sip.certificate=", "sip.domain"),
    *("sip.private_key=", "sip.server_name=", "store."),
)
"""How settings begin that say what `lyncpy init` makes, and where."""

_USUAL: Final = tempfile.TemporaryDirectory(prefix="lyncpy-usual-home-")
"""Goes with the process."""


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """Somebody of the demo people."""

    address: str
    password: str


class ServerFailed(AssertionError):
    """The server did not do what it has to; the text has the end of its log."""


class RunningServer:
    """A server with a home. It can be stopped, killed and started again; the home stays."""

    def __init__(self, home: Path, **settings: object) -> None:
        """Make the home with demo people; nothing runs yet.

        Args:
            home: A folder; it is made.
            settings: With `__` for the dot, e.g. `im__message_s=5.0`; ports are chosen here.
        """
        self.home: Final = home
        self.tls_port, self.tcp_port, self.admin_port = free_ports(3)
        given = {
            "sip.tls_host": "127.0.0.1",
            "sip.tls_port": self.tls_port,
            "sip.tcp_port": self.tcp_port,
            "admin.port": self.admin_port,
            "web.https_port": 0,
            **{name.replace("__", "."): value for name, value in settings.items()},
        }
        self.words: Final = tuple(word for name, value in given.items() for word in ("--set", f"{name}={value}"))
        self._process: subprocess.Popen[bytes] | Forked | None = None
        self._log = home.with_name(f"{home.name}.log")

    def init(self) -> "RunningServer":
        """Make the home, by `lyncpy init` or as a copy of what that has made.

        The shell's keys are the same each time, for the server takes a while to make one.
        """
        overrides = self.words[1::2]
        if any(one.startswith(_SHAPING) for one in overrides):
            _lyncpy("init", str(self.home), "--demo", *self.words)
        else:
            shutil.copytree(_usual_home(), self.home)
            write_config(self.home, overrides)
        for name, text in _host_keys().items():
            (self.home / name).touch(0o600)
            (self.home / name).write_bytes(text)
        return self

    def keep_conference(self, organizer: str, id_: str) -> None:
        """Leave a conference in the store, as a client would have scheduled it; before the start."""
        conference = Conference(Aor(f"sip:{organizer}"), ConferenceId(id_), 0.0, 0.0, time.time() + 1e6)
        with closing(sqlite3.connect(self.home / "lyncpy.db")) as base, base:
            base.execute(
                "insert into records (kind, key, version, value) values ('conference', ?, 1, ?)",
                (conference.key, pack(conference)),
            )

    def write_settings(self, section: str, **values: object) -> None:
        """Write settings of a section into its file: what `--set` has no form for, and what is another's path or word."""
        file = self.home / "lyncpy.toml"
        lines = "".join(f"\n{name} = {json.dumps(value)}" for name, value in values.items())
        text, count = re.subn(
            rf"^\[{section}\]$", lambda found: found[0] + lines, file.read_text("utf-8"), flags=re.MULTILINE
        )
        file.write_text(text if count else f"{text}\n[{section}]{lines}\n", "utf-8")

    def hire(self, *names: str) -> None:
        """Add people to the demo people, with passwords; call it before the server starts.

        Args:
            names: What stands before the @ is their name; without it their domain is that of the demo people.
        """
        usual = next(iter(self.accounts.values())).address.partition("@")[2]
        for name, _, domain in (name.partition("@") for name in names):
            address, password = f"{name}@{domain or usual}", f"{name}'s secret"
            with (self.home / "people.toml").open("a") as people:
                people.write(f'\n["{name}"]\naddress = "{address}"\ndisplay_name = "{name.title()}"\n')
            with (self.home / "demo-accounts.toml").open("a") as accounts:
                accounts.write(f'\n["{name}"]\naddress = "{address}"\npassword = "{password}"\n')
        hired = [self.accounts[name.partition("@")[0]] for name in names]
        text = "".join(f"{one.address} {one.password}\n" for one in hired)
        _lyncpy("user", "passwd", "--file", "-", "--config", str(self.home / "lyncpy.toml"), text=text)

    # --- what a client needs

    @property
    def address(self) -> str:
        """Give HOST:PORT of SIP over TLS."""
        return f"127.0.0.1:{self.tls_port}"

    @property
    def tcp_address(self) -> str:
        """Give HOST:PORT of SIP over TCP."""
        return f"127.0.0.1:{self.tcp_port}"

    @property
    def ca(self) -> Path:
        """Give the certificate of the server's own authority."""
        return self.home / "ca.pem"

    @property
    def accounts(self) -> Mapping[str, DemoAccount]:
        """Give the demo people by name."""
        tables = tomllib.loads((self.home / "demo-accounts.toml").read_text("utf-8"))
        return {name: DemoAccount(**table) for name, table in tables.items()}

    # --- its life

    @property
    def twistd(self) -> Sequence[str]:
        """Give the command with which an operator starts it."""
        return (str(BIN / "twistd"), "--nodaemon", "--pidfile=", "lyncpy", "--config", str(self.home / "lyncpy.toml"))

    def start(
        self,
        command: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        forked: Callable[..., object] = forks.twistd,
        patience_s: float = PATIENCE_S,
    ) -> "RunningServer":
        """Start it and wait until it serves.

        Args:
            command: How to start it; if not given it is forked from a process that has read its modules.
            environment: Its variables, if they are others than this one's.
            forked: What one that is forked does.
            patience_s: How long that may take.
        """
        assert self._process is None, "it runs already"
        begin = len(self.log())
        if command:
            with self._log.open("ab") as log:
                # A session of its own: what a test's Ctrl-C hits is the test.
                self._process = subprocess.Popen(
                    tied(command),
                    cwd=TOP,
                    stdout=log,
                    stderr=log,
                    env=environment,
                    start_new_session=True,
                )
        else:
            self._process = Forked(forked, *self.twistd[1:], out=self._log, err=self._log, environment=environment)
        for _ in pauses(patience_s):
            if READY in self.log()[begin:]:
                return self
            if self._process.poll() is not None:
                break
        raise ServerFailed(f"it does not start:\n{self.tail()}")

    @contextmanager
    def serving(self) -> Iterator["RunningServer"]:
        """Have it run; it has to end in order afterwards, and ends whatever happens."""
        try:
            yield self.start()
            self.stop()
        finally:
            self.close()

    def stop(self) -> None:
        """End it as an administrator does (SIGTERM); it has to end in order."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self.wait_for_end()

    def wait_for_end(self) -> None:
        """Wait until it has ended by itself, or because it was told to; it has to end in order."""
        process, self._process = self._process, None
        assert process is not None, "it does not run"
        try:
            status = process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(PATIENCE_S)
            raise ServerFailed(f"it does not end:\n{self.tail()}") from None
        if status != 0:
            raise ServerFailed(f"it ended with status {status}:\n{self.tail()}")

    def kill(self) -> None:
        """Kill it, as a power cut does."""
        process, self._process = self._process, None
        assert process is not None, "it does not run"
        process.kill()
        process.wait(PATIENCE_S)

    def close(self) -> None:
        """End it however it is."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE_S)
            self._process = None

    @property
    def pid(self) -> int:
        """Give the number of its process."""
        assert self._process is not None, "it does not run"
        return self._process.pid

    # --- what it did

    def log(self) -> str:
        """Give all that it printed."""
        with suppress(FileNotFoundError):
            return self._log.read_text("utf-8", "replace")
        return ""

    def tail(self, lines: int = 40) -> str:
        """Give the end of its log."""
        return "\n".join(self.log().splitlines()[-lines:])

    def sql(self, query: str, *values: object) -> list[dict[str, Any]]:  # Any: what a column has
        """Ask its database, which is only read."""
        with closing(sqlite3.connect(f"file:{self.home / 'lyncpy.db'}?mode=ro", uri=True, timeout=10)) as base:
            base.row_factory = sqlite3.Row
            return [dict(row) for row in base.execute(query, values)]

    def set_password(self, address: str, password: str) -> None:
        """Set a password with `lyncpy user passwd`; the server may run."""
        _lyncpy("user", "passwd", address, "--config", str(self.home / "lyncpy.toml"), text=password)

    def ssh(self, command: str, *, key: Path | None = None) -> str:
        """Run a command of the shell with OpenSSH's client and give what it prints.

        Raises:
            ServerFailed: The command ended with another status than 0.
        """
        return _run(self.ssh_words(command, key=key))

    def ssh_whatever(self, command: str) -> str:
        """Run a command of the shell over several servers, and give what it prints, though one of them may not answer."""
        words = self.ssh_words(command)
        return subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        ).stdout

    def ssh_words(self, *command: str, key: Path | None = None) -> list[str]:
        """Give the words that run OpenSSH's client, with nothing of this machine's own configuration."""
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": "10",
            "IdentitiesOnly": "yes",
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
            "LogLevel": "ERROR",
        }
        words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        identity = str(key or self.home / "admin_key")
        return ["ssh", "-F", "none", *words, "-i", identity, "-p", str(self.admin_port), "admin@127.0.0.1", *command]


@cache
def _usual_home() -> Path:
    """Give what `lyncpy init` makes, the same for all whose settings are not about it; its settings are each one's own."""
    home = Path(_USUAL.name, "home")
    _lyncpy("init", str(home), "--demo")
    (home / "lyncpy.toml").unlink()
    return home


@cache
def _host_keys() -> Mapping[str, bytes]:
    """Give the files with the keys of a server's shell, by name; that of RSA is quickly made, and quickly read."""
    keys: dict[str, Ed25519PrivateKey | RSAPrivateKey] = {
        "ed25519": Ed25519PrivateKey.generate(),
        "rsa": key_of("shell", 1024),
    }
    return {
        f"ssh_host_{kind}_key": key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
        for kind, key in keys.items()
    }


def _run(words: Sequence[str]) -> str:
    """Run a program that has to succeed; give what it prints."""
    return _printed(
        subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    )


def _lyncpy(*words: str, text: str = "") -> str:
    """Run the command `lyncpy`, which has to succeed; give what it prints."""
    return _printed(forks.run(words, text, timeout=PATIENCE_S))


def _printed(done: "subprocess.CompletedProcess[str]") -> str:
    if done.returncode:
        raise ServerFailed(f"{' '.join(done.args)}: status {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


def wait_until(question: Callable[[], object], what: str, timeout_s: float = PATIENCE_S) -> None:
    """Wait until a call gives something true."""
    for _ in pauses(timeout_s):
        if question():
            return
    raise ServerFailed(f"it never came to this: {what}")


def latest(rows: Sequence[Mapping[str, Any]], column: str) -> Any:  # Any: what a column has
    """Give what the last of some records says; None while there is none, for it is written a moment later."""
    return rows[-1][column] if rows else None
