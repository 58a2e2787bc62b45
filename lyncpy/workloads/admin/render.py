r"""A table → text for a terminal or one JSON document.

What a table holds comes from clients and directories, so nothing in it may steer a
terminal: control characters, changes of writing direction and halves of characters are
written as `\x1b`, `\u202e` …
"""

import json
import math
import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final

from lyncpy.contracts.answers import FACTS, Form, Shown, facts_of
from lyncpy.contracts.workload import Table
from lyncpy.sip.plain import JOINERS, clean

GAP: Final = "  "
NODE: Final = "node"
"""The column of which server a row is, in what several of them have answered."""

ALL: Final = "all"
"""There, of what all say alike."""

NARROWEST: Final = 12
"""A column is not made narrower than this, or than its heading; before that, rows become blocks of lines."""

_UNSAFE_IN_JSON: Final = re.compile(r"[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")


def sentences(text: str) -> str:
    """Clean a message of one or more lines."""
    return "\n".join(clean(line) for line in text.splitlines())


def as_json(table: Table, command: str, answer: Form, *, failed: str = "failed") -> Iterator[str]:
    """Write one document, a piece at a time; [shell.md] tells of its form.

    Args:
        table: What the command gave.
        command: Its name.
        answer: Its form.
        failed: The kind of the error, where the table tells of one.
    """
    is_facts = table.columns == FACTS
    is_of_several = is_from_servers(table.columns, answer)
    objects = _objects(table, answer) if not is_facts else ()
    before = "\n"
    yield f'{{\n  "command": {_json(command)},\n  "ok": {_json(not table.failed)},\n  "rows": ['
    count = 0
    for named in objects:
        yield f"{before}    " + _json(named).replace("\n", "\n    ")
        before = ",\n"
        count += 1
    yield "]" if before == "\n" else "\n  ]"
    # Of several servers each tells its own, in rows.
    is_told = is_facts or not (table.failed or is_of_several)
    facts = facts_of(table.rows if is_facts else (), answer.facts) if is_told else {}
    error = {"kind": failed, "message": sentences(table.failed)} if table.failed else None
    rest = {
        "facts": {name: _values(value) for name, value in facts.items()},
        "counts": {"rows": count, **table.counts},
        "note": table.note,
        "error": error,
    }
    yield ",\n" + _json(rest).removeprefix("{\n")
    yield "\n"


def is_from_servers(columns: Sequence[str], answer: Form) -> bool:
    """Tell whether a table has the answers of several servers, behind their names."""
    own = answer.rows[0].name if answer.rows else ""
    return tuple(columns[:1]) == (NODE,) and own != NODE


def _objects(table: Table, answer: Form) -> Iterator[dict[str, object]]:
    """Give the rows as objects. What several servers tell of themselves, in rows of a label and a value, is an object of each."""
    if table.columns != (NODE, *FACTS):
        for row in table.rows:
            yield {name: _value(cell) for name, cell in zip(table.columns, row, strict=False)}
        return
    of_all = [row[1:] for row in table.rows if row[0] == ALL]
    nodes = list(dict.fromkeys(row[0] for row in table.rows if row[0] != ALL)) or [ALL]
    for node in nodes:
        told = facts_of([*of_all, *(row[1:] for row in table.rows if row[0] == node)], answer.facts)
        yield {NODE: _value(node), **{name: _values(value) for name, value in told.items()}}


def error_json(command: str, kind: str, message: str) -> str:
    """Write the document of a command that has nothing to show."""
    return "".join(as_json(Table((), (), failed=message or kind), command, Form(), failed=kind))


def _json(value: object) -> str:
    document = json.dumps(value, ensure_ascii=False, indent=2)
    # JSON itself leaves these as they are; they stand inside strings only, where an escape means the same.
    return _UNSAFE_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", document)


def _values(value: object) -> object:
    return [_value(one) for one in value] if isinstance(value, list) else _value(value)


def _value(cell: object) -> object:
    if isinstance(cell, Shown):
        return _value(cell.value)
    if isinstance(cell, tuple):
        return [_value(one) for one in cell]
    if isinstance(cell, float) and not math.isfinite(cell):
        return None  # no number of JSON
    return cell if cell is None or isinstance(cell, str | int | float) else str(cell)


def as_text(table: Table, width: int | None = None, most: int | None = None) -> Iterator[str]:
    """Write rows below headings, and the note, a piece at a time.

    While a long table is measured the pieces are empty: whoever writes it can do something
    else after each.

    Args:
        table: Rows of any length; what is beyond the columns is left out.
        width: Of the terminal, in its cells; None when lines may be as long as they are. What
            is too wide is wrapped within its column; where that leaves too little, every row
            becomes a block of lines `column  cell`.
        most: Rows that come after so many letters are left out: whoever asks cuts the text there.
    """
    has_rows = bool(table.columns and table.rows)
    if has_rows:
        for line in _laid_out(table, width, most):
            yield f"{line}\n" if line is not None else ""
    if table.note:
        yield ("\n" if has_rows else "") + sentences(table.note) + "\n"
    elif not has_rows and table.columns:
        yield "none\n"


def _cell(value: object) -> str:
    match value:
        case None:
            return "-"
        case True | False:
            return "yes" if value else "no"
        case float():
            return f"{value:.3f}".rstrip("0").rstrip(".")
        case _:
            return clean(str(value))


def _laid_out(table: Table, width: int | None, most: int | None) -> Iterator[str | None]:
    """Give the lines of a table; None for each row that is measured before."""
    headings = tuple(clean(name).upper() for name in table.columns)
    natural = list(map(cells_wide, headings))
    right = _Right(len(headings))
    cells: list[tuple[str, ...]] = []
    letters = 0
    for row in table.rows:
        written = tuple(_cell(one) for one in row[: len(headings)])
        natural = [max(wide, cells_wide(cell)) for wide, cell in zip(natural, written, strict=True)]
        right.look_at(row)
        cells.append(written)
        letters += sum(map(len, written))
        yield None
        if most is not None and letters > most:
            break
    widths = natural if width is None else _fitted(headings, natural, width)
    if widths is None:
        yield from _blocks(table.columns, cells, width or 0)
        return
    yield _line(headings, widths, right.columns)
    for cell_row in cells:
        wrapped = [wrap(cell, wide) for cell, wide in zip(cell_row, widths, strict=True)]
        for number in range(max(map(len, wrapped))):
            yield _line([lines[number] if number < len(lines) else "" for lines in wrapped], widths, right.columns)


class _Right:
    """Which columns hold numbers, which line up at the right."""

    def __init__(self, columns: int) -> None:
        self._number = [False] * columns
        self._other = [False] * columns

    def look_at(self, row: Sequence[object]) -> None:
        for index, cell in enumerate(row[: len(self._number)]):
            if cell is not None:
                (self._number if _is_number(cell) else self._other)[index] = True

    @property
    def columns(self) -> list[bool]:
        return [number and not other for number, other in zip(self._number, self._other, strict=True)]


def _fitted(headings: Sequence[str], natural: Sequence[int], width: int) -> Sequence[int] | None:
    """Give widths that fit into a line, the widest columns giving first; None where they cannot."""
    room = width - len(GAP) * (len(natural) - 1)
    if sum(natural) <= room:
        return natural
    least = [min(wide, max(cells_wide(name), NARROWEST)) for name, wide in zip(headings, natural, strict=True)]
    if sum(least) > room:
        return None
    low, high = NARROWEST, max(natural)
    while low < high:  # the widest bound on columns that still fits
        middle = (low + high + 1) // 2
        if sum(_bounded(least, natural, middle)) <= room:
            low = middle
        else:
            high = middle - 1
    return _bounded(least, natural, low)


def _bounded(least: Sequence[int], natural: Sequence[int], bound: int) -> Sequence[int]:
    return [max(small, min(wide, bound)) for small, wide in zip(least, natural, strict=True)]


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = []
    for cell, wide, is_right in zip(cells, widths, right, strict=True):
        blanks = " " * (wide - cells_wide(cell))
        padded.append(blanks + cell if is_right else cell + blanks)
    return GAP.join(padded).rstrip()


def _blocks(columns: Sequence[str], cells: Sequence[tuple[str, ...]], width: int) -> Iterator[str]:
    """Write each row as lines of its own, psql's expanded display."""
    wide = max(cells_wide(clean(name)) for name in columns)
    room = max(width - wide - len(GAP), NARROWEST)
    for number, row in enumerate(cells):
        if number:
            yield ""
        for name, cell in zip(columns, row, strict=True):
            first, *rest = wrap(cell, room)
            heading = clean(name).upper()
            yield (heading + " " * (wide - cells_wide(heading)) + GAP + first).rstrip()
            for line in rest:
                yield " " * wide + GAP + line


def cells_wide(text: str) -> int:
    """Count the terminal cells that text takes."""
    if text.isascii():
        return len(text)
    return sum(map(_cells, text))


def _cells(one: str) -> int:
    if unicodedata.combining(one) or one in JOINERS or unicodedata.category(one) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(one) in ("W", "F") else 1


def wrap(text: str, width: int) -> list[str]:
    """Break a line at blanks, or within a word that is too long; gives at least one line."""
    if cells_wide(text) <= width:
        return [text]
    lines, line = [], ""
    for word in text.split(" "):
        joined = f"{line} {word}" if line else word
        if cells_wide(joined) <= width:
            line = joined
            continue
        if line:
            lines.append(line)
        *whole, line = _pieces(word, width)
        lines += whole
    return [*lines, line]


def _pieces(word: str, width: int) -> Sequence[str]:
    """Cut a word into pieces that fit."""
    pieces, piece, wide = [], "", 0
    for one in word:
        if wide + _cells(one) > width and piece:
            pieces.append(piece)
            piece, wide = "", 0
        piece += one
        wide += _cells(one)
    return [*pieces, piece]


def side_by_side(words: Sequence[str], width: int) -> str:
    """Write words in columns, as `ls` does; down first."""
    shown = [clean(word) for word in words]
    if not shown:
        return ""
    wide = max(map(cells_wide, shown)) + len(GAP)
    rows = -(-len(shown) // max(width // wide, 1))
    lines = []
    for row in range(rows):
        line = "".join(word + " " * (wide - cells_wide(word)) for word in shown[row::rows])
        lines.append(line.rstrip())
    return "\n".join(lines)


def _is_number(cell: object) -> bool:
    value = cell.value if isinstance(cell, Shown) else cell
    return isinstance(value, int | float) and not isinstance(value, bool)
