"""Sentences about what somebody is shown, where the story is an unusual one."""

from dataclasses import replace
from typing import Any

import pytest

from lyncpy.contracts.names import Aor, Epid
from lyncpy.contracts.workload import Reason
from lyncpy.workloads.presence.model.board import Board, with_aggregates
from lyncpy.workloads.presence.model.explain import level, name_of, seen, short
from lyncpy.workloads.presence.model.states import Activity, StateDocument, StateKind
from lyncpy.workloads.presence.model.tables import (
    INPUT,
    INPUT_LOWERED,
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


PC, HOME = Epid("pc"), Epid("home")


def says(kind: StateKind, availability: int, *, by: Epid = PC, **fields: Any) -> tuple[Epid, StateDocument]:
    """Give what a device says; what a person has chosen was chosen by hand."""
    return by, StateDocument(kind, availability, kind is StateKind.USER)._replace(**fields)


def busy(*states: tuple[Epid, StateDocument], **containers: ContainerMember) -> Board:
    """Give a board with states, one second after the other, and what the server makes of them."""
    fresh = board(**containers)
    instances = {
        key: Instance(key, 1, Expire.ENDPOINT, "<state/>", float(number), by, state=state)
        for number, (by, state) in enumerate(states)
        for key in (InstanceKey("state", 0x30000000 + number, one) for one in (INPUT, INPUT_LOWERED))
    }
    return with_aggregates(fresh, replace(fresh, instances={**fresh.instances, **instances}), 100.0).board


def with_note(of: Board, container: int, until: float | None = None) -> Board:
    """Give a board with a note of a device."""
    key = InstanceKey("note", 0, container)
    return replace(of, instances={**of.instances, key: Instance(key, 1, Expire.TIME, "", 60.0, PC, until=until)})


def findings(of: Board, part: str, watcher: Aor = BOB) -> list[str]:
    """Give the sentences about one part of what a watcher sees, while both devices are signed in."""
    told = seen(of, watcher, Relation.SAME_ENTERPRISE, 100.0, {PC: "Lync", HOME: "pidgin"})
    return [one.finding for one in told if one.concern == part]


@pytest.mark.parametrize(
    ("machine", "chosen", "last"),
    [
        (3500, 6500, "alice counts as there, so busy holds"),
        (5000, None, "nobody is active at a device, so available is shown as inactive"),
        (15500, None, "nobody is at a device, and available ends with that: alice is shown as the device says"),
        (15500, 9500, "do not disturb holds, whether somebody is at a device or not"),
        (3500, 18500, "alice has chosen to appear offline"),
        (18500, None, "no device can be reached, so alice is offline"),
    ],
)
def test_what_decided_a_state_is_said_last(machine: int, chosen: int | None, last: str) -> None:
    """Of what somebody chose and what their devices say, in the words of the rule that was followed."""
    states = [says(StateKind.USER, chosen)] if chosen else []
    assert findings(busy(*states, says(StateKind.MACHINE, machine)), "made of")[-1] == last


def test_each_device_and_what_was_chosen_are_named_with_their_times() -> None:
    """Who shows the wrong state finds the device that says so; the workgroup is shown another state than others."""
    of = busy(
        says(StateKind.MACHINE, 15500, by=HOME),
        says(StateKind.MACHINE, 3500),
        says(StateKind.USER, 9500, by=Epid("gone")),
        c300=USER,
    )
    assert findings(of, "made of")[:3] == [
        "device pc (Lync): somebody is at it (3500) since 1970-01-01T00:00:01Z; the most active",
        "device home (pidgin): nobody is at it (15500) since 1970-01-01T00:00:00Z",
        "alice chose do not disturb (9500) at 1970-01-01T00:00:02Z on device gone, which is signed out; this level is "
        "shown busy (6900, urgent interruptions only) in its place",
    ]


def test_a_meeting_is_told_without_what_it_is_about() -> None:
    """That others are shown it is for administrators, what people wrote is not."""
    meeting = says(
        StateKind.CALENDAR, 6500, activity=Activity("in-a-meeting"), meeting_subject="Layoffs", starts=0.0, ends=3600.0
    )
    absent = says(StateKind.CALENDAR, 15500)
    of = busy(says(StateKind.MACHINE, 3500), meeting, absent)
    assert findings(of, "made of")[1:3] == [
        "a meeting (what and where it is, this level is not told) makes alice busy (6500, in-a-meeting) "
        "since 1970-01-01T00:00:00Z until 1970-01-01T01:00:00Z",
        "the calendar says away; it counts only while alice is absent",
    ]
    assert findings(of, "changes") == ["at 1970-01-01T01:00:00Z: a meeting ends (busy)"]


def test_beside_the_state_is_told_what_is_shown_and_what_is_hidden() -> None:
    """And when a note lapses of itself."""
    assert findings(with_note(busy(), 200), "shown") == ["note: container 200, by device pc at 1970-01-01T00:01:00Z"]
    assert findings(with_note(busy(), 400), "hidden") == ["published, but not for this level: note"]
    outside = findings(with_note(busy(says(StateKind.MACHINE, 3500), c100=USER), 200), "hidden")
    assert outside[0].startswith("this level is shown the number only")
    assert outside[1].startswith("closed at this level: ")
    assert "note" in outside[1]
    assert findings(with_note(busy(), 200, 3600.0), "changes") == ["at 1970-01-01T01:00:00Z: note lapses"]
    assert findings(busy(), "level", ALICE) == ["alice sees all that any level sees"]
    assert findings(busy(), "made of", ALICE) == findings(busy(), "made of")


def test_who_is_blocked_or_a_stranger_is_told_so_with_a_remedy() -> None:
    """Nothing else is said: they see nothing else."""
    blocked, stranger = story(board(c32000=USER)), story(replace(board(), private_to=frozenset()))
    assert [one.finding for one in blocked] == [
        "alice blocks bob: listed as user in 32000",
        "bob sees alice as if alice had signed out when blocking, whatever alice does",
    ]
    assert [one.finding for one in stranger] == [
        "alice is in privacy mode, and bob is not a contact",
        "bob sees alice offline, with name and mail address and nothing else",
    ]
    assert (blocked[0].remedy, stranger[0].remedy) == (
        "the user can change their access level in a client",
        "alice can add bob as a contact",
    )


def test_privacy_and_delegates_have_words_of_their_own() -> None:
    """Of neither there is a list on which the help desk finds the watcher."""
    private = replace(board(), private_to=frozenset({BOB}))
    assert level(private, BOB, Relation.SAME_ENTERPRISE) == ("colleagues", "private: a contact, sameEnterprise")
    stranger = replace(board(), private_to=frozenset())
    assert level(stranger, BOB, Relation.SAME_ENTERPRISE) == ("nobody", "private: not a contact")
    helped = replace(board(), delegates=Delegates(1, (Delegate(BOB),)))
    assert level(helped, BOB, Relation.SAME_ENTERPRISE)[1] == "delegate"


def test_somebody_without_a_device_is_not_signed_in() -> None:
    """Which is no fault of the server's."""
    assert "alice is not signed in on any device" in [one.finding for one in story(board())]
