"""Why rules do not take what `lyncpy import` brings, in words for an operator, and what to do."""

from collections.abc import Mapping
from typing import Final

from lyncpy.workloads.conferencing.model.conference import C3pReason
from lyncpy.workloads.contacts.model import ContactDenial

_CONFERENCES: Final[Mapping[C3pReason, str]] = {
    C3pReason.INVALID_ID: "its id has to be 8 to 32 letters and digits, without others: correct it",
    C3pReason.MAXIMUM_CONFERENCES: "they would have too many: raise [conferencing] conferences_per_organizer or organizer_bytes",
    C3pReason.MAXIMUM_STATIC: "they have one already that is always the same: leave static out",
    C3pReason.REQUEST_TOO_LARGE: "its subject, its text or its list of invited people is too long: shorten it, or raise [conferencing] subject_letters or invited_per_conference",
    C3pReason.INVALID_EXPIRY: "it expires too late: write a time within ten years",
    C3pReason.INVALID_ADMISSION_POLICY: "there is no such admission: write closedAuthenticated, openAuthenticated or anonymous",
    C3pReason.ANONYMOUS_NOT_ALLOWED: "it is open to guests, and here none are: set [conferencing] guests = true, or write openAuthenticated",
    C3pReason.INVALID_AUTOPROMOTE: "there is no such autopromote: write a number as an export does",
    C3pReason.INVALID_PASSCODE: "its passcode has to be 4 to 16 letters and digits: correct it",
    C3pReason.NOTIFICATION_DATA_TOO_LARGE: "its notification_data are too long: shorten them, or raise [conferencing] notification_bytes",
    C3pReason.INVALID_ROLE: "somebody is invited in a role that there is not: write attendee or presenter",
    C3pReason.INVALID_USER: "somebody is invited by something that is no address: correct it",
}

_CONTACTS: Final[Mapping[ContactDenial, str]] = {
    ContactDenial.CONTACTS_FULL: "they would have too many contacts: raise [contacts] contacts_per_user",
    ContactDenial.GROUPS_FULL: "they would have too many groups: raise [contacts] groups_per_user, or leave some out",
    ContactDenial.LIST_TOO_LARGE: "their list would be too long: shorten names, or raise [contacts] list_bytes",
    ContactDenial.EXTENSION_TOO_LARGE: "what stands in its extension is too long: shorten it, or raise [contacts] extension_bytes",
    ContactDenial.NAME_TAKEN: "they have a group of this name: give it another one",
}


def of_conference(reason: C3pReason) -> str:
    """Say why a conference is not taken."""
    return _CONFERENCES.get(reason) or reason.value


def of_contact(denial: ContactDenial) -> str:
    """Say why a contact or a group is not taken."""
    return _CONTACTS.get(denial) or denial.name.lower().replace("_", " ")
