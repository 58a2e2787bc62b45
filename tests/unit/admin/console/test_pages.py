"""The pages of the console, as a browser reads them."""

import re
from collections.abc import Callable

import pytest
from lxml import html

from lyncpy.contracts.http import HttpAnswer
from lyncpy.core.pages import digest_of
from lyncpy.workloads.admin.console import pages
from lyncpy.workloads.admin.console.charts import Series
from lyncpy.workloads.admin.console.gathered import PAGES_MOST, Listed, Overview, Row
from tests.kit.directory import done

AT = 1_780_000_000.0
EVIL = '<script>alert("x")</script>\'&<img src=x onerror=y>'
FRAME = pages.Frame(EVIL, EVIL)


def _listed(*rows: Row, total: int | None = None) -> Listed:
    return Listed(rows, len(rows) if total is None else total, (EVIL,))


CONDITION = {"server": EVIL, "severity": "error", "concern": EVIL, "since": EVIL, "condition": EVIL, "remedy": EVIL}
SERVER = {
    "node": EVIL,
    "name": EVIL,
    "version": EVIL,
    "up_s": 90061,
    "endpoints": 3,
    "load_percent": 5,
    "trouble": EVIL,
}
CONFERENCE = {"organizer": EVIL, "subject": EVIL, "people": 1234, "messages": 2, "lobby": 0, "admission": EVIL} | {
    "locked": True,
    "id": EVIL,
}
REFUSAL = {"at": EVIL, "user": EVIL, "request": EVIL, "status": 404, "reason": EVIL, "times": 2}
DEVICE = {"server": "n1", "user": EVIL, "client": EVIL, "address": EVIL, "since_s": 125, "epid": "e"}


def _overview(*conditions: Row, troubles: tuple[str, ...] = ()) -> str:
    series = {"people": Series([(AT - 10, 3.0), (AT, 4.0)], AT - 3600, AT, 10.0)}
    rows = [CONFERENCE] * 9
    found = Overview(
        "hour", AT, _listed(*conditions), _listed(SERVER, SERVER), _listed(*rows), _listed(REFUSAL), series, troubles
    )
    return pages.overview(found, done(pages.charts(found)))


WRITTEN: dict[str, Callable[[], HttpAnswer]] = {
    "overview": lambda: FRAME.page(200, EVIL, _overview(CONDITION, troubles=(EVIL,)), ""),
    "people": lambda: FRAME.page(200, EVIL, pages.people(_listed(DEVICE, total=500), EVIL, 2), "people"),
    "conferences": lambda: FRAME.page(200, EVIL, pages.conferences(_listed(CONFERENCE)), "conferences"),
    "refusals": lambda: FRAME.page(200, EVIL, pages.refusals(_listed(REFUSAL), EVIL, AT), "refusals"),
    "sign-in": lambda: FRAME.page(200, EVIL, pages.sign_in(EVIL)),
    "enter": lambda: FRAME.page(200, EVIL, pages.enter(EVIL)),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_no_text_from_elsewhere_becomes_a_part_of_a_page(name: str) -> None:
    """What people, clients and servers write stands there as they wrote it, and does nothing."""
    answer = WRITTEN[name]()
    page = html.fromstring(answer.body.decode())
    (script,) = page.iter("script")
    (style,) = page.iter("style")
    assert [one.get("src") for one in page.iter("img")] == ["/icon"]
    assert not [
        one for element in page.iter() for one in map(str, element.attrib) if one.startswith("on") or one == "style"
    ]
    policy = dict(answer.headers)["Content-Security-Policy"]
    assert f"script-src {digest_of(script.text or '')};" in policy
    assert f"style-src {digest_of(style.text or '')};" in policy
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'")
    assert not re.search(r"https?:", answer.body.decode())
    assert EVIL in str(page.xpath("string()")) or name == "enter"


@pytest.mark.parametrize("name", WRITTEN)
def test_a_page_has_its_marks(name: str) -> None:
    """One heading of the first rank, a main part, and what is in no table a name."""
    page = html.fromstring(WRITTEN[name]().body.decode())
    assert page.get("lang") == "en"
    assert len(list(page.iter("h1"))) == 1
    assert [one.get("id") for one in page.iter("main")] == ["main"]
    assert all(one.get("aria-label") for kind in ("table", "svg", "nav") for one in page.iter(kind))
    ids = [str(one.get("id")) for one in page.iter() if one.get("id")]
    assert len(ids) == len(set(ids))
    assert all(one.get("id") for one in page.iter() if one.get("data-live") is not None)


def _state(text: str) -> str:
    return " ".join(str(html.fromstring(text).xpath("string(//*[@id='state'])")).split())


def test_the_first_line_says_whether_all_is_well() -> None:
    """And else how much is not, the worst first."""
    assert _state(_overview()) == "✓ All is well"
    assert _state(_overview({**CONDITION, "severity": "warning"})) == "! 1 thing needs a look"
    assert _state(_overview(CONDITION, CONDITION)) == "✕ 2 things keep the server from its work"
    assert _state(_overview(troubles=("n2: it has not answered",))) == "! A server is silent"


def test_pages_of_people_lead_on_and_back() -> None:
    """As far as is sensible."""

    def links(page: int, total: int) -> list[str]:
        found = html.fromstring(pages.people(_listed(DEVICE, total=total), "a&b", page))
        return [str(one.get("href")) for one in found.iter("a")]

    assert links(1, 50) == []
    assert links(1, 51) == ["/console/people?find=a%26b&page=2"]
    assert links(2, 500) == ["/console/people?find=a%26b&page=1", "/console/people?find=a%26b&page=3"]
    assert len(links(PAGES_MOST, 1_000_000)) == 1


def test_nothing_is_told_as_such() -> None:
    """And a server column only where there are several."""
    assert "Nobody is signed in" in pages.people(Listed((), 0, ()), "", 1)
    assert "No conference runs now" in pages.conferences(Listed((), 0, ()))
    one = Listed((DEVICE, {**DEVICE, "server": "n2"}), 2, ())
    assert ">server<" in pages.people(one, "", 1)
    assert ">server<" not in pages.people(Listed((DEVICE,), 1, ()), "", 1)
