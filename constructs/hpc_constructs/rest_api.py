"""The REST API: who may call it, how often, and what is written down of it."""

import json

from aws_cdk import CfnOutput, RemovalPolicy
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from hpc_constructs.acknowledgments import acknowledge, acknowledge_wildcards
from hpc_constructs.api_function import FUNCTION
from hpc_constructs.api_routes import read_api_methods
from hpc_constructs.gateway_problems import declare_gateway_problems
from hpc_constructs.log_groups import log_group

STAGE = "v1"
# A line a call: who called what, how it ended, how long it took. No query and no body.
ACCESS_LOG = {
    "requestId": "$context.requestId",
    "time": "$context.requestTime",
    "caller": "$context.identity.userArn",
    "ip": "$context.identity.sourceIp",
    "method": "$context.httpMethod",
    "path": "$context.path",
    "status": "$context.status",
    "bytes": "$context.responseLength",
    "latencyMs": "$context.responseLatency",
    "error": "$context.error.responseType",
}


class RestApi(Construct):
    """API Gateway in front of one function: every method wants a signature (IAM), calls are throttled and logged.

    Exposes `url`, to put paths such as `/runs` behind, and `grant_invoke`. Costs while idle: stored logs. Bodies that
    are no JSON objects never reach the function; what their fields must be the function says, since API Gateway cannot
    name the field that is wrong.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        function: lambda_.IFunction,
        rate_limit: int,
        burst_limit: int,
        log_retention_days: int,
    ) -> None:
        super().__init__(scope, construct_id)
        access_logs = log_group(self, "AccessLogs", retention_days=log_retention_days)
        self._api = apigateway.RestApi(
            self,
            "Api",
            description="Runs of the HPC platform: submit, watch, fetch",
            endpoint_types=[apigateway.EndpointType.REGIONAL],
            default_method_options=apigateway.MethodOptions(authorization_type=apigateway.AuthorizationType.IAM),
            # One role an account and Region lets API Gateway write logs; other APIs may have come to rely on it.
            cloud_watch_role=True,
            cloud_watch_role_removal_policy=RemovalPolicy.RETAIN,
            deploy_options=apigateway.StageOptions(
                stage_name=STAGE,
                throttling_rate_limit=rate_limit,
                throttling_burst_limit=burst_limit,
                access_log_destination=apigateway.LogGroupLogDestination(access_logs),
                access_log_format=apigateway.AccessLogFormat.custom(json.dumps(ACCESS_LOG)),
                logging_level=apigateway.MethodLoggingLevel.ERROR,
                data_trace_enabled=False,
            ),
        )
        # API Gateway would make this group by itself, and nobody would ever delete it.
        errors = log_group(
            self,
            "ErrorLogs",
            retention_days=log_retention_days,
            name=f"API-Gateway-Execution-Logs_{self._api.rest_api_id}/{STAGE}",
        )
        self._api.deployment_stage.node.add_dependency(errors)
        self._add_methods(function)
        declare_gateway_problems(self._api)
        # The CDK's own output says the same under a name with a hash.
        self._api.node.try_remove_child("Endpoint")
        # API Gateway knows no call with `//` in its path.
        self.url = self._api.url.removesuffix("/")
        CfnOutput(self, "Url", value=self.url).override_logical_id("ApiUrl")
        self._accept_findings()

    def grant_invoke(self, role: iam.Role) -> None:
        """Lets a role call every method."""
        methods = self._api.arn_for_execute_api(stage=STAGE)
        iam.Grant.add_to_principal(grantee=role, actions=["execute-api:Invoke"], resource_arns=[methods])
        acknowledge_wildcards(
            role, [methods], reason="All methods and paths, which have runs in them, of this API only"
        )

    def _add_methods(self, function: lambda_.IFunction) -> None:
        integration = apigateway.LambdaIntegration(function, scope_permission_to_method=False)
        validator = self._api.add_request_validator(
            "Validator", validate_request_body=True, validate_request_parameters=True
        )
        schema = apigateway.JsonSchema(type=apigateway.JsonSchemaType.OBJECT)
        body = self._api.add_model("Object", content_type="application/json", schema=schema)
        for each in read_api_methods(FUNCTION):
            self._api.root.resource_for_path(each.path).add_method(
                each.method,
                integration,
                request_validator=validator,
                # `$default`: a body of any other type would not be looked at.
                request_models={"application/json": body, "$default": body} if each.has_body else None,
                request_parameters=dict(each.request_parameters) or None,
            )

    def _accept_findings(self) -> None:
        acknowledge(self, "COG4", reason="Callers are IAM principals who sign their calls; there is no pool of users")
        acknowledge(
            self,
            "APIG3",
            reason="Nobody but signed principals of the account gets past API Gateway; a firewall costs 5 USD a month",
        )
        acknowledge(
            self,
            "IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs]",
            reason="The policy that API Gateway asks for on the one role with which it writes all logs of a Region",
        )
