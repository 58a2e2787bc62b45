"""Where a call has been: History-Info (RFC 4244 and 7044, [MS-SIPRE] 2.2.17) and Diversion (RFC 5806). Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.grammar import split_list
from lyncpy.sip.headers import parse_name_addr
from lyncpy.sip.message import Headers

MOST: Final = 32
"""Places that a call may have been at, by all its headers; with more it is taken for one that goes round."""

_DIVERSIONS: Final = ("Diversion", "CC-Diversion")


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One address to which a call was sent."""

    uri: str
    reason: str = ""
    """Why it was sent on from there: "forwarding", "team-call", "delegation"; "": it was not, or rings there too."""

    is_private: bool = False
    """Whether it is the private line of whom it reaches."""


def write_history(entries: Sequence[HistoryEntry]) -> str:
    """Write the value of History-Info: each address was reached from the one before."""
    return ", ".join(_entry(one, ".".join(["1"] * (place + 1))) for place, one in enumerate(entries))


def _entry(entry: HistoryEntry, index: str) -> str:
    reason = f";ms-retarget-reason={entry.reason}" if entry.reason else ""
    private = ";ms-line-type=private" if entry.is_private else ""
    return f"<{entry.uri}>;index={index}{reason}{private}"


def write_diversion(uris: Sequence[str], reason: str) -> str:
    """Write the value of Diversion: who has diverted the call, the latest first, for whom the reason is given."""
    return ", ".join(f"<{uri}>;reason={reason if place == 0 else 'unknown'}" for place, uri in enumerate(uris[::-1]))


def read_diverters(headers: Headers) -> tuple[str, ...]:
    """Give the addresses that have had a call before, by the first that stands there of Diversion, CC-Diversion and History-Info.

    Of the last, that is all but the latest address, which is the one that the call is for.

    Raises:
        RemoteProtocolError: 400; they cannot be read, or are more than any call has.
    """
    for name in _DIVERSIONS:
        uris = _uris(headers, name)
        if uris:
            return uris
    return _uris(headers, "History-Info")[:-1]


def _uris(headers: Headers, name: str) -> tuple[str, ...]:
    values = headers.get_all(name)
    if not values:
        return ()
    entries = [one for value in values for one in split_list(value)]
    if len(entries) > MOST:
        raise RemoteProtocolError(f"{name} names more than {MOST} addresses")
    return tuple(parse_name_addr(one).uri for one in entries)
