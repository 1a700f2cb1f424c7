"""What the list of runs and the page of a run show, put together from the API's answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from web_application import current, graph, waiting
from web_application.api import ApiUnreachable, Problem
from web_application.recent import recent
from web_application.texts import in_words
from web_application.wording import FINAL, seconds_between

_RUNS_A_PAGE = 25
_TASKS_A_PAGE = 50
# A search looks through so many of the newest runs: the API finds by status, workflow, owner and day.
_SEARCHED_PAGES, _SEARCHED_A_PAGE = 5, 100
_FILTERS = ("status", "workflow", "owner", "day")


@dataclass(frozen=True)
class RunList:
    """A page of runs; `searched` is how many were looked through for a text, 0 without one."""

    runs: list[dict[str, Any]]
    next: str | None
    searched: int = 0

    @property
    def looks_again(self) -> bool:
        """Whether the list will look different soon; not of a search, each look of which is several calls."""
        return not self.searched and any(run["status"] not in FINAL for run in self.runs)


@dataclass(frozen=True)
class RunView:
    """A run with its steps, a page of its tasks, its cost, why it waits, and its results as far as there are any."""

    run: dict[str, Any]
    steps: list[graph.Step]
    tasks: list[dict[str, Any]]
    next_tasks: str | None
    cost: dict[str, Any] | None
    waiting: list[dict[str, Any]] = field(default_factory=list)
    results: list[dict[str, Any]] = field(default_factory=list)
    no_results: str = ""

    @property
    def is_final(self) -> bool:
        return self.run["status"] in FINAL

    @property
    def done(self) -> int:
        """Tasks that succeeded."""
        return sum(step.succeeded for step in self.steps)

    @property
    def total(self) -> int | None:
        """All tasks; None as long as a step does not know how many it has."""
        totals = [step.total for step in self.steps]
        return None if None in totals or not totals else sum(total or 0 for total in totals)

    @property
    def seconds(self) -> float | None:
        """How long it has been going on, or went on."""
        return seconds_between(self.run.get("started_at") or self.run.get("created_at"), self.run.get("stopped_at"))

    @property
    def wide(self) -> graph.Picture:
        return graph.picture(self.steps, in_words)

    @property
    def tall(self) -> graph.Picture:
        return graph.picture(self.steps, in_words, downwards=True)


def list_runs(arguments: Mapping[str, str]) -> RunList:
    """A page of runs by the filters of a query, and by a text in their ids and projects."""
    filters: dict[str, str | int | None] = {name: arguments.get(name, "") for name in _FILTERS}
    text = arguments.get("search", "").strip().lower()
    token: str | None = arguments.get("next", "")
    if not text:
        answer = current.get("runs", query=filters | {"limit": _RUNS_A_PAGE, "next": token})
        return RunList(answer["runs"], answer.get("next"))
    found: list[dict[str, Any]] = []
    searched = 0
    for _page in range(_SEARCHED_PAGES):
        answer = current.get("runs", query=filters | {"limit": _SEARCHED_A_PAGE, "next": token})
        searched += len(answer["runs"])
        found += [run for run in answer["runs"] if text in run["run_id"].lower() or text in run["project"].lower()]
        token = answer.get("next")
        if not token:
            break
    return RunList(found, token, searched)


def view(run_id: str, arguments: Mapping[str, str]) -> RunView:
    """Everything on the page of a run; raises Problem when there is none of that id."""
    run = current.run(run_id)
    tasks = current.get(
        "runs",
        run_id,
        "tasks",
        query={
            "state": arguments.get("state", ""),
            "status": arguments.get("task_status", ""),
            "next": arguments.get("next", ""),
            "limit": _TASKS_A_PAGE,
        },
    )
    results, no_results = _results(run)
    steps = graph.steps(current.workflow(run["workflow"]), run["steps"])
    return RunView(
        run=run,
        steps=steps,
        tasks=tasks["tasks"],
        next_tasks=tasks.get("next"),
        cost=_cost(run),
        waiting=waiting.reasons(run, steps),
        results=results,
        no_results=no_results,
    )


def _cost(run: Mapping[str, Any]) -> dict[str, Any] | None:
    """What it costs, up to half a minute ago while it goes on; None where that cannot be told.

    That is no reason to show nothing else.
    """

    def ask() -> dict[str, Any] | None:
        try:
            return dict(current.get("runs", run["run_id"], "cost"))
        except (Problem, ApiUnreachable):
            return None

    # Of a run that is over the platform keeps it, and the page does not look again by itself.
    return ask() if run["status"] in FINAL else recent("cost", run["run_id"], ask, meanwhile=None)


def _results(run: Mapping[str, Any]) -> tuple[list[dict[str, Any]], str]:
    """The results, or why there are none to be had (another owner's run, files that were archived)."""
    if run["status"] != "SUCCEEDED":
        return [], ""
    try:
        return current.get("runs", run["run_id"], "results")["results"], ""
    except Problem as problem:
        return [], problem.detail or problem.title
