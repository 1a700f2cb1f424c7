"""Whether the process answers, for the load balancer and the container's health check."""

from __future__ import annotations

from flask import Blueprint, Response

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def healthz() -> Response:
    """200 as long as requests are served. It asks nobody else: an API that is down is no reason to replace the task."""
    return Response("ok\n", mimetype="text/plain")
