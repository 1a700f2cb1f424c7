"""Images that are missing, or made for another kind of processor."""

import http.server
import json
import threading

import pytest

from hpc.checks import images
from hpc.checks.findings import CannotTell
from hpc.checks.images import Image, read_image

NAME = "123456789012.dkr.ecr.us-east-1.amazonaws.com/batch_abc/string_split:latest"
REPOSITORY = {"registryId": "123456789012", "repositoryName": "batch_abc/string_split"}
LATEST = {**REPOSITORY, "imageIds": [{"imageTag": "latest"}]}
DIGEST = f"sha256:{1:064x}"


def image(*processors, is_there=True):
    return Image("string_split", NAME, is_there, frozenset(processors))


@pytest.mark.parametrize(
    ("seen", "architectures", "said"),
    [
        (image("arm64", "amd64"), ["graviton", "x86"], None),
        (image("arm64"), ["graviton"], None),
        (image("arm64"), ["graviton", "x86"], "is made for arm64; expected it for amd64 (x86) too"),
        (image("amd64"), ["graviton"], "is made for amd64; expected it for arm64 (graviton) too"),
        (image("s390x"), ["graviton", "x86"], "expected it for arm64 (graviton) and amd64 (x86) too"),
        (image(is_there=False), ["x86"], f"The image of job string_split, {NAME}, is not there; expected it"),
    ],
)
def test_what_speaks_against_an_image(seen, architectures, said):
    found = images.find(seen, architectures)
    assert found is None if said is None else said in found.sentence


@pytest.fixture
def pushed(answers):
    """ECR has the image, with this manifest."""

    def push(manifest):
        ecr = answers("ecr")
        ecr.add_response("describe_images", {"imageDetails": [{**REPOSITORY, "imageDigest": DIGEST}]}, LATEST)
        accepted = {**LATEST, "acceptedMediaTypes": [*images._INDEXES, *images._MANIFESTS]}
        found = {**REPOSITORY, "imageId": {"imageDigest": DIGEST}, "imageManifest": json.dumps(manifest)}
        ecr.add_response("batch_get_image", {"images": [found], "failures": []}, accepted)
        return ecr

    return push


def test_an_index_names_its_processors(aws, pushed):
    platforms = [{"architecture": name, "os": "linux"} for name in ("arm64", "amd64", "unknown")]
    pushed({"manifests": [{"digest": DIGEST, "platform": platform} for platform in platforms]})
    assert read_image(aws, "string_split", NAME) == image("arm64", "amd64")


def test_of_a_single_image_the_configuration_does(aws, pushed):
    class Layer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"architecture": "amd64", "os": "linux"}')

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Layer) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        ecr = pushed({"config": {"digest": DIGEST}, "layers": []})
        url = f"http://127.0.0.1:{server.server_port}/config"
        asked = {**REPOSITORY, "layerDigest": DIGEST}
        ecr.add_response("get_download_url_for_layer", {"downloadUrl": url, "layerDigest": DIGEST}, asked)
        assert read_image(aws, "string_split", NAME) == image("amd64")


@pytest.mark.parametrize("code", ["ImageNotFoundException", "RepositoryNotFoundException"])
def test_what_ecr_does_not_have_is_not_there(aws, answers, code):
    answers("ecr").add_client_error("describe_images", code, "no", 400, expected_params=LATEST)
    assert read_image(aws, "string_split", NAME) == image(is_there=False)


def test_an_image_by_digest_is_asked_for_by_digest(aws, answers):
    wanted = {**REPOSITORY, "imageIds": [{"imageDigest": DIGEST}]}
    answers("ecr").add_client_error("describe_images", "ImageNotFoundException", "no", 400, expected_params=wanted)
    assert not read_image(aws, "string_split", f"{NAME}@{DIGEST}").is_there


def test_of_an_image_elsewhere_nothing_is_known(aws):
    with pytest.raises(CannotTell, match=r"docker\.io/a is in no ECR repository"):
        read_image(aws, "string_split", "docker.io/a")
