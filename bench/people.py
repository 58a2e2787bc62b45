"""A home with many people, made for one run.

All have the same password. It is made in a process of its own, because it needs a reactor that
ends with it; see `bench.server`.
"""

import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

from lyncpy.app import cli, commands
from lyncpy.app.config import load
from lyncpy.auth.ntlm import nt_hash
from lyncpy.contracts.directory import ISecrets
from lyncpy.contracts.names import aor_of

DOMAIN: Final = "bench.test"
PASSWORD: Final = "as everybody's"


def user(number: int) -> str:
    """Give the name of one of them."""
    return f"user{number:05}"


def make(folder: str, number: str, *settings: str) -> None:
    """Write so many people into a folder, then whatever `lyncpy init` writes with these settings, then the passwords."""
    home, count = Path(folder), int(number)
    home.mkdir(parents=True, exist_ok=True)
    tables = [
        f'[{user(n)}]\naddress = "{user(n)}@{DOMAIN}"\ndisplay_name = "Person {n}"\nmail = "{user(n)}@{DOMAIN}"\n'
        f'title = "Engineer"\ndepartment = "Department {n % 20}"\ncompany = "Example Company"\n'
        f'phones = {{ work = "+1 555 01{n:05}" }}\n'
        for n in range(count)
    ]
    (home / "people.toml").write_text("\n".join(tables), encoding="utf-8")
    _init(home, settings)
    commands.with_secrets(load(home / "lyncpy.toml", ()), partial(_keep_passwords, count))


def make_beside(folder: str, first: str, *settings: str) -> None:
    """Make the home of one more server of a deployment: it has the people and the key of the first, and the same database."""
    home = Path(folder)
    home.mkdir(parents=True, mode=0o700)
    for name in ("people.toml", "store.key"):
        shutil.copy(Path(first) / name, home / name)
    _init(home, settings)


def _init(home: Path, settings: Sequence[str]) -> None:
    words = [word for setting in settings for word in ("--set", setting)]
    if cli.main(["init", str(home), *words]):
        raise SystemExit(1)


async def _keep_passwords(count: int, secrets: ISecrets) -> None:
    hashed = nt_hash(PASSWORD)
    for number in range(count):
        await secrets.set_hash(aor_of(f"{user(number)}@{DOMAIN}"), hashed)
