"""What people have, read out of the store."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from lyncpy.app.people_form import (
    FORM,
    ConferenceData,
    ContactData,
    DelegateData,
    GroupData,
    LevelData,
    MemberData,
    PeopleDocument,
    PersonData,
)
from lyncpy.app.people_policies import set_policies
from lyncpy.contracts.names import Aor, bare
from lyncpy.contracts.owners import IOwners
from lyncpy.contracts.store import IStore
from lyncpy.workloads.conferencing.conference_form import unpack as unpack_conference
from lyncpy.workloads.conferencing.conference_table import KIND as CONFERENCES
from lyncpy.workloads.conferencing.model.conference import Conference
from lyncpy.workloads.conferencing.model.identity import readdressed
from lyncpy.workloads.contacts.lists import KIND as CONTACTS
from lyncpy.workloads.contacts.lists import unpack as unpack_list
from lyncpy.workloads.presence.board_table import KIND as BOARDS
from lyncpy.workloads.presence.bodies.board_record import read_named


async def exported(
    store: IStore, owners: IOwners, aors: Sequence[Aor], policies: dict[str, object], now: float
) -> PeopleDocument:
    """Read what people have.

    Args:
        store: Where it is.
        owners: Who they are.
        aors: Their addresses.
        policies: Of the settings.
        now: Seconds since the epoch; conferences that have expired are left out.
    """
    theirs: dict[Aor, list[Conference]] = {}
    for record in await store.scan(CONFERENCES):
        one = readdressed(unpack_conference(record.value, owners), owners)
        if one.expires > now:
            theirs.setdefault(one.organizer, []).append(one)
    people = [await _person(store, owners, aor, theirs.get(aor, ())) for aor in aors]
    made_at = datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    set_ = await set_policies(store, owners, aors)
    return PeopleDocument(form=FORM, made_at=made_at, people=tuple(people), policies=policies, set_policies=set_)


async def _person(store: IStore, owners: IOwners, aor: Aor, conferences: Sequence[Conference]) -> PersonData:
    groups, contacts = await _contacts(store, owners, aor)
    levels, delegates = await _levels(store, owners, aor)
    return PersonData(
        address=bare(aor),
        groups=groups,
        contacts=contacts,
        levels=levels,
        delegates=delegates,
        conferences=tuple(map(_conference, conferences)),
    )


async def _contacts(store: IStore, owners: IOwners, aor: Aor) -> tuple[tuple[GroupData, ...], tuple[ContactData, ...]]:
    record = await store.read(CONTACTS, owners.owner(aor))
    if record is None:
        return (), ()
    own = unpack_list(record.value, aor, owners)[0].own
    groups = tuple(GroupData(id=one.id, name=one.name, external=one.external_uri) for one in own.groups.values())
    contacts = tuple(
        ContactData(
            address=bare(one.aor),
            name=one.name,
            groups=one.groups,
            subscribed=one.subscribed,
            external=one.external_uri,
            extension=one.extension,
        )
        for one in own.contacts.values()
    )
    return groups, contacts


async def _levels(store: IStore, owners: IOwners, aor: Aor) -> tuple[tuple[LevelData, ...], tuple[DelegateData, ...]]:
    record = await store.read(BOARDS, owners.owner(aor))
    if record is None:
        return (), ()
    board, _ = read_named(aor, record.value, owners)
    levels = tuple(
        LevelData(
            container=id_,
            members=tuple(
                MemberData.model_validate({"kind": one.kind.value, "value": one.value})
                for one in sorted(container.members, key=lambda one: (one.kind.value, one.value))
            ),
        )
        for id_, container in sorted(board.containers.items())
        if container.members
    )
    delegates = tuple(
        DelegateData(address=bare(one.aor), publish=one.publish, redelegate=one.redelegate)
        for one in board.delegates.members
    )
    return levels, delegates


def _conference(one: Conference) -> ConferenceData:
    invited: Mapping[str, str] = {bare(aor): role.value for aor, role in one.invited.items()}
    found: dict[str, object] = {
        "id": one.id,
        "subject": one.subject,
        "text": one.display_text,
        "expires": one.expires,
        "admission": one.admission.value,
        "autopromote": int(one.autopromote),
        "pstn_lobby_bypass": one.pstn_lobby_bypass,
        "invited": invited,
        "passcode": one.passcode,
        "notification_data": one.notification_data,
        "static": one.static,
        "link": "" if one.home is None else bare(one.home),
    }
    return ConferenceData.model_validate(found)
