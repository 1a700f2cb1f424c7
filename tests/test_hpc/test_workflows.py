"""Reading of workflow folders."""

import pytest

from hpc import workflow_folders as folders


def test_the_shipped_workflow(string_processing):
    assert string_processing.title == "String processing"
    assert [parameter.label for parameter in string_processing.parameters] == [
        "--project (ProjectNo)",
        "--input-bucket (INPUT_BUCKET)",
        "--input-key (INPUT_KEY)",
        "--output-bucket (OUTPUT_BUCKET)",
        "--lines-per-shard (SPLIT_NUM)",
        "--architecture (architecture)",
    ]
    assert string_processing.upload_parameters == {"INPUT_BUCKET", "INPUT_KEY"}
    assert string_processing.splitting_state == "String_Split"
    assert string_processing.step("String_Repeat").fan_out
    assert string_processing.functions == {"job_map": ("Job_Map",), "check_output": ("Check_Output",)}


def test_places_of_the_shipped_workflow(string_processing):
    parameters = {"ProjectNo": "P1", "INPUT_BUCKET": "in", "INPUT_KEY": "source/a/{ProjectNo} b.txt"}
    assert string_processing.input_uri(parameters) == "s3://in/source/a/{ProjectNo} b.txt"
    assert string_processing.output_bucket(parameters) == "in"
    assert string_processing.output_bucket({**parameters, "OUTPUT_BUCKET": "out"}) == "out"
    assert string_processing.output_keys(parameters) == {
        "repeat": "result/P1/String_Repeat_Merge/repeat_{ProjectNo} b.txt_merge",
        "reverse": "result/P1/String_Reverse_Merge/reverse_{ProjectNo} b.txt_merge",
    }


def test_a_workflow_without_upload_and_fan_out(workflow_folders, counting_yaml):
    workflow_folders("counting", counting_yaml)
    counting = folders.load("counting")
    assert counting.description == "Counts words."
    assert (counting.upload, counting.sharding, counting.splitting_state) == (None, None, None)
    assert counting.input_uri({"ProjectNo": "P1"}) == ""
    assert counting.output_keys({"ProjectNo": "P1"}) == {"counts": "result/P1/Count/counts"}


@pytest.mark.parametrize(
    ("states", "redone"),
    [
        ([], set()),
        (["String_Repeat_Merge"], {"String_Repeat_Merge"}),
        (["String_Repeat"], {"String_Repeat", "String_Repeat_Merge"}),
        (
            ["String_Split"],
            {"String_Split", "String_Repeat", "String_Reverse", "String_Repeat_Merge", "String_Reverse_Merge"},
        ),
        (["Check_Output"], set()),
    ],
)
def test_what_is_made_anew_with_a_step(states, redone):
    assert folders.load("string_processing").with_later_steps(states) == redone
