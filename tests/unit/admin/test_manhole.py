"""The Python prompt: every line recorded before it runs."""

from collections.abc import Awaitable, Callable

from twisted.internet.defer import Deferred

from lyncpy.workloads.admin.manhole import Python, PythonPrompt


class Desk:
    """A Python prompt whose terminal is paper."""

    def __init__(self, record: Callable[[str], Awaitable[str]] | None = None, line_bytes: int = 60) -> None:
        self.out = b""
        self.ends = 0
        self.recorded: list[str] = []
        self.names = {"house": self}
        self.width = 80
        prompt = PythonPrompt(self.names, record or self.record, line_bytes, history_lines=2)
        self.prompt = prompt
        self.sitting = Python(prompt, self.write, self.end, lambda: self.width)
        self.sitting.begin()

    async def record(self, line: str) -> str:
        """Write down."""
        self.recorded.append(line)
        return ""

    def write(self, data: bytes) -> None:
        """Show."""
        self.out += data

    def end(self) -> None:
        """Count."""
        self.ends += 1


def test_a_line_is_recorded_and_runs() -> None:
    """The prompt knows the names of the house, and nothing that it sets stays behind."""
    desk = Desk()
    desk.sitting.received(b"new = house.width + 1\rnew\r")
    assert desk.recorded == [">>> new = house.width + 1", ">>> new"]
    assert b"81" in desk.out
    assert desk.names == {"house": desk}


def test_a_line_that_cannot_be_recorded_does_not_run() -> None:
    """Nobody works here unseen."""

    async def full(line: str) -> str:
        return "the disk is full"

    desk = Desk(full)
    desk.sitting.received(b"house.end()\r")
    assert b"not run, because it cannot be recorded: the disk is full" in desk.out
    assert desk.ends == 0


def test_lines_run_one_after_the_other() -> None:
    """Those that are typed while one is being recorded wait, and are forgotten when the client goes."""
    kept: list[Deferred[str]] = []

    def slow(line: str) -> Deferred[str]:
        kept.append(Deferred())
        return kept[-1]

    desk = Desk(slow)
    desk.sitting.received(b"house.end()\rhouse.end()\rhouse.end()\r")
    assert (len(kept), desk.ends) == (1, 0)
    kept[0].callback("")
    assert (len(kept), desk.ends) == (2, 1)
    desk.sitting.gone()
    kept[1].callback("")
    assert (len(kept), desk.ends) == (2, 1)


def test_what_cannot_be_coloured_is_typed_all_the_same() -> None:
    """Unfinished source, odd indents, unknown keys: no key ends the session."""
    desk = Desk()
    desk.sitting.received(b"if 1:\r    x = 7\r  \x03\x00\x01'''\x03(]\x03$?\x03x = 'a\r\x1b[Z\xc3\xa91\x1c")
    assert desk.ends == 1
    assert ">>> if 1:" in desk.recorded


def test_the_line_and_the_history_have_bounds() -> None:
    """The bell rings when no more is taken."""
    desk = Desk(line_bytes=10)
    desk.sitting.received(b"1" * 20 + b"\r2\r3\r4\r")
    assert desk.recorded[0] == ">>> " + "1" * 10
    assert b"\a" in desk.out
    assert len(desk.prompt.historyLines) == 2


def test_it_leaves_the_screen_as_it_was() -> None:
    """Ctrl-D, and a client that sends no more, end it; nothing is wiped."""
    for is_key in (True, False):
        desk = Desk()
        desk.width = 50
        desk.sitting.resized()
        if is_key:
            desk.sitting.received(b"\x04")
        else:
            desk.sitting.ended()
        assert desk.ends == 1
        assert b"\x1bc" not in desk.out
        assert b"\x1b[2J" not in desk.out
        desk.sitting.gone()
        desk.sitting.resized()
