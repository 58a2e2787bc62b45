"""Who is blocked sees somebody who has signed out, and cannot tell the difference."""

import json
from dataclasses import replace

import pytest

from lyncpy.contracts.names import Aor, Epid
from lyncpy.contracts.owners import OwnerId
from lyncpy.workloads.presence.bodies.board_record import read_named, write_record
from lyncpy.workloads.presence.model.absences import Absence, SignedOutView
from lyncpy.workloads.presence.model.ages import carry
from lyncpy.workloads.presence.model.audience import Audience, BlockedAudience, concerns, differs, visible
from lyncpy.workloads.presence.model.audience import audience as audience_of
from lyncpy.workloads.presence.model.board import (
    Board,
    Published,
    deadline,
    expire,
    leave,
    publish,
    publish_directory_facts,
    with_aggregates,
)
from lyncpy.workloads.presence.model.levels import MemberChange, again, set_members
from lyncpy.workloads.presence.model.naming import BoardNames, noted, readdress
from lyncpy.workloads.presence.model.quotas import Quotas
from lyncpy.workloads.presence.model.server_publications import ServerPublication
from lyncpy.workloads.presence.model.states import Aggregate, Capability, Device, StateDocument, StateKind
from lyncpy.workloads.presence.model.tables import (
    CATEGORIES,
    INPUT,
    Container,
    ContainerMember,
    Expire,
    InstanceKey,
    MemberKind,
    Publication,
    Relation,
)
from tests.kit.boards import colleague, read_record, usual_quotas
from tests.kit.owners import AddressOwners

ALICE, BOB = Aor("sip:alice@contoso.test"), Aor("sip:bob@contoso.test")
LEVEL_NOTE, LEVEL_CARD = InstanceKey("note", 0, 200), InstanceKey("contactCard", 0, 200)


def busy(now: float = 100.0) -> Board:
    """Give a board with a card and a note for colleagues, of somebody who is there."""
    state = StateDocument(StateKind.MACHINE, 3500)
    wishes = [
        Publication(InstanceKey("state", 0x30000001, INPUT), 0, Expire.ENDPOINT, "<state/>", state=state),
        Publication(
            InstanceKey("device", 1, INPUT),
            0,
            Expire.ENDPOINT,
            "<device/>",
            device=Device("x", capabilities=(Capability("text"),)),
        ),
        Publication(LEVEL_NOTE, 0, Expire.STATIC, "<note/>"),
    ]
    made = [ServerPublication(LEVEL_CARD, "<card/>"), ServerPublication(InstanceKey("contactCard", 0, 0), "<name/>")]
    furnished = publish_directory_facts(with_aggregates(Board(ALICE), Board(ALICE), 1.0).board, made, 1.0).board
    outcome = publish(furnished, wishes, Epid("pc"), now, usual_quotas())
    assert isinstance(outcome, Published)
    return outcome.board


def shut_out(found: Board, now: float, *members: ContainerMember) -> Board:
    """Block."""
    old = found.containers.get(32000, Container())
    outcome = set_members(
        found, [MemberChange(32000, old.version, frozenset(members), frozenset())], now, usual_quotas(), colleague
    )
    assert isinstance(outcome, Published)
    return outcome.board


def all_of(found: Board, seen_by: Audience) -> dict[str, list[object]]:
    """Give all that an audience sees."""
    return {
        name: [(one.key.instance, one.published, one.value) for one in visible(found, seen_by, name)]
        for name in CATEGORIES
    }


BOB_MEMBER = ContainerMember(MemberKind.USER, "bob@contoso.test")


def test_who_is_blocked_sees_somebody_who_signed_out_at_that_moment() -> None:
    """Card and note of the level stay, the state has the age of the block, and nothing can be called."""
    found = busy()
    blocked = shut_out(found, 500.0, BOB_MEMBER)
    gone = leave(found, Epid("pc"), 500.0, last=True).board
    shown = all_of(blocked, audience_of(blocked, BOB))
    assert shown == all_of(gone, audience_of(gone, BOB))
    assert shown["contactCard"] == [(0, 1.0, "<card/>")]
    assert shown["state"] == [(1, 500.0, Aggregate(18500, last_active=500.0))]
    assert shown["note"] == [(0, 100.0, "<note/>")]
    assert shown["services"] == []


def test_nothing_that_the_user_does_is_seen_by_who_is_blocked() -> None:
    """Coming, going and saying something changes nothing, a restart included; what a device puts on the card neither."""
    blocked = shut_out(busy(), 500.0, BOB_MEMBER)
    seen_by = audience_of(blocked, BOB)
    before = all_of(blocked, seen_by)
    later = leave(blocked, Epid("pc"), 600.0, last=True).board
    changes = {(key.category, key.container) for key in (*blocked.instances, *later.instances)} - {("contactCard", 200)}
    assert all_of(later, audience_of(later, BOB)) == before
    assert concerns(later, {*changes, ("contactCard", 200)}, seen_by) == frozenset()
    own = Publication(InstanceKey("contactCard", 5, 200), 0, Expire.STATIC, "<own/>")
    outcome = publish(blocked, [own], Epid("pc"), 700.0, usual_quotas())
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
    outcome = set_members(friend, moves, 500.0, usual_quotas(), colleague)
    assert isinstance(outcome, Published)
    seen_by = audience_of(outcome.board, BOB)
    assert isinstance(seen_by, BlockedAudience)
    assert seen_by.under == audience_of(friend, BOB)
    data = write_record(outcome.board)
    assert read_record(ALICE, data).absences == outcome.board.absences
    former = json.loads(data)
    del former["remains"]
    before = read_record(ALICE, json.dumps(former).encode()).absences[BOB_MEMBER]
    assert (before.listed, before.remains) == ((400,), None)
    former["absences"] = [one[:4] for one in former["absences"]]
    assert read_record(ALICE, json.dumps(former).encode()).absences[BOB_MEMBER].listed == ()


def test_who_is_blocked_while_the_user_is_away_sees_no_change_at_all() -> None:
    """Nothing is told, because nothing looks different."""
    found = leave(busy(), Epid("pc"), 300.0, last=True).board
    blocked = shut_out(found, 500.0, BOB_MEMBER)
    assert differs(blocked, audience_of(found, BOB), audience_of(blocked, BOB), CATEGORIES) == frozenset()


def test_who_appears_offline_offers_no_services() -> None:
    """Else watchers would see what can be called on a device that is not there."""
    found = busy()
    state = StateDocument(StateKind.USER, 18500, manual=True)
    wish = Publication(InstanceKey("state", 0x20000000, INPUT), 0, Expire.STATIC, "<state/>", state=state)
    assert visible(found, (200,), "services")
    outcome = publish(found, [wish], Epid("pc"), 200.0, usual_quotas())
    assert isinstance(outcome, Published)
    hidden = all_of(outcome.board, (200,))
    left = leave(outcome.board, Epid("pc"), 300.0, last=True).board
    assert hidden["services"] == []
    assert hidden == all_of(left, (200,))


def test_of_states_an_absence_keeps_what_they_come_to() -> None:
    """What aggregates are made of is seen by nobody, wherever a client puts it."""
    state = StateDocument(StateKind.USER, 6500, manual=True)
    wish = Publication(InstanceKey("state", 0x20000000, 200), 0, Expire.STATIC, "<state/>", state=state)
    outcome = publish(busy(), [wish], Epid("pc"), 200.0, usual_quotas())
    assert isinstance(outcome, Published)
    remains = shut_out(outcome.board, 500.0, BOB_MEMBER).absences[BOB_MEMBER].remains
    assert remains is not None
    assert wish.key in outcome.board.instances
    assert wish.key not in {one.key for one in remains.instances}


@pytest.mark.parametrize("kind", [MemberKind.USER, MemberKind.DOMAIN])
def test_in_privacy_mode_only_contacts_see_what_was_left(kind: MemberKind) -> None:
    """Blocked by name or with their whole domain: who was a contact sees the card, and who was none a stranger's."""
    member = BOB_MEMBER if kind is MemberKind.USER else ContainerMember(kind, "contoso.test")
    for contacts, note in ((frozenset({BOB}), ["<note/>"]), (frozenset[Aor](), [])):
        blocked = shut_out(replace(busy(), private_to=contacts), 500.0, member)
        assert [one.value for one in visible(blocked, audience_of(blocked, BOB), "note")] == note
        assert visible(blocked, audience_of(blocked, BOB), "contactCard")


def test_who_was_blocked_before_absences_were_stored_has_one_from_now_on() -> None:
    """A list of an older record names them; they see somebody who has just gone."""
    board = replace(busy(), containers={32000: Container(1, frozenset({BOB_MEMBER}))}, absences={})
    assert again(board, 500.0).absences == {BOB_MEMBER: Absence(500.0)}


def test_a_domain_that_is_blocked_is_so_whatever_addresses_there_are() -> None:
    """Only people are called by other names."""
    partner = ContainerMember(MemberKind.DOMAIN, "partner.test")
    before = shut_out(busy(), 500.0, BOB_MEMBER, partner)
    asleep, _, _ = sleeping(before)
    assert asleep.absences == {partner: before.absences[partner]}


def said(found: Board, *wishes: Publication, now: float, quotas: Quotas | None = None) -> Board:
    """Publish, with the versions that there are."""
    known = [
        one._replace(version=found.instances[one.key].version if one.key in found.instances else 0) for one in wishes
    ]
    outcome = publish(found, known, Epid("pc"), now, quotas or usual_quotas())
    assert isinstance(outcome, Published)
    return outcome.board


def note(text: str, instance: int = 0, seconds: int | None = None) -> Publication:
    """Write a note for colleagues."""
    expire = Expire.STATIC if seconds is None else Expire.TIME
    return Publication(InstanceKey("note", instance, 200), 0, expire, f"<note>{text}</note>", seconds)


def notes(found: Board) -> list[object]:
    """Give the notes that Bob sees."""
    return [one.value for one in visible(found, audience_of(found, BOB), "note")]


def test_a_note_is_not_changed_for_who_is_blocked() -> None:
    """Neither another text nor its removal is seen, also after a restart; once unblocked, nothing is kept."""
    blocked = shut_out(said(busy(), note("before"), now=200.0), 500.0, BOB_MEMBER)
    later = said(blocked, note("after"), now=600.0)
    gone = said(later, Publication(LEVEL_NOTE, 0, Expire.STATIC, expires_s=0), now=700.0)
    for found in (blocked, later, gone):
        assert notes(found) == notes(read_record(ALICE, write_record(found))) == ["<note>before</note>"]
        seen_by = audience_of(blocked, BOB)
        assert differs(found, seen_by, audience_of(found, BOB), CATEGORIES) == frozenset()
    version = gone.containers[32000].version
    outcome = set_members(
        gone, [MemberChange(32000, version, frozenset(), frozenset({BOB_MEMBER}))], 800.0, usual_quotas(), colleague
    )
    assert isinstance(outcome, Published)
    assert notes(outcome.board) == []
    assert b"before" not in write_record(outcome.board)


def test_time_ends_what_was_left() -> None:
    """A note for an hour ends for who is blocked too, and they are told of it, and of nothing else."""
    blocked = shut_out(said(busy(), note("soon", 1, 3600), now=500.0), 500.0, BOB_MEMBER)
    replaced = said(blocked, note("again", 1, 9000), now=600.0)
    assert deadline(replaced, 600.0) == 4100.0
    before = audience_of(replaced, BOB)
    outcome = expire(replaced, 4100.0)
    assert outcome.changes.absences
    assert notes(outcome.board) == ["<note/>"]
    after = audience_of(outcome.board, BOB)
    assert differs(outcome.board, before, after, CATEGORIES) == {"note"}
    assert expire(outcome.board, 4200.0).board is outcome.board


def test_what_is_left_is_kept_once_and_goes_when_there_is_no_room() -> None:
    """For a thousand who were blocked at once, too; what was kept first goes first, and the levels stay."""
    everybody = [ContainerMember(MemberKind.USER, f"u{number}@contoso.test") for number in range(900)]
    quotas = usual_quotas(board_bytes=3000)
    found = shut_out(said(busy(), note("x" * 1000), now=200.0), 500.0, BOB_MEMBER, *everybody)
    assert len({id(one.remains) for one in found.absences.values()}) == 1
    assert write_record(found).count(b"xxx" * 300) == 1
    dave = ContainerMember(MemberKind.USER, "dave@contoso.test")
    found = shut_out(said(found, note("y" * 1000), now=600.0, quotas=quotas), 700.0, dave)
    assert len(write_record(found)) < 3 * 1000 + 900 * 90
    found = said(found, note("z" * 1500), now=800.0, quotas=quotas)
    assert [audience_of(found, BOB), notes(found)] == [audience_of(found, BOB), []]
    kept = {member: one.remains for member, one in found.absences.items()}
    assert [one.value for one in (kept[dave] or SignedOutView()).instances if one.key == LEVEL_NOTE] == [
        f"<note>{'y' * 1000}</note>"
    ]
    seen_by = audience_of(found, BOB)
    assert isinstance(seen_by, BlockedAudience)
    assert seen_by.under == (200,)
    assert len({id(one) for one in kept.values()}) == 2


def test_lists_of_domains_take_room_too() -> None:
    """Where not even they can be kept, the lists count as they are."""
    domains = frozenset(ContainerMember(MemberKind.DOMAIN, f"d{number}.test") for number in range(200))
    found = replace(busy(), containers={300: Container(1, domains), 200: Container(1, frozenset())})
    outcome = set_members(
        found,
        [MemberChange(32000, 0, frozenset({BOB_MEMBER}), frozenset())],
        500.0,
        usual_quotas(board_bytes=1000),
        colleague,
    )
    assert isinstance(outcome, Published)
    assert outcome.board.absences[BOB_MEMBER].remains is None


@pytest.mark.parametrize(
    ("text", "relation"),
    [
        ("bob@contoso.test", Relation.SAME_ENTERPRISE),
        ("bob@fabrikam.test", Relation.SAME_ENTERPRISE),
        ("bob@partner.test", Relation.FEDERATED),
        ("bob@public.test", Relation.PUBLIC_CLOUD),
    ],
)
@pytest.mark.parametrize("kind", [MemberKind.USER, MemberKind.DOMAIN])
def test_naming_whom_a_wider_entry_has_blocked_changes_nothing(text: str, relation: Relation, kind: MemberKind) -> None:
    """Whatever they are to the enterprise, which has more domains than the user's own."""
    watcher = Aor(f"sip:{text}")
    relations = {"contoso.test": Relation.SAME_ENTERPRISE, "fabrikam.test": Relation.SAME_ENTERPRISE}
    relations.update({"partner.test": Relation.FEDERATED, "public.test": Relation.PUBLIC_CLOUD})
    blocked = shut_out(busy(), 500.0, ContainerMember(relation.value))
    before = audience_of(blocked, watcher, relation)
    assert isinstance(before, BlockedAudience)
    member = ContainerMember(kind, text if kind is MemberKind.USER else text.partition("@")[2])
    change = MemberChange(32000, blocked.containers[32000].version, frozenset({member}), frozenset())
    outcome = set_members(
        said(blocked, note("new"), now=600.0),
        [change],
        900.0,
        usual_quotas(),
        lambda aor: relations[aor.partition("@")[2]],
    )
    assert isinstance(outcome, Published)
    assert audience_of(outcome.board, watcher, relation) == before


def test_what_is_kept_goes_with_a_clock_that_is_set() -> None:
    """As old as before, and as old as what somebody has left who is away; nobody is told anything."""
    found = said(busy(), note("soon", 1, 3600), now=500.0)
    blocked, gone = shut_out(found, 500.0, BOB_MEMBER), leave(found, Epid("pc"), 500.0, last=True).board
    moved = carry(blocked, 100.0)
    assert all_of(moved, audience_of(moved, BOB)) == all_of(carry(gone, 100.0), audience_of(gone, BOB))
    assert moved.containers is blocked.containers
    assert differs(moved, audience_of(blocked, BOB), audience_of(moved, BOB), CATEGORIES) == frozenset()
    assert next(iter(moved.absences.values())).remains == next(iter(carry(blocked, 100.0).absences.values())).remains


def test_lists_and_contacts_are_those_of_the_moment() -> None:
    """Whom the user allows what later, and whom they take off, is not seen by who was blocked before."""
    found = replace(busy(), containers={400: Container(1, frozenset({BOB_MEMBER})), 200: Container(1, frozenset())})
    blocked = shut_out(found, 500.0, BOB_MEMBER)
    seen_by = audience_of(blocked, BOB)
    for containers in (
        {400: Container(2)},
        {300: Container(1, frozenset({BOB_MEMBER, ContainerMember(MemberKind.EVERYONE)}))},
    ):
        later = replace(blocked, containers={**containers, 32000: blocked.containers[32000]})
        assert audience_of(later, BOB) == seen_by
    wider = shut_out(blocked, 600.0, ContainerMember(MemberKind.EVERYONE))
    assert audience_of(wider, BOB) == seen_by


def test_who_is_blocked_twice_is_so_since_the_first_time() -> None:
    """Their company first, then they by name: nothing changes for them, whatever was written between."""
    company = shut_out(busy(), 500.0, ContainerMember(MemberKind.DOMAIN, "contoso.test"))
    both = shut_out(said(company, note("between"), now=550.0), 600.0, BOB_MEMBER)
    assert audience_of(both, BOB) == audience_of(company, BOB)
    assert notes(both) == ["<note/>"]
    friend = replace(company, containers={**company.containers, 300: Container(1, frozenset({BOB_MEMBER}))})
    assert audience_of(shut_out(friend, 600.0, BOB_MEMBER), BOB) != audience_of(company, BOB)


class Directory(AddressOwners):
    """Who has which address now."""

    def __init__(self, has: dict[Aor, str]) -> None:
        self.has = has

    def owner(self, aor: Aor) -> OwnerId:
        """Give the holder."""
        return OwnerId(self.has.get(aor, ""))

    meant = owner

    def address(self, owner: OwnerId) -> Aor | None:
        """Give the address of who is there."""
        return next((aor for aor, one in self.has.items() if one == owner), None)


def sleeping(found: Board) -> tuple[Board, BoardNames, Directory]:
    """Have Bob, whom a board names, leave the directory, and somebody else get the address."""
    owners = Directory({BOB: "bob's"})
    names = noted(BoardNames(), found, owners)
    owners.has[BOB] = "another's"
    published, names = readdress(found, names, owners, 600.0)
    return published.board, names, owners


def test_who_is_removed_and_restored_sees_what_they_saw() -> None:
    """Also after the store has had it, when the clock was set, and without what has ended meanwhile."""
    before = shut_out(said(busy(), note("soon", 1, 3600), now=400.0), 500.0, BOB_MEMBER)
    shown = all_of(before, audience_of(before, BOB))
    asleep, names, owners = sleeping(before)
    assert asleep.absences == {}
    stored, read = read_named(ALICE, write_record(asleep, names), owners)
    assert read.asleep == names.asleep
    owners.has[BOB] = "bob's"
    for board, kept in ((asleep, names), (stored, read)):
        back = readdress(board, kept, owners, 700.0)[0].board
        assert back.absences == before.absences
    back = readdress(asleep, names, owners, 700.0)[0].board
    assert all_of(back, audience_of(back, BOB)) == shown
    late = readdress(asleep, names, owners, 9000.0)[0].board
    assert [one.value for one in visible(late, audience_of(late, BOB), "note")] == ["<note/>"]
    moved = readdress(carry(asleep, 100.0), names.carried(100.0), owners, 800.0)[0].board
    assert moved.absences == carry(before, 100.0).absences
    assert readdress(asleep, names.since(650.0), owners, 700.0)[0].board.absences[BOB_MEMBER].at == 650.0
    assert BoardNames().carried(5.0) == BoardNames()
