"""What the archive acknowledged survives `kill -9` at any moment, and the chain is whole after each.

A child process keeps entries as fast as it can and says each one that is acknowledged; it is
killed in the middle, again and again, on the same database.
"""

import itertools
import os
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import Clock

from lyncpy.backends.sql.ledger import SqlLedger
from lyncpy.core.timers import Timers
from lyncpy.workloads.archive.auditor import Auditor
from lyncpy.workloads.archive.gaps import Gaps
from lyncpy.workloads.archive.keeper import Keeper
from lyncpy.workloads.archive.settings import Settings
from tests.interop.test_store_kill import write_until_killed
from tests.kit.archive import MemoryGapFile, PlainStamps
from tests.kit.cellars import database_in
from tests.kit.meters import MemoryMeter
from tests.kit.soak import many
from tests.kit.threads import ThreadPump
from tests.kit.vault import NOON, FixedPolicies, said

pytestmark = [pytest.mark.interop, pytest.mark.libraries]

ROUNDS = many(8)


@contextmanager
def opened(home: Path) -> Iterator[tuple[ThreadPump, SqlLedger, Keeper]]:
    """Open the archive of a folder."""
    pump = ThreadPump()
    database = database_in(home, pump)
    pump.run(database.open())
    ledger, timers = SqlLedger(database), Timers(Clock(), lambda: NOON)
    keeper = Keeper(
        ledger,
        PlainStamps(),
        FixedPolicies(),
        MemoryMeter(),
        Settings(critical=True, gather_ms=0),
        timers,
        gaps=Gaps(MemoryGapFile(), timers, MemoryMeter(), answer_s=10.0),
        close_s=10.0,
    )
    pump.run(keeper.open())
    try:
        yield pump, ledger, keeper
    finally:
        pump.run(database.close())


def test_everything_archived_is_there_and_verifies_after_kill_9(tmp_path: Path) -> None:
    """The chain goes on where it was cut: no entry that was answered is lost, none is broken, none is double."""
    chance = random.Random(seed := random.randrange(2**32))
    print("seed", seed)
    acknowledged: set[str] = set()
    for number in range(ROUNDS):
        acknowledged |= write_until_killed(tmp_path, number, after=chance.randrange(1, 300), write=keep_for_ever)
        with opened(tmp_path) as (pump, ledger, _):
            verdict = pump.run(Auditor(ledger, PlainStamps()).verify())
        assert verdict.broken is None, verdict
        with closing(sqlite3.connect(tmp_path / "lyncpy.db")) as connection:
            bodies = [bytes(body).decode() for (body,) in connection.execute("select body from archive")]
        assert len(bodies) == len(set(bodies)) == verdict.checked
        assert acknowledged <= set(bodies), f"round {number}: {len(acknowledged - set(bodies))} are lost"
    assert len(acknowledged) > ROUNDS


def keep_for_ever(home: str, number: str) -> None:
    """Keep in groups of all sizes; say each entry when it is acknowledged (in the child)."""
    with opened(Path(home)) as (pump, _, keeper):
        for turn in itertools.count():
            calls: list[Deferred[int]] = []
            for n in range(1 + turn % 40):
                name = f"{number}/{turn}/{n}"
                kept = Deferred.fromCoroutine(keeper.archive(said(name, conversation=f"c{n % 3}")))
                calls.append(kept.addCallback(said_aloud, name))
            pump.run(gatherResults(calls))


def said_aloud(_: None, name: str) -> int:
    """Say an entry, in one system call: what was not said whole was not acknowledged."""
    return os.write(1, f"{name}\n".encode())
