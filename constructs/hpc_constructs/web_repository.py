"""Image repository of the page."""

from aws_cdk import RemovalPolicy
from aws_cdk import aws_ecr as ecr
from constructs import Construct


class WebRepository(Construct):
    """The ECR repository `web_<user>/page`, scanned on push. Exposes `name`, by which other stacks know it.

    Made with the job images' repositories, before the page, whose service wants its image to be there. Costs while
    idle: 0.10 USD a month for each GB stored. Only `latest` moves: another tag means one image for ever, so that a
    deployment can go back to it. No lifecycle rule, and deleted with the stack, as the job images' are.
    """

    def __init__(self, scope: Construct, construct_id: str, *, user_name: str) -> None:
        super().__init__(scope, construct_id)
        self.name = f"web_{user_name}/page"
        ecr.Repository(
            self,
            "Repository",
            repository_name=self.name,
            image_scan_on_push=True,
            image_tag_mutability=ecr.TagMutability.IMMUTABLE_WITH_EXCLUSION,
            image_tag_mutability_exclusion_filters=[ecr.ImageTagMutabilityExclusionFilter.wildcard("latest")],
            removal_policy=RemovalPolicy.DESTROY,
            empty_on_delete=True,
        )
