"""Does a curriculum help? The run's recipe with and without one, on the same episodes, judged on the same held-out ones."""

from __future__ import annotations

from typing import Any

from mvla_core.experiments.luck import gain_with_luck, how_sure, known_luck, verdict_on
from mvla_core.experiments.store import store_gain, variants_folder, write_result
from mvla_core.experiments.subject import load_subject, skill_gain
from mvla_core.experiments.variants import train_variant
from mvla_core.layout import DataRoot
from mvla_core.policies.adapter import load_policy
from mvla_core.progress import Progress

OFF, ON = "none", "simple_first"


def run_curriculum(root: DataRoot, config: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Train the run's counterpart and write `evaluation/curriculum.json` and the gain.

    Args:
        root: The data root.
        config: `run_id`. Where the run was trained without a curriculum, its counterpart is trained with one, and the other way
            round.
        progress: The job's.

    Returns:
        What `curriculum.json` holds; the gain is always that of the curriculum, with an interval where the luck of training is
        known (`luck.py`).

    Raises:
        RunError: The run cannot be used, or the training diverged.
        Stopped: The user asked; the training goes on from its checkpoint the next time.
    """
    subject = load_subject(root, config["run_id"])
    has_one = subject.recipe.curriculum != OFF
    other = subject.recipe.changed({"curriculum": OFF if has_one else ON})
    clock_name, clock = subject.clock()
    progress.stage("Measure the run itself")
    own = subject.errors(root, load_policy(subject.run.adapter), progress)
    name = f"Training {'without' if has_one else 'with'} a curriculum"
    folder = variants_folder(subject.run, "curriculum") / ("off" if has_one else "on")
    policy, told = train_variant(root, subject, folder, name, progress, recipe=other)
    counterpart = subject.errors(root, policy, progress)
    without, with_one = (counterpart, own) if has_one else (own, counterpart)
    luck = known_luck(subject.run)
    gain, held_out = gain_with_luck(without, with_one, clock, luck), skill_gain(without, with_one, clock)
    result = {
        "run_id": subject.run.run_id,
        "unit": subject.unit,
        "held_out": len(own.squared),
        "clock": {"baseline": clock_name, "rmse": clock.rmse},
        "without": without.interval().to_json(),
        "with": with_one.interval().to_json(),
        "difference": without.difference(with_one).to_json(),
        "gain": gain.to_json(),
        "gain_held_out": held_out.to_json(),
        "seconds": told["seconds"],
        "answer": verdict_on(gain, held_out, "the simplest episodes first"),
    }
    write_result(subject.run, "curriculum", result)
    store_gain(
        subject.run,
        "curriculum",
        gain,
        f"skill over the clock, the simplest of {len(subject.train)} training episodes first instead of all from the start; "
        f"{how_sure(luck)}",
    )
    progress.note(result["answer"]["text"])
    return result
