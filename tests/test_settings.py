"""Deploy settings: precedence, every error to the letter, and the README's table."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from hpc_constructs.key_patterns import BucketKeys
from hpc_constructs.settings.fields import SettingsError
from settings import Settings, environment_variable, markdown_table, setting_names
from tests.web_variants import CERTIFICATE, POOL, SIGN_IN

ROOT = Path(__file__).resolve().parents[1]


def load(environment: dict[str, str] | None = None, **context: Any) -> Settings:
    return Settings.load(context={"UserName": "abc", **context}, environment=environment or {})


def test_with_a_user_name_only_everything_has_its_default() -> None:
    settings = Settings.load(context={}, environment={"UserName": "abc"})
    assert settings.model_dump() == {
        "user_name": "abc",
        "email_address": "",
        "region": "us-east-1",
        "graviton_max_vcpus": 256,
        "x86_max_vcpus": 256,
        "graviton_instance_families": ("r6g",),
        "x86_instance_families": ("r5",),
        "root_volume_gib": 200,
        "spot": True,
        "nat_gateways": 1,
        "max_attempts": 3,
        "map_max_concurrency": 50,
        "group_above": 100,
        "archive_after_days": 30,
        "deep_archive_after_days": 120,
        "expire_after_days": 365,
        "intermediate_expire_after_days": 8,
        "log_retention_days": 90,
        "input_buckets": (),
        "output_buckets": (),
        "retain_data": True,
        "existing_bucket": "",
        "existing_table": "",
        "api_rate_limit": 50,
        "api_burst_limit": 100,
        "admins": (),
        "web_image_tag": "latest",
        "web_architecture": "arm64",
        "web_min_tasks": 2,
        "web_max_tasks": 6,
        "web_allowed_cidrs": (),
        "web_certificate_arn": "",
        "web_user_pool_arn": "",
        "web_user_pool_client_id": "",
        "web_user_pool_domain": "",
        "workflows_directory": "workflows",
        "lambda_directory": "lambda",
    }


def test_context_wins_over_environment_and_environment_over_default() -> None:
    environment = {"UserName": "abc", "HPC_CDK_MAX_ATTEMPTS": "4", "HPC_CDK_SPOT": "false", "Region": "eu-west-1"}
    settings = Settings.load(context={"maxAttempts": "5", "Region": ""}, environment=environment)
    assert (settings.max_attempts, settings.spot, settings.region, settings.nat_gateways) == (5, False, "eu-west-1", 1)


def test_false_in_the_context_is_a_value() -> None:
    assert load(spot=False, environment={"HPC_CDK_SPOT": "true"}).spot is False


def test_the_process_environment_is_read_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UserName", "from-process")
    assert Settings.load(context={}).user_name == "from-process"


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        load().spot = False


@pytest.mark.parametrize(
    ("name", "text", "field", "value"),
    [
        ("UserName", " ABC-1 ", "user_name", "abc-1"),
        ("UserName", "a1", "user_name", "a1"),
        ("UserName", "a" * 20, "user_name", "a" * 20),
        ("Region", "ap-southeast-1", "region", "ap-southeast-1"),
        ("Region", "us-gov-west-1", "region", "us-gov-west-1"),
        ("gravitonMaxVcpus", 2560, "graviton_max_vcpus", 2560),
        ("gravitonInstanceFamilies", "r6g, r7g,C7gn", "graviton_instance_families", ("r6g", "r7g", "c7gn")),
        (
            "gravitonInstanceFamilies",
            ["im4gn", "r6g.16xlarge"],
            "graviton_instance_families",
            ("im4gn", "r6g.16xlarge"),
        ),
        ("x86InstanceFamilies", "r5,g4dn,m6i.4xlarge", "x86_instance_families", ("r5", "g4dn", "m6i.4xlarge")),
        ("spot", "False", "spot", False),
        ("logRetentionDays", "731", "log_retention_days", 731),
        ("admins", "arn:aws:iam::1:role/R, bob@x.org", "admins", ("arn:aws:iam::1:role/R", "bob@x.org")),
        (
            "inputBuckets",
            "g-1:raw/*;a-2:x/*,y/*",
            "input_buckets",
            (BucketKeys("g-1", ("raw/*",)), BucketKeys("a-2", ("x/*", "y/*"))),
        ),
        ("outputBuckets", "shared:*", "output_buckets", (BucketKeys("shared", ("*",)),)),
        ("existingDataBucket", "my.bucket-1", "existing_bucket", "my.bucket-1"),
        ("existingTable", "Production-abc-Runs", "existing_table", "Production-abc-Runs"),
        ("webImageTag", "1f2e3d4", "web_image_tag", "1f2e3d4"),
        ("webImageTag", f"sha256:{'a' * 64}", "web_image_tag", f"sha256:{'a' * 64}"),
        ("webArchitecture", "x86_64", "web_architecture", "x86_64"),
        ("webMinTasks", "0", "web_min_tasks", 0),
        ("webMaxTasks", "100", "web_max_tasks", 100),
        ("webAllowedCidrs", "10.0.0.0/8, 198.51.100.7/32", "web_allowed_cidrs", ("10.0.0.0/8", "198.51.100.7/32")),
        ("webAllowedCidrs", "0.0.0.0/0", "web_allowed_cidrs", ("0.0.0.0/0",)),
        ("webCertificateArn", CERTIFICATE, "web_certificate_arn", CERTIFICATE),
    ],
)
def test_what_is_taken(name: str, text: Any, field: str, value: Any) -> None:
    assert getattr(load(**{name: text}), field) == value


USER = (
    "2 to 20 of a-z, 0-9 and single '-', first and last a letter or digit (made lower case); example: -c UserName=abc"
)
FAMILIES = "instance families or types with ',' between; example: -c"
BUCKETS = "bucket:keys with ',' between patterns of keys and ';' between buckets; example: -c"
BUCKET = "an S3 bucket name (3 to 63 of a-z, 0-9, '.' and '-')"
TABLE = "a DynamoDB table name (3 to 255 of A-Z, a-z, 0-9, '_', '.' and '-')"
NAT = "1 or 2 (without one, instances in private subnets reach neither ECS nor ECR)"
TAG = "a tag or a digest (sha256:...) of an image in the repository web_<user>/page; example: -c webImageTag=1f2e3d4"
TASKS = "0, or a whole number from 2 to 100; example: -c webMinTasks=3"
CIDRS = (
    "different IPv4 ranges with ',' between, the address the first of its range; "
    "example: -c webAllowedCidrs=203.0.113.0/24,198.51.100.7/32"
)
ACM = f"the ARN of an ACM certificate in the same Region; example: -c webCertificateArn={CERTIFICATE}"
COGNITO = f"the ARN of a Cognito user pool in the same Region; example: -c webUserPoolArn={POOL}"
CLIENT = (
    "the id of an app client with a secret (1 to 128 of a-z, 0-9); example: -c webUserPoolClientId=1example23456789"
)
DOMAIN = (
    "a Cognito domain prefix or a user pool's own domain (a-z, 0-9, '-' and '.'); example: -c webUserPoolDomain=my-lab"
)
RETENTION = "one of 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731; example: -c logRetentionDays=30"


def whole(name: str, low: int, high: int, example: int) -> str:
    return f"a whole number from {low} to {high}; example: -c {name}={example}"


@pytest.mark.parametrize(
    ("name", "text", "allowed"),
    [
        *[("UserName", bad, USER) for bad in ("a", "a" * 21, "a--b", "-ab", "ab-", "a_b", "a b", "é1")],
        ("EmailAddress", "abc", "an e-mail address; example: -c EmailAddress=abc@example.org"),
        ("EmailAddress", "abc@example", "an e-mail address; example: -c EmailAddress=abc@example.org"),
        ("Region", "Singapore", "an AWS Region; example: -c Region=ap-southeast-1"),
        ("gravitonMaxVcpus", "12x", whole("gravitonMaxVcpus", 4, 100_000, 2560)),
        ("gravitonMaxVcpus", "3", whole("gravitonMaxVcpus", 4, 100_000, 2560)),
        ("x86MaxVcpus", "-1", whole("x86MaxVcpus", 4, 100_000, 2560)),
        ("x86MaxVcpus", "1e12", whole("x86MaxVcpus", 4, 100_000, 2560)),
        ("gravitonInstanceFamilies", "r5", f"different Graviton {FAMILIES} gravitonInstanceFamilies=r6g,r7g"),
        ("gravitonInstanceFamilies", "r6g,r6g", f"different Graviton {FAMILIES} gravitonInstanceFamilies=r6g,r7g"),
        ("gravitonInstanceFamilies", "r6g,", f"different Graviton {FAMILIES} gravitonInstanceFamilies=r6g,r7g"),
        ("x86InstanceFamilies", "r6g", f"different x86 {FAMILIES} x86InstanceFamilies=r5,r5a"),
        ("x86InstanceFamilies", "a1", f"different x86 {FAMILIES} x86InstanceFamilies=r5,r5a"),
        ("rootVolumeGib", "29", whole("rootVolumeGib", 30, 16_384, 500)),
        ("spot", "maybe", "true or false; example: -c spot=false"),
        ("natGateways", "0", f"{NAT}; example: -c natGateways=2"),
        ("maxAttempts", "0", whole("maxAttempts", 1, 10, 5)),
        ("maxAttempts", "True", whole("maxAttempts", 1, 10, 5)),
        ("mapMaxConcurrency", "10001", whole("mapMaxConcurrency", 1, 10_000, 500)),
        ("groupAbove", "0", whole("groupAbove", 1, 1_000_000, 10_000)),
        ("groupAbove", "1000001", whole("groupAbove", 1, 1_000_000, 10_000)),
        ("archiveAfterDays", "0", whole("archiveAfterDays", 1, 36_500, 60)),
        ("deepArchiveAfterDays", "x", whole("deepArchiveAfterDays", 1, 36_500, 180)),
        ("expireAfterDays", "x", whole("expireAfterDays", 1, 36_500, 730)),
        ("intermediateExpireAfterDays", "7", whole("intermediateExpireAfterDays", 8, 36_500, 14)),
        ("logRetentionDays", "31", RETENTION),
        ("inputBuckets", "genomes", f"{BUCKETS} inputBuckets='genomes:raw/*;archive:2024/*,2025/*'"),
        ("outputBuckets", "Shared:x/*", f"{BUCKETS} outputBuckets='shared-results:result/*'"),
        ("retainData", "1", "true or false; example: -c retainData=false"),
        ("existingDataBucket", "No_Bucket", f"{BUCKET}; example: -c existingDataBucket=production-abc-data-1a2b3c"),
        ("existingTable", "a", f"{TABLE}; example: -c existingTable=Production-abc-Runs-1A2B3C"),
        *[("webImageTag", bad, TAG) for bad in (".a", "a:b", "a/b", "-a", "sha256:abc", "@latest")],
        ("webArchitecture", "arm", "arm64 or x86_64; example: -c webArchitecture=x86_64"),
        *[("webMinTasks", bad, TASKS) for bad in ("1", "101", "two")],
        ("webMaxTasks", "1", whole("webMaxTasks", 2, 100, 12)),
        *[
            ("webAllowedCidrs", bad, CIDRS)
            for bad in ("198.51.100.7", "198.51.100.7/24", "10.0.0.0/8,10.0.0.0/8", "10.0.0.0/8,", "::/0", "any", "1/8")
        ],
        ("webCertificateArn", "arn:aws:iam::123456789012:server-certificate/x", ACM),
        ("webUserPoolArn", "us-east-1_AbCdEfGhI", COGNITO),
        ("webUserPoolClientId", "a b", CLIENT),
        ("webUserPoolDomain", "https://my-lab", DOMAIN),
    ],
)
def test_what_is_refused_and_how(name: str, text: str, allowed: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load(**{name: text})
    assert str(refused.value) == f"{name} is {text!r}; allowed: {allowed}"


def test_a_missing_user_name() -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.load(context={}, environment={"UserName": ""})
    assert str(refused.value) == f"UserName is not set; allowed: {USER.replace('-c ', '')}"


def test_an_error_names_what_was_set() -> None:
    with pytest.raises(SettingsError) as refused:
        load({"HPC_CDK_NAT_GATEWAYS": "3"})
    assert str(refused.value) == f"HPC_CDK_NAT_GATEWAYS is '3'; allowed: {NAT}; example: HPC_CDK_NAT_GATEWAYS=2"


def test_an_error_is_one_line_whatever_was_given() -> None:
    with pytest.raises(SettingsError) as refused:
        load(EmailAddress="a\nb" + "x" * 1000)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 250


@pytest.mark.parametrize(
    ("ages", "name", "days", "earlier", "least"),
    [
        ({"archiveAfterDays": 8}, "archiveAfterDays", 8, "intermediateExpireAfterDays (8)", 9),
        ({"archiveAfterDays": 120}, "deepArchiveAfterDays", 120, "archiveAfterDays (120)", 121),
        ({"expireAfterDays": 100}, "expireAfterDays", 100, "deepArchiveAfterDays (120)", 121),
    ],
)
def test_ages_must_be_in_order(ages: dict[str, int], name: str, days: int, earlier: str, least: int) -> None:
    with pytest.raises(SettingsError) as refused:
        load(**ages)
    assert str(refused.value) == f"{name} is {days}; allowed: more days than {earlier}; example: -c {name}={least}"


def test_the_page_s_tasks_are_not_more_at_least_than_at_most() -> None:
    with pytest.raises(SettingsError) as refused:
        load(webMinTasks="7")
    assert str(refused.value) == "webMaxTasks is 6; allowed: at least webMinTasks (7); example: -c webMaxTasks=7"


@pytest.mark.parametrize("missing", ["webCertificateArn", *SIGN_IN])
def test_sign_in_wants_all_of_its_settings(missing: str) -> None:
    everything = {"webCertificateArn": CERTIFICATE, **SIGN_IN}
    assert load(**everything).web_access.sign_in is not None
    with pytest.raises(SettingsError) as refused:
        load(**{name: value for name, value in everything.items() if name != missing})
    given = next(name for name in SIGN_IN if name != missing)
    assert str(refused.value).startswith(
        f"{missing} is not set; allowed: a value, since {given} is set: sign-in needs webCertificateArn, "
        f"webUserPoolArn, webUserPoolClientId, webUserPoolDomain; example: -c {missing}="
    )


@pytest.mark.parametrize("name", ["webCertificateArn", "webUserPoolArn"])
def test_certificate_and_user_pool_are_of_the_region(name: str) -> None:
    """Neither a load balancer nor its sign-in takes those of another one."""
    everything = {"webCertificateArn": CERTIFICATE, **SIGN_IN}
    elsewhere = everything[name].replace("us-east-1", "eu-west-1")
    with pytest.raises(SettingsError) as refused:
        load(**everything | {name: elsewhere})
    assert str(refused.value) == f"{name} is {elsewhere}; allowed: one in us-east-1; example: -c Region=eu-west-1"


@pytest.mark.parametrize(
    ("cidrs", "internet_facing"),
    [
        ("", False),
        ("10.8.0.0/16,172.31.0.0/16,192.168.1.0/24,100.64.0.0/16", False),
        ("10.8.0.0/16,203.0.113.0/24", True),
        ("10.0.0.0/7", True),
        ("0.0.0.0/0", True),
    ],
)
def test_public_addresses_put_the_page_into_the_internet(cidrs: str, internet_facing: bool) -> None:
    access = load(webAllowedCidrs=cidrs).web_access
    assert (access.internet_facing, access.everybody) == (internet_facing, cidrs == "0.0.0.0/0")


def test_context_of_the_cdk_s_own_command_line_is_let_through() -> None:
    assert load(**{"cli-telemetry": False, "acknowledged-issue-numbers": [1]}) == load()


def test_a_misspelt_context_key_is_refused() -> None:
    with pytest.raises(SettingsError) as refused:
        load(gravitonMaxVcpu="512")
    assert str(refused.value) == (
        f"gravitonMaxVcpu is no setting; allowed: {', '.join(setting_names())}; example: gravitonMaxVcpus=2560"
    )


def test_a_misspelt_environment_variable_is_refused() -> None:
    with pytest.raises(SettingsError) as refused:
        load({"HPC_CDK_SPOTS": "false"})
    known = ", ".join(environment_variable(name) for name in setting_names())
    assert str(refused.value) == f"HPC_CDK_SPOTS is no setting; allowed: {known}; example: HPC_CDK_SPOT=false"


def test_the_cdks_own_context_is_left_alone() -> None:
    assert load(**{"@aws-cdk/core:checkSecretUsage": True, "aws:cdk:bundling-stacks": ["**"]}).user_name == "abc"


def test_environment_variables_are_made_of_the_names() -> None:
    assert environment_variable("gravitonMaxVcpus") == "HPC_CDK_GRAVITON_MAX_VCPUS"
    assert environment_variable("x86MaxVcpus") == "HPC_CDK_X86_MAX_VCPUS"
    assert environment_variable("UserName") == "UserName"


def test_the_readme_shows_the_table_of_all_settings() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    shown = readme.split("<!-- settings -->")[1].split("<!-- /settings -->")[0]
    assert shown.strip() == markdown_table(), "paste what `python -m settings` prints between the markers"


def test_the_table_has_a_row_a_setting_and_is_what_the_module_prints() -> None:
    assert len(markdown_table().splitlines()) == 2 + len(Settings.model_fields)
    printed = subprocess.run([sys.executable, "-m", "settings"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == markdown_table()
