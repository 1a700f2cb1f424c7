"""The code of a function that uses modules of the command line: all that it imports, gathered into one folder.

A Lambda asset ships alone, and the function should not have a second copy of the logic. So the modules are copied when
the app is synthesized: exactly those that are imported, which makes the imports the one place to look at.
"""

import ast
import importlib.util
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

# What Lambda's runtime has by itself.
PROVIDED = frozenset({*sys.stdlib_module_names, "boto3", "botocore"})
# Libraries in nothing but Python, which run wherever they are copied to.
PURE = frozenset({"fastjsonschema"})


class FunctionAssetError(Exception):
    """A function imports what it would not have in Lambda."""


def gather(function: Path, *, packages: Path, into: Path) -> None:
    """Copies a function's folder, the modules of packages in `packages` that it imports, and libraries in pure Python.

    Raises `FunctionAssetError` for an import that would fail in Lambda or could not be followed, naming the file that
    has it.
    """
    open_files = sorted(function.glob("*.py"))
    own = {file.stem for file in open_files}
    for file in open_files:
        shutil.copy(file, into / file.name)
    seen: set[Path] = set()
    while open_files:
        file = open_files.pop()
        for module, name in _imports(file):
            top = module.partition(".")[0]
            if top in PROVIDED or (file.parent == function and top in own):
                continue
            if top in PURE:
                _copy_library(top, into)
            elif (packages / top).is_dir():
                found = [path for path in _files_of(file, module, name, packages) if path not in seen]
                seen.update(found)
                open_files += [path for path in found if path.suffix == ".py"]
                for path in found:
                    _copy(path, packages, into)
            else:
                raise FunctionAssetError(
                    f"{file}: imports {module}; expected the standard library, boto3, {', '.join(sorted(PURE))} or "
                    "what imports only these"
                )


def _imports(file: Path) -> Iterator[tuple[str, str]]:
    """Full names of the modules that a file imports, wherever in it, each with what it takes out of it, else ""."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level or node.module is None:
                raise FunctionAssetError(
                    f"{file}: found a relative import in line {node.lineno}; expected the module's full name"
                )
            yield from ((node.module, alias.name) for alias in node.names)


def _files_of(file: Path, module: str, name: str, packages: Path) -> list[Path]:
    """The file of a module, those of the packages that it is in, and that of `name` where this is a module as well.

    A module's data, a JSON file of the same name, comes with it.

    Raises `FunctionAssetError`, naming the `file` that imports it, when there is no such module, or when `name` is
    neither a module nor anything else in it.
    """
    folder = packages.joinpath(*module.split("."))
    own, part = _file_of(folder), _file_of(folder / name) if name else None
    if own is None or (name and part is None and not _defines(own, name)):
        full_name = f"{module}.{name}" if name else module
        raise FunctionAssetError(f"{file}: imports {full_name}; expected a module that is in {packages}")
    around = [_file_of(parent) for parent in folder.parents if packages in parent.parents]
    modules = [found for found in (*around, own, part) if found]
    return [*modules, *(data for data in (found.with_suffix(".json") for found in modules) if data.is_file())]


def _file_of(module: Path) -> Path | None:
    return next((file for file in (module / "__init__.py", module.with_suffix(".py")) if file.is_file()), None)


def _defines(file: Path, name: str) -> bool:
    """Whether a module gives something this name."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        is_named = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name == name
        is_set = isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id == name
        is_imported = isinstance(node, ast.alias) and (node.asname or node.name) == name
        if is_named or is_set or is_imported:
            return True
    return False


def _copy(file: Path, packages: Path, into: Path) -> None:
    target = into / file.relative_to(packages)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(file, target)


def _copy_library(name: str, into: Path) -> None:
    if (into / name).exists():
        return
    found = importlib.util.find_spec(name)
    if found is None or not found.submodule_search_locations:
        raise FunctionAssetError(f"{name} is not installed; set the project up: make setup")
    folder = Path(next(iter(found.submodule_search_locations)))
    if binary := sorted(file.name for file in folder.rglob("*") if file.suffix in {".so", ".pyd", ".dylib"}):
        raise FunctionAssetError(f"{name} is not pure Python: found {', '.join(binary)}")
    shutil.copytree(folder, into / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc", "py.typed"))
