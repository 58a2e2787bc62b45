"""The site: which resource answers, for whom, and what every answer says."""

import base64
from pathlib import Path
from typing import Any

import pytest
import spnego
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from lyncpy.auth.http_kerberos import TicketHandshakes
from lyncpy.auth.http_ntlm import NtlmHandshakes
from lyncpy.auth.ntlm import nt_hash
from lyncpy.auth.passwords import Passwords
from lyncpy.auth.settings import Settings as AuthSettings
from lyncpy.contracts.directory import Person
from lyncpy.contracts.http import HttpAnswer, HttpAsked, HttpReaderKind, HttpRefused, HttpResource
from lyncpy.contracts.names import Aor
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.core.keyed_lock import KeyedLock
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.workloads.web.readers import Readers, Tokens
from lyncpy.workloads.web.site import Site
from tests.kit.gatehouse import TablePeople, TableSecrets, signins_of, timers_of
from tests.kit.logs import overheard
from tests.kit.meters import MemoryMeter
from tests.kit.owners import AddressMeanings
from tests.kit.results import result_of, started
from tests.kit.tickets import PROOF, PaperTickets

ALICE = Aor("sip:alice@example.test")
WIKI = "https://wiki.example.test"


class Office:
    """A site with a few resources, and Alice who has a password."""

    def __init__(
        self,
        tokens: Any,
        *resources: HttpResource,
        origins: tuple[str, ...] = (),
        tickets: PaperTickets | None = None,
        **auth: Any,
    ) -> None:
        self.clock = Clock()
        self.meter = MemoryMeter()
        self.people = TablePeople(Person(ALICE, "1", logins=("alice", "EXAMPLE\\alice")), Person(Aor("sip:dan@x"), "2"))
        self.secrets = TableSecrets({ALICE: nt_hash("pässword")})
        timers = timers_of(self.clock)
        self.signins = signins_of(self.people, AuthSettings(**auth), self.meter, timers)
        readers = Readers(
            Passwords(self.people, self.secrets, timers, None),
            NtlmHandshakes(self.people, self.secrets, AuthSettings(**auth), "fe1.x.test", "x.test", "", timers, None),
            self.people,
            self.signins,
            KeyedLock(timers),
            Tokens(tokens),
            AddressMeanings(),
            None if tickets is None else TicketHandshakes(tickets, self.people, timers),
        )
        self.site = Site(resources, readers, origins, self.meter)

    def ask(self, path: str = "/a", method: str = "GET", host: str = "x.test", **headers: str) -> HttpAnswer:
        """Ask for something; `_` in a header's name is a hyphen."""
        lines = {name.replace("_", "-"): value for name, value in headers.items()}
        return result_of(self.site.serve(HttpAsked(method, host, path, headers=lines, peer="192.0.2.1")))


def _header(answer: HttpAnswer, name: str) -> list[str]:
    return [value for one, value in answer.headers if one == name]


def _saying(text: str, **answer: Any) -> Any:  # Any: what HttpAnswer takes; a coroutine function
    async def say(asked: HttpAsked) -> HttpAnswer:
        return HttpAnswer(200, "text/plain; charset=utf-8", text.encode(), **answer)

    return say


def test_the_longest_path_of_the_right_host_answers(tmp_path: Any) -> None:
    """Several names and several pages live on one site."""
    office = Office(
        tmp_path / "none",
        HttpResource("/a", _saying("exactly a")),
        HttpResource("/a/", _saying("below a")),
        HttpResource("/a/b/", _saying("below b")),
        HttpResource("/", _saying("meeting"), host="meet.test"),
        HttpResource("/a/x/", _saying("here"), host="meet.test"),
        HttpResource("/a/x/", _saying("everywhere")),
    )
    assert office.ask("/a/x/1", host="meet.test").body == b"here"
    assert office.ask("/a/x/1").body == b"everywhere"
    assert office.ask("/a").body == b"exactly a"
    assert office.ask("/a/x").body == b"below a"
    assert office.ask("/a/b/c").body == b"below b"
    assert office.ask("/c/b/a", host="meet.test").body == b"meeting"
    assert office.ask("/a/b/c", host="meet.test").body == b"below b"
    assert office.ask("/ab").status == 404
    assert office.ask("/").status == 404


def test_an_address_for_programs_refuses_in_its_own_form(tmp_path: Any) -> None:
    """Whatever is refused, and by whom: the site itself, the wire, or the resource."""

    def refusal(path: str, status: int, sentence: str) -> HttpAnswer:
        return HttpAnswer(status, "application/json", f"{path}: {sentence}".encode())

    async def fails(asked: HttpAsked) -> HttpAnswer:
        raise StoreUnavailable("the disk is full")

    office = Office(tmp_path / "none", HttpResource("/", _saying("all")), HttpResource("/a/", fails, refusal=refusal))
    refused = office.ask("/a/b", "DELETE")
    assert (refused.status, refused.content_type) == (405, "application/json")
    assert refused.body == b"/a/b: this address answers GET and HEAD"
    assert _header(refused, "Allow") == ["GET, HEAD"]
    failed = office.ask("/A/b")
    assert (failed.status, failed.content_type) == (503, "application/json")
    assert office.site.refusal("/a/b?", 413, "the body is too large").body == b"/a/b?: the body is too large"
    assert office.site.refusal("/b", 413, "the body is too large").content_type.startswith("text/plain")


def test_other_methods_are_refused_with_those_that_work(tmp_path: Any) -> None:
    """A program learns what it may ask."""
    office = Office(tmp_path / "none", HttpResource("/a", _saying("a")))
    refused = office.ask(method="DELETE")
    assert refused.status == 405
    assert _header(refused, "Allow") == ["GET, HEAD"]
    assert office.ask(method="HEAD").status == 200
    assert _header(office.ask(method="OPTIONS"), "Allow") == ["GET, HEAD, OPTIONS"]


@pytest.mark.parametrize("path", ["/a", "/nothing", "/broken"])
def test_every_answer_keeps_a_browser_from_being_tricked(tmp_path: Any, path: str) -> None:
    """No scripts, no frames, no guessing of types, no referrers; errors too."""

    async def broken(asked: HttpAsked) -> HttpAnswer:
        raise ZeroDivisionError

    with overheard():
        answer = Office(tmp_path / "none", HttpResource("/a", _saying("a")), HttpResource("/broken", broken)).ask(path)
    assert "default-src 'none'" in _header(answer, "Content-Security-Policy")[0]
    assert "frame-ancestors 'none'" in _header(answer, "Content-Security-Policy")[0]
    assert _header(answer, "X-Content-Type-Options") == ["nosniff"]
    assert _header(answer, "Referrer-Policy") == ["no-referrer"]
    assert len(_header(answer, "Cache-Control")) == 1


def test_a_page_may_say_otherwise_about_itself(tmp_path: Any) -> None:
    """A page with a style of its own allows that style and no more."""
    policy = ("Content-Security-Policy", "default-src 'none'; style-src 'sha256-x'")
    answer = Office(tmp_path / "none", HttpResource("/a", _saying("a", headers=(policy,)))).ask()
    assert _header(answer, "Content-Security-Policy") == [policy[1]]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (HttpRefused(410, "it is gone"), 410),
        (RemoteProtocolError("nonsense"), 400),
        (StoreUnavailable("the disk at /var/lib is full"), 503),
        (ZeroDivisionError("/usr/lib/python3"), 500),
    ],
)
def test_whatever_goes_wrong_has_its_status_and_plain_words(tmp_path: Any, error: Exception, status: int) -> None:
    """A visitor learns nothing about our insides; an operator finds a bug in the log."""

    async def fails(asked: HttpAsked) -> HttpAnswer:
        raise error

    with overheard() as events:
        answer = Office(tmp_path / "none", HttpResource("/a", fails)).ask()
    assert answer.status == status
    assert answer.content_type == "text/plain; charset=utf-8"
    assert b"/usr" not in answer.body
    assert b"/var" not in answer.body
    assert (_header(answer, "Retry-After") == ["30"]) == (status == 503)
    assert any("log_failure" in event for event in events) == (status == 500)


def test_an_answer_that_is_known_is_not_sent_again(tmp_path: Any) -> None:
    """A browser that has the bytes is told so, by every way of saying which."""
    office = Office(tmp_path / "none", HttpResource("/a", _saying("a", etag="v1", cache="private, max-age=10")))
    first = office.ask()
    assert _header(first, "ETag") == ['"v1"']
    assert _header(first, "Vary") == ["Authorization"]
    for known in ('"v1"', 'W/"v1"', '"v0", "v1"', "*"):
        again = office.ask(if_none_match=known)
        assert (again.status, again.body, again.content_type) == (304, b"", "")
        assert _header(again, "ETag") == ['"v1"']
        assert _header(again, "Cache-Control") == ["private, max-age=10"]
    for other in ('"v2"', "v1", ""):
        assert office.ask(if_none_match=other).status == 200


def test_scripts_of_other_sites_read_only_where_a_setting_lets_them(tmp_path: Any) -> None:
    """The intranet's pages may read JSON, and nobody else's."""
    page = HttpResource("/a", _saying("a"))
    closed = Office(tmp_path / "none", page)
    assert not _header(closed.ask(origin=WIKI), "Access-Control-Allow-Origin")
    office = Office(tmp_path / "none", page, origins=(WIKI,))
    assert _header(office.ask(origin=WIKI), "Access-Control-Allow-Origin") == [WIKI]
    assert "Origin" in _header(office.ask(), "Vary")[0]
    assert not _header(office.ask(origin="https://evil.test"), "Access-Control-Allow-Origin")
    before = office.ask(method="OPTIONS", origin=WIKI, access_control_request_method="GET")
    assert before.status == 204
    assert "Authorization" in _header(before, "Access-Control-Allow-Headers")[0]
    stranger = office.ask(method="OPTIONS", origin="https://evil.test", access_control_request_method="GET")
    assert not _header(stranger, "Access-Control-Allow-Headers")


def test_a_resource_that_wants_to_know_who_asks_says_how(tmp_path: Any) -> None:
    """A browser asks for name and password; a program learns that it needs a token."""
    both = frozenset({HttpReaderKind.SIGNED_IN, HttpReaderKind.NAMED})
    refused = Office(tmp_path / "none", HttpResource("/a", _saying("a"), readers=both)).ask()
    assert refused.status == 401
    assert [value.split()[0] for value in _header(refused, "WWW-Authenticate")] == ["Basic", "Bearer"]


def test_an_answer_that_nobody_waits_for_is_no_fault(tmp_path: Any) -> None:
    """A browser that goes, or an answer that takes too long, is not logged as a bug."""
    resource = HttpResource("/a", lambda asked: Deferred())
    site = Office(tmp_path / "none", resource).site
    with overheard() as events:
        answering = started(site.serve(HttpAsked("GET", "x.test", "/a")))
        answering.cancel()
        failures: list[Any] = []
        _ = answering.addErrback(failures.append)
    assert failures[0].check(CancelledError)
    assert not events


def test_requests_are_counted_by_resource_and_status(tmp_path: Any) -> None:
    """An operator sees what is asked for; made-up addresses make no meters of their own."""
    office = Office(tmp_path / "none", HttpResource("/a/", _saying("a", etag="1")))
    office.ask("/a/1")
    office.ask("/a/2")
    office.ask("/a/2", if_none_match='"1"')
    office.ask("/x")
    assert office.meter.count("lyncpy_web_requests_total", resource="/a/", status="200") == 2
    assert office.meter.count("lyncpy_web_requests_total", resource="/a/", status="304") == 1
    assert office.meter.count("lyncpy_web_requests_total", resource="", status="404") == 1


def test_a_refusal_with_a_word_of_its_own_is_counted_by_it(tmp_path: Any) -> None:
    """A fault of SOAP is a 500 whatever it says."""

    async def refuse(asked: HttpAsked) -> HttpAnswer:
        return HttpAnswer(500, refused="wst:InvalidScope")

    office = Office(tmp_path / "none", HttpResource("/a/", refuse), HttpResource("/b", _saying("b")))
    office.ask("/a/1")
    office.ask("/b")
    assert office.meter.count("lyncpy_web_refusals_total", resource="/a/", reason="wst:InvalidScope") == 1
    assert office.meter.count("lyncpy_web_refusals_total", resource="/b", reason="") == 0


def test_a_resource_for_programs_offers_a_handshake_first(tmp_path: Any) -> None:
    """The better way to prove a password stands before the one that sends it."""
    signed_in = frozenset({HttpReaderKind.SIGNED_IN})
    office = Office(tmp_path / "none", HttpResource("/a", _saying("a"), readers=signed_in, handshakes=True))
    assert _header(office.ask(), "WWW-Authenticate") == ["NTLM", 'Basic realm="lyncpy", charset="UTF-8"']
    (offered,) = _header(office.ask(authorization="NTLM TlRMTVNTUAABAAAA"), "WWW-Authenticate")
    assert offered.startswith("NTLM TlRMTVNTUAAC")


@pytest.mark.parametrize(("over", "status"), [(False, 200), (True, 401)])
def test_a_handshake_ends_with_its_connection(tmp_path: Any, *, over: bool, status: int) -> None:
    """A proof that comes behind the end is worth nothing."""
    signed_in = frozenset({HttpReaderKind.SIGNED_IN})
    resource = HttpResource("/a", _saying("a"), readers=signed_in, handshakes=True)
    office = Office(tmp_path / "none", resource, challenge_time=True)
    options = spnego.NegotiateOptions.use_ntlm
    client = spnego.client(
        "EXAMPLE\\alice", "pässword", protocol="ntlm", hostname="fe1.x.test", service="HTTP", options=options
    )

    def said(token: bytes) -> bytes:
        return client.step(token or None) or b""

    def step(token: bytes) -> HttpAnswer:
        return office.ask(authorization="NTLM " + base64.b64encode(token).decode())

    (offered,) = _header(step(said(b"")), "WWW-Authenticate")
    proof = said(base64.b64decode(offered.removeprefix("NTLM ")))
    if over:
        office.site.forget("")
    assert step(proof).status == status


def test_where_anybody_may_ask_credentials_are_not_looked_at(tmp_path: Any) -> None:
    """A client goes on sending them on a connection where it was asked for them elsewhere; that is no try."""
    office = Office(tmp_path / "none", HttpResource("/a", _saying("a")))
    for _ in range(20):
        assert office.ask(authorization="Basic d3Jvbmc6d3Jvbmc=").status == 200
    assert office.signins.failures(ALICE) == ()


def test_capitals_in_a_path_are_of_no_consequence(tmp_path: Any) -> None:
    """Clients write the paths of Lync's services as they please; who answers sees what was written."""
    said: list[str] = []

    async def answer(asked: HttpAsked) -> HttpAnswer:
        said.append(asked.path)
        return HttpAnswer(200)

    office = Office(tmp_path / "none", HttpResource("/Service.svc/Auth", answer), HttpResource("/Pages/", answer))
    assert [office.ask(path).status for path in ("/service.SVC/auth", "/pages/A.svg", "/service.svc/auth2")] == [
        200,
        200,
        404,
    ]
    assert said == ["/service.SVC/auth", "/pages/A.svg"]


def test_the_answer_to_who_shows_a_ticket_proves_the_server(tmp_path: Path) -> None:
    """Browsers that ask for that look for it there (RFC 4559 §5); the page's own headers stay."""
    users = frozenset({HttpReaderKind.SIGNED_IN})
    page = HttpResource("/a", _saying("hello", headers=(("X-Own", "kept"),)), readers=users, handshakes=True)
    office = Office(tmp_path / "none", page, tickets=PaperTickets(own="EXAMPLE.TEST"))
    asked = office.ask()
    assert (asked.status, _header(asked, "WWW-Authenticate")[0]) == (401, "Negotiate")
    shown = base64.b64encode(b"alice@EXAMPLE.TEST|3600|mutual").decode()
    answer = office.ask(authorization=f"Negotiate {shown}")
    assert (answer.status, answer.body, _header(answer, "X-Own")) == (200, b"hello", ["kept"])
    assert _header(answer, "WWW-Authenticate") == ["Negotiate " + base64.b64encode(PROOF).decode()]
