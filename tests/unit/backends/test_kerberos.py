"""Without the library nobody verifies tickets, and the operator reads what to install."""

import sys
from pathlib import Path

import pytest

from lyncpy.backends.kerberos import KerberosMissing, Tickets
from lyncpy.backends.threads import Threads
from tests.kit.threads import ThreadPump


def test_without_the_library_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the extra is not installed."""
    monkeypatch.setitem(sys.modules, "gssapi", None)
    with pytest.raises(KerberosMissing, match=r"pip install 'lyncpy\[kerberos\]'"):
        Tickets(tmp_path / "keytab", Threads(ThreadPump(), "tickets"))
