"""What a failure means, in words."""

import errno
import ssl

import pytest

from lyncpy.app.probes import advice
from lyncpy.sip.message import Headers, Response


def verification(words: str) -> ssl.SSLCertVerificationError:
    """Give what OpenSSL says of a certificate."""
    error = ssl.SSLCertVerificationError(1, "failed")
    error.verify_message = words
    return error


def tls(reason: str) -> ssl.SSLError:
    """Give what OpenSSL says of a handshake."""
    error = ssl.SSLError(1, reason)
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("error", "words", "remedy"),
    [
        (verification("self-signed certificate in chain"), "is not accepted: self-signed", "--ca"),
        (verification("unable to get local issuer certificate"), "is not accepted", "intermediate"),
        (verification("certificate has expired"), "has expired", "renew it"),
        (verification("certificate is not yet valid"), "not yet valid", "clocks"),
        (verification("Hostname mismatch, certificate is not valid for 'x'."), "Hostname mismatch", "--name"),
        (verification("something new"), "something new", "lyncpy doctor certificate"),
        (TimeoutError(), "does not answer the TLS handshake", "with TLS"),
        (tls("WRONG_VERSION_NUMBER"), "speaks no TLS", "tls_port"),
        (tls("NO_SHARED_CIPHER"), "failed: NO_SHARED_CIPHER", "ciphers"),
        (ssl.SSLZeroReturnError(6, "closed"), "ended the connection in the TLS handshake", "full or busy"),
        (ssl.SSLEOFError(8, "EOF occurred"), "ended the connection in the TLS handshake", "full or busy"),
        (ConnectionResetError(errno.ECONNRESET, "reset"), "ended the connection in the TLS handshake", "full or busy"),
    ],
)
def test_a_handshake_that_failed_is_told(error: OSError, words: str, remedy: str) -> None:
    """With what to do."""
    found = advice.no_tls("sip.example.com:5061", error)
    assert words in found.words
    assert remedy in found.remedy


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TimeoutError(), "does not answer"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), "nothing listens at"),
        (OSError(errno.EHOSTUNREACH, "No route to host"), "no way to"),
        (OSError(errno.EPERM, "not permitted"), "cannot be reached: not permitted"),
    ],
)
def test_a_connection_that_is_not_made_is_told(error: OSError, words: str) -> None:
    """As the system says it, in words for an operator."""
    assert words in advice.no_connection("sip.example.com:5061", error).words


def test_a_refusal_is_told_with_its_diagnostics() -> None:
    """And with when to come again."""
    response = Response(
        503, "Service Unavailable", Headers([("ms-diagnostics", '1;reason="Busy";source="x"'), ("Retry-After", "30")])
    )
    found = advice.refused("REGISTER", response)
    assert found.words == (
        "REGISTER was answered with 503 Service Unavailable (ms-diagnostics 1: Busy), and asks to come again in 30 s"
    )
    assert "lyncpy ctl conditions" in found.remedy
    assert "lyncpy ctl why" in advice.refused("INVITE", Response(606, "x", Headers([]))).remedy


def test_a_name_that_leads_nowhere_is_told() -> None:
    """With what to look at."""
    found = advice.no_name("nowhere", OSError(-2, "Name or service not known"))
    assert 'the name "nowhere" has no address' in found.words
    assert "lyncpy dns" in found.remedy
