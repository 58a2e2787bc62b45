"""The Debian package on a clean machine: it is installed, serves, is upgraded, begun anew, and purged.

To build it and a Debian takes two minutes of processor time, as much as a tenth of all other tests, and needs Debian's and PyPI's
servers. So it is done where it is asked for, with LYNCPY_PACKAGES=1: before a release, and by who has changed something that is packaged.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from lyncpy.contracts.toml_text import read_toml
from tests.kit.daemon import Daemon

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(
        not os.environ.get("LYNCPY_PACKAGES"),
        reason="takes minutes; with LYNCPY_PACKAGES=1 the Debian package is built, and installed on a clean Debian",
    ),
]

TOP: Final = Path(__file__).resolve().parents[2]
BEFORE: Final = "0.1.0"
"""The version that is installed first."""

SIGN_IN: Final = """
import sys
from pathlib import Path
from tests.kit.caller import Caller, Line

with Line(5061, ca=Path(sys.argv[1])) as line:
    Caller(line, *sys.argv[2:4]).sign_in()
print("signed in")
"""


def _run(*words: str | Path, **environment: str) -> str:
    done = subprocess.run(
        list(map(str, words)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=900,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8", **environment},
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    return done.stdout


WITHIN: Final = 'mount -t proc proc "$1/proc" && exec chroot "$@"'
APART: Final = f"ip link set lo up && {WITHIN}"
"""Nothing is mounted but in the namespace of the command itself: what is left of a test can be removed without a thought."""


class Machine:
    """A small Debian 12 in a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def run(self, *words: str) -> str:
        """Run a command there; give what it says."""
        return _run("unshare", "--mount", "sh", "-c", WITHIN, "sh", self.root, *words)

    def run_apart(self, *words: str) -> str:
        """Run a command there in a network of its own, in which nobody else has the usual ports."""
        return _run("unshare", "--mount", "--net", "sh", "-c", APART, "sh", self.root, *words)

    def install(self, package: Path) -> str:
        """Install a package as an administrator does."""
        shutil.copy(package, self.root / "root/lyncpy.deb")
        options = ("--yes", "--quiet", "--no-install-recommends", "-o", "APT::Sandbox::User=root")
        return self.run("apt-get", *options, "install", "/root/lyncpy.deb")

    def stray_files(self) -> set[str]:
        """Give the files that no package has brought; those that packages make for themselves do not count."""
        passed_by = "/(dev|proc|run|sys|tmp|root|var/(cache|log|lib/(apt|dpkg))|etc/(alternatives|group|gshadow|passwd|shadow)-?)"
        found = self.run(
            *("find", "/", "-xdev", "-regextype", "egrep", "-regex", passed_by, "-prune", "-o"),
            *("-name", "__pycache__", "-prune", "-o", "-print"),
        )
        lists = (self.root / "var/lib/dpkg/info").glob("*.list")
        brought = {name for one in lists for name in one.read_text().splitlines()}
        # /lib leads to /usr/lib, and lists name either.
        return set(found.splitlines()) - brought - {f"/usr{name}" for name in brought}

    @contextmanager
    def serving(self, said: Path) -> Iterator[int]:
        """Run the server as its unit says, in a network of its own at its usual ports; give its number."""
        unit = (self.root / "lib/systemd/system/lyncpy.service").read_text()
        command = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)[0].split()
        user = re.findall(r"^User=(.*)$", unit, re.MULTILINE)[0]
        drop = ("setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--no-new-privs")
        server = Daemon(said, patience_s=120)
        words = ("unshare", "--mount", "--net", "sh", "-c", APART, "sh", str(self.root), *drop, *command)
        server.start(words, lambda: b"lyncpy is ready" in said.read_bytes())
        try:
            yield server.pid
        finally:
            server.stop()


def _sign_in(machine: Machine, pid: int, name: str) -> None:
    """Sign somebody in of the demo people, as a device on that machine would."""
    home = machine.root / "var/lib/lyncpy"
    account = read_toml((home / "demo-accounts.toml").read_bytes())[name]
    words = ("nsenter", f"--net=/proc/{pid}/ns/net", sys.executable, "-c", SIGN_IN, home / "ca.pem")
    assert "signed in" in _run(*words, account["address"], account["password"], PYTHONPATH=str(TOP))


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build it with the one command, or take the one that LYNCPY_PACKAGES names."""
    if os.environ["LYNCPY_PACKAGES"].endswith(".deb"):
        return Path(os.environ["LYNCPY_PACKAGES"])
    folder = tmp_path_factory.mktemp("package")
    _run(
        TOP / "scripts/package",
        LYNCPY_PACKAGE_OUT=str(folder),
        LYNCPY_PACKAGE_LEVEL="0",
        LYNCPY_VENV=sys.prefix,
    )
    return next(folder.glob("*.deb"))


@pytest.fixture(scope="module")
def package_before(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give one of before: an older version, with a file that the next one does not have."""
    tree = tmp_path_factory.mktemp("before") / "tree"
    _run("dpkg-deb", "--raw-extract", package, tree)
    control = tree / "DEBIAN/control"
    control.write_text(re.sub(r"^Version: .*$", f"Version: {BEFORE}", control.read_text(), flags=re.MULTILINE))
    (tree / "usr/lib/lyncpy/gone-since").write_text("")
    older = tree.with_name("before.deb")
    _run("dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, older)
    shutil.rmtree(tree)
    return older


QUICK: Final = ("--dpkgopt=force-unsafe-io", '--aptopt=Acquire::Languages "none"')
"""What a test writes need not outlive the machine, nor be read in every language."""


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """Make a Debian that has nothing but what every Debian has."""
    _run("apt-get", "--yes", "-o", "DPkg::Lock::Timeout=300", "install", "--no-install-recommends", "mmdebstrap")
    kept = TOP / "build/debian.tar"
    if not kept.exists():
        kept.parent.mkdir(exist_ok=True)
        making = kept.with_suffix(".part.tar")
        making.unlink(missing_ok=True)
        _run("mmdebstrap", "--variant=apt", "--skip=cleanup/apt", *QUICK, "bookworm", making)
        making.rename(kept)
    root = tmp_path_factory.mktemp("machine")
    root.chmod(0o755)
    _run("tar", "-xf", kept, "-C", root)
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    return Machine(root)


def test_a_machine_has_it_and_is_rid_of_it(
    package: Path, package_before: Path, machine: Machine, tmp_path: Path
) -> None:
    """From `apt install` on a clean Debian to `apt purge`, by the steps that the package itself prints."""
    strays = machine.stray_files()
    said = machine.install(package_before)
    steps = re.findall(r"^ (\d)\. .*", said, re.MULTILINE)
    assert steps == ["1", "2", "3"], said
    assert "ok  " in machine.run_apart("lyncpy", "check")

    # The demonstration works, by the first two steps.
    home, settings = machine.root / "var/lib/lyncpy", machine.root / "etc/lyncpy/lyncpy.toml"
    assert home.stat().st_mode & 0o777 == 0o700
    with machine.serving(tmp_path / "first") as pid:
        _sign_in(machine, pid, "alice")
        assert "alice@example.test" in machine.run("lyncpyctl", "users")
        assert "no failed sign-in" in machine.run("lyncpyctl", "why", "alice@example.test")

    # An upgrade changes the program, and nothing that is the administrator's or the server's.
    settings.write_text(settings.read_text() + '\n[log]\nlevel = "debug"\n')
    files = [path for path in home.iterdir() if path.suffix in (".key", ".pem", ".toml") and not path.is_symlink()]
    kept = {path.name: path.read_bytes() for path in files}
    said = machine.install(package)
    assert "Next:" not in said
    assert not (machine.root / "usr/lib/lyncpy/gone-since").exists()
    assert "conffiles" not in said
    assert {name: (home / name).read_bytes() for name in kept} == kept
    assert settings.stat().st_mode & 0o777 == 0o640
    assert machine.run("dpkg-query", "-W", "-f=${Conffiles}", "lyncpy").split()[0] == "/etc/lyncpy/lyncpy.toml"
    with machine.serving(tmp_path / "second") as pid:
        _sign_in(machine, pid, "bob")

    # The third step: a domain of one's own, without demo people.
    settings.write_text(settings.read_text().replace("example.test", "example.com"))
    shutil.rmtree(home)
    machine.run("dpkg-reconfigure", "lyncpy")
    assert "sip.example.com" in machine.run_apart("lyncpy", "check")
    assert not (home / "demo-accounts.toml").exists()

    # What comes along is there: pages of the manual and completion.
    brought = machine.run("dpkg", "-L", "lyncpy").split()
    assert {"man1/lyncpy.1.gz", "man1/lyncpyctl.1.gz", "man5/lyncpy.toml.5.gz"} <= {
        "/".join(one.split("/")[-2:]) for one in brought
    }
    assert {"/usr/share/bash-completion/completions/lyncpy", "/usr/share/zsh/vendor-completions/_lyncpy"} <= set(
        brought
    )

    machine.run("apt-get", "--yes", "--quiet", "purge", "lyncpy")
    left = [str(path) for path in (home, settings.parent, machine.root / "usr/lib/lyncpy") if path.exists()]
    # Debian's Python stays, until `apt autoremove`, and what belongs to it.
    left += [name for name in machine.stray_files() - strays if "python" not in name and name != "/etc/inputrc"]
    assert left == []
    assert "lyncpy" not in (machine.root / "etc/passwd").read_text() + (machine.root / "etc/group").read_text()
