"""Deploy settings: what a person chooses before `cdk deploy`, checked before anything is synthesized.

A setting's name is its context key (`-c natGateways=2`). Its environment variable is made of the name
(`HPC_CDK_NAT_GATEWAYS=2`); only `UserName`, `EmailAddress` and `Region` are called the same in both places. Context
wins over the environment, the environment over the default; an empty value counts as not set. This module is the CDK
app's only reader of both. `python -m settings` prints the table that the README shows.
"""

import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from itertools import pairwise
from typing import Any, Self, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.config import JsonDict
from pydantic.fields import FieldInfo

from hpc_constructs.batch_capacity import Architecture
from hpc_constructs.object_ages import ObjectAges
from hpc_constructs.setting_types import (
    LOG_RETENTION_DAYS,
    MOST_TASKS,
    Admins,
    BucketName,
    Buckets,
    CertificateArn,
    Cidrs,
    Count,
    CpuArchitecture,
    EmailAddress,
    Flag,
    GravitonFamilies,
    ImageTag,
    Region,
    RetentionDays,
    TableName,
    TasksAtLeast,
    UserName,
    UserPoolArn,
    UserPoolClientId,
    UserPoolDomain,
    X86Families,
)
from hpc_constructs.web_choices import SignIn, WebAccess, WebTasks

BUCKET_NAME_ALLOWED = "an S3 bucket name (3 to 63 of a-z, 0-9, '.' and '-')"
BUCKETS_ALLOWED = "bucket:keys with ',' between patterns of keys and ';' between buckets"
MOST_DAYS = 36_500
MOST_VCPUS = 100_000

PREFIX = "HPC_CDK_"
# Context that the CDK's command line writes itself (`cdk cli-telemetry`, `cdk acknowledge`).
KEYS_OF_THE_CDK = ("cli-telemetry", "acknowledged-issue-numbers")
SAME_IN_ENVIRONMENT = ("UserName", "EmailAddress", "Region")


class SettingsError(Exception):
    """A setting is missing or bad. The text is one line: which, what was found, what is allowed, an example."""

    def __init__(self, what: str, *, found: str, allowed: str, example: str) -> None:
        super().__init__(f"{what} {found}; allowed: {allowed}; example: {example}")


def setting(name: str, default: Any, *, allowed: str, example: str, meaning: str, unit: str = "", **limits: Any) -> Any:
    """A field of `Settings`. `default` is Ellipsis where there is none; `limits` are pydantic's `ge` and `le`."""
    extra: JsonDict = {"allowed": allowed, "unit": unit}
    return Field(default, alias=name, description=meaning, examples=[example], json_schema_extra=extra, **limits)


def number(name: str, default: int, *, between: tuple[int, int], unit: str, example: str, meaning: str) -> Any:
    """A field of `Settings` for a whole number."""
    low, high = between
    allowed = f"a whole number from {low} to {high}"
    return setting(name, default, allowed=allowed, example=example, meaning=meaning, unit=unit, ge=low, le=high)


class Settings(BaseModel):
    """All that differs between two deployments; frozen. `load` makes one and raises `SettingsError`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    user_name: UserName = setting(
        "UserName",
        ...,
        allowed="2 to 20 of a-z, 0-9 and single '-', first and last a letter or digit (made lower case)",
        example="abc",
        meaning="Who deploys: part of the names of stacks and image repositories",
    )
    email_address: EmailAddress = setting(
        "EmailAddress",
        "",
        allowed="an e-mail address",
        example="abc@example.org",
        meaning="Who is told how runs end; nobody is subscribed without it",
    )
    region: Region = setting(
        "Region",
        "us-east-1",
        allowed="an AWS Region",
        example="ap-southeast-1",
        meaning="Where everything is deployed; the AWS profile's Region is not asked",
    )
    graviton_max_vcpus: Count = number(
        "gravitonMaxVcpus",
        256,
        between=(4, MOST_VCPUS),
        unit="vCPU",
        example="2560",
        meaning="Graviton vCPUs at once, Spot and on-demand together",
    )
    x86_max_vcpus: Count = number(
        "x86MaxVcpus",
        256,
        between=(4, MOST_VCPUS),
        unit="vCPU",
        example="2560",
        meaning="x86 vCPUs at once, Spot and on-demand together",
    )
    graviton_instance_families: GravitonFamilies = setting(
        "gravitonInstanceFamilies",
        ("r6g",),
        allowed="different Graviton instance families or types with ',' between",
        example="r6g,r7g",
        meaning="What Graviton jobs run on; more families mean more Spot capacity",
    )
    x86_instance_families: X86Families = setting(
        "x86InstanceFamilies",
        ("r5",),
        allowed="different x86 instance families or types with ',' between",
        example="r5,r5a",
        meaning="What x86 jobs run on",
    )
    root_volume_gib: Count = number(
        "rootVolumeGib",
        200,
        between=(30, 16_384),
        unit="GiB",
        example="500",
        meaning="Disk of each Batch instance, shared by the jobs on it",
    )
    spot: Flag = setting(
        "spot",
        True,
        allowed="true or false",
        example="false",
        meaning="First tries run on Spot instances when there are any; false: on-demand only",
    )
    nat_gateways: Count = setting(
        "natGateways",
        1,
        ge=1,
        le=2,
        allowed="1 or 2 (without one, instances in private subnets reach neither ECS nor ECR)",
        example="2",
        meaning="NAT gateways; 2 keep one zone going when the other one fails",
    )
    max_attempts: Count = number(
        "maxAttempts",
        3,
        between=(1, 10),
        unit="tries",
        example="5",
        meaning="How often a run tries what is missing before it fails",
    )
    map_max_concurrency: Count = number(
        "mapMaxConcurrency",
        50,
        between=(1, 10_000),
        unit="jobs",
        example="500",
        meaning="Batch jobs that each branch of a run has submitted at once; an array job counts as one",
    )
    group_above: Count = number(
        "groupAbove",
        100,
        between=(1, 1_000_000),
        unit="shards",
        example="10000",
        meaning="With more shards to do, a branch submits them in groups: one Batch array job of up to 10,000 shards",
    )
    archive_after_days: Count = number(
        "archiveAfterDays",
        30,
        between=(1, MOST_DAYS),
        unit="days",
        example="60",
        meaning="Uploads, sources and results move to Glacier Flexible Retrieval at this age",
    )
    deep_archive_after_days: Count = number(
        "deepArchiveAfterDays",
        120,
        between=(1, MOST_DAYS),
        unit="days",
        example="180",
        meaning="... and to Glacier Deep Archive (Glacier bills 90 days at least)",
    )
    expire_after_days: Count = number(
        "expireAfterDays",
        365,
        between=(1, MOST_DAYS),
        unit="days",
        example="730",
        meaning="... and are deleted (Deep Archive bills 180 days at least)",
    )
    intermediate_expire_after_days: Count = number(
        "intermediateExpireAfterDays",
        8,
        between=(8, MOST_DAYS),
        unit="days",
        example="14",
        meaning="Shards and what else is needed only while a run goes (for 7 days at most) are deleted at this age",
    )
    log_retention_days: RetentionDays = setting(
        "logRetentionDays",
        90,
        unit="days",
        allowed=f"one of {', '.join(map(str, LOG_RETENTION_DAYS))}",
        example="30",
        meaning="How long logs and access logs are kept",
    )
    input_buckets: Buckets = setting(
        "inputBuckets",
        (),
        allowed=BUCKETS_ALLOWED,
        example="'genomes:raw/*;archive:2024/*,2025/*'",
        meaning="Other buckets that jobs may read, and which keys; encrypted by S3, not with a KMS key",
    )
    output_buckets: Buckets = setting(
        "outputBuckets",
        (),
        allowed=BUCKETS_ALLOWED,
        example="'shared-results:result/*'",
        meaning="Other buckets that jobs may write to, and which of a workflow's keys; in the same account and Region, "
        "encrypted by S3, with a rule of their own that expires objects tagged retention=intermediate",
    )
    retain_data: Flag = setting(
        "retainData",
        True,
        allowed="true or false",
        example="false",
        meaning="Keep the data bucket, the run table and all access logs at `cdk destroy`; false: delete them",
    )
    existing_bucket: BucketName = setting(
        "existingDataBucket",
        "",
        allowed=BUCKET_NAME_ALLOWED,
        example="production-abc-data-1a2b3c",
        meaning="Take over a retained data bucket; it keeps its lifecycle, policy and access logs",
    )
    existing_table: TableName = setting(
        "existingTable",
        "",
        allowed="a DynamoDB table name (3 to 255 of A-Z, a-z, 0-9, '_', '.' and '-')",
        example="Production-abc-Runs-1A2B3C",
        meaning="Take over a retained run table",
    )
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
    workflows_directory: str = setting(
        "workflowsDirectory",
        "workflows",
        allowed="a folder, from the project's root or absolute",
        example="my-workflows",
        meaning="Folder of the workflow folders",
    )
    lambda_directory: str = setting(
        "lambdaDirectory",
        "lambda",
        allowed="a folder, from the project's root or absolute",
        example="my-functions",
        meaning="Folder of the functions' folders",
    )

    @property
    def architectures(self) -> tuple[Architecture, ...]:
        """What jobs run on, by kind of processor."""
        return (
            Architecture("graviton", self.graviton_instance_families, self.graviton_max_vcpus),
            Architecture("x86", self.x86_instance_families, self.x86_max_vcpus),
        )

    @property
    def object_ages(self) -> ObjectAges:
        """When objects are archived and when they are deleted."""
        return ObjectAges(
            archived=self.archive_after_days,
            deep_archived=self.deep_archive_after_days,
            expired=self.expire_after_days,
            intermediate_expired=self.intermediate_expire_after_days,
            access_logs_expired=self.log_retention_days,
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
    def _web_fits(self) -> Self:
        """Raises `SettingsError` for settings of the page that only fail together."""
        least, most = self.web_min_tasks, self.web_max_tasks
        if least > most:
            allowed = f"at least webMinTasks ({least})"
            raise SettingsError("webMaxTasks", found=f"is {most}", allowed=allowed, example=f"-c webMaxTasks={least}")
        pool = {
            "webUserPoolArn": self.web_user_pool_arn,
            "webUserPoolClientId": self.web_user_pool_client_id,
            "webUserPoolDomain": self.web_user_pool_domain,
        }
        wanted = {"webCertificateArn": self.web_certificate_arn, **pool} if any(pool.values()) else {}
        for name in (name for name, value in wanted.items() if not value):
            given = next(each for each, value in pool.items() if value)
            allowed = f"a value, since {given} is set: sign-in needs {', '.join(wanted)}"
            raise SettingsError(
                name, found="is not set", allowed=allowed, example=f"-c {name}={_example(_field(name))}"
            )
        for name in ("webCertificateArn", "webUserPoolArn"):
            arn = self.web_certificate_arn if name == "webCertificateArn" else self.web_user_pool_arn
            if arn and arn.split(":")[3] != self.region:
                example = f"-c Region={arn.split(':')[3]}"
                raise SettingsError(name, found=f"is {arn}", allowed=f"one in {self.region}", example=example)
        return self

    @model_validator(mode="after")
    def _ages_in_order(self) -> Self:
        """Raises `SettingsError` when an object would be archived after it has expired."""
        ages = {
            "intermediateExpireAfterDays": self.intermediate_expire_after_days,
            "archiveAfterDays": self.archive_after_days,
            "deepArchiveAfterDays": self.deep_archive_after_days,
            "expireAfterDays": self.expire_after_days,
        }
        for (earlier, earlier_days), (name, days) in pairwise(ages.items()):
            if days <= earlier_days:
                allowed = f"more days than {earlier} ({earlier_days})"
                raise SettingsError(name, found=f"is {days}", allowed=allowed, example=f"-c {name}={earlier_days + 1}")
        return self

    @classmethod
    def load(cls, *, context: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> Self:
        """Reads each setting from the context, else from the environment (default: this process's).

        Raises `SettingsError` for the first one that is missing or bad, and for one that does not exist.
        """
        variables = os.environ if environment is None else environment
        _refuse_unknown(context, variables)
        values: dict[str, Any] = {}
        written: dict[str, str] = {}
        for name in setting_names():
            variable = environment_variable(name)
            for form, value in ((f"-c {name}", context.get(name)), (variable, variables.get(variable))):
                if name not in values and value not in (None, ""):
                    values[name], written[name] = value, form
        try:
            return cls.model_validate(values)
        except ValidationError as invalid:
            name = str(invalid.errors()[0]["loc"][0])
        form = written.get(name, environment_variable(name))
        found = f"is {str(values[name])[:80]!r}" if name in values else "is not set"
        field = _field(name)
        example = f"{form}={_example(field)}"
        raise SettingsError(form.removeprefix("-c "), found=found, allowed=_extra(field)["allowed"], example=example)


def setting_names() -> tuple[str, ...]:
    """The names of all settings, in the table's order."""
    return tuple(str(field.alias) for field in Settings.model_fields.values())


def environment_variable(name: str) -> str:
    """The environment variable of a setting: `natGateways` becomes `HPC_CDK_NAT_GATEWAYS`."""
    words = re.sub("(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return name if name in SAME_IN_ENVIRONMENT else PREFIX + words.upper()


def _field(name: str) -> FieldInfo:
    return next(field for field in Settings.model_fields.values() if field.alias == name)


def _extra(field: FieldInfo) -> dict[str, str]:
    return cast(dict[str, str], field.json_schema_extra)


def _example(field: FieldInfo) -> str:
    return str((field.examples or [""])[0])


def _refuse_unknown(context: Mapping[str, Any], variables: Mapping[str, str]) -> None:
    """A misspelt name would be ignored silently. The CDK's own context keys contain '@', ':' or '/', but for a few."""
    names = setting_names()
    keys = {key: names for key in context if not re.search("[@:/]", key) and key not in KEYS_OF_THE_CDK}
    prefixed = {key: tuple(map(environment_variable, names)) for key in variables if key.startswith(PREFIX)}
    for key, known in {**keys, **prefixed}.items():
        if key not in known:
            near = get_close_matches(key, known, n=1, cutoff=0)[0]
            example = f"{near}={_example(_field(names[known.index(near)]))}"
            raise SettingsError(key, found="is no setting", allowed=", ".join(known), example=example)


def markdown_table() -> str:
    """The table of all settings for the README."""
    lines = ["| Context key | Environment variable | Default | Unit | Allowed | Example | What it does |"]
    lines.append("| --- | --- | --- | --- | --- | --- | --- |")
    for field in Settings.model_fields.values():
        name, extra = str(field.alias), _extra(field)
        keys = [f"`{name}`", f"`{environment_variable(name)}`"]
        row = [*keys, _default(field), extra["unit"], extra["allowed"], f"`{_example(field)}`", field.description or ""]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |")
    return "\n".join(lines)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if isinstance(field.default, bool):
        return f"`{str(field.default).lower()}`"
    text = ",".join(field.default) if isinstance(field.default, tuple) else str(field.default)
    return f"`{text}`" if text else "none"


if __name__ == "__main__":
    print(markdown_table())
