"""The page that explains messages has all that the log and clients can show, and says what to do about it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from docs.site import completion, messages, reference, source, staging
from docs.site.messages import Remedy, Unexplained
from lyncpy.app.cli import command_line
from lyncpy.app.config import SECTIONS

TOP: Final = Path(__file__).resolve().parents[3]
LOGGED: Final = re.compile(r"\blog\.(?:warn|error|critical)\(\s*f?\"([^\"]+)\"")


@pytest.fixture(scope="module")
def page() -> str:
    """Give the page."""
    return messages.page()


def test_every_warning_is_explained(page: str) -> None:
    """Whatever any module logs as a warning or worse, found by its text."""
    found = {
        words for path in (TOP / "lyncpy").rglob("*.py") for words in LOGGED.findall(path.read_text(encoding="utf-8"))
    }
    assert len(found) > 60
    assert [words for words in found if words not in page] == []


def test_every_refusal_is_explained(page: str) -> None:
    """Each id with its reason, as the reference of diagnostics has them."""
    assert [one for one in source.diagnostics() if f"- {one.error_id}: `{one.reason}`" not in page] == []


def test_what_is_found_wrong_says_what_to_do(page: str) -> None:
    """Of conditions, `check` and `why`."""
    assert (
        "- `removals are held back: …` → `` correct the directory, or run `directory pull --force` if it is right ``"
        in page
    )
    assert "can be changed by everybody here; run `chmod o-w" in page


REMEDIES: Final = [
    Remedy(("the store failed", "{reason}"), "it is away", "wait"),
    Remedy(("the store failed: it is full", "1"), "full", "make room"),
]


def test_the_longest_beginning_counts() -> None:
    """And an id is no beginning of a longer one."""
    texts = ["the store failed: it is full", "the store failed: {reason}", "{reason}", "1 Service unavailable"]
    assert [one.do for one in messages.meant(REMEDIES, texts).values()] == ["make room", "wait", "wait", "make room"]


@pytest.mark.parametrize("text", ["{reason}; it is tried again", "the bus failed", "1000 Final"])
def test_what_is_new_is_named(text: str) -> None:
    """A sentence that nobody has explained."""
    with pytest.raises(Unexplained):
        messages.meant(REMEDIES, [text])


def test_a_new_line_of_the_log_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both words of a choice, and those that a name stands for."""
    (tmp_path / "lyncpy/core").mkdir(parents=True)
    (tmp_path / "lyncpy/core/gate.py").write_text(
        "LATE = 'late'\ndef no(self):\n    self.log.warn(LATE)\n    self._log.error('a' if self else 'b')\n"
        "    Finding(good=False, sentence=LATE)\n    Reason('x', 'nobody', good=False, remedy=LATE)\n"
    )
    monkeypatch.setattr(source, "TOP", tmp_path)
    assert {(one.level, one.text) for one in source.log_events()} == {("warn", "late"), ("error", "a"), ("error", "b")}
    assert {(one.text, one.remedy) for one in source.told()} == {("late", ""), ("nobody", "late")}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> completion.Tree:
    """Give the words of all commands, as they are completed."""
    house, _ = reference.built(tmp_path_factory.mktemp("home"))
    return completion.tree(command_line(), reference.words(house))


def test_what_remedies_name_is_there(tree: completion.Tree) -> None:
    """Commands of the shell and of the console, and settings."""
    assert [code for code in named() if not is_known(code, tree)] == []


COMMAND: Final = re.compile(r"(?:`|^ {4,})(?:\$ )?(?:\S*/)?(lyncpyctl|lyncpy)((?: [a-z][\w-]*)+)", re.MULTILINE)
NO_COMMANDS: Final = ("is", "stamp")
"""What follows "lyncpy" in a line of the log, and in what the archive signs."""


@pytest.mark.parametrize("page", [page for page, _ in staging.pages() if page != "NEWS"])
def test_commands_on_pages_are_there(page: str, tree: completion.Tree) -> None:
    """Whoever types what stands on a page is understood."""
    typed = COMMAND.findall((TOP / page).read_text("utf-8"))
    assert [
        f"{at}{words}" for at, words in typed if words.split()[0] not in NO_COMMANDS and not is_typed(at, words, tree)
    ] == []


def is_typed(at: str, words: str, tree: completion.Tree) -> bool:
    """Tell whether words name a command as far as names of commands go."""
    for word in words.split():
        if word not in tree[at]:
            return all(other.startswith("-") for other in tree[at])
        at = f"{at} {word}"
        if at not in tree:
            return True
    return True


def named() -> Iterator[str]:
    """Give what is in backticks in remedies."""
    for written in messages.remedies().values():
        for one in written:
            yield from re.findall(r"`([^`]+)`", f"{one.why} {one.do}")


def is_known(code: str, tree: completion.Tree) -> bool:
    """Tell whether a command or setting is there."""
    setting = re.match(r"\[(\w+)\](?: (\w+))?", code)
    if setting:
        return setting[1] in SECTIONS and (setting[2] is None or setting[2] in SECTIONS[setting[1]].model_fields)
    at = "lyncpy" if code.startswith("lyncpy ") else "lyncpyctl"
    for word in code.removeprefix("lyncpy ").split():
        if word not in tree.get(at, {}) and not word.startswith("--"):
            return word.isupper() and at not in ("lyncpy", "lyncpyctl")
        at = f"{at} {word}"
    return True
