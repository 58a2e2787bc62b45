"""What a user may say to another of people and servers."""

import pytest

from lyncpy.sip.message import Headers
from lyncpy.sip.trust import FAMILIES, TABLE, Trust, trust_of, unbacked


def _may_refer(uri: str) -> bool:
    return uri == "sip:alice@example.test"


def _passes(name: str, value: str = "x") -> bool:
    return not unbacked(Headers([("From", "<sip:alice@example.test>"), (name, value)]), _may_refer)


@pytest.mark.parametrize(
    "name",
    [
        "Remote-Party-ID", "P-Asserted-Identity", "P-PREFERRED-IDENTITY", "Ms-Sender", "ms-asserted-verification-level",
        "ms-edge-proxy-message-trust", "ms-user-data", "ms-entrustment", "ms-split-domain-info", "ms-received-port",
        "ms-forking", "History-Info", "Diversion", "Identity", "Identity-Info", "P-Charging-Vector",
        "P-Access-Network-Info", "P-Anything-New", "ms-diagnostics-public", "ms-telemetry-id", "ms-mras-address",
        "Server", "ms-user-logon-data", "Authentication-Info", "Proxy-Authentication-Info", "WWW-Authenticate",
        "Proxy-Authenticate", "Authorization", "Proxy-Authorization", "ms-source-verified-user", "ms-routing-phase",
        "P-Session-On-Behalf-Of", "Priv-Answer-Mode", "ms-on-behalf-of",
        "Path", "Service-Route", "Feature-Caps", "Policy-Contact", "Restoration-Info", "Response-Source",
        "Service-Interact-Info", "Priority-Share",
    ],
)  # fmt: skip
def test_what_only_a_server_says_does_not_pass(name: str) -> None:
    """Identity, trust and challenges, whatever their letters' case."""
    assert not _passes(name)


@pytest.mark.parametrize(
    "name",
    [
        "Subject", "Privacy", "User-Agent", "ms-client-diagnostics", "ms-text-format", "Ms-Conversation-ID",
        "ms-endpoint-location-data", "ms-subnet", "Priority", "X-Anything", "RSeq", "RAck", "Require", "Warning",
        "Supported", "EndPoints", "Roster-Manager", "Reason", "Replaces", "ms-sensitivity", "Date", "Paging",
    ],
)  # fmt: skip
def test_what_asserts_nothing_passes(name: str) -> None:
    """A proxy is transparent for what it does not know."""
    assert _passes(name)


@pytest.mark.parametrize("letter", ["Referred-By", "b"])
def test_a_referral_passes_when_it_is_true(letter: str) -> None:
    """In the long form and in the short; a second one that lies takes the first along."""
    alice, boss = "<sip:alice@example.test>", "<sip:boss@example.test>"
    assert _passes(letter, alice)
    assert not _passes(letter, boss)
    assert not _passes(letter, "nobody at all <")
    assert not _passes(letter, f'{alice};ms-identity="forged"')
    assert "referred-by" in unbacked(Headers([(letter, alice), (letter, boss)]), _may_refer)


@pytest.mark.parametrize(
    ("value", "passes"),
    [
        ('52094;reason="idle"', True),
        ("24000", True),
        ("62001.2;x=y", True),
        ('1003;reason="User does not exist"', False),
        ("23999", False),
        ("", False),
        ("soon", False),
        ("9" * 11, False),
    ],
)
def test_diagnostics_pass_when_they_are_a_client_s(value: str, passes: bool) -> None:
    """The ids of servers would speak in this server's name."""
    assert _passes("ms-diagnostics", value) is passes


def test_the_table_is_written_as_it_is_read() -> None:
    """Names are in lower case, and no row says what its family says already."""
    for name in (*TABLE, *FAMILIES):
        assert name == name.lower()
    for name, trust in TABLE.items():
        family = next((FAMILIES[one] for one in FAMILIES if name.startswith(one)), None)
        assert family is not trust, name
    assert trust_of("P-Asserted-Identity") is Trust.OURS
    assert trust_of("P-Asserted-Service") is Trust.REMOVED
    assert trust_of("Subject") is None
