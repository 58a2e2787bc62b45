"""Gap files of processes that there are not any more: what one of them tells is told by another."""

import re
from collections.abc import Iterator
from pathlib import Path

from lyncpy.app.config import Config
from lyncpy.app.pool_settings import own_file
from lyncpy.backends.gapfile import content_of
from lyncpy.workloads.archive.gaps import holds_gap


def rescue_gaps(config: Config) -> Iterator[str]:
    """Give what is in gap files of processes behind the last to one that has nothing to tell; give a sentence about each file.

    Call it before any process of these settings runs.
    """
    path, count = config.path(config.sections.archive.gap_file), config.sections.pool.processes
    used = [path, *(path.with_name(own_file(path.name, number)) for number in range(2, count + 1))]
    for left in _others(path, count):
        try:
            if not holds_gap(content_of(left)):
                continue
            free = next((one for one in used if not one.exists() or not holds_gap(content_of(one))), None)
            if free is None:
                yield f'"{left}" tells of messages that passed unarchived, and is told at a start after this one'
                continue
            left.replace(free)
            yield f'"{left}" tells of messages that passed unarchived, and is "{free}" now'
        except OSError as error:
            yield f'"{left}" may tell of messages that passed unarchived, and cannot be taken over: {error.strerror}'


def _others(path: Path, count: int) -> Iterator[Path]:
    """Give the gap files of processes with higher numbers."""
    form = re.compile(rf"{re.escape(path.stem)}\.([0-9]{{1,3}}){re.escape(path.suffix)}")
    for one in sorted(path.parent.glob("*")):
        found = form.fullmatch(one.name)
        if found and int(found[1]) > count:
            yield one
