"""Sentences about what somebody is shown, where the story is an unusual one."""

from dataclasses import replace

from lyncpy.contracts.names import Aor, Epid
from lyncpy.contracts.workload import Reason
from lyncpy.workloads.presence.model.board import Board, with_aggregates
from lyncpy.workloads.presence.model.explain import level, name_of, seen, short
from lyncpy.workloads.presence.model.states import StateDocument, StateKind
from lyncpy.workloads.presence.model.tables import (
    Container,
    ContainerMember,
    Expire,
    Instance,
    InstanceKey,
    MemberKind,
    Relation,
)

ALICE, BOB = Aor("sip:alice@contoso.test"), Aor("sip:bob@contoso.test")
USER, DOMAIN = ContainerMember(MemberKind.USER, "bob@contoso.test"), ContainerMember(MemberKind.DOMAIN, "contoso.test")
EVERYONE = ContainerMember(MemberKind.EVERYONE)


def board(**containers: ContainerMember | None) -> Board:
    """Give a board whose containers have one member each, or nobody: `c200=USER`."""
    fresh = with_aggregates(Board(ALICE), Board(ALICE), 0.0).board
    lists = {int(name[1:]): Container(1, frozenset({member} if member else ())) for name, member in containers.items()}
    return replace(fresh, containers=lists)


def story(of: Board, watcher: Aor = BOB, relation: Relation = Relation.SAME_ENTERPRISE) -> list[Reason]:
    """Tell what a watcher sees, with nobody signed in."""
    return list(seen(of, watcher, relation, 0.0, {}))


def test_before_a_client_has_set_up_levels_the_default_is_named() -> None:
    """The help desk is not to look for a list that nobody has made."""
    assert level(board(), BOB, Relation.SAME_ENTERPRISE) == ("colleagues", "same enterprise in 200, by default")


def test_each_kind_of_list_has_its_own_words() -> None:
    """A domain, everyone, nobody; the user."""
    assert level(board(c300=DOMAIN), BOB, Relation.SAME_ENTERPRISE) == ("workgroup", "listed by domain in 300")
    assert level(board(c200=None, c400=EVERYONE), BOB, Relation.SAME_ENTERPRISE) == ("friends", "everyone in 400")
    assert level(board(c200=None), BOB, Relation.SAME_ENTERPRISE) == ("everybody", "on no list")
    assert level(board(), ALICE, Relation.SAME_ENTERPRISE) == ("themselves", "their own")
    assert name_of(1000) == "container 1000"


def test_who_is_blocked_by_a_later_list_sees_what_comes_before() -> None:
    """Their name is on one list, their domain is blocked: what their container lacks is not looked for any further."""
    found = story(board(c400=USER, c32000=DOMAIN))
    assert [one.finding for one in found[:2]] == [
        "bob is in container 400 (friends): listed as user in 400",
        "nothing further is shown, because bob is blocked: listed by domain in 32000",
    ]
    assert [one.good for one in found[:2]] == [True, False]


def test_who_is_on_no_list_sees_no_state() -> None:
    """Offline, with the reason and what can be done."""
    found = story(board(c200=None))
    assert found[0].finding == "bob is on no list of alice's: what everybody sees"
    assert (found[1].good, found[1].finding) == (False, "no container that bob is in holds a state of alice: offline")


def test_a_state_that_a_client_publishes_itself_is_named_as_such() -> None:
    """An application has an audience of its own, and the server made nothing there."""
    own = board(c1000=USER)
    key = InstanceKey("state", 7, 1000)
    state = StateDocument(StateKind.AGGREGATE, 6500)
    value = "<state/>"
    own = replace(
        own, instances={**own.instances, key: Instance(key, 1, Expire.STATIC, value, 0.0, Epid("e"), state=state)}
    )
    says = "bob sees in container 1000 (container 1000) what a client of alice's has published itself"
    assert says in [one.finding for one in story(own)]


def test_a_silent_device_is_trouble_with_a_remedy() -> None:
    """Signed in and yet offline is what users complain about."""
    found = list(seen(board(), BOB, Relation.SAME_ENTERPRISE, 0.0, {Epid("e1"): "Lync"}))
    silent = next(one for one in found if not one.good)
    assert silent.finding == "alice is signed in, but no device has published a state: shown as offline"
    assert "sign the device out and in" in silent.remedy


def test_people_of_other_domains_are_named_in_full() -> None:
    """There may be a bob elsewhere."""
    assert short(BOB, ALICE) == "bob"
    assert short(Aor("sip:bob@partner.test"), ALICE) == "bob@partner.test"
