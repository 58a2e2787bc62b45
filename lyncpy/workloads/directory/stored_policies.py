"""Policies that operators have set in the shell: kept in the store, of a person, a group, or everybody."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError
from twisted.logger import Logger

from lyncpy.contracts.names import Version
from lyncpy.contracts.owners import OwnerId
from lyncpy.contracts.setting_forms import KINDS
from lyncpy.contracts.store import IStore, Record
from lyncpy.core.versioned import LastWriter
from lyncpy.workloads.directory.policy_settings import NamedPolicy

POLICY: Final = "policy"
EVERYBODY: Final = "everybody"
_PERSON: Final = "person:"
_GROUP: Final = "group:"

SUBJECTS_MOST: Final = 10_000
"""People and groups of whom something is set; who is in none has what the settings say."""

Values = Mapping[str, Any]  # Any: what the fields of a policy have
NOTHING: Final[Values] = {}


def of_person(owner: OwnerId) -> str:
    """Give the key of what is set for a person."""
    return f"{_PERSON}{owner}"


def of_group(key: str) -> str:
    """Give the key of what is set for a group."""
    return f"{_GROUP}{key}"


class ValueUnusable(Exception):
    """A value is none for its name; the sentence says which it may be."""


def usable(values: Values) -> dict[str, Any]:  # Any: as above
    """Give values in the form in which they are kept.

    Raises:
        ValueUnusable: One is not as a policy in the settings may have it.
    """
    try:
        found = NamedPolicy.model_validate({**values, "members": ()})
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise ValueUnusable(
            f"{'.'.join(map(str, first['loc'][:1]))}: {KINDS.get(first['type'], first['msg'])}"
        ) from None
    return found.model_dump(mode="json", exclude={"members"}, exclude_none=True)


@dataclass(frozen=True, slots=True)
class Subject:
    """Of whom something is set."""

    owner: OwnerId | None = None
    group: str | None = None
    """The key of one; neither: everybody."""


def subject_of(key: str) -> Subject:
    """Read the key of a record."""
    if key.startswith(_PERSON):
        return Subject(owner=OwnerId(key.removeprefix(_PERSON)))
    return Subject(group=key.removeprefix(_GROUP)) if key.startswith(_GROUP) else Subject()


class StoredPolicies:
    """What is set, in memory: all of it, as the store has it; `core/sweep.py` keeps it so.

    Args:
        store: Where it is kept.
        changed: Is called when something that another server has written was read.
    """

    log = Logger()

    def __init__(self, store: IStore, changed: Callable[[], None]) -> None:
        self._records = LastWriter(store, POLICY)
        self._values: dict[str, Values] = {}
        self._changed = changed

    def __len__(self) -> int:
        return len(self._values)

    def set_for(self, key: str) -> Values:
        """Give what is set of somebody, a group or everybody."""
        return self._values.get(key, NOTHING)

    def everything(self) -> Mapping[str, Values]:
        """Give all that is set, by keys."""
        return self._values

    async def open(self) -> None:
        """Read all of it."""
        for record in await self._records.scan():
            self._note(record.key, record)

    async def write(self, key: str, values: Values) -> None:
        """Set all of somebody, or nothing any more; durable when this returns. The last of two writers wins."""
        value = json.dumps(values, ensure_ascii=True).encode() if values else None
        await self._records.write(key, value)
        self._put(key, values)

    def _put(self, key: str, values: Values) -> None:
        if values:
            self._values[key] = values
        else:
            self._values.pop(key, None)

    def _note(self, key: str, record: Record | None) -> None:
        try:
            self._put(key, NOTHING if record is None else usable(json.loads(record.value)))
        except (ValueError, TypeError, ValueUnusable) as error:
            # As of a newer release: what can be read no more is not set.
            self.log.warn("the kept record of {owner} cannot be read: {reason}", owner=key, reason=str(error))
            self._put(key, NOTHING)

    # --- for the sweep

    def held(self) -> Iterable[str]:
        """Give the keys of all that is known."""
        return self._records.keys

    def version_of(self, key: str) -> Version | None:
        """Give the version that is known; 0: nothing is, and it is to be read."""
        return self._records.version(key)

    async def renew(self, key: str) -> None:
        """Read a record again."""
        self._note(key, await self._records.read(key))
        self._changed()
