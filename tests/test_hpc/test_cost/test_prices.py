"""The table of prices, and how it is made anew; the answers have the form of the Price List API's documentation."""

import json
import re

import boto3
import pytest
from botocore.stub import Stubber

from hpc.cost.instance_types import gib_per_vcpu
from hpc.cost.prices import TABLE, read_prices, read_table
from hpc.cost.refresh import refreshed
from hpc.errors import PlatformUnreachable


def test_the_table_has_the_default_families_in_the_common_regions():
    for region in ("us-east-1", "us-west-2", "eu-central-1", "eu-west-1", "ap-southeast-1", "ap-northeast-1"):
        prices = read_prices(region)
        assert {"r6g", "r5"} <= set(prices.vcpu_hour)
        assert prices.gp3_gib_month
        assert re.fullmatch(r"20[0-9]{2}-[01][0-9]-[0-3][0-9]", prices.as_of)


def test_the_table_is_as_a_refresh_writes_it():
    """So that what changed with one can be seen."""
    assert TABLE.read_text("utf-8") == json.dumps(read_table(), indent=1) + "\n"


def test_every_price_is_plausible():
    for region in json.loads(TABLE.read_text("utf-8"))["regions"]:
        prices = read_prices(region)
        assert all(0.02 < price < 0.2 for price in prices.vcpu_hour.values())
        assert all(gib_per_vcpu(family) for family in prices.vcpu_hour)
        # An r6g costs about a fifth less than an r5; in Mumbai, where Graviton is cheaper, half as much.
        if "r5" in prices.vcpu_hour:
            expected = 0.5 if region == "ap-south-1" else 0.8
            assert prices.vcpu_hour["r6g"] / prices.vcpu_hour["r5"] == pytest.approx(expected, abs=0.02)


def test_a_region_that_the_table_does_not_have_has_no_prices():
    prices = read_prices("nowhere-1")
    assert (prices.vcpu_hour, prices.gp3_gib_month, prices.services) == ({}, None, {})


@pytest.fixture
def pricing():
    client = boto3.client("pricing", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    with Stubber(client) as stub:
        yield client, stub


def answer(stub, *prices):
    """Offers on demand at these prices, as PriceList has them: each a document in a text."""
    offers = [
        json.dumps(
            {
                "product": {"productFamily": "Compute Instance"},
                "terms": {"OnDemand": {"S.T": {"priceDimensions": {"S.T.R": {"pricePerUnit": {"USD": price}}}}}},
            }
        )
        for price in prices
    ]
    stub.add_response("get_products", {"FormatVersion": "aws_v1", "PriceList": offers})


def test_a_refresh_replaces_one_region_with_todays_prices(pricing):
    client, stub = pricing
    answer(stub, "0.1216000000", "0.0000000000")
    answer(stub)
    answer(stub, "0.0952000000")
    before = {"as_of": "2020-01-01", "regions": {"us-east-1": {"vcpu_hour": {"r5": 1}}}}
    after = refreshed(before, "eu-central-1", ["r6g", "r99"], client)
    assert list(after["regions"]) == ["eu-central-1", "us-east-1"]
    assert after["regions"]["us-east-1"] == before["regions"]["us-east-1"]
    made = after["regions"]["eu-central-1"]
    assert made["vcpu_hour"] == {"r6g": 0.0608}
    assert made["gp3_gib_month"] == 0.0952
    assert made["as_of"] > "2026"
    stub.assert_no_pending_responses()


def test_a_region_of_which_no_price_is_known_is_refused(pricing):
    client, stub = pricing
    answer(stub)
    with pytest.raises(PlatformUnreachable, match="found no price of r6g in mars-1; expected one at least"):
        refreshed({"as_of": "2020-01-01", "regions": {}}, "mars-1", ["r6g"], client)
