"""The routes of the curves: what they give, what they refuse."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from app.metrics_routes import csv_url, overlay_url, run_url
from app.routes import MIDDLEWARE, ROUTES
from mvla_core.layout import DataRoot

RUN = "20260101-120000-lab-compact-0001"
FAILED = "20260101-110000-lab-compact-0002"
ADDRESSES = [
    f"{run_url(RUN)}/curves",
    f"{run_url(RUN)}/predictions",
    csv_url(RUN),
    overlay_url([RUN], "epoch.val_loss", "epoch"),
]


@pytest.fixture
def client() -> TestClient:
    return TestClient(Starlette(routes=ROUTES, middleware=MIDDLEWARE), base_url="http://localhost:8501")


def test_curves_of_a_run(client: TestClient, recorded: DataRoot) -> None:
    answer = client.get(f"{run_url(RUN)}/curves?points=100&axis=epoch&begin=0&end=2.5")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert [row["epoch"] for row in body["epochs"]] == [1, 2, 3]
    assert body["offset"] == recorded.run(RUN).progress.stat().st_size
    assert client.get(f"{run_url(RUN)}/predictions").json() == {}


def test_overlay_is_told_unchanged(client: TestClient, recorded: DataRoot) -> None:
    address = overlay_url([RUN, FAILED], "epoch.val_loss", "epoch")
    answer = client.get(address)
    assert [curve["run"] for curve in answer.json()["curves"]] == [RUN, FAILED]
    again = client.get(address, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_table(client: TestClient, recorded: DataRoot) -> None:
    answer = client.get(csv_url(RUN))
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert f'filename="{RUN}-metrics.csv"' in answer.headers["content-disposition"]
    assert len(answer.text.splitlines()) == 4


@pytest.mark.parametrize("address", ADDRESSES)
def test_only_our_own_pages_may_ask_and_only_read(client: TestClient, recorded: DataRoot, address: str) -> None:
    assert client.get(address).status_code == 200
    assert client.get(address, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert client.get(address, headers={"Origin": "http://evil.example"}).status_code == 403
    assert client.get(address, headers={"Host": "evil.example"}).status_code == 400
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert client.request(method, address).status_code == 405


@pytest.mark.parametrize(
    "address",
    [
        f"{run_url(RUN)}/curves?points=999999999",
        f"{run_url(RUN)}/curves?points=-1",
        f"{run_url(RUN)}/curves?begin=nan",
        f"{run_url(RUN)}/curves?end=1e999",
        f"{run_url(RUN)}/curves?axis=../x",
        f"{run_url(RUN)}/predictions?after=x",
        "/mvla/runs/..%2f..%2fetc/curves",
        "/mvla/runs/%2e%2e/curves",
        "/mvla/runs/%252e%252e/metrics.csv",
        "/mvla/runs/nobody/curves",
        "/mvla/runs/.bin/metrics.csv",
        "/mvla/overlay",
        f"/mvla/overlay?runs={RUN}&metric=secret",
        f"/mvla/overlay?runs=../{RUN}&metric=epoch.val_loss",
        "/mvla/overlay?runs=" + ",".join(["x"] * 5000) + "&metric=epoch.val_loss",
    ],
)
def test_what_cannot_be_is_one_sentence(client: TestClient, recorded: DataRoot, address: str) -> None:
    answer = client.get(address)
    assert answer.status_code in (400, 404)
    assert "Traceback" not in answer.text
    assert str(recorded.path) not in answer.text
