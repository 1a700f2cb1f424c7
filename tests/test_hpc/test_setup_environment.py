"""The set-up speaks to people whose Python is too old, in syntax that such a Python can read."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

from hpc import setup_environment

SOURCE = Path(setup_environment.__file__)
README = SOURCE.parents[1] / "README.md"


def test_an_old_python_is_told_what_was_found_what_is_needed_and_what_to_do(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    monkeypatch.setenv("MAKE_GOAL", "run")
    with pytest.raises(SystemExit) as refused:
        setup_environment.complain_about_old_python()
    assert re.fullmatch(
        r"Python 3\.9 was found \(.+\), 3\.11 or newer is needed\. "
        r"Install one and name it: make run PYTHON=python3\.13",
        str(refused.value.code),
    )


def test_this_python_is_new_enough():
    assert setup_environment.complain_about_old_python() is None


def test_an_old_python_can_read_it():
    ast.parse(SOURCE.read_text(), feature_version=(3, 6))


def test_it_needs_only_the_standard_library():
    imports = re.findall(r"^(?:import|from) (\w+)", SOURCE.read_text(), re.MULTILINE)
    assert set(imports) <= sys.stdlib_module_names


def test_the_readme_says_what_to_do_without_make():
    assert "`make: command not found`" in README.read_text()
    assert "python3 hpc/setup_environment.py" in README.read_text()
