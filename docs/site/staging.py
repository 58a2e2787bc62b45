"""Gathers all pages of the documentation in one folder, each link made to fit where its page is there.

The pages are written so that their links work in a checkout, where they lie in several folders: the
README at the top, the others in docs/. Links to modules become links to the API reference, and so do
their names in backticks; settings become links to theirs. What is linked beside that, as etc/lyncpy.toml, comes along as a file.

    python -m docs.site.staging FOLDER
"""

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from docs.site import reference
from docs.site.source import TOP
from lyncpy.app.config import SECTIONS

PAGES: Final = {
    "README.md": "README.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "SECURITY.md": "SECURITY.md",
    "NEWS": "NEWS.md",
    "bench/README.md": "bench.md",
    "tests/README.md": "tests.md",
    "tests/corpus/README.md": "corpus.md",
    "docs/site/index.md": "index.md",
}
"""Path in the repository → page; those of docs/ keep their names."""

LINK: Final = re.compile(r"(?<=\]\()(?!\w+:)(?P<path>[^)#\s]*)(?P<anchor>#[^)\s]*)?(?=\))")
"""The target of a Markdown link that is no URL."""

MODULE: Final = re.compile(r"(?<![\[`])`(?P<path>[\w/]+\.py)`(?![\]`])")
"""A module's path in backticks that is no link yet."""

SETTING: Final = re.compile(r"(?<![\[`])`\[(?P<section>\w+)\] (?P<name>\w+)`(?![\]`])")
"""A setting in backticks, as pages name it."""

TITLE: Final = re.compile(r"^(?P<text>\S.*)\n(?P<line>=+|-+)$", re.MULTILINE)
"""A title of NEWS, which is plain text."""

ROOMS: Final = ("", "lyncpy", "lyncpy/workloads")
"""Where a path in the documentation may start from."""


def pages() -> Iterator[tuple[str, str]]:
    """Give every page: where it is in the repository, and where in the documentation."""
    yield from PAGES.items()
    for path in sorted((TOP / "docs").glob("*.md")):
        yield f"docs/{path.name}", path.name


def links(text: str) -> Iterator[tuple[str, str]]:
    """Give the path and the anchor of each link of a page, those in examples not."""
    for part in prose(text):
        for link in LINK.finditer(part):
            yield link["path"], link["anchor"] or ""


def prose(text: str) -> Iterator[str]:
    """Give a page without its examples."""
    for at, part in enumerate(re.split(r"^```", text, flags=re.MULTILINE)):
        if at % 2 == 0:
            yield part


def target(source: str, path: str) -> str:
    """Give what a link of a page leads to, from the top of the repository."""
    return str(PurePosixPath(*_without_steps((PurePosixPath(source).parent / path).parts))) if path else source


def _without_steps(parts: tuple[str, ...]) -> list[str]:
    found: list[str] = []
    for part in parts:
        if part == ".." and found:
            found.pop()
        elif part != ".":
            found.append(part)
    return found


def module(path: str) -> str | None:
    """Give the dotted name of the module of lyncpy that a path means; None: it means none."""
    for room in ROOMS[1:]:
        whole = PurePosixPath(room, path.removeprefix(f"{room}/"))
        if path.endswith(".py") and (TOP / whole).is_file():
            return ".".join(whole.with_suffix("").parts).removesuffix(".__init__")
    return None


def staged(source: str, text: str, folder: Path) -> str:
    """Give a page as it is to stand in `folder`, and put the files there that it links to."""
    where = dict(pages())

    def linked(link: re.Match[str]) -> str:
        goal = target(source, link["path"])
        if goal == source:
            return link[0]
        if goal in where:
            return where[goal] + (link["anchor"] or "")
        name = module(goal)
        if name is not None:
            return f"inv:api#{name}"
        file = folder / "files" / goal
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(TOP / goal, file)
        return f"files/{goal}"

    def named(code: re.Match[str]) -> str:
        name = module(code["path"])
        return code[0] if name is None else f"[{code[0]}](inv:api#{name})"

    def explained(code: re.Match[str]) -> str:
        section, name = code["section"], code["name"]
        is_known = section in SECTIONS and name in SECTIONS[section].model_fields
        return f"[{code[0]}](#{section}.{name})" if is_known else code[0]

    if source == "NEWS":
        text = "# News\n\n" + TITLE.sub(lambda one: f"{'##' if one['line'][0] == '=' else '###'} {one['text']}", text)
        text = re.sub(r"\bdocs/(\w+\.md)", r"[docs/\1](docs/\1)", text)
    parts = re.split(r"(^```.*?^```)", text, flags=re.MULTILINE | re.DOTALL)
    return "".join(
        part if part.startswith("```") else SETTING.sub(explained, MODULE.sub(named, LINK.sub(linked, part)))
        for part in parts
    )


def main(folder: Path) -> None:
    """Gather all pages in a new folder."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "reference").mkdir(parents=True)
    for source, page in pages():
        (folder / page).write_text(staged(source, (TOP / source).read_text(encoding="utf-8"), folder), encoding="utf-8")
    for page, text in reference.pages().items():
        (folder / page).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
