"""`lyncpy doctor store FILE`: the whole database is read, and it is told what is in it and who works with it."""

from collections.abc import Iterator
from contextlib import suppress

from lyncpy.app.config import Config
from lyncpy.app.ports import running_server
from lyncpy.app.store_check import store_findings
from lyncpy.backends.processes import process
from lyncpy.backends.sql.database import place_of
from lyncpy.backends.sql.examination import counted
from lyncpy.backends.sql.files import unusable
from lyncpy.backends.sql.sqlite_trouble import last_copy
from lyncpy.contracts.finding import Finding
from lyncpy.contracts.refusal import StoreUnavailable


def store_story(config: Config) -> Iterator[Finding]:
    """Read a database from one end to the other; a server may work with it meanwhile."""
    store = config.sections.store
    if store.is_sqlite:
        yield from _file(config)
    running = running_server(config)
    who = f"{process(running)} works with it" if running else "no server of this machine works with it"
    yield Finding(good=True, sentence=f"[store] url: {who}")
    found = list(store_findings(config))
    yield from found
    if not all(one.good for one in found) or (store.is_sqlite and not config.path(store.path).exists()):
        return
    try:
        place = place_of(store, config.home)
        place.read_whole()
        yield Finding(good=True, sentence="[store] url: all of it can be read")
        counts = place.read(counted)
    except StoreUnavailable as error:
        yield Finding(good=False, sentence=unusable(store.path or store.url, error))
        return
    for what, count in counts:
        yield Finding(good=True, sentence=f"{what}: {count}")


def _file(config: Config) -> Iterator[Finding]:
    path = config.path(config.sections.store.path)
    for file in (path, path.with_name(path.name + "-wal")):
        with suppress(OSError):
            status = file.stat()
            sentence = f"[store] url: {file} has {status.st_size >> 10} KiB, mode {status.st_mode & 0o777:04o}, and is user {status.st_uid}'s"
            yield Finding(good=True, sentence=sentence)
    copy = last_copy(path)
    yield Finding(
        good=True,
        sentence=f"[store] url: {f'the last copy beside it is {copy}' if copy else 'there is no copy beside it'}",
    )
