"""Log groups that end with the stack and keep nothing for ever."""

from typing import cast

from aws_cdk import RemovalPolicy
from aws_cdk import aws_logs as logs
from constructs import Construct


def log_group(scope: Construct, construct_id: str, *, retention_days: int, name: str | None = None) -> logs.LogGroup:
    """A log group deleted with the stack, also where data is retained: logs are no data that a new stack takes over.

    `retention_days` is one of the numbers that CloudWatch Logs knows. `name` only where a service asks for a prefix.
    """
    group = logs.LogGroup(scope, construct_id, log_group_name=name, removal_policy=RemovalPolicy.DESTROY)
    # The L2 construct takes an enumeration of the same numbers; the setting is checked already.
    cast(logs.CfnLogGroup, group.node.default_child).retention_in_days = retention_days
    return group
