"""Cause: instances start in a subnet without a way out, so that they never reach ECS and join nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hpc.checks.compute import Environment
from hpc.checks.findings import Finding
from hpc.connection import Connection

_EVERYWHERE = "0.0.0.0/0"
# What an instance calls before and while it runs a job; S3's gateway endpoint is needed for the layers of images.
# Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/vpc-endpoints.html
_ENDPOINTS = frozenset({"ecs", "ecs-agent", "ecs-telemetry", "ecr.api", "ecr.dkr", "logs", "s3"})
_TARGETS = (
    "NatGatewayId",
    "GatewayId",
    "TransitGatewayId",
    "NetworkInterfaceId",
    "InstanceId",
    "CoreNetworkArn",
    "LocalGatewayId",
    "CarrierGatewayId",
)


@dataclass(frozen=True)
class Subnet:
    """A subnet of instances: where its default route leads, if it has one, and which services have an endpoint."""

    subnet_id: str
    route_table_id: str
    target: str = ""
    is_active: bool = False
    gives_public_addresses: bool = False
    endpoints: frozenset[str] = frozenset()


def find(subnet: Subnet) -> Finding | None:
    """Why instances in the subnet could reach neither ECS nor ECR."""
    if subnet.endpoints >= _ENDPOINTS:
        return None
    table, found = subnet.route_table_id or "(none)", ""
    if not subnet.target:
        found = f"no route to {_EVERYWHERE}"
    elif not subnet.is_active:
        found = f"a route to {subnet.target}, which is gone (blackhole)"
    elif subnet.target.startswith("igw-") and not subnet.gives_public_addresses:
        found = f"a route to {subnet.target}, but instances get no public address"
    if not found:
        return None
    return Finding(
        f"Instances in {subnet.subnet_id} have no way out: found {found} in its route table {table}; expected one to a "
        "NAT gateway, they never reach ECS and their jobs stay RUNNABLE",
        f"aws ec2 create-route --route-table-id {table} --destination-cidr-block {_EVERYWHERE} --nat-gateway-id NAT, "
        "or deploy again with natGateways=1",
    )


def read_subnets(connection: Connection, environments: Iterable[Environment]) -> list[Subnet]:
    """The subnets of environments; asks DescribeSubnets, DescribeRouteTables and DescribeVpcEndpoints."""
    ec2 = connection.client("ec2")
    ids = sorted({subnet for environment in environments for subnet in environment.subnets})
    if not ids:
        return []
    subnets = ec2.describe_subnets(SubnetIds=ids)["Subnets"]
    in_vpcs = [{"Name": "vpc-id", "Values": sorted({subnet["VpcId"] for subnet in subnets})}]
    tables = [each for page in _pages(ec2, "describe_route_tables", in_vpcs) for each in page["RouteTables"]]
    found = [each for page in _pages(ec2, "describe_vpc_endpoints", in_vpcs) for each in page["VpcEndpoints"]]
    return [subnet_of(subnet, tables, found) for subnet in subnets]


def subnet_of(
    subnet: Mapping[str, Any], tables: Iterable[Mapping[str, Any]], endpoints: Iterable[Mapping[str, Any]]
) -> Subnet:
    """A subnet with its own route table, or its network's main one; all in the shape of EC2's answers."""
    table = _table_of(subnet, list(tables))
    routes = [route for route in table.get("Routes", []) if route.get("DestinationCidrBlock") == _EVERYWHERE]
    route = routes[0] if routes else {}
    return Subnet(
        subnet_id=subnet["SubnetId"],
        route_table_id=table.get("RouteTableId", ""),
        target=next((route[name] for name in _TARGETS if route.get(name)), ""),
        is_active=route.get("State") == "active",
        gives_public_addresses=bool(subnet.get("MapPublicIpOnLaunch")),
        endpoints=frozenset(
            # com.amazonaws.<region>.<service>
            ".".join(str(each["ServiceName"]).split(".")[3:])
            for each in endpoints
            if each["VpcId"] == subnet["VpcId"] and str(each.get("State")).lower() == "available"
        ),
    )


def _table_of(subnet: Mapping[str, Any], tables: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    for table in tables:
        if any(each.get("SubnetId") == subnet["SubnetId"] for each in table.get("Associations", [])):
            return table
    for table in tables:
        is_main = any(each.get("Main") for each in table.get("Associations", []))
        if table.get("VpcId") == subnet["VpcId"] and is_main:
            return table
    return {}


def _pages(ec2: Any, operation: str, filters: list[dict[str, Any]]) -> Any:
    return ec2.get_paginator(operation).paginate(Filters=filters)
