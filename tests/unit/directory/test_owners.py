"""Who has which address now."""

from lyncpy.contracts.names import Aor
from lyncpy.contracts.owners import NOBODY, OwnerId
from lyncpy.workloads.directory.owners import Owner, Owners

ALICE, BOB = Aor("sip:alice@example.com"), Aor("sip:bob@example.com")


def test_a_list_names_who_has_the_addresses_or_somebody_has_moved() -> None:
    """Told for all of a list at once: nobody moved, one is at another address, one has left, one was nobody's."""
    owners, alice, bob = Owners(), OwnerId("1"), OwnerId("2")
    owners.put_owner(Owner(alice, "a", ALICE))
    owners.put_owner(Owner(bob, "b", BOB))
    assert owners.have({})
    assert owners.have({ALICE: alice, BOB: bob})
    assert not owners.have({ALICE: alice, Aor("sip:robert@example.com"): bob})
    assert not owners.have({ALICE: alice, Aor("sip:who@example.com"): NOBODY})
    owners.put_owner(Owner(bob, "b", BOB).removed("Bob", 1.0))
    assert not owners.have({ALICE: alice, BOB: bob})
