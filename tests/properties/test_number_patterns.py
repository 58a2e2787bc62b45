"""Patterns of numbers fit what Python's regular expressions fit, in the same place."""

import re

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lyncpy.workloads.voice.model.overlap import Bearing, overlap
from lyncpy.workloads.voice.model.patterns import PatternRefused, read_pattern
from tests.kit.soak import many

_ATOMS = ["1", "2", "[12]", "[^1]", r"\d", ".", "^", "$", "(?!12)", "(?=2)", "(?:12)", "(1)", "(2|1)", "(1|12)"]
_REPEATED = ["", "?", "*", "+", "{2}", "{1,2}", "*?", "+?", "??", "{0,2}?"]
_PIECES = [
    atom + repeated for atom in _ATOMS for repeated in (_REPEATED if atom[0] not in "^$" and atom[:2] != "(?" else [""])
]
_rows = st.lists(st.sampled_from(_PIECES), max_size=4).map("".join)
_patterns = st.recursive(
    _rows,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("|".join),
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, st.sampled_from(_REPEATED)).map(lambda pair: f"({pair[0]}){pair[1]}"),
    ),
    max_leaves=4,
)


@settings(max_examples=many(150))
@given(_patterns, st.text("123", max_size=7))
def test_a_pattern_finds_what_a_regular_expression_finds(pattern: str, text: str) -> None:
    """Where it begins and ends, and what the groups hold."""
    try:
        read = read_pattern(pattern)
    except PatternRefused:
        assume(False)  # what is refused is refused before anybody dials
        return
    wanted = re.search(pattern.replace("$", r"\Z"), text)
    found = read.find(text)
    assert (found is None) == (wanted is None)
    if found is not None and wanted is not None:
        assert found.slots[:2] == wanted.span()


@settings(max_examples=many(100))
@given(st.lists(_rows, max_size=3), _rows, st.text("123", max_size=5))
def test_what_is_said_of_patterns_is_true_of_every_number(before: list[str], pattern: str, text: str) -> None:
    """What never decides anything fits nothing that those before it leave, and an example is one."""
    try:
        earlier, one = [read_pattern(text) for text in before], read_pattern(pattern)
    except PatternRefused:
        assume(False)
        return
    told = overlap(earlier, one)
    fits, is_taken = one.find(text) is not None, any(other.find(text) is not None for other in earlier)
    if told.bearing is Bearing.EMPTY:
        assert not fits
    if told.bearing is Bearing.HIDDEN:
        assert not fits or is_taken
    if told.bearing is Bearing.FREE and not any(other.looks_ahead for other in earlier):
        assert not (fits and is_taken)
    if told.by >= 0:
        assert one.find(told.example) is not None
        assert earlier[told.by].find(told.example) is not None
