"""The API and the page: how much they answer, who may reach them, what the page runs on."""

from typing import Self

from pydantic import model_validator

from hpc_constructs.settings.account import AccountSettings
from hpc_constructs.settings.fields import SettingsError, example_of, field_named, number, setting
from hpc_constructs.settings.types import (
    MOST_TASKS,
    Admins,
    CertificateArn,
    Cidrs,
    Count,
    CpuArchitecture,
    ImageTag,
    TasksAtLeast,
    UserPoolArn,
    UserPoolClientId,
    UserPoolDomain,
)
from hpc_constructs.web_choices import SignIn, WebAccess, WebTasks


class WebSettings(AccountSettings):
    """What people and scripts call."""

    api_rate_limit: Count = number(
        "apiRateLimit",
        50,
        between=(1, 10_000),
        unit="calls a second",
        example="200",
        meaning="Calls of the API that are answered in the long run; more get 429",
    )
    api_burst_limit: Count = number(
        "apiBurstLimit",
        100,
        between=(1, 5_000),
        unit="calls",
        example="400",
        meaning="Calls of the API at once before the rate counts",
    )
    admins: Admins = setting(
        "admins",
        (),
        allowed="ARNs of IAM users and roles, or names of owners, with ',' between",
        example="arn:aws:iam::123456789012:role/Operators",
        meaning="Who may end, continue and fetch everybody's runs through the API, not only their own",
    )
    web_image_tag: ImageTag = setting(
        "webImageTag",
        "latest",
        allowed="a tag or a digest (sha256:...) of an image in the repository web_<user>/page",
        example="1f2e3d4",
        meaning="The page's image, which is pushed before WebApplication-<user> is deployed",
    )
    web_architecture: CpuArchitecture = setting(
        "webArchitecture",
        "arm64",
        allowed="arm64 or x86_64",
        example="x86_64",
        meaning="What the page runs on: Graviton or x86",
    )
    web_min_tasks: TasksAtLeast = setting(
        "webMinTasks",
        2,
        unit="tasks",
        allowed=f"0, or a whole number from 2 to {MOST_TASKS}",
        example="3",
        meaning="Tasks of the page at least, spread over zones; 0: the API alone, which needs no image",
    )
    web_max_tasks: Count = number(
        "webMaxTasks",
        6,
        between=(2, MOST_TASKS),
        unit="tasks",
        example="12",
        meaning="Tasks of the page at most, when many people look at it",
    )
    web_allowed_cidrs: Cidrs = setting(
        "webAllowedCidrs",
        (),
        allowed="different IPv4 ranges with ',' between, the address the first of its range",
        example="203.0.113.0/24,198.51.100.7/32",
        meaning="Who may reach the page besides the VPC, which alone may without it. A range of public addresses puts "
        "the load balancer into the Internet; 0.0.0.0/0 is everybody",
    )
    web_certificate_arn: CertificateArn = setting(
        "webCertificateArn",
        "",
        allowed="the ARN of an ACM certificate in the same Region",
        example="arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012",
        meaning="Certificate of the page's domain: HTTPS, and HTTP is redirected; without it HTTP only",
    )
    web_user_pool_arn: UserPoolArn = setting(
        "webUserPoolArn",
        "",
        allowed="the ARN of a Cognito user pool in the same Region",
        example="arn:aws:cognito-idp:us-east-1:123456789012:userpool/us-east-1_AbCdEfGhI",
        meaning="Whose users may sign in to the page, and must; needs the certificate and the next two",
    )
    web_user_pool_client_id: UserPoolClientId = setting(
        "webUserPoolClientId",
        "",
        allowed="the id of an app client with a secret (1 to 128 of a-z, 0-9)",
        example="1example23456789",
        meaning="The page's client of that user pool",
    )
    web_user_pool_domain: UserPoolDomain = setting(
        "webUserPoolDomain",
        "",
        allowed="a Cognito domain prefix or a user pool's own domain (a-z, 0-9, '-' and '.')",
        example="my-lab",
        meaning="Domain of that user pool's sign-in page",
    )

    @property
    def web_tasks(self) -> WebTasks:
        """What the page runs as, and how often."""
        return WebTasks(
            image=self.web_image_tag,
            architecture=self.web_architecture,
            least=self.web_min_tasks,
            most=self.web_max_tasks,
        )

    @property
    def web_access(self) -> WebAccess:
        """Who may reach the page, and how."""
        pool = self.web_user_pool_arn
        return WebAccess(
            cidrs=self.web_allowed_cidrs,
            certificate_arn=self.web_certificate_arn,
            sign_in=SignIn(pool, self.web_user_pool_client_id, self.web_user_pool_domain) if pool else None,
        )

    @model_validator(mode="after")
    def _tasks_in_order(self) -> Self:
        """Raises `SettingsError` when there would be more tasks at least than at most."""
        least, most = self.web_min_tasks, self.web_max_tasks
        if least > most:
            allowed = f"at least webMinTasks ({least})"
            raise SettingsError("webMaxTasks", found=f"is {most}", allowed=allowed, example=f"-c webMaxTasks={least}")
        return self

    @model_validator(mode="after")
    def _sign_in_is_whole(self) -> Self:
        """Raises `SettingsError` when something of sign-in is set and something that it needs is not."""
        pool = {
            "webUserPoolArn": self.web_user_pool_arn,
            "webUserPoolClientId": self.web_user_pool_client_id,
            "webUserPoolDomain": self.web_user_pool_domain,
        }
        wanted = {"webCertificateArn": self.web_certificate_arn, **pool}
        given = next((name for name, value in pool.items() if value), None)
        missing = next((name for name, value in wanted.items() if not value), None)
        if given and missing:
            allowed = f"a value, since {given} is set: sign-in needs {', '.join(wanted)}"
            example = f"-c {missing}={example_of(field_named(type(self), missing))}"
            raise SettingsError(missing, found="is not set", allowed=allowed, example=example)
        return self

    @model_validator(mode="after")
    def _of_the_region(self) -> Self:
        """Raises `SettingsError` for what lies in another Region than the page."""
        for name, arn in (("webCertificateArn", self.web_certificate_arn), ("webUserPoolArn", self.web_user_pool_arn)):
            if arn and arn.split(":")[3] != self.region:
                example = f"-c Region={arn.split(':')[3]}"
                raise SettingsError(name, found=f"is {arn}", allowed=f"one in {self.region}", example=example)
        return self
