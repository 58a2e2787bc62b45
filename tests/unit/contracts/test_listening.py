"""Why a port cannot be opened, in a sentence for an operator."""

import errno

import pytest

from lyncpy.contracts.listening import ListeningPlace

SHELL = ListeningPlace("admin", "port", "host", "127.0.0.1", 222)


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (errno.EADDRINUSE, "another program uses it; stop that program or choose another port"),
        (
            errno.EACCES,
            "ports below 1024 need a permission; give the service CAP_NET_BIND_SERVICE or choose a port above 1023",
        ),
        (errno.EADDRNOTAVAIL, "this machine has no such address; correct host"),
        (errno.EAFNOSUPPORT, "this machine has no such address; correct host"),
        (errno.EMFILE, "too many files; correct host"),
        (None, "too many files; correct host"),
    ],
)
def test_a_port_that_does_not_open_is_told_with_its_setting(code: int | None, sentence: str) -> None:
    """And with what to do."""
    told = SHELL.objection(code, "too many files")
    assert told == f"[admin] port: port 222 on 127.0.0.1 cannot be opened: {sentence}"


def test_who_has_it_is_named() -> None:
    """Where that is known."""
    everywhere = ListeningPlace("sip", "tls_port", "tls_host", "", 5061)
    assert everywhere.objection(errno.EADDRINUSE, "", "process 7 (nginx)") == (
        "[sip] tls_port: port 5061 on all addresses cannot be opened: process 7 (nginx) uses it; stop that program or choose"
        " another tls_port"
    )


def test_every_address_is_those_that_there_are() -> None:
    """Without IPv6 it is that of IPv4; one that is named is that one."""
    everywhere = ListeningPlace("sip", "tls_port", "tls_host", "", 5061)
    assert everywhere.hosts == ("::", "0.0.0.0")
    assert everywhere.goes_on("::", errno.EAFNOSUPPORT)
    assert not everywhere.goes_on("::", errno.EADDRINUSE)
    assert not everywhere.goes_on("0.0.0.0", errno.EADDRNOTAVAIL)
    assert SHELL.hosts == ("127.0.0.1",)
    assert not SHELL.goes_on("127.0.0.1", errno.EADDRNOTAVAIL)
