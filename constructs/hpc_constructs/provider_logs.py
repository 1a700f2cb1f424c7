"""Logs of the CDK's own custom resource functions."""

from typing import cast

from aws_cdk import CfnResource, CustomResourceProviderBase, Stack
from constructs import Construct

from hpc_constructs.log_groups import log_group

EMPTIES_BUCKETS = "Custom::S3AutoDeleteObjectsCustomResourceProvider"


def end_provider_logs(scope: Construct, provider_id: str, *, retention_days: int) -> None:
    """Gives the function of one of the CDK's custom resources a log group that goes with the stack.

    Without this, Lambda makes a group that nobody deletes and that keeps its logs for ever. The role may then write
    to this group only, and cannot make it again once it is gone.
    """
    provider = cast(CustomResourceProviderBase, Stack.of(scope).node.find_child(provider_id))
    group = log_group(scope, "ProviderLogs", retention_days=retention_days)
    actions = ["logs:CreateLogStream", "logs:PutLogEvents"]
    provider.add_to_role_policy({"Effect": "Allow", "Action": actions, "Resource": group.log_group_arn})
    cast(CfnResource, provider.node.find_child("Role")).add_property_deletion_override("ManagedPolicyArns")
    function = cast(CfnResource, provider.node.find_child("Handler"))
    function.add_property_override("LoggingConfig.LogGroup", group.log_group_name)
