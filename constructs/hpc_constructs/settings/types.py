"""What settings may be: texts from a shell or a cdk.json as checked values. Imports no CDK.

Each type raises ValueError for what it does not take; the settings know how to say what is allowed.
"""

import re
from collections.abc import Callable
from ipaddress import IPv4Network
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from hpc_constructs.key_patterns import BUCKET_NAME as _BUCKET
from hpc_constructs.key_patterns import BucketKeys, parse_bucket_keys

# The days that CloudWatch Logs knows, up to two years.
# Source: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
LOG_RETENTION_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731)

# Of the page; far below the 5,000 that a service may have.
MOST_TASKS = 100


def _text(pattern: str) -> AfterValidator:
    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(text)
        return text

    return AfterValidator(check)


def _flag(value: Any) -> bool:
    text = str(value).strip().lower()
    if text not in ("true", "false"):
        raise ValueError(text)
    return text == "true"


def _count(value: Any) -> int:
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,9}", str(value).strip()):
        raise ValueError(value)
    return int(value)


def _retention_days(days: int) -> int:
    if days not in LOG_RETENTION_DAYS:
        raise ValueError(days)
    return days


def _families(pattern: str) -> Callable[[Any], tuple[str, ...]]:
    def parse(value: Any) -> tuple[str, ...]:
        words = value if isinstance(value, list | tuple) else str(value).split(",")
        families = tuple(str(word).strip().lower() for word in words)
        if len(set(families)) < len(families) or not all(re.fullmatch(pattern, family) for family in families):
            raise ValueError(value)
        return families

    return parse


def _buckets(value: Any) -> tuple[BucketKeys, ...]:
    return value if isinstance(value, tuple) else parse_bucket_keys(str(value))


def _owners(value: Any) -> tuple[str, ...]:
    words = value if isinstance(value, list | tuple) else str(value).split(",")
    owners = tuple(str(word).strip() for word in words)
    if len(set(owners)) < len(owners) or not all(re.fullmatch(r"[!-+\--~]{1,256}", owner) for owner in owners):
        raise ValueError(value)
    return owners


def _cidrs(value: Any) -> tuple[str, ...]:
    words = value if isinstance(value, list | tuple) else str(value).split(",")
    cidrs = tuple(str(word).strip() for word in words)
    # Written out with its length: an address alone, or bits behind the mask, may be a slip that lets many more in.
    if len(set(cidrs)) < len(cidrs) or not all(str(IPv4Network(cidr)) == cidr for cidr in cidrs):
        raise ValueError(value)
    return cidrs


def _tasks_at_least(count: int) -> int:
    # One task is no choice: its zone may fail, and a deployment would be an outage.
    if count == 1 or count > MOST_TASKS:
        raise ValueError(count)
    return count


Count = Annotated[int, BeforeValidator(_count)]
Flag = Annotated[bool, BeforeValidator(_flag)]
RetentionDays = Annotated[Count, AfterValidator(_retention_days)]
Buckets = Annotated[tuple[BucketKeys, ...], BeforeValidator(_buckets)]
LowerCase = Annotated[str, BeforeValidator(lambda name: str(name).strip().lower())]
Admins = Annotated[tuple[str, ...], BeforeValidator(_owners)]
UserName = Annotated[LowerCase, _text(r"(?=.{2,20}$)[a-z0-9](?:-?[a-z0-9])*")]
EmailAddress = Annotated[str, _text(r"(?:[^@\s]+@[^@\s.]+(?:\.[^@\s.]+)+)?")]
Region = Annotated[str, _text(r"[a-z]{2}(?:-[a-z]+){1,2}-[0-9]")]
BucketName = Annotated[str, _text(f"(?:{_BUCKET})?")]
TableName = Annotated[str, _text(r"(?:[A-Za-z0-9_.-]{3,255})?")]
Cidrs = Annotated[tuple[str, ...], BeforeValidator(_cidrs)]
TasksAtLeast = Annotated[Count, AfterValidator(_tasks_at_least)]
ImageTag = Annotated[str, _text(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}|sha256:[0-9a-f]{64}")]
CpuArchitecture = Annotated[str, _text("arm64|x86_64")]
_ARN = r"arn:aws(?:-[a-z]+)*:{}:[a-z]{{2}}(?:-[a-z]+){{1,2}}-[0-9]:[0-9]{{12}}:{}"
CertificateArn = Annotated[str, _text(f"(?:{_ARN.format('acm', 'certificate/[0-9a-f-]{36}')})?")]
UserPoolArn = Annotated[str, _text(f"(?:{_ARN.format('cognito-idp', 'userpool/[0-9A-Za-z_-]{3,55}')})?")]
UserPoolClientId = Annotated[str, _text("[a-z0-9]{0,128}")]
UserPoolDomain = Annotated[str, _text(r"(?:[a-z0-9](?:[a-z0-9.-]{0,126}[a-z0-9])?)?")]

# Graviton families have a 'g' right after the generation (r6g, c7gn, im4gn); a Batch queue cannot mix the two kinds.
_SIZE = r"(?:\.[a-z0-9-]+)?"
GravitonFamilies = Annotated[tuple[str, ...], BeforeValidator(_families(rf"[a-z]+[0-9]+g[a-z0-9-]*{_SIZE}"))]
X86Families = Annotated[
    tuple[str, ...], BeforeValidator(_families(rf"(?!a1\b)[a-z]+[0-9]+(?![0-9g])[a-z0-9-]*{_SIZE}"))
]
