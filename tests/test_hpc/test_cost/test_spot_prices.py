"""What Spot cost, by EC2's own history; the answers have the form of EC2's documentation."""

from datetime import UTC, datetime, timedelta

import boto3
import pytest
from botocore.stub import ANY, Stubber

from hpc.cost.attempts import Attempt, Size
from hpc.cost.interval import Interval
from hpc.cost.spot_prices import SpotPrices

START = datetime(2026, 1, 31, 10, tzinfo=UTC)


class Asked:
    """A connection whose EC2 answers what a test says."""

    def __init__(self):
        self.ec2 = boto3.client("ec2", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
        self.stub = Stubber(self.ec2)
        self.stub.activate()

    def client(self, service):
        assert service == "ec2"
        return self.ec2

    def answer(self, *changes):
        history = [
            {"Timestamp": time, "SpotPrice": price, "InstanceType": "r6g.large", "AvailabilityZone": "us-east-1a"}
            for time, price in changes
        ]
        expected = {
            "InstanceTypes": ["r6g.large"],
            "AvailabilityZone": "us-east-1a",
            "ProductDescriptions": ANY,
            "StartTime": ANY,
            "EndTime": ANY,
        }
        self.stub.add_response("describe_spot_price_history", {"SpotPriceHistory": history}, expected)


@pytest.fixture
def asked():
    return Asked()


def attempt(hours=2.0, market="spot", types=("r6g.large",), zone="us-east-1a"):
    return Attempt(Size(1, 2048), START, START + timedelta(hours=hours), types, market, zone, failed=False)


def test_each_stretch_of_an_attempt_has_the_price_of_its_time(asked):
    asked.answer((START + timedelta(hours=1), "0.040"), (START - timedelta(hours=3), "0.020"))
    # Half of the instance, an hour at each price.
    assert SpotPrices(asked, [attempt()]).cost(attempt()) == Interval.exactly(pytest.approx(0.5 * (0.02 + 0.04)))


def test_changes_after_the_end_do_not_count(asked):
    asked.answer((START - timedelta(hours=1), "0.020"), (START + timedelta(hours=5), "9"))
    assert SpotPrices(asked, [attempt()]).cost(attempt()) == Interval.exactly(pytest.approx(0.02))


def test_a_place_is_asked_for_once(asked):
    asked.answer((START - timedelta(hours=1), "0.020"))
    known = SpotPrices(asked, [attempt(), attempt(hours=1)])
    assert known.cost(attempt(hours=1)) == Interval.exactly(pytest.approx(0.01))
    asked.stub.assert_no_pending_responses()


@pytest.mark.parametrize(
    "unknown", [attempt(market="on-demand"), attempt(types=("r6g",)), attempt(zone=""), attempt(types=())]
)
def test_what_is_no_spot_instance_of_a_known_place_is_not_asked_for(asked, unknown):
    assert SpotPrices(asked, [unknown]).cost(unknown) is None


def test_a_history_that_begins_later_or_may_not_be_asked_for_tells_no_price(asked):
    asked.answer((START + timedelta(minutes=1), "0.020"))
    assert SpotPrices(asked, [attempt()]).cost(attempt()) is None
    asked.stub.add_client_error("describe_spot_price_history", "UnauthorizedOperation")
    assert SpotPrices(asked, [attempt()]).cost(attempt()) is None
    asked.answer()
    assert SpotPrices(asked, [attempt()]).cost(attempt()) is None
