"""A signature is good once; nobody fills the memory of them."""

import pytest
from twisted.logger import formatEvent

from lyncpy.contracts.names import Aor
from lyncpy.workloads.webservices.model.proof import SKEW_S, Possession
from lyncpy.workloads.webservices.model.refusal import ServiceRefused
from lyncpy.workloads.webservices.used_signatures import PER_USER, PER_USER_CROWDED, SPARE_S, UsedSignatures
from tests.kit.logs import overheard

ALICE, BOB = Aor("sip:alice@example.test"), Aor("sip:bob@example.test")
ENDS_S = 900.0 + SPARE_S


def _proof(number: int, ends_in: float = 900.0) -> Possession:
    return Possession(b"%d" % number, ends_in)


def _user(number: int) -> Aor:
    return Aor(f"sip:u{number}@example.test")


def test_a_signature_is_taken_once_in_its_time() -> None:
    """Whoever sends it; afterwards its time stamp is too old, and it is forgotten, in whichever order they came."""
    used = UsedSignatures(1_000)
    used.take(_proof(0, 1800.0), ALICE, 0.0)
    used.take(_proof(1), ALICE, 0.0)
    for aor in (ALICE, BOB):
        with pytest.raises(ServiceRefused, match="sent before"):
            used.take(_proof(1), aor, ENDS_S - 1)
    used.take(_proof(2), ALICE, ENDS_S - 1)
    used.take(_proof(3), ALICE, ENDS_S)
    assert len(used) == 3
    with pytest.raises(ServiceRefused, match="sent before"):
        used.take(_proof(0), BOB, 1800.0 + SPARE_S - 1)


def test_who_asks_too_often_waits_and_nobody_else() -> None:
    """Nothing is forgotten before its time to make room."""
    used = UsedSignatures(1_000)
    for number in range(PER_USER):
        used.take(_proof(number), ALICE, 0.0)
    with pytest.raises(ServiceRefused, match="you have asked for too many"):
        used.take(_proof(-1), ALICE, 1.0)
    used.take(_proof(-1), BOB, 1.0)
    used.take(_proof(-2), ALICE, ENDS_S)


def test_who_waits_as_long_as_they_are_told_may_ask_again() -> None:
    """Also with a clock that is as far ahead as it may be, whose time stamps hold longest."""
    used = UsedSignatures(1_000)
    for number in range(PER_USER):
        used.take(_proof(number, 2 * SKEW_S), ALICE, 0.0)
    with pytest.raises(ServiceRefused, match=r"in [0-9]+ minutes at the latest") as refused:
        used.take(_proof(-1), ALICE, 0.0)
    told = 60.0 * next(int(word) for word in refused.value.reason.split() if word.isdigit())
    with pytest.raises(ServiceRefused):
        used.take(_proof(-1), ALICE, told - 1)
    used.take(_proof(-1), ALICE, told)


def test_a_few_with_very_many_leave_half_of_it_to_all_others() -> None:
    """Who has had few until then gets what a start of a client takes."""
    used = UsedSignatures(1_000)
    number = 0
    for user in range(500 // PER_USER + 1):
        for _ in range(PER_USER):
            if len(used) < 500:
                used.take(_proof(number := number + 1), _user(user), 0.0)
    with pytest.raises(ServiceRefused, match="you have asked for too many"):
        used.take(_proof(-1), _user(0), 1.0)
    for _ in range(PER_USER_CROWDED):
        used.take(_proof(number := number + 1), ALICE, 1.0)
    with pytest.raises(ServiceRefused, match="you have asked for too many"):
        used.take(_proof(-1), ALICE, 1.0)
    used.take(_proof(-1), BOB, 1.0)


def test_all_together_have_a_bound() -> None:
    """However many users there are; who is refused is told for how long, and the operator which setting it is."""
    used = UsedSignatures(1_000)
    for number in range(1_000):
        used.take(_proof(number), _user(number // PER_USER_CROWDED), 0.0)
    with overheard() as events:
        for _ in range(3):
            with pytest.raises(ServiceRefused, match="try again in 960 seconds"):
                used.take(_proof(-1), ALICE, 0.5)
    assert len(used) == 1_000
    (line,) = [formatEvent(event) for event in events]
    assert "[webservices] signatures_total (1000)" in line
    used.take(_proof(-1), ALICE, ENDS_S)
    assert len(used) == 1
