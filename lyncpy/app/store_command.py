"""`lyncpy store`: the data moved from one database to another."""

import argparse
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

from lyncpy.app.config import load
from lyncpy.app.database_lock import with_databases
from lyncpy.backends.sql.copying import copy_database
from lyncpy.backends.sql.database import Place, place_of

PROGRESS_ROWS = 50_000
"""Rows of a table between two lines that say how far it is."""


def declare(words: Any) -> None:  # Any: argparse has no public name for it
    """Add the command to those of `lyncpy`."""
    store = words.add_parser("store", help="where the data are").add_subparsers(required=True, metavar="WHAT")
    copy = store.add_parser(
        "copy", help="copy all data into an empty database and compare them; no server may work with either"
    )
    copy.add_argument("source", type=Path, metavar="FROM", help="the settings whose [store] says where the data are")
    copy.add_argument("target", type=Path, metavar="TO", help="the settings whose [store] says where they shall be")
    copy.set_defaults(run=_copy)


def _copy(options: argparse.Namespace) -> int:
    configs = load(options.source), load(options.target)
    places = [place_of(config.sections.store, config.home) for config in configs]
    count = with_databases(configs, lambda: _copied(places))
    sys.stdout.write(f"ok  {count} rows are in {places[1].shown}, and the same as in {places[0].shown}\n")
    return 0


def _copied(places: Sequence[Place]) -> int:
    with _stopping() as stop:
        return copy_database(places[0], places[1], _tell, stop.wait)


def _tell(table: str, done: int, total: int) -> None:
    if done % PROGRESS_ROWS == 0:
        sys.stderr.write(f"{table}: {done} of {total} rows\n")


@contextmanager
def _stopping() -> Iterator[Event]:
    """Give what is set by a signal: where Python happens to be when it comes, an exception might be lost."""
    stop = Event()
    before = [(one, signal.signal(one, lambda number, frame: stop.set())) for one in (signal.SIGINT, signal.SIGTERM)]
    try:
        yield stop
    finally:
        for one, handler in before:
            signal.signal(one, handler)
