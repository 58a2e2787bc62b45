"""Clients ask who is in a group of the directory, with the ticket with which they search."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from lxml import etree

from lyncpy.contracts.directory import Group
from lyncpy.contracts.names import Aor
from lyncpy.sip.markup import escape
from tests.kit.enrollment import HeldTicket, WebAnswer, found, group_text, search_text
from tests.kit.stage import Stage
from tests.kit.web import BOOK, WEB, Web

pytestmark = pytest.mark.libraries

INNER = Group("inner", "Inner circle", mail="inner@example.org", members=frozenset({"key-carol", "outer"}))
OUTER = Group("outer", "Outer circle", Aor("sip:outer@example.com"), frozenset({"key-alice", "key-bob", "inner"}))


@pytest.fixture
def web(request: pytest.FixtureRequest) -> Iterator[Web]:
    """Give the site of a server with two groups, each in the other, which has more settings where a test says so."""
    with Stage.opened(**{"web": WEB, **getattr(request, "param", {})}) as stage:
        tells(stage, INNER, OUTER)
        yield Web(stage)


def tells(stage: Stage, *groups: Group) -> None:
    """Have the directory tell these groups."""
    stage.directory.groups = list(groups)
    stage.pulls()


def told(answer: WebAnswer) -> tuple[str, list[str]]:
    """Give the state of an answer, and by which address each member is told."""
    assert answer.status == 200, answer.reason
    (state,) = found(etree.fromstring(answer.body), "//*[local-name()='ResponseStatus']/text()")
    return state, told_entries(answer)


def told_entries(answer: WebAnswer) -> list[str]:
    """Give the addresses of whom and what an answer tells: of a group that of mail."""
    entry = "//*[local-name()='AbEntry']//*[*[local-name()='Name'][{}]]/*[local-name()='Value']/text()"
    wanted = "text()='msRTCSIP-PrimaryUserAddress' or (text()='mail' and ../..//*[text()='groupType'])"
    return found(etree.fromstring(answer.body), entry.format(wanted))


def expanded(web: Web, ticket: HeldTicket, mail: str, operation: str = "ExpandGroup") -> tuple[str, list[str]]:
    """Ask who is in a group."""
    return told(web.ask_book(ticket, group_text(mail, operation)))


def test_a_client_opens_a_group_and_the_group_in_it(web: Web) -> None:
    """One ticket does, and the search goes on with it; in a circle each answer is one group."""
    ticket = web.book_ticket()
    outer = ("Success", ["sip:alice@example.com", "sip:bob@example.com", "inner@example.org"])
    inner = ("Success", ["sip:carol@example.com", "outer@example.com"])
    assert expanded(web, ticket, "outer@example.com") == outer
    assert expanded(web, ticket, "inner@example.org") == inner
    assert expanded(web, ticket, "mailto:OUTER@example.com", "WhateverItIsCalled") == outer
    assert b"bob@example.com" in web.ask_book(ticket, search_text("bo")).body


def test_a_group_follows_the_directory(web: Web) -> None:
    """With the pull that finds it: who is switched off or hidden is not told, nor a group that is hidden or gone."""
    ticket = web.book_ticket()
    web.stage.changes("bob", enabled=False)
    tells(web.stage, replace(INNER, hidden=True), OUTER)
    assert expanded(web, ticket, "outer@example.com") == ("Success", ["sip:alice@example.com"])
    assert expanded(web, ticket, "inner@example.org") == ("NotFound", [])
    web.stage.changes("bob", hidden=True)
    tells(web.stage, replace(INNER, is_closed=True), OUTER)
    assert expanded(web, ticket, "outer@example.com") == ("Success", ["sip:alice@example.com", "inner@example.org"])
    assert expanded(web, ticket, "inner@example.org") == ("NotAuthorized", [])


def test_a_restart_forgets_nothing_of_a_group(web: Web) -> None:
    """Though the directory is away: by which address it is asked for, and that it is closed."""
    tells(web.stage, replace(INNER, is_closed=True), OUTER)
    web.stage.stop()
    web.stage.directory.down = "no route to host"
    web.stage.start()
    ticket = web.book_ticket()
    assert expanded(web, ticket, "inner@example.org") == ("NotAuthorized", [])
    assert expanded(web, ticket, "outer@example.com")[0] == "Success"


@pytest.mark.parametrize("web", [{"webservices": {"group_members_told": 2}}], indirect=True)
def test_what_cannot_be_told_is_said_in_its_word(web: Web) -> None:
    """A group that is too large, one that there is not, what is no address."""
    ticket = web.book_ticket()
    assert expanded(web, ticket, "outer@example.com") == ("MemberCountLimitExceeded", [])
    assert expanded(web, ticket, "inner@example.org")[0] == "Success"
    assert expanded(web, ticket, "nothing@example.com") == ("NotFound", [])
    assert expanded(web, ticket, "nothing") == ("Invalid", [])


def test_who_has_no_ticket_is_told_of_no_group(web: Web) -> None:
    """Nor who has one for something else."""
    asked = group_text("outer@example.com")
    assert web.client().post(f"{BOOK}/WebTicket_Bearer", "", asked).reason == "the request has no ticket"
    assert "another service" in web.ask_book(web.ticket(), asked).reason


@pytest.mark.parametrize("web", [{"provisioning": {"groups_in_contacts": 10}}], indirect=True)
def test_a_group_in_the_contact_list_is_opened(web: Web) -> None:
    """Where an administrator lets users have some: the client finds it, keeps its address with the group, and asks with it."""
    (alice,) = web.stage.sign_in("alice")
    provisions = "".join(etree.tostring(group).decode() for group in alice.provisions.values())
    assert "dlxEnabled>true<" in provisions
    assert 'name="MaximumDGsAllowedInContactList">10<' in provisions
    names = "displayName,msRTCSIP-PrimaryUserAddress,mail,groupType"
    ticket = web.book_ticket()
    assert told_entries(web.ask_book(ticket, search_text("circle", names=names))) == [
        "inner@example.org",
        "outer@example.com",
    ]
    assert told_entries(web.ask_book(ticket, search_text("circle", names=names, most="1"))) == ["inner@example.org"]
    assert told_entries(web.ask_book(ticket, search_text("circle"))) == []
    kept = '<groupExtension groupType="dg"><email>outer@example.com</email></groupExtension>'
    added = alice.changes_contacts("addGroup", ("name", OUTER.name), ("externalURI", escape(kept)))
    assert added.status == 200
    (again,) = web.stage.sign_in("alice")
    outside = etree.fromstring(again.contacts.outside[again.contacts.group(OUTER.name)])
    assert expanded(web, ticket, outside.findtext("email", ""))[0] == "Success"
    described = web.send("GET", f"{BOOK}/mex", {}, b"").body
    assert b'name="ExpandGroup"' in described
    assert b'name="SearchAbEntry"' in described
