"""Who the people are that a conference and its meeting name."""

from dataclasses import replace

import pytest

from lyncpy.contracts.names import Aor, aor_of
from lyncpy.contracts.owners import OwnerId
from lyncpy.workloads.conferencing.model.conference import Active, ConferenceRole
from lyncpy.workloads.conferencing.model.identity import noted, readdressed
from tests.kit.owners import AddressOwners
from tests.kit.rosters import ALICE, BOB, CAROL, NOON, conference


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
