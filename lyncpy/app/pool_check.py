"""What several servers of one deployment need beyond each other's settings: room at PostgreSQL, processors, clocks that agree."""

import datetime
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress

from sqlalchemy import inspect
from sqlalchemy.engine import Connection

from lyncpy.app.config import Config
from lyncpy.backends.sql.database import place_of
from lyncpy.backends.sql.examination import CONNECTIONS
from lyncpy.contracts.finding import Finding
from lyncpy.contracts.refusal import StoreUnavailable

CLOCKS_S = 5.0
"""Seconds by which the clocks of a machine and of PostgreSQL's may differ: times in records come from both."""

_ROOM = """
SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,
    (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()),
    extract(epoch FROM clock_timestamp())::float8
"""
_NODES = "SELECT name, place FROM nodes WHERE ended IS NULL ORDER BY epoch"


def deployment_findings(config: Config, now: datetime.datetime, processors: int | None = None) -> Iterator[Finding]:
    """Look at what several servers need; nothing where there is to be one.

    Args:
        config: The settings.
        now: What the clock says.
        processors: Of this machine; None: as the system says.
    """
    count = config.sections.pool.processes
    if config.sections.store.is_sqlite or config.sections.bus.is_memory:
        return
    if count > 1:
        yield _processors(count, processors or len(os.sched_getaffinity(0)))
    # What is wrong with the database is said where that is looked at.
    with suppress(StoreUnavailable):
        yield from place_of(config.sections.store, config.home).read(lambda one: _asked(one, count, now.timestamp()))


def _processors(count: int, processors: int) -> Finding:
    if count <= processors:
        return Finding(good=True, sentence=f"[pool] processes: {count} servers on {processors} processors")
    sentence = f"[pool] processes: {count} servers on {processors} processors take turns: {processors} are enough"
    return Finding(good=False, sentence=sentence)


def _asked(connection: Connection, count: int, now_s: float) -> Sequence[Finding]:
    most, used, theirs = connection.exec_driver_sql(_ROOM).one()
    found = [room(most, used, count), clocks(now_s - theirs)]
    if inspect(connection).has_table("nodes"):
        found += [
            Finding(good=True, sentence=f"[pool]: node {name} is at {place}")
            for name, place in connection.exec_driver_sql(_NODES)
        ]
    return found


def room(most: int, used: int, count: int) -> Finding:
    """Tell whether PostgreSQL has room for the connections of all processes of this machine.

    Args:
        most: Connections that it takes.
        used: Those that are there, perhaps of this very server.
        count: Processes.
    """
    wanted = CONNECTIONS * count
    if wanted > most:
        sentence = f"max_connections leaves {most}, and {count} processes need {wanted}: have it raised"
        return Finding(good=False, sentence=f"[store] url: {sentence}")
    sentence = f"[store] url: max_connections leaves {most}; {used} are there, and {count} processes need {wanted}"
    return Finding(good=True, sentence=sentence)


def clocks(ahead_s: float) -> Finding:
    """Tell whether the clocks of this machine and of PostgreSQL's agree."""
    if abs(ahead_s) <= CLOCKS_S:
        return Finding(good=True, sentence="[store] url: its clock and this machine's agree")
    way = "ahead of" if ahead_s > 0 else "behind"
    sentence = (
        f"[store] url: this machine's clock is {abs(ahead_s):.0f} s {way} PostgreSQL's: have both follow one (NTP)"
    )
    return Finding(good=False, sentence=sentence)
