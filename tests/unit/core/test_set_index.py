"""Indexes of sets: what is over leaves nothing behind."""

from collections import defaultdict

from lyncpy.core.set_index import remove_member


def test_the_others_of_a_key_stay() -> None:
    """Only the member that is named goes."""
    index = {"a": {1, 2}, "b": {1}}
    remove_member(index, "a", 1)
    assert index == {"a": {2}, "b": {1}}


def test_a_key_goes_with_its_last_member() -> None:
    """Else an index of names that come and go would only grow."""
    index = {"a": {1}}
    remove_member(index, "a", 1)
    assert index == {}


def test_what_is_not_there_is_passed_over_and_adds_nothing() -> None:
    """Neither an unknown member nor an unknown key, also where reading a key would make it."""
    index = defaultdict(set, {"a": {1}})
    remove_member(index, "a", 2)
    remove_member(index, "b", 1)
    assert dict(index) == {"a": {1}}
