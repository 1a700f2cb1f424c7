"""Addresses whose owners have not confirmed them, as SNS lists them."""

import pytest

from hpc.checks import mail
from hpc.checks.mail import read_subscriptions

TOPIC = "arn:aws:sns:us-east-1:123456789012:topic"


def listed(arn):
    entry = {
        "SubscriptionArn": arn,
        "Owner": "123456789012",
        "Protocol": "email",
        "Endpoint": "abc@example.org",
        "TopicArn": TOPIC,
    }
    return {"Subscriptions": [entry]}


@pytest.mark.parametrize("word", ["PendingConfirmation", "pending confirmation"])
def test_sns_gives_a_word_in_place_of_an_arn(aws, answers, word):
    answers("sns").add_response("list_subscriptions_by_topic", listed(word), {"TopicArn": TOPIC})
    (subscription,) = read_subscriptions(aws, TOPIC)
    found = mail.find(subscription)
    assert found.sentence.startswith("abc@example.org is not confirmed, so it hears of no run; expected ")
    assert found.fix.endswith(f"--topic-arn {TOPIC} --protocol email --notification-endpoint abc@example.org")


@pytest.mark.parametrize("is_pending", [True, False])
def test_one_with_an_arn_is_asked_about(aws, answers, is_pending):
    arn = f"{TOPIC}:1"
    answers("sns").add_response("list_subscriptions_by_topic", listed(arn))
    attributes = {"PendingConfirmation": str(is_pending).lower()}
    answers("sns").add_response("get_subscription_attributes", {"Attributes": attributes}, {"SubscriptionArn": arn})
    (subscription,) = read_subscriptions(aws, TOPIC)
    assert (mail.find(subscription) is not None) is is_pending
