"""Findings of cdk-nag that are accepted, each with its reason, where they arise."""

import json
from collections.abc import Iterable
from typing import Any

from aws_cdk import Acknowledgment, Stack, Validations
from constructs import Construct, IConstruct


def acknowledge(scope: IConstruct, *rules: str, reason: str) -> None:
    """Accepts findings such as `S1` or `IAM5[Action::s3:*]` of the pack AwsSolutions on `scope` and what is in it."""
    accepted = [Acknowledgment(id=f"AwsSolutions::AwsSolutions-{rule}", reason=reason) for rule in rules]
    Validations.of(scope).acknowledge(*accepted)


def acknowledge_wildcards(scope: Construct, resources: Iterable[str], *, reason: str) -> None:
    """Accepts the `*` in exactly these resources of the policies in `scope`; any other `*` stays a finding."""
    stack = Stack.of(scope)
    rules = {f"IAM5[Resource::{_as_reported(stack.resolve(resource))}]" for resource in resources if "*" in resource}
    acknowledge(scope, *sorted(rules), reason=reason)


def _as_reported(resolved: Any) -> str:
    """A resource as cdk-nag writes it: `<LogicalId>`, `<LogicalId.Attribute>`, other functions as compact JSON."""
    if isinstance(resolved, str):
        return resolved
    if "Fn::Join" in resolved:
        separator, parts = resolved["Fn::Join"]
        return str(separator).join(_as_reported(part) for part in parts)
    if "Ref" in resolved:
        return f"<{resolved['Ref']}>"
    if "Fn::GetAtt" in resolved:
        return f"<{'.'.join(resolved['Fn::GetAtt'])}>"
    return json.dumps(resolved, separators=(",", ":"))
