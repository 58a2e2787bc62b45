"""Who belongs to which audience, and what it sees."""

from dataclasses import replace

import pytest

from lyncpy.contracts.names import Aor, Epid
from lyncpy.workloads.presence.audience import NOBODY, OWNER, Relation, audience, concerns, visible
from lyncpy.workloads.presence.model import (
    Board,
    Container,
    Expire,
    Instance,
    Key,
    Member,
    MemberKind,
    settle,
)

ALICE, BOB = Aor("sip:alice@contoso.test"), Aor("sip:bob@contoso.test")
USER = Member(MemberKind.USER, "bob@contoso.test")
DOMAIN = Member(MemberKind.DOMAIN, "contoso.test")
ENTERPRISE, FEDERATED = Member(MemberKind.SAME_ENTERPRISE), Member(MemberKind.FEDERATED)
CLOUD, EVERYONE = Member(MemberKind.PUBLIC_CLOUD), Member(MemberKind.EVERYONE)


def board(**containers: Member) -> Board:
    """Give a board whose containers have one member each: `c200=USER`."""
    fresh = settle(Board(ALICE), Board(ALICE), 0.0).board
    lists = {int(name[1:]): Container(1, frozenset({member})) for name, member in containers.items()}
    return replace(fresh, containers=lists)


def test_two_new_colleagues_see_each_other() -> None:
    """Before a client has set up access levels, colleagues see what they will see when it has."""
    assert audience(board(), BOB) == (200,)
    assert audience(board(), BOB, Relation.FEDERATED) == (100,)
    assert audience(board(), BOB, Relation.PUBLIC_CLOUD) == ()


def test_setting_up_the_usual_levels_changes_nothing() -> None:
    """The first thing that a client asks for makes nobody see anything else."""
    usual = board(c200=ENTERPRISE, c100=FEDERATED)
    assert audience(usual, BOB) == audience(board(), BOB)
    assert audience(usual, BOB, Relation.FEDERATED) == audience(board(), BOB, Relation.FEDERATED)


def test_a_level_that_was_taken_away_stays_away() -> None:
    """Who removes his colleagues from their level is not seen by them."""
    assert audience(replace(board(), containers={200: Container(2)}), BOB) == ()


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        # Spec: explicit user, domain, sameEnterprise, federated, publicCloud, everyone: the first that lists him.
        ({"c100": USER, "c400": ENTERPRISE}, (100,)),
        ({"c100": DOMAIN, "c400": ENTERPRISE}, (100,)),
        ({"c100": USER, "c400": DOMAIN}, (100,)),
        ({"c300": USER, "c400": USER}, (400, 300)),
        ({"c200": Container, "c300": EVERYONE, "c400": FEDERATED}, (300,)),
        ({"c1000": USER}, (1000,)),
        ({"c32000": USER, "c400": USER}, NOBODY),
        ({"c32000": ENTERPRISE}, NOBODY),
        ({"c32000": ENTERPRISE, "c200": USER}, (200,)),
        # What the owner's own clients compute with is nobody's audience.
        ({"c2": USER, "c200": ENTERPRISE}, (200,)),
    ],
)
def test_the_first_list_that_names_a_watcher_decides(levels: dict[str, Member], expected: tuple[int, ...]) -> None:
    """The more exactly somebody is named, the more it counts."""
    made = board(**{name: member for name, member in levels.items() if isinstance(member, Member)})
    empty = {int(name[1:]): Container(1) for name, member in levels.items() if not isinstance(member, Member)}
    assert audience(replace(made, containers={**made.containers, **empty}), BOB) == expected


def test_public_cloud_is_asked_for_last() -> None:
    """A watcher from a public service is found by its own word."""
    assert audience(board(c32000=CLOUD), BOB, Relation.PUBLIC_CLOUD) == NOBODY


def test_a_user_sees_himself_as_a_friend_does() -> None:
    """Who has himself among his contacts sees all."""
    assert audience(board(c32000=EVERYONE), ALICE) == OWNER


def holding(*keys: Key) -> Board:
    """Give a board with these publications."""
    fresh = board()
    mine = {key: Instance(key, 1, Expire.STATIC, "<x/>", 0.0, Epid("pc")) for key in keys}
    return replace(fresh, instances={**fresh.instances, **mine})


def test_the_highest_container_that_holds_a_category_shows_it() -> None:
    """Who belongs to two levels sees a note of the higher one, or the only one there is."""
    both = holding(Key("note", 0, 200), Key("note", 0, 400))
    assert [one.key.container for one in visible(both, (400, 200), "note")] == [400]
    assert [one.key.container for one in visible(both, (300, 200), "note")] == [200]


def test_container_0_is_everybodys_but_not_for_who_is_blocked() -> None:
    """Everybody sees who somebody is; who is blocked sees nothing at all."""
    open_to_all = holding(Key("contactCard", 0, 0))
    assert visible(open_to_all, (), "contactCard")
    assert not visible(open_to_all, NOBODY, "contactCard")


def test_watchers_see_the_aggregate_state_only() -> None:
    """What each device reports is between it and the server."""
    machine = holding(Key("state", 0x30000001, 200))
    assert [one.key.instance for one in visible(machine, (200,), "state")] == [1]


def test_routing_is_shown_to_nobody() -> None:
    """Call forwarding rules are for the server."""
    assert not visible(holding(Key("routing", 0, 200)), (200,), "routing")


def test_a_change_concerns_who_may_see_it() -> None:
    """Only those are told whose level holds what changed."""
    changes = {("note", 200), ("state", 300), ("contactCard", 0), ("routing", 200)}
    assert concerns(changes, (200,)) == {"note", "contactCard"}
    assert concerns(changes, (300,)) == {"state", "contactCard"}
    assert concerns(changes, NOBODY) == frozenset()
