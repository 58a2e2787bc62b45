"""Two servers never work with one database."""

import os
from pathlib import Path

import pytest

from lyncpy.app.database_lock import DatabaseLock
from lyncpy.contracts.refusal import StoreUnavailable
from tests.kit.results import result_of


def test_a_second_server_is_told_who_has_it(tmp_path: Path) -> None:
    """It does not start, and names the process and the setting; when the first has ended it may."""
    first, second = (DatabaseLock(tmp_path / "lyncpy.db") for _ in range(2))
    result_of(first.open())
    with pytest.raises(StoreUnavailable, match=rf"^process {os.getpid()} .*\[store\] url"):
        result_of(second.open())
    result_of(second.close())
    result_of(first.close())
    result_of(second.open())
    result_of(second.close())


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """The sentence names the file."""
    with pytest.raises(StoreUnavailable, match=r"lyncpy.db.lock"):
        result_of(DatabaseLock(tmp_path / "nowhere" / "lyncpy.db").open())
