"""The load balancer's token: believed only with the right signature, signer and time. Keys come from a real server."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.test_docker_image.web.conftest import make_client, parsed, words

SIGNER = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/page/0123456789abcdef"
OURS, OTHERS = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
KEY_ID = "6f8e2d1c-0000-4000-8000-1234567890ab"
CLAIMS = {"sub": "b0c1", "email": "lin.wei@example.org", "email_verified": "true"}


class Keys(BaseHTTPRequestHandler):
    """What AWS's server of public keys does."""

    asked: list[str] = []  # noqa: RUF012 -- the handler is made anew for each request

    def do_GET(self):
        Keys.asked.append(self.path)
        found = self.path == f"/eu-central-1/{KEY_ID}"
        self.send_response(200 if found else 404)
        self.end_headers()
        if found:
            self.wfile.write(OURS.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))

    def log_message(self, *_arguments):
        pass


@pytest.fixture
def client(double, monkeypatch) -> Iterator:
    from web_application import sign_in

    Keys.asked.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Keys)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    monkeypatch.setattr(sign_in, "KEYS_URL", f"http://127.0.0.1:{server.server_port}/{{region}}/{{key_id}}")
    yield make_client(double, sign_in_signer=SIGNER)
    server.shutdown()
    thread.join()
    server.server_close()


def token(claims=CLAIMS, key=OURS, **header):
    exp = int(time.time()) + 100
    return jwt.encode(claims, key, "ES256", headers={"kid": KEY_ID, "signer": SIGNER, "exp": exp} | header)


def get(client, data, path="/runs"):
    return client.get(path, headers={"x-amzn-oidc-data": data} if data else {})


def test_the_signed_in_person_is_passed_on_as_owner(client, double):
    document = parsed(get(client, token()))
    assert "Signed in as lin.wei@example.org." in words(document.footer)
    assert {call[2].get("X-Hpc-Owner") for call in double.calls} == {"lin.wei@example.org"}


def test_a_key_is_asked_for_once(client):
    assert [get(client, token()).status_code for _try in range(3)] == [200, 200, 200]
    assert Keys.asked == [f"/eu-central-1/{KEY_ID}"]


@pytest.mark.parametrize("verified", ["false", None, ""])
def test_an_address_that_nobody_verified_is_not_the_owner(client, double, verified):
    get(client, token(CLAIMS | {"email_verified": verified}))
    assert {call[2].get("X-Hpc-Owner") for call in double.calls} == {"b0c1"}


@pytest.mark.parametrize("email", ["林@example.org", "a b@example.org", "x" * 257, "a\r\nX-Other: 1"])
def test_an_address_that_no_header_can_carry_is_not_the_owner(client, double, email):
    assert get(client, token(CLAIMS | {"email": email})).status_code == 200
    assert {call[2].get("X-Hpc-Owner") for call in double.calls} == {"b0c1"}


def unsigned():
    header = {"alg": "none", "kid": KEY_ID, "signer": SIGNER, "exp": int(time.time()) + 100}
    parts = (jwt.utils.base64url_encode(json.dumps(part).encode()).decode() for part in (header, CLAIMS))
    return ".".join([*parts, ""])


REFUSED = {
    "none": lambda: "",
    "no token": lambda: "nothing",
    "another key": lambda: token(key=OTHERS),
    "another signer": lambda: token(signer=SIGNER.replace("page", "evil")),
    "no signer": lambda: token(signer=None),
    "expired": lambda: token(exp=int(time.time()) - 100),
    "no expiry": lambda: token(exp=None),
    "unknown key": lambda: token(kid="another"),
    "a key elsewhere": lambda: token(kid="../../evil"),
    "a subject that no header can carry": lambda: token({"sub": "a\r\nb"}),
    "no subject": lambda: token({"email": "a@example.org", "email_verified": "true"}),
    "unsigned": unsigned,
}


@pytest.mark.parametrize("kind", REFUSED)
def test_everything_else_is_refused(client, double, kind):
    answer = get(client, REFUSED[kind]())
    assert (answer.status_code, words(parsed(answer).h1)) == (401, "You are not signed in")
    assert not double.calls
    assert not any("evil" in path for path in Keys.asked)


def test_a_page_of_a_foreign_host_does_not_say_that_nobody_signs_in(double):
    client = make_client(double, sign_in_signer=SIGNER, trusted_hosts=("page.example.org",))
    answer = client.get("/runs", base_url="http://rebound.example.net")
    assert answer.status_code == 421
    assert "There is no sign-in" not in words(parsed(answer).footer)


def test_health_and_static_files_need_no_sign_in(client):
    assert get(client, "", "/healthz").status_code == 200
    assert get(client, "", "/static/page.css").status_code == 200


def test_an_owner_header_of_the_person_is_not_passed_on(double):
    make_client(double).get("/runs", headers={"X-Hpc-Owner": "admin"})
    assert {call[2].get("X-Hpc-Owner") for call in double.calls} == {None}
