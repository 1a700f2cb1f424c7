"""The VPC: two zones, nothing public runs in it, S3 and DynamoDB do not pass the NAT gateway."""

from tests.synthesis import Synthesized, synthesize


def test_two_zones_with_a_public_and_a_private_subnet_each(production: Synthesized) -> None:
    subnets = production.resources("AWS::EC2::Subnet")
    kinds = sorted(tag["Value"] for subnet in subnets.values() for tag in subnet["Tags"] if "subnet-type" in tag["Key"])
    assert kinds == ["Private", "Private", "Public", "Public"]
    assert len({str(subnet["AvailabilityZone"]) for subnet in subnets.values()}) == 2
    assert not any(subnet["MapPublicIpOnLaunch"] for subnet in subnets.values())


def test_zones_are_left_to_the_deployment_so_that_nothing_is_looked_up(production: Synthesized) -> None:
    zones = [subnet["AvailabilityZone"] for subnet in production.resources("AWS::EC2::Subnet").values()]
    assert all("Fn::GetAZs" in str(zone) for zone in zones)


def test_nat_gateways_as_set(production: Synthesized) -> None:
    assert len(production.resources("AWS::EC2::NatGateway")) == 1
    assert len(synthesize(natGateways="2", spot="false").resources("AWS::EC2::NatGateway")) == 2


def test_gateway_endpoints_for_s3_and_dynamodb_on_every_route_table(production: Synthesized) -> None:
    endpoints = production.resources("AWS::EC2::VPCEndpoint").values()
    assert {endpoint["ServiceName"]["Fn::Join"][1][-1] for endpoint in endpoints} == {".s3", ".dynamodb"}
    assert all(
        endpoint["VpcEndpointType"] == "Gateway" and len(endpoint["RouteTableIds"]) == 4 for endpoint in endpoints
    )


def test_flow_logs_of_all_traffic_with_retention(production: Synthesized) -> None:
    flow_log = production.one("AWS::EC2::FlowLog")
    assert (flow_log["ResourceType"], flow_log["TrafficType"]) == ("VPC", "ALL")
    assert production.resources("AWS::Logs::LogGroup")[flow_log["LogGroupName"]["Ref"]]["RetentionInDays"] == 90
