"""Autodiscovery: where a client signs in, found by the names that it looks up for its user's domain ([MS-OCDISCWS])."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from lyncpy.contracts.http import HttpAnswer, HttpAsked, HttpRefused, HttpResource
from lyncpy.contracts.names import domain_of
from lyncpy.workloads.webservices.bodies.discovery import DiscoveryDocument, form_of, write_discovery
from lyncpy.workloads.webservices.model.addresses import DISCOVERY, Addresses
from lyncpy.workloads.webservices.shown_ticket import ShownTickets

_ROOT: Final = f"{DISCOVERY}/root"
_USER: Final = f"{_ROOT}/user"
_DOMAIN: Final = f"{_ROOT}/domain"

_FOR: Final = "originalDomain"
"""What a link says of the domain of whoever follows it, as Lync Server writes it."""

_INSIDE: Final = "lyncdiscoverinternal"
_OUTSIDE: Final = "lyncdiscover"


@dataclass(frozen=True, slots=True)
class SignInPlace:
    """Where clients sign in over SIP."""

    names: Mapping[str, str]
    """By each domain of people the name under which their clients trust this server; the first is that of who names none."""

    port: int
    """With TLS; 0: there is none."""

    @property
    def domain(self) -> str:
        """Give the first domain."""
        return next(iter(self.names))

    def elements(self, domain: str) -> Mapping[str, tuple[str, int]]:
        """Give name and port by the name of the element that says so: it is the same place from wherever somebody comes."""
        if not self.port:
            return {}
        return {
            f"Sip{kind}{side}Access": (self.names[domain], self.port)
            for side in ("Internal", "External")
            for kind in ("Server", "Client")
        }


class DiscoveryService:
    """Answers who looks for the server.

    Args:
        tickets: Admits who asks for what concerns one user.
        place: Where they sign in.
    """

    def __init__(self, tickets: ShownTickets, addresses: Addresses, place: SignInPlace) -> None:
        self._tickets = tickets
        self._addresses = addresses
        self._place = place
        self._outside = frozenset(f"{_OUTSIDE}.{domain}" for domain in place.names)

    def rows(self) -> tuple[HttpResource, ...]:
        """Give what it answers over HTTP."""
        return (
            *(
                HttpResource("/", self.front, host=f"{name}.{domain}", is_plain=True)
                for domain in self._place.names
                for name in (_INSIDE, _OUTSIDE)
            ),
            HttpResource(_ROOT, self.root, is_plain=True),
            HttpResource(_DOMAIN, self.domain),
            HttpResource(_USER, self.user),
        )

    async def front(self, asked: HttpAsked) -> HttpAnswer:
        """Answer at the bare address of the names that clients look up."""
        if asked.path != "/":
            raise HttpRefused(404, "there is nothing at this address")
        return await self.root(asked)

    async def root(self, asked: HttpAsked) -> HttpAnswer:
        """Say where to ask on, to anybody: whether there is such a user is not looked at."""
        of, domain = self._addresses.url_of, self._domain(asked)
        # The names that are looked up say whose client asks; behind the first answer it asks under the site's own.
        query = "" if domain == self._place.domain else f"?{_FOR}={domain}"
        if not asked.is_secure:
            # Without TLS nothing is told but where there is TLS ([MS-OCDISCWS] 3.1.5.2).
            return self._said(asked, "Root", (("Redirect", of(_ROOT) + query),))
        links = (("Domain", of(_DOMAIN) + query), ("User", of(_USER)), ("Self", of(_ROOT) + query))
        return self._said(asked, "Root", links)

    async def domain(self, asked: HttpAsked) -> HttpAnswer:
        """Say where the domain's people sign in, to anybody: its DNS says the same."""
        return self._said(asked, "Domain", self._on(), self._domain(asked))

    async def user(self, asked: HttpAsked) -> HttpAnswer:
        """Say where a user signs in, to whoever has their ticket."""
        domain = (await self._tickets.admit(asked, DISCOVERY)).rpartition("@")[2]
        return self._said(asked, "User", (*self._on(), ("Self", self._addresses.url_of(_USER))), domain)

    def _on(self) -> tuple[tuple[str, str], ...]:
        return tuple((f"{side}/Autodiscover", self._addresses.url_of(_ROOT)) for side in ("Internal", "External"))

    def _domain(self, asked: HttpAsked) -> str:
        """Give the domain of the people for whose client a request is, as far as it says: by its host, or its query."""
        looked_up, _, domain = asked.host.partition(".")
        if looked_up in (_INSIDE, _OUTSIDE) and domain in self._place.names:
            return domain
        said = asked.query.get(_FOR) or asked.query.get("sipuri", "").rpartition("@")[2]
        return domain if (domain := domain_of(said)) in self._place.names else self._place.domain

    def _said(self, asked: HttpAsked, kind: str, links: tuple[tuple[str, str], ...], place_of: str = "") -> HttpAnswer:
        location = "External" if asked.host in self._outside else "Internal"
        form = form_of(asked.headers.get("accept", ""))
        document = DiscoveryDocument(kind, location, links, self._place.elements(place_of) if place_of else {})
        return HttpAnswer(200, form.value, write_discovery(document, form))
