"""What S3 says of objects that runs read or write."""

import pytest

from hpc import workflow_folders as folders
from hpc.errors import WrongInput
from hpc.objects import check_object, check_output_names, why_archived


@pytest.mark.usefixtures("stack")
class TestObjects:
    """What S3 has."""

    def put(self, connection, key, **settings):
        connection.client("s3").put_object(Bucket="data-bucket", Key=key, Body=b"x" * 5000, **settings)

    def refusal(self, connection, key, bucket="data-bucket"):
        with pytest.raises(WrongInput) as refusal:
            check_object(connection, bucket, key)
        return str(refusal.value)

    def test_an_object_that_can_be_read_passes(self, connection):
        self.put(connection, "uploads/P1/there.txt")
        assert check_object(connection, "data-bucket", "uploads/P1/there.txt")["ContentLength"] == 5000

    def test_a_missing_object_is_refused(self, connection):
        assert self.refusal(connection, "uploads/P1/no such.txt") == (
            "'s3://data-bucket/uploads/P1/no such.txt': found no such object; expected one that exists; look what is "
            "there: aws s3 ls s3://data-bucket/uploads/P1/"
        )

    def test_a_missing_bucket_is_refused(self, connection):
        assert self.refusal(connection, "a", bucket="no-such-bucket") == (
            "'s3://no-such-bucket/a': found no bucket of that name; expected one that exists; check its name"
        )

    def test_an_archived_object_is_refused_with_the_way_back(self, connection):
        self.put(connection, "source/old.txt", StorageClass="GLACIER")
        assert self.refusal(connection, "source/old.txt") == (
            "'s3://data-bucket/source/old.txt': found it archived in Glacier Flexible Retrieval; expected an object "
            "that can be read. Restore it, and submit again when it is there:\n"
            "  aws s3api restore-object --bucket data-bucket --key source/old.txt --restore-request "
            '\'{"Days": 7, "GlacierJobParameters": {"Tier": "Standard"}}\'\n'
            'That takes 3 to 5 hours and costs less than 0.01 USD (0.01 USD per GB); with "Tier": "Bulk" it takes 5 to '
            "12 hours and costs nothing. The restored copy's storage comes on top (S3 Standard, per day)."
        )

    def test_a_restored_object_can_be_read(self, connection):
        key = "source/restored.txt"
        self.put(connection, key, StorageClass="DEEP_ARCHIVE")
        request = {"Days": 7, "GlacierJobParameters": {"Tier": "Standard"}}
        connection.client("s3").restore_object(Bucket="data-bucket", Key=key, RestoreRequest=request)
        check = why_archived("data-bucket", key, connection.client("s3").head_object(Bucket="data-bucket", Key=key))
        assert check is None or "it is being restored" in check


@pytest.mark.parametrize(
    ("head", "parts"),
    [
        ({"ContentLength": 1}, None),
        ({"ContentLength": 1, "StorageClass": "STANDARD_IA"}, None),
        ({"ContentLength": 1, "StorageClass": "GLACIER_IR"}, None),
        (
            {"ContentLength": 1, "StorageClass": "GLACIER", "Restore": 'ongoing-request="false", expiry-date="..."'},
            None,
        ),
        (
            {"ContentLength": 1, "StorageClass": "DEEP_ARCHIVE", "Restore": 'ongoing-request="true"'},
            ["it is being restored (up to 12 hours from the request)"],
        ),
        (
            {"ContentLength": 500 * 10**9, "StorageClass": "DEEP_ARCHIVE"},
            ["up to 12 hours and costs about 10.00 USD (0.02 USD per GB)", "up to 48 hours and costs about 1.25 USD"],
        ),
        (
            {"ContentLength": 1, "StorageClass": "INTELLIGENT_TIERING", "ArchiveStatus": "ARCHIVE_ACCESS"},
            ["Intelligent-Tiering Archive Access", """'{"GlacierJobParameters": {"Tier": "Standard"}}'"""],
        ),
    ],
)
def test_archived_objects(head, parts):
    problem = why_archived("bucket", "key with 'quotes'", head)
    if parts is None:
        assert problem is None
    else:
        assert all(part in problem for part in parts), problem


def test_an_object_whose_name_is_too_long_for_the_results_is_refused(string_processing):
    key = "uploads/" + "土" * 80
    check_output_names(string_processing, {"ProjectNo": "P1", "INPUT_KEY": key}, of_file=False)
    with pytest.raises(WrongInput) as refusal:
        check_output_names(string_processing, {"ProjectNo": "P1", "INPUT_KEY": key + "ab"}, of_file=False)
    assert str(refusal.value) == (
        f"--input-key (INPUT_KEY): its result would be called 'reverse_{'土' * 52}...' (96 characters), 256 bytes; "
        "expected at most 255 bytes, what a file system allows; copy the object to a key with a shorter last part"
    )


def test_a_project_too_long_for_the_results_is_refused(workflow_folders, counting_yaml):
    workflow_folders("counting", counting_yaml.replace("Count/counts", "Count/{ProjectNo}"))
    project = "P" + "1" * 255
    with pytest.raises(WrongInput) as refusal:
        check_output_names(folders.load("counting"), {"ProjectNo": project}, of_file=False)
    assert str(refusal.value) == (
        f"--project (ProjectNo): its result would be called '{project[:60]}...' (256 characters), 256 bytes; "
        "expected at most 255 bytes, what a file system allows; choose a shorter one"
    )


def test_a_name_too_long_for_the_results_is_refused(string_processing):
    name = "土" * 80  # 240 bytes, and 254 with what the results' names add: fits; one more does not
    check_output_names(string_processing, {"ProjectNo": "P1", "INPUT_KEY": name})
    with pytest.raises(WrongInput) as refusal:
        check_output_names(string_processing, {"ProjectNo": "P1", "INPUT_KEY": name + "ab"})
    assert str(refusal.value) == (
        f"FILE: its result would be called 'reverse_{'土' * 52}...' (96 characters), 256 bytes; expected at most 255 "
        "bytes, what a file system allows; rename the file"
    )
