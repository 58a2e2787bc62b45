"""Changes of state in sentences."""

import pytest

from lyncpy.contracts.facts import (
    AccessChanged,
    BoardChanged,
    CertificatesRevoked,
    ContactsChanged,
    EndpointArrived,
    EndpointGone,
    EndpointGoneReason,
    Fact,
    PersonChanged,
    SecretChanged,
)
from lyncpy.contracts.names import Aor, FlowName, Version, epid_of
from lyncpy.workloads.tracing.state import WORDS

ALICE = Aor("sip:alice@example.com")
DEVICE, FLOW = epid_of("AA"), FlowName("n1/1")
GONE = EndpointGoneReason.CONNECTION_LOST


@pytest.mark.parametrize(
    ("fact", "words"),
    [
        (EndpointArrived(ALICE, DEVICE, FLOW), "alice@example.com signed in, device AA, connection n1/1"),
        (
            EndpointGone(ALICE, DEVICE, FLOW, GONE, last=True),
            "alice@example.com is signed in no more, device AA: connection lost; it was their last device",
        ),
        (
            EndpointGone(ALICE, DEVICE, FLOW, GONE, last=False),
            "alice@example.com is signed in no more, device AA: connection lost",
        ),
        (
            PersonChanged(ALICE, is_known=True, may_stay=True),
            "what the directory says of alice@example.com has changed",
        ),
        (
            PersonChanged(ALICE, is_known=True, may_stay=False),
            "what the directory says of alice@example.com has changed; they are locked out",
        ),
        (PersonChanged.gone(ALICE), "nobody has the address alice@example.com any more"),
        (
            PersonChanged.gone(ALICE, Aor("sip:a@example.com")),
            "nobody has the address alice@example.com any more; who had it is a@example.com now",
        ),
        (SecretChanged(ALICE), "the password of alice@example.com was set or removed"),
        (CertificatesRevoked(ALICE, frozenset({"1"})), "1 certificates of alice@example.com were revoked"),
        (
            BoardChanged(ALICE, Version(2), frozenset({"state", "note"}), DEVICE),
            "presence of alice@example.com changed by device AA: note, state",
        ),
        (
            BoardChanged(ALICE, Version(2), frozenset(), None),
            "presence of alice@example.com changed by the server: who sees what",
        ),
        (AccessChanged(ALICE), "who may see what of alice@example.com is decided anew"),
        (ContactsChanged(ALICE, 7, b"", None), "the contact list of alice@example.com has changed, number 7"),
    ],
)
def test_a_change_is_told_in_a_sentence(fact: Fact, words: str) -> None:
    """With whom it is about, and why."""
    assert WORDS[type(fact)](fact) == words
