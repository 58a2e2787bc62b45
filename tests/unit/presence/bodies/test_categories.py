"""What clients read, held against the forms that a real client understands."""

from dataclasses import replace
from typing import Any

import pytest

from lyncpy.contracts.directory import Person, Phone, TelephonyMode
from lyncpy.contracts.names import Aor, Epid
from lyncpy.sip.body import read_multipart
from lyncpy.workloads.presence.bodies.categories import (
    write_categories,
    write_fault,
    write_list,
    write_own,
    write_unknown,
    write_view,
)
from lyncpy.workloads.presence.model.audience import NOBODY
from lyncpy.workloads.presence.model.board import Board, StaleVersions, VersionFault, with_aggregates
from lyncpy.workloads.presence.model.server_publications import directory_publications
from lyncpy.workloads.presence.model.states import Activity, Aggregate
from lyncpy.workloads.presence.model.tables import (
    Container,
    ContainerMember,
    Delegate,
    Delegates,
    Expire,
    Instance,
    InstanceKey,
    MemberKind,
    Relation,
    Subscriber,
)
from lyncpy.workloads.presence.model.values import (
    card_kinds,
    write_aggregate,
    write_contact_card,
    write_user_properties,
)
from lyncpy.workloads.presence.roaming import OwnCategories
from tests.kit.hall import tree

ALICE = Aor("sip:alice@contoso.test")
NOTE = InstanceKey("note", 0, 200)


def board() -> Board:
    """Give a board with a note."""
    fresh = with_aggregates(Board(ALICE), Board(ALICE), 1795514400.25).board
    note = Instance(NOTE, 3, Expire.STATIC, "<note>in the library</note>", 1795514400.25, Epid("pc"))
    return replace(fresh, instances={**fresh.instances, NOTE: note})


def test_an_own_category_names_all_that_publishing_needs() -> None:
    """A client finds the versions with which it goes on."""
    found = tree(write_own(board(), categories=write_categories(board(), ["note"]), containers=())).find(
        "categories/category"
    )
    assert dict(found.attrib) == {
        "name": "note", "instance": "0", "publishTime": "2026-11-24T10:00:00.250", "container": "200", "version": "3",
        "expireType": "static",
    }  # fmt: skip


def test_an_own_category_that_is_empty_is_named_alone() -> None:
    """A client forgets what it knew of a category when it is named."""
    document = tree(write_own(board(), categories=write_categories(board(), ["note", "device"]), containers=()))
    assert [dict(one.attrib) for one in document.iterfind(".//category[@name='device']")] == [{"name": "device"}]


def test_everything_of_ones_own() -> None:
    """At sign-in a client hears of every category, of the usual containers, and of new watchers."""
    full = replace(
        board(),
        containers={200: Container(1, frozenset({ContainerMember(MemberKind.USER, "bob@contoso.test")}))},
        subscribers=(
            Subscriber(Aor("sip:dave@contoso.test"), 'Dave "D"'),
            Subscriber(Aor("sip:erin@contoso.test"), "", acknowledged=True),
        ),
    )
    told = [(one, Relation.SAME_ENTERPRISE) for one in full.subscribers]
    document = tree(write_own(full, subscribers=told))
    assert {one.get("name") for one in document.iterfind("categories/category")} == {
        "note",
        "state",
        "legacyInterop",
    }
    assert [one.get("id") for one in document.iterfind("containers/container")] == [
        "0",
        "100",
        "200",
        "300",
        "400",
        "32000",
    ]
    member = document.find("containers/container[@id='200']/member")
    assert dict(member.attrib) == {"type": "user", "value": "bob@contoso.test"}
    watchers = document.findall("subscribers/subscriber")
    assert [(one.get("user"), one.get("displayName"), one.get("acknowledged")) for one in watchers] == [
        ("dave@contoso.test", 'Dave "D"', "false"),
        ("erin@contoso.test", "", "true"),
    ]
    assert {one.get("type") for one in watchers} == {"sameEnterprise"}


def test_who_acts_for_somebody_is_told_with_the_list_s_version() -> None:
    """The form of the specification's example; without it, nothing of delegates is told."""
    full = replace(board(), delegates=Delegates(2, (Delegate(Aor("sip:john@contoso.com"), publish=True),)))
    found = tree(write_own(full, categories={}, containers=(), delegates=True)).find("delegates")
    assert found.get("version") == "2"
    assert [dict(one.attrib) for one in found] == [
        {"uri": "john@contoso.com", "publish": "true", "redelegate": "false"}
    ]
    assert tree(write_own(full, categories={}, containers=())).find("delegates") is None


def test_an_aggregate_state_is_in_the_form_that_clients_read() -> None:
    """Availability is never empty: a real client falls over that."""
    activity = Activity("in-a-meeting", 6500, 8999)
    text = write_aggregate(
        Aggregate(6500, activity, 1795514400.0, "Mobile", "A&B", ("-60", "CET", ""), "Plan <1>", "Room")
    )
    found = tree(text.encode())
    assert found.get("{http://www.w3.org/2001/XMLSchema-instance}type") == "aggregateState"
    assert found.get("lastActive") == "2026-11-24T10:00:00"
    assert [(one.tag, one.text) for one in found] == [
        ("availability", "6500"), ("activity", None), ("endpointLocation", "A&B"), ("meetingSubject", "Plan <1>"),
        ("meetingLocation", "Room"), ("delimiter", None), ("timeZoneBias", "-60"), ("timeZoneName", "CET"),
        ("device", "Mobile"), ("end", None),
    ]  # fmt: skip
    assert dict(found.find("activity").attrib) == {
        "token": "in-a-meeting",
        "minAvailability": "6500",
        "maxAvailability": "8999",
    }


def test_own_words_are_escaped() -> None:
    """What somebody wrote cannot become markup in their watchers' documents."""
    found = tree(write_aggregate(Aggregate(6500, Activity(custom=(("1033", "<b>\0"),)))).encode())
    assert found.findtext("activity/custom") == "<b>"


def test_a_view_does_not_tell_the_level() -> None:
    """A watcher learns neither their container nor how often something changed."""
    view = write_view(board(), (200,), ["note", "state", "calendarData"])
    assert b"container=" not in view
    assert b"version=" not in view
    assert tree(view).findtext(".//note") == "in the library"
    assert tree(view).find("category[@name='calendarData']") is not None


def test_who_is_blocked_sees_somebody_offline() -> None:
    """Blocked and offline look alike, and nothing else is told."""
    blocked = tree(write_view(board(), NOBODY, ["note", "state", "contactCard"]))
    assert blocked.findtext(".//availability") == "18500"
    assert [len(one) for one in blocked] == [0, 0, 1]


def test_who_does_not_exist_is_offline() -> None:
    """A wrong address among the contacts gets a part of its own."""
    found = tree(write_unknown('sip:"<x>"@y', ["state", "note"]))
    assert found.get("uri") == 'sip:"<x>"@y'
    assert found.findtext(".//availability") == "18500"


def test_a_list_has_a_part_for_everybody() -> None:
    """Each instance has a state, and each part an empty line after it: a real client needs both."""
    content_type, body = write_list(
        ALICE, {"sip:bob@contoso.test": b"<categories/>", "sip:carol@contoso.test": b"<c/>"}
    )
    assert content_type.startswith('multipart/related;type="application/rlmi+xml"')
    assert b"<categories/>\r\n\r\n--" in body
    parts = read_multipart(body, content_type)
    assert [part.content_type for part in parts] == [
        "application/rlmi+xml", "application/msrtc-event-categories+xml", "application/msrtc-event-categories+xml",
    ]  # fmt: skip
    rlmi = tree(parts[0].body)
    assert [one.get("uri") for one in rlmi] == ["sip:bob@contoso.test", "sip:carol@contoso.test"]
    assert [one.get("state") for one in rlmi.iter("instance")] == ["active", "active"]
    assert f"<{rlmi.find('.//instance').get('cid')}>" == parts[1].headers.get("Content-ID")


def test_of_the_same_content_the_id_is_the_same() -> None:
    """Of whom nothing changes the part is written once for all lists; an id never stands for two contents."""
    bob, carol = "sip:bob@contoso.test", "sip:carol@contoso.test"

    def ids(bob_seen: bytes) -> list[str | None]:
        content_type, body = write_list(ALICE, {bob: bob_seen, carol: b"<c/>"})
        return [part.headers.get("Content-ID") for part in read_multipart(body, content_type)]

    first, again, later = ids(b"<b/>"), ids(b"<b/>"), ids(b"<b>new</b>")
    assert first[1:] == again[1:]
    assert later[1] not in first
    assert later[2] == first[2] != first[1]


def test_a_fault_names_index_and_versions() -> None:
    """The code is the one that a real client looks for."""
    found = tree(write_fault(StaleVersions((VersionFault(2, NOTE, 1, 5),))))
    assert found.findtext("Faultcode") == "Client.BadCall.WrongDelta"
    assert dict(found.find("details/operation").attrib) == {"index": "2", "version": "1", "curVersion": "5"}


def test_the_card_shows_more_to_who_is_trusted_more() -> None:
    """Colleagues see the phone at work, the workgroup the mobile one, friends the one at home."""
    person = Person(
        ALICE, "a", display_name="Alice <A>", mail="alice@contoso.test", title="Boss", company="C", department="D",
        office="1.01", line="tel:+15550100",
        phones=(Phone("work", "+1 555 0100"), Phone("mobile", "+1 555 0101"), Phone("home", "none"), Phone("other", "12")),
    )  # fmt: skip
    made = {one.key.container: tree(one.value.encode()) for one in directory_publications(person)}
    assert {k: [p.findtext("uri") for p in card.iter("phone")] for k, card in made.items() if k != 1} == {
        0: [], 100: [], 200: ["tel:+15550100"], 300: ["tel:+15550100", "tel:+15550101"],
        400: ["tel:+15550100", "tel:+15550101", "tel:12"],
    }  # fmt: skip
    assert made[0].findtext("identity/name/displayName") == "Alice <A>"
    assert made[0].find("title") is None
    assert made[200].findtext("title") == "Boss"
    assert made[1].findtext("lines/line") == "tel:+15550100"


@pytest.mark.parametrize(
    ("telephony", "line", "kinds", "mode"),
    [
        (TelephonyMode.UNSAID, "tel:+1", ["Uc"], "Uc"),
        (TelephonyMode.UNSAID, "", [], "None"),
        (TelephonyMode.UC, "", [], "Uc"),
        (TelephonyMode.DUAL, "tel:+1", ["Uc"], "Dual"),
        (TelephonyMode.RCC, "tel:+1", ["Rcc"], "Rcc"),
        (TelephonyMode.NONE, "tel:+1", [], "None"),
    ],
)
def test_a_client_is_told_of_its_user_s_telephone(
    telephony: TelephonyMode, line: str, kinds: list[str], mode: str
) -> None:
    """The line, and how it is used; the private line is told nobody."""
    told = write_user_properties(Person(ALICE, "a", line=line, private_line="tel:+2", telephony=telephony))
    found = tree(told.encode())
    assert [one.get("lineType") for one in found.iter("line")] == kinds
    assert found.findtext("telephonyMode") == mode
    assert "+2" not in told


def test_the_line_is_the_telephone_at_work() -> None:
    """Of who has a line the directory's number at work is how it is shown where it is the same, and else not shown."""

    def card(**facts: Any) -> list[tuple[str, str]]:  # Any: the facts of a person
        person = Person(ALICE, "a", **facts)
        found = tree(write_contact_card(person, (), ("work", "mobile")).encode())
        return [(phone.findtext("uri"), phone.findtext("displayString")) for phone in found.iter("phone")]

    phones = (Phone("work", "+1 (555) 0100"), Phone("mobile", "+1 555 0101"))
    mobile = ("tel:+15550101", "+1 555 0101")
    assert card(line="tel:+15550100", phones=phones) == [("tel:+15550100", "+1 (555) 0100"), mobile]
    assert card(line="tel:+15550100;ext=7", phones=phones) == [("tel:+15550100;ext=7", "+15550100 x7"), mobile]
    assert card(line="tel:+1") == [("tel:+1", "+1")]
    assert card_kinds(Person(ALICE, "a", line="tel:+1")) == {"work"}


def test_a_person_without_a_name_is_called_by_the_address() -> None:
    """A directory that knows no name still gives others something to read."""
    assert "alice@contoso.test</displayName>" in directory_publications(Person(ALICE, "a"))[0].value
    assert directory_publications(None) == ()


def test_categories_of_many_boards_are_kept_for_a_moment() -> None:
    """More than are told at once are written anew; nothing else is noticed of that."""
    own, boards = OwnCategories(), [replace(board(), aor=Aor(f"sip:u{number}@contoso.test")) for number in range(70)]
    first = [own.write(one, {"note"})["note"] for one in boards]
    assert [own.write(one, {"note"})["note"] for one in boards] == first
    assert own.write(boards[-1], {"note"})["note"] is own.write(boards[-1], {"note"})["note"]
