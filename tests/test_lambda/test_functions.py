"""What holds for every function: it ships alone, and importing it does nothing."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

FUNCTIONS = sorted(folder for folder in (Path(__file__).parents[2] / "lambda").iterdir() if list(folder.glob("*.py")))
BY_NAME = {"argvalues": FUNCTIONS, "ids": [folder.name for folder in FUNCTIONS]}


def test_given_the_folder_then_it_holds_the_functions():
    assert {"job_map", "check_output"} <= {folder.name for folder in FUNCTIONS}


@pytest.mark.parametrize("folder", **BY_NAME)
def test_given_a_function_then_it_imports_only_what_lambda_has(folder):
    own = {file.stem for file in folder.glob("*.py")}
    # What is copied into an asset is held to the same by the tests of the stack.
    copied = {"hpc"} if folder.name == "api" else set()
    allowed = {*sys.stdlib_module_names, "boto3", "botocore", *own, *copied}

    imported = set()
    for file in folder.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{file}: a relative import; a function's folder is no package"
                imported.add(node.module.split(".")[0])

    assert imported <= allowed


IMPORTED = """
import importlib, os, sys
import boto3, botocore.session

class Forbidden(dict):
    def refuse(self, *args, **kwargs):
        raise SystemExit("read the environment or made a client while it was imported")
    __getitem__ = get = __contains__ = __iter__ = keys = items = copy = refuse

os.environ = Forbidden()
os.getenv = boto3.client = boto3.resource = boto3.Session = botocore.session.get_session = Forbidden().refuse
sys.path.insert(0, sys.argv[1])
module = importlib.import_module(sys.argv[2])
assert callable(module.handler)
"""


@pytest.mark.parametrize("folder", **BY_NAME)
def test_given_a_function_when_imported_then_no_environment_is_read_and_no_client_made(folder):
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED, str(folder), folder.name],
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("folder", **BY_NAME)
def test_given_a_function_then_each_error_of_its_own_has_a_docstring(folder):
    for file in folder.glob("*.py"):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and any(getattr(base, "id", "") == "Exception" for base in node.bases):
                assert ast.get_docstring(node), f"{file}: {node.name}"
