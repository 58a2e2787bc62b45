"""The contact list: changed from any device, told to all, in order, and kept."""

from contextlib import ExitStack
from xml.sax.saxutils import escape

from lyncpy.contracts.directory import Group
from lyncpy.contracts.names import Aor
from tests.kit.actors import CONTACTS
from tests.kit.renames import hires, renames
from tests.kit.stage import Stage

BOB, CAROL = "sip:bob@example.com", "sip:carol@example.com"


def test_a_contact_added_on_one_device_is_on_all(stage: Stage) -> None:
    """Her desk adds, her phone shows, and both count the same."""
    desk, phone = stage.sign_in("alice", "alice")
    assert desk.adds(BOB).status == 200
    assert desk.contacts.people == phone.contacts.people == {BOB: ("", (1,))}
    assert desk.contacts.number == phone.contacts.number


def test_changes_from_both_devices_come_in_one_order(stage: Stage) -> None:
    """Each device hears every change once, without a gap, whoever made it."""
    desk, phone = stage.sign_in("alice", "alice")
    start = desk.contacts.number
    desk.adds(BOB)
    phone.adds(CAROL)
    desk.adds_group("Friends")
    phone.adds(BOB, desk.contacts.group("Friends"), name="Bobby")
    desk.removes(CAROL)
    friends = desk.contacts.group("Friends")
    assert desk.contacts.people == phone.contacts.people == {BOB: ("Bobby", (friends,))}
    assert desk.contacts.history == phone.contacts.history == list(range(start, start + 6))


def test_changes_made_in_the_same_breath_are_all_made(stage: Stage) -> None:
    """Two devices that write at once overwrite nothing."""
    desk, phone = stage.sign_in("alice", "alice")
    with desk.in_one_breath(), phone.in_one_breath():
        first, second = desk.adds(BOB), phone.adds(CAROL)
    stage.passes(1)
    assert (first.status, second.status) == (200, 200)
    assert set(desk.contacts.people) == set(phone.contacts.people) == {BOB, CAROL}


def test_a_list_that_is_being_arranged_is_read_once(stage: Stage) -> None:
    """Whoever moves their contacts about changes many in a row: each change is one write, and what it says is all there."""
    (desk,) = stage.sign_in("alice")
    desk.adds(BOB)
    before = stage.disk.calls
    for name in ("Bobby", "Bob", "Robert"):
        desk.adds(BOB, name=name)
    desk.adds(CAROL)
    assert stage.disk.calls - before == 4
    (phone,) = stage.sign_in("alice")
    assert phone.contacts.people == desk.contacts.people == {BOB: ("Robert", (1,)), CAROL: ("", (1,))}


def test_of_a_list_that_is_being_arranged_somebody_gets_another_address(stage: Stage) -> None:
    """Whom each contact meant stays with it, also of one who was added just now."""
    (desk,) = stage.sign_in("alice")
    desk.adds(BOB, name="Bobby")
    desk.adds(CAROL)
    renames(stage, "bob", "robert")
    hires(stage, "bob")
    stage.pulls()
    desk.adds("sip:dave@example.com")
    (phone,) = stage.sign_in("alice")
    assert phone.contacts.people["sip:robert@example.com"] == ("Bobby", (1,))
    assert BOB not in phone.contacts.people
    assert set(phone.contacts.people) == set(desk.contacts.people)


def test_groups_are_named_renamed_and_removed(stage: Stage) -> None:
    """The answer to a new group names its id, or a client forgets whom it was adding."""
    desk, phone = stage.sign_in("alice", "alice")
    name = "Räte & Co <1>"
    added = desk.adds_group(escape(name))
    assert phone.contacts.groups[desk.contacts.group(name)] == name
    id_ = desk.contacts.group(name)
    assert f"<m:groupID>{id_}</m:groupID>".encode() in added.answer.body
    desk.changes_contacts("modifyGroup", ("groupID", str(id_)), ("name", "Council"), ("externalURI", ""))
    assert phone.contacts.groups[id_] == "Council"
    desk.changes_contacts("deleteGroup", ("groupID", str(id_)))
    assert id_ not in phone.contacts.groups


def test_a_change_that_is_refused_is_set_right(stage: Stage) -> None:
    """A client keeps what it asked for whatever the answer; so it is told how things stand."""
    (alice,) = stage.sign_in("alice")
    alice.adds_group("Friends")
    told = len(alice.contacts.history)
    refused = alice.adds_group("Friends")
    assert (refused.status, refused.diagnostics) == (409, 2015)
    assert list(alice.contacts.groups.values()) == ["~", "Friends"]
    assert len(alice.contacts.history) >= told


def test_the_list_waits_for_the_next_sign_in(stage: Stage) -> None:
    """A client that comes back has the whole list at once, and sees everybody on it."""
    alice, bob = stage.sign_in("alice", "bob")
    alice.adds(bob.aor)
    alice.signs_out()
    again = stage.actor("alice")
    asked = again.signs_in()
    assert asked[CONTACTS].status == 200
    assert set(again.contacts.people) == {BOB}
    assert again.hears(bob).availability == "available"


def test_nobody_changes_the_list_of_another(stage: Stage) -> None:
    """The request is about whom it is addressed to, and that must be its sender."""
    alice, mallory = stage.sign_in("alice", "mallory")
    body = (
        b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><deleteContact>'
        b"<URI>sip:bob@example.com</URI></deleteContact></s:Body></s:Envelope>"
    )
    alice.adds(BOB)
    assert mallory.sip.service("application/SOAP+xml", body, to=alice.aor).status == 403
    assert set(alice.contacts.people) == {BOB}
    assert mallory.sip.subscribe(CONTACTS, to=alice.aor).is_pending
    stage.settle()
    assert mallory.contacts.people == {}


def test_five_devices_that_write_at_once_end_with_one_list(stage: Stage) -> None:
    """Every device hears every change, each once and in one order, whoever made it and however they interleave."""
    devices = stage.sign_in(*["alice"] * 5)
    start = devices[0].contacts.number
    with ExitStack() as breath:
        for device in devices:
            breath.enter_context(device.in_one_breath())
        asked = [
            device.adds(f"sip:{number}-{turn}@example.com")
            for turn in range(4)
            for number, device in enumerate(devices)
        ]
        asked += [device.adds_group(f"Group {number}") for number, device in enumerate(devices)]
    stage.passes(1)
    assert {one.status for one in asked} == {200}
    with ExitStack() as breath:
        for device in devices:
            breath.enter_context(device.in_one_breath())
        for number, device in enumerate(devices):
            device.removes(f"sip:{number}-0@example.com")
            device.adds(BOB, device.contacts.group(f"Group {number}"), name=f"Bob {number}")
    stage.passes(1)
    first = devices[0].contacts
    assert len(first.people) == 16
    for device in devices:
        # ContactBook insists on numbers without gaps as it takes them.
        assert (device.contacts.people, device.contacts.groups) == (first.people, first.groups)
        assert device.contacts.history == list(range(start, start + 36))
    again = stage.actor("alice")
    again.signs_in()
    assert (again.contacts.people, again.contacts.number) == (first.people, first.number)


def test_lists_follow_the_directory_on_all_devices_and_across_a_kill() -> None:
    """Bob changes department while Alice looks, and back while the server is dead; her own changes stay."""
    with Stage.opened(contacts={"department_group": True}) as stage:
        for user, department in (("alice", "Research"), ("bob", "Research"), ("carol", "Sales")):
            stage.changes(user, department=department)
        stage.pulls()
        desk, phone, bob = stage.sign_in("alice", "alice", "bob")
        assert desk.contacts.people == phone.contacts.people == {BOB: ("", (63,))}
        assert desk.hears(bob).availability == "available"
        desk.adds(CAROL)
        stage.changes("bob", department="Sales")
        stage.pulls()
        stage.passes(1)
        assert desk.contacts.people == phone.contacts.people == {CAROL: ("", (1,))}
        assert set(bob.contacts.people) == {CAROL}
        number = desk.contacts.number
        stage.kill()
        stage.changes("bob", department="Research")
        stage.start()
        (again,) = stage.sign_in("alice")
        assert again.contacts.people == {CAROL: ("", (1,)), BOB: ("", (63,))}
        assert again.contacts.number == number + 1


def test_a_policy_is_for_a_group_and_follows_it() -> None:
    """Whoever comes into the group that it names has it at once; `policy show` says why."""
    with Stage.opened(policies={"quiet": {"members": ["Board"], "privacy_mode": True}}) as stage:
        stage.directory.groups = [Group("b", "Board", members=frozenset({"key-alice"}))]
        stage.pulls()
        policies = stage.ground.tables.policies
        assert [policies.policy_of(Aor(f"sip:{user}@example.com")).name for user in ("alice", "bob")] == [
            "quiet",
            "default",
        ]
        stage.directory.groups = [Group("b", "Board", members=frozenset({"key-bob"}))]
        stage.pulls()
        assert [policies.policy_of(Aor(f"sip:{user}@example.com")).name for user in ("alice", "bob")] == [
            "default",
            "quiet",
        ]
        assert ("why", '[policies.quiet] names the group "Board", which they are in') in stage.command(
            "policy show", user="bob@example.com"
        ).rows
