"""Gathering what a function imports."""

from pathlib import Path

import pytest

from hpc_constructs.function_asset import FunctionAssetError, gather


@pytest.fixture
def project(tmp_path: Path) -> Path:
    files = {
        "f/f.py": "import json\nimport helper\nfrom shared import one\n",
        "f/helper.py": "import boto3\n",
        "shared/__init__.py": "",
        "shared/one.py": "from shared.two import x\ndef later():\n    from shared.part import deep\n",
        "shared/two.py": "import fastjsonschema\nx = 1\n",
        "shared/part/__init__.py": "",
        "shared/part/deep.py": "",
        "shared/not_imported.py": "import click\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "out").mkdir()
    return tmp_path


def gathered(project: Path) -> set[str]:
    gather(project / "f", packages=project, into=project / "out")
    return {str(path.relative_to(project / "out")) for path in (project / "out").rglob("*.py")}


def test_exactly_what_is_imported_is_copied_also_from_within_functions(project: Path) -> None:
    found = {name for name in gathered(project) if not name.startswith("fastjsonschema/")}
    assert found == {
        "f.py", "helper.py", "shared/__init__.py", "shared/one.py", "shared/two.py", "shared/part/__init__.py",
        "shared/part/deep.py",
    }  # fmt: skip
    assert (project / "out/fastjsonschema/__init__.py").is_file()


def test_the_data_of_a_module_comes_with_it_and_no_other_data(project: Path) -> None:
    (project / "shared/one.json").write_text("{}")
    (project / "shared/not_imported.json").write_text("{}")
    gathered(project)
    assert [path.name for path in (project / "out/shared").rglob("*.json")] == ["one.json"]


@pytest.mark.parametrize("line", ["import click", "from rich.console import Console", "import nothing_such"])
def test_what_lambda_does_not_have_is_refused_by_name(project: Path, line: str) -> None:
    (project / "shared/two.py").write_text(f"x = 1\n{line}")
    with pytest.raises(FunctionAssetError) as error:
        gathered(project)
    assert str(error.value).startswith(f"{project / 'shared/two.py'}: imports {line.split()[1]}; expected ")


@pytest.mark.parametrize("name", ["f/f.py", "shared/one.py"])
@pytest.mark.parametrize("line", ["from . import two", "from .two import x", "from .. import shared"])
def test_a_relative_import_is_refused(project: Path, name: str, line: str) -> None:
    (project / name).write_text(f"import json\n{line}\n")
    with pytest.raises(FunctionAssetError) as error:
        gathered(project)
    assert str(error.value) == (f"{project / name}: found a relative import in line 2; expected the module's full name")


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("import shared.gone", "shared.gone"),
        ("import shared.part.gone", "shared.part.gone"),
        ("from shared import gone", "shared.gone"),
        ("from shared.gone import x", "shared.gone.x"),
        ("from shared.two import gone", "shared.two.gone"),
    ],
)
def test_what_is_not_there_is_refused_by_name(project: Path, line: str, name: str) -> None:
    (project / "f/f.py").write_text(line)
    with pytest.raises(FunctionAssetError) as error:
        gathered(project)
    assert str(error.value) == f"{project / 'f/f.py'}: imports {name}; expected a module that is in {project}"


@pytest.mark.parametrize(
    "defined", ["x = 1", "x: int = 1", "def x(): ...", "class x: ...", "import json as x", "from json import x"]
)
def test_what_a_module_gives_a_name_can_be_imported(project: Path, defined: str) -> None:
    (project / "shared/__init__.py").write_text(defined)
    (project / "f/f.py").write_text("from shared import x")
    assert gathered(project) == {"f.py", "helper.py", "shared/__init__.py"}
