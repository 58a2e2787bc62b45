"""Whom a board names, when addresses pass from one person to another."""

from dataclasses import replace

from lyncpy.contracts.names import Aor, aor_of, bare
from lyncpy.contracts.owners import OwnerId
from lyncpy.workloads.presence.model.absences import Absence
from lyncpy.workloads.presence.model.board import Board
from lyncpy.workloads.presence.model.naming import BoardNames, is_concerned, noted, readdress
from lyncpy.workloads.presence.model.tables import (
    BLOCKED,
    COLLEAGUES,
    WORKGROUP,
    Container,
    ContainerMember,
    Delegate,
    Delegates,
    MemberKind,
    Subscriber,
)
from tests.kit.owners import AddressOwners

ALICE, BOB, BOBBY = aor_of("alice@contoso.test"), aor_of("bob@contoso.test"), aor_of("bobby@contoso.test")
COMPANY = ContainerMember(MemberKind.DOMAIN, "contoso.test")


class Directory(AddressOwners):
    """Who has which address now."""

    def __init__(self, **people: Aor) -> None:
        """Take present addresses, by who they are."""
        self.people = {OwnerId(who): aor for who, aor in people.items()}

    def owner(self, aor: Aor) -> OwnerId:
        """Give the holder."""
        return next((who for who, one in self.people.items() if one == aor), OwnerId(""))

    meant = owner

    def address(self, owner: OwnerId) -> Aor | None:
        """Give the address of who is there."""
        return self.people.get(owner)


def member(aor: Aor) -> ContainerMember:
    """Give a person as a container names them."""
    return ContainerMember(MemberKind.USER, bare(aor))


def naming(aor: Aor) -> Board:
    """Give a board that names somebody wherever it can: on a list, as a watcher, a delegate and one who is blocked."""
    return replace(
        Board(ALICE),
        containers={
            WORKGROUP: Container(1, frozenset({member(aor), COMPANY})),
            COLLEAGUES: Container(1, frozenset({COMPANY})),
            BLOCKED: Container(1, frozenset({member(aor)})),
        },
        subscribers=(Subscriber(aor, "Bob"),),
        delegates=Delegates(1, (Delegate(aor, publish=True),)),
        absences={member(aor): Absence(10.0), COMPANY: Absence(5.0)},
    )


def test_everything_follows_a_person_to_their_new_address() -> None:
    """A list that names nobody of them stays as it is, with its version: clients keep theirs."""
    names = noted(BoardNames(), naming(BOB), Directory(bob=BOB))
    published, names = readdress(naming(BOB), names, Directory(bob=BOBBY), 20.0)
    after, wanted = published.board, naming(BOBBY)
    assert {id_: one.members for id_, one in after.containers.items()} == {
        id_: one.members for id_, one in wanted.containers.items()
    }
    assert {id_: one.version for id_, one in after.containers.items()} == {WORKGROUP: 2, COLLEAGUES: 1, BLOCKED: 2}
    assert (after.subscribers, after.absences) == (wanted.subscribers, wanted.absences)
    assert after.delegates == Delegates(2, wanted.delegates.members)
    assert names == BoardNames({bare(BOBBY): OwnerId("bob")})


def test_who_is_told_what_is_decided_anew_where_no_list_names_them() -> None:
    """Of a watcher alone the lists keep their versions, but are others: what was decided for them is forgotten."""
    watched = replace(naming(BOB), containers={COLLEAGUES: Container(1, frozenset({COMPANY}))}, absences={})
    names = noted(BoardNames(), watched, Directory(bob=BOB))
    after = readdress(watched, names, Directory(bob=BOBBY), 20.0)[0].board
    assert after.subscribers == (Subscriber(BOBBY, "Bob"),)
    assert after.containers == watched.containers
    assert after.containers is not watched.containers
    assert readdress(watched, names, Directory(bob=BOB), 20.0)[0].board is watched


def test_who_comes_back_has_every_place_again_and_their_successor_none() -> None:
    """Meanwhile the address was another's; the one who comes back has another address than before."""
    names = noted(BoardNames(), naming(BOB), Directory(bob=BOB))
    published, names = readdress(naming(BOB), names, Directory(other=BOB), 20.0)
    asleep = published.board
    assert asleep.containers[WORKGROUP].members == {COMPANY}
    assert (asleep.subscribers, asleep.delegates.members, asleep.absences) == ((), (), {COMPANY: Absence(5.0)})
    assert [(one.aor, one.owner) for one in names.asleep] == [(BOB, "bob")]
    published, names = readdress(asleep, names, Directory(other=BOB, bob=BOBBY), 30.0)
    back, wanted = published.board, naming(BOBBY)
    assert back.containers[WORKGROUP].members == wanted.containers[WORKGROUP].members
    assert (back.subscribers, back.delegates.members) == (wanted.subscribers, wanted.delegates.members)
    assert back.absences == wanted.absences
    assert names == BoardNames({bare(BOBBY): OwnerId("bob")})


def test_who_is_asleep_without_having_been_blocked_sees_nothing_in_particular() -> None:
    """Neither the clock nor a restart changes anything of them."""
    alike = replace(naming(BOB), absences={})
    names = noted(BoardNames(), alike, Directory(bob=BOB))
    published, names = readdress(alike, names, Directory(other=BOB), 20.0)
    assert names.carried(5.0) == names.since(30.0) == names
    back = readdress(published.board, names, Directory(other=BOB, bob=BOBBY), 30.0)[0].board
    assert back.absences == {}


def test_a_board_is_concerned_by_those_whom_it_names_or_shows_itself_to() -> None:
    """Any other change of an address costs a board nothing."""
    names = noted(BoardNames(), naming(BOB), Directory(bob=BOB))

    def concerns(board: Board, names: BoardNames, aor: Aor) -> bool:
        return is_concerned(board, names, frozenset({aor}), frozenset({bare(aor)}))

    assert concerns(naming(BOB), names, BOB)
    assert not concerns(naming(BOB), names, BOBBY)
    assert concerns(replace(naming(BOB), private_to=frozenset({BOBBY})), names, BOBBY)
    asleep = readdress(naming(BOB), names, Directory(other=BOB), 20.0)[1]
    assert concerns(naming(BOB), asleep, BOBBY)
