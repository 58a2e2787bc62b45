"""Each table of a running server has its meters: how much is in it, and how much may be."""

import pytest

from lyncpy.app.config import Sections
from lyncpy.app.tables import FORGETS, REFUSES, bound_of, bounds, walk, when_full
from tests.kit.stage import Stage

SECTIONS = Sections.model_validate({"sip": {"domain": "example.com"}})


def entries(stage: Stage, meter: str = "entries") -> dict[str, float]:
    """Give what one of the meters says of each table, as whoever reads them more than once sees it."""
    stage.meter.labelled["lyncpy_app_table_entries_count"]()
    stage.settle()
    return {labels[0]: value for labels, value in stage.meter.labelled[f"lyncpy_app_table_{meter}_count"]().items()}


def test_what_fills_a_table_is_seen() -> None:
    """Of sessions, devices and connections as many as there are; and the bound of each."""
    with Stage.opened() as stage:
        alice, bob = stage.sign_in("alice", "bob")
        alice.talks_to(bob)
        found = entries(stage)
        assert found["workloads.im.sessions.Sessions.sessions"] == 1
        assert found["workloads.registrar.bindings.Bindings.users"] == 2
        assert len(found) > 180
        assert entries(stage, "bound")["workloads.im.sessions.Sessions.sessions"] == 100_000
        assert max(entries(stage, "fullest").values()) <= max(found.values())
        taken = {labels[0]: value for labels, value in stage.meter.labelled["lyncpy_app_table_bytes"]().items()}
        assert taken.keys() == found.keys()
        assert 500 < taken["workloads.im.sessions.Sessions.sessions"] < 20_000
        assert all(value == 0 for name, value in taken.items() if not found[name])


def test_what_begins_later_is_found_later() -> None:
    """Of the same parts; a connection that was made anew has other tables."""
    with Stage.opened() as stage:
        before = len(entries(stage))
        stage.sign_in("alice")
        stage.passes(700)
        entries(stage)
        stage.passes(1)
        assert len(entries(stage)) >= before


@pytest.mark.parametrize(
    ("name", "bound", "full"),
    [
        ("core.gate.Gate._flows", SECTIONS.sip.connections, REFUSES),
        ("workloads.im.sessions.Sessions._begun", SECTIONS.im.sessions_total, REFUSES),
        ("workloads.registrar.sending_on.SendingOn._sent", 20_000, FORGETS),
        ("backends.nats.wire.Wire._waiting", None, REFUSES),
        ("app.units.RevocationUnit._listening", None, REFUSES),
    ],
)
def test_the_bound_is_the_number_that_its_sentence_names(name: str, bound: float | None, full: str) -> None:
    """A setting as it is now, or a constant; bytes bound no entries, and what is fixed needs no bound."""
    assert bound_of(name, SECTIONS) == bound
    assert when_full(name) == full


def test_what_is_in_a_table_is_not_walked_over() -> None:
    """A server with much in it takes no longer for that."""

    def steps(stage: Stage) -> int:
        return sum(walk([stage.inside]))

    with Stage.opened() as stage:
        stage.sign_in("alice")
        few = steps(stage)
        stage.sign_in(*["bob"] * 5, "carol", "dave", "erin")
        assert steps(stage) <= few + 200


def test_most_tables_are_bound_by_a_number() -> None:
    """Others hold what has no number, or a few that never change."""
    assert sum(bound_of(name, SECTIONS) is not None for name in bounds()) > 120
