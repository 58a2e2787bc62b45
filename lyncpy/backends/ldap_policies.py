"""Password policies: what an LDAP server keeps of the age of passwords in entries of their own (ppolicy).

An entry has the time of its last change (`pwdChangedTime`), and names its policy (`pwdPolicySubentry`), which has the
longest age (`pwdMaxAge`). A policy is read once in a pull, and only when somebody's password is under it. What an
entry's time is worth changes with it though the entry does not: so an increment looks first whether all policies
are as they were.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lyncpy.backends.ldap_conditions import Raw
from lyncpy.backends.ldap_mapping import POLICY
from lyncpy.contracts.directory import Skipped
from lyncpy.contracts.dn import place_of
from lyncpy.sip.text import shown

POLICIES_MOST: Final = 200
"""Policies that are read in one pull; an office has one, or one for each kind of account."""

UNREAD: Final = ""
"""What is remembered of a policy that cannot be read."""

Read = Callable[[str, Sequence[str]], Raw | None]
"""Gives attributes of the entry of a DN; None when it is not there, or may not be read."""


@dataclass(frozen=True, slots=True)
class PasswordPolicy:
    """One policy."""

    dn: str
    values: Raw | None
    """What was asked for; None: it cannot be read."""

    @property
    def mark(self) -> str:
        """Give its values as text, to be compared with."""
        if self.values is None:
            return UNREAD
        return json.dumps({name: [one.hex() for one in values] for name, values in sorted(self.values.items())})


class PasswordPolicies:
    """The policies of one pull. Bounded by POLICIES_MOST.

    Args:
        read: Asks the server.
        wanted: Attributes of a policy, by the attribute of an entry to which they are added.
        default: DN of the policy of entries that name none; "": there is none.
    """

    def __init__(self, read: Read, wanted: Mapping[str, Sequence[str]], default: str) -> None:
        self._read = read
        self._wanted = wanted
        self._names = sorted({name for names in wanted.values() for name in names})
        self._default = default
        self._known: dict[str, PasswordPolicy] = {}
        self._left_out = 0

    def marks(self) -> dict[str, str]:
        """Give the marks of the policies, by DN, for the cookie."""
        return {policy.dn: policy.mark for policy in self._known.values()}

    def are(self, marks: Mapping[str, str]) -> bool:
        """Read policies of a former pull again; tell whether all are as they were."""
        return all(self._policy(dn).mark == mark for dn, mark in list(marks.items())[:POLICIES_MOST])

    def completed(self, raw: Raw) -> Raw:
        """Return an entry with the attributes of its password policy; the same entry where it has none."""
        if not any(raw.get(name.lower()) for name in self._wanted):
            return raw
        named = next((value.decode("utf-8", "replace") for value in raw.get(POLICY.lower(), ()) if value), "")
        dn = named or self._default
        values = self._policy(dn).values if dn else None
        return {**raw, **values} if values else raw

    def troubles(self) -> tuple[Skipped, ...]:
        """Say which could not be read."""
        found = [
            Skipped(
                policy.dn,
                f"this password policy cannot be read, so that passwords that are too old by it are not known: let bind_dn "
                f"read {' and '.join(self._names)} there ([directory] must_change)",
                key=place_of(policy.dn),
                keeps=True,
            )
            for policy in self._known.values()
            if policy.values is None
        ]
        if self._left_out:
            text = f"there are more than {POLICIES_MOST} password policies; the ages of others are not looked at"
            found.append(Skipped("password policies", text, key="password policies", keeps=True))
        return tuple(found)

    def _policy(self, dn: str) -> PasswordPolicy:
        place = place_of(dn)
        policy = self._known.get(place)
        if policy is not None:
            return policy
        if len(self._known) >= POLICIES_MOST:
            self._left_out += 1
            return PasswordPolicy(shown(dn), None)
        policy = self._known[place] = PasswordPolicy(dn, self._asked(dn))
        return policy

    def _asked(self, dn: str) -> Raw | None:
        values = self._read(dn, self._names)
        if values is None:
            return None
        return {name.lower(): tuple(values.get(name.lower(), ())) for name in self._names if values.get(name.lower())}
