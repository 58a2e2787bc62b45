"""A client proves its password once, and has a certificate from then on; nobody else gets one in its name."""

import base64
import json
import re
from collections.abc import Iterator, Mapping

import pytest
import spnego
from cryptography import x509
from lxml import etree
from twisted.logger import formatEvent

from lyncpy.contracts.authenticator import DenialReason
from lyncpy.contracts.directory import Moment, SignInObjection
from lyncpy.contracts.refusal import DirectoryUnavailable
from lyncpy.contracts.workload import CommandFailed
from lyncpy.workloads.webservices.model.certificates import new_authority
from tests.kit.deployment import password_of
from tests.kit.directory import JPEG, FakeDomain, FakePasswords
from tests.kit.enrollment import (
    DEVICE,
    HeldTicket,
    WebAnswer,
    WebClient,
    bearer_header,
    certificate_text,
    found,
    holder_header,
    key_request,
    new_device,
    request_text,
    search_text,
    security_header,
    sha1_key_request,
)
from tests.kit.key_pairs import key_of
from tests.kit.logs import overheard
from tests.kit.pool import Pool
from tests.kit.stage import Stage
from tests.kit.tls_dsk_client import TlsDskClient
from tests.kit.web import BOOK, CERTIFICATES, DISCOVERY, PHOTOS, SITE, TICKETS, WEB, Web

pytestmark = pytest.mark.libraries


@pytest.fixture
def web(request: pytest.FixtureRequest) -> Iterator[Web]:
    """Give the site of a server, which has more settings where a test says so."""
    with Stage.opened(**{"web": WEB, **getattr(request, "param", {})}) as stage:
        yield Web(stage)


def test_a_client_gets_a_certificate_for_its_password(web: Web) -> None:
    """Metadata, ticket, certificate; its name is the address, its key the client's."""
    client = web.client()
    certificate = client.certificate(web.certify())
    assert certificate.subject.rfc4514_string() == "CN=alice@example.com"
    assert certificate.public_key() == key_of("alice").public_key()
    wall = web.stage.wall()
    assert certificate.not_valid_before_utc.timestamp() <= wall - 3600
    assert certificate.not_valid_after_utc.timestamp() == pytest.approx(wall + 180 * 86_400, abs=3700)
    assert web.states() == ["good"]


def test_a_request_signed_with_sha1_is_taken(web: Web) -> None:
    """As the clients of the time sign it; what is issued is signed with SHA-256."""
    client = web.client()
    request = sha1_key_request(key_of("alice"), "alice@example.com")
    answer = client.ask_certificate(f"{CERTIFICATES}/WebTicket_Proof", web.ticket(), request, kind="sha256")
    algorithm = client.certificate(answer).signature_hash_algorithm
    assert algorithm is not None
    assert algorithm.name == "sha256"


def test_a_client_without_a_password_is_asked_for_one(web: Web) -> None:
    """The better way first; the password of somebody else, or a wrong one, gets nothing."""
    client = web.client(password="wrong")
    asked = client.ask_ticket(CERTIFICATES, f"{TICKETS}/Auth", authorization="")
    assert (asked.status, asked.challenges) == (401, ("NTLM", 'Basic realm="lyncpy", charset="UTF-8"'))
    assert client.ask_ticket(CERTIFICATES, f"{TICKETS}/Auth").status == 401
    assert web.client("nobody").ask_ticket(CERTIFICATES, f"{TICKETS}/Auth").status == 401


@pytest.mark.parametrize("web", [{"auth": {"challenge_time": True}}], indirect=True)
def test_a_client_may_prove_its_password(web: Web) -> None:
    """By NTLM over one connection; on another the proof is worth nothing."""
    client = web.client(password="not sent")

    def step(token: bytes | None) -> WebAnswer:
        proof = "NTLM " + base64.b64encode(token or b"").decode()
        return client.ask_ticket(CERTIFICATES, f"{TICKETS}/Auth", authorization=proof)

    for connection, status in (("http/1", 200), ("http/2", 401)):
        web.connection = "http/1"
        foreign = spnego.client(
            "alice@example.com",
            password_of("alice"),
            protocol="ntlm",
            hostname="sip.example.com",
            service="HTTP",
            options=NTLM_ALONE,
        )
        challenge = step(foreign.step()).challenges[0].removeprefix("NTLM ")
        web.connection = connection
        assert step(foreign.step(base64.b64decode(challenge))).status == status


NTLM_ALONE = spnego.NegotiateOptions.use_ntlm


def test_wrong_passwords_count_with_those_over_sip(web: Web) -> None:
    """The site is no second place to guess; the throttle says when to come again."""
    client = web.client(password="wrong")
    for _ in range(5):
        assert client.ask_ticket(CERTIFICATES, TICKETS).status == 401
    answer = web.client().ask_ticket(CERTIFICATES, TICKETS)
    assert (answer.status, answer.headers["retry-after"]) == (429, "30")


def test_a_ticket_is_asked_for_oneself(web: Web) -> None:
    """Bob's password gives no ticket that says Alice."""
    answer = web.client("bob").ask_ticket(CERTIFICATES, TICKETS, claim="sip:alice@example.com")
    assert answer.status == 500
    assert "somebody else" in answer.reason


def test_a_ticket_is_for_a_service_that_there_is(web: Web) -> None:
    """And no other site gets one of ours."""
    for place in ("https://other.example.com/CertProv/CertProvisioningService.svc", f"{SITE}/nothing", "!"):
        answer = web.client().ask_ticket(place, TICKETS)
        assert (answer.status, "no service here takes tickets" in answer.reason) == (500, True)


@pytest.mark.steady_clock
def test_a_ticket_ends(web: Web) -> None:
    """After eight hours the password is asked for again."""
    ticket = web.ticket()
    web.stage.passes(28_801)
    assert "expired" in web.certify(ticket=ticket).reason


def test_a_ticket_for_another_service_is_none(web: Web) -> None:
    """Each is good where its client said that it would use it."""
    ticket = web.client().ticket(f"{SITE}/Autodiscover/AutodiscoverService.svc/root/user", TICKETS)
    assert web.certify(ticket=ticket).reason == "the ticket is for another service"


def test_a_ticket_for_certificates_has_a_key(web: Web) -> None:
    """Who asks for one without bringing a part of it is told so."""
    client = web.client()
    body = request_text(CERTIFICATES, "sip:alice@example.com", b"").replace(
        b"<wst:Entropy><wst:BinarySecret></wst:BinarySecret></wst:Entropy>", b""
    )
    answer = web.send("POST", TICKETS, {"authorization": client.basic}, body)
    assert (answer.status, "send entropy" in answer.reason) == (500, True)


def test_a_ticket_ends_with_its_person(web: Web) -> None:
    """Also one that got nothing yet; it is not that of whoever gets the address next."""
    ticket = web.ticket()
    web.stage.directory.people = [one for one in web.stage.directory.people if one.key != "key-alice"]
    web.stage.pulls()
    assert "nobody has this ticket's address" in web.certify(ticket=ticket).reason
    web.stage.changes("alice", key="key-another")
    web.stage.pulls()
    assert "nobody has this ticket's address" in web.certify(ticket=ticket).reason


def test_a_stolen_ticket_is_worth_nothing_without_its_key(web: Web) -> None:
    """Who reads it on its way cannot prove that it is theirs."""
    ticket = web.ticket()
    assert "does not fit" in web.certify(ticket=ticket.stolen()).reason
    assert web.states() == []


def test_a_ticket_is_used_for_one_key(web: Web) -> None:
    """A replayed request gets the same key certified again; another key in it nothing."""
    ticket = web.ticket()
    assert web.certify(ticket=ticket).status == 200
    assert web.certify(ticket=ticket).status == 200
    assert "used for another certificate" in web.certify(ticket=ticket, key="mallory").reason
    assert web.states() == ["good"]


def test_a_used_ticket_gets_no_other_key_when_its_certificate_is_gone(web: Web) -> None:
    """The same device has another one since, got with another ticket."""
    ticket = web.ticket()
    assert web.certify(ticket=ticket).status == 200
    assert web.certify(ticket=web.ticket()).status == 200
    assert web.states() == ["good"]
    assert "used for another certificate" in web.certify(ticket=ticket, key="mallory").reason
    assert web.certify(ticket=ticket).status == 200


def test_a_certificate_is_for_whom_the_ticket_is(web: Web) -> None:
    """Bob's ticket gets none that says Alice; what a request's own name says is not looked at."""
    ticket = web.ticket("bob")
    assert "somebody else" in web.certify("bob", ticket, entity="alice@example.com").reason
    answer = web.client("bob").ask_certificate(
        f"{CERTIFICATES}/WebTicket_Proof", ticket, key_request(key_of("bob"), "alice@example.com")
    )
    assert web.client("bob").certificate(answer).subject.rfc4514_string() == "CN=bob@example.com"
    assert web.states("alice") == []


def test_a_request_whose_signature_does_not_hold_is_refused(web: Web) -> None:
    """Nobody has a key certified that they do not have."""
    request = bytearray(key_request(key_of("alice")))
    request[-1] ^= 1
    answer = web.client().ask_certificate(f"{CERTIFICATES}/WebTicket_Proof_SHA1", web.ticket(), bytes(request))
    assert "signature of the certificate request does not hold" in answer.reason


def test_a_request_of_another_time_is_refused(web: Web) -> None:
    """Its time stamp is part of what is signed; a clock that is wrong is told."""
    lifetime = "<wsu:Created>2001-01-01T00:00:00Z</wsu:Created><wsu:Expires>2001-01-01T08:00:00Z</wsu:Expires>"
    assert "not of now" in web.certify(lifetime=lifetime).reason
    ticket = web.ticket()
    client, place = web.client(), f"{CERTIFICATES}/WebTicket_Proof_SHA1"
    changed = security_header(ticket).replace("<wsu:Expires>2026", "<wsu:Expires>2027")
    body = certificate_text("alice@example.com", key_request(key_of("alice")))
    assert client.post(place, changed, body).reason == "the time stamp was changed"


def test_a_changed_password_ends_what_the_old_one_opened(web: Web) -> None:
    """Tickets and certificates; the client asks for the new one."""
    ticket = web.ticket()
    web.certify(ticket=ticket)
    web.stage.sets_password("alice", "new")
    assert web.states() == []
    assert "revoked" in web.certify(ticket=ticket).reason
    web.stage.sets_password("alice", password_of("alice"))
    assert web.certify().status == 200


def test_a_password_that_the_directory_changes_ends_them_too(web: Web) -> None:
    """Though nobody tells the server, but for the pull."""
    ticket = web.ticket()
    web.certify(ticket=ticket)
    held = web.ticket(user="bob")
    web.stage.changes("alice", nt_hash=bytes(16))
    web.stage.changes("bob", password_set="1")
    web.stage.pulls()
    assert web.states() == []
    assert "revoked" in web.certify(ticket=ticket).reason
    assert "password has been changed" in web.certify(ticket=held, user="bob").reason


def test_a_password_that_only_the_directory_knows_gets_a_certificate(web: Web) -> None:
    """Once; what is wrong with it, or with the directory, is told in words, and the old one ends with the pull."""
    stage = web.stage
    keeper = FakePasswords(SignInObjection(DenialReason.WRONG_PASSWORD, ""), zoe=password_of("zoe"))
    stage.stop()
    stage.passwords = keeper
    stage.changes("zoe", nt_hash=None, password_set="1")
    stage.start()
    stage.pulls()
    ticket = web.ticket("zoe")
    assert web.certify("zoe", ticket=ticket, key="bob").status == 200

    def refused() -> tuple[int, str]:
        answer = web.client("zoe").ask_ticket(CERTIFICATES, TICKETS)
        return answer.status, answer.body.decode()

    keeper.right.clear()
    assert refused()[0] == 401
    keeper.says = SignInObjection(DenialReason.PASSWORD_EXPIRED, "it is too old")
    assert refused() == (403, "403 Forbidden\nThe password has expired and must be changed.\n")
    keeper.says = DirectoryUnavailable("ldap://dc1 cannot be reached")
    status, text = refused()
    assert status == 503
    assert "directory cannot be asked" in text
    assert "dc1" not in text
    why = str(stage.shell("why zoe@example.com").rows)
    assert "dc1 cannot be reached" in why
    assert "it is too old" in why
    stage.changes("zoe", nt_hash=None, password_set="2")
    stage.pulls()
    assert web.states("zoe") == []
    assert web.certify("zoe", ticket=ticket, key="bob").status == 500


def test_a_password_of_which_the_directory_says_nothing_ends_what_the_one_before_opened(web: Web) -> None:
    """An OpenLDAP without ppolicy shows no time: the next sign-in with the new one shows that there is one."""
    stage = web.stage
    keeper = FakePasswords(SignInObjection(DenialReason.WRONG_PASSWORD, ""), zoe=password_of("zoe"))
    stage.stop()
    stage.passwords = keeper
    stage.changes("zoe", nt_hash=None)
    stage.start()
    stage.pulls()
    ticket = web.ticket("zoe")
    keys = TlsDskClient(web.client("zoe").certificate(web.certify("zoe", ticket=ticket, key="bob")), key_of("bob"))
    device = stage.actor("zoe", password="forgotten", keys=keys)
    device.signs_in()
    # The same one again, at another device, ends nothing.
    assert web.certify("zoe", key="carol", device="{0E324752-1B8C-4D3A-9F6B-000000000000}").status == 200
    assert web.states("zoe") == ["good", "good"]
    (carol,) = stage.sign_in("carol")
    assert device.pages(carol, "as ever").status == 200
    keeper.right["zoe"] = "another"
    held = web.client("zoe", "another").ticket(CERTIFICATES, TICKETS)
    assert web.states("zoe") == []
    assert "revoked" in web.certify("zoe", ticket=ticket, key="bob").reason
    assert device.pages(carol, "with the keys of before").status == 403
    assert web.certify("zoe", ticket=held).status == 200
    assert web.states("zoe") == ["good"]


def test_who_is_disabled_loses_them_for_good(web: Web) -> None:
    """Who comes back gets another one with their password."""
    ticket = web.ticket()
    web.certify(ticket=ticket)
    web.stage.changes("alice", enabled=False)
    web.stage.pulls()
    assert "disabled" in web.certify(ticket=ticket).reason
    web.stage.changes("alice")
    web.stage.pulls()
    assert web.states() == []
    assert "revoked" in web.certify(ticket=ticket).reason
    assert web.certify().status == 200


@pytest.mark.parametrize(
    "change", [{"enabled": False}, {"until": Moment(1.0, "accountExpires")}], ids=["disabled", "expired"]
)
def test_a_ticket_of_before_never_comes_back(web: Web, change: dict[str, object]) -> None:
    """Nor that of who has no certificate, whatever they got it for; and that more than once."""
    for _ in range(2):
        ticket, search = web.ticket(), _book_ticket(web)
        assert _addresses(_search(web, search, search_text("bo"))) == ["sip:bob@example.com"]
        web.stage.changes("alice", **change)
        web.stage.pulls()
        web.stage.changes("alice")
        web.stage.pulls()
        assert "revoked" in web.certify(ticket=ticket).reason
        assert "revoked" in _search(web, search, search_text("bo")).reason


def test_a_ticket_does_not_come_back_with_its_password(web: Web) -> None:
    """Which somebody has set to another one, and then to the same again."""
    ticket = web.ticket()
    web.stage.sets_password("alice", "new")
    web.stage.sets_password("alice", password_of("alice"))
    assert "revoked" in web.certify(ticket=ticket).reason


def test_of_who_never_had_anything_nothing_is_written(web: Web) -> None:
    """A directory may have many who are disabled; of whoever had a ticket it is written once that it has ended."""

    def written() -> dict[str, int]:
        kept = web.stage.store.kept.items()
        return {key: record.version for (kind, key), record in kept if kind == "certificates"}

    web.ticket("bob")
    (owner,) = before = written()
    web.ticket("bob")
    assert written() == before
    for user in ("alice", "bob"):
        web.stage.changes(user, enabled=False)
    web.stage.pulls()
    assert written() == {owner: before[owner] + 1}
    web.stage.stop()
    web.stage.start()
    assert written() == {owner: before[owner] + 1}


def test_who_leaves_loses_them_with_the_address(web: Web) -> None:
    """And whoever gets the address next finds nothing of theirs."""
    ticket = web.ticket()
    web.certify(ticket=ticket)
    web.stage.directory.people = [one for one in web.stage.directory.people if one.key != "key-alice"]
    web.stage.pulls()
    assert "nobody has this ticket's address" in web.certify("alice", ticket).reason
    with pytest.raises(CommandFailed, match="nobody is known"):
        web.states()
    web.stage.changes("alice", key="key-another")
    web.stage.pulls()
    assert web.states() == []
    assert "nobody has this ticket's address" in web.certify("alice", ticket).reason
    assert web.certify("alice", key="bob").status == 200
    assert web.states() == ["good"]


def test_an_operator_revokes_one_or_all(web: Web) -> None:
    """Of the lost laptop alone, or of all devices; the tickets end with either."""
    tickets = [web.ticket(), web.ticket()]
    for ticket in tickets:
        web.certify(ticket=ticket, device=new_device())
    rows = web.stage.command("user certificates", user="alice@example.com").rows
    gone = web.stage.command("user revoke", user="alice@example.com", serial=str(rows[0][0])).rows
    assert gone == [(rows[0][0], rows[0][1])]
    assert len(web.states()) == 1
    assert "revoked" in web.certify(ticket=tickets[0], key="mallory").reason
    with pytest.raises(CommandFailed, match="has no certificate"):
        web.stage.command("user revoke", user="alice@example.com", serial=str(rows[0][0]))
    assert len(web.stage.command("user revoke", user="alice@example.com").rows) == 1
    assert web.states() == []
    assert "revoked" in web.certify(ticket=tickets[0]).reason


@pytest.mark.parametrize("web", [{"webservices": {"certificates_per_user": 3}}], indirect=True)
def test_a_user_has_so_many_and_no_more(web: Web) -> None:
    """The same device's is replaced; beyond the bound the oldest goes."""
    for _ in range(3):
        web.certify(device=DEVICE)
    assert web.states() == ["good"]
    devices = [new_device() for _ in range(4)]
    for device in devices:
        web.certify(device=device)
    rows = web.stage.command("user certificates", user="alice@example.com").rows
    assert [row[1] for row in rows] == devices[1:]


@pytest.mark.parametrize("web", [{"webservices": {"certificates_per_hour": 4}}], indirect=True)
def test_nobody_has_certificates_made_without_end(web: Web) -> None:
    """Who asks too often waits, and nobody else notices."""
    ticket = web.ticket()
    answers = [web.certify(ticket=ticket) for _ in range(6)]
    assert [answer.status for answer in answers] == [200] * 4 + [500] * 2
    assert "too many certificates in an hour" in answers[-1].reason
    assert web.certify("bob").status == 200


def test_all_of_it_outlives_a_restart(web: Web) -> None:
    """Tickets, certificates, and the authority: its key is made once."""
    ticket = web.ticket()
    first = web.client().certificate(web.certify(ticket=ticket))
    web.stage.stop()
    web.stage.start()
    assert web.states() == ["good"]
    second = web.client().certificate(web.certify(ticket=ticket))
    assert second.issuer == first.issuer


def test_why_tells_of_certificates(web: Web) -> None:
    """How many devices have one, and which of them are good no more."""
    web.certify()
    rows = web.stage.shell("why alice@example.com").rows
    assert any("1 of their devices' certificates: good" in str(row) for row in rows)


PROOF = f"{CERTIFICATES}/WebTicket_Proof_SHA1"
UNREADABLE = (
    (b"", "not well-formed"),
    (b"<a/>", "no operation"),
    (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "document type"),
    (b"<a>&b;</a>", "not well-formed"),
    (b"<a>" + b"<b/>" * 1_001 + b"</a>", "too many elements"),
    (b"<a>" * 50 + b"</a>" * 50, "too deep"),
)


@pytest.mark.parametrize(
    ("place", "body", "words"),
    [
        *((place, *row) for place in (TICKETS, PROOF) for row in UNREADABLE),
        (TICKETS, b"<e><Body><RequestSecurityToken/></Body></e>", "nothing else is done"),
        (TICKETS, b"<e><Body><Something/></Body></e>", "ask with RequestSecurityToken"),
        (PROOF, b"<e><Body><RequestSecurityToken/></Body></e>", "the request has no ticket"),
        (PROOF, b"<e><Body><Something/></Body></e>", "the request has no ticket"),
    ],
)
def test_what_cannot_be_read_gets_a_fault_with_a_reason(web: Web, place: str, body: bytes, words: str) -> None:
    """Never a document type, an entity, or more than the bounds; the reason is for people."""
    client = web.client()
    answer = web.send("POST", place, {"authorization": client.basic}, body)
    assert (answer.status, answer.headers["content-type"]) == (500, "text/xml; charset=utf-8")
    assert words in answer.reason


def test_passwords_and_tickets_reach_no_log(web: Web) -> None:
    """Whatever is refused and whatever succeeds."""
    with overheard() as events:
        ticket = web.ticket()
        web.certify(ticket=ticket)
        web.client(password="hunter2 of alice").ask_ticket(CERTIFICATES, TICKETS)
    text = "\n".join(formatEvent(event) for event in events)
    assert "got certificate" in text
    for secret in (password_of("alice"), "hunter2", ticket.assertion[-60:], ticket.key.hex()):
        assert secret not in text


# --- discovery

XML = {"accept": "application/vnd.microsoft.rtc.autodiscover+xml;v=1"}


def _xml(answer: WebAnswer) -> etree._Element:
    assert answer.status == 200, answer
    # A client looks at how it begins.
    assert answer.headers["content-type"].startswith("application/vnd.microsoft.rtc.autodiscover+xml")
    return etree.fromstring(answer.body)


def _opaque(ticket: HeldTicket) -> dict[str, str]:
    return {**XML, "x-ms-webticket": "opaque=" + base64.b64encode(ticket.assertion.encode()).decode()}


@pytest.mark.parametrize(
    ("host", "location"),
    [("lyncdiscoverinternal", "Internal"), ("lyncdiscover", "External"), ("LyncDiscover", "External")],
)
def test_a_client_finds_the_server_by_the_name_of_its_domain(web: Web, host: str, location: str) -> None:
    """From the name that it looks up to the place where it signs in; the password is asked for on the way."""
    root = _xml(web.send("GET", f"https://{host}.example.com/?sipuri=alice@example.com", XML, b""))
    assert root.get("AccessLocation") == location
    (place,) = found(root, "Root/Link[@token='User']/@href")
    refused = web.send("GET", place, XML, b"")
    assert (refused.status, refused.challenges) == (401, ())
    tickets = refused.headers["x-ms-webticketurl"]
    client = web.client()
    ticket = client.ticket(place, client.port(tickets, "WebTicketServiceWinNegotiate")[0])
    user = _xml(web.send("GET", place, _opaque(ticket), b""))
    for side in ("Internal", "External"):
        assert found(user, f"User/SipClient{side}Access/@*") == ["sip.example.com", "5061"]


def test_what_is_said_to_anybody_is_the_same_for_all(web: Web) -> None:
    """Whether a user exists is not to be found out; letters' case in a path is of no consequence."""
    places = (f"https://lyncdiscover.example.com/?sipuri={user}@example.com" for user in ("alice", "nobody", "%C3%BC"))
    assert len({web.send("GET", place, {}, b"").body for place in places}) == 1
    asked = web.send("GET", DISCOVERY.lower() + "/ROOT", {"accept": "application/json"}, b"")
    assert json.loads(asked.body)["_links"]["user"]["href"] == f"{DISCOVERY}/root/user"
    domain = _xml(web.send("GET", f"{DISCOVERY}/root/domain", XML, b""))
    assert found(domain, "Domain/SipServerInternalAccess/@fqdn") == ["sip.example.com"]
    assert web.send("GET", "https://lyncdiscover.example.com/favicon.ico", {}, b"").status == 404


def test_a_ticket_of_another_service_opens_no_user(web: Web) -> None:
    """Nor does anything else in its place; why stands in a header that clients show."""
    answer = web.send("GET", f"{DISCOVERY}/root/user", _opaque(web.ticket()), b"")
    assert answer.status == 401
    assert answer.headers["x-ms-diagnostics"] == (
        '28020;"sip.example.com";"the ticket is for another service";"wsse:FailedAuthentication"'
    )
    for value in ("", "opaque=", "opaque=!", "other=AAAA", "opaque=PGEv", "opaque=PGEvPg=="):
        refused = web.send("GET", f"{DISCOVERY}/root/user", {"x-ms-webticket": value}, b"")
        assert (refused.status, refused.challenges) == (401, ())


@pytest.mark.parametrize("host", ["lyncdiscover", "lyncdiscoverinternal"])
def test_without_tls_a_client_is_sent_to_where_there_is_tls(web: Web, host: str) -> None:
    """And nothing else is there, whatever password it sends."""
    root = _xml(web.send("GET", f"http://{host}.example.com/?sipuri=alice@example.com", XML, b""))
    assert found(root, "Root/Link/@token") == ["Redirect"]
    (place,) = found(root, "Root/Link/@href")
    assert found(_xml(web.send("GET", place, XML, b"")), "Root/Link[@token='User']/@href")
    insecure = SITE.replace("https", "http")
    for path in ("/", "/WebTicket/WebTicketService.svc/mex", "/Autodiscover/AutodiscoverService.svc/root/user"):
        assert web.send("GET", insecure + path, {}, b"").status == 404
    answer = web.client().ask_ticket(CERTIFICATES, TICKETS.replace("https", "http"))
    assert (answer.status, answer.challenges) == (404, ())


@pytest.mark.parametrize("web", [{"sip": {"domain": "example.com", "tls_port": 0}}], indirect=True)
def test_a_server_without_tls_is_no_place_to_sign_in(web: Web) -> None:
    """Nothing is told that is not there."""
    domain = _xml(web.send("GET", f"{DISCOVERY}/root/domain", XML, b""))
    assert found(domain, "Domain/*/@fqdn") == []


# --- the address book


def _search(web: Web, ticket: HeldTicket, body: str) -> WebAnswer:
    return web.ask_book(ticket, body)


def _addresses(answer: WebAnswer) -> list[str]:
    assert answer.status == 200, answer.reason
    path = "//*[local-name()='Attribute'][*[local-name()='Name']='msRTCSIP-PrimaryUserAddress']/*[2]/text()"
    return found(etree.fromstring(answer.body), path)


def _book_ticket(web: Web, user: str = "alice") -> HeldTicket:
    return web.book_ticket(user)


def test_a_client_searches_with_a_ticket_as_often_as_it_likes(web: Web) -> None:
    """By a text, or by the fields of a form; one ticket does for hours."""
    ticket = _book_ticket(web)
    assert _addresses(_search(web, ticket, search_text("bo"))) == ["sip:bob@example.com"]
    byaddress = search_text(conditions={"msRTCSIP-PrimaryUserAddress": "sip:carol@example.com"}, most="1")
    assert _addresses(_search(web, ticket, byaddress)) == ["sip:carol@example.com"]
    assert _addresses(_search(web, ticket, search_text("nobody"))) == []


def test_a_client_says_how_many_it_shows(web: Web) -> None:
    """By either way of asking, of those who are found no more are told."""
    for name in ("Marlow North", "Marlow South"):
        web.stage.changes(name.split()[1].lower(), display_name=name)
    web.stage.pulls()
    ticket = _book_ticket(web)
    by_name = {"displayName": "marlow"}
    for most, told in (("2", 2), ("1", 1)):
        assert len(_addresses(_search(web, ticket, search_text("marlow", most=most)))) == told
        assert len(_addresses(_search(web, ticket, search_text(conditions=by_name, most=most)))) == told


def test_who_has_no_ticket_for_it_finds_nobody(web: Web) -> None:
    """Nor who has one for another service, or none any more."""
    assert "another service" in _search(web, web.ticket(), search_text("bo")).reason
    assert web.client().post(f"{BOOK}/WebTicket_Bearer", "", search_text("bo")).reason == "the request has no ticket"
    ticket = _book_ticket(web)
    web.stage.changes("alice", enabled=False)
    web.stage.pulls()
    assert "disabled" in _search(web, ticket, search_text("bo")).reason


def test_forty_contacts_are_looked_up_as_one(web: Web) -> None:
    """One after the other, as Pidgin does at sign-in: the ticket is read, and what has ended is looked for, once in five seconds."""
    ticket = _book_ticket(web)
    reads: list[str] = []
    read = web.stage.store.read
    web.stage.store.read = lambda kind, key: reads.append(kind) or read(kind, key)  # type: ignore[method-assign,func-returns-value]  # noted, and done
    for user in ("alice", "bob", "carol", "nobody") * 10:
        told = _addresses(
            _search(web, ticket, search_text(conditions={"msRTCSIP-PrimaryUserAddress": f"sip:{user}@example.com"}))
        )
        assert told == ([] if user == "nobody" else [f"sip:{user}@example.com"])
    assert len(reads) == 2
    web.stage.passes(5)
    assert _addresses(_search(web, ticket, search_text("bo"))) == ["sip:bob@example.com"]
    assert len(reads) == 4


@pytest.mark.parametrize("ends", ["revoked", "disabled", "password", "expired", "left"])
def test_a_ticket_that_ends_between_two_searches_has_ended(web: Web, ends: str) -> None:
    """However quickly one follows the other; a photo is none, either."""
    web.stage.photos.of["uid=bob"] = JPEG
    ticket = _book_ticket(web)
    path, _ = _told_photo(web, ticket)
    for _ in range(2):
        assert _addresses(_search(web, ticket, search_text("bo"))) == ["sip:bob@example.com"]
        assert web.send("GET", f"{PHOTOS}/{path}", _opaque(ticket), b"").status == 200
    if ends == "revoked":
        web.stage.command("user revoke", user="alice@example.com")
    elif ends == "disabled":
        web.stage.changes("alice", enabled=False)
    elif ends == "password":
        web.stage.sets_password("alice", "new")
    elif ends == "expired":
        web.stage.step(28_801)
    else:
        web.stage.directory.people = [one for one in web.stage.directory.people if one.key != "key-alice"]
    if ends in ("disabled", "left"):
        web.stage.pulls()
    answer = _search(web, ticket, search_text("bo"))
    assert answer.status == 500
    assert answer.reason
    assert web.send("GET", f"{PHOTOS}/{path}", _opaque(ticket), b"").status == 401


def test_a_header_counts_only_for_the_body_behind_it(web: Web) -> None:
    """What looks like a known header is read like any other, where it is none."""
    ticket = _book_ticket(web)
    client = web.client()
    place = f"{BOOK}/WebTicket_Bearer"
    sent: list[bytes] = []

    def noting(method: str, address: str, headers: Mapping[str, str], body: bytes) -> WebAnswer:
        sent.append(body)
        return web.send(method, address, headers, body)

    WebClient(noting, "alice@example.com", "").post(place, bearer_header(ticket), search_text("bo"))
    (good,) = sent
    begins = good.index(b"<soap:Body>")
    root, header, body = (
        good[: good.index(b"<soap:Header>")],
        good[good.index(b"<soap:Header>") : begins],
        good[begins:],
    )

    def ask(request: bytes) -> WebAnswer:
        return web.send("POST", place, {"content-type": "text/xml"}, request)

    assert _addresses(ask(root + header + b"<!-- <Body -->" + body)) == ["sip:bob@example.com"]
    assert _addresses(ask(root + header + b"<!-- <Body -->" + body)) == ["sip:bob@example.com"]
    assert ask(root + b"<!-- <Body -->" + body).reason == "the request has no ticket"
    assert ask(root + body).reason == "the request has no ticket"
    assert "not well-formed" in ask(root + header + body.replace(b"</soap:Envelope>", b"")).reason
    assert _addresses(ask(root + body.replace(b"</soap:Envelope>", header + b"</soap:Envelope>"))) == [
        "sip:bob@example.com"
    ]
    assert ask(root + body).reason == "the request has no ticket"
    assert client.post(place, "", search_text("bo")).reason == "the request has no ticket"


def test_clients_are_told_where_they_search(web: Web) -> None:
    """By either name that they know, and only where there is a site."""
    (alice,) = web.stage.sign_in("alice")
    told = "".join(etree.tostring(group).decode() for group in alice.provisions.values())
    for name in ("abwqInternalUrl", "abwqExternalUrl", "dlxInternalUrl", "dlxExternalUrl"):
        assert f"{name}>{BOOK}</" in told
    assert "absWebServiceEnabled>true</" in told
    assert 'name="AbsUsage">WebSearchOnly</' in told


def test_every_address_that_is_told_answers(web: Web) -> None:
    """And says what it is for; groups and the organisation are not promised, and who asks for what is not there is told so."""
    (alice,) = web.stage.sign_in("alice")
    told = "".join(etree.tostring(group).decode() for group in alice.provisions.values())
    addresses = set(re.findall(r">(https://[^<]+)<", told))
    assert addresses >= {BOOK, PHOTOS}
    for address in addresses - {PHOTOS}:
        described = web.send("GET", f"{address}/mex", {}, b"")
        assert (address, described.status) == (address, 200)
        assert b"portType" in described.body
    assert web.send("GET", f"{PHOTOS}/x", {}, b"").status == 401
    assert "dlxEnabled>false<" in told
    assert 'name="MaximumDGsAllowedInContactList">0<' in told
    for operation in ("GetAddressBookFile", "SearchOrganization"):
        other = search_text("bo").replace("SearchAbEntry", operation)
        assert "this service searches the address book" in _search(web, _book_ticket(web), other).reason


@pytest.mark.parametrize("web", [{"web": {"https_port": 0}}], indirect=True)
def test_a_server_without_a_site_tells_no_address(web: Web) -> None:
    """Clients go to every address that they are told, and wait."""
    (alice,) = web.stage.sign_in("alice")
    told = "".join(etree.tostring(group).decode() for group in alice.provisions.values())
    assert "Url>" not in told
    assert "AbsUsage" not in told
    assert web.send("GET", f"{BOOK}/mex", {}, b"").status == 404


# --- a certificate in place of the password


def _certified(web: Web, user: str = "alice") -> x509.Certificate:
    return web.client(user).certificate(web.certify(user))


def _holds(
    web: Web,
    certificate: x509.Certificate,
    key: str = "alice",
    audience: str = BOOK,
    claim: str = "sip:alice@example.com",
    **how: float,
) -> WebAnswer:
    """Ask for a ticket with a certificate."""
    client = web.client(password="not sent")
    place, _ = client.port(TICKETS, "WebTicketServiceCert")
    security = holder_header(certificate, key_of(key), how.get("now", web.stage.wall()))
    body = request_text(audience, claim, client.entropy).decode()
    inner = body[body.index("<wst:RequestSecurityToken") : body.index("</soap:Body>")]
    namespaces = 'xmlns:wsp="urn:p" xmlns:wsa="urn:a" xmlns:auth="urn:auth" '
    return client.post(
        place, security, inner.replace("<wst:RequestSecurityToken ", f"<wst:RequestSecurityToken {namespaces}")
    )


def test_who_has_a_certificate_needs_no_password(web: Web) -> None:
    """The ticket is as good as one for a password, but for more certificates."""
    certificate = _certified(web)
    answer = _holds(web, certificate)
    assert answer.status == 200, answer.reason
    ticket = web.client().held(answer.body.decode())
    assert _addresses(_search(web, ticket, search_text("bo"))) == ["sip:bob@example.com"]
    web.stage.passes(1)
    assert "got with a password" in _holds(web, certificate, audience=CERTIFICATES).reason


def test_a_certificate_alone_is_worth_nothing(web: Web) -> None:
    """Nor is a request that was heard on its way, or one of another day."""
    certificate = _certified(web)
    assert "does not fit" in _holds(web, certificate, key="mallory").reason
    now = web.stage.wall()
    assert _holds(web, certificate, now=now).status == 200
    assert _holds(web, certificate, now=now).reason == "the request was sent before"
    web.stage.stop()
    web.stage.start()
    assert _holds(web, certificate, now=now).reason == "the request was sent before"
    assert "not of now" in _holds(web, certificate, now=web.stage.wall() - 7200).reason


def test_what_one_server_of_a_pool_has_taken_no_other_takes() -> None:
    """A request that was heard on its way is not sent to the next one."""
    with Pool.opened(web=WEB) as pool:
        one, other = (Web(server) for server in pool)
        certificate = _certified(one)
        now = one.stage.wall()
        assert _holds(one, certificate, now=now).status == 200
        assert _holds(other, certificate, now=now).reason == "the request was sent before"


def test_a_certificate_of_another_is_no_way_to_be_alice(web: Web) -> None:
    """Bob's says Bob; one that somebody made themselves says nothing."""
    assert "somebody else" in _holds(web, _certified(web, "bob"), key="bob").reason
    assert "no certificate of this server" in _holds(web, new_authority(key_of("alice"), 0.0).certificate).reason


def test_a_certificate_that_ended_is_told_why(web: Web) -> None:
    """Revoked, with a password that was changed, or of an account that is disabled."""
    certificate = _certified(web)
    web.stage.command("user revoke", user="alice@example.com")
    assert "was revoked" in _holds(web, certificate).reason
    certificate = _certified(web)
    web.stage.changes("alice", nt_hash=bytes(16))
    web.stage.pulls()
    assert "was revoked" in _holds(web, certificate).reason
    certificate = _certified(web, "bob")
    web.stage.changes("bob", enabled=False)
    web.stage.pulls()
    assert "was revoked" in _holds(web, certificate, key="bob").reason


@pytest.mark.steady_clock
def test_a_certificate_expires(web: Web) -> None:
    """After half a year the password is asked for again."""
    certificate = _certified(web)
    web.stage.step(181 * 86_400)
    assert "expired" in _holds(web, certificate).reason


def test_a_certificate_goes_along_with_a_new_address(web: Web) -> None:
    """It is of the person; whoever gets the old address has nothing of it."""
    certificate = _certified(web)
    web.stage.directory.people = [
        web.stage.someone("alice", aor="sip:alice.new@example.com") if one.key == "key-alice" else one
        for one in web.stage.directory.people
    ]
    web.stage.pulls()
    assert "somebody else" in _holds(web, certificate).reason
    web.stage.passes(1)
    answer = _holds(web, certificate, claim="sip:alice.new@example.com")
    assert answer.status == 200, answer.reason
    ticket = web.client("alice.new").held(answer.body.decode())
    assert _addresses(_search(web, ticket, search_text("bo"))) == ["sip:bob@example.com"]


# --- photos


def _told_photo(web: Web, ticket: HeldTicket, user: str = "bob") -> list[str]:
    """Have a client look somebody up as it does for each of its contacts; give the path and hash of the photo."""
    names = "displayName,msRTCSIP-PrimaryUserAddress,photoRelPath,photoSize,photoHash"
    body = search_text(conditions={"msRTCSIP-PrimaryUserAddress": f"sip:{user}@example.com"}, names=names, most="1")
    root = etree.fromstring(_search(web, ticket, body).body)
    path = "//*[local-name()='Attribute'][*[local-name()='Name']='{}']/*[2]/text()"
    return [value for name in ("PhotoRelPath", "PhotoHash") for value in found(root, path.format(name))]


def test_a_client_shows_the_photos_of_its_contacts(web: Web) -> None:
    """It is told of them in the address book, and fetches them with the ticket that it searches with; once."""
    web.stage.photos.of["uid=bob"] = JPEG
    (alice,) = web.stage.sign_in("alice")
    told = "".join(etree.tostring(group).decode() for group in alice.provisions.values())
    assert f"absInternalServerUrl>{PHOTOS}</" in told
    assert f"absExternalServerUrl>{PHOTOS}</" in told
    ticket = _book_ticket(web)
    path, digest = _told_photo(web, ticket)
    shown = _opaque(ticket)
    answer = web.send("GET", f"{PHOTOS}/{path}", shown, b"")
    assert (answer.status, answer.headers["content-type"], answer.body) == (200, "image/jpeg", JPEG)
    assert answer.headers["X-Content-Type-Options".lower()] == "nosniff"
    again = web.send("GET", f"{PHOTOS}/{path}", shown | {"if-none-match": f'"{digest}"'}, b"")
    assert (again.status, again.body) == (304, b"")
    for place in (PHOTOS.replace("/abs/handler", "/ABS/Handler"), PHOTOS.lower()):
        for written in (path.upper(), path.replace("bob", "Bob")):
            assert web.send("GET", f"{place}/{written}", shown, b"").body == JPEG
    assert _told_photo(web, ticket, "carol") == []


def test_photos_are_for_who_may_find_those_on_them(web: Web) -> None:
    """With a ticket for the address book; there is no photo of who is hidden, and no file of everybody."""
    web.stage.photos.of |= {"uid=bob": JPEG, "uid=carol": b"<script>alert(1)</script>"}
    ticket = _book_ticket(web)
    path, _ = _told_photo(web, ticket)
    for shown in ({}, _opaque(web.ticket())):
        refused = web.send("GET", f"{PHOTOS}/{path}", shown, b"")
        assert (refused.status, refused.headers["x-ms-webticketurl"]) == (401, TICKETS)
        assert refused.headers["x-ms-diagnostics"].startswith('28020;"sip.example.com";"')
    for other in ("F-0a8c.lsabs", path.replace("bob", "carol"), f"{path}x", ""):
        assert web.send("GET", f"{PHOTOS}/{other}", _opaque(ticket), b"").status == 404
    assert _told_photo(web, ticket, "carol") == []
    said = [row for row in web.stage.command("why", user="carol@example.com").rows if "photo is left out" in str(row)]
    assert "it is no JPEG picture" in str(said)
    web.stage.changes("bob", hidden=True)
    web.stage.pulls()
    assert web.send("GET", f"{PHOTOS}/{path}", _opaque(ticket), b"").status == 404


@pytest.mark.parametrize("web", [{"provisioning": {"photos": "NoPhoto"}}], indirect=True)
def test_where_no_photos_are_shown_none_are_there(web: Web) -> None:
    """Clients are told no address, and the directory is not asked."""
    web.stage.photos.of["uid=bob"] = JPEG
    (alice,) = web.stage.sign_in("alice")
    told = "".join(etree.tostring(group).decode() for group in alice.provisions.values())
    assert "/abs/" not in told
    assert _told_photo(web, _book_ticket(web)) == []
    assert web.stage.photos.reads == []
    assert web.send("GET", f"{PHOTOS}/x", {}, b"").status == 404


def _ntlm_ticket(web: Web, user: str, password: str) -> tuple[int, str]:
    """Ask for a web ticket with a proof; give the answer's status and words."""
    client = web.client(user, password="not sent")

    def step(token: bytes | None) -> WebAnswer:
        proof = "NTLM " + base64.b64encode(token or b"").decode()
        return client.ask_ticket(CERTIFICATES, f"{TICKETS}/Auth", authorization=proof)

    login = f"{user}@example.com"
    foreign = spnego.client(
        login, password, protocol="ntlm", hostname="sip.example.com", service="HTTP", options=NTLM_ALONE
    )
    challenge = step(foreign.step()).challenges[0].removeprefix("NTLM ")
    answer = step(foreign.step(base64.b64decode(challenge)))
    return answer.status, answer.body.decode()


@pytest.mark.parametrize("web", [{"auth": {"challenge_time": True}}], indirect=True)
def test_a_kept_password_cannot_be_guessed_by_ntlm_while_the_domain_is_away(web: Web) -> None:
    """Nobody knows whether a guess is the domain's password; that it is not the one kept here counts."""
    web.stage.stop()
    web.stage.ntlm = FakeDomain(DirectoryUnavailable("winbind is away"))
    web.stage.start()
    told = [_ntlm_ticket(web, "alice", "guess") for _ in range(6)]
    assert all((status, "directory cannot be asked" in text) == (503, True) for status, text in told[:5])
    assert told[5][0] == 429
    assert _ntlm_ticket(web, "alice", password_of("alice"))[0] == 429


@pytest.mark.parametrize("web", [{"auth": {"challenge_time": True}}], indirect=True)
def test_a_password_that_only_the_windows_domain_knows_is_proved_by_ntlm(web: Web) -> None:
    """No password is sent; while nobody can be asked, that is told and counts as no guess."""
    stage = web.stage
    stage.stop()
    stage.ntlm = domain = FakeDomain(SignInObjection(DenialReason.WRONG_PASSWORD, ""), zoe=password_of("zoe"))
    stage.changes("zoe", nt_hash=None, password_set="1")
    stage.start()
    stage.pulls()

    def ticket() -> tuple[int, str]:
        return _ntlm_ticket(web, "zoe", password_of("zoe"))

    assert ticket()[0] == 200
    domain.says = DirectoryUnavailable("winbind is away")
    for _ in range(9):
        status, text = ticket()
        assert (status, "directory cannot be asked" in text, "winbind" in text) == (503, True, False)
    domain.says = SignInObjection(DenialReason.LOCKED, "")
    domain.right.clear()
    assert ticket()[0] == 403
