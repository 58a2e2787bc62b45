"""People of several SIP domains on one server: colleagues, each found and trusted under names of their own domain."""

import base64
from collections.abc import Iterator

import pytest
from lxml import etree

from lyncpy.contracts.names import aor_of
from lyncpy.contracts.workload import CommandFailed
from tests.kit.actors import Actor
from tests.kit.deployment import password_of
from tests.kit.enrollment import found
from tests.kit.hall import tree
from tests.kit.key_pairs import key_of
from tests.kit.meetings import adding, asks_factory, code_of
from tests.kit.stage import Stage
from tests.kit.tls_dsk_client import TlsDskClient
from tests.kit.web import DISCOVERY, TICKETS, WEB, Web
from tests.scenarios.test_meeting_links import opened, started_by

ORG = "example.org"
MEET = "https://meet.example.com"
XML = {"accept": "application/vnd.microsoft.rtc.autodiscover+xml;v=1"}


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A server of two domains: Dora and another Alice have addresses in the second."""
    with Stage.opened(sip={"domains": [ORG]}, web=WEB, conferencing={"meeting_url": MEET}) as stage:
        for user in ("dora", "alice"):
            one = stage.someone(user, key=f"key-{user}-org", source=f"uid={user},o=org", aor=aor_of(f"{user}@{ORG}"))
            stage.directory.people.append(one)
        stage.pulls()
        yield stage


def comes(stage: Stage, user: str, domain: str = ORG, **how: str) -> Actor:
    """Sign somebody in who is of a domain."""
    actor = stage.actor(user, domain=domain, **how)
    actor.signs_in()
    return actor


def test_people_of_two_domains_are_colleagues(stage: Stage) -> None:
    """They talk, watch one another as those of one enterprise do, and have one another in their lists."""
    (bob,) = stage.sign_in("bob")
    dora = comes(stage, "dora")
    hers, his = dora.talks_to(bob)
    assert hers.says("hi Bob").status == 200
    assert his.says("hi Dora").status == 200
    assert [text.words for text in hers.texts] == ["hi Dora"]
    assert bob.pages(dora, "a page").status == 200
    dora.publishes(note="for colleagues", container=200)
    bob.watches(dora)
    assert bob.hears(dora).note == "for colleagues"
    assert dora.adds(bob.aor).status == 200
    assert set(dora.contacts.people) == {bob.aor}


def test_another_domain_is_still_nobodys(stage: Stage) -> None:
    """Nothing is routed to a domain that is not ours."""
    dora = comes(stage, "dora")
    answer = dora.pages("sip:somebody@example.net", "hello?").answer
    assert (answer.status, (answer.headers.get("ms-diagnostics") or "").partition(";")[0]) == (404, "1005")
    assert stage.actor("dora", domain="example.net", password=password_of("dora")).sip.register().status != 200


def test_one_name_in_two_domains_is_two_people(stage: Stage) -> None:
    """Each has their own board and messages; a name alone, which both have, signs in nobody."""
    (alice,) = stage.sign_in("alice")
    other = comes(stage, "alice")
    (bob,) = stage.sign_in("bob")
    bob.pages(other, "to the second")
    assert (list(alice.texts), [text.words for text in other.texts]) == ([], ["to the second"])
    for domain in ("example.com", ORG):
        assert stage.actor("alice", domain=domain, login="alice").sip.register().status != 200
    named = stage.actor("alice", domain=ORG, login=f"alice@{ORG}")
    assert named.sip.register().status == 200


def test_a_meeting_is_its_organizers_domains(stage: Stage) -> None:
    """Factory, conference and link; a guest and a colleague of the other domain join by it."""
    dora = comes(stage, "dora")
    told = {
        element.text for element in dora.provisions["ServerConfiguration"] if (element.text or "").startswith("sip:")
    }
    assert told == {f"sip:dora@{ORG};gruu;opaque=app:conf:focusfactory"}
    answer = asks_factory(dora.sip, adding(policy="anonymous", id_="ABCD1234")).answer
    assert code_of(answer) == "success"
    link = tree(answer.body).findtext(".//join-url")
    assert link == f"{MEET}/dora/ABCD1234"
    focus = started_by(opened(stage, link))
    assert focus == f"sip:dora@{ORG};gruu;opaque=app:conf:focus:id:ABCD1234"
    (bob,) = stage.sign_in("bob")
    first = dora.joins(focus)
    bob.joins(focus)
    zoe = stage.guest("Zoe", "ABCD1234")
    zoe.joins(focus)
    stage.passes(1)
    assert first.who_chats() == sorted(["bob", "dora", zoe.sip.user])


def test_a_link_leads_to_one_meeting_alone(stage: Stage) -> None:
    """It has no domain: of two organizers with one name, the second cannot take the id of the first."""
    (alice,) = stage.sign_in("alice")
    other = comes(stage, "alice")
    assert code_of(asks_factory(other.sip, adding(policy="anonymous", id_="ABCD1234")).answer) == "success"
    assert (
        code_of(asks_factory(alice.sip, adding(policy="anonymous", id_="ABCD1234")).answer)
        == "failure: conferenceExists"
    )
    assert started_by(opened(stage, f"{MEET}/alice/ABCD1234")).startswith(f"sip:alice@{ORG};")


def test_a_guest_is_let_to_conferences_of_our_domains_alone(stage: Stage) -> None:
    """Whether there is such a conference is not told; that a domain is not ours is."""
    dora = comes(stage, "dora")
    focus = dora.meets(policy="anonymous").focus
    stranger = stage.guest("Zoe", "wrong")
    assert stranger.seat(focus).knocks().status == 401
    foreign = stage.guest("Zoe", "wrong").seat(focus.replace(ORG, "example.net")).knocks().answer
    assert (foreign.status, (foreign.headers.get("ms-diagnostics") or "").partition(";")[0]) == (403, "3022")


@pytest.mark.parametrize(("domain", "name"), [("example.com", "sip.example.com"), (ORG, f"sip.{ORG}")])
def test_a_client_finds_the_server_under_a_name_of_its_own_domain(stage: Stage, domain: str, name: str) -> None:
    """From the name that it looks up to the place where it signs in; Lync asks its user before it trusts any other."""
    web = Web(stage)
    for scheme in ("http", "https"):
        answer = web.send("GET", f"{scheme}://lyncdiscover.{domain}/?sipuri=dora@{domain}", XML, b"")
        root = etree.fromstring(answer.body)
        assert root.get("AccessLocation") == "External"
        if scheme == "http":
            (place,) = found(root, "Root/Link[@token='Redirect']/@href")
            root = etree.fromstring(web.send("GET", str(place), XML, b"").body)
    (place,) = found(root, "Root/Link[@token='Domain']/@href")
    said = etree.fromstring(web.send("GET", str(place), XML, b"").body)
    assert found(said, "Domain/SipClientInternalAccess/@fqdn") == [name]
    said = etree.fromstring(web.send("GET", f"{DISCOVERY}/root/domain?sipuri=dora@{domain}", XML, b"").body)
    assert found(said, "Domain/SipClientExternalAccess/@fqdn") == [name]


def test_a_client_asks_no_domain_that_is_not_ours(stage: Stage) -> None:
    """What is not ours is told as nothing was said."""
    web = Web(stage)
    for query in ("originalDomain=example.net", "sipuri=dora@example.net", "sipuri=", "originalDomain=%22%3E"):
        said = etree.fromstring(web.send("GET", f"{DISCOVERY}/root/domain?{query}", XML, b"").body)
        assert found(said, "Domain/SipClientExternalAccess/@fqdn") == ["sip.example.com"]
        root = web.send("GET", f"{DISCOVERY}/root?{query}", XML, b"").body
        assert b"originalDomain" not in root


def test_tickets_and_certificates_are_for_people_of_all_domains(stage: Stage) -> None:
    """The password once, and from then on the certificate; the ticket says whose client asks where to sign in."""
    web = Web(stage)
    dora = f"dora@{ORG}"
    certificate = web.client(dora).certificate(web.certify(dora))
    assert certificate.subject.rfc4514_string() == f"CN={dora}"
    actor = comes(stage, "dora", password="forgotten", keys=TlsDskClient(certificate, key_of(dora)))  # type: ignore[arg-type]  # see Actor
    assert actor.aor == f"sip:{dora}"
    assert web.states(dora) == ["good"]
    ticket = web.client(dora).ticket(f"{DISCOVERY}/root/user", TICKETS)
    for _ in range(2):  # the second time it is known
        user = etree.fromstring(web.send("GET", f"{DISCOVERY}/root/user", _opaque(ticket.assertion), b"").body)
        assert found(user, "User/SipClientInternalAccess/@fqdn") == [f"sip.{ORG}"]


def _opaque(assertion: str) -> dict[str, str]:
    return {**XML, "x-ms-webticket": "opaque=" + base64.b64encode(assertion.encode()).decode()}


def test_an_operator_names_whom_they_mean(stage: Stage) -> None:
    """Who is alone in having a name is found by it; of two the address is asked for."""
    assert ("address", f"dora@{ORG}") in stage.shell("user show dora").rows
    assert ("address", f"alice@{ORG}") in stage.shell(f"user show alice@{ORG}").rows
    with pytest.raises(CommandFailed, match=r"alice@example\.com, alice@example\.org"):
        stage.shell("user show alice")
