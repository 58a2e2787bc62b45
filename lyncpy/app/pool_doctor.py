"""What `lyncpy check` sees of the other servers of a pool: each is connected to as clients do that are led to it."""

import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

from cryptography import x509

from lyncpy.app.config import Config
from lyncpy.app.discovery import other_hosts
from lyncpy.contracts.finding import Finding
from lyncpy.contracts.names import domain_of
from lyncpy.wire.certificate import is_for

TIMEOUT_S: Final = 5.0

AT_ONCE: Final = 20
"""Servers that are asked at the same time: one that is silent takes all its time."""


def pool_findings(config: Config) -> Iterator[Finding]:
    """Look at each other server of `[pool] servers`: whether it answers, and shows a certificate for its name and for that of all."""
    sip = config.sections.sip
    places = config.sections.pool.places(sip.tls_port)
    with ThreadPoolExecutor(AT_ONCE) as threads:
        ask = partial(_finding, domain_of(sip.server_name))
        yield from threads.map(ask, [(host, places[host]) for host in other_hosts(config)])


def _finding(server_name: str, place: tuple[str, int]) -> Finding:
    host, port = place
    where = f"[pool] servers: {host} at port {port}"
    context = ssl.create_default_context()
    # Whoever issued it: this machine need not know all authorities that clients trust.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection(place, TIMEOUT_S) as plain,
            context.wrap_socket(plain, server_hostname=host) as connection,
        ):
            told = connection.getpeercert(binary_form=True)
        certificate = x509.load_der_x509_certificate(told or b"")
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or str(error)
        return Finding(good=False, sentence=f"{where} is not reached from here ({said})")
    missing = [name for name in (host, server_name) if not is_for(certificate, name)]
    if missing:
        sentence = (
            f"{where} shows a certificate that is not for {' and '.join(missing)}: clients that are led there refuse it"
        )
        return Finding(good=False, sentence=f"{sentence}; have it issued for both names")
    return Finding(good=True, sentence=f"{where} answers, with a certificate for it and for {server_name}")
