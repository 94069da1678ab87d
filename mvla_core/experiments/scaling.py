"""The data-scaling curve: the same recipe on growing parts of the training episodes, one job of several trainings.

The parts are nested: what a smaller one holds, a larger one holds too. All are judged on the same held-out episodes. The training
with all episodes is the run itself.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from mvla_core.errors import RunError
from mvla_core.experiments.power_law import Curve, Point, answer, fit_curve
from mvla_core.experiments.scaling_plan import DEFAULT_SEEDS, DEFAULT_SHARES, Training, plan_trainings
from mvla_core.experiments.store import store_gain, variants_folder, write_result
from mvla_core.experiments.subject import Errors, Subject, load_subject, nested_order
from mvla_core.experiments.variants import train_variant
from mvla_core.layout import DataRoot
from mvla_core.metrics.intervals import Interval
from mvla_core.policies.adapter import load_policy
from mvla_core.progress import Progress

_DRAWN_NUMBERS = 25
"""Points of the drawn curve."""


def run_scaling(root: DataRoot, config: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Make the curve of a run and write `evaluation/scaling.json` and its gain.

    Args:
        root: The data root.
        config: `run_id`; at will `shares` (of the training episodes, below 1), `seeds` (trainings of each part of at most a
            half), `target` (RMSE; None takes four fifths of today's).
        progress: The job's; after a stop, finished trainings are kept.

    Returns:
        What `scaling.json` holds.

    Raises:
        RunError: The run cannot be used, or has too few episodes for a curve.
        UserInputError: A share or the number of seeds cannot be used.
        Stopped: The user asked.
    """
    subject = load_subject(root, config["run_id"])
    plan = plan_trainings(
        len(subject.train),
        config.get("shares") or DEFAULT_SHARES,
        int(config.get("seeds") or DEFAULT_SEEDS),
        subject.recipe.seed,
    )
    clock_name, clock = subject.clock()
    progress.stage("Measure the run itself")
    whole = subject.errors(root, load_policy(subject.run.adapter), progress)
    if len(whole.squared) < 2:
        raise RunError(
            f"The run {subject.run.run_id!r} holds out {len(whole.squared)} episodes and a curve needs 2; record more episodes."
        )
    errors: dict[int, list[Errors]] = {}
    rows = []
    for done, training in enumerate(plan):
        name = f"Training {done + 1} of {len(plan)}: {training.episodes} of {len(subject.train)} episodes, seed {training.seed}"
        found, told = _trained(root, subject, training, name, progress)
        errors.setdefault(training.episodes, []).append(found)
        rows.append(_row(training.share, training.episodes, training.seed, found, told["seconds"]))
    errors.setdefault(len(subject.train), []).append(whole)
    rows.append(_row(1.0, len(subject.train), subject.recipe.seed, whole, None))
    curve = fit_curve([Point(number, tuple(each)) for number, each in errors.items()])
    target = config.get("target")
    said = answer(curve, 0.8 * whole.rmse if target is None else float(target), subject.unit)
    result = {
        "run_id": subject.run.run_id,
        "unit": subject.unit,
        "held_out": len(whole.squared),
        "trainings": rows,
        "fit": _fit(curve),
        "clock": {"baseline": clock_name, "rmse": clock.rmse},
        "answer": said,
    }
    gain = expected_gain(curve, clock)
    result["gain"] = gain.to_json()
    write_result(subject.run, "scaling", result)
    store_gain(
        subject.run,
        "more_data",
        gain,
        f"skill over the clock, expected from the scaling curve for {2 * curve.last} instead of {curve.last} training episodes",
    )
    progress.note(said["text"])
    return result


def expected_gain(curve: Curve, clock: Errors) -> Interval:
    """Return how much the skill over the clock is expected to grow with twice the training episodes."""
    now, doubled = curve.values(curve.last), curve.values(2 * curve.last)
    gains = (now**2 - doubled**2) / clock.rmse**2
    low, high = np.quantile(gains[1:], [0.025, 0.975])
    return Interval(float(gains[0]), float(low), float(high))


def _trained(
    root: DataRoot, subject: Subject, training: Training, name: str, progress: Progress
) -> tuple[Errors, dict[str, Any]]:
    names = nested_order(subject.train, training.seed)[: training.episodes]
    policy, told = train_variant(
        root,
        subject,
        variants_folder(subject.run, "scaling") / f"{training.episodes:04}-seed{training.seed}",
        name,
        progress,
        recipe=replace(subject.recipe, seed=training.seed),
        split=replace(subject.split, train=tuple(sorted(names))),
    )
    return subject.errors(root, policy, progress), told


def _row(share: float, episodes: int, seed: int, errors: Errors, seconds: float | None) -> dict[str, Any]:
    interval = errors.interval().to_json()
    return {
        "share": share,
        "episodes": episodes,
        "seed": seed,
        "rmse": interval["value"],
        "rmse_low": interval["low"],
        "rmse_high": interval["high"],
        "seconds": seconds,
    }


def _fit(curve: Curve) -> dict[str, Any]:
    """The law's three numbers with their intervals, and the drawn curve from the smallest part to four times all episodes."""
    b = curve.b * float(curve.last) ** curve.c
    numbers = np.unique(np.geomspace(curve.episodes[0], 4 * curve.last, _DRAWN_NUMBERS).round().astype(int))
    drawn = [{"episodes": int(number), **curve.at(int(number)).to_json()} for number in numbers]
    return {
        "form": "rmse = a + b * episodes ^ -c",
        **{name: _ends(values) for name, values in (("a", curve.a), ("b", b), ("c", curve.c))},
        "training_noise": curve.training_noise,
        "curve": drawn,
    }


def _ends(values: Any) -> dict[str, float]:
    low, high = np.quantile(values[1:], [0.025, 0.975])
    return {"value": float(values[0]), "low": float(low), "high": float(high)}
