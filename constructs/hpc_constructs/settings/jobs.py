"""What jobs run on, and how runs go."""

from hpc_constructs.batch_capacity import Architecture
from hpc_constructs.settings.fields import SettingsPart, number, setting
from hpc_constructs.settings.types import Count, Flag, GravitonFamilies, X86Families

MOST_VCPUS = 100_000


class JobSettings(SettingsPart):
    """Capacity of jobs, and what a run may use of it."""

    graviton_max_vcpus: Count = number(
        "gravitonMaxVcpus",
        256,
        between=(4, MOST_VCPUS),
        unit="vCPU",
        example="2560",
        meaning="Graviton vCPUs at once, Spot and on-demand together",
    )
    x86_max_vcpus: Count = number(
        "x86MaxVcpus",
        256,
        between=(4, MOST_VCPUS),
        unit="vCPU",
        example="2560",
        meaning="x86 vCPUs at once, Spot and on-demand together",
    )
    graviton_instance_families: GravitonFamilies = setting(
        "gravitonInstanceFamilies",
        ("r6g",),
        allowed="different Graviton instance families or types with ',' between",
        example="r6g,r7g",
        meaning="What Graviton jobs run on; more families mean more Spot capacity",
    )
    x86_instance_families: X86Families = setting(
        "x86InstanceFamilies",
        ("r5",),
        allowed="different x86 instance families or types with ',' between",
        example="r5,r5a",
        meaning="What x86 jobs run on",
    )
    root_volume_gib: Count = number(
        "rootVolumeGib",
        200,
        between=(30, 16_384),
        unit="GiB",
        example="500",
        meaning="Disk of each Batch instance, shared by the jobs on it",
    )
    spot: Flag = setting(
        "spot",
        True,
        allowed="true or false",
        example="false",
        meaning="First tries run on Spot instances when there are any; false: on-demand only",
    )
    nat_gateways: Count = setting(
        "natGateways",
        1,
        ge=1,
        le=2,
        allowed="1 or 2 (without one, instances in private subnets reach neither ECS nor ECR)",
        example="2",
        meaning="NAT gateways; 2 keep one zone going when the other one fails",
    )
    max_attempts: Count = number(
        "maxAttempts",
        3,
        between=(1, 10),
        unit="tries",
        example="5",
        meaning="How often a run tries what is missing before it fails",
    )
    map_max_concurrency: Count = number(
        "mapMaxConcurrency",
        50,
        between=(1, 10_000),
        unit="jobs",
        example="500",
        meaning="Batch jobs that each branch of a run has submitted at once; an array job counts as one",
    )
    group_above: Count = number(
        "groupAbove",
        100,
        between=(1, 1_000_000),
        unit="shards",
        example="10000",
        meaning="With more shards to do, a branch submits them in groups: one Batch array job of up to 10,000 shards",
    )

    @property
    def architectures(self) -> tuple[Architecture, ...]:
        """What jobs run on, by kind of processor."""
        return (
            Architecture("graviton", self.graviton_instance_families, self.graviton_max_vcpus),
            Architecture("x86", self.x86_instance_families, self.x86_max_vcpus),
        )
