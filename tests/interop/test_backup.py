"""A backup of a server that runs, restored on another machine: people sign in there and find what was theirs."""

import json
import shutil
from pathlib import Path

import pytest

from tests.interop.conftest import PLUGIN, Clients
from tests.kit.forks import run
from tests.kit.server import RunningServer

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(not PLUGIN.exists(), reason="pidgin-sipe is not installed"),
]


def test_a_server_is_restored_from_a_backup_that_was_made_while_it_ran(tmp_path: Path) -> None:
    """What was acknowledged before the backup is there; what came after it is not."""
    first = RunningServer(tmp_path / "first").init()
    words = tmp_path / "words"
    words.write_text("correct horse battery staple\n")
    words.chmod(0o600)
    first.write_settings("store", backup_passphrase_file=str(words))
    again = RunningServer(tmp_path / "again")
    try:
        first.start()
        clients = Clients(first, tmp_path)
        (alice,) = clients("alice")
        bob, carol = first.accounts["bob"], first.accounts["carol"]
        alice.add_buddy(bob.address)
        alice.wait_presence(bob.address, status="offline")
        assert json.loads(first.ssh("backup --json"))["rows"][0]["sealed"] is True
        alice.add_buddy(carol.address)
        alice.wait_presence(carol.address, status="offline")
        (backup,) = (first.home / "backups").iterdir()
        assert "no backup" not in first.ssh("conditions")
        clients.close()
        first.kill()
        backup = Path(shutil.move(backup, tmp_path / "on-another-machine"))
        first.home.rename(tmp_path / "lost")
        done = run(("restore", str(backup), str(again.home), "--passphrase-file", str(words)), "", timeout=60)
        assert "the key in [store] key_file opens what is sealed there" in done.stdout, done
        again.tls_port, again.tcp_port, again.admin_port = first.tls_port, first.tcp_port, first.admin_port
        again.start()
        clients = Clients(again, tmp_path / "later")
        (alice,) = clients("alice")
        alice.until(lambda: (bob.address, "Friends") in alice.contacts(), "her list is there")
        assert (carol.address, "Friends") not in alice.contacts()
        clients.close()
        again.stop()
    finally:
        first.close()
        again.close()
