"""The table of runs and leases."""

from aws_cdk import RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct

RUNS_BY_DAY = "RunsByDay"


class RunTable(Construct):
    """One DynamoDB table: `RUN#<id>`/`META` rows, `LEASE#<project>`/`LEASE` rows, and an index by day and status.

    Exposes `table`. Billed by request: nothing while idle but storage. An existing table is taken over by its name
    and left as it is; it must have the same keys and the index `RunsByDay`.
    """

    def __init__(self, scope: Construct, construct_id: str, *, retain: bool, existing: str) -> None:
        super().__init__(scope, construct_id)
        self.table: dynamodb.ITable = (
            dynamodb.Table.from_table_attributes(self, "Table", table_name=existing, global_indexes=[RUNS_BY_DAY])
            if existing
            else self._new_table(retain=retain)
        )

    def _new_table(self, *, retain: bool) -> dynamodb.Table:
        text = dynamodb.AttributeType.STRING
        table = dynamodb.Table(
            self,
            "Table",
            partition_key=dynamodb.Attribute(name="pk", type=text),
            sort_key=dynamodb.Attribute(name="sk", type=text),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.AWS_MANAGED,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            deletion_protection=retain,
            removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE if retain else RemovalPolicy.DESTROY,
        )
        table.add_global_secondary_index(
            index_name=RUNS_BY_DAY,
            partition_key=dynamodb.Attribute(name="day", type=text),
            sort_key=dynamodb.Attribute(name="status", type=text),
        )
        return table
