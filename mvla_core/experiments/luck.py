"""What the luck of training adds to a comparison of one training with one.

Two trainings of the same recipe on the same data with other seeds do not end at the same error. An interval over held-out episodes
knows nothing of that, so that it finds help or harm in mere luck. How large the luck is, the scaling curve of the run has measured;
where none was made, a single pair of trainings proves nothing and is never called help or harm.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np

from mvla_core.experiments.store import read_result
from mvla_core.experiments.subject import Errors, skill_gain
from mvla_core.layout import RunFolder
from mvla_core.metrics.intervals import Interval, student_quantile

ONE_TRAINING = "One training of each: the interval tells of other held-out episodes, not of other luck in training."
LUCK_COUNTED = "The interval counts the luck of training as the scaling curve of this run has measured it."
_CURVE_FIRST = (
    "To know that luck, make the scaling curve of this run and then this experiment again; its trainings are kept."
)
_LAW_NUMBERS = 2
"""Numbers of the law that are free besides its level, as in `power_law`."""


@dataclass(frozen=True)
class Luck:
    """How far trainings of one recipe differ.

    Attributes:
        deviation: Standard deviation of the RMSE from training to training, in the unit of the errors.
        freedom: Degrees of freedom that it was estimated with, at least 1.
    """

    deviation: float
    freedom: int


def known_luck(run: RunFolder) -> Luck | None:
    """Return what the run's scaling curve has measured of the luck of training; None where none was made.

    Raises:
        RunError: The curve was made by another version of the program.
    """
    found = read_result(run, "scaling")
    if found is None:
        return None
    trainings = Counter(row["episodes"] for row in found["trainings"])
    repeated = sum(trainings.values()) - len(trainings)
    # The deviation is the larger of two estimates, and so not below either: the surer of the two may be taken for both.
    return Luck(float(found["fit"]["training_noise"]), max(1, repeated, len(trainings) - _LAW_NUMBERS))


def gain_with_luck(before: Errors, after: Errors, clock: Errors, luck: Luck | None) -> Interval:
    """Return the gain in skill from one training to another, its interval widened by the luck of both.

    Args:
        before: Errors of the one training.
        after: Of the other, on the same episodes.
        clock: Of the better clock.
        luck: As measured; None leaves the gain without an interval.
    """
    held_out = skill_gain(before, after, clock)
    if luck is None:
        return Interval(held_out.value, math.nan, math.nan)
    # A skill is 1 - rmse^2 / clock^2, so that it moves by 2 rmse / clock^2 of what the RMSE does.
    moved = 2 * luck.deviation * math.hypot(before.rmse, after.rmse) / clock.rmse**2
    lucky = student_quantile(luck.freedom) * moved
    return Interval(
        held_out.value,
        held_out.value - math.hypot(held_out.value - held_out.low, lucky),
        held_out.value + math.hypot(held_out.high - held_out.value, lucky),
    )


def verdict_on(gain: Interval, held_out: Interval, what: str) -> dict[str, str]:
    """Say in one or two sentences whether a change helps: `code` "helps", "harms" or "cannot_tell".

    Args:
        gain: As of `gain_with_luck`; without an interval where the luck of training is not known.
        held_out: The same with its interval over held-out episodes alone.
        what: What was changed, as the subject of a sentence in the plural.
    """
    known = bool(np.isfinite(gain.low))
    shown = gain if known else held_out
    between = f"{shown.value:+.3f}"
    if np.isfinite(shown.low):
        between += f" ({shown.low:+.3f} to {shown.high:+.3f})"
    changed = f"the skill over the clock changes by {between}."
    subject = f"{what[:1].upper()}{what[1:]}"
    if not known:
        return {"code": "cannot_tell", "text": f"{subject}: {changed} {ONE_TRAINING} {_CURVE_FIRST}"}
    if gain.low > 0:
        code, words = "helps", "help"
    elif gain.high < 0:
        code, words = "harms", "harm"
    else:
        code, words = "cannot_tell", "make no difference that this experiment could show"
    return {"code": code, "text": f"{subject} {words}: {changed} {LUCK_COUNTED}"}


def how_sure(luck: Luck | None) -> str:
    """What a stored gain says of its own interval, as part of a sentence."""
    if luck is None:
        return "one training of each, and no scaling curve that tells the luck of training: no interval"
    return "one training of each, the luck of training counted as the scaling curve has measured it"
