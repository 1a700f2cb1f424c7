"""The page of the platform as parsed HTML: queues, how full they are, their jobs and environments."""

from __future__ import annotations

import pytest

from tests.test_docker_image.web.conftest import CHINESE, parsed, words
from tests.test_docker_image.web.platform_double import make_busy


@pytest.fixture
def busy(page):
    make_busy(page.double.queues)
    return page


def shown(page, **headers):
    return parsed(page.client.get("/platform", **headers))


def rows(document, table):
    return [[words(cell) for cell in row.select("th, td")] for row in document.select(f"table.{table} tbody tr")]


def test_queues_are_shown_with_their_jobs_by_state(busy):
    found = rows(shown(busy), "queues")
    assert found[0] == [
        "Graviton, first tries Enabled Spot → On demand ComputeGravitonFirstTry-0aB1cD2eF3gH",
        "400 of 512 vCPUs", "1", "640", "200", "1,000+", "3",
    ]  # fmt: skip
    assert found[1][1:] == ["2.5 of 256 vCPUs", "0", "0", "2", "3", "0"]
    assert found[3][0].startswith("x86, later tries Disabled On demand ")
    assert found[3][1] == "0 of 0 vCPUs"


def test_the_bar_is_as_long_as_what_is_in_use(busy):
    busy.double.queues[1]["running_vcpus"] = 999.0
    bars = shown(busy).select("table.queues svg.segments rect.running")
    assert [float(bar["width"]) for bar in bars] == [78.12, 100, 0, 0]


def test_the_environments_of_two_queues_are_shown_once_and_say_whether_they_work(busy):
    assert rows(shown(busy), "environments") == [
        ["ComputeGravitonSpot-9zY8xW7vU6tS", "Enabled", "Spot", "c7g, m7g, r7g", "256"],
        ["ComputeGravitonEc2-9zY8xW7vU6tS", "Enabled", "On demand", "c7g, m7g, r7g", "256"],
        ["ComputeX86Spot-9zY8xW7vU6tS", "Disabled", "Spot", "c6a, m6a, r6a", "256"],
        ["ComputeX86Ec2-9zY8xW7vU6tS", "Does not work", "On demand", "c6a, m6a, r6a", "256"],
    ]
    looks = [badge["class"][1] for badge in shown(busy).select("table.environments .badge")]
    assert looks == ["succeeded", "succeeded", "cancelled", "failed"]


@pytest.mark.parametrize(
    ("state", "status", "words_of_it"),
    [
        ("ENABLED", "UPDATING", "Enabled"),
        ("DISABLED", "INVALID", "Disabled"),
        ("ENABLED", "DELETING", "DELETING"),
    ],
)
def test_what_an_environment_is_in_words(page, state, status, words_of_it):
    page.double.queues[0]["environments"][0] |= {"state": state, "status": status}
    assert rows(shown(page), "environments")[0][1] == words_of_it


def test_more_may_run_than_was_counted(busy):
    busy.double.queues[0]["at_least"] = ["RUNNING"]
    assert rows(shown(busy), "queues")[0][1:5] == ["400+ of 512 vCPUs", "1", "640", "200+"]


def test_a_queue_that_is_gone_is_told(page):
    page.double.queues[0] |= {"state": "DELETED", "environments": [], "max_vcpus": 0}
    assert rows(shown(page), "queues")[0][0].startswith("Graviton, first tries Deleted no compute environment ")


def test_an_idle_platform_is_looked_at_less_often(page):
    assert shown(page).find(id="live")["hx-trigger"] == "every 30s"
    make_busy(page.double.queues)
    assert shown(page).find(id="live")["hx-trigger"] == "every 9s"


def test_the_navigation_leads_there_from_everywhere_and_shows_where_one_is(page):
    for path in ("/workflows", "/runs"):
        assert parsed(page.client.get(path)).select_one(".top nav a[href='/platform']")
    assert [words(each) for each in shown(page).select(".top nav:first-of-type a[aria-current=page]")] == ["Platform"]


def test_it_is_in_the_language_of_the_page(busy):
    assert rows(shown(busy, headers=CHINESE), "queues")[0][0].startswith("Graviton, 首次尝试 已启用 Spot → 按需")
    assert rows(shown(busy, headers=CHINESE), "environments")[3][1:3] == ["无法使用", "按需"]
