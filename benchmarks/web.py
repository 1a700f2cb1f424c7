"""The page and the API with 10,000 runs in the table, beside a bare Flask application that gets one item.

    python -m benchmarks.web --runs 10000 --rounds 30 --submissions 40

Starts a platform of its own, fills its run table with ended runs, submits small runs and waits for their end; then
one caller asks for lists and pages, one call at a time. Between the measured calls the yardstick (`bare_page`) is
called just as often, so that ratios to it hold on a busy machine too. A call that is not answered as it has to be ends
the benchmark.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import click
import urllib3
from botocore.credentials import Credentials
from rich.console import Console
from rich.table import Table

from benchmarks.bare_page import bare_page
from benchmarks.machine import machine_line
from benchmarks.own_platform import OwnPlatform, hpc, own_platform
from benchmarks.run_rows import ended_runs
from benchmarks.timed_calls import Caller, WrongAnswer, in_turn, percentile, rate
from hpc import stack
from hpc.connecting import to_laptop
from hpc.local.platform import STATE_FILE, PlatformState
from hpc.run import FINAL

BARE = "bare Flask, one GetItem"
WARM_UPS = 3
LARGEST_PAGE = 100
# Enough for some on each day, and for a late page that the submitted runs are not on.
FEWEST_RUNS = 500
# How far down the list the late page is.
LATE = 0.9
INPUT = b"tiny\n" * 20
RUNS_END_WITHIN_S = 600

Seconds = Mapping[str, Sequence[float]]


@click.command()
@click.option(
    "--runs",
    "count",
    type=click.IntRange(FEWEST_RUNS),
    default=10_000,
    show_default=True,
    help="Rows in the table.",
)
@click.option("--rounds", type=click.IntRange(1), default=30, show_default=True, help="How often each call is made.")
@click.option("--submissions", type=click.IntRange(1, LARGEST_PAGE), default=40, show_default=True)
@click.option("--callers", type=click.IntRange(1, 16), default=4, show_default=True, help="Who submit at a time.")
def main(count: int, rounds: int, submissions: int, callers: int) -> None:
    """Prints calls a second, p50 and p99, and their ratios to a bare round trip."""
    console = Console(width=110, highlight=False)
    console.print(machine_line())
    try:
        with own_platform() as platform:
            measure(platform, console, count=count, rounds=rounds, submissions=submissions, callers=callers)
    except WrongAnswer as wrong:
        raise click.ClickException(str(wrong)) from wrong
    console.print(machine_line())


def measure(
    platform: OwnPlatform, console: Console, *, count: int, rounds: int, submissions: int, callers: int
) -> None:
    """Everything on a platform that is up; raises WrongAnswer."""
    shown = json.loads(hpc(platform.folder, "show", "--platform", "--json"))
    state = PlatformState(**json.loads((platform.state / STATE_FILE).read_text()))
    caller = Caller(
        shown["api_url"],
        state.region,
        Credentials(state.access_key_id, state.secret_access_key),
        connections=callers,
    )
    table, pk, day = fill(state, count, console)
    with bare_page(platform.state, endpoint_url=state.endpoint_url, table=table, pk=pk) as bare_url:

        def bare() -> float:
            answer = caller.get(bare_url)
            require(answer.document["pk"] == {"S": pk}, bare_url, "the item")
            return answer.seconds

        run_ids, seconds = submit(caller, bare, submissions, callers)
        console.print(submissions_table(seconds, callers))
        wait_until_ended(caller, run_ids)
        calls = {BARE: bare, **reads(caller, shown["web_url"], run_ids[-1], day)}
        in_turn(calls, WARM_UPS)
        console.print(reads_table(in_turn(calls, rounds)))


def fill(state: PlatformState, count: int, console: Console) -> tuple[str, str, str]:
    """Writes the rows of so many ended runs, all older than an hour.

    Gives the table's name, and the key and the day of the row that is so far down the list as the late page.
    """
    connection = to_laptop(state)
    name = stack.describe(connection).run_table
    started = time.monotonic()
    rows = list(ended_runs(count, until=datetime.now(UTC) - timedelta(hours=1)))
    with connection.table(name).batch_writer() as batch:
        for row in rows:
            batch.put_item(Item=row)
    console.print(f"{count:,} rows written in {time.monotonic() - started:.0f} s")
    late = rows[int(LATE * count)]
    return name, late["pk"], late["created_at"][:10]


def submit(
    caller: Caller, bare: Callable[[], float], submissions: int, callers: int
) -> tuple[list[str], dict[str, list[float]]]:
    """Starts runs, each of a project of its own; after each one bare call. Gives their ids and the seconds of both."""
    bucket, key = upload(caller)

    def body(number: int) -> dict[str, Any]:
        parameters = {"ProjectNo": f"Bench{number}", "INPUT_BUCKET": bucket, "INPUT_KEY": key, "SPLIT_NUM": 100}
        return {"workflow": "string_processing", "parameters": parameters}

    def one(number: int) -> tuple[str, float, float]:
        answer = caller.api("POST", "/runs", body(number), expected=201, Idempotency_Key=f"bench-{number}")
        return str(answer.document["run_id"]), answer.seconds, bare()

    with ThreadPoolExecutor(callers) as pool:
        # Functions start at their first calls.
        for _ in pool.map(lambda number: caller.api("POST", "/runs?dry_run=true", body(number)), range(2 * callers)):
            pass
        done = list(pool.map(one, range(submissions)))
    return [run_id for run_id, _, _ in done], {
        BARE: [seconds for _, _, seconds in done],
        "POST /runs": [seconds for _, seconds, _ in done],
    }


def upload(caller: Caller) -> tuple[str, str]:
    """Uploads a tiny text as a page does it; gives its bucket and key."""
    wanted = {"workflow": "string_processing", "project": "Bench", "file_name": "tiny.txt"}
    form = caller.api("POST", "/uploads", wanted, expected=201).document
    fields = {**form["fields"], "file": ("tiny.txt", INPUT)}
    stored = urllib3.request("POST", form["url"], fields=fields)
    require(stored.status == 204, form["url"], f"204 and not {stored.status}")
    return form["bucket"], form["key"]


def wait_until_ended(caller: Caller, run_ids: Sequence[str]) -> None:
    """Raises WrongAnswer when a run does not succeed, or not in time."""
    path = f"/runs?limit={LARGEST_PAGE}"
    give_up_at = time.monotonic() + RUNS_END_WITHIN_S
    statuses: dict[str, str] = {}
    while time.monotonic() < give_up_at:
        statuses = {run["run_id"]: run["status"] for run in caller.api("GET", path).document["runs"]}
        if all(statuses.get(run_id) in FINAL for run_id in run_ids):
            break
        time.sleep(2)
    others = {run_id: statuses.get(run_id) for run_id in run_ids if statuses.get(run_id) != "SUCCEEDED"}
    require(not others, path, f"that all submitted runs succeed, but not {others}")


def late_page(caller: Caller, day: str) -> str:
    """The path of a page of all runs that follows the newest run of a day.

    Pages before it are not asked for: where each takes long, going through them would take minutes.
    """
    token = caller.api("GET", f"/runs?day={day}&limit=1").document["next"]
    require(bool(token), "/runs", f"more than one run of {day}")
    return f"/runs?next={quote(token, safe='')}"


def reads(caller: Caller, web_url: str, run_id: str, day: str) -> dict[str, Callable[[], float]]:
    """The measured calls by name; each raises WrongAnswer when what comes back is not what was asked for.

    `run_id` is one of the newest runs, and succeeded; `day` is that of the late page.
    """

    def listing(path: str, is_right: Callable[[list[dict[str, Any]]], bool]) -> Callable[[], float]:
        def call() -> float:
            answer = caller.api("GET", path)
            require(is_right(answer.document["runs"]), path, "the runs that were asked for")
            return answer.seconds

        return call

    def page(path: str) -> Callable[[], float]:
        def call() -> float:
            answer = caller.get(web_url + path)
            require(run_id.encode() in answer.data, path, f"a page with run {run_id}")
            return answer.seconds

        return call

    return {
        "GET /runs": listing("/runs", lambda runs: run_id in ids(runs)),
        "GET /runs, a late page": listing(
            late_page(caller, day), lambda runs: bool(runs) and runs[0]["created_at"][:10] <= day
        ),
        "GET /runs, a status of 1 in 10": listing(
            "/runs?status=CANCELLED", lambda runs: {run["status"] for run in runs} == {"CANCELLED"}
        ),
        "GET /runs/{run_id}": run_call(caller, run_id),
        "the page's list": page("/runs"),
        "the page of a run": page(f"/runs/{run_id}"),
    }


def ids(runs: Sequence[Mapping[str, Any]]) -> set[str]:
    return {run["run_id"] for run in runs}


def run_call(caller: Caller, run_id: str) -> Callable[[], float]:
    path = f"/runs/{run_id}"

    def call() -> float:
        answer = caller.api("GET", path)
        require(answer.document["status"] == "SUCCEEDED", path, "a run that succeeded")
        return answer.seconds

    return call


def require(is_right: bool, what: str, expected: str) -> None:
    if not is_right:
        raise WrongAnswer(f"{what}: found something else, expected {expected}")


def submissions_table(seconds: Seconds, callers: int) -> Table:
    """Calls a second while so many callers make these calls in turn."""
    table = right_aligned(f"{callers} callers at once", "calls", "a second", "bare = 1", "p50, ms", "p99, ms")
    for name, taken in seconds.items():
        ratio = rate(taken, callers) / rate(seconds[BARE], callers)
        p50, p99 = (f"{percentile(taken, percent) * 1_000:.1f}" for percent in (50, 99))
        table.add_row(name, str(len(taken)), f"{rate(taken, callers):.1f}", f"{ratio:.3f}", p50, p99)
    return table


def reads_table(seconds: Seconds) -> Table:
    """Milliseconds of a call, one at a time, and how many times as long it takes as a bare one at the same place."""
    table = right_aligned("one caller", "calls", "p50, ms", "p99, ms", "p50, bare = 1", "p99, bare = 1")
    for name, taken in seconds.items():
        ms = [f"{percentile(taken, percent) * 1_000:.1f}" for percent in (50, 99)]
        ratios = [f"{percentile(taken, each) / percentile(seconds[BARE], each):.1f}" for each in (50, 99)]
        table.add_row(name, str(len(taken)), *ms, *ratios)
    return table


def right_aligned(first: str, *others: str) -> Table:
    table = Table(first, *others)
    for column in table.columns[1:]:
        column.justify = "right"
    return table


if __name__ == "__main__":
    main()
