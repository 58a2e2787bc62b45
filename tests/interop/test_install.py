"""Installed as an administrator would, and as a developer would."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.kit import forks
from tests.kit.ports import free_ports

pytestmark = pytest.mark.interop

TOP = Path(__file__).resolve().parents[2]
QUIET = ("--quiet", "--disable-pip-version-check")


def _run(*command: str | Path) -> str:
    done = subprocess.run(
        list(map(str, command)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        cwd="/",
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("way", ["wheel", "editable"])
def test_twistd_finds_the_plugin(tmp_path: Path, way: str) -> None:
    """`twistd lyncpy` is there after `pip install .` and after an editable install, and works without the checkout's help."""
    # To unpack a pip of its own would take longer than all else; this one's installs there as well.
    venv.create(tmp_path / "env", with_pip=False)
    python = tmp_path / "env" / "bin" / "python"
    # What lyncpy stands on is here already; only lyncpy itself is installed anew.
    here = Path(sys.prefix) / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    source = tmp_path / "source"
    _run("git", "clone", "--quiet", TOP, source) if (TOP / ".git").exists() else _run("cp", "-r", TOP, source)
    words = ["--editable", source, "--config-settings", "editable_mode=compat"] if way == "editable" else [source]
    _run(sys.executable, "-m", "pip", "--python", python, "install", *QUIET, "--no-deps", *words)
    (tmp_path / "env" / "lib" / here.parent.name / "site-packages" / "beside.pth").write_text(
        f"{_without_lyncpy(here, tmp_path)}\n"
    )
    assert "A communications server for Lync clients" in _run(python, "-m", "twisted", "--help")
    home = tmp_path / "home"
    _run(
        python,
        "-m",
        "lyncpy.app.cli",
        "init",
        home,
        "--set",
        "sip.tls_port=0",
        "--set",
        "web.https_port=0",
        "--set",
        f"sip.tcp_port={free_ports(1)[0]}",
        "--set",
        "admin.port=0",
        "--demo",
    )
    assert "ok  " in _run(python, "-m", "lyncpy.app.cli", "check", home / "lyncpy.toml")


def _without_lyncpy(here: Path, folder: Path) -> Path:
    """Give a folder with everything that is installed here but lyncpy."""
    view = folder / "beside"
    view.mkdir()
    for entry in here.iterdir():
        if "lyncpy" not in entry.name.lower() and entry.suffix != ".pth" and entry.name not in ("pip", "setuptools"):
            os.symlink(entry, view / entry.name)
    return view


def test_the_console_command_keeps_passwords(tmp_path: Path) -> None:
    """A password is set from standard input, listed by its address only, and forgotten."""
    config = str(tmp_path / "lyncpy.toml")

    def run(*words: str, stdin: str = "", status: int = 0) -> str:
        done = forks.run(words, stdin, timeout=60)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout

    run("init", str(tmp_path), "--set", "sip.domain=example.test")
    run("user", "passwd", "Alice@Example.test", "-c", config, stdin="s3cret\n")
    assert run("user", "list", "-c", config) == "alice@example.test\n"
    assert b"s3cret" not in (tmp_path / "lyncpy.db").read_bytes()
    run("user", "forget", "alice@example.test", "-c", config)
    assert run("user", "list", "-c", config) == ""
    run("user", "passwd", "nonsense", "-c", config, stdin="x\n", status=1)
    run("user", "passwd", "alice@example.test", "-c", config, stdin="\n", status=1)


def test_a_server_with_a_fault_does_not_start_and_says_why(tmp_path: Path) -> None:
    """A mistake in the file gives one sentence and status 1, not a traceback."""
    config = tmp_path / "lyncpy.toml"
    config.write_text('[sip]\ndomain = "example.test"\ntls_prot = 1\n')
    said = tmp_path / "said"
    words = ("--nodaemon", "--pidfile=", "lyncpy", "--config", str(config))
    assert forks.Forked(forks.twistd, *words, out=said, err=said).wait(60) == os.EX_CONFIG
    assert 'did you mean "tls_port"?' in said.read_text("utf-8")
    assert "Traceback" not in said.read_text("utf-8")
