"""Photos of LDAP entries: the best attribute that fits, and what a lost connection leaves."""

from collections.abc import Sequence
from typing import Any

import pytest
from twisted.internet.task import Clock

from lyncpy.backends.ldap_conditions import Raw
from lyncpy.backends.ldap_link import Access
from lyncpy.backends.ldap_photos import RETRY_S, LdapPhotos
from lyncpy.contracts.directory import Person
from lyncpy.contracts.photos import FoundPhoto
from lyncpy.contracts.refusal import DirectoryUnavailable
from tests.kit.directory import Inline, person
from tests.kit.gatehouse import timers_of
from tests.kit.logs import overheard
from tests.kit.results import answer_of, result_of, started
from tests.kit.threads import HeldThread

ACCESS = Access("ldap://x", False, False, "", "", "", 1, 1, 1, 1, 1)
NAMES = ("thumbnailPhoto", "jpegPhoto")


class Link:
    """A connection to entries in memory."""

    def __init__(self, entries: dict[str, Raw | str]) -> None:
        self._entries = entries
        self.aborted = ""

    def abort(self, reason: str) -> None:
        """Note it."""
        self.aborted = reason

    def __enter__(self) -> "Link":
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to let go of."""

    def glimpse(self, dn: str, names: Sequence[str]) -> Raw | None:
        """Give an entry; None when there is none, and a text breaks the connection."""
        assert tuple(names) == NAMES
        found = self._entries.get(dn)
        if isinstance(found, str):
            raise DirectoryUnavailable(found)
        return found


def entries(*sources: str) -> list[Person]:
    """Give people of these entries."""
    return [person(source, source=source) for source in sources]


def _photos(entries: dict[str, Raw | str]) -> LdapPhotos:
    link: Any = Link(entries)  # Any: no more of a connection than is used
    return LdapPhotos(NAMES, lambda: ACCESS, lambda _: link, Inline(), timers_of(Clock()))


def _fits(data: bytes) -> str:
    return "too large" if len(data) > 3 else ""


def test_the_first_that_fits_is_taken() -> None:
    """An entry without one, or that is not there, has none."""
    photos = _photos(
        {
            "a": {"thumbnailphoto": [b"1"], "jpegphoto": [b"2"]},
            "b": {"thumbnailphoto": [b"1234"], "jpegphoto": [b"2222", b"3"]},
            "c": {"jpegphoto": [b"1234"]},
            "d": {},
        }
    )
    assert result_of(photos.read(entries("a", "b", "c", "d", "e"), _fits)) == (
        FoundPhoto(b"1"),
        FoundPhoto(b"3"),
        FoundPhoto(objection="jpegPhoto: too large"),
        FoundPhoto(),
        FoundPhoto(),
    )


def test_an_entry_that_breaks_the_connection_keeps_only_itself_from_being_read() -> None:
    """It is said of it, and the rest is asked for another time."""
    photos = _photos({"a": {"jpegphoto": [b"1"]}, "b": "entry_bytes", "c": {"jpegphoto": [b"1"]}})
    assert result_of(photos.read(entries("a", "b", "c"), _fits)) == (
        FoundPhoto(b"1"),
        FoundPhoto(objection="entry_bytes"),
    )


def test_a_reading_under_way_is_cut_when_the_server_closes() -> None:
    """The thread is not ended under it, and a second reading does not begin beside it."""
    thread, link = HeldThread(), Link({"a": "cut"})
    photos = LdapPhotos(NAMES, lambda: ACCESS, lambda _: link, thread, timers_of(Clock()))  # type: ignore[arg-type,return-value]  # as above
    reading = started(photos.read(entries("a"), _fits))
    with pytest.raises(DirectoryUnavailable, match="read already"):
        result_of(photos.read(entries("a"), _fits))
    closing = started(photos.close())
    assert link.aborted
    assert not closing.called
    thread.go_on()
    assert closing.called
    assert thread.stopped
    assert answer_of(reading) == (FoundPhoto(objection="cut"),)


def test_a_reading_that_is_refused_is_no_fault_of_the_server() -> None:
    """It is asked again as soon as it is free, and the operator is told nothing."""
    thread, link = HeldThread(), Link({"a": {"jpegphoto": [b"1"]}})
    photos = LdapPhotos(NAMES, lambda: ACCESS, lambda _: link, thread, timers_of(Clock()))  # type: ignore[arg-type,return-value]  # as above
    first = started(photos.read(entries("a"), _fits))
    with overheard() as heard, pytest.raises(DirectoryUnavailable, match="read already"):
        result_of(photos.read(entries("a"), _fits))
    thread.go_on()
    second = started(photos.read(entries("a"), _fits))
    thread.go_on()
    assert (answer_of(first), answer_of(second)) == ((FoundPhoto(b"1"),), (FoundPhoto(b"1"),))
    assert not [event for event in heard if "no photos now" in event.get("log_format", "")]


def test_nothing_is_read_after_closing() -> None:
    """It says so."""
    photos = _photos({})
    result_of(photos.close())
    with pytest.raises(DirectoryUnavailable, match="the server ends"):
        result_of(photos.read(entries("a"), _fits))


def test_a_server_that_cannot_be_read_is_left_alone_for_a_while() -> None:
    """Who asks meanwhile hears why at once, and the operator is told once."""
    clock, dialled, is_down = Clock(), [], [True]
    link: Any = Link({"a": {"jpegphoto": [b"1"]}})  # Any: no more of a connection than is used

    def connect(access: Access) -> Any:  # Any: as above
        dialled.append(access)
        if is_down:
            raise DirectoryUnavailable("ldap://x cannot be reached")
        return link

    photos = LdapPhotos(NAMES, lambda: ACCESS, connect, Inline(), timers_of(clock))
    with overheard() as heard:
        for _ in range(3):
            with pytest.raises(DirectoryUnavailable, match="cannot be reached"):
                result_of(photos.read(entries("a"), _fits))
        assert len(dialled) == 1
        clock.advance(RETRY_S)
        with pytest.raises(DirectoryUnavailable, match="cannot be reached"):
            result_of(photos.read(entries("a"), _fits))
    assert len(dialled) == 2
    assert len([event for event in heard if "no photos now" in event.get("log_format", "")]) == 1
    is_down.clear()
    clock.advance(RETRY_S)
    assert result_of(photos.read(entries("a"), _fits)) == (FoundPhoto(b"1"),)
