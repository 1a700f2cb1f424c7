"""Image repositories of the Batch jobs."""

from collections.abc import Iterable

from aws_cdk import RemovalPolicy
from aws_cdk import aws_ecr as ecr
from constructs import Construct

from hpc_constructs.workflow_checks import pascal_case
from hpc_constructs.workflow_parts import WorkflowFolder


class JobImages(Construct):
    """One ECR repository an image, `batch_<user>/<image>`, scanned on push.

    Exposes `repositories` by image name. Costs while idle: 0.10 USD a month for each GB stored.

    - Tags move: a job definition names `latest`, and a push makes the next job use the new image.
    - No lifecycle rule: a job definition may name a digest while `latest` has moved on, and ECR cannot tell a digest
      in use from an old one.
    - Deleted with the stack even where data is retained: the names are fixed, so that a repository left behind would
      make the next deployment fail, and images are rebuilt from the jobs' sources.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, user_name: str, workflows: Iterable[WorkflowFolder]
    ) -> None:
        super().__init__(scope, construct_id)
        self.repositories = {
            image: ecr.Repository(
                self,
                pascal_case(image),
                repository_name=f"batch_{user_name}/{image}",
                image_scan_on_push=True,
                image_tag_mutability=ecr.TagMutability.MUTABLE,
                removal_policy=RemovalPolicy.DESTROY,
                empty_on_delete=True,
            )
            for image in sorted({job.image for workflow in workflows for job in workflow.jobs})
        }
