"""A disk that takes its time, or fails, below SQLite, for a server that is forked.

`SLOW_DISK_S` is how long a commit takes, as a slow fsync does; while the file that `SLOWER_DISK`
names is there, it takes as many seconds as stand in it. While the file that `BROKEN_DISK` names is
there, every commit fails.
"""

import os
import sqlite3
import time
from pathlib import Path
from typing import Any

from tests.kit import forks


class SlowConnection(sqlite3.Connection):
    """Commits as a bad disk does."""

    def commit(self) -> None:
        """Take the time, or fail."""
        slower = Path(os.environ.get("SLOWER_DISK", "/nonexistent"))
        time.sleep(float(slower.read_text() if slower.exists() else os.environ.get("SLOW_DISK_S", "0")))
        if Path(os.environ.get("BROKEN_DISK", "/nonexistent")).exists():
            raise sqlite3.OperationalError("disk I/O error")
        super().commit()


def twistd(*words: str) -> None:
    """Be the command `twistd`, on such a disk."""
    real = sqlite3.connect

    def connect(*args: Any, **kwargs: Any) -> sqlite3.Connection:  # Any: passed on as it came
        """Connect, with slow commits."""
        made: sqlite3.Connection = real(*args, **{"factory": SlowConnection, **kwargs})
        return made

    sqlite3.connect = connect  # type: ignore[assignment]  # it is called with what the real one takes
    forks.twistd(*words)
