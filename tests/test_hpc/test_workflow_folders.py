"""Which workflow folders there are, and what is refused of them."""

import pytest

from hpc import workflow_folders as folders
from hpc.errors import WrongInput


def test_the_only_workflow_is_the_default(workflow_folders, counting_yaml):
    assert folders.default_name() is None
    workflow_folders("counting", counting_yaml)
    assert folders.default_name() == "counting"
    workflow_folders("other", counting_yaml)
    assert folders.default_name() is None
    workflow_folders("string_processing", counting_yaml)
    assert folders.default_name() == "string_processing"
    assert folders.names() == ["counting", "other", "string_processing"]


@pytest.mark.parametrize("name", ["nothing", "../counting", "", "counting/"])
def test_an_unknown_workflow_is_refused(workflow_folders, counting_yaml, name):
    workflow_folders("counting", counting_yaml)
    with pytest.raises(WrongInput) as refusal:
        folders.load(name)
    assert str(refusal.value) == f"--workflow: found {name!r}; expected one of: counting"


def test_a_folder_that_is_not_as_the_schema_says_is_refused(workflow_folders, counting_yaml):
    file = workflow_folders("counting", counting_yaml.replace("{state: Count, title: Count}", "{title: Count}"))
    with pytest.raises(WrongInput) as refusal:
        folders.load("counting")
    assert str(refusal.value) == (
        f"{file}: steps/0: 'state' is a required property; workflows/schema.json says what is allowed"
    )


def test_a_folder_that_is_not_yaml_is_refused(workflow_folders):
    file = workflow_folders("counting", "name: [")
    with pytest.raises(WrongInput) as refusal:
        folders.load("counting")
    assert str(refusal.value).startswith(f"{file} cannot be read: ")
    assert str(refusal.value).endswith("; expected YAML in UTF-8")
