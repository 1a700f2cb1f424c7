"""Problem details (RFC 9457): every refusal of the API, and what the errors of `hpc` are in HTTP."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from hpc.errors import (
    Conflict,
    HpcError,
    NotFound,
    NotSucceeded,
    PlatformUnreachable,
    Refusal,
    WrongInput,
    WrongParameters,
)

CONTENT_TYPE = "application/problem+json"
# A body may name thousands of parameters that do not exist.
MAX_ERRORS = 50
MAX_FIELD_CHARACTERS = 100


class Problem(Exception):
    """A request that is refused, with the status of the answer."""

    def __init__(self, status: int, detail: str, errors: Iterable[Refusal] = ()) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = tuple(errors)

    def as_json(self) -> dict[str, Any]:
        return {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "errors": [
                {"field": error.field[:MAX_FIELD_CHARACTERS], "detail": error.detail}
                for error in self.errors[:MAX_ERRORS]
            ],
        }


_STATUSES: tuple[tuple[type[HpcError], int], ...] = (
    (NotFound, 404),
    (Conflict, 409),
    (NotSucceeded, 409),
    (WrongInput, 422),
    (PlatformUnreachable, 503),
    (HpcError, 500),
)


def of_fields(status: int, errors: Iterable[Refusal]) -> Problem:
    """A problem that is nothing but fields."""
    found = tuple(errors)
    fields = ", ".join(error.field[:MAX_FIELD_CHARACTERS] for error in found[:MAX_ERRORS])
    return Problem(status, f"Not allowed: {fields}", found)


def of_error(error: HpcError) -> Problem:
    """The same in HTTP as what the command line tells; its messages stay as they are."""
    if isinstance(error, WrongParameters):
        return of_fields(422, error.refusals)
    status = next(status for kind, status in _STATUSES if isinstance(error, kind))
    field = error.field if isinstance(error, WrongInput) else None
    return Problem(status, str(error), [Refusal(field, str(error))] if field else [])
