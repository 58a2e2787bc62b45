"""What a driver says of a failure becomes one sentence that an operator reads."""

from typing import Final

import pytest

from lyncpy.backends.sql.dialects import reason_of

REFUSED: Final = (
    'connection failed: connection to server at "127.0.1.1", port 5445 failed: Connection refused\n'
    "\tIs the server running on that host and accepting TCP/IP connections?"
)
ONE: Final = "Is the server running on that host and accepting TCP/IP connections?"


def test_each_of_several_hosts_is_named_once_with_its_reason() -> None:
    """The driver says that of the last one first, and then of all, the address twice."""
    standby = 'connection failed: connection to server at "127.0.1.2", port 5445 failed: session is read-only'
    whole = (
        f"{standby}\nMultiple connection attempts failed. All failures were:\n"
        f"- host: 'fe1.example.test', port: '5445', hostaddr: '127.0.1.1': {REFUSED}\n"
        f"- host: 'fe2.example.test', port: '5445', hostaddr: '127.0.1.2': {standby}"
    )
    assert reason_of(Exception(whole)) == (
        "fe1.example.test:5445: Connection refused; fe2.example.test:5445: session is read-only"
    )


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            f"{REFUSED}",
            f'connection failed: connection to server at "127.0.1.1", port 5445 failed: Connection refused {ONE}',
        ),
        ("Multiple connection attempts failed. All failures were:\n- whatever", ""),
        ("database is locked", "database is locked"),
    ],
)
def test_what_is_said_otherwise_is_left_as_it_is(said: str, told: str) -> None:
    """Of a form that is not known no word is lost."""
    assert reason_of(Exception(said)) == (told or " ".join(said.split()))
