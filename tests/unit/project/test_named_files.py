"""What settings name is read by `contracts/regular_file`: a pipe keeps nobody waiting, and no device fills the memory."""

import re
from pathlib import Path

import lyncpy

PACKAGE = Path(lyncpy.__file__).parent
READS = re.compile(r"\.read_bytes\(\)|\.read_text\(|\.open\(\"r|\bopen\([^)]*\"rb\"")

OTHERS = {
    "app/backup.py": "what a backup is made of, and is made into: as large as it is",
    "app/garbage.py": "/proc",
    "app/greeting.py": "what `lyncpy init` has made",
    "app/home.py": "what `lyncpy init` has made",
    "app/large_pages.py": "/sys and /proc",
    "app/limits.py": "of the package",
    "app/people_command.py": "a word of the command line; bounded there",
    "app/tables.py": "of the package",
    "backends/gapfile.py": "the server's own",
    "backends/processes.py": "/proc",
    "backends/sql/files.py": "a copy of its own",
    "backends/trace_files.py": "the server's own",
    "contracts/secret_file.py": "a word of the command line, which may be a pipe; bounded by who asks",
    "core/languages.py": "of the package",
}
"""Modules that read files in another way, and why."""


def test_files_that_settings_name_are_read_in_one_way() -> None:
    """And no module stands in the list for nothing."""
    found = {
        str(file.relative_to(PACKAGE))
        for file in PACKAGE.rglob("*.py")
        if READS.search(file.read_text("utf-8")) and file.name != "regular_file.py"
    }
    assert found == set(OTHERS)
