"""What an operator reads when a port does not open, and the files that connections need."""

import errno
import os
import resource
from typing import Any

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.error import CannotListenError
from twisted.internet.task import Clock

from lyncpy.contracts.names import NodeName
from lyncpy.core.timers import Timers
from lyncpy.wire.files import ConnectionLimits, OpenFiles
from lyncpy.wire.flows import Flows
from lyncpy.wire.listener import Listener, OpenPort
from lyncpy.wire.ports import CannotOpen, TlsPort
from lyncpy.wire.settings import Settings
from tests.kit.flows import NoOtherNodes
from tests.kit.meters import MemoryMeter
from tests.kit.results import result_of


def _listener(*, certificate: Any = None, **settings: Any) -> Listener:
    """Give a listener; nobody connects, so that the certificate may be any object."""
    return _with_flows(certificate, **settings)[0]


def _with_flows(certificate: Any, **settings: Any) -> tuple[Listener, Flows]:
    clock = Clock()
    timers = Timers(clock, clock.seconds)
    known = Settings.model_validate({"domain": "example.com", **settings})
    flows = Flows(
        NodeName("node"),
        known,
        timers,
        MemoryMeter(),
        clock.callLater,  # type: ignore[arg-type]  # never called
        NoOtherNodes(),
        strangers_total=10_000,
        strangers_per_address=500,
    )
    sink: Any = None
    return Listener(clock, flows, sink, certificate, known, timers, OpenFiles(known.connections, 0, 0), {}), flows


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (errno.EADDRINUSE, "another program uses it; stop that program or choose another tls_port"),
        (errno.EACCES, "give the service CAP_NET_BIND_SERVICE or choose a tls_port above 1023"),
        (errno.EADDRNOTAVAIL, "this machine has no such address; correct tls_host"),
        (errno.EMFILE, "correct tls_host"),
    ],
)
def test_a_closed_port_names_the_setting_and_a_remedy(monkeypatch: pytest.MonkeyPatch, code: int, remedy: str) -> None:
    """Section, setting, address and what to do are in one sentence."""

    def refuse(port: Any) -> None:
        raise CannotListenError("192.0.2.1", 443, OSError(code, "reason"))

    monkeypatch.setattr(TlsPort, "startListening", refuse)
    listener = _listener(certificate=object(), tls_host="192.0.2.1", tls_port=443, tcp_port=0)
    with pytest.raises(CannotOpen) as caught:
        result_of(listener.open())
    assert str(caught.value).startswith("[sip] tls_port: port 443 on 192.0.2.1 cannot be opened: ")
    assert str(caught.value).endswith(remedy)
    result_of(listener.close())


def test_a_machine_without_ipv6_listens_on_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every address means those that there are."""
    tried = []

    def refuse_ipv6(port: Any) -> None:
        tried.append(port.interface)
        if port.interface == "::":
            raise CannotListenError("::", 5061, OSError(errno.EAFNOSUPPORT, "no IPv6"))

    monkeypatch.setattr(TlsPort, "startListening", refuse_ipv6)
    monkeypatch.setattr(TlsPort, "getHost", lambda port: IPv4Address("TCP", port.interface, port.port))
    listener = _listener(certificate=object(), tls_port=5061, tcp_port=0)
    result_of(listener.open())
    assert tried == ["::", "0.0.0.0"]
    assert listener.doors == (OpenPort("tls", "0.0.0.0", 5061),)


def test_tls_needs_a_certificate() -> None:
    """An assembly that forgot it is told so before a client is."""
    with pytest.raises(CannotOpen, match="certificate"):
        result_of(_listener(tcp_port=0).open())
    assert _listener().reload() == ()


@pytest.mark.parametrize(
    ("limits", "raised_to", "granted"),
    [
        ((1024, 4096), 1350, ConnectionLimits(1000, 200)),
        ((1024, 1110), 1110, ConnectionLimits(800, 160)),
        ((1024, resource.RLIM_INFINITY), 1350, ConnectionLimits(1000, 200)),
        ((65536, 65536), None, ConnectionLimits(1000, 200)),
        ((resource.RLIM_INFINITY, resource.RLIM_INFINITY), None, ConnectionLimits(1000, 200)),
        ((256, 256), 256, ConnectionLimits(89, 17)),
        ((64, 64), 64, ConnectionLimits(4, 4)),
    ],
)
def test_connections_are_as_many_as_open_files_allow(
    monkeypatch: pytest.MonkeyPatch, limits: tuple[int, int], raised_to: int | None, granted: ConnectionLimits
) -> None:
    """The limit is raised; where the system forbids it, store and shell keep theirs and the log says what to set."""
    raised: list[int] = []
    logged: list[str] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda _, new: raised.append(new[0]))
    monkeypatch.setattr(os, "listdir", lambda folder: ["0"] * 50)  # of /proc/self/fd
    monkeypatch.setattr(OpenFiles, "log", type("Log", (), {"warn": lambda _, text, **fields: logged.append(text)})())
    assert OpenFiles(1000, 200, 36).claim() == granted
    assert raised == ([raised_to] if raised_to is not None else [])
    assert len(logged) == (granted != ConnectionLimits(1000, 200))


def test_the_doors_open_no_more_than_was_granted(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `ulimit` forbids is refused at the door, not where somebody else needs the file."""
    monkeypatch.setattr(OpenFiles, "claim", lambda _: ConnectionLimits(7, 3))
    listener, flows = _with_flows(None, connections=1000, tls_port=0, tcp_port=0)
    with pytest.raises(CannotOpen):
        result_of(listener.open())
    assert listener.granted.web == 3
    assert flows.places.connections == 7
