"""Policies that go along with people: out of one store, and into another."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from lyncpy.app.people_form import PeopleDocument, PolicyData
from lyncpy.contracts.names import Aor, aor_of, bare
from lyncpy.contracts.owners import IOwners
from lyncpy.contracts.store import IStore
from lyncpy.core.versioned import LastWriter
from lyncpy.workloads.directory.policies import FIELDS
from lyncpy.workloads.directory.records import GROUP
from lyncpy.workloads.directory.stored_policies import (
    EVERYBODY,
    POLICY,
    ValueUnusable,
    of_group,
    of_person,
    subject_of,
    usable,
)

_MEMBERS = "members"


class PolicyReport(Protocol):
    """What was taken, and what was not, as `Report` of people_import."""

    policies: int
    known: int

    def skip(self, whose: str, what: str, why: str) -> None:
        """Note what was not taken."""


async def set_policies(store: IStore, owners: IOwners, aors: Sequence[Aor]) -> tuple[PolicyData, ...]:
    """Read what operators have set: of these people, of groups, and of everybody."""
    wanted, names = {*aors}, await _group_names(store)
    found = []
    for record in await store.scan(POLICY):
        subject = subject_of(record.key)
        aor = None if subject.owner is None else owners.address(subject.owner)
        one = PolicyData(
            person=bare(aor) if aor in wanted and aor is not None else "",
            group=names.get(subject.group or "", ""),
            everybody=record.key == EVERYBODY,
            values=json.loads(record.value),
        )
        found += [one] * bool(one.person or one.group or one.everybody)
    return tuple(found)


async def _group_names(store: IStore) -> Mapping[str, str]:
    """Give the names of groups by their keys."""
    return {record.key: str(json.loads(record.value).get("name", "")) for record in await store.scan(GROUP)}


async def take_policies(
    store: IStore,
    owners: IOwners,
    document: PeopleDocument,
    present: Mapping[str, object],
    report: PolicyReport,
    *,
    writes: bool,
) -> None:
    """Set in the store what a document says of policies; what is set there stays.

    Args:
        store: Where to.
        owners: Who is here.
        document: What was exported elsewhere.
        present: The section [policies] of the settings here, without what is as it is usually.
        report: Is told what was taken.
        writes: Whether anything is written.
    """
    keys: dict[str, list[str]] = {}
    for key, name in (await _group_names(store)).items():
        keys.setdefault(name.lower(), []).append(key)
    taken: dict[str, list[tuple[str, PolicyData]]] = {}
    section = _of_section(document.policies) if document.policies != present else ()
    for one in (*document.set_policies, *section):
        whose = "everybody" if one.everybody else one.person or f'the group "{one.group}"'
        key = _key(one, owners, keys)
        if key:
            taken.setdefault(key, []).append((whose, one))
        else:
            report.skip(whose, "what is set of the policy", "nobody and no group here is called so, or several are")
    records = LastWriter(store, POLICY)
    for key, several in taken.items():
        # Read just before it is written, and only what is new is: an operator may set others meanwhile.
        record = await records.read(key)
        before: dict[str, Any] = {} if record is None else json.loads(record.value)
        values = dict(before)
        for whose, one in several:
            _merge(values, one.values, whose, report)
        if writes and values != before:
            await records.write(key, json.dumps(values).encode())


def _merge(before: dict[str, Any], values: Mapping[str, Any], whose: str, report: PolicyReport) -> None:
    """Add values that are not there."""
    for name, value in values.items():
        if name in before:
            report.known += 1
            continue
        try:
            before.update(usable({name: value}))
            report.policies += 1
        except ValueUnusable as error:
            report.skip(whose, f"the policy's {name}", str(error))


def _key(one: PolicyData, owners: IOwners, groups: Mapping[str, Sequence[str]]) -> str:
    """Give the key of whom something is set; "" when there is nobody, or no group that is meant alone."""
    if one.everybody:
        return EVERYBODY
    if one.person:
        owner = owners.owner(aor_of(one.person))
        return of_person(owner) if owner else ""
    found = groups.get(one.group.lower(), ())
    return of_group(found[0]) if len(found) == 1 else ""


def _of_section(section: Mapping[str, Any]) -> Iterator[PolicyData]:
    """Give what the settings of another server say: of the members of each table, in their order, and of everybody."""
    tables = [table for table in section.values() if isinstance(table, dict)]
    for table, member in [(one, str(member)) for one in tables for member in one.get(_MEMBERS, ())]:
        values = {name: value for name, value in table.items() if name in FIELDS and value is not None}
        is_address = "@" in member
        yield PolicyData(person=member * is_address, group=member * (not is_address), values=values)
    usual = {name: value for name, value in section.items() if name in FIELDS}
    if usual:
        yield PolicyData(everybody=True, values=usual)
