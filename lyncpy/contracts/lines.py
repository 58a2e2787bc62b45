"""Which text of a directory is the telephone line of a person, and what its flags say of the person's telephony."""

import re
from collections.abc import Callable
from typing import Final

from lyncpy.contracts.directory import TelephonyMode
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.telephone import parse_line
from lyncpy.sip.text import shown

_ENTERPRISE_VOICE: Final = 128
_CALL_CONTROL: Final = 16
_DUAL: Final = 512
_FLAGS: Final = re.compile(r"-?[0-9]{1,10}")


def line_of(text: str, what: str, left_out: Callable[[str], None]) -> str:
    """Read a line and give it in its normal form, `tel:+14255550100;ext=100`; "" where there is none.

    Args:
        text: As the directory has it.
        what: What it is, for an operator: "line".
        left_out: Told, in a sentence, why a text is nobody's number.
    """
    if not text:
        return ""
    try:
        return parse_line(text).uri
    except RemoteProtocolError as error:
        left_out(f'its {what} "{shown(text)}" is no number that calls can reach: {error.reason}')
        return ""


def telephony_of(text: str, left_out: Callable[[str], None]) -> TelephonyMode:
    """Read how somebody is called: one of the words, or the number that Lync keeps in msRTCSIP-OptionFlags.

    Spec: spec notes, "active-directory" §2 (option flags).
    """
    if _FLAGS.fullmatch(text):
        flags = int(text)
        if flags & _CALL_CONTROL:
            return TelephonyMode.DUAL if flags & (_DUAL | _ENTERPRISE_VOICE) else TelephonyMode.RCC
        return TelephonyMode.UC if flags & _ENTERPRISE_VOICE else TelephonyMode.NONE
    for mode in TelephonyMode:
        if text.lower() == mode.value.lower():
            return mode
    left_out(f'its telephony "{shown(text)}" is none of none, uc, rcc and dual')
    return TelephonyMode.UNSAID
