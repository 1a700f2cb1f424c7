"""The same thing as different services spell it: Batch's API, Step Functions, CloudFormation, S3's API."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

# What people name themselves keeps its spelling; everything else is AWS's and changes with the casing of the service.
_OWN_NAMES = frozenset({"tags", "parameters", "Tags", "Parameters"})


def camel(value: Any) -> Any:
    """Keys as the Batch API has them (`jobName`)."""
    return _recase(value, lambda key: key[:1].lower() + key[1:])


def pascal(value: Any) -> Any:
    """Keys as Step Functions and CloudFormation have them (`JobName`)."""
    return _recase(value, lambda key: key[:1].upper() + key[1:])


def _recase(value: Any, recase: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        return {recase(key): item if key in _OWN_NAMES else _recase(item, recase) for key, item in value.items()}
    if isinstance(value, list):
        return [_recase(item, recase) for item in value]
    return value


# Members of the CloudFormation types that the Batch API does not have.
_CLOUDFORMATION_ONLY = ("replaceComputeEnvironment", "resourceRetentionPolicy")


def batch_request(properties: dict[str, Any]) -> dict[str, Any]:
    """The API request that CloudFormation makes of a Batch resource's properties."""
    request: dict[str, Any] = camel(json.loads(json.dumps(properties)))
    for name in _CLOUDFORMATION_ONLY:
        request.pop(name, None)
    return request


def lifecycle_rule(rule: dict[str, Any]) -> dict[str, Any]:
    """A rule as S3's API spells it, from CloudFormation's spelling."""
    tags = [{"Key": tag["Key"], "Value": tag["Value"]} for tag in rule.get("TagFilters", [])]
    prefix = rule.get("Prefix")
    conditions: dict[str, Any] = {"Tag": tags[0]} if tags else {"Prefix": prefix or ""}
    if tags and (prefix or len(tags) > 1):
        conditions = {"And": {"Tags": tags} | ({"Prefix": prefix} if prefix else {})}
    spelled: dict[str, Any] = {"Status": rule["Status"], "Filter": conditions}
    if "Id" in rule:
        spelled["ID"] = rule["Id"]
    if "ExpirationInDays" in rule:
        spelled["Expiration"] = {"Days": int(rule["ExpirationInDays"])}
    if "Transitions" in rule:
        spelled["Transitions"] = [
            {"StorageClass": each["StorageClass"], "Days": int(each["TransitionInDays"])}
            for each in rule["Transitions"]
        ]
    if "AbortIncompleteMultipartUpload" in rule:
        days = int(rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"])
        spelled["AbortIncompleteMultipartUpload"] = {"DaysAfterInitiation": days}
    return spelled
