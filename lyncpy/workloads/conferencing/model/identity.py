"""The persons behind the addresses in conferences and meetings, and their present addresses; pure."""

from collections.abc import Mapping
from dataclasses import replace

from lyncpy.contracts.names import Aor
from lyncpy.contracts.owners import NOBODY, IOwners, OwnerId, resolve
from lyncpy.workloads.conferencing.model import meeting as rules
from lyncpy.workloads.conferencing.model.attendees import Meeting, MeetingChange, MeetingStep
from lyncpy.workloads.conferencing.model.conference import Active, Conference, ConferenceRole


def noted(conference: Conference, owners: IOwners) -> Conference:
    """Note the persons behind the addresses in a conference; those that are noted already stay."""
    owner = conference.owner or owners.meant(conference.organizer)
    known = {**({} if conference.active is None else conference.active.meant), **conference.meant}
    meant = {aor: known.get(aor) or owners.meant(aor) for aor in conference.people()}
    return replace(conference, owner=owner, meant={aor: one for aor, one in meant.items() if one})


def readdressed(conference: Conference, owners: IOwners) -> Conference:
    """Replace the addresses in a conference by those that the persons have now; the address in its URIs stays.

    Whoever was invited, but has no address now because somebody else was given it, is put `asleep` with the
    address and the role of then: the invitation must neither fall to the new holder of the address, nor be lost
    when its own person returns.
    """
    organizer: Aor = owners.address(conference.owner) or conference.organizer
    where = {aor: resolve(owners, aor, conference.meant.get(aor, NOBODY)) for aor in conference.people()}
    # Those asleep that can be named again; whoever was deleted for good (`keeps`) is neither woken nor kept.
    awake = {
        owner: (aor, role)
        for owner, (before, role) in conference.asleep.items()
        if (aor := resolve(owners, before, owner)) is not None and owners.keeps(owner)
    }
    # Mostly nothing has changed: the same value spares a write, and observers a comparison.
    if organizer == conference.organizer and not awake and all(aor == to for aor, to in where.items()):
        return conference
    asleep = {owner: one for owner, one in conference.asleep.items() if owner not in awake and owners.keeps(owner)}
    asleep.update((conference.meant[aor], (aor, role)) for aor, role in conference.invited.items() if not where[aor])
    active = None if conference.active is None else _located(conference.active, where)
    invited = {to: role for aor, role in conference.invited.items() if (to := where[aor]) is not None}
    return replace(
        conference,
        organizer=organizer,
        home=None if conference.place == organizer else conference.place,
        invited={**dict(awake.values()), **invited},
        active=active,
        meant=_meant(conference, where, awake),
        asleep=asleep,
    )


def _meant(
    conference: Conference, where: Mapping[Aor, Aor | None], awake: Mapping[OwnerId, tuple[Aor, ConferenceRole]]
) -> Mapping[Aor, OwnerId]:
    """Return whom the present addresses in a conference mean, as far as that is known."""
    meant = {to: conference.meant.get(aor, NOBODY) for aor, to in where.items() if to is not None}
    meant.update((aor, owner) for owner, (aor, _) in awake.items())
    return {aor: owner for aor, owner in meant.items() if owner}


def up_to_date(active: Active, owners: IOwners) -> Active:
    """Replace the remembered addresses of a meeting by present ones; those that belong to somebody else now are left out."""
    return _located(active, {aor: resolve(owners, aor, active.meant.get(aor, NOBODY)) for aor in active.people()})


def readdress(meeting: Meeting, owners: IOwners, now: float) -> MeetingStep:
    """Replace the addresses in a running meeting by present ones; participants under a former address are lost.

    They may join anew by their present one. What a presenter granted to or took from a person who has no
    address now is forgotten.
    """
    changes: list[MeetingChange] = []
    for attendee in tuple(meeting.attendees.values()):
        # Their client is still signed in under the former address, which may be another person's by now.
        if attendee.owner and resolve(owners, attendee.user, attendee.owner) != attendee.user:
            for device in attendee.devices:
                meeting, gone = rules.leave(meeting, attendee.user, device.epid, now, lost=True)
                changes += gone
    # Of those who are not in it, what was remembered follows the person, not the address.
    named = {*meeting.granted, *meeting.kept, *meeting.ejected, *meeting.called}
    where = {aor: resolve(owners, aor, meeting.meant.get(aor, NOBODY)) for aor in named}
    if all(aor == to for aor, to in where.items()):
        return meeting, tuple(changes)

    def located(people: frozenset[Aor]) -> frozenset[Aor]:
        return frozenset(to for aor in people if (to := where[aor]) is not None)

    after = replace(
        meeting,
        granted={to: role for aor, role in meeting.granted.items() if (to := where[aor]) is not None},
        kept=located(meeting.kept),
        ejected=located(meeting.ejected),
        called=located(meeting.called),
        meant={to: meeting.meant[aor] for aor, to in where.items() if to is not None and aor in meeting.meant},
    )
    return after, tuple(changes)


def _located(active: Active, where: Mapping[Aor, Aor | None]) -> Active:
    return replace(
        active,
        granted={to: role for aor, role in active.granted.items() if (to := where[aor]) is not None},
        kept=frozenset(to for aor in active.kept if (to := where[aor]) is not None),
        ejected=frozenset(to for aor in active.ejected if (to := where[aor]) is not None),
        meant={to: owner for aor, owner in active.meant.items() if (to := where[aor]) is not None},
    )
