"""The page's two languages: what the templates say, and what workflows say of themselves.

English is the source: a catalog in `translations/` maps each English text to the other language. Texts of workflows
come from the API in English; those that `workflows.<language>.json` does not know are shown as they are.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path

from flask import Flask, Response, g, redirect, request, session
from werkzeug.wrappers import Response as AnyResponse

from web_application.addresses import url_with

LANGUAGES = {"en": "English", "zh-Hans": "简体中文"}
_FOLDER = Path(__file__).parent / "translations"
_PREFIXES = {code.partition("-")[0]: code for code in LANGUAGES}


def install(app: Flask) -> None:
    """Chooses each request's language, and gives templates `_()`, `of_workflow()` and `in_words()`."""
    app.jinja_env.add_extension("jinja2.ext.i18n")
    app.jinja_env.install_gettext_callables(  # type: ignore[attr-defined]
        gettext=_lookup, ngettext=lambda one, many, n: _lookup(one if n == 1 else many), newstyle=True
    )
    app.jinja_env.globals.update(of_workflow=of_workflow, in_words=in_words, languages=LANGUAGES, language=language)

    @app.before_request
    def switch() -> AnyResponse | None:
        chosen = request.args.get("language", "")
        if request.method != "GET" or chosen not in LANGUAGES:
            return None
        session["language"] = chosen
        session.permanent = True
        return redirect(url_with(), code=303)

    @app.after_request
    def vary(response: Response) -> Response:
        if request.endpoint not in {"static", "health.healthz"}:
            response.headers["Content-Language"] = language()
            response.vary.update(("Accept-Language", "Cookie"))
        return response


def language() -> str:
    """The request's language: chosen on the page, else the first of the browser's that there is, else English."""
    if "language" not in g:
        preferred = (_PREFIXES.get(tag.lower().partition("-")[0]) for tag in request.accept_languages.values())
        g.language = session.get("language") or next((found for found in preferred if found), "en")
    return str(g.language)


def gettext(text: str, **values: object) -> str:
    """`text` in the request's language, with values for its `%(name)s`."""
    found = _lookup(text)
    return found % values if values else found


def of_workflow(text: str) -> tuple[str, str]:
    """A workflow's own text, and the language that it is in."""
    found = _catalog(f"workflows.{language()}").get(text)
    return (found, language()) if found else (text, "en")


def in_words(text: str) -> str:
    """A workflow's own text in the request's language, as far as there is a translation."""
    return of_workflow(text)[0]


def _lookup(text: str) -> str:
    return _catalog(language()).get(text, text)


@functools.cache
def _catalog(name: str) -> dict[str, str]:
    file = _FOLDER / f"{name}.json"
    texts: dict[str, str] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return texts
