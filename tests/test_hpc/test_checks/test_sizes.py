"""Jobs that are larger than any instance they may run on."""

import pytest

from hpc.checks import sizes
from hpc.checks.findings import CannotTell
from hpc.checks.sizes import InstanceSize, JobSize, read_instances, size_of

R6G = [InstanceSize("r6g.large", 2, 16_384), InstanceSize("r6g.16xlarge", 64, 524_288)]


def job(vcpus, memory_mib=2048):
    return JobSize("string_processing", "string_merge", vcpus, memory_mib)


@pytest.mark.parametrize(
    ("size", "instances", "said"),
    [
        (job(192), [], None),
        (job(193), [], "asks for 193 vCPUs; found at most 192 in a compute environment of the queue first"),
        (job(64, 524_256), R6G, None),
        (
            job(64, 524_257),
            R6G,
            "the largest instance that the queue first (graviton, first try) may start is r6g.16",
        ),
        (job(65), R6G, "asks for 65 vCPUs and 2048 MiB; the largest instance that the queue first"),
        # Of another family, which this queue may not start.
        (job(64, 600_000), [*R6G, InstanceSize("x2gd.metal", 64, 1_048_576)], "is r6g.16xlarge with 64 vCPUs"),
    ],
)
def test_what_fits(queue, size, instances, said):
    found = sizes.find(size, queue(), instances)
    assert found is None if said is None else said in found.sentence


def test_each_environment_is_compared_for_itself(queue, environment):
    # Given room for the vCPUs here and for the memory there
    small = environment(name="small", max_vcpus=256, instance_types=("r6g.large",))
    few = environment(name="few", max_vcpus=16)
    assert sizes.find(job(32, 32_768), queue(small, few), R6G) is not None
    assert sizes.find(job(16, 32_768), queue(small, few), R6G) is None


def test_environments_that_are_not_enabled_do_not_count(queue, environment):
    large = environment(name="large", max_vcpus=1_000, state="DISABLED")
    assert sizes.find(job(500), queue(large, environment()), []) is not None


@pytest.mark.parametrize(
    "container",
    [
        {"resourceRequirements": [{"type": "VCPU", "value": "2"}, {"type": "MEMORY", "value": "512"}]},
        {"vcpus": 2, "memory": 512},
    ],
)
def test_both_ways_of_asking(container):
    assert size_of("w", "j", {"containerProperties": container}) == JobSize("w", "j", 2, 512)


def described(name, vcpus, memory_mib):
    """As DescribeInstanceTypes shows it."""
    return {
        "InstanceType": name,
        "ProcessorInfo": {"SupportedArchitectures": ["arm64"], "SustainedClockSpeedInGhz": 2.5},
        "VCpuInfo": {"DefaultVCpus": vcpus, "DefaultCores": vcpus, "DefaultThreadsPerCore": 1},
        "MemoryInfo": {"SizeInMiB": memory_mib},
    }


def test_memory_is_compared_with_what_ec2_answers(aws, answers, queue, environment):
    named = [environment(), environment(name="b", instance_types=("r6gd.large",))]
    answer = {"InstanceTypes": [described("r6g.large", 2, 16_384), described("r6gd.large", 2, 16_384)]}
    expected = {"Filters": [{"Name": "instance-type", "Values": ["r6g.*", "r6gd.large"]}]}
    answers("ec2").add_response("describe_instance_types", answer, expected)
    instances = read_instances(aws, named)
    found = sizes.find(job(1, 16_384), queue(*named), instances)
    assert found.sentence.startswith("Job string_merge asks for 1 vCPUs and 16384 MiB; the largest instance ")
    assert "gravitonInstanceFamilies" in found.fix


def test_types_that_nobody_asked_for_are_no_answer(aws, answers, environment):
    answers("ec2").add_response("describe_instance_types", {"InstanceTypes": [described("t2.micro", 1, 1024)]})
    with pytest.raises(CannotTell, match=r"^EC2 describes no instance type of r6g$"):
        read_instances(aws, [environment()])
