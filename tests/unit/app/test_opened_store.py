"""The store that a command opens: what is wrong before it is open reaches the command, and is no traceback of the reactor's."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import task
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from lyncpy.app import opened_store
from lyncpy.app.cli import main
from lyncpy.app.config import ConfigError, load
from lyncpy.app.opened_store import with_backends


def test_a_setting_that_cannot_be_used_is_said_to_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The forms of a directory are read when the directory is made."""

    def react(begin: Callable[[Any], Deferred[None]]) -> None:
        begun.append(begin(Clock()))

    async def work(back: object) -> None:
        raise AssertionError

    monkeypatch.setattr(task, "react", react)
    monkeypatch.setattr(opened_store, "steady", lambda reactor: None)
    begun: list[Deferred[None]] = []
    assert main(["init", str(tmp_path / "home"), "--set", "sip.domain=example.com"]) == 0
    given = ["directory.url=ldap://127.0.0.1:1", 'directory.bases=["dc=x"]', 'directory.address=["{"]']
    with pytest.raises(ConfigError, match="is not a template"):
        with_backends(load(tmp_path / "home" / "lyncpy.toml", given), work)
    assert [one.result for one in begun] == [None]
