"""Inputs taken away from policies of which it is known what they use; further baselines; suites; and bad input. Real files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from mvla_core.commands.evaluate_command import SUITES as OFFERED
from mvla_core.commands.evaluate_command import describe
from mvla_core.datasets.windows import WindowSpec
from mvla_core.episodes.annotations import change, freeze
from mvla_core.episodes.catalogue import scan
from mvla_core.episodes.dataset import named_dataset
from mvla_core.episodes.looks import Looks, look_table, looks_entry
from mvla_core.episodes.notes import Change
from mvla_core.episodes.reader import open_known
from mvla_core.errors import PolicyError, RunError
from mvla_core.evaluation.ablation_pictures import drawn_windows, hide_half, noise_pictures
from mvla_core.evaluation.ablations import ABLATIONS, FeaturePolicy, first_windows, measure_ablation, still
from mvla_core.evaluation.assess import SUITES, assess
from mvla_core.evaluation.reliance import reliance
from mvla_core.evaluation.results import EpisodePredictions, load_predictions, load_results
from mvla_core.evaluation.scale import ActionScale
from mvla_core.files import read_json, write_json
from mvla_core.layout import DataRoot, RunFolder
from mvla_core.schema import ActionSequence, ActionSpace

CHUNK = 10


@dataclass(frozen=True)
class Windowed:
    """Answers from all the frames of a window, through features, as a loaded policy does. A feature is the picture itself."""

    answer: Any
    window: int = 4

    def predict_episode(self, root: DataRoot, info: Any, last_frames: Any, instruction: str | None = None) -> Any:
        with open_known(info) as reader:
            return self.predict_frames(
                reader.frames(), info.instruction if instruction is None else instruction, last_frames
            )

    def predict_frames(self, frames: Any, instruction: str, last_frames: Any) -> Any:
        return self.predict_features(self.encode_frames(frames), instruction, last_frames)

    def encode_frames(self, frames: Any) -> Any:
        return frames

    def predict_features(self, features: Any, instruction: str, last_frames: Any) -> Any:
        chunks = [self.answer(features[last - self.window + 1 : last + 1], instruction) for last in last_frames]
        return np.stack(chunks).astype(np.float32)


def world(root: DataRoot, worlds: ModuleType, count: int = 16, sides: int = 2) -> RunFolder:
    worlds.record(root, "world", worlds.varied_keys, count, sides=sides)
    run: RunFolder = worlds.prepare(root, "world")
    return run


def mean_of(seen: Any) -> Any:
    return np.tile([seen.astype(float).mean() / 100, 0.0], (CHUNK, 1))


def test_each_policy_needs_what_it_uses(root: DataRoot, worlds: ModuleType) -> None:
    run = world(root, worlds)
    results = {
        name: assess(root, run, policy, worlds.SPACE, WindowSpec())
        for name, policy in (
            ("left eye", Windowed(lambda seen, told: mean_of(seen[-1, :, :5]))),
            ("memory", Windowed(lambda seen, told: mean_of(seen[0]))),
            ("ears", worlds.told_only()),
        )
    }
    for found in results.values():
        assert set(found["ablations"]) == set(ABLATIONS)
        assert all(value["measured"] for value in found["ablations"].values())

    def moved(name: str) -> set[str]:
        return {key for key, value in results[name]["ablations"].items() if value["change"]["value"] > 0}

    pictures = {key for key in ABLATIONS if key.startswith("pictures_")}
    assert moved("left eye") == pictures - {"pictures_right_hidden"}
    assert moved("memory") == pictures | {"history_hidden"}
    assert moved("ears") == {"instruction_swap", "instruction_empty", "instruction_other"}
    told = results["ears"]["reliance"]
    assert told["vision"] == {"measured": True, "by": "pictures_moment", "value": 0.0, "low": 0.0, "high": 0.0}
    assert told["instruction"]["low"] > 0.5
    assert results["memory"]["reliance"]["history"]["value"] > 0
    assert results["left eye"]["ablations"]["pictures_noise"]["windows"] == 3 * results["left eye"]["episodes"]


def test_pictures_that_only_tell_the_time_are_relied_upon(root: DataRoot, worlds: ModuleType) -> None:
    """In a script the pictures of the same moment of another episode say the same; those of another moment do not."""
    worlds.record(root, "world", lambda generator: "_wwwwaqqqqqqqwwwwe", 16)
    run = worlds.prepare(root, "world")
    results = assess(root, run, worlds.sighted(0.0), worlds.SPACE, WindowSpec())
    assert results["ablations"]["pictures_other"]["change"]["value"] == 0.0
    vision = results["reliance"]["vision"]
    assert vision["by"] == "pictures_moment"
    assert vision["low"] > 0.3


def test_a_policy_of_one_frame_has_no_history(root: DataRoot, worlds: ModuleType) -> None:
    run = world(root, worlds)
    results = assess(root, run, worlds.sighted(), worlds.SPACE, WindowSpec(window_size=1))
    assert results["ablations"]["history_hidden"] == {
        "measured": False,
        "reason": "The policy sees one frame at a time: there is no history to hide.",
    }
    assert not results["reliance"]["history"]["measured"]


def test_change_rise_and_error_by_hand() -> None:
    generator = np.random.default_rng(0)
    space = ActionSpace.default(2)
    scale = ActionScale.fit([ActionSequence("train", generator.normal(size=(50, 2)).astype(np.float32))], space)
    intact, changed = [], []
    for number in range(3):
        shape = (4, 2, 2)
        mask = np.ones(shape[:2], dtype=bool)
        mask[-1, 1] = False
        predicted, target, other = (generator.normal(size=shape).astype(np.float32) for _ in range(3))
        intact.append(EpisodePredictions(f"{number}", np.arange(3, 7), predicted, target, mask))
        changed.append(first_windows(other[:3]))
    found = measure_ablation(intact, changed, scale)

    def together(errors: list[Any]) -> Any:
        return np.concatenate([each.reshape(-1, 2) for each in errors]).astype(float)

    moved = together([a.chunks - e.predicted[:3] for e, a in zip(intact, changed, strict=True)])
    after = together([a.chunks - e.target[:3] for e, a in zip(intact, changed, strict=True)])
    before = together([e.predicted[:3] - e.target[:3] for e in intact])
    assert found["windows"] == 9
    assert found["rmse"] == found["error"]["value"] == pytest.approx(np.sqrt((after**2).mean()), rel=1e-5)
    assert found["change"]["value"] == pytest.approx(np.sqrt(((moved / scale.spread) ** 2).mean()), rel=1e-5)
    assert found["rise"]["value"] == pytest.approx((after**2).sum() / (before**2).sum() - 1, rel=1e-5)
    changed[0].chunks[0, 0, 0] = np.nan
    with pytest.raises(PolicyError, match="NaN"):
        measure_ablation(intact, changed, scale)


def test_reliance_is_half_the_squared_change_and_at_most_one() -> None:
    def change(value: float) -> dict[str, Any]:
        return {"measured": True, "change": {"value": value, "low": 0.0, "high": None}}

    found = reliance({"pictures_moment": change(0.6), "instruction_swap": change(3.0)})
    assert found["vision"] == {"measured": True, "by": "pictures_moment", "value": 0.18, "low": 0.0, "high": None}
    assert found["instruction"]["value"] == 1.0
    assert found["history"] == {"measured": False, "reason": "It was not tried."}
    alone = {"pictures_moment": {"measured": False, "reason": "One episode."}, "pictures_noise": change(0.2)}
    assert reliance(alone)["vision"]["by"] == "pictures_noise"


def test_a_still_window_is_encoded_once_a_picture() -> None:
    encoded: list[int] = []

    class Counting(Windowed):
        def encode_frames(self, frames: Any) -> Any:
            encoded.append(len(frames))
            return frames

    policy = Counting(lambda seen, told: np.tile(seen.mean(axis=(1, 2, 3))[[0, -1]], (CHUNK, 1)))
    assert isinstance(policy, FeaturePolicy)
    frames = np.arange(3, dtype=np.uint8)[:, None, None, None] * np.ones((3, 2, 2, 3), dtype=np.uint8)
    chunks = still(policy, frames, "", 4)
    assert encoded == [3]
    assert chunks[:, 0].tolist() == [[0, 0], [1, 1], [2, 2]], "the first frame of each window is its last"


def test_disturbed_pictures() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (3, 150, 260, 3), dtype=np.uint8)
    left = hide_half(frames, "left")
    assert (left[:, :, :130] == 128).all()
    assert (left[:, :, 130:] == frames[:, :, 130:]).all()
    assert (hide_half(frames, "right")[:, :, :130] == frames[:, :, :130]).all()
    index = np.array([4, 5, 9])
    noise = noise_pictures(frames, index, "a")
    assert (noise == noise_pictures(frames, index, "a")).all()
    assert (noise[1] != noise[0]).any()
    assert (noise != noise_pictures(frames, index, "b")).any()
    assert 100 < noise.mean() < 155
    assert drawn_windows(15, 3).tolist() == [0, 7, 14]
    assert drawn_windows(2, 12).tolist() == [0, 1]


def look_at(root: DataRoot, names: set[str] | None = None) -> None:
    """Describe the pictures of the world by their pixels, in the place where the job "features" leaves its vectors."""
    ref = named_dataset(root, "world")
    rows = {}
    for number, info in enumerate(scan(root, ref).episodes):
        if names is not None and info.episode_id not in names:
            continue
        with open_known(info) as reader:
            pixels = reader.frames()[:, :3, :, 0].reshape(info.num_frames, -1).astype(np.float16)
        vectors = np.zeros((info.num_frames, 256), dtype=np.float16)
        vectors[:, : pixels.shape[1]] = pixels
        # No frame is a copy of another.
        hashes = np.random.default_rng(number).integers(0, 2**63, info.num_frames, dtype=np.uint64)
        rows[info.path.name] = looks_entry(info, Looks(vectors, hashes))
    look_table(root, "world", ref.folder).change(rows)


def test_nearest_pictures_and_learned_baselines_answer_the_same_windows(root: DataRoot, worlds: ModuleType) -> None:
    run = world(root, worlds, count=30)
    look_at(root)
    nan = Windowed(lambda seen, told: np.full((CHUNK, 2), np.nan))
    learned = {"picture_blind": worlds.told_only(), "instruction_blind": nan}
    results = assess(root, run, worlds.sighted(), worlds.SPACE, WindowSpec(), learned=learned)
    baselines = results["baselines"]
    assert {name: value["kind"] for name, value in baselines.items()} == {
        "constant": "trivial",
        "frame_index": "trivial",
        "instruction_clock": "trivial",
        "repeat_last": "trivial",
        "first_picture": "scene",
        "nearest_picture": "picture",
        "nearest_picture_instruction": "picture",
        "picture_blind": "learned",
    }
    assert baselines["nearest_picture_instruction"]["neighbours"] >= 1
    # In this world the pictures spell the way under each instruction, so that remembering them helps.
    assert baselines["nearest_picture_instruction"]["rmse"] < baselines["instruction_clock"]["rmse"]
    assert "NaN" in results["baselines_not_measured"]["instruction_blind"]
    first = load_predictions(run)[0]
    assert set(first.baselines) == set(baselines)
    info = scan(root, named_dataset(root, "world")).by_id(first.episode_id)
    again = worlds.told_only().predict_episode(root, info, first.last_frames)
    assert (first.baselines["picture_blind"] == again).all()
    assert results["verdict"]["label"] == "learned"


def test_pictures_that_nobody_looked_at_give_no_baseline(root: DataRoot, worlds: ModuleType) -> None:
    run = world(root, worlds)
    split = read_json(run.split)
    look_at(root, {*split["train"], *split["test"][1:]})
    results = assess(root, run, worlds.sighted(), worlds.SPACE, WindowSpec())
    reason = results["baselines_not_measured"]["nearest_picture"]
    assert reason.startswith("The pictures of 1 of ")
    assert "audit world --pictures" in reason
    assert "nearest_picture" not in results["baselines"]
    # What validation saw is not asked for, and what nobody remembers is not needed.
    look_at(root, {*split["train"], *split["test"]})
    assert "nearest_picture" in assess(root, run, worlds.sighted(), worlds.SPACE, WindowSpec())["baselines"]


def test_quick_leaves_the_ladder_out_and_full_disturbs_more(root: DataRoot, worlds: ModuleType) -> None:
    run = world(root, worlds)
    quick = assess(root, run, worlds.sighted(), worlds.SPACE, WindowSpec())
    full = assess(root, run, worlds.sighted(), worlds.SPACE, WindowSpec(), suite="full")
    assert (quick["suite"], full["suite"]) == SUITES == OFFERED
    assert "shift" not in quick
    assert [rung["name"] for rung in full["shift"]["rungs"]]
    assert full["ablations"]["pictures_noise"]["windows"] == 4 * quick["ablations"]["pictures_noise"]["windows"]
    assert full["metrics"]["rmse"] == quick["metrics"]["rmse"]
    json.dumps(full, allow_nan=False)
    text = describe(full)
    assert "suite full" in text
    vision = full["reliance"]["vision"]
    assert f"reliance on vision      {vision['value']:.2f} (95 % interval {vision['low']:.2f} to " in text
    assert "against nearest_picture             not measured: The pictures of " in text
    assert f"turns: RMSE {full['metrics']['critical']['any']['errors']['rmse']['value']:.2f}" in text
    older = {key: full[key] for key in ("verdict", "episodes", "metrics", "baselines", "run_id")}
    older["metrics"] = {key: full["metrics"][key] for key in ("rmse", "mae", "direction_accuracy")}
    assert "reliance" not in describe(older), "results of an older version are told without what they lack"
    assert load_results(run) == json.loads(json.dumps(full))


def test_one_held_out_episode_cannot_tell_but_is_measured(root: DataRoot, worlds: ModuleType) -> None:
    run = world(root, worlds)
    split = read_json(run.split)
    write_json(run.split, {**split, "test": split["test"][:1]})
    results = assess(root, run, worlds.sighted(), worlds.SPACE, WindowSpec())
    assert results["verdict"]["label"] == "cannot_tell"
    assert results["metrics"]["errors"]["rmse"]["low"] is None
    assert results["ablations"]["pictures_other"]["reason"] == "There is only one held-out episode."
    assert results["reliance"]["vision"]["by"] == "pictures_noise"
    json.dumps(results, allow_nan=False)


def test_without_instructions_the_rest_is_measured(root: DataRoot, worlds: ModuleType) -> None:
    run = world(root, worlds, sides=1)
    results = assess(root, run, worlds.sighted(), worlds.SPACE, WindowSpec())
    for name in ("instruction_swap", "instruction_empty", "instruction_other"):
        assert results["ablations"][name] == {"measured": False, "reason": "The episodes carry no instruction."}
    assert results["reliance"]["instruction"] == {"measured": False, "reason": "The episodes carry no instruction."}
    assert results["reliance"]["vision"]["measured"]
    assert [group["name"] for group in results["groups"]["instruction"]] == [""]


def test_an_episode_shorter_than_the_window_is_left_out_and_named(root: DataRoot, worlds: ModuleType) -> None:
    run = world(root, worlds)
    test = read_json(run.split)["test"]
    ref = named_dataset(root, "world")
    freeze(change(root, ref, {test[0]: Change(trim=(0, 2))}, "curate"), run.path)
    results = assess(root, run, worlds.sighted(), worlds.SPACE, WindowSpec())
    assert results["left_out"] == [
        {"episode_id": test[0], "reason": "It has 3 frames, and the policy sees 4 at a time."}
    ]
    assert [row["episode_id"] for row in results["per_episode"]] == test[1:]
    with pytest.raises(RunError, match="none of its .* test episodes has the 19 frames"):
        assess(root, run, worlds.sighted(), worlds.SPACE, WindowSpec(window_size=19))
