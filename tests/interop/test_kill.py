"""What a client was told is kept, is there after `kill -9`: the whole server, real clients, real sockets.

Four people write as fast as they are answered, each one request at a time, so that at most
one of each is in doubt when the server dies. After each restart everything that got a 200
has to be there, and nothing may be older than the client was told.
"""

import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import etree

from tests.kit import wishes
from tests.kit.caller import Caller, Gone, Line, Silence
from tests.kit.hostile import PATIENT, assert_calm, time_limit
from tests.kit.server import RunningServer
from tests.kit.soak import TIMES, many

pytestmark = pytest.mark.interop

ROUNDS = many(12)
PEOPLE = ("alice", "bob", "carol", "dave")
CONTACTS = 200
"""Each person's contacts are named anew in turn, so that a list stays of one size."""

GROUP = 2
"""The number that the first group of a user gets."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    """Give a server that is killed and started again."""
    running = RunningServer(tmp_path / "home", **PATIENT).init()
    try:
        yield running.start()
    finally:
        running.close()


class Writer:
    """One person who writes, and what he has been told."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.said: dict[str, int] = {}
        """What was kept by its name, and the number of the write that was answered last."""
        self.doubtful: dict[str, int] = {}
        """The write that was under way when the server died."""
        self.deltas = 0
        self.note_version = 0
        self._number = 0

    def write(self, server: RunningServer) -> None:
        """Write until the connection dies."""
        account = server.accounts[self.name]
        try:
            with Line(server.tcp_port) as line:
                caller = Caller(line, account.address, account.password).sign_in()
                while True:
                    self._write_one(caller)
        except (Gone, Silence):
            return

    def _write_one(self, caller: Caller) -> None:
        self._number += 1
        number = self._number
        match number % 4:
            case 0:
                what, request = "note", wishes.note(caller, str(number), self.note_version)
            case 1 if "group" in self.said:
                words = f"<m:groupID>{GROUP}</m:groupID><m:name>{number}</m:name><m:externalURI/>"
                what, request = "group", wishes.soap(caller, "modifyGroup", words)
            case 1:
                what, request = "group", wishes.add_group(caller, str(number))
            case _:
                what = f"c{number % CONTACTS}@example.test"
                request = wishes.set_contact(caller, what, str(number))
        self.doubtful = {what: number}
        answer = caller.ask(request)
        assert answer.status == 200, (self.name, what, answer)
        self.doubtful = {}
        self.said[what] = number
        if what == "note":
            self.note_version += 1
        else:
            self.deltas += 1

    def check(self, server: RunningServer) -> None:
        """See after a restart that all is there, and take up what came of the write in doubt."""
        account = server.accounts[self.name]
        with Line(server.tcp_port) as line:
            caller = Caller(line, account.address, account.password).sign_in()
            contacts = etree.fromstring(caller.ask(wishes.contacts(caller)).body)
            board = etree.fromstring(caller.ask(wishes.roaming_self(caller)).body)
        found = {str(one.get("uri")): int(str(one.get("name"))) for one in contacts.iter("{*}contact")}
        for group in contacts.iter("{*}group"):
            if group.get("id") == str(GROUP):
                found["group"] = int(str(group.get("name")))
        notes = [
            one for one in board.iter("{*}category") if one.get("name") == "note" and one.get("container") == "200"
        ]
        assert len(notes) <= 1
        for note in notes:
            found["note"] = int("".join(map(str, note.itertext())))

        expected = self.said | {what: number for what, number in self.doubtful.items() if found.get(what) == number}
        assert found == expected, (self.name, self.doubtful)
        happened = int(bool(self.doubtful) and expected != self.said)
        if "note" not in self.doubtful:
            self.deltas += happened
        assert int(str(contacts.get("deltaNum"))) == self.deltas + 1
        if "note" in self.doubtful:
            self.note_version += happened
        assert [int(str(note.get("version"))) for note in notes] == ([self.note_version] if notes else [])
        self.said, self.doubtful = expected, {}


def test_what_was_answered_survives_kill_9(server: RunningServer) -> None:
    """Contacts, groups and notes, with their numbers: the last answer of each is what is found."""
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    writers = [Writer(name) for name in PEOPLE]
    with time_limit(90 * TIMES):
        for _ in range(ROUNDS):
            threads = [threading.Thread(target=writer.write, args=(server,), daemon=True) for writer in writers]
            for thread in threads:
                thread.start()
            threading.Event().wait(chance.uniform(0.1, 1.2))
            server.kill()
            for thread in threads:
                thread.join(15)
                assert not thread.is_alive()
            server.start()
            assert server.sql("PRAGMA integrity_check") == [{"integrity_check": "ok"}]
            for writer in writers:
                writer.check(server)
        print("answered", sum(writer.deltas + writer.note_version for writer in writers))
        assert all(writer.deltas > ROUNDS for writer in writers)
        server.stop()
    assert_calm(server)
