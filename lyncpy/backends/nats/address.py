"""What a NATS url says: servers of one cluster, a user, and how TLS is used."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple
from urllib.parse import unquote

from lyncpy.contracts.networks import address_of, host_and_port, is_loopback

NATS: Final = "nats://"
PORT: Final = 4222
TLS_MODES: Final = ("usual", "always", "first")

_LABEL: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
"""RFC 1123 section 2.1, and the underscore."""


class ServerAddress(NamedTuple):
    """Where a server is."""

    host: str
    port: int

    @property
    def is_here(self) -> bool:
        """Whether it is this machine."""
        return is_loopback(self.host)

    @property
    def is_named(self) -> bool:
        """Whether it has a name, and not an address alone."""
        return address_of(self.host) is None

    @property
    def is_plain_name(self) -> bool:
        """Whether it has a name that IDNA refuses: container networks give such ("nats_1")."""
        labels = self.host.split(".")
        return any("_" in one or (one[2:4] == "--" and one[:2].lower() != "xn") for one in labels)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class BusAddress:
    """Where the bus is; any of its servers will do."""

    places: Sequence[ServerAddress]
    user: str
    tls: str
    """One of TLS_MODES: "usual" is always beyond this machine, and on it where the server wants it."""

    def needs_tls(self, place: ServerAddress) -> bool:
        """Tell whether nothing may be said to a server without TLS.

        A server far away that tells of one here means its own machine, or any program of ours that listens.
        """
        if self.tls != "usual" or not place.is_here:
            return True
        return place not in self.places and not any(one.is_here for one in self.places)


def bus_of(url: str) -> BusAddress:
    """Read a url: nats://USER@HOST:PORT,HOST:PORT?tls=first, of which only one host is needed.

    Raises:
        ValueError: With a sentence for an operator, which repeats no password.
    """
    rest, _, query = url.removeprefix(NATS).partition("?")
    user, at, places = rest.rstrip("/").rpartition("@")
    if not url.startswith(NATS) or not places or "/" in places or (at and not user):
        raise ValueError('must be "memory:", or name servers, e.g. "nats://lyncpy@nats1.example.com,nats2.example.com"')
    if ":" in user:
        raise ValueError("must hold no password: write it to a file and name that in password_file")
    name, _, mode = query.partition("=")
    if query and (name != "tls" or mode not in TLS_MODES):
        raise ValueError('has an option that is none of "?tls=usual", "?tls=always" and "?tls=first"')
    found = []
    for text in places.split(","):
        place = place_of(text)
        if place is None:
            raise ValueError('must name servers as "host" or "host:port", with commas between')
        found.append(place)
    return BusAddress(tuple(found), unquote(user), mode or "usual")


def place_of(text: str) -> ServerAddress | None:
    """Read "host", "host:port" or "[address]:port"; None: it is none of these."""
    found = host_and_port(text)
    if found is None or not _is_host(found[0]):
        return None
    return ServerAddress(found[0], found[1] or PORT)


def _is_host(host: str) -> bool:
    return len(host) < 254 and (
        address_of(host) is not None or all(map(_LABEL.fullmatch, host.removesuffix(".").split(".")))
    )
