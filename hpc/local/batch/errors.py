"""What callers of the Batch service are told when it refuses, and when a wait ends before its job."""

from http import HTTPStatus


class BatchError(Exception):
    """An answer of the Batch API that is an error; the host turns it into HTTP.

    `code` is AWS's name of the error, `status` the HTTP status: ClientException 400,
    TooManyRequestsException 429, ServerException 500.
    Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_SubmitJob.html#API_SubmitJob_Errors
    """

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status

    @property
    def name_in_step_functions(self) -> str:
        """What a Retry or Catch of a state machine has to name: throttled calls are not named one by one.

        Source: https://docs.aws.amazon.com/step-functions/latest/dg/connect-batch.html
        """
        return f"Batch.{'AWSBatchException' if self.status == HTTPStatus.TOO_MANY_REQUESTS else self.code}"


class JobWaitCancelled(Exception):
    """The caller of `BatchService.wait` gave up; the job was terminated."""


class JobWaitTimeout(Exception):
    """The job did not end within the time that the caller of `BatchService.wait` gave; it was terminated."""


def client_error(message: str) -> BatchError:
    """The caller's mistake: retrying the same request gives the same answer."""
    return BatchError("ClientException", message)


def server_error(message: str) -> BatchError:
    """Not the caller's mistake: Step Functions retries it."""
    return BatchError("ServerException", message, 500)


def throttled() -> BatchError:
    """More calls than AWS takes in a second; SDKs retry it by themselves, Step Functions by its Retry.

    Source: https://docs.aws.amazon.com/batch/latest/APIReference/CommonErrors.html
    """
    return BatchError("TooManyRequestsException", "Too Many Requests", HTTPStatus.TOO_MANY_REQUESTS)


def unsupported(what: str) -> BatchError:
    """AWS does this, the laptop does not: refused by name instead of ignored."""
    return client_error(f"{what} is not supported by the laptop platform yet.")
