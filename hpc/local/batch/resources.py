"""vCPUs and memory that a job asks for, from the definition and the overrides of a submission."""

from dataclasses import dataclass
from typing import Any

from hpc.local.batch.errors import client_error, unsupported
from hpc.local.batch.values import integer

#: Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_ResourceRequirement.html
_FARGATE_VCPUS = ("0.25", "0.5", "1", "2", "4", "8", "16")
_MIN_MEMORY_MIB = 4
_TYPES = ("VCPU", "MEMORY")


@dataclass(frozen=True)
class Resources:
    """What one attempt takes: vCPUs (whole but on Fargate) and MiB of memory."""

    vcpus: float
    memory_mib: int


def requirements(container: dict[str, Any], overrides: dict[str, Any]) -> list[dict[str, str]]:
    """`resourceRequirements` of a job as DescribeJobs shows them: overrides win over the definition.

    The old fields `vcpus` and `memory` count where no requirement of that type is given; as on AWS, an old field of
    the overrides does not override a requirement.
    Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_ContainerOverrides.html
    """
    values: dict[str, str] = {}
    for source in (container, overrides):
        for field, kind in (("vcpus", "VCPU"), ("memory", "MEMORY")):
            if source.get(field) is not None:
                values[kind] = str(source[field])
    for source in (container, overrides):
        for entry in source.get("resourceRequirements") or []:
            if entry.get("type") == "GPU":
                raise unsupported("resourceRequirements type GPU")
            if entry.get("type") not in _TYPES:
                raise client_error(f"resourceRequirements.type must be VCPU or MEMORY, found {entry.get('type')!r}.")
            values[entry["type"]] = str(entry.get("value", ""))
    return [{"type": kind, "value": values[kind]} for kind in _TYPES if kind in values]


def of_job(definition: dict[str, Any], entries: list[dict[str, str]]) -> Resources:
    """What a job of a definition asks for; `entries` are the submission's complete requirements, or none."""
    container = definition["containerProperties"]
    complete = requirements(container, {"resourceRequirements": entries})
    return parse(complete, fargate=definition["platformCapabilities"] == ["FARGATE"])


def parse(entries: list[dict[str, str]], *, fargate: bool) -> Resources:
    """Reads complete requirements; raises BatchError (ClientException) for what AWS does not take."""
    values = {entry["type"]: entry["value"] for entry in entries}
    missing = [kind for kind in _TYPES if kind not in values]
    if missing:
        raise client_error(f"resourceRequirements must give {' and '.join(missing)}.")
    memory_mib = integer(values["MEMORY"], "MEMORY", minimum=_MIN_MEMORY_MIB, maximum=10**9)
    if not fargate:
        return Resources(float(integer(values["VCPU"], "VCPU", minimum=1, maximum=10**6)), memory_mib)
    if values["VCPU"] not in _FARGATE_VCPUS:
        raise client_error(f"VCPU must be one of {', '.join(_FARGATE_VCPUS)} on Fargate, found {values['VCPU']!r}.")
    return Resources(float(values["VCPU"]), memory_mib)
