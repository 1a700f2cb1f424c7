"""What AWS asks for what an execution uses: list prices of us-east-1, without the free tier.

Step Functions, Lambda and DynamoDB were compared with copies of AWS's pages in November 2026, most of them undated. The
seconds of Lambda on Arm, DynamoDB and SNS agree with what others wrote of them in 2025 and 2026, S3's PUT and LIST
with an example of others that has no date. S3's GET is from memory.

Look them up again before you decide by them; a ratio between two ways in one table changes less than its dollars.
"""

from __future__ import annotations

from dataclasses import dataclass

AS_OF = "2026-11-25"
REGION = "us-east-1"

# Standard workflows. Source: https://aws.amazon.com/step-functions/pricing/
USD_PER_TRANSITION = 0.025 / 1_000
# Arm, first tier; the functions are ARM_64. Source: https://aws.amazon.com/lambda/pricing/
USD_PER_LAMBDA_GB_S = 0.0000133334
USD_PER_INVOCATION = 0.20 / 1_000_000
# S3 Standard; HEAD counts as GET, and deletes are free. Source: https://aws.amazon.com/s3/pricing/
USD_PER_PUT_OR_LIST = 0.005 / 1_000
USD_PER_GET = 0.0004 / 1_000
# On demand; an item of up to 1 KB is one unit. Source: https://aws.amazon.com/dynamodb/pricing/on-demand/
USD_PER_WRITE = 0.625 / 1_000_000
# One publish, and one mail to one address. Source: https://aws.amazon.com/sns/pricing/
USD_PER_PUBLISH = 0.50 / 1_000_000
USD_PER_MAIL = 2.00 / 100_000


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
    return Dollars(
        step_functions=transitions * USD_PER_TRANSITION,
        functions=invocations * USD_PER_INVOCATION + lambda_gb_s * USD_PER_LAMBDA_GB_S,
        s3=puts_and_lists * USD_PER_PUT_OR_LIST + gets * USD_PER_GET,
        dynamodb=writes * USD_PER_WRITE,
        sns=publishes * (USD_PER_PUBLISH + USD_PER_MAIL),
    )
