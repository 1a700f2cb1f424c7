"""The page on Fargate: its load balancer without a certificate, with one, with sign-in; its tasks and their limits."""

import json
from typing import Any

import pytest

from tests.policies import Policies
from tests.synthesis import Synthesized, synthesize
from tests.web_variants import CERTIFICATE, PAGES, POOL

ELB = "AWS::ElasticLoadBalancingV2"


@pytest.fixture(scope="module", params=PAGES.values(), ids=PAGES)
def any_page(request: pytest.FixtureRequest) -> Synthesized:
    return synthesize(**request.param).web


def page(variant: str) -> Synthesized:
    return synthesize(**PAGES[variant]).web


def listeners(stack: Synthesized) -> dict[int, dict[str, Any]]:
    found = stack.resources(f"{ELB}::Listener").values()
    assert len({each["Port"] for each in found}) == len(found)
    return {each["Port"]: each for each in found}


def ingress(stack: Synthesized) -> set[tuple[str, int]]:
    """Who may reach the load balancer, at which port."""
    rules = stack.one("AWS::EC2::SecurityGroup", "LoadBalancer")["SecurityGroupIngress"]
    assert all((rule["IpProtocol"], rule["FromPort"]) == ("tcp", rule["ToPort"]) for rule in rules)
    return {(rule["CidrIp"], rule["FromPort"]) for rule in rules}


def container(stack: Synthesized) -> dict[str, Any]:
    (found,) = stack.one("AWS::ECS::TaskDefinition")["ContainerDefinitions"]
    return found


def variables(stack: Synthesized) -> dict[str, Any]:
    return {each["Name"]: each["Value"] for each in container(stack)["Environment"]}


def subnets(references: list[dict[str, Any]]) -> list[str]:
    return [reference["Fn::GetStackOutput"]["OutputName"] for reference in references]


class TestWithoutCertificate:
    def test_the_load_balancer_is_internal_and_for_the_vpc_only(self) -> None:
        balancer = page("plain").one(f"{ELB}::LoadBalancer")
        assert balancer["Scheme"] == "internal"
        assert [name for name in subnets(balancer["Subnets"]) if "VpcPrivateSubnet" not in name] == []
        assert ingress(page("plain")) == {("10.0.0.0/16", 80)}

    def test_the_vpc_s_range_is_the_one_in_the_rule(self, production: Synthesized) -> None:
        assert production.one("AWS::EC2::VPC")["CidrBlock"] == "10.0.0.0/16"

    def test_named_public_ranges_put_it_into_the_internet_and_only_they_reach_it(self) -> None:
        stack = synthesize(webAllowedCidrs="203.0.113.0/24,198.51.100.7/32").web
        assert stack.one(f"{ELB}::LoadBalancer")["Scheme"] == "internet-facing"
        assert ingress(stack) == {("10.0.0.0/16", 80), ("203.0.113.0/24", 80), ("198.51.100.7/32", 80)}

    def test_ranges_of_private_addresses_reach_an_internal_one(self) -> None:
        stack = synthesize(webAllowedCidrs="10.8.0.0/16,192.168.4.0/24").web
        assert stack.one(f"{ELB}::LoadBalancer")["Scheme"] == "internal"
        assert ingress(stack) == {("10.0.0.0/16", 80), ("10.8.0.0/16", 80), ("192.168.4.0/24", 80)}

    def test_naming_the_vpc_s_own_range_says_nothing_twice(self) -> None:
        stack = synthesize(webAllowedCidrs="10.0.0.0/16").web
        (rule,) = stack.one("AWS::EC2::SecurityGroup", "LoadBalancer")["SecurityGroupIngress"]
        assert rule["CidrIp"] == "10.0.0.0/16"

    def test_http_under_the_load_balancer_s_own_name_only(self) -> None:
        stack = page("plain")
        assert set(listeners(stack)) == {80}
        (refused,) = listeners(stack)[80]["DefaultActions"]
        assert (refused["Type"], refused["FixedResponseConfig"]["StatusCode"]) == ("fixed-response", "421")
        rule = stack.one(f"{ELB}::ListenerRule")
        (name,) = rule["Conditions"]
        assert name["Field"] == "host-header"
        balancer = stack.name_of(f"{ELB}::LoadBalancer")
        assert name["HostHeaderConfig"]["Values"] == [{"Fn::GetAtt": [balancer, "DNSName"]}]
        forward = {"TargetGroupArn": {"Ref": stack.name_of(f"{ELB}::TargetGroup")}, "Type": "forward"}
        assert rule["Actions"] == [forward]


class TestWithCertificate:
    @pytest.mark.parametrize("variant", ["certificate", "sign-in"])
    def test_https_with_a_modern_policy_and_http_is_sent_there(self, variant: str) -> None:
        found = listeners(page(variant))
        assert set(found) == {80, 443}
        assert (found[443]["Protocol"], found[443]["SslPolicy"]) == (
            "HTTPS",
            "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09",
        )
        assert found[443]["Certificates"] == [{"CertificateArn": CERTIFICATE}]
        (action,) = found[80]["DefaultActions"]
        redirect = {"Port": "443", "Protocol": "HTTPS", "StatusCode": "HTTP_301"}
        assert action == {"Type": "redirect", "RedirectConfig": redirect}
        assert page(variant).resources(f"{ELB}::ListenerRule") == {}

    def test_without_a_user_pool_nobody_signs_in(self) -> None:
        stack = page("certificate")
        target_group = {"Ref": stack.name_of(f"{ELB}::TargetGroup")}
        assert listeners(stack)[443]["DefaultActions"] == [{"TargetGroupArn": target_group, "Type": "forward"}]
        assert variables(stack)["SIGN_IN_SIGNER"] == ""

    def test_named_ranges_reach_both_ports_and_nobody_else_does(self) -> None:
        ranges = ("10.0.0.0/16", "203.0.113.0/24", "10.8.0.0/16")
        assert ingress(page("certificate")) == {(cidr, port) for cidr in ranges for port in (80, 443)}

    def test_it_is_internal_unless_ranges_are_named(self) -> None:
        stack = synthesize(webCertificateArn=CERTIFICATE).web
        assert stack.one(f"{ELB}::LoadBalancer")["Scheme"] == "internal"
        assert ingress(stack) == {("10.0.0.0/16", 80), ("10.0.0.0/16", 443)}


class TestWithSignIn:
    def test_the_listener_lets_the_pool_s_users_through_and_nobody_else(self) -> None:
        stack = page("sign-in")
        authenticate, forward = listeners(stack)[443]["DefaultActions"]
        assert (authenticate["Type"], authenticate["Order"]) == ("authenticate-cognito", 1)
        assert authenticate["AuthenticateCognitoConfig"] == {
            "UserPoolArn": POOL,
            "UserPoolClientId": "1example23456789",
            "UserPoolDomain": "my-lab",
            "Scope": "openid email",
            "OnUnauthenticatedRequest": "authenticate",
            "SessionTimeout": "43200",
        }
        assert (forward["Type"], forward["Order"]) == ("forward", 2)

    def test_the_page_is_told_whose_tokens_to_believe(self) -> None:
        stack = page("sign-in")
        assert variables(stack)["SIGN_IN_SIGNER"] == {"Ref": stack.name_of(f"{ELB}::LoadBalancer")}

    def test_the_load_balancer_may_ask_the_pool_by_https(self) -> None:
        (rule,) = page("sign-in").one("AWS::EC2::SecurityGroup", "LoadBalancer")["SecurityGroupEgress"]
        assert (rule["CidrIp"], rule["FromPort"], rule["ToPort"]) == ("0.0.0.0/0", 443, 443)

    def test_everybody_may_reach_it_only_where_that_is_named(self) -> None:
        assert {("0.0.0.0/0", 80), ("0.0.0.0/0", 443)} <= ingress(page("sign-in"))
        report = page("sign-in").validation_report["pluginReports"][0]["suppressedViolations"]
        assert any(finding["ruleName"] == "AwsSolutions-EC23" for finding in report)
        assert not [rule for rule in (*ingress(page("plain")), *ingress(page("certificate"))) if "/0" in rule[0]]


class TestEveryVariant:
    def test_two_tasks_at_least_in_both_zones_of_the_private_subnets(self, any_page: Synthesized) -> None:
        service = any_page.one("AWS::ECS::Service")
        assert (service["LaunchType"], service["DesiredCount"]) == ("FARGATE", 2)
        assert service["AvailabilityZoneRebalancing"] == "ENABLED"
        network = service["NetworkConfiguration"]["AwsvpcConfiguration"]
        assert network["AssignPublicIp"] == "DISABLED"
        names = subnets(network["Subnets"])
        assert len(set(names)) == len(names) == 2
        assert all("VpcPrivateSubnet" in name for name in names)
        assert len(any_page.one(f"{ELB}::LoadBalancer")["Subnets"]) == 2

    def test_scaled_by_cpu_and_by_requests_for_each_target(self, any_page: Synthesized) -> None:
        target = any_page.one("AWS::ApplicationAutoScaling::ScalableTarget")
        assert (target["MinCapacity"], target["MaxCapacity"]) == (2, 6)
        assert target["ScalableDimension"] == "ecs:service:DesiredCount"
        policies = any_page.resources("AWS::ApplicationAutoScaling::ScalingPolicy").values()
        tracked = [each["TargetTrackingScalingPolicyConfiguration"] for each in policies]
        goals = {each["PredefinedMetricSpecification"]["PredefinedMetricType"]: each["TargetValue"] for each in tracked}
        assert goals == {"ECSServiceAverageCPUUtilization": 60, "ALBRequestCountPerTarget": 600}

    def test_a_bad_deployment_is_rolled_back_without_an_outage(self, any_page: Synthesized) -> None:
        deployment = any_page.one("AWS::ECS::Service")["DeploymentConfiguration"]
        assert deployment["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}
        assert (deployment["MinimumHealthyPercent"], deployment["MaximumPercent"]) == (100, 200)

    def test_health_is_asked_of_healthz(self, any_page: Synthesized) -> None:
        group = any_page.one(f"{ELB}::TargetGroup")
        assert (group["HealthCheckPath"], group["Matcher"]) == ("/healthz", {"HttpCode": "200"})
        assert (group["TargetType"], group["Protocol"], group["Port"]) == ("ip", "HTTP", 8080)
        assert group["HealthCheckTimeoutSeconds"] < group["HealthCheckIntervalSeconds"]
        (served,) = any_page.one("AWS::ECS::Service")["LoadBalancers"]
        assert (served["ContainerName"], served["ContainerPort"]) == ("Page", 8080)

    def test_the_container_is_gunicorn_not_root_and_writes_to_tmp_only(self, any_page: Synthesized) -> None:
        found = container(any_page)
        assert found["Command"] == ["gunicorn"]
        assert found["User"] == "10001:10001"
        assert found["ReadonlyRootFilesystem"] is True
        assert found["LinuxParameters"]["Capabilities"] == {"Drop": ["ALL"]}
        assert "Privileged" not in found
        assert found["MountPoints"] == [{"ContainerPath": "/tmp", "ReadOnly": False, "SourceVolume": "tmp"}]
        assert any_page.one("AWS::ECS::TaskDefinition")["Volumes"] == [{"Name": "tmp"}]

    def test_graviton_and_the_image_of_the_repository(self, any_page: Synthesized) -> None:
        platform = any_page.one("AWS::ECS::TaskDefinition")["RuntimePlatform"]
        assert platform == {"CpuArchitecture": "ARM64", "OperatingSystemFamily": "LINUX"}
        registry = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
        image = Policies(any_page.template).resolve(container(any_page)["Image"])
        assert image == f"{registry}/web_abc/page:latest"

    def test_the_address_of_the_api_comes_from_the_environment(self, any_page: Synthesized) -> None:
        found = variables(any_page)
        assert set(found) == {"API_ENDPOINT", "AWS_REGION", "TRUSTED_PROXIES", "SIGN_IN_SIGNER", "PORT"}
        assert found["API_ENDPOINT"] == any_page.template["Outputs"]["ApiUrl"]["Value"]
        assert (found["AWS_REGION"], found["TRUSTED_PROXIES"], found["PORT"]) == ("us-east-1", "1", "8080")

    def test_one_generated_session_key_that_only_the_starting_agent_reads(self, any_page: Synthesized) -> None:
        key = any_page.name_of("AWS::SecretsManager::Secret")
        assert any_page.one("AWS::SecretsManager::Secret")["GenerateSecretString"]["PasswordLength"] >= 32
        assert container(any_page)["Secrets"] == [{"Name": "SESSION_KEY", "ValueFrom": {"Ref": key}}]
        readers = [
            policy["Roles"]
            for policy in any_page.resources("AWS::IAM::Policy").values()
            if "secretsmanager:" in json.dumps(policy["PolicyDocument"])
        ]
        assert readers == [[{"Ref": any_page.name_of("AWS::IAM::Role", "ExecutionRole")}]]

    def test_the_starting_agent_may_fetch_the_page_s_image_and_no_other(self, any_page: Synthesized) -> None:
        policies, role = Policies(any_page.template), any_page.name_of("AWS::IAM::Role", "ExecutionRole")
        repositories = "arn:aws:ecr:us-east-1:123456789012:repository/"
        assert policies.allows(role, "ecr:BatchGetImage", f"{repositories}web_abc/page")
        assert not policies.allows(role, "ecr:BatchGetImage", f"{repositories}batch_abc/string_split")
        assert not policies.allows(role, "ecr:PutImage", f"{repositories}web_abc/page")

    def test_the_load_balancer_reaches_the_tasks_at_their_port_and_the_tasks_reach_https(
        self, any_page: Synthesized
    ) -> None:
        groups = {part: any_page.name_of("AWS::EC2::SecurityGroup", part) for part in ("LoadBalancer", "Tasks")}
        ids = {part: {"Fn::GetAtt": [name, "GroupId"]} for part, name in groups.items()}
        outwards = any_page.one("AWS::EC2::SecurityGroupEgress")
        inwards = any_page.one("AWS::EC2::SecurityGroupIngress")
        assert {rule["FromPort"] for rule in (outwards, inwards)} == {rule["ToPort"] for rule in (outwards, inwards)}
        assert {outwards["FromPort"], inwards["FromPort"]} == {8080}
        assert (outwards["GroupId"], outwards["DestinationSecurityGroupId"]) == (ids["LoadBalancer"], ids["Tasks"])
        assert (inwards["SourceSecurityGroupId"], inwards["GroupId"]) == (ids["LoadBalancer"], ids["Tasks"])
        tasks = any_page.one("AWS::EC2::SecurityGroup", "Tasks")
        assert "SecurityGroupIngress" not in tasks
        (rule,) = tasks["SecurityGroupEgress"]
        assert (rule["CidrIp"], rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) == ("0.0.0.0/0", "tcp", 443, 443)
        assert len(any_page.resources("AWS::EC2::SecurityGroup")) == 2

    def test_the_tasks_may_call_this_api_and_nothing_else_and_may_name_owners(self, any_page: Synthesized) -> None:
        policies = Policies(any_page.template)
        role = any_page.name_of("AWS::IAM::Role", "TaskRole")
        (statement,) = policies.statements(role)
        assert statement["Action"] == ["execute-api:Invoke"]
        api = any_page.name_of("AWS::ApiGateway::RestApi")
        assert statement["Resource"] == [f"arn:aws:execute-api:us-east-1:123456789012:{api}/v1/*/*"]
        assert "ManagedPolicyArns" not in any_page.one("AWS::IAM::Role", "TaskRole")
        trusted = any_page.one("AWS::Lambda::Function")["Environment"]["Variables"]["TRUSTED_ROLES"]
        assert json.loads(policies.resolve(trusted)) == [policies.arn(role)]

    def test_the_load_balancer_s_access_logs_are_kept_for_a_while(self, any_page: Synthesized) -> None:
        listed = any_page.one(f"{ELB}::LoadBalancer")["LoadBalancerAttributes"]
        attributes = {each["Key"]: each["Value"] for each in listed}
        assert attributes["access_logs.s3.enabled"] == "true"
        assert attributes["access_logs.s3.bucket"] == {"Ref": any_page.name_of("AWS::S3::Bucket")}
        assert attributes["routing.http.drop_invalid_header_fields.enabled"] == "true"
        bucket = any_page.one("AWS::S3::Bucket")
        (encryption,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert encryption == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        assert bucket["LifecycleConfiguration"]["Rules"][0]["ExpirationInDays"] == 90
        writers = [
            statement["Principal"]
            for statement in any_page.one("AWS::S3::BucketPolicy")["PolicyDocument"]["Statement"]
            if statement["Effect"] == "Allow" and statement["Action"] == "s3:PutObject"
        ]
        # The account of the Region's load balancers.
        assert {"AWS": "arn:aws:iam::127311923021:root"} in writers

    def test_what_the_container_prints_is_kept_for_a_while(self, any_page: Synthesized) -> None:
        options = container(any_page)["LogConfiguration"]["Options"]
        group = any_page.resources("AWS::Logs::LogGroup")[options["awslogs-group"]["Ref"]]
        assert group["RetentionInDays"] == 90


def test_the_repository_is_scanned_and_only_latest_moves(production: Synthesized) -> None:
    repository = production.one("AWS::ECR::Repository", "WebImages")
    assert repository["RepositoryName"] == "web_abc/page"
    assert repository["ImageTagMutability"] == "IMMUTABLE_WITH_EXCLUSION"
    exclusions = repository["ImageTagMutabilityExclusionFilters"]
    assert [each["ImageTagMutabilityExclusionFilterValue"] for each in exclusions] == ["latest"]


def test_image_architecture_and_number_are_settings() -> None:
    digest = f"sha256:{'0' * 64}"
    stack = synthesize(webImageTag=digest, webArchitecture="x86_64", webMinTasks="3", webMaxTasks="9").web
    assert Policies(stack.template).resolve(container(stack)["Image"]).endswith(f"/web_abc/page@{digest}")
    assert stack.one("AWS::ECS::TaskDefinition")["RuntimePlatform"]["CpuArchitecture"] == "X86_64"
    target = stack.one("AWS::ApplicationAutoScaling::ScalableTarget")
    assert stack.one("AWS::ECS::Service")["DesiredCount"] == target["MinCapacity"] == 3
    assert target["MaxCapacity"] == 9


def test_without_tasks_nothing_adds_any() -> None:
    stack = synthesize(webMinTasks="0").web
    target = stack.one("AWS::ApplicationAutoScaling::ScalableTarget")
    assert stack.one("AWS::ECS::Service")["DesiredCount"] == target["MinCapacity"] == target["MaxCapacity"] == 0


def test_the_access_logs_stay_with_the_data_or_go() -> None:
    bucket = page("plain").template["Resources"][page("plain").name_of("AWS::S3::Bucket")]
    assert bucket["DeletionPolicy"] == "RetainExceptOnCreate"
    gone = synthesize(retainData="false").web
    name = gone.name_of("AWS::S3::Bucket")
    assert gone.template["Resources"][name]["DeletionPolicy"] == "Delete"
    assert gone.one("Custom::S3AutoDeleteObjects")["BucketName"] == {"Ref": name}
    # The load balancer is deleted first, so that it writes no more.
    balancer = gone.template["Resources"][gone.name_of(f"{ELB}::LoadBalancer")]
    assert gone.name_of("Custom::S3AutoDeleteObjects") in balancer["DependsOn"]
