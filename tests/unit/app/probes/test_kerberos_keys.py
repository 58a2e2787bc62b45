"""Why there is no ticket, in words."""

import pytest

from lyncpy.app.probes.kerberos_keys import no_ticket
from lyncpy.app.probes.outcome import ProbeStatus


@pytest.mark.parametrize(
    ("number", "said", "status", "words", "remedy"),
    [
        (
            7,
            "",
            ProbeStatus.CRITICAL,
            "the KDC does not know the service sip/fe1.example.com",
            "lyncpy doctor kerberos",
        ),
        (156, "", ProbeStatus.CRITICAL, "no KDC of the realm answers", "port 88"),
        (195, "No such file", ProbeStatus.UNKNOWN, "there is no ticket for sip/fe1.example.com: No such file", "kinit"),
    ],
)
def test_why_there_is_no_ticket_is_told(number: int, said: str, status: ProbeStatus, words: str, remedy: str) -> None:
    """What users would meet too is critical; that the probe has no ticket says nothing of the server."""
    error = no_ticket("sip@fe1.example.com", number, said)
    assert (error.status, error.words) == (status, words)
    assert remedy in error.remedy
