"""`lyncpy downgrade FILE`: the data as the release before this one knows them."""

import argparse
import sys
from pathlib import Path
from typing import Any

from lyncpy.app.config import Config, load
from lyncpy.app.database_lock import with_databases
from lyncpy.backends.sql.database import place_of
from lyncpy.backends.sql.files import bring_down
from lyncpy.backends.sql.link import Link
from lyncpy.backends.sql.upgrades import BEFORE, downgrade


def declare(words: Any) -> None:  # Any: argparse has no public name for it
    """Add the command to those of `lyncpy`."""
    command = words.add_parser(
        "downgrade", help=f"bring the database down to what lyncpy {BEFORE[0]} knows; no server may work with it"
    )
    command.add_argument("file", type=Path, metavar="FILE", help="the settings")
    command.set_defaults(run=_downgrade)


def _downgrade(options: argparse.Namespace) -> int:
    config = load(options.file)
    said = with_databases([config], lambda: _brought_down(config))
    sys.stdout.write(
        f"ok  {said}\n    install lyncpy {BEFORE[0]} and start it; it names the settings that it does not know\n"
    )
    return 0


def _brought_down(config: Config) -> str:
    store = config.sections.store
    if store.is_sqlite:
        copy = bring_down(store, config.home)
        return f"the database has schema {BEFORE[1]}; as it was it is kept in {copy}"
    place = place_of(store, config.home)
    # Whoever holds it keeps all servers away.
    link = Link(place.engine, place.hold, place.explain)
    try:
        link.commit([downgrade])
    finally:
        link.close()
    return f"the database has schema {BEFORE[1]}; no copy was made of it, pg_dump makes one"
