"""A policy on the held-out episodes of a run: predictions, ablations, latency, verdict, files. Free of torch itself."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from mvla_core.audit.audit import audit_dataset
from mvla_core.audit.distributions import sequence_keys
from mvla_core.audit.result import AuditResult
from mvla_core.datasets.split import Split
from mvla_core.datasets.windows import WindowSpec, chunk_targets, last_frames
from mvla_core.episodes.annotations import frozen
from mvla_core.episodes.catalogue import load_sequences
from mvla_core.episodes.curation import scan_curated
from mvla_core.episodes.dataset import resolve_dataset
from mvla_core.episodes.reader import open_known
from mvla_core.errors import PolicyError, RunError
from mvla_core.evaluation.ablations import Policy, Subject, run_ablations
from mvla_core.evaluation.facts import clock_on_data
from mvla_core.evaluation.losses import read_losses
from mvla_core.evaluation.measure import measure
from mvla_core.evaluation.results import FORMAT, EpisodePredictions, audit_path, save_predictions
from mvla_core.evaluation.scale import ActionScale
from mvla_core.evaluation.split_check import check_split
from mvla_core.evaluation.verdict import judge
from mvla_core.files import read_json, write_json
from mvla_core.layout import DataRoot, RunFolder
from mvla_core.metrics.predictors import TRIVIAL_PREDICTORS
from mvla_core.progress import SILENT, Progress
from mvla_core.schema import ActionSequence, ActionSpace, EpisodeInfo, Frame

_LATENCY_CALLS = 20
_FEWEST_LATENCY_CALLS = 5
_LATENCY_SECONDS = 10.0


def assess(
    root: DataRoot, run: RunFolder, policy: Policy, space: ActionSpace, window: WindowSpec, progress: Progress = SILENT
) -> dict[str, Any]:
    """Evaluate a policy on a run's test part and write `evaluation/` in the run folder, the results last.

    Args:
        root: The data root.
        run: Its `config.json` and `split.json` say which episodes the policy was trained on and which are held out.
        policy: Predicts physical actions.
        space: The action dimensions that it predicts.
        window: Frames it sees and actions it predicts; "mask" chunk ends.
        progress: Told of each stage; a request to stop ends the work between two predictions.

    Returns:
        What `results.json` holds.

    Raises:
        RunError: The run lacks its split, or episodes of the split are gone.
        PolicyError: The policy has another action space than the data, or predicts NaN.
        Stopped: The user asked to stop; earlier results are left as they were.
    """
    config, split = read_json(run.config), Split.from_json(read_json(run.split))
    # Curated as the run was when it was made: what was trimmed or excluded since does not move its test part.
    annotations = frozen(run.path)
    data = scan_curated(root, resolve_dataset(root, config["dataset_folder"]), progress, annotations=annotations)
    known = {info.episode_id: info for info in data.episodes}
    train, validation, test = (
        _episodes(run, known, getattr(split, part), part) for part in ("train", "validation", "test")
    )
    everyone = [*train, *validation, *test]
    _check_spaces(run, space, everyone)
    train_sequences, test_sequences = load_sequences(train), load_sequences(test)
    scale = ActionScale.fit(train_sequences, space)

    progress.stage(f"Predict {len(test)} held-out episodes")
    predictions = predict(root, policy, test, train_sequences, test_sequences, window, progress)
    progress.stage("Take inputs away: does it look, does it listen?")
    subjects = [Subject(info, episode, _first_frame(info)) for info, episode in zip(test, predictions, strict=True)]
    instructions = [info.instruction for info in everyone]
    ablations = run_ablations(root, policy, subjects, instructions, window.window_size, scale, progress)
    progress.stage("Time single predictions")
    latency = measure_latency(policy, subjects[0], window.window_size, progress)
    progress.stage("Audit the data and judge")
    audited = audit_dataset(root, config["dataset_folder"], window=window, seed=split.seed, annotations=annotations)
    audit = {**audited.to_json(), "by_index": actions_by_index(audited)}
    measured = measure(predictions, scale)
    results: dict[str, Any] = {
        "format": FORMAT,
        "run_id": run.run_id,
        "dataset": config["dataset"],
        "preset": config["preset"],
        "evaluated": datetime.now(UTC).isoformat(timespec="seconds"),
        **measured,
        "per_episode": [
            {**row, "scenario": info.scenario.label(), "frames": info.num_frames}
            for row, info in zip(measured["per_episode"], test, strict=True)
        ],
        "clock": clock_on_data(measured["clock"], audit["clock"]),
        "window": window.to_json(),
        "instructions": sorted(set(instructions)),
        "split": check_split(split, everyone, window.window_size + window.chunk_size),
        "sequences_seen": _sequences_seen(train_sequences, test_sequences),
        "ablations": ablations,
        "losses": read_losses(run),
        "latency": latency,
    }
    results["verdict"] = judge(results)
    save_predictions(run.predictions, predictions)
    write_json(audit_path(run), audit)
    write_json(run.evaluation_results, results)
    progress.note(results["verdict"]["sentence"])
    return results


def predict(
    root: DataRoot,
    policy: Policy,
    test: Sequence[EpisodeInfo],
    train_sequences: Sequence[ActionSequence],
    test_sequences: Sequence[ActionSequence],
    window: WindowSpec,
    progress: Progress = SILENT,
) -> list[EpisodePredictions]:
    """Predict every window of the held-out episodes, with the policy and with every trivial predictor.

    The trivial predictors are fitted on `train_sequences` and asked for exactly the same windows.

    Raises:
        PolicyError: A prediction is NaN or infinite.
    """
    predictors = {name: kind.fit(train_sequences) for name, kind in TRIVIAL_PREDICTORS.items()}
    predictions = []
    for done, (info, sequence) in enumerate(zip(test, test_sequences, strict=True)):
        progress.update(done, len(test), info.episode_id)
        last = last_frames(info.num_frames, window)
        target, mask = chunk_targets(sequence.actions, last, window.chunk_size)
        predicted = np.asarray(policy.predict_episode(root, info, last), dtype=np.float32)
        if not np.isfinite(predicted).all():
            raise PolicyError(
                f"The policy predicts NaN or infinity on the episode {info.episode_id}, expected velocities: its training has "
                "diverged; train again with a smaller learning rate or in full precision."
            )
        baselines = {name: each.predict(sequence, last, window.chunk_size) for name, each in predictors.items()}
        predictions.append(
            EpisodePredictions(info.episode_id, last, predicted, target, mask, baselines, info.instruction)
        )
    progress.update(len(test), len(test))
    return predictions


def measure_latency(policy: Policy, subject: Subject, window_size: int, progress: Progress = SILENT) -> dict[str, Any]:
    """Time single predictions from raw pictures, as a robot would ask for them, on this machine.

    Returns:
        `p50_ms`, `p99_ms`, `predictions` (how many were timed; at least 5, at most 20), `pictures` encoded in each, and
        their `height` and `width`.
    """
    # Each call gets pictures that differ in one pixel, so that no cache of features can answer instead of the encoder.
    times: list[float] = []
    began = time.perf_counter()
    while len(times) < _LATENCY_CALLS:
        if len(times) >= _FEWEST_LATENCY_CALLS and time.perf_counter() - began > _LATENCY_SECONDS:
            break
        progress.check()
        frames = np.repeat(subject.first_frame[None], window_size, axis=0)
        frames[:, 0, 0] = len(times)
        start = time.perf_counter()
        policy.predict_frames(frames, subject.info.instruction, np.array([window_size - 1]))
        times.append(1000 * (time.perf_counter() - start))
    return {
        "p50_ms": float(np.percentile(times, 50)),
        "p99_ms": float(np.percentile(times, 99)),
        "predictions": len(times),
        "pictures": window_size,
        "height": subject.info.height,
        "width": subject.info.width,
    }


def actions_by_index(audited: AuditResult) -> dict[str, Any]:
    """Return what the episodes do at each frame index: how alike they are, and mean and deviation of each axis.

    `determinism` (None where fewer than two episodes reach the index), `episodes` (how many do), `mean` and `std` by axis.
    """
    by_index: dict[str, Any] = {
        "determinism": [None if np.isnan(share) else float(share) for share in audited.determinism.share],
        "episodes": audited.determinism.episodes.tolist(),
        "mean": {},
        "std": {},
    }
    for column, name in enumerate(audited.action_space.names if audited.action_space else ()):
        at = [
            [float(sequence.actions[index, column]) for sequence in audited.sequences if index < sequence.num_frames]
            for index in range(len(by_index["episodes"]))
        ]
        by_index["mean"][name] = [float(np.mean(values)) for values in at]
        by_index["std"][name] = [float(np.std(values)) for values in at]
    return by_index


def _episodes(run: RunFolder, known: dict[str, EpisodeInfo], names: Sequence[str], part: str) -> list[EpisodeInfo]:
    missing = [name for name in names if name not in known]
    if missing:
        raise RunError(
            f"The run {run.run_id!r} has {len(missing)} of {len(names)} {part} episodes that its data set no longer holds or "
            f"that cannot be read, first {missing[0]!r}; restore them, or train a new run."
        )
    if not names:
        raise RunError(f"The run {run.run_id!r} has no {part} episodes; record more and train a new run.")
    return [known[name] for name in names]


def _check_spaces(run: RunFolder, expected: ActionSpace, episodes: Sequence[EpisodeInfo]) -> None:
    for info in episodes:
        if info.action_space != expected:
            raise PolicyError(
                f"The policy of the run {run.run_id!r} predicts {', '.join(expected.names)} ({', '.join(expected.units)}), but the "
                f"episode {info.episode_id} holds {', '.join(info.action_space.names)} ({', '.join(info.action_space.units)}); "
                "evaluate it on data of its own action space."
            )


def _first_frame(info: EpisodeInfo) -> Frame:
    with open_known(info) as reader:
        return reader.frame(0)


def _sequences_seen(train: Sequence[ActionSequence], test: Sequence[ActionSequence]) -> int:
    """How many held-out episodes repeat the whole action sequence of a training episode."""
    known = set(sequence_keys(train))
    return sum(key in known for key in sequence_keys(test))
