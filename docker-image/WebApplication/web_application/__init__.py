"""The platform's page: submit, watch, understand, fetch. It talks to the REST API only; README.md is its manual."""

from __future__ import annotations

from typing import Any

from botocore.credentials import Credentials
from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from web_application import addresses, errors, estimates, health, platform, runs, security, submit, texts, wording
from web_application.api import Api
from web_application.config import Config

# What a form may hold besides a file; workflows' parameters are a few hundred bytes.
_FORM_BYTES = 256_000


def create_app(config: Config, credentials: Credentials) -> Flask:
    """The WSGI application; `credentials` (botocore's) sign its calls of the API."""
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY=config.session_key,
        MAX_CONTENT_LENGTH=config.upload_max_bytes + _FORM_BYTES,
        MAX_FORM_MEMORY_SIZE=_FORM_BYTES,
        MAX_FORM_PARTS=200,
    )
    app.extensions["api"] = Api(config.api_endpoint, config.region, credentials)
    app.jinja_env.globals.update(
        poll_seconds=config.poll_seconds,
        upload_max_bytes=config.upload_max_bytes,
        signs_in=bool(config.sign_in_signer),
    )
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    if config.trusted_proxies:
        hops = config.trusted_proxies
        wsgi_app: Any = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=0, x_port=0, x_prefix=0)
        app.wsgi_app = wsgi_app  # type: ignore[method-assign]
    security.protect(app, config)
    addresses.install(app)
    texts.install(app)
    wording.install(app)
    estimates.install(app)
    errors.install(app)
    for module in (health, submit, runs, platform):
        app.register_blueprint(module.blueprint)
    return app
