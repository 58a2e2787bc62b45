"""The server's certificate: what is wrong with it is said in a sentence that names the setting."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed448, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL import SSL
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs

from lyncpy.core.timers import Timers
from lyncpy.wire.certificate import (
    KEYS_S,
    Certificate,
    CertificateUnusable,
    CertificateWatch,
    read_credentials,
)
from lyncpy.wire.settings import Settings
from tests.kit.certificates import TODAY, authority, issue, put, put_both
from tests.kit.meters import MemoryMeter
from tests.kit.results import result_of

SETTINGS = Settings(domain="example.com")
_RSA = rsa.generate_private_key(65537, 2048)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a good certificate, as a fresh installation has."""
    put(tmp_path, issue("sip.example.com", "192.0.2.1"), authority())
    return tmp_path


def test_a_good_certificate_raises_no_doubts(folder: Path) -> None:
    """Certificate, key and the issuer that follows in the same file are taken."""
    credentials = read_credentials(SETTINGS, folder, TODAY)
    assert credentials.names == ("sip.example.com", "192.0.2.1")
    assert credentials.chain == (authority().certificate,)
    assert credentials.doubts("sip.example.com", TODAY) == ()
    assert credentials.expires == TODAY + timedelta(days=365)


def _no_certificate(folder: Path) -> None:
    (folder / "server.pem").unlink()


def _no_key(folder: Path) -> None:
    (folder / "server.key").unlink()


def _a_folder_as_key(folder: Path) -> None:
    (folder / "server.key").unlink()
    (folder / "server.key").mkdir()


def _a_certificate_as_key(folder: Path) -> None:
    (folder / "server.key").write_bytes((folder / "server.pem").read_bytes())


def _a_key_as_certificate(folder: Path) -> None:
    (folder / "server.pem").write_bytes((folder / "server.key").read_bytes())


def _a_broken_certificate(folder: Path) -> None:
    (folder / "server.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")


def _another_key(folder: Path) -> None:
    (folder / "server.key").write_bytes(issue("sip.example.com").key_pem())


def _a_locked_key(folder: Path) -> None:
    issued = issue("sip.example.com")
    put(folder, issued)
    (folder / "server.key").write_bytes(issued.key_pem(b"secret"))


def _an_odd_key(folder: Path) -> None:
    key = ed448.Ed448PrivateKey.generate()
    (folder / "server.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def _an_old_certificate(folder: Path) -> None:
    put(folder, issue("sip.example.com", days=(-400, -1)))


def _a_coming_certificate(folder: Path) -> None:
    put(folder, issue("sip.example.com", days=(1, 400)))


def _a_weak_key(folder: Path) -> None:
    put(folder, issue("sip.example.com", key=rsa.generate_private_key(65537, 1024)))


def _two_keys_of_one_kind(folder: Path) -> None:
    put_both(folder, issue("sip.example.com"), issue("sip.example.com"))


def _a_key_too_many(folder: Path) -> None:
    key = issue("sip.example.com", key=_RSA).key_pem()
    (folder / "server.key").write_bytes((folder / "server.key").read_bytes() + key)


def _an_old_one_beside(folder: Path) -> None:
    put_both(folder, issue("sip.example.com", key=_RSA), issue("sip.example.com", days=(-400, -1)))


FAULTS: list[tuple[Callable[[Path], None], str, str]] = [
    (_no_certificate, "[sip] certificate: ", "there is no file"),
    (_no_key, "[sip] private_key: ", "there is no file"),
    (_a_folder_as_key, "[sip] private_key: ", "cannot be read"),
    (_a_certificate_as_key, "[sip] private_key: ", "no private key in PEM"),
    (_a_key_as_certificate, "[sip] certificate: ", "no certificate in PEM"),
    (_a_broken_certificate, "[sip] certificate: ", "no certificate in PEM"),
    (_another_key, "[sip] private_key: ", "not the key of the certificate"),
    (_a_locked_key, "[sip] private_key: ", "passphrase"),
    (_an_odd_key, "[sip] private_key: ", "neither RSA nor ECDSA"),
    (_an_old_certificate, "[sip] certificate: ", "ended on 2030-01-14"),
    (_a_coming_certificate, "[sip] certificate: ", "begins on 2030-01-16"),
    (_a_weak_key, "[sip] certificate: ", "too small"),
    (_two_keys_of_one_kind, "[sip] private_key: ", "two keys of one kind"),
    (_a_key_too_many, "[sip] private_key: ", "not the key of the certificate"),
    (_an_old_one_beside, "[sip] certificate: ", "ended on 2030-01-14"),
]


@pytest.mark.parametrize(("spoil", "begins", "says"), FAULTS, ids=[fault[0].__name__ for fault in FAULTS])
def test_a_fault_is_said_in_a_sentence(folder: Path, spoil: Callable[[Path], None], begins: str, says: str) -> None:
    """The operator reads which setting is wrong and why; the server does not start."""
    spoil(folder)
    with pytest.raises(CertificateUnusable) as caught:
        Certificate(SETTINGS, folder, lambda: TODAY)
    sentence = str(caught.value)
    assert sentence.startswith(begins)
    assert says in sentence


def test_two_kinds_of_key_are_read_from_the_same_files(folder: Path) -> None:
    """In either order; the one of RSA is the first, their issuer stands in no chain twice, and neither in the other's."""
    ours = issue("sip.example.com", key=_RSA), issue("sip.example.com")
    for written in (ours, ours[::-1]):
        put_both(folder, *written)
        credentials = read_credentials(SETTINGS, folder, TODAY)
        assert credentials.certificate == ours[0].certificate
        assert [one.certificate for one in credentials.also] == [ours[1].certificate]
        assert credentials.chain == credentials.also[0].chain == (authority().certificate,)
        assert credentials.doubts("sip.example.com", TODAY) == ()


def test_what_clients_dislike_of_either_is_told(folder: Path) -> None:
    """The second certificate is for another name, ends sooner, or is not for servers."""
    put_both(
        folder,
        issue("sip.example.com", key=_RSA),
        issue("sip.example.net", days=(-1, 9), usage=ExtendedKeyUsageOID.CLIENT_AUTH),
    )
    credentials = read_credentials(SETTINGS, folder, TODAY)
    assert not credentials.covers("sip.example.com")
    ends, named, meant = credentials.doubts("sip.example.com", TODAY)
    assert "certificate ends in 9 days" in ends
    assert "not for server_name 'sip.example.com' but for sip.example.net" in named
    assert "not meant for servers" in meant


def test_a_chain_of_its_own_is_read_too(folder: Path) -> None:
    """Issuers may stand in a file of their own, and its faults are named as its own."""
    (folder / "chain.pem").write_bytes(authority("Another").pem)
    settings = Settings(domain="example.com", chain="chain.pem")
    assert read_credentials(settings, folder, TODAY).chain[-1] == authority("Another").certificate
    (folder / "chain.pem").write_bytes(b"nothing")
    with pytest.raises(CertificateUnusable, match="chain"):
        read_credentials(settings, folder, TODAY)


@pytest.mark.parametrize(
    ("names", "server_name", "fits"),
    [
        (("sip.example.com",), "SIP.example.com", True),
        (("*.example.com",), "sip.example.com", True),
        (("*.example.com",), "a.sip.example.com", False),
        (("*.com",), "com", False),
        (("192.0.2.1",), "192.0.2.1", True),
        (("other.example.com",), "sip.example.com", False),
        ((), "sip.example.com", False),
    ],
)
def test_doubts_a_certificate_for_another_name(
    tmp_path: Path, names: tuple[str, ...], server_name: str, fits: bool
) -> None:
    """Clients refuse a certificate that is not for the name they connect to; the log says so first."""
    put(tmp_path, issue(*names))
    doubts = read_credentials(SETTINGS, tmp_path, TODAY).doubts(server_name, TODAY)
    assert (doubts == ()) is fits
    assert fits or "server_name" in doubts[0]


def test_doubts_a_certificate_that_ends_soon_or_is_for_something_else(tmp_path: Path) -> None:
    """What will go wrong is said before it does."""
    put(tmp_path, issue("sip.example.com", days=(-300, 10), usage=ExtendedKeyUsageOID.CLIENT_AUTH))
    ends, usage = read_credentials(SETTINGS, tmp_path, TODAY).doubts("sip.example.com", TODAY)
    assert "ends in 10 days" in ends
    assert "serverAuth" in usage


def test_doubts_an_issuer_that_has_not_signed_it(folder: Path) -> None:
    """It has the name of the one that has: an older one of the same authority, say."""
    put(folder, issue("sip.example.com", by=issue("Test Authority")), authority())
    (doubt,) = read_credentials(SETTINGS, folder, TODAY).doubts("sip.example.com", TODAY)
    assert "CN=Test Authority stands behind it as its issuer, and has not signed it" in doubt


def test_a_certificate_for_any_use_is_for_servers(tmp_path: Path) -> None:
    """Without a list of uses, or with one for everything, there is nothing to doubt."""
    for usage in (None, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE):
        put(tmp_path, issue("sip.example.com", usage=usage))
        assert read_credentials(SETTINGS, tmp_path, TODAY).doubts("sip.example.com", TODAY) == ()


def test_reload_swaps_a_good_certificate_and_keeps_the_old_one_otherwise(folder: Path) -> None:
    """A bad file on disk does not take the running server down, nor half of it."""
    certificate = Certificate(SETTINGS, folder, lambda: TODAY)
    first, credentials = certificate.context, certificate.credentials
    _another_key(folder)
    with pytest.raises(CertificateUnusable):
        certificate.reload()
    assert (certificate.context, certificate.credentials) == (first, credentials)
    put(folder, issue("other.example.com"))
    (doubt,) = certificate.reload()
    assert "other.example.com" in doubt
    assert certificate.context is not first


@pytest.mark.parametrize(
    ("left_days", "says"),
    [
        (31.0, ""),
        (29.9, "ends in 29 days, on 2031-02-19 12:00 UTC"),
        (1.5, "ends in 1 day, on 2031-02-19 12:00 UTC"),
        (0.5, "ends today, on 2031-02-19 12:00 UTC"),
        (-1.0, "ended on 2031-02-19 12:00 UTC; clients refuse to connect"),
    ],
)
def test_the_end_is_told_from_thirty_days_before(folder: Path, left_days: float, says: str) -> None:
    """An operator has time to renew it, and reads afterwards why nobody gets in."""
    put(folder, issue("sip.example.com", days=(-30, 400)))
    credentials = read_credentials(SETTINGS, folder, TODAY)
    ending = credentials.ending(credentials.expires - timedelta(days=left_days))
    assert says in ending
    assert bool(ending) is bool(says)


def test_an_issuer_that_ends_first_is_told(folder: Path) -> None:
    """Clients refuse a certificate with its issuer."""
    ours = issue("sip.example.com")
    put(folder, ours, issue("Middle Authority", days=(-30, 5)))
    assert "its issuer CN=Middle Authority ends in 5 days" in read_credentials(SETTINGS, folder, TODAY).ending(TODAY)


def test_the_keys_of_tickets_are_replaced(folder: Path) -> None:
    """With the context, for connections to come; the certificate stays."""
    clock = Clock()
    certificate = Certificate(SETTINGS, folder, lambda: TODAY)
    timers = Timers(clock, clock.seconds)
    watch = CertificateWatch(certificate, timers, MemoryMeter())
    result_of(watch.open())
    contexts = [certificate.context]
    for _ in range(2):
        clock.advance(KEYS_S - 600)
        assert certificate.context is contexts[-1]
        clock.advance(660)
        assert certificate.context not in contexts
        contexts.append(certificate.context)
    result_of(watch.close())
    assert len(timers) == 0


def test_a_server_that_runs_tells_that_its_certificate_ends(folder: Path) -> None:
    """To whoever asks, until a new one is in place; the log has it from them, once."""
    clock = Clock()
    put(folder, issue("sip.example.com", days=(-30, 31)))
    certificate = Certificate(SETTINGS, folder, lambda: TODAY + timedelta(seconds=clock.seconds()))
    timers = Timers(clock, clock.seconds)
    meter = MemoryMeter()
    watch = CertificateWatch(certificate, timers, meter)
    result_of(watch.open())
    with capturedLogs() as events:
        clock.pump([86_400.0] * 2)
        (condition,) = watch.conditions()
        assert "ends in 29 days" in condition.finding
        assert meter.gauges["lyncpy_wire_certificate_left_seconds"]() == 29 * 86_400
        assert "ends in 29 days" in certificate.reload()[0]
        clock.pump([86_400.0] * 2)
        put(folder, issue("sip.example.com"))
        certificate.reload()
        clock.pump([86_400.0] * 2)
    assert not [one for one in events if one["log_level"] is not LogLevel.info]
    assert watch.conditions() == ()
    result_of(watch.close())
    assert len(timers) == 0


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (1, 2, 0)])
def test_a_bundle_is_put_in_order(tmp_path: Path, order: tuple[int, ...]) -> None:
    """Authorities hand out the server's certificate first or last; clients need it first, each issuer behind."""
    middle = issue("Middle", by=authority())
    ours = issue("sip.example.com", by=middle)
    bundle = [ours.pem, middle.pem, authority().pem]
    (tmp_path / "server.pem").write_bytes(b"".join(bundle[place] for place in order))
    (tmp_path / "server.key").write_bytes(ours.key_pem())
    credentials = read_credentials(SETTINGS, tmp_path, TODAY)
    assert credentials.certificate == ours.certificate
    assert credentials.chain == (middle.certificate, authority().certificate)


def test_the_suite_that_costs_least_comes_first(folder: Path) -> None:
    """Whatever order a client has: all of them are strong."""
    certificate = Certificate(SETTINGS, folder, lambda: TODAY)
    ciphers = SSL.Connection(certificate.context, None).get_cipher_list()
    assert ciphers[:3] == ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"]
