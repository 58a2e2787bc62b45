"""What somebody was issued, and what is left of it."""

from dataclasses import replace

import pytest

from lyncpy.contracts.names import Aor
from lyncpy.contracts.owners import OwnerId
from lyncpy.workloads.webservices.model.issued import (
    Issued,
    IssuedCertificate,
    check_round,
    check_ticket_use,
    pack,
    revoked,
    standing,
    unpack,
    with_certificate,
    without,
)
from lyncpy.workloads.webservices.model.refusal import ServiceRefused
from lyncpy.workloads.webservices.model.tickets import Ticket

ONE = IssuedCertificate("d1", "s1", "device1", 10.0, 100.0, "mark", "ticket1", "key1")
TWO = replace(ONE, digest="d2", serial="s2", device="device2", ticket="ticket2", key="key2")
TICKET = Ticket("ticket1", Aor("sip:alice@example.test"), OwnerId("1"), "https://x", 0, 1, 0, b"")


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
    """With all goes every ticket of before."""
    both = Issued(2, (ONE, TWO))
    assert without(both, "s1").certificates == (TWO,)
    assert without(both, "s9") is both
    assert revoked(both) == Issued(3)


def test_a_ticket_counts_in_its_round() -> None:
    """And for one key."""
    check_round(Issued(), TICKET)
    with pytest.raises(ServiceRefused, match="revoked"):
        check_round(Issued(1), TICKET)
    check_ticket_use(Issued(0, (ONE, TWO)), TICKET, "key1")
    with pytest.raises(ServiceRefused, match="used for another certificate"):
        check_ticket_use(Issued(0, (ONE, TWO)), TICKET, "key2")


def test_a_certificate_stands_in_its_time_with_its_password() -> None:
    """Each end has its word."""
    assert standing(ONE, "mark", 99.0) == "good"
    assert standing(ONE, "mark", 100.0) == "expired"
    assert standing(ONE, "other", 99.0) == "password changed"


def test_what_is_kept_is_read() -> None:
    """Of who has no record nothing is kept."""
    both = Issued(2, (ONE, TWO))
    assert unpack(pack(both)) == both
    assert unpack(None) == Issued()
