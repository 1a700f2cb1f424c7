"""Flags that come from workflow.yaml."""

import pytest
from click.testing import CliRunner

from hpc.cli import main
from hpc.commands.options import chosen_name, named_workflow
from hpc.errors import WrongInput


def help_of(*args):
    result = CliRunner().invoke(main, [*args, "--help"], terminal_width=200)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize(
    ("args", "name"),
    [
        ([], None),
        (["--workflow", "a"], "a"),
        (["x", "--workflow=a", "--workflow", "b"], "b"),
        (["--", "--workflow", "a"], None),
        (["--workflow"], None),
        (["--workflow="], ""),
    ],
)
def test_named_workflow(args, name):
    assert named_workflow(args) == name


def test_the_flags_of_the_shipped_workflow():
    text = help_of("run")
    for flag in (
        "--project",
        "--lines-per-shard LINES",
        "--output-bucket",
        "--architecture",
        "--overwrite",
        "-o, --output",
    ):
        assert flag in text
    assert "--input-key" not in text
    assert "How many lines each shard holds" in text
    assert "[a whole number from 1 to 1000000000; for example 10000; required]" in text
    assert "for example graviton; default: graviton]" in text
    assert "--input-key" in help_of("submit")


def test_the_flags_of_another_workflow(workflow_folders, counting_yaml):
    workflow_folders("counting", counting_yaml)
    text = help_of("submit")
    assert "--letters LETTERS" in text
    assert "Letters that a word must begin with. [up to 3 letters; for example abc]" in text
    assert "--lines-per-shard" not in text
    assert "Workflow to run [one of: counting; default: counting]" in text


def test_the_flags_follow_the_workflow_that_is_named(workflow_folders, counting_yaml):
    workflow_folders("counting", counting_yaml)
    workflow_folders("string_processing", counting_yaml.replace("--letters", "--signs"))
    assert "--signs" in help_of("submit")
    assert "--letters" in help_of("submit", "--workflow", "counting")


def test_a_flag_of_hpc_itself_is_refused(workflow_folders, counting_yaml):
    workflow_folders("counting", counting_yaml.replace("--letters", "--overwrite"))
    result = CliRunner().invoke(main, ["submit"])
    assert result.exit_code == 2
    assert result.stderr == (
        "Error: workflow counting: found the flags --overwrite; expected others, hpc has these itself\n"
    )


def test_without_a_default_a_workflow_must_be_named(workflow_folders, counting_yaml):
    workflow_folders("a", counting_yaml)
    workflow_folders("b", counting_yaml)
    with pytest.raises(WrongInput) as refusal:
        chosen_name(None)
    assert str(refusal.value) == "--workflow: found nothing; expected one of: a, b"
