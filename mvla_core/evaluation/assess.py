"""A policy on the held-out episodes of a run: predictions, ablations, latency, verdict, files. Free of torch itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np

from mvla_core.audit.audit import audit_dataset
from mvla_core.audit.distributions import sequence_keys
from mvla_core.audit.result import AuditResult
from mvla_core.datasets.grouping import recorded_time, session_numbers
from mvla_core.datasets.split import Split
from mvla_core.datasets.windows import WindowSpec
from mvla_core.episodes.annotations import frozen
from mvla_core.episodes.catalogue import load_sequences
from mvla_core.episodes.curation import scan_curated
from mvla_core.episodes.dataset import resolve_dataset
from mvla_core.episodes.looks import load_looks
from mvla_core.episodes.reader import open_known
from mvla_core.errors import PolicyError, RunError
from mvla_core.evaluation.ablation_pictures import run_picture_ablations
from mvla_core.evaluation.ablations import ABLATIONS, ENCODED_WINDOWS, Policy, Subject, run_ablations
from mvla_core.evaluation.carried import carried_shift, earlier_results, left_behind, measured_on
from mvla_core.evaluation.facts import clock_on_data, scene_on_data
from mvla_core.evaluation.instruction_gain import instruction_gains
from mvla_core.evaluation.latency import measure_latency, typical_frame_rate
from mvla_core.evaluation.losses import read_losses
from mvla_core.evaluation.measure import measure
from mvla_core.evaluation.measure_baselines import FIRST_PICTURE
from mvla_core.evaluation.measure_parts import Compared
from mvla_core.evaluation.measure_phases import measure_groups
from mvla_core.evaluation.opposites import measure_opposites
from mvla_core.evaluation.predict import Baselines, learned_baselines, nearest_pictures, predict
from mvla_core.evaluation.reliance import reliance
from mvla_core.evaluation.results import FORMAT, EpisodePredictions, audit_path, save_predictions
from mvla_core.evaluation.scale import ActionScale
from mvla_core.evaluation.scene_clock import scene_clock
from mvla_core.evaluation.shift import shift_ladder
from mvla_core.evaluation.split_check import check_split
from mvla_core.evaluation.verdict import judge
from mvla_core.files import read_json, write_json
from mvla_core.layout import DataRoot, RunFolder
from mvla_core.policies.digest import DESCRIPTION, policy_digest
from mvla_core.progress import SILENT, Progress
from mvla_core.schema import ActionSequence, ActionSpace, EpisodeInfo, Frame

Suite = Literal["quick", "full"]
SUITES: tuple[Suite, ...] = ("quick", "full")
"""Quick asks everything but the shift ladder, and disturbs the pictures of a few windows an episode; full leaves nothing out. A
quick evaluation keeps the ladder of a full one before it where policy and data are the same; see `carried.py`."""


def assess(
    root: DataRoot,
    run: RunFolder,
    policy: Policy,
    space: ActionSpace,
    window: WindowSpec,
    progress: Progress = SILENT,
    *,
    suite: Suite = "quick",
    learned: Mapping[str, Policy] | None = None,
) -> dict[str, Any]:
    """Evaluate a policy on a run's test part and write `evaluation/` in the run folder, the results last.

    Args:
        root: The data root.
        run: Its `config.json` and `split.json` say which episodes the policy was trained on and which are held out.
        policy: Predicts physical actions.
        space: The action dimensions that it predicts.
        window: Frames it sees and actions it predicts; "mask" chunk ends.
        progress: Told of each stage; a request to stop ends the work between two predictions.
        suite: See `SUITES`.
        learned: By name, policies of the same recipe that were trained without an input ("picture_blind", "instruction_blind"):
            they are asked for the same windows and stored as baselines.

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
    train, validation, held_out = (
        _episodes(run, known, getattr(split, part), part) for part in ("train", "validation", "test")
    )
    everyone = [*train, *validation, *held_out]
    _check_spaces(run, space, everyone)
    test, left_out = _long_enough(run, held_out, window)
    train_sequences, test_sequences = load_sequences(train), load_sequences(test)
    driven = [*train_sequences, *load_sequences(validation), *test_sequences]
    used = [*train, *validation, *test]
    scale = ActionScale.fit(train_sequences, space)

    progress.stage(f"Predict {len(test)} held-out episodes")
    predictions = predict(root, policy, test, train_sequences, test_sequences, window, progress)
    lasts = [episode.last_frames for episode in predictions]
    pictures = nearest_pictures(root, train, test, train_sequences, test_sequences, lasts, window, scale)
    scenes = scene_clock(root, train_sequences, test_sequences, used, driven, lasts, window.chunk_size, scale)
    replayed = Baselines({FIRST_PICTURE: scenes.chunks}, {FIRST_PICTURE: scenes.evidence["neighbours"]})
    blind = learned_baselines(root, learned or {}, test, predictions, progress)
    predictions = blind.beside(pictures.beside(replayed.beside(predictions)))
    progress.stage("Take inputs away: does it look, does it listen?")
    subjects = [Subject(info, episode, _first_frame(info)) for info, episode in zip(test, predictions, strict=True)]
    instructions = [info.instruction for info in everyone]
    tried = {
        **run_ablations(root, policy, subjects, instructions, window.window_size, scale, progress),
        **run_picture_ablations(policy, subjects, window.window_size, ENCODED_WINDOWS[suite], scale, progress),
    }
    ablations = {name: tried[name] for name in ABLATIONS}
    progress.stage("Time single predictions")
    latency = measure_latency(policy, subjects[0], window.window_size, progress)
    digest, earlier = measured_on(run, used, window), earlier_results(run)
    shift: dict[str, Any] = {}
    if suite == "full":
        progress.stage("Change the light, the camera and the place")
        shift["shift"] = shift_ladder(
            root, run, policy, test, train_sequences, test_sequences, window, scale, progress=progress
        )
    else:
        shift = carried_shift(earlier, digest, progress)
    progress.stage("Audit the data and judge")
    audited = audit_dataset(root, config["dataset_folder"], window=window, seed=split.seed, annotations=annotations)
    audit = {**audited.to_json(), "by_index": actions_by_index(audited)}
    measured = measure(predictions, scale, {info.episode_id: info.frame_rate_hz for info in test})
    for name, neighbours in {**replayed.neighbours, **pictures.neighbours}.items():
        measured["baselines"][name]["neighbours"] = neighbours
    results: dict[str, Any] = {
        "format": FORMAT,
        "suite": suite,
        "run_id": run.run_id,
        "dataset": config["dataset"],
        "preset": config["preset"],
        "evaluated": datetime.now(UTC).isoformat(timespec="seconds"),
        **measured,
        "per_episode": [
            {**row, "scenario": info.scenario.label(), "frames": info.num_frames}
            for row, info in zip(measured["per_episode"], test, strict=True)
        ],
        "groups": _groups(predictions, test, everyone, scale),
        "baselines_not_measured": {
            **pictures.not_measured,
            **left_behind(earlier, [*blind.chunks]),
            **blind.not_measured,
        },
        "left_out": left_out,
        "measured_on": digest,
        "policy": policy_digest(run.adapter) if (run.adapter / DESCRIPTION).is_file() else None,
        "clock": clock_on_data(measured["clock"], audit["clock"]),
        "scene_clock": scene_on_data(scenes.evidence),
        "instruction_gains": instruction_gains(root, used, driven, window, scale),
        "window": window.to_json(),
        "instructions": sorted(set(instructions)),
        "split": check_split(
            split,
            everyone,
            window.window_size + window.chunk_size,
            tested=[info.episode_id for info in test],
            looks=load_looks(root, everyone),
            same_view=audited.pictures.same_view if audited.pictures else None,
        ),
        "sequences_seen": _sequences_seen(train_sequences, test_sequences),
        "ablations": ablations,
        "reliance": reliance(ablations),
        "opposites": measure_opposites(predictions, driven, scale),
        "losses": read_losses(run),
        "latency": {**latency, "frame_rate_hz": typical_frame_rate(test)},
        **shift,
    }
    results["verdict"] = judge(results)
    save_predictions(run.predictions, predictions)
    write_json(audit_path(run), audit)
    write_json(run.evaluation_results, results)
    progress.note(results["verdict"]["sentence"])
    return results


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


def _groups(
    predictions: Sequence[EpisodePredictions],
    test: Sequence[EpisodeInfo],
    everyone: Sequence[EpisodeInfo],
    scale: ActionScale,
) -> dict[str, list[dict[str, Any]]]:
    """Errors by instruction, scenario and session. A session is named after the time of its first recording in the data set."""
    begins: dict[int, str] = {}
    session_of: dict[str, str] = {}
    for info, number in zip(everyone, session_numbers(everyone), strict=True):
        time = recorded_time(info)
        if number is not None and time is not None:
            begins[number] = min(begins.get(number, "9999"), time.isoformat(timespec="minutes"))
    for info, number in zip(everyone, session_numbers(everyone), strict=True):
        session_of[info.episode_id] = "" if number is None else begins[number]
    compared = Compared(predictions, scale)
    names = {
        "instruction": [info.instruction for info in test],
        "scenario": [info.scenario.label() for info in test],
        "session": [session_of[info.episode_id] for info in test],
    }
    return {kind: measure_groups(compared, own) for kind, own in names.items()}


def _long_enough(
    run: RunFolder, episodes: Sequence[EpisodeInfo], window: WindowSpec
) -> tuple[list[EpisodeInfo], list[dict[str, str]]]:
    """Split the held-out episodes into those with a window and those that are left out, with the reason."""
    kept, left_out = [], []
    for info in episodes:
        if info.num_frames >= window.minimum_frames:
            kept.append(info)
        else:
            reason = f"It has {info.num_frames} frames, and the policy sees {window.minimum_frames} at a time."
            left_out.append({"episode_id": info.episode_id, "reason": reason})
    if not kept:
        raise RunError(
            f"The run {run.run_id!r} cannot be evaluated: none of its {len(episodes)} test episodes has the "
            f"{window.minimum_frames} frames that its policy sees at a time, so that only its loss curves and the audit of its "
            "data can be shown; record longer episodes and train a new run."
        )
    return kept, left_out


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
