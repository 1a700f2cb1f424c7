"""What a call is answered with."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from problems import CONTENT_TYPE, Problem

from hpc.run import as_text

# Answers are about runs that go on; a page that is gone back to must not show old ones. Nothing here is a web page.
_HEADERS: Mapping[str, str] = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


@dataclass(frozen=True)
class Answer:
    """A status and a JSON document."""

    status: int
    document: Any
    content_type: str = "application/json"

    def as_proxy_response(self) -> dict[str, Any]:
        """As API Gateway takes it from a function."""
        return {
            "statusCode": self.status,
            "headers": {**_HEADERS, "Content-Type": self.content_type},
            "body": json.dumps(self.document),
        }


def of_problem(problem: Problem) -> Answer:
    return Answer(problem.status, problem.as_json(), CONTENT_TYPE)


def in_seconds(seconds: int) -> str:
    """The time in so many seconds, in ISO 8601."""
    return as_text(datetime.now(UTC) + timedelta(seconds=seconds))
