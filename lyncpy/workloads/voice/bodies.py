"""The location profile: a dial plan as clients read it ([MS-SIPRE] 2.2.8)."""

from typing import Final

from lyncpy.sip.markup import escape
from lyncpy.workloads.voice.model.dialplan import DialPlan

PROFILE_TYPE: Final = "application/ms-location-profile-definition+xml"
_NS: Final = "http://schemas.microsoft.com/2007/03/LocationProfileDescription"


def write_profile(plan: DialPlan) -> str:
    """Write a dial plan; elements in the order of the schema, and what is as usual left out."""
    rules = "".join(
        f"<Rule><Pattern>{escape(rule.pattern.text)}</Pattern><Translation>{escape(rule.translation)}</Translation>"
        f"<InternalEnterpriseExtension>{_truth(rule.is_internal)}</InternalEnterpriseExtension></Rule>"
        for rule in plan.rules
    )
    prefix = (
        f"<ExternalAccessPrefix>{escape(plan.external_prefix)}</ExternalAccessPrefix>" if plan.external_prefix else ""
    )
    return (
        f'<LocationProfileDescription xmlns="{_NS}"><Name>{escape(plan.name)}</Name>{rules}{prefix}'
        f"<OptimizeDeviceDialing>{_truth(plan.optimizes)}</OptimizeDeviceDialing></LocationProfileDescription>"
    )


def _truth(truth: bool) -> str:
    return "true" if truth else "false"
