"""What `lyncpy check` looks at of the database: its key, the file or the server, and the clock of whoever wrote to it."""

import datetime
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from lyncpy.app.config import Config
from lyncpy.backends.sealing import Sealer
from lyncpy.backends.sql.database import place_of
from lyncpy.backends.sql.examination import Unseal, clock
from lyncpy.contracts.finding import Finding
from lyncpy.contracts.refusal import StoreUnavailable, WorldUnavailable


def key_finding(config: Config) -> tuple[Unseal | None, Finding]:
    """Look at the key that seals what is kept; give what it opens as well, None where it cannot be used."""
    key_file = config.sections.store.key_file
    try:
        sealer = Sealer(config.path(key_file))
    except WorldUnavailable as error:
        return None, Finding(good=False, sentence=str(error), stops=True)
    return sealer.unseal, Finding(good=True, sentence=f"[store] key_file: {key_file} holds a key")


def store_findings(config: Config, *, writes: bool = True) -> Iterator[Finding]:
    """Look at the database as a start does, a file or a server's; nothing is changed.

    Args:
        config: The settings.
        writes: Whether to try to write to a file.
    """
    try:
        place, is_connected = place_of(config.sections.store, config.home), not config.sections.bus.is_memory
        found = list(place.examined(key_finding(config)[0], is_connected=is_connected, writes=writes))
    except StoreUnavailable as error:
        found = [Finding(good=False, sentence=str(error), stops=True)]
    for one in found:
        named = one.sentence.startswith('the database "')
        yield one if named else replace(one, sentence=f"[store] url: {one.sentence}")


def clock_findings(config: Config, now: datetime.datetime) -> Iterator[Finding]:
    """Compare the clock of this machine with what servers of the same database have noted."""
    # What is wrong with the database, or with what it takes to reach it, is said where that is looked at.
    with suppress(StoreUnavailable):
        place = place_of(config.sections.store, config.home)
        yield from place.read(lambda connection: list(clock(connection, now.timestamp())))
