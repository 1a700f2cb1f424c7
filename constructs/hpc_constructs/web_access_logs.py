"""The bucket of the load balancer's access logs."""

from constructs import Construct

from hpc_constructs.acknowledgments import acknowledge
from hpc_constructs.private_bucket import abort_uploads, expire, private_bucket
from hpc_constructs.provider_logs import EMPTIES_BUCKETS, end_provider_logs


class WebAccessLogs(Construct):
    """A bucket encrypted with keys of S3, the only ones that a load balancer's logs can have. Exposes `bucket`.

    Costs while idle: what is stored, which expires.
    Source: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html
    """

    def __init__(self, scope: Construct, construct_id: str, *, retain: bool, retention_days: int) -> None:
        super().__init__(scope, construct_id)
        rules = [expire(days=retention_days), abort_uploads()]
        self.bucket = private_bucket(self, "Bucket", rules=rules, retain=retain)
        acknowledge(
            self.bucket,
            "S1",
            reason="It holds access logs itself; who reads them is nobody's business but the account's",
        )
        if not retain:
            end_provider_logs(self, EMPTIES_BUCKETS, retention_days=retention_days)
