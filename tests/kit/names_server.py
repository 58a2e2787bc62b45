"""A DNS server on 127.0.0.1 with a few names."""

import socket
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Self

from twisted.names import dns


class NamesServer:
    """Answers from a table while it is entered; a name that is not there does not exist.

    Args:
        names: Records by name, each as "A 192.0.2.1", "AAAA ::1", "CNAME other" or "SRV 0 0 5061 host".
        silent: Whether it answers nothing.
    """

    def __init__(self, names: Mapping[str, Sequence[str]], *, silent: bool = False) -> None:
        self._names = names
        self._silent = silent
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.asked: list[str] = []

    @property
    def address(self) -> str:
        """Host and port."""
        host, port = self._socket.getsockname()
        return f"{host}:{port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.sendto(b"", self._socket.getsockname())
        self._thread.join(5)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            data, peer = self._socket.recvfrom(4096)
            if not data:
                return
            if not self._silent:
                self._socket.sendto(self._answer(data), peer)

    def _answer(self, data: bytes) -> bytes:
        asked = dns.Message()
        asked.fromStr(data)
        query = asked.queries[0]
        name = query.name.name.decode()
        self.asked.append(name)
        answers = list(self._answers(name, query.type))
        code = dns.OK if name.lower() in self._names else dns.ENAME
        answer = dns.Message(asked.id, answer=1, rCode=code)
        answer.queries, answer.answers = asked.queries, answers
        return bytes(answer.toStr())

    def _answers(self, name: str, kind: int) -> "list[dns.RRHeader]":
        found = []
        for text in self._names.get(name.lower(), ()):
            word, *values = text.split()
            if word == "CNAME":
                found += [_record(name, dns.CNAME, dns.Record_CNAME(values[0])), *self._answers(values[0], kind)]
            elif word == "A" and kind == dns.A:
                found.append(_record(name, dns.A, dns.Record_A(values[0])))
            elif word == "AAAA" and kind == dns.AAAA:
                found.append(_record(name, dns.AAAA, dns.Record_AAAA(values[0])))
            elif word == "SRV" and kind == dns.SRV:
                priority, weight, port = map(int, values[:3])
                found.append(_record(name, dns.SRV, dns.Record_SRV(priority, weight, port, values[3].rstrip("."))))
        return found


def _record(name: str, kind: int, payload: Any) -> "dns.RRHeader":  # Any: each kind has its own class
    return dns.RRHeader(name, kind, payload=payload)
