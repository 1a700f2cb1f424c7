"""Cause: a job's image is not there, or is made for another kind of processor."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from hpc.checks.findings import CannotTell, Finding
from hpc.connection import Connection, error_code
from hpc.job_definitions import IN_ECR, MISSING

PROCESSORS = {"graviton": "arm64", "x86": "amd64"}
_INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_TIMEOUT_S = 10


@dataclass(frozen=True)
class Image:
    """A job's image; `processors` are those that it is made for, as images name them (`arm64`, `amd64`)."""

    job: str
    name: str
    is_there: bool
    processors: frozenset[str] = frozenset()


def find(image: Image, architectures: Collection[str]) -> Finding | None:
    """Why a job could not start from its image on these architectures (`graviton`, `x86`)."""
    fix = "build it for both and push it, as docker-image/BatchJob/README.md says"
    if not image.is_there:
        return Finding(f"The image of job {image.job}, {image.name}, is not there; expected it in the repository", fix)
    needed = [name for name in architectures if PROCESSORS.get(name, name) not in image.processors]
    if not needed:
        return None
    wanted = " and ".join(f"{PROCESSORS.get(name, name)} ({name})" for name in needed)
    return Finding(
        f"The image of job {image.job}, {image.name}, is made for {', '.join(sorted(image.processors)) or 'nothing'}; "
        f"expected it for {wanted} too, its jobs would end with `exec format error`",
        fix,
    )


def read_image(connection: Connection, job: str, name: str) -> Image:
    """Asks ECR; raises CannotTell for an image that is in no ECR repository, or whose manifest tells no processor."""
    parts = IN_ECR.fullmatch(name)
    if parts is None:
        raise CannotTell(f"the image {name} is in no ECR repository")
    repository = {"registryId": parts["account"], "repositoryName": parts["name"]}
    wanted = {"imageDigest": parts["digest"]} if parts["digest"] else {"imageTag": parts["tag"] or "latest"}
    ecr = connection.client("ecr")
    try:
        is_described = bool(ecr.describe_images(**repository, imageIds=[wanted])["imageDetails"])
    except ClientError as error:
        if error_code(error) not in MISSING:
            raise
        is_described = False
    if not is_described:
        return Image(job=job, name=name, is_there=False)
    images = ecr.batch_get_image(**repository, imageIds=[wanted], acceptedMediaTypes=[*_INDEXES, *_MANIFESTS])["images"]
    if not images:
        raise CannotTell("the images are there, but ECR gives no manifests that name their processors")
    manifest = json.loads(images[0]["imageManifest"])
    return Image(job=job, name=name, is_there=True, processors=_processors(ecr, repository, manifest))


def _processors(ecr: Any, repository: Mapping[str, str], manifest: Mapping[str, Any]) -> frozenset[str]:
    """Those of an index; or that of a single image, which only its configuration names."""
    if "manifests" in manifest:
        named = (str(each.get("platform", {}).get("architecture")) for each in manifest["manifests"])
        # Attestations lie beside the images, for `unknown`.
        return frozenset(named) - {"unknown", "None"}
    digest = manifest.get("config", {}).get("digest")
    if not digest:
        raise CannotTell(f"the manifest of {repository['repositoryName']} names neither images nor a configuration")
    url = ecr.get_download_url_for_layer(**repository, layerDigest=digest)["downloadUrl"]
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:  # noqa: S310 (ECR names it, https)
            return frozenset({str(json.load(answer)["architecture"])})
    except (OSError, ValueError, KeyError) as error:
        raise CannotTell(f"the configuration of {repository['repositoryName']} cannot be read: {error}") from error
