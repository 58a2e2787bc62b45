"""Certificates that were offered and not fetched, as `why` tells of them."""

import pytest
from twisted.internet.task import Clock

from lyncpy.contracts.names import Aor
from lyncpy.core import certificate_offers
from lyncpy.core.certificate_offers import PATIENCE_S, CertificateOffers
from lyncpy.core.timers import Timers
from lyncpy.core.tries import SignInAttempt, UserAtPlace

ALICE, BOB = Aor("sip:alice@example.com"), Aor("sip:bob@example.com")
BOTH, NTLM = {"tls-dsk", "ntlm"}, {"ntlm"}


def attempt(aor: Aor = ALICE, place: str = "192.0.2.1", epid: str = "01ab", *, is_user: bool = True) -> SignInAttempt:
    """Give a try to sign in."""
    return SignInAttempt(aor, place, place, epid, UserAtPlace(str(aor), place), is_user, is_relayed=False)


class Desk:
    """Offers, and the time."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.offers = CertificateOffers(Timers(self.clock, lambda: 1_700_000_000.0 + self.clock.seconds()))

    def said(self, aor: Aor = ALICE) -> list[str]:
        """Give what is told of somebody."""
        return [one.finding for one in self.offers.reasons(aor)]


def test_an_offer_that_comes_to_nothing_is_told_after_a_while() -> None:
    """With the place of the client, and what to do; a client that is under way is none."""
    desk = Desk()
    desk.offers.offer(attempt(), BOTH)
    assert desk.said() == []
    desk.clock.advance(PATIENCE_S)
    assert desk.said() == [
        "2023-11-14T22:13:20Z from 192.0.2.1: a certificate was offered, and nobody came to the site for it"
    ]
    (reason,) = desk.offers.reasons(ALICE)
    assert "lyncpy doctor site" in reason.remedy and not reason.good


@pytest.mark.parametrize(
    ("tried", "is_told"),
    [
        (attempt(), False),
        (attempt(epid="02cd"), False),
        (attempt(place="198.51.100.1", epid=""), False),
        (attempt(place="198.51.100.1"), True),
        (attempt(BOB), True),
    ],
    ids=["the device", "another beside it", "the site", "another place", "somebody else"],
)
def test_whoever_goes_on_ends_it(tried: SignInAttempt, is_told: bool) -> None:
    """Over SIP from the same place, or at the site from anywhere."""
    desk = Desk()
    desk.offers.offer(attempt(), BOTH)
    desk.offers.tried(tried)
    desk.clock.advance(PATIENCE_S)
    assert bool(desk.said()) == is_told


def test_only_who_is_known_and_offered_one_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """And of too many, the last."""
    monkeypatch.setattr(certificate_offers, "OFFERS_REMEMBERED", 1)
    desk = Desk()
    desk.offers.offer(attempt(), NTLM)
    desk.offers.offer(attempt(is_user=False), BOTH)
    desk.clock.advance(PATIENCE_S)
    assert desk.said() == []
    desk.offers.offer(attempt(), BOTH)
    desk.offers.offer(attempt(BOB), BOTH)
    desk.clock.advance(PATIENCE_S)
    assert (len(desk.said()), len(desk.said(BOB))) == (0, 1)
