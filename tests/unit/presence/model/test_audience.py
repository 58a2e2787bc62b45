"""Who belongs to which audience, and what it sees."""

from dataclasses import replace

import pytest

from lyncpy.contracts.names import Aor, Epid
from lyncpy.workloads.presence.model.audience import (
    NOBODY,
    OWNER,
    STRANGER,
    Audience,
    audiences,
    call_rules,
    concerns,
    is_blocked,
    relation_of,
    visible,
    work_hours,
)
from lyncpy.workloads.presence.model.audience import audience as audience_of
from lyncpy.workloads.presence.model.board import Board, with_aggregates
from lyncpy.workloads.presence.model.states import Aggregate
from lyncpy.workloads.presence.model.tables import (
    Container,
    ContainerMember,
    Delegate,
    Delegates,
    Expire,
    Instance,
    InstanceKey,
    MemberKind,
    Relation,
)

ALICE, BOB = Aor("sip:alice@contoso.test"), Aor("sip:bob@contoso.test")
USER = ContainerMember(MemberKind.USER, "bob@contoso.test")
DOMAIN = ContainerMember(MemberKind.DOMAIN, "contoso.test")
ENTERPRISE, FEDERATED = ContainerMember(MemberKind.SAME_ENTERPRISE), ContainerMember(MemberKind.FEDERATED)
CLOUD, EVERYONE = ContainerMember(MemberKind.PUBLIC_CLOUD), ContainerMember(MemberKind.EVERYONE)


def audience(board: Board, watcher: Aor, relation: Relation = Relation.SAME_ENTERPRISE) -> Audience:
    """Give the audience; of somebody who is blocked, only that."""
    found = audience_of(board, watcher, relation)
    # Asked for with others the same comes, whether it was found out before or not.
    assert audiences({board.aor: board, BOB: replace(board, aor=BOB)}, watcher, relation)[board.aor] == found
    return NOBODY if is_blocked(found) else found


def board(**containers: ContainerMember) -> Board:
    """Give a board whose containers have one member each: `c200=USER`."""
    fresh = with_aggregates(Board(ALICE), Board(ALICE), 0.0).board
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


def test_a_caller_has_the_rules_of_their_level_and_nobody_is_told_them() -> None:
    """Who is in no level, or kept out by privacy mode, has those of everybody; who is blocked has none."""
    found = board(c400=USER, c32000=DOMAIN)
    keys = [InstanceKey("routing", 0, container) for container in (0, 400, 32000)]
    published = {key: Instance(key, 1, Expire.STATIC, f"<r{key.container}/>", 0.0, Epid("e")) for key in keys}
    found = found.having(instances={**found.instances, **published})
    told = [call_rules(found, audience_of(found, aor, Relation.FEDERATED)) for aor in (BOB, Aor("sip:eve@other.test"))]
    assert [[one.value for one in some] for some in told] == [["<r400/>"], ["<r0/>"]]
    assert [one.value for one in call_rules(found, STRANGER)] == ["<r0/>"]
    assert call_rules(found, audience_of(found, Aor("sip:dan@contoso.test"))) == ()
    assert visible(found, (400,), "routing") == ()


def test_when_a_user_works_is_found_at_whatever_level_they_tell_it() -> None:
    """What else there is in their calendar says nothing of it."""
    said = {100: "<calendarData><freeBusy/></calendarData>", 400: "<calendarData><WorkingHours/></calendarData>"}
    keys = [InstanceKey("calendarData", 0, container) for container in said]
    published = {key: Instance(key, 1, Expire.STATIC, said[key.container], 0.0, Epid("e")) for key in keys}
    assert work_hours(replace(board(), instances=published)) == said[400]
    assert work_hours(board()) == ""


def test_a_level_that_was_taken_away_stays_away() -> None:
    """Who removes their colleagues from their level is not seen by them."""
    assert audience(replace(board(), containers={200: Container(2)}), BOB) == ()


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        # Spec: explicit user, domain, sameEnterprise, federated, publicCloud, everyone: the first that lists them.
        ({"c100": USER, "c400": ENTERPRISE}, (100, 400)),
        ({"c100": DOMAIN, "c400": ENTERPRISE}, (100, 400)),
        ({"c100": USER, "c400": DOMAIN, "c200": ENTERPRISE}, (100, 400, 200)),
        ({"c300": USER, "c400": USER}, (400, 300, 200)),
        ({"c200": Container, "c300": EVERYONE, "c400": FEDERATED}, (300,)),
        ({"c1000": USER}, (1000, 200)),
        ({"c1000": USER, "c200": USER, "c100": EVERYONE}, (1000, 200, 100)),
        # Who is blocked by a list is not helped by a less exact one, nor hurt by it.
        ({"c32000": USER, "c400": USER}, NOBODY),
        ({"c32000": USER, "c400": ENTERPRISE}, NOBODY),
        ({"c32000": DOMAIN}, NOBODY),
        ({"c32000": ENTERPRISE}, NOBODY),
        ({"c32000": EVERYONE}, (200, 32000)),
        ({"c32000": ENTERPRISE, "c200": USER}, (200, 32000)),
        ({"c32000": CLOUD, "c200": ENTERPRISE}, (200,)),
        # What the owner's own clients compute with is nobody's audience.
        ({"c2": USER, "c200": ENTERPRISE}, (200,)),
    ],
)
def test_the_first_list_that_names_a_watcher_decides(
    levels: dict[str, ContainerMember], expected: tuple[int, ...]
) -> None:
    """The more exactly somebody is named, the more it counts."""
    made = board(**{name: member for name, member in levels.items() if isinstance(member, ContainerMember)})
    empty = {int(name[1:]): Container(1) for name, member in levels.items() if not isinstance(member, ContainerMember)}
    assert audience(replace(made, containers={**made.containers, **empty}), BOB) == expected


def test_public_cloud_is_asked_for_last() -> None:
    """A watcher from a public service is found by its own word."""
    assert audience(board(c32000=CLOUD), BOB, Relation.PUBLIC_CLOUD) == NOBODY


def test_a_user_sees_their_own_board_as_a_friend_does() -> None:
    """Who is among their own contacts sees all."""
    assert audience(board(c32000=EVERYONE), ALICE) == OWNER


def holding(*keys: InstanceKey) -> Board:
    """Give a board with these publications."""
    fresh = board()
    mine = {key: Instance(key, 1, Expire.STATIC, "<x/>", 0.0, Epid("pc")) for key in keys}
    return replace(fresh, instances={**fresh.instances, **mine})


def test_the_highest_container_that_holds_a_category_shows_it() -> None:
    """Who belongs to two levels sees a note of the higher one, or the only one there is."""
    both = holding(InstanceKey("note", 0, 200), InstanceKey("note", 0, 400))
    assert [one.key.container for one in visible(both, (400, 200), "note")] == [400]
    assert [one.key.container for one in visible(both, (300, 200), "note")] == [200]


def test_container_0_is_everybodys_but_not_for_who_is_blocked() -> None:
    """Everybody sees who somebody is; who is blocked sees nothing at all."""
    open_to_all = holding(InstanceKey("contactCard", 0, 0))
    assert visible(open_to_all, (), "contactCard")
    assert not visible(open_to_all, NOBODY, "contactCard")


def test_watchers_see_the_aggregate_state_only() -> None:
    """What each device reports is between it and the server."""
    machine = holding(InstanceKey("state", 0x30000001, 200))
    assert [one.key.instance for one in visible(machine, (200,), "state")] == [1]


def test_what_nobody_published_is_not_seen() -> None:
    """A category that none of the containers holds is empty."""
    assert visible(board(), (200,), "note") == ()


def test_routing_is_shown_to_nobody() -> None:
    """Call forwarding rules are for the server."""
    assert not visible(holding(InstanceKey("routing", 0, 200)), (200,), "routing")


def test_a_change_concerns_who_may_see_it() -> None:
    """Only those are told whose level holds what changed."""
    changes = {("note", 200), ("state", 300), ("contactCard", 0), ("routing", 200)}
    assert concerns(board(), changes, (200,)) == {"note", "contactCard"}
    assert concerns(board(), changes, (300,)) == {"state", "contactCard"}
    assert concerns(board(), changes, NOBODY) == frozenset()


def test_a_change_behind_what_is_shown_concerns_nobody() -> None:
    """Nobody is told that there was something which they cannot see: not what their level ends, nor what it covers."""
    changes = {("note", 200), ("state", 200), ("services", 200)}
    assert concerns(board(), changes, (100, 200)) == {"services"}
    own = holding(InstanceKey("note", 0, 400))
    assert concerns(own, {("note", 200)}, (400, 200)) == frozenset()
    assert concerns(own, {("note", 400)}, (400, 200)) == {"note"}
    assert concerns(board(), {("note", 200), ("note", 400)}, (400, 200)) == {"note"}


DAVE = Aor("sip:dave@partner.test")


@pytest.mark.parametrize(
    ("watcher", "expected"),
    [
        ("sip:bob@contoso.test", Relation.SAME_ENTERPRISE), ("bob@contoso.test", Relation.SAME_ENTERPRISE),
        ("sip:dave@partner.test", Relation.FEDERATED), ("sip:x@cloud.test", Relation.PUBLIC_CLOUD),
        ("", Relation.ANONYMOUS), ("sip:nobody", Relation.ANONYMOUS),
    ],
)  # fmt: skip
def test_a_domain_tells_what_a_watcher_is(watcher: str, expected: Relation) -> None:
    """Colleagues, partners, users of public services and people without an address are told apart."""
    assert relation_of(watcher, {"contoso.test"}, {"cloud.test"}) is expected


def test_an_anonymous_reader_is_everybody() -> None:
    """An anonymous watcher belongs to what is for everybody, by no other name."""
    levels = board(c400=ENTERPRISE, c300=EVERYONE, c100=FEDERATED)
    assert audience(levels, Aor(""), Relation.ANONYMOUS) == (300,)
    assert audience(board(), BOB, Relation.ANONYMOUS) == ()


def test_a_category_that_is_not_held_is_looked_for_further_down() -> None:
    """The search is for each category: who is placed by name sees there, and else what their colleagues see."""
    notes = replace(holding(InstanceKey("note", 0, 200)), containers=board(c300=USER, c200=ENTERPRISE).containers)
    seen_by = audience(notes, BOB)
    assert [one.key.container for one in visible(notes, seen_by, "state")] == [300]
    assert [one.key.container for one in visible(notes, seen_by, "note")] == [200]


def test_an_external_contact_is_not_shown_what_colleagues_are() -> None:
    """Somebody placed among external contacts does not see a note because they are a colleague too."""
    notes = replace(holding(InstanceKey("note", 0, 200)), containers=board(c100=USER, c200=ENTERPRISE).containers)
    assert not visible(notes, audience(notes, BOB), "note")
    own = replace(holding(InstanceKey("note", 0, 100)), containers=notes.containers)
    assert visible(own, audience(own, BOB), "note")


def test_a_block_ends_the_search() -> None:
    """Who is placed by name where their enterprise is blocked sees their level and nothing beyond."""
    levels = board(c300=USER, c32000=ENTERPRISE).containers
    half = replace(holding(InstanceKey("note", 0, 0), InstanceKey("note", 1, 32000)), containers=levels)
    seen_by = audience(half, BOB)
    assert visible(half, seen_by, "state")
    assert not visible(half, seen_by, "note")
    assert concerns(half, {("note", 0), ("note", 32000), ("state", 300)}, seen_by) == {"state"}


def test_a_delegate_is_of_the_workgroup_unless_he_is_placed() -> None:
    """A delegate sees a user as the user's team does; a level that was chosen by name counts more."""
    acting = replace(board(), delegates=Delegates(1, (Delegate(BOB),)))
    assert audience(acting, BOB) == (300, 200)
    assert audience(replace(acting, containers=board(c400=USER).containers), BOB) == (400, 200)
    assert audience(replace(acting, containers=board(c32000=USER).containers), BOB) == NOBODY


def private(*contacts: Aor, **containers: ContainerMember) -> Board:
    """Give a board that only contacts may see."""
    return replace(board(**containers), private_to=frozenset(contacts))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (private(), STRANGER),
        (private(c200=ENTERPRISE, c300=DOMAIN, c400=EVERYONE), STRANGER),
        (private(c300=USER), (300,)),
        (private(BOB), (200,)),
        (private(BOB, c300=USER), (300, 200)),
        (private(BOB, c32000=USER), NOBODY),
        (private(BOB, c32000=DOMAIN), NOBODY),
        (private(BOB, c32000=EVERYONE), (200, 32000)),
        (private(c32000=ENTERPRISE), NOBODY),
    ],
)
def test_in_privacy_mode_only_contacts_and_who_is_placed_by_name_see_anything(
    found: Board, expected: tuple[int, ...]
) -> None:
    """Being a colleague is not enough any more; lists can still keep somebody out."""
    assert audience(found, BOB) == expected


def test_in_privacy_mode_a_contact_outside_is_an_external_contact() -> None:
    """A partner who is a contact sees what partners see; one who is not, and who is anonymous, nothing."""
    found = private(DAVE)
    assert audience(found, DAVE, Relation.FEDERATED) == (100,)
    assert audience(found, DAVE, Relation.PUBLIC_CLOUD) == (100,)
    assert audience(private(), DAVE, Relation.FEDERATED) == STRANGER
    assert audience(found, DAVE, Relation.ANONYMOUS) == STRANGER
    assert audience(found, ALICE) == OWNER


def test_a_stranger_sees_who_somebody_is_and_nothing_else() -> None:
    """In privacy mode everybody still finds the name on the server's card; what clients put there is hidden."""
    card = Instance(InstanceKey("contactCard", 0, 0), 1, Expire.STATIC, "<card/>", 0.0)
    mine = holding(InstanceKey("contactCard", 3, 0), InstanceKey("note", 0, 0), InstanceKey("state", 7, 0))
    found = replace(mine, instances={**mine.instances, card.key: card}, private_to=frozenset())
    assert visible(found, STRANGER, "contactCard") == (card,)
    assert not visible(found, STRANGER, "note")
    (state,) = visible(found, STRANGER, "state")
    assert state.value == Aggregate(18500)
    assert concerns(found, {("contactCard", 0), ("note", 0), ("contactCard", 200)}, STRANGER) == {"contactCard"}
