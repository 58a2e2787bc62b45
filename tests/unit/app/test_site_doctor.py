"""What an administrator reads of the addresses that clients ask over HTTPS."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from lyncpy.app.config import Config, check
from lyncpy.app.site_doctor import Unreachable, site_findings, told_addresses

SITE = "https://sip.example.com:4443"


def configured(**sections: dict[str, object]) -> Config:
    """Make a configuration of example.com."""
    return check(Path("/x/lyncpy.toml"), {**sections, "sip": {"domain": "example.com"}})


class World:
    """Names and servers: each name has an address unless it is unknown, and each address answers unless it is silent."""

    def __init__(self, unknown: str = "", silent: str = "", status: int = 200) -> None:
        self.unknown = unknown
        self.silent = silent
        self.status = status
        self.asked: list[str] = []

    def addresses(self, host: str) -> tuple[str, Sequence[str]]:
        """Give one."""
        if host == self.unknown:
            raise OSError(2, "Name or service not known")
        return host, ["192.0.2.1"]

    def name_of(self, address: str) -> str:
        """Nobody asks."""
        raise AssertionError(address)

    def ask(self, url: str) -> tuple[int, str]:
        """Answer."""
        self.asked.append(url)
        if self.silent and url.startswith(self.silent):
            raise Unreachable("no answer within 5 s")
        return self.status, "192.0.2.1"


def said(config: Config, world: World) -> list[str]:
    """Give what is wrong."""
    return [one.sentence for one in site_findings(config, world, world) if not one.good]


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Config:
    """Give a configuration with a site at every place where clients look for one."""
    return configured(
        web={"https_port": 4443, "http_port": 80}, conferencing={"meeting_url": "https://meet.example.com/m"}
    )


def test_all_that_clients_ask_is_asked(site: Config) -> None:
    """What they cannot do without comes first."""
    world = World()
    assert said(site, world) == []
    assert world.asked == [
        f"{SITE}/CertProv/CertProvisioningService.svc/mex",
        f"{SITE}/WebTicket/WebTicketService.svc/mex",
        f"{SITE}/GroupExpansion/Service.svc/mex",
        "http://lyncdiscoverinternal.example.com:80/",
        "http://lyncdiscover.example.com:80/",
        "https://meet.example.com/m/nobody/NOMEETING",
    ]


def test_names_that_are_looked_up_are_asked_with_tls_where_there_is_nothing_else() -> None:
    """At the port of HTTPS."""
    urls = [one.url for one in told_addresses(configured(web={"https_port": 443}))]
    assert "https://lyncdiscover.example.com/" in urls


def test_a_site_behind_a_closed_port_is_told_once_with_what_becomes_of_clients(site: Config) -> None:
    """And what can be done; the other names are asked all the same."""
    world = World(silent=SITE)
    (sentence,) = said(site, world)
    assert sentence.startswith(f"{SITE}/CertProv/CertProvisioningService.svc/mex, certificates: no answer within 5 s;")
    assert "do not sign in then" in sentence and "tls_dsk = false" in sentence
    assert len(world.asked) == 4


def test_where_no_certificate_is_offered_search_is_what_is_lost() -> None:
    """Nobody is told to turn off what is off."""
    (sentence,) = said(
        configured(web={"https_port": 4443, "http_port": 80}, auth={"tls_dsk": False}), World(silent=SITE)
    )
    assert "search: no answer within 5 s" in sentence and "tls_dsk" not in sentence


def test_a_name_that_leads_nowhere_is_told(site: Config) -> None:
    """With who needs it."""
    (sentence,) = said(site, World(unknown="meet.example.com"))
    assert sentence == (
        "meet.example.com, meeting links: the name has no address here (Name or service not known); links to meetings lead to"
        " nothing then: publish it in DNS (`lyncpy dns`)"
    )


def test_another_server_at_the_address_is_told(site: Config) -> None:
    """It answers, and does not know what this one would."""
    assert "192.0.2.1 answers with 302, which this server does not" in said(site, World(status=302))[0]


def test_a_server_without_a_site_is_told_what_does_not_work() -> None:
    """There is nothing to ask then."""
    world = World()
    (sentence,) = said(configured(web={"https_port": 0}), world)
    assert "there is no site" in sentence
    assert world.asked == []
