"""What presence does of itself when somebody comes, where the store is away."""

from collections.abc import Sequence

import pytest
from twisted.logger import LogLevel

from lyncpy.contracts.facts import EndpointArrived
from lyncpy.contracts.locator import Endpoint
from lyncpy.contracts.names import Aor
from lyncpy.contracts.refusal import StoreUnavailable
from tests.kit.logs import overheard
from tests.kit.presence import PresenceRoom, people


def test_who_signs_in_while_the_store_is_away_leaves_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows then whether they are still here; their board is read when it is asked for."""
    room = PresenceRoom(people("alice"))
    device = room.sign_in("alice").device
    asked: list[Aor] = []

    async def away(aor: Aor) -> Sequence[Endpoint]:
        asked.append(aor)
        raise StoreUnavailable("away")

    monkeypatch.setattr(room.endpoints, "endpoints", away)
    with overheard() as events:
        room.hall.bus.tell(EndpointArrived(device.who.aor, device.who.epid, device.flow))
        room.pass_time()
    assert asked == [device.who.aor]
    assert [event for event in events if event["log_level"] >= LogLevel.warn] == []
