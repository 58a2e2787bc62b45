"""Files that people edit: an editor of Windows begins them with a byte-order mark, and they are read all the same."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

import lyncpy
from lyncpy.app.config import load
from lyncpy.backends.people import read_people
from lyncpy.backends.sealing import Sealer
from lyncpy.contracts.workload import OperatorRole
from lyncpy.workloads.admin.keyring import AuthorizedKeys
from lyncpy.workloads.web.readers import read_named

MARK = b"\xef\xbb\xbf"

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMdrdc0l6mJDvshIaj0u65CWZdF9wUi6R4WIcfkqMmzl"


def _keys_in(file: Path) -> object:
    return AuthorizedKeys(file, OperatorRole.VIEWER).ring().faults == ()


@pytest.mark.parametrize(
    ("content", "read"),
    [
        ('[sip]\ndomain = "example.test"\n', lambda file: load(file).sections.sip.domain == "example.test"),
        (
            '[alice]\naddress = "alice@example.test"\n',
            lambda file: read_people(file.read_bytes(), "p", ("example.test",)).people,
        ),
        (f'[display]\naddress = "alice@example.test"\nsha256 = "{"a" * 64}"\n', read_named),
        ("ab" * 32 + "\n", Sealer),
        (f"{KEY} me\n", _keys_in),
    ],
    ids=["configuration", "people", "web readers", "store key", "authorized keys"],
)
def test_a_byte_order_mark_changes_nothing(tmp_path: Path, content: str, read: Callable[[Path], object]) -> None:
    """The same is understood with the mark and without it."""
    file = tmp_path / "file"
    for mark in (b"", MARK):
        file.write_bytes(mark + content.encode())
        file.chmod(0o600)
        assert read(file)


def test_no_file_is_read_without_regard_to_the_mark() -> None:
    """Whoever reads another file of an operator's decodes it as the others are."""
    top = Path(lyncpy.__file__).parent
    reading = re.compile(r"read_text\((?!.*utf-8-sig)")
    assert not [str(file.relative_to(top)) for file in top.rglob("*.py") if reading.search(file.read_text("utf-8"))]
