"""The web console: who comes in, for how long, and what they see of one server and of several."""

from collections.abc import Iterator
from urllib.parse import urlencode, urlsplit

import pytest

from lyncpy.contracts.workload import CommandFailed
from lyncpy.workloads.admin.console.service import COOKIE
from lyncpy.workloads.admin.console.tickets import LINK_S, OF_ONE
from tests.kit.enrollment import WebAnswer
from tests.kit.pool import Pool
from tests.kit.stage import Stage
from tests.kit.web import SITE, WEB, Web

ON = {"console": True, "console_s": 3600, "console_sessions": 10}


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A server whose console is on."""
    with Stage.opened(web=WEB, admin=ON) as stage:
        yield stage


class Visitor:
    """A browser at the console."""

    def __init__(self, stage: Stage) -> None:
        self._web = Web(stage)
        self.cookie = ""

    def asks(self, path: str, method: str = "GET", body: str = "", **headers: str) -> WebAnswer:
        """Ask for a page, and keep the cookie of the answer."""
        given = {**({"cookie": f"{COOKIE}={self.cookie}"} if self.cookie else {}), **headers}
        answer = self._web.send(method, f"{SITE}{path}", given, body.encode())
        set_cookie = answer.headers.get("set-cookie", "")
        if set_cookie:
            self.cookie = set_cookie.partition("=")[2].partition(";")[0]
        return answer

    def posts(self, path: str, headers: dict[str, str] | None = None, **fields: str) -> WebAnswer:
        """Send a form."""
        return self.asks(path, "POST", urlencode(fields), **(headers or {}))

    def signs_in(self, token: str) -> WebAnswer:
        """Show a token."""
        return self.posts("/console/sign-in", token=token)

    @property
    def is_in(self) -> bool:
        """Tell whether they see the console."""
        return self.asks("/console/people").status == 200


def _fact(stage: Stage, line: str, name: str) -> str:
    return next(str(row[1]) for row in stage.shell(line).rows if row[0] == name)


def _token(stage: Stage, name: str = "wiki", flags: str = "") -> str:
    return _fact(stage, f"token create {name} {flags}", "token")


def _link(stage: Stage) -> tuple[str, str]:
    parts = urlsplit(_fact(stage, "console link", "link"))
    return f"{parts.path}?{parts.query}", parts.query.removeprefix("ticket=")


def test_it_is_off_unless_a_setting_says_so() -> None:
    """Then there is nothing, and the shell makes no link to nothing."""
    with Stage.opened(web=WEB) as stage:
        visitor = Visitor(stage)
        assert [visitor.asks(path).status for path in ("/console", "/console/", "/console/sign-in")] == [404] * 3
        with pytest.raises(CommandFailed, match=r"\[admin\] console = true"):
            stage.shell("console link")


def test_a_token_opens_a_session(stage: Stage) -> None:
    """Its cookie is for this host, over TLS, for no script and no other site; without one every page leads to the form."""
    visitor = Visitor(stage)
    for path in ("/console/", "/console/people", "/console/conferences", "/console/refusals"):
        answer = visitor.asks(path)
        assert (answer.status, answer.headers["location"]) == (303, "/console/sign-in")
    assert visitor.asks("/console").headers["location"] == "/console/"
    assert visitor.asks("/console/sign-in").status == 200
    assert visitor.signs_in("wiki.wrong").status == 403
    answer = visitor.signs_in(_token(stage))
    assert (answer.status, answer.headers["location"]) == (303, "/console/")
    kept = answer.headers["set-cookie"]
    assert kept.startswith("__Host-") and kept.endswith("; Path=/; Max-Age=3600; Secure; HttpOnly; SameSite=Strict")
    page = visitor.asks("/console/")
    assert page.status == 200
    assert b"All is well" in page.body
    assert page.headers["cache-control"] == "no-store"
    assert visitor.asks("/console/nothing").status == 404
    assert visitor.asks("/console/", "POST").status == 405
    assert [row[3] for row in stage.shell("audit --command console").rows] == ["console sign-in"]


def test_a_session_ends(stage: Stage) -> None:
    """By its button, by its time, by the shell, and with its token."""
    token, visitor = _token(stage), Visitor(stage)
    visitor.signs_in(token)
    before = visitor.cookie
    assert visitor.posts("/console/sign-out").headers["location"] == "/console/sign-in"
    assert visitor.cookie == ""
    visitor.cookie = before
    assert not visitor.is_in
    visitor.signs_in(token)
    (row,) = stage.shell("console sessions").rows
    assert row[1:3] == ("wiki", "192.0.2.1")
    with pytest.raises(CommandFailed, match="there is no session"):
        stage.shell("console end 0000000")
    assert stage.shell(f"console end {row[0]}").rows == [(row[0], "wiki")]
    assert not visitor.is_in
    visitor.signs_in(token)
    stage.shell("token revoke wiki")
    assert not visitor.is_in
    _token(stage)
    # Another token of the same name is another one.
    assert not visitor.is_in


@pytest.mark.steady_clock  # an hour by the clock of the host, which is written down
def test_a_session_has_its_time(stage: Stage) -> None:
    """Whoever looks on signs in again."""
    visitor = Visitor(stage)
    visitor.signs_in(_token(stage))
    stage.passes(3590)
    assert visitor.is_in
    stage.passes(20)
    assert not visitor.is_in
    assert stage.shell("console sessions").rows == []


@pytest.mark.steady_clock  # ten minutes, as above
def test_a_link_opens_one_session(stage: Stage) -> None:
    """Looking at it uses nothing up; pressing its button does, for good."""
    path, ticket = _link(stage)
    visitor, second = Visitor(stage), Visitor(stage)
    for _ in range(2):
        page = visitor.asks(path)
        assert page.status == 200
        assert f'value="{ticket}"'.encode() in page.body
    assert not visitor.is_in
    assert visitor.posts("/console/enter", ticket=ticket).status == 303
    assert visitor.is_in
    assert second.posts("/console/enter", ticket=ticket).status == 403
    # What is in the cookie is no link, and the link no cookie.
    assert second.posts("/console/enter", ticket=visitor.cookie).status == 403
    _, late = _link(stage)
    second.cookie = late
    assert not second.is_in
    stage.passes(LINK_S + 1)
    assert second.posts("/console/enter", ticket=late).status == 403


@pytest.mark.steady_clock  # which is the oldest is written down
def test_there_are_so_many_and_no_more(stage: Stage) -> None:
    """Of one operator the oldest goes; another one is told what to do."""
    token = _token(stage)
    visitors = [Visitor(stage) for _ in range(OF_ONE + 1)]
    for visitor in visitors:
        visitor.signs_in(token)
        stage.passes(1)
    assert [visitor.is_in for visitor in visitors] == [False] + [True] * OF_ONE
    for name in ("b", "c"):
        assert Visitor(stage).signs_in(_token(stage, name)).status == 303
    answer = Visitor(stage).signs_in(_token(stage, "d"))
    assert answer.status == 503
    assert b"console end" in answer.body
    assert len(stage.shell("console end all").rows) == 10
    assert not visitors[-1].is_in


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"origin": "https://evil.example.net"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": SITE, "sec-fetch-site": "same-origin"}, 303),
        ({"origin": f"{SITE}:4443"}, 303),
    ],
)
def test_a_form_of_another_site_does_nothing(stage: Stage, headers: dict[str, str], status: int) -> None:
    """Whatever a browser was led to."""
    assert Visitor(stage).posts("/console/sign-in", headers, token=_token(stage)).status == status


def test_who_guesses_waits_here_and_at_the_api(stage: Stage) -> None:
    """Both count together."""
    visitor, token = Visitor(stage), _token(stage)
    statuses = [visitor.signs_in("wiki." + "x" * 43).status for _ in range(12)]
    assert statuses[0] == 403
    assert statuses[-1] == 429
    assert visitor.signs_in(token).status == 429
    assert visitor.asks("/api/status", Authorization=f"Bearer {token}").status == 429
    assert visitor.posts("/console/enter", ticket="x").status == 429


@pytest.mark.parametrize("body", ["", "token", "token=%ff", "a=1&" * 50, "token=a&token=b", "é"])
def test_any_form_has_an_answer(stage: Stage, body: str) -> None:
    """Which is no."""
    assert Visitor(stage).asks("/console/sign-in", "POST", body).status == 403


def test_several_servers_are_one_console() -> None:
    """Whoever is signed in anywhere stands there, a session is good at each, and one that is silent is named."""
    with Pool.opened(web=WEB, admin=ON) as pool:
        first, second = pool
        first.sign_in("alice")
        (bob,) = second.sign_in("bob")
        bob.pages("sip:nobody@example.com", "are you there?")
        visitor = Visitor(first)
        visitor.signs_in(_token(second))
        there = Visitor(second)
        there.cookie = visitor.cookie
        assert there.is_in
        people = visitor.asks("/console/people").body.decode()
        assert "alice@<wbr>example.com" in people
        assert "bob@<wbr>example.com" in people
        assert "2 devices" in people
        assert "alice" not in visitor.asks("/console/people?find=bob").body.decode()
        assert visitor.asks("/console/people?page=99999&find=x").status == 200
        assert "bob@<wbr>example.com" in visitor.asks("/console/refusals?of=bob").body.decode()
        pool.passes(30)
        page = visitor.asks("/console/?span=day").body.decode()
        assert "People signed in: now 2, at most 2" in page
        assert str(first.node) in page
