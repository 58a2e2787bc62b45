"""Contacts over SIP: a user's devices, the store and what is told to whom."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail

from lyncpy.contracts.directory import Person
from lyncpy.contracts.facts import ContactsChanged
from lyncpy.contracts.names import Aor, Version
from lyncpy.contracts.refusal import StoreUnavailable
from lyncpy.contracts.store import Conflict
from lyncpy.contracts.workload import CommandFailed
from lyncpy.core.versioned import TRIES
from lyncpy.sip.message import Response
from lyncpy.workloads.contacts.service import Contacts
from lyncpy.workloads.contacts.settings import Settings
from tests.kit.hall import Device, Hall, tree
from tests.kit.results import result_of, started

EVENT = "vnd-microsoft-roaming-contacts"
SOAP = "application/SOAP+xml"
BOB = "sip:bob@contoso.test"


@pytest.fixture
def hall() -> Hall:
    """A hall with contacts in it, small enough to fill."""
    hall = Hall([Person(Aor("sip:alice@contoso.test"), "a", logins=("alice",))])
    settings = Settings(contacts_per_user=3, groups_per_user=3)
    hall.take(Contacts(hall.platform(), hall.signaling(), settings))
    return hall


@pytest.fixture
def alice(hall: Hall) -> Device:
    """A device of Alice."""
    return hall.device("alice")


def change(device: Device, operation: str, *, to: str = "", delta_num: int = 1, **parts: Any) -> Response:
    """Ask for a change as the client does."""
    inner = "".join(f"<m:{name}>{value}</m:{name}>" for name, value in (parts | {"deltaNum": delta_num}).items())
    body = (
        '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:m="http://schemas.microsoft.com/winrtc/2002/11/sip">'
        f"<s:Body><m:{operation}>{inner}</m:{operation}></s:Body></s:Envelope>"
    )
    return device.service(SOAP, body.encode(), to=to)


def told(device: Device) -> list[Any]:
    """Give the documents that a device was told, parsed."""
    assert all(request.method == "BENOTIFY" for request in device.heard)
    return [tree(request.body) for request in device.heard]


def test_a_new_user_gets_a_list_with_the_default_group(alice: Device) -> None:
    """A client begins to watch presence only after it has got a list, also an empty one."""
    response = alice.subscribe(EVENT)
    assert response.status == 200
    assert response.headers.get("ms-piggyback-cseq") is not None
    assert response.content_type == "application/vnd-microsoft-roaming-contacts+xml"
    assert response.headers.get("Expires") == "28800"
    full = tree(response.body)
    assert full.get("deltaNum") == "1"
    assert [group.get("name") for group in full] == ["~"]


def test_a_contact_is_kept_before_the_answer(hall: Hall, alice: Device) -> None:
    """What was answered with 200 is in the store, and in the list of the next sign-in."""
    assert change(alice, "setContact", displayName="Bobby", groups="1", subscribed="true", URI=BOB).status == 200
    record = result_of(read_record(hall))
    assert json.loads(record)["contacts"] == [[BOB, "Bobby", [1], True, "", ""]]
    full = tree(alice.subscribe(EVENT).body)
    assert full.get("deltaNum") == "2"
    assert full.find("contact").get("uri") == "bob@contoso.test"


async def read_record(hall: Hall) -> bytes:
    """Read Alice's list as it is stored."""
    record = await hall.store.read("contacts", "sip:alice@contoso.test")
    assert record is not None
    return record.value


def test_every_device_hears_of_a_change_the_changing_one_too(hall: Hall, alice: Device) -> None:
    """Both devices get the same delta; it names the contact with its scheme."""
    laptop, bob = hall.device("alice", "e2"), hall.device("bob")
    for device in (alice, laptop, bob):
        device.subscribe(EVENT)
    change(alice, "setContact", displayName=BOB, groups="1", subscribed="true", URI=BOB)
    for device in (alice, laptop):
        (delta,) = told(device)
        assert (delta.get("deltaNum"), delta.get("prevDeltaNum")) == ("2", "1")
        assert delta.find("addedContact").get("uri") == BOB
        assert delta.find("addedContact").get("name") == ""
    assert bob.heard == []


def test_changes_are_told_in_order(alice: Device) -> None:
    """A device that follows the deltas counts with the server."""
    alice.subscribe(EVENT)
    change(alice, "addGroup", name="Work")
    change(alice, "setContact", URI=BOB, groups="2")
    change(alice, "deleteContact", URI=BOB)
    change(alice, "deleteGroup", groupID=2)
    assert [(d.get("prevDeltaNum"), d.get("deltaNum"), d[0].tag) for d in told(alice)] == [
        ("1", "2", "addedGroup"),
        ("2", "3", "addedContact"),
        ("3", "4", "deletedContact"),
        ("4", "5", "deletedGroup"),
    ]


@pytest.mark.parametrize(
    ("operation", "parts", "element", "kept"),
    [
        ("addGroup", {"name": " Team "}, "modifiedGroup", ("3", "Team")),
        ("modifyGroup", {"groupID": 2, "name": "Work "}, "modifiedGroup", ("2", "Work")),
        ("modifyGroup", {"groupID": 2, "name": "\tLabour"}, "modifiedGroup", ("2", "Labour")),
        ("setContact", {"URI": BOB, "displayName": " Bobby "}, "modifiedContact", (None, "Bobby")),
    ],
)
def test_a_name_that_is_trimmed_is_told_back_as_it_is_kept(
    hall: Hall, alice: Device, operation: str, parts: dict[str, Any], element: str, kept: tuple[str | None, str]
) -> None:
    """The device that wrote blanks around it shows the same name as the others, not only after its next sign-in."""
    change(alice, "addGroup", name="Work")
    laptop = hall.device("alice", "e2")
    for device in (alice, laptop):
        device.subscribe(EVENT)
    assert change(alice, operation, **parts).status == 200
    last = told(alice)[-1].find(element)
    assert (last.get("id"), last.get("name")) == kept
    assert len(told(alice)) == len(told(laptop)) + 1


def test_pidgin_is_not_told_that_a_group_is_gone(hall: Hall, alice: Device) -> None:
    """It would crash; it gets every other change, and counts on."""
    pidgin = hall.device("alice", "e2")
    pidgin.user_agent = "Purple/2.14.12 Sipe/1.25.0 (linux-x86_64)"
    for device in (alice, pidgin):
        device.subscribe(EVENT)
    change(alice, "addGroup", name="Work")
    change(alice, "deleteGroup", groupID=2)
    change(pidgin, "deleteGroup", groupID=2)
    change(alice, "addGroup", name="Home")
    assert [[child.tag for child in delta] for delta in told(alice)] == [
        ["addedGroup"],
        ["deletedGroup"],
        ["addedGroup"],
    ]
    assert [[child.tag for child in delta] for delta in told(pidgin)] == [["addedGroup"], [], [], ["addedGroup"]]
    assert [delta.get("deltaNum") for delta in told(pidgin)] == ["2", "3", "3", "4"]


def test_add_group_is_answered_with_the_id(alice: Device) -> None:
    """The client puts the contact it is adding into this group."""
    response = change(alice, "addGroup", name="Work")
    assert response.content_type == "application/soap+xml"
    assert tree(response.body).findtext("Body/addGroup/groupID") == "2"


def test_other_changes_are_answered_without_a_body(alice: Device) -> None:
    """There is nothing to say but that it is done; what changed comes as a notification."""
    change(alice, "addGroup", name="Work")
    changes: tuple[tuple[str, dict[str, Any]], ...] = (
        ("setContact", {"URI": "sip:bob@contoso.test", "groups": "2"}),
        ("modifyGroup", {"groupID": "2", "name": "Play"}),
        ("deleteContact", {"URI": "sip:bob@contoso.test"}),
        ("deleteGroup", {"groupID": "2"}),
    )
    for operation, parts in changes:
        response = change(alice, operation, **parts)
        assert (response.status, response.body, response.content_type) == (200, b"", "")


def test_a_wrong_delta_number_is_no_reason_to_refuse(alice: Device) -> None:
    """A client counts on after a refusal, and never learns that it is ahead."""
    assert change(alice, "addGroup", name="Work", delta_num=77).status == 200


@pytest.mark.parametrize(
    ("operation", "parts", "status", "error"),
    [
        ("deleteContact", {"URI": BOB}, 404, "2001"),
        ("setContact", {"URI": BOB, "groups": "9"}, 404, "2002"),
        ("setContact", {"URI": "sip:four@contoso.test"}, 413, "2007"),
        ("setContact", {"URI": "sip:1@contoso.test", "contactExtension": "x" * 5000}, 413, "2009"),
        ("addGroup", {"name": "Work"}, 409, "2015"),
        ("deleteGroup", {"groupID": 2}, 409, "4000"),
        ("deleteGroup", {"groupID": 1}, 403, "4000"),
        ("setPresence", {}, 400, "4000"),
        ("setContact", {"URI": "sip:contoso.test"}, 400, "1018"),
    ],
)
def test_a_refusal_says_why(alice: Device, operation: str, parts: dict[str, Any], status: int, error: str) -> None:
    """The number is one that clients know, and nothing is changed."""
    change(alice, "addGroup", name="Work")
    for number in (1, 2, 3):
        change(alice, "setContact", URI=f"sip:{number}@contoso.test", groups=2)
    response = change(alice, operation, **parts)
    assert response.status == status
    assert (response.headers.get("ms-diagnostics") or "").startswith(f"{error};")
    assert tree(alice.subscribe(EVENT).body).get("deltaNum") == "5"


def test_too_many_groups_are_refused(alice: Device) -> None:
    """The limit is a setting, and the default group counts."""
    for name in "ab":
        change(alice, "addGroup", name=name)
    response = change(alice, "addGroup", name="c")
    assert response.status == 413
    assert (response.headers.get("ms-diagnostics") or "").startswith("2008;")
    assert tree(response.body).findtext("Body/Fault/faultstring") == "Group limit exceeded"


def test_after_a_refusal_the_device_is_taken_back_to_the_truth(hall: Hall, alice: Device) -> None:
    """A client keeps what it was refused; it alone is told how things stand, and the number to go on from."""
    laptop = hall.device("alice", "e2")
    change(alice, "setContact", URI=BOB, displayName="Bobby")
    alice.subscribe(EVENT)
    laptop.subscribe(EVENT)
    change(alice, "setContact", URI=BOB, displayName="Rob", groups="9")
    (delta,) = told(alice)
    assert (delta.get("prevDeltaNum"), delta.get("deltaNum")) == ("2", "2")
    assert delta.find("modifiedContact").get("name") == "Bobby"
    assert laptop.heard == []


@pytest.mark.parametrize("to", ["sip:bob@contoso.test", "sip:contoso.test"])
def test_nobody_changes_the_list_of_another(alice: Device, to: str) -> None:
    """A request about another user, or about nobody, is refused."""
    assert change(alice, "setContact", to=to, URI=BOB).status == 403


def test_nobody_reads_the_list_of_another(hall: Hall, alice: Device) -> None:
    """Whom somebody keeps is nobody else's affair."""
    response = alice.subscribe(EVENT, to="sip:bob@contoso.test")
    assert response.status == 403
    assert (response.headers.get("ms-diagnostics") or "").startswith("2004;")
    assert len(hall.notifier) == 0


def test_a_refresh_gives_the_list_again(alice: Device) -> None:
    """The answer to a refresh is worked through like the first one."""
    alice.subscribe(EVENT)
    change(alice, "setContact", URI=BOB)
    assert tree(alice.subscribe(EVENT).body).find("contact") is not None
    change(alice, "deleteContact", URI=BOB)
    assert [delta.get("deltaNum") for delta in told(alice)] == ["2", "3"]


def test_a_device_that_left_hears_nothing(hall: Hall, alice: Device) -> None:
    """`Expires: 0` ends it, with nothing in the answer."""
    alice.subscribe(EVENT)
    response = alice.subscribe(EVENT, expires=0)
    assert (response.status, response.body) == (200, b"")
    change(alice, "setContact", URI=BOB)
    assert alice.heard == []
    assert len(hall.notifier) == 0


def test_a_poll_gives_the_list_once(hall: Hall, alice: Device) -> None:
    """A new subscription with `Expires: 0` asks and goes."""
    assert tree(alice.subscribe(EVENT, expires=0).body).tag == "contactList"
    assert len(hall.notifier) == 0


def test_a_change_that_is_in_the_list_already_is_not_told_again(hall: Hall, alice: Device) -> None:
    """A device may read the list while the fact of the last change is still under way."""
    alice.subscribe(EVENT)
    hall.bus.tell(ContactsChanged(alice.who.aor, 1, b"<contactDelta/>", None))
    hall.clock.pump([0.0] * 5)
    assert alice.heard == []


def test_a_device_that_missed_a_change_gets_the_whole_list(hall: Hall, alice: Device) -> None:
    """A fact may be lost between processes; the next one mends what this device knows, and no other."""
    laptop = hall.device("alice", "e2")
    alice.subscribe(EVENT)
    (subscription,) = hall.notifier.subscriptions_of(EVENT, alice.who.aor)
    subscription.data.number -= 1
    laptop.subscribe(EVENT)
    change(alice, "setContact", URI=BOB)
    change(alice, "addGroup", name="Work")
    assert [document.tag for document in told(alice)] == ["contactList", "contactDelta"]
    assert [document.tag for document in told(laptop)] == ["contactDelta", "contactDelta"]


def test_a_client_of_2005_is_not_left_waiting(alice: Device) -> None:
    """Its list of rights is empty."""
    rights = alice.subscribe("vnd-microsoft-roaming-ACL")
    assert rights.headers.get("Event") == "vnd-microsoft-roaming-ACL"
    assert tree(rights.body).get("deltaNum") == "1"


def writes(hall: Hall, first: Callable[[], Deferred[Version]], times: int) -> None:
    """Have the first writes of the store end otherwise."""
    real, left = hall.store.write, [times]

    def write(*args: Any) -> Deferred[Version]:
        left[0] -= 1
        return first() if left[0] >= 0 else real(*args)

    hall.store.write = write  # type: ignore[method-assign, assignment]  # the store of this test alone


def test_decides_again_when_another_process_was_first(hall: Hall, alice: Device) -> None:
    """Two servers of one deployment may change a list at once; both changes are made."""
    writes(hall, lambda: fail(Conflict()), 2)
    assert change(alice, "setContact", URI=BOB).status == 200


def test_gives_up_when_others_are_always_first(hall: Hall, alice: Device) -> None:
    """The client is asked to come again, and nothing is told."""
    alice.subscribe(EVENT)
    writes(hall, lambda: fail(Conflict()), TRIES)
    response = change(alice, "setContact", URI=BOB)
    assert (response.status, response.headers.get("Retry-After")) == (503, "5")
    assert alice.heard == []


def test_nothing_is_told_that_was_not_kept(hall: Hall, alice: Device) -> None:
    """A store that cannot write makes a 503, and no device believes in the change."""
    alice.subscribe(EVENT)
    writes(hall, lambda: fail(StoreUnavailable("the disk is full")), 1)
    assert change(alice, "setContact", URI=BOB).status == 503
    assert alice.heard == []
    assert len(hall.writers) == 0


def _follow(first: Deferred[Version], second: Deferred[Version]) -> None:
    _ = first.chainDeferred(second)


def test_changes_that_come_at_once_are_made_one_after_the_other(hall: Hall, alice: Device) -> None:
    """A slow disk delays a change; it does not lose the one that came meanwhile."""
    alice.subscribe(EVENT)
    real = hall.store.write

    def slow(*args: Any) -> Deferred[Version]:
        done: Deferred[Version] = Deferred()
        hall.timers.later(0.001, lambda: _follow(real(*args), done))
        return done

    hall.store.write = slow  # type: ignore[method-assign, assignment]  # the store of this test alone
    results: list[Response] = []
    for name in ("Work", "Home"):
        body = f'<s:Envelope xmlns:s="urn:s"><s:Body><addGroup><name>{name}</name></addGroup></s:Body></s:Envelope>'
        extra = [("Content-Type", SOAP)]
        arrival = alice.arrival("SERVICE", alice.uri, f"<{alice.uri}>", extra, body.encode())
        _ = started(hall.answer(arrival)).addCallback(results.append)
    hall.clock.pump([0.001] * 10)
    assert [tree(response.body).findtext("Body/addGroup/groupID") for response in results] == ["2", "3"]
    assert [delta.get("deltaNum") for delta in told(alice)] == ["2", "3"]


def test_the_shell_shows_a_list(hall: Hall, alice: Device) -> None:
    """`contacts show` takes an address or a login and names groups by their names."""
    change(alice, "addGroup", name="Work")
    change(alice, "setContact", URI=BOB, displayName="Bobby", groups="1 2")
    for user in ("alice@contoso.test", "alice"):
        table = hall.asked("contacts show", user=user)
        assert table.rows == [("bob@contoso.test", "Bobby", "~, Work", True, "user")]
    assert table.note == "contacts: 1; groups: 1 ~, 2 Work; delta number: 3"
    (word,) = hall.offers[0].commands
    assert word.args[0].choices is not None
    assert list(word.args[0].choices()) == ["alice@contoso.test"]


def test_the_shell_does_not_know_strangers(hall: Hall) -> None:
    """The sentence says what to do."""
    with pytest.raises(CommandFailed, match='nobody is known as "zed"; see: users'):
        hall.asked("contacts show", user="zed")


def test_closed_contacts_hear_nothing() -> None:
    """After closing, no device is told any more; what never opened can be closed too."""
    hall = Hall()
    contacts = Contacts(hall.platform(), hall.signaling(), Settings())
    result_of(contacts.close())
    hall.take(contacts)
    alice = hall.device("alice")
    alice.subscribe(EVENT)
    result_of(contacts.close())
    change(alice, "setContact", URI=BOB)
    assert alice.heard == []


@pytest.mark.parametrize(("count", "size", "is_kept"), [(40, 10, True), (40, 2_000, False), (1, 3_000, False)])
def test_the_lists_that_are_kept_are_bounded_in_bytes(
    monkeypatch: pytest.MonkeyPatch, count: int, size: int, is_kept: bool
) -> None:
    """Many that are short; who changes one that is long, or among many, has it read again."""
    monkeypatch.setattr("lyncpy.workloads.contacts.changed_lists.CHANGED_BYTES", 32 * 10_000)
    hall = Hall([Person(Aor(f"sip:u{n}@contoso.test"), str(n), logins=(f"u{n}",)) for n in range(count)])
    hall.take(Contacts(hall.platform(), hall.signaling(), Settings()))
    devices = [hall.device(f"u{n}") for n in range(count)]
    reads: list[Any] = []
    read = hall.store.read

    def counted(*asked: Any) -> Any:
        reads.append(asked)
        return read(*asked)

    monkeypatch.setattr(hall.store, "read", counted)
    for delta_num in range(1, 5):
        reads.clear()
        for device in devices:
            uri, extension = f"sip:c{delta_num % 2}@contoso.test", f"<a>{delta_num}{'x' * size}</a>"
            assert change(device, "setContact", delta_num=delta_num, URI=uri, contactExtension=extension).status == 200
    assert (len(reads) == 0) is is_kept
