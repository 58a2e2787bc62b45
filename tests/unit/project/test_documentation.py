"""The documentation says what there is: nothing is left out of the reference, and nothing leads nowhere."""

import ast
import dataclasses
import enum
import functools
import importlib
import pkgutil
import re
import textwrap
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest

import lyncpy
from docs.site import docstrings, reference, source, staging
from lyncpy.app.config import SECTIONS, ConfigError, check
from lyncpy.contracts.refusal import Diagnostics

TOP: Final = Path(__file__).resolve().parents[3]
PAGES: Final = [page for page, _ in staging.pages()]

CODE: Final = re.compile(r"`([^`\n]+)`")
FILE: Final = re.compile(r"[\w.-]+(/[\w.*-]+)+/?|\w+\.py")
SETTING: Final = re.compile(r"^\[(\w+)\]\s+(\w+)")

MADE_ELSEWHERE: Final = ("build/", "home/")
"""What paths begin with that exist only once the documentation was built, or a server has run."""


@pytest.fixture(scope="module")
def pages() -> Mapping[str, str]:
    """Give the pages that are made from the code."""
    return reference.pages()


def python_files() -> Iterator[str]:
    """Give the text of every module."""
    for path in sorted((TOP / "lyncpy").rglob("*.py")):
        yield path.read_text(encoding="utf-8")


def headings(text: str) -> set[str]:
    """Give the titles of a page."""
    return set(re.findall(r"^#+ (.+)$", text, re.MULTILINE))


def test_every_setting_is_in_the_reference(pages: Mapping[str, str]) -> None:
    """What `etc/lyncpy.toml` explains stands there too, with the same default."""
    page, section = pages["reference/settings.md"], ""
    for line in (TOP / "etc/lyncpy.toml").read_text().splitlines():
        if line.startswith("["):
            section = line.strip("[]")
            assert f"\n## [{section}]\n" in page
        elif (setting := re.match(r"#?(\w+) = (.*)", line)) and section:
            _, _, text = page.partition(f"({section}.{setting[1]})=\n### {setting[1]}\n")
            assert text, f"[{section}] {setting[1]} is not in the reference"
            if line.startswith("#"):
                assert f"Default: `{setting[2]}`." in text.partition("\n(")[0]


def test_every_command_is_in_the_reference(pages: Mapping[str, str]) -> None:
    """Whatever a room declares as a word of the shell."""
    declared = {name for text in python_files() for name in re.findall(r"\bShellCommand\(\s*\"([^\"]+)\"", text)}
    assert len(declared) > 30
    assert declared <= headings(pages["reference/commands.md"])


def test_every_word_of_the_command_line_is_in_the_reference(pages: Mapping[str, str]) -> None:
    """Each function that carries out a command has its help, and each script."""
    tree = ast.parse((TOP / "lyncpy/app/commands.py").read_text())
    functions = [one for one in tree.body if isinstance(one, ast.FunctionDef)]
    words = {one.name.strip("_") for one in functions if [arg.arg for arg in one.args.args] == ["options"]}
    found = headings(pages["reference/command-line.md"])
    assert {"init", "verify"} <= words <= {title.split()[-1] for title in found}
    assert {f"scripts/{name}" for name in ("run", "test", "check", "docs")} <= found


def test_every_meter_is_in_the_reference(pages: Mapping[str, str]) -> None:
    """Also those that appear only when something has gone wrong."""
    page = pages["reference/meters.md"]
    names = {name for text in python_files() for name in re.findall(r"\"(lyncpy_\w+)\"", text)}
    missing = {name for name in names if f"`{name}`" not in page and f"`{name}_total`" not in page}
    assert len(names) > 30
    assert not missing
    assert source.VARIES not in page, "a meter's name or help is not known"


def test_every_diagnostic_is_in_the_reference(pages: Mapping[str, str]) -> None:
    """Whatever any module keeps to say, found by looking into all of them."""
    page = pages["reference/diagnostics.md"]
    known = set()
    for module in pkgutil.walk_packages(lyncpy.__path__, "lyncpy."):
        if not {"migrations", "program"} & set(module.name.split(".")[:-1]):
            for value in vars(importlib.import_module(module.name)).values():
                known |= set(kept(value, 3))
    assert len(known) > 40
    missing = [one for one in known if f"| {one.error_id} | {one.reason} |" not in page]
    assert not missing


def kept(value: object, depth: int) -> Iterator[Diagnostics]:
    """Give the diagnostics in a value of a module: itself, in a table, in an enumeration."""
    if isinstance(value, Diagnostics):
        yield value
    elif depth and isinstance(value, tuple | list):
        for one in value:
            yield from kept(one, depth - 1)
    elif depth and isinstance(value, dict):
        yield from kept(list(value.values()), depth)
    elif depth and isinstance(value, type) and issubclass(value, enum.Enum):
        yield from kept([one.value for one in value], depth)
    elif depth and isinstance(value, type):
        yield from kept(list(vars(value).values()), depth - 1)
    elif depth and dataclasses.is_dataclass(value):
        yield from kept([getattr(value, one.name, None) for one in dataclasses.fields(value)], depth - 1)


def test_an_id_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Diagnostics whose id is known only at the moment are refused with the line, instead of left out."""
    (tmp_path / "lyncpy/core").mkdir(parents=True)
    (tmp_path / "lyncpy/core/gate.py").write_text(
        "def no(number):\n    raise Refused(403, Diagnostics(number, 'No'))\n"
    )
    monkeypatch.setattr(source, "TOP", tmp_path)
    with pytest.raises(source.Unreadable, match=r"lyncpy/core/gate\.py:2"):
        source.diagnostics()


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    """Each file that a page links to exists, and so does each heading."""
    for path, anchor in staging.links((TOP / page).read_text(encoding="utf-8")):
        goal = TOP / staging.target(page, path)
        assert goal.exists(), f"{path} is linked, and is not there"
        if anchor:
            assert anchor[1:] in anchors(goal.read_text(encoding="utf-8")), f"{path}{anchor} is no heading"


def anchors(text: str) -> set[str]:
    """Give the anchors of a page's headings, as code hosts and MyST make them."""
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in headings(text)}


@pytest.mark.parametrize("page", PAGES)
def test_what_is_named_is_there(page: str) -> None:
    """Files and settings that a page writes in backticks exist under that name."""
    text = (TOP / page).read_text(encoding="utf-8")
    if page != "NEWS":  # it tells of what there was
        assert not [code for part in staging.prose(text) for code in CODE.findall(part) if is_wrong(code)]


def is_wrong(code: str) -> bool:
    """Tell whether code in a page is the name of a setting or of a file that there is not."""
    setting = SETTING.match(code)
    if setting and setting[1] in SECTIONS:
        return setting[2] not in SECTIONS[setting[1]].model_fields
    return bool(FILE.fullmatch(code)) and not code.startswith(MADE_ELSEWHERE) and not is_there(code)


def test_a_wrong_name_is_seen() -> None:
    """What was renamed, and is still called by its old name."""
    wrong = ("`core/gate.py`", "`core/gates.py`", "`homes.y`", "`[sip] domain`", "`[sip] domian`", "`tests/units`")
    assert [code for code in wrong if is_wrong(code.strip("`"))] == [
        "`core/gates.py`",
        "`[sip] domian`",
        "`tests/units`",
    ]


@functools.cache
def is_there(code: str) -> bool:
    """Tell whether a path exists, from the top or from a room; a name that begins in no folder of ours is no path."""
    if "/" not in code:
        return any(True for _ in (TOP / "lyncpy").rglob(code)) or any(True for _ in (TOP / "tests").rglob(code))
    rooms = [TOP / room for room in (*staging.ROOMS, "docs", "tests")]
    begins = [room for room in rooms if (room / code.split("/")[0]).is_dir()]
    return not begins or any(True for room in begins for _ in room.glob(code.rstrip("/")))


def test_links_are_made_to_fit_the_site(tmp_path: Path) -> None:
    """Pages lie side by side there; modules and settings are in the references; other files come along."""
    text = (
        "[a](../README.md#what-works) [b](limits.md) [c](#here) [d](https://example.com/x.md) [e](../lyncpy/sip/uri.py)\n"
        "[f](../etc/lyncpy.toml) `core/gate.py` `[sip] tls_port` `[sip] none` [`core/gate.py`](x)\n"
        "```\n`core/gate.py` [a](../README.md)\n```\n"
    ).replace("(x)", "(../lyncpy/core/gate.py)")
    assert staging.staged("docs/shell.md", text, tmp_path) == (
        "[a](README.md#what-works) [b](limits.md) [c](#here) [d](https://example.com/x.md) [e](inv:api#lyncpy.sip.uri)\n"
        "[f](files/etc/lyncpy.toml) [`core/gate.py`](inv:api#lyncpy.core.gate) [`[sip] tls_port`](#sip.tls_port) "
        "`[sip] none` [`core/gate.py`](inv:api#lyncpy.core.gate)\n"
        "```\n`core/gate.py` [a](../README.md)\n```\n"
    )
    assert (tmp_path / "files/etc/lyncpy.toml").is_file()


def test_every_page_is_on_the_site() -> None:
    """A page that stands in no table of contents is found by nobody."""
    text = (TOP / "docs/site/index.md").read_text()
    listed = set(re.findall(r"^[\w/-]+$", text, re.MULTILINE)) | {"index"}
    made = set(reference.PAGES)
    assert {name.removesuffix(".md") for name in (*staging.PAGES.values(), *made)} <= listed
    assert {page for _, page in staging.pages()} == {f"{name}.md" for name in listed} - made


def test_what_docstrings_name_is_there() -> None:
    """Full names, and arguments; pydoctor looks at the rest, when the site is built."""
    assert list(docstrings.faults()) == []


def test_a_docstring_that_names_what_was_renamed_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With file and line: a module, what is in one, and an argument, of which the last alone is right."""
    (tmp_path / "lyncpy/core").mkdir(parents=True)
    (tmp_path / "lyncpy/core/gate.py").write_text(
        '''"""See `lyncpy.core.gates`, `lyncpy.core.gate.Gate.shut` and `lyncpy.core.gate.Gate.open`."""


class Gate:
    def open(self, who, *more):
        """Open it.

        Args:
            whom: Whoever comes:
                nobody: else.
            who, more: They.
        """
'''
    )
    monkeypatch.setattr(source, "TOP", tmp_path)
    monkeypatch.setattr(docstrings, "TOP", tmp_path)
    assert list(docstrings.faults()) == [
        "lyncpy/core/gate.py:1: there is no lyncpy.core.gates",
        "lyncpy/core/gate.py:1: there is no lyncpy.core.gate.Gate.shut",
        "lyncpy/core/gate.py:6: open has no argument whom",
    ]


BLOCK: Final = re.compile(r"((?:^(?: {4}.*)?\n)+)", re.MULTILINE)


def examples(page: str) -> Iterator[str]:
    """Give the examples of a page that are settings."""
    parts = re.split(r"^```.*\n", (TOP / page).read_text(encoding="utf-8"), flags=re.MULTILINE)
    blocks = [*parts[1::2], *(block for part in parts[::2] for block in BLOCK.findall(part))]
    for text in map(textwrap.dedent, blocks):
        section = re.match(r"\s*\[+(\w+)\]+[ \t]*\n", text)
        if section and section[1] in SECTIONS:
            yield text


def test_settings_in_examples_can_be_used(tmp_path: Path) -> None:
    """Whoever copies them from a page is not refused: each names settings that there are, with values that they may have."""
    found = [(page, text) for page in PAGES for text in examples(page)]
    assert len(found) > 20
    for page, text in found:
        document = tomllib.loads(text)
        document["sip"] = {"domain": "example.com", **document.get("sip", {})}
        try:
            check(tmp_path / "lyncpy.toml", document)
        except ConfigError as error:
            pytest.fail(f"{page}: {error}")
