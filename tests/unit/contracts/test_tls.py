"""The words of OpenSSL."""

from OpenSSL import SSL

from lyncpy.contracts.tls import reason_of


def test_gives_openssls_reason_where_there_is_one() -> None:
    """A broken network has none: that is told apart from a client that TLS turns away."""
    assert reason_of(SSL.Error([("SSL routines", "", "no shared cipher")])) == "no shared cipher"
    assert reason_of(SSL.Error([("system library", "", "")])) == ""
    assert reason_of(SSL.Error([])) == ""
    assert reason_of(SSL.Error()) == ""
