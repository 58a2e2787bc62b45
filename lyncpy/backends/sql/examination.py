"""What a PostgreSQL database has to be like, asked of it: by a start, which refuses what is not so, and by `lyncpy check`."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import func, inspect, select
from sqlalchemy.engine import Connection

from lyncpy.backends.sql.dialects import SERVER_LOCK
from lyncpy.backends.sql.tables import metadata, records
from lyncpy.backends.sql.unfinished import require_whole
from lyncpy.backends.sql.upgrades import VERSIONS, schema_of
from lyncpy.contracts.finding import Finding
from lyncpy.contracts.refusal import StoreUnavailable

Unseal = Callable[[bytes, str], bytes]

_SECRET: Final = "secret"  # noqa: S105 - a kind of records
"""The kind of records that hold passwords."""

BEHIND_S: Final = 60.0
"""What is less is the work of NTP, and of the hour's noting."""

OLDEST: Final = 150_000
"""Version 15, as PostgreSQL counts."""

_SERVER: Final = """
SELECT current_setting('server_version_num')::int, current_setting('server_version'), current_setting('server_encoding'),
    pg_is_in_recovery(), current_setting('transaction_read_only') = 'on'
"""

_PLACE: Final = """
SELECT current_user, current_database(), current_schema(), coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)
"""

_CLOSED: Final = """
SELECT relname, pg_get_userbyid(relowner) FROM pg_class
WHERE relnamespace = current_schema()::regnamespace AND relname = ANY(%s) AND CASE relkind
    WHEN 'S' THEN NOT has_sequence_privilege(oid, 'USAGE')
    WHEN 'r' THEN NOT (has_table_privilege(oid, 'SELECT') AND has_table_privilege(oid, 'INSERT')
        AND has_table_privilege(oid, 'UPDATE') AND has_table_privilege(oid, 'DELETE'))
    ELSE false END
ORDER BY relname
"""

CONNECTIONS: Final = 5
"""Connections to PostgreSQL of one server: of its writes, its reads, its volatile records, its lease, and one to look with."""

_HOLDERS: Final = """
SELECT mode, host(client_addr), to_char(backend_start, 'YYYY-MM-DD HH24:MI "UTC"') FROM pg_locks
JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND classid = 0 AND objid = %s AND objsubid = 1 AND granted
    AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
ORDER BY backend_start
"""
"""How others work with it, and where and when their connections were made; both NULL where those are another role's."""


def fitness(connection: Connection) -> Iterator[Finding]:
    """Tell whether it can be worked with: its version, its encoding, whether it takes writes, and what the user may do there."""
    number, version, encoding, is_standby, is_read_only = connection.exec_driver_sql(_SERVER).one()
    if number < OLDEST:
        sentence = f"it is PostgreSQL {version}, and 15 is the oldest that will do: upgrade it, or name another server"
        yield Finding(good=False, sentence=sentence, stops=True)
    else:
        yield Finding(good=True, sentence=f"it is PostgreSQL {version}")
    if encoding == "UTF8":
        yield Finding(good=True, sentence="its encoding is UTF8")
    else:
        yield Finding(good=False, sentence=f"its encoding is {encoding}: make it anew with ENCODING 'UTF8'", stops=True)
    if is_standby:
        sentence = "it is a standby, which takes no writes: name all its hosts, and no target_session_attrs, so that the primary is found"
        yield Finding(good=False, sentence=sentence, stops=True)
    elif is_read_only:
        sentence = "it is read-only (default_transaction_read_only): have whoever administers it end that"
        yield Finding(good=False, sentence=sentence, stops=True)
    else:
        yield Finding(good=True, sentence="it takes writes")
    yield _rights(connection)


def schema(connection: Connection, *, makes_copy: bool = False) -> Finding:
    """Tell which version's tables are there, and what the next start does about it.

    Args:
        connection: Any.
        makes_copy: Whether it keeps a copy of what was.
    """
    try:
        found = schema_of(connection)
        require_whole(connection)
    except StoreUnavailable as error:
        return Finding(good=False, sentence=str(error), stops=True)
    if found.current is None:
        return Finding(good=True, sentence="it has no tables yet: the first start makes them")
    if found.is_newer:
        sentence = (
            f"its schema is {found.current}, of a later version, with which this one goes on: upgrade this server, too"
        )
        return Finding(good=True, sentence=sentence)
    if found.current == found.newest:
        return Finding(good=True, sentence=f"its schema is {found.current}, that of this version")
    kept = "and keeps a copy of it beside it" if makes_copy else "and no copy: run pg_dump before"
    sentence = f"its schema is {found.current}; the next start makes {found.newest} of it, {kept}"
    return Finding(good=True, sentence=sentence)


def contents(connection: Connection, unseal: Unseal | None) -> Iterator[Finding]:
    """Tell whether what is in it fits this server: its key, and the clock.

    Args:
        connection: To a database with tables.
        unseal: Opens what was sealed about a name; raises StoreUnavailable.
    """
    if not inspect(connection).has_table(records.name):
        return
    statement = select(records.c.key, records.c.value).where(records.c.kind == _SECRET, records.c.value.is_not(None))
    secret = connection.execute(statement.limit(1)).first()
    if secret is not None and unseal is not None:
        try:
            unseal(secret.value, f"{_SECRET}:{secret.key}")
        except StoreUnavailable as error:
            yield Finding(good=False, sentence=str(error))
        else:
            yield Finding(good=True, sentence="the key in [store] key_file opens what is sealed there")


def counted(connection: Connection) -> Sequence[tuple[str, int]]:
    """Count what is in a database: records by their kinds, and the rows of each other table."""
    kinds = select(records.c.kind, func.count()).where(records.c.value.is_not(None)).group_by(records.c.kind)
    found = [(f'records of the kind "{kind}"', count) for kind, count in connection.execute(kinds.order_by("kind"))]
    for name, table in sorted(metadata.tables.items()):
        if table is not records and inspect(connection).has_table(name):
            found.append((f"rows of {name}", connection.execute(select(func.count()).select_from(table)).scalar_one()))
    return found


def clock(connection: Connection, now_s: float) -> Iterator[Finding]:
    """Compare the clock of this machine with the time at which a server of this database ran last.

    Args:
        connection: To a database with tables.
        now_s: Seconds since the epoch, by this machine.
    """
    if not inspect(connection).has_table(records.name):
        return
    statement = select(records.c.value).where(records.c.kind == "clock", records.c.key == "seen")
    noted = connection.execute(statement).scalar()
    if not isinstance(noted, bytes) or not noted.isdigit():
        return
    ran = f"{datetime.fromtimestamp(int(noted), UTC):%Y-%m-%d %H:%M} UTC"
    if int(noted) > now_s + BEHIND_S:
        sentence = (
            f"the clock of this machine is behind: a server of this database ran at {ran}: let it follow a time server"
        )
        yield Finding(good=False, sentence=sentence)
    else:
        yield Finding(
            good=True, sentence=f"the clock of this machine is not before the time at which this server ran last, {ran}"
        )


def holders(connection: Connection, *, is_connected: bool = False, has_refused: bool = False) -> Finding:
    """Tell which servers work with it, from where, and since when.

    Args:
        connection: Any.
        is_connected: Whether they may, for whoever asks hears them over a bus.
        has_refused: Whether one did a moment ago.
    """
    found = connection.exec_driver_sql(_HOLDERS, (SERVER_LOCK,)).all()
    if not found and not has_refused:
        return Finding(good=True, sentence="no other server works with it")
    mode, host, since = found[0] if found else ("", None, None)
    details = f" (from {host or 'its own machine'}, since {since})" if since else ""
    if mode == "ExclusiveLock":
        return Finding(
            good=False, sentence=f"`lyncpy store copy` works with it{details}: wait until that has ended", stops=True
        )
    others = "another server works" if len(found) < 2 else f"{len(found)} other servers work"
    if is_connected and not has_refused:
        return Finding(good=True, sentence=f"{others} with it{details}")
    remedy = "stop that one" if len(found) < 2 else "stop those"
    own = "or give this one its own [store] url"
    several = "" if has_refused else "; several servers need [bus] url, which names none: set it for all of them"
    return Finding(good=False, sentence=f"{others} with it{details}{several}; {remedy}, {own}")


def encryption(connection: Connection, mode: str, *, is_here: bool) -> Finding:
    """Tell how the connection is encrypted, and what was checked.

    Args:
        connection: Any.
        mode: libpq's sslmode.
        is_here: Whether nothing leaves this machine.
    """
    statement = "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl"
    version = connection.exec_driver_sql(statement).scalar()
    if version is None:
        remedy = "" if is_here else ": remove sslmode from the url, and give it a certificate (ssl = on)"
        where = "this machine" if is_here else "the way to it"
        return Finding(good=is_here, sentence=f"the connection is not encrypted, on {where}{remedy}")
    checked = {
        "verify-full": "it has proved its name",
        "verify-ca": "a known authority has certified it, for whichever name (sslmode=verify-ca)",
    }.get(mode, f"nobody has checked that it is the one meant (sslmode={mode})")
    return Finding(good=True, sentence=f"the connection is encrypted ({version}), and {checked}")


def _rights(connection: Connection) -> Finding:
    user, database, place, may_make = connection.exec_driver_sql(_PLACE).one()
    if place is None:
        sentence = f'user "{user}" may use no schema there: run `ALTER DATABASE "{database}" OWNER TO "{user}"`'
        return Finding(good=False, sentence=sentence, stops=True)
    numbered = [(table.name, table.autoincrement_column) for table in metadata.tables.values()]
    sequences = [f"{name}_{column.name}_seq" for name, column in numbered if column is not None]
    closed = connection.exec_driver_sql(_CLOSED, ([VERSIONS, *metadata.tables, *sequences],)).all()
    if closed:
        name, owner = closed[0]
        sentence = (
            f'user "{user}" may not read and write "{name}", which is "{owner}"\'s: '
            f'name that user in the url, or run `REASSIGN OWNED BY "{owner}" TO "{user}"`'
        )
        return Finding(good=False, sentence=sentence, stops=True)
    if may_make:
        return Finding(good=True, sentence=f'user "{user}" may make, read and write tables')
    if _is_up_to_date(connection):
        return Finding(good=True, sentence=f'user "{user}" may read and write the tables')
    sentence = (
        f'user "{user}" may make no tables in schema "{place}": run `ALTER DATABASE "{database}" OWNER TO "{user}"`'
    )
    return Finding(good=False, sentence=sentence, stops=True)


def _is_up_to_date(connection: Connection) -> bool:
    """Whether a start has nothing to do about the schema; a newer one it refuses, and changes as little."""
    try:
        found = schema_of(connection)
    except StoreUnavailable:
        return True
    return found.is_newer or found.current == found.newest
