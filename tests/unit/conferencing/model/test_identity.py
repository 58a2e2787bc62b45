"""Who the people are that a conference and its meeting name."""

from dataclasses import replace

import pytest

from lyncpy.contracts.names import Aor, aor_of
from lyncpy.contracts.owners import OwnerId
from lyncpy.workloads.conferencing.model.attendees import Departure, Gone
from lyncpy.workloads.conferencing.model.conference import Active, ConferenceRole
from lyncpy.workloads.conferencing.model.identity import noted, readdress, readdressed
from lyncpy.workloads.conferencing.model.meeting import join
from tests.kit.owners import AddressOwners
from tests.kit.rosters import ALICE, BOB, CAROL, DAVE, NOON, conference, done, joiner, meeting


class Moved(AddressOwners):
    """Somebody has another address than what was written down."""

    def __init__(self, **addresses: str) -> None:
        """Take present addresses, by who they are."""
        self._addresses = {OwnerId(f"sip:{who}@contoso.test"): aor_of(aor) for who, aor in addresses.items()}

    def address(self, owner: OwnerId) -> Aor | None:
        """Give the present one."""
        return self._addresses.get(owner, super().address(owner))


@pytest.mark.parametrize("runs", [False, True])
def test_whoever_a_conference_names_is_named_by_the_address_that_they_have(runs: bool) -> None:
    """In its running meeting too, if there is one; its own address stays for ever."""
    active = Active(
        "i",
        NOON,
        False,
        granted={BOB: ConferenceRole.PRESENTER},
        kept=frozenset({ALICE, BOB}),
        ejected=frozenset({CAROL}),
    )
    before = noted(
        replace(conference(), invited={BOB: ConferenceRole.ATTENDEE}, active=active if runs else None), Moved()
    )
    after = readdressed(before, Moved(alice="ann@contoso.test", bob="bobby@contoso.test", carol="bob@contoso.test"))
    ann, bobby = aor_of("ann@contoso.test"), aor_of("bobby@contoso.test")
    assert (after.organizer, after.uri, after.key) == (ann, before.uri, before.key)
    assert after.invited == {bobby: ConferenceRole.ATTENDEE}
    if runs:
        assert after.active == replace(
            active, granted={bobby: ConferenceRole.PRESENTER}, kept=frozenset({ann, bobby}), ejected=frozenset({BOB})
        )
    else:
        assert after.active is None
    assert readdressed(after, Moved()) == before


def test_in_a_meeting_what_was_remembered_follows_who_is_meant() -> None:
    """Whoever takes part under a former address is lost, and may join anew; nobody inherits a role or an ejection."""
    running = done(join(meeting(), joiner(BOB, owner=OwnerId(BOB)), NOON))
    before = replace(
        running,
        granted={BOB: ConferenceRole.PRESENTER},
        ejected=frozenset({CAROL}),
        called=frozenset({DAVE}),
        meant={aor: OwnerId(aor) for aor in (BOB, CAROL, DAVE)},
    )
    bobby, carla = aor_of("bobby@contoso.test"), aor_of("carla@contoso.test")
    after, changes = readdress(before, Moved(bob="bobby@contoso.test", carol="carla@contoso.test"), NOON + 1)
    assert [(type(one), one.user, one.why) for one in changes if isinstance(one, Gone)] == [(Gone, BOB, Departure.LOST)]
    assert BOB not in after.attendees
    assert (after.granted, after.ejected, after.called) == (
        {bobby: ConferenceRole.PRESENTER},
        frozenset({carla}),
        frozenset({DAVE}),
    )
    assert after.meant == {bobby: OwnerId(BOB), carla: OwnerId(CAROL), DAVE: OwnerId(DAVE)}
    assert readdress(before, Moved(), NOON + 1) == (before, ())
