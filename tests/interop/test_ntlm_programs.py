"""A real process in ntlm_auth's place that dies, hangs, floods and answers late: what clients are told, and what is left of it."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.conftest import PLUGIN
from tests.kit.purple_client import ConnectionRefusedByServer, PurpleClient
from tests.kit.server import RunningServer

pytestmark = pytest.mark.interop

SCRIPT = """
import base64, os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
user = ""
for line in sys.stdin:
    if line.startswith("Username:: "):
        user = base64.b64decode(line[11:]).decode().partition("@")[0]
    if line != ".\\n":
        continue
    if user == "alice":
        sys.exit("nobody is at home")
    if user == "bob":
        os.write(1, b"Authenticated: Yes\\n" * 100_000)
    if user == "carol":
        time.sleep(13)
    answer = b"Authenticated: No\\nAuthentication-Error: NT_STATUS_ACCOUNT_LOCKED_OUT\\n.\\n.\\n"
    os.write(1, answer)
"""


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningServer]:
    """Give a server that asks the script about people of its file whose password does not fit."""
    if not PLUGIN.exists():
        pytest.skip("pidgin-sipe is not installed")
    (tmp_path / "helper.py").write_text(SCRIPT)
    server = RunningServer(tmp_path / "home").init()
    server.write_settings("auth", ntlm_auth=[sys.executable, str(tmp_path / "helper.py")])
    try:
        yield server.start()
        server.stop()
    finally:
        server.close()


def helpers(folder: Path) -> list[bytes]:
    """Give the scripts that run."""
    words = ["pgrep", "-f", f"{folder}/helper.py --helper-protocol"]
    return subprocess.run(words, capture_output=True, check=False, timeout=20).stdout.split()


def test_whatever_a_program_does_clients_are_told_and_none_is_left(running: RunningServer, tmp_path: Path) -> None:
    """It is no wrong password; the others are answered meanwhile, a late answer is nobody's, and the end of the server is theirs."""
    made: list[PurpleClient] = []

    def refused(name: str) -> str:
        account = running.accounts[name]
        folder = tmp_path / f"{name}-{len(made)}"
        made.append(
            PurpleClient(account.address, "not it", login=name, server=running.address, folder=folder, ca=running.ca)
        )
        with pytest.raises(ConnectionRefusedByServer) as caught:
            made[-1].login()
        return caught.value.text

    try:
        assert "locked" in refused("dave")
        for name, why, other in (("alice", "nobody is at home", "erin"), ("bob", "was ended", "frank")):
            words = refused(name)
            assert "directory cannot be asked" in words
            assert why in running.ssh(f"why {name}@example.test")
            # One that has ended without an answer is not started again at once.
            time.sleep(2.5)
            assert "locked" in refused(other)
        assert "directory cannot be asked" in refused("carol")
        assert "took longer than 10 s" in running.ssh("why carol@example.test")
        assert "locked" in refused("dave")
        assert helpers(tmp_path)
        running.stop()
        assert not helpers(tmp_path)
        running.start()
    finally:
        for one in made:
            one.leave()
            one.close()
