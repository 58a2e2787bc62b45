"""Which directories people come from, and which of them are others than before. Pure."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from lyncpy.contracts.directory import NAME_ENDS, directory_of

Urls = Mapping[str, str]
"""Of directories, by their names."""

_NAME: Final = re.compile(r"[A-Za-z0-9_.-]+")


@dataclass(frozen=True, slots=True)
class Places:
    """The directories that people come from: what is known of people is of these and no others."""

    urls: Urls

    @property
    def text(self) -> str:
        """Name them, with their URLs."""
        return text_of(self.urls)

    @property
    def names(self) -> Collection[str]:
        """Give the name of each."""
        return self.urls.keys()

    def directory_of(self, key: str) -> str:
        """Give the name of the directory of a person or group."""
        return directory_of(key, self.names)


def text_of(urls: Urls) -> str:
    """Write names and URLs, for an operator."""
    return ", ".join(f"{name}={url}" if name else url for name, url in urls.items())


def urls_of(text: str) -> Urls:
    """Read what `text_of` has written.

    A comma in a URL is its own, unless a name and an equals sign follow, or the first that might be the URL of the one
    directory without a name.
    """
    urls: dict[str, str] = {}
    last = ""
    for piece in text.split(", ") if text else ():
        name, mark, url = piece.partition("=")
        if mark and _NAME.fullmatch(name):
            urls[name], last = url, name
        elif "" in urls:
            urls[last] += f", {piece}"
        else:
            urls[""], last = piece, ""
    return urls


def others(before: Urls, now: Urls) -> frozenset[str]:
    """Give the names of the directories that are new, have another URL than before, or are gone."""
    return frozenset(name for name in {**before, **now} if before.get(name) != now.get(name))


def renamed(before: Urls, now: Urls) -> Mapping[str, str]:
    """Find the directories that have nothing but another name; give that by the name they had.

    Where several with one URL came or went, nobody can tell which is which: then none of them is the same.
    """
    gone = [(url, name) for name, url in before.items() if name not in now]
    came = [(url, name) for name, url in now.items() if name not in before]
    return {
        was: name
        for url, was in gone
        for other, name in came
        if url == other and [one for one, _ in (*gone, *came)].count(url) == 2
    }


def renamed_key(key: str, names: Collection[str], new_names: Mapping[str, str]) -> str:
    """Give a person's or group's key with the name that its directory has now; a key that has it already stays.

    Args:
        key: As it was kept.
        names: Of all directories before.
        new_names: By the names they had.
    """
    was = directory_of(key, names)
    name = new_names.get(was, was)
    before = f"{name}{NAME_ENDS}" if name else ""
    if name == was or (name and key.startswith(before)):
        return key
    return before + (key.removeprefix(f"{was}{NAME_ENDS}") if was else key)
