"""The folder for what leaves the archive."""

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from lyncpy.backends.exports import Exports
from lyncpy.backends.threads import Threads
from lyncpy.contracts.archive import IExports
from lyncpy.contracts.workload import IUnit
from tests.kit.threads import ThreadPump


@pytest.fixture
def pump() -> ThreadPump:
    """What hears from the thread."""
    return ThreadPump()


@pytest.fixture
def exports(tmp_path: Path, pump: ThreadPump) -> Iterator[Exports]:
    """A folder that is not there yet."""
    exports = Exports(tmp_path / "out" / "exports", Threads(pump, "exports"))
    pump.run(exports.open())
    yield exports
    pump.run(exports.close())


def test_is_what_it_says(exports: Exports) -> None:
    """The implementation declares the promises."""
    assert IExports.providedBy(exports)
    assert IUnit.providedBy(exports)


def test_only_the_servers_user_reads_what_was_exported(exports: Exports, pump: ThreadPump, tmp_path: Path) -> None:
    """Folders 0700, files 0600; what comes later is added."""
    folder = tmp_path / "out" / "exports" / "case-7"
    assert pump.run(exports.make_folder("case-7")) == str(folder)
    pump.run(exports.write_file("case-7", "1.eml", b"a"))
    pump.run(exports.write_file("case-7", "1.eml", b"b"))
    assert (folder / "1.eml").read_bytes() == b"ab"
    assert [stat.S_IMODE(path.stat().st_mode) for path in (folder, folder / "1.eml")] == [0o700, 0o600]


def test_nothing_is_written_over(exports: Exports, pump: ThreadPump) -> None:
    """A name is used once."""
    pump.run(exports.make_folder("x"))
    with pytest.raises(ValueError, match="already; choose another"):
        pump.run(exports.make_folder("x"))


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "/etc", "a/b", ".hidden", "a\0", "a\n", "x" * 101, "é", "-x"])
def test_a_name_leads_nowhere_else(exports: Exports, pump: ThreadPump, name: str) -> None:
    """Neither a folder's nor a file's."""
    with pytest.raises(ValueError, match="is no name for a folder"):
        pump.run(exports.make_folder(name))
    pump.run(exports.make_folder("good"))
    with pytest.raises(ValueError, match="is no name"):
        pump.run(exports.write_file("good", name, b""))
    with pytest.raises(ValueError, match="is no name"):
        pump.run(exports.write_file(name, "good", b""))


def test_a_link_is_not_followed(exports: Exports, pump: ThreadPump, tmp_path: Path) -> None:
    """Nobody has the server write where he could not."""
    folder = Path(pump.run(exports.make_folder("x")))
    (folder / "1.eml").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        pump.run(exports.write_file("x", "1.eml", b"text"))
    assert not (tmp_path / "elsewhere").exists()
