"""The addresses of the services, and which of them a client means. Pure."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

TICKETS: Final = "/WebTicket/WebTicketService.svc"
CERTIFICATES: Final = "/CertProv/CertProvisioningService.svc"
ADDRESS_BOOK: Final = "/GroupExpansion/Service.svc"
PHOTOS: Final = "/abs/handler"
DISCOVERY: Final = "/Autodiscover/AutodiscoverService.svc"

_SERVICES: Final = {
    CERTIFICATES: CERTIFICATES,
    ADDRESS_BOOK: ADDRESS_BOOK,
    DISCOVERY: DISCOVERY,
    # One ticket does for a search and the photos of whom it finds.
    PHOTOS: ADDRESS_BOOK,
}
"""Services by where they are."""

_PORTS: Final = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the services are."""

    site: str
    """Address of the site, as "https://sip.example.com", without a slash at its end."""

    def url_of(self, path: str) -> str:
        """Give the whole address of a path of the site."""
        return f"{self.site}{path}"

    def service(self, address: str) -> str:
        """Give the address of the service that takes tickets and that a client means; "" when there is none.

        Clients name the service or one of the places below it, with or without the port that goes without saying.
        """
        wanted = _normal(address)
        for path, service in _SERVICES.items():
            host, port, place = _normal(self.url_of(path))
            if wanted[:2] == (host, port) and f"{wanted[2]}/".startswith(f"{place}/"):
                return self.url_of(service)
        return ""


def _normal(text: str) -> tuple[str, int, str]:
    """Give host, port and path, in lower case: Lync's own server does not tell letters' case apart either. "": no address."""
    try:
        parts = urlsplit(text.strip().lower())
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        return ("", 0, "")
    return (parts.hostname or "", port, parts.path)
