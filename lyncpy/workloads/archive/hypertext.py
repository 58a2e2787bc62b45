"""The text of HTML, as a person reads it: one walk over the letters, whatever they are.

The parser of the standard library starts anew at each tag that does not end, and stumbles over
references to characters that no machine can count to. What a sender leaves unfinished is shown
as it is written: an archive does not hide what was said.
"""

import html
import re
from collections.abc import Iterator
from typing import Final

_BREAKS: Final = frozenset({"br", "p", "div", "tr", "li"})
_HIDDEN: Final = frozenset({"script", "style"})

_OPENS: Final = re.compile(r"<[A-Za-z/!?]")
_NAME: Final = re.compile(r"</?([A-Za-z][A-Za-z0-9:-]*+)")
_TAG_END: Final = re.compile(r"""(?:[^>"']|"[^"]*+"|'[^']*+')*+>""")
_HIDDEN_END: Final = re.compile(r"</(?:script|style)", re.IGNORECASE)
# More digits than a character's number has say no character.
_REFERENCE: Final = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});?")


def text_of_html(source: str) -> str:
    """Give the text of HTML, without scripts and styles; a break where a line ends."""
    parts: list[str] = []
    for part in _parts(source):
        if part != "\n" or parts:
            parts.append(part)
    return "".join(parts).strip()


def _parts(source: str) -> Iterator[str]:
    at = 0
    while found := _OPENS.search(source, at):
        opened = found.start()
        yield _unescaped(source[at:opened])
        at, shown = _behind(source, opened)
        yield shown
    yield _unescaped(source[at:])


def _behind(source: str, opened: int) -> tuple[int, str]:
    """Give the position behind the markup that a "<" opens, and the text that is shown of it."""
    if source.startswith("<!--", opened):
        return _through(source, opened, source.find("-->", opened + 4), 3)
    if source.startswith(("<!", "<?"), opened):
        return _through(source, opened, source.find(">", opened), 1)
    name = _NAME.match(source, opened)
    if name is None:
        return opened + 2, source[opened : opened + 2]
    # Where this tag does not end, no other behind it does; so nothing is looked through twice.
    end = _TAG_END.match(source, name.end())
    if end is None:
        return len(source), source[opened:]
    word, at = name[1].lower(), end.end()
    if word in _HIDDEN and source[opened + 1] != "/":
        closed = _HIDDEN_END.search(source, at)
        return (closed.start() if closed else len(source)), ""
    is_break = word in _BREAKS and source[opened + 1] != "/"
    return at, "\n" if is_break else ""


def _through(source: str, opened: int, closed: int, mark: int) -> tuple[int, str]:
    return (closed + mark, "") if closed >= 0 else (len(source), source[opened:])


def _unescaped(text: str) -> str:
    return _REFERENCE.sub(lambda found: html.unescape(found[0]), text) if "&" in text else text
