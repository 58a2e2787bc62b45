"""Man pages and completion say what there is, in the words of the help."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from docs.site import completion, manual
from lyncpy.app.cli import command_line
from lyncpy.app.config import SECTIONS


@pytest.fixture(scope="module")
def made() -> Mapping[str, str]:
    """Give all files as they are made for a package."""
    return manual.files()


def shown(page: str) -> str:
    """Give a page as a terminal shows it, without line breaks; roff has nothing to complain of."""
    done = subprocess.run(
        ["groff", "-man", "-ww", "-Kutf8", "-Tutf8", "-P-cbou", "-rLL=2000n"],
        input=page,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stderr == ""
    return " ".join(done.stdout.replace("\N{HYPHEN}\n", "").split())


def test_each_command_has_its_help(made: Mapping[str, str]) -> None:
    """A command below another one too, and what it takes."""
    page = shown(made["man/lyncpy.1"])
    assert "lyncpy - keep a communications server" in page
    assert "Print every setting with its sentence and default." in page
    assert "user passwd" in page
    assert "--file FILE an address, a space and a password on each line" in page
    assert "EXIT STATUS" in page


def test_each_command_of_the_shell_has_its_help(made: Mapping[str, str]) -> None:
    """With its arguments, and what all of them take."""
    page = shown(made["man/lyncpyctl.1"])
    assert "presence show" in page
    assert "--json answer with one JSON document" in page


def test_each_setting_is_there(made: Mapping[str, str]) -> None:
    """With its bounds and default."""
    text = made["man/lyncpy.toml.5"]
    page = shown(text)
    for section, model in SECTIONS.items():
        assert f".SH [{section}]\n" in text
        assert all(f".TP\n\\fB{name}\\fR\n" in text for name in model.model_fields)
    assert "A whole number from 0 to 65535. Default: 5061." in page


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("lyncpy arc", {"archive"}),
        ("lyncpy user pass", {"passwd"}),
        ("lyncpy ctl presence sh", {"show"}),
        ("/usr/bin/lyncpyctl presence sh", {"show"}),
        ("lyncpyctl presence show --js", {"--json"}),
        ("lyncpy check --set ", set()),
        ("lyncpy nonsense", set()),
    ],
)
def test_bash_completes(made: Mapping[str, str], tmp_path: Path, line: str, offered: set[str]) -> None:
    """The word before the cursor; where a value or a file comes, files are offered instead."""
    (tmp_path / "lyncpy").write_text(made["bash/lyncpy"])
    script = f"""source {tmp_path}/lyncpy
        COMP_WORDS=({line}{' ""' if line.endswith(" ") else ""}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
        _lyncpy_complete; echo "${{COMPREPLY[*]}}" """
    done = subprocess.run(["bash", "--norc", "-euc", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    assert set(done.stdout.split()) == offered


_OFFERED: Final = """
compdef() {{ }}
_describe() {{ print -rl -- $offered; return 0 }}
words=({words} ""); CURRENT=${{#words}}
source {script}
"""


def test_zsh_completes(made: Mapping[str, str], tmp_path: Path) -> None:
    """Each word is offered with its sentence."""
    script = tmp_path / "_lyncpy"
    script.write_text(made["zsh/_lyncpy"])
    done = subprocess.run(
        ["zsh", "-f", "-c", _OFFERED.format(words="/usr/bin/lyncpy user", script=script)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    assert "list:who has a password that was set here" in done.stdout.splitlines()


def test_each_word_has_a_sentence() -> None:
    """Man pages, completion and --help have nothing else to say of it."""
    silent = [
        f"{name} {action.dest}"
        for name, parser, text in manual.commands(command_line())
        for action in completion.actions(parser)
        if not action.help or not text
    ]
    assert silent == []
