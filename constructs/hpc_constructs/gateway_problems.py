"""What API Gateway refuses by itself is told as problem details (RFC 9457), as the function tells the rest."""

import json
from http import HTTPStatus

from aws_cdk import aws_apigateway as apigateway

# Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
_STATUSES = {
    "ACCESS_DENIED": 403,
    "API_CONFIGURATION_ERROR": 500,
    "BAD_REQUEST_BODY": 400,
    "BAD_REQUEST_PARAMETERS": 400,
    # The rest: what is wrong with a signature and not told apart above, and faults.
    "DEFAULT_4XX": 403,
    "DEFAULT_5XX": 500,
    "EXPIRED_TOKEN": 403,
    "INTEGRATION_FAILURE": 504,
    "INTEGRATION_TIMEOUT": 504,
    "INVALID_SIGNATURE": 403,
    "MISSING_AUTHENTICATION_TOKEN": 403,
    "QUOTA_EXCEEDED": 429,
    "REQUEST_TOO_LARGE": 413,
    "RESOURCE_NOT_FOUND": 404,
    "THROTTLED": 429,
    "UNAUTHORIZED": 401,
    "UNSUPPORTED_MEDIA_TYPE": 415,
}


def declare_gateway_problems(api: apigateway.RestApi) -> None:
    """Customizes every kind of answer that API Gateway gives before or instead of the function.

    The deployment waits for them and is made anew when one changes: a stage serves what was there when it was deployed.
    """
    for kind, status in _STATUSES.items():
        members = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "errors": []}
        # The message comes with its quotes.
        template = json.dumps(members)[:-1] + ', "detail": $context.error.messageString}'
        api.add_gateway_response(
            "".join(word.capitalize() for word in kind.split("_")),
            type=apigateway.ResponseType.of(kind),
            status_code=str(status),
            response_headers={"Content-Type": "'application/problem+json'"},
            templates={"application/json": template},
        )
