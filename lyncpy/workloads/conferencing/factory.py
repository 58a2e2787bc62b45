"""The focus factory of every user: makes, lists, changes and deletes their conferences."""

import re
import secrets
import string
from collections.abc import Awaitable, Callable
from typing import Final

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.names import Aor, aor_of
from lyncpy.contracts.policy import IPolicies
from lyncpy.contracts.refusal import Diagnostics, Refused
from lyncpy.sip.markup import attr, child
from lyncpy.sip.message import Response, response_to
from lyncpy.workloads.conferencing.bodies.c3p import (
    C3P_TYPE,
    NOT_IMPLEMENTED,
    C3pCommand,
    read_conference_id,
    read_conference_request,
    read_mcu_types,
    read_page,
    read_request,
    write_capabilities,
    write_success,
)
from lyncpy.workloads.conferencing.bodies.conference_info import kept
from lyncpy.workloads.conferencing.conference_table import ConferenceTable
from lyncpy.workloads.conferencing.meeting_notes import MeetingNotes
from lyncpy.workloads.conferencing.model.conference import C3pReason, Conference, ConferenceDenied, ConferenceRequest
from lyncpy.workloads.conferencing.refusals import C3pRefusals

FACTORY: Final = "app:conf:focusfactory"
PAGE: Final = 100
"""Conferences in one answer to `getConferences`."""

_ID_LETTERS: Final = string.ascii_uppercase + string.digits
_ID_LENGTH: Final = 8
BAD_FROM: Final = Diagnostics(3000, "Bad From in C3P Request")
_MCU_TYPE: Final = re.compile(r"[a-z0-9-]{1,32}")
_NAMED: Final = 8
"""Types of MCU in one warning; the protocol has six."""

_UNKNOWN: Final = ConferenceDenied(C3pReason.CONFERENCE_DOES_NOT_EXIST)

Answer = Callable[[Aor, C3pCommand], Awaitable[bytes | ConferenceDenied]]


class Factory:
    """Carries out users' commands to their focus factories."""

    def __init__(
        self,
        conferences: ConferenceTable,
        policies: IPolicies,
        media: tuple[str, ...],
        notes: MeetingNotes,
        refusals: C3pRefusals,
        *,
        guests: bool,
        meeting_url: str,
    ) -> None:
        """Begin without commands under way.

        Args:
            policies: Tells which organizers may have guests.
            media: Kinds of MCU that exist here.
            notes: Tells what was asked for.
            refusals: Writes what is refused.
            guests: Whether any organizer may.
            meeting_url: Where meeting links begin; "" when there are none.
        """
        self._conferences = conferences
        self._policies = policies
        self._media = media
        self._notes = notes
        self._refusals = refusals
        self._guests = guests
        self._meeting_url = meeting_url
        self._answers: dict[str, Answer] = {
            "getConferencingCapabilities": self._capabilities,
            "getAvailableMcuTypes": self._capabilities,
            "getNewConferenceId": self._new_id,
            "addConference": self._add,
            "getConference": self._get,
            "getConferences": self._list,
            "modifyConference": self._modify,
            "deleteConference": self._delete,
            "getEncryptionKey": self._unsupported,
            "resolveConferenceId": self._unsupported,
        }

    async def answer(self, arrival: Arrival) -> Response:
        """Carry out a command to the sender's own focus factory.

        A failure is reported in a 200, as the protocol has it: the request was understood. The
        sender is the user whose signature was verified; `from` in the body decides nothing.

        Raises:
            Refused: 403 (3000), the factory is another user's.
            RemoteProtocolError: 400, the body is no C3P request.

        Spec: [MS-CONFPRO] 3.2; [MS-OCER] 3000, 3004.
        """
        request = arrival.request
        user = arrival.sender.aor
        if aor_of(request.target.aor) != user:
            raise Refused(403, BAD_FROM)
        command = read_request(request.body)
        answer = self._answers.get(command.name)
        named = self._named(user, command)  # before it may be deleted
        found = ConferenceDenied(C3pReason.OTHER) if answer is None else await answer(user, command)
        denied = found if isinstance(found, ConferenceDenied) else None
        # That somebody looked is worth a word where they may not.
        if denied is not None or not command.name.startswith("get"):
            self._notes.asked(named, user, command.name, denied)
        headers = self._warnings(command)
        if isinstance(found, ConferenceDenied):
            if answer is None or found.reason is C3pReason.NOT_SUPPORTED:
                headers.append(NOT_IMPLEMENTED.header())
            found = self._refusals.written(command, found)
        return response_to(request, 200, headers=headers, content_type=C3P_TYPE, body=found)

    def _named(self, user: Aor, command: C3pCommand) -> str:
        """Give the id of the conference that a command is about; "": of none, or of none of the user's."""
        requested = self._requested(command)
        made = "" if isinstance(requested, ConferenceDenied) else requested.id or ""
        return self._id(user, read_conference_id(command.element)) or self._entity_id(user, command) or made

    def _warnings(self, command: C3pCommand) -> list[tuple[str, str]]:
        """Say which types of MCU a command asks for that there are none of here.

        A client that asks for several gets a conference with those that exist, which its answer names; what it
        lacks has no place in that answer, and a warning never makes a client act (RFC 3261 20.43).
        """
        info = child(command.element, "conference-info")
        asked = () if info is None else read_mcu_types(info) or ()
        absent = [kind for kind in asked if kind not in self._media and _MCU_TYPE.fullmatch(kind)][:_NAMED]
        reason = C3pReason.MCU_TYPE_NOT_AVAILABLE.value
        return [("Warning", f'399 lyncpy "{reason}: {", ".join(absent)}"')] if absent else []

    def _may_have_guests(self, user: Aor) -> bool:
        return self._guests and self._policies.policy_of(user).anonymous_participants

    async def _capabilities(self, user: Aor, command: C3pCommand) -> bytes:
        return write_capabilities(command, self._media, guests=self._may_have_guests(user))

    async def _new_id(self, user: Aor, command: C3pCommand) -> bytes:
        """Make an id that none of the user's conferences has. A link is as hard to guess as its id."""
        while True:
            new = "".join(secrets.choice(_ID_LETTERS) for _ in range(_ID_LENGTH))
            if self._conferences.find(user, new) is None:
                return write_success(command, f"<conference-id>{new}</conference-id>")

    async def _add(self, user: Aor, command: C3pCommand) -> bytes | ConferenceDenied:
        """Make a conference; it is durable when the answer leaves. Spec: [MS-CONFPRO] 3.2.5.1."""
        requested = self._requested(command)
        if isinstance(requested, ConferenceDenied):
            return requested
        if not self._media:
            return ConferenceDenied(C3pReason.NOT_SUPPORTED)
        return self._shown(
            command, await self._conferences.schedule(user, requested, guests=self._may_have_guests(user))
        )

    async def _get(self, user: Aor, command: C3pCommand) -> bytes | ConferenceDenied:
        found = await self._conferences.others.learn(
            user, self._id(user, read_conference_id(command.element)), self._conferences.find
        )
        return self._shown(command, found or _UNKNOWN)

    async def _list(self, user: Aor, command: C3pCommand) -> bytes:
        """Write a page of the user's conferences, the latest modified first, and how many there are."""
        skip, limit = read_page(command.element, PAGE)
        theirs = self._conferences.conferences_of(user)
        page = "".join(kept(each, self._meeting_url) for each in theirs[skip : skip + limit])
        return write_success(command, page, f' total="{len(theirs)}"')

    async def _modify(self, user: Aor, command: C3pCommand) -> bytes | ConferenceDenied:
        """Change a conference, and with it a running meeting. Spec: [MS-CONFPRO] 3.2.5.5."""
        requested = self._requested(command)
        if isinstance(requested, ConferenceDenied):
            return requested
        id_ = self._id(user, read_conference_id(command.element)) or requested.id or self._entity_id(user, command)
        return self._shown(
            command, await self._conferences.modify(user, id_, requested, guests=self._may_have_guests(user))
        )

    async def _delete(self, user: Aor, command: C3pCommand) -> bytes | ConferenceDenied:
        deleted = await self._conferences.delete(user, self._id(user, read_conference_id(command.element)))
        return deleted if isinstance(deleted, ConferenceDenied) else write_success(command)

    async def _unsupported(self, user: Aor, command: C3pCommand) -> ConferenceDenied:
        """Deny commands about phones and encryption, which this server does not have."""
        return ConferenceDenied(C3pReason.NOT_SUPPORTED)

    def _requested(self, command: C3pCommand) -> ConferenceRequest | ConferenceDenied:
        info = child(command.element, "conference-info")
        return ConferenceDenied(C3pReason.REQUEST_MALFORMED) if info is None else read_conference_request(info)

    def _shown(self, command: C3pCommand, found: Conference | ConferenceDenied) -> bytes | ConferenceDenied:
        return found if isinstance(found, ConferenceDenied) else write_success(command, kept(found, self._meeting_url))

    def _id(self, user: Aor, named: str) -> str:
        """Return the id of a conference named by its id, or by the URI of one of the user's own; "": it is not theirs."""
        if ":" not in named:
            return named
        conference = self._conferences.at(named)
        return "" if conference is None or conference.organizer != user else conference.id

    def _entity_id(self, user: Aor, command: C3pCommand) -> str:
        info = child(command.element, "conference-info")
        return "" if info is None else self._id(user, attr(info, "entity") or "")
