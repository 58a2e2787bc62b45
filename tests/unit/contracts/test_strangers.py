"""Who makes room: the oldest, of the network that has sent the most."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lyncpy.contracts.networks import Relays, check_relays, network_of
from lyncpy.contracts.strangers import Strangers, StrangersByNetwork

ADDRESSES = ("192.0.2.1", "192.0.2.2", "198.51.100.1", "2001:db8::1", "2001:db8::2", "2001:db8:1::1")


@given(st.lists(st.tuples(st.sampled_from(["add", "remove", "oust"]), st.integers(0, 20), st.sampled_from("abc"))))
def test_a_crowd_is_what_a_list_would_be(steps: list[tuple[str, int, str]]) -> None:
    """However many come and go: who goes first is the oldest of a network that has the most."""
    crowd: StrangersByNetwork[int] = StrangersByNetwork()
    model: list[tuple[int, str]] = []
    for step, one, network in steps:
        if step == "add":
            crowd.add(one, network)
            model = [*(row for row in model if row[0] != one), (one, network)]
        elif step == "remove":
            crowd.remove(one)
            model = [row for row in model if row[0] != one]
        elif (gone := crowd.first_to_go()) is not None:
            sizes = {name: sum(row[1] == name for row in model) for name in "abc"}
            of = dict(model)[gone]
            assert sizes[of] == max(sizes.values())
            assert next(row[0] for row in model if row[1] == of) == gone
            crowd.remove(gone)
            model = [row for row in model if row[0] != gone]
        else:
            assert not model
        assert len(crowd) == len(model)
        for name in "abc":
            assert crowd.members_of(name) == tuple(row[0] for row in model if row[1] == name)


def test_a_network_becomes_known_with_all_who_are_there() -> None:
    """Where one has signed in, the others who wait are no longer the first to go."""
    crowd: Strangers[str] = Strangers(remembered=2)
    for one in ("a1", "a2", "a3"):
        crowd.add(one, "192.0.2.1")
    crowd.add("b1", "192.0.2.2")
    crowd.remove("a1")
    crowd.know("192.0.2.1")
    assert crowd.first_to_go() == "b1"
    crowd.remove("b1")
    assert crowd.first_to_go() == "a2"
    crowd.know("192.0.2.3")
    crowd.know("192.0.2.4")
    crowd.add("a4", "192.0.2.1")
    assert crowd.first_to_go() == "a4", "of too many networks the first is forgotten"
    assert (crowd.friends, crowd.count_unknown("192.0.2.1")) == (2, 1)


def test_what_is_counted_as_one() -> None:
    """IPv4 by address, IPv6 by the 64 bits that a host cannot choose, whatever the spelling."""
    assert network_of("192.0.2.1") == network_of("::ffff:192.0.2.1") == "192.0.2.1"
    assert network_of("2001:db8::1") == network_of("2001:DB8:0:0:ffff::2") == network_of("2001:db8::3%eth0")
    assert network_of("2001:db8::1") != network_of("2001:db8:0:1::1")
    assert (network_of(""), network_of("no:address")) == ("", "no:address")


def test_relays_are_addresses_and_networks() -> None:
    """Of both families, and an IPv4 one also on a socket for both."""
    relays = Relays(["192.0.2.7", "10.0.0.0/8", "2001:db8::/64"])
    assert all(one in relays for one in ("192.0.2.7", "10.9.9.9", "2001:db8::9", "::ffff:10.1.1.1"))
    assert not any(one in relays for one in ("192.0.2.8", "2001:db8:0:1::9", "", "nonsense", None))
    assert "192.0.2.7" not in Relays(())
    with pytest.raises(ValueError, match=r'"192\.0\.2\.7"'):
        check_relays(["relay.example.com"])
