"""What `lyncpy check` says of a set-up for several servers."""

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lyncpy.app.config import check
from lyncpy.app.pool_check import clocks, deployment_findings, room
from lyncpy.backends.sql.examination import CONNECTIONS
from lyncpy.contracts.refusal import StoreUnavailable

NOW = datetime.datetime(2026, 7, 20, tzinfo=datetime.UTC)
ENGINES = {"store": {"url": "postgresql://lyncpy@127.0.0.1:1/lyncpy"}, "bus": {"url": "nats://127.0.0.1"}}


def said(monkeypatch: pytest.MonkeyPatch, processes: int, **sections: Any) -> list[tuple[bool, str]]:
    """Give what is found on a machine with two processors whose database does not answer."""

    class Away:
        def read(self, job: Callable[..., object]) -> object:
            raise StoreUnavailable("nobody answers")

    monkeypatch.setattr("lyncpy.app.pool_check.place_of", lambda *_: Away())
    document = {"sip": {"domain": "example.test"}, "pool": {"processes": processes}, **sections}
    found = deployment_findings(check(Path("/home/lyncpy.toml"), document), NOW, processors=2)
    return [(one.good, one.sentence) for one in found]


def test_one_server_needs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does one process of several machines need processors."""
    assert said(monkeypatch, 1) == []
    assert said(monkeypatch, 1, **ENGINES) == []


def test_more_processes_than_processors_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """With how many are enough."""
    assert said(monkeypatch, 2, **ENGINES) == [(True, "[pool] processes: 2 servers on 2 processors")]
    assert said(monkeypatch, 3, **ENGINES) == [
        (False, "[pool] processes: 3 servers on 2 processors take turns: 2 are enough")
    ]


def test_room_for_connections() -> None:
    """Of what PostgreSQL takes, that much has to be for this machine's processes."""
    assert room(97, 10, 97 // CONNECTIONS).good
    finding = room(97, 10, 97 // CONNECTIONS + 1)
    assert not finding.good
    assert "max_connections leaves 97, and" in finding.sentence


@pytest.mark.parametrize(("ahead_s", "words"), [(4.9, ""), (-4.9, ""), (61.0, "61 s ahead of"), (-61.0, "61 s behind")])
def test_clocks_that_differ(ahead_s: float, words: str) -> None:
    """By more than a few seconds are told, with which is ahead."""
    finding = clocks(ahead_s)
    assert finding.good is not bool(words)
    assert words in finding.sentence
