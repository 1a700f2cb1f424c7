"""/openapi.json and the list of workflows: that they say what the code does; and what calls leave behind."""

import ast
import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
import yaml
from openapi_spec_validator import OpenAPIV31SpecValidator

from hpc.errors import NotFound, WrongInput
from hpc.run import Run
from tests.test_lambda.api_calls import ALICE, event
from tests.test_lambda.conftest import FUNCTIONS


class TestDescription:
    """/openapi.json, and that it says what the code does."""

    def test_it_is_openapi_3_1(self, function):
        document = function.openapi.document()
        assert document["openapi"].startswith("3.1.")
        OpenAPIV31SpecValidator(document).validate()

    def test_it_has_every_route_and_every_operation_has_a_function(self, function):
        document = function.openapi.document()
        described = {(m.upper(), p): o for p, methods in document["paths"].items() for m, o in methods.items()}
        assert {(route.method, route.path): route.operation for route in function.routes.ROUTES} == {
            place: operation["operationId"] for place, operation in described.items()
        }
        assert {route.operation for route in function.routes.ROUTES} == set(function.api._OPERATIONS)
        for operation in described.values():
            assert {"400", "403", "429", "500"} <= set(operation["responses"])
            assert any(status[0] == "2" for status in operation["responses"])

    def test_a_started_and_a_dry_run_are_described_by_their_statuses(self, function):
        answers = function.openapi.document()["paths"]["/runs"]["post"]["responses"]
        schemas = {status: answers[status]["content"]["application/json"]["schema"] for status in ("200", "201")}
        assert schemas == {
            "200": {"$ref": "#/components/schemas/RunOrDryRun"},
            "201": {"$ref": "#/components/schemas/Run"},
        }

    def test_a_run_has_the_fields_that_are_described(self, function):
        run = Run(run_id="R1", workflow="w", project="P", status="FAILED", created_at="2026-01-01T00:00:00.000Z")
        assert set(function.schemas.RUN["properties"]) == set(run.as_json())

    def test_every_field_that_is_checked_says_what_is_expected(self, function):
        schemas = [*function.routes.PATH_PARAMETERS.values()]
        for route in function.routes.ROUTES:
            schemas += [*route.query.values(), *route.headers.values()]
            schemas += function.schemas.COMPONENTS[route.body]["properties"].values() if route.body else []
        assert all(schema["description"] for schema in schemas)


RUN_CALLS = [
    ("GET", "/runs/{run_id}", 422),
    ("GET", "/runs/{run_id}/tasks", 422),
    ("GET", "/runs/{run_id}/tasks/{task}/log", 422),
    ("GET", "/runs/{run_id}/cost", 422),
    ("GET", "/runs/{run_id}/doctor", 422),
    ("GET", "/runs/{run_id}/results", 422),
    ("POST", "/runs/{run_id}/resume", 422),
    ("POST", "/runs/{run_id}/cancel", None),
]


@pytest.mark.parametrize(("method", "path", "without_parameters"), RUN_CALLS)
def test_refusals_of_calls_about_a_run_are_described(function, method, path, without_parameters):
    """A run that is not there, one that is another's, one whose workflow is gone, one whose parameters are unknown."""
    runs = FakeRuns(Run(run_id="R1", workflow="w", project="P", status="FAILED", created_at="", owner=ALICE))
    described = function.openapi.document()["paths"][path][method.lower()]["responses"]

    def status(run_id: str, caller: str = ALICE) -> int:
        given = event(method, path, path={"run_id": run_id, "task": "S-1"}, caller=caller)
        return function.api.answer(lambda: deployment_of(function, runs), given, None).status

    assert status("R2") == 404
    found = {404}
    if path.endswith(("results", "resume", "cancel")):
        assert status("R1", caller=f"{ALICE}2") == 403
        found.add(403)
    if without_parameters:
        assert status("R1") == without_parameters
        found.add(without_parameters)
        runs.parameters = {"ProjectNo": "P"}
        assert status("R1") == 404  # its workflow is not deployed
    assert {str(each) for each in found} <= set(described)


@pytest.mark.parametrize("path", ["/runs/{run_id}/resume", "/runs/{run_id}/results"])
def test_a_run_is_read_once_before_it_is_worked_with(function, path):
    runs = FakeRuns(Run(run_id="R1", workflow="w", project="P", status="FAILED", created_at="", owner=ALICE))
    method = "POST" if path.endswith("resume") else "GET"
    function.api.answer(lambda: deployment_of(function, runs), event(method, path, path={"run_id": "R1"}), None)
    assert runs.reads == ["R1"]


class FakeRuns:
    """One run; its parameters are unknown until they are set."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self.parameters: dict[str, str] = {}
        self.reads: list[str] = []

    def get(self, run_id: str) -> Run:
        self.reads.append(run_id)
        if run_id != self._run.run_id:
            raise NotFound(run_id)
        return self._run

    def with_parameters(self, run: Run) -> Run:
        if not self.parameters:
            raise WrongInput("RUN: found it without parameters")
        return replace(run, parameters=self.parameters)


def deployment_of(function, known: FakeRuns):
    """A deployment with these runs, and without workflows."""

    class WithRuns(function.deployment.Deployment):
        runs = known

    return WithRuns(function.deployment.Environment("Production-abc", "api", (), ()), None, {})


def test_workflows_are_read_from_what_their_folders_say(function):
    file = FUNCTIONS.parent / "workflows" / "string_processing" / "workflow.yaml"
    described = json.loads(json.dumps(yaml.safe_load(file.read_text("utf-8"))))
    read = function.deployment.read_workflows([described])
    assert [*read] == ["string_processing"]
    listed = function.workflow_calls.list_workflows(SimpleNamespace(workflows=read), None, "").document["workflows"]
    assert listed[0]["parameters"] == described["parameters"]
    assert listed[0]["outputs"][0] == {"name": "repeat", "title": "Every line twice"}


MUTABLE = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
MAKERS = {"list", "dict", "set", "bytearray", "defaultdict", "deque", "Counter", "OrderedDict"}
READ_ONLY = {"Mapping", "Sequence", "Collection", "Schema"}


def is_mutable(value: ast.expr | None) -> bool:
    made = value.func if isinstance(value, ast.Call) else None
    return isinstance(value, MUTABLE) or (isinstance(made, ast.Name) and made.id in MAKERS)


def changeable(tree: ast.Module) -> list[str]:
    """What calls could change and find again: names of modules and classes, and results that are kept."""
    found = []
    for node in ast.walk(tree):
        body = node.body if isinstance(node, ast.Module | ast.ClassDef) else []
        found += [ast.unparse(each) for each in body if isinstance(each, ast.Assign) and is_mutable(each.value)]
        for each in body:
            if isinstance(each, ast.AnnAssign) and is_mutable(each.value):
                kind = each.annotation.value if isinstance(each.annotation, ast.Subscript) else each.annotation
                found += [] if ast.unparse(kind) in READ_ONLY else [ast.unparse(each)]
        found += [ast.unparse(node)] if isinstance(node, ast.Global | ast.Nonlocal) else []
        if isinstance(node, ast.FunctionDef) and any("cache" in ast.unparse(each) for each in node.decorator_list):
            found.append(node.name)
    return found


def test_no_module_is_changed_by_calls():
    """Warm functions share their modules: the only thing kept is the deployment's clients.

    Lists and dicts at the top are of types that can only be read, for mypy to hold the code to.
    """
    found = {file.name: changeable(ast.parse(file.read_text("utf-8"))) for file in (FUNCTIONS / "api").glob("*.py")}
    assert {name: what for name, what in found.items() if what} == {"api.py": ["_deployment"]}


@pytest.mark.parametrize(
    "line",
    [
        "SEEN = {}",
        "SEEN: dict[str, int] = {}",
        "SEEN = [1]",
        "SEEN = set()",
        "SEEN = {name: 1 for name in 'ab'}",
        "class A:\n    seen = []",
        "def f():\n    global SEEN\n    SEEN = 1",
        "@functools.lru_cache\ndef f(): ...",
    ],
)
def test_what_a_module_could_keep_is_found(line):
    assert len(changeable(ast.parse(line))) == 1
