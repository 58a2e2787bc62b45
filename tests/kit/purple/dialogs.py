"""What the client would ask or show its user. A question about a certificate is answered with no."""

import itertools
import re
from collections.abc import Callable, Mapping
from typing import Final

from tests.kit.purple.events import Events
from tests.kit.purple.loop import Loop
from tests.kit.purple.native import call, function, glib, purple, table

INPUT, CHOICE, ACTION, FIELDS = range(4)

NO: Final = re.compile(r"_?(reject|cancel|no|deny|decline)$", re.IGNORECASE)


class Dialogs:
    """Tells each question as a `request`, and answers it: with no, or with what stands first."""

    def __init__(self, loop: Loop, events: Events) -> None:
        self._loop = loop
        self._events = events
        self._numbers = itertools.count(1)
        self._fields: dict[int, int] = {}
        self._filling: Mapping[str, str] = {}
        self.found: Callable[[int], None] = lambda _: None
        """Called with the results of a search."""

        purple.purple_request_set_ui_ops(
            table(
                "request_input request_choice request_action request_fields request_file close_request request_folder"
                " request_action_with_icon",
                request_action=function(
                    "pointer(text, text, text, int, pointer, text, pointer, pointer, size, pointer)", self._action
                ),
                request_fields=function(
                    "pointer(text, text, text, pointer, text, pointer, text, pointer, pointer, text, pointer, pointer)",
                    self._form,
                ),
                close_request=function("void(int, pointer)", self._close),
            )
        )
        purple.purple_notify_set_ui_ops(
            table(
                "notify_message notify_email notify_emails notify_formatted notify_searchresults"
                " notify_searchresults_new_rows notify_userinfo notify_uri close_notify",
                notify_message=function("pointer(int, text, text, text)", self._message),
                notify_formatted=function("pointer(text, text, text, text)", self._formatted),
                notify_searchresults=function("pointer(pointer, text, text, text, pointer, pointer)", self._searched),
                notify_userinfo=function("pointer(pointer, text, pointer)", self._card),
            )
        )

    def fill(self, **values: str) -> None:
        """Fill in the next form with these values by the names of its fields, and accept it."""
        self._filling = values

    def _action(
        self,
        title: str,
        primary: str,
        secondary: str,
        default: int,
        account: int,
        who: str,
        conversation: int,
        data: int,
        count: int,
        buttons: int,
    ) -> int:
        labels, functions = _buttons(count, buttons)
        about = " ".join(filter(None, (title, primary, secondary)))
        kind = "certificate" if "certificate" in about.lower() else "question"
        number = self._tell(kind, title, primary, secondary, buttons=labels)
        refusals = [index for index, label in enumerate(labels) if NO.match(label)]
        chosen = refusals[0] if kind == "certificate" and refusals else max(default, 0)

        def answer() -> None:
            if functions[chosen]:
                call(functions[chosen], "void(pointer, int)", data, chosen)
            purple.purple_request_close(ACTION, number)

        self._loop.later(answer)
        return number

    def _form(
        self,
        title: str,
        primary: str,
        secondary: str,
        fields: int,
        _ok: str,
        accept: int,
        _cancel: str,
        refuse: int,
        _account: int,
        _who: str,
        _conversation: int,
        data: int,
    ) -> int:
        number = self._tell("form", title, primary, secondary)
        self._fields[number] = fields
        values, self._filling = self._filling, {}
        for name, value in values.items():
            field = purple.purple_request_fields_get_field(fields, name)
            purple.purple_request_field_string_set_value(field, value)
        chosen = accept if values else refuse

        def answer() -> None:
            if chosen:
                call(chosen, "void(pointer, pointer)", data, fields)
            purple.purple_request_close(FIELDS, number)

        self._loop.later(answer)
        return number

    def _close(self, _kind: int, number: int) -> None:
        fields = self._fields.pop(number, None)
        if fields is not None:
            purple.purple_request_fields_destroy(fields)

    def _tell(self, kind: str, title: str, primary: str, secondary: str, **more: object) -> int:
        number = next(self._numbers)
        self._events.tell("request", kind=kind, title=title, primary=primary, secondary=secondary, **more)
        return number

    def _message(self, _kind: int, title: str, primary: str, secondary: str) -> int:
        self._events.tell("notice", title=title, primary=primary, secondary=secondary)
        return next(self._numbers)

    def _formatted(self, title: str, primary: str, secondary: str, text: str) -> int:
        self._events.tell("notice", title=title, primary=primary, secondary=text)
        return next(self._numbers)

    def _card(self, _gc: int, who: str, card: int) -> int:
        self._events.tell("card", who=who, text=purple.purple_notify_user_info_get_text_with_newline(card, "\n"))
        return next(self._numbers)

    def _searched(self, _gc: int, _title: str, _primary: str, _secondary: str, results: int, _data: int) -> int:
        self.found(results)
        return next(self._numbers)


def _buttons(count: int, arguments: int) -> tuple[list[str], list[int]]:
    """Read labels and functions out of a C va_list.

    How such a list lies in memory is the platform's own affair; GLib's printf knows it. It
    prints each pointer, and a label's text is read at its address.
    """
    shown: str = glib.g_strdup_vprintf(" ".join(["%s\x1f%p\x1e"] * count), arguments) or ""
    pairs = [entry.strip().split("\x1f") for entry in shown.split("\x1e") if entry.strip()]
    return [label for label, _ in pairs], [0 if "nil" in address else int(address, 16) for _, address in pairs]
