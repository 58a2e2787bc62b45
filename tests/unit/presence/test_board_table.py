"""The table of boards: durable facts, other writers, deadlines, memory."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail
from zope.interface import implementer

from lyncpy.contracts.contacts import IContacts
from lyncpy.contracts.facts import BoardChanged, EndpointGone, EndpointGoneReason, PersonChanged
from lyncpy.contracts.names import Aor, Epid, FlowName, Version
from lyncpy.contracts.policy import IPolicies, Policy
from lyncpy.contracts.refusal import Refused, StoreUnavailable
from lyncpy.contracts.store import Conflict
from lyncpy.core import keyed_lock
from lyncpy.sip.markup import read_xml
from lyncpy.workloads.presence.board_table import BoardTable, Decide
from lyncpy.workloads.presence.bodies.board_record import write_record
from lyncpy.workloads.presence.bodies.published_values import read_state
from lyncpy.workloads.presence.model.audience import STRANGER, audience
from lyncpy.workloads.presence.model.board import Board, Published, StaleVersions, publish
from lyncpy.workloads.presence.model.levels import MemberChange, set_members, subscribe
from lyncpy.workloads.presence.model.states import Aggregate, StateDocument, StateKind
from lyncpy.workloads.presence.model.tables import (
    Container,
    ContainerMember,
    Delegate,
    Delegates,
    Expire,
    Instance,
    InstanceKey,
    MemberKind,
    Publication,
    Subscriber,
)
from tests.kit.boards import NoContacts, colleague, read_record, usual_quotas
from tests.kit.hall import Hall
from tests.kit.presence import people, state
from tests.kit.results import begun, result_of, started

ALICE = Aor("sip:alice@contoso.test")
PC = Epid("pc")
NOTE, USER = InstanceKey("note", 0, 200), InstanceKey("state", 0x20000000, 2)
PC_GONE = EndpointGone(ALICE, PC, FlowName("n1/1"), EndpointGoneReason.CONNECTION_LOST, last=True)


def wish(
    key: InstanceKey = NOTE, value: str = "<note/>", version: int = 0, expire: Expire = Expire.STATIC, **more: Any
) -> Decide:
    """Give a decision to publish one thing."""
    one = Publication(key, version, expire, value, **more)
    return lambda board, now: publish(board, [one], PC, now, usual_quotas())


BUSY = StateDocument(StateKind.USER, 6500, manual=True)
ONLINE = StateDocument(StateKind.MACHINE, 3500)
machine = wish(InstanceKey("state", 3, 2), "", expire=Expire.ENDPOINT, state=ONLINE)


@pytest.fixture
def hall() -> Hall:
    """A hall that knows Alice."""
    return Hall(people("alice", *(f"u{n}" for n in range(9))))


def boards_of(hall: Hall, in_memory: int = 100) -> BoardTable:
    """Give a table as a process that has just started has it."""
    return BoardTable(hall.platform(), NoContacts(), (), usual_quotas(), in_memory=in_memory)


@pytest.fixture
def boards(hall: Hall) -> BoardTable:
    """A table."""
    return boards_of(hall)


def changed(boards: BoardTable, decide: Decide, aor: Aor = ALICE) -> Board:
    """Give the board after a change that is allowed."""
    outcome = result_of(boards.change(aor, decide, PC))
    assert isinstance(outcome, Published)
    return outcome.board


def availability(board: Board) -> int:
    """Give what colleagues see."""
    value = board.instances[InstanceKey("state", 1, 200)].value
    assert isinstance(value, Aggregate)
    return value.availability


def test_a_note_survives_a_restart_with_its_version(hall: Hall, boards: BoardTable) -> None:
    """What was acknowledged is there when the server is started again."""
    changed(boards, wish(value="<note>hä</note>"))
    again = result_of(boards_of(hall).read(ALICE))
    assert (again.instances[NOTE].value, again.instances[NOTE].version, again.instances[NOTE].epid) == (
        "<note>hä</note>",
        1,
        PC,
    )


def test_what_belongs_to_a_device_does_not_survive(hall: Hall, boards: BoardTable) -> None:
    """After a restart nobody is online before their client has come back; what they chose still holds."""
    changed(boards, machine)
    busy = changed(boards, wish(USER, state("userState", 6500, manual=True), state=BUSY))
    assert availability(busy) == 6500
    restarted = boards_of(hall)
    assert availability(result_of(restarted.read(ALICE))) == 18500
    assert availability(changed(restarted, machine)) == 6500


def test_access_levels_survive_a_restart(hall: Hall, boards: BoardTable) -> None:
    """Who was blocked stays blocked."""
    bob = frozenset({ContainerMember(MemberKind.USER, "bob@contoso.test")})
    change = MemberChange(32000, 0, bob, frozenset())
    changed(boards, lambda board, now: set_members(board, [change], now, usual_quotas(), colleague))
    assert result_of(boards_of(hall).read(ALICE)).containers == {32000: Container(1, bob)}


def test_a_record_reads_as_it_was_written() -> None:
    """Nothing durable is lost on the way through the store."""
    board = read_record(ALICE, write_record(Board(ALICE, Version(7), last_active=3.0)))
    assert board == Board(ALICE, Version(7), last_active=3.0)
    with pytest.raises(ValueError, match="newer"):
        read_record(ALICE, b'{"form":99}')


def test_devices_cost_the_store_nothing(hall: Hall, boards: BoardTable) -> None:
    """Coming and going is not written: it would be the most frequent write of all."""
    changed(boards, machine)
    assert result_of(awaited(hall.store.read("board", ALICE))) is None


async def awaited(promise: Awaitable[Any]) -> Any:
    """Wait for a promise."""
    return await promise


def test_a_change_is_told_after_it_is_durable(hall: Hall, boards: BoardTable) -> None:
    """Nobody hears of what could still be lost."""
    heard: list[BoardChanged] = []

    async def hear(fact: BoardChanged) -> None:
        assert result_of(awaited(hall.store.read("board", ALICE))) is not None
        heard.append(fact)

    hall.bus.listen(BoardChanged, hear)
    changed(boards, wish())
    hall.clock.advance(0)
    assert [(one.aor, one.categories, one.by, one.shown) for one in heard] == [
        (ALICE, frozenset({"note"}), PC, frozenset({("note", 200)}))
    ]


def test_nothing_is_changed_when_the_store_fails(
    hall: Hall, boards: BoardTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A note that cannot be kept is refused, and not shown."""
    monkeypatch.setattr(hall.store, "write", lambda *_: fail(StoreUnavailable("full")))
    with pytest.raises(StoreUnavailable):
        result_of(boards.change(ALICE, wish(), PC))
    assert NOTE not in result_of(boards.read(ALICE)).instances


def test_another_process_was_first(hall: Hall, boards: BoardTable) -> None:
    """Two processes change one user's presence, and neither loses what the other has written; devices stay."""
    changed(boards, machine)
    changed(boards_of(hall), wish(value="<note>theirs</note>"))
    board = changed(boards, wish(InstanceKey("note", 0, 300), "<note>mine</note>"))
    assert {one.value for one in board.instances_of("note")} == {"<note>theirs</note>", "<note>mine</note>"}
    assert availability(board) == 3500


def test_gives_up_when_others_are_always_first(hall: Hall, boards: BoardTable, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client is told to come again instead of waiting for ever."""
    monkeypatch.setattr(hall.store, "write", lambda *_: fail(Conflict()))
    with pytest.raises(Refused) as caught:
        result_of(boards.change(ALICE, wish(), PC))
    assert caught.value.status == 503


def test_changes_of_one_board_come_one_after_the_other(
    hall: Hall, boards: BoardTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second device's publication sees the first one's, also while that is being written."""
    writing: Deferred[Version] = Deferred()
    monkeypatch.setattr(hall.store, "write", lambda *_: writing)
    first = started(boards.change(ALICE, wish(), PC))
    second = started(boards.change(ALICE, wish(version=1), PC))
    assert not first.called
    writing.callback(Version(1))
    monkeypatch.undo()
    assert isinstance(first.result, Published)
    assert isinstance(second.result, Published)
    assert second.result.board.instances[NOTE].version == 2


def test_an_endpoint_that_goes_while_it_publishes_leaves_nothing(
    hall: Hall, boards: BoardTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody stays online because their connection broke in the wrong moment."""
    writing: Deferred[Version] = Deferred()
    changed(boards, machine)
    monkeypatch.setattr(hall.store, "write", lambda *_: writing)
    _ = started(boards.change(ALICE, wish(USER, "", state=BUSY), PC))
    _ = started(boards.endpoint_gone(PC_GONE))
    writing.callback(Version(1))
    assert availability(result_of(boards.read(ALICE))) == 18500


@pytest.mark.untraced
def test_an_endpoint_that_goes_while_hundreds_wait_leaves_nothing(
    hall: Hall, boards: BoardTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who floods their own board until nothing more is let in is offline all the same when their connection breaks."""
    writing: Deferred[Version] = Deferred()
    writes = [writing]
    changed(boards, machine)
    monkeypatch.setattr(hall.store, "write", lambda *_: writes.pop() if writes else fail(StoreUnavailable("gone")))
    for _ in range(keyed_lock.WAITING_BOUND + 1):
        begun(boards.change(ALICE, wish(), PC), StoreUnavailable)
    with pytest.raises(Refused):
        result_of(boards.change(ALICE, wish(), PC))
    leaving = started(boards.endpoint_gone(PC_GONE))
    writing.errback(StoreUnavailable("gone"))
    assert leaving.called
    assert availability(result_of(boards.read(ALICE))) == 18500


def test_a_time_that_is_up_ends_by_itself(hall: Hall, boards: BoardTable) -> None:
    """Busy for an hour ends after an hour, without a client."""
    changed(boards, machine)
    changed(boards, wish(USER, state("userState", 6500), expire=Expire.TIME, expires_s=3600, state=BUSY))
    hall.clock.advance(3500)
    assert availability(result_of(boards.read(ALICE))) == 6500
    hall.clock.advance(120)
    assert availability(result_of(boards.read(ALICE))) == 3500
    assert availability(result_of(boards_of(hall).read(ALICE))) == 18500


def test_a_meeting_begins_and_ends_by_itself(hall: Hall, boards: BoardTable) -> None:
    """A client publishes a meeting ahead; the server shows it in time."""
    now = hall.timers.wall()
    meeting = StateDocument(StateKind.CALENDAR, 6500, starts=now + 600, ends=now + 1200)
    changed(boards, machine)
    changed(boards, wish(InstanceKey("state", 4, 2), "", expire=Expire.ENDPOINT, state=meeting))
    seen = []
    for _ in range(3):
        seen.append(availability(result_of(boards.read(ALICE))))
        hall.clock.advance(602)
    assert seen == [3500, 6500, 3500]


def test_what_lapses_is_tried_again_when_the_store_fails(
    hall: Hall, boards: BoardTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An outage of the store does not make anybody busy for ever."""
    changed(boards, machine)
    changed(boards, wish(USER, "", expire=Expire.TIME, expires_s=60, state=BUSY))
    monkeypatch.setattr(hall.store, "write", lambda *_: fail(StoreUnavailable("down")))
    hall.clock.advance(61)
    assert availability(result_of(boards.read(ALICE))) == 6500
    monkeypatch.undo()
    hall.clock.advance(31)
    assert availability(result_of(boards.read(ALICE))) == 3500


def test_those_who_are_signed_out_leave_the_memory_first(hall: Hall) -> None:
    """Memory is bounded, and nobody who is online is forgotten."""
    boards = boards_of(hall, in_memory=3)
    changed(boards, machine)
    for n in range(9):
        result_of(boards.read(Aor(f"sip:u{n}@contoso.test")))
    assert len(boards) == 3
    assert boards.peek(ALICE) is not None


def test_the_card_follows_the_directory(hall: Hall, boards: BoardTable) -> None:
    """A new title is on the card as soon as the directory tells it."""
    result_of(boards.read(ALICE))
    hall.people.remove(ALICE)  # the directory forgets them
    result_of(boards.person_changed(PersonChanged.gone(ALICE)))
    board = boards.peek(ALICE)
    assert board is not None
    assert not list(board.instances_of("contactCard"))


def test_the_directory_changes_boards_that_somebody_may_have_seen(hall: Hall) -> None:
    """A pull of a large directory reads the boards of those who are watched, not everybody's."""
    u1, u2 = Aor("sip:u1@contoso.test"), Aor("sip:u2@contoso.test")
    boards = BoardTable(hall.platform(), NoContacts(), {u1}, usual_quotas(), in_memory=100)
    for aor in (u1, u2):
        result_of(boards.person_changed(PersonChanged(aor, is_known=True, may_stay=True)))
    assert boards.peek(u1) is not None
    assert boards.peek(u2) is None
    assert boards.peek_all([u1, u2]) == {u1: boards.peek(u1), u2: None}


def test_an_old_version_that_is_sent_again_is_accepted(boards: BoardTable) -> None:
    """A client that knows no current version gets on after one fault; the next old version is refused again."""
    admitted: list[str] = []

    async def admit() -> None:
        admitted.append("pc")

    def published(version: int) -> type:
        one = Publication(NOTE, version, Expire.STATIC, f"<note>{len(admitted)}</note>")
        return type(result_of(boards.publish(ALICE, [one], PC, admit)))

    assert [published(version) for version in (0, 7, 7, 7, 9, 7)] == [
        Published,
        StaleVersions,
        Published,
        StaleVersions,
        StaleVersions,
        StaleVersions,
    ]
    assert len(admitted) == 6


def test_closing_cancels_deadlines(hall: Hall, boards: BoardTable) -> None:
    """A server that is shut down does nothing more."""
    changed(boards, wish(USER, "", expire=Expire.TIME, expires_s=60, state=BUSY))
    boards.close()
    assert len(hall.timers) == 0


@implementer(IContacts)
class Lists:
    """Contact lists that a test writes; unreadable when it says so."""

    def __init__(self) -> None:
        self.found: dict[Aor, frozenset[Aor]] = {}
        self.fails = False
        self.gate: Deferred[None] | None = None
        """What the next answer waits for, once it is read."""

    async def contacts_of(self, owner: Aor) -> frozenset[Aor]:
        """Give a list."""
        if self.fails:
            raise StoreUnavailable("gone")
        found = self.found.get(owner, frozenset())
        if self.gate is not None:
            await self.gate
        return found


@implementer(IPolicies)
class Rules:
    """A policy that a test changes."""

    def __init__(self) -> None:
        self.private = False

    def policy_of(self, aor: Aor) -> Policy:
        """Give everybody the same."""
        return Policy(privacy_mode=self.private)


BOB = Aor("sip:bob@contoso.test")
PRIVATE = InstanceKey("otherOptions", 2, 1)
WISH = "<otherOptions><privacyModeUserSelection>Private</privacyModeUserSelection></otherOptions>"


def private_boards(hall: Hall, lists: Lists, rules: Rules) -> BoardTable:
    """Give a table that knows contact lists and policies."""
    return BoardTable(hall.platform(policies=rules), lists, (), usual_quotas(), in_memory=100)


def sees(boards: BoardTable) -> bool:
    """Tell whether Bob sees Alice."""
    return audience(result_of(boards.read(ALICE)), BOB) != STRANGER


def test_privacy_mode_follows_policies_and_contacts(hall: Hall) -> None:
    """When an administrator turns it on, only contacts see a user; each change is told, so that watchers are looked at anew."""
    lists, rules = Lists(), Rules()
    boards = private_boards(hall, lists, rules)
    told: list[BoardChanged] = []
    listening = hall.bus.listen(BoardChanged, hears(told))
    assert sees(boards)
    rules.private = True
    result_of(boards.reprivate_all())
    assert not sees(boards)
    lists.found[ALICE] = frozenset({BOB})
    result_of(boards.reprivate(ALICE))
    assert sees(boards)
    rules.private = False
    lists.found.clear()
    result_of(boards.reprivate_all())
    assert sees(boards)
    hall.clock.advance(0)
    assert [fact.members for fact in told] == [{100, 200}] * 3
    listening.stop()


def test_privacy_mode_holds_from_the_first_reading(hall: Hall) -> None:
    """A board that is read for the first time is already private."""
    rules = Rules()
    rules.private = True
    boards = private_boards(hall, Lists(), rules)
    result_of(boards.reprivate(ALICE))  # not in memory: nothing to do
    assert boards.peek(ALICE) is None
    assert not sees(boards)


def test_privacy_mode_holds_where_the_directory_has_a_board_read(hall: Hall) -> None:
    """Alice is watched, and their board is read only because something else is known of them now; nobody sees it open."""
    rules = Rules()
    rules.private = True
    boards = BoardTable(hall.platform(policies=rules), Lists(), {ALICE}, usual_quotas(), in_memory=100)
    seen: list[bool] = []

    async def looks(_: BoardChanged) -> None:
        seen.append(sees(boards))

    listening = hall.bus.listen(BoardChanged, looks)
    result_of(boards.person_changed(PersonChanged(ALICE, is_known=True, may_stay=True)))
    hall.clock.advance(0)
    assert (seen, sees(boards)) == ([False], False)
    listening.stop()


def test_a_user_may_choose_privacy(hall: Hall) -> None:
    """Their own client turns it on, and it outlasts a restart; taking the wish away turns it off."""
    lists, rules = Lists(), Rules()
    boards = private_boards(hall, lists, rules)
    changed(boards, wish(PRIVATE, WISH, private=True))
    assert not sees(boards)
    assert not sees(private_boards(hall, lists, rules))
    changed(boards, wish(PRIVATE, "<otherOptions/>", version=1))
    assert sees(boards)


def test_a_list_that_cannot_be_read_lets_nobody_in(hall: Hall) -> None:
    """While the store is away nobody sees more than before, and it is tried again."""
    lists, rules = Lists(), Rules()
    lists.found[ALICE] = frozenset({BOB})
    boards = private_boards(hall, lists, rules)
    result_of(boards.read(ALICE))
    lists.fails = True
    changed(boards, wish(PRIVATE, WISH, private=True))
    assert not sees(boards)
    lists.fails = False
    hall.clock.advance(31)
    assert sees(boards)


def test_a_contact_list_is_tried_again_by_one_timer(hall: Hall) -> None:
    """However often a list could not be read, it is read again once; and not at all after the end."""
    lists, rules = Lists(), Rules()
    rules.private = True
    boards = private_boards(hall, lists, rules)
    result_of(boards.read(ALICE))
    lists.fails = True
    for _ in range(5):
        result_of(boards.reprivate(ALICE))
    assert len(hall.timers) == 1
    boards.close()
    assert len(hall.timers) == 0


def test_a_contact_list_is_tried_again_until_it_can_be_read(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    """An outage may be longer than one attempt, and other writers may be first for as long."""
    lists, rules = Lists(), Rules()
    rules.private = True
    lists.found[ALICE] = frozenset({BOB})
    boards = private_boards(hall, lists, rules)
    carol = Aor("sip:carol@contoso.test")
    changed(boards, lambda board, now: subscribe(board, carol, "Carol", now, 200))
    lists.found[ALICE] = frozenset({carol})
    lists.fails = True
    result_of(boards.reprivate(ALICE))
    lists.fails = False
    monkeypatch.setattr(hall.store, "write", lambda *_: fail(Conflict()))
    hall.clock.advance(31)
    monkeypatch.undo()
    hall.clock.advance(31)
    assert result_of(boards.read(ALICE)).private_to == frozenset({carol})


def test_who_was_taken_off_the_list_sees_nothing_while_the_store_is_away(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Privacy waits for nothing: what cannot be written meanwhile is written later."""
    lists, rules = Lists(), Rules()
    rules.private = True
    carol = Aor("sip:carol@contoso.test")
    lists.found[ALICE] = frozenset({BOB})
    boards = private_boards(hall, lists, rules)
    assert sees(boards)
    changed(boards, lambda board, now: subscribe(board, carol, "Carol", now, 200))
    lists.found[ALICE] = frozenset({carol})
    monkeypatch.setattr(hall.store, "write", lambda *_: fail(StoreUnavailable("full")))
    result_of(boards.reprivate(ALICE))
    assert not sees(boards)
    monkeypatch.undo()
    hall.clock.advance(31)
    board = result_of(boards.read(ALICE))
    assert board.private_to == frozenset({carol})
    assert board.subscribers == (Subscriber(carol, "Carol", acknowledged=True),)


def test_a_list_that_changes_while_a_board_is_read_counts(hall: Hall) -> None:
    """Bob, taken off in the moment in which Alice's board is read, does not see Alice."""
    lists, rules = Lists(), Rules()
    rules.private = True
    lists.found[ALICE] = frozenset({BOB})
    boards = private_boards(hall, lists, rules)
    lists.gate = Deferred()
    reading = started(boards.read(ALICE))
    lists.found[ALICE] = frozenset()
    _ = started(boards.reprivate(ALICE))
    gate, lists.gate = lists.gate, None
    gate.callback(None)
    assert reading.called
    assert not sees(boards)


def test_a_new_contact_is_not_asked_about_any_more(hall: Hall) -> None:
    """Adding somebody who watches answers the question whether one knows them."""
    lists = Lists()
    boards = private_boards(hall, lists, Rules())
    changed(boards, lambda board, now: subscribe(board, BOB, "Bob", now, 200))
    lists.found[ALICE] = frozenset({BOB})
    result_of(boards.reprivate(ALICE))
    assert result_of(private_boards(hall, Lists(), Rules()).read(ALICE)).subscribers == (
        Subscriber(BOB, "Bob", acknowledged=True),
    )


def test_everything_durable_is_in_a_record() -> None:
    """Delegates, subscribers and what a client chose come back as they were."""
    text = state("userState", 6500, manual=True)
    chosen = Instance(USER, 2, Expire.STATIC, text, 5.0, PC, None, read_state_of(text))
    board = Board(
        ALICE,
        Version(9),
        {USER: chosen},
        {300: Container(2, frozenset({ContainerMember(MemberKind.DOMAIN, "x.test")}))},
        (Subscriber(BOB, "Bob"),),
        4.0,
        Delegates(3, (Delegate(BOB, publish=True),)),
    )
    assert read_record(ALICE, write_record(board)) == board


def test_a_record_of_an_older_server_is_read() -> None:
    """An update of the server loses nothing: a record without delegates has none."""
    old = (
        b'{"form":1,"version":7,"last_active":null,"publications":[{"key":["note",0,200],"version":3,"expire":"static",'
        b'"value":"<n/>","published":1.0,"epid":"pc","until":null}],"containers":{"32000":{"version":1,"members":'
        b'[["user","bob@contoso.test"]]}},"subscribers":[["sip:bob@contoso.test","Bob",true]]}'
    )
    board = read_record(ALICE, old)
    assert board.delegates == Delegates()
    assert (board.version, board.instances[NOTE].version, board.containers[32000].version) == (7, 3, 1)
    assert board.subscribers == (Subscriber(BOB, "Bob", acknowledged=True),)


def read_state_of(text: str) -> StateDocument | None:
    """Read a state as it was published."""
    return read_state(read_xml(text.encode()))


def hears(told: list[BoardChanged]) -> Callable[[BoardChanged], Awaitable[None]]:
    """Give a listener that writes down what it hears."""

    async def listener(fact: BoardChanged) -> None:
        told.append(fact)

    return listener


def test_who_is_gone_when_their_turn_comes_changes_nothing(boards: BoardTable) -> None:
    """An endpoint is looked for when nobody else changes the board: its end comes behind, or has been."""
    gate: Deferred[None] = Deferred()
    order: list[str] = []

    async def waits() -> None:
        order.append("first")
        await gate

    async def refuses() -> None:
        order.append("second")
        raise Refused(403)

    def note(text: str) -> list[Publication]:
        return [Publication(NOTE, 0, Expire.STATIC, text)]

    begun(boards.publish(ALICE, note("<note/>"), PC, waits))
    refused: list[object] = []
    _ = started(boards.publish(ALICE, note("<note>late</note>"), PC, refuses)).addErrback(refused.append)
    assert order == ["first"]
    gate.callback(None)
    assert order == ["first", "second"]
    assert len(refused) == 1
    found = boards.peek(ALICE)
    assert found is not None
    assert found.instances[NOTE].version == 1
