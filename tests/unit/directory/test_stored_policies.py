"""What operators have set, as it is kept: what a value may be, whose it is, and what cannot be read."""

import pytest
from twisted.internet.defer import Deferred

from lyncpy.contracts.names import Version
from lyncpy.contracts.owners import OwnerId
from lyncpy.workloads.directory.stored_policies import (
    EVERYBODY,
    POLICY,
    StoredPolicies,
    Subject,
    ValueUnusable,
    of_group,
    of_person,
    subject_of,
    usable,
)
from tests.kit.memory import MemoryStore
from tests.kit.results import answer_of

ALICE = of_person(OwnerId("o1"))


def test_values_are_as_the_settings_may_have_them() -> None:
    """What is none is told by its name."""
    assert usable({"meeting_size": 40}) == {"meeting_size": 40}
    with pytest.raises(ValueUnusable, match=r"^meeting_size: "):
        usable({"meeting_size": "many"})
    with pytest.raises(ValueUnusable, match=r"^colour: "):
        usable({"colour": "red"})


def test_a_key_says_whose_it_is() -> None:
    """A person's, a group's, or everybody's."""
    assert subject_of(ALICE) == Subject(owner=OwnerId("o1"))
    assert subject_of(of_group("cn=team")) == Subject(group="cn=team")
    assert subject_of(EVERYBODY) == Subject()


def test_what_is_kept_is_there_after_the_next_start() -> None:
    """But for what cannot be read, as that of a newer release, which is not set; what is taken back is gone."""
    store = MemoryStore(lambda: 0.0)
    before = StoredPolicies(store, lambda: None)
    answer_of(Deferred.fromCoroutine(before.write(ALICE, {"meeting_size": 40})))
    answer_of(Deferred.fromCoroutine(before.write(EVERYBODY, {"meeting_size": 60})))
    answer_of(Deferred.fromCoroutine(before.write(EVERYBODY, {})))
    answer_of(store.write(POLICY, of_group("cn=team"), b'{"colour": "red"}', Version(0)))
    after = StoredPolicies(store, lambda: None)
    answer_of(Deferred.fromCoroutine(after.open()))
    assert after.everything() == {ALICE: {"meeting_size": 40}}
