"""The shell as administrators meet it: OpenSSH's own client, with keys of its own making."""

import contextlib
import json
import os
import pty
import re
import select
import shutil
import socket
import stat
import subprocess
import termios
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

from lyncpy.core.timers import Timers
from lyncpy.workloads.admin.channel import Connection
from lyncpy.workloads.admin.keyring import HostKeysUnusable, host_keys
from lyncpy.workloads.admin.service import Admin, ServerControl
from lyncpy.workloads.admin.settings import Settings
from lyncpy.workloads.admin.ssh import CannotListen
from tests.kit.memory import MemoryRecords
from tests.kit.platform import platform_of
from tests.kit.ports import free_ports
from tests.kit.shell import NASTY, Weather, rows_of

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(shutil.which("ssh") is None, reason="OpenSSH's client is not installed"),
]

PATIENCE_S = 20.0
BASE = [
    "-F",
    "none",
    "-o",
    "BatchMode=yes",
    "-o",
    "IdentitiesOnly=yes",
    "-o",
    "IdentityAgent=none",
    "-o",
    "StrictHostKeyChecking=accept-new",
    "-o",
    "LogLevel=ERROR",
    "-o",
    "ConnectTimeout=10",
]


@dataclass(frozen=True)
class Said:
    """What a client said, and how it ended."""

    status: int
    out: str
    err: str


class Desk:
    """A shell on a real port, and clients for it."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.key()
        self.authorize("admin_key")
        self.weather = Weather()
        self.records = MemoryRecords()
        self.settings = Settings.model_validate({"port": free_ports(1)[0], **settings})
        self.admin = Admin(
            platform_of(reactor, timers=Timers(reactor, time.time), records=self.records),
            [self.weather.offer()],
            folder,
            self.settings,
            reactor,
            ServerControl(_reloads),
            {"answer": 42},
        )

    def key(self, name: str = "admin_key", *kind: str) -> Path:
        """Make a key, as its owner would."""
        file = self.folder / name
        if not file.exists():
            make = ["ssh-keygen", "-q", "-N", "", "-C", f"{name}@desk", "-f", str(file), *(kind or ("-t", "ed25519"))]
            subprocess.run(make, check=True, timeout=PATIENCE_S)
        return file

    def authorize(self, *names: str, before: str = "") -> None:
        """Let these keys in, and no others."""
        lines = [before + (self.folder / f"{name}.pub").read_text() for name in names]
        file = self.folder / "authorized_keys"
        file.write_text("# the keys of this desk\n" + "".join(lines))
        file.chmod(0o600)

    def command(self, *words: str, key: str = "admin_key", options: Sequence[str] = ()) -> list[str]:
        """Give how the client is called."""
        known = ["-o", f"UserKnownHostsFile={self.folder / 'known_hosts'}", "-p", str(self.admin.port)]
        return ["ssh", *options, *BASE, *known, "-i", str(self.folder / key), "ops@127.0.0.1", *words]

    def run(self, *words: str, key: str = "admin_key", options: Sequence[str] = (), send: bytes | None = None) -> Said:
        """Run the client to its end. Blocks: for threads."""
        where: Any = {"stdin": subprocess.DEVNULL} if send is None else {"input": send}
        done = subprocess.run(
            self.command(*words, key=key, options=options),
            capture_output=True,
            timeout=PATIENCE_S,
            check=False,
            **where,
        )
        return Said(done.returncode, done.stdout.decode(), done.stderr.decode())

    def audited(self) -> list[tuple[str, str]]:
        """Give what was recorded, the oldest first."""
        return [(row.command, row.outcome) for row in rows_of(self.records)][::-1]


class Terminal:
    """A client at a terminal of 80 columns. Blocks: for threads."""

    def __init__(self, desk: Desk, *words: str, **more: Any) -> None:
        self.master, slave = pty.openpty()
        termios.tcsetwinsize(self.master, (24, 80))
        self.process = subprocess.Popen(
            desk.command(*words, options=["-tt"], **more), stdin=slave, stdout=slave, stderr=slave, close_fds=True
        )
        os.close(slave)
        self.screen = ""

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait(PATIENCE_S)
        os.close(self.master)

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self.master, text.encode())

    def until(self, text: str) -> str:
        """Read until this stands there; give all that came before, and forget it."""
        end = time.monotonic() + PATIENCE_S
        while text not in self.screen:
            ready, _, _ = select.select([self.master], [], [], max(end - time.monotonic(), 0))
            try:
                data = os.read(self.master, 65536) if ready else b""
            except OSError:
                data = b""
            if not data:
                raise AssertionError(f"{text!r} is not in {self.screen!r}")
            self.screen += data.decode(errors="replace")
        before, _, self.screen = self.screen.partition(text)
        return before

    def resize(self, columns: int) -> None:
        """Make the window another one."""
        termios.tcsetwinsize(self.master, (24, columns))
        self.process.send_signal(28)

    def ended(self) -> int:
        """Give the status of the client when it has ended."""
        return self.process.wait(PATIENCE_S)


Opened = Callable[..., Awaitable[Desk]]


@pytest.fixture(scope="module")
def shell_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with host keys: one of them takes a while to make."""
    folder = tmp_path_factory.mktemp("shell-keys")
    host_keys(folder)
    return folder


@pytest.fixture
def open_desk(tmp_path: Path, shell_keys: Path) -> Iterator[Opened]:
    """Open shells, and close them after the test."""
    desks: list[Desk] = []
    for file in shell_keys.iterdir():
        shutil.copy(file, tmp_path)

    async def make(**settings: Any) -> Desk:
        desk = Desk(tmp_path, **settings)
        desks.append(desk)
        await desk.admin.open()
        return desk

    yield make
    for desk in desks:
        if not desk.weather.slow.called:
            desk.weather.slow.callback(None)
        pytest_twisted.blockon(Deferred.fromCoroutine(desk.admin.close()))


def plain(text: str) -> str:
    """Take away what steers a terminal."""
    return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text)


@pytest.mark.libraries
async def test_a_command_is_answered_and_ends_well(open_desk: Opened) -> None:
    """`ssh host users` prints a table and ends with 0; nothing of it can steer the terminal."""
    desk = await open_desk()
    said = await deferToThread(desk.run, "users")
    assert said.status == 0
    assert said.err == ""
    assert said.out.splitlines()[0].split() == ["USER", "NAME", "AGE", "ENABLED", "NOTE"]
    assert "Zoë \\x1b]0;pwned\\x07\\u202e 山" in said.out
    assert "\x1b" not in said.out
    assert desk.audited() == [("users", "ok")]


async def test_every_command_is_recorded_with_its_author(open_desk: Opened) -> None:
    """The record names the key as `ssh-keygen -l` does, its comment, and the address."""
    desk = await open_desk()

    def work() -> bytes:
        desk.run("lock alice@example.com hunter2")
        return subprocess.check_output(["ssh-keygen", "-lf", desk.folder / "admin_key.pub"])

    listed = await deferToThread(work)
    (row,) = rows_of(desk.records)
    assert row.author == f"admin_key@desk {listed.split()[1].decode()}"
    assert row.source == "127.0.0.1"
    assert row.command == "lock alice@example.com ****"


async def test_json_is_one_document(open_desk: Opened) -> None:
    """`--json` gives what a program can read, whatever people call themselves."""
    desk = await open_desk()
    said = await deferToThread(desk.run, "users --json")
    document = json.loads(said.out)
    assert document["note"] == "3 people"
    assert document["rows"][2] == {"user": "bob@example.com", "name": NASTY, "age": 14, "enabled": True, "note": None}


async def test_the_exit_status_tells_failures_apart(open_desk: Opened) -> None:
    """1 is a command that failed, 2 a line that is not understood; both say why on the standard error."""
    desk = await open_desk()

    def work() -> list[Said]:
        return [desk.run(line) for line in ("refuse", "user", "forecast", "broken", "forecast set", "exit")]

    refuse, user, forecast, broken, less, leave = await deferToThread(work)
    assert (refuse.status, refuse.out, refuse.err) == (1, "", "no such thing \\x1b[31m; try another\n")
    assert (user.status, user.err) == (2, 'there is no command "user"; did you mean `users`?\n')
    assert (forecast.status, forecast.err) == (2, "`forecast` goes on: `forecast set`, `forecast show`\n")
    assert (broken.status, broken.err) == (1, "internal error, see the log\n")
    assert less.status == 2
    assert "USER is missing; use: forecast set USER [--days N] [--dry-run] [--json]" in less.err
    assert (leave.status, leave.out, leave.err) == (0, "", "")


async def test_lines_from_a_pipe_are_commands(open_desk: Opened) -> None:
    """`echo users | ssh host` runs each line in turn and ends with the gravest status of all."""
    desk = await open_desk()
    lines = b"# what there is\nusers alice@example.com\n\nnonsense\nwho\n"
    said = await deferToThread(desk.run, send=lines)
    assert said.status == 2
    assert said.out.index("alice@example.com") < said.out.index("admin_key@desk SHA256:")
    assert "albert" not in said.out
    assert said.err.startswith('line 4: there is no command "nonsense"')
    assert [command for command, _ in desk.audited()] == ["users alice@example.com", "nonsense", "who"]
    failed = await deferToThread(desk.run, send=b"who\nrefuse")
    assert failed.status == 1
    left = await deferToThread(desk.run, send=b"exit\nusers\n")
    assert (left.status, left.out) == (0, "")


async def test_a_flood_of_lines_is_served_in_order(open_desk: Opened) -> None:
    """A long script waits in the client, not in the server, and comes out whole."""
    desk = await open_desk()
    lines = b"".join(b"users alice@example.com #%06d %b\n" % (n, b"x" * 200) for n in range(1500))
    said = await deferToThread(desk.run, send=lines)
    assert said.err.count("one word too many") == 1500


async def test_a_long_answer_waits_for_its_reader(open_desk: Opened) -> None:
    """Megabytes come out whole and in order, one command after the other."""
    desk = await open_desk()
    said = await deferToThread(desk.run, send=b"flood\nwho\n" * 6)
    assert (said.status, said.err) == (0, "")
    assert said.out.count("x" * 1000 + "\n") == 6000
    assert said.out.rstrip().endswith(rows_of(desk.records)[0].author)


async def test_every_usual_kind_of_key_is_taken(open_desk: Opened) -> None:
    """Ed25519, ECDSA and RSA get in; RSA with SHA-2 only."""
    desk = await open_desk()

    def work() -> list[Said]:
        names = ["ec", "rsa"]
        desk.key("ec", "-t", "ecdsa", "-b", "384")
        desk.key("rsa", "-t", "rsa", "-b", "2048")
        desk.authorize("admin_key", *names)
        said = [desk.run("who", key=name) for name in names]
        said.append(
            desk.run(
                "who",
                key="rsa",
                options=["-o", "HostKeyAlgorithms=rsa-sha2-512", "-o", f"UserKnownHostsFile={os.devnull}"],
            )
        )
        said.append(desk.run("who", key="rsa", options=["-o", "PubkeyAcceptedAlgorithms=ssh-rsa"]))
        return said

    ec, rsa, rsa_host, sha1 = await deferToThread(work)
    assert [ec.status, rsa.status, rsa_host.status, sha1.status] == [0, 0, 0, 255], (ec, rsa, rsa_host, sha1)
    assert "ec@desk" in ec.out
    assert "rsa@desk" in rsa.out


async def test_only_authorized_keys_get_in(open_desk: Opened) -> None:
    """Another key, a password and no key at all are refused; taking a key out of the file counts at once."""
    desk = await open_desk()

    def work() -> list[Said]:
        desk.key("stranger")
        said = [desk.run("users", key="stranger")]
        only = ["-o", "PreferredAuthentications=password,keyboard-interactive", "-o", "BatchMode=no"]
        said.append(desk.run("users", options=[*only, "-o", "NumberOfPasswordPrompts=1"]))
        desk.authorize("stranger")
        said += [desk.run("who", key="stranger"), desk.run("who")]
        (desk.folder / "authorized_keys").chmod(0o620)
        return [*said, desk.run("who", key="stranger")]

    wrong, password, now_in, now_out, writable = await deferToThread(work)
    assert (wrong.status, password.status) == (255, 255)
    assert "Permission denied (publickey)" in wrong.err
    assert "Permission denied (publickey)" in password.err
    assert (now_in.status, now_out.status, writable.status) == (0, 255, 255)
    assert desk.audited() == [("who", "ok")]


async def test_a_viewer_looks_and_does_not_touch(open_desk: Opened) -> None:
    """A role stands in front of the key; what it does not allow is refused and recorded."""
    desk = await open_desk()
    desk.authorize("admin_key", before='restrict,environment="LYNCPY_ROLE=viewer" ')
    said = await deferToThread(desk.run, "forecast set alice@example.com")
    assert (said.status, said.err) == (1, "`forecast set` is for the role operator; this key has the role viewer\n")
    assert desk.weather.done == []
    assert desk.audited()[0][1] == said.err.strip()


async def test_forwarding_subsystems_and_agents_are_refused(open_desk: Opened) -> None:
    """The shell is no way into the network."""
    desk = await open_desk()

    def work() -> list[Said]:
        inner = ["-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:1"]
        said = [desk.run("who", options=inner), desk.run(options=["-W", "127.0.0.1:1"])]
        said.append(desk.run("sftp", options=["-s"]))
        return [*said, desk.run("who", options=["-A"])]

    remote, straight, sftp, agent = await deferToThread(work)
    assert (remote.status, straight.status, sftp.status) == (255, 255, 255)
    assert agent.status == 0


async def test_a_prompt_edits_completes_and_remembers(open_desk: Opened) -> None:
    """At a terminal: Tab completes words, arguments and flags, arrows edit and recall, Ctrl-D leaves."""
    desk = await open_desk()

    def work() -> list[str]:
        with Terminal(desk) as terminal:
            seen = [terminal.until("lyncpy> ")]
            terminal.type("fo\tse\t\t")
            seen.append(terminal.until("albert@example.com"))
            terminal.type("bo\t--dr\t\r")
            seen.append(terminal.until("changed"))
            terminal.until("lyncpy> ")
            terminal.type("x\x15sers bob@example.com\x01u\r")
            seen.append(terminal.until("1 people"))
            terminal.until("lyncpy> ")
            terminal.type("\x1b[A\x1b[A\x03who 1\x7f\r")
            seen.append(terminal.until("ops"[:0] + "admin_key@desk"))
            terminal.until("lyncpy> ")
            terminal.type("\x04")
            return [*seen, str(terminal.ended())]

    greeting, choices, changed, table, _, status = await deferToThread(work)
    assert "`help` lists the commands" in greeting
    assert "alice@example.com" not in plain(greeting)
    assert "forecast set " in plain(choices)
    assert "forecast set bob@example.com --dry-run" in plain(changed)
    assert "\\x1b]0;pwned" in table
    assert "\x1b]0" not in table
    assert status == "0"
    assert desk.weather.done == ["bob@example.com"]
    assert [command for command, _ in desk.audited()] == [
        "forecast set bob@example.com --dry-run",
        "forecast set bob@example.com --dry-run",
        "users bob@example.com",
        "who",
    ]


async def test_a_prompt_follows_the_window_and_unicode(open_desk: Opened) -> None:
    """A narrow window gets a table that fits; letters of any language are letters."""
    desk = await open_desk()

    def work() -> tuple[str, str]:
        with Terminal(desk) as terminal:
            terminal.until("lyncpy> ")
            terminal.resize(40)
            terminal.until("lyncpy> ")
            terminal.type("users\r")
            narrow = terminal.until("3 people")
            terminal.until("lyncpy> ")
            terminal.type("zoë山\x7f\r")
            terminal.until("there is no command")
            return narrow, terminal.until("lyncpy> ")

    narrow, unknown = await deferToThread(work)
    assert max(len(line) for line in plain(narrow).split("\r\n")[1:]) <= 40
    assert '"zoë"' in unknown


async def test_ctrl_c_stops_a_command_and_keeps_the_session(open_desk: Opened) -> None:
    """A command that takes for ever is interrupted; a key pressed meanwhile waits for its turn."""
    desk = await open_desk()

    def work() -> str:
        with Terminal(desk) as terminal:
            terminal.until("lyncpy> ")
            terminal.type("slow\r")
            terminal.until("slow\r\n")
            terminal.type("\x03")
            terminal.until("interrupted")
            terminal.until("lyncpy> ")
            terminal.type("who\r")
            return terminal.until("SHA256")

    assert "admin_key@desk" in await deferToThread(work)
    assert desk.audited()[0] == ("slow", "interrupted")


async def test_a_command_that_takes_too_long_is_given_up(open_desk: Opened) -> None:
    """Nothing that hangs holds a session for ever."""
    desk = await open_desk(command_s=1)
    said = await deferToThread(desk.run, "slow")
    assert (said.status, said.err) == (1, "given up after 1 s ([admin] command_s)\n")


async def test_the_python_prompt_is_for_developers_where_it_is_allowed(open_desk: Opened) -> None:
    """It is off by default, needs the role and a terminal, and every line of it is recorded."""
    off = await open_desk()
    off.authorize("admin_key", before='environment="LYNCPY_ROLE=developer" ')
    refused = await deferToThread(off.run, "python")
    assert (refused.status, "[admin] python_prompt" in refused.err) == (1, True)

    desk = await open_desk(python_prompt=True)
    operator = await deferToThread(desk.run, "python")
    assert (operator.status, "role developer" in operator.err) == (1, True)
    desk.authorize("admin_key", before='environment="LYNCPY_ROLE=developer" ')
    no_terminal = await deferToThread(desk.run, "python")
    assert (no_terminal.status, "ssh -t" in no_terminal.err) == (2, True)

    def work() -> tuple[str, int]:
        with Terminal(desk, "python") as terminal:
            terminal.until(">>> ")
            terminal.type("answer * 100 + 7 # '\r")
            answer = terminal.until("4207")
            terminal.until(">>> ")
            terminal.type("\x04")
            return answer, terminal.ended()

    answer, status = await deferToThread(work)
    assert "answer" in plain(answer)
    assert status == 0
    assert desk.audited()[-1] == (">>> answer * 100 + 7 # '", "begun")


def greeted(address: tuple[str, int]) -> socket.socket:
    """Connect; again, while the server still thinks of those before. Blocks: for threads."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        one = socket.create_connection(address, timeout=PATIENCE_S)
        with contextlib.suppress(ConnectionResetError):
            if one.recv(4) == b"SSH-":
                return one
        one.close()
    raise AssertionError("nobody greets")


async def test_strangers_are_bounded_and_leave_nothing(open_desk: Opened) -> None:
    """Whoever does not sign in is cut in time and makes room for who does; noise disturbs nobody."""
    desk = await open_desk(strangers=4)
    server = desk.admin.server
    assert server is not None

    def too_late() -> None:
        for transport in list(server.transports):
            transport.check_login()

    def work() -> tuple[Said, Said]:
        address = ("127.0.0.1", desk.admin.port)
        for noise in (b"GET / HTTP/1.1\r\n\r\n", b"SSH-2.0-x\r\n" + b"\x00\x00\x00\x0c" + b"\x14" * 64, b"\xff" * 9000):
            with socket.create_connection(address) as raw:
                raw.sendall(noise)
        with contextlib.ExitStack() as crowd:
            silent_ones = [crowd.enter_context(greeted(address)) for _ in range(4)]
            in_between = desk.run("who")
            silent_ones += [crowd.enter_context(greeted(address)) for _ in range(60)]
            reactor.callFromThread(too_late)  # type: ignore[attr-defined]  # twisted gives the module this name
            for silent in silent_ones:
                with contextlib.suppress(ConnectionResetError):
                    while silent.recv(65536):
                        pass
        return in_between, desk.run("who")

    in_between, said = await deferToThread(work)
    assert (in_between.status, said.status) == (0, 0)
    assert not server.transports or all(one.is_admitted for one in server.transports)


async def test_of_too_many_operators_the_idle_one_goes(open_desk: Opened) -> None:
    """Somebody with a key always gets in: who has pressed no key for longest is told, and leaves."""
    desk = await open_desk(connections=2)

    def work() -> tuple[int, int, int | None]:
        with Terminal(desk) as oldest:
            oldest.until("lyncpy> ")  # before the other one begins, or that may be the one that is idle for longest
            with Terminal(desk) as other:
                other.until("lyncpy> ")
                status = desk.run("who").status
                return oldest.ended(), status, other.process.poll()

    assert await deferToThread(work) == (0, 0, None)


async def test_an_idle_prompt_is_closed(open_desk: Opened) -> None:
    """A forgotten terminal does not stay open; it says why."""
    desk = await open_desk()
    server = desk.admin.server
    assert server is not None

    def work() -> tuple[str, int]:
        with Terminal(desk) as terminal:
            terminal.until("lyncpy> ")
            reactor.callFromThread(idle)  # type: ignore[attr-defined]  # as above
            return terminal.until("the shell is closed"), terminal.ended()

    def idle() -> None:
        (transport,) = server.transports
        connection = transport.service
        assert isinstance(connection, Connection)
        connection.input_at -= desk.settings.idle_s
        transport.check_idle()

    said, status = await deferToThread(work)
    assert "[admin] idle_s" in said
    assert status == 0


async def test_closing_lets_a_command_end_and_says_goodbye(open_desk: Opened) -> None:
    """A server that stops tells who sits at a prompt, and answers what is under way."""
    desk = await open_desk()

    def work() -> tuple[str, Said]:
        with Terminal(desk) as terminal:
            terminal.until("lyncpy> ")
            reactor.callFromThread(stop)  # type: ignore[attr-defined]  # as above
            said = desk.run("slow")
            return terminal.until("The server ends."), said

    closing: list[Deferred[None]] = []

    def stop() -> None:
        reactor.callLater(1.0, lambda: closing.append(Deferred.fromCoroutine(desk.admin.close())))
        reactor.callLater(1.5, desk.weather.slow.callback, None)

    _, said = await deferToThread(work)
    assert (said.status, said.out) == (0, "at last\n")
    await closing[0]


async def test_the_host_keys_are_made_once_and_kept_secret(open_desk: Opened, tmp_path: Path) -> None:
    """A client that knows the server's key finds it again after a restart; a key that others may read is refused."""
    files = [tmp_path / f"ssh_host_{kind}_key" for kind in ("ed25519", "rsa")]
    for file in files:
        file.unlink()
    desk = await open_desk()
    assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600, 0o600]
    assert (await deferToThread(desk.run, "who")).status == 0
    await desk.admin.close()
    await desk.admin.open()
    assert (await deferToThread(desk.run, "who")).status == 0
    await desk.admin.close()
    files[0].chmod(0o644)
    with pytest.raises(HostKeysUnusable, match=r"others may read .*ssh_host_ed25519_key .*chmod 600"):
        await desk.admin.open()


async def test_a_port_in_use_is_told_in_words(open_desk: Opened, tmp_path: Path) -> None:
    """The setting and what to do about it are named."""
    desk = await open_desk()
    other = Desk(tmp_path, port=desk.settings.port)
    with pytest.raises(CannotListen, match=r"\[admin\] port: .* another program uses it"):
        await other.admin.open()


async def _reloads() -> list[str]:
    """Say what a reload has done."""
    return ["the certificate is new"]
