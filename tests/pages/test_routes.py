"""The HTTP routes: what they give, what they refuse, and that no address whatever gets behind them."""

from __future__ import annotations

import os
from urllib.parse import quote

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.testclient import TestClient

from app.catalogues import find_episode, known_dataset
from app.routes import MIDDLEWARE, ROUTES, allowed_hosts, frame_url
from mvla_core.files import append_json_line
from mvla_core.layout import DataRoot

EPISODE = "episode_20260101_120000"
RUN = "20260101-120000-lab-compact-0001"
FRAME = f"/mvla/frames/lab/{EPISODE}/3.jpg"


@pytest.fixture
def client() -> TestClient:
    return TestClient(Starlette(routes=ROUTES, middleware=MIDDLEWARE), base_url="http://localhost:8501")


def test_frame_is_the_frame(client: TestClient, recorded: DataRoot) -> None:
    info = find_episode(recorded, "lab", EPISODE)
    answer = client.get(frame_url(info).replace("{index}", "3").replace("{width}", "16"))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert answer.headers["x-content-type-options"] == "nosniff"
    picture = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (12, 16, 3)


def test_a_frame_without_its_version_is_not_kept(client: TestClient, recorded: DataRoot) -> None:
    assert client.get(FRAME).headers["cache-control"] == "no-store"
    assert client.get(FRAME + "?v=1").headers["cache-control"] == "no-store"


def test_the_version_follows_the_file(recorded: DataRoot, root: DataRoot) -> None:
    source = find_episode(recorded, "lab", EPISODE).path
    folder = root.dataset("own")
    folder.mkdir(parents=True)
    (folder / source.name).write_bytes(source.read_bytes())
    first = find_episode(root, "own", EPISODE)
    os.utime(first.path, ns=(1, first.file_mtime_ns + 10**9))
    assert frame_url(find_episode(root, "own", EPISODE)) != frame_url(first)


def test_a_new_recording_is_found(recorded: DataRoot, root: DataRoot) -> None:
    source = find_episode(recorded, "lab", EPISODE).path
    folder = root.dataset("own")
    folder.mkdir(parents=True)
    assert known_dataset(root, "own").catalogue.episodes == ()
    (folder / source.name).write_bytes(source.read_bytes())
    assert find_episode(root, "own", EPISODE).num_frames == 18


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/mvla/frames/lab/{EPISODE}/18.jpg", 404),
        (f"/mvla/frames/lab/{EPISODE}/-1.jpg", 400),
        (f"/mvla/frames/lab/{EPISODE}/one.jpg", 400),
        (f"/mvla/frames/lab/{EPISODE}/{'9' * 6000}.jpg", 400),
        (f"/mvla/frames/lab/{EPISODE}/3.jpg?w=-5", 400),
        (f"/mvla/frames/lab/{EPISODE}/3.jpg?w=1e9", 400),
        ("/mvla/frames/lab/nobody/0.jpg", 404),
        ("/mvla/frames/lab/pointer/0.jpg", 404),
        ("/mvla/frames/nowhere/x/0.jpg", 404),
        ("/mvla/frames/..%2f..%2fetc/passwd/0.jpg", 404),
        ("/mvla/frames/%2e%2e/passwd/0.jpg", 400),
        ("/mvla/frames/lab/%2e%2e/0.jpg", 404),
        ("/mvla/frames/lab/..%252f..%252fetc/0.jpg", 404),
        ("/mvla/frames/%00/x/0.jpg", 400),
        ("/mvla/runs/nobody/progress", 404),
        ("/mvla/runs/%2e%2e/progress", 400),
        (f"/mvla/runs/{RUN}/progress?offset=-1", 400),
        (f"/mvla/runs/{RUN}/progress?offset=two", 400),
    ],
)
def test_refusals_are_one_sentence(client: TestClient, recorded: DataRoot, path: str, status: int) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    assert "\n" not in answer.text.strip()
    assert "Traceback" not in answer.text


def test_progress_continues_where_it_was_left(client: TestClient, root: DataRoot, monkeypatch) -> None:
    monkeypatch.setenv("MVLA_DATA_ROOT", str(root.path))
    run = root.run("r1")
    run.path.mkdir(parents=True)
    address = "/mvla/runs/r1/progress"
    assert client.get(address).json() == {"offset": 0, "rows": []}
    append_json_line(run.progress, {"event": "step", "epoch": 0.5, "train_loss": 0.4})
    append_json_line(run.progress, {"event": "progress", "done": 1, "total": 2, "message": ""})
    first = client.get(address)
    assert first.headers["cache-control"] == "no-store"
    assert [row["event"] for row in first.json()["rows"]] == ["step"], "the page does not need every bar"
    append_json_line(run.progress, {"event": "epoch", "epoch": 1, "val_loss": 0.3})
    second = client.get(address, params={"offset": first.json()["offset"]}).json()
    assert [row["event"] for row in second["rows"]] == ["epoch"]
    run.progress.write_text("")
    assert client.get(address, params={"offset": second["offset"]}).json() == {"offset": 0, "rows": []}


def test_curation_is_a_file_to_keep(client: TestClient, recorded: DataRoot) -> None:
    answer = client.get("/mvla/curation/lab.json")
    assert answer.status_code == 200
    assert answer.headers["content-disposition"] == 'attachment; filename="lab-curation.json"'
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["dataset"] == "lab"
    assert client.get("/mvla/curation/nowhere.json").status_code == 404
    assert client.get("/mvla/curation/%2e%2e.json").status_code in (400, 404)


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "evil.example:8501", "", "a b"]
)
def test_foreign_host_names_are_refused(client: TestClient, recorded: DataRoot, host: str) -> None:
    assert client.get(FRAME, headers={"host": host}).status_code == 400


@pytest.mark.parametrize("host", ["localhost", "localhost:8501", "127.0.0.1:9000", "[::1]:8501"])
def test_loopback_names_are_served(client: TestClient, recorded: DataRoot, host: str) -> None:
    assert client.get(FRAME, headers={"host": host}).status_code == 200


def test_hosts_of_the_configuration_are_added() -> None:
    assert allowed_hosts()[:3] == ["localhost", "127.0.0.1", "[::1]"]


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_requests_of_other_sites_are_refused(client: TestClient, recorded: DataRoot, site: str) -> None:
    answer = client.get(FRAME, headers={"sec-fetch-site": site})
    assert answer.status_code == 403
    assert client.get(FRAME, headers={"sec-fetch-site": "same-origin"}).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", [FRAME, f"/mvla/runs/{RUN}/progress", f"/mvla/runs/{RUN}/report/en/page.html"])
def test_only_reading_is_possible(client: TestClient, recorded: DataRoot, method: str, path: str) -> None:
    assert client.request(method, path).status_code == 405


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    dataset=st.text(max_size=40), episode=st.text(max_size=40), index=st.text(max_size=12), width=st.text(max_size=8)
)
def test_no_address_gets_behind_the_route(
    client: TestClient, recorded: DataRoot, dataset: str, episode: str, index: str, width: str
) -> None:
    parts = [quote(part.encode("utf-8", "replace"), safe="") for part in (dataset, episode, index, width)]
    answer = client.get("/mvla/frames/{}/{}/{}.jpg?w={}".format(*parts), follow_redirects=False)
    assert answer.status_code in (400, 404)
