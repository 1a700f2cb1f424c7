"""What an instance type's name says: its family and its vCPUs."""

from __future__ import annotations

import re

_SIZE = re.compile(r"(?P<multiple>[0-9]*)(?P<size>medium|large|xlarge)")
# Source: https://docs.aws.amazon.com/ec2/latest/instancetypes/ec2-instance-type-specifications.html
_VCPUS = {"medium": 1, "large": 2, "xlarge": 4}
# GiB of memory a vCPU, by the letter of the family's series, for generations from 5 on, and of what differs.
# Source: as above.
_GIB_PER_VCPU = {"c": 2.0, "m": 4.0, "r": 8.0}
_GIB_PER_VCPU_OF = {"c5n": 2.625}


def family_of(instance_type: str) -> str:
    """`r6g` of `r6g.16xlarge`, and of `r6g` itself."""
    return instance_type.partition(".")[0]


def vcpus_of(instance_type: str) -> int | None:
    """The vCPUs of a size; None for a family, and for sizes whose names do not tell (`metal`)."""
    found = _SIZE.fullmatch(instance_type.partition(".")[2])
    if found is None:
        return None
    return int(found["multiple"] or 1) * _VCPUS[found["size"]]


def gib_per_vcpu(family: str) -> float | None:
    """Memory a vCPU of a family; None for series whose families differ."""
    found = re.fullmatch(r"(?P<series>[a-z])[5-9][a-z]*", family)
    return _GIB_PER_VCPU_OF.get(family, _GIB_PER_VCPU.get(found["series"])) if found else None
