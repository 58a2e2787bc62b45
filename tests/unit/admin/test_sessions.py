"""Prompts, pipes and single commands, without SSH."""

import pytest

from lyncpy.contracts.workload import OperatorRole
from lyncpy.workloads.admin.sessions import ENOUGH, GREETING, PROMPT, CommandSession, Prompt, Script
from lyncpy.workloads.admin.settings import Settings
from lyncpy.workloads.admin.shell import Author
from tests.kit.shell import Parlour, author


class PaperSeat:
    """A seat that writes down what it is shown."""

    def __init__(self, width: int | None = None, role: OperatorRole = OperatorRole.DEVELOPER) -> None:
        self.width = width
        self.height: int | None = None
        self.author: Author = author(role)
        self.is_blocked = False
        self.out = ""
        self.err = ""
        self.status: int | None = None
        self.pythons = 0

    def write(self, text: str) -> None:
        """Write down."""
        self.out += text

    def write_error(self, text: str) -> None:
        """Write down."""
        self.err += text

    def finish(self, status: int) -> None:
        """Write down, once."""
        assert self.status is None
        self.status = status

    def python(self) -> None:
        """Count."""
        self.pythons += 1


def script(parlour: Parlour) -> tuple[PaperSeat, Script]:
    """Sit a script down."""
    terminal = PaperSeat()
    sitting = Script(parlour.shell, terminal, parlour.settings)
    sitting.begin()
    return terminal, sitting


def prompt(parlour: Parlour) -> tuple[PaperSeat, Prompt]:
    """Sit a person down."""
    terminal = PaperSeat(width=80)
    sitting = Prompt(parlour.shell, terminal, parlour.admin.words, parlour.settings)
    sitting.begin()
    return terminal, sitting


def test_once_ends_with_the_commands_status() -> None:
    """One command, its answer, its status; nothing at all is well, too."""
    for line, status in (("users", 0), ("refuse", 1), ("nonsense", 2), ("  ", 0), ("exit", 0)):
        terminal = PaperSeat()
        CommandSession(Parlour().shell, terminal, line, Settings()).begin()
        assert terminal.status == status


def test_once_hears_ctrl_c_of_a_terminal_only() -> None:
    """Input that is no key means nothing."""
    for width, status in ((None, None), (80, 1)):
        terminal = PaperSeat(width=width)
        sitting = CommandSession(Parlour().shell, terminal, "slow", Settings())
        sitting.begin()
        sitting.ended()
        sitting.received(b"x\x03")
        assert terminal.status == status


def test_a_script_runs_line_after_line_however_it_is_cut() -> None:
    """The last line needs no end; its status is the script's."""
    text = "# hello\r\nwho\r\n\nlock bob é\nrefuse".encode()
    for size in (1, 7, 1000):
        parlour = Parlour()
        terminal, sitting = script(parlour)
        for start in range(0, len(text), size):
            sitting.received(text[start : start + size])
        assert terminal.status is None
        sitting.ended()
        assert terminal.status == 1
        assert [command for command, _ in parlour.audited()] == ["who", "lock bob ****", "refuse"]


def test_a_script_waits_for_its_command_and_for_its_reader() -> None:
    """One at a time, and none while the answer before it was not read."""
    parlour = Parlour()
    terminal, sitting = script(parlour)
    sitting.received(b"slow\nwho\n" + b"#" * ENOUGH)
    assert (sitting.is_busy, sitting.is_full) == (True, True)
    terminal.is_blocked = True
    parlour.weather.slow.callback(None)
    assert "SHA256" not in terminal.out
    terminal.is_blocked = False
    sitting.unblocked()
    assert "SHA256" in terminal.out


def test_a_script_ends_with_the_gravest_status_and_names_the_lines() -> None:
    """A line that failed is not made good by the next; comments and blank lines count as lines."""
    terminal, sitting = script(Parlour())
    sitting.received(b"users\n# nothing\nrefuse\n\nusers\n")
    sitting.ended()
    assert terminal.status == 1
    assert terminal.err.startswith("line 3: no such thing")
    assert terminal.out.count("3 people") == 2


@pytest.mark.untraced
def test_a_script_of_many_lines_does_not_pile_up_calls() -> None:
    """Thousands of lines that are answered at once."""
    terminal, sitting = script(Parlour())
    sitting.received(b"exi\n" * 3000)
    sitting.ended()
    assert (terminal.status, terminal.err.count("\n")) == (2, 3000)


def test_a_script_ends_at_exit_and_refuses_a_line_without_end() -> None:
    """What follows `exit` is not run; a line that never ends is refused as too long."""
    parlour = Parlour()
    terminal, sitting = script(parlour)
    sitting.received(b"x" * 5000)
    assert "[admin] line_bytes" in terminal.err
    sitting.received(b"\nexit\nusers\n")
    assert terminal.status == 2, "exit does not make good what failed before"
    assert parlour.audited()[-1][0] == "exit"


def test_a_prompt_greets_and_leaves() -> None:
    """Ctrl-D, `exit` and a client that says no more are all ways out."""
    for data in (b"\x04", b"exit\r", None):
        terminal, sitting = prompt(Parlour())
        assert terminal.out.startswith(GREETING)
        if data is None:
            sitting.received(b"half a line")
            sitting.ended()
        else:
            sitting.received(data)
        assert terminal.status == 0


def test_keys_wait_while_a_command_runs() -> None:
    """They are taken when it is done; Ctrl-C stops it and forgets them."""
    parlour = Parlour()
    terminal, sitting = prompt(parlour)
    sitting.received(b"slow\rwho\r")
    assert "SHA256" not in terminal.out
    parlour.weather.slow.callback(None)
    assert "SHA256" in terminal.out

    parlour = Parlour()
    terminal, sitting = prompt(parlour)
    sitting.received(b"slow\rwho\r" + b"x" * (ENOUGH + 1))
    assert sitting.is_full
    sitting.received(b"\x03")
    assert not sitting.is_full
    assert terminal.err == "interrupted\n"
    assert "SHA256" not in terminal.out


def test_a_prompt_nobody_sits_at_says_nothing() -> None:
    """A command goes on to its end when its client vanishes, and is recorded."""
    parlour = Parlour()
    terminal, sitting = prompt(parlour)
    sitting.received(b"slow\r")
    before = terminal.out
    sitting.gone()
    parlour.weather.slow.callback(None)
    assert terminal.out == before
    assert parlour.audited() == [("slow", "ok")]


def test_a_prompt_draws_its_line_for_another_width() -> None:
    """Also a blank line and a comment only get a new prompt."""
    terminal, sitting = prompt(Parlour())
    sitting.received(b"  \r# x\rabc")
    terminal.width, terminal.out = 30, ""
    sitting.resized()
    assert terminal.out == "\rlyncpy> abc\x1b[K\r\x1b[11C"


def test_a_tab_that_fails_does_nothing() -> None:
    """A workload's choices may break; the prompt does not."""
    parlour = Parlour()
    terminal = PaperSeat(width=80)
    sitting = Prompt(parlour.shell, terminal, lambda: 1 / 0, parlour.settings)  # type: ignore[arg-type, return-value]  # a bug
    sitting.begin()
    sitting.received(b"us\t")
    assert terminal.out.endswith("\a")


def test_python_needs_a_terminal() -> None:
    """The prompt hands its seat over; a pipe is told what to do."""
    parlour = Parlour(python_prompt=True)
    terminal, sitting = prompt(parlour)
    sitting.received(b"python\r")
    assert terminal.pythons == 1
    pipe = PaperSeat()
    CommandSession(parlour.shell, pipe, "python", Settings()).begin()
    assert (pipe.pythons, pipe.status) == (0, 2)
    assert "ssh -t HOST python" in pipe.err


def test_a_long_answer_is_shown_by_pages_at_a_prompt_alone() -> None:
    """Space shows the next screen, Enter a line, q no more; a single command is shown whole."""
    parlour = Parlour()
    terminal, sitting = prompt(parlour)
    terminal.height = 4
    terminal.out = ""
    sitting.received(b"users\r")
    assert "alice@example.com" in terminal.out and "bob@example.com" not in terminal.out
    assert "more lines" in terminal.out and not terminal.out.endswith("lyncpy> ")
    sitting.received(b"\r")
    assert "bob@example.com" in terminal.out
    sitting.received(b" ")
    assert terminal.out.rpartition("more lines")[2].count("lyncpy> ") == 1
    terminal.out = ""
    sitting.received(b"users\rqstatus\r")
    assert "bob@example.com" not in terminal.out and "version" in terminal.out
    once = PaperSeat(width=80)
    once.height = 4
    CommandSession(parlour.shell, once, "users", Settings()).begin()
    assert "bob@example.com" in once.out


def test_a_command_is_watched_until_it_is_interrupted() -> None:
    """It is asked again every so many seconds; Ctrl-C is its ordinary end, and one that is gone watches no more."""
    parlour = Parlour()
    terminal, sitting = prompt(parlour)
    terminal.out = ""
    sitting.received(b"watch users\r")
    parlour.clock.advance(2)
    parlour.clock.advance(2)
    assert terminal.out.count("3 people") == 3
    sitting.received(b"\x03")
    parlour.clock.advance(10)
    assert terminal.out.count("3 people") == 3 and terminal.out.endswith("\x1b[8C")
    assert [row for row in parlour.audited() if row[0] == "watch users"] == [("watch users", "ok")]
    pipe = PaperSeat()
    watching = CommandSession(parlour.shell, pipe, "users --watch 1 --json", Settings())
    watching.begin()
    parlour.clock.advance(1)
    assert pipe.out.count('"command": "users"') == 2
    watching.gone()
    assert len(parlour.shell) == 0
    assert parlour.ask("users --watch 1").status == 2, "where nobody looks nothing is watched"


def test_a_command_that_reads_waits_for_all_of_its_input() -> None:
    """At a prompt it says how it is given; too much is refused."""
    parlour = Parlour()
    pipe = PaperSeat()
    sitting = CommandSession(parlour.shell, pipe, "tale", Settings())
    sitting.begin()
    sitting.received(b"once upon ")
    sitting.received(b"a time")
    assert pipe.out == ""
    sitting.ended()
    assert (pipe.status, "once upon a time" in pipe.out) == (0, True)
    full = PaperSeat()
    sitting = CommandSession(parlour.shell, full, "tale", Settings(input_bytes=4096))
    sitting.begin()
    sitting.received(b"x" * 5000)
    assert (full.status, "[admin] input_bytes" in full.err) == (2, True)
    terminal, typed = prompt(parlour)
    typed.received(b"tale\r")
    assert "reads a tale from the input: ssh HOST tale … < FILE" in terminal.out + terminal.err


def test_what_is_typed_unseen_is_asked_for_twice() -> None:
    """It is neither shown nor recorded, nor offered again; whoever breaks off, or mistypes, changes nothing."""
    parlour = Parlour()
    terminal, typed = prompt(parlour)
    typed.received(b"whisper\rsexx\x7f\x7f\xc3\xa9\x1b[C\r")
    assert terminal.out.endswith("A word: \nOnce more: ")
    typed.resized()
    typed.received("seé\r".encode())
    assert "seé\n" in terminal.out
    assert terminal.out.count("seé") == 1, "the answer alone"
    assert ("whisper", "ok") in parlour.audited()
    for keys, said in (
        (b"one\rother\r", "the two are not the same; nothing has changed"),
        (b"x\x15\x03", "nothing has changed"),
    ):
        terminal.out = ""
        typed.received(b"whisper\r" + keys)
        assert said in terminal.out
        assert terminal.out.endswith(PROMPT + "\x1b[K\r\x1b[8C")
    terminal.out = ""
    typed.received(b"whisper --aloud\r")
    assert "A word" not in terminal.out
    typed.received(b"whisper\rhalf")
    typed.ended()
    assert terminal.status == 0


def test_progress_is_told_to_people_and_not_to_programs() -> None:
    """At most a line each second, apart from the answer."""
    parlour = Parlour()
    for width, told in ((80, "3 of 7\n"), (None, "")):
        terminal = PaperSeat(width=width)
        CommandSession(parlour.shell, terminal, "slow", Settings()).begin()
        parlour.weather.tell("1 of 7")
        parlour.clock.advance(1)
        parlour.weather.tell("3 of 7")
        parlour.weather.tell("4 of 7")
        assert terminal.err == told
