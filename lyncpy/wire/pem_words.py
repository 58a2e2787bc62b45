"""What a file holds in the place of a certificate or a key, told to whoever put it there. Pure."""

from typing import Final

_KEY: Final = b"PRIVATE KEY-----"
_SWAPPED: Final = "the two settings may have been swapped"
_CUT: Final = "but one that is damaged or cut off: bring it here whole"
_PKCS12: Final = b"\x02\x01\x03\x30"
"""The version that PKCS #12 begins with, and the sequence behind it (RFC 7292 §4)."""

_OTHERS: Final = (
    (b"-----BEGIN CERTIFICATE REQUEST", "but a request for one: put there what the authority answers to it"),
    (b"-----BEGIN NEW CERTIFICATE REQUEST", "but a request for one: put there what the authority answers to it"),
    (b"-----BEGIN TRUSTED CERTIFICATE", "but one in a form of OpenSSL alone: `openssl x509 -in FILE` writes it as PEM"),
    (b"-----BEGIN PKCS7", "but PKCS #7: `openssl pkcs7 -print_certs -in FILE` writes what is in it as PEM"),
    (b"-----BEGIN PUBLIC KEY", "but a public key: name the private one"),
    (b"-----BEGIN OPENSSH", "but a key as OpenSSH keeps it: `ssh-keygen -p -m PKCS8 -f FILE` writes it as PEM"),
)


def instead(data: bytes, *, of_key: bool) -> str:
    """Say what a file holds, and what to do about it: how a sentence goes on.

    Args:
        data: All of it.
        of_key: Whether a private key was looked for; else certificates.
    """
    told = next((words for begins, words in _OTHERS if begins in data), "")
    if told:
        return f", {told}"
    if _KEY in data:
        return f", {_CUT}" if of_key else f", but a private key: name the certificate; {_SWAPPED}"
    if b"-----BEGIN CERTIFICATE" in data:
        return f", but a certificate: name its key; {_SWAPPED}" if of_key else f", {_CUT}"
    if data[:1] == b"\x30" and _PKCS12 in data[:12]:
        which = "-nocerts -nodes" if of_key else "-nokeys"
        return f", but PKCS #12 (.pfx): `openssl pkcs12 {which} -in FILE` writes what is in it as PEM"
    if data[:1] == b"\x30":
        word = "pkey" if of_key else "x509"
        return f", but what may be DER: `openssl {word} -inform DER -in FILE` writes it as PEM"
    return ": put what the authority has sent there, which begins with -----BEGIN"
