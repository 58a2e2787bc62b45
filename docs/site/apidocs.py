"""How pydoctor reads docstrings here: Google's sections, and Markdown's backticks.

pydoctor takes Google's sections, but what stands in them as reStructuredText, in which a backtick is a
link that must lead somewhere. Here a backtick is code; where it is a name of lyncpy that can be
seen from its place, or the path of a module, it is a link. Tables are shown as they are written. The
docstring of an attribute is a sentence: what stands before its colon is no type.
"""

import re
from collections.abc import Iterator
from typing import Any, ClassVar, Final

from pydoctor import epydoc2stan, model

from docs.site.staging import module

CODE: Final = re.compile(r"(``?)(?P<text>[^`\n]+)\1")
SPECIAL: Final = re.compile(r"([*|\\`]|_(?=\W|$))")
"""What reStructuredText would take for its own."""

FULL_NAME: Final = re.compile(r"lyncpy(\.\w+)+")
NUMBER: Final = re.compile(r"(^\s*\d{3}|: \d{3})([.)])(?=\s)", re.MULTILINE)
"""A status at the start of a line is no list."""

TABLE: Final = re.compile(r"(?:^[ \t]*\|.*\n?)+", re.MULTILINE)


class System(model.System):
    """All that pydoctor knows of the code."""

    custom_extensions: ClassVar[list[str]] = ["docs.site.apidocs"]

    def msg(self, section: str, msg: str, thresh: int = 0, *args: Any, **more: Any) -> None:
        """Print a message, and count it as a fault unless it is pydoctor's own.

        It does not know possessive repeats, and takes a text within `Annotated` for an annotation.
        """
        if "Cannot colorize regular expression" not in msg and "syntax error in annotation" not in msg:
            super().msg(section, msg, thresh, *args, **more)


def setup_pydoctor_extension(r: Any) -> None:
    """Have docstrings read our way; once everything is known that they may name, once more."""
    epydoc2stan.parse_docstring = parsed
    r.register_post_processor(forget, priority=-100)


def forget(system: Any) -> None:
    """Forget what was parsed while half of the names were not known yet."""
    for thing in system.allobjects.values():
        if thing.docstring is not None:
            thing.parsed_docstring = None


def parsed(thing: Any, text: str, source: Any, markup: str | None = None, section: str = "docstring") -> Any:
    """Parse a docstring; takes the place of pydoctor's function of this name."""
    is_attribute = isinstance(source, model.Attribute)
    usual = "restructuredtext" if is_attribute else "google"
    return _parsed(thing, rewritten(source, text), source, markup or usual, section)


_parsed: Final = epydoc2stan.parse_docstring


def rewritten(thing: Any, text: str) -> str:
    """Write a docstring as reStructuredText."""
    parts = []
    end = 0
    for table in TABLE.finditer(text):
        parts += [_prose(thing, text[end : table.start()]), _table(table[0])]
        end = table.end()
    return "".join([*parts, _prose(thing, text[end:])])


def _table(text: str) -> str:
    """Show a table of Markdown as it is written."""
    indent = " " * (len(text) - len(text.lstrip(" ")))
    return f"{indent}::\n\n" + "".join(f"    {line}\n" for line in text.splitlines()) + "\n"


def _prose(thing: Any, text: str) -> str:
    return "".join(_parts(thing, text))


def _parts(thing: Any, text: str) -> Iterator[str]:
    """Give the text with its code as links or literals, and the rest without a meaning of its own."""
    end = 0
    for code in CODE.finditer(text):
        yield escaped(text[end : code.start()])
        name = meant(thing, code["text"])
        # Two blanks in a row become an entity that pydoctor itself cannot read.
        yield f"`{code['text']} <{name}>`" if name else f"``{' '.join(code['text'].split())}``"
        if text[code.end() : code.end() + 1].isalnum():
            yield "\\ "  # a letter right behind would be part of it
        end = code.end()
    yield escaped(text[end:])


def escaped(text: str) -> str:
    """Take the meaning from what reStructuredText has one for."""
    return NUMBER.sub(r"\1\\\2", SPECIAL.sub(r"\\\1", text))


def meant(thing: Any, text: str) -> str | None:
    """Give the full name of what code in a docstring names; None: it is just code."""
    name = module(text) if text.endswith(".py") else None
    if name is None and re.fullmatch(r"[A-Za-z_][\w.]*", text):
        scope = thing
        while scope is not None and name is None:
            first, _, rest = text.partition(".")
            found = scope.contents.get(first) if hasattr(scope, "contents") else None
            found = found if found is None or not rest else found.resolveName(rest)
            found = found or (thing.resolveName(text) if scope is thing else None)
            name = found.fullName() if isinstance(found, model.Documentable) else None
            scope = scope.parent
    if name is None and FULL_NAME.fullmatch(text):
        thing.report(f"there is no {text}", "resolve_identifier_xref")
    return name
