"""Cause: the account may run fewer vCPUs at once than the compute environments may ask for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from botocore.exceptions import ClientError

from hpc.checks.compute import Environment
from hpc.checks.findings import Finding
from hpc.connection import Connection, error_code

# Of the standard families A, C, D, H, I, M, R, T and Z, in vCPUs. Source:
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-on-demand-instances.html#ec2-on-demand-instances-limits
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/using-spot-limits.html
CODES = {"EC2": ("L-1216C47A", "on-demand"), "SPOT": ("L-34B43A08", "Spot")}
_STANDARD = frozenset({"a", "c", "d", "h", "i", "im", "is", "m", "r", "t", "z"})


@dataclass(frozen=True)
class Quota:
    """What an account may run at once, beside what its environments may ask for together; all in vCPUs."""

    code: str
    kind: str
    allowed_vcpus: float
    environments_vcpus: int
    largest_job_vcpus: float = 0


def find(quota: Quota) -> Finding | None:
    """What the quota keeps from running."""
    if quota.allowed_vcpus >= quota.environments_vcpus:
        return None
    effect = "jobs beyond that wait"
    if quota.allowed_vcpus < quota.largest_job_vcpus:
        effect = f"a job of {quota.largest_job_vcpus:g} vCPUs never starts"
    return Finding(
        f"The account's quota {quota.code} is {quota.allowed_vcpus:g} {quota.kind} vCPUs at once; expected the "
        f"{quota.environments_vcpus} that the compute environments may ask for, {effect}",
        f"aws service-quotas request-service-quota-increase --service-code ec2 --quota-code {quota.code} "
        f"--desired-value {quota.environments_vcpus}, or lower the settings gravitonMaxVcpus and x86MaxVcpus",
    )


def is_standard(instance_type: str) -> bool:
    """
    >>> is_standard("r6g"), is_standard("c7gn.large"), is_standard("p4d"), is_standard("hpc7g"), is_standard("x2gd")
    (True, True, False, False, False)
    """
    letters = re.match(r"[a-z]+", instance_type)
    return letters is not None and letters[0] in _STANDARD


def read_quotas(connection: Connection, environments: Sequence[Environment], largest_job: float) -> Iterable[Quota]:
    """The quotas that these environments are under; asks Service Quotas for one after the other."""
    for kind, (code, name) in CODES.items():
        asked = sum(
            environment.max_vcpus
            for environment in environments
            if environment.kind == kind and environment.is_usable and any(map(is_standard, environment.instance_types))
        )
        if asked:
            yield Quota(code, name, _value(connection, code), asked, largest_job)


def _value(connection: Connection, code: str) -> float:
    quotas = connection.client("service-quotas")
    try:
        answer = quotas.get_service_quota(ServiceCode="ec2", QuotaCode=code)
    except ClientError as error:
        # An account for which nobody changed it has the default.
        if error_code(error) != "NoSuchResourceException":
            raise
        answer = quotas.get_aws_default_service_quota(ServiceCode="ec2", QuotaCode=code)
    return float(answer["Quota"]["Value"])
