"""What holds for all publications, levels, endpoints and watchers."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from lyncpy.contracts.names import Aor, Epid
from lyncpy.workloads.presence.bodies.board_record import write_record
from lyncpy.workloads.presence.bodies.categories import write_view
from lyncpy.workloads.presence.model.aggregate import aggregate, aggregates
from lyncpy.workloads.presence.model.audience import BlockedAudience, audience, is_blocked, visible
from lyncpy.workloads.presence.model.board import (
    Board,
    Published,
    compare,
    expire,
    leave,
    publish,
    with_aggregates,
)
from lyncpy.workloads.presence.model.states import Activity, Aggregate, Input, StateDocument, StateKind
from lyncpy.workloads.presence.model.tables import (
    Container,
    ContainerMember,
    Expire,
    InstanceKey,
    MemberKind,
    Publication,
)
from tests.kit.boards import read_record, usual_quotas
from tests.kit.hall import tree
from tests.kit.presence import Client, PresenceRoom, note, people, publication, views
from tests.kit.soak import many
from tests.kit.strategies import each_of

ALICE, BOB = Aor("sip:alice@contoso.test"), Aor("sip:bob@contoso.test")
CATEGORIES = ("note", "state", "contactCard", "calendarData")
EPIDS = st.sampled_from([Epid("pc"), Epid("laptop")])
CONTAINER_IDS = (0, 1, 2, 3, 100, 200, 300, 400, 1000, 32000)
AVAILABILITIES = (0, 3500, 5000, 6500, 6900, 7500, 9500, 12500, 15500, 18500)

ACTIVITIES = [
    Activity(token, low, high) for token in ("on-the-phone", "x") for low in (0, 6500) for high in (8999, 17999)
]
# As often none as any.
said = each_of(
    tuple(StateKind), AVAILABILITIES, (False, True), [*ACTIVITIES, *(None for _ in ACTIVITIES)], ("", "Home", "Office")
)
times = st.none() | st.floats(0, 100)
states = st.builds(
    lambda one, starts, ends: StateDocument(
        one[0], one[1], manual=one[2], activity=one[3], starts=starts, ends=ends, location=one[4]
    ),
    said,
    times,
    times,
)
wheres = each_of(("state", "note"), range(4), CONTAINER_IDS, range(4), tuple(Expire), ("<a/>", "<b/>"), (None, 0, 50))
inputs = st.builds(Input, states, EPIDS, st.sampled_from([1.0, 2.0, 50.0]) | st.floats(0, 100))


@st.composite
def publications(draw: st.DrawFn) -> Publication:
    """Give a wish of a client; a state says what its value would."""
    category, instance, container, version, expire, value, expires = draw(wheres)
    document = draw(states) if category == "state" else None
    return Publication(InstanceKey(category, instance, container), version, expire, value, expires, document)


steps = st.lists(
    st.tuples(EPIDS, st.lists(publications(), min_size=1, max_size=4, unique_by=lambda one: one.key), st.booleans()),
    max_size=12,
)


def histories(found: list[tuple[Epid, list[Publication], bool]]) -> list[tuple[Board, Board, Any]]:
    """Give each step as (before, after, outcome); a step may be an endpoint that leaves."""
    board = with_aggregates(Board(ALICE), Board(ALICE), 0.0).board
    steps = []
    for now, (epid, wishes, leaves) in enumerate(found):
        outcome = leave(board, epid, now, last=False) if leaves else publish(board, wishes, epid, now, usual_quotas())
        after = outcome.board if isinstance(outcome, Published) else board
        steps.append((board, after, outcome))
        board = after
    return steps


@given(steps)
def test_versions_only_grow(found: list[tuple[Epid, list[Publication], bool]]) -> None:
    """A client that has seen a version never sees a lower one of the same publication while it lives."""
    for before, after, _ in histories(found):
        assert after.version >= before.version
        for key in before.instances.keys() & after.instances.keys():
            old, new = before.instances[key], after.instances[key]
            assert new.version == old.version if new is old else new.version == old.version + 1


@given(steps)
def test_a_refused_publication_changes_nothing(found: list[tuple[Epid, list[Publication], bool]]) -> None:
    """All or nothing: what was accepted is all there, what was not left no trace."""
    for before, after, outcome in histories(found):
        if not isinstance(outcome, Published):
            assert after is before
        elif outcome.changes.touched:
            assert compare(before, after) == outcome.changes
            assert after.version == before.version + 1


@given(steps, st.sampled_from(CONTAINER_IDS), st.sampled_from(MemberKind))
def test_nobody_sees_what_his_containers_do_not_hold(
    found: list[tuple[Epid, list[Publication], bool]], container: int, kind: MemberKind
) -> None:
    """Whatever was published and whoever was put where, a watcher sees his audience's containers and 0 only."""
    value = {MemberKind.USER: "bob@contoso.test", MemberKind.DOMAIN: "contoso.test"}.get(kind, "")
    levels = {container: Container(1, frozenset({ContainerMember(kind, value)}))}
    for _, board, _ in histories(found):
        levelled = Board(ALICE, board.version, board.instances, levels)
        seen_by = audience(levelled, BOB)
        levels_of = seen_by.under if isinstance(seen_by, BlockedAudience) else seen_by
        assert not {1, 2, 3} & set(levels_of)
        for category in CATEGORIES:
            shown = visible(levelled, seen_by, category)
            assert all(one.key.container in (*levels_of, 0) for one in shown)
            assert not shown or not is_blocked(seen_by) or category in ("state", "contactCard")
        for state in tree(write_view(levelled, seen_by, CATEGORIES)).iter("state"):
            assert state.get("{http://www.w3.org/2001/XMLSchema-instance}type") == "aggregateState"


@given(steps)
def test_what_is_stored_is_what_is_durable(found: list[tuple[Epid, list[Publication], bool]]) -> None:
    """A restart keeps exactly what clients said for good."""
    for _, board, _ in histories(found):
        plain = {
            key: one for key, one in board.instances.items() if one.is_durable and key.category != "state"
        }  # a state is read from its XML again, which these values have not
        stored = read_record(ALICE, write_record(Board(ALICE, board.version, plain)))
        assert stored.instances == plain


@given(st.lists(inputs, max_size=6), st.floats(0, 100), st.booleans())
def test_an_aggregate_is_never_unreadable(found: list[Input], now: float, lower_dnd: bool) -> None:
    """Clients fall over a state without availability; and an activity is shown in its own range only."""
    shown = aggregate(found, 1.0, now, lower_dnd=lower_dnd)
    assert 3000 <= shown.availability <= 18500
    if shown.activity is not None:
        assert shown.activity.minimum <= shown.availability <= shown.activity.maximum
    if not any(one.state.kind is StateKind.MACHINE and one.state.is_valid(now) for one in found):
        assert shown.availability == 18500


@given(st.lists(inputs, max_size=4), st.lists(inputs, max_size=1), st.floats(0, 100))
def test_both_aggregates_are_what_each_is_by_itself(plain: list[Input], more: list[Input], now: float) -> None:
    """Whether a client says the same for both containers, as it does, or something else, and whatever it says."""
    expected = aggregate(plain, 1.0, now), aggregate([*plain, *more], 1.0, now, lower_dnd=True)
    assert aggregates(plain, [*plain, *more], 1.0, now) == expected


@given(st.lists(inputs, max_size=6))
def test_the_order_of_publications_does_not_matter(found: list[Input]) -> None:
    """Two processes that read the same states show the same person."""
    assert aggregate(found, 1.0, 50.0) == aggregate(found[::-1], 1.0, 50.0)


@given(steps)
def test_nothing_lapses_twice(found: list[tuple[Epid, list[Publication], bool]]) -> None:
    """When time has passed once, it has passed."""
    for _, board, _ in histories(found):
        later = expire(board, 200.0).board
        assert expire(later, 200.0).board is later
        assert all(not isinstance(one.value, Aggregate) or one.made for one in later.instances.values())


class TwoWatchers(RuleBasedStateMachine):
    """Alice publishes, moves people between levels, comes and goes; Bob and Carol must always be up to date."""

    def __init__(self) -> None:
        super().__init__()
        self.room = PresenceRoom(people("alice", "bob", "carol"))
        self.devices: dict[str, Client] = {}
        self.watchers = {name: self.room.sign_in(name) for name in ("bob", "carol")}
        self.seen: dict[str, dict[str, bytes]] = {}
        for name, client in self.watchers.items():
            self.seen[name] = {}
            self._take(name, views(client.watches("alice"))["alice"])

    def _take(self, name: str, document: Any) -> None:
        """Do what a client does with a document: each category that is named replaces what it knew of it."""
        for category in {one.get("name") for one in document}:
            self.seen[name][category] = b"".join(canonical(one) for one in document if one.get("name") == category)

    def _board(self) -> Board | None:
        return self.room.workload.boards.peek(ALICE)

    def _version(self, key: InstanceKey) -> int:
        board = self._board()
        one = board.instances.get(key) if board else None
        return one.version if one else 0

    @rule(
        epid=st.sampled_from(["aaaaaaaaaaaa", "cccccccccccc"]),
        number=st.sampled_from(AVAILABILITIES),
        machine=st.sampled_from(AVAILABILITIES),
    )
    def publishes_a_state(self, epid: str, number: int, machine: int) -> None:
        if epid not in self.devices:
            self.devices[epid] = self.room.sign_in("alice", epid)
        client = self.devices[epid]
        instance = int(epid[:8], 16) >> 4 | 0x30000000
        versions = [
            self._version(InstanceKey("state", instance, 2)),
            self._version(InstanceKey("state", 0x20000000, 2)),
        ]
        mine = client.states(number, versions[0], machine)[:2]
        assert client.publishes(*mine, *client.states(number, versions[1])[2:]).status == 200

    @precondition(lambda self: self.devices)
    @rule(container=st.sampled_from([200, 300, 400]), text=st.sampled_from(["", "one", "two"]), data=st.data())
    def publishes_a_note(self, container: int, text: str, data: st.DataObject) -> None:
        client = self.devices[data.draw(st.sampled_from(sorted(self.devices)))]
        version = self._version(InstanceKey("note", 0, container))
        wish = publication("note", 0, container, note(text), version=version, extra="" if text else ' expires="0"')
        assert client.publishes(wish).status == 200

    @rule(
        who=st.sampled_from(["bob", "carol"]),
        container=st.sampled_from([100, 200, 300, 400, 32000]),
        adds=st.booleans(),
    )
    def changes_a_level(self, who: str, container: int, adds: bool) -> None:
        client = Client(self.room, self.room.hall.device("alice", "aaaaaaaaaaaa"))
        board = self._board()
        version = board.containers.get(container, Container()).version if board else 0
        member = f'<member action="{"add" if adds else "remove"}" type="user" value="{who}@contoso.test"/>'
        assert client.allows(container, version, member).status == 200

    @precondition(lambda self: self.devices)
    @rule(data=st.data())
    def vanishes(self, data: st.DataObject) -> None:
        epid = data.draw(st.sampled_from(sorted(self.devices)))
        self.room.sign_out(self.devices.pop(epid))

    @invariant()
    def everybody_is_up_to_date(self) -> None:
        board = self._board()
        assert board is not None
        for name, client in self.watchers.items():
            for document in client.hears_of_others():
                self._take(name, document)
            truth = tree(write_view(board, audience(board, Aor(client.device.uri)), CATEGORIES))
            for category in CATEGORIES:
                expected = b"".join(canonical(one) for one in truth if one.get("name") == category)
                assert self.seen[name][category] == expected, (name, category)


def canonical(category: Any) -> bytes:
    """Give what a category says, without when it was said."""
    parts = [f"{one.tag}|{sorted(one.attrib.items())}|{one.text}" for one in category.iter() if one is not category]
    return "\n".join(parts).encode()


TwoWatchers.TestCase.settings = settings(max_examples=many(25), stateful_step_count=25)
test_watchers_are_always_up_to_date = TwoWatchers.TestCase
