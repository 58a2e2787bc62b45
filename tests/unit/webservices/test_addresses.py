"""Which service an address means."""

import pytest

from lyncpy.workloads.webservices.model.addresses import ADDRESS_BOOK, CERTIFICATES, DISCOVERY, PHOTOS, Addresses

SITE = "https://sip.example.test"


@pytest.mark.parametrize(
    ("address", "service"),
    [
        (f"{SITE}{CERTIFICATES}", CERTIFICATES),
        (f"{SITE}:443{CERTIFICATES}/WebTicket_Proof_SHA1", CERTIFICATES),
        (f" {SITE.upper()}{CERTIFICATES.upper()}/x?y=z ", CERTIFICATES),
        (f"{SITE}{DISCOVERY}/root/user", DISCOVERY),
        (f"{SITE}{PHOTOS}/F-0a8c.lsabs", ADDRESS_BOOK),
        (f"{SITE}{CERTIFICATES}2", ""),
        (f"{SITE}:8443{CERTIFICATES}", ""),
        (f"http://sip.example.test{CERTIFICATES}", ""),
        (f"https://other.example.test{CERTIFICATES}", ""),
        (f"ftp://sip.example.test{CERTIFICATES}", ""),
        (CERTIFICATES, ""),
        ("https://[::1", ""),
        ("https://sip.example.test:x/", ""),
        ("", ""),
    ],
)
def test_a_client_may_name_a_service_in_its_own_way(address: str, service: str) -> None:
    """By the place that it calls, with a port, in capitals; not by another's address."""
    assert Addresses(SITE).service(address) == (f"{SITE}{service}" if service else "")


def test_a_site_may_have_a_port_of_its_own() -> None:
    """It is told in every address, and looked for."""
    addresses = Addresses(f"{SITE}:8443")
    assert addresses.service(f"{SITE}:8443{DISCOVERY}") == addresses.url_of(DISCOVERY) == f"{SITE}:8443{DISCOVERY}"
    assert addresses.service(f"{SITE}{DISCOVERY}") == ""
