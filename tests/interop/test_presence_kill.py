"""Presence after `kill -9`: what was answered is there, everybody sees what his level shows, and nobody ever more.

Three people publish notes for their levels and move one another between these, as fast as
they are answered, while five watch. Dave stays where colleagues are; Erin is blocked by all.
"""

import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest
from lxml import etree

from lyncpy.contracts.names import Aor, aor_of, bare
from lyncpy.sip.body import read_multipart
from lyncpy.sip.message import Request, Response
from lyncpy.workloads.presence.model.audience import audience, visible
from lyncpy.workloads.presence.model.board import Board
from lyncpy.workloads.presence.model.tables import (
    BLOCKED,
    Container,
    ContainerMember,
    Expire,
    Instance,
    InstanceKey,
    MemberKind,
)
from tests.kit import wishes
from tests.kit.caller import Caller, Gone, Line, Silence
from tests.kit.hostile import PATIENT, assert_calm, time_limit
from tests.kit.server import RunningServer
from tests.kit.soak import TIMES, many

pytestmark = pytest.mark.interop

ROUNDS: Final = many(8)
WRITERS: Final = ("alice", "bob", "carol")
WATCHERS: Final = (*WRITERS, "dave", "erin")
LEVELS: Final = (200, 300, 400, 32000)
CATEGORIES_TYPE: Final = "application/msrtc-event-categories+xml"
UNLIMITED: Final = {"presence__publications_per_minute": 1_000_000, "presence__publications_burst": 1_000_000}
"""Else what is published this fast is told seconds later."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    """Give a server that is killed and started again."""
    running = RunningServer(tmp_path / "home", **PATIENT, **UNLIMITED).init()
    try:
        yield running.start()
    finally:
        running.close()


@dataclass
class Said:
    """What somebody was told is kept: container → (version, note) and container → (version, members)."""

    notes: dict[int, tuple[int, str]] = field(default_factory=dict)
    lists: dict[int, tuple[int, frozenset[str]]] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict, compare=False)
    """What those see who are blocked: the note of the moment at which they were, by address."""

    def copy(self) -> "Said":
        """Give another of the same."""
        return Said(dict(self.notes), dict(self.lists), dict(self.left))

    def note_seen_by(self, owner: Aor, watcher: Aor) -> str:
        """Give the note that the rules show a watcher."""
        if bare(watcher) in self.lists.get(BLOCKED, (0, frozenset()))[1]:
            return self.left.get(bare(watcher), "")
        instances = {}
        for container, (version, text) in self.notes.items():
            key = InstanceKey("note", 0, container)
            instances[key] = Instance(key, version, Expire.STATIC, text, 0.0)
        lists = {
            id_: Container(version, frozenset(ContainerMember(MemberKind.USER, one) for one in members))
            for id_, (version, members) in self.lists.items()
        }
        board = Board(owner, instances=instances, containers=lists)
        return "".join(str(one.value) for one in visible(board, audience(board, watcher), "note"))


class Writer:
    """One person who publishes and moves others, and what he was told."""

    def __init__(self, server: RunningServer, name: str, chance: random.Random) -> None:
        self.name = name
        self.address = server.accounts[name].address
        self.password = server.accounts[name].password
        self.said = Said()
        self.doubtful: Said | None = None
        """What would be true as well, if the write that was under way when the server died came through."""

        self.answers = 0
        self._number = 0
        self._chance = chance
        self._others = [server.accounts[one].address for one in WRITERS if one != name]

    def blocks(self, server: RunningServer, address: str) -> None:
        """Block somebody before anything is said."""
        with Line(server.tcp_port) as line:
            caller = Caller(line, self.address, self.password).sign_in()
            self._asks(caller, *self._placing(caller, address, 32000))

    def write(self, server: RunningServer, stop: threading.Event) -> None:
        """Write until the connection dies, or until it is enough."""
        try:
            with Line(server.tcp_port) as line:
                caller = Caller(line, self.address, self.password).sign_in()
                while not stop.is_set():
                    self._number += 1
                    if self._number % 3:
                        self._asks(caller, *self._noting(caller, self._chance.choice(LEVELS[:3])))
                    else:
                        where = self._chance.choice(LEVELS)
                        self._asks(caller, *self._placing(caller, self._chance.choice(self._others), where))
        except (Gone, Silence):
            return

    def _noting(self, caller: Caller, container: int) -> tuple[Request, Said]:
        version = self.said.notes.get(container, (0, ""))[0]
        text = f"{self.name} for {container}, {self._number}"
        after = self.said.copy()
        after.notes[container] = (version + 1, text)
        return wishes.note(caller, text, version, container=container), after

    def _placing(self, caller: Caller, address: str, container: int) -> tuple[Request, Said]:
        after = self.said.copy()
        if container != BLOCKED:
            after.left.pop(address, None)
        elif address not in after.lists.get(BLOCKED, (0, frozenset()))[1]:
            after.left[address] = self.said.note_seen_by(aor_of(self.address), aor_of(address))
        rows = ""
        for id_ in LEVELS:
            version, members = after.lists.get(id_, (0, frozenset()))
            wanted = members | {address} if id_ == container else members - {address}
            if wanted != members:
                after.lists[id_] = (version + 1, wanted)
                action = "add" if id_ == container else "remove"
                rows += (
                    f'<container id="{id_}" version="{version}">'
                    f'<member action="{action}" type="user" value="{address}"/></container>'
                )
        body = f'<setContainerMembers xmlns="http://schemas.microsoft.com/2006/09/sip/container-management">{rows}</setContainerMembers>'
        return caller.request("SERVICE", content_type=wishes.MEMBERS, body=body.encode()), after

    def _asks(self, caller: Caller, request: Request, after: Said) -> None:
        self.doubtful = after
        answer = caller.ask(request)
        assert answer.status == 200, (self.name, answer)
        self.said, self.doubtful = after, None
        self.answers += 1

    def check(self, server: RunningServer) -> None:
        """See after a restart that all is there, and take up what came of the write in doubt."""
        with Line(server.tcp_port) as line:
            caller = Caller(line, self.address, self.password).sign_in()
            board = etree.fromstring(caller.ask(wishes.roaming_self(caller)).body)
        found = Said()
        for one in board.iter("{*}category"):
            if one.get("name") == "note" and one.get("container"):
                found.notes[int(str(one.get("container")))] = (
                    int(str(one.get("version"))),
                    "".join(map(str, one.itertext())),
                )
        for one in board.iter("{*}container"):
            members = frozenset(str(member.get("value")) for member in one)
            if one.get("version") != "0":
                found.lists[int(str(one.get("id")))] = (int(str(one.get("version"))), members)
        assert found in (self.said, self.doubtful), (self.name, found, self.said, self.doubtful)
        found.left = self.said.left if found == self.said or self.doubtful is None else self.doubtful.left
        self.said, self.doubtful = found, None


class Watcher:
    """One device that watches all who write, and the notes that it has heard last."""

    def __init__(self, server: RunningServer, name: str) -> None:
        self.name = name
        self.address, self.password = server.accounts[name].address, server.accounts[name].password
        self.aor = aor_of(self.address)
        self.last: dict[Aor, str] = {}
        self.heard = 0
        self.error: BaseException | None = None

    def watch(self, server: RunningServer, ready: threading.Barrier, enough: threading.Event) -> None:
        """Watch until the connection dies, or until it is enough and all is quiet."""
        self.last = {}
        try:
            with Line(server.tcp_port) as line:
                caller = Caller(line, self.address, self.password).sign_in()
                answer = caller.ask(wishes.watch(caller, *(server.accounts[one].address for one in WRITERS)))
                self._take(answer)
                ready.wait(20)
                self._listen(caller, enough)
        except Gone:
            return
        except BaseException as error:  # told by the thread that waits for this one
            self.error = error

    def _listen(self, caller: Caller, enough: threading.Event) -> None:
        while True:
            try:
                message = caller.hear(0.5)
            except Silence:
                if enough.is_set():
                    return
                continue
            if isinstance(message, Request):
                self._take(message)

    def _take(self, message: Request | Response) -> None:
        content_type = message.headers.get("Content-Type") or ""
        bodies = [message.body]
        if content_type.startswith("multipart/"):
            parts = read_multipart(message.body, content_type)
            bodies = [part.body for part in parts if part.content_type == CATEGORIES_TYPE]
        for body in bodies:
            document = etree.fromstring(body)
            notes = [one for one in document if one.get("name") == "note"]
            if notes:
                text = "".join("".join(map(str, one.itertext())) for one in notes)
                assert self.name != "erin" or not text, text
                assert self.name != "dave" or not text or " for 200, " in text, text
                self.last[aor_of(str(document.get("uri")))] = text
                self.heard += 1

    def check(self, writers: list[Writer]) -> None:
        """Insist that it has heard last what the levels of all who write show it."""
        assert self.error is None, self.error
        for writer in writers:
            if writer.name != self.name:
                owner = aor_of(writer.address)
                assert self.last[owner] == writer.said.note_seen_by(owner, self.aor), (self.name, writer.name)


def test_everybody_sees_what_his_level_shows_after_kill_9(server: RunningServer) -> None:
    """The server dies at random moments; afterwards what got a 200 is there, and is seen by whom it is for."""
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    writers = [Writer(server, name, random.Random(chance.random())) for name in WRITERS]
    watchers = [Watcher(server, name) for name in WATCHERS]
    for writer in writers:
        writer.blocks(server, server.accounts["erin"].address)
    with time_limit(120 * TIMES):
        for number in range(ROUNDS):
            is_last = number == ROUNDS - 1
            ready, stop, enough = threading.Barrier(len(watchers) + 1), threading.Event(), threading.Event()
            looking = [
                threading.Thread(target=watcher.watch, args=(server, ready, enough), daemon=True)
                for watcher in watchers
            ]
            writing = [threading.Thread(target=writer.write, args=(server, stop), daemon=True) for writer in writers]
            for thread in looking:
                thread.start()
            ready.wait(20)
            for watcher in watchers:
                watcher.check(writers)
            for thread in writing:
                thread.start()
            threading.Event().wait(chance.uniform(0.2, 1.2))
            if not is_last:
                server.kill()
            stop.set()
            for thread in writing:
                thread.join(15)
            enough.set()
            for thread in looking:
                thread.join(15)
            assert not any(thread.is_alive() for thread in (*writing, *looking))
            if is_last:
                for watcher in watchers:
                    watcher.check(writers)
                break
            server.start()
            for writer in writers:
                writer.check(server)
        print("answered", sum(one.answers for one in writers), "heard", sum(one.heard for one in watchers))
        assert all(writer.answers > 10 * ROUNDS for writer in writers)
        assert all(watcher.error is None for watcher in watchers)
        server.stop()
    assert_calm(server)
