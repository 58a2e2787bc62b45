"""The table of conferences: durable before it counts, one writer at a time, and purged in the end."""

from dataclasses import replace

import pytest
from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock

from lyncpy.contracts.facts import ConferenceChanged, Fact
from lyncpy.contracts.names import NodeName, Version
from lyncpy.contracts.nodes import Home
from lyncpy.contracts.owners import IOwners, OwnerId
from lyncpy.contracts.refusal import Refused, StoreUnavailable
from lyncpy.contracts.store import Conflict
from lyncpy.core.keyed_lock import KeyedLock
from lyncpy.core.timers import Timers
from lyncpy.workloads.conferencing.conference_form import pack, unpack
from lyncpy.workloads.conferencing.conference_table import KIND, MOVED, ConferenceTable
from lyncpy.workloads.conferencing.model.conference import (
    Active,
    AdmissionPolicy,
    C3pReason,
    Conference,
    ConferenceDenied,
    ConferenceRequest,
    ConferenceRole,
    key_of,
)
from lyncpy.workloads.directory.owners import Owner, Owners
from tests.kit.fakes import FragileStore, Fragility
from tests.kit.logs import overheard
from tests.kit.memory import MemoryStore
from tests.kit.owners import AddressOwners
from tests.kit.results import result_of, started
from tests.kit.rosters import ALICE, BOB, CAROL, FOCUS, NOON, conference, terms_with

ID = "59CED1B0"
ACTIVE = Active("i-1", NOON, True, {BOB: ConferenceRole.PRESENTER}, frozenset({ALICE, BOB}), frozenset({CAROL}))


EVERYBODY = AddressOwners()


class Cellar:
    """A store on a fragile disk, and any number of processes that use it one after the other."""

    def __init__(self) -> None:
        """Begin at noon with an empty store."""
        self.clock = Clock()
        self.timers = Timers(self.clock, lambda: NOON + self.clock.seconds())
        self.disk = Fragility()
        self.inner = MemoryStore(self.timers.wall)
        self.store = FragileStore(self.inner, self.disk)
        self.told: list[Fact] = []

    def opened(self, owners: IOwners = EVERYBODY, *, total: int = 100) -> ConferenceTable:
        """Give the table as a process that starts now has it."""
        terms = terms_with(per_organizer=3)
        table = ConferenceTable(
            self.store,
            KeyedLock(self.timers),
            self.timers,
            terms,
            total=total,
            purge_every_s=60.0,
            owners=owners,
            tell=lambda fact: self.told.append(fact),
        )
        result_of(table.open())
        return table


@pytest.fixture
def cellar() -> Cellar:
    """An empty store."""
    return Cellar()


@pytest.fixture
def table(cellar: Cellar) -> ConferenceTable:
    """A table with one conference of Alice's."""
    table = cellar.opened()
    made(table, ID, subject="Budget")
    return table


def made(table: ConferenceTable, id_: str, **requested: object) -> Conference:
    """Schedule a conference that must be allowed."""
    found = result_of(table.schedule(ALICE, ConferenceRequest(id=id_, **requested)))  # type: ignore[arg-type]  # fields by name
    assert isinstance(found, Conference), found
    return found


def test_a_conference_survives_the_process(cellar: Cellar, table: ConferenceTable) -> None:
    """What was answered is found by the next start, by its id and its URI in any case."""
    again = cellar.opened()
    found = again.find(ALICE, ID.lower())
    assert found is not None
    assert (found.subject, found.id) == ("Budget", ID)
    assert again.at(FOCUS.replace(":focus:", ":chat:")) == found
    assert again.at("sip:alice@contoso.test") is None
    assert again.conferences_of(ALICE) == (found,)
    assert again.conferences_of(BOB) == ()
    assert again.all_conferences() == (found,)
    assert len(again) == 1


def test_nothing_counts_before_it_is_durable(cellar: Cellar) -> None:
    """A join that comes while the disk is slow finds no conference yet."""
    table = cellar.opened()
    cellar.disk.slow_down()
    making = started(table.schedule(ALICE, ConferenceRequest(id=ID)))
    assert table.find(ALICE, ID) is None
    cellar.disk.catch_up()
    assert making.called
    assert table.find(ALICE, ID) is not None


def test_a_broken_disk_changes_nothing(cellar: Cellar, table: ConferenceTable) -> None:
    """Neither memory nor store."""
    before = table.conferences_of(ALICE)
    cellar.disk.broken = True
    for doing in (
        table.schedule(ALICE, ConferenceRequest(id="OTHER000")),
        table.modify(ALICE, ID, ConferenceRequest(subject="New")),
        table.remember(key_of(ALICE, ID), ACTIVE, None),
        table.delete(ALICE, ID),
    ):
        with pytest.raises(StoreUnavailable):
            result_of(doing)
    assert table.conferences_of(ALICE) == before


def test_a_change_is_durable_and_told(cellar: Cellar, table: ConferenceTable) -> None:
    """Whoever runs the meeting hears of it."""
    heard: list[tuple[Conference, Conference | None]] = []
    table.listen(lambda before, after: heard.append((before, after)))
    before = table.conferences_of(ALICE)[0]
    after = result_of(table.modify(ALICE, ID, ConferenceRequest(subject="New")))
    assert heard == [(before, after)]
    assert cellar.opened().conferences_of(ALICE) == (after,)
    assert result_of(table.modify(ALICE, ID, ConferenceRequest(admission="x"))) == ConferenceDenied(
        C3pReason.INVALID_ADMISSION_POLICY
    )
    assert result_of(table.modify(ALICE, "OTHER000", ConferenceRequest())) == ConferenceDenied(
        C3pReason.CONFERENCE_DOES_NOT_EXIST
    )
    assert len(heard) == 1


def test_a_deleted_conference_is_gone_for_good(cellar: Cellar, table: ConferenceTable) -> None:
    """From memory and store, and whoever runs its meeting hears of it."""
    heard: list[tuple[Conference, Conference | None]] = []
    table.listen(lambda before, after: heard.append((before, after)))
    before = table.conferences_of(ALICE)[0]
    assert result_of(table.delete(ALICE, ID)) == before
    assert heard == [(before, None)]
    assert table.conferences_of(ALICE) == cellar.opened().conferences_of(ALICE) == ()
    assert result_of(table.delete(ALICE, ID)) == ConferenceDenied(C3pReason.CONFERENCE_DOES_NOT_EXIST)


def test_what_a_meeting_leaves_survives_the_process(cellar: Cellar, table: ConferenceTable) -> None:
    """Who was in, as what, behind which door; and when it began."""
    heard: list[object] = []
    table.listen(lambda before, after: heard.append(after))
    assert isinstance(result_of(table.remember(key_of(ALICE, ID), ACTIVE, None)), Conference)
    (found,) = cellar.opened().active()
    assert (found.active, found.activated) == (ACTIVE, NOON)
    assert heard == []

    writes = cellar.disk.calls
    assert result_of(table.remember(key_of(ALICE, ID), ACTIVE, None)) == found
    assert cellar.disk.calls == writes

    result_of(table.remember(key_of(ALICE, ID), None, None))
    (found,) = cellar.opened().conferences_of(ALICE)
    assert (found.active, found.activated) == (None, NOON)
    assert result_of(table.remember(key_of(BOB, ID), None, None)) == ConferenceDenied(
        C3pReason.CONFERENCE_DOES_NOT_EXIST
    )


def test_the_latest_conference_comes_first(cellar: Cellar, table: ConferenceTable) -> None:
    """As a list of conferences is read."""
    cellar.clock.advance(10)
    made(table, "SECOND00")
    assert [found.id for found in table.conferences_of(ALICE)] == ["SECOND00", ID]


def test_there_are_so_many_conferences(cellar: Cellar) -> None:
    """Of one organizer, and in all."""
    table = cellar.opened(total=3)
    for id_ in ("AAAAAAAA", "BBBBBBBB", "CCCCCCCC"):
        made(table, id_)
    assert result_of(table.schedule(ALICE, ConferenceRequest(id="DDDDDDDD"))) == ConferenceDenied(
        C3pReason.MAXIMUM_CONFERENCES
    )
    with overheard() as logged:
        assert result_of(table.schedule(BOB, ConferenceRequest(id="DDDDDDDD"))) == ConferenceDenied(
            C3pReason.SERVER_BUSY
        )
    assert len(logged) == 1


def test_an_expired_conference_is_none_and_its_name_is_free(cellar: Cellar, table: ConferenceTable) -> None:
    """Even before it was purged."""
    cellar.clock.pump([30.0] * 2)
    result_of(table.modify(ALICE, ID, ConferenceRequest(expires=NOON + 50)))
    assert table.find(ALICE, ID) is None
    assert table.at(FOCUS) is None
    assert table.conferences_of(ALICE) == table.all_conferences() == ()
    assert made(table, ID.lower()).id == ID.lower()
    assert len(table) == 1


def test_what_is_over_is_purged(cellar: Cellar, table: ConferenceTable) -> None:
    """A running meeting is not over, whatever its date."""
    made(table, "RUNNING0", expires=NOON + 30)
    result_of(table.remember(key_of(ALICE, "RUNNING0"), ACTIVE, None))
    made(table, "EXPIRED0", expires=NOON + 30)
    cellar.clock.advance(60)
    assert [found.id for found in table.all_conferences()] == [ID, "RUNNING0"]
    assert len(table) == 2
    assert len(cellar.opened()) == 2


def test_the_purge_goes_on_after_a_bad_night(cellar: Cellar, table: ConferenceTable) -> None:
    """A store that fails is tried again, and the operator hears of it."""
    made(table, "EXPIRED0", expires=NOON + 30)
    cellar.disk.broken = True
    with overheard() as logged:
        cellar.clock.advance(60)
    assert len(logged) == 1
    assert len(table) == 2
    cellar.disk.broken = False
    cellar.clock.advance(60)
    assert len(table) == 1


def test_nothing_is_purged_after_the_end(cellar: Cellar, table: ConferenceTable) -> None:
    """Also when it comes in the middle of a purge; and a table that never opened can be closed."""
    made(table, "EXPIRED0", expires=NOON + 30)
    cellar.disk.slow_down()
    cellar.clock.advance(60)
    result_of(table.close())
    cellar.disk.catch_up()
    made(table, "EXPIRED1", expires=NOON + 30)
    cellar.clock.advance(600)
    assert len(table) == 2
    result_of(
        ConferenceTable(
            cellar.store,
            KeyedLock(cellar.timers),
            cellar.timers,
            terms_with(),
            total=1,
            purge_every_s=60.0,
            owners=AddressOwners(),
            tell=cellar.told.append,
        ).close()
    )


def test_a_conference_made_anew_while_the_purge_waits_stays(cellar: Cellar, table: ConferenceTable) -> None:
    """The purge looks again when its turn comes."""
    made(table, "EXPIRED0", expires=NOON + 30)
    cellar.clock.advance(40)
    cellar.disk.slow_down()
    making = started(table.schedule(ALICE, ConferenceRequest(id="EXPIRED0", subject="Again")))
    purging = started(table.purge())
    cellar.disk.catch_up()
    assert (making.called, purging.called) == (True, True)
    found = table.find(ALICE, "EXPIRED0")
    assert found is not None
    assert found.subject == "Again"


def test_two_purges_at_once_remove_once(cellar: Cellar, table: ConferenceTable) -> None:
    """The second finds nothing left."""
    made(table, "EXPIRED0", expires=NOON + 30)
    made(table, "EXPIRED1", expires=NOON + 30)
    cellar.clock.advance(40)
    cellar.disk.slow_down()
    results: list[int] = []
    for purging in (started(table.purge()), started(table.purge())):
        _ = purging.addCallback(results.append)
    for _turn in range(4):
        cellar.disk.catch_up()
    assert sum(results) == 2
    assert len(table) == 1


# -- another process was first ----------------------------------------------------------------


def other_writes(cellar: Cellar, subject: str) -> None:
    """Let another process change Alice's conference."""
    other = cellar.opened()
    result_of(other.modify(ALICE, ID, ConferenceRequest(subject=subject)))


def test_a_change_on_a_change_elsewhere_keeps_both(cellar: Cellar, table: ConferenceTable) -> None:
    """It is decided again on what the other wrote."""
    other_writes(cellar, "Theirs")
    result_of(table.modify(ALICE, ID, ConferenceRequest(admission="closedAuthenticated")))
    (found,) = cellar.opened().conferences_of(ALICE)
    assert (found.subject, found.admission) == ("Theirs", AdmissionPolicy.CLOSED)


def test_what_was_deleted_elsewhere_is_gone(cellar: Cellar, table: ConferenceTable) -> None:
    """For a change, and for a deletion."""
    result_of(cellar.opened().delete(ALICE, ID))
    assert result_of(table.modify(ALICE, ID, ConferenceRequest(subject="x"))) == ConferenceDenied(
        C3pReason.CONFERENCE_DOES_NOT_EXIST
    )
    made(table, "SECOND00")
    other = cellar.opened()
    result_of(other.delete(ALICE, "SECOND00"))
    assert result_of(table.delete(ALICE, "SECOND00")) == ConferenceDenied(C3pReason.CONFERENCE_DOES_NOT_EXIST)


def test_what_was_changed_elsewhere_is_deleted_all_the_same(cellar: Cellar, table: ConferenceTable) -> None:
    """The organizer wants it gone."""
    other_writes(cellar, "Theirs")
    found = result_of(table.delete(ALICE, ID))
    assert isinstance(found, Conference)
    assert found.subject == "Theirs"


def test_an_id_taken_elsewhere_is_taken(cellar: Cellar) -> None:
    """Two processes give it out once."""
    one, other = cellar.opened(), cellar.opened()
    made(one, ID)
    assert result_of(other.schedule(ALICE, ConferenceRequest(id=ID))) == ConferenceDenied(C3pReason.CONFERENCE_EXISTS)
    assert other.find(ALICE, ID) is not None


def test_an_id_freed_elsewhere_in_the_same_moment_is_free(cellar: Cellar, table: ConferenceTable) -> None:
    """What this process remembers of it is looked at again."""
    result_of(table.modify(ALICE, ID, ConferenceRequest(expires=NOON - 1)))
    version = result_of(_read(cellar))
    result_of(_remove(cellar, version))
    assert made(table, ID)


def test_an_id_taken_and_freed_elsewhere_is_free(cellar: Cellar) -> None:
    """Between this process's looking and its writing."""
    table = cellar.opened()
    made(cellar.opened(), ID)
    cellar.disk.slow_down()
    making = started(table.schedule(ALICE, ConferenceRequest(id=ID)))
    results: list[object] = []
    _ = making.addCallback(results.append)
    result_of(_remove(cellar, result_of(_read(cellar))))
    cellar.disk.catch_up()
    assert results == [table.find(ALICE, ID)]
    assert isinstance(results[0], Conference)


def test_what_was_changed_elsewhere_is_not_purged(cellar: Cellar, table: ConferenceTable) -> None:
    """Its organizer has given it more time, in another process."""
    made(table, "EXPIRED0", expires=NOON + 30)
    other = cellar.opened()
    result_of(other.modify(ALICE, "EXPIRED0", ConferenceRequest(expires=NOON + 900)))
    cellar.clock.advance(60)
    assert table.find(ALICE, "EXPIRED0") is not None


def test_who_is_never_first_gives_up(cellar: Cellar, table: ConferenceTable, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while, with a word when to come again."""

    def second(*_: object, **__: object) -> Deferred[None]:
        return fail(Conflict("another was first"))

    monkeypatch.setattr(cellar.store, "write", second)
    monkeypatch.setattr(cellar.store, "remove", second)
    for doing in (table.modify(ALICE, ID, ConferenceRequest(subject="Mine")), table.delete(ALICE, ID)):
        with pytest.raises(Refused) as no:
            result_of(doing)
        assert no.value.status == 503


async def _read(cellar: Cellar) -> Version:
    record = await cellar.inner.read(KIND, conference().key)
    assert record is not None
    return record.version


async def _remove(cellar: Cellar, version: Version) -> None:
    await cellar.inner.remove(KIND, conference().key, version)


def test_everything_is_kept_as_it_is() -> None:
    """What is stored is read back to the last field."""
    found = conference(
        subject="Ä \u2603",
        display_text="x",
        admission=AdmissionPolicy.ANONYMOUS,
        pstn_lobby_bypass=True,
        invited={BOB: ConferenceRole.PRESENTER},
        passcode="1234",
        notification_data="<a/>",
        static=True,
        activated=NOON,
        active=ACTIVE,
    )
    assert unpack(pack(found), AddressOwners()) == found
    assert unpack(pack(conference()), AddressOwners()) == conference()


def test_what_a_meeting_kept_before_an_address_changed_is_still_of_who_was_meant(cellar: Cellar) -> None:
    """Two people swap addresses while the disk is slow: the meeting's record is written with names of before."""
    owners = Owners()
    for owner, aor in ((OwnerId("b#1"), BOB), (OwnerId("c#1"), CAROL)):
        owners.put_owner(Owner(owner, owner, aor, 1.0))
    table = cellar.opened(owners)
    key = made(table, ID, invited=((BOB, "attendee"), (CAROL, "presenter"))).key
    active = replace(ACTIVE, kept=frozenset(), meant={BOB: OwnerId("b#1"), CAROL: OwnerId("c#1")})
    cellar.disk.slow_down()
    modifying = started(table.modify(ALICE, ID, ConferenceRequest(subject="New")))
    for owner, aor in ((OwnerId("b#1"), CAROL), (OwnerId("c#1"), BOB)):
        owners.put_owner(Owner(owner, owner, aor, 1.0))
    changing = started(table.addresses_changed(frozenset({BOB, CAROL})))
    remembering = started(table.remember(key, active, None))
    cellar.disk.catch_up()
    assert modifying.called
    assert remembering.called
    assert changing.called
    for found in (table.at(FOCUS), cellar.opened(owners).at(FOCUS)):
        assert found is not None
        assert found.invited == {CAROL: ConferenceRole.ATTENDEE, BOB: ConferenceRole.PRESENTER}
        assert found.active is not None
        assert (found.active.granted, found.active.ejected) == ({CAROL: ConferenceRole.PRESENTER}, frozenset({BOB}))


def test_what_another_process_makes_is_found_as_soon_as_it_is_told(cellar: Cellar, table: ConferenceTable) -> None:
    """And what it modifies or deletes; a running meeting hears how its conference differs."""
    other = cellar.opened()
    heard: list[tuple[str, str]] = []
    other.listen(lambda before, after: heard.append((before.subject, "" if after is None else after.subject)))

    def hear() -> None:
        """Have the other one hear all that was told."""
        facts, cellar.told = list(cellar.told), []
        for fact in facts:
            assert isinstance(fact, ConferenceChanged)
            result_of(other.others.heard(fact))
            # A bus may bring it twice.
            result_of(other.others.heard(fact))

    cellar.told.clear()
    made(table, "NEWCOMER", subject="One")
    assert other.find(ALICE, "NEWCOMER") is None
    hear()
    assert other.find(ALICE, "NEWCOMER") == table.find(ALICE, "NEWCOMER")
    result_of(table.modify(ALICE, "NEWCOMER", ConferenceRequest(subject="Two")))
    hear()
    assert other.conferences_of(ALICE) == table.conferences_of(ALICE)
    result_of(table.delete(ALICE, "NEWCOMER"))
    hear()
    assert other.find(ALICE, "NEWCOMER") is None
    assert heard == [("One", "Two"), ("Two", "")]
    # Who is told nothing of it has it all the same, when it looks.
    result_of(table.modify(ALICE, ID, ConferenceRequest(subject="Costs")))
    key = key_of(ALICE, ID)
    assert other.others.version_of(key) < table.others.version_of(key)
    result_of(other.others.renew(key))
    assert other.others.version_of(key) == table.others.version_of(key)
    assert set(other.others.held()) == {key}
    assert heard[2:] == [("Budget", "Costs")]


def test_who_is_the_home_no_more_remembers_nothing(cellar: Cellar, table: ConferenceTable) -> None:
    """Each home has a higher epoch than all before it, and writes it at once; one of before is refused from then on."""
    key = key_of(ALICE, ID)
    former, later = (Home(key, NodeName(name), epoch) for name, epoch in (("a", 1), ("b", 2)))
    assert isinstance(result_of(table.remember(key, ACTIVE, former)), Conference)
    other = cellar.opened()
    assert isinstance(result_of(other.remember(key, ACTIVE, later)), Conference)
    assert result_of(table.remember(key, None, former)) is MOVED
    (again,) = cellar.opened().active()
    assert (again.run_by, again.epoch, again.active) == ("b", 2, ACTIVE)
    # One node alone, on what several have left, is whoever it was.
    assert isinstance(result_of(cellar.opened().remember(key, None, None)), Conference)
    assert result_of(cellar.opened().others.renew("nothing")) is None
    assert cellar.opened().others.kept("nothing") is None


def test_a_home_that_begins_is_noted_once(cellar: Cellar, table: ConferenceTable) -> None:
    """Nothing is written where it has not changed."""
    key, home = key_of(ALICE, ID), Home(key_of(ALICE, ID), NodeName("a"), 1)
    for _ in range(2):
        result_of(table.remember(key, ACTIVE, home))
    assert table.others.version_of(key) == 2
