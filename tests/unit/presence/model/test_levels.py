"""Who may see a board: members, delegates, subscribers, privacy."""

from dataclasses import replace

import pytest

from lyncpy.contracts.names import Aor, Epid
from lyncpy.workloads.presence.model.board import (
    Board,
    BoardDelta,
    Outcome,
    PublicationDenied,
    Published,
    StaleVersions,
    VersionFault,
    publish,
    with_aggregates,
)
from lyncpy.workloads.presence.model.levels import (
    MemberChange,
    acknowledge,
    privatise,
    set_delegates,
    set_members,
    subscribe,
    unsubscribe,
)
from lyncpy.workloads.presence.model.tables import (
    BLOCKED,
    Container,
    ContainerMember,
    Delegate,
    Delegates,
    Denial,
    Expire,
    InstanceKey,
    MemberKind,
    Publication,
    Subscriber,
)
from tests.kit.boards import colleague, usual_quotas

ALICE, DAVE = Aor("sip:alice@contoso.test"), Aor("sip:dave@contoso.test")
BOB = ContainerMember(MemberKind.USER, "bob@contoso.test")
ERIN = Aor("sip:erin@contoso.test")


def empty() -> Board:
    """Give the board of somebody who never published."""
    return with_aggregates(Board(ALICE), Board(ALICE), 0.0).board


def changed(outcome: Outcome) -> Board:
    """Give the board after a change that is allowed."""
    assert isinstance(outcome, Published), outcome
    return outcome.board


def change(container: int, version: int = 0, *, remove: bool = False) -> MemberChange:
    """Give the change that adds Bob to a container, or removes them."""
    add, gone = (frozenset[ContainerMember](), {BOB}) if remove else ({BOB}, frozenset[ContainerMember]())
    return MemberChange(container, version, frozenset(add), frozenset(gone))


def test_members_have_versions_too() -> None:
    """Two devices that change access levels do not overwrite one another."""
    board = changed(set_members(empty(), [change(BLOCKED)], 1.0, usual_quotas(), colleague))
    assert board.containers == {BLOCKED: Container(1, frozenset({BOB}))}
    assert set_members(board, [change(BLOCKED, 0, remove=True)], 2.0, usual_quotas(), colleague) == StaleVersions(
        (VersionFault(1, BLOCKED, 0, 1),)
    )
    board = changed(set_members(board, [change(BLOCKED, 1, remove=True)], 2.0, usual_quotas(), colleague))
    assert board.containers == {BLOCKED: Container(2)}


def test_what_is_true_already_needs_no_version() -> None:
    """A client that asks twice for the same level is not refused."""
    board = changed(set_members(empty(), [change(BLOCKED)], 1.0, usual_quotas(), colleague))
    outcome = set_members(board, [change(BLOCKED, 0)], 2.0, usual_quotas(), colleague)
    assert isinstance(outcome, Published)
    assert outcome.board is board


def test_members_are_bounded_and_container_0_is_everybodys() -> None:
    """Neither can a list grow without end, nor can anybody be kept out of what is everybody's."""
    assert set_members(empty(), [change(0)], 1.0, usual_quotas(), colleague) == PublicationDenied(Denial.READ_ONLY)
    for none in (usual_quotas(members=0), usual_quotas(members_in_all=0)):
        assert set_members(empty(), [change(200)], 1.0, none, colleague) == PublicationDenied(Denial.TOO_MANY_MEMBERS)
    assert set_members(empty(), [change(200)], 1.0, usual_quotas(containers=0), colleague) == PublicationDenied(
        Denial.TOO_MANY_CONTAINERS
    )


def test_a_bound_that_was_lowered_lets_people_be_taken_off() -> None:
    """Who has more than an administrator allows now may still remove some, and add nobody."""
    carol = ContainerMember(MemberKind.USER, "carol@contoso.test")
    both = MemberChange(BLOCKED, 0, frozenset({BOB, carol, ContainerMember(MemberKind.DOMAIN, "a.test")}), frozenset())
    board = changed(set_members(empty(), [both], 1.0, usual_quotas(), colleague))
    board = changed(set_members(board, [change(200)], 1.0, usual_quotas(), colleague))
    few = usual_quotas(members=1, containers=1)
    assert (
        len(
            changed(set_members(board, [change(BLOCKED, 1, remove=True)], 2.0, few, colleague))
            .containers[BLOCKED]
            .members
        )
        == 2
    )
    more = MemberChange(BLOCKED, 1, frozenset({ContainerMember(MemberKind.DOMAIN, "b.test")}), frozenset())
    assert set_members(board, [more], 2.0, few, colleague) == PublicationDenied(Denial.TOO_MANY_MEMBERS)
    assert set_members(board, [change(300)], 2.0, few, colleague) == PublicationDenied(Denial.TOO_MANY_CONTAINERS)


def test_fewer_delegates_than_there_are_can_be_reached_one_by_one() -> None:
    """The same for delegates."""
    three = [Delegate(DAVE), Delegate(ERIN), Delegate(Aor("sip:frank@contoso.test"))]
    board = changed(set_delegates(empty(), 0, three, [], 1.0, usual_quotas()))
    assert len(changed(set_delegates(board, 1, [], [DAVE], 2.0, usual_quotas(delegates=1))).delegates.members) == 2


def test_acknowledges_only_who_is_there() -> None:
    """A user confirms that they know of a watcher; of nobody else."""
    dave = Aor("sip:dave@contoso.test")
    board = replace(empty(), subscribers=(Subscriber(dave),))
    assert changed(acknowledge(board, [dave], 1.0, usual_quotas())).subscribers == (
        Subscriber(dave, acknowledged=True),
    )
    assert acknowledge(board, [ALICE], 1.0, usual_quotas()) == PublicationDenied(Denial.NO_SUBSCRIBER)


def test_a_watcher_who_is_not_known_is_noted_once() -> None:
    """The user will be asked about somebody who began to watch them, and not twice."""
    outcome = subscribe(empty(), DAVE, "Dave", 1.0, 200)
    assert outcome.board.subscribers == (Subscriber(DAVE, "Dave"),)
    assert (outcome.changes.subscribers, outcome.changes.durable) == (True, True)
    assert subscribe(outcome.board, DAVE, "Dave", 2.0, 200).changes == BoardDelta()


@pytest.mark.parametrize(
    "board",
    [
        replace(empty(), subscribers=(Subscriber(DAVE, acknowledged=True),)),
        replace(empty(), delegates=Delegates(1, (Delegate(DAVE),))),
        replace(
            empty(), containers={400: Container(1, frozenset({ContainerMember(MemberKind.USER, "dave@contoso.test")}))}
        ),
        replace(empty(), aor=DAVE),
    ],
)
def test_a_watcher_who_is_known_is_not_noted(board: Board) -> None:
    """Whom a user has acknowledged, placed at a level or made their delegate, and the user, is no news."""
    assert subscribe(board, DAVE, "", 1.0, 200).board is board


def test_only_so_many_wait_to_be_told_of() -> None:
    """A user comes back to a bounded number of questions; where the policy says 0, they are never asked."""
    assert subscribe(empty(), DAVE, "", 1.0, 0).board.subscribers == ()
    one = subscribe(empty(), DAVE, "", 1.0, 1).board
    assert subscribe(one, ERIN, "", 2.0, 1).board is one
    known = changed(acknowledge(one, [DAVE], 3.0, usual_quotas()))
    assert len(subscribe(known, ERIN, "", 4.0, 1).board.subscribers) == 2


def test_who_stops_watching_is_forgotten_unless_he_was_told_of() -> None:
    """A question that nobody has seen yet is taken back; an answer is kept."""
    board = subscribe(empty(), DAVE, "", 1.0, 200).board
    assert unsubscribe(board, DAVE, 2.0).board.subscribers == ()
    known = changed(acknowledge(board, [DAVE], 2.0, usual_quotas()))
    assert unsubscribe(known, DAVE, 3.0).board is known


def test_answers_are_kept_up_to_a_bound() -> None:
    """The oldest of many answers is forgotten first."""
    board = replace(empty(), subscribers=(Subscriber(DAVE, acknowledged=True), Subscriber(ERIN)))
    assert changed(acknowledge(board, [ERIN], 1.0, usual_quotas(subscribers=1))).subscribers == (
        Subscriber(ERIN, acknowledged=True),
    )


def test_adding_a_watcher_as_contact_answers_the_question() -> None:
    """Who is put on the list was obviously noticed."""
    board = subscribe(empty(), DAVE, "", 1.0, 200).board
    outcome = privatise(board, frozenset({DAVE}), 2.0, usual_quotas(), private=False)
    assert outcome.board.subscribers == (Subscriber(DAVE, acknowledged=True),)
    assert outcome.board.private_to is None


def test_delegates_have_a_version() -> None:
    """Two devices that choose delegates do not overwrite one another."""
    board = changed(set_delegates(empty(), 0, [Delegate(DAVE, publish=True)], [], 1.0, usual_quotas()))
    assert board.delegates == Delegates(1, (Delegate(DAVE, publish=True),))
    assert set_delegates(board, 0, [Delegate(ERIN)], [], 2.0, usual_quotas()) == StaleVersions(
        (VersionFault(1, None, 0, 1),)
    )
    board = changed(set_delegates(board, 1, [Delegate(DAVE), Delegate(ERIN)], [], 2.0, usual_quotas()))
    assert board.delegates == Delegates(2, (Delegate(DAVE), Delegate(ERIN)))
    outcome = set_delegates(board, 2, [], [DAVE], 3.0, usual_quotas())
    assert changed(outcome).delegates == Delegates(3, (Delegate(ERIN),))
    assert isinstance(outcome, Published)
    assert (outcome.changes.delegates, outcome.changes.durable) == (True, True)
    assert outcome.changes.members == {300}


def test_delegates_are_bounded_and_asking_twice_is_no_fault() -> None:
    """A list cannot grow without end; what is true already needs no version."""
    assert set_delegates(empty(), 0, [Delegate(DAVE)], [], 1.0, usual_quotas(delegates=0)) == PublicationDenied(
        Denial.TOO_MANY_DELEGATES
    )
    board = empty()
    assert changed(set_delegates(board, 9, [], [DAVE], 1.0, usual_quotas())) is board


def test_privacy_mode_comes_by_policy_or_by_wish() -> None:
    """A policy turns it on; so does the user, in their own client; and watchers are looked at anew each time."""
    contacts = frozenset({DAVE})
    outcome = privatise(empty(), contacts, 1.0, usual_quotas(), private=True)
    assert outcome.board.private_to == contacts
    assert outcome.changes.members == {100, 200}
    assert not outcome.changes.durable
    assert privatise(outcome.board, contacts, 2.0, usual_quotas(), private=True).changes == BoardDelta()
    assert privatise(outcome.board, contacts, 2.0, usual_quotas(), private=False).board.private_to is None
    wish = Publication(InstanceKey("otherOptions", 2, 1), 0, Expire.STATIC, "<o/>", private=True)
    board = changed(publish(empty(), [wish], Epid("pc"), 1.0, usual_quotas()))
    assert privatise(board, contacts, 2.0, usual_quotas(), private=False).board.private_to == contacts


def test_who_kept_an_audience_can_tell_that_it_may_be_another() -> None:
    """Whatever decides who sees what leaves another mapping of containers behind."""
    board = empty()
    private = privatise(board, frozenset(), 1.0, usual_quotas(), private=True).board
    delegating = changed(set_delegates(board, 0, [Delegate(DAVE)], [], 1.0, usual_quotas()))
    assert private.containers is not board.containers
    assert delegating.containers is not board.containers
