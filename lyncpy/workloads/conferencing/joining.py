"""Who asks to join a conference: what their INVITE says, and what the directory says of them."""

import uuid
from dataclasses import replace

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.directory import IPeople
from lyncpy.contracts.locator import ILocator
from lyncpy.contracts.owners import IOwners
from lyncpy.contracts.refusal import Diagnostics, Refused
from lyncpy.workloads.conferencing.bodies.c3p import C3P_TYPE, AddUser, C3pCommand, read_focus_request, read_request
from lyncpy.workloads.conferencing.factory import BAD_FROM
from lyncpy.workloads.conferencing.guests import shown_name
from lyncpy.workloads.conferencing.model.attendees import Joiner

BAD_ADD_USER = Diagnostics(3007, "AddUser C3P blob invalid")


def read_join(arrival: Arrival) -> tuple[C3pCommand, AddUser]:
    """Read the command with which a device joins.

    Raises:
        Refused: 415, it is no C3P; 400 (3007), it is another command; 403, it is about somebody else.
        RemoteProtocolError: 400, the body is no C3P request.
    """
    request = arrival.request
    if request.content_type != C3P_TYPE:
        raise Refused(415, headers=[("Accept", C3P_TYPE)])
    command = read_request(request.body)
    ask = read_focus_request(command)
    if not isinstance(ask, AddUser):
        raise Refused(400, BAD_ADD_USER)
    if ask.user != arrival.sender.aor:
        raise Refused(403, BAD_FROM)
    return command, ask


class Joiners:
    """Says who it is that joins.

    Args:
        people: What they are called.
        locator: The GRUUs of their devices.
        owners: The persons behind addresses.
    """

    def __init__(self, people: IPeople, locator: ILocator, owners: IOwners) -> None:
        self._people = people
        self._locator = locator
        self._owners = owners

    async def joiner(self, arrival: Arrival, ask: AddUser) -> Joiner:
        """Give who sent an INVITE, as the rules of meetings know them."""
        sender = arrival.sender
        joiner = Joiner(
            sender.aor,
            sender.epid,
            ask.entity or f"{{{str(uuid.uuid4()).upper()}}}",
            display_name=ask.display_name,
            lobby_capable=ask.lobby_capable,
            client=arrival.request.headers.get("User-Agent") or "",
        )
        if sender.guest:
            name = shown_name(ask.display_name or arrival.request.from_.display)
            return replace(joiner, display_name=name, internal=False, guest=True)
        # Read before anything is waited for: the address may belong to somebody else afterwards.
        person, owner = self._people.person(sender.aor), self._owners.owner(sender.aor)
        endpoints = await self._locator.endpoints(sender.aor)
        return replace(
            joiner,
            display_name=joiner.display_name if person is None else person.display_name,
            gruu=next((one.gruu for one in endpoints if one.epid == sender.epid), ""),
            owner=owner,
        )
