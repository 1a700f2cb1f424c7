"""List prices: a dated table in the project, which `hpc prices --refresh` makes anew from AWS's Price List API.

Prices that the table does not have are unknown, never 0. On-demand prices of one family go with the vCPUs, so that a
price a vCPU stands for all sizes. Source: https://aws.amazon.com/ec2/pricing/on-demand/
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TABLE = Path(__file__).with_name("prices.json")
# A month of EBS prices. Source: https://aws.amazon.com/ebs/pricing/ (30 days)
HOURS_A_MONTH = 720


@dataclass(frozen=True)
class Prices:
    """The prices of one Region in US dollars, as they were on the day `as_of`.

    `vcpu_hour` has the on-demand price of a vCPU by instance family; `services` has those of one transition of a
    standard workflow, GB second and invocation of Lambda on Arm (first tier), request to S3 Standard (HEAD counts as
    GET, deletes are free), write of up to 1 KB to DynamoDB on demand, publish and mail of SNS; without free tiers.
    """

    region: str
    as_of: str
    vcpu_hour: Mapping[str, float] = field(default_factory=dict)
    gp3_gib_month: float | None = None
    services: Mapping[str, float] = field(default_factory=dict)


def read_prices(region: str) -> Prices:
    """What the table has of a Region."""
    return prices_of(json.loads(TABLE.read_text("utf-8")), region)


def prices_of(table: Mapping[str, Any], region: str) -> Prices:
    """The prices of a Region in a table of all."""
    found = table["regions"].get(region, {})
    return Prices(
        region=region,
        as_of=found.get("as_of", table["as_of"]),
        vcpu_hour=found.get("vcpu_hour", {}),
        gp3_gib_month=found.get("gp3_gib_month"),
        services=found.get("services", {}),
    )
