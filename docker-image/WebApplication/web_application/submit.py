"""Starting a run: the workflows there are, and the form of each."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, current_app, flash, redirect, render_template, request, url_for
from werkzeug.datastructures import FileStorage

from web_application import current, graph, uploads
from web_application.api import Problem
from web_application.draft import FILE, PROJECT, Draft
from web_application.security import came_from_here
from web_application.texts import gettext as _
from web_application.texts import in_words

blueprint = Blueprint("submit", __name__)

# What the API says of the values that were typed; anything else is not about the form.
_ABOUT_THE_FORM = frozenset({400, 409, 413, 422})


@blueprint.get("/")
def home() -> Any:
    """The beginning."""
    return redirect(url_for("submit.workflows"))


@blueprint.get("/workflows")
def workflows() -> Any:
    """All workflows, to pick one."""
    return render_template("workflows.html", workflows=current.workflows(), steps_of=_pictures)


@blueprint.get("/workflows/<name>")
def form(name: str) -> Any:
    """A workflow's form: empty, or with the values of the run that `again` names."""
    workflow = _workflow(name)
    again = request.args.get("again", "")
    if again:
        return _page(Draft.of_run(workflow, current.run(again)), again=again)
    return _page(Draft(workflow))


@blueprint.post("/workflows/<name>")
def start(name: str) -> Any:
    """Checks the form and estimates, or starts the run and goes to its page."""
    draft = Draft.of_form(_workflow(name), request.form)
    try:
        if draft.needs_file:
            _look_at_the_rest(draft)
            _upload(draft, request.files.get(FILE))
        if draft.errors:
            return _page(draft), 422
        if request.form.get("action") != "start":
            return _page(draft, estimate=_dry_run(draft))
        run = current.post("runs", body=_body(draft), idempotency_key=draft.idempotency_key())
    except Problem as problem:
        if problem.status not in _ABOUT_THE_FORM:
            raise
        draft.refuse(problem)
        return _page(draft), problem.status
    flash(_("The run was submitted."))
    return redirect(url_for("runs.show", run_id=run["run_id"]), code=303)


@blueprint.post("/workflows/<name>/estimate")
def estimate(name: str) -> Any:
    """Only the estimate, while the form is being filled in."""
    draft = Draft.of_form(_workflow(name), request.form)
    found = None
    if not draft.needs_file:
        try:
            found = _dry_run(draft)
        except Problem as problem:
            if problem.status not in _ABOUT_THE_FORM:
                raise
    return render_template("_estimate.html", draft=draft, checked=found)


def shown_again_after_a_long_time() -> Any:
    """The form with what was typed, for a request whose token was too old; None for any other request.

    Another site's form is not shown: what that site filled in would be one button away from being started.
    """
    if request.endpoint != "submit.start" or not came_from_here():
        return None
    workflow = current.workflow((request.view_args or {})["name"])
    if workflow is None:
        return None
    draft = Draft.of_form(workflow, request.form)
    draft.errors[""] = _("This form was open for too long, so nothing was started. Press the button once more.")
    return _page(draft), 400


def _pictures(workflow: dict[str, Any]) -> tuple[graph.Picture, graph.Picture]:
    """The workflow's steps, for wide and for narrow screens."""
    steps = graph.steps(workflow, [])
    return graph.picture(steps, in_words), graph.picture(steps, in_words, downwards=True)


def _workflow(name: str) -> dict[str, Any]:
    return current.workflow(name) or abort(404)


def _page(draft: Draft, *, estimate: Any = None, again: str = "") -> str:
    return render_template("submit.html", draft=draft, checked=estimate, again=again)


def _body(draft: Draft) -> dict[str, Any]:
    return {"workflow": draft.workflow["name"], "parameters": draft.parameters, "overwrite": draft.overwrite}


def _dry_run(draft: Draft) -> Any:
    return current.post("runs", body=_body(draft), query={"dry_run": "true"})


def _look_at_the_rest(draft: Draft) -> None:
    """Asks what is wrong with the other values, before a file is uploaded for nothing."""
    try:
        _dry_run(draft)
    except Problem as problem:
        if problem.status in _ABOUT_THE_FORM and problem.errors:
            draft.refuse(problem)
            for name in draft.input_names:  # they come with the file
                draft.errors.pop(name, None)


def _upload(draft: Draft, file: FileStorage | None) -> None:
    """Brings the form's file to S3; what is wrong with it goes to the draft. Raises Problem."""
    if file is None or not file.filename:
        draft.errors[FILE] = _("Choose a file, or give the bucket and key of an object that is in S3.")
        return
    size, sha256 = uploads.size_and_sha256(file.stream)
    if size == 0:
        draft.errors[FILE] = _("%(name)s is empty.", name=file.filename)
    if draft.errors:
        return
    what = {
        "workflow": draft.workflow["name"],
        "project": draft.values.get(PROJECT, ""),
        "file_name": file.filename,
    }
    target = current.post("uploads", body=what, idempotency_key=draft.upload_key(file.filename, sha256))
    if size > int(target["max_bytes"]):
        draft.errors[FILE] = _(
            "%(name)s has %(size)s bytes; %(most)s are possible here. Put it into S3 and give its bucket and key.",
            name=file.filename,
            size=f"{size:,}",
            most=f"{int(target['max_bytes']):,}",
        )
        return
    try:
        uploads.send(target, file.stream, size)
    except uploads.RefusedUpload as refused:
        current_app.logger.warning("An upload was refused: %s", refused)
        draft.errors[FILE] = _(
            "S3 did not take %(name)s (%(code)s). Choose it once more, or put it into S3 and give its bucket and key.",
            name=file.filename,
            code=refused.code,
        )
        return
    draft.take_upload(target, file.filename)
