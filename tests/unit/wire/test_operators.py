"""Certificates of operators: whose they are, and an authority that cannot be read."""

from pathlib import Path

import pytest
from cryptography import x509
from pydantic import ValidationError

from lyncpy.wire.certificate import CertificateUnusable
from lyncpy.wire.operators import holder_of, read_authority
from lyncpy.workloads.web.settings import Settings
from tests.kit.certificates import authority, issue, revocation_list


def test_a_certificate_says_whose_it_is() -> None:
    """By its common name, of which no more is shown than fits."""
    assert holder_of(issue("Anna at the desk").certificate) == "Anna at the desk"
    assert holder_of(issue("A" * 64).certificate) == "A" * 64
    assert holder_of(issue(" ").certificate).startswith("serial number ")


def test_the_authority_is_read_with_its_lists(tmp_path: Path) -> None:
    """In any order, and several of them."""
    file = tmp_path / "operators.pem"
    ours, other = authority("Operators"), authority("Other operators")
    left = issue("Ben", by=ours)
    file.write_bytes(ours.pem + revocation_list(ours, left) + other.pem + revocation_list(other))
    trusted, lists = read_authority(file)
    assert trusted == [ours.certificate, other.certificate]
    assert [one.get_revoked_certificate_by_serial_number(left.certificate.serial_number) is None for one in lists] == [
        False,
        True,
    ]
    assert all(isinstance(one, x509.CertificateRevocationList) for one in lists)


@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"])
def test_a_file_without_an_authority_is_told(tmp_path: Path, content: bytes | None) -> None:
    """With the setting, before anybody is let in."""
    file = tmp_path / "operators.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(CertificateUnusable, match=r"^\[web\] operators_authority: "):
        read_authority(file)


def test_a_port_for_operators_needs_an_authority() -> None:
    """Else it would let nobody in, or anybody."""
    with pytest.raises(ValidationError, match="operators_port lets nobody in without operators_authority"):
        Settings(operators_port=4444)
    given = Settings(operators_port=4444, operators_authority="operators.pem")
    assert [one.setting for one in given.places] == ["[web] https_port", "[web] operators_port"]
    assert Settings(https_port=0, operators_port=4444, operators_authority="x").places == ()
