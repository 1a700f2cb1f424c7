"""ARNs of what comes to be while a run goes on. Its names are made then, so policies name what it is of."""

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

# Why policies have a `*` for them.
EXECUTIONS_REASON = "Executions are named when they are started, which no policy can know; the state machine is named"
JOBS_REASON = "Batch gives jobs their ids when they are submitted, no policy can name them"


def executions(machine: sfn.StateMachine) -> str:
    """All executions of a state machine, but for those of its Maps' items."""
    return _of(machine, "execution", ":*")


def item_executions(machine: sfn.StateMachine) -> str:
    """All executions of items of a state machine's distributed Maps; each Map's label is a part of their ARNs."""
    return _of(machine, "execution", "/*")


def map_runs(machine: sfn.StateMachine) -> str:
    """All runs of a state machine's distributed Maps."""
    return _of(machine, "mapRun", "/*")


def batch_jobs(scope: Construct) -> str:
    """All Batch jobs of the account in the Region."""
    return Stack.of(scope).format_arn(service="batch", resource="job", resource_name="*")


def _of(machine: sfn.StateMachine, resource: str, ending: str) -> str:
    return Stack.of(machine).format_arn(
        service="states",
        resource=resource,
        resource_name=f"{machine.state_machine_name}{ending}",
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )
