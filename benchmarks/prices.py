"""What AWS asks for what an execution uses: list prices of us-east-1, without the free tier.

Look them up again before you decide by them; a ratio between two ways in one table changes less than its dollars.
"""

from __future__ import annotations

from dataclasses import dataclass

from hpc.cost.prices import read_prices

REGION = "us-east-1"
PRICES = read_prices(REGION)


@dataclass(frozen=True)
class Dollars:
    """What a run's orchestration costs, by service; Batch itself is free, and instances, storage and logs are apart."""

    step_functions: float
    functions: float
    s3: float
    dynamodb: float
    sns: float

    @property
    def total(self) -> float:
        return self.step_functions + self.functions + self.s3 + self.dynamodb + self.sns


def dollars(
    *,
    transitions: int,
    invocations: int,
    lambda_gb_s: float,
    puts_and_lists: int,
    gets: int,
    writes: int,
    publishes: int,
) -> Dollars:
    """The bill for so many of each."""
    each = PRICES.services
    return Dollars(
        step_functions=transitions * each["transition"],
        functions=invocations * each["invocation"] + lambda_gb_s * each["lambda_gb_s"],
        s3=puts_and_lists * each["s3_put_or_list"] + gets * each["s3_get"],
        dynamodb=writes * each["dynamodb_write"],
        sns=publishes * (each["sns_publish"] + each["sns_mail"]),
    )
