"""Kamailio beside lyncpy: a registrar and proxy over TLS with digest sign-in, record routing and presence, all in memory.

Its configuration is written here, from its public documentation. Its clients sign nothing.
"""

import hashlib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from bench.line import Line, open_line
from bench.machine import free_port
from bench.peers.process import Running, needed, running
from bench.people import DOMAIN, PASSWORD, user
from bench.sip_client import SipClient
from bench.text import Dialog

PACKAGES: Final = "kamailio kamailio-tls-modules kamailio-presence-modules"

_PIDF: Final = "application/pidf+xml"

_CONFIGURATION: Final = """
debug=0
log_stderror=yes
children=8
auto_aliases=no
alias="{domain}"
enable_tls=yes
listen=tls:127.0.0.1:{port}
tcp_connection_lifetime=3605
tcp_max_connections=20000
tls_max_connections=20000
tcp_accept_no_cl=no
mpath="/usr/lib/x86_64-linux-gnu/kamailio/modules/"
loadmodule "kex.so"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "auth.so"
loadmodule "tls.so"
loadmodule "presence.so"
loadmodule "presence_xml.so"
modparam("tls", "tls_method", "TLSv1.2+")
modparam("tls", "private_key", "{folder}/server.key")
modparam("tls", "certificate", "{folder}/server.pem")
modparam("usrloc", "db_mode", 0)
modparam("rr", "enable_full_lr", 1)
modparam("presence", "db_url", "")
modparam("presence", "subs_db_mode", 0)
modparam("presence", "publ_cache", 2)
modparam("presence", "server_address", "sip:127.0.0.1:{port};transport=tls")
modparam("presence", "fetch_rows", 1000)
modparam("presence_xml", "force_active", 1)

request_route {{
    if (!mf_process_maxfwd_header("10")) {{
        sl_send_reply("483", "Too Many Hops");
        exit;
    }}
    if (has_totag()) {{
        if (loose_route()) {{
            t_relay();
            exit;
        }}
        if (is_method("SUBSCRIBE")) {{
            route(PRESENCE);
        }}
        if (is_method("ACK")) {{
            if (t_check_trans()) t_relay();
            exit;
        }}
        sl_send_reply("404", "Not here");
        exit;
    }}
    if (is_method("REGISTER")) {{
        if (!pv_www_authenticate("{domain}", "{password}", "0")) {{
            www_challenge("{domain}", "1");
            exit;
        }}
        save("location");
        exit;
    }}
    if (is_method("PUBLISH|SUBSCRIBE")) {{
        route(PRESENCE);
    }}
    record_route();
    if (!lookup("location")) {{
        sl_send_reply("404", "Not here");
        exit;
    }}
    t_relay();
}}

route[PRESENCE] {{
    if (!t_newtran()) {{
        sl_reply_error();
        exit;
    }}
    if (is_method("PUBLISH")) handle_publish();
    else handle_subscribe();
    t_release();
    exit;
}}
"""


@contextmanager
def kamailio(folder: Path, certificates: Path, people: int, manager: str = "") -> Iterator[Running]:
    """Run it.

    Args:
        folder: A new folder for its configuration and its log.
        certificates: A folder with server.pem, server.key and ca.pem.
        people: How many there are to be; it knows everybody who knows the password.
        manager: Of its memory, `-x`; "": the one it ships with.

    Raises:
        Missing: It is not installed.
    """
    modules = "/usr/lib/x86_64-linux-gnu/kamailio/modules/"
    program = needed("kamailio", PACKAGES, f"{modules}tls.so", f"{modules}presence.so")
    folder.mkdir()
    port = free_port()
    text = _CONFIGURATION.format(port=port, folder=certificates, domain=DOMAIN, password=PASSWORD)
    (folder / "kamailio.cfg").write_text(text, encoding="utf-8")
    words = [program, "-f", str(folder / "kamailio.cfg"), "-DD", "-E", "-m", "512", "-M", "16", "-Y", str(folder)]
    with running([*words, *(("-x", manager) if manager else ())], folder, port, certificates / "ca.pem") as server:
        yield server


class Phone(SipClient):
    """A user of it, with one device."""

    def __init__(self, line: Line, number: int) -> None:
        """Take the number of the user."""
        uri = f"sip:{user(number)}@{DOMAIN}"
        # It finds the connection of a device by the address and port that the device calls its own.
        at = f"sip:{user(number)}@127.0.0.1:{line.port};transport=tls"
        super().__init__(line, uri, "", f"Contact: <{at}>\r\n")
        self._user = user(number)
        self._registration = self.dialog(uri)
        self._registration.target = f"sip:{DOMAIN}"
        self._etag = ""
        self._states = 0

    async def register(self) -> None:
        """Prove the password and become known: two REGISTERs."""
        answer = await self.send(self._registration, "REGISTER", _EXPIRES, want=401)
        await self._prove(answer.get("WWW-Authenticate"))

    async def watch(self, uri: str) -> Dialog:
        """Subscribe to somebody's presence."""
        dialog = self.dialog(uri)
        lines = f"Event: presence\r\nAccept: {_PIDF}\r\nExpires: 3600\r\n"
        dialog.established(await self.send(dialog, "SUBSCRIBE", lines))
        return dialog

    async def publish(self) -> None:
        """Publish another state."""
        self._states += 1
        basic = "open" if self._states % 2 else "closed"
        body = _STATE.format(self.uri, basic, "Available" if self._states % 2 else "Busy")
        kept = f"SIP-If-Match: {self._etag}\r\n" if self._etag else ""
        answer = await self.outside(
            "PUBLISH", self.uri, f"Event: presence\r\nExpires: 3600\r\n{kept}", body.encode(), _PIDF
        )
        self._etag = answer.get("SIP-ETag")

    async def _prove(self, challenge: str) -> None:
        nonce = challenge.partition('nonce="')[2].partition('"')[0]
        one = _md5(f"{self._user}:{DOMAIN}:{PASSWORD}")
        two = _md5(f"REGISTER:sip:{DOMAIN}")
        qop = 'qop="auth"' in challenge
        more = ', qop=auth, nc=00000001, cnonce="b0b"' if qop else ""
        proof = _md5(f"{one}:{nonce}:00000001:b0b:auth:{two}" if qop else f"{one}:{nonce}:{two}")
        line = (
            f'Authorization: Digest username="{self._user}", realm="{DOMAIN}", nonce="{nonce}", uri="sip:{DOMAIN}", '
            f'response="{proof}", algorithm=MD5{more}\r\n'
        )
        await self.send(self._registration, "REGISTER", _EXPIRES + line)


_EXPIRES: Final = "Expires: 3600\r\n"
_STATE: Final = (
    '<?xml version="1.0" encoding="UTF-8"?><presence xmlns="urn:ietf:params:xml:ns:pidf" entity="{}">'
    '<tuple id="t1"><status><basic>{}</basic></status><note>{}</note></tuple></presence>'
)


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


async def call_in(reactor: Any, server: Running, context: ssl.SSLContext, number: int) -> Phone:  # Any: as in `Line`
    """Open a connection for a user, its TLS handshake done."""
    line = open_line(reactor, server.port, context, "127.0.0.1")
    phone = Phone(line, number)
    await line.shake_hands()
    return phone
