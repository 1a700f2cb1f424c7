"""The topic: its own key, and who may publish."""

from tests.synthesis import Synthesized, synthesize

OWN_ACCOUNT = {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_encrypted_with_a_key_of_its_own_that_rotates(production: Synthesized) -> None:
    key = production.name_of("AWS::KMS::Key")
    assert production.one("AWS::SNS::Topic")["KmsMasterKeyId"] == {"Fn::GetAtt": [key, "Arn"]}
    assert production.one("AWS::KMS::Key")["EnableKeyRotation"] is True


def test_alarms_of_this_account_may_publish_and_use_the_key(production: Synthesized) -> None:
    alarms = "cloudwatch.amazonaws.com"
    for kind, document, actions in (
        ("AWS::SNS::TopicPolicy", "PolicyDocument", "sns:Publish"),
        ("AWS::KMS::Key", "KeyPolicy", ["kms:Decrypt", "kms:GenerateDataKey"]),
    ):
        statements = production.one(kind)[document]["Statement"]
        allowed = next(each for each in statements if each["Principal"] == {"Service": alarms})
        assert (allowed["Effect"], allowed["Action"], allowed["Condition"]) == ("Allow", actions, OWN_ACCOUNT)


def test_over_tls_only(production: Synthesized) -> None:
    statements = production.one("AWS::SNS::TopicPolicy")["PolicyDocument"]["Statement"]
    denied = next(each for each in statements if each["Effect"] == "Deny")
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_an_address_is_subscribed_when_there_is_one(production: Synthesized) -> None:
    assert production.resources("AWS::SNS::Subscription") == {}
    subscription = synthesize(EmailAddress="abc@example.org").one("AWS::SNS::Subscription")
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "abc@example.org")
