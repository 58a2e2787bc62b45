"""What holds for every board, whatever clients publish and whoever is let in or kept out. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from lyncpy.contracts.names import Aor, Epid
from lyncpy.sip.markup import read_xml
from lyncpy.workloads.presence.bodies.board_record import write_record
from lyncpy.workloads.presence.bodies.categories import write_categories
from lyncpy.workloads.presence.bodies.published_values import read_value
from lyncpy.workloads.presence.model.aggregate import services_of
from lyncpy.workloads.presence.model.audience import STRANGER, BlockedAudience, audience, concerns, is_blocked, visible
from lyncpy.workloads.presence.model.board import (
    Board,
    BoardDelta,
    Outcome,
    PublicationDenied,
    Published,
    StaleVersions,
    compare,
    expire,
    leave,
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
from lyncpy.workloads.presence.model.states import Aggregate, StateKind
from lyncpy.workloads.presence.model.tables import (
    CATEGORIES,
    Container,
    ContainerMember,
    Delegate,
    Denial,
    Expire,
    InstanceKey,
    MemberKind,
    Publication,
    Relation,
)
from lyncpy.workloads.presence.model.values import write_value
from lyncpy.workloads.presence.roaming import OwnCategories
from tests.kit.boards import colleague, read_record, usual_quotas
from tests.kit.presence import state
from tests.kit.strategies import each_of

ALICE, BOB, DAVE = (Aor(f"sip:{name}@contoso.test") for name in ("alice", "bob", "dave"))
WATCHERS = (
    (ALICE, Relation.SAME_ENTERPRISE), (BOB, Relation.SAME_ENTERPRISE), (DAVE, Relation.SAME_ENTERPRISE),
    (Aor("sip:erin@contoso.test"), Relation.SAME_ENTERPRISE), (Aor("sip:frank@fabrikam.test"), Relation.FEDERATED),
    (Aor("sip:grace@contoso.test"), Relation.PUBLIC_CLOUD), (Aor("sip:anonymous"), Relation.ANONYMOUS),
)  # fmt: skip
EPIDS = st.sampled_from([Epid("pc"), Epid("laptop"), Epid("phone")])
CONTAINER_IDS = (2, 2, 3, 0, 1, 100, 200, 300, 400, 1000, 32000)
QUOTAS = usual_quotas(publications=8, value_bytes=2000, containers=8, members=2, delegates=1, subscribers=1)
DEVICE = '<device endpointId="{0}"><capabilities preferred="{1}"><text render="{1}"/><{0} publish="true"/></capabilities></device>'

people = st.sampled_from([BOB, DAVE])
members = st.frozensets(
    st.sampled_from(
        [
            ContainerMember(MemberKind.USER, "bob@contoso.test"), ContainerMember(MemberKind.DOMAIN, "contoso.test"),
            ContainerMember(MemberKind.SAME_ENTERPRISE), ContainerMember(MemberKind.FEDERATED), ContainerMember(MemberKind.EVERYONE),
        ]
    ),
    max_size=2,
)  # fmt: skip
values = st.one_of(
    st.sampled_from(
        [
            ("state", state(kind, availability, manual=manual))
            for kind in [*(kind.value for kind in StateKind), "machineState", "machineState", "userState"]
            for availability in (0, 3500, 5000, 6500, 9500, 15500, 18500)
            for manual in (False, True)
        ]
    ),
    st.sampled_from([("device", DEVICE.format(kind, "true")) for kind in ("voice", "video")]),
    each_of(("note", "services", "contactCard", "noteHistory", "x"), ("<a/>", "<b/>")),
)
# Instance (mostly what a client may write: 0 and 1 are the server's own in some categories), container, expires, version and type.
wheres = each_of((2, 3, 4, 5, 6, 0), CONTAINER_IDS, (None, None, 0, 50), (0, 0, 0, 0, 0, 7), tuple(Expire))


@st.composite
def publications(draw: st.DrawFn) -> Publication:
    """Give a wish of a client, read as the server reads it."""
    category, value = draw(values)
    instance, container, expires, version, expire = draw(wheres)
    key = InstanceKey(category, instance, container)
    said = read_value(key, read_xml(value.encode()))
    return Publication(key, version, expire, value, expires if expires is not None else 50, *said)


def wishes(most: int = 4) -> st.SearchStrategy[list[Publication]]:
    """Give one request of a client."""
    return st.lists(publications(), min_size=1, max_size=most, unique_by=lambda one: one.key)


publishing = st.tuples(st.just(publish), EPIDS, wishes())
others = st.one_of(
    st.tuples(st.just(leave), EPIDS, st.booleans()),
    st.tuples(st.just(expire), st.none(), st.none()),
    st.tuples(st.just(set_members), st.sampled_from(CONTAINER_IDS), members),
    st.tuples(st.just(set_delegates), people, st.booleans()),
    st.tuples(st.just(subscribe), people, st.integers(0, 2)),
    st.tuples(st.just(unsubscribe), people, st.none()),
    st.tuples(st.just(acknowledge), people, st.none()),
    st.tuples(st.just(privatise), st.frozensets(people), st.booleans()),
)
# Most of what happens to a board is a publication.
step = st.sampled_from([publishing, publishing, others]).flatmap(lambda one: one)
steps = st.lists(step, min_size=5, max_size=14)


def taken(board: Board, one: tuple[object, ...], now: float) -> Outcome:
    """Apply a step."""
    match one:
        case (operation, str() as epid, list() as found) if operation is publish:
            return publish(board, _informed(board, found), Epid(epid), now, QUOTAS)
        case (operation, str() as epid, bool() as last) if operation is leave:
            return leave(board, Epid(epid), now, last=last)
        case (operation, int() as id_, frozenset() as found) if operation is set_members:
            old = board.containers.get(id_, Container())
            change = MemberChange(id_, old.version, found, old.members - found)
            return set_members(board, [change], now, QUOTAS, colleague)
        case (operation, str() as who, bool() as adds) if operation is set_delegates:
            add, remove = ([Delegate(Aor(who))], []) if adds else ([], [Aor(who)])
            return set_delegates(board, board.delegates.version, add, remove, now, QUOTAS)
        case (operation, str() as who, int() as limit) if operation is subscribe:
            return subscribe(board, Aor(who), "x", now, limit)
        case (operation, str() as who, None) if operation is unsubscribe:
            return unsubscribe(board, Aor(who), now)
        case (operation, str() as who, None) if operation is acknowledge:
            return acknowledge(board, [Aor(who)], now, QUOTAS)
        case (operation, frozenset() as contacts, bool() as private) if operation is privatise:
            return privatise(board, contacts, now, QUOTAS, private=private)
        case _:
            return expire(board, now)


def _informed(board: Board, asked: Sequence[Publication]) -> list[Publication]:
    """Give the same with the versions that a client would know; 7 stands for one that it has wrong."""
    return [one._replace(version=one.version or _current(board, one)) for one in asked]


def histories(found: Sequence[tuple[object, ...]]) -> list[tuple[Board, Board, Outcome]]:
    """Give each step as (before, after, outcome)."""
    board = with_aggregates(Board(ALICE), Board(ALICE), 0.0).board
    history = []
    for now, one in enumerate(found, 1):
        outcome = taken(board, one, float(now * 10))
        after = outcome.board if isinstance(outcome, Published) else board
        history.append((board, after, outcome))
        board = after
    return history


@given(steps)
def test_versions_grow_by_one(found: Sequence[tuple[object, ...]]) -> None:
    """Boards, publications and lists count along with every change, and with nothing else."""
    for before, after, outcome in histories(found):
        if after is before:
            assert not isinstance(outcome, Published) or outcome.changes == BoardDelta()
            continue
        assert after.version == before.version + 1
        assert isinstance(outcome, Published)
        assert outcome.changes == compare(before, after) != BoardDelta()
        assert all(
            one.version in (0, _old(before, id_), _old(before, id_) + 1) for id_, one in after.containers.items()
        )
        assert after.delegates.version - before.delegates.version == (
            before.delegates.members != after.delegates.members
        )
        for key in before.instances.keys() & after.instances.keys():
            old, new = before.instances[key], after.instances[key]
            assert new.version == (old.version if new is old else old.version + 1)


def _old(board: Board, container: int) -> int:
    return board.containers.get(container, Container()).version


@given(steps)
def test_all_or_nothing(found: Sequence[tuple[object, ...]]) -> None:
    """A request with anything wrong leaves no trace; one that is accepted is there in full."""
    for (before, after, outcome), one in zip(histories(found), found, strict=True):
        if one[0] is not publish:
            continue
        asked: list[Publication] = one[2]  # type: ignore[assignment]  # as `step` makes it
        if isinstance(outcome, StaleVersions):
            assert after is before
            stale = {fault.index for fault in outcome.faults}
            assert stale == {index for index, wish in enumerate(asked, 1) if wish.version and _is_wrong(before, wish)}
        elif isinstance(outcome, Published):
            for wish in asked:
                stored = after.instances.get(wish.key)
                assert (
                    (stored is None or stored.made)
                    if wish.expires_s == 0
                    else (stored is not None and stored.value == wish.value)
                )


def _is_wrong(board: Board, wish: Publication) -> bool:
    return wish.version != _current(board, wish) and not (wish.expires_s == 0 and wish.key not in board.instances)


def _current(board: Board, wish: Publication) -> int:
    one = board.instances.get(wish.key)
    return one.version if one else 0


@given(steps)
def test_quotas_hold(found: Sequence[tuple[object, ...]]) -> None:
    """However many requests come, a board is bounded; who asks for more is told so."""
    for _, board, outcome in histories(found):
        mine = [key for key, one in board.instances.items() if not one.made]
        assert len(mine) <= QUOTAS.publications
        assert len({key.container for key in mine}) <= QUOTAS.containers
        assert len(board.containers) <= QUOTAS.containers
        assert all(len(one.members) <= QUOTAS.members for one in board.containers.values())
        assert len(board.delegates.members) <= QUOTAS.delegates
        assert sum(one.acknowledged for one in board.subscribers) <= QUOTAS.subscribers
        assert not isinstance(outcome, PublicationDenied) or outcome.denial in Denial


@given(steps)
def test_the_servers_publications_are_its_own(found: Sequence[tuple[object, ...]]) -> None:
    """No client ever writes what only the server may say."""
    for _, board, _ in histories(found):
        for key, one in board.instances.items():
            if CATEGORIES.get(key.category) and CATEGORIES[key.category].is_made(key.instance, key.container):
                assert one.made


@given(steps, st.sampled_from(Relation))
def test_who_is_blocked_never_sees_anything(found: Sequence[tuple[object, ...]], relation: Relation) -> None:
    """Whatever happens on a board, somebody whom its most exact list blocks sees who it is and offline, and hears nothing."""
    blocked = {32000: Container(1, frozenset({ContainerMember(MemberKind.USER, "bob@contoso.test")}))}
    if relation is Relation.ANONYMOUS:
        blocked = {32000: Container(1, frozenset({ContainerMember(MemberKind.EVERYONE)}))}
    for before, after, _ in histories(found):
        board = replace(after, containers={**blocked})
        seen_by = audience(board, BOB, relation)
        seen = {category: visible(board, seen_by, category) for category in (*CATEGORIES, "x")}
        # What a client published for good before the block is left, as after a sign-out.
        remains = seen_by.remains if isinstance(seen_by, BlockedAudience) else None
        left = () if remains is None else remains.instances
        shown = [one for category, found in seen.items() for one in found if category != "state" and one not in left]
        assert all(one.made and one.key.category == "contactCard" for one in shown)
        assert all(isinstance(one.value, Aggregate) and one.value.availability == 18500 for one in seen["state"])
        assert not concerns(board, compare(before, after).shown, seen_by)


@given(steps, st.sampled_from(Relation))
def test_a_watcher_hears_of_exactly_what_he_can_see(found: Sequence[tuple[object, ...]], relation: Relation) -> None:
    """When his level stays, every change of what he sees is told, and nothing is seen that was not."""
    for before, after, _ in histories(found):
        seen_by = audience(after, BOB, relation)
        if seen_by != audience(before, BOB, relation):
            continue
        told = concerns(after, compare(before, after).shown, seen_by)
        if is_blocked(seen_by):
            assert not told
            continue
        for category in (*CATEGORIES, "x"):
            was = [(one.key, one.value) for one in visible(before, seen_by, category)]
            if was != [(one.key, one.value) for one in visible(after, seen_by, category)]:
                assert category in told
            elif category != "state" and seen_by != STRANGER:  # of these he sees a part, and may be told of the rest
                assert category not in told


@given(steps, EPIDS, wishes())
def test_an_endpoint_that_leaves_takes_along_what_it_said(
    found: Sequence[tuple[object, ...]], epid: Epid, asked: list[Publication]
) -> None:
    """Who comes for a moment and goes leaves others seeing what they saw, and since when."""
    board = histories(found)[-1][1] if found else with_aggregates(Board(ALICE), Board(ALICE), 0.0).board
    quiet = leave(board, Epid("guest"), 1000.0, last=False).board
    quiet = expire(quiet, 1000.0).board
    mine = [one._replace(key=one.key._replace(instance=77), version=0, expire=Expire.ENDPOINT) for one in asked]
    unique = list({one.key: one for one in mine if one.expires_s != 0}.values())
    came = publish(quiet, unique, Epid("guest"), 1000.0, usual_quotas())
    if isinstance(came, Published):
        left = leave(came.board, Epid("guest"), 1000.0, last=False).board
        for key in quiet.instances.keys() | left.instances.keys():
            before, after = quiet.instances.get(key), left.instances.get(key)
            assert before is None or (after is not None and _said(before.value) == _said(after.value))
            assert before is not None or (after is not None and after.made)


def _said(value: object) -> object:
    # When somebody was last active may be news: he was, on the device that came and went.
    return value._replace(last_active=None) if isinstance(value, Aggregate) else value


@given(steps, st.permutations(WATCHERS))
def test_an_audience_is_the_same_whoever_asked_before(
    found: Sequence[tuple[object, ...]], watchers: Sequence[tuple[Aor, Relation]]
) -> None:
    """What a board knows of its audiences is what is found on a board of which nobody has asked yet."""
    for _, board, _ in histories(found):
        for watcher, relation in watchers:
            assert audience(board, watcher, relation) == audience(replace(board), watcher, relation)


@given(steps, st.lists(st.sets(st.sampled_from(sorted(CATEGORIES)), max_size=3), min_size=1, max_size=6))
def test_what_a_users_endpoints_read_is_what_is_on_the_board(
    found: Sequence[tuple[object, ...]], asked: Sequence[set[str]]
) -> None:
    """However often, and in whatever pieces, the categories of a board are asked for."""
    own = OwnCategories()
    for _, board, _ in histories(found):
        for names in asked:
            assert own.write(board, names) == write_categories(replace(board), names)


@given(steps)
def test_records_give_back_what_is_durable(found: Sequence[tuple[object, ...]]) -> None:
    """A restart keeps exactly what was said for good, read again as it was understood at first."""
    for _, board, _ in histories(found):
        stored = read_record(ALICE, write_record(board))
        durable = {key: one for key, one in board.instances.items() if one.is_durable}
        assert stored == replace(board, instances=durable, private_to=None)


@given(steps)
def test_a_board_is_a_function_of_what_is_on_it(found: Sequence[tuple[object, ...]]) -> None:
    """In whatever order publications are found, the server makes the same of them."""
    for _, board, _ in histories(found):
        mine = [(key, one) for key, one in board.instances.items() if not one.made]
        made = []
        for order in (mine, mine[::-1], sorted(mine, key=lambda row: row[1].published)):
            bare = Board(ALICE, last_active=board.last_active)
            again = with_aggregates(bare, replace(bare, instances=dict(order)), 5000.0).board
            made.append({key: write_value(one) for key, one in again.instances.items() if one.made})
        assert made[0] == made[1] == made[2]


@given(steps)
def test_services_name_each_ability_once(found: Sequence[tuple[object, ...]]) -> None:
    """However many devices can do a thing, it can be done."""
    for _, board, _ in histories(found):
        devices = [one for one in board.instances.values() if one.device is not None and one.key.container == 2]
        names = [one.capability.name for one in services_of(devices, (), ALICE).services]
        union = {known.name for one in devices if one.device for known in one.device.capabilities}
        assert names == sorted(union)
