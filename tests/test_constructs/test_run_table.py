"""The run table: keys and index as the definitions and the command line use them."""

from tests.synthesis import Synthesized, synthesize


def keys(schema: list[dict[str, str]]) -> dict[str, str]:
    return {key["KeyType"]: key["AttributeName"] for key in schema}


def test_keys_and_index(production: Synthesized) -> None:
    table = production.one("AWS::DynamoDB::Table")
    assert keys(table["KeySchema"]) == {"HASH": "pk", "RANGE": "sk"}
    (index,) = table["GlobalSecondaryIndexes"]
    assert index["IndexName"] == "RunsByTime"
    assert keys(index["KeySchema"]) == {"HASH": "sk", "RANGE": "created_at"}
    assert index["Projection"] == {"ProjectionType": "ALL"}
    assert {attribute["AttributeType"] for attribute in table["AttributeDefinitions"]} == {"S"}


def test_billed_by_request_encrypted_and_recoverable(production: Synthesized) -> None:
    table = production.one("AWS::DynamoDB::Table")
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["SSESpecification"] == {"SSEEnabled": True}
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


def test_retained_and_protected_unless_data_is_not_kept(production: Synthesized) -> None:
    assert production.one("AWS::DynamoDB::Table")["DeletionProtectionEnabled"] is True
    assert synthesize(retainData="false").one("AWS::DynamoDB::Table")["DeletionProtectionEnabled"] is False


def test_an_existing_table_is_taken_over_and_none_is_made() -> None:
    assembly = synthesize(existingDataBucket="kept-bucket", existingTable="Kept-Runs")
    assert assembly.resources("AWS::DynamoDB::Table") == {}
    assert assembly.template["Outputs"]["RunTableName"]["Value"] == "Kept-Runs"
    assert assembly.one("AWS::StepFunctions::StateMachine")["DefinitionSubstitutions"]["RunTableName"] == "Kept-Runs"
