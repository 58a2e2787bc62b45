"""What reads text from outside, or text that was stored from it: each by itself, and a text that it likes.

A row for each reader; a new one gets a row here, and `scripts/fuzz` tries it.
"""

import contextlib
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Final

from OpenSSL import SSL

from lyncpy.auth.inner_tls import InnerTls, InnerTlsFailed, inner_context
from lyncpy.auth.kerberos import read_token
from lyncpy.auth.ntlm import OFFERED_ALONE, is_negotiate, read_authenticate
from lyncpy.backends.kerberos_tokens import ticket_label
from lyncpy.backends.nats.credentials import Credentials
from lyncpy.backends.nats.encoding import MessageUnreadable, read_answer, read_fact, read_question, read_sign
from lyncpy.backends.nats.frames import FrameDecoder
from lyncpy.backends.nats.session import NatsSession, SessionTerms
from lyncpy.backends.people import read_people
from lyncpy.contracts.addresses import BadDirectoryEntry, address_of
from lyncpy.contracts.answers import NOTHING
from lyncpy.contracts.archive import ConversationEvent, EntryKind, LedgerLine
from lyncpy.contracts.clients import client_rule, deciding
from lyncpy.contracts.directory import SearchCondition
from lyncpy.contracts.dn import place_of
from lyncpy.contracts.names import Aor, aor_of
from lyncpy.contracts.owners import OwnerId
from lyncpy.contracts.questions import HowIsNode
from lyncpy.contracts.refusal import DirectoryUnavailable, Refused
from lyncpy.contracts.workload import Arg, CommandCall, CommandFailed, OperatorRole, ShellCommand, Table
from lyncpy.core.languages import wanted
from lyncpy.core.timestamps import since_of
from lyncpy.sip import body, grammar, headers, uri
from lyncpy.sip.decoder import Decoder, Garbled, Ping
from lyncpy.sip.dialog import Dialog
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.markup import outer_xml, read_xml
from lyncpy.sip.message import Headers, Request, Response, response_to
from lyncpy.sip.plain import clean
from lyncpy.sip.soap import read_envelope, read_operation
from lyncpy.sip.telephone import parse_line, parse_number, read_dialled
from lyncpy.wire.http_target import UnreadableTarget, host_of, target_of
from lyncpy.workloads.admin import completion, parser
from lyncpy.workloads.admin.keyring import read_ring
from lyncpy.workloads.admin.prompt import Editor, Keys
from lyncpy.workloads.admin.render import as_json, as_text, wrap
from lyncpy.workloads.admin.settings import Settings
from lyncpy.workloads.archive.bodies import ArchivedText, Mail
from lyncpy.workloads.conferencing.bodies import c3p as conferencing
from lyncpy.workloads.conferencing.model.conference import read_address
from lyncpy.workloads.contacts import bodies as contacts
from lyncpy.workloads.directory.bodies import read_search
from lyncpy.workloads.directory.model.query import query_of_conditions, query_of_text
from lyncpy.workloads.directory.model.words import numbers_of, words_of
from lyncpy.workloads.im import bodies as im
from lyncpy.workloads.presence.bodies import batches
from lyncpy.workloads.presence.bodies import publications as presence
from lyncpy.workloads.provisioning.bodies import read_groups
from lyncpy.workloads.voice.rule_documents import read_rules
from lyncpy.workloads.webservices.bodies.address_book import read_address_book_query
from lyncpy.workloads.webservices.bodies.discovery import form_of
from lyncpy.workloads.webservices.bodies.enrollment import read_certificate_request
from lyncpy.workloads.webservices.bodies.groups import read_expansion
from lyncpy.workloads.webservices.bodies.trust import read_ticket_request
from lyncpy.workloads.webservices.model.addresses import Addresses
from lyncpy.workloads.webservices.model.certificates import read_certificate, read_key_request
from lyncpy.workloads.webservices.model.proof import check_proof, read_security
from lyncpy.workloads.webservices.model.refusal import ServiceRefused
from lyncpy.workloads.webservices.model.tickets import TicketClaims, TicketKeys, read_ticket, write_ticket
from lyncpy.workloads.webservices.soap_resource import ELEMENTS
from tests.kit.ap_req import ap_req
from tests.kit.certificates import issue
from tests.kit.enrollment import HeldTicket, certificate_text, group_text, request_text, search_text, security_header
from tests.kit.inner_tls import Shown
from tests.kit.key_pairs import key_of

_CORPUS: Final = Path(__file__).parents[1] / "corpus"

DECLARED: Final = (
    MessageUnreadable,
    RemoteProtocolError,
    Refused,
    CommandFailed,
    parser.Misused,
    DirectoryUnavailable,
    UnreadableTarget,
    BadDirectoryEntry,
    ServiceRefused,
    InnerTlsFailed,
    ValueError,
)
"""How readers say no."""

Reader = Callable[[str], object]


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _of_bytes(read: Callable[[bytes], object]) -> Reader:
    return lambda text: read(_bytes(text))


def _decoded(text: str) -> object:
    """Read a stream of messages, and all that a message's headers say."""
    decoder = Decoder()
    data = _bytes(text)
    for start in range(0, len(data), 16_384):
        for item in decoder.feed(data[start : start + 16_384]):
            if not isinstance(item, Ping | Garbled):
                _views(item)
    return decoder


def _trickled(text: str) -> object:
    """Read a stream that comes in little pieces."""
    decoder = Decoder()
    data = _bytes(text)
    for start in range(0, len(data), 7):
        decoder.feed(data[start : start + 7])
    return decoder


def _views(message: Request | Response) -> None:
    for look in (
        lambda: message.via,
        lambda: message.from_,
        lambda: message.to,
        lambda: message.cseq,
        lambda: message.call_id,
        lambda: message.dialog_text,
        lambda: message.event,
        lambda: message.content_type,
        lambda: message.expires,
        lambda: [headers.parse_contact_list(value) for value in message.headers.get_all("contact")],
        lambda: [headers.parse_contact_list(value) for value in message.headers.get_all("record-route")],
        lambda: [headers.parse_auth(value) for value in message.headers.get_all("authorization")],
        lambda: message.edited(drop=["via"], first=[("Via", "x")], put=[("Contact", "y")], drop_first="route"),
        lambda: response_to(message, 200) if isinstance(message, Request) else None,
        lambda: isinstance(message, Request) and Dialog.from_request(message, "tag"),
    ):
        with contextlib.suppress(RemoteProtocolError):
            look()


_NATS_STREAM: Final = (
    'INFO {"version":"2.9.10","connect_urls":["127.0.0.1:4222"]}\r\nPONG\r\nMSG a.b 1 r 5\r\nhello\r\n'
    "HMSG a.b 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\nPING\r\n-ERR 'Slow Consumer'\r\n"
)
_FACT: Final = (
    '{"v":1,"node":"n1","kind":"BoardChanged","n":7,"fact":{"aor":"sip:alice@example.com","version":3,'
    '"categories":["note","state"],"by":"AbC","shown":[["note",200]],"furnished":[],"members":[1,2],'
    '"subscribers":false,"delegates":false,"serial":9}}'
)


def _nats_frames(data: bytes) -> object:
    decoder = FrameDecoder()
    return [decoder.feed(data[start : start + 4096]) for start in range(0, len(data), 4096)]


def _nats_session(data: bytes) -> object:
    session = NatsSession(SessionTerms("lyncpy", Credentials()))
    return [session.received(data[start : start + 7]) for start in range(0, len(data), 7)]


def _xml(text: str) -> object:
    return [outer_xml(one) for one in read_xml(_bytes(text))]


def _c3p(text: str) -> object:
    command = conferencing.read_request(_bytes(text))
    info = next((one for one in command.element if one.local == "conference-info"), None)
    if info is not None:
        conferencing.read_conference_request(info)
    return conferencing.read_focus_request(command)


def _contact(text: str) -> object:
    return contacts.read_change(read_operation(_bytes(text)))


def _invite(text: str) -> object:
    return im.first_text(Request("INVITE", "sip:a@b", Headers([("Content-Type", im.INVITATION)]), _bytes(text)))


def _text_header(text: str) -> object:
    return im.first_text(Request("INVITE", "sip:a@b", Headers([("ms-text-format", text)])))


_MULTIPART: Final = 'multipart/alternative; boundary="b"'


def _shown(text: str) -> object:
    im.check_shown(_MULTIPART, _bytes(text))
    return im.shown_as(_MULTIPART, _bytes(text), frozenset({"text/plain"}))


def _mailed(content_type: str) -> Reader:
    def mail(text: str) -> object:
        content = _bytes(text)
        alice = Aor("sip:alice@example.com")
        said = ConversationEvent(
            1.0, "talk", EntryKind.MESSAGE, alice, (alice,), content_type=content_type, message_id="1", body=content
        )
        whole = Mail()
        whole.add(ArchivedText(LedgerLine(1, 1.0, "message", "talk", "{}", content, b"x" * 32), said))
        return list(whole.pieces())

    return mail


_PKCS10: Final = (
    "MIIBTTCBtwIBADAOMQwwCgYDVQQDDANhQGIwgZ8wDQYJKoZIhvcNAQEBBQADgY0AMIGJAoGBAKl1PyzvFsjaSNckvuEMuEpZjKQC"
    "zvOZ5HmCqDxUKNWKbXbMdTw5Wg964s3/IjeptH7UsMGy6jLH4uMPXNJl/ZHc0J0RmHPfBYDGs+caZoNWkrOMziexMXt96miXgIxP"
    "8d8tki2MUaxz6m9YeG8wQFEiAinrkKvQRCNqnW9OfyUZAgMBAAGgADANBgkqhkiG9w0BAQsFAAOBgQAyhHpihR4+CuFbqAVZPkqL"
    "boxOaQIhzuQeCSPKHfONrnFKWgL39U5U6tkTybHkrdmZn8R6MUalTx1MNAM4WHU7uHNNDv3MY/TTmFa/O0LtbMH88GitjnfObFCO"
    "FOQg3RGtxXzG9YrCrlF5f5dji6JrA0GBwOuTdFDhyu9JJ68vjQ=="
)
"""For a key that nobody has, of 1024 bits."""

_CERTIFICATE: Final = (
    "MIICDDCCAXWgAwIBAgIUEUjO6QDK0Tg1qXIPPRhlgkenEgAwDQYJKoZIhvcNAQELBQAwITEfMB0GA1UEAwwWbHluY3B5IHBlb3Bs"
    "ZSA0Y2JjMjJmMjAeFw0yMzExMTQyMTEzMjBaFw0yNzAxMTUwODAwMDBaMA4xDDAKBgNVBAMMA2FAYjCBnzANBgkqhkiG9w0BAQEF"
    "AAOBjQAwgYkCgYEA+EANydwKtvKNt2m6vl+KH1dXVgGOjj0A4k7QbzwOxY8UQwYxe5hPN8DM3kUIIJYZUCQepRy0eGYkdFpBeIE5"
    "Gzx4sbb6iNEHWP+QLtBzr1fj+6CvGKBDy6b+ciIau4HaFyiYgo1vlT1NwgjWOm//Q5xAZrGFh1WFKwQ9SFrTjsMCAwEAAaNUMFIw"
    "DAYDVR0TAQH/BAIwADAOBgNVHQ8BAf8EBAMCBaAwEwYDVR0lBAwwCgYIKwYBBQUHAwIwHQYDVR0RBBYwFIYSdXJuOmx5bmNweTpv"
    "d25lcjoxMA0GCSqGSIb3DQEBCwUAA4GBALVtKMFtwxr/B3xf8UUeZa6VM6+IM0VMnEACkpcF5WTSdrJUjoYc0+DLP3zJaCCuJRm1"
    "9vWEK2Wrj4wmXN0LJIjWpMPWBnTCNR5ww8j+DkzE0wrjwN14gRBldIyvhYzUBWFXBBOqB9p/RUwTnannJmUb3SDWW1sgnPGwraIo"
    "fA7O"
)
"""As the server issues them, for nobody."""

_AUTHENTICATE: Final = (
    "TlRMTVNTUAADAAAAGAAYAGQAAACQAJAAfAAAAA4ADgBIAAAACgAKAFYAAAAEAAQAYAAAABAAEAAMAQAAVYKYYgUBKAoAAAAPQwBPAE4AVABPAFMATwBh"
    "AGwAaQBjAGUAVgBNAHLUq+YelcZNlGIOu5lc1yWHE+ipqCiEA66V4ysGug5BkC/fzt8gMeUBAQAAAAAAAIDThvgYe90BhxPoqagohAMAAAAAAgAOAEMA"
    "TwBOAFQATwBTAE8AAQAGAEYARQAxAAQAGABjAG8AbgB0AG8AcwBvAC4AdABlAHMAdAADACAAZgBlADEALgBjAG8AbgB0AG8AcwBvAC4AdABlAHMAdAAA"
    "AAAAAAAAALqsuZYFj06E/cNZXpumQG0="
)
"""Of a real client, for an account of nobody."""

_KEYS: Final = TicketKeys(bytes(32), bytes(32))
_TICKET: Final = TicketClaims("t", Aor("sip:a@b"), OwnerId("1"), "https://x", 0, 1, 0, b"")
_HELD: Final = HeldTicket(
    "<Assertion/>",
    "<wsu:Created>2023-11-14T22:13:20Z</wsu:Created><wsu:Expires>2033-11-15T06:13:20Z</wsu:Expires>",
    bytes(32),
)


def _ticket(text: str) -> object:
    """Read a ticket, and verify it."""
    return read_ticket(read_xml(_bytes(text), max_nodes=ELEMENTS), _KEYS)


def _proof(text: str) -> object:
    """Read a security header, and verify the proof in it."""
    header = read_security(read_xml(_bytes(text), max_nodes=ELEMENTS))
    check_proof(header, bytes(32), 0.0)
    return header


def _ntlm(text: str) -> object:
    """Read a message of either kind."""
    return is_negotiate(text) or read_authenticate(text, OFFERED_ALONE)


_HELLO: Final = "FgMBADUBAAAxAwFrDOoo4eKewSU4fILKr/2t8hcR0Zxlri+IDGdNM3MQZAAACgAEAAUALwA1AAMBAA=="


@cache
def _inner_context() -> SSL.Context:
    """Make it when it is first needed: a key takes long."""
    today = datetime(2026, 7, 20, tzinfo=UTC)
    return inner_context([Shown(issue("fe1.contoso.test", today=today, key=key_of("server")))])


def _inner_tls(text: str) -> object:
    """Read the first token of a handshake."""
    return InnerTls(_inner_context()).receive(text)


_LINE: Final = Settings().line_bytes


async def _nothing(asked: CommandCall) -> Table:
    return Table((), ())


_WORDS: Final = parser.Vocabulary(
    [
        ShellCommand(
            "user passwd",
            "",
            _nothing,
            args=(Arg("user", "", choices=lambda: ["alice"]), Arg("password", "", secret=True)),
        ),
        ShellCommand("users", "", _nothing, args=(Arg("pattern", "", required=False),)),
    ]
)


def _typed(text: str) -> object:
    """Read a command line; the shell looks at no more of it than it may be long."""
    text = text[:_LINE]
    _WORDS.masked(text)
    completion.complete(_WORDS, OperatorRole.DEVELOPER, text)
    return _WORDS.parse(text)


def _edited(text: str) -> object:
    """Type at a prompt, whose lines are bounded."""
    text = text[:_LINE]
    editor = Editor("> ", 80, lambda before: completion.complete(_WORDS, OperatorRole.DEVELOPER, before), 512, 10)
    return [editor.press(key) for key in Keys().decode(_bytes(text))]


def _table(text: str) -> object:
    table = Table(("a", "b"), [(text, 1), ("x", text)], note=text)
    return [
        clean(text),
        wrap(text, 40),
        list(as_text(table, 60)),
        list(as_text(table)),
        list(as_json(table, "people", NOTHING)),
    ]


def _body(name: str) -> str:
    return (_CORPUS / "presence" / f"{name}.xml").read_text()


def _message(name: str) -> str:
    return (_CORPUS / "clients" / f"{name}.sip").read_bytes().decode("utf-8", "surrogateescape")


_ENVELOPE: Final = (
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:m="urn:m"><s:Body>{}</s:Body></s:Envelope>'
)
_INFO: Final = (
    '<request xmlns="urn:ietf:params:xml:ns:cccp" requestId="1"><{0}><ci:conference-info xmlns:ci="urn:i" entity="sip:a@b">'
    "<ci:conference-description><ci:subject>s</ci:subject><ci:notification-data><x y='z'>t</x></ci:notification-data>"
    '</ci:conference-description><ci:users><ci:user entity="sip:b@c"/></ci:users><ci:conference-view>'
    '<ci:entity-view entity="chat"/></ci:conference-view></ci:conference-info></{0}></request>'
)
_SDP: Final = "v=0\r\no=- 0 0 IN IP4 1.2.3.4\r\nm=message 5060 sip null\r\na=accept-types:text/plain text/html\r\n"
_TEXT: Final = "<html><body><p>hello <b title='x'>you</b> &amp; all<!-- there --><script>no</script></p></body></html>"

READERS: Final[dict[str, tuple[str, Reader]]] = {
    **{
        f"stream {name}": (_message(name), _decoded)
        for name in ("pidgin-register", "pidgin-invite", "lync-2013-invite")
    },
    "trickle": (_message("lync-2013-register"), _trickled),
    "NATS": (_NATS_STREAM, _of_bytes(_nats_frames)),
    "NATS, a session": (_NATS_STREAM, _of_bytes(_nats_session)),
    "bus, a fact": (_FACT, _of_bytes(read_fact)),
    "bus, a sign of life": ('{"v":1,"node":"n1","told":{"FlowClosed":3},"unsent":2}', _of_bytes(read_sign)),
    "bus, a question": (
        '{"v":1,"node":"n1","kind":"HowIsNode","question":{}}',
        _of_bytes(lambda data: read_question(data, {"HowIsNode": HowIsNode})),
    ),
    "bus, an answer": (
        '{"v":1,"node":"n1","answer":{"version":"1","up_s":5,"endpoints":7}}',
        _of_bytes(lambda data: read_answer(data, HowIsNode())),
    ),
    "xml": (_body("routing"), _xml),
    "publish": (_body("state-meeting"), _of_bytes(presence.read_publish)),
    "publish device": (_body("device"), _of_bytes(presence.read_publish)),
    "members": (_body("set-members-user"), _of_bytes(presence.read_set_members)),
    "delegates": (_body("set-delegates"), _of_bytes(presence.read_set_delegates)),
    "roaming": (_body("roaming-list"), _of_bytes(presence.read_roaming_list)),
    "batch": (_body("batch-subscribe"), _of_bytes(batches.read_batch)),
    "old list": (
        '<adhoclist uri="sip:a@b"><create><resource uri="sip:b@c"/></create></adhoclist>',
        _of_bytes(batches.read_list),
    ),
    "provisioning": (
        '<provisioningGroupList xmlns="urn:p"><provisioningGroup name="ucPolicy"/></provisioningGroupList>',
        _of_bytes(read_groups),
    ),
    "contact": (
        _ENVELOPE.format(
            "<m:setContact><m:displayName>B</m:displayName><m:groups>1 2</m:groups><m:URI>sip:b@c</m:URI>"
            "<m:contactExtension><x y='z'/></m:contactExtension></m:setContact>"
        ),
        _contact,
    ),
    "typed": ("Ann O'Brien <ann@example.com> +49 (0)89 123", query_of_text),
    "a form's name": ("Ann O'Brien", lambda text: query_of_conditions([SearchCondition("sn", text)])),
    "a form's address": ("sip:ann@example.com", lambda text: query_of_conditions([SearchCondition("mail", text)])),
    "a name's words": ("Müller-O'Brien, Ann", words_of),
    "a phone's numbers": ("+49 (0)89 123-45;ext=7", lambda text: list(numbers_of(text))),
    "what is dialled": ("9 (425) 555-01.00x12;ext=7;phone-context=Berlin", read_dialled),
    "a number": ("+1-425-555-0100;ext=7;isub=1;tag=x", parse_number),
    "a line": ("tel:+1 (425) 555-0100;ext=7", parse_line),
    "call rules": (
        '<routing><preamble><list name="team"><target uri=" sip:a@b "/></list><flags name="clientflags" value="team_ring"/>'
        '<wait name="user" seconds="10"/></preamble></routing>',
        read_rules,
    ),
    "user agent": (
        "UCCAPI/15.0.4481.1000 OC/15.0.4481.1000 (Microsoft Lync)",
        lambda text: deciding(("block OC < 4.0.7577", "allow * >= 2"), text),
    ),
    "client rule": ("block OC < 4.0.7577 https://example.com/update", client_rule),
    "search": (
        _ENVELOPE.format('<m:directorySearch/><m:Array><m:row m:attrib="mail" m:value="b"/></m:Array>'),
        _of_bytes(lambda data: read_search(data, 100)),
    ),
    "ticket request": (
        request_text("https://x/CertProv/CertProvisioningService.svc", "sip:a@b", bytes(32)).decode(),
        _of_bytes(lambda data: read_ticket_request(read_envelope(data, max_nodes=ELEMENTS))),
    ),
    "certificate request": (
        f"<e><Body>{certificate_text('a@b', bytes(40))}</Body></e>",
        _of_bytes(lambda data: read_certificate_request(read_envelope(data, max_nodes=ELEMENTS).operation)),
    ),
    "certificate": (_CERTIFICATE, read_certificate),
    "key request": (_PKCS10, read_key_request),
    "address book": (
        f"<e><Body>{search_text('bob')}</Body></e>",
        _of_bytes(lambda data: read_address_book_query(read_envelope(data, max_nodes=ELEMENTS).operation)),
    ),
    "group expansion": (
        f"<e><Body>{group_text('mailto:team@example.com')}</Body></e>",
        _of_bytes(lambda data: read_expansion(read_envelope(data, max_nodes=ELEMENTS).operation)),
    ),
    "ticket": (write_ticket(_TICKET, "https://x", _KEYS), _ticket),
    "proof": (f"<Header>{security_header(_HELD)}</Header>", _proof),
    "discovery": ("text/html, application/json;q=0.5", form_of),
    "service address": ("https://x:443/CertProv/CertProvisioningService.svc/a?b", Addresses("https://x").service),
    "ntlm": (_AUTHENTICATE, _ntlm),
    "tls-dsk": (_HELLO, _inner_tls),
    "kerberos": (b64encode(ap_req("sip", "fe1.example.test")).decode(), lambda text: ticket_label(read_token(text))),
    "c3p schedule": (_INFO.format("addConference"), _c3p),
    "c3p modify": (_INFO.format("modifyConference"), _c3p),
    "invitation": ("<Conferencing><subject>a < b</subject><im><first-im>hello</first-im></im></Conferencing>", _invite),
    "text header": ('text/plain; charset=UTF-8; ms-body="aGVsbG8="', _text_header),
    "session": (_SDP, _of_bytes(im.accept_types)),
    "typing": ('<KeyboardActivity><status status="type"/></KeyboardActivity>', _of_bytes(im.check_typing)),
    "alternatives": ("--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b\r\n\r\nx\r\n--b--\r\n", _shown),
    "media type": ('text/plain; charset="utf-8"; a=b', body.media_type),
    "list": ('"a, b" <sip:a@b>;x=y, sip:c@d, <sip:e@f;g>;h="i"', grammar.split_list),
    "addresses": ('"a, b" <sip:a@b>;x=y, sip:c@d, <sip:e@f;g>;h="i"', headers.parse_contact_list),
    "parameters": ('a=b;c="d;e";f', grammar.parse_params),
    "credentials": ('NTLM qop="auth", realm="x", targetname="y", gssapi-data="AAAA", version=4', headers.parse_auth),
    "via": ("SIP/2.0/TLS 1.2.3.4:5;branch=z9hG4bK1;received=5.6.7.8", headers.parse_via),
    "uri": ("sip:%61lice@example.com:5060;opaque=user:epid:x;gruu?a=b&c=d", lambda text: uri.parse_uri(text).aor),
    "address": ("sip:Alice%2bx@Example.com;a=b?c", aor_of),
    "directory address": ("SIP:Alice@Example.com", lambda text: address_of(text, ("example.com",))),
    "conference": ("sip:a@b;gruu;opaque=app:conf:focus:id:ABCDEFGH", read_address),
    "place": ("CN=A B , OU = x+y, DC=z", place_of),
    "mail html": (_TEXT, _mailed("text/html; charset=utf-8")),
    "mail text": ("hello\r\nyou", _mailed("text/plain")),
    "mail parts": ("--b\r\nContent-Type: text/html\r\n\r\n<p>x</p>\r\n--b--\r\n", _mailed(_MULTIPART)),
    "mail type": ("text/html; charset=utf-8; a=b", lambda text: _mailed(text)("<p>hello")),
    "line": ("user passwd 'alice b' \"secret\" --json", _typed),
    "table": ("Alice\x1b[0m  Liddell \u202e 山", _table),
    "prompt": ("show alice\x1b[D\x1b[C\t山", _edited),
    "keys": (
        'command="x y",no-pty ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHJ0 alice\n',
        lambda text: read_ring(text, OperatorRole.VIEWER),
    ),
    "people": (
        '[alice]\naddress = "alice@example.com"\ndisplay_name = "Alice"\nlogins = ["a", "b"]\n',
        lambda text: read_people(_bytes(text), "people.toml", ("example.com",)),
    ),
    "target": ("/a/b%20c?d=e&f=g", lambda text: target_of(_bytes(text))),
    "host": ("www.example.com:443", host_of),
    "languages": ("de-AT, de;q=0.9, *;q=0.5", wanted),
    "moment": ("2026-05-31T12:00:00+00:00", lambda text: since_of(text, 0.0)),
}
"""By name: a text, and what reads it."""
