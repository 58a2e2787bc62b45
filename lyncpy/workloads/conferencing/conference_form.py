"""Conferences as they are stored: JSON that an operator can read."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lyncpy.contracts.names import Aor, aor_of, conference_id_of
from lyncpy.contracts.owners import IOwners, OwnerId, read_owners
from lyncpy.workloads.conferencing.model.conference import (
    Active,
    AdmissionPolicy,
    Autopromote,
    Conference,
    ConferenceRole,
)


def pack(conference: Conference) -> bytes:
    """Write a conference as it is stored."""
    active = conference.active
    stored = {
        "organizer": conference.organizer,
        "id": conference.id,
        "created": conference.created,
        "updated": conference.updated,
        "expires": conference.expires,
        "subject": conference.subject,
        "display_text": conference.display_text,
        "admission": conference.admission.value,
        "autopromote": int(conference.autopromote),
        "pstn_lobby_bypass": conference.pstn_lobby_bypass,
        "media": list(conference.media),
        "invited": _roles(conference.invited),
        "passcode": conference.passcode,
        "notification_data": conference.notification_data,
        "static": conference.static,
        "home": conference.home,
        "owner": conference.owner,
        "meant": dict(conference.meant),
        "asleep": {owner: [aor, role.value] for owner, (aor, role) in conference.asleep.items()},
        "version": conference.version,
        "activated": conference.activated,
        "active": None
        if active is None
        else {
            "instance": active.instance,
            "since": active.since,
            "locked": active.locked,
            "granted": _roles(active.granted),
            "kept": sorted(active.kept),
            "ejected": sorted(active.ejected),
        },
    }
    if conference.epoch:  # of several nodes alone
        stored |= {"epoch": conference.epoch, "run_by": conference.run_by}
    return json.dumps(stored, ensure_ascii=False, separators=(",", ":")).encode()


def unpack(value: bytes, owners: IOwners) -> Conference:
    """Read what `pack` wrote, with the addresses that people had then."""
    stored: dict[str, Any] = json.loads(value)  # Any: json gives no types; the values below do
    active = stored.pop("active")
    meant, asleep = stored.pop("meant", None), stored.pop("asleep", {})
    owner = stored.pop("owner", None)
    conference = Conference(
        **{
            **stored,
            "organizer": aor_of(stored["organizer"]),
            "id": conference_id_of(stored["id"]),
            "admission": AdmissionPolicy(stored["admission"]),
            "autopromote": Autopromote(stored["autopromote"]),
            "media": tuple(stored["media"]),
            "invited": _read_roles(stored["invited"]),
            "active": None
            if active is None
            else Active(
                active["instance"],
                active["since"],
                active["locked"],
                _read_roles(active["granted"]),
                frozenset(map(aor_of, active["kept"])),
                frozenset(map(aor_of, active["ejected"])),
            ),
            "asleep": {OwnerId(one): (aor_of(aor), ConferenceRole(role)) for one, (aor, role) in asleep.items()},
        }
    )
    if owner is None:
        owner = read_owners(owners, None, [conference.organizer])[conference.organizer]
    named = read_owners(owners, meant, conference.people())
    return replace(conference, owner=OwnerId(owner), meant={aor: one for aor, one in named.items() if one})


def _roles(roles: Mapping[Aor, ConferenceRole]) -> dict[str, str]:
    return {user: role.value for user, role in roles.items()}


def _read_roles(stored: Mapping[str, str]) -> dict[Aor, ConferenceRole]:
    return {aor_of(user): ConferenceRole(role) for user, role in stored.items()}
