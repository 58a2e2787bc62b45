"""What was acknowledged survives `kill -9` at any moment.

A child process writes as fast as it can and says each acknowledged write on its standard
output; it is killed in the middle, again and again, on the same database.
"""

import itertools
import os
import random
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import pytest
from twisted.internet.defer import Deferred, gatherResults

from lyncpy.backends.sql.records import SqlRecords
from lyncpy.backends.sql.store import SqlStore
from lyncpy.contracts.names import Version
from lyncpy.contracts.records import SessionRecord
from tests.kit.cellars import database_in
from tests.kit.forks import Forked
from tests.kit.hostile import time_limit
from tests.kit.soak import many
from tests.kit.threads import ThreadPump

T = TypeVar("T")

pytestmark = [pytest.mark.interop, pytest.mark.libraries]

ROUNDS = many(12)
ROOT = Path(__file__).parents[2]


def test_everything_acknowledged_is_there_after_kill_9(tmp_path: Path) -> None:
    """Records, removals, sessions and journal lines: whatever was answered is found, and the file is sound."""
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    acknowledged: set[str] = set()
    for number in range(ROUNDS):
        acknowledged |= write_until_killed(tmp_path, number, after=chance.randrange(1, 400))
        missing = acknowledged - found(tmp_path)
        assert not missing, f"round {number}: {len(missing)} of {len(acknowledged)} are lost"
    assert len(acknowledged) > ROUNDS


def write_until_killed(
    home: Path, number: int, *, after: int, write: Callable[[str, str], object] | None = None
) -> set[str]:
    """Start a child that writes, kill it once it has said `after` lines, and give all whole lines it said."""
    pipe = home / f"said-{number}"
    os.mkfifo(pipe)
    child = Forked(write or write_for_ever, str(home), str(number), out=pipe)
    with time_limit(60), pipe.open("rb") as said:
        lines = list(itertools.islice(said, after))
        child.kill()
        lines += said.readlines()
    child.wait(10)
    assert len(lines) >= after, "the child ended by itself"
    return {line.decode().strip() for line in lines if line.endswith(b"\n")}


def found(home: Path) -> set[str]:
    """Give what the database holds, in the child's words, after the next start has opened it."""
    pump = ThreadPump()
    database = database_in(home, pump)
    pump.run(database.open())
    pump.run(database.close())
    with closing(sqlite3.connect(home / "lyncpy.db")) as connection:
        ask: Callable[[str], sqlite3.Cursor] = connection.execute
        assert ask("pragma integrity_check").fetchall() == [("ok",)]
        words = {
            f"record {key} {version}"
            for key, version in ask("select key, version from records where cast(value as text) = key")
        }
        words |= {f"removed {key}" for (key,) in ask("select key from records where value is null")}
        words |= {f"session {key}" for (key,) in ask("select session_id from sessions")}
        words |= {f"line {bytes(entry).decode()}" for (entry,) in ask("select entry from journals")}
    return words


def write_for_ever(home: str, number: str) -> None:
    """Write in groups of all sizes; say each write when it is acknowledged (in the child)."""
    pump = ThreadPump()
    database = database_in(Path(home), pump)
    pump.run(database.open())
    store, records = SqlStore(database, time.time), SqlRecords(database)

    def said(call: Deferred[T], word: str) -> Deferred[int]:
        # One system call a line: what was not said whole was not acknowledged.
        return call.addCallback(lambda _: os.write(1, f"{word}\n".encode()))

    for turn in itertools.count():
        calls: list[Deferred[int]] = []
        for n in range(1 + turn % 9):
            name = f"{number}/{turn}/{n}"
            calls.append(said(store.write("kept", name, name.encode(), Version(0)), f"record {name} 1"))
            _ = store.write("gone", "-" + name, b"x", Version(0))
            calls.append(said(store.remove("gone", "-" + name, Version(1)), f"removed -{name}"))
            session = SessionRecord(name, "", "", "", "", "", "", "", "", "", "", "im", time.time())
            calls.append(said(records.upsert([session]), f"session {name}"))
            calls.append(said(store.append("calls", name.encode(), time.time()), f"line {name}"))
        pump.run(gatherResults(calls))
