"""Versions, expiry, quotas and members, as rules over values."""

from dataclasses import replace

import pytest

from lyncpy.contracts.directory import Phone
from lyncpy.contracts.names import Aor, Epid
from lyncpy.workloads.presence.model.board import (
    Board,
    Outcome,
    PublicationDenied,
    Published,
    StaleVersions,
    VersionFault,
    compare,
    deadline,
    expire,
    leave,
    publish,
    publish_directory_facts,
    reset,
    with_aggregates,
)
from lyncpy.workloads.presence.model.quotas import Quotas
from lyncpy.workloads.presence.model.server_publications import ServerPublication, directory_publications
from lyncpy.workloads.presence.model.states import (
    Activity,
    Aggregate,
    AggregateMachine,
    Capability,
    Device,
    LegacyInterop,
    Service,
    Services,
    StateDocument,
    StateKind,
)
from lyncpy.workloads.presence.model.tables import (
    BLOCKED,
    COLLEAGUES,
    EXTERNAL,
    INPUT,
    INPUT_LOWERED,
    WORKGROUP,
    ContainerMember,
    Denial,
    Expire,
    Instance,
    InstanceKey,
    MemberKind,
    Publication,
)
from tests.kit.boards import usual_quotas
from tests.kit.directory import person

ALICE = Aor("sip:alice@contoso.test")
PC, LAPTOP = Epid("pc"), Epid("laptop")
NOTE = InstanceKey("note", 0, COLLEAGUES)
BOB = ContainerMember(MemberKind.USER, "bob@contoso.test")


def empty() -> Board:
    """Give the board of somebody who never published."""
    return with_aggregates(Board(ALICE), Board(ALICE), 0.0).board


def note(text: str = "hi", version: int = 0, container: int = COLLEAGUES) -> Publication:
    """Give the wish to publish a note."""
    return Publication(InstanceKey("note", 0, container), version, Expire.STATIC, text)


def machine(availability: int, container: int = INPUT, instance: int = 0x30000001) -> Publication:
    """Give the wish to publish what a machine says."""
    state = StateDocument(StateKind.MACHINE, availability)
    return Publication(InstanceKey("state", instance, container), 0, Expire.ENDPOINT, f"<{availability}>", state=state)


def user(availability: int, version: int = 0) -> Publication:
    """Give the publication of a state that a person chose by hand."""
    state = StateDocument(StateKind.USER, availability, manual=True)
    return Publication(
        InstanceKey("state", 0x20000000, INPUT), version, Expire.STATIC, f"<{availability}>", state=state
    )


def published(board: Board, *wishes: Publication, by: Epid = PC, now: float = 1.0) -> Board:
    """Give the board after publications that are accepted."""
    return changed(publish(board, wishes, by, now, usual_quotas()))


def changed(outcome: Outcome) -> Board:
    """Give the board after a change that is allowed."""
    assert isinstance(outcome, Published), outcome
    return outcome.board


def shown(board: Board, container: int = COLLEAGUES) -> Aggregate:
    """Give the aggregate state of an audience."""
    value = board.instances[InstanceKey("state", 1, container)].value
    assert isinstance(value, Aggregate)
    return value


def test_a_new_publication_has_version_1_and_each_change_one_more() -> None:
    """A client counts along: the version it sends is the one that is stored, and the next is stored with one more."""
    board = published(empty(), note("a"))
    assert board.instances[NOTE].version == 1
    assert published(board, note("b", 1)).instances[NOTE].version == 2


def test_refuses_a_stale_version_and_names_it() -> None:
    """A client that missed a change of another device learns which operation was wrong and what is right."""
    board = published(published(empty(), note("a")), note("b", 1), by=LAPTOP)
    outcome = publish(board, [machine(3500), note("c", 1)], PC, 2.0, usual_quotas())
    assert outcome == StaleVersions((VersionFault(2, NOTE, 1, 2),))


def test_names_every_stale_operation() -> None:
    """One answer is enough to put a client right."""
    outcome = publish(empty(), [note("a", 3), note("a", 0, 300), note("a", 4, 400)], PC, 1.0, usual_quotas())
    assert isinstance(outcome, StaleVersions)
    assert [(fault.index, fault.version, fault.current) for fault in outcome.faults] == [(1, 3, 0), (3, 4, 0)]


def test_version_0_of_ones_own_publication_is_accepted() -> None:
    """A client that forgot its versions goes on at once, instead of asking again without end."""
    board = published(published(empty(), note("a")), note("b", 0))
    assert (board.instances[NOTE].value, board.instances[NOTE].version) == ("b", 2)


def test_version_0_of_anothers_publication_is_stale() -> None:
    """A second device does not write over a first one's note without having seen it."""
    outcome = publish(published(empty(), note("a")), [note("b", 0)], LAPTOP, 2.0, usual_quotas())
    assert outcome == StaleVersions((VersionFault(1, NOTE, 0, 1),))


def test_a_version_that_is_insisted_on_is_accepted() -> None:
    """A client that does not listen to a fault is not refused a second time."""
    board = published(empty(), note("a"))
    board = changed(publish(board, [note("b", 0)], LAPTOP, 2.0, usual_quotas(), refused={NOTE: 0}))
    assert board.instances[NOTE].value == "b"


def test_removes_with_expires_0() -> None:
    """A note that its author clears is gone."""
    board = published(published(empty(), note("a")), note("", 1)._replace(expires_s=0))
    assert NOTE not in board.instances


def test_removing_what_is_not_there_does_nothing() -> None:
    """A client clears a call's state without knowing whether it ever published one."""
    board = empty()
    outcome = publish(board, [note("", 7)._replace(expires_s=0)], PC, 1.0, usual_quotas())
    assert isinstance(outcome, Published)
    assert outcome.board is board


def test_removing_an_old_version_is_stale() -> None:
    """A device does not clear a note that another has just written."""
    board = published(published(empty(), note("a"), by=LAPTOP), note("b", 1), by=LAPTOP)
    assert isinstance(publish(board, [note("", 1)._replace(expires_s=0)], PC, 2.0, usual_quotas()), StaleVersions)


def test_two_devices_share_the_users_own_state() -> None:
    """What is chosen on one device counts for all: it is the same publication."""
    board = published(empty(), machine(3500), user(6500))
    board = published(board, machine(3500, instance=2), user(9500, version=1), by=LAPTOP)
    assert shown(board).availability == 9500


def test_the_same_instance_in_two_containers_is_two_publications() -> None:
    """Colleagues and friends may be told different things."""
    board = published(empty(), note("work"), note("play", container=400))
    assert {one.value for one in board.instances_of("note")} == {"work", "play"}


def test_the_servers_publications_are_read_only() -> None:
    """No client gives itself another name or state than the server's."""
    key = InstanceKey("contactCard", 0, COLLEAGUES)
    board = publish_directory_facts(empty(), [ServerPublication(key, "<card/>")], 0.0).board
    for taken in (key, InstanceKey("state", 1, COLLEAGUES)):
        outcome = publish(board, [Publication(taken, 1, Expire.STATIC, "<mine/>")], PC, 1.0, usual_quotas())
        assert outcome == PublicationDenied(Denial.READ_ONLY)


@pytest.mark.parametrize(
    ("quotas", "denial"),
    [
        (usual_quotas(publications=1), Denial.TOO_MANY_PUBLICATIONS),
        (usual_quotas(value_bytes=3), Denial.TOO_LONG),
        (usual_quotas(containers=1), Denial.TOO_MANY_CONTAINERS),
    ],
)
def test_refuses_what_is_too_much(quotas: Quotas, denial: Denial) -> None:
    """One client cannot fill the server's memory."""
    assert publish(empty(), [note("grüße", container=7), note("b")], PC, 1.0, quotas) == PublicationDenied(denial)


def test_an_endpoint_takes_its_publications_along() -> None:
    """A device that vanishes is no longer counted; what was said for good stays."""
    board = published(empty(), machine(3500), note())
    board = published(board, machine(15500, instance=2), by=LAPTOP)
    board = leave(board, PC, 2.0, last=False).board
    assert shown(board).availability == 15500
    assert NOTE in board.instances


def test_the_last_endpoint_takes_what_is_bound_to_the_user() -> None:
    """When nobody is signed in any more, what belonged to being signed in ends, whoever published it."""
    bound = Publication(InstanceKey("note", 5, 200), 0, Expire.USER, "x")
    board = published(empty(), machine(3500), bound)
    assert bound.key in leave(board, LAPTOP, 2.0, last=False).board.instances
    board = leave(board, LAPTOP, 2.0, last=True).board
    assert bound.key not in board.instances
    assert shown(board).availability == 18500


def test_what_is_bound_in_time_ends_when_its_time_has_come() -> None:
    """Busy for an hour ends after an hour."""
    timed = user(6500)._replace(expire=Expire.TIME, expires_s=3600)
    board = published(empty(), machine(3500), timed, now=100.0)
    assert deadline(board, 100.0) == 3700.0
    assert shown(expire(board, 3699.0).board).availability == 6500
    ended = expire(board, 3700.0).board
    assert shown(ended).availability == 3500
    assert deadline(ended, 3700.0) is None


def test_last_active_is_when_the_machine_stopped_being_active() -> None:
    """Others see since when somebody is away, not when they signed in."""
    board = published(empty(), machine(3500), now=100.0)
    board = published(board, machine(15500), now=500.0)
    board = published(board, machine(15500), now=900.0)
    assert shown(board).last_active == 500.0
    assert shown(leave(board, PC, 1000.0, last=True).board).last_active == 500.0


def test_who_appears_offline_was_active_last_when_they_said_so() -> None:
    """What their devices do afterwards is not told, whether they come, idle or go."""
    board = published(empty(), machine(3500), now=100.0)
    board = published(board, user(18500), now=200.0)
    assert shown(board).last_active == 200.0
    board = published(published(board, machine(15500), now=300.0), machine(3500), now=400.0)
    assert shown(leave(board, PC, 500.0, last=True).board).last_active == 200.0


def test_each_audience_gets_as_much_of_the_state_as_it_may_know() -> None:
    """External contacts see a number, colleagues the activity, the workgroup what the meeting is about."""
    state = StateDocument(StateKind.CALENDAR, 6500, meeting_subject="Budget", location="Office")
    meeting = [Publication(InstanceKey("state", 9, c), 0, Expire.ENDPOINT, "<m/>", state=state) for c in (2, 3)]
    board = published(empty(), machine(3500), machine(3500, INPUT_LOWERED), *meeting)
    assert shown(board, EXTERNAL) == Aggregate(6500)
    assert shown(board, COLLEAGUES).meeting_subject == ""
    assert shown(board, WORKGROUP).meeting_subject == "Budget"


def test_tells_what_watchers_may_see_of_a_change() -> None:
    """A note for colleagues is news for colleagues; a device's own record for nobody."""
    outcome = publish(empty(), [note()], PC, 1.0, usual_quotas())
    assert isinstance(outcome, Published)
    assert outcome.changes.shown == {("note", COLLEAGUES)}
    assert outcome.changes.durable


def test_publishing_the_same_again_is_news_to_nobody() -> None:
    """The version grows for the user's own devices; watchers are left alone."""
    board = published(empty(), machine(3500))
    outcome = publish(board, [machine(3500)], PC, 2.0, usual_quotas())
    assert isinstance(outcome, Published)
    assert outcome.changes.touched == {"state"}
    assert outcome.changes.shown == frozenset()
    assert not outcome.changes.durable


def test_the_servers_card_keeps_its_version_while_nothing_changes() -> None:
    """A pull of the directory that finds nothing new tells nobody anything."""
    made = [ServerPublication(InstanceKey("contactCard", 0, COLLEAGUES), "<card/>")]
    board = publish_directory_facts(empty(), made, 0.0).board
    assert publish_directory_facts(board, made, 5.0).board is board
    card = publish_directory_facts(board, [ServerPublication(made[0].key, "<new/>")], 5.0).board.instances[made[0].key]
    assert (card.version, card.value) == (2, "<new/>")
    assert made[0].key not in publish_directory_facts(board, [], 5.0).board.instances


def test_what_the_directory_knows_makes_no_state_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """A board that is read from the store has its aggregates already when the cards come to it."""
    made = directory_publications(person("bob", department="Sales", phones=(Phone("work", "1"),)))
    board = expire(empty(), 0.0).board
    monkeypatch.setattr("lyncpy.workloads.presence.model.board.make", None)
    furnished = publish_directory_facts(board, made, 0.0)
    assert furnished.changes.furnished == {("contactCard", one.key.container) for one in made[:-1]} | {
        ("userProperties", 1)
    }
    assert furnished.board.instances.keys() - board.instances.keys() == {one.key for one in made}


def test_cards_that_say_the_same_are_one_text() -> None:
    """Of most people little is known: then all levels see the same card, and it is written once."""
    levels = [one.value for one in directory_publications(person("bob"))[:-1]]
    assert all(one is levels[0] for one in levels)
    default, external, colleagues, workgroup, friends = (
        one.value for one in directory_publications(person("bob", title="Clerk", phones=(Phone("work", "1"),)))[:-1]
    )
    assert "Clerk" not in default
    assert "Clerk" in external
    assert "tel:1" not in external
    assert "tel:1" in colleagues
    assert colleagues is workgroup is friends


def test_only_what_clients_said_for_good_is_durable() -> None:
    """What belongs to a device ends with the process, as the device's connection does."""
    made = Instance(NOTE, 1, Expire.STATIC, "", 0.0)
    assert not made.is_durable
    assert made._replace(epid=PC).is_durable
    assert not made._replace(epid=PC, expire=Expire.ENDPOINT).is_durable


DEVICE = Device("4A8B-PC", "sip:alice@contoso.test", capabilities=(Capability("text", "true", "true", "false"),))


def device(one: Device = DEVICE, instance: int = 100, version: int = 0) -> Publication:
    """Give the wish to publish what a device can do."""
    return Publication(InstanceKey("device", instance, INPUT), version, Expire.ENDPOINT, f"<{one}>", device=one)


def made(board: Board, category: str, container: int, instance: int) -> object:
    """Give what the server has made; None: nothing."""
    one = board.instances.get(InstanceKey(category, instance, container))
    return None if one is None else one.value


@pytest.mark.parametrize(
    ("lifetime", "left", "last", "later", "restarted"),
    [
        (Expire.STATIC, True, True, True, True),
        (Expire.TIME, True, True, False, True),
        (Expire.USER, True, False, True, False),
        (Expire.ENDPOINT, False, False, True, False),
    ],
)
def test_each_type_of_publication_ends_when_it_should(
    lifetime: Expire, left: bool, last: bool, later: bool, restarted: bool
) -> None:
    """What a device says goes with it, what a session says with the session, the rest stays."""
    board = published(empty(), note()._replace(expire=lifetime, expires_s=60))
    assert (NOTE in leave(board, PC, 2.0, last=False).board.instances) is left
    assert (NOTE in leave(board, LAPTOP, 2.0, last=True).board.instances) is last
    assert (NOTE in expire(board, 61.0).board.instances) is later
    assert board.instances[NOTE].is_durable is restarted


def test_reset_status_falls_back_to_the_machines() -> None:
    """Who resets their status is what their devices say, however they chose it."""
    timed = user(9500)._replace(key=InstanceKey("state", 0x24000000, INPUT), expire=Expire.TIME, expires_s=86400)
    board = published(empty(), machine(3500), user(6500))
    board = published(board, timed, now=2.0)
    assert shown(board).availability == 9500
    gone = [timed._replace(expires_s=0, version=1), user(0, 1)._replace(expires_s=0)]
    assert shown(published(board, *gone)).availability == 3500
    automatic = user(3500, 1)._replace(state=StateDocument(StateKind.USER, 3500))
    assert shown(published(board, gone[0], automatic)).availability == 3500


def test_appearing_offline_outlasts_a_restart() -> None:
    """Who chose to appear offline is not given away by the next start of their client."""
    board = published(empty(), machine(3500), user(18500))
    assert shown(board).availability == 18500
    alone = leave(board, PC, 2.0, last=True).board
    assert shown(published(alone, machine(3500))).availability == 18500


@pytest.mark.parametrize(
    "key",
    [
        InstanceKey("services", 7, 200), InstanceKey("legacyInterop", 1, 32000), InstanceKey("userProperties", 0, 1), InstanceKey("state", 1, 300),
        InstanceKey("state", 0x10000000, 2), InstanceKey("contactCard", 0, 0),
    ],
)  # fmt: skip
def test_nobody_publishes_what_is_the_servers_to_say(key: InstanceKey) -> None:
    """What the server makes cannot be taken before it has made it either."""
    bare = Board(ALICE)
    assert publish(bare, [Publication(key, 0, Expire.STATIC, "<x/>")], PC, 1.0, usual_quotas()) == PublicationDenied(
        Denial.READ_ONLY
    )


@pytest.mark.parametrize(
    "key",
    [
        InstanceKey("state", 0, 32000),
        InstanceKey("contactCard", 0, 32000),
        InstanceKey("contactCard", 5, 200),
        InstanceKey("noteHistory", 0, 1),
    ],
)
def test_what_else_is_a_clients_to_say_passes(key: InstanceKey) -> None:
    """The state that somebody who is blocked would see, cards and histories are stored as they come."""
    assert published(empty(), Publication(key, 0, Expire.STATIC, "<x/>")).instances[key].value == "<x/>"


def test_services_are_the_union_of_devices() -> None:
    """A user's services are what any of their devices can, and the best device is named to themselves only."""
    tablet = Device("5C-TABLET", "", capabilities=(Capability("text", "true"), Capability("video", "true", "", "true")))
    board = published(empty(), machine(15500), device())
    board = published(board, machine(3500, instance=2), device(tablet, 101), by=LAPTOP)
    text, video = tablet.capabilities
    own = Services("sip:alice@contoso.test", (Service(text, "5c-tablet", 3500), Service(video, "5c-tablet", 3500)))
    assert made(board, "services", INPUT, 0) == own
    told = Services(own.uri, (Service(text), Service(video._replace(publish=""))))
    assert {made(board, "services", container, 0) == told for container in (100, 200, 300, 400)} == {True}
    board = leave(board, LAPTOP, 3.0, last=False).board
    assert made(board, "services", COLLEAGUES, 0) == Services(own.uri, (Service(Capability("text", "true", "true")),))
    assert made(leave(board, PC, 4.0, last=True).board, "services", COLLEAGUES, 0) == Services(ALICE)


def test_a_preferred_device_is_the_best() -> None:
    """Who prefers their phone is called there, although they sit at their computer."""
    phone = DEVICE._replace(endpoint_id="phone", preferred=True)
    board = published(empty(), machine(3500), device())
    board = published(board, device(phone, 101), by=LAPTOP)
    services = made(board, "services", INPUT, 0)
    assert isinstance(services, Services)
    assert services.services == (Service(DEVICE.capabilities[0], "phone", None),)


def test_a_device_is_as_available_as_its_most_active_machine() -> None:
    """A client that publishes two machine states is known by the better one, in whatever order they came."""
    for first, second in ((3500, 15500), (15500, 3500)):
        board = published(empty(), machine(first), machine(second, instance=2), device())
        services = made(board, "services", INPUT, 0)
        assert isinstance(services, Services)
        assert services.services[0].availability == 3500


def test_who_never_had_a_device_has_no_services() -> None:
    """A board that nobody has published on says nothing about abilities."""
    assert made(published(empty(), note()), "services", COLLEAGUES, 0) is None
    assert made(empty(), "state", INPUT, 0x10000000) is None


def test_the_most_active_machine_is_named_to_oneself() -> None:
    """A user's other devices know at which of them the user sits, by the id of its device."""
    board = published(empty(), machine(3500), device())
    assert made(board, "state", INPUT, 0x10000000) == AggregateMachine(3500, "4a8b-pc")
    other = machine(3500, instance=2)._replace(
        state=StateDocument(StateKind.MACHINE, 3500, endpoint_id="E2", location="Home")
    )
    board = published(board, other, by=LAPTOP, now=5.0)
    assert made(board, "state", INPUT, 0x10000000) == AggregateMachine(3500, "e2", location="Home")
    assert made(leave(board, LAPTOP, 6.0, last=False).board, "state", INPUT, 0x10000000) == AggregateMachine(
        3500, "4a8b-pc"
    )
    assert made(leave(board, PC, 6.0, last=True).board, "state", INPUT, 0x10000000) == AggregateMachine(18500)


def test_a_machine_is_named_alike_in_whatever_order_devices_are_found() -> None:
    """An endpoint that says two things of its device is known by one of them, always the same."""
    board = published(empty(), machine(3500), device(), device(DEVICE._replace(endpoint_id="other"), 101))
    turned = replace(Board(ALICE), instances=dict(reversed([*board.instances.items()])))
    bare = replace(turned, instances={key: one for key, one in turned.instances.items() if not one.made})
    again = with_aggregates(Board(ALICE), bare, 2.0).board
    assert made(again, "state", INPUT, 0x10000000) == made(board, "state", INPUT, 0x10000000)


def test_old_clients_are_told_the_number_and_the_word() -> None:
    """Each audience has its words for old clients; who is blocked would hear offline."""
    call = StateDocument(StateKind.PHONE, 6500, activity=Activity("on-the-phone", 6500, 8999))
    board = published(
        empty(), machine(3500), Publication(InstanceKey("state", 9, INPUT), 0, Expire.ENDPOINT, "<c/>", state=call)
    )
    assert made(board, "legacyInterop", COLLEAGUES, 1) == LegacyInterop(6500, "on-the-phone")
    assert made(board, "legacyInterop", EXTERNAL, 1) == LegacyInterop(6500)
    assert made(board, "legacyInterop", BLOCKED, 1) == LegacyInterop(18500)


def test_the_workgroup_sees_busy_where_a_client_did_not_lower_it() -> None:
    """Do Not Disturb is lowered for the workgroup by the client or, when it knows one container only, by the server."""
    board = published(empty(), machine(3500), user(9500))
    assert (shown(board, WORKGROUP).availability, shown(board).availability) == (6900, 9500)
    lowered = Publication(
        InstanceKey("state", 0x20000000, INPUT_LOWERED), 0, Expire.STATIC, "<l/>",
        state=StateDocument(StateKind.USER, 6900, manual=True, activity=Activity("urgent-interruptions-only", 6900, 8999)),
    )  # fmt: skip
    board = published(board, lowered)
    assert shown(board, WORKGROUP).activity == Activity("urgent-interruptions-only", 6900, 8999)


def test_a_device_that_knows_one_container_is_seen_by_the_workgroup() -> None:
    """Beside a client that publishes for the workgroup, one that does not is not forgotten."""
    board = published(empty(), machine(15500), machine(15500, INPUT_LOWERED))
    board = published(board, machine(3500, instance=2), by=LAPTOP)
    assert shown(board, WORKGROUP).availability == 3500


def test_what_is_new_is_found_without_being_told_where() -> None:
    """Comparing two boards whole finds what the change itself told."""
    before = published(empty(), machine(3500))
    outcome = publish(before, [note(), machine(5000)], PC, 2.0, usual_quotas())
    assert isinstance(outcome, Published)
    assert compare(before, outcome.board) == outcome.changes


def test_a_note_makes_no_state_anew() -> None:
    """Publishing what no state is made of leaves every state and its version alone."""
    board = published(empty(), machine(3500))
    after = published(board, note())
    assert {key for key, one in after.instances.items() if board.instances.get(key) is not one} == {NOTE}
    assert after.version == board.version + 1


def test_a_board_is_bounded_in_all() -> None:
    """However publications are cut: what one user may show is bounded, and what is there can be taken off."""
    quotas = replace(usual_quotas(), board_bytes=1000)
    board = published(empty(), note("x" * 300), note("y" * 300)._replace(key=InstanceKey("note", 8, 200)))
    wide = "ä" * 300
    outcome = publish(board, [note(wide)._replace(key=InstanceKey("note", 9, 200))], PC, 2.0, quotas)
    assert outcome == PublicationDenied(Denial.BOARD_FULL)
    fits = publish(board, [note("z" * 200)._replace(key=InstanceKey("note", 9, 200))], PC, 2.0, quotas)
    assert isinstance(fits, Published)
    lowered = publish(board, [note("x" * 299, 1)], PC, 2.0, replace(quotas, board_bytes=10))
    assert isinstance(lowered, Published), "a bound that was lowered lets a board shrink"


def test_what_was_chosen_by_hand_is_taken_back() -> None:
    """Machines count again. What repeats a Do Not Disturb for callers goes along, a note stays."""
    callers = InstanceKey("dndState", 0, COLLEAGUES)
    board = published(empty(), machine(3500), user(9500), Publication(callers, 0, Expire.STATIC, "<dnd/>"), note())
    after = reset(board, 2.0).board
    assert (shown(board).availability, shown(after).availability) == (9500, 3500)
    assert board.instances.keys() - after.instances.keys() == {callers, InstanceKey("state", 0x20000000, INPUT)}
    assert reset(after, 3.0).board == after


def test_a_board_has_other_values_of_the_fields_that_are_named() -> None:
    """As `dataclasses.replace` gives it; what was computed of the former board is not believed of the new one."""
    board = empty()
    assert board.places
    other = board.having(instances={}, last_active=3.0)
    assert other == replace(board, instances={}, last_active=3.0)
    assert not other.places
    assert board.having() == board
    with pytest.raises(TypeError, match=r"no fields of a board: \['places'\]"):
        board.having(places={})
