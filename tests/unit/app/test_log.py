"""What strangers write reaches the log as text: it neither steers a terminal nor forges a line."""

import io
import unicodedata
from typing import Any

import pytest
from twisted.logger import (
    LegacyLogObserverWrapper,
    Logger,
    LogLevel,
    LogPublisher,
    formatEventAsClassicLogText,
    textFileLogObserver,
)
from twisted.python import log as legacy

from lyncpy.app.log import plain, quieten
from lyncpy.app.log_levels import LogLevels
from lyncpy.sip.decoder import Decoder
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.plain import clean

HOSTILE = "\x1b]0;gotcha\x07\x1b[2J\r\n1999-01-01 forged\x9b31m\u202egnp.exe\u2028\udc9b\x00"


def _is_harmless(text: str) -> bool:
    return not any(unicodedata.category(one) in ("Cc", "Cf", "Cs", "Zl", "Zp") for one in text)


@pytest.mark.parametrize("old", [False, True], ids=["twisted's new log", "twisted's old log"])
@pytest.mark.parametrize("way", ["field", "nested", "failure", "old message"])
def test_no_line_of_the_log_obeys_a_stranger(old: bool, way: str) -> None:
    """In a field, within a value, in an exception, in what Twisted itself says."""
    out = io.StringIO()
    emit: Any = legacy.FileLogObserver(out).emit
    observer: Any = LegacyLogObserverWrapper(emit) if old else textFileLogObserver(out)
    publisher = LogPublisher(observer)
    quieten(LogLevels("info").predicate, publisher)
    log = Logger(namespace="test", observer=publisher)
    if way == "field":
        log.info("{name} came in", name=HOSTILE)
    elif way == "nested":
        log.info("{names} came in", names=[HOSTILE, {HOSTILE: HOSTILE}])
    elif way == "failure":
        try:
            raise ValueError(HOSTILE)
        except ValueError:
            log.failure("it failed for {name}", name=HOSTILE)
    else:
        log.observer({"log_level": LogLevel.info, "log_namespace": "x", "log_time": 0.0, "time": 0.0, "system": "-",
                      "isError": 0, "message": (HOSTILE,), "log_format": "{log_text}", "log_text": HOSTILE})  # fmt: skip
    lines = out.getvalue().rstrip("\n").split("\n")
    assert all(_is_harmless(line.replace("\t", "")) for line in lines)
    assert not any(line.startswith("1999") for line in lines)
    assert "gotcha" in out.getvalue()
    if way == "failure":
        assert "Traceback" in out.getvalue()
        assert "test_log.py" in out.getvalue()


def test_what_is_below_the_level_is_not_written() -> None:
    """An operator who asks for warnings reads no others, of whatever observer twistd has set up."""
    outs = [io.StringIO(), io.StringIO()]
    publisher = LogPublisher(*(textFileLogObserver(out) for out in outs))
    quieten(LogLevels("warn").predicate, publisher)
    log = Logger(namespace="test", observer=publisher)
    log.info("too much")
    log.warn("enough")
    assert [out.getvalue().count("\n") for out in outs] == [1, 1]
    assert all("enough" in out.getvalue() for out in outs)


def test_an_ordinary_event_reads_as_before() -> None:
    """Words of every language, and the fields' names for those who search."""
    event = {
        "log_format": "{who} kam",
        "who": "Zoë 한국",
        "log_level": LogLevel.info,
        "log_namespace": "x",
        "log_time": 0.0,
    }
    assert formatEventAsClassicLogText(plain(event)) == formatEventAsClassicLogText(event)
    assert plain(event)["who"] == "Zoë 한국"


@pytest.mark.parametrize(
    "header", ["Content-Length: \x1b[31m\x07", "Content-Length: 1\u202e2", "Content-Length: \x9b2J"]
)
def test_a_reason_repeats_nothing_that_steers(header: str) -> None:
    """What is wrong with a message is said in the log and to the peer, in the same clean words."""
    decoder = Decoder()
    decoder.feed(f"OPTIONS sip:x SIP/2.0\r\n{header}\r\n\r\n".encode())
    assert decoder.lost is not None
    assert _is_harmless(decoder.lost.reason)
    error = RemoteProtocolError(HOSTILE)
    assert _is_harmless(error.reason)
    assert error.reason == str(error) == clean(HOSTILE)
