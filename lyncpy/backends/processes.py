"""Other processes of this machine, as far as the system tells of them (Linux, by /proc)."""

from contextlib import suppress
from pathlib import Path

from lyncpy.sip.text import shown


def process(pid: int) -> str:
    """Name a process, e.g. "process 71 (lyncpy store copy)": no more of its command, which may hold secrets.

    Args:
        pid: Its number; 0 or less where it is not told, as of one in another container.
    """
    if pid <= 0:
        return "another program"
    command = _command(pid)
    return f"process {pid} ({shown(command)})" if command else f"process {pid}"


def _command(pid: int) -> str:
    with suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace").split("\0")
        # Of what Python runs, the first words are Python's own.
        for number, word in enumerate(words[:3]):
            if Path(word).name == "lyncpy":
                return " ".join(["lyncpy", *(one for one in words[number + 1 : number + 3] if one.isalpha())])
        return Path(f"/proc/{pid}/comm").read_bytes().decode("utf-8", "replace").strip()
    return ""
