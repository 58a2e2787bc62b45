"""Who watches a roster is told soon; in a large meeting not more often than anybody can read."""

from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.task import Clock

from lyncpy.contracts.names import Aor
from lyncpy.workloads.conferencing import rosters
from lyncpy.workloads.conferencing.documents import ATTENDEES
from lyncpy.workloads.conferencing.rosters import Rosters
from tests.kit.gatehouse import timers_of


@pytest.mark.parametrize(("watchers", "wait_s"), [(1, 0.05), (50, 0.05), (250, 0.25), (1000, 1.0)])
def test_the_more_watch_the_longer_changes_are_gathered(
    monkeypatch: pytest.MonkeyPatch, watchers: int, wait_s: float
) -> None:
    """However many changes there are meanwhile, each watcher hears of them once, and sees what there is then."""
    clock, told = Clock(), []
    now: Any = SimpleNamespace(name="as it was")
    notifier: Any = SimpleNamespace(notify=lambda subscription, document: told.append((subscription, document.body)))
    roster = Rosters(lambda: now, notifier, timers_of(clock), 0.05)
    monkeypatch.setattr(rosters, "audience_of", lambda meeting, user: ATTENDEES)
    monkeypatch.setattr(
        rosters, "delta", lambda *what: SimpleNamespace(at=lambda version: f"{version} {what[2].name}".encode())
    )
    everybody: list[Any] = [_Watcher(Aor(f"sip:{n}@x")) for n in range(watchers)]
    for one in everybody:
        roster.watch(one)
    for change in range(100):
        now = SimpleNamespace(name=f"change {change}")
        roster.changed()
    clock.advance(wait_s - 0.01)
    assert told == []
    clock.advance(0.02)
    assert told == [(one, b"2 change 99") for one in everybody]
    assert not clock.getDelayedCalls()


class _Watcher:
    """Whose subscription it is."""

    epid = "e"

    def __init__(self, watcher: Aor) -> None:
        self.watcher = watcher
