"""The PostgreSQL server: how its database is reached, and what is wrong with it in words."""

import logging
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from sqlalchemy import create_engine
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import NullPool
from twisted.logger import Logger

from lyncpy.backends.settings import Settings
from lyncpy.backends.sql.dialects import SERVER_LOCK, reason_of, upgrade_alone
from lyncpy.backends.sql.examination import Unseal, contents, encryption, fitness, holders, schema
from lyncpy.backends.sql.link import Job, Link, T, look_once
from lyncpy.backends.sql.upgrades import upgrade
from lyncpy.contracts.file_faults import fault_of
from lyncpy.contracts.finding import Finding
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.contracts.secret_file import password_in, space_around

log = Logger()

AUTHORITIES: Final = "/etc/ssl/certs/ca-certificates.crt"
"""Where Debian keeps those that the system trusts; libpq wants a file and takes no folder."""

TERMS: Final = {
    "connect_timeout": "5",
    "application_name": "lyncpy",
    # A standby that has not taken over yet is no place to work at.
    "target_session_attrs": "read-write",
    # A connection whose other end is gone without a word is noticed within some 5 s, in seconds and milliseconds: the usual
    # length of a lease, which whoever is cut off within a transaction holds for as long as its session lasts.
    "keepalives_idle": "2",
    "keepalives_interval": "1",
    "keepalives_count": "3",
    "tcp_user_timeout": "5000",
}
"""What libpq is told unless the url says otherwise."""

IDLE_S: Final = 2.0
"""How long a transaction may wait for its server's next word: nothing but SQL is done in one. A server that stands still in one, as
by SIGSTOP, holds what others need: its own lease, which they are to end, and the end of the archive."""

_SESSION: Final = """
SELECT set_config('statement_timeout', %s, false), set_config('lock_timeout', %s, false),
    set_config('idle_in_transaction_session_timeout', %s, false), set_config('timezone', 'UTC', false),
    set_config('tcp_keepalives_idle', '2', false), set_config('tcp_keepalives_interval', '1', false),
    set_config('tcp_keepalives_count', '3', false), set_config('tcp_user_timeout', '5000', false),
    set_config('synchronous_commit', CASE WHEN current_setting('synchronous_commit') = 'off' THEN 'on'
        ELSE current_setting('synchronous_commit') END, false)
"""
"""How a session behaves: what is acknowledged is durable, whatever the server's own rule is; and one whose client is gone
without a word ends within some 5 s, with what it holds, also where only a part of a transaction has arrived: an answer that is not acknowledged (tcp_user_timeout) would keep
keepalives from being sent, and be sent again for a quarter of an hour."""


_WRONG_PASSWORD: Final = "correct the user in the url, or the password in [store] password_file"  # noqa: S105 - a remedy

_REMEDIES: Final = {
    "Connection refused": "start it, or correct host and port in the url",
    "resolve host": "correct the host in the url",
    # The system's words, where an old psycopg asks it for the address.
    "Name or service not known": "correct the host in the url",
    "No address associated with hostname": "correct the host in the url",
    "timeout expired": "correct host and port in the url, or have a firewall let them pass",
    "no pg_hba.conf entry": "have its pg_hba.conf let this machine in, with hostssl",
    "no password supplied": "write the user's password into a file and name that in [store] password_file",
    "password authentication failed": _WRONG_PASSWORD,
    "FATAL: role": "correct the user in the url, or make it with createuser",
    "FATAL: database": "correct the name in the url, or make it with createdb --encoding=UTF8 --template=template0",
    "certificate verify failed": "name the authority that has issued its certificate in [store] ca_file",
    "root certificate file": "name a file with the authorities (PEM) in [store] ca_file",
    "does not match host name": "write the host in the url as its certificate has it, or have one issued for this name",
    "does not support SSL": "give it a certificate (ssl = on), or ask for less with sslmode in the url",
    "session is read-only": "if that is a standby, name the host in the url that takes writes",
    "too many clients": "have its max_connections raised",
    "connection slots": "have its max_connections raised",
}
"""What to do, by what libpq or the server says of a connection that cannot be made."""


class PostgresServer:
    """A database of a PostgreSQL server; it is made by its administrator, and its tables by this.

    Args:
        settings: Where it is.
        home: The folder that relative file names start from.

    Raises:
        StoreUnavailable: The driver is not installed.
    """

    def __init__(self, settings: Settings, home: Path) -> None:
        self._settings = settings
        self._home = home
        self._address = settings.server
        try:
            self.engine: Engine = create_engine(
                "postgresql+psycopg://",
                creator=self._connect,
                poolclass=NullPool,
                hide_parameters=True,  # values are secrets: an error's text must not show them
                paramstyle="format",  # in order: what is prepared gives them so
            )
        except ImportError as error:
            raise StoreUnavailable(
                f"the driver of PostgreSQL is not installed ({error}): pip install 'lyncpy[postgresql]'"
            ) from error
        self._driver: Any = self.engine.dialect.dbapi  # Any: an extra, which need not be there
        # Of two errors it raises one and logs the other, with the values in it.
        logging.getLogger("psycopg").setLevel(logging.CRITICAL)

    @property
    def shown(self) -> str:
        """The database as a sentence names it."""
        return self._address.shown

    def require(self) -> None:
        """Nothing is made here: whoever administers the server makes the database."""

    def prepare(self, connection: Connection) -> None:
        """Upgrade the schema, while no other server does.

        Raises:
            StoreUnavailable: With a sentence for an operator.
        """
        for found in fitness(connection):
            if not found.good:
                raise StoreUnavailable(found.sentence)
        upgrade_alone(connection)
        upgrade(connection, self._announce)

    def greet(self, connection: Connection) -> None:
        """Work with the database beside other servers for as long as this connection lasts, and beside nobody who holds it alone.

        Raises:
            StoreUnavailable: Somebody does.
        """
        self._locked(connection, "pg_try_advisory_lock_shared")

    def hold(self, connection: Connection) -> None:
        """Hold the database alone for as long as this connection lasts.

        Raises:
            StoreUnavailable: A server works with it.
        """
        self._locked(connection, "pg_try_advisory_lock")

    def _locked(self, connection: Connection, how: str) -> None:
        if not connection.exec_driver_sql(f"SELECT {how}({SERVER_LOCK})").scalar_one():
            raise StoreUnavailable(holders(connection, has_refused=True).sentence)

    def examined(self, unseal: Unseal | None, *, is_connected: bool = False, writes: bool = True) -> Sequence[Finding]:
        """Look at what a start needs; nothing is changed.

        Args:
            unseal: Opens what was sealed with this server's key; None: there is none.
            is_connected: Whether [bus] url lets other servers be there.
            writes: Of a file; a server is asked whether it takes writes.
        """

        def look(connection: Connection) -> Sequence[Finding]:
            mode = self._trust()["sslmode"]
            found = [
                Finding(good=True, sentence=f"{self.shown} is reached"),
                encryption(connection, mode, is_here=self._address.is_here),
                *fitness(connection),
                holders(connection, is_connected=is_connected),
            ]
            # Who may not read the tables cannot say which they are.
            if not all(one.good for one in found[:-1]):
                return found
            found.append(schema(connection))
            return [*found, *contents(connection, unseal)] if found[-1].good else found

        try:
            return look_once(Link(self.engine), look)
        except StoreUnavailable as error:
            return [Finding(good=False, sentence=f"{self.shown} cannot be used: {error}", stops=True)]

    def read(self, job: Job[T]) -> T:
        """Do a job that only reads; raises StoreUnavailable."""
        return look_once(Link(self.engine), job)

    def read_whole(self) -> None:
        """Do nothing: PostgreSQL finds damage by itself where it reads (`data_checksums`), and pg_amcheck elsewhere."""

    def explain(self, error: BaseException | None) -> str:
        """Say what a failure is; what to do is said where a connection cannot be made."""
        return reason_of(error)

    def settle(self, connection: Connection) -> None:
        """Nothing is left to do once it is open."""

    def free_slice(self, connection: Connection) -> int:
        """Give back no page: PostgreSQL does that by itself (autovacuum)."""
        return 0

    def try_write(self, connection: Connection) -> None:
        """Find out whether it takes writes: a transaction with a number of its own is written down."""
        connection.exec_driver_sql("SELECT pg_current_xact_id()").close()

    def size(self, connection: Connection) -> int:
        """Give the bytes of the database, its indexes included."""
        size: int = connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one()
        return size

    def end_shrinking(self, connection: Connection) -> None:
        """Do nothing, as above."""

    def _announce(self, newest: str) -> None:
        log.info(
            "the schema of {database} becomes {newest}; no copy is made of what was, pg_dump makes one before an upgrade",
            database=self.shown,
            newest=newest,
        )

    def _connect(self) -> Any:  # Any: the driver's connection
        address, settings = self._address, self._settings
        terms = {**TERMS, **address.options, **self._trust()}
        password = self._password()
        try:
            connection = self._driver.connect(
                host=",".join(address.hosts),
                port=",".join(port or "5432" for port in address.ports),
                user=address.user,
                dbname=address.database,
                password=password,
                autocommit=True,  # transactions are begun by us
                **terms,
            )
        except self._driver.OperationalError as error:
            reason = reason_of(error)
            # Of several hosts each may have failed for its own reason.
            remedies = dict.fromkeys(remedy for said, remedy in _REMEDIES.items() if said in reason)
            if _WRONG_PASSWORD in remedies and (space := space_around(password or "", "[store] password_file")):
                remedies = {space: None, **remedies}
            raise StoreUnavailable("; ".join([reason, *remedies])) from error
        connection.execute(
            _SESSION,
            [str(round(seconds * 1000)) for seconds in (settings.statement_s, settings.busy_s, IDLE_S)],
        )
        return connection

    def _trust(self) -> dict[str, str]:
        """Say how far certificates are checked: beyond this machine, by default, for the server's name and who issued it."""
        usual = "prefer" if self._address.is_here and not self._settings.ca_file else "verify-full"
        mode = self._address.options.get("sslmode", usual)
        if self._settings.ca_file:
            return {"sslmode": mode, "sslrootcert": str(self._home / self._settings.ca_file)}
        if not mode.startswith("verify-"):
            # With authorities libpq would take "require" for "verify-ca".
            return {"sslmode": mode}
        return {"sslmode": mode, "sslrootcert": ssl.get_default_verify_paths().cafile or AUTHORITIES}

    def _password(self) -> str | None:
        """Read the password, which may have been changed since the last connection; None: the server asks for none."""
        if not self._settings.password_file:
            return None
        path = self._home / self._settings.password_file
        try:
            return password_in(path)
        except (OSError, UnicodeDecodeError) as error:
            raise StoreUnavailable(
                f'the password file "{path}" ([store] password_file) cannot be read ({fault_of(error)}): '
                "write the password of the PostgreSQL user into it, readable by the server alone"
            ) from error
