"""One list of people on its way into the store: who is added, changed or refused, and why."""

from collections.abc import Sequence
from typing import Final

from lyncpy.contracts.directory import Person
from lyncpy.contracts.names import aor_of, bare
from lyncpy.contracts.passwords import generated
from lyncpy.contracts.person_form import ADDRESS
from lyncpy.contracts.workload import CommandCall, CommandFailed, Table
from lyncpy.workloads.directory.model.people_list import ListedPerson
from lyncpy.workloads.directory.people import People
from lyncpy.workloads.directory.user_changes import NewPerson, UserChanges, filled

GENERATE: Final = "generate"

_COUNTED: Final = ("added", "changed", "unchanged", "refused")
_COLUMNS: Final = ("where", "user", "result", "detail", "password")


class UserImport:
    """Takes people in, and keeps what became of each.

    Args:
        changes: Adds and changes.
        people: Who is known.
        asked: How.
    """

    def __init__(self, changes: UserChanges, people: People, asked: CommandCall) -> None:
        self._changes = changes
        self._people = people
        self._author = asked.author
        self._is_dry = "dry-run" in asked.flags
        self._updates = "update" in asked.flags
        self._generates = GENERATE in asked.flags
        self._rows: list[tuple[object, ...]] = []
        self._counts = dict.fromkeys(_COUNTED, 0)

    def count_new(self, listed: Sequence[ListedPerson]) -> int:
        """Count those who would be added."""
        return sum(self._is_new(one) for one in listed)

    def _is_new(self, one: ListedPerson) -> bool:
        return not one.objection and self._holder(one) is None

    def _holder(self, one: ListedPerson) -> Person | None:
        return self._people.person(aor_of(str(one.table.get(ADDRESS, ""))))

    async def add_people(self, some: Sequence[ListedPerson]) -> None:
        """Add or change some people, those who are new together."""
        new = [one for one in some if self._is_new(one)]
        results = iter(zip(new, await self._add(new), strict=True))
        following = next(results, None)
        for one in some:
            if one.objection:
                self._note(one, "refused", one.objection)
            elif following is not None and following[0] is one:
                (result, detail, password), following = following[1], next(results, None)
                self._note(one, result, detail, password)
            else:
                await self._known(one)

    async def _add(self, new: Sequence[ListedPerson]) -> list[tuple[str, str, str]]:
        """Add people; give for each the result, its detail and the password that was made."""
        if self._is_dry:
            objections = [self._changes.objection(filled(one.table)) for one in new]
            return [("refused", why, "") if why else ("added", "", "") for why in objections]
        made = ["" if one.password or not self._generates else generated() for one in new]
        newcomers = [
            NewPerson(filled(one.table), one.is_enabled, one.password or password)
            for one, password in zip(new, made, strict=True)
        ]
        found = await self._changes.add(newcomers, self._author) if newcomers else []
        return [
            ("refused", person, "") if isinstance(person, str) else ("added", person.display_name, password)
            for person, password in zip(found, made, strict=True)
        ]

    async def _known(self, one: ListedPerson) -> None:
        """Change somebody who is known, if that is wanted and may be."""
        holder = self._holder(one)
        if holder is None:
            self._note(one, "refused", "they were removed meanwhile")
        elif not self._updates:
            also = "; --update changes them" if holder.is_kept_here else ""
            self._note(one, "refused", f"it is somebody already, known from {holder.source or holder.key}{also}")
        else:
            await self._update(one, holder)

    async def _update(self, one: ListedPerson, holder: Person) -> None:
        try:
            differs = [*await self._changes.change(holder, one.table, is_dry=self._is_dry)]
        except CommandFailed as error:
            self._note(one, "refused", str(error))
            return
        differs += ["password"] * bool(one.password)
        if one.password and not self._is_dry:
            await self._changes.set_password(holder, one.password)
        self._note(one, "changed" if differs else "unchanged", ", ".join(differs))

    def _note(self, one: ListedPerson, result: str, detail: str, password: str = "") -> None:
        self._counts[result] += 1
        address = bare(str(one.table.get(ADDRESS, "")))
        self._rows.append((one.where, address or None, result, detail, password or None))

    def table(self) -> Table:
        """Give what became of everybody."""
        said = ", ".join(f"{count} {result}" for result, count in self._counts.items())
        note = f"dry run, nothing was changed. It would be: {said}" if self._is_dry else said
        refused = self._counts["refused"]
        failed = f"{refused} of {len(self._rows)} are refused; each says why" if refused else ""
        return Table(_COLUMNS, self._rows, note=note, failed=failed, counts=self._counts)
