"""Runs: the list, the page of one, its logs and results, and what can be done to it."""

from __future__ import annotations

import re
from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for

from web_application import current, run_pages
from web_application.addresses import url_with
from web_application.texts import gettext as _

blueprint = Blueprint("runs", __name__, url_prefix="/runs")

_TASK = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}-[0-9]{1,7}")


@blueprint.url_value_preprocessor
def refuse_what_is_no_id(_endpoint: str | None, values: dict[str, Any] | None) -> None:
    """What cannot be a run or a task is not asked for."""
    given = values or {}
    if "run_id" in given:
        current.refuse_what_is_no_run_id(given["run_id"])
    if "task" in given and not _TASK.fullmatch(given["task"]):
        abort(404)


@blueprint.before_request
def leave_out_what_was_left_empty() -> Any:
    """A filter's form sends all of its fields; the address that people see and pass on has those that say something."""
    return redirect(url_with(), code=303) if request.method == "GET" and "" in request.args.values() else None


@blueprint.get("")
def index() -> Any:
    """Runs, newest first."""
    found = run_pages.list_runs(request.args)
    if found.searched and len(found.runs) == 1 and found.runs[0]["run_id"] == request.args["search"].strip():
        return redirect(url_for("runs.show", run_id=found.runs[0]["run_id"]))
    return render_template("runs.html", found=found, workflows=current.workflows(), titles=current.titles())


@blueprint.get("/<run_id>")
def show(run_id: str) -> Any:
    """One run; the page asks for itself again as long as the run goes on."""
    view = run_pages.view(run_id, request.args)
    return render_template("run.html", view=view, titles=current.titles(), parameters=_titled_parameters(view.run))


@blueprint.get("/<run_id>/tasks/<task>/log")
def log(run_id: str, task: str) -> Any:
    """The end of what a task printed."""
    run = current.run(run_id)
    found = current.get("runs", run_id, "tasks", task, "log")
    return render_template("log.html", run=run, task=task, log=found)


@blueprint.get("/<run_id>/results/<name>")
def result(run_id: str, name: str) -> Any:
    """Goes to a result's file, by a link that the API makes now: the page may have been open for hours."""
    for each in current.get("runs", run_id, "results")["results"]:
        if each["name"] == name:
            return redirect(each["url"], code=303)
    return abort(404)


@blueprint.post("/<run_id>/cancel")
def cancel(run_id: str) -> Any:
    """Ends a run and its jobs."""
    current.post("runs", run_id, "cancel")
    flash(_("The run is being cancelled; its jobs end first."))
    return redirect(url_for("runs.show", run_id=run_id), code=303)


@blueprint.post("/<run_id>/resume")
def resume(run_id: str) -> Any:
    """Continues a failed or cancelled run."""
    current.post("runs", run_id, "resume")
    flash(_("The run goes on with what is missing."))
    return redirect(url_for("runs.show", run_id=run_id), code=303)


def _titled_parameters(run: dict[str, Any]) -> list[tuple[str, Any]]:
    """A run's parameters with their titles, in the order of the form; what the form no longer knows comes last."""
    titles = current.parameter_titles(run["workflow"])
    order = {name: at for at, name in enumerate(titles)}
    given = sorted(run["parameters"].items(), key=lambda each: order.get(each[0], len(order)))
    return [(titles.get(name, name), value) for name, value in given]
