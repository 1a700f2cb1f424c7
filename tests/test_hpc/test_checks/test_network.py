"""Subnets without a way out."""

import pytest

from hpc.checks import network
from hpc.checks.network import Subnet, subnet_of

LOCAL = {"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local", "Origin": "CreateRouteTable", "State": "active"}
NAT = {"DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": "nat-1", "Origin": "CreateRoute", "State": "active"}
INTERNET = {"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1", "Origin": "CreateRoute", "State": "active"}
SERVICES = ("ecs", "ecs-agent", "ecs-telemetry", "ecr.api", "ecr.dkr", "logs", "s3")


def subnet(*, public=False):
    return {"SubnetId": "subnet-1", "VpcId": "vpc-1", "MapPublicIpOnLaunch": public}


def table(*routes, main=False, subnet_id="subnet-1", name="rtb-1"):
    association = {"RouteTableId": name, "Main": main, **({} if main else {"SubnetId": subnet_id})}
    return {"RouteTableId": name, "VpcId": "vpc-1", "Routes": [LOCAL, *routes], "Associations": [association]}


def endpoints(*services, vpc="vpc-1"):
    return [{"VpcId": vpc, "State": "available", "ServiceName": f"com.amazonaws.us-east-1.{name}"} for name in services]


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (subnet_of(subnet(), [table(NAT)], []), None),
        (subnet_of(subnet(public=True), [table(INTERNET)], []), None),
        (subnet_of(subnet(), [table()], endpoints(*SERVICES)), None),
        (subnet_of(subnet(), [table(NAT, main=True)], []), None),
        (subnet_of(subnet(), [table()], []), "found no route to 0.0.0.0/0 in its route table rtb-1"),
        (subnet_of(subnet(), [table()], endpoints(*SERVICES[1:])), "found no route"),
        (subnet_of(subnet(), [table()], endpoints(*SERVICES, vpc="vpc-2")), "found no route"),
        (subnet_of(subnet(), [table({**NAT, "State": "blackhole"})], []), "nat-1, which is gone (blackhole)"),
        (subnet_of(subnet(), [table(INTERNET)], []), "igw-1, but instances get no public address"),
        # The subnet's own table counts, not the main one, nor another subnet's.
        (subnet_of(subnet(), [table(NAT, main=True, name="rtb-0"), table()], []), "found no route"),
        (subnet_of(subnet(), [table(NAT, subnet_id="subnet-2")], []), "in its route table (none)"),
    ],
)
def test_ways_out(seen, said):
    found = network.find(seen)
    assert found is None if said is None else said in found.sentence


def test_the_fix_names_the_route_table():
    found = network.find(Subnet("subnet-1", "rtb-1"))
    assert found.fix.startswith("aws ec2 create-route --route-table-id rtb-1 --destination-cidr-block 0.0.0.0/0 ")
