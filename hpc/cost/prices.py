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

from hpc.errors import WrongInput
from hpc.wording import quoted_path

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


def read_table() -> dict[str, Any]:
    """The table of all Regions."""
    return dict(json.loads(TABLE.read_text("utf-8")))


def write_table(table: Mapping[str, Any]) -> None:
    """Replaces the table, at once and as a whole; raises WrongInput where its folder cannot be written."""
    part = TABLE.with_suffix(".part")
    try:
        part.write_text(json.dumps(table, indent=1) + "\n", "utf-8")
        part.replace(TABLE)
    except OSError as error:
        raise WrongInput(
            f"{quoted_path(TABLE)}: {error.strerror}; expected a file that can be replaced; refresh in a checkout of "
            "your own"
        ) from error


def read_prices(region: str) -> Prices:
    """What the table has of a Region."""
    table = read_table()
    found = table["regions"].get(region, {})
    return Prices(
        region=region,
        as_of=found.get("as_of", table["as_of"]),
        vcpu_hour=found.get("vcpu_hour", {}),
        gp3_gib_month=found.get("gp3_gib_month"),
        services=found.get("services", {}),
    )
