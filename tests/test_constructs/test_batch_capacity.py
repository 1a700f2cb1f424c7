"""How Spot and on-demand share the vCPUs that a deployment may use."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpc_constructs.batch_capacity import least_vcpus, split_vcpus


@pytest.mark.parametrize(
    ("max_vcpus", "largest_job", "spot", "shares"),
    [
        (256, 1, True, (192, 64)),
        (2560, 64, True, (1920, 640)),
        (256, 64, True, (192, 64)),
        (200, 64, True, (136, 64)),
        (128, 64, True, (64, 64)),
        (5, 1, True, (3, 2)),
        (256, 64, False, (0, 256)),
    ],
)
def test_on_demand_has_a_quarter_but_room_for_the_largest_job(
    max_vcpus: int, largest_job: int, spot: bool, shares: tuple[int, int]
) -> None:
    assert split_vcpus(max_vcpus, largest_job=largest_job, spot=spot) == shares


@given(st.integers(0, 10_000), st.integers(1, 192), st.booleans())
def test_shares_add_up_and_the_largest_job_fits_into_each(more: int, largest_job: int, spot: bool) -> None:
    max_vcpus = least_vcpus(largest_job=largest_job, spot=spot) + more
    on_spot, on_demand = split_vcpus(max_vcpus, largest_job=largest_job, spot=spot)
    assert on_spot + on_demand == max_vcpus
    assert on_demand >= largest_job
    assert on_spot >= largest_job if spot else on_spot == 0
