"""The digest of an image's code: what changes it, what does not, and that asking is cheap."""

import os
import time
from pathlib import Path

import pytest

from hpc.local.job_code import code_digest, outside

DOCKERFILE = "FROM python\nCOPY requirements.txt ./\nCOPY --chown=1:1 hpc_job ./hpc_job\nCOPY work ./work\n"


@pytest.fixture
def jobs_dir(tmp_path: Path) -> Path:
    files = {
        "requirements.txt": "boto3\n",
        "hpc_job/__init__.py": "",
        "hpc_job/deep/table.csv": "1,2\n",
        "work/__main__.py": "print(1)\n",
        "work/Dockerfile": DOCKERFILE,
        "other/__main__.py": "print(2)\n",
        "shared/__init__.py": "x = 1\n",
    }
    for name, text in files.items():
        write(tmp_path / name, text)
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("work/__main__.py", "print(3)\n"),
        ("work/Dockerfile", DOCKERFILE + "ENV A=1\n"),
        ("work/new.py", ""),
        ("hpc_job/__init__.py", "x"),
        ("hpc_job/deep/table.csv", "1,3\n"),
        ("requirements.txt", "boto4\n"),
    ],
)
def test_what_an_image_runs_changes_its_digest(jobs_dir: Path, name: str, text: str) -> None:
    before = code_digest(jobs_dir, "work")
    write(jobs_dir / name, text)
    changed = code_digest(jobs_dir, "work")
    assert changed != before
    assert len(changed) == 64


@pytest.mark.parametrize(
    "name", ["other/__main__.py", "shared/__init__.py", "work/__pycache__/a.cpython-311.pyc", "work/.a.py.swp", "x.md"]
)
def test_what_an_image_does_not_run_does_not(jobs_dir: Path, name: str) -> None:
    before = code_digest(jobs_dir, "work")
    write(jobs_dir / name, "other")
    assert code_digest(jobs_dir, "work") == before


@pytest.mark.parametrize(
    "line", ["COPY shared /app/shared", 'copy ["shared/", "/app/"]', "COPY \\\n  ./shared \\\n  ./"]
)
def test_what_a_dockerfile_copies_counts(jobs_dir: Path, line: str) -> None:
    write(jobs_dir / "work/Dockerfile", f"{DOCKERFILE}{line}\n")
    before = code_digest(jobs_dir, "work")
    write(jobs_dir / "shared/__init__.py", "x = 2\n")
    assert code_digest(jobs_dir, "work") != before


def test_what_comes_from_another_image_does_not(jobs_dir: Path) -> None:
    write(jobs_dir / "work/Dockerfile", f"{DOCKERFILE}COPY --from=builder shared ./\n")
    before = code_digest(jobs_dir, "work")
    write(jobs_dir / "shared/__init__.py", "x = 2\n")
    assert code_digest(jobs_dir, "work") == before


def test_a_name_counts_and_the_place_does_not(jobs_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    before = code_digest(jobs_dir, "work")
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "jobs"
    jobs_dir.rename(elsewhere)
    assert code_digest(elsewhere, "work") == before
    (elsewhere / "work/__main__.py").rename(elsewhere / "work/main.py")
    assert code_digest(elsewhere, "work") != before


def test_a_change_within_the_same_moment_and_of_the_same_size_is_seen(jobs_dir: Path) -> None:
    for number in range(20):
        write(jobs_dir / "work/__main__.py", f"print({number:02d})\n")
        before = code_digest(jobs_dir, "work")
        write(jobs_dir / "work/__main__.py", f"print({number + 1:02d})\n")
        assert code_digest(jobs_dir, "work") != before


def test_files_that_do_not_count_are_found(jobs_dir: Path) -> None:
    files = [jobs_dir / name for name in ("work/a.py", "hpc_job/b.py", "shared/c.py", "other/d.py")]
    assert outside(jobs_dir, "work", [*files, Path("/usr/lib/x.py")]) == files[2:]
    write(jobs_dir / "work/Dockerfile", "COPY . .\n")
    assert outside(jobs_dir, "work", files) == []


def test_asking_again_reads_nothing(jobs_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in jobs_dir.rglob("*"):
        os.utime(path, (1, 1))
    time.sleep(0.12)  # a state as young as that is not remembered
    digest = code_digest(jobs_dir, "work")
    read: list[Path] = []
    monkeypatch.setattr(Path, "read_bytes", lambda path: read.append(path) or b"")
    began = time.process_time()
    assert {code_digest(jobs_dir, "work") for _ in range(1000)} == {digest}
    assert read == []
    assert time.process_time() - began < 2
