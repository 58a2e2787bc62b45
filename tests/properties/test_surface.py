"""Whatever proves somebody, spoiled in any way, is answered or refused in words; `scripts/fuzz --cases N` tries many more.

What a case costs is told by that, and judged by nobody here.
"""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.kit.soak import many
from tests.kit.surface import NO_REALM, Spoiled, Surface, Told, keep, kept, many_cases, one_case

CASES = 150
"""Of each target."""

TARGETS = (
    "SOAP: ticket", "SOAP: ticket for a certificate", "SOAP: certificate", "SOAP: address book", "SOAP: group",
    "HTTPS: web ticket", "HTTPS: Basic", "HTTPS: NTLM", "HTTPS: NTLM, answered", "HTTPS: Negotiate", "SIP: NTLM",
    "SIP: TLS-DSK, first", "SIP: TLS-DSK, second", "SIP: Kerberos",
)  # fmt: skip


@pytest.fixture(scope="module")
def surface() -> Iterator[Surface]:
    """Give all targets; no KDC is needed for what is not in order."""
    surface = Surface(Random(1))
    yield surface
    surface.close()


def test_every_target_is_tried(surface: Surface) -> None:
    """And takes what is in order."""
    assert set(surface.targets) == set(TARGETS)
    for name, target in surface.targets.items():
        surface.put(name, target.specimen())


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_spoiled_is_answered_or_refused(surface: Surface, name: str) -> None:
    """No error that nobody declares, none in the log, and a reason with each refusal."""
    told = Told()
    for number in range(many(CASES)):
        one_case(surface, name, told)
        if number % 250 == 0:
            surface.stage.passes(1_000)
    assert told.errors == []


def test_many_cases_are_counted() -> None:
    """As the script shows them."""
    said: list[str] = []
    told = many_cases(Random(2), 20, NO_REALM, said.append)
    assert (told.tries, told.errors) == (20, [])
    assert len(said) == 1 + len(told.dear)


def test_what_was_found_once_is_taken_well(surface: Surface, tmp_path: Path) -> None:
    """It made the server stumble, or cost too much; what is kept comes back as it was."""
    case = Spoiled("SOAP: ticket", b"<a>\xff")
    keep([case, case], tmp_path)
    assert [*kept(tmp_path)] == [("soap-ticket-1", case), ("soap-ticket-2", case)]
    for _, found in (*kept(tmp_path), *kept()):
        surface.put(*found)
