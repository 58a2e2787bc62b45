"""Guests of conferences: which they may join, by which key, and the name under which they are shown."""

import unicodedata
from collections.abc import Callable, Collection
from typing import Final

from zope.interface import implementer

from lyncpy.contracts.guests import GuestAccess, IGuests
from lyncpy.contracts.names import Aor, bare, domain_of
from lyncpy.contracts.refusal import Diagnostics, Refused
from lyncpy.sip.text import JOINERS, one_line
from lyncpy.sip.uri import parse_uri
from lyncpy.workloads.conferencing.model.conference import FOCUS, Address, Conference, read_address

APP: Final = "app:conf:"

NO_GUESTS: Final = Diagnostics(3019, "Forbidden destination for anonymous user")
NO_SUCH_SERVICE: Final = Diagnostics(3020, "Anonymous user targeting non-focus or non-MCU conference URI")
NO_CONFERENCE: Final = Diagnostics(3021, "The destination is not a conference URI, anonymous users are not authorized")
NO_FOCUS: Final = Diagnostics(3022, "Anonymous user targeting server without focus")

NAME_LETTERS: Final = 64
MARK: Final = " (Guest)"
NAMELESS: Final = "Guest"


@implementer(IGuests)
class Guests:
    """Decides which conferences guests may join, for the gate."""

    def __init__(
        self,
        find: Callable[[str], Conference | None],
        look: Callable[[str], bool],
        is_inside: Callable[[Aor], bool],
        kinds: Collection[str],
        domains: tuple[str, ...],
        *,
        welcome: bool,
    ) -> None:
        """Keep where conferences and participants are found.

        Args:
            find: Finds the conference of a focus or MCU URI.
            look: Has the conference of a key read again, and tells whether one that is not known is being read.
            is_inside: Tells whether somebody is in any meeting or lobby.
            kinds: The kinds of MCU that there are.
            domains: Those of organizers; none: any.
            welcome: Whether guests are allowed at all.
        """
        self._find = find
        self._look = look
        self._is_inside = is_inside
        self._kinds = frozenset((FOCUS, *kinds))
        self._domains = frozenset(domains)
        self._welcome = welcome

    def door(self, uri: str) -> GuestAccess:
        """Return how guests may join the conference of a URI. See the promise.

        The answer is the same for every conference that could exist: whether it does, and whether it has
        a key, is not seen by anybody who does not know the key.

        Spec: [MS-SIPAE] 4.5: the realm is the organizer's address.
        """
        # From the general to the particular: each refusal has its own number ([MS-OCER] 3019 to 3022), and none of them
        # depends on whether the conference exists.
        parsed = parse_uri(uri)
        if not self._welcome:
            raise Refused(403, NO_GUESTS)
        if not parsed.opaque.lower().startswith(APP):
            raise Refused(403, NO_CONFERENCE)
        address = read_address(uri)
        if address is None or address.kind not in self._kinds:
            raise Refused(403, NO_SUCH_SERVICE)
        is_certain = not self._look(address.key)
        conference = self._find(uri)
        # A link outlives the domain in which it was made.
        if conference is None and self._domains and domain_of(parsed.host) not in self._domains:
            raise Refused(403, NO_FOCUS)
        keys = () if conference is None else keys_of(conference, address)
        return GuestAccess(address.key, bare(address.organizer), keys, is_certain=is_certain)

    def is_inside(self, guest: Aor) -> bool:
        """Tell whether a guest is in a meeting or lobby. See the promise."""
        return self._is_inside(guest)


def keys_of(conference: Conference, address: Address) -> tuple[str, ...]:
    """Return the keys that admit guests: the conference's own, or, where it has none, those known to whoever has the link.

    Client: for a meeting without a key the id in its link is sent as one; others send nothing.
    """
    if conference.passcode:
        return (conference.passcode,)
    return tuple(dict.fromkeys((conference.id, address.id, "")))


def shown_name(given: str) -> str:
    """Return the name under which a guest is shown: on one line, and marked so that nobody takes them for a colleague."""
    name = one_line("".join(map(_plain, given[: 4 * NAME_LETTERS])))[:NAME_LETTERS].rstrip()
    is_seen = bool(name.strip(f" {JOINERS}"))
    return name + MARK if is_seen and name.casefold() != NAMELESS.casefold() else NAMELESS


def _plain(letter: str) -> str:
    """Return a letter of a guest's name; "" for an invisible one, but for joiners, which belong to spelling."""
    kind = unicodedata.category(letter)
    if kind == "Cc" or kind.startswith("Z"):
        return " "
    return "" if kind.startswith("C") and letter not in JOINERS else letter
