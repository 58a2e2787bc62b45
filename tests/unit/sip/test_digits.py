"""Random digits."""

from itertools import islice

from lyncpy.sip.digits import random_digits


def test_each_has_its_size_and_none_comes_twice() -> None:
    """Over many calls of the system."""
    found = list(islice(random_digits(16), 1_000))
    assert len(set(found)) == 1_000
    assert {len(one) for one in found} == {16}
    assert set("".join(found)) <= set("0123456789abcdef")
