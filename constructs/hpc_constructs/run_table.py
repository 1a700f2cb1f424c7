"""The table of runs."""

from aws_cdk import RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct

RUNS_BY_TIME = "RunsByTime"


class RunTable(Construct):
    """One DynamoDB table. By `pk` and `sk` it has these rows:

    - `RUN#<id>`, `META`: a run
    - `RUN#<id>`, `TASK#<state>#<index>`: a task of it
    - `OPEN`, `RUN#<id>`: a run that the reconciler still looks after
    - `LEASE#<project>`, `LEASE`: which run may write the project's results
    - `IDEMPOTENCY#<owner>#<key>`, `RUN`: the run that a submission's key started

    An index has all runs by time: their `sk` is the same, so one query pages through them, and no other row has
    `created_at`.

    Exposes `table`. Billed by request: nothing while idle but storage. An existing table is taken over by its name
    and left as it is; it must have the same keys and the same index.
    """

    def __init__(self, scope: Construct, construct_id: str, *, retain: bool, existing: str) -> None:
        super().__init__(scope, construct_id)
        self.table: dynamodb.ITable = (
            dynamodb.Table.from_table_attributes(self, "Table", table_name=existing, global_indexes=[RUNS_BY_TIME])
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
            index_name=RUNS_BY_TIME,
            partition_key=dynamodb.Attribute(name="sk", type=text),
            sort_key=dynamodb.Attribute(name="created_at", type=text),
        )
        return table
