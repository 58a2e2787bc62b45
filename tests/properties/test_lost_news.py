"""Two servers, whose bus loses, delays and repeats what it likes: what clients see is what the database has, within a sweep."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.actors import Actor
from tests.kit.pool import Pool

SWEEP_S = 20.0
AVAILABILITY = {3500: "available", 6500: "busy", 9500: "do not disturb"}
PEOPLE = ("carol", "dave", "erin")

STEPS = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.one_of(st.sampled_from(sorted(AVAILABILITY)), st.sampled_from(PEOPLE)),
        st.sampled_from(["arrives", "is lost", "is late"]),
        st.sampled_from([0.0, 1.0, 7.0]),
    ),
    max_size=12,
)


def does(alice: Actor, what: int | str) -> None:
    """Have one of her devices publish, add somebody to the list, or take them off it."""
    if isinstance(what, int):
        alice.publishes(what)
        return
    address = f"sip:{what}@example.com"
    if address in alice.contacts.people:
        alice.removes(address)
    else:
        alice.adds(address)


@settings(max_examples=12, deadline=None)
@given(STEPS)
def test_all_see_the_same_in_the_end(steps: list[tuple[int, int | str, str, float]]) -> None:
    """Whatever was lost or came late: both of her devices have one list, and watchers at both servers one presence."""
    with Pool.opened(store={"sweep_s": SWEEP_S}) as pool:
        devices = [server.sign_in("alice")[0] for server in pool]
        watchers = [server.sign_in("bob")[0] for server in pool]
        for watcher in watchers:
            watcher.watches(devices[0])
        pool.passes(5)
        for which, what, fate, then_s in steps:
            pool.hub.loses = lambda sender, receiver, said, fate=fate: fate == "is lost"  # type: ignore[misc]
            pool.hub.delay_s = 3.0 if fate == "is late" else 0.0
            does(devices[which], what)
            pool.passes(then_s)
        pool.hub.loses = lambda sender, receiver, said: True
        pool.passes(2 * SWEEP_S)
        assert devices[0].contacts.people == devices[1].contacts.people
        seen = {watcher.hears(devices[0]).availability for watcher in watchers}
        assert len(seen) == 1
