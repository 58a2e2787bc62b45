"""A conference whose participants are at several servers: one of them is its home, and another one goes on when that is lost."""

from collections.abc import Iterator, Sequence

import pytest

from lyncpy.contracts.workload import CommandFailed
from tests.kit.actors import Actor
from tests.kit.hall import tree
from tests.kit.meetings import Seat, code_of, new_conference
from tests.kit.pool import Pool
from tests.kit.release import kinds_in
from tests.kit.results import answer_of
from tests.kit.sip_client import Exchange
from tests.kit.stage import Stage

LEASE_S = 5.0
KNOWN_DEAD_S = 2 * LEASE_S
"""By then all others know that a server is dead."""


@pytest.fixture
def pool() -> Iterator[Pool]:
    """Three servers that run."""
    with Pool.opened(3) as pool:
        yield pool


def people_of(pool: Pool) -> tuple[Actor, ...]:
    """Alice is at the first server, Bob at the second, Carol at the third."""
    return tuple(server.sign_in(name)[0] for server, name in zip(pool, ("alice", "bob", "carol"), strict=True))


def meeting_of(pool: Pool, *people: Actor) -> tuple[Seat, ...]:
    """Let the first create a conference and all of them join it."""
    first = people[0].meets()
    seats = (first, *(who.joins(first.focus) for who in people[1:]))
    pool.passes(1)
    return seats


def home_of(pool: Pool) -> list[str]:
    """Give which nodes are the homes of conferences."""
    homes = pool.deployment.nodes.homes
    return [home.node for key, home in homes.items() if key.startswith("conference ") and home.node]


def stored_in(pool: Pool) -> list[int]:
    """Give the versions of the conferences as they are stored."""
    return [one.version for one in answer_of(pool.deployment.store.scan("conference"))]


def talk(pool: Pool, *seats: Seat, words: str) -> None:
    """Have each say something, and see that all others hear it once."""
    for number, seat in enumerate(seats):
        for other in seats:
            other.texts.clear()
        name = seat.client.aor.removeprefix("sip:").partition("@")[0]
        exchange = seat.says(f"{words} {number}")
        pool.passes(1)
        assert exchange.status == 202
        assert [other.texts for other in seats if other is not seat] == [[(name, f"{words} {number}")]] * (
            len(seats) - 1
        )
        assert seat.texts == []


def test_a_conference_over_three_servers(pool: Pool) -> None:
    """All see all, and what one says the others hear once; the first who joined is at its home."""
    seats = meeting_of(pool, *people_of(pool))
    for seat in seats:
        assert seat.who_chats() == ["alice", "bob", "carol"]
    assert home_of(pool) == [pool.servers[0].node]
    talk(pool, *seats, words="hello")
    assert code_of(seats[0].promotes(seats[1].client.aor).answer) == "success"
    pool.passes(1)
    assert seats[2].roster[seats[1].client.aor].role == "presenter"
    assert code_of(seats[1].locks().answer) == "success"
    pool.passes(1)
    assert [seat.locked for seat in seats] == [True, True, True]
    seats[1].ejects(seats[2].client.aor)
    pool.passes(1)
    assert seats[2].is_over
    assert seats[0].who_chats() == ["alice", "bob"]
    seats[1].leaves()
    seats[0].leaves()
    pool.passes(1)
    assert home_of(pool) == []


def test_copies_for_one_server_cross_as_one(pool: Pool) -> None:
    """What is said goes once to each server, however many hear it there; after the first time as what differs alone, and so do answers."""
    alice = pool.servers[0].sign_in("alice")[0]
    others = [pool.servers[1].sign_in(name)[0] for name in ("bob", "carol")]
    first, *seats = meeting_of(pool, alice, *others)
    talk(pool, first, *seats, words="one")
    talk(pool, first, *seats, words="two")
    pool.passes(2)
    crossed: list[Sequence[str]] = []

    def note(sender: object, receiver: object, said: object) -> bool:
        if isinstance(said, bytes):
            crossed.append([kind for kind in kinds_in(said) if kind not in ("many", "taken")])
        return False

    pool.hub.loses = note
    talk(pool, first, *seats, words="three")
    assert ["tell", "tell"] in crossed
    all_of_them = [kind for kinds in crossed for kind in kinds]
    assert all_of_them.count("tell") >= all_of_them.count("done") >= 4
    assert not {"send", "answer"} & set(all_of_them)


def test_who_was_made_elsewhere_is_found(pool: Pool) -> None:
    """A conference is joined at another server a moment after it was made, though nobody there has heard of it."""
    alice, bob, carol = people_of(pool)
    pool.hub.loses = lambda sender, receiver, said: "Conference" in type(said).__name__
    focus = new_conference(alice.sip)
    seat = bob.joins(focus)
    assert seat.who_chats() == ["bob"]
    assert home_of(pool) == [pool.servers[1].node]
    carol.joins(focus)
    pool.passes(1)
    assert seat.who_chats() == ["bob", "carol"]


def test_the_conference_goes_on_when_its_home_is_killed(pool: Pool) -> None:
    """Those at living servers go on chatting in the same dialogs; who was at the dead one is gone, and may return."""
    alice, bob, carol = people_of(pool)
    first, second, third = meeting_of(pool, alice, bob, carol)
    talk(pool, first, second, third, words="before")
    assert code_of(first.locks().answer) == "success"
    pool.servers[0].kill()
    pool.passes(KNOWN_DEAD_S)
    for seat in (second, third):
        assert not seat.is_over
        assert seat.who_chats() == ["bob", "carol"]
        assert seat.versions == sorted(set(seat.versions))
    talk(pool, second, third, words="after")
    assert len(home_of(pool)) == 1
    assert home_of(pool) != [pool.servers[0].node]
    # She comes back at another server; though it is locked, for she was in it.
    (again,) = pool.servers[2].sign_in("alice")
    back = again.joins(first.focus)
    pool.passes(1)
    assert back.roster[again.aor].role == "presenter"
    talk(pool, back, second, third, words="again")


def test_a_server_that_leaves_hands_its_conferences_over(pool: Pool) -> None:
    """Another one goes on before it is gone; who is at others goes on chatting, and no word is refused or lost on the way."""
    alice, bob, carol = people_of(pool)
    _, second, third = meeting_of(pool, alice, bob, carol)
    leaving = pool.servers[0]
    pool.servers[1].shell(f"drain {leaving.node}")
    said: list[str] = []
    for number in range(300):
        exchange = second.says(str(number))
        pool.passes(0.1)
        assert exchange.status == 202
        said.append(str(number))
        if leaving.wants_to_end:
            break
    assert leaving.wants_to_end
    pool.passes(1)
    assert [text for _, text in third.texts] == said
    assert home_of(pool) in ([pool.servers[1].node], [pool.servers[2].node])
    assert second.who_chats() == third.who_chats() == ["bob", "carol"]
    talk(pool, second, third, words="before it is gone")
    leaving.stop()
    pool.passes(KNOWN_DEAD_S)
    talk(pool, third, second, words="after it is gone")


def test_what_is_said_while_the_home_dies_is_delivered_or_reported(pool: Pool) -> None:
    """Nobody is answered 202 for what the others never hear."""
    alice, bob, carol = people_of(pool)
    _, second, third = meeting_of(pool, alice, bob, carol)
    pool.servers[0].kill()
    exchanges = []
    for number in range(20):
        with bob.in_one_breath():
            exchanges.append(second.says(str(number)))
        pool.passes(0.7)
    pool.passes(30)
    heard = [text for _, text in third.texts]
    accepted = [str(number) for number, exchange in enumerate(exchanges) if exchange.status == 202]
    assert heard == accepted
    assert accepted
    assert {exchange.status for exchange in exchanges} <= {202, 503, 504}


@pytest.fixture
def narrow() -> Iterator[Pool]:
    """Three servers that send a device two messages of a conference at once: further ones wait."""
    with Pool.opened(3, im={"chat_window": 2}) as pool:
        yield pool


def reports_of(seat: Seat) -> dict[int, list[str]]:
    """Give whom the messages of somebody did not reach, by Message-Id: nobody in an empty list."""
    found: dict[int, list[str]] = {}
    for one in seat.reports:
        root = tree(one.body)
        names = [element.get("uri").strip("<>") for element in root.iterfind("recipient")]
        found.setdefault(int(root.findtext("message-id")), []).extend(names)
    return found


def numbers_of(exchanges: Sequence[Exchange]) -> list[int]:
    """Give the Message-Ids of messages, all of which were accepted."""
    assert [one.status for one in exchanges] == [202] * len(exchanges)
    return [int(one.answer.headers.get("Message-Id") or "") for one in exchanges]


@pytest.mark.parametrize("how", ["killed", "drained"])
def test_what_waits_for_somebody_outlives_the_home(narrow: Pool, how: str) -> None:
    """Carol's device does not answer for a moment, and the home goes: she hears all that was said, once, and Bob is told so."""
    alice, bob, carol = people_of(narrow)
    first, second, third = meeting_of(narrow, alice, bob, carol)
    carol.ignores_messages = True
    said = [second.says(f"from Bob {number}") for number in range(5)] + [first.says("from Alice")]
    narrow.passes(2)
    assert third.texts == []
    assert first.texts == [("bob", f"from Bob {number}") for number in range(5)]
    carol.ignores_messages = False
    if how == "killed":
        narrow.servers[0].kill()
    else:
        narrow.servers[0].shell(f"drain {narrow.servers[0].node}")
    narrow.passes(KNOWN_DEAD_S)
    # The first two had been sent to her device, which has shown them, though it did not say so.
    assert [text for _, text in third.texts] == ["from Bob 2", "from Bob 3", "from Bob 4", "from Alice"]
    assert reports_of(second) == {number: [] for number in numbers_of(said[:5])}
    talk(narrow, second, third, words="after")
    assert set(reports_of(second)) > set(numbers_of(said[:5]))


def test_what_cannot_be_delivered_after_the_home_is_lost_is_reported(narrow: Pool) -> None:
    """Carol's device answers nothing more, Alice was at the home: Bob hears which of his messages they did not get."""
    alice, bob, carol = people_of(narrow)
    _, second, _ = meeting_of(narrow, alice, bob, carol)
    alice.ignores_messages = carol.ignores_messages = True
    carol.sip.answers["OPTIONS"] = lambda request: None
    said = [second.says(str(number)) for number in range(5)]
    narrow.passes(2)
    assert reports_of(second) == {}
    narrow.servers[0].kill()
    narrow.passes(KNOWN_DEAD_S + 100)
    assert reports_of(second) == {number: [alice.aor, carol.aor] for number in numbers_of(said)}
    assert second.who_chats() == ["bob"]


def test_what_waits_outlives_two_homes(narrow: Pool) -> None:
    """The first home leaves, the next one is killed: nothing is lost or said twice, and no number is used again."""
    alice, bob, carol = people_of(narrow)
    (dave,), (erin,) = narrow.servers[1].sign_in("dave"), narrow.joins().sign_in("erin")
    first, second, third = meeting_of(narrow, alice, bob, carol)
    fourth, fifth = dave.joins(first.focus), erin.joins(first.focus)
    carol.ignores_messages, carol.sip.answers["OPTIONS"] = True, lambda request: None
    said = [fifth.says(str(number)) for number in range(4)]
    narrow.passes(2)
    narrow.servers[0].shell(f"drain {narrow.servers[0].node}")
    narrow.passes(1)
    assert home_of(narrow) == [narrow.servers[1].node]
    said += [fifth.says("4")]
    narrow.passes(2)
    assert [len(one.texts) for one in (second, third, fourth)] == [5, 0, 5]
    carol.ignores_messages = False
    del carol.sip.answers["OPTIONS"]
    narrow.servers[1].kill()
    narrow.passes(KNOWN_DEAD_S)
    assert [text for _, text in third.texts] == ["2", "3", "4"]
    assert len(set(numbers_of(said))) == 5
    assert reports_of(fifth) == {number: [] for number in numbers_of(said)}
    assert third.who_chats() == ["carol", "erin"]


def test_who_is_at_a_server_that_is_killed_is_lost(pool: Pool) -> None:
    """The home goes on with all others, who see it at once."""
    alice, bob, carol = people_of(pool)
    first, second, _ = meeting_of(pool, alice, bob, carol)
    pool.servers[2].kill()
    pool.passes(KNOWN_DEAD_S)
    assert first.who_chats() == second.who_chats() == ["alice", "bob"]
    talk(pool, first, second, words="two")
    (again,) = pool.servers[1].sign_in("carol")
    back = again.joins(first.focus)
    pool.passes(1)
    talk(pool, first, second, back, words="three")


def test_a_home_that_was_frozen_writes_nothing_stale(pool: Pool) -> None:
    """It wakes after others have gone on without it: what it was asked in its sleep is not done, and it begins anew."""
    alice, bob, carol = people_of(pool)
    first, second, third = meeting_of(pool, alice, bob, carol)
    pool.expect("is known dead to the others", "is cut off from the store")
    home = pool.servers[0]
    home.freeze()
    with bob.in_one_breath():
        asked = second.says("are you there?")
    with alice.in_one_breath():
        stale = first.says("while it slept")
    pool.passes(4 * LEASE_S)
    talk(pool, second, third, words="without it")
    before = stored_in(pool)
    home.thaw()
    pool.passes(2)
    assert home.is_fenced
    assert (asked.status, stale.is_pending or stale.status == 503) == (504, True)
    assert stored_in(pool) == before
    assert not [text for _, text in second.texts + third.texts if text == "while it slept"]
    talk(pool, second, third, words="as before")


def test_a_server_that_starts_takes_nothing_from_others(pool: Pool) -> None:
    """A meeting that runs elsewhere stays there; it is joined through the new one."""
    alice, bob, carol = people_of(pool)
    first, second, third = meeting_of(pool, alice, bob, carol)
    fourth: Stage = pool.joins()
    pool.passes(1)
    (dave,) = fourth.sign_in("dave")
    seat = dave.joins(first.focus)
    pool.passes(1)
    assert home_of(pool) == [pool.servers[0].node]
    talk(pool, first, second, third, seat, words="four")


def test_a_meeting_that_nobody_asks_for_ends(pool: Pool) -> None:
    """All who were in it were at the lost server, and nobody returns: it is over after a while, as after a start of a lone server."""
    (alice,) = pool.servers[0].sign_in("alice")
    seat = alice.meets()
    pool.servers[0].kill()
    pool.passes(KNOWN_DEAD_S)
    assert home_of(pool) == [pool.servers[0].node]
    pool.passes(3600)
    assert home_of(pool) == []
    (again,) = pool.servers[1].sign_in("alice")
    back = again.joins(seat.focus)
    assert back.who_chats() == ["alice"]


def test_who_hangs_up_elsewhere_is_seen_though_nobody_is_told(pool: Pool) -> None:
    """Carol's connection breaks, and the fact that tells so is lost: the home finds that nobody is there any more."""
    alice, bob, carol = people_of(pool)
    first, second, _ = meeting_of(pool, alice, bob, carol)
    pool.hub.loses = lambda sender, receiver, said: "Endpoint" in type(said).__name__
    carol.is_cut_off()
    pool.passes(10)
    assert first.who_chats() == second.who_chats() == ["alice", "bob"]


def test_a_guest_may_come_to_any_server(pool: Pool) -> None:
    """Though another one runs the meeting; a guest stays connected, and inside when another one goes on with it."""
    alice, bob, _ = people_of(pool)
    first = alice.meets(policy="anonymous")
    second = bob.joins(first.focus)
    guest = pool.servers[2].guest("Gary")
    third = guest.joins(first.focus)
    pool.passes(3600)
    assert third.who_chats() == second.who_chats()
    talk_of(pool, third, "hello", second)
    pool.servers[0].kill()
    pool.passes(KNOWN_DEAD_S)
    talk_of(pool, third, "still here", second)


def talk_of(pool: Pool, seat: Seat, words: str, other: Seat) -> None:
    """Have one say something that another one hears."""
    other.texts.clear()
    exchange = seat.says(words)
    pool.passes(1)
    assert exchange.status == 202
    assert [text for _, text in other.texts] == [words]


def test_operators_see_where_a_meeting_runs(pool: Pool) -> None:
    """At any server; it is led at the one that runs it, and the others say which one that is."""
    alice, bob, _ = people_of(pool)
    first = alice.meets()
    bob.joins(first.focus)
    pool.passes(60)
    one, two, _ = pool
    conference = first.focus.rpartition(":")[2]
    assert [row[3] for row in one.shell("conferences").rows] == ["running"]
    assert [row[3] for row in two.shell("conferences").rows] == [f"at {one.node}"]
    assert f"runs at the server {one.node}" in two.shell(f"conference show {conference}").note
    with pytest.raises(CommandFailed, match=f"runs at the server {one.node}; type it there"):
        two.shell(f"conference end {conference}")
    one.shell(f"conference end {conference}")
    pool.passes(60)
    assert not two.shell("conferences").rows


def test_a_server_that_stops_in_order_leaves_its_meetings_to_the_others(pool: Pool) -> None:
    """As one that is killed, and sooner: nobody waits for the end of a lease."""
    first, second, third = meeting_of(pool, *people_of(pool))
    pool.servers[0].stop()
    pool.passes(2)
    assert not second.is_over
    assert second.who_chats() == third.who_chats() == ["bob", "carol"]
    talk(pool, second, third, words="after")
    assert first.client.aor not in second.roster
