"""Users who pretend: to be another, to own what is another's, to write where only the server writes."""

from collections.abc import Iterator

import pytest
from lxml import etree

from lyncpy.sip.encoder import encode
from lyncpy.sip.message import Headers, Request, Response
from tests.kit import wishes
from tests.kit.caller import Caller, Line, Silence
from tests.kit.hostile import assert_calm, time_limit
from tests.kit.server import RunningServer

pytestmark = pytest.mark.interop

ALICE, BOB, CAROL = (f"{name}@example.test" for name in ("alice", "bob", "carol"))

NASTY = (
    '"><evil/><x y="',
    "</body></note><evil/>",
    "]]><evil/>",
    "&lt;evil/&gt; &amp; 'single' \"double\"",
    "<!--",
    "line\nbreak\r\nInjected: yes",
    "tab\tand \u202ereversed\u2028separated",
    "\U0001f600 Zo\u00eb \u5f35",
    "';--",
    "a" * 400,
)


@pytest.fixture(scope="module")
def server(patient_server: RunningServer) -> Iterator[RunningServer]:
    """Give the shared server, on which Alice, Bob and Carol are this file's; its log must be calm."""
    yield patient_server
    assert_calm(patient_server)


@pytest.fixture(autouse=True)
def limit() -> Iterator[None]:
    """End a test that hangs."""
    with time_limit(30):
        yield


def signed_in(server: RunningServer, name: str) -> Caller:
    """Sign somebody in on a new connection."""
    account = server.accounts[name]
    return Caller(Line(server.tcp_port), account.address, account.password).sign_in()


@pytest.fixture
def alice(server: RunningServer) -> Caller:
    """Give Alice, signed in."""
    return signed_in(server, "alice")


@pytest.fixture
def bob(server: RunningServer) -> Caller:
    """Give Bob, signed in."""
    return signed_in(server, "bob")


@pytest.fixture
def carol(server: RunningServer) -> Caller:
    """Give Carol, signed in."""
    return signed_in(server, "carol")


def hears_nothing(caller: Caller) -> bool:
    """Tell whether nothing came for somebody, up to his next answer."""
    assert caller.is_well()
    return not caller.heard


# --- what one writes reaches others as text


@pytest.mark.parametrize("text", NASTY)
def test_a_note_reaches_watchers_as_the_text_that_it_is(alice: Caller, bob: Caller, text: str) -> None:
    """No markup gets out of a note, and no header."""
    assert bob.ask(wishes.watch(bob, ALICE)).status == 200
    held = etree.fromstring(alice.ask(wishes.roaming_self(alice)).body)
    versions = [
        one.get("version")
        for one in held.iter("{*}category")
        if one.get("name") == "note" and one.get("container") == "200"
    ]
    assert alice.ask(wishes.members(alice, BOB)).status in (200, 409)
    alice.heard.clear()
    assert alice.ask(wishes.note(alice, text, int((versions or ["0"])[0] or "0"))).status == 200
    told = bob.await_(lambda message: b"<body" in message.body)
    assert "Injected" not in told.headers
    root = etree.fromstring(told.body)
    assert [(one.text or "").replace("\r\n", "\n") for one in root.iter("{*}body")] == [text.replace("\r\n", "\n")]
    assert root.find(".//{*}evil") is None


@pytest.mark.parametrize("text", NASTY)
def test_names_of_contacts_and_groups_reach_other_devices_as_text(
    server: RunningServer, alice: Caller, text: str
) -> None:
    """What one device calls a contact or a group stands in the other's list, and nothing beside it."""
    other = signed_in(server, "alice")
    assert other.ask(wishes.contacts(other)).status == 200
    wanted = " ".join(text.split()) if "\n" in text else text.strip()
    assert alice.ask(wishes.add_group(alice, text)).status in (200, 409)
    assert alice.ask(wishes.set_contact(alice, BOB, text)).status == 200
    told = other.await_(lambda message: b'uri="sip:bob@' in message.body)
    whole = other.ask(wishes.contacts(other))
    for message in (told, whole):
        assert "Injected" not in message.headers
        root = etree.fromstring(message.body)
        assert root.find(".//{*}evil") is None
        names = [
            " ".join((one.get("name") or "").split()) for one in root.iter() if "ontact" in one.tag and one.get("uri")
        ]
        assert names[-1] == " ".join(wanted.split())
    assert text.strip()[:5] in {(one.get("name") or "")[:5] for one in etree.fromstring(whole.body).iter("{*}group")}
    other.line.close()


@pytest.mark.parametrize(
    "value",
    [
        '"Boss\\"\\\\" <{aor}>;tag=1;epid={epid}',
        "Zo\u00eb <{aor}>;tag=1;epid={epid}",
        '"a, b; c=d" <{aor}>;tag=1;epid={epid};x="y, z"',
        '"\udcff\udcfe" <{aor}>;tag=1;epid={epid}',
    ],
)
def test_a_display_name_is_passed_on_and_vouched_for_by_nobody(alice: Caller, bob: Caller, value: str) -> None:
    """The name is the sender's own; who he is stands in the identity that the server asserts."""
    from_ = value.format(aor=alice.aor, epid=alice.epid)
    request = wishes.page(alice, BOB, from_=from_)
    claims = [
        ("P-Asserted-Identity", f"<sip:{CAROL}>"),
        ("P-Preferred-Identity", f'"Carol" <sip:{CAROL}>'),
        ("Subject", "x"),
    ]
    request = request.edited(last=claims[1:])
    alice.send(request)
    heard = bob.await_request("MESSAGE")
    assert heard.headers.get("From") == from_
    (asserted,) = heard.headers.get_all("P-Asserted-Identity")
    assert asserted.startswith('"Alice Adler" <sip:alice@example.test>')
    assert CAROL not in repr(list(heard.headers))
    bob.answer(heard, 200)
    assert alice.answer_to(request).status == 200


@pytest.mark.parametrize(
    "value",
    [
        "<sip:carol@example.test>;tag=1",
        '"Carol <sip:carol@example.test>" <{aor}>;tag=1',
        "<{aor}>;tag=1, <sip:carol@example.test>;tag=2",
        "<sip:carol@example.test;x={aor}>;tag=1",
        "<sip:alice%40example.test@example.test>;tag=1",
        "<sips:carol@example.test>;tag=1",
        "<tel:+15550100>;tag=1",
    ],
)
def test_nobody_writes_under_another_name(alice: Caller, bob: Caller, value: str) -> None:
    """However the other's address is put into From, the message does not arrive."""
    request = wishes.page(alice, BOB, from_=value.format(aor=alice.aor))
    assert alice.ask(request).status in (400, 403)
    assert hears_nothing(bob)


def test_two_senders_in_one_message_are_refused(alice: Caller, bob: Caller) -> None:
    """Of two From headers, two readers could read two different ones."""
    request = wishes.page(alice, BOB)
    for extra in ("From", "f"):
        doubled = Request(
            "MESSAGE", request.uri, Headers([*request.headers, (extra, f"<sip:{CAROL}>;tag=2")]), request.body
        )
        assert alice.ask(doubled).status == 400
    assert hears_nothing(bob)


def test_a_line_break_in_a_header_is_no_new_header(alice: Caller, bob: Caller) -> None:
    """Bare CR, bare LF, folding: nobody downstream reads a header that the server did not."""
    for trick in (b"\r", b"\n", b"\n\r", b"\x0b", b"\x0c", b"\r\n ", b"%0d%0a", b"\xc2\x85", b"\xe2\x80\xa8"):
        sender = wishes.page(alice, BOB).edited(last=[("Subject", "xTRICKInjected: yes")])
        alice.line.send(encode(alice.keys.sign(sender)).replace(b"TRICK", trick))
        try:
            message = bob.hear(0.3)
            assert "Injected" not in message.headers
            assert isinstance(message, Request)
            bob.answer(message, 200)
        except Silence:
            return  # refused, and the connection closed: nothing that follows can be trusted
    assert bob.is_well()


def test_vias_come_back_as_they_were_and_to_nobody_else(alice: Caller, bob: Caller, carol: Caller) -> None:
    """Commas, other hosts, `received`: the answer goes to the connection that asked."""
    vias = [
        'SIP/2.0/TCP 10.0.0.1:5060;branch=z9hG4bKa, SIP/2.0/TLS 10.0.0.2;branch=z9hG4bKb;x="a,b"',
        "SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKc;received=127.0.0.1;rport=9;maddr=127.0.0.1",
    ]
    good = wishes.page(alice, BOB)
    request = Request(
        "MESSAGE", good.uri, good.headers.edited(drop=["Via"], first=[("Via", via) for via in vias]), good.body
    )
    alice.send(request)
    heard = bob.await_request("MESSAGE")
    bob.answer(heard, 200)
    for first, *others in (heard.headers.get_all("Via")[1:], alice.answer_to(request).headers.get_all("Via")):
        # The topmost one says where the request came from; what stands behind it is somebody else's.
        own, _, behind = first.partition(",")
        assert own.startswith("SIP/2.0/TCP 10.0.0.1:5060;branch=z9hG4bKa;received=127.0.0.1;")
        assert (behind, others) == (vias[0].partition(",")[2], vias[1:])
    assert hears_nothing(carol)


# --- what was signed once is worth nothing a second time


def test_a_recorded_message_cannot_be_sent_again(server: RunningServer, alice: Caller, bob: Caller) -> None:
    """On the same connection it is a replay, on another one it was never signed for it."""
    request = wishes.page(alice, BOB)
    data = encode(alice.keys.sign(request))
    alice.line.send(data)
    bob.answer(bob.await_request("MESSAGE"), 200)
    assert alice.answer_to(request).status == 200
    alice.line.send(data)
    assert alice.answer_to(request).status == 403
    again = signed_in(server, "alice")
    again.line.send(data)
    answer = again.line.hear()
    assert isinstance(answer, Response)
    assert answer.status == 403
    with Line(server.tcp_port) as stranger:
        stranger.send(data)
        answer = stranger.hear()
        assert isinstance(answer, Response)
        assert answer.status == 401
    assert hears_nothing(bob)
    again.line.close()


def test_what_a_signature_covers_cannot_be_changed(alice: Caller, bob: Caller) -> None:
    """Another receiver, another method number, another dialog: the signature does not hold."""
    request = alice.keys.sign(wishes.page(alice, BOB))
    for name, value in (("To", f"<sip:{CAROL}>"), ("CSeq", "99 MESSAGE"), ("Call-ID", "other"), ("Expires", "7")):
        changed = request.edited(put=[(name, value)])
        alice.line.send(encode(changed))
        assert alice.answer_to(changed).status == 403
    assert hears_nothing(bob)


# --- what belongs to another


def trespasses(carol: Caller, where: str) -> list[Request]:
    """Give everything that Carol could ask of Bob's; `where` says which place names him."""
    to = {"uri": f"sip:{BOB}"} if "uri" in where else {}
    if "to" in where:
        to["to"] = f"<sip:{BOB}>"
    about = [
        wishes.set_contact(carol, ALICE, "x", **to),
        wishes.add_group(carol, "x", **to),
        wishes.members(carol, ALICE, **to),
        wishes.subscribers(carol, f"sip:{ALICE}", **to),
        wishes.roaming_self(carol, **to),
        wishes.contacts(carol, **to),
        wishes.groups(carol, **to),
    ]
    if "uri" in where and "to" in where:
        about.append(
            wishes.publish(carol, "note", "<note/>", expire="static").edited(
                uri=f"sip:{BOB}", put=[("To", f"<sip:{BOB}>")]
            )
        )
    return about


@pytest.mark.parametrize("where", ["to", "uri and to"])
def test_nobody_reads_or_changes_what_is_anothers(bob: Caller, carol: Caller, where: str) -> None:
    """Board, lists, access levels, settings: 403, and Bob's list is as it was."""
    before = bob.ask(wishes.contacts(bob)).body
    for request in trespasses(carol, where):
        answer = carol.ask(request)
        assert answer.status == 403, (request, answer)
        assert b"contactList" not in answer.body
    assert bob.ask(wishes.contacts(bob)).body == before


def test_nobody_publishes_for_another(bob: Caller, carol: Caller) -> None:
    """The address in the document counts as much as the one in To."""
    assert (
        carol.ask(wishes.note(carol, "forged", container=32000).edited(body=wishes.note(bob, "forged").body)).status
        == 403
    )
    focus = wishes.capabilities(bob)
    assert (
        carol.ask(
            Request(
                "SERVICE", focus.uri, carol.request("SERVICE", focus.uri, content_type=wishes.C3P).headers, focus.body
            )
        ).status
        == 403
    )
    assert b"forged" not in bob.ask(wishes.roaming_self(bob)).body


def test_nobody_registers_or_signs_out_another(bob: Caller, carol: Caller) -> None:
    """REGISTER names oneself, whatever epid or instance it carries."""
    for expires in ("3600", "0"):
        good = carol.register()
        for put in (
            [("To", f"<sip:{BOB}>")],
            [("From", f"<sip:{BOB}>;tag=1;epid={bob.epid}")],
            [("To", f"<sip:{BOB}>"), ("From", f"<sip:{BOB}>;tag=1;epid={bob.epid}")],
        ):
            assert carol.ask(good.edited(put=[*put, ("Expires", expires)])).status == 403
    # With Bob's epid in her own name she signs out nobody but, at most, herself.
    own = carol.register(0).edited(put=[("From", f"<{carol.aor}>;tag=1;epid={bob.epid}")])
    assert carol.ask(own).status == 200
    assert bob.is_well()
    message = wishes.page(carol, BOB)
    carol.send(message)
    bob.answer(bob.await_request("MESSAGE"), 200)
    assert carol.answer_to(message).status == 200


def test_the_name_of_anothers_device_leads_to_that_device(alice: Caller, bob: Caller, carol: Caller) -> None:
    """Carol registers with Bob's instance and his GRUU as Contact; what is for Bob's device still reaches Bob."""
    answer = bob.ask(bob.register())
    contact = answer.headers.get("Contact") or ""
    gruu = contact.partition('gruu="')[2].partition('"')[0]
    instance = contact.partition('+sip.instance="')[2].partition('"')[0]
    assert "opaque=user:epid:" in gruu
    forged = carol.register().edited(put=[("Contact", f'<{gruu}>;+sip.instance="{instance}"')])
    assert carol.ask(forged).status == 200
    message = alice.request("MESSAGE", gruu, to=f"<sip:{BOB}>", content_type="text/plain", body=b"for Bob's device")
    alice.send(message)
    bob.answer(bob.await_request("MESSAGE"), 200)
    assert alice.answer_to(message).status == 200
    assert hears_nothing(carol)


def within(
    sender: Caller, method: str, dialog: tuple[str, str, str], to: str, *headers: tuple[str, str], cseq: int = 50
) -> Request:
    """Write a request that claims to be in a dialog: Call-ID, the sender's tag, the receiver's."""
    call_id, own, theirs = dialog
    return sender.request(
        method,
        f"sip:{to}",
        to=f"<sip:{to}>;tag={theirs}",
        from_=f"<{sender.aor}>;tag={own};epid={sender.epid}",
        call_id=call_id,
        cseq=cseq,
        headers=headers,
    )


def test_only_participants_speak_in_a_talk(alice: Caller, bob: Caller, carol: Caller) -> None:
    """Carol knows Call-ID and tags; it helps her nothing. Nor can Alice say in it what only the server says."""
    invitation = wishes.invite(alice, BOB)
    alice.send(invitation)
    bob.answer(bob.await_request("INVITE"), 200, tag="b0b")
    assert alice.answer_to(invitation).status == 200
    tag = invitation.from_.tag or ""
    alice.send(within(alice, "ACK", (invitation.call_id, tag, "b0b"), BOB, cseq=invitation.cseq.number))
    bob.await_request("ACK")
    for method in ("MESSAGE", "INFO", "BYE", "INVITE", "REFER", "OPTIONS", "UPDATE"):
        for to, own, theirs in ((BOB, tag, "b0b"), (ALICE, "b0b", tag), (BOB, "other", "b0b"), (BOB, "", "b0b")):
            assert carol.ask(within(carol, method, (invitation.call_id, own, theirs), to)).status in (481, 482)
    carol.send(within(carol, "ACK", (invitation.call_id, tag, "b0b"), BOB))
    carol.send(within(carol, "CANCEL", (invitation.call_id, tag, "b0b"), BOB))
    for method in ("NOTIFY", "BENOTIFY", "SERVICE", "REGISTER", "PUBLISH", "X"):
        event = ("Event", "registration-notify")
        assert alice.ask(within(alice, method, (invitation.call_id, tag, "b0b"), BOB, event)).status in (405, 415, 489)
    assert hears_nothing(bob)
    assert carol.is_well()
    bye = within(alice, "BYE", (invitation.call_id, tag, "b0b"), BOB, cseq=90)
    alice.send(bye)
    bob.answer(bob.await_request("BYE"), 200)
    assert alice.answer_to(bye).status == 200


@pytest.mark.parametrize(
    "event", ["presence", "vnd-microsoft-roaming-contacts", "registration-notify", "vnd-microsoft-roaming-self"]
)
@pytest.mark.parametrize("method", ["NOTIFY", "BENOTIFY"])
def test_nobody_notifies_another(bob: Caller, carol: Caller, method: str, event: str) -> None:
    """A forged notification does not arrive, with or without a tag, at his address or his device."""
    for uri in (f"sip:{BOB}", f"sip:{BOB};opaque=user:epid:x;gruu", "sip:example.test"):
        for tag in ("", ";tag=x"):
            request = carol.request(method, uri, to=f"<sip:{BOB}>{tag}", headers=[("Event", event)])
            assert carol.ask(request).status in (404, 405, 481), uri
    assert hears_nothing(bob)


def test_nobody_continues_anothers_subscription(alice: Caller, bob: Caller, carol: Caller) -> None:
    """Call-ID and tags of Bob's subscription lead to nothing on Carol's connection."""
    answer = bob.ask(wishes.watch(bob, ALICE))
    mine = answer.to.tag or ""
    stolen = wishes.watch(carol, ALICE).edited(
        put=[
            ("Call-ID", answer.call_id),
            ("To", f"<{bob.aor}>;tag={mine}"),
            ("From", f"<{carol.aor}>;tag={answer.from_.tag};epid={carol.epid}"),
            ("Expires", "0"),
        ]
    )
    assert carol.ask(stolen).status == 481
    assert alice.ask(wishes.note(alice, "still told", container=400)).status in (200, 409)
    assert bob.is_well()


def test_no_answer_is_taken_from_whom_nobody_asked(alice: Caller, bob: Caller, carol: Caller) -> None:
    """Carol cannot accept in Bob's place, though she writes the very answer that he would."""
    invitation = wishes.invite(alice, BOB)
    alice.send(invitation)
    heard = bob.await_request("INVITE")
    carol.answer(heard, 200, tag="carol")
    assert carol.is_well()
    bob.line.send(encode(Response(200, "OK", Headers([*bob_answer(heard)]))))  # unsigned: not believed either
    assert hears_nothing(bob)
    bob.answer(heard, 486)
    assert alice.answer_to(invitation).status == 486


def bob_answer(heard: Request) -> list[tuple[str, str]]:
    """Copy what identifies an answer."""
    return [(name, value) for name, value in heard.headers if name in ("Via", "From", "To", "Call-ID", "CSeq")]
