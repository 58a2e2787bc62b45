"""People and groups as another node has kept them: the one whose duty it is pulls the directory, all others read what it wrote."""

from collections.abc import Iterable

from lyncpy.contracts.names import Version
from lyncpy.contracts.owners import OwnerId
from lyncpy.workloads.directory.pull import Pulls
from lyncpy.workloads.directory.records import GROUP, DirectoryRecords


class FollowedRecords:
    """The records of one kind, as `core/sweep.py` compares them with what is known here.

    Args:
        kind: PERSON or GROUP.
        kept: What is known of them.
        pulls: Shows what is new, never while a pull does.
    """

    def __init__(self, kind: str, kept: DirectoryRecords, pulls: Pulls) -> None:
        self._kind = kind
        self._records = kept.writer(kind)
        self._pulls = pulls

    def held(self) -> Iterable[str]:
        """Give the keys of all that is known."""
        return self._records.keys

    def version_of(self, key: str) -> Version | None:
        """Give the version that is known; 0: nothing is, and it is to be read."""
        return self._records.version(key)

    async def renew(self, key: str) -> None:
        """Read a record again, and show what it says."""
        if self._kind == GROUP:
            await self._pulls.follow_group(key)
        else:
            await self._pulls.follow(OwnerId(key))
