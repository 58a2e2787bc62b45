"""Facts may leave this process: what they are made of."""

import enum
import types
import typing
from collections.abc import Iterator

import pytest

from lyncpy.contracts import facts
from lyncpy.contracts.directory import Person
from lyncpy.contracts.facts import Fact, PersonChanged
from lyncpy.contracts.names import aor_of

KINDS = [
    kind
    for kind in vars(facts).values()
    if isinstance(kind, type) and issubclass(kind, Fact) and kind is not Fact
]  # fmt: skip
PLAIN = (str, int, bool, bytes, types.NoneType)


def parts(hint: object) -> Iterator[object]:
    """Give the simple types that a type is made of."""
    supertype = getattr(hint, "__supertype__", None)
    inner = typing.get_args(hint)
    if supertype is not None:
        yield from parts(supertype)
    elif inner and typing.get_origin(hint) in (tuple, frozenset, types.UnionType, typing.Union):
        for one in inner:
            yield from parts(one)
    else:
        yield hint


@pytest.mark.parametrize("kind", KINDS)
def test_a_fact_is_made_of_names_and_numbers(kind: type[Fact]) -> None:
    """No person with a password hash, no endpoint with another process's clock readings, no object."""
    for name, hint in typing.get_type_hints(kind).items():
        for part in parts(hint):
            assert isinstance(part, type) and issubclass(part, (*PLAIN, enum.Enum)), f"{kind.__name__}.{name}: {part}"


def test_of_a_person_only_rights_are_told() -> None:
    """Who needs more asks the directory's tables."""
    alice = Person(aor_of("alice@example.com"), "k", display_name="Alice", nt_hash=b"0123456789abcdef")
    fact = PersonChanged.from_person(alice)
    assert (fact.aor, fact.is_known, fact.may_stay) == (alice.aor, True, True)
    assert "Alice" not in repr(fact)
    assert PersonChanged.gone(alice.aor, aor_of("a@example.com")).moved == "sip:a@example.com"


def test_every_kind_is_listed() -> None:
    """What is not would be heard in its own process alone."""
    # That a node is lost each process finds out by itself, and traces run in each.
    of_one_process = {facts.NodeLost, facts.StateNoted}
    assert set(KINDS) == {*facts.KINDS, *of_one_process}
    assert of_one_process.isdisjoint(facts.KINDS)
