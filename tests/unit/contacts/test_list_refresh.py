"""Lists that the directory changes, over SIP: sign-in, what is told, restart, and what devices try."""

import json
from dataclasses import replace
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail

from lyncpy.contracts.directory import Group, Person
from lyncpy.contracts.facts import ContactsChanged, FlowClosed, FlowDrained, GroupsChanged, PersonChanged
from lyncpy.contracts.names import Version, aor_of
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.core.feed import RETRY_S
from lyncpy.workloads.contacts.service import Contacts
from lyncpy.workloads.contacts.settings import Settings
from lyncpy.workloads.directory.groups import Groups
from lyncpy.workloads.directory.people import People
from tests.kit.hall import Device, Hall, tree
from tests.kit.meters import MemoryMeter
from tests.kit.results import result_of
from tests.kit.views import ContactBook
from tests.unit.contacts.test_routes import EVENT, change, told

ALICE, BOB, CAROL = (aor_of(f"{name}@contoso.test") for name in ("alice", "bob", "carol"))


class Office:
    """A hall with contacts whose lists follow a directory."""

    def __init__(self, store: Any = None, **settings: Any) -> None:
        self.hall = Hall()
        if store is not None:
            self.hall.store = store
        self.people = self.hall.people = People()  # type: ignore[assignment]  # the real one
        self.groups = self.hall.groups = Groups(self.people)
        for name in ("alice", "bob"):
            self.put(name, "Research")
        self.put("carol", "Sales")
        hall = self.hall
        chosen = Settings(**{"department_group": True, "directory_groups": "*", **settings})
        self.meter = MemoryMeter()
        self.contacts = Contacts(replace(hall.platform(), meter=self.meter), hall.signaling(), chosen)
        hall.take(self.contacts)

    def put(self, name: str, department: str) -> Person:
        """Know a person; nobody is told."""
        person = Person(aor_of(f"{name}@contoso.test"), f"key-{name}", department=department, logins=(name,))
        self.people.put_person(person)
        self.groups.know(person)
        return person

    def moves(self, name: str, department: str) -> None:
        """Move a person to another department, and let what follows happen."""
        self.hall.bus.tell(PersonChanged.from_person(self.put(name, department)))
        self.passes(1.0)

    def regroups(self, *users: str) -> None:
        """Say who is in the group Team; nobody: it is removed."""
        self.groups.drop("team")
        if users:
            self.groups.put_group(Group("team", "Team", members=frozenset(f"key-{user}" for user in users)))
        self.hall.bus.tell(GroupsChanged(frozenset({"team"})))
        self.passes(1.0)

    def passes(self, seconds: float) -> None:
        """Let time pass."""
        self.hall.clock.pump([seconds / 20] * 20 + [0.0] * 20)

    def signs_in(self, user: str, epid: str = "e1", agent: str = "") -> tuple[Device, ContactBook]:
        """Sign a device in; give it, and what it shows."""
        device = self.hall.device(user, epid)
        device.user_agent = agent or device.user_agent
        book = ContactBook()
        book.take(tree(device.subscribe(EVENT).body))
        return device, book

    def shows(self, device: Device, book: ContactBook) -> dict[str, list[str]]:
        """Follow what a device was told; give who is in which group."""
        for document in told(device):
            book.take(document)
        device.heard.clear()
        shown = {
            name: [aor for aor, (_, ids) in sorted(book.people.items()) if id_ in ids]
            for id_, name in book.groups.items()
        }
        return {name: people for name, people in shown.items() if name != "~" or people}


@pytest.fixture
def scene() -> Office:
    """Alice and Bob of Research, Carol of Sales, and no group."""
    return Office()


def test_a_list_begins_with_the_department(scene: Office) -> None:
    """Counted and durable: the number is one more than that of a list without it."""
    device, book = scene.signs_in("alice")
    assert scene.shows(device, book) == {"Research": [BOB]}
    assert book.number == 2
    assert scene.signs_in("alice", "e2")[1].number == 2


def test_all_devices_are_told_what_the_directory_changes(scene: Office) -> None:
    """By deltas in order; who is not touched hears nothing."""
    alice, phone, carol = scene.signs_in("alice"), scene.signs_in("alice", "e2"), scene.signs_in("carol")
    scene.moves("bob", "Sales")
    assert scene.shows(*carol) == {"Sales": [BOB]}
    assert scene.shows(*alice) == scene.shows(*phone) == {}
    scene.regroups("alice", "carol")
    assert scene.shows(*alice) == scene.shows(*phone) == {"Team": [CAROL]}
    dave = scene.signs_in("dave")
    scene.moves("bob", "Research")
    assert scene.shows(*alice) == {"Team": [CAROL], "Research": [BOB]}
    assert scene.shows(*dave) == {}
    scene.regroups()
    assert scene.shows(*alice) == {"Research": [BOB]}
    assert alice[1].history == [2, 3, 4, 5, 6]


def test_many_changes_at_once_are_told_once(scene: Office) -> None:
    """A pull tells of people one by one; a list is changed when it has settled."""
    alice = scene.signs_in("alice")
    for number in range(20):
        person = scene.put(f"new{number}", "Research")
        scene.hall.bus.tell(PersonChanged.from_person(person))
    scene.passes(1.0)
    assert len(alice[0].heard) == 1
    assert len(scene.shows(*alice)["Research"]) == 21


def test_a_device_that_does_not_read_gets_the_whole_list_when_it_does(scene: Office) -> None:
    """Of ten changes it hears one, the list as it is; the deltas go on from there. The other device hears each in order."""
    (desk, shown), (phone, late) = scene.signs_in("alice"), scene.signs_in("alice", "e2")
    scene.hall.outbound.full.add(phone.flow)
    for number in range(10):
        scene.moves("bob", f"Department {number % 2}" if number < 9 else "Research")
        scene.regroups("alice", "carol") if number % 2 else scene.regroups()
    assert phone.heard == []
    scene.hall.outbound.full.clear()
    scene.hall.bus.tell(FlowDrained(phone.flow))
    scene.passes(1.0)
    assert [document.tag for document in told(phone)] == ["contactList"]
    assert scene.shows(phone, late) == scene.shows(desk, shown) == {"Research": [BOB], "Team": [CAROL]}
    scene.regroups()
    assert scene.shows(phone, late) == scene.shows(desk, shown) == {"Research": [BOB]}
    assert shown.history == list(range(2, shown.number + 1))
    assert late.history[-2:] == [shown.number - 1, shown.number]


def test_a_device_that_missed_changes_is_told_though_the_store_failed_at_first(
    scene: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it had missed them because it did not read, or because the bus lost one; what follows goes on from there."""
    (desk, shown), (phone, late) = scene.signs_in("alice"), scene.signs_in("alice", "e2")
    scene.hall.outbound.full.add(phone.flow)
    scene.regroups("alice", "carol")
    with monkeypatch.context() as patch:
        patch.setattr(scene.hall.store, "read", lambda *_: fail(StoreUnavailable("broken")))
        scene.hall.outbound.full.clear()
        scene.hall.bus.tell(FlowDrained(phone.flow))
        scene.passes(1.0)
    assert phone.heard == []
    scene.passes(RETRY_S)
    assert scene.shows(phone, late) == scene.shows(desk, shown)
    scene.hall.bus.tell(ContactsChanged(ALICE, late.number + 2, b"<a/>", None))
    scene.passes(1.0)
    scene.regroups()
    assert scene.shows(phone, late) == scene.shows(desk, shown)
    assert late.number == shown.number


def test_a_device_that_left_without_reading_is_told_nothing(scene: Office) -> None:
    """Nothing is kept for a connection that is gone."""
    phone, _ = scene.signs_in("alice", "e2")
    scene.hall.outbound.full.add(phone.flow)
    scene.regroups("alice", "carol")
    scene.hall.bus.tell(FlowClosed(phone.flow, "gone"))
    scene.passes(1.0)
    scene.hall.outbound.full.clear()
    scene.hall.bus.tell(FlowDrained(phone.flow))
    scene.passes(1.0)
    assert phone.heard == []


def test_a_change_that_concerns_nobody_is_not_told(scene: Office) -> None:
    """A new title is not a new list."""
    alice = scene.signs_in("alice")
    scene.moves("bob", "Research")
    assert alice[0].heard == []


def test_after_a_restart_the_number_never_goes_back(scene: Office) -> None:
    """Also when the directory changed meanwhile; and it does not grow when nothing did."""
    first = scene.signs_in("alice")[1].number
    same = Office(scene.hall.store).signs_in("alice")[1].number
    assert same == first
    changed = Office(scene.hall.store, department_group=False)
    device, book = changed.signs_in("alice")
    assert changed.shows(device, book) == {}
    assert book.number == first + 1


def test_whoever_asks_for_contacts_is_told_of_a_list_that_changed_while_nobody_looked(scene: Office) -> None:
    """Privacy is by contacts: the fact has no delta, and the whole list has them."""
    facts: list[ContactsChanged] = []

    async def hear(fact: ContactsChanged) -> None:
        facts.append(fact)

    scene.hall.bus.listen(ContactsChanged, hear)
    scene.signs_in("alice")
    scene.passes(0)
    assert [(fact.aor, fact.delta_num, fact.delta) for fact in facts] == [(ALICE, 2, b"")]
    assert result_of(scene.contacts.contacts_of(ALICE)) == {BOB}


def test_contacts_of_who_never_signed_in_are_known(scene: Office) -> None:
    """As the directory has them now."""
    assert result_of(scene.contacts.contacts_of(BOB)) == {ALICE}
    assert result_of(scene.contacts.contacts_of(aor_of("zed@contoso.test"))) == frozenset()


def test_what_a_device_takes_away_it_gets_back(scene: Office) -> None:
    """It alone; the refusal says why."""
    alice, phone = scene.signs_in("alice"), scene.signs_in("alice", "e2")
    response = change(alice[0], "deleteContact", URI=BOB)
    assert response.status == 403
    assert "by the directory" in (response.headers.get("ms-diagnostics") or "")
    (document,) = told(alice[0])
    assert (document[0].tag, document[0].get("groups")) == ("addedContact", "63")
    assert change(alice[0], "modifyGroup", groupID=63, name="Mine").status == 403
    assert change(alice[0], "deleteGroup", groupID=63).status == 403
    assert change(alice[0], "modifyGroup", groupID=63, name="Research").status == 200
    assert scene.shows(*alice) == {"Research": [BOB]}
    assert scene.shows(*phone) == {"Research": [BOB]}


def test_a_wish_that_is_done_in_part_is_set_right_after_its_delta(scene: Office) -> None:
    """The device follows the numbers of the delta, then hears how things stand."""
    alice, phone = scene.signs_in("alice"), scene.signs_in("alice", "e2")
    change(alice[0], "addGroup", name="Friends")
    assert change(alice[0], "setContact", URI=BOB, groups="2").status == 200
    assert [document.get("deltaNum") for document in told(alice[0])] == ["3", "4", "4"]
    assert [document.get("deltaNum") for document in told(phone[0])] == ["3", "4"]
    assert scene.shows(*alice) == scene.shows(*phone) == {"Friends": [BOB], "Research": [BOB]}
    change(alice[0], "setContact", URI=BOB, groups="63")
    assert scene.shows(*alice) == {"Friends": [], "Research": [BOB]}


def test_the_name_that_the_directory_has_is_none_of_the_users(scene: Office) -> None:
    """A client sends it where the user gave none; kept, it would hide every later one."""
    person = Person(BOB, "key-bob", display_name="Bob B.", department="Research")
    scene.people.put_person(person)
    alice = scene.signs_in("alice")
    change(alice[0], "setContact", URI=BOB, groups="1 63", displayName="Bob B.")
    scene.shows(*alice)
    assert alice[1].people[BOB][0] == ""


def test_own_changes_and_the_directorys_go_together(scene: Office) -> None:
    """Whatever was first, all devices end with the same list and number."""
    alice, phone = scene.signs_in("alice"), scene.signs_in("alice", "e2")
    change(alice[0], "setContact", URI=CAROL, groups="1")
    scene.moves("carol", "Research")
    change(phone[0], "deleteContact", URI=BOB)
    change(phone[0], "deleteContact", URI=CAROL)
    scene.moves("bob", "Sales")
    assert scene.shows(*alice) == scene.shows(*phone) == {"Research": [CAROL]}
    assert alice[1].number == phone[1].number
    record = json.loads(result_of(_record(scene)))
    assert (record["contacts"], record["ids"]) == ([], {"department": 63})


async def _record(scene: Office) -> bytes:
    record = await scene.hall.store.read("contacts", ALICE)
    assert record is not None
    return record.value


def test_pidgin_is_not_told_that_the_directory_took_a_group_away(scene: Office) -> None:
    """It would crash; it sees nobody in it."""
    pidgin = scene.signs_in("alice", agent="Purple/2.14.12 Sipe/1.25.0")
    scene.moves("bob", "Sales")
    (document,) = told(pidgin[0])
    assert [part.tag for part in document] == ["deletedContact"]


def test_lists_that_cannot_be_written_are_told_later(scene: Office) -> None:
    """A full disk delays it; nothing is told that is not kept."""
    alice = scene.signs_in("alice")
    real, broken = scene.hall.store.write, [True]

    def write(*args: Any) -> Deferred[Version]:
        return fail(StoreUnavailable("the disk is full")) if broken[0] else real(*args)

    scene.hall.store.write = write  # type: ignore[method-assign, assignment]  # the store of this test alone
    scene.moves("bob", "Sales")
    assert alice[0].heard == []
    broken[0] = False
    scene.passes(31)
    assert scene.shows(*alice) == {}


def test_who_has_left_is_not_remembered(scene: Office) -> None:
    """After the last device nothing is kept in memory, also when a poll was all."""
    for expires in (None, 0):
        device = scene.hall.device("alice", f"e{expires}")
        device.subscribe(EVENT, expires=expires)
        assert scene.meter.gauges["lyncpy_contacts_lists_count"]() == (expires is None)
        device.subscribe(EVENT, expires=0)
        assert scene.meter.gauges["lyncpy_contacts_lists_count"]() == 0
    scene.moves("bob", "Sales")
    assert len(scene.hall.writers) == 0


def test_the_shell_says_who_put_somebody_into_a_list() -> None:
    """The user, the directory, or both; and which groups had no place."""
    scene = Office(generated_members=1)
    scene.hall.bus.tell(PersonChanged.from_person(scene.put("erin", "Research")))
    scene.regroups("alice")
    scene.put("dave", "Sales")
    alice = scene.signs_in("alice")
    change(alice[0], "setContact", URI=BOB, groups="1")
    table = scene.hall.asked("contacts show", user="alice")
    assert [row[-1] for row in table.rows] == ["user"]
    assert "left out, too large or too many" in table.note
    assert "Research" in table.note
    other = Office()
    alice = other.signs_in("alice")
    assert [row[-1] for row in other.hall.asked("contacts show", user="alice").rows] == ["directory"]
    change(alice[0], "setContact", URI=BOB, groups="1 63")
    assert [row[-1] for row in other.hall.asked("contacts show", user="alice").rows] == ["user and directory"]


def test_a_closed_house_changes_no_list(scene: Office) -> None:
    """What was about to be done is left for the next start."""
    alice = scene.signs_in("alice")
    scene.hall.bus.tell(PersonChanged.from_person(scene.put("bob", "Sales")))
    scene.passes(0.1)
    result_of(scene.contacts.close())
    scene.passes(60)
    assert alice[0].heard == []
