"""What is refused in the body of an answer is written where it is counted, and nowhere else; a status is counted by itself."""

import ast
from pathlib import Path
from typing import Final

import pytest

from tests.kit.trees import calls_of

SOURCE: Final = Path(__file__).parents[3] / "lyncpy/workloads"


def _name(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")


@pytest.mark.parametrize(
    ("writer", "places"),
    [
        ("write_failure", {"conferencing/refusals.py"}),
        # That of presence is the body of a 409, which is counted by its ms-diagnostics.
        ("write_fault", {"webservices/soap_resource.py", "presence/routes.py"}),
    ],
)
def test_a_refusal_is_written_where_it_is_counted(writer: str, places: set[str]) -> None:
    """By C3P's reason, or by the code of a SOAP fault."""
    found = {
        str(file.relative_to(SOURCE))
        for file in SOURCE.rglob("*.py")
        if any(_name(call) == writer for call in calls_of(file))
    }
    assert found == places
