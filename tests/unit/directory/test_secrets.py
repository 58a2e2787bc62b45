"""Password hashes: whose counts, and where they are."""

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from lyncpy.contracts.facts import SecretChanged
from lyncpy.contracts.names import Aor, Version
from lyncpy.workloads.directory.people import People
from lyncpy.workloads.directory.secrets import StoredSecrets
from tests.kit.directory import Facts, PlainSeals, person
from tests.kit.memory import MemoryStore
from tests.kit.owners import AddressOwners
from tests.kit.results import answer_of, result_of

ALICE = person("alice", nt_hash=b"\x01" * 16)


@pytest.fixture
def facts() -> Facts:
    """What is told."""
    return Facts()


@pytest.fixture
def store() -> MemoryStore:
    """Where secrets are kept."""
    return MemoryStore(lambda: 0.0)


@pytest.fixture
def seals() -> PlainSeals:
    """What seals them."""
    return PlainSeals()


@pytest.fixture
def secrets(facts: Facts, store: MemoryStore, seals: PlainSeals) -> StoredSecrets:
    """Secrets of Alice, whose directory has a hash, and Bob, whose has none."""
    people = People()
    people.put_person(ALICE)
    people.put_person(person("bob"))
    return StoredSecrets(store, people, facts, seals, AddressOwners())


def test_a_hash_of_the_directory_counts_until_one_is_set(secrets: StoredSecrets, facts: Facts) -> None:
    """What an administrator sets wins; removing it brings the directory's back."""
    assert result_of(secrets.nt_hash(ALICE.aor)) == b"\x01" * 16
    result_of(secrets.set_hash(ALICE.aor, b"\x02" * 16))
    assert result_of(secrets.nt_hash(ALICE.aor)) == b"\x02" * 16
    result_of(secrets.set_hash(ALICE.aor, None))
    assert result_of(secrets.nt_hash(ALICE.aor)) == b"\x01" * 16
    assert facts.told == [SecretChanged(ALICE.aor)] * 2


def test_who_has_none_has_none(secrets: StoredSecrets) -> None:
    """No password, no hash; removing nothing is no error."""
    bob = person("bob").aor
    result_of(secrets.set_hash(bob, None))
    assert result_of(secrets.nt_hash(bob)) is None


@pytest.mark.parametrize("aor", [ALICE.aor, person("bob").aor, person("nobody").aor])
def test_whoever_is_asked_about_costs_the_same(
    secrets: StoredSecrets, store: MemoryStore, seals: PlainSeals, aor: Aor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One record is read and one seal is opened, whether there is one or not."""
    result_of(secrets.set_hash(person("carol").aor, b"\x02" * 16))
    work: list[str] = []
    unseal, read = seals.unseal, store.read

    def counted(name: str, does: Callable[..., Any]) -> Callable[..., Any]:
        def call(*words: Any) -> Any:  # Any: what is passed through
            work.append(name)
            return does(*words)

        return call

    monkeypatch.setattr(seals, "unseal", counted("unseal", unseal))
    monkeypatch.setattr(store, "read", counted("read", read))
    result_of(secrets.nt_hash(person("carol").aor))
    told, work[:] = tuple(work), []
    result_of(secrets.nt_hash(aor))
    assert tuple(work) == told


def test_the_store_holds_only_what_was_sealed(secrets: StoredSecrets, store: MemoryStore) -> None:
    """The seal knows whose hash it is, so that one cannot be put in another's place."""
    result_of(secrets.set_hash(ALICE.aor, b"\x02" * 16))
    record = answer_of(store.read("secret", ALICE.aor))
    assert record is not None
    assert record.value.startswith(b"secret:sip:alice@example.com|")


def test_a_hash_of_another_length_is_our_mistake(secrets: StoredSecrets) -> None:
    """A password is never taken for a hash."""
    with pytest.raises(ValueError, match="16 bytes"):
        result_of(secrets.set_hash(ALICE.aor, b"hunter2"))


class Hasty(MemoryStore):
    """Somebody else writes between reading and writing, once."""

    hasty = True

    def write(
        self, kind: str, key: str, value: bytes, expected: Version, expires: float | None = None
    ) -> Deferred[Version]:
        """Let another be first."""
        if self.hasty:
            self.hasty = False
            answer_of(super().write(kind, key, b"another", expected, expires))
        return super().write(kind, key, value, expected, expires)


def test_the_last_of_two_writers_wins(facts: Facts) -> None:
    """`lyncpy user passwd` and the shell at the same moment: neither fails."""
    secrets = StoredSecrets(Hasty(lambda: 0.0), People(), facts, PlainSeals(), AddressOwners())
    result_of(secrets.set_hash(ALICE.aor, b"\x03" * 16))
    assert result_of(secrets.nt_hash(ALICE.aor)) == b"\x03" * 16
