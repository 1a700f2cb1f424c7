"""Reads typed values out of requests; what does not fit is refused by the field's name."""

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Any, TypeVar, cast

from hpc.local.batch.errors import client_error

Item = TypeVar("Item")
Json = TypeVar("Json")

NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")


def required_text(request: dict[str, Any], field: str) -> str:
    """A text that must be given and not empty."""
    value = request.get(field)
    if not isinstance(value, str) or not value:
        raise client_error(f"{field} is required and must be a text, found {value!r}.")
    return value


def new_name(request: dict[str, Any], field: str) -> str:
    """The name of a new resource: 1 to 128 of A-Z, a-z, 0-9, '-' and '_'."""
    name = required_text(request, field)
    if not NAME.fullmatch(name):
        raise client_error(f"{field} should match {NAME.pattern}, found {name!r}.")
    return name


def integer(value: Any, field: str, *, minimum: int, maximum: int) -> int:
    """A whole number; CloudFormation may hand it over as text."""
    if isinstance(value, bool) or not isinstance(value, int | str) or not re.fullmatch(r"-?\d{1,18}", str(value)):
        raise client_error(f"{field} must be a whole number, found {value!r}.")
    number = int(value)
    if not minimum <= number <= maximum:
        raise client_error(f"{field} must be from {minimum} to {maximum}, found {number}.")
    return number


def boolean(value: Any, field: str) -> bool:
    """True or false; CloudFormation may hand it over as text."""
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return bool(value == "true")
    raise client_error(f"{field} must be true or false, found {value!r}.")


def choice(value: Any, field: str, allowed: Sequence[str]) -> str:
    """One of the texts that AWS allows, in AWS's spelling; the CDK writes some of them in lower case."""
    found = next((text for text in allowed if text.casefold() == str(value).casefold()), None)
    if found is None:
        raise client_error(f"{field} must be one of {', '.join(allowed)}, found {value!r}.")
    return found


def text_map(value: Any, field: str) -> dict[str, str]:
    """A map from text to text, such as parameters and tags."""
    entries = {} if value is None else value
    if not isinstance(entries, dict) or not all(isinstance(text, str) for pair in entries.items() for text in pair):
        raise client_error(f"{field} must be a map from text to text, found {value!r}.")
    return dict(entries)


def text_list(value: Any, field: str) -> list[str]:
    """A list of texts, such as a command."""
    entries = [] if value is None else value
    if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
        raise client_error(f"{field} must be a list of texts, found {value!r}.")
    return list(entries)


def environment(value: Any, field: str) -> dict[str, str]:
    """Environment of a container as a map; names that begin with AWS_BATCH are Batch's own.

    Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_ContainerProperties.html
    """
    variables = environment_map(value)
    for name, text in variables.items():
        if not name or "=" in name or "\0" in name + text:
            raise client_error(f"{field} has a variable that no process can have: {name!r}.")
        if name.startswith("AWS_BATCH"):
            raise client_error(f"{field} must not set {name}: names that begin with AWS_BATCH are reserved.")
    return variables


def environment_map(value: Any) -> dict[str, str]:
    """A list of names and values as a map; the last one of a name counts."""
    return {str(entry.get("name", "")): str(entry.get("value", "")) for entry in value or []}


def tags(value: Any) -> dict[str, str]:
    """Tags of a resource: at most 50.

    Source: https://docs.aws.amazon.com/batch/latest/userguide/using-tags.html#tag-restrictions
    """
    entries = text_map(value, "tags")
    if len(entries) > 50:
        raise client_error(f"tags must be at most 50, found {len(entries)}.")
    return entries


def copied(value: Json) -> Json:
    """A copy of JSON data that shares nothing changeable with it."""
    return cast(Json, _copied(value))


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copied(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_copied(member) for member in value]
    return value


def make_token(position: int) -> str:
    """An opaque nextToken."""
    return base64.urlsafe_b64encode(str(position).encode()).decode()


def read_token(token: Any) -> int | None:
    """The position in a nextToken, None without one."""
    if not token:
        return None
    try:
        return int(base64.urlsafe_b64decode(str(token).encode()))
    except (ValueError, binascii.Error):
        raise client_error(f"nextToken is not one of ours: {token!r}.") from None


def page_size(request: dict[str, Any], limit: int) -> int:
    """maxResults, by default and at most `limit`."""
    value = request.get("maxResults")
    return limit if value is None else min(limit, integer(value, "maxResults", minimum=1, maximum=10**9))


def page(items: Sequence[Item], request: dict[str, Any], limit: int = 100) -> tuple[list[Item], dict[str, str]]:
    """One page of a short list, and the rest of the answer: its nextToken, when there is more."""
    start = read_token(request.get("nextToken")) or 0
    end = start + page_size(request, limit)
    return list(items[start:end]), {"nextToken": make_token(end)} if end < len(items) else {}
