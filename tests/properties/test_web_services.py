"""The web services, asked by whoever changes requests of real clients at random: a fault with a reason, never a bug."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.workloads.webservices.model.refusal import ServiceRefused
from tests.kit.readers import READERS
from tests.kit.stage import Stage
from tests.kit.surface import SoapRequests
from tests.kit.web import PHOTOS, WEB, Web

NAMES: Final = (
    "ticket request",
    "certificate request",
    "certificate",
    "key request",
    "address book",
    "ticket",
    "proof",
    "discovery",
    "service address",
    "ntlm",
)
"""The readers of the web services."""

INSERTED: Final = (
    "<", "<a>", "</a>", "<a/>", '"', "&", "&amp;", "&#13;", "p:", " xmlns:p='urn:p'", "<![CDATA[", "]]>", "<!--", "<?x?>",
    "<!DOCTYPE a>", "\0", "é", "=", "A" * 8, "9" * 50, "\r\n", "-", "+01:00", "#", "[", "]", "%",
)  # fmt: skip


@dataclass(frozen=True)
class Change:
    """One change of a text: a part of it is taken out, doubled, or replaced."""

    at: float
    length: int
    times: int
    inserted: str

    def on(self, text: str) -> str:
        """Change a text."""
        begin = int(self.at * len(text))
        return (
            text[:begin] + text[begin : begin + self.length] * self.times + self.inserted + text[begin + self.length :]
        )


changes = st.lists(
    st.builds(
        Change,
        at=st.floats(0.0, 1.0, exclude_max=True),
        length=st.sampled_from((0, 1, 2, 5, 20, 100)),
        times=st.sampled_from((0, 0, 1, 2, 5)),
        inserted=st.one_of(st.sampled_from(("", *INSERTED)), st.text(max_size=3)),
    ),
    min_size=1,
    max_size=4,
)
unhurried = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def changed(text: str, all_changes: list[Change]) -> str:
    """Make all changes, in order."""
    for change in all_changes:
        text = change.on(text)
    return text


@unhurried
@given(st.sampled_from(NAMES), changes)
def test_a_reader_says_no_in_its_own_words(name: str, all_changes: list[Change]) -> None:
    """Whatever is changed in what it likes."""
    text, read = READERS[name]
    text = changed(text, all_changes).encode("utf-8", "replace").decode()
    try:
        read(text)
    except (RemoteProtocolError, ServiceRefused) as error:
        assert error.reason


@pytest.fixture(scope="module")
def requests() -> "Iterator[SoapRequests]":
    """Give real requests to a server, and the server."""
    with Stage.opened(web=WEB) as stage:
        yield SoapRequests(Web(stage))


@unhurried
@given(changes, changes)
def test_photos_are_given_or_refused_whatever_comes(
    requests: SoapRequests, of_path: list[Change], of_ticket: list[Change]
) -> None:
    """A path that means no photo finds none, and a ticket that is none is not taken."""

    def asked(path: str, shown: str) -> int:
        return requests.web.send("GET", f"{PHOTOS}/{path}", {"x-ms-webticket": f"opaque={shown}"}, b"").status

    assert asked(requests.photo, requests.shown) == 200
    assert asked(requests.photo, changed(requests.shown, of_ticket)) in (200, 401)
    assert asked(changed(requests.photo, of_path), requests.shown) in (200, 404)
    assert not requests.web.stage.unexpected


def test_they_are_what_a_server_takes(requests: SoapRequests) -> None:
    """Before anything is changed in them."""
    assert [requests.send(place, text).status for place, text in requests.asked] == [200] * 5
    assert b"Success" in requests.send(*requests.asked[-1]).body


@unhurried
@given(st.sampled_from((0, 1, 2, 3, 4)), changes)
def test_a_service_answers_whatever_comes(requests: SoapRequests, number: int, all_changes: list[Change]) -> None:
    """With what was asked for or with a fault that has words; the server logs no error, and stays as it is."""
    place, text = requests.asked[number]
    answer = requests.send(place, changed(text, all_changes))
    assert answer.status in (200, 500)
    assert answer.headers["content-type"] == "text/xml; charset=utf-8"
    assert answer.status == 200 or answer.reason
    assert not requests.web.stage.unexpected
