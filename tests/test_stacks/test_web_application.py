"""The stack of the API: who may call it, how often, what is written down, what its function may do."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.policies import Policies
from tests.routes_of_api import ROUTES
from tests.synthesis import ROOT, Synthesized, synthesize


def methods(stack: Synthesized) -> dict[str, dict[str, Any]]:
    """Properties of each method by what it answers, such as `GET /runs`."""
    parts = stack.resources("AWS::ApiGateway::Resource")

    def path(reference: dict[str, Any]) -> str:
        if "Fn::GetAtt" in reference:
            return ""
        part = parts[reference["Ref"]]
        return f"{path(part['ParentId'])}/{part['PathPart']}"

    found = stack.resources("AWS::ApiGateway::Method").values()
    return {f"{each['HttpMethod']} {path(each['ResourceId'])}": each for each in found}


def test_the_methods_are_those_of_the_table(web_application: Synthesized) -> None:
    """Without `{proxy+}`, and without CORS preflights, which would be methods without a signature."""
    assert set(methods(web_application)) == {f"{route.method} {route.path}" for route in ROUTES}
    assert len(ROUTES) >= 11


def test_every_method_wants_a_signature_and_checks_what_it_is_given(web_application: Synthesized) -> None:
    (validator,) = web_application.resources("AWS::ApiGateway::RequestValidator").items()
    assert (validator[1]["ValidateRequestBody"], validator[1]["ValidateRequestParameters"]) == (True, True)
    (model,) = web_application.resources("AWS::ApiGateway::Model").items()
    assert model[1]["Schema"]["type"] == "object"
    for name, method in methods(web_application).items():
        assert method["AuthorizationType"] == "AWS_IAM", name
        assert method["RequestValidatorId"] == {"Ref": validator[0]}, name
        assert method["Integration"]["Type"] == "AWS_PROXY", name
        has_body = name in ("POST /runs", "POST /uploads")
        assert ("RequestModels" in method) is has_body, name
        if has_body:
            assert method["RequestModels"] == {key: {"Ref": model[0]} for key in ("application/json", "$default")}


def test_calls_are_throttled_and_logged(web_application: Synthesized) -> None:
    stage = web_application.one("AWS::ApiGateway::Stage")
    (settings,) = stage["MethodSettings"]
    assert (settings["HttpMethod"], settings["ResourcePath"]) == ("*", "/*")
    assert (settings["ThrottlingRateLimit"], settings["ThrottlingBurstLimit"]) == (50, 100)
    assert (settings["LoggingLevel"], settings["DataTraceEnabled"]) == ("ERROR", False)
    logs = stage["AccessLogSetting"]
    (group,) = re.findall(r"ApiAccessLogs[0-9A-F]{8}", json.dumps(logs["DestinationArn"]))
    assert web_application.resources("AWS::Logs::LogGroup")[group]["RetentionInDays"] == 90
    line = json.loads(logs["Format"])
    assert {"caller", "method", "path", "status", "requestId"} <= set(line)
    assert not [value for value in line.values() if "body" in value.lower() or "query" in value.lower()]


def test_the_limits_are_settings() -> None:
    assembly = synthesize(
        admins="arn:aws:iam::123456789012:role/Operators,alice@example.org", apiRateLimit="7", apiBurstLimit="9"
    ).web
    (settings,) = assembly.one("AWS::ApiGateway::Stage")["MethodSettings"]
    assert (settings["ThrottlingRateLimit"], settings["ThrottlingBurstLimit"]) == (7, 9)
    variables = assembly.one("AWS::Lambda::Function")["Environment"]["Variables"]
    assert json.loads(variables["ADMINS"]) == ["arn:aws:iam::123456789012:role/Operators", "alice@example.org"]


def test_the_log_that_api_gateway_would_make_by_itself_is_the_stack_s(web_application: Synthesized) -> None:
    name = web_application.name_of("AWS::Logs::LogGroup", "ErrorLogs")
    group = web_application.resources("AWS::Logs::LogGroup")[name]
    api = web_application.name_of("AWS::ApiGateway::RestApi")
    assert group["LogGroupName"] == {"Fn::Join": ["", ["API-Gateway-Execution-Logs_", {"Ref": api}, "/v1"]]}
    stage = web_application.template["Resources"][web_application.name_of("AWS::ApiGateway::Stage")]
    assert name in stage["DependsOn"]


def test_refusals_of_api_gateway_are_problem_details(web_application: Synthesized) -> None:
    answers = web_application.resources("AWS::ApiGateway::GatewayResponse").values()
    statuses = {each["ResponseType"]: int(each["StatusCode"]) for each in answers}
    assert {"DEFAULT_4XX", "DEFAULT_5XX", "MISSING_AUTHENTICATION_TOKEN", "INVALID_SIGNATURE", "THROTTLED"} <= set(
        statuses
    )
    for each in answers:
        assert each["ResponseParameters"] == {"gatewayresponse.header.Content-Type": "'application/problem+json'"}
        text = each["ResponseTemplates"]["application/json"].replace("$context.error.messageString", '"why"')
        problem = json.loads(text)
        assert (problem["status"], problem["detail"]) == (statuses[each["ResponseType"]], "why")
        assert set(problem) == {"type", "title", "status", "detail", "errors"}


def test_what_is_deployed_has_all_methods_and_refusals(web_application: Synthesized) -> None:
    deployment = web_application.template["Resources"][web_application.name_of("AWS::ApiGateway::Deployment")]
    for kind in ("Method", "GatewayResponse"):
        assert set(web_application.resources(f"AWS::ApiGateway::{kind}")) <= set(deployment["DependsOn"]), kind


def test_paths_can_be_put_behind_the_api_s_address(web_application: Synthesized) -> None:
    url = Policies(web_application.template).resolve(web_application.template["Outputs"]["ApiUrl"]["Value"])
    api = web_application.name_of("AWS::ApiGateway::RestApi")
    stage = web_application.name_of("AWS::ApiGateway::Stage")
    assert url == f"https://{api}.execute-api.us-east-1.amazonaws.com/{stage}"


def test_outputs_have_the_names_that_people_and_scripts_use(web_application: Synthesized) -> None:
    assert set(web_application.template["Outputs"]) == {"ApiUrl", "PageDnsName", "PageCluster", "PageService"}


def test_only_this_api_may_call_the_function(web_application: Synthesized) -> None:
    permission = web_application.one("AWS::Lambda::Permission")
    assert (permission["Action"], permission["Principal"]) == ("lambda:InvokeFunction", "apigateway.amazonaws.com")
    assert {"Ref": web_application.name_of("AWS::ApiGateway::RestApi")} in permission["SourceArn"]["Fn::Join"][1]


def test_the_function_s_own_role_writes_its_log_and_calls_itself_and_the_rest_is_the_policy_of_runs(
    web_application: Synthesized,
) -> None:
    role = web_application.name_of("AWS::IAM::Role", "FunctionRole")
    statements = list(Policies(web_application.template).statements(role))
    assert sorted(action for each in statements for action in each["Action"]) == [
        "lambda:InvokeFunction",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
    ]
    assert not [resource for each in statements for resource in each["Resource"] if resource == "*"]
    managed = web_application.one("AWS::IAM::Role", "FunctionRole")["ManagedPolicyArns"]
    assert {policy["Fn::GetStackOutput"]["StackName"] for policy in managed} == {"Production-abc"}
    outputs = [policy["Fn::GetStackOutput"]["OutputName"] for policy in managed]
    assert [name for part in ("Runs", "Jobs", "Objects") for name in outputs if f"RunAccess{part}" in name] == outputs
    assert len(outputs) == 3


@pytest.fixture(scope="session")
def asset(web_application: Synthesized) -> Path:
    """The function's code as it is uploaded."""
    assets = json.loads((web_application.folder / "WebApplication-abc.assets.json").read_text("utf-8"))["files"]
    hashed = web_application.one("AWS::Lambda::Function")["Code"]["S3Key"].removesuffix(".zip")
    return web_application.folder / assets[hashed]["source"]["path"]


def test_the_code_of_the_function_has_what_it_imports_and_nothing_of_the_command_line(asset: Path) -> None:
    modules = {path.stem for path in (asset / "hpc").glob("*.py")}
    assert {"submission", "runs", "cancel", "resume", "lease", "errors"} <= modules
    assert not modules & {"cli", "connecting", "inputs", "display", "workflow_folders"}
    assert not (asset / "hpc" / "local").exists()
    assert [workflow["name"] for workflow in json.loads((asset / "workflows.json").read_text("utf-8"))] == [
        "string_processing"
    ]
    assert not [path for path in asset.rglob("*") if path.suffix in (".so", ".pyc", ".pyd")]


ALONE = """
import os, sys
folder, provided = sys.argv[1], set(sys.argv[2].split(","))
sys.path.insert(0, folder)

class Only:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        own = os.path.exists(os.path.join(folder, top)) or os.path.exists(os.path.join(folder, top + ".py"))
        if not (top in sys.stdlib_module_names or top in provided or own):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Only())
import api
from hpc import submission
assert callable(api.handler)
assert submission.__file__.startswith(folder), submission.__file__
"""


def test_the_code_of_the_function_runs_with_nothing_but_boto3(asset: Path) -> None:
    # What boto3 needs itself.
    provided = "boto3,botocore,s3transfer,jmespath,dateutil,six,urllib3,certifi,awscrt"
    ended = subprocess.run(
        [sys.executable, "-c", ALONE, str(asset), provided],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT.parent,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
