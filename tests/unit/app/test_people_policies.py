"""Policies go along with people: who is meant here gets what is new, and what is set here stays."""

import json
from collections.abc import Mapping

from lyncpy.app.people_form import PeopleDocument
from lyncpy.app.people_import import Report
from lyncpy.app.people_policies import set_policies, take_policies
from lyncpy.contracts.names import Aor, Version
from lyncpy.contracts.owners import NOBODY, OwnerId
from lyncpy.contracts.store import Record
from lyncpy.workloads.directory.records import GROUP
from lyncpy.workloads.directory.stored_policies import EVERYBODY, POLICY, of_group, of_person
from tests.kit.memory import MemoryStore
from tests.kit.owners import AddressOwners
from tests.kit.results import answer_of, result_of

ALICE, BOB = Aor("sip:alice@example.com"), Aor("sip:bob@example.com")
OF_ALICE, OF_BOB = of_person(OwnerId(ALICE)), of_person(OwnerId(BOB))


class Owners(AddressOwners):
    """Two people are here."""

    def owner(self, aor: Aor) -> OwnerId:
        """Give who has this address."""
        return OwnerId(aor) if aor in (ALICE, BOB) else NOBODY


def store(**kept: Mapping[str, object]) -> MemoryStore:
    """Give a store with what is set of people and groups by these keys, and a group called Team."""
    found = MemoryStore(lambda: 0.0)
    answer_of(found.write(GROUP, "g1", b'{"name": "Team"}', Version(0)))
    for key, values in kept.items():
        answer_of(found.write(POLICY, key, json.dumps(values).encode(), Version(0)))
    return found


def kept(found: MemoryStore) -> dict[str, Record]:
    """Give what is set, by keys."""
    return {record.key: record for record in answer_of(found.scan(POLICY))}


def taken(found: MemoryStore, document: Mapping[str, object], *, writes: bool = True) -> Report:
    """Take what a document says; give what became of it."""
    report = Report()
    read = PeopleDocument.model_validate({"form": "lyncpy people 1", "people": [], **document})
    result_of(take_policies(found, Owners(), read, {}, report, writes=writes))
    return report


SET = [
    {"person": "alice@example.com", "values": {"meeting_size": 40, "anonymous_participants": True}},
    {"person": "eve@example.com", "values": {"meeting_size": 40}},
    {"group": "team", "values": {"meeting_size": 50}},
    {"everybody": True, "values": {"meeting_size": "many"}},
]


def test_only_what_is_new_is_written() -> None:
    """An operator's own value stays, and records of which nothing is new are not touched: another may write them now."""
    found = store(**{OF_ALICE: {"meeting_size": 20}, OF_BOB: {"meeting_size": 30}})
    report = taken(found, {"set_policies": SET})
    now = kept(found)
    assert {key: json.loads(record.value) for key, record in now.items()} == {
        OF_ALICE: {"meeting_size": 20, "anonymous_participants": True},
        OF_BOB: {"meeting_size": 30},
        of_group("g1"): {"meeting_size": 50},
    }
    assert (now[OF_BOB].version, now[OF_ALICE].version) == (1, 2)
    assert (report.policies, report.known) == (2, 1)
    assert [one.partition(":")[0] for one in report.skipped] == ["eve@example.com", "everybody"]
    taken(found, {"set_policies": SET})
    assert kept(found) == now


def test_a_dry_run_writes_nothing() -> None:
    """And counts all the same."""
    found = store()
    assert taken(found, {"set_policies": SET}, writes=False).policies == 3
    assert not kept(found)


def test_the_settings_of_another_server_become_policies_here() -> None:
    """Of the members of each table, and of everybody."""
    section = {"meeting_size": 60, "large": {"meeting_size": 99, "members": ["bob@example.com", "Team"]}}
    found = store()
    taken(found, {"policies": section})
    assert {key: json.loads(record.value) for key, record in kept(found).items()} == {
        OF_BOB: {"meeting_size": 99},
        of_group("g1"): {"meeting_size": 99},
        EVERYBODY: {"meeting_size": 60},
    }


def test_what_is_set_comes_back_as_it_went() -> None:
    """Of those who are asked for, by their addresses, and of groups by their names."""
    first = store(
        **{OF_ALICE: {"meeting_size": 20}, of_group("g1"): {"meeting_size": 50}, EVERYBODY: {"meeting_size": 60}}
    )
    written = result_of(set_policies(first, Owners(), [ALICE]))
    second = store()
    taken(second, {"set_policies": [one.model_dump() for one in written]})
    assert {key: record.value for key, record in kept(second).items()} == {
        key: record.value for key, record in kept(first).items()
    }
