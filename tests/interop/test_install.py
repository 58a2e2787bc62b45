"""Installed as an administrator would, and as a developer would."""

import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.metadata import Metadata

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


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build sdist and wheel, the wheel out of the sdist; give their folder."""
    folder = tmp_path_factory.mktemp("packages")
    _run("env", f"LYNCPY_PACKAGE_OUT={folder}", f"LYNCPY_VENV={sys.prefix}", TOP / "scripts/package", "--sdist")
    return folder


def test_the_sdist_has_all_that_tests_and_packages_need(packages: Path) -> None:
    """Whatever is kept in the repository, and nothing that a builder or a server left there."""
    with tarfile.open(next(packages.glob("*.tar.gz"))) as sdist:
        names = {one.name.partition("/")[2] for one in sdist if one.isfile()}
    made = {name for name in names if name.startswith("lyncpy.egg-info/")} | {"PKG-INFO"}
    if (TOP / ".git").exists():
        kept = set(_run("git", "-C", TOP, "ls-files").splitlines())
        assert names - made == {name for name in kept if not name.startswith(".") or name == ".ci/run"}
    assert {"lyncpy/app/tables.toml", "scripts/package", "MANIFEST.in"} <= names


def test_the_wheel_is_the_product_alone_and_says_what_it_is(packages: Path) -> None:
    """Modules, Twisted's plugin, templates of migrations; whoever looks for it is told what it needs."""
    with zipfile.ZipFile(next(packages.glob("*.whl"))) as wheel:
        names = set(wheel.namelist())
        told = next(name for name in names if name.endswith(".dist-info/METADATA"))
        metadata = Metadata.from_email(wheel.read(told))
    product = {str(path.relative_to(TOP)) for path in (TOP / "lyncpy").rglob("*.py")}
    assert {name for name in names if name.endswith(".py")} == {*product, "twisted/plugins/lyncpy_plugin.py"}
    assert {"lyncpy/py.typed", "lyncpy/backends/sql/migrations/script.py.mako"} <= names
    assert metadata.requires_python == ">=3.11"
    assert metadata.description_content_type == "text/markdown"
    assert (metadata.description or "").startswith("# lyncpy")
    assert metadata.summary
    assert metadata.license_files == ["LICENSE"]
    assert {"kerberos", "postgresql"} <= set(metadata.provides_extra or ())
    assert "Topic :: Communications :: Chat" in (metadata.classifiers or ())


@pytest.mark.parametrize("way", ["wheel", "editable"])
def test_twistd_finds_the_plugin(tmp_path: Path, packages: Path, way: str) -> None:
    """`twistd lyncpy` is there with the wheel alone and after an editable install, and works without the checkout's help."""
    # To unpack a pip of its own would take longer than all else; this one's installs there as well.
    venv.create(tmp_path / "env", with_pip=False)
    python = tmp_path / "env" / "bin" / "python"
    # What lyncpy stands on is here already; only lyncpy itself is installed anew.
    here = Path(sys.prefix) / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    words: list[str | Path] = [next(packages.glob("*.whl"))]
    if way == "editable":
        source = tmp_path / "source"
        _run("git", "clone", "--quiet", TOP, source) if (TOP / ".git").exists() else _run("cp", "-r", TOP, source)
        words = ["--editable", source, "--config-settings", "editable_mode=compat"]
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
