"""What is read out of messages for a session's record."""

import pytest

from lyncpy.sip.message import Headers, Response
from lyncpy.workloads.im.model import session as rules


@pytest.mark.parametrize(
    ("headers", "number"),
    [
        ([], None),
        ([("ms-diagnostics", '1003;reason="User does not exist"')], 1003),
        ([("ms-diagnostics", "1003.5;reason=x")], 1003),
        ([("ms-client-diagnostics", "52001")], 52001),
        ([("ms-diagnostics", "13004"), ("ms-client-diagnostics", "52001")], 13004),
        # One that says nothing does not hide another that does.
        ([("ms-diagnostics", "none;reason=x"), ("ms-diagnostics-public", "5010")], 5010),
        ([("ms-diagnostics", "x"), ("ms-diagnostics-public", ""), ("ms-client-diagnostics", "52001")], 52001),
        ([("ms-diagnostics", "-1")], None),
        ([("ms-diagnostics", "\u0661")], None),
        # A database keeps it in four bytes (PostgreSQL's integer).
        ([("ms-diagnostics", "2147483648")], None),
        ([("ms-diagnostics", "999999999")], 999_999_999),
    ],
)
def test_the_number_of_diagnostics(headers: list[tuple[str, str]], number: int | None) -> None:
    """Spec: [MS-OCER] 2.2.1: the first header that has a number, of the three that may have one."""
    response = Response(486, "Busy Here", Headers(headers))
    assert rules.diagnostic_id(response) == number
