"""What is replaced on the disk is taken up by itself, unless it is worse than what is in use: certificate, operators' authority, icon."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock

from lyncpy.app.followed_files import LOOK_S, FollowedFiles, Following
from lyncpy.app.site_files import of_certificate, of_icon, of_operators
from lyncpy.core.timers import Timers
from lyncpy.wire.certificate import Certificate, CheckedCredentials
from lyncpy.wire.operators import OperatorsAuthority
from lyncpy.wire.settings import Settings
from lyncpy.workloads.web.icon import OUR_ICON, IconFile
from tests.kit.certificates import TODAY, authority, issue, put, revocation_list
from tests.kit.results import result_of

NAMES = ("sip.example.com", "meet.example.com", "sip.example.org")


class Server:
    """What has a certificate, and looks at its files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = Clock()
        self.timers = Timers(self.clock, self.clock.seconds)
        settings = Settings(domain="example.com")
        self.certificate = Certificate(settings, folder, self.wall)
        self.files = FollowedFiles(self.following(), maybeDeferred, self.timers)
        result_of(self.files.open())

    def following(self) -> Following[CheckedCredentials]:
        """Say what is followed."""
        return of_certificate(self.certificate, NAMES, self.wall)

    def wall(self) -> datetime:
        """Say what the clock says."""
        return TODAY + timedelta(seconds=self.clock.seconds())

    def looks(self, count: int = 2) -> None:
        """Let so many looks pass."""
        self.clock.pump([LOOK_S] * count)

    @property
    def shown(self) -> x509.Certificate:
        """What new connections see."""
        return self.certificate.credentials.certificate

    @property
    def refused(self) -> str:
        """Why another one is not in use."""
        return " ".join(f"{one.finding}; {one.remedy}" for one in self.files.conditions())


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """One with a good certificate, for two of the names that clients ask."""
    put(tmp_path, issue("sip.example.com", "meet.example.com"), authority())
    found = Server(tmp_path)
    yield found
    result_of(found.files.close())
    assert len(found.timers) == 0


def test_a_new_certificate_is_taken_up_by_itself(server: Server) -> None:
    """A client of an authority that renews it has to tell nobody."""
    context, fresh = server.certificate.context, issue(*NAMES)
    put(server.folder, fresh, authority())
    server.looks()
    assert server.shown == fresh.certificate
    assert server.certificate.context is not context
    assert server.refused == ""


def test_what_is_being_written_is_left_alone(server: Server) -> None:
    """Certificate and key are two files; between them nothing fits, and nobody has to hear of that."""
    before, fresh = server.shown, issue(*NAMES)
    (server.folder / "server.pem").write_bytes(fresh.pem + authority().pem)
    server.looks(1)
    assert (server.shown, server.refused) == (before, "")
    (server.folder / "server.key").write_bytes(fresh.key_pem())
    server.looks(1)
    assert (server.shown, server.refused) == (before, "")
    server.looks(1)
    assert server.shown == fresh.certificate


def _other_name(folder: Path) -> None:
    put(folder, issue("sip.example.com", "sip.example.org"), authority())


def _for_clients(folder: Path) -> None:
    put(folder, issue(*NAMES, usage=x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH), authority())


def _ends_soon(folder: Path) -> None:
    put(folder, issue(*NAMES, days=(-30, 20)), authority())


def _strange_issuer(folder: Path) -> None:
    put(folder, issue(*NAMES, by=issue("Test Authority")), authority())


def _without_issuer(folder: Path) -> None:
    put(folder, issue(*NAMES))


def _ended(folder: Path) -> None:
    put(folder, issue(*NAMES, days=(-30, -1)), authority())


def _other_key(folder: Path) -> None:
    (folder / "server.key").write_bytes(issue(*NAMES).key_pem())


def _gone(folder: Path) -> None:
    (folder / "server.pem").unlink()


def _weak(folder: Path) -> None:
    put(folder, issue(*NAMES, key=rsa.generate_private_key(65537, 1024)), authority())


WORSE: list[tuple[Callable[[Path], None], str]] = [
    (_other_name, "it is not for meet.example.com, which the one in use is for"),
    (_for_clients, "it is not meant for servers"),
    (_ends_soon, "with its issuers it ends on 2030-02-04 12:00 UTC, before the one in use"),
    (_strange_issuer, "CN=Test Authority stands behind it as its issuer, and has not signed it"),
    (_without_issuer, "the certificates of its issuers are missing"),
    (_ended, "ended on 2030-01-14"),
    (_other_key, "is not the key of the certificate"),
    (_gone, "there is no file"),
    (_weak, "OpenSSL cannot use it"),
]


@pytest.mark.parametrize(("spoil", "says"), WORSE)
def test_one_that_is_worse_is_refused_with_the_reason(server: Server, spoil: Callable[[Path], None], says: str) -> None:
    """Clients go on with the one in use, and the operator reads why; what is mended is taken up."""
    before = server.shown
    spoil(server.folder)
    server.looks()
    assert server.shown == before
    assert says in server.refused
    assert "the one in use stays" in server.refused
    server.looks(5)
    assert says in server.refused
    good = issue(*NAMES)
    put(server.folder, good, authority())
    server.looks()
    assert (server.shown, server.refused) == (good.certificate, "")


def test_many_lost_names_are_few_in_the_sentence(tmp_path: Path) -> None:
    """A certificate for a hundred names is no reason for a sentence of a page."""
    many = [f"sip.d{number}.example" for number in range(9)]
    put(tmp_path, issue(*many))
    settings, clock = Settings(domain="example.com"), Clock()
    certificate = Certificate(settings, tmp_path, lambda: TODAY)
    following = of_certificate(certificate, many, lambda: TODAY)
    files = FollowedFiles(following, maybeDeferred, Timers(clock, clock.seconds))
    result_of(files.open())
    put(tmp_path, issue("other.example"))
    clock.pump([LOOK_S] * 2)
    assert "sip.d4.example and 4 more, which" in files.conditions()[0].finding
    result_of(files.close())


@pytest.mark.untraced
def test_one_that_has_not_begun_is_taken_up_when_it_begins(server: Server) -> None:
    """Nobody has to come back at midnight."""
    fresh = issue(*NAMES, days=(1, 365))
    put(server.folder, fresh, authority())
    server.looks()
    assert "begins on 2030-01-16" in server.refused
    server.clock.pump([LOOK_S] * 8641)
    assert (server.shown, server.refused) == (fresh.certificate, "")


def test_any_that_can_be_used_is_better_than_one_that_has_ended(tmp_path: Path) -> None:
    """Whatever it lacks."""
    put(tmp_path, issue(*NAMES, days=(-30, 1)), authority())
    server = Server(tmp_path)
    server.clock.advance(90_000)
    put(tmp_path, issue("sip.example.com", days=(-30, 3)))
    server.looks(3)
    assert server.refused == ""
    assert server.certificate.credentials.names == ("sip.example.com",)
    result_of(server.files.close())


def test_a_reload_uses_what_was_refused(server: Server) -> None:
    """An operator may know better."""
    _other_name(server.folder)
    server.looks()
    assert server.refused
    server.certificate.reload()
    assert server.refused == ""
    server.looks()
    assert server.refused == ""
    assert server.certificate.credentials.names == ("sip.example.com", "sip.example.org")


def test_who_asks_has_what_can_be_used_at_once(server: Server) -> None:
    """And hears of what cannot."""
    _other_name(server.folder)
    server.files.reload()
    assert (server.certificate.credentials.names[1], server.refused) == ("sip.example.org", "")
    _gone(server.folder)
    server.files.reload()
    assert "there is no file" in server.refused


def test_an_authority_of_operators_is_taken_up_with_its_lists(server: Server) -> None:
    """Who has left cannot come in from the next connection on, and a file that holds nothing keeps nobody out."""
    ours, file = authority("Operators"), server.folder / "operators.pem"
    file.write_bytes(ours.pem)
    operators = OperatorsAuthority(server.certificate, file)
    files = FollowedFiles(of_operators(operators), maybeDeferred, server.timers)
    result_of(files.open())
    before = operators.context()
    assert operators.context() is before
    file.write_bytes(ours.pem + revocation_list(ours, issue("Ben", by=ours)))
    server.looks()
    after = operators.context()
    assert after is not before
    file.write_bytes(b"")
    server.looks()
    assert operators.context() is after
    (said,) = files.conditions()
    assert said.finding.startswith("the file of [web] operators_authority changed, and what is there is not used: ")
    result_of(files.close())


def test_an_icon_is_shown_when_it_can_be(server: Server) -> None:
    """Also one that was missing at the start."""
    file = server.folder / "icon.png"
    icon = IconFile(file)
    files = FollowedFiles(of_icon(icon), maybeDeferred, server.timers)
    result_of(files.open())
    server.looks()
    assert (icon.icon, files.conditions()) == (OUR_ICON, ())
    file.write_bytes(b"\x89PNG\r\n\x1a\n...")
    server.looks()
    assert (icon.icon.media_type, files.conditions()) == ("image/png", ())
    file.write_bytes(b"GIF89a")
    server.looks()
    assert "neither PNG nor SVG" in files.conditions()[0].finding
    assert icon.icon.media_type == "image/png"
    result_of(files.close())
    assert IconFile(None).read() is OUR_ICON


def test_what_is_put_back_is_no_trouble(server: Server) -> None:
    """Whoever took the wrong file puts the right one back."""
    old = [(server.folder / name, (server.folder / name).read_bytes()) for name in ("server.pem", "server.key")]
    _other_key(server.folder)
    server.looks()
    assert server.refused
    for file, content in old:
        file.write_bytes(content)
    server.looks()
    assert server.refused == ""


def test_a_look_that_ends_after_the_close_changes_nothing(tmp_path: Path) -> None:
    """The server ends while a thread reads."""
    put(tmp_path, issue(*NAMES), authority())
    server, held = Server(tmp_path), list[Deferred[None]]()

    def in_thread(call: Callable[[], object]) -> Deferred[object]:
        held.append(Deferred())
        return held[-1].addCallback(lambda _: call())

    files = FollowedFiles(server.following(), in_thread, server.timers)
    result_of(server.files.close())
    result_of(files.open())
    before = server.shown
    put(tmp_path, issue(*NAMES), authority())
    for _ in range(2):
        server.looks(1)
        held[-1].callback(None)
    assert len(held) == 3, "it reads"
    result_of(files.close())
    held[-1].callback(None)
    assert (server.shown, len(server.timers)) == (before, 0)
