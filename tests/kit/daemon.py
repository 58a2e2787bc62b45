"""A server program of somebody else, which a test starts, waits for and ends."""

import os
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from signal import SIGCONT, SIGTERM
from typing import Final

from tests.kit.orphans import tied
from tests.kit.patience import pauses

PATIENCE_S: Final = 20.0


def answers(host: str, port: int) -> bool:
    """Tell whether somebody takes connections there."""
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


class Daemon:
    """A program that stays in the foreground; it can be started again after its end.

    Args:
        said: The file that what it says is added to.
        leads: Whether it has a session of its own, so that an interruption of the tests is not one of it.
        is_held: Whether its input is a pipe, with which it ends: it does not outlive the tests.
        patience_s: How long its start may take.
    """

    def __init__(
        self, said: Path, *, leads: bool = True, is_held: bool = False, patience_s: float = PATIENCE_S
    ) -> None:
        self._said = said
        self._leads = leads
        self._is_held = is_held
        self._patience_s = patience_s
        self._process: subprocess.Popen[bytes] | None = None

    def start(
        self, words: Sequence[str], is_ready: Callable[[], bool], environment: Mapping[str, str] | None = None
    ) -> None:
        """Start it and wait until it is ready.

        Raises:
            AssertionError: It has ended or is late; has what it said.
        """
        with self._said.open("ab") as log:
            self._process = subprocess.Popen(
                tied(words),
                stdin=subprocess.PIPE if self._is_held else None,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=self._leads,
            )
        try:
            for _ in pauses(self._patience_s):
                if is_ready():
                    return
                if self._process.poll() is not None:
                    break
            raise AssertionError(self._said.read_text("utf-8", "replace")[-10_000:])
        except BaseException:
            self.stop()
            raise

    @property
    def pid(self) -> int:
        """Its number."""
        assert self._process is not None
        return self._process.pid

    def signal(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def stop(self, number: int = SIGTERM) -> None:
        """End it, by force where it does not end by itself; may be called twice."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        # Whoever stands still does not hear that it is to end.
        process.send_signal(SIGCONT)
        process.send_signal(number)
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(PATIENCE_S)
