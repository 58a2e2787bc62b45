"""The NATS servers that may be tried: which is next, how it is approached, and after which pause all are tried again."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from lyncpy.backends.nats.address import BusAddress, ServerAddress, bus_of, place_of
from lyncpy.backends.nats.client_tls import AuthoritiesUnusable, CheckedServer
from lyncpy.backends.nats.credentials import read_credentials
from lyncpy.backends.nats.session import SessionTerms
from lyncpy.backends.nats.settings import Settings
from lyncpy.contracts.names import NodeName

PAUSE_S: Final = 0.1
PAUSE_MOST_S: Final = 5.0
"""Between two tries of all servers: twice as long each time, and by chance up to half of it less, lest all come back at once."""


@dataclass(frozen=True, slots=True)
class Approach:
    """What one connection needs of files."""

    terms: SessionTerms
    authorities: CheckedServer | AuthoritiesUnusable
    """Checks the server's certificate, where there is one."""

    def checked(self) -> CheckedServer:
        """Give what checks a server's certificate; raises AuthoritiesUnusable."""
        if isinstance(self.authorities, AuthoritiesUnusable):
            raise self.authorities
        return self.authorities


class Servers:
    """Those of [bus] url, and those that one of them has told.

    Args:
        node: This process, as the operator of the NATS servers sees it.
        settings: The section [bus].
        home: The folder that relative paths start from.
    """

    def __init__(self, node: NodeName, settings: Settings, home: Path) -> None:
        self._node = node
        self._settings = settings
        self._home = home
        self._address: BusAddress = bus_of(settings.url)
        self._told: tuple[ServerAddress, ...] = ()
        self._are_vouched = False
        self._to_try: list[ServerAddress] = []
        self._pause_s = PAUSE_S

    @property
    def known(self) -> Sequence[ServerAddress]:
        """Give the servers that may be tried: those of the url, and those that one of them has told."""
        return tuple(dict.fromkeys((*self._address.places, *self._told)))

    def told(self, urls: Sequence[str], *, are_vouched: bool) -> None:
        """Remember what a server says of its cluster; `are_vouched`: nobody on the way to it could have said it."""
        self._told = tuple(place for url in urls if (place := place_of(url)) is not None)
        self._are_vouched = are_vouched

    # --- which, and when

    @property
    def is_round_over(self) -> bool:
        """Whether each was tried, so that a pause is due."""
        return not self._to_try

    def next(self) -> ServerAddress:
        """Give the next one to try, in an order of its own for each round."""
        if not self._to_try:
            self._to_try = secrets.SystemRandom().sample(self.known, len(self.known))
        return self._to_try.pop()

    def begin_anew(self) -> None:
        """End the round: all are to be tried again."""
        self._to_try = []

    def pause(self) -> float:
        """Give the seconds until the next round; each call may make the next answer twice as long."""
        pause_s, self._pause_s = self._pause_s, min(PAUSE_MOST_S, self._pause_s * 2)
        return pause_s * (1 - secrets.randbelow(500) / 1000)

    def held(self) -> None:
        """Note that a connection has held: the next pause is short."""
        self._pause_s = PAUSE_S

    # --- how

    def approach(self, place: ServerAddress) -> Callable[[], Approach]:
        """Give what reads the files for one connection, each time anew, for they may have been changed.

        It blocks as long as a disk does, and belongs in a thread; it raises SecretUnusable.
        """
        return partial(
            _approach, f"lyncpy {self._node}", self._address, self._settings, self._home, place, self._names(place)
        )

    def _names(self, place: ServerAddress) -> Sequence[str]:
        """Give what a certificate may be for.

        A cluster tells addresses of its servers, and their certificates have names: those that the operator has named.
        What was told before TLS began may be anybody's word, and a certificate for their own name proves nothing then.
        """
        named = [one.host for one in self._address.places]
        if place in self._address.places:
            return [place.host]
        return list(dict.fromkeys([place.host, *named] if self._are_vouched else named))


def _approach(
    name: str, address: BusAddress, settings: Settings, home: Path, place: ServerAddress, names: Sequence[str]
) -> Approach:
    credentials = read_credentials(address.user, settings, home)
    terms = SessionTerms(name, credentials, address.needs_tls(place), address.tls == "first")
    try:
        return Approach(terms, CheckedServer(names, home / settings.ca_file if settings.ca_file else None))
    except AuthoritiesUnusable as error:
        return Approach(terms, error)
