"""A real PostgreSQL server of the tests' own: its data in a folder of theirs, on 127.0.0.1, unprivileged."""

import atexit
import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from typing import Final

from psycopg import connect

from tests.kit.certificates import Issued
from tests.kit.ports import free_ports

BINARIES: Final = Path("/usr/lib/postgresql/15/bin")
OWNER: Final = "postgres"
PASSWORD: Final = "a-secret-of-the-store"
USER: Final = "lyncpy"

TEMPLATE: Final = Path(__file__).resolve().parents[2] / "build/postgresql-15-data"
"""The data of a server that nobody has started yet."""

PATIENCE_S: Final = 30.0
"""Starting, recovering and stopping take less; a server that takes longer has failed."""

LOG_FILE_BYTES: Final = 16 * 2**20
"""A file of its write-ahead log, which has this size before it is written to."""

SETTINGS: Final = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
# The machine does not fail in a test, only the server does: what it has given to the system is kept then.
fsync = off
full_page_writes = off
shared_buffers = 16MB
max_connections = 40
max_wal_size = 128MB
deadlock_timeout = 100ms
"""


_EMPTY: Final = """
do $$ declare one text; begin
    set local lock_timeout = '10s';
    for one in select tablename from pg_tables where schemaname = 'public' and tablename <> 'alembic_version' loop
        execute format('delete from %I', one);
    end loop;
    for one in select sequencename from pg_sequences where schemaname = 'public' loop
        execute format('alter sequence %I restart', one);
    end loop;
end $$
"""


class Postgres:
    """Makes, starts, kills and stops one server. Its databases are made empty, one for each who asks.

    Attributes:
        unused: Databases that are empty and nobody has now.
    """

    def __init__(self, primary: "Postgres | None" = None) -> None:
        """Make its data, in a folder of its own, for who runs it cannot get to a test's; those of a standby are its primary's."""
        self.folder = Path(tempfile.mkdtemp(prefix="lyncpy-postgres-"))
        self.port = free_ports(1)[0]
        self._data = self.folder / "data"
        self._numbers = count(1)
        self.unused: Final[list[str]] = []
        self._owned()
        if primary is None:
            self._initialise()
        else:
            source = f"host=127.0.0.1 port={primary.port} user={USER} password={PASSWORD}"
            self._run("pg_basebackup", "-D", self._data, "-d", source, "-R", "-c", "fast", "--no-sync")
        self.configure(f"{SETTINGS}port = {self.port}")

    def _initialise(self) -> None:
        """Copy what `initdb` has made once for all: it takes a second of processor time."""
        TEMPLATE.parent.mkdir(exist_ok=True)
        with TEMPLATE.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not TEMPLATE.exists():
                self._make_data()
                making = TEMPLATE.with_suffix(".part")
                shutil.rmtree(making, ignore_errors=True)
                subprocess.run(["cp", "--archive", self._data, making], check=True)
                making.rename(TEMPLATE)
                return
        subprocess.run(["cp", "--archive", TEMPLATE, self._data], check=True)

    def _make_data(self) -> None:
        password = self.folder / "initial.password"
        password.write_text(PASSWORD)
        self._owned()
        self._run(
            "initdb", "-D", self._data, "-U", USER, "-A", "scram-sha-256", "--pwfile", password,
            "--no-sync", "--locale=C.UTF-8", "-E", "UTF8",
        )  # fmt: skip
        password.unlink()

    def configure(self, settings: str) -> None:
        """Write its configuration, with these lines at the end; a server that runs reads it when it is started again."""
        with (self._data / "postgresql.conf").open("a") as file:
            file.write(f"{settings}\n")

    def certify(self, issued: Issued) -> None:
        """Have it speak TLS with this certificate, once it is started."""
        for name, content in (("server.crt", issued.pem), ("server.key", issued.key_pem())):
            path = self._data / name
            path.touch(mode=0o600)
            path.write_bytes(content)
            if os.geteuid() == 0:
                shutil.chown(path, OWNER, OWNER)
        self.configure("ssl = on")

    @property
    def is_running(self) -> bool:
        """Whether its process is there."""
        return self._pid() is not None

    @property
    def pid(self) -> int:
        """The number of its first process; all others are its children."""
        found = self._pid()
        assert found is not None, "the server does not run"
        return found

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        log = self.folder / "server.log"
        self._run("pg_ctl", "start", "-w", "-t", str(int(PATIENCE_S)), "-D", self._data, "-l", log)

    def promote(self) -> None:
        """Have a standby take over."""
        self._run("pg_ctl", "promote", "-w", "-t", str(int(PATIENCE_S)), "-D", self._data)

    def stop(self, *, mode: str = "fast") -> None:
        """Have it end: "fast" ends its connections, "immediate" writes nothing more."""
        if self.is_running:
            self._run("pg_ctl", "stop", "-w", "-t", str(int(PATIENCE_S)), "-D", self._data, "-m", mode)

    def kill(self) -> None:
        """End the server and all its processes at once, without a word to anybody."""
        self._signal(signal.SIGKILL)
        deadline = time.monotonic() + PATIENCE_S
        while self._group_is_there() and time.monotonic() < deadline:
            time.sleep(0.02)
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def remove(self) -> None:
        """Stop it, and leave nothing behind."""
        self.stop(mode="immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    def freeze(self) -> None:
        """Stop all its processes where they are; connections stay and nothing comes back."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let them go on."""
        self._signal(signal.SIGCONT)

    @contextmanager
    def full_disk(self) -> Iterator[None]:
        """Have none of its files grow beyond what its log is given in advance, within the block, as on a disk without room."""
        pid = self.pid
        for one in (pid, *self._children(pid)):
            self._limit_files(one, str(LOG_FILE_BYTES))
        try:
            yield
        finally:
            for one in (pid, *self._children(pid)):
                self._limit_files(one, "unlimited")

    def _limit_files(self, process: int, limit: str) -> None:
        # By its owner: to change another's limits takes a right that root has not everywhere.
        self._as_owner("prlimit", "--pid", str(process), f"--fsize={limit}:", is_needed=Path(f"/proc/{process}").exists)

    def make_database(self) -> str:
        """Make an empty database; give its name."""
        name = f"store{next(self._numbers)}"
        self.sql(f"create database {name}", "postgres")
        return name

    def drop_database(self, name: str) -> None:
        """Remove a database, whoever is connected to it; of a server that has ended nothing is left to remove."""
        if not self.is_running:
            return
        self.sql(f"drop database if exists {name} with (force)", "postgres")

    def empty(self, database: str) -> None:
        """Remove all rows of a store's database to which nobody is connected, so that it is as one that was just made."""
        # A connection of this process costs a fifth of what psql does.
        with connect(self.url(database), password=PASSWORD, autocommit=True) as link:
            link.execute(_EMPTY)

    def url(self, database: str) -> str:
        """Give what [store] url says of a database."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def password_file(self, folder: Path) -> Path:
        """Write the password to a file of that folder, with mode 0600."""
        path = folder / "postgresql.password"
        path.touch(mode=0o600)
        path.write_text(PASSWORD + "\n")
        return path

    def sql(self, statement: str, database: str, *, options: str = "") -> str:
        """Execute a statement as an administrator would; give what psql prints, without headings. `options` are the session's."""
        done = subprocess.run(
            [
                *("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(self.port)),
                *("-U", USER, "-d", database, "-c", statement),
            ],
            env={**os.environ, "PGPASSWORD": PASSWORD, "PGOPTIONS": options},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def used_s(self) -> float:
        """Give the seconds of processor time that its processes have used, those of connections that ended included."""
        pid = self.pid
        used = 0.0
        for one in (pid, *self._children(pid)):
            # user, system, and of children that have ended
            times = Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()[11:15]
            used += sum(map(int, times))
        return used / os.sysconf("SC_CLK_TCK")

    def _pid(self) -> int | None:
        try:
            pid = int((self._data / "postmaster.pid").read_text().split("\n", 1)[0])
            os.kill(pid, 0)
        except (OSError, ValueError):
            return None
        return pid

    def _signal(self, number: int) -> None:
        """Tell all its processes: each is a session of its own, and a child of the first."""
        pid = self.pid
        for one in (pid, *self._children(pid)):
            os.kill(one, number)

    def _children(self, pid: int) -> list[int]:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def _group_is_there(self) -> bool:
        return self.is_running and "Z" not in self._state()

    def _state(self) -> str:
        pid = self._pid()
        try:
            return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            return "Z"

    def _run(self, program: str, *arguments: str | Path) -> None:
        self._as_owner(str(BINARIES / program), *map(str, arguments))

    def _as_owner(self, *words: str, is_needed: Callable[[], bool] = lambda: True) -> None:
        command: Sequence[str] = words
        if os.geteuid() == 0:
            # PostgreSQL refuses to run as root.
            command = ["runuser", "-u", OWNER, "--", *command]
        # Its log inherits nothing: a pipe would be held open by the server.
        with (self.folder / "tools.log").open("a") as log:
            done = subprocess.run(command, stdout=log, stderr=log, cwd="/", timeout=PATIENCE_S * 2, check=False)
        assert done.returncode == 0 or not is_needed(), (self.folder / "tools.log").read_text()[-2000:]

    def _owned(self) -> None:
        """Give the folder to who may run the server."""
        self.folder.chmod(0o755)
        if os.geteuid() == 0:
            for path in (self.folder, *self.folder.iterdir()):
                shutil.chown(path, OWNER, OWNER)


@cache
def shared_postgres() -> Postgres:
    """Start the server that the tests of one process share; it ends with the process. Who kills servers makes one of his own."""
    server = Postgres()
    server.start()
    _ = atexit.register(server.remove)
    return server
