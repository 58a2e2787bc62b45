"""What a pull changes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lyncpy.contracts.directory import Group, Person, Pull, Skipped
from lyncpy.contracts.names import Aor
from lyncpy.workloads.directory.model.changes import (
    SLICE,
    AddressMove,
    PullChanges,
    comparing,
    comparing_groups,
    in_order,
    naming,
    renewals,
)
from lyncpy.workloads.directory.model.removals import RemovalLimits, refusal
from tests.kit.directory import done, person

ALICE, BOB, CAROL = person("alice"), person("bob"), person("carol")
LIMITS = RemovalLimits(0.25, 3)


def known(*people: Person) -> dict[Aor, Person]:
    """Give people by address."""
    return {one.aor: one for one in people}


def compare(mine: Mapping[Aor, Person], skipped: Sequence[Skipped], pull: Pull, **ways: Any) -> PullChanges:
    """Find what an answer changes of people."""
    return done(comparing(mine, skipped, pull, **ways))


def everybody(*people: Person, skipped: tuple[Skipped, ...] = ()) -> Pull:
    """Give a complete answer."""
    return Pull(people, frozenset(), complete=True, skipped=skipped)


def news(
    *people: Person,
    gone: tuple[str, ...] = (),
    present: frozenset[str] | None = None,
    skipped: tuple[Skipped, ...] = (),
) -> Pull:
    """Give an incremental answer."""
    return Pull(people, frozenset(gone), complete=False, present=present, skipped=skipped)


def test_a_complete_answer_adds_changes_and_removes() -> None:
    """Whoever is not in it is gone."""
    director = replace(BOB, title="Director")
    changes = compare(known(ALICE, BOB), (), everybody(director, CAROL))
    assert (changes.added, changes.changed, changes.removed) == ((CAROL,), (director,), (ALICE,))
    assert changes.unchanged == 0


def test_an_incremental_answer_leaves_who_it_does_not_name() -> None:
    """Silence means unchanged."""
    changes = compare(known(ALICE, BOB), (), news(gone=(BOB.key,)))
    assert (changes.removed, changes.unchanged) == ((BOB,), 1)


def test_who_is_not_counted_any_more_is_gone() -> None:
    """The count of keys finds the deleted."""
    assert compare(known(ALICE, BOB), (), news(present=frozenset({ALICE.key}))).removed == (BOB,)


def test_who_is_counted_but_was_never_named_makes_everything_be_read() -> None:
    """A subtree was moved in without a change to any entry."""
    assert compare(known(ALICE), (), news(present=frozenset({ALICE.key, "new"}))).incomplete
    skipped = (Skipped("x", "bad", key="new"),)
    assert not compare(known(ALICE), skipped, news(present=frozenset({ALICE.key, "new"}))).incomplete


def test_the_known_owner_of_an_address_keeps_it() -> None:
    """A newcomer cannot take an address by being listed first."""
    thief = replace(ALICE, key="aaa", source="uid=thief")
    changes = compare(known(ALICE), (), everybody(thief, ALICE))
    assert changes.is_empty
    assert [(one.source, one.key) for one in changes.skipped] == [("uid=thief", "aaa")]
    assert "already that of uid=alice" in changes.skipped[0].reason


def test_two_people_may_swap_addresses() -> None:
    """A swap is two moves and no clash."""
    changes = compare(known(ALICE, BOB), (), everybody(replace(ALICE, aor=BOB.aor), replace(BOB, aor=ALICE.aor)))
    assert len(changes.moved) == 2
    assert not changes.skipped


def test_an_entry_made_anew_is_somebody_else() -> None:
    """Deleted and created again under the same address: one is gone, another came."""
    anew = replace(ALICE, key="new")
    changes = compare(known(ALICE), (), news(anew, present=frozenset({"new"})))
    assert (changes.added, changes.removed, changes.changed) == ((anew,), (ALICE,), ())


@pytest.mark.parametrize("name", ["", "branch/"])
def test_who_was_known_by_their_dn_is_who_stands_there_under_a_key(name: str) -> None:
    """As when the account may read keys since; at another place, or known by a key before, it is somebody else."""
    dn = "UID=Alice, ou=People,dc=example"
    before = replace(ALICE, key=f"{name}uid=alice,ou=people,dc=example", source=dn)
    now = replace(before, key=f"{name}6ad4e1f0")

    def renewed(was: Person, told: Person) -> Mapping[str, str]:
        return done(renewals(known(was), {was.key}, news(told), may=lambda _: False))

    assert renewed(before, now) == {before.key: now.key}
    assert renewed(before, replace(now, source="uid=alice,ou=others,dc=example")) == {}
    assert renewed(replace(before, key=f"{name}0a1b"), now) == {}
    changes = compare(known(before), (), news(now), renewed=renewed(before, now))
    assert (changes.changed, changes.added, changes.removed) == ((now,), (), ())


@pytest.mark.parametrize("name", ["", "branch/"])
def test_a_group_that_was_known_by_its_dn_makes_place_for_itself(name: str) -> None:
    """It goes without a doubt, however many do; another group at another place is one more."""
    place = "cn=crew,ou=groups,dc=example"
    crew = Group(f"{name}{place}", "Crew", Aor(""), frozenset(), "CN=Crew,ou=Groups,dc=example")
    keyed = Group(f"{name}0a", "Other", Aor(""), frozenset(), "cn=other,ou=groups,dc=example")
    now = replace(crew, key=f"{name}6ad4e1f0")
    answer = replace(everybody(), groups=(now, keyed))
    mine = {one.key: one for one in (crew, keyed)}
    changes = done(comparing_groups(mine, (), (), answer, withhold=lambda _: True))
    assert (changes.added, changes.replaced, changes.removed, changes.withheld) == ((now,), (crew,), (), ())
    assert changes.unchanged == 1
    moved = replace(now, source="cn=crew,ou=elsewhere,dc=example")
    changes = done(comparing_groups(mine, (), (), replace(answer, groups=(moved, keyed))))
    assert (changes.added, changes.replaced, changes.removed) == ((moved,), (), (crew,))


def test_who_has_another_address_has_moved() -> None:
    """A marriage is neither a removal nor a newcomer."""
    married = replace(ALICE, aor=CAROL.aor, surname="Carol")
    changes = compare(known(ALICE, BOB), (), news(married))
    assert (changes.moved, changes.added, changes.removed) == ((AddressMove(ALICE, married),), (), ())


def test_where_the_directory_was_built_anew_the_address_tells_who_is_who() -> None:
    """Keys of another directory say nothing of those that are known; an operator says when that is so."""
    anew = replace(ALICE, key="new")
    answer = everybody(anew, BOB)
    keys = {ALICE.key, BOB.key}
    renewed = done(renewals(known(ALICE, BOB), keys, answer, may=lambda _: True))
    assert renewed == {ALICE.key: "new"}
    assert done(renewals(known(ALICE, BOB), keys, answer, may=BOB.key.__eq__)) == {}
    changes = compare(known(ALICE, BOB), (), answer, renewed=renewed)
    assert (changes.changed, changes.added, changes.removed, changes.unchanged) == ((anew,), (), (), 1)


def test_removals_alone_are_withheld() -> None:
    """Who comes, changes, moves or is disabled in the same pull does so."""
    people = [person(f"u{n}") for n in range(10)]
    answer = everybody(replace(people[0], enabled=False), replace(people[1], aor=CAROL.aor), ALICE)
    changes = compare(known(*people), (), answer, withhold=lambda _: True)
    assert changes.withheld == tuple(people[2:])
    assert (changes.removed, changes.added, len(changes.disabled), len(changes.moved)) == ((), (ALICE,), 1, 1)


def test_who_is_switched_off_by_an_entry_of_no_use_is_off() -> None:
    """Their removal waits with the others, but nothing that takes a right away does."""
    useless = Skipped("uid=bob", "it has no address", key=BOB.key, barred="msRTCSIP-UserEnabled=FALSE")
    changes = compare(known(ALICE, BOB), (), everybody(ALICE, skipped=(useless,)), withhold=lambda _: True)
    assert [(one.aor, one.enabled, one.barred) for one in changes.disabled] == [(BOB.aor, False, useless.barred)]
    assert changes.withheld == (BOB,)
    assert changes.removed == ()
    again = compare(
        known(ALICE, changes.disabled[0]), (), everybody(ALICE, skipped=(useless,)), withhold=lambda _: True
    )
    assert (again.changed, again.disabled) == ((), ())


def test_an_address_whose_holder_is_withheld_is_not_free() -> None:
    """A newcomer waits for it; who is known already and wants it stays what they were."""
    thief = replace(BOB, key="thief")
    newcomer, mover = replace(ALICE, key="new"), replace(BOB, aor=ALICE.aor, title="Dr")
    both = compare(known(ALICE), (), everybody(newcomer), withhold=lambda _: True)
    assert (both.added, both.removed) == ((), ())
    assert "removal is held back" in both.skipped[0].reason
    changes = compare(known(ALICE, BOB), (), everybody(mover), withhold=lambda _: True)
    assert (changes.changed, changes.removed, changes.moved) == ((replace(BOB, title="Dr"),), (), ())
    late = compare(known(ALICE, BOB), (), everybody(mover, thief), withhold=lambda _: True)
    assert "uid=bob" in {one.source for one in late.skipped}
    assert late.removed == ()


def test_who_is_given_the_address_of_somebody_else_stays_what_they_were() -> None:
    """A script that writes one address into all entries takes nobody's away, whether removals are believed or not."""
    people = [person(f"u{n}") for n in range(4)]
    for withhold in (None, lambda _: True):
        answer = everybody(*(replace(one, aor=ALICE.aor, title="Dr") for one in people))
        changes = compare(known(*people), (), answer, withhold=withhold)
        assert [move.before for move in changes.moved] == people[:1]
        assert set(changes.changed) == {replace(one, title="Dr") for one in people[1:]}
        assert (changes.removed, len(changes.skipped)) == ((), 3)
    assert "already that of uid=u0; until" in changes.skipped[0].reason
    assert "stay u1@example.com" in changes.skipped[0].reason


def test_who_wants_the_address_of_somebody_who_waits_for_theirs_gets_it() -> None:
    """An increment names one of the two alone; everything is read then, and they swap."""
    a, b = person("a"), person("b")
    waits = replace(b, aor=a.aor)
    first = compare(known(a, b), (), news(waits))
    assert (first.moved, len(first.skipped)) == ((), 1)
    assert compare(known(a, b), first.skipped, news(replace(a, aor=b.aor))).incomplete
    assert len(compare(known(a, b), first.skipped, everybody(waits, replace(a, aor=b.aor))).moved) == 2


def test_a_chain_of_moves_to_an_address_that_is_not_free_is_not_made() -> None:
    """Each waits for the one before, in whatever order the directory names them; a switch counts all the same."""
    a, b, c = (person(name) for name in "abc")
    chain = [replace(a, aor=b.aor, enabled=False), replace(c, aor=a.aor)]
    for told in (chain, chain[::-1]):
        changes = compare(known(a, b, c), (), everybody(*told), withhold=lambda _: True)
        assert changes.disabled == (replace(a, enabled=False),)
        assert (changes.removed, changes.moved, changes.added, len(changes.skipped)) == ((), (), (), 2)
        believed = compare(known(a, b, c), (), everybody(*told))
        assert ({move.after for move in believed.moved}, believed.removed) == (set(chain), (b,))


def test_moves_come_in_an_order_in_which_each_address_is_free() -> None:
    """A chain goes from its free end; a circle is one step, because none of it has a beginning."""
    a, b, c, d = (person(name) for name in "abcd")
    chain = [
        AddressMove(a, replace(a, aor=b.aor)),
        AddressMove(b, replace(b, aor=c.aor)),
        AddressMove(c, replace(c, aor=d.aor)),
    ]
    assert [one for step in in_order(chain) for one in step.people] == chain[::-1]
    circle = [chain[0], chain[1], AddressMove(c, replace(c, aor=a.aor))]
    (step,) = in_order([*circle])
    assert step.together
    assert set(step.people) == set(circle)


def test_a_large_pull_is_compared_in_slices() -> None:
    """Between two slices, everybody else has their turn."""
    people = [person(f"u{n}") for n in range(5 * SLICE + 1)]
    work = comparing(known(*people), (), everybody(*people[1:]))
    steps = list(work)
    assert max(steps) <= SLICE
    assert sum(steps) >= 2 * len(people)


def test_an_unreadable_entry_leaves_its_person_as_he_was() -> None:
    """A broken title signs nobody out; a lost address does."""
    held = (Skipped("uid=bob", "unreadable", key=BOB.key, keeps=True),)
    lost = (Skipped("uid=bob", "no address", key=BOB.key),)
    assert compare(known(ALICE, BOB), (), everybody(ALICE, skipped=held)).removed == ()
    assert compare(known(ALICE, BOB), (), everybody(ALICE, skipped=lost)).removed == (BOB,)
    assert compare(known(ALICE, BOB), (), news(gone=(BOB.key,), skipped=lost)).removed == (BOB,)


def test_earlier_findings_stand_until_the_entry_is_mended_or_gone() -> None:
    """`directory skipped` shows all that is wrong, not only what is new."""
    bad = (Skipped("uid=x", "bad", key="x"), Skipped("uid=y", "bad", key="y"))
    changes = compare(known(ALICE), bad, news(person("x", key="x"), present=frozenset({ALICE.key, "x"})))
    assert changes.skipped == ()
    assert compare(known(ALICE), bad, news()).skipped == bad


def test_a_removal_reads_everything_when_skipped_entries_may_profit() -> None:
    """The address that became free may be another entry's."""
    bad = (Skipped("uid=twin", "address taken", key="twin"),)
    assert compare(known(ALICE, BOB), bad, news(gone=(ALICE.key,))).incomplete


def test_too_many_removals_are_refused_and_counted() -> None:
    """The sentence says how many of how many, and which setting decides."""
    people = [person(f"u{n}") for n in range(10)]
    changes = compare(known(*people), (), everybody(*people[4:]))
    assert refusal(changes, 10, LIMITS) == (
        "it would remove 4 of 10 people, more than the share of 0.25 ([directory] removal_share)"
    )
    assert refusal(changes, 10, RemovalLimits(0.4, 3)) == ""
    assert refusal(changes, 10, RemovalLimits(0.25, 5)) == ""


def test_disabling_very_many_is_believed() -> None:
    """What takes rights away always counts."""
    people = [person(f"u{n}") for n in range(10)]
    changes = compare(known(*people), (), everybody(*(replace(one, enabled=False) for one in people)))
    assert len(changes.disabled) == 10
    assert refusal(changes, 10, LIMITS) == ""


def test_an_empty_directory_is_refused_however_few_people_there_are() -> None:
    """Nobody left of two is a broken directory; the last of one may go."""
    assert refusal(compare(known(ALICE, BOB), (), everybody()), 2, LIMITS)
    assert not refusal(compare(known(ALICE), (), everybody()), 1, LIMITS)
    assert not refusal(compare(known(ALICE, BOB), (), everybody()), 2, RemovalLimits(1.0, 3))


def test_findings_about_a_person_are_found_by_address_and_by_name() -> None:
    """`why alice` shows the entry that was skipped."""
    named = Skipped("uid=x,dc=com", 'its address "sip:alice@example.com" is taken')
    own = Skipped("uid=alice,dc=com", "it has no address")
    other = Skipped("uid=malice,dc=com", "it has no address")
    assert naming((named, own, other), ALICE.aor) == (named, own)


USERS = st.sampled_from(["a", "b", "c", "d"])
ENTRIES = st.dictionaries(st.sampled_from(["k1", "k2", "k3", "k4", "k5"]), st.tuples(USERS, st.booleans()), max_size=5)


def applied(people: dict[Aor, Person], changes: PullChanges) -> dict[Aor, Person]:
    """Carry changes out."""
    gone = {one.aor for one in changes.removed} | {move.before.aor for move in changes.moved}
    kept = {aor: one for aor, one in people.items() if aor not in gone}
    return {**kept, **known(*changes.added, *changes.changed, *(move.after for move in changes.moved))}


@given(st.lists(ENTRIES, min_size=1, max_size=5))
def test_after_any_sequence_people_are_what_the_directory_says(steps: list[dict[str, tuple[str, bool]]]) -> None:
    """Incremental pulls, with a full one where they ask for it, end where a full pull ends."""
    people: dict[Aor, Person] = {}
    skipped: tuple[Skipped, ...] = ()
    before: dict[str, Person] = {}
    for step in steps:
        now = {key: person(user, key=key, enabled=enabled, source=key) for key, (user, enabled) in step.items()}
        changed = [one for key, one in now.items() if before.get(key) != one]
        changes = compare(people, skipped, news(*changed, present=frozenset(now)))
        if changes.incomplete:
            changes = compare(people, skipped, everybody(*now.values()))
        were = {one.key for one in people.values()}
        people, skipped, before = applied(people, changes), changes.skipped, now
        told = {one.aor for one in now.values()}
        assert told <= set(people)
        assert all(now[one.key] == replace(one, aor=now[one.key].aor) for one in people.values())
        if len(told) == len(now):
            assert set(people) == told
        # Nobody falls out who is in the directory, whatever address it says.
        assert were & set(now) <= {one.key for one in people.values()}
        again = compare(people, skipped, everybody(*now.values()))
        assert again.is_empty


def test_a_contact_leaves_its_address_to_who_may_sign_in_with_it() -> None:
    """Whichever was there first, whether the person is new or moves; of two contacts the first has it."""
    contact = replace(BOB, key="contact", enabled=False, is_contact=True)
    assert compare(known(contact), (), everybody(contact, BOB)).added == (BOB,)
    assert compare({}, (), everybody(contact, BOB)).added == (BOB,)
    assert compare({}, (), everybody(BOB, contact)).added == (BOB,)
    moving = replace(ALICE, aor=BOB.aor)
    changes = compare(known(ALICE, contact), (), everybody(moving, contact))
    assert (changes.moved, changes.removed) == ((AddressMove(ALICE, moving),), (contact,))
    other = replace(contact, key="other")
    assert compare(known(contact), (), everybody(contact, other)).skipped[0].key == "other"
