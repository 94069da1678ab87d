"""What the overlay fetches, recomputed by loops; and what its addresses refuse."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from app.catalogues import find_episode
from app.overlay_data import overlay_entry, predicted_path, window_errors, worst_windows
from app.overlay_routes import evaluated_url
from app.routes import MIDDLEWARE, ROUTES
from mvla_core.episodes.reader import open_episode
from mvla_core.evaluation.questions import Answer
from mvla_core.evaluation.results import EpisodePredictions, load_predictions, save_predictions
from mvla_core.files import read_json, write_json
from mvla_core.jobs.launch import take_runner_lock
from mvla_core.jobs.queue import JobQueue
from mvla_core.layout import ENVIRONMENT_VARIABLE, DataRoot
from mvla_core.schema import ActionSpace

RUN = "20260101-120000-lab-compact-0001"


@pytest.fixture
def client() -> TestClient:
    return TestClient(Starlette(routes=ROUTES, middleware=MIDDLEWARE), base_url="http://localhost:8501")


@pytest.fixture
def own(root: DataRoot, recorded_root: DataRoot, monkeypatch: pytest.MonkeyPatch) -> Iterator[DataRoot]:
    """A copy that may be written, in which jobs are queued and never start."""
    for name in ("episodes", "runs"):
        shutil.copytree(recorded_root.path / name, root.path / name)
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(root.path))
    lock = take_runner_lock(root)
    assert lock is not None
    yield root
    os.close(lock)


def first(root: DataRoot) -> EpisodePredictions:
    return load_predictions(root.run(RUN))[0]


def test_the_entry_is_what_was_stored(client: TestClient, recorded: DataRoot) -> None:
    found = first(recorded)
    answer = client.get(evaluated_url(recorded.run(RUN), found.episode_id))
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
    entry = answer.json()
    assert entry["last"] == found.last_frames.tolist()
    np.testing.assert_allclose(entry["predicted"], found.predicted, atol=5.1e-5)
    results = read_json(recorded.run(RUN).evaluation_results)
    rows = results["metrics"]["per_step"]
    assert entry["band"][2] == [rows[2]["per_axis"][name] for name in entry["names"]]
    expected = []
    for row in range(found.num_windows):
        inside = found.mask[row]
        expected.append(float(np.sqrt(np.mean((found.predicted[row][inside] - found.target[row][inside]) ** 2))))
    np.testing.assert_allclose(entry["errors"], expected, atol=1e-4)
    assert entry["worst"][0]["frame"] == int(found.last_frames[int(np.argmax(expected))])
    errors = [moment["error"] for moment in entry["worst"]]
    assert errors == sorted(errors, reverse=True)
    assert entry["path"]["told"].startswith("ends ")
    assert client.get(evaluated_url(recorded.run(RUN), found.episode_id) + "1").headers["cache-control"] == "no-store"


def test_a_perfect_prediction_ends_where_the_driver_does(recorded: DataRoot) -> None:
    found = first(recorded)
    info = find_episode(recorded, "lab", found.episode_id)
    with open_episode(info.path, "lab") as episode:
        actions = episode.actions()
    path = predicted_path(actions, actions[found.last_frames], found.last_frames, info.action_space, 5.0)
    assert path["apart"] == 0
    slower = actions.copy()
    slower[:, 0] -= np.float32(0.5)
    path = predicted_path(actions, slower[found.last_frames], found.last_frames, ActionSpace.default(2), 5.0)
    assert path["apart"] == pytest.approx(0.5 * found.num_windows / 5.0, abs=1e-4)
    assert len(path["x"]) == found.num_windows + 1
    unknown = predicted_path(actions, slower[found.last_frames], found.last_frames, info.action_space, None)
    assert unknown["apart"] is None
    assert "no frame rate is recorded" in unknown["told"]


def test_worst_windows_are_different_moments() -> None:
    errors = np.array([0.1, 0.9, 0.8, 0.2, 0.1, 0.1, 0.1, 0.7])
    assert worst_windows(errors, np.arange(8), apart=8, count=3) == [1, 7, 4]
    assert worst_windows(errors, np.arange(8), apart=0, count=2) == [1, 2]


def test_errors_of_mixed_units_are_in_deviations() -> None:
    target = np.zeros((1, 2, 2), np.float32)
    predicted = np.array([[[1.0, 4.0], [9.0, 9.0]]], np.float32)
    found = EpisodePredictions("e", np.array([3]), predicted, target, np.array([[True, False]]))
    assert window_errors(found, np.array([1.0, 2.0])) == pytest.approx([np.sqrt((1 + 4) / 2)])


def test_a_trimmed_run_is_shifted(own: DataRoot) -> None:
    found, run = first(own), own.run(RUN)
    entry = overlay_entry(run, find_episode(own, "lab", found.episode_id))
    notes = {found.episode_id: {"trim": [2, 18]}}
    from mvla_core.episodes.annotations import freeze
    from mvla_core.episodes.notes import Annotations, EpisodeNote

    assert notes
    freeze(Annotations(notes={found.episode_id: EpisodeNote(trim=(2, 18))}), run.path)
    kept = EpisodePredictions(
        found.episode_id, found.last_frames[:-2], found.predicted[:-2], found.target[:-2], found.mask[:-2]
    )
    save_predictions(run.predictions, [kept])
    os.utime(run.predictions, ns=(1, 1))
    shifted = overlay_entry(run, find_episode(own, "lab", found.episode_id))
    assert shifted["last"][0] == entry["last"][0] + 2


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/mvla/evaluated/nobody/e.json", 404),
        (f"/mvla/evaluated/{RUN}/nobody.json", 404),
        ("/mvla/evaluated/..%2Fx/e.json", 404),
        ("/mvla/answers/x/y.json", 400),
        ("/mvla/answers/999/y.json", 404),
    ],
)
def test_unknown_addresses_are_one_sentence(client: TestClient, own: DataRoot, address: str, status: int) -> None:
    JobQueue(own).submit("scan", own.job("scan-1"), {"dataset": "lab"})
    answer = client.get(address)
    assert answer.status_code == status
    assert "\n" not in answer.text


def test_nan_predictions_are_told(client: TestClient, own: DataRoot) -> None:
    run, episodes = own.run(RUN), load_predictions(own.run(RUN))
    episodes[0].predicted[0, 0, 0] = np.nan
    save_predictions(run.predictions, episodes)
    answer = client.get(evaluated_url(run, episodes[0].episode_id))
    assert answer.status_code == 404
    assert "predicts NaN" in answer.text


def question(root: DataRoot, **other: object) -> dict[str, object]:
    return {"run_id": RUN, "episode_id": first(root).episode_id, "frame": 5, "instruction": "Go on.", **other}


def test_a_question_waits_for_its_answer(client: TestClient, own: DataRoot) -> None:
    put = client.post("/mvla/ask", json=question(own))
    assert put.status_code == 200
    address = f"/mvla/answers/{put.json()['job']}/{put.json()['name']}.json"
    waiting = client.get(address)
    assert (waiting.status_code, waiting.json()) == (202, {"text": "Waits for its start"})
    (job,) = JobQueue(own).active()
    chunk = np.ones((10, 2), np.float32)
    answer = Answer(("linear_x", "linear_y"), ("m/s", "m/s"), "a", "b", chunk, chunk * 2, None, 0.01)
    write_json(job.folder.path / "answers" / f"{put.json()['name']}.json", answer.to_json())
    found = client.get(address)
    assert found.status_code == 200
    assert found.json()["changed"][0] == [2.0, 2.0]
    assert "linear_x by 1.00 m/s" in found.json()["sentence"]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"run_id": "nobody"}, 404),
        ({"run_id": "../x"}, 400),
        ({"frame": -1}, 400),
        ({"frame": "5"}, 400),
        ({"frame": True}, 400),
        ({"instruction": "x" * 501}, 400),
        ({"more": 1}, 400),
        ({"instruction": "x" * 9000}, 413),
    ],
)
def test_questions_that_cannot_be_put(
    client: TestClient, own: DataRoot, change: dict[str, object], status: int
) -> None:
    assert client.post("/mvla/ask", json=question(own, **change)).status_code == status
    assert not own.jobs_database.exists() or JobQueue(own).active() == []


def test_other_sites_and_other_types_cannot_ask(client: TestClient, own: DataRoot) -> None:
    asked = question(own)
    assert client.post("/mvla/ask", json=asked, headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert client.post("/mvla/ask", json=asked, headers={"origin": "http://evil.test"}).status_code == 403
    assert client.post("/mvla/ask", data={"run_id": RUN}).status_code == 415
    assert client.post("/mvla/ask", content=b"{", headers={"content-type": "application/json"}).status_code == 400
    assert client.get("/mvla/ask").status_code == 405
    assert not own.jobs_database.exists()


def test_every_client_side_component_has_a_name_of_its_own() -> None:
    """Two of one name would overwrite each other, and whichever page was opened last would break the other."""
    folder = Path(__file__).resolve().parents[2] / "app"
    texts = [path.read_text(encoding="utf-8") for path in folder.rglob("*.py")]
    names = [name for text in texts for name in re.findall(r"components\.v2\.component\(\s*\"(\w+)\"", text)]
    assert len(names) >= 5
    assert len(set(names)) == len(names)
