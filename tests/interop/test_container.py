"""The container file: its parts are there, it gives no rights away, and what it starts serves.

No image is built: that takes a registry. What it would hold is looked at here, and its start and its look at the server's health are run.
"""

import os
import re
import shlex
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from lyncpy.app.config import SECTIONS
from tests.kit.daemon import Daemon
from tests.kit.ports import free_ports

pytestmark = pytest.mark.interop

TOP: Final = Path(__file__).resolve().parents[2]
FILE: Final = TOP / "packaging/Containerfile"


def instructions() -> list[tuple[str, str]]:
    """Give each instruction with its words."""
    text = re.sub(r"\\\n\s*", " ", FILE.read_text("utf-8"))
    return [(one.partition(" ")[0], one.partition(" ")[2]) for one in text.splitlines() if one and one[0] != "#"]


def test_its_parts_are_there() -> None:
    """Whatever it copies out of the checkout."""
    copied = [words.split()[:-1] for word, words in instructions() if word == "COPY" and "--from" not in words]
    assert len(copied) > 4
    assert [path for paths in copied for path in paths if not (TOP / path).exists()] == []


def test_it_gives_no_rights_away() -> None:
    """The server is nobody's, has one place to write to, and its ports are those of the settings."""
    last = instructions()[max(at for at, (word, _) in enumerate(instructions()) if word == "FROM") :]
    said = dict(last)
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", said["USER"])
    assert said["VOLUME"] == str(Path(said["ENV"].partition("=")[2]).parent)
    ports = {SECTIONS["sip"].model_fields["tls_port"].default, SECTIONS["web"].model_fields["https_port"].default}
    assert set(map(int, said["EXPOSE"].split())) == ports
    assert not [words for word, words in last if word == "ADD" or "gcc" in words]
    bases = {words.split()[0] for word, words in instructions() if word == "FROM"}
    assert bases == {"docker.io/library/debian:12-slim"}


def test_it_starts_is_healthy_and_keeps_what_it_has(tmp_path: Path) -> None:
    """The first start makes what the second one goes on with."""
    said = dict(instructions())
    (tmp_path / "bin").mkdir()
    for name in ("lyncpy", "twistd", "python"):
        (tmp_path / "bin" / name).symlink_to(Path(sys.prefix) / "bin" / name)
    (tmp_path / "bin/start").write_bytes((TOP / "packaging/container/start").read_bytes())
    (tmp_path / "bin/start").chmod(0o755)
    tls, https = free_ports(2)
    home = tmp_path / "home"
    environment = {
        **os.environ,
        "LYNCPY_CONFIG": str(home / "lyncpy.toml"),
        "LYNCPY_DEMO": "1",
        "LYNCPY_SET": f"sip.tls_port={tls} sip.tcp_port=0 web.https_port={https} admin.port=0 sip.domain=example.com",
    }
    log = tmp_path / "log"
    server = Daemon(log, patience_s=120)
    assert said["ENTRYPOINT"].endswith('/start"]')
    words = [str(tmp_path / "bin/start")]
    health = [
        sys.executable,
        str(TOP / "packaging/container" / Path(shlex.split(said["HEALTHCHECK"])[-1].strip(']"')).name),
    ]
    for times in (1, 2):
        server.start(words, partial(_is_ready, log, times), environment)
        try:
            assert subprocess.run(health, env=environment, timeout=60, check=False).returncode == 0
        finally:
            server.stop(signal.SIGTERM)
    assert subprocess.run(health, env=environment, timeout=60, check=False, stderr=subprocess.DEVNULL).returncode != 0
    assert log.read_text("utf-8").count("demo accounts") == 1
    assert 'domain = "example.com"' in (home / "lyncpy.toml").read_text("utf-8")


def _is_ready(log: Path, times: int) -> bool:
    return log.read_bytes().count(b"lyncpy is ready") == times
