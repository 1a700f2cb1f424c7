"""Headers, cookies, forged and old forms, large bodies, foreign hosts, and calls that the API refuses."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pytest
import urllib3
from botocore.credentials import Credentials
from botocore.exceptions import ClientError, TokenRetrievalError

from tests.test_docker_image.web.conftest import CHINESE, SESSION_KEY, make_client, parsed, words
from tests.test_docker_image.web.signature import CREDENTIALS, REGION

PATHS = ["/workflows", "/runs", "/runs/none", "/static/page.css", "/healthz", "/nowhere"]


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_has_the_headers(page, path):
    headers = page.client.get(path).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self'",
        "connect-src": "'self'",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["X-Frame-Options"] == "DENY"
    assert "Strict-Transport-Security" not in headers
    assert headers["Cache-Control"] == ("no-cache" if path.startswith("/static") else "no-store")


def test_static_files_are_kept_by_the_browser_for_as_long_as_they_are_the_same(page):
    [link] = parsed(page.client.get("/runs")).select("link[rel=stylesheet]")
    assert page.client.get(link["href"]).headers["Cache-Control"] == "public, max-age=31536000, immutable"


def cookie_of(client, **environ):
    answer = client.get("/workflows/string_processing", **environ)
    return answer.headers["Set-Cookie"]


def test_cookies_are_secure_exactly_when_the_person_came_by_https(double):
    plain = cookie_of(make_client(double))
    assert "HttpOnly" in plain
    assert "SameSite=Lax" in plain
    assert "Secure" not in plain
    assert "Secure" in cookie_of(make_client(double), base_url="https://page.example.org")


def test_pages_under_one_host_name_keep_sessions_of_their_own(double):
    assert cookie_of(make_client(double)).startswith("page=")
    assert cookie_of(make_client(double, session_cookie="page-8081")).startswith("page-8081=")


def test_a_load_balancers_header_is_believed_only_when_told_so(double):
    forwarded = {"headers": {"X-Forwarded-Proto": "https"}}
    assert "Secure" not in cookie_of(make_client(double), **forwarded)
    client = make_client(double, trusted_proxies=1)
    assert "Secure" in cookie_of(client, **forwarded)
    assert "Strict-Transport-Security" in client.get("/runs", **forwarded).headers
    assert "Secure" not in cookie_of(make_client(double, trusted_proxies=1), headers={"X-Forwarded-Proto": "http"})


def test_a_form_without_a_token_changes_nothing(page):
    run = page.double.add_run("Soil1", takes_s=600, created_at=datetime.now(UTC) - timedelta(minutes=1))
    for token in ({}, {"csrf_token": "forged"}):
        answer = page.client.post(f"/runs/{run.run_id}/cancel", data=token)
        assert answer.status_code == 400
        assert words(parsed(answer).h1) == "This form is too old"
    assert run.status == "RUNNING"


def test_another_persons_token_is_no_use(page):
    other = page.client.application.test_client()
    form = page.of_object()
    other.get("/workflows/string_processing")
    answer = other.post("/workflows/string_processing", data=form)
    assert answer.status_code == 400
    assert not page.double.runs


@pytest.mark.parametrize(
    "said_by_the_browser",
    [{"Origin": "http://localhost"}, {"Referer": "http://localhost/workflows/string_processing"}],
    ids=["origin", "referer"],
)
def test_a_form_that_was_open_for_too_long_keeps_what_was_typed_and_works_again(page, said_by_the_browser):
    form = page.of_object(ProjectNo="Kept", SPLIT_NUM="123")
    page.client.delete_cookie("page")
    answer = page.send(form, headers=said_by_the_browser)
    document = parsed(answer)
    assert answer.status_code == 400
    assert "open for too long" in words(document.select_one(".problems"))
    assert document.find(id="ProjectNo")["value"] == "Kept"
    assert document.find(id="SPLIT_NUM")["value"] == "123"
    fresh = document.find("input", attrs={"name": "csrf_token"})["value"]
    assert page.send(form | {"csrf_token": fresh}).status_code == 303


@pytest.mark.parametrize(
    "said_by_the_browser",
    [
        {},
        {"Origin": "https://evil.example.org"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Origin": "http://localhost.evil.example.org"},
        {"Origin": "http://localhost:8081"},
        {"Origin": "https://evil.example.org", "Referer": "http://localhost/workflows/string_processing"},
        {"Referer": "https://evil.example.org/http://localhost/"},
    ],
)
def test_a_form_of_another_site_is_not_shown_with_what_that_site_filled_in(page, said_by_the_browser):
    form = page.of_object(ProjectNo="Theirs")
    page.client.delete_cookie("page")
    page.double.calls.clear()
    answer = page.send(form, headers=said_by_the_browser)
    document = parsed(answer)
    assert (answer.status_code, words(document.h1)) == (400, "This form is too old")
    assert "Theirs" not in answer.text
    assert not document.select("input[name=csrf_token]")
    assert not page.double.calls


def test_an_old_form_of_a_workflow_that_is_gone_and_one_without_the_api_are_pages_too(page):
    ours = {"Origin": "http://localhost"}
    gone = page.client.post("/workflows/nothing", data={}, headers=ours)
    assert (gone.status_code, words(parsed(gone).h1)) == (400, "This form is too old")
    page.client.application.extensions.pop("workflows")
    page.double.answers_nothing = True
    alone = page.client.post("/workflows/string_processing", data={}, headers=ours)
    assert (alone.status_code, words(parsed(alone).h1)) == (400, "This form is too old")


def test_a_tampered_session_is_no_session(page):
    page.client.set_cookie("page", "eyJsYW5ndWFnZSI6InpoLUhhbnMifQ.made.up")
    assert parsed(page.client.get("/runs")).html["lang"] == "en"


def test_ten_megabytes_in_a_field_are_refused_by_a_page(page):
    answer = page.send(page.of_object(ProjectNo="x" * 10_000_000))
    assert answer.status_code == 413
    assert words(parsed(answer).h1) == "That is too large"
    assert not page.double.runs


def test_a_file_above_the_limit_is_refused_by_a_page(double):
    client = make_client(double, upload_max_bytes=1_000_000)
    token = parsed(client.get("/workflows/string_processing")).find("input", attrs={"name": "csrf_token"})["value"]
    form = {"csrf_token": token, "source": "file", "file": (io.BytesIO(b"x" * 10_000_000), "large.txt")}
    answer = client.post("/workflows/string_processing", data=form, content_type="multipart/form-data")
    assert answer.status_code == 413
    assert "Put a large file into S3" in words(parsed(answer).main)


def test_other_host_names_are_refused_but_for_the_health_check(double):
    client = make_client(double, trusted_hosts=("page.example.org", "127.0.0.1"))
    assert client.get("/runs", base_url="http://page.example.org:8080").status_code == 200
    foreign = client.get("/runs", base_url="http://rebound.example.net")
    assert (foreign.status_code, words(parsed(foreign).h1)) == (421, "This page is not served under that name")
    assert "There is no sign-in" in words(parsed(foreign).footer)
    assert client.get("/healthz", base_url="http://10.0.0.7:8080").status_code == 200


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("//evil.example.org", "/evil.example.org"),
        ("//evil.example.org/runs", "/evil.example.org/runs"),
        ("///evil.example.org/..", "/evil.example.org/.."),
        ("/\\evil.example.org", "/evil.example.org"),
        ("\\\\evil.example.org", "/evil.example.org"),
        ("/\t/evil.example.org", "/%09/evil.example.org"),
    ],
)
def test_no_redirect_leads_to_another_host(page, path, location):
    # The path as a server hands it over: the test client would take `//host` apart itself.
    answer = page.client.get("/", query_string={"language": "en"}, environ_overrides={"PATH_INFO": path})
    assert (answer.status_code, answer.location) == (303, location)


@pytest.mark.parametrize(
    "path",
    [
        "/runs/..%2F..%2Fworkflows",
        "/runs/<script>",
        "/runs/" + "x" * 500,
        "/runs/a/tasks/..%2Fx-1/log",
        "/runs/a/tasks/String_Repeat/log",
        "/workflows/nothing",
        "/workflows/..%2Fruns",
        "/workflows/string_processing?again=..",
        "/workflows/string_processing?again=.",
        "/workflows/string_processing?again=a%2Ftasks",
        "/workflows/string_processing?again=" + "x" * 81,
    ],
)
def test_what_is_no_id_is_not_asked_for(page, path):
    answer = page.client.get(path)
    assert answer.status_code == 404
    parsed(answer)
    assert {call[1] for call in page.double.calls} <= {"/prod/workflows"}


def test_only_results_of_the_run_can_be_fetched(page):
    run = page.double.add_run("Soil1")
    answer = page.client.get(f"/runs/{run.run_id}/results/repeat")
    assert answer.status_code == 303
    assert answer.location.startswith(page.double.url)
    assert page.client.get(f"/runs/{run.run_id}/results/other").status_code == 404


def test_another_owners_run_cannot_be_cancelled(page):
    run = page.double.add_run("Soil1", owner="lin", takes_s=600, created_at=datetime.now(UTC) - timedelta(minutes=1))
    document = parsed(page.client.get(f"/runs/{run.run_id}"))
    token = document.find("input", attrs={"name": "csrf_token"})["value"]
    answer = page.client.post(f"/runs/{run.run_id}/cancel", data={"csrf_token": token})
    assert answer.status_code == 403
    assert words(parsed(answer).h1) == "This run is not yours"
    assert run.status == "RUNNING"


def test_cancel_and_resume_go_back_to_the_run(page):
    run = page.double.add_run("Soil1", takes_s=600, created_at=datetime.now(UTC) - timedelta(minutes=1))
    token = parsed(page.client.get(f"/runs/{run.run_id}")).find("input", attrs={"name": "csrf_token"})["value"]
    for action, status in (("cancel", "CANCELLED"), ("resume", "PENDING")):
        answer = page.client.post(f"/runs/{run.run_id}/{action}", data={"csrf_token": token})
        assert (answer.status_code, answer.location) == (303, f"/runs/{run.run_id}")
        assert run.status == status
    again = page.client.post(f"/runs/{run.run_id}/resume", data={"csrf_token": token})
    assert (again.status_code, words(parsed(again).h1)) == (409, "That cannot be done now")


@pytest.mark.parametrize("path", ["/workflows", "/runs", "/runs/abc"])
def test_an_api_that_is_gone_is_said_and_the_health_check_goes_on(page, path):
    page.double.answers_nothing = True
    answer = page.client.get(path)
    assert (answer.status_code, words(parsed(answer).h1)) == (502, "The platform does not answer")
    assert page.double.url not in answer.text
    assert page.client.get("/healthz").status_code == 200


class Expired(Credentials):
    """Credentials whose source gives no new ones."""

    def __init__(self, error):
        super().__init__("AKIDEXAMPLE", "secret")
        self.error = error

    def get_frozen_credentials(self):
        raise self.error


@pytest.mark.parametrize(
    "error",
    [
        TokenRetrievalError(provider="sso", error_msg="Token has expired and refresh failed"),
        ClientError({"Error": {"Code": "ExpiredToken", "Message": "expired"}}, "AssumeRole"),
        RuntimeError("Credentials were refreshed, but the refreshed credentials are still expired."),
    ],
)
def test_credentials_that_cannot_be_refreshed_are_said_in_both_languages(double, caplog, error):
    from web_application import create_app
    from web_application.config import Config

    client = create_app(Config(double.endpoint, REGION, SESSION_KEY), Expired(error)).test_client()
    answer = client.get("/runs")
    assert (answer.status_code, words(parsed(answer).h1)) == (502, "The page's AWS credentials have expired")
    assert words(parsed(client.get("/runs", headers=CHINESE)).h1) == "页面的 AWS 凭证已过期"
    assert str(error) not in answer.text
    assert f"The page's credentials cannot be refreshed: {error}" in caplog.text


@pytest.mark.parametrize(
    ("headers", "title"),
    [
        ({"x-amzn-ErrorType": "ExpiredTokenException"}, "The page's AWS credentials have expired"),
        ({"x-amzn-ErrorType": "AccessDeniedException"}, "The platform does not answer"),
        ({}, "The platform does not answer"),
    ],
)
def test_a_session_that_is_over_is_told_from_another_refusal_of_api_gateway(page, monkeypatch, headers, title):
    refused = urllib3.HTTPResponse(
        b'{"message": "The security token included in the request is expired"}', headers, 403
    )
    monkeypatch.setattr(urllib3.PoolManager, "request", lambda *_arguments, **_more: refused)
    answer = page.client.get("/runs")
    assert (answer.status_code, words(parsed(answer).h1)) == (502, title)


def test_a_busy_api_is_said_to_be_busy(page):
    page.double.is_busy = True
    answer = page.client.get("/runs")
    assert (answer.status_code, words(parsed(answer).h1)) == (429, "The platform is busy")


@pytest.mark.parametrize("query", ["day=yesterday", "status=X" * 3, "limit=x&next=<b>"])
def test_a_made_up_filter_is_a_page_too(page, query):
    answer = page.client.get(f"/runs?{query}")
    parsed(answer)
    assert answer.status_code in {200, 400}


def test_a_wrong_key_is_not_taken_for_the_persons_fault(double):
    from web_application import create_app
    from web_application.config import Config

    wrong = Credentials(CREDENTIALS.access_key, "another secret")
    client = create_app(Config(double.endpoint, REGION, SESSION_KEY), wrong).test_client()
    assert client.get("/runs").status_code == 502


def test_a_defect_is_a_page_without_details(page, monkeypatch):
    from web_application import run_pages

    monkeypatch.setattr(run_pages, "list_runs", lambda _arguments: 1 / 0)
    answer = page.client.get("/runs")
    assert answer.status_code == 500
    assert "ZeroDivisionError" not in answer.text
    parsed(answer)


def test_each_method_is_only_where_it_belongs(page):
    for answer in (page.client.get("/runs/abc/cancel"), page.client.delete("/runs/abc")):
        assert (answer.status_code, words(parsed(answer).h1)) == (405, "This page cannot be used that way")
    assert set(page.client.get("/runs/abc/cancel").allow) == {"POST", "OPTIONS"}
    assert set(page.client.delete("/runs/abc").allow) == {"GET", "HEAD", "OPTIONS"}
