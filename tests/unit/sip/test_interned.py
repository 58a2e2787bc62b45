"""One copy of what many have alike."""

import pytest

from lyncpy.sip.interned import interning


@pytest.mark.parametrize(
    ("version", "shares"),
    [((3, 11, 2), True), ((3, 12, 0), False), ((3, 12, 9), False), ((3, 13, 1), True), ((3, 14, 0), True)],
)
def test_alike_is_the_same_where_it_is_let_go_again(version: tuple[int, ...], *, shares: bool) -> None:
    """A Python that would keep it for ever keeps what each has sent, no longer than they are here."""
    interned = interning(version)
    one, other = "".join(["Contact", ": x"]), "".join(["Contact:", " x"])
    assert one is not other
    assert interned(one) == one
    assert (interned(one) is interned(other)) is shares
