"""The documents of autodiscovery, in XML and in the two forms of JSON that clients ask for ([MS-OCDISCWS] 2.2, 3.1)."""

import enum
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from lyncpy.sip.markup import quote_attr
from lyncpy.sip.namespaces import INSTANCE_NS

Link = tuple[str, str]
"""Token and address."""

_XML: Final = "application/vnd.microsoft.rtc.autodiscover+xml"
_JSON: Final = "application/vnd.microsoft.rtc.autodiscover+json"
_PLAIN_JSON: Final = "application/json"


class DiscoveryForm(enum.Enum):
    """How a document is written; the values are media types."""

    XML = f"{_XML}; v=1"
    JSON = f"{_JSON}; v=1"
    LINKS = _PLAIN_JSON
    """Links alone, by their names, as clients on the web have them."""


@dataclass(frozen=True, slots=True)
class DiscoveryDocument:
    """One answer of autodiscovery."""

    kind: str
    """"Root", "Domain" or "User"."""

    location: str
    """"Internal" or "External": from where the client seems to ask."""

    links: Sequence[Link]
    """In order."""

    places: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    """Where to sign in, as name and port, by the element's name."""


def form_of(accept: str) -> DiscoveryForm:
    """Give the form that a client asks for with its Accept header; without one it is JSON."""
    kinds = {one.partition(";")[0].strip().lower() for one in accept.split(",")}
    if _XML in kinds:
        return DiscoveryForm.XML
    return DiscoveryForm.LINKS if _PLAIN_JSON in kinds else DiscoveryForm.JSON


def write_discovery(document: DiscoveryDocument, form: DiscoveryForm) -> bytes:
    """Write a document."""
    if form is DiscoveryForm.XML:
        return _xml(document).encode()
    return json.dumps(_links(document) if form is DiscoveryForm.LINKS else _json(document)).encode()


def _xml(document: DiscoveryDocument) -> str:
    places = "".join(
        f'<{name} fqdn={quote_attr(fqdn)} port="{port}"/>' for name, (fqdn, port) in document.places.items()
    )
    links = "".join(f"<Link token={quote_attr(token)} href={quote_attr(href)}/>" for token, href in document.links)
    return (
        f'<?xml version="1.0" encoding="utf-8"?><AutodiscoverResponse xmlns:xsi="{INSTANCE_NS}"'
        f' xmlns:xsd="http://www.w3.org/2001/XMLSchema" AccessLocation="{document.location}">'
        f"<{document.kind}>{places}{links}</{document.kind}></AutodiscoverResponse>"
    )


def _json(document: DiscoveryDocument) -> dict[str, Any]:  # Any: JSON
    # A client reads the port as text here.
    places = {name: {"fqdn": fqdn, "port": str(port)} for name, (fqdn, port) in document.places.items()}
    links = [{"href": href, "token": token} for token, href in document.links]
    return {"AccessLocation": document.location, document.kind: {**places, "Links": links}}


def _links(document: DiscoveryDocument) -> dict[str, Any]:  # Any: JSON
    return {"_links": {token.lower(): {"href": href} for token, href in document.links}}
