"""The names that clients write into an NTLM proof, and which of them say that it is for somebody else."""

import pytest

from lyncpy.auth.addressee import Addressee
from lyncpy.contracts.kerberos import HTTP_SERVICE, SIP_SERVICE

SIP = Addressee(SIP_SERVICE, ("fe1.contoso.test", "", "Pool1.contoso.test."), is_told=True)
WEB = Addressee(HTTP_SERVICE, ("fe1.contoso.test", "2001:db8::1"), is_told=False)


@pytest.mark.parametrize(
    "name",
    [
        "fe1.contoso.test",  # the targetname of our challenge ([MS-SIPAE] 4.1)
        "sip/fe1.contoso.test",  # where it is a whole SPN
        "fe1.contoso.test/",  # Apple's GSSAPI, of a name without a host
        "fe1/",
        "FE1",
        "pool2.contoso.test",  # whatever `target_name` was when the client was challenged
        "contoso.test",
        "192.0.2.1",
        "192.0.2.1/",
        "SIP/fe1.contoso.test:5061",
        "sip/fe1.contoso.test@CONTOSO.TEST",
        "sip/fe1.contoso.test/contoso.test",
        "sip/[2001:db8::1]",
        "sip/",
        "/fe1.contoso.test",
        "host/fe1.contoso.test",
        "HOST/pool1.contoso.test",
    ],
)
def test_over_sip_a_client_writes_what_it_is_told(name: str) -> None:
    """In whatever form its system gives that; a host proves nothing there."""
    assert SIP.other_in((name,)) == ""


@pytest.mark.parametrize(
    "name",
    [
        "HTTP/fe1.contoso.test",
        "cifs/fe1.contoso.test",
        "ldap/dc1.contoso.test/contoso.test",
        "MSSQLSvc/db.contoso.test:1433",
        "RPCSS/fe1.contoso.test",
        "E3514235-4B06-11D1-AB04-00C04FC2DCD2/dc1.contoso.test",
        "TERMSRV/fe1.contoso.test",
        "host/other.contoso.test",
        "sips/fe1.contoso.test",
    ],
)
def test_what_names_another_service_is_not_for_sip(name: str) -> None:
    """A file or web server, to which somebody's browser was led."""
    assert SIP.other_in(("sip/fe1.contoso.test", name)) == name


@pytest.mark.parametrize(
    "name",
    [
        "HTTP/fe1.contoso.test",
        "http/FE1.Contoso.Test.:443",
        "HTTP/[2001:db8::1]:443",
        "HTTP/fe1.contoso.test@CONTOSO.TEST",
        "host/fe1.contoso.test",  # .NET
        "fe1.contoso.test",
    ],
)
def test_over_http_a_client_writes_the_host_of_the_url(name: str) -> None:
    """That of the site has to be one of its names."""
    assert WEB.other_in((name,)) == ""


@pytest.mark.parametrize(
    "name", ["HTTP/fe2.contoso.test", "host/fe2.contoso.test", "sip/fe1.contoso.test", "HTTP/", "FE1", "/"]
)
def test_another_host_is_not_the_site(name: str) -> None:
    """Nor is a short name, for which anybody in the same network could answer."""
    assert WEB.other_in((name, "HTTP/evil.test")) == name


def test_who_names_nobody_is_for_anybody() -> None:
    """As pidgin-sipe."""
    assert SIP.other_in(()) == WEB.other_in(()) == ""
