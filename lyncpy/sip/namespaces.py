"""The names of XML vocabularies that several workloads write."""

from typing import Final

INSTANCE_NS: Final = "http://www.w3.org/2001/XMLSchema-instance"
"""Of xsi:type and xsi:nil. Spec: https://www.w3.org/TR/xmlschema-1/ §2.6."""

PRESENCE_NS: Final = "http://schemas.microsoft.com/2006/09/sip"
"""What the names of presence's vocabularies begin with: those of categories, states, contact cards. Spec: [MS-PRES] 2.2.2."""
