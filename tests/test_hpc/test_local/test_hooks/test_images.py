"""An image's digest."""

from __future__ import annotations

from tests.test_hpc.test_local.test_hooks.conftest import run

IMAGES = """
import json
from pathlib import Path
from ministack.services import ecr
from hpc.local.hooks import images
from hpc.local.job_code import code_digest

folder = Path("jobs/string_split")
folder.mkdir(parents=True)
(folder / "Dockerfile").write_text("FROM scratch")
images.install(Path("jobs"))
ecr._create_repository({"repositoryName": "batch_local/string_split"})
ecr._create_repository({"repositoryName": "batch_local/other"})

def digest(name):
    status, _, body = ecr._describe_images({"repositoryName": name, "imageIds": [{"imageTag": "latest"}]})
    answer = json.loads(body)
    return answer["imageDetails"][0]["imageDigest"] if status == 200 else answer["__type"].rpartition("#")[2]

first = digest("batch_local/string_split")
print(json.dumps(first == "sha256:" + code_digest(Path("jobs"), "string_split")))
(folder / "split.py").write_text("x = 1")
print(json.dumps(digest("batch_local/string_split") != first))
print(json.dumps([digest("batch_local/other"), digest("batch_local/none")]))
"""


def test_an_image_s_digest_is_that_of_its_folder(tmp_path):
    same, changed, missing = run(tmp_path, IMAGES)
    assert (same, changed) == (True, True)
    assert missing == ["ImageNotFoundException", "RepositoryNotFoundException"]
