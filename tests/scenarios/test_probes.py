"""Probes at a whole server: what each does, and what it says when something is wrong."""

from collections.abc import Iterator

import pytest

from lyncpy.app.probes import enrollment
from lyncpy.app.probes.device import ProbeSession
from lyncpy.app.probes.keys import ProbeScheme
from lyncpy.app.probes.outcome import ProbeFailed, ProbeStatus
from lyncpy.app.probes.stories import STORIES, ProbeAccount, ProbePlan
from tests.kit.deployment import password_of
from tests.kit.key_pairs import key_of
from tests.kit.pool import Pool
from tests.kit.probes import StageNetwork
from tests.kit.stage import Stage
from tests.kit.web import WEB, Web

PLACE = ("sip.example.com", 5061)


def account(name: str, password: str = "") -> ProbeAccount:
    """Give somebody with their password, or another one."""
    return ProbeAccount(f"{name}@example.com", password or password_of(name))


def probe(stage: Stage, what: str, network: StageNetwork | None = None, **plan: object) -> tuple[str, list[str]]:
    """Do what a probe does; give its sentence and its steps."""
    session = ProbeSession(network or StageNetwork(stage), stage.clock.seconds, 5.0, what)
    given = {"account": account("alice"), "peer": account("bob"), **plan}
    try:
        words = STORIES[what][1](session, ProbePlan(PLACE, **given), stage.wall)  # type: ignore[arg-type]  # by name
        return words, [name for name, _ in session.steps]
    finally:
        session.close()
        stage.passes(1)


def failure(stage: Stage, what: str, network: StageNetwork | None = None, **plan: object) -> ProbeFailed:
    """Give why a probe fails."""
    with pytest.raises(ProbeFailed) as caught:
        probe(stage, what, network, **plan)
    return caught.value


@pytest.mark.parametrize(
    ("what", "words", "steps"),
    [
        ("signin", "alice@example.com signed in by NTLM and out", ["tcp", "signin", "signout"]),
        (
            "presence",
            "alice@example.com saw that bob@example.com is busy",
            ["tcp", "signin", "subscribe", "publish", "notify", "signout"],
        ),
        (
            "im",
            "bob@example.com heard what alice@example.com said",
            ["tcp", "signin", "invite", "message", "bye", "signout"],
        ),
        (
            "conference",
            "alice@example.com made, joined and deleted a conference",
            ["tcp", "signin", "create", "join", "delete", "signout"],
        ),
        ("directory", '1 found by "alice"', ["tcp", "signin", "search", "signout"]),
    ],
)
def test_a_probe_does_what_a_client_does(stage: Stage, what: str, words: str, steps: list[str]) -> None:
    """It leaves nothing behind: nobody is signed in, nothing is kept."""
    assert probe(stage, what) == (words, steps)
    assert stage.shell("endpoints").rows == []
    assert stage.shell("conferences --all").rows == []


def test_presence_is_probed_by_one_alone_too(stage: Stage) -> None:
    """With a second device of the same user."""
    assert probe(stage, "presence", peer=None)[0] == "alice@example.com saw that alice@example.com is busy"


def test_a_wrong_password_is_told_as_such(stage: Stage) -> None:
    """With the number that the server gives, and what to look at."""
    error = failure(stage, "signin", account=account("alice", "wrong"))
    assert error.words == "REGISTER was answered with 401 Unauthorized: name or password are not accepted"
    assert error.remedy == "is the password right? On the server: lyncpy ctl why USER"


def test_a_closed_port_is_told(stage: Stage) -> None:
    """And what may be the reason."""
    stage.network.close()
    error = failure(stage, "signin")
    assert error.words == "nothing listens at sip.example.com:5061"
    assert "is the server running" in error.remedy


def test_a_server_that_says_nothing_is_told(stage: Stage) -> None:
    """After the time that an answer may take."""
    network = StageNetwork(stage)
    network.spoil = lambda data: b"\r\n\r\n"
    assert failure(stage, "signin", network).words == "REGISTER was not answered within 5 s"


@pytest.mark.parametrize(
    ("came", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "is no SIP"),
        (b"\x00\xff" * 100_000, "is no SIP"),
        (b"", "ended the connection"),
    ],
)
def test_garbage_is_told(stage: Stage, came: bytes, words: str) -> None:
    """Whatever it is."""
    network = StageNetwork(stage)
    network.spoil = lambda data: came
    assert words in failure(stage, "signin", network).words


def test_a_message_that_was_changed_on_its_way_is_told(stage: Stage) -> None:
    """The server's signature does not hold."""
    network = StageNetwork(stage)
    network.spoil = lambda data: data.replace(b'rspauth="', b'rspauth="0')
    assert failure(stage, "signin", network).words == "a signature of the server does not hold"


def test_nobody_who_is_found_is_a_failure(stage: Stage) -> None:
    """An empty answer is none."""
    error = failure(stage, "directory", search="nobody at all")
    assert error.words == 'nobody is found by "nobody at all"'


def test_the_other_who_is_not_there_is_a_failure(stage: Stage) -> None:
    """Of the probe's own set-up, where nobody was named."""
    assert failure(stage, "im", peer=None).status is ProbeStatus.UNKNOWN


def test_a_refusal_is_told_with_its_number_and_reason() -> None:
    """As the server gives them to clients."""
    with Stage.opened(policies={"clients": ["block *"]}) as stage:
        error = failure(stage, "signin")
        assert "REGISTER was answered with 403 " in error.words
        assert "(ms-diagnostics " in error.words


def test_a_probe_goes_where_the_server_of_a_pool_sends_it() -> None:
    """As a device whose user is signed in at another one."""
    with Pool.opened(pool={"name": "fe#.example.com"}) as pool:
        pool.passes(4)
        first, second = pool
        second.sign_in("alice")
        pool.passes(1)
        network = StageNetwork(first, second)
        assert probe(first, "signin", network)[0] == "alice@example.com signed in by NTLM and out"
        assert network.places == ["sip.example.com:5061", "fe2.example.com:5061"]


CERTIFICATE_STEPS = ["signin", "metadata", "ticket", "certificate", "signout"]


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """A server with a site, which offers certificates; to make a key takes longer than all else."""
    monkeypatch.setattr(enrollment, "new_key", lambda: key_of("alice"))
    with Stage.opened(web=WEB) as stage:
        yield stage


@pytest.mark.libraries
@pytest.mark.parametrize("scheme", [ProbeScheme.TLS_DSK, ProbeScheme.AUTO])
def test_a_probe_signs_in_with_a_certificate_as_newer_clients_do(site: Stage, scheme: ProbeScheme) -> None:
    """Metadata, ticket, certificate, and the handshake; each is a step, and what follows is signed with its keys."""
    words, steps = probe(site, "signin", scheme=scheme)
    assert words == "alice@example.com signed in by TLS-DSK and out"
    assert sorted(set(steps) - {"tcp"}) == sorted(CERTIFICATE_STEPS)
    assert probe(site, "presence", peer=None, scheme=scheme)[0].endswith("saw that alice@example.com is busy")
    assert len(Web(site).states("alice")) == 3


def test_who_is_to_choose_takes_the_password_where_there_is_no_site(stage: Stage) -> None:
    """As a client that is offered NTLM alone."""
    assert probe(stage, "signin", scheme=ProbeScheme.AUTO)[0] == "alice@example.com signed in by NTLM and out"


def test_the_site_is_probed_with_a_ticket_and_a_certificate(site: Stage) -> None:
    """A ticket alone, where the password is to be proved and no more."""
    assert site_probe(site) == "alice@example.com got a web ticket"
    assert site_probe(site, scheme=ProbeScheme.TLS_DSK) == "alice@example.com got a web ticket and a certificate"


def site_probe(stage: Stage, **plan: object) -> str:
    """Probe the site; give the sentence."""
    session = ProbeSession(StageNetwork(stage), stage.clock.seconds, 5.0, "web")
    given = ProbePlan(("sip.example.com", 443), account("alice"), **plan)  # type: ignore[arg-type]  # by name
    return STORIES["web"][1](session, given, stage.wall)


@pytest.mark.parametrize(
    ("spoil", "step", "words"),
    [
        ((b"CertProvisioningServiceWebTicketProof_SHA1", b"Other"), "metadata", "names no CertProvisioningService"),
        ((b"<saml:Assertion", b"<saml:Other"), "ticket", "the answer has no web ticket"),
        ((b"wsu:Expires>2", b"wsu:Expires>1"), "certificate", "the request for a certificate was answered with 500"),
        ((b"BinarySecurityToken", b"Other"), "certificate", "the answer has no certificate"),
        ((b'sts-uri="https:', b'sts-uri="ftp:'), "signin", "which is no https address"),
        ((b"HTTP/1.1 200", b"HTTP/1.1 404"), "metadata", "mex was answered with 404"),
    ],
)
def test_the_first_step_to_a_certificate_that_fails_is_named(
    site: Stage, spoil: tuple[bytes, bytes], step: str, words: str
) -> None:
    """In words, with the step; nothing further is tried."""
    network = StageNetwork(site)
    network.spoil = lambda data: data.replace(*spoil)
    session = ProbeSession(network, site.clock.seconds, 5.0, "signin")
    with pytest.raises(ProbeFailed, match=words):
        STORIES["signin"][1](session, ProbePlan(PLACE, account("alice"), scheme=ProbeScheme.TLS_DSK), site.wall)
    assert session.steps[-1][0] == step
    session.close()


def test_a_wrong_password_is_told_at_the_ticket(site: Stage) -> None:
    """Where a client would ask for it again."""
    error = failure(site, "signin", account=account("alice", "wrong"), scheme=ProbeScheme.TLS_DSK)
    assert error.words.startswith("the request for a web ticket was answered with 401")
    assert error.remedy == "is the password right? On the server: lyncpy ctl why USER"


@pytest.mark.parametrize(
    ("scheme", "words"),
    [
        (ProbeScheme.TLS_DSK, "the server offers NTLM to sign in with, and no TLS-DSK"),
        (ProbeScheme.KERBEROS, "the server offers NTLM to sign in with, and no Kerberos"),
    ],
)
def test_what_the_server_does_not_offer_is_told(stage: Stage, scheme: ProbeScheme, words: str) -> None:
    """With the setting to look at."""
    error = failure(stage, "signin", scheme=scheme)
    assert error.words == words
    assert "[auth]" in error.remedy
