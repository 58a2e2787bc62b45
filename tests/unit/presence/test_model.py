"""Versions, expiry, quotas and members, as rules over values."""

from dataclasses import replace

import pytest

from lyncpy.contracts.names import Aor, Epid
from lyncpy.workloads.presence.aggregate import Aggregate, State, StateKind
from lyncpy.workloads.presence.model import (
    BLOCKED,
    COLLEAGUES,
    EXTERNAL,
    INPUT,
    INPUT_LOWERED,
    WORKGROUP,
    Board,
    Container,
    Denial,
    Denied,
    Expire,
    Fault,
    Instance,
    Key,
    Made,
    Member,
    MemberChange,
    MemberKind,
    Outcome,
    Publication,
    Published,
    Quotas,
    Stale,
    Subscriber,
    acknowledge,
    deadline,
    elapse,
    furnish,
    leave,
    publish,
    set_members,
    settle,
)

ALICE = Aor("sip:alice@contoso.test")
PC, LAPTOP = Epid("pc"), Epid("laptop")
NOTE = Key("note", 0, COLLEAGUES)
BOB = Member(MemberKind.USER, "bob@contoso.test")


def empty() -> Board:
    """Give the board of somebody who never published."""
    return settle(Board(ALICE), Board(ALICE), 0.0).board


def note(text: str = "hi", version: int = 0, container: int = COLLEAGUES) -> Publication:
    """Give the wish to publish a note."""
    return Publication(Key("note", 0, container), version, Expire.STATIC, text)


def machine(availability: int, container: int = INPUT, instance: int = 0x30000001) -> Publication:
    """Give the wish to publish what a machine says."""
    state = State(StateKind.MACHINE, availability)
    return Publication(Key("state", instance, container), 0, Expire.ENDPOINT, f"<{availability}>", state=state)


def user(availability: int, version: int = 0) -> Publication:
    """Give the wish to publish what a person says himself."""
    state = State(StateKind.USER, availability, manual=True)
    return Publication(Key("state", 0x20000000, INPUT), version, Expire.STATIC, f"<{availability}>", state=state)


def published(board: Board, *wishes: Publication, by: Epid = PC, now: float = 1.0) -> Board:
    """Give the board after publications that are accepted."""
    return changed(publish(board, wishes, by, now, Quotas()))


def changed(outcome: Outcome) -> Board:
    """Give the board after a change that is allowed."""
    assert isinstance(outcome, Published), outcome
    return outcome.board


def shown(board: Board, container: int = COLLEAGUES) -> Aggregate:
    """Give the aggregate state of an audience."""
    value = board.instances[Key("state", 1, container)].value
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
    outcome = publish(board, [machine(3500), note("c", 1)], PC, 2.0, Quotas())
    assert outcome == Stale((Fault(2, NOTE, 1, 2),))


def test_names_every_stale_operation() -> None:
    """One answer is enough to put a client right."""
    outcome = publish(empty(), [note("a", 3), note("a", 0, 300), note("a", 4, 400)], PC, 1.0, Quotas())
    assert isinstance(outcome, Stale)
    assert [(fault.index, fault.version, fault.current) for fault in outcome.faults] == [(1, 3, 0), (3, 4, 0)]


def test_version_0_of_ones_own_publication_is_accepted() -> None:
    """A client that forgot its versions goes on at once, instead of asking again without end."""
    board = published(published(empty(), note("a")), note("b", 0))
    assert (board.instances[NOTE].value, board.instances[NOTE].version) == ("b", 2)


def test_version_0_of_anothers_publication_is_stale() -> None:
    """A second device does not write over a first one's note without having seen it."""
    outcome = publish(published(empty(), note("a")), [note("b", 0)], LAPTOP, 2.0, Quotas())
    assert outcome == Stale((Fault(1, NOTE, 0, 1),))


def test_a_version_that_is_insisted_on_is_accepted() -> None:
    """A client that does not listen to a fault is not refused a second time."""
    board = published(empty(), note("a"))
    board = changed(publish(board, [note("b", 0)], LAPTOP, 2.0, Quotas(), insisted={NOTE: 0}))
    assert board.instances[NOTE].value == "b"


def test_removes_with_expires_0() -> None:
    """A note that its author clears is gone."""
    board = published(published(empty(), note("a")), replace(note("", 1), expires_s=0))
    assert NOTE not in board.instances


def test_removing_what_is_not_there_does_nothing() -> None:
    """A client clears a call's state without knowing whether it ever published one."""
    board = empty()
    outcome = publish(board, [replace(note("", 7), expires_s=0)], PC, 1.0, Quotas())
    assert isinstance(outcome, Published)
    assert outcome.board is board


def test_removing_an_old_version_is_stale() -> None:
    """A device does not clear a note that another has just written."""
    board = published(published(empty(), note("a"), by=LAPTOP), note("b", 1), by=LAPTOP)
    assert isinstance(publish(board, [replace(note("", 1), expires_s=0)], PC, 2.0, Quotas()), Stale)


def test_two_devices_share_the_users_own_state() -> None:
    """What is chosen on one device counts for all: it is the same publication."""
    board = published(empty(), machine(3500), user(6500))
    board = published(board, machine(3500, instance=2), user(9500, version=1), by=LAPTOP)
    assert shown(board).availability == 9500


def test_the_same_instance_in_two_containers_is_two_publications() -> None:
    """Colleagues and friends may be told different things."""
    board = published(empty(), note("work"), note("play", container=400))
    assert {one.value for one in board.of("note")} == {"work", "play"}


def test_the_servers_publications_are_read_only() -> None:
    """No client gives itself another name or state than the server's."""
    key = Key("contactCard", 0, COLLEAGUES)
    board = furnish(empty(), [Made(key, "<card/>")], 0.0).board
    for taken in (key, Key("state", 1, COLLEAGUES)):
        outcome = publish(board, [Publication(taken, 1, Expire.STATIC, "<mine/>")], PC, 1.0, Quotas())
        assert outcome == Denied(Denial.READ_ONLY)


@pytest.mark.parametrize(
    ("quotas", "denial"),
    [
        (Quotas(publications=1), Denial.TOO_MANY_PUBLICATIONS),
        (Quotas(value_bytes=3), Denial.TOO_LONG),
        (Quotas(containers=6), Denial.TOO_MANY_CONTAINERS),
    ],
)
def test_refuses_what_is_too_much(quotas: Quotas, denial: Denial) -> None:
    """One client cannot fill the server's memory."""
    assert publish(empty(), [note("grüße", container=7), note("b")], PC, 1.0, quotas) == Denied(denial)


def test_an_endpoint_takes_its_publications_along() -> None:
    """A device that vanishes is no longer counted; what was said for good stays."""
    board = published(empty(), machine(3500), note())
    board = published(board, machine(15500, instance=2), by=LAPTOP)
    board = leave(board, PC, 2.0, last=False).board
    assert shown(board).availability == 15500
    assert NOTE in board.instances


def test_the_last_endpoint_takes_what_is_bound_to_the_user() -> None:
    """When nobody is signed in any more, what belonged to being signed in ends, whoever published it."""
    bound = Publication(Key("note", 5, 200), 0, Expire.USER, "x")
    board = published(empty(), machine(3500), bound)
    assert bound.key in leave(board, LAPTOP, 2.0, last=False).board.instances
    board = leave(board, LAPTOP, 2.0, last=True).board
    assert bound.key not in board.instances
    assert shown(board).availability == 18500


def test_what_is_bound_in_time_ends_when_its_time_has_come() -> None:
    """Busy for an hour ends after an hour."""
    timed = replace(user(6500), expire=Expire.TIME, expires_s=3600)
    board = published(empty(), machine(3500), timed, now=100.0)
    assert deadline(board, 100.0) == 3700.0
    assert shown(elapse(board, 3699.0).board).availability == 6500
    ended = elapse(board, 3700.0).board
    assert shown(ended).availability == 3500
    assert deadline(ended, 3700.0) is None


def test_last_active_is_when_the_machine_stopped_being_active() -> None:
    """Others see since when somebody is away, not when he signed in."""
    board = published(empty(), machine(3500), now=100.0)
    board = published(board, machine(15500), now=500.0)
    board = published(board, machine(15500), now=900.0)
    assert shown(board).last_active == 500.0
    assert shown(leave(board, PC, 1000.0, last=True).board).last_active == 500.0


def test_each_audience_gets_as_much_of_the_state_as_it_may_know() -> None:
    """External contacts see a number, colleagues the activity, the workgroup what the meeting is about."""
    state = State(StateKind.CALENDAR, 6500, meeting_subject="Budget", location="Office")
    meeting = [Publication(Key("state", 9, c), 0, Expire.ENDPOINT, "<m/>", state=state) for c in (2, 3)]
    board = published(empty(), machine(3500), machine(3500, INPUT_LOWERED), *meeting)
    assert shown(board, EXTERNAL) == Aggregate(6500)
    assert shown(board, COLLEAGUES).meeting_subject == ""
    assert shown(board, WORKGROUP).meeting_subject == "Budget"


def test_tells_what_watchers_may_see_of_a_change() -> None:
    """A note for colleagues is news for colleagues; a device's own record for nobody."""
    outcome = publish(empty(), [note()], PC, 1.0, Quotas())
    assert isinstance(outcome, Published)
    assert outcome.changes.shown == {("note", COLLEAGUES)}
    assert outcome.changes.durable


def test_publishing_the_same_again_is_news_to_nobody() -> None:
    """The version grows for the user's own devices; watchers are left alone."""
    board = published(empty(), machine(3500))
    outcome = publish(board, [machine(3500)], PC, 2.0, Quotas())
    assert isinstance(outcome, Published)
    assert outcome.changes.touched == {"state"}
    assert outcome.changes.shown == frozenset()
    assert not outcome.changes.durable


def test_the_servers_card_keeps_its_version_while_nothing_changes() -> None:
    """A pull of the directory that finds nothing new tells nobody anything."""
    made = [Made(Key("contactCard", 0, COLLEAGUES), "<card/>")]
    board = furnish(empty(), made, 0.0).board
    assert furnish(board, made, 5.0).board is board
    card = furnish(board, [Made(made[0].key, "<new/>")], 5.0).board.instances[made[0].key]
    assert (card.version, card.value) == (2, "<new/>")
    assert made[0].key not in furnish(board, [], 5.0).board.instances


def change(container: int, version: int = 0, *, remove: bool = False) -> MemberChange:
    """Give the wish to add Bob to a container, or to remove him."""
    add, gone = (frozenset[Member](), {BOB}) if remove else ({BOB}, frozenset[Member]())
    return MemberChange(container, version, frozenset(add), frozenset(gone))


def test_members_have_versions_too() -> None:
    """Two devices that change access levels do not overwrite one another."""
    board = changed(set_members(empty(), [change(BLOCKED)], 1.0, Quotas()))
    assert board.containers == {BLOCKED: Container(1, frozenset({BOB}))}
    assert set_members(board, [change(BLOCKED, 0, remove=True)], 2.0, Quotas()) == Stale((Fault(1, BLOCKED, 0, 1),))
    board = changed(set_members(board, [change(BLOCKED, 1, remove=True)], 2.0, Quotas()))
    assert board.containers == {BLOCKED: Container(2)}


def test_what_is_true_already_needs_no_version() -> None:
    """A client that asks twice for the same level is not refused."""
    board = changed(set_members(empty(), [change(BLOCKED)], 1.0, Quotas()))
    outcome = set_members(board, [change(BLOCKED, 0)], 2.0, Quotas())
    assert isinstance(outcome, Published)
    assert outcome.board is board


def test_members_are_bounded_and_container_0_is_everybodys() -> None:
    """Neither can a list grow without end, nor can anybody be kept out of what is everybody's."""
    assert set_members(empty(), [change(0)], 1.0, Quotas()) == Denied(Denial.READ_ONLY)
    assert set_members(empty(), [change(200)], 1.0, Quotas(members=0)) == Denied(Denial.TOO_MANY_MEMBERS)
    assert set_members(empty(), [change(200)], 1.0, Quotas(containers=0)) == Denied(Denial.TOO_MANY_CONTAINERS)


def test_acknowledges_only_who_is_there() -> None:
    """A user confirms that he knows of a watcher; of nobody else."""
    dave = Aor("sip:dave@contoso.test")
    board = replace(empty(), subscribers=(Subscriber(dave),))
    assert changed(acknowledge(board, [dave], 1.0)).subscribers == (Subscriber(dave, acknowledged=True),)
    assert acknowledge(board, [ALICE], 1.0) == Denied(Denial.NO_SUBSCRIBER)


def test_only_what_clients_said_for_good_is_durable() -> None:
    """What belongs to a device ends with the process, as the device's connection does."""
    made = Instance(NOTE, 1, Expire.STATIC, "", 0.0)
    assert not made.is_durable
    assert replace(made, epid=PC).is_durable
    assert not replace(made, epid=PC, expire=Expire.ENDPOINT).is_durable
