"""Who is blocked sees what they would see of somebody who signed out in that moment, on any board and whatever comes."""

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from lyncpy.contracts.names import Epid
from lyncpy.workloads.presence.bodies.board_record import write_record
from lyncpy.workloads.presence.model.audience import Audience, audience, concerns, differs, is_blocked, visible
from lyncpy.workloads.presence.model.board import (
    Board,
    Published,
    expire,
    leave,
    publish_directory_facts,
)
from lyncpy.workloads.presence.model.levels import MemberChange, again, privatise, set_members
from lyncpy.workloads.presence.model.server_publications import ServerPublication
from lyncpy.workloads.presence.model.tables import (
    CATEGORIES,
    Container,
    ContainerMember,
    InstanceKey,
    MemberKind,
    Relation,
)
from lyncpy.workloads.presence.model.values import write_value
from tests.kit.boards import colleague, read_record, usual_quotas
from tests.properties.test_boards import ALICE, BOB, histories, members, steps, taken

ALL = (*CATEGORIES, "x")
ENTRIES = {
    Relation.SAME_ENTERPRISE: MemberKind.SAME_ENTERPRISE,
    Relation.FEDERATED: MemberKind.FEDERATED,
    Relation.PUBLIC_CLOUD: MemberKind.PUBLIC_CLOUD,
}
entries = st.sampled_from(
    [MemberKind.USER, MemberKind.USER, MemberKind.DOMAIN, MemberKind.SAME_ENTERPRISE, MemberKind.EVERYONE]
)
lists = st.dictionaries(st.sampled_from([100, 200, 300, 400, 1000]), members, max_size=4)


def member(kind: MemberKind, relation: Relation) -> ContainerMember:
    """Give the entry that means Bob in this way."""
    match kind:
        case MemberKind.USER:
            return ContainerMember(kind, "bob@contoso.test")
        case MemberKind.DOMAIN:
            return ContainerMember(kind, "contoso.test")
        case MemberKind.EVERYONE:
            return ContainerMember(kind)
        case _:
            return ContainerMember(ENTRIES[relation])


def seen(board: Board, seen_by: Audience) -> dict[str, list[tuple[int, float, str]]]:
    """Give all that an audience sees."""
    return {
        name: [(one.key.instance, one.published, write_value(one)) for one in visible(board, seen_by, name)]
        for name in ALL
    }


def differing(one: Board, seen_by: Audience, other: Board, open_: Audience) -> dict[str, object]:
    """Give what looks different."""
    left, right = seen(one, seen_by), seen(other, open_)
    return {name: (left[name], right[name], seen_by, open_) for name in ALL if left[name] != right[name]}


def block(board: Board, entry: ContainerMember, now: float) -> Board:
    """Put somebody on the list of the blocked, and take them from the level that they have by name."""
    wishes = [
        MemberChange(id_, one.version, frozenset(), frozenset({entry}))
        for id_, one in board.containers.items()
        if entry in one.members and id_ != 32000
    ]
    version = board.containers.get(32000, Container()).version
    outcome = set_members(
        board, [*wishes, MemberChange(32000, version, frozenset({entry}), frozenset())], now, usual_quotas(), colleague
    )
    assert isinstance(outcome, Published)
    return outcome.board


@given(steps, lists, entries, st.sampled_from(list(ENTRIES)), steps, st.integers(0, 2))
def test_blocked_and_signed_out_look_alike(
    before: Sequence[tuple[object, ...]],
    found: dict[int, frozenset[ContainerMember]],
    kind: MemberKind,
    relation: Relation,
    after: Sequence[tuple[object, ...]],
    cards: int,
) -> None:
    """Any publications of any categories and lifetimes, any lists; then, whatever the user does, and restarts."""
    board = histories(before)[-1][1]
    board = publish_directory_facts(
        board, [ServerPublication(InstanceKey("contactCard", 0, id_), f"<card>{id_}</card>") for id_ in (0, 200)], 500.0
    ).board
    board = replace(board, containers={id_: Container(1, one) for id_, one in found.items()}, absences={})
    open_ = audience(board, BOB, relation)
    blocked = block(board, member(kind, relation), 500.0)
    if not is_blocked(audience(blocked, BOB, relation)):
        return  # another list comes before
    gone = leave(board, Epid("none"), 500.0, last=True).board
    seen_by = audience(blocked, BOB, relation)
    assert differing(blocked, seen_by, gone, open_) == {}
    assert differs(blocked, open_, seen_by, ALL) == differs(gone, open_, open_, ALL) | _news(board, gone, open_)

    now = 500.0
    for one in after:
        now += 10
        if 32000 in one or one[0] is privatise:  # policies and contacts, which a restart reads anew
            continue
        previous, seen_before = blocked, audience(blocked, BOB, relation)
        passed = expire(gone, now).board
        blocked = expire(blocked, now).board
        outcome = taken(blocked, one, now)
        blocked = outcome.board if isinstance(outcome, Published) else blocked
        seen_by = audience(blocked, BOB, relation)
        if not is_blocked(seen_by):
            return  # a more exact list lets them in
        assert differing(blocked, seen_by, passed, open_) == {}
        changes = {(key.category, key.container) for key in (*previous.instances, *blocked.instances)}
        told = concerns(blocked, changes, seen_by) | differs(blocked, seen_before, seen_by, ALL)
        assert told == _news(gone, passed, open_)
        gone = passed

    now += 10_000.0
    contacts = gone.private_to
    made = [ServerPublication(InstanceKey("contactCard", 0, id_), f"<card>{cards}</card>") for id_ in (0, 200)]
    restarted = [
        publish_directory_facts(again(expire(read_record(ALICE, write_record(one)), now).board, now), made, now).board
        for one in (blocked, gone)
    ]
    restarted = [replace(one, private_to=contacts) for one in restarted]
    assert differing(restarted[0], audience(restarted[0], BOB, relation), restarted[1], open_) == {}


def _news(before: Board, after: Board, seen_by: Audience) -> frozenset[str]:
    """Give the categories of which somebody who watches hears."""
    old, new = seen(before, seen_by), seen(after, seen_by)
    return frozenset(name for name in ALL if [row[::2] for row in old[name]] != [row[::2] for row in new[name]])
