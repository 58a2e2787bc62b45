"""A signature is good once; nobody fills the memory of them."""

import pytest

from lyncpy.contracts.names import Aor
from lyncpy.workloads.webservices.model.refusal import ServiceRefused
from lyncpy.workloads.webservices.used_signatures import KEPT_S, PER_USER, TOTAL, UsedSignatures

ALICE, BOB = Aor("sip:alice@example.test"), Aor("sip:bob@example.test")


def test_a_signature_is_taken_once_in_its_time() -> None:
    """Whoever sends it; afterwards its time stamp is too old, and it is forgotten."""
    used = UsedSignatures()
    used.take(b"1", ALICE, 0.0)
    for aor in (ALICE, BOB):
        with pytest.raises(ServiceRefused, match="sent before"):
            used.take(b"1", aor, KEPT_S - 1)
    used.take(b"2", ALICE, KEPT_S - 1)
    used.take(b"3", ALICE, KEPT_S)
    assert len(used) == 2


def test_who_asks_too_often_waits_and_nobody_else() -> None:
    """Nothing is forgotten before its time to make room."""
    used = UsedSignatures()
    for number in range(PER_USER):
        used.take(b"%d" % number, ALICE, 0.0)
    with pytest.raises(ServiceRefused, match="too many"):
        used.take(b"more", ALICE, 1.0)
    used.take(b"of bob", BOB, 1.0)
    used.take(b"later", ALICE, KEPT_S)


def test_all_together_have_a_bound() -> None:
    """However many users there are."""
    used = UsedSignatures()
    for number in range(TOTAL):
        used.take(b"%d" % number, Aor(f"sip:u{number // PER_USER}@example.test"), 0.0)
    with pytest.raises(ServiceRefused, match="too many"):
        used.take(b"more", ALICE, 1.0)
    assert len(used) == TOTAL
