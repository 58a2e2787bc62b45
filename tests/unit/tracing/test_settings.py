"""Where Homer is."""

import pytest
from pydantic import ValidationError

from lyncpy.workloads.tracing.settings import Settings


@pytest.mark.parametrize("place", ["", "udp://homer:9060", "tcp://192.0.2.1:9060"])
def test_a_homer_server_is_named_with_its_port(place: str) -> None:
    """Or there is none."""
    assert Settings(homer=place).homer == place


@pytest.mark.parametrize("place", ["homer:9060", "http://homer:80", "udp://homer", "udp://homer:99999"])
def test_what_is_no_place_is_refused(place: str) -> None:
    """With how it is written."""
    with pytest.raises(ValidationError, match="write udp://HOST:PORT"):
        Settings(homer=place)
