"""Names and ARNs of Batch's resources; a request may name a resource by either."""

from dataclasses import dataclass

from hpc.local.batch.config import BatchConfig


@dataclass(frozen=True)
class Arns:
    """Builds ARNs of one account and region, and reads names out of references."""

    partition: str
    region: str
    account: str

    @classmethod
    def of(cls, config: BatchConfig) -> "Arns":
        return cls(config.partition, config.region, config.account)

    def batch(self, kind: str, name: str) -> str:
        """`kind` is job, job-queue, job-definition or compute-environment."""
        return f"arn:{self.partition}:batch:{self.region}:{self.account}:{kind}/{name}"

    def ecs(self, kind: str, name: str) -> str:
        """What Batch names of the cluster that it runs jobs on: cluster, task, container-instance."""
        return f"arn:{self.partition}:ecs:{self.region}:{self.account}:{kind}/{name}"

    def name(self, kind: str, reference: str) -> str:
        """The name in a reference that is a name or an ARN of `kind`; any other ARN comes back as it is."""
        return reference.removeprefix(self.batch(kind, ""))
