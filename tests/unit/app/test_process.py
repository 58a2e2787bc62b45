"""What a parent hands down to its processes, and what they say to each other."""

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from lyncpy.app.config import Config, ConfigError, check
from lyncpy.app.parent import Children, ParentService, commands
from lyncpy.app.pool_settings import own_file
from lyncpy.app.process import (
    FIRST_PORT,
    HEARD,
    LINE_BYTES,
    VARIABLE,
    HandedDown,
    handed_down,
    line,
    split,
    told_processes,
    written,
)
from lyncpy.app.supervision import Supervision
from lyncpy.contracts.listening import ListeningPlace
from lyncpy.core.timers import Timers
from tests.kit.ports import free_ports

ENGINES = {"store": {"url": "postgresql://lyncpy@127.0.0.1/lyncpy"}, "bus": {"url": "nats://127.0.0.1"}}


def config(processes: int, **sections: Mapping[str, object]) -> Config:
    """Give the settings of so many processes."""
    document = {"sip": {"domain": "example.test"}, "pool": {"processes": processes}, **sections}
    return check(Path("/home/lyncpy.toml"), document)


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ((), ""),
        (("store",), r'set [store] url = "postgresql://…", or leave it at 1'),
        (("bus",), r'set [bus] url = "nats://…", or leave it at 1'),
        (("store", "bus"), r'set [store] url = "postgresql://…" and [bus] url = "nats://…"'),
    ],
)
def test_several_need_both_engines(missing: tuple[str, ...], words: str) -> None:
    """What is missing is named, with what to set; one process needs neither."""
    sections = {name: table for name, table in ENGINES.items() if name not in missing}
    config(1, **sections)
    try:
        config(4, **sections)
    except ConfigError as error:
        assert words
        assert "[pool] processes: 4 processes need a PostgreSQL database and NATS" in str(error)
        assert words in str(error)
    else:
        assert not words


def test_files_of_one_writer_are_each_processs_own() -> None:
    """But for the gap file of the first, which is that of a server with one process."""
    found = commands(config(2, **ENGINES, log={"json_file": "log/all.json"}), ["im.message_s=5"], {"nodaemon": True})
    assert [one[:2] for one in found.values()] == [["--nodaemon", "--pidfile="]] * 2
    sets = [[one[at + 1] for at, word in enumerate(one) if word == "--set"] for one in found.values()]
    assert sets == [
        ["im.message_s=5", "log.json_file=log/all.1.json"],
        [
            "im.message_s=5",
            "archive.gap_file=archive.2.gap",
            "admin.socket=ctl.2.socket",
            "tracing.folder=traces.2",
            "log.json_file=log/all.2.json",
        ],
    ]
    assert own_file("/var/lib/x.y/gap", 3) == "/var/lib/x.y/gap.3"


@pytest.mark.parametrize(
    ("twistd", "words"),
    [
        ({"nodaemon": True}, []),
        ({"nodaemon": True, "logfile": "-"}, []),
        ({"nodaemon": False}, ["--logfile=twistd.2.log"]),
        ({"nodaemon": True, "logfile": "/var/log/lyncpy.log"}, ["--logfile=/var/log/lyncpy.2.log"]),
        ({"nodaemon": False, "syslog": True, "prefix": "lyncpy"}, ["--syslog", "--prefix=lyncpy-2"]),
        ({"nodaemon": True, "logger": "my.observer"}, ["--logger=my.observer"]),
    ],
)
def test_logs_go_where_the_parents_goes(twistd: dict[str, Any], words: list[str]) -> None:
    """A file that is renamed when it is long has one writer."""
    given = commands(config(2, **ENGINES), [], twistd)[2]
    assert given[2 : given.index("lyncpy")] == words


def test_what_is_handed_down_arrives() -> None:
    """By the environment; who has no such variable has no parent of ours."""
    given = HandedDown(2, 4, {"[sip] tls_port": 5})
    assert handed_down({VARIABLE: written(given)}) == given
    assert handed_down({}) is None


def test_lines_are_read_as_they_come() -> None:
    """In pieces, several at once; what is no object is passed over, and what has no end is not kept for ever."""
    first, rest = split(line(node="n1") + b"[1]\nnonsense\n" + line(ready=True)[:5])
    assert (first, rest) == ([{"node": "n1"}], line(ready=True)[:5])
    assert split(rest + line(ready=True)[5:]) == ([{"ready": True}], b"")
    assert split(b"x" * (LINE_BYTES + 1)) == ([], b"")


class FakeTransport:
    """A process of the fake reactor."""

    def __init__(self, reactor: "FakeReactor", pid: int, protocol: Any) -> None:
        self.pipes = {HEARD: None}
        self.pid = pid
        self.heard: list[dict[str, Any]] = []
        self.killed = False
        self._protocol = protocol
        reactor.started.append(self)

    def writeToChild(self, number: int, data: bytes) -> None:
        """Hear what the parent says."""
        assert number == HEARD
        self.heard += split(data)[0]

    def signalProcess(self, name: str) -> None:
        """Be killed."""
        assert name == "KILL"
        self.killed = True

    def says(self, **told: object) -> None:
        """Say something."""
        self._protocol.childDataReceived(4, line(**told))

    def ends(self, status: int = 0, number: int | None = None) -> None:
        """End."""
        reason = ProcessTerminated(status or None, number) if status or number else ProcessDone(0)
        self._protocol.processEnded(Failure(reason))

    def words(self) -> list[str]:
        """Give what the parent wanted."""
        return [one["do"] for one in self.heard if "do" in one]


class FakeReactor(Clock):
    """Starts processes that do what the test says."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[FakeTransport] = []
        self.given: list[tuple[list[str], dict[str, str], dict[int, int | str]]] = []

    def spawnProcess(self, protocol: Any, executable: str, args: list[str], env: dict[str, str], childFDs: Any) -> Any:
        """Start one."""
        self.given.append((args, env, childFDs))
        protocol.transport = FakeTransport(self, 100 + len(self.started), protocol)
        return protocol.transport


class Family:
    """A parent of three processes."""

    def __init__(self) -> None:
        self.reactor = FakeReactor()
        self.said: list[object] = []
        started_with = {number: [f"--process{number}"] for number in (1, 2, 3)}
        self.children = Children(
            Supervision(3, 60.0),
            Timers(self.reactor, self.reactor.seconds),
            started_with,
            self.reactor,
            lambda: self.said.append("ready"),
            self.said.append,
        )

    @property
    def started(self) -> list[FakeTransport]:
        """Give all processes that were ever started."""
        return self.reactor.started

    def begin(self) -> None:
        """Start them all."""
        self.children.begin({})
        for number in range(3):
            self.started[number].says(node=f"n{number}")
            self.started[number].says(ready=True)


def test_each_is_given_the_ports(capsys: pytest.CaptureFixture[str]) -> None:
    """The files of the listening sockets, and which is which."""
    family = Family()
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        family.children.begin({"[sip] tls_port": one, "[admin] port": other})
        args, environment, files = family.reactor.given[0]
        assert args[-1] == "--process1"
        assert handed_down(environment) == HandedDown(
            1, 3, {"[sip] tls_port": FIRST_PORT, "[admin] port": FIRST_PORT + 1}
        )
        assert [files[FIRST_PORT], files[FIRST_PORT + 1]] == [one.fileno(), other.fileno()]


def test_all_are_told_how_all_are() -> None:
    """When one has gone and when it is back; and ready is said once."""
    family = Family()
    family.begin()
    assert family.said == ["ready"]
    family.started[1].ends(number=9)
    assert len(family.started) == 4
    told = family.started[0].heard[-1]["processes"]
    assert [(one["number"], one["state"], one["node"]) for one in told] == [
        (1, "runs", "n0"),
        (2, "is starting", ""),
        (3, "runs", "n2"),
    ]
    assert "signal 9 (SIGKILL)" in told[1]["trouble"]


def test_one_that_dies_again_and_again_waits() -> None:
    """And is started when its time has come."""
    family = Family()
    family.begin()
    family.started[1].ends(status=1)
    family.started[3].says(failed="the disk is full")
    family.started[3].ends(status=1)
    assert len(family.started) == 4
    assert family.started[0].heard[-1]["processes"][1]["trouble"] == "ended with status 1: the disk is full"
    family.reactor.advance(1.0)
    assert len(family.started) == 5


def test_a_reload_and_an_end_reach_all() -> None:
    """A second end is impatient; the last who goes ends all."""
    family = Family()
    family.begin()
    family.children.reload()
    family.children.shut_down()
    family.started[0].ends()
    family.children.shut_down()
    assert [one.words() for one in family.started] == [
        ["reload", "end"],
        ["reload", "end", "hasten"],
        ["reload", "end", "hasten"],
    ]
    family.started[1].ends()
    family.reactor.advance(60.0)
    assert family.started[2].killed
    family.started[2].ends(number=9)
    assert family.said == ["ready", 1]


def test_an_operator_of_any_process_ends_all() -> None:
    """`shutdown` at one of them."""
    family = Family()
    family.begin()
    family.started[2].says(end=True)
    family.started[1].says(end=True)
    assert [one.words() for one in family.started] == [["end"]] * 3


def test_the_parent_opens_the_ports_before_it_starts_anybody(capsys: pytest.CaptureFixture[str]) -> None:
    """With the rights that it was started with; a port that is taken keeps it from starting, in a sentence."""
    family = Family()
    (number,) = free_ports(1)
    place = ListeningPlace("sip", "tcp_port", "tcp_host", "127.0.0.1", number)
    service = ParentService([place], family.children, lambda: None)
    service.privilegedStartService()
    assert not family.started
    with socket.create_connection(("127.0.0.1", number)):
        pass
    with pytest.raises(SystemExit):
        ParentService([place], family.children, lambda: None).privilegedStartService()
    assert (
        f"[sip] tcp_port: port {number} on 127.0.0.1 cannot be opened: another program uses it"
        in capsys.readouterr().err
    )
    service.startService()
    ended = service.stopService()
    family.started[0].ends()
    service.over()
    assert ended.called


def test_the_longest_news_of_processes_fits() -> None:
    """Of as many as there may be, each with the longest trouble."""
    supervision = Supervision(64, 1.0)
    for number in range(1, 65):
        supervision.failed(number, "ü" * 10_000)
        supervision.ready(1, 0.0)
        supervision.died(number, 0.0, 1, None)
    assert len(told_processes(supervision.facts())) < LINE_BYTES
