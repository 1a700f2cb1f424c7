"""Our own rules for Batch, which cdk-nag has none for: environments, queues, instances."""

from typing import Any

import pytest

from tests.policies import Policies
from tests.synthesis import Synthesized, synthesize

ENVIRONMENT = "AWS::Batch::ComputeEnvironment"
QUEUE = "AWS::Batch::JobQueue"


def environments(assembly: Synthesized) -> dict[str, dict[str, Any]]:
    return {name: found["ComputeResources"] for name, found in assembly.resources(ENVIRONMENT).items()}


def order_of(assembly: Synthesized, queue: str) -> list[str]:
    """Kinds of the environments of a queue, in their order."""
    listed = sorted(assembly.one(QUEUE, queue)["ComputeEnvironmentOrder"], key=lambda entry: entry["Order"])
    found = environments(assembly)
    return [found[entry["ComputeEnvironment"]["Fn::GetAtt"][0]]["Type"] for entry in listed]


@pytest.mark.parametrize(("architecture", "family"), [("Graviton", "r6g"), ("X86", "r5")])
def test_a_spot_and_an_on_demand_environment_for_each_architecture(
    production: Synthesized, architecture: str, family: str
) -> None:
    spot = production.one(ENVIRONMENT, f"{architecture}Spot")["ComputeResources"]
    on_demand = production.one(ENVIRONMENT, f"{architecture}OnDemand")["ComputeResources"]
    assert (spot["Type"], spot["AllocationStrategy"]) == ("SPOT", "SPOT_PRICE_CAPACITY_OPTIMIZED")
    assert (on_demand["Type"], on_demand["AllocationStrategy"]) == ("EC2", "BEST_FIT_PROGRESSIVE")
    assert spot["InstanceTypes"] == on_demand["InstanceTypes"] == [family]
    assert (spot["MaxvCpus"], on_demand["MaxvCpus"]) == (192, 64)


@pytest.mark.parametrize("architecture", ["Graviton", "X86"])
def test_first_tries_go_to_spot_then_on_demand_and_next_ones_to_on_demand(
    production: Synthesized, architecture: str
) -> None:
    assert order_of(production, f"{architecture}FirstTry") == ["SPOT", "EC2"]
    assert order_of(production, f"{architecture}NextTries") == ["EC2"]


def test_no_queue_mixes_architectures(production: Synthesized) -> None:
    found = environments(production)
    for queue in production.resources(QUEUE).values():
        names = [entry["ComputeEnvironment"]["Fn::GetAtt"][0] for entry in queue["ComputeEnvironmentOrder"]]
        assert len({tuple(found[name]["InstanceTypes"]) for name in names}) == 1
        assert len(names) <= 3


def test_without_spot_there_are_on_demand_environments_only() -> None:
    assembly = synthesize(natGateways="2", spot="false")
    assert {found["Type"] for found in environments(assembly).values()} == {"EC2"}
    assert {found["MaxvCpus"] for found in environments(assembly).values()} == {256}
    assert order_of(assembly, "GravitonFirstTry") == ["EC2"]
    assert len(assembly.resources(QUEUE)) == 4


def test_several_families_and_sizes_as_set() -> None:
    assembly = synthesize(
        gravitonInstanceFamilies="r6g,r7g", x86InstanceFamilies="r5.16xlarge", gravitonMaxVcpus="2560"
    )
    assert assembly.one(ENVIRONMENT, "GravitonSpot")["ComputeResources"]["InstanceTypes"] == ["r6g", "r7g"]
    assert assembly.one(ENVIRONMENT, "X86Spot")["ComputeResources"]["InstanceTypes"] == ["r5.16xlarge"]
    assert assembly.one(ENVIRONMENT, "GravitonSpot")["ComputeResources"]["MaxvCpus"] == 1920
    assert assembly.one(ENVIRONMENT, "X86Spot")["ComputeResources"]["MaxvCpus"] == 192


def test_environments_cost_nothing_while_idle(production: Synthesized) -> None:
    assert {found["MinvCpus"] for found in environments(production).values()} == {0}
    assert not any("DesiredvCpus" in found for found in environments(production).values())


def test_instances_are_in_private_subnets(production: Synthesized) -> None:
    for found in environments(production).values():
        assert [subnet["Ref"] for subnet in found["Subnets"]] == [
            name for name in production.resources("AWS::EC2::Subnet") if "Private" in name
        ]


def test_an_update_lets_running_jobs_finish_and_replaces_nothing(production: Synthesized) -> None:
    for found in production.resources(ENVIRONMENT).values():
        assert found["ReplaceComputeEnvironment"] is False
        assert found["UpdatePolicy"] == {"TerminateJobsOnUpdate": False, "JobExecutionTimeoutMinutes": 360}
        assert "ComputeEnvironmentName" not in found
        # Updates in place are for the service-linked role only.
        assert "ServiceRole" not in found


def test_an_environment_is_deleted_before_the_role_that_deleting_it_needs(production: Synthesized) -> None:
    role = production.name_of("AWS::IAM::Role", "ComputeInstancesRole")
    profile = production.name_of("AWS::IAM::InstanceProfile")
    for name in production.resources(ENVIRONMENT):
        assert {role, profile} <= set(production.template["Resources"][name]["DependsOn"])


def test_a_changed_launch_template_reaches_the_instances(production: Synthesized) -> None:
    template = production.name_of("AWS::EC2::LaunchTemplate")
    for found in environments(production).values():
        assert found["LaunchTemplate"]["Version"] == {"Fn::GetAtt": [template, "LatestVersionNumber"]}


def test_launch_template(production: Synthesized) -> None:
    data = production.one("AWS::EC2::LaunchTemplate")["LaunchTemplateData"]
    assert data["BlockDeviceMappings"] == [
        {"DeviceName": "/dev/xvda", "Ebs": {"Encrypted": True, "VolumeSize": 200, "VolumeType": "gp3"}}
    ]
    assert data["MetadataOptions"] == {"HttpTokens": "required", "HttpPutResponseHopLimit": 1}
    large = synthesize(rootVolumeGib="500", logRetentionDays="30")
    ebs = large.one("AWS::EC2::LaunchTemplate")["LaunchTemplateData"]["BlockDeviceMappings"][0]["Ebs"]
    assert ebs["VolumeSize"] == 500


def test_nothing_may_connect_to_an_instance(production: Synthesized) -> None:
    assert "SecurityGroupIngress" not in production.one("AWS::EC2::SecurityGroup")
    assert production.resources("AWS::EC2::SecurityGroupIngress") == {}


def test_the_instance_role_may_do_nothing_in_s3(production: Synthesized) -> None:
    """Jobs share the host's network and so reach the instance's credentials."""
    role = production.name_of("AWS::IAM::Role", "ComputeInstancesRole")
    assert list(Policies(production.template).statements(role)) == []
    managed = production.one("AWS::IAM::Role", "ComputeInstancesRole")["ManagedPolicyArns"]
    assert ["AmazonEC2ContainerServiceforEC2Role" in str(policy) for policy in managed] == [True]


@pytest.mark.parametrize(("queue", "patience_s"), [("FirstTry", 1_800), ("NextTries", 14_400)])
def test_a_queue_acts_on_every_reason_that_batch_lets_it_act_on(
    production: Synthesized, queue: str, patience_s: int
) -> None:
    for architecture in ("Graviton", "X86"):
        actions = production.one(QUEUE, f"{architecture}{queue}")["JobStateTimeLimitActions"]
        assert {action["Reason"]: action["MaxTimeSeconds"] for action in actions} == {
            "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY": patience_s,
            "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE": 600,
            "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT": 600,
            "MISCONFIGURATION:EC2_INSTANCE_CONFIGURATION_UNSUPPORTED": 600,
        }
        assert {(action["Action"], action["State"]) for action in actions} == {("CANCEL", "RUNNABLE")}


def test_in_china_a_queue_acts_on_the_reasons_documented_there() -> None:
    actions = synthesize(Region="cn-north-1").one(QUEUE, "GravitonFirstTry")["JobStateTimeLimitActions"]
    assert len(actions) == 3
    assert "EC2_INSTANCE_CONFIGURATION_UNSUPPORTED" not in str(actions)
