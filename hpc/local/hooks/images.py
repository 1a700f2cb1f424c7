"""ECR: an image of the project is its folder, and the folder's digest is the image's."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from ministack.core.responses import error_response_json, json_response
from ministack.services import ecr

from hpc.local.hooks.replacing import replace
from hpc.local.job_code import code_digest


def install(jobs_dir: Path) -> None:
    """DescribeImages tells of a tag of `batch_<user>/<job>` the digest of the job's code as it is on this machine.

    Nobody pushes images here: jobs run from their folders, whatever the names say of registry and tag.
    """
    describe = ecr._describe_images

    def describe_images(request: dict[str, Any]) -> Any:
        name = str(request.get("repositoryName", ""))
        tags = [str(each["imageTag"]) for each in request.get("imageIds") or [] if "imageTag" in each]
        if name not in ecr._repositories or not tags:
            return describe(request)
        image = name.rpartition("/")[2]
        if not (jobs_dir / image / "Dockerfile").is_file():
            message = f"The image with imageId {{imageTag:'{tags[0]}'}} does not exist within the repository {name}"
            return error_response_json("ImageNotFoundException", message, 400)
        found = {
            "registryId": ecr._registry_id(),
            "repositoryName": name,
            "imageDigest": f"sha256:{code_digest(jobs_dir, image)}",
            "imageTags": tags,
            "imagePushedAt": int(time.time()),
        }
        return json_response({"imageDetails": [found]})

    replace(ecr, "_describe_images", describe_images)
