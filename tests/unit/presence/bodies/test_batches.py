"""Whom clients want to watch, read; hostile documents refused."""

import pytest

from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.markup import Element, read_xml
from lyncpy.workloads.presence.bodies.batches import DEFAULT_CATEGORIES, read_batch, read_list
from tests.kit.presence import adrl_body, batch_body

ALICE = "sip:alice@contoso.test"


def test_reads_a_batch() -> None:
    """All contacts come in one request."""
    uris = ["sip:Bob@contoso.test", "sip:carol@contoso.test", "sip:Bob@contoso.test"]
    (action,) = read_batch(batch_body(ALICE, uris))
    assert action.subscribes
    assert action.id == "63792024"
    assert [(one.uri, one.aor) for one in action.resources] == [
        ("sip:Bob@contoso.test", "sip:bob@contoso.test"),
        ("sip:carol@contoso.test", "sip:carol@contoso.test"),
    ]
    assert action.categories == {"calendarData", "contactCard", "note", "state"}


def test_a_batch_without_categories_gets_the_usual_ones() -> None:
    """A client that names none sees what Lync shows."""
    assert read_batch(batch_body(ALICE, ["sip:b@x"], categories=()))[0].categories == DEFAULT_CATEGORIES


@pytest.mark.parametrize(
    "body",
    [
        batch_body(ALICE, ["sip:b@x"], action="explode"),
        batch_body(ALICE, ["sip:b@x"], categories=["a b"]),
        batch_body(ALICE, ["sip:b@x"], categories=[f"c{n}" for n in range(100)]),
        b"<adhoclist/>",
        b"<batchSub",
    ],
    ids=["no action", "no category", "too many categories", "another document", "no XML"],
)
def test_refuses_a_batch_that_is_none(body: bytes) -> None:
    """A batch asks to begin or to end, for categories that can exist."""
    with pytest.raises(RemoteProtocolError):
        read_batch(body)


def test_reads_a_list_of_a_client_from_before_2007() -> None:
    """It is created, added to and taken from; an empty change changes nothing."""
    found = read_list(adrl_body(ALICE, create=["sip:b@x"], add=["sip:c@x"], delete=["sip:d@x"]))
    assert [(one.subscribes, [r.aor for r in one.resources]) for one in found] == [
        (True, ["sip:b@x"]),
        (True, ["sip:c@x"]),
        (False, ["sip:d@x"]),
    ]
    assert read_list(adrl_body(ALICE, delete=[])) == ()


@pytest.mark.parametrize("body", [b"<adhoclist><explode/></adhoclist>", b"<batchSub/>"])
def test_refuses_a_list_that_is_none(body: bytes) -> None:
    """Nothing else can be done to a list."""
    with pytest.raises(RemoteProtocolError):
        read_list(body)


BATCHES = "http://schemas.microsoft.com/2006/01/sip/batch-subscribe"
LISTS = "http://schemas.microsoft.com/2006/09/sip/categorylist"
WATCHER = (
    '<subscriptionContext xmlns="http://schemas.microsoft.com/2008/09/sip/SubscriptionContext" majorVersion="1" '
    'minorVersion="0"><watcher><contactList /></watcher></subscriptionContext>'
)
SPELLINGS = {
    "as the specification has it": f'''<batchSub xmlns="{BATCHES}" uri="{ALICE}" name=""><action name="subscribe" id="7">
        <adhocList><resource uri="sip:b@x"/><resource uri="sip:c@x"><context>{WATCHER}</context></resource></adhocList>
        <categoryList xmlns="{LISTS}"><category name="note"/><category name="state"/></categoryList></action></batchSub>''',
    "with prefixes": f'''<b:batchSub xmlns:b="{BATCHES}" uri="{ALICE}" name=""><b:action name="subscribe" id="7">
        <b:adhocList><b:resource uri="sip:b@x"/><b:resource uri="sip:c@x"><b:context>{WATCHER}</b:context></b:resource>
        </b:adhocList><cl:categoryList xmlns:cl="{LISTS}"><cl:category name="note"/><cl:category name="state"/>
        </cl:categoryList></b:action></b:batchSub>''',
    "without namespaces, in small letters": f'''<batchsub uri="{ALICE}"><action NAME="Subscribe" ID="7"><adhoclist>
        <resource URI="sip:b@x"/><resource uri="sip:c@x"><context>{WATCHER}</context></resource></adhoclist>
        <categorylist><category name="note"/><category name="state"/></categorylist></action></batchsub>''',
    "in several lists": f'''<batchSub xmlns="{BATCHES}"><action name="subscribe" id="7"><adhocList><resource uri="sip:b@x"/>
        </adhocList><adhocList><resource uri="sip:c@x"><context>{WATCHER}</context></resource></adhocList><categoryList>
        <category name="note"/></categoryList><categoryList><category name="state"/></categoryList></action></batchSub>''',
    "with the categories for all actions": f'''<batchSub xmlns="{BATCHES}"><categoryList xmlns="{LISTS}"><category name="note"/>
        <category name="state"/></categoryList><action name="subscribe" id="7"><adhocList><resource uri=" sip:b@x "/>
        <resource uri="sip:c@x"><context>{WATCHER}</context></resource></adhocList></action></batchSub>''',
    "without a list around the resources": f'''<batchSub xmlns="{BATCHES}"><action name="subscribe" id="7">
        <resource uri="sip:b@x"/><resource uri="sip:c@x"><context>{WATCHER}</context></resource><categoryList>
        <category name="note"/><category name="state"/></categoryList></action></batchSub>''',
    "with what nobody knows in between": f'''<batchSub xmlns="{BATCHES}" new="1"><action name="subscribe" id="7" new="1">
        <x:y xmlns:x="urn:x"/><adhocList new="1"><x:y xmlns:x="urn:x"/><resource uri="sip:b@x" new="1"/><resource uri="sip:c@x">
        <context>{WATCHER}</context></resource></adhocList><categoryList><category name="note"><x/></category>
        <category name="state"/></categoryList></action></batchSub>''',
}  # fmt: skip


@pytest.mark.parametrize("body", SPELLINGS.values(), ids=SPELLINGS)
def test_a_batch_is_the_same_however_it_is_spelled(body: str) -> None:
    """Prefixes, letters' case, lists in pieces and what later versions add make no difference."""
    (action,) = read_batch(body.encode())
    assert (action.id, action.subscribes, action.once) == ("7", True, False)
    assert [one.aor for one in action.resources] == ["sip:b@x", "sip:c@x"]
    assert action.categories == {"note", "state"}
    plain, with_context = (one.context for one in action.resources)
    assert plain is None
    assert with_context is not None
    assert "contactList" in with_context


@pytest.mark.parametrize(
    ("name", "subscribes", "once"),
    [("subscribe", True, False), ("unsubscribe", False, False), ("query", True, True), (" Query ", True, True)],
)
def test_an_action_has_one_of_three_names(name: str, subscribes: bool, once: bool) -> None:
    """Begin, end, or tell once."""
    (action,) = read_batch(batch_body(ALICE, ["sip:b@x"], action=name))
    assert (action.subscribes, action.once) == (subscribes, once)


@pytest.mark.parametrize(
    ("resource", "context"),
    [
        ('<resource uri="sip:b@x"/>', None),
        ('<resource uri="sip:b@x"><context/></resource>', ""),
        ('<resource uri="sip:b@x"><context>for a &lt;call&gt;</context></resource>', "for a &lt;call&gt;"),
        ('<resource uri="sip:b@x" context="for a &lt;call&gt;"/>', "for a &lt;call&gt;"),
        ('<resource uri="sip:b@x" context=""/>', ""),
        ('<resource uri="sip:b@x" context="words"><context><a/></context></resource>', "<a/>"),
    ],
)
def test_a_context_may_be_an_element_words_or_an_attribute(resource: str, context: str | None) -> None:
    """Whatever it is, it can stand in a document; without one the client does not say why it watches."""
    body = f'<batchSub><action name="subscribe" id="1"><adhocList>{resource}</adhocList></action></batchSub>'
    ((found,),) = (action.resources for action in read_batch(body.encode()))
    assert found.context == context


def test_a_batch_may_have_several_actions() -> None:
    """Each has its own people and categories."""
    body = (
        '<batchSub><action name="unsubscribe" id="1"/><action name="subscribe" id="2"><adhocList>'
        '<resource uri="b@x"/></adhocList></action><action name="query" id="3"><adhocList><resource uri="sip:c@x"/>'
        '</adhocList><categoryList><category name="note"/></categoryList></action></batchSub>'
    )
    ended, begun, asked = read_batch(body.encode())
    assert (ended.subscribes, ended.resources) == (False, ())
    assert [one.aor for one in begun.resources] == ["sip:b@x"]
    assert begun.categories == DEFAULT_CATEGORIES
    assert [one.aor for one in asked.resources] == ["sip:c@x"]
    assert asked.categories == {"note"}


def test_people_of_whom_the_same_is_said_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client names its contacts, all for the same reason; that is read where it stands first."""
    read: list[bytes] = []

    def counted(data: bytes) -> Element:
        read.append(data)
        return read_xml(data)

    monkeypatch.setattr("lyncpy.workloads.presence.bodies.batches.read_xml", counted)
    uris = [f"sip:u{number}@contoso.test" for number in range(40)]
    (action,) = read_batch(batch_body(ALICE, uris))
    assert [one.uri for one in action.resources] == uris
    assert len({one.context for one in action.resources}) == 1
    assert read[0].count(b"<resource ") == 1
