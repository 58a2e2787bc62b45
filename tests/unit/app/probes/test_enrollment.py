"""How a device gets its certificate: what it makes itself, and where it does not go. Whole ways are in the scenarios."""

from collections.abc import Sequence
from typing import Any

import pytest

from lyncpy.app.probes.device import ProbeSession
from lyncpy.app.probes.enrollment import KEY_BITS, enrolled, new_key
from lyncpy.app.probes.network import Channel
from lyncpy.app.probes.outcome import ProbeFailed


class NoNetwork:
    """Nobody may be reached by it."""

    certificate_s: float | None = None

    def connect(self, host: str, port: int, step: object, name: str = "") -> Channel:
        """Fail."""
        raise AssertionError(host)

    def wait(self, channels: Sequence[Any], seconds: float) -> Sequence[tuple[Any, bytes]]:  # Any: as the promise
        """Fail."""
        raise AssertionError


@pytest.mark.parametrize(
    "service", ["", "http://sip.example.com/CertProv", "https:///x", "https://host:port/", "sip:a@b"]
)
def test_a_password_goes_to_an_https_address_alone(service: str) -> None:
    """Whatever a server names."""
    session = ProbeSession(NoNetwork(), lambda: 0.0, 1.0, "signin")
    with pytest.raises(ProbeFailed, match="which is no https address"):
        enrolled(session, service, ("alice@example.com", "", "secret"))


def test_a_device_makes_a_key_as_long_as_real_ones_have() -> None:
    """And another each time."""
    first, second = new_key(), new_key()
    assert first.key_size == KEY_BITS
    assert first.public_key().public_numbers() != second.public_key().public_numbers()
