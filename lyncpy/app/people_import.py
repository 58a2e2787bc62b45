"""What people had elsewhere, written into the store: what is there stays, and what is not taken is named.

A server that runs sees it with its next sweep, as what another server of the deployment has written.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from lyncpy.app.config import Config
from lyncpy.app.import_refusals import of_conference, of_contact
from lyncpy.app.password_file import typed_address
from lyncpy.app.people_form import ConferenceData, ContactData, PeopleDocument, PersonData
from lyncpy.contracts.names import Aor, aor_of, bare
from lyncpy.contracts.owners import IOwners
from lyncpy.contracts.store import IStore, Record
from lyncpy.core.versioned import NONE_YET, uncontended
from lyncpy.workloads.conferencing.conference_form import pack as pack_conference
from lyncpy.workloads.conferencing.conference_form import unpack as unpack_conference
from lyncpy.workloads.conferencing.conference_table import KIND as CONFERENCES
from lyncpy.workloads.conferencing.model.conference import (
    Conference,
    ConferenceDenied,
    ConferenceRequest,
    ConferenceTerms,
    schedule,
)
from lyncpy.workloads.conferencing.model.identity import noted as noted_conference
from lyncpy.workloads.conferencing.model.identity import readdressed
from lyncpy.workloads.contacts.lists import KIND as CONTACTS
from lyncpy.workloads.contacts.lists import pack as pack_list
from lyncpy.workloads.contacts.lists import unpack as unpack_list
from lyncpy.workloads.contacts.model import (
    OTHERS,
    AddGroup,
    Change,
    ContactBook,
    ContactDenial,
    ListLimits,
    SetContact,
    decide,
)
from lyncpy.workloads.presence.board_table import KIND as BOARDS
from lyncpy.workloads.presence.bodies.board_record import read_named, write_record
from lyncpy.workloads.presence.model.board import Board
from lyncpy.workloads.presence.model.levels import MemberChange, member_of
from lyncpy.workloads.presence.model.naming import BoardNames, noted
from lyncpy.workloads.presence.model.quotas import Quotas
from lyncpy.workloads.presence.model.tables import Container, Delegate, Delegates, MemberKind

DEFAULT_GROUP: Final = "~"
SKIPPED_MOST: Final = 100_000
"""Sentences about what was not taken; of more only the number is told."""


@dataclass(slots=True)
class Report:
    """What was taken, and what was not."""

    people: int = 0
    groups: int = 0
    contacts: int = 0
    members: int = 0
    delegates: int = 0
    conferences: int = 0
    policies: int = 0
    """Values that were set."""

    known: int = 0
    """What was there already."""

    skipped: list[str] = field(default_factory=list)
    """What was not taken, and why; sentences."""

    more: int = 0
    """Further ones that were not taken."""

    def skip(self, whose: str, what: str, why: str) -> None:
        """Note what was not taken."""
        self.add_skipped((f"{whose}: {what}: {why}",))

    def add_skipped(self, sentences: Sequence[str]) -> None:
        """Note several."""
        room = SKIPPED_MOST - len(self.skipped)
        self.skipped += sentences[:room]
        self.more += max(0, len(sentences) - room)

    def add(self, other: "Report") -> None:
        """Count what another has."""
        for name in (
            "people",
            "groups",
            "contacts",
            "members",
            "delegates",
            "conferences",
            "policies",
            "known",
            "more",
        ):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.add_skipped(other.skipped)


@dataclass(frozen=True, slots=True)
class Bounds:
    """The bounds of what one person may have here."""

    lists: ListLimits
    boards: Quotas
    conferences: ConferenceTerms
    domains: tuple[str, ...]

    @classmethod
    def from_config(cls, config: Config) -> "Bounds":
        """Give those of the settings."""
        sections = config.sections
        return cls(
            sections.contacts.limits(),
            sections.presence.quotas(),
            sections.conferencing.terms(("chat",)),
            sections.sip.all_domains,
        )


class Importer:
    """Writes what people had elsewhere.

    Args:
        store: Where to.
        owners: Who is here.
        bounds: Of what one person may have.
        now: Seconds since the epoch.
        writes: Whether anything is written; else it is only said what would be.
    """

    def __init__(self, store: IStore, owners: IOwners, bounds: Bounds, now: float, *, writes: bool) -> None:
        self._store = store
        self._owners = owners
        self._bounds = bounds
        self._now = now
        self._writes = writes
        self.report = Report()

    async def import_document(self, document: PeopleDocument) -> Report:
        """Import what everybody in a document had.

        Raises:
            StoreUnavailable: Whoever came before it has been written; the same document may be imported again.
        """
        for person in document.people:
            aor = _aor(person.address)
            if aor is None or not self._owners.owner(aor):
                why = "nobody here has this address" if aor is not None else "it is no address"
                self.report.skip(person.address, "all that they have", why)
                continue
            self.report.people += 1
            await self._list(aor, person)
            await self._board(aor, person)
            for one in person.conferences:
                await self._conference(aor, one)
        return self.report

    # --- contacts

    async def _list(self, aor: Aor, person: PersonData) -> None:
        if not person.groups and not person.contacts:
            return
        key = self._owners.owner(aor)

        async def attempt() -> Report:
            said = Report()
            record = await self._store.read(CONTACTS, key)
            book, names = ContactBook(aor), None
            if record is not None:
                book, _, names, _ = unpack_list(record.value, aor, self._owners)
            after = self._merged(book, person, said)
            if after is not book:
                known = {} if names is None else names.meant
                meant = {one: known.get(one) or self._owners.meant(one) for one in after.own.contacts}
                asleep = () if names is None else names.asleep
                await self._write(CONTACTS, key, pack_list(after, meant, asleep), record)
            return said

        self.report.add(await uncontended(attempt))

    def _merged(self, book: ContactBook, person: PersonData, said: Report) -> ContactBook:
        """Add the groups and contacts that are not there."""
        ids: dict[int, int] = {}
        for group in person.groups:
            name = group.name.strip() or DEFAULT_GROUP
            present = next((one.id for one in book.own.groups.values() if one.name == name), None)
            if present is None and name != DEFAULT_GROUP:
                change = AddGroup(name, group.external)
                after = self._decided(book, change, said, person.address, f'the group "{name}"')
                if after is None:
                    continue
                present = next(iter(after.own.groups.keys() - book.own.groups.keys()))
                book = after
                said.groups += 1
            else:
                said.known += 1
            ids[group.id] = OTHERS if present is None else present
        for one in person.contacts:
            wanted = tuple(dict.fromkeys(ids[id_] for id_ in one.groups if id_ in ids)) or (OTHERS,)
            book = self._with_contact(book, one, wanted, said, person.address)
        return book

    def _with_contact(
        self, book: ContactBook, one: ContactData, wanted: tuple[int, ...], said: Report, whose: str
    ) -> ContactBook:
        """Add a contact, or to one that is there the groups that are new."""
        aor = _aor(one.address)
        if aor is None or aor == book.owner:
            said.skip(whose, f"the contact {one.address}", "it is no address of somebody else")
            return book
        known = book.own.contacts.get(aor)
        change = SetContact(aor, one.name, wanted, one.subscribed, one.external, one.extension or None)
        if known is not None:
            groups = tuple(dict.fromkeys((*known.groups, *wanted)))
            if groups == known.groups:
                said.known += 1
                return book
            change = SetContact(aor, known.name, groups, known.subscribed, known.external_uri)
        after = self._decided(book, change, said, whose, f"the contact {one.address}")
        said.contacts += after is not None
        return after or book

    def _decided(self, book: ContactBook, change: Change, said: Report, whose: str, what: str) -> ContactBook | None:
        decided = decide(book, change, self._bounds.lists)
        if isinstance(decided, ContactDenial):
            said.skip(whose, what, of_contact(decided))
            return None
        return decided.book

    # --- access levels and delegates

    async def _board(self, aor: Aor, person: PersonData) -> None:
        if not person.levels and not person.delegates:
            return
        key = self._owners.owner(aor)

        async def attempt() -> Report:
            said = Report()
            record = await self._store.read(BOARDS, key)
            board, names = (Board(aor), BoardNames()) if record is None else read_named(aor, record.value, self._owners)
            after = self._delegated(self._levelled(board, person, said), person, said)
            if after is not board:
                await self._write(BOARDS, key, write_record(after, noted(names, after, self._owners)), record)
            return said

        self.report.add(await uncontended(attempt))

    def _levelled(self, board: Board, person: PersonData, said: Report) -> Board:
        """Put people into the levels that they had, unless they have one here."""
        named = {member for one in board.containers.values() for member in one.members}
        containers = dict(board.containers)
        for level in person.levels:
            wanted = set()
            for one in level.members:
                member = member_of(MemberKind(one.kind), one.value)
                if member in containers.get(level.container, Container()).members:
                    said.known += 1
                elif member in named:
                    said.skip(
                        person.address,
                        f"the level {level.container} of {one.value or one.kind}",
                        "has another one here",
                    )
                else:
                    wanted.add(member)
            change = MemberChange(level.container, 0, frozenset(wanted), frozenset())
            old = containers.get(change.container, Container())
            room = min(
                self._bounds.boards.members - len(old.members),
                self._bounds.boards.members_in_all - sum(len(one.members) for one in containers.values()),
            )
            is_new = change.container not in containers
            if len(change.add) > room or (is_new and len(containers) >= self._bounds.boards.containers):
                said.skip(
                    person.address, f"the level {level.container}, {len(change.add)} members", "there would be too many"
                )
            elif change.add:
                containers[change.container] = Container(old.version + 1, old.members | change.add)
                named |= change.add
                said.members += len(change.add)
        return board if containers == board.containers else board.having(containers=containers)

    def _delegated(self, board: Board, person: PersonData, said: Report) -> Board:
        members = {one.aor: one for one in board.delegates.members}
        before = len(members)
        for one in person.delegates:
            aor = _aor(one.address)
            if aor is None or aor == board.aor:
                said.skip(person.address, f"the delegate {one.address}", "it is no address of somebody else")
            elif aor in members:
                said.known += 1
            elif len(members) >= self._bounds.boards.delegates:
                said.skip(person.address, f"the delegate {one.address}", "there would be too many")
            else:
                members[aor] = Delegate(aor, one.publish, one.redelegate)
                said.delegates += 1
        if len(members) == before:
            return board
        delegates = Delegates(board.delegates.version + 1, tuple(sorted(members.values())))
        return board.having(delegates=delegates, containers=dict(board.containers))

    # --- conferences

    async def _conference(self, aor: Aor, data: ConferenceData) -> None:
        whose, what = bare(aor), f'the conference {data.id} "{data.subject[:80]}"'
        if data.expires is not None and data.expires <= self._now:
            self.report.skip(whose, what, "it has expired")
            return
        link = _aor(data.link) if data.link else None

        async def attempt() -> Report:
            said = Report()
            existing = await self._conferences_of(aor)
            made = schedule(aor, _request(data), existing, self._bounds.conferences, self._now)
            if isinstance(made, ConferenceDenied):
                if any(one.id.lower() == data.id.lower() for one in existing):
                    said.known += 1
                else:
                    said.skip(whose, what, made.text or of_conference(made.reason))
                return said
            if link is not None and link != aor:
                made = replace(made, home=link)
            record = await self._store.read(CONFERENCES, made.key)
            if record is not None:
                if unpack_conference(record.value, self._owners).owner == self._owners.owner(aor):
                    said.known += 1
                else:
                    said.skip(whose, what, "somebody else has had one with this link")
                return said
            await self._write(CONFERENCES, made.key, pack_conference(noted_conference(made, self._owners)), None)
            said.conferences += 1
            return said

        self.report.add(await uncontended(attempt))

    async def _conferences_of(self, aor: Aor) -> Sequence[Conference]:
        """Give the conferences of an organizer, under whichever address they were made."""
        owner = self._owners.owner(aor)
        prefixes = {aor, *(span.aor for span in self._owners.spans(owner))}
        records = [one for prefix in prefixes for one in await self._store.scan(CONFERENCES, f"{prefix}/")]
        found = [readdressed(unpack_conference(one.value, self._owners), self._owners) for one in records]
        return [one for one in found if one.owner == owner]

    # --- the store

    async def _write(self, kind: str, key: str, value: bytes, before: Record | None) -> None:
        if self._writes:
            await self._store.write(kind, key, value, NONE_YET if before is None else before.version)


def _request(data: ConferenceData) -> ConferenceRequest:
    return ConferenceRequest(
        id=data.id,
        subject=data.subject,
        display_text=data.text,
        expires=data.expires,
        admission=data.admission,
        autopromote=data.autopromote,
        pstn_lobby_bypass=data.pstn_lobby_bypass,
        invited=tuple((aor, role) for text, role in data.invited.items() if (aor := _aor(text)) is not None),
        passcode=data.passcode or None,
        notification_data=data.notification_data or None,
        static=data.static,
    )


def _aor(text: str) -> Aor | None:
    """Read an address, with or without its scheme; None: it is none."""
    words = text.strip()
    if words.startswith("tel:"):
        return aor_of(words)
    return typed_address(words)
