"""What most tests of presence stand in."""

import pytest

from tests.kit.presence import Client, PresenceRoom, people


@pytest.fixture
def room() -> PresenceRoom:
    """A room with presence for three people."""
    return PresenceRoom(people("alice", "bob", "carol"))


@pytest.fixture
def bob(room: PresenceRoom) -> Client:
    """A device of Bob."""
    return room.sign_in("bob", "bbbbbbbbbbbb")
