"""What somebody was issued, and what is left of it."""

import json
from dataclasses import replace

import pytest

from lyncpy.contracts.names import Aor
from lyncpy.contracts.owners import OwnerId
from lyncpy.workloads.webservices.model.issued import (
    LONGEST_S,
    SPARE_S,
    USED_SIGNATURES,
    USED_TICKETS,
    Issued,
    IssuedCertificate,
    UsedSignature,
    UsedTicket,
    check_round,
    pack,
    revoked,
    standing,
    unpack,
    with_certificate,
    with_password,
    with_signature,
    with_ticket,
    with_use,
    without,
)
from lyncpy.workloads.webservices.model.proof import SKEW_S, Possession
from lyncpy.workloads.webservices.model.refusal import ServiceRefused
from lyncpy.workloads.webservices.model.tickets import TicketClaims

ONE = IssuedCertificate("d1", "s1", "device1", 10.0, 100.0, "mark")
TWO = replace(ONE, digest="d2", serial="s2", device="device2")
TICKET = TicketClaims("ticket1", Aor("sip:alice@example.test"), OwnerId("1"), "https://x", 0, 50, 0, b"")
USED = UsedTicket("ticket1", "key1", 50)


def test_each_device_has_one_and_the_oldest_make_room() -> None:
    """What is over is forgotten on the way."""
    both = with_certificate(with_certificate(Issued(), ONE, 2, 10.0), TWO, 2, 10.0)
    assert both.certificates == (ONE, TWO)
    again = replace(ONE, serial="s3")
    assert with_certificate(both, again, 2, 10.0).certificates == (TWO, again)
    third = replace(ONE, serial="s4", device="device3")
    assert with_certificate(both, third, 2, 10.0).certificates == (TWO, third)
    assert with_certificate(both, third, 9, 100.0).certificates == (third,)


def test_one_is_revoked_or_all() -> None:
    """With either goes every ticket of before: the lost device may have one that was never used, and others were read on it."""
    both = Issued(2, (ONE, TWO), (USED,))
    assert without(both, "s1") == Issued(3, (TWO,))
    with pytest.raises(ServiceRefused, match="revoked"):
        check_round(without(both, "s1"), replace(TICKET, round=2))
    assert without(both, "s9") is both
    assert revoked(both) == Issued(3)
    assert without(replace(both, password="1f"), "s1") == Issued(3, (TWO,), password="1f")


def test_another_password_ends_what_the_one_before_opened() -> None:
    """The first one that is known ends nothing: which one it was before, nobody knows."""
    first = with_password(Issued(2, (ONE, TWO), (USED,), is_open=True), "1f")
    assert first == Issued(2, (ONE, TWO), (USED,), is_open=True, password="1f")
    assert with_password(first, "1f") is first
    assert with_password(first, "2e") == Issued(3, password="2e")
    assert revoked(first) == Issued(3, password="1f")


def _signed(issued: Issued, number: int, now: float, ends_in: float = 900.0) -> Issued:
    return with_signature(issued, Possession(b"%d" % number, ends_in), now)


def test_a_signature_is_taken_once_in_its_time() -> None:
    """Whatever is revoked meanwhile; then its time stamp is too old, and it is forgotten, in whichever order they came."""
    used = revoked(_signed(_signed(Issued(), 0, 0.0, 1800.0), 1, 0.0))
    with pytest.raises(ServiceRefused, match="sent before"):
        _signed(used, 1, 900.0 + SPARE_S - 1)
    later = _signed(used, 2, 900.0 + SPARE_S)
    assert [one.until for one in later.signatures] == [1800.0 + SPARE_S, 1800.0 + 2 * SPARE_S]
    with pytest.raises(ServiceRefused, match="sent before"):
        _signed(later, 0, 1800.0 + SPARE_S - 1)


def test_who_asks_too_often_waits_no_longer_than_they_are_told() -> None:
    """Nothing is forgotten before its time to make room; also with a clock that is as far ahead as it may be."""
    used = Issued()
    for number in range(USED_SIGNATURES):
        used = _signed(used, number, 0.0, 2 * SKEW_S)
    with pytest.raises(ServiceRefused, match=r"in 31 minutes at the latest"):
        _signed(used, -1, LONGEST_S - 1)
    assert len(_signed(used, -1, 31 * 60.0).signatures) == 1


def test_what_was_given_is_known_until_it_ends() -> None:
    """Of who has nothing there is nothing to end."""
    given = with_ticket(Issued(2))
    assert (Issued(2).is_ended, given.is_ended, revoked(given).is_ended) == (True, False, True)
    assert with_ticket(given) is given
    assert not Issued(2, (ONE,)).is_ended


def test_a_ticket_counts_in_its_round() -> None:
    """The next one is another."""
    check_round(Issued(), TICKET)
    with pytest.raises(ServiceRefused, match="revoked"):
        check_round(Issued(1), TICKET)


def test_a_ticket_is_used_for_one_key() -> None:
    """As long as it holds, whatever became of the certificate that it got."""
    used = with_use(Issued(0, (ONE,)), TICKET, "key1", 10.0)
    assert used == Issued(0, (ONE,), (USED,))
    assert with_use(used, TICKET, "key1", 11.0) == used
    for left in (used, Issued(0, (), used.used), with_certificate(used, replace(ONE, serial="s3"), 1, 12.0)):
        with pytest.raises(ServiceRefused, match="used for another certificate"):
            with_use(left, TICKET, "key2", 49.0)


def test_used_tickets_are_forgotten_when_they_expire_and_never_before() -> None:
    """Whoever uses more than a bound has to wait for that."""
    tickets = [replace(TICKET, id=f"ticket{number}", expires=50 + number) for number in range(USED_TICKETS + 1)]
    issued = Issued()
    for ticket in tickets[:-1]:
        issued = with_use(issued, ticket, "key", 10.0)
    with pytest.raises(ServiceRefused, match="too many tickets"):
        with_use(issued, tickets[-1], "key", 49.0)
    assert with_use(issued, tickets[0], "key", 49.0) == issued
    later = with_use(issued, tickets[-1], "key", 51.0)
    assert [one.id for one in later.used] == [one.id for one in tickets[2:]]


def test_a_certificate_stands_in_its_time_with_its_password() -> None:
    """Each end has its word."""
    assert standing(ONE, "mark", 99.0) == "good"
    assert standing(ONE, "mark", 100.0) == "expired"
    assert standing(ONE, "other", 99.0) == "password changed"


def test_what_is_kept_is_read() -> None:
    """Of who has no record nothing is kept."""
    for both in (
        Issued(2, (ONE, TWO), (USED,)),
        Issued(3, is_open=True),
        Issued(4, password="1f", signatures=(UsedSignature("d", 9.0),)),
    ):
        assert unpack(pack(both)) == both
    assert unpack(None) == Issued()


def test_an_earlier_record_is_read() -> None:
    """Of before used tickets had a list of their own, and tickets were written of."""
    record = json.loads(pack(Issued(2, (ONE,))))
    del record["used"], record["is_open"], record["password"], record["signatures"]
    record["certificates"][0] |= {"ticket": "ticket1", "key": "key1"}
    assert unpack(json.dumps(record).encode()) == Issued(2, (ONE,), is_open=True)
