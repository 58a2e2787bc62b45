"""What a pool stores of users is each user's own, under a key of theirs: a database can be split by it."""

from tests.kit.pool import Pool
from tests.kit.results import answer_of

OF_USERS = {"board", "contacts", "secret", "person", "endpoints", "certificates", "places"}
"""Kinds of records whose key is one owner, or one address."""

OF_OTHERS = {"conference", "directory"}
"""Their key is what they are about, and nobody in particular: a conference; how far the directory was read, which is one record."""

NAMES = ("alice", "bob", "carol")


def test_each_record_is_about_one_user() -> None:
    """After they have signed in at two servers, published, watched, blocked, listed each other, talked and met."""
    with Pool.opened() as pool:
        first, second = pool
        (alice,), (bob,), (carol,) = first.sign_in("alice"), second.sign_in("bob"), second.sign_in("carol")
        for one in (alice, bob, carol):
            one.publishes(6500)
            one.adds(bob.aor if one is alice else alice.aor)
        bob.watches(alice, carol)
        carol.blocks(bob)
        alice.talks_to(bob)
        bob.meets()
        pool.passes(2)

        kept = list(pool.deployment.store.kept)
        for kind in ("board", "endpoints"):
            kept += [(kind, record.key) for record in answer_of(pool.deployment.volatile.store.scan(kind))]
        told = {kind for kind, _ in kept}
        assert {"board", "contacts", "person", "endpoints", "conference"} <= told <= OF_USERS | OF_OTHERS
        assert not [key for kind, key in kept if kind in OF_USERS and sum(name in key for name in NAMES) > 1]
        for kind in ("board", "endpoints", "person"):
            assert len({key for of, key in kept if of == kind}) >= len(NAMES)
