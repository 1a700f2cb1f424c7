"""The one error page: what happened, and what to do."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from flask import Flask, current_app, render_template, request
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from web_application import submit
from web_application.api import ApiUnreachable, NoCredentials, Problem
from web_application.texts import gettext as _

_MOST_READ_OF_A_BODY = 256_000_000
_BLOCK_BYTES = 1 << 16

Page = tuple[str, int]


def install(app: Flask) -> None:
    """Answers every error of an application with the page."""
    app.register_error_handler(CSRFError, _on_forged_or_old_form)
    app.register_error_handler(RequestEntityTooLarge, _on_large_body)
    app.register_error_handler(HTTPException, _on_http)
    app.register_error_handler(Problem, _on_problem)
    app.register_error_handler(ApiUnreachable, _on_unreachable)
    app.register_error_handler(NoCredentials, _on_no_credentials)
    app.register_error_handler(Exception, _on_defect)


def page(status: int, title: str, advice: str, detail: str = "") -> Page:
    """`detail` is what the platform said, in English."""
    return render_template("error.html", status=status, title=title, advice=advice, detail=detail), status


def _on_http(error: HTTPException) -> Any:
    status = error.code or 500
    if status < 400:
        return error
    titles = {
        401: _("You are not signed in"),
        403: _("This is not permitted"),
        404: _("There is nothing here"),
        405: _("This page cannot be used that way"),
        421: _("This page is not served under that name"),
    }
    advice = {
        401: _("Open the page at its usual address; the sign-in comes first."),
        421: _("Use the address that whoever runs the platform gave you."),
    }
    go_on = _("Check the address, or begin at the list of runs.")
    headers = [header for header in error.get_headers() if header[0] != "Content-Type"]  # as `Allow`, of a 405
    return *page(status, titles.get(status, _("The request could not be read")), advice.get(status, go_on)), headers


def _on_forged_or_old_form(_error: CSRFError) -> Any:
    with suppress(Problem, ApiUnreachable):  # without the API there is no form to show
        again = submit.shown_again_after_a_long_time()
        if again is not None:
            return again
    return page(
        400,
        _("This form is too old"),
        _("Nothing was changed. Go back, load the page again, and press the button once more."),
    )


def _on_large_body(_error: RequestEntityTooLarge) -> Page:
    _read_away_the_body()
    return page(
        413,
        _("That is too large"),
        _("Nothing was changed. Put a large file into S3, or use the command line, and give its bucket and key here."),
    )


def _read_away_the_body() -> None:
    """A browser that is still sending would report a broken connection instead of the page."""
    stream, left = request.environ["wsgi.input"], min(request.content_length or 0, _MOST_READ_OF_A_BODY)
    while left > 0:
        block = stream.read(min(_BLOCK_BYTES, left))
        if not block:
            return
        left -= len(block)


def _on_problem(problem: Problem) -> Page:
    titles = {
        403: _("This run is not yours"),
        404: _("There is nothing here"),
        409: _("That cannot be done now"),
        413: _("That is too large"),
        429: _("The platform is busy"),
    }
    advice = {
        403: _("Only its owner or an administrator may do that."),
        404: _("Check the address, or begin at the list of runs."),
        429: _("Wait a moment, then load the page again."),
    }
    said = problem.detail or problem.title
    title = titles.get(problem.status, _("The platform did not accept this"))
    return page(problem.status, title, advice.get(problem.status, _("Go back and look at the run again.")), said)


def _on_unreachable(error: ApiUnreachable) -> Page:
    current_app.logger.error("The API gave no answer: %s", error)
    return page(
        502,
        _("The platform does not answer"),
        _("Runs that were started go on. Load the page again in a minute."),
    )


def _on_no_credentials(error: NoCredentials) -> Page:
    current_app.logger.error("%s", error)
    return page(
        502,
        _("The page's AWS credentials have expired"),
        _("Runs that were started go on. Whoever started the page signs in to AWS again and starts the page again."),
    )


def _on_defect(error: Exception) -> Page:
    current_app.logger.exception("A defect of the page", exc_info=error)
    return page(500, _("The page has a defect"), _("Runs that were started go on. What happened is in the page's log."))
