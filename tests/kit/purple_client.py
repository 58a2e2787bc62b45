"""A real client as an object: starts a process of `tests.kit.purple`, commands it, and waits for what it tells."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Literal

from tests.kit.patience import pause
from tests.kit.purple.nursery import nursery

PATIENCE_S: Final = 15.0

LINE_SHOWN: Final = 400
"""Characters of a line of a SIP message, in the report of a failed test."""

Event = dict[str, Any]
"""Any: what JSON has. Every event has `event`, its name, and `at`, seconds since the client's start."""

Wanted = object | re.Pattern[str] | Callable[[Any], bool]
"""A value, a pattern that is found in it, or a question about it."""


class ClientError(AssertionError):
    """The client refused, failed, or is gone."""


class ConnectionRefusedByServer(ClientError):
    """Sign-in ended with an error; the event has its reason and its words."""

    def __init__(self, name: str, event: Event) -> None:
        super().__init__(f"{name}: {event['reason']}: {event['text']}")
        self.reason: Final[str] = event["reason"]
        self.text: Final[str] = event["text"]


class PurpleClient:
    """One pidgin-sipe with one account. It does not end by itself: close it."""

    def __init__(
        self,
        address: str,
        password: str,
        *,
        server: str,
        folder: Path,
        ca: Path | None = None,
        transport: Literal["tls", "tcp", "auto"] = "tls",
        login: str = "",
        hostname: str = "",
        names: Mapping[str, str] | None = None,
        scheme: str = "ntlm",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start the process; nothing is connected.

        Args:
            address: Without `sip:`.
            password: What `login` sends if it is given none.
            server: HOST:PORT.
            folder: Where the client keeps its files; it is made.
            ca: The authority to trust. A certificate of any other one is refused.
            transport: How to connect; with "auto" and no server it looks for one.
            login: The name for authentication, if it is not the address.
            hostname: A host name for this client alone: a second endpoint of an account needs one. Root only.
            names: Addresses by host name, and HOST:PORT by the name of a service (SRV); no other names exist for the client.
            scheme: How it proves itself: ntlm, krb5, tls-dsk or auto.
            environment: Variables of its process.
        """
        self.address: Final = address
        self.uri: Final = f"sip:{address}"
        self.name: Final = f"{address.partition('@')[0]}{f'@{hostname}' if hostname else ''}"
        self.events: Final[list[Event]] = []
        self._folder = folder
        self._account = {
            "address": address,
            "password": password,
            "login": login,
            "server": server,
            "transport": transport,
            "auth": scheme,
        }
        self._mailbox: list[Event] = []
        self._answers: dict[int, Event] = {}
        self._number = 0
        self._ended = False
        self._changed = threading.Condition()
        folder.mkdir(parents=True)
        words = ["--home", str(folder), "--names", json.dumps(dict(names or {}))]
        words += ["--ca", str(ca)] if ca else []
        words += ["--hostname", hostname] if hostname else []
        variables = {
            **os.environ,
            "LC_ALL": "C.UTF-8",
            "LANGUAGE": "",
            "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nowhere",
            **(environment or {}),
        }
        self.process: Final = nursery().fork(words, variables, folder / "stderr.log")
        self._reader = threading.Thread(target=self._read, daemon=True, name=f"events of {self.name}")
        self._reader.start()

    # --- its life

    def login(self, *, wait: bool = True, **changes: object) -> "PurpleClient":
        """Connect, and wait until the contact list is there.

        Args:
            wait: Or return at once.
            changes: `password`, `status`, `note`, `returns` and so on, see the driver's `login`.

        Raises:
            ConnectionRefusedByServer: The sign-in failed.
        """
        self.wait_for("ready", taken=False)
        self.command("login", **{**self._account, **changes})
        if wait:
            self.signed_on()
        return self

    def signed_on(self, timeout_s: float = PATIENCE_S) -> None:
        """Wait for the end of a sign-in.

        Connected is not enough: what a user changes before the contact list and his own state
        have come is lost when they come.
        """
        event = self.wait_for("signed_on", "connection_error", timeout_s=timeout_s)
        if event["event"] == "connection_error":
            raise ConnectionRefusedByServer(self.name, event)
        self._complete(timeout_s)

    def signed_on_again(self, timeout_s: float = PATIENCE_S) -> None:
        """Wait until a client that returns is back; it may have tried in vain meanwhile."""
        self.wait_for("signed_on", timeout_s=timeout_s)
        self._complete(timeout_s)

    def _complete(self, timeout_s: float) -> None:
        self.until(lambda: "<contactList" in self._log_of_this_connection(), "a contact list", timeout_s)
        self.settle(timeout_s)

    def logout(self) -> None:
        """Sign off as a user does."""
        self.command("logout")
        self.wait_for("signed_off")

    def kill(self) -> None:
        """Die without a word, as a machine without power does."""
        self.process.kill()
        self.process.wait(PATIENCE_S)

    def freeze(self) -> None:
        """Hang: the connection stays, nothing is answered."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on."""
        self.process.send_signal(signal.SIGCONT)

    def leave(self) -> None:
        """Begin to sign off and end."""
        if self.process.poll() is None:
            self.thaw()
        with contextlib.suppress(OSError):
            self.process.stdin.close()

    def close(self) -> None:
        """Sign off, end, and remove the files; may be called twice."""
        self.leave()
        try:
            self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.kill()
        self._reader.join(PATIENCE_S)
        self.process.stdout.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    # --- what its user does

    def set_status(self, status: str, note: str | None = None) -> None:
        """Choose available, busy, dnd, brb, away or invisible, and a note."""
        self.command("set_status", status=status, note=note)

    def set_note(self, note: str | None) -> None:
        """Choose a note and keep the state."""
        self.command("set_note", note=note)

    def set_idle(self, seconds: int) -> None:
        """Have touched nothing for so long, and be away for that; 0: be back."""
        self.command("set_idle", seconds=seconds)

    def set_level(self, who: str, level: str) -> None:
        """Choose somebody's access level in his menu: Personal, Team, Company, Public, Blocked or Unspecify."""
        self.command("set_level", who=who, level=level)

    def block(self, who: str) -> None:
        """Give somebody the access level Blocked."""
        self.command("block", who=who)

    def unblock(self, who: str) -> None:
        """Take the access level Blocked from somebody."""
        self.command("unblock", who=who)

    def blist(self) -> list[Event]:
        """Give the contacts: who, group, alias, status, message, online."""
        found: list[Event] = self.command("blist")
        return found

    def groups(self) -> list[str]:
        """Give the names of the groups."""
        found: list[str] = self.command("groups")
        return found

    def contacts(self) -> set[tuple[str, str]]:
        """Give the contacts as pairs of address and group."""
        return {(one["who"].removeprefix("sip:"), one["group"]) for one in self.blist()}

    def info(self, who: str) -> Mapping[str, str]:
        """Give what the contact card of a contact says."""
        found: Mapping[str, str] = self.command("info", who=who)
        return found

    def add_buddy(self, who: str, group: str = "Friends", alias: str | None = None) -> None:
        """Add a contact."""
        self.command("add_buddy", who=who, group=group, alias=alias)

    def remove_buddy(self, who: str, group: str = "Friends") -> None:
        """Remove a contact from a group."""
        self.command("remove_buddy", who=who, group=group)

    def move_buddy(self, who: str, group: str, to: str) -> None:
        """Move a contact to another group."""
        self.command("move_buddy", who=who, group=group, to=to)

    def alias_buddy(self, who: str, alias: str) -> None:
        """Name a contact."""
        self.command("alias_buddy", who=who, alias=alias)

    def rename_group(self, group: str, to: str) -> None:
        """Rename a group."""
        self.command("rename_group", group=group, to=to)

    def remove_group(self, group: str) -> None:
        """Remove a group and who is in it."""
        self.command("remove_group", group=group)

    def send_im(self, who: str, text: str) -> None:
        """Say something to somebody."""
        self.command("send_im", who=who, text=text)

    def typing(self, who: str) -> None:
        """Begin to type."""
        self.command("typing", who=who)

    def close_im(self, who: str) -> None:
        """Close the window."""
        self.command("close_im", who=who)

    def search(self, **fields: str) -> list[str]:
        """Search by "Contact search…" with the fields given, surname, email, sipid, company; give the addresses found."""
        self.command("search", **fields)
        told = self.wait_for("found", "notice")
        return [row[0].removeprefix("sip:") for row in told["rows"]] if "rows" in told else []

    def card(self, who: str) -> str:
        """Give what "Get info" shows of somebody, line by line."""
        self.command("card", who=f"sip:{who}")
        return str(self.wait_for("card")["text"])

    # --- conferences

    def start_conference(self, who: str) -> None:
        """Begin a conference with a contact, by "New chat" in his menu."""
        self.command("start_conference", who=who)

    def join_conference(self, link: str = "", *, organizer: str = "", meeting: str = "") -> None:
        """Join a conference by the menu: a link or a URI, or its organizer and its id."""
        self.command("join_conference", link=link, organizer=organizer, meeting=meeting)

    def invite(self, who: str, chat: str | None = None) -> None:
        """Invite somebody to a chat; without `chat` to the only one that is not over."""
        self.command("invite", who=who, chat=chat)

    def chat_send(self, text: str, chat: str | None = None) -> None:
        """Say something to all in a chat."""
        self.command("chat_send", text=text, chat=chat)

    def chat_close(self, chat: str | None = None) -> None:
        """Close a chat's window, which leaves the conference."""
        self.command("chat_close", chat=chat)

    def chat_action(self, label: str, chat: str | None = None) -> None:
        """Choose an entry of a chat's menu: Lock, Unlock…"""
        self.command("chat_action", label=label, chat=chat)

    def chat_menu(self, chat: str | None = None) -> list[str]:
        """Give the labels of a chat's menu."""
        found: list[str] = self.command("chat_menu", chat=chat)
        return found

    def chats(self) -> list[Event]:
        """Give the chats: chat (its name), title, topic, members, is_over."""
        found: list[Event] = self.command("chats")
        return found

    def members(self) -> Mapping[str, bool]:
        """Give who is in the only chat that is not over, by address, and whether he is a presenter; empty without one."""
        found: list[Mapping[str, bool]] = [one["members"] for one in self.chats() if not one["is_over"]]
        return {who.removeprefix("sip:"): leads for who, leads in found[0].items()} if found else {}

    def buddy_menu(self, who: str) -> list[str]:
        """Give the labels of a contact's menu."""
        found: list[str] = self.command("buddy_menu", who=who)
        return found

    def buddy_action(self, who: str, label: str) -> None:
        """Choose an entry of a contact's menu: Make leader of…, Remove from…"""
        self.command("buddy_action", who=who, label=label)

    # --- what it tells

    def wait_for(self, *names: str, timeout_s: float = PATIENCE_S, taken: bool = True, **conditions: Wanted) -> Event:
        """Give the first event with one of these names that fulfils all conditions, whether it came already or not.

        Args:
            names: Of events.
            timeout_s: Seconds until it is a failure.
            taken: An event that was given is not given again.
            conditions: By field.
        """
        return self._await(names, conditions, timeout_s, taken=taken)

    def wait_presence(self, who: str, timeout_s: float = PATIENCE_S, **conditions: Wanted) -> Event:
        """Wait until a contact is shown so, e.g. `status="busy"`; give how it is shown."""
        uri = f"sip:{who.removeprefix('sip:')}"
        found: list[Event] = []

        def is_so() -> bool:
            found[:] = [
                one for one in self.blist() if one["who"] == uri and _fulfils({**one, "event": ""}, ("",), conditions)
            ]
            return bool(found)

        self.until(is_so, f"{who} with {_shown(conditions)}", timeout_s)
        return found[0]

    def until(self, question: Callable[[], object], what: str, timeout_s: float = PATIENCE_S) -> None:
        """Wait until a question has the answer yes; it is asked again after each event, and a few times a second."""
        began = time.monotonic()
        while not question():
            with self._changed:
                waited = time.monotonic() - began
                if waited >= timeout_s or self._ended:
                    raise ClientError(f"{self.name}: no {what}; {self._recent()}")
                self._changed.wait(pause(waited))

    def expect_none(self, *names: str, seconds: float, **conditions: Wanted) -> None:
        """Fail if such an event comes within the time."""
        try:
            event = self._await(names, conditions, seconds, taken=True)
        except ClientError:
            assert not self._ended
            return
        raise ClientError(f"{self.name}: unexpected {event}")

    def clear(self) -> None:
        """Forget the events so far."""
        with self._changed:
            self._mailbox.clear()

    def sip(self, direction: Literal["sent", "received"], start: str = "") -> list[str]:
        """Give its SIP messages so far that begin so, as its log has them."""
        return [text for text in _messages(self.log(), ">" if direction == "sent" else "<") if text.startswith(start)]

    def settle(self, timeout_s: float = PATIENCE_S) -> None:
        """Wait until every request that it sent has its final answer; answers beget requests, and those count too."""
        self.until(lambda: not self._unanswered(), "final answer to every request", timeout_s)

    def in_step_with(self, other: "PurpleClient") -> None:
        """Wait until two clients of one user have been told the same last change of the contact list.

        Client: told of its own earlier change after the next one was asked for, it undoes half of that.
        """
        self.until(lambda: self._list_version() == other._list_version(), f"change that {other.name} knows")

    def _list_version(self) -> int:
        found = re.findall(r'\bdeltaNum="(\d+)"', "".join(self.sip("received")))
        return max(map(int, found), default=0)

    def _unanswered(self) -> set[tuple[str, str]]:
        log = self._log_of_this_connection()
        sent = {_name(text) for text in _messages(log, ">") if not text.startswith(("SIP/2.0", "ACK"))}
        return sent - {_name(text) for text in _messages(log, "<") if re.match(r"SIP/2\.0 [2-6]", text)}

    def _log_of_this_connection(self) -> str:
        return self.log().rpartition("CSeq: 1 REGISTER")[2]

    def log(self) -> str:
        """Give its debug log."""
        try:
            return (self._folder / "debug.log").read_text("utf-8", "replace")
        except FileNotFoundError:
            return ""

    def tail(self, messages: int = 8) -> str:
        """Give its latest SIP messages and whatever it complained about, for the report of a failed test."""
        found = re.findall(r"MESSAGE START ([<>])\1{9} SIP[^\n]*\n(.*?)\nMESSAGE END", self.log(), re.DOTALL)
        errors = (self._folder / "stderr.log").read_text("utf-8", "replace") if self._folder.exists() else ""
        shown = [
            "\n".join(
                [
                    f"{'sent' if arrow == '>' else 'received'}:",
                    *(line[:LINE_SHOWN] for line in text.strip().splitlines()),
                ]
            )
            for arrow, text in found[-messages:]
        ]
        return "\n\n".join([f"=== {self.name}: {self._recent()}", *shown, errors[-2000:]])

    def command(self, command: str, **words: object) -> Any:  # Any: each command has its own result
        """Give a command to the driver; its result."""
        self._number += 1
        number = self._number
        try:
            self.process.stdin.write(json.dumps({"number": number, "command": command, **words}) + "\n")
            self.process.stdin.flush()
        except OSError:
            raise ClientError(f"{self.name}: is gone; {self.tail(0)}") from None
        until = time.monotonic() + PATIENCE_S
        with self._changed:
            while number not in self._answers:
                self._wait(until, f"answer to {command}")
            answer = self._answers.pop(number)
        if "error" in answer:
            raise ClientError(f"{self.name}: {command}: {answer['error']}")
        return answer["result"]

    def _await(
        self, names: tuple[str, ...], conditions: Mapping[str, Wanted], timeout_s: float, *, taken: bool
    ) -> Event:
        until = time.monotonic() + timeout_s
        with self._changed:
            while True:
                for event in self._mailbox:
                    if _fulfils(event, names, conditions):
                        if taken:
                            self._mailbox.remove(event)
                        return event
                self._wait(until, f"{' or '.join(names)} {_shown(conditions)}")

    def _wait(self, until: float, what: str) -> None:
        left = until - time.monotonic()
        if left <= 0 or self._ended:
            raise ClientError(f"{self.name}: no {what}{', its process ended' if self._ended else ''}; {self._recent()}")
        self._changed.wait(left)

    def _recent(self) -> str:
        return "latest events:\n  " + "\n  ".join(json.dumps(event, ensure_ascii=False) for event in self.events[-12:])

    def _read(self) -> None:
        for line in self.process.stdout:
            event = json.loads(line)
            with self._changed:
                if event["event"] == "answer":
                    self._answers[event["number"]] = event
                else:
                    self.events.append(event)
                    self._mailbox.append(event)
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()


def _messages(log: str, arrow: str) -> list[str]:
    arrows = arrow * 10
    return [
        text.lstrip()
        for text in re.findall(rf"MESSAGE START {arrows} SIP[^\n]*\n(.*?)\nMESSAGE END {arrows} SIP", log, re.DOTALL)
    ]


def _name(message: str) -> tuple[str, str]:
    """Give Call-ID and CSeq, which a response has from its request."""
    found = [re.search(rf"^{name}: *(.*)$", message, re.MULTILINE) for name in ("Call-ID", "CSeq")]
    call_id, cseq = (one[1].strip() if one else "" for one in found)
    return call_id, cseq


def _fulfils(event: Event, names: tuple[str, ...], conditions: Mapping[str, Wanted]) -> bool:
    return event["event"] in names and all(_is(event.get(field), wanted) for field, wanted in conditions.items())


def _is(value: object, wanted: Wanted) -> bool:
    if isinstance(wanted, re.Pattern):
        return isinstance(value, str) and wanted.search(value) is not None
    return bool(wanted(value)) if callable(wanted) else value == wanted


def _shown(conditions: Mapping[str, Wanted]) -> str:
    return ", ".join(f"{name}={getattr(wanted, 'pattern', wanted)!r}" for name, wanted in conditions.items())
