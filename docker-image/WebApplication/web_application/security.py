"""Headers, cookies, forged requests, foreign host names, and who is signed in."""

from __future__ import annotations

from flask import Flask, Response, abort, g, request
from flask.sessions import SecureCookieSessionInterface
from flask_wtf.csrf import CSRFProtect
from werkzeug.sansio.utils import host_is_trusted

from web_application.config import Config
from web_application.sign_in import SignIn

# No inline script or style anywhere; the presigned links to results are plain links, which a policy does not touch.
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
_HSTS = "max-age=31536000"
# A form that was open for longer is shown again with what was typed, and works when it is sent once more.
_FORM_LIFETIME_S = 8 * 3600


class _Sessions(SecureCookieSessionInterface):
    """Session cookies that are `Secure` exactly when the person came by HTTPS."""

    def get_cookie_secure(self, app: Flask) -> bool:  # noqa: ARG002 -- Flask's signature
        return request.is_secure


def protect(app: Flask, config: Config) -> None:
    """Adds all of it to an application."""
    app.session_interface = _Sessions()
    app.config.update(
        SESSION_COOKIE_NAME=config.session_cookie,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        WTF_CSRF_TIME_LIMIT=_FORM_LIFETIME_S,
    )
    sign_in = SignIn(config.sign_in_signer, config.region) if config.sign_in_signer else None

    @app.before_request
    def know_the_host() -> None:
        # A name that some other site made point here (DNS rebinding) would make its scripts ours. The load balancer's
        # health check names the task by its address.
        if config.trusted_hosts and request.endpoint != "health.healthz":
            host = request.environ.get("HTTP_HOST", "")
            if not host_is_trusted(host, list(config.trusted_hosts)):
                abort(421)

    @app.before_request
    def know_the_person() -> None:
        if sign_in is not None and request.endpoint not in {"health.healthz", "static"}:
            g.owner = sign_in.owner(request.headers)

    # After the two above, so that a forged request of a foreign host is refused for its host.
    CSRFProtect(app)

    @app.after_request
    def add_headers(response: Response) -> Response:
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        if request.is_secure:
            response.headers.setdefault("Strict-Transport-Security", _HSTS)
        response.headers["Cache-Control"] = _cache_control()
        return response


def came_from_here() -> bool:
    """Whether the request's form was on a page of this very site, as the browser says; not when it does not say."""
    source = request.headers.get("Origin") or request.headers.get("Referer", "")
    return source.partition("://")[2].partition("/")[0] == request.host


def _cache_control() -> str:
    """Pages are never kept; a static file is, when its address has its digest."""
    if request.endpoint != "static":
        return "no-store"
    return "public, max-age=31536000, immutable" if request.args.get("v") else "no-cache"
