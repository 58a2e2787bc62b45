"""A certificate opens SIP: on the first day and after a restart, to its user alone, and until somebody ends it."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID
from OpenSSL import SSL

from lyncpy.auth import inner_contexts
from lyncpy.auth.inner_tls import inner_context
from lyncpy.contracts.tls import ServerCredentials
from lyncpy.sip.message import Response
from tests.kit.actors import Actor
from tests.kit.deployment import WALL
from tests.kit.enrollment import DEVICE
from tests.kit.key_pairs import key_of
from tests.kit.sip_client import Exchange
from tests.kit.stage import DOMAIN, Stage
from tests.kit.tls_dsk_client import TlsDskClient
from tests.kit.web import WEB, Web

pytestmark = pytest.mark.libraries


@pytest.fixture
def web(request: pytest.FixtureRequest) -> Iterator[Web]:
    """Give a server with a site, which has more settings where a test says so."""
    with Stage.opened(**{"web": WEB, **getattr(request, "param", {})}) as stage:
        yield Web(stage)


def holder(web: Web, user: str = "alice", device: str = DEVICE) -> TlsDskClient:
    """Have somebody get a certificate for their password."""
    return TlsDskClient(web.client(user).certificate(web.certify(user, device=device)), key_of(user))


def device_of(web: Web, keys: TlsDskClient, user: str = "alice") -> Actor:
    """Give a device that knows no password."""
    return web.stage.actor(user, password="forgotten", keys=keys)


def challenges(answer: Response) -> list[str]:
    """Give the schemes that a 401 offers, in order."""
    return [value.partition(" ")[0] for value in answer.headers.get_all("WWW-Authenticate")]


def reason(exchange: Exchange) -> str:
    """Give what a refusal says."""
    headers = exchange.answer.headers
    return headers.get("ms-diagnostics") or headers.get("ms-diagnostics-public") or ""


def test_a_certificate_signs_in_and_all_else_is_as_ever(web: Web) -> None:
    """The first 401 offers it before NTLM; messages go both ways, signed by both sides."""
    alice = device_of(web, holder(web))
    first = next(iter(alice.sip.registering()))
    assert challenges(first.answer) == ["TLS-DSK", "NTLM"]
    assert 'sts-uri="https://sip.example.com/CertProv/CertProvisioningService.svc"' in (
        first.answer.headers.get("WWW-Authenticate") or ""
    )
    alice.is_cut_off()
    alice.signs_in()
    (bob,) = web.stage.sign_in("bob")
    talk, other = bob.talks_to(alice)
    assert talk.says("do you have a certificate?").status == 200
    assert other.says("yes").status == 200
    alice.publishes(6500)


def test_what_handshakes_need_is_made_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first client of the day is charged with nothing that is made once."""
    made: list[object] = []

    def making(shown: Sequence[ServerCredentials]) -> SSL.Context:
        made.append(shown)
        return inner_context(shown)

    monkeypatch.setattr(inner_contexts, "inner_context", making)
    with Stage.opened(web=WEB) as stage:
        assert len(made) == 1
        web = Web(stage)
        device_of(web, holder(web)).signs_in()
        assert len(made) == 1


def test_an_operator_sees_whose_devices_have_certificates(web: Web) -> None:
    """And when one is good no more: it goes with the password that it was got with."""
    web.client("alice").certificate(web.certify("alice"))
    (row,) = [row for row in web.stage.shell("certificates --issued").rows if row[0] == "issued"]
    assert (str(row[1]), row[9]) == ("alice@example.com", "a device of alice@example.com: good")
    assert web.stage.shell("certificates").counts == {"issued": 1}


def test_the_same_certificate_opens_after_a_restart(web: Web) -> None:
    """The second start of a client, and of the server: nobody types a password."""
    keys = holder(web)
    alice = device_of(web, keys)
    alice.signs_in()
    web.stage.stop()
    web.stage.start()
    again = device_of(web, keys)
    keys.restart()
    again.signs_in()
    assert again.sip.is_signed_in


def test_a_living_connection_gets_new_keys(web: Web) -> None:
    """Nothing said meanwhile is lost, as with a password."""
    alice = device_of(web, holder(web))
    alice.signs_in()
    (bob,) = web.stage.sign_in("bob")
    talk, _ = bob.talks_to(alice)
    alice.sip.keys.restart()
    for number, step in enumerate(alice.sip.registering(), 1):
        assert step.status in (401, 200)
        said = talk.says(f"after step {number}")
    web.stage.passes(1)
    assert said.status == 200
    assert len(alice.texts) == 4


def test_what_an_operator_revokes_ends_what_it_opened(web: Web) -> None:
    """That device has to prove itself anew and cannot; others of the same user stay, and the client is told why."""
    keys = holder(web)
    alice, other = device_of(web, keys), web.stage.actor("alice")
    third = device_of(web, holder(web, device="{0E324752-1B8C-4D3A-9F6B-000000000000}"))
    for device in (alice, other, third):
        device.signs_in()
    (bob,) = web.stage.sign_in("bob")
    serial = str(web.stage.command("user certificates", user="alice@example.com").rows[0][0])
    web.stage.command("user revoke", user="alice@example.com", serial=serial)
    web.stage.settle()
    assert alice.pages(bob, "am I still here?").status == 403
    assert other.pages(bob, "I am").status == third.pages(bob, "so am I").status == 200
    keys.restart()
    refused = alice.sip.register()
    assert refused.status == 401
    assert reason(refused).startswith('1000;reason="Final handshake failed, the certificate was revoked"')
    assert challenges(refused.answer) == ["TLS-DSK", "NTLM"]
    keys.restart()
    web.stage.passes(600)
    assert not alice.sip.is_connected
    (finding,) = [one for one in web.stage.shell("why alice@example.com").rows if "certificate revoked" in str(one)]
    assert "gets another one with the password" in str(finding)


def refused(web: Web, keys: TlsDskClient, user: str = "alice") -> tuple[int, str]:
    """Try to sign in with a certificate; give status and words of the refusal."""
    exchange = device_of(web, keys, user).sip.register()
    assert exchange.status != 200
    assert not keys.ready
    return exchange.status, reason(exchange)


def test_another_users_certificate_opens_nothing(web: Web) -> None:
    """Bob's is good, for Bob; the operator reads whose it was."""
    keys = holder(web, "bob")
    assert refused(web, keys) == (
        403,
        '4004;reason="Credentials provided are not authorized to act as specified from URI"',
    )
    (finding,) = [one for one in web.stage.shell("why alice@example.com").rows if "not this user" in str(one)]
    assert "the certificate is another user's" in str(finding)
    keys.restart()
    assert device_of(web, keys, "bob").sip.register().status == 200


def _forged(name: str, *more: x509.GeneralName) -> TlsDskClient:
    """Make a certificate that says whatever somebody likes."""
    who, today = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), datetime.fromtimestamp(WALL, UTC)
    builder = x509.CertificateBuilder().subject_name(who).issuer_name(who).public_key(key_of("mallory").public_key())
    builder = builder.serial_number(7).not_valid_before(today).not_valid_after(today + timedelta(days=90))
    if more:
        builder = builder.add_extension(x509.SubjectAlternativeName(more), critical=False)
    return TlsDskClient(builder.sign(key_of("mallory"), hashes.SHA256()), key_of("mallory"))


def test_a_certificate_of_ones_own_making_opens_nothing(web: Web) -> None:
    """Neither with the name alone, nor with the owner that a real one has in it; too many of them have to wait."""
    certificate = web.client().certificate(web.certify())
    (owner,) = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    for keys in (_forged(f"alice@{DOMAIN}"), _forged(f"alice@{DOMAIN}", owner)):
        status, words = refused(web, keys)
        assert (status, words.partition(";source")[0]) == (
            401,
            '1000;reason="Final handshake failed, the certificate is not ours"',
        )
    mallory = web.stage.actor("alice", keys=_forged(f"alice@{DOMAIN}", owner))
    for _ in range(6):
        last = mallory.sip.register()
        mallory.is_cut_off()
    assert last.status == 503
    assert "Too many failed sign-ins" in reason(last)


def test_a_stolen_certificate_opens_nothing(web: Web) -> None:
    """It is no secret, its key is."""
    certificate = web.client().certificate(web.certify())
    status, words = refused(web, TlsDskClient(certificate, key_of("mallory")))
    assert (status, words.partition(";source")[0]) == (
        401,
        '1000;reason="Final handshake failed, TLS could not be agreed on"',
    )
    assert refused(web, TlsDskClient(None, key_of("mallory")))[0] == 401


@pytest.mark.parametrize("web", [{"webservices": {"certificate_s": 28_800}}], indirect=True)
def test_an_expired_certificate_opens_nothing(web: Web) -> None:
    """Its association ends with it, and no other begins; not even when its record was cleared of old ones."""
    keys = holder(web)
    alice = device_of(web, keys)
    alice.signs_in()
    web.stage.passes(45_000)
    keys.restart()
    assert "the certificate has expired" in refused(web, keys)[1]
    holder(web, device="{0E324752-1B8C-4D3A-9F6B-000000000000}")
    keys.restart()
    assert "the certificate has expired" in refused(web, keys)[1]


def test_a_new_password_ends_the_certificate_of_the_old_one(web: Web) -> None:
    """What is signed in has to begin anew, and the certificate does not help."""
    keys = holder(web)
    alice = device_of(web, keys)
    alice.signs_in()
    web.stage.sets_password("alice", "another")
    assert alice.pages("sip:bob@example.com", "still here?").status == 403
    keys.restart()
    assert "the certificate was revoked" in refused(web, keys)[1]


def test_who_is_disabled_is_told_so_and_has_no_certificate_any_more(web: Web) -> None:
    """It is revoked with the person, and stays so when they are back."""
    keys = holder(web)
    alice = device_of(web, keys)
    alice.signs_in()
    web.stage.changes("alice", enabled=False)
    web.stage.pulls()
    keys.restart()
    assert refused(web, keys) == (403, '4141;reason="User disabled"')
    web.stage.changes("alice")
    web.stage.pulls()
    keys.restart()
    assert "the certificate was revoked" in refused(web, keys)[1]


@pytest.mark.parametrize("web", [{"auth": {"tls_dsk": False}}], indirect=True)
def test_it_can_be_turned_off(web: Web) -> None:
    """Then clients prove a password, and certificates are for the services alone."""
    keys = holder(web)
    alice = web.stage.actor("alice")
    assert challenges(next(iter(alice.sip.registering())).answer) == ["NTLM"]
    with pytest.raises(AssertionError, match="no challenge of TLS-DSK"):
        device_of(web, keys).sip.register()


def test_without_a_site_nobody_is_offered_it() -> None:
    """A client that is offered it asks for nothing else, and could not get a certificate."""
    with Stage.opened(web={"https_port": 0}) as stage:
        assert challenges(next(iter(stage.actor("alice").sip.registering())).answer) == ["NTLM"]


def test_tokens_are_bounded(web: Web) -> None:
    """Too much in one ends the handshake, and the operator reads that; the next one is as good as any."""
    keys = holder(web)
    whole = keys.spoils
    keys.spoils = lambda flight: flight + bytes(13_000)
    assert "TLS could not be agreed on" in refused(web, keys)[1]
    (finding,) = [one for one in web.stage.shell("why alice@example.com").rows if "TLS handshake failed" in str(one)]
    assert "the token is too long" in str(finding)
    keys.spoils = whole
    keys.restart()
    assert device_of(web, keys).sip.register().status == 200


def offers_told(web: Web) -> list[str]:
    """Give what `why` says of certificates that were offered."""
    return [str(row) for row in web.stage.shell("why alice@example.com").rows if "was offered" in str(row)]


def test_why_tells_of_a_client_that_never_came_for_its_certificate(web: Web) -> None:
    """It ends there, and asks nothing more over SIP; whoever gets one, or uses a password, is not told of."""
    alice = device_of(web, holder(web))
    next(iter(alice.sip.registering()))
    alice.is_cut_off()
    assert offers_told(web) == []
    web.stage.passes(20)
    (told,) = offers_told(web)
    assert "nobody came to the site for it" in told and "lyncpy doctor site" in told
    web.ticket("alice")
    assert offers_told(web) == []
    alice.signs_in()
    (bob,) = web.stage.sign_in("bob")
    web.stage.passes(20)
    assert offers_told(web) == []
    assert bob.sip.is_signed_in
