"""Who is blocked sees somebody who has signed out, and cannot tell the difference."""

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from lyncpy.contracts.names import Aor, Epid
from lyncpy.workloads.presence.audience import Audience, concerns, differs, is_blocked, visible
from lyncpy.workloads.presence.audience import audience as audience_of
from lyncpy.workloads.presence.board import Board, Made, Published, furnish, leave, publish, settle
from lyncpy.workloads.presence.levels import MemberChange, set_members
from lyncpy.workloads.presence.model import (
    CATEGORIES,
    INPUT,
    Container,
    Expire,
    Key,
    Member,
    MemberKind,
    Publication,
)
from lyncpy.workloads.presence.quotas import Quotas
from lyncpy.workloads.presence.records import read_record, write_record
from lyncpy.workloads.presence.states import Aggregate, Capability, Device, State, StateKind

ALICE, BOB = Aor("sip:alice@contoso.test"), Aor("sip:bob@contoso.test")
LEVEL_NOTE, LEVEL_CARD = Key("note", 0, 200), Key("contactCard", 0, 200)


def busy(now: float = 100.0) -> Board:
    """Give a board with a card and a note for colleagues, of somebody who is there."""
    state = State(StateKind.MACHINE, 3500)
    wishes = [
        Publication(Key("state", 0x30000001, INPUT), 0, Expire.ENDPOINT, "<state/>", state=state),
        Publication(
            Key("device", 1, INPUT),
            0,
            Expire.ENDPOINT,
            "<device/>",
            device=Device("x", capabilities=(Capability("text"),)),
        ),
        Publication(LEVEL_NOTE, 0, Expire.STATIC, "<note/>"),
    ]
    made = [Made(LEVEL_CARD, "<card/>"), Made(Key("contactCard", 0, 0), "<name/>")]
    furnished = furnish(settle(Board(ALICE), Board(ALICE), 1.0).board, made, 1.0).board
    outcome = publish(furnished, wishes, Epid("pc"), now, Quotas())
    assert isinstance(outcome, Published)
    return outcome.board


def shut_out(found: Board, now: float, *members: Member) -> Board:
    """Block."""
    old = found.containers.get(32000, Container())
    outcome = set_members(found, [MemberChange(32000, old.version, frozenset(members), frozenset())], now, Quotas())
    assert isinstance(outcome, Published)
    return outcome.board


def all_of(found: Board, seen_by: Audience) -> dict[str, list[object]]:
    """Give all that an audience sees."""
    return {
        name: [(one.key.instance, one.published, one.value) for one in visible(found, seen_by, name)]
        for name in CATEGORIES
    }


BOB_MEMBER = Member(MemberKind.USER, "bob@contoso.test")


def test_who_is_blocked_sees_somebody_who_signed_out_at_that_moment() -> None:
    """The card of the level stays, the state has the age of the block, and nothing can be called."""
    found = busy()
    blocked = shut_out(found, 500.0, BOB_MEMBER)
    gone = leave(
        replace(found, instances={k: v for k, v in found.instances.items() if k != LEVEL_NOTE}),
        Epid("pc"),
        500.0,
        last=True,
    ).board
    shown = all_of(blocked, audience_of(blocked, BOB))
    assert shown == all_of(gone, audience_of(gone, BOB))
    assert shown["contactCard"] == [(0, 1.0, "<card/>")]
    assert shown["state"] == [(1, 500.0, Aggregate(18500, last_active=500.0))]
    assert shown["note"] == shown["services"] == []


def test_nothing_that_the_user_does_is_seen_by_who_is_blocked() -> None:
    """Coming, going and saying something changes nothing, a restart included; what a device puts on the card neither."""
    blocked = shut_out(busy(), 500.0, BOB_MEMBER)
    seen_by = audience_of(blocked, BOB)
    before = all_of(blocked, seen_by)
    later = leave(blocked, Epid("pc"), 600.0, last=True).board
    changes = {(key.category, key.container) for key in (*blocked.instances, *later.instances)} - {("contactCard", 200)}
    assert all_of(later, audience_of(later, BOB)) == before
    assert concerns(later, {*changes, ("contactCard", 200)}, seen_by) == frozenset()
    own = Publication(Key("contactCard", 5, 200), 0, Expire.STATIC, "<own/>")
    outcome = publish(blocked, [own], Epid("pc"), 700.0, Quotas())
    assert isinstance(outcome, Published)
    assert all_of(outcome.board, audience_of(outcome.board, BOB)) == before
    stored = read_record(ALICE, write_record(later))
    assert stored.absences == later.absences


def test_the_level_from_which_somebody_was_moved_is_stored() -> None:
    """After a restart they still see the card of friends; records of before know no level."""
    friend = replace(busy(), containers={400: Container(1, frozenset({BOB_MEMBER}))})
    moves = [
        MemberChange(400, 1, frozenset(), frozenset({BOB_MEMBER})),
        MemberChange(32000, 0, frozenset({BOB_MEMBER}), frozenset()),
    ]
    outcome = set_members(friend, moves, 500.0, Quotas())
    assert isinstance(outcome, Published)
    assert audience_of(outcome.board, BOB)[3:] == audience_of(friend, BOB)
    data = write_record(outcome.board)
    assert read_record(ALICE, data).absences == outcome.board.absences
    former = json.loads(data)
    former["absences"] = [one[:4] for one in former["absences"]]
    assert read_record(ALICE, json.dumps(former).encode()).absences[BOB_MEMBER].listed == ()


def test_who_is_blocked_while_the_user_is_away_sees_no_change_at_all() -> None:
    """Nothing is told, because nothing looks different."""
    found = leave(busy(), Epid("pc"), 300.0, last=True).board
    found = replace(found, instances={k: v for k, v in found.instances.items() if k != LEVEL_NOTE})
    blocked = shut_out(found, 500.0, BOB_MEMBER)
    assert differs(blocked, audience_of(found, BOB), audience_of(blocked, BOB), CATEGORIES) == frozenset()


def test_who_appears_offline_offers_no_services() -> None:
    """Else watchers would see what can be called on a device that is not there."""
    found = busy()
    state = State(StateKind.USER, 18500, manual=True)
    wish = Publication(Key("state", 0x20000000, INPUT), 0, Expire.STATIC, "<state/>", state=state)
    assert visible(found, (200,), "services")
    outcome = publish(found, [wish], Epid("pc"), 200.0, Quotas())
    assert isinstance(outcome, Published)
    hidden = all_of(outcome.board, (200,))
    left = leave(outcome.board, Epid("pc"), 300.0, last=True).board
    assert hidden["services"] == []
    assert hidden == all_of(left, (200,))


LISTS = st.dictionaries(
    st.sampled_from([100, 200, 300, 400, 32000, 77]),
    st.frozensets(st.sampled_from([BOB_MEMBER, Member(MemberKind.DOMAIN, "contoso.test"), Member(MemberKind.SAME_ENTERPRISE), Member(MemberKind.EVERYONE)])),
)  # fmt: skip


@given(LISTS, st.sampled_from([3500, 6500, 9500, 15500, 18500]), st.booleans())
def test_blocked_and_signed_out_look_alike_on_any_board(
    lists: dict[int, frozenset[Member]], number: int, manual: bool
) -> None:
    """Whatever the lists, the states and the cards: to one and the same watcher both are the same."""
    user = State(StateKind.USER, number, manual=True)
    wishes = [Publication(Key("contactCard", 5, 77), 0, Expire.STATIC, "<own/>")]
    wishes += [Publication(Key("state", 0x20000000, INPUT), 0, Expire.STATIC, "<u/>", state=user)] if manual else []
    outcome = publish(busy(), wishes, Epid("pc"), 150.0, Quotas())
    assert isinstance(outcome, Published)
    found = outcome.board
    found = replace(found, instances={k: v for k, v in found.instances.items() if k.category != "note"})
    found = replace(found, containers={id_: Container(1, members) for id_, members in lists.items() if id_ != 32000})
    open_ = audience_of(found, BOB)
    kind = next((member for member in (lists.get(32000) or frozenset())), BOB_MEMBER)
    blocked = shut_out(found, 500.0, kind)
    if not is_blocked(audience_of(blocked, BOB)):
        return  # another list comes before
    gone = leave(found, Epid("pc"), 500.0, last=True).board
    if any(id_ not in (100, 200, 300, 400) for id_ in open_[:1]):
        return  # a container of a client's own, for which the server makes no state
    assert all_of(blocked, audience_of(blocked, BOB)) == all_of(gone, open_)
