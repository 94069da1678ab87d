"""Attacks over HTTP, replayed on every route there is: traversal, other sites, other names of this machine, reading that writes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from app.routes import MIDDLEWARE, ROUTES
from mvla_core.layout import DataRoot

READING = sorted({route.path for route in ROUTES if isinstance(route, Route) and "GET" in (route.methods or ())})
ALL = sorted({route.path for route in ROUTES if isinstance(route, Route)})
VALID = {
    "dataset": "lab",
    "episode_id": "episode_20260101_120000",
    "index": "3",
    "run_id": "20260101-120000-lab-compact-0001",
    "lang": "en",
}
TRAVERSAL = {
    "plain": "..",
    "with a separator": "..%2f..%2f..%2fetc%2fpasswd",
    "encoded": "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "doubly encoded": "%252e%252e%252fetc%252fpasswd",
    "absolute": "%2fetc%2fpasswd",
    "absolute, doubly encoded": "%252fetc%252fpasswd",
    "other separators": "..%5c..%5cetc",
    "null": "lab%00.jpg",
    "overlong": "%c0%ae%c0%ae%c0%af",
}
SECRET = "outside-7f3a"


@pytest.fixture
def client() -> TestClient:
    return TestClient(Starlette(routes=ROUTES, middleware=MIDDLEWARE), base_url="http://localhost:8501")


def address(path: str, **values: str) -> str:
    return re.sub(r"\{(\w+)[^}]*\}", lambda found: values.get(found[1], VALID.get(found[1], "x")), path)


def parameters(path: str) -> list[str]:
    return re.findall(r"\{(\w+)[^}]*\}", path)


@pytest.mark.parametrize("kind", TRAVERSAL)
@pytest.mark.parametrize("path", ALL)
def test_traversal_in_every_part_of_every_address_is_refused(
    client: TestClient, served: DataRoot, path: str, kind: str
) -> None:
    served.path.with_name("etc").mkdir(exist_ok=True)
    (served.path.with_name("etc") / "passwd").write_text(SECRET)
    for name in parameters(path):
        for method in ("GET", "POST", "DELETE"):
            answer = client.request(method, address(path, **{name: TRAVERSAL[kind]}), follow_redirects=False)
            assert 400 <= answer.status_code < 500, (method, name)
            assert SECRET not in answer.text
            assert "root:" not in answer.text
    assert sorted(each.name for each in served.path.iterdir()) == [served.runner_lock.name]


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "http://evil.example"},
        {"origin": "http://localhost:9999"},
        {"origin": "null"},
        {"origin": "http://localhost:8501.evil.example", "sec-fetch-site": "same-origin"},
    ],
    ids=lambda headers: "-".join(headers.values()),
)
def test_requests_of_other_sites_are_refused_on_every_verb_and_route(
    client: TestClient, served: DataRoot, method: str, headers: dict[str, str]
) -> None:
    for path in ALL:
        answer = client.request(method, address(path), headers=headers)
        assert answer.status_code in (403, 405), path
        assert "access-control-allow-origin" not in answer.headers
    assert sorted(each.name for each in served.path.iterdir()) == [served.runner_lock.name]


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.nip.io", "localhost.evil.example", "[::1].evil.example", ""]
)
def test_other_names_of_this_machine_are_refused_on_every_route(
    client: TestClient, served: DataRoot, host: str
) -> None:
    for path in ALL:
        for method in ("GET", "POST", "DELETE"):
            assert client.request(method, address(path), headers={"host": host}).status_code == 400, path


def contents(root: DataRoot) -> dict[Path, tuple[int, int]]:
    """Every file but those of the cache, which is made by looking and may be deleted at any time."""
    found = (path for path in root.path.rglob("*") if path.is_file() and root.cache not in path.parents)
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in found}


def test_reading_changes_nothing(client: TestClient, recorded: DataRoot) -> None:
    before = contents(recorded)
    for path in READING:
        for query in ("", "?offset=0", "?runs=20260101-120000-lab-compact-0001", "?delete=1&stop=1&method=DELETE"):
            client.get(address(path) + query)
            client.get(address(path) + query, headers={"X-HTTP-Method-Override": "DELETE"})
    assert contents(recorded) == before
