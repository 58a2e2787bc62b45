"""Headers whose layout is known are edited as any others: against the rules, written down line by line."""

from collections.abc import Iterable, Sequence

from hypothesis import given
from hypothesis import strategies as st

from lyncpy.sip.grammar import BLANKS, first_of_list, key_of
from lyncpy.sip.message import Headers

NAMES = st.sampled_from(["Via", "v", "To", "From", "Route", "route", "CSeq", "X-Ours", "m"])
FIELDS = st.lists(st.tuples(NAMES, st.sampled_from(["1", "2", "a, b", '"x, y", z', ""])), max_size=8)


def by_the_rules(
    fields: Sequence[tuple[str, str]],
    drop: Iterable[str],
    put: Sequence[tuple[str, str]],
    first: Sequence[tuple[str, str]],
    last: Sequence[tuple[str, str]],
    drop_first: str | None,
) -> list[tuple[str, str]]:
    """Edit line by line, and remember nothing."""
    dropped, groups = {key_of(name) for name in drop}, [(key_of(name), value) for name, value in put]
    replaced, shortened = {key for key, _ in groups}, key_of(drop_first) if drop_first else None
    result = [(key_of(name), value) for name, value in first]
    for name, value in fields:
        key = key_of(name)
        if key in replaced:
            result += [pair for pair in groups if pair[0] == key]
            groups = [pair for pair in groups if pair[0] != key]
        elif key == shortened:
            shortened = None
            rest = first_of_list(value)[1]
            result += [(key, rest)] if rest else []
        elif key not in dropped:
            result.append((key, value))
    order = list(dict.fromkeys(key for key, _ in groups))
    result += [pair for key in order for pair in groups if pair[0] == key]
    return result + [(key_of(name), value) for name, value in last]


@given(
    FIELDS, st.lists(NAMES, max_size=3), st.lists(st.tuples(NAMES, st.just("p")), max_size=3), FIELDS, FIELDS,
    st.none() | NAMES,
)  # fmt: skip
def test_an_edit_is_what_its_rules_say(
    fields: list[tuple[str, str]],
    drop: list[str],
    put: list[tuple[str, str]],
    first: list[tuple[str, str]],
    last: list[tuple[str, str]],
    drop_first: str | None,
) -> None:
    """Also when the layout and the edit were seen before, with other values."""
    drop = [name for name in drop if drop_first is None or key_of(name) != key_of(drop_first)]
    expected = by_the_rules(fields, drop, put, first, last, drop_first)
    before = Headers(fields)
    for _ in range(2):
        edited = before.edited(drop=drop, put=put, first=first, last=last, drop_first=drop_first)
        assert [(key_of(name), value) for name, value in edited] == [
            (key, value.strip(BLANKS)) for key, value in expected
        ]
        assert edited.layout.keys == tuple(key for key, _ in expected)
    assert before == Headers(fields)
