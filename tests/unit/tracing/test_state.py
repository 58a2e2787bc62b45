"""Changes of state in sentences."""

import pytest

from lyncpy.contracts.facts import (
    AccessChanged,
    BoardChanged,
    CertificatesRevoked,
    ConferenceChanged,
    ContactsChanged,
    EndpointArrived,
    EndpointGone,
    EndpointGoneReason,
    Fact,
    PersonChanged,
    SecretChanged,
    StateNoted,
)
from lyncpy.contracts.names import Aor, FlowName, Version, epid_of
from lyncpy.contracts.policy import Policy
from lyncpy.workloads.tracing.state import WORDS, policy_words

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
        (
            ConferenceChanged("k", Version(3), ALICE),
            "a conference of alice@example.com was made or changed, version 3",
        ),
        (ConferenceChanged("k", Version(0), ALICE), "a conference of alice@example.com was deleted"),
        (StateNoted(ALICE, "something has happened"), "something has happened"),
    ],
)
def test_a_change_is_told_in_a_sentence(fact: Fact, words: str) -> None:
    """With whom it is about, and why."""
    assert WORDS[type(fact)](fact) == words


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (Policy(meeting_size=12), '"default"; meeting_size = 12'),
        (Policy(name="board"), '"board", before "default"; all else is as before'),
        (Policy(name="board", privacy_mode=True), '"board", before "default"; privacy_mode = True'),
    ],
)
def test_a_policy_is_told_by_what_is_new_in_it(after: Policy, words: str) -> None:
    """With its name, and with the one before where that is another."""
    assert policy_words(ALICE, Policy(), after) == f"the policy of alice@example.com has changed: {words}"
