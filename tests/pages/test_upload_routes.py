"""Uploads over HTTP: what is taken in, what is refused, and by whom."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from app import upload_routes
from app.routes import MIDDLEWARE, ROUTES
from mvla_core.episodes.uploads import uploads_folder
from mvla_core.files import read_json
from mvla_core.jobs.queue import JobQueue
from mvla_core.layout import DataRoot

LIMIT = 200_000


@pytest.fixture
def client(served: DataRoot, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    monkeypatch.setattr(upload_routes, "upload_limit_bytes", lambda: LIMIT)
    return TestClient(Starlette(routes=ROUTES, middleware=MIDDLEWARE), base_url="http://localhost:8501")


@pytest.fixture
def batch(client: TestClient) -> str:
    return str(client.post("/mvla/uploads?bytes=1000&dataset=robot").json()["batch"])


def files_of(root: DataRoot) -> list[Path]:
    return [path for path in uploads_folder(root).rglob("*") if path.is_file()]


def test_files_arrive_and_one_job_imports_the_recordings(client: TestClient, served: DataRoot, batch: str) -> None:
    sent = {"drive.tar.gz": b"1" * 5000, "one.h5": b"2" * LIMIT, "하나.h5": b"3"}
    for name, content in sent.items():
        answer = client.post(f"/mvla/uploads/{batch}", params={"name": name}, content=content)
        assert answer.json()["bytes"] == len(content)
        assert answer.headers["cache-control"] == "no-store"
    assert sorted(path.read_bytes()[:1] for path in files_of(served)) == [b"1", b"2", b"3"]
    answer = client.post(f"/mvla/uploads/{batch}/import?dataset=robot&length=30")
    configs = [read_json(JobQueue(served).get(job).folder.config) for job in answer.json()["jobs"]]
    folder = uploads_folder(served) / batch
    assert [config["source"] for config in configs] == [
        str(folder / "archives/drive.tar.gz"),
        str(folder / "recordings"),
    ]
    assert all(config["dataset"] == "robot" and config["episode_length"] == 30 for config in configs)


def blocks(count: int) -> Iterator[bytes]:
    for _ in range(count):
        yield b"x" * 50_000


def test_the_limit_holds_with_and_without_a_length(client: TestClient, served: DataRoot, batch: str) -> None:
    address = f"/mvla/uploads/{batch}?name=a.h5"
    announced = client.post(address, content=b"x" * (LIMIT + 1))
    assert announced.status_code == 413
    streamed = client.post(address, content=blocks(5))
    assert streamed.status_code == 413
    assert "maxUploadSize" in streamed.text
    assert files_of(served) == []
    assert client.post(address, content=blocks(4)).status_code == 200


@pytest.mark.parametrize(
    ("method", "address", "status"),
    [
        ("POST", "/mvla/uploads?bytes=1&dataset=../x", 400),
        ("POST", "/mvla/uploads?bytes=1", 400),
        ("POST", "/mvla/uploads?bytes=lots&dataset=lab", 400),
        ("POST", f"/mvla/uploads?bytes={10**15}&dataset=lab", 507),
        ("POST", "/mvla/uploads/nobody?name=a.h5", 400),
        ("POST", "/mvla/uploads/%2e%2e?name=a.h5", 400),
        ("POST", "/mvla/uploads/BATCH?name=a.exe", 400),
        ("POST", "/mvla/uploads/BATCH", 400),
        ("POST", "/mvla/uploads/BATCH/import?dataset=lab", 400),
        ("POST", "/mvla/uploads/BATCH/import?dataset=..", 400),
        ("POST", "/mvla/uploads/BATCH/import?dataset=lab&length=x", 400),
        ("DELETE", "/mvla/uploads/%2e%2e", 400),
        ("GET", "/mvla/uploads/BATCH", 405),
        ("OPTIONS", "/mvla/uploads/BATCH", 405),
    ],
)
def test_refusals_are_one_sentence(
    client: TestClient, served: DataRoot, batch: str, method: str, address: str, status: int
) -> None:
    answer = client.request(method, address.replace("BATCH", batch))
    assert answer.status_code == status, answer.text
    assert "\n" not in answer.text.strip()
    assert JobQueue(served).active() == []


def test_cancelling_deletes_what_arrived(client: TestClient, served: DataRoot, batch: str) -> None:
    client.post(f"/mvla/uploads/{batch}?name=a.h5", content=b"x")
    assert len(files_of(served)) == 1
    assert client.delete(f"/mvla/uploads/{batch}").status_code == 200
    assert list(uploads_folder(served).iterdir()) == []


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:9999"},
        {"origin": "http://localhost:8501.evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
@pytest.mark.parametrize(
    ("method", "address"),
    [
        ("POST", "/mvla/uploads?dataset=lab"),
        ("POST", "/mvla/uploads/x?name=a.h5"),
        ("POST", "/mvla/uploads/x/import?dataset=lab"),
        ("DELETE", "/mvla/uploads/x"),
        ("GET", "/mvla/runs/x/progress"),
        ("GET", "/mvla/curation/lab.json"),
    ],
)
def test_other_sites_are_refused_on_every_verb(
    client: TestClient, served: DataRoot, headers: dict[str, str], method: str, address: str
) -> None:
    assert client.request(method, address, headers=headers).status_code == 403
    foreign = client.request(method, address, headers={"host": "evil.example"})
    assert foreign.status_code == 400
    assert not uploads_folder(served).exists()


def test_our_own_origin_is_served(client: TestClient) -> None:
    headers = {"origin": "http://localhost:8501", "sec-fetch-site": "same-origin"}
    assert client.post("/mvla/uploads?bytes=1&dataset=lab", headers=headers).status_code == 200
