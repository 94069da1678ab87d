"""Whether an augmentation leaves every label right: a transform whose label would be wrong is refused, with the reason.

Everything here follows from labels alone and takes milliseconds; `frame_check` looks at pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mvla_core.datasets.augmentation.copies import draw_copy
from mvla_core.datasets.augmentation.motion_transforms import Mirror, SpeedScale, TimeWarp
from mvla_core.datasets.augmentation.path_transform import PathPerturbation
from mvla_core.datasets.augmentation.picture_transforms import Crop, Rotation
from mvla_core.datasets.augmentation.recipe import AugmentationRecipe
from mvla_core.datasets.augmentation.sides import unswappable
from mvla_core.datasets.augmentation.transform import EpisodeLabels
from mvla_core.errors import RecipeError
from mvla_core.schema import Finding

MAX_SHIFT_PERCENT = 4.0
"""Of the picture width. With a field of view of 60 degrees this is a camera turned by 2.6 degrees, without a corrected action."""
MAX_ZOOM_PERCENT = 20.0
"""An obstacle that looks 1.25 times as large looks a fifth nearer, and the moment to turn is earlier."""
MAX_ROTATION_DEG = 6.0
"""Beyond it the sideways direction of the picture is no longer that of the robot: at 6 degrees, a tenth of it is up or down."""
MAX_CLIPPED_SHARE = 0.05
"""Of the frames of all copies, in addition to what the recordings themselves have beyond the limits."""
_MOVES = 1e-6


@dataclass(frozen=True)
class Clipping:
    """What the limits of the robot do to the actions.

    Attributes:
        before: Share (0 to 1) of the recorded frames with a value beyond its limit.
        after: The same of the copies' frames, before they are cut.
        largest_before: Largest absolute value of each dimension, in its unit.
        largest_after: The same in the copies, before they are cut.
        limits: Of each dimension; None where it is not known.
        names: Of the dimensions.
    """

    before: float
    after: float
    largest_before: tuple[float, ...]
    largest_after: tuple[float, ...]
    limits: tuple[float | None, ...]
    names: tuple[str, ...]


def clipping(recipe: AugmentationRecipe, episodes: Sequence[EpisodeLabels], seed: int) -> Clipping:
    """Draw every copy of the episodes, without pictures, and count what the limits would cut.

    Args:
        recipe: The augmentation, with the robot's limits.
        episodes: At least one, all of one action space and with at least one frame.
        seed: Of the training, so that these are the copies it would make.
    """
    space = episodes[0].space
    recorded = np.concatenate([episode.actions for episode in episodes])
    made = np.concatenate(
        [draw_copy(episode, recipe, copy, seed).uncut for episode in episodes for copy in range(1, recipe.copies + 1)]
    )
    limits = recipe.limits.of(space)
    return Clipping(
        recipe.limits.clipped_share(recorded, space),
        recipe.limits.clipped_share(made, space),
        tuple(np.abs(recorded).max(axis=0).tolist()),
        tuple(np.abs(made).max(axis=0).tolist()),
        tuple(None if np.isinf(limit) else float(limit) for limit in limits),
        space.names,
    )


def check_labels(recipe: AugmentationRecipe, episodes: Sequence[EpisodeLabels], seed: int = 0) -> list[Finding]:
    """Look for labels that the augmentation would make wrong.

    Args:
        recipe: The augmentation.
        episodes: What it is meant for, all of one action space; those without a frame are passed over.
        seed: Of the training; decides what the copies draw, and so the clipped share.

    Returns:
        Findings: an "error" forbids the augmentation, a "warning" is something that the data cannot tell. Empty means that
        nothing speaks against it, not that it helps.
    """
    used = [episode for episode in episodes if len(episode.actions)]
    steps = [step for step in recipe.steps if step.probability > 0]
    if not steps:
        return [
            Finding(
                "warning",
                "augmentation_nothing",
                recipe.name,
                f"The augmentation {recipe.name} changes nothing: its {recipe.copies} copies are the episodes again.",
                "Add a step, or train without augmentation.",
                {"copies": recipe.copies},
            )
        ]
    if not used:
        return []
    transforms = [step.transform for step in steps]
    findings = [*_check_pictures(recipe), *_check_scale(recipe, used)]
    if any(isinstance(transform, Mirror) for transform in transforms):
        findings += _check_mirror(used)
    if any(isinstance(transform, PathPerturbation) for transform in transforms):
        findings += _check_reversing(used)
    return findings + _check_limits(clipping(recipe, used, seed))


def refuse_wrong_labels(recipe: AugmentationRecipe, findings: Sequence[Finding]) -> None:
    """Raise where the check found an error.

    Raises:
        RecipeError: The first error's sentence and what to do.
    """
    errors = [finding for finding in findings if finding.level == "error"]
    if errors:
        more = f" And {len(errors) - 1} more." if len(errors) > 1 else ""
        raise RecipeError(
            f"The augmentation {recipe.name} cannot be used with this data: {errors[0].message} {errors[0].next}{more}"
        )


def _check_mirror(episodes: Sequence[EpisodeLabels]) -> list[Finding]:
    space = episodes[0].space
    findings = []
    if space.lateral is None:
        findings.append(
            Finding(
                "error",
                "augmentation_no_lateral",
                Mirror.name,
                f"A mirrored picture asks for the other side, but the actions {', '.join(space.names)} have no sideways or "
                "turning axis whose sign could follow.",
                "Leave the mirror out.",
                {"axes": list(space.names)},
            )
        )
    found = {episode.episode_id: unswappable(episode.instruction) for episode in episodes}
    named = {episode_id: words for episode_id, words in found.items() if words is not None}
    if named:
        example, words = next(iter(named.items()))
        findings.append(
            Finding(
                "error",
                "augmentation_side_words",
                Mirror.name,
                f"The instruction of {len(named)} of {len(episodes)} episodes may name a side in words that cannot be exchanged: "
                f"{words!r} in {example or 'the episode'}.",
                "Leave the mirror out, or say left and right in these instructions.",
                {"episodes": list(named), "of": len(episodes), "words": sorted(set(named.values()))},
            )
        )
    return findings


def _check_pictures(recipe: AugmentationRecipe) -> list[Finding]:
    """What several steps of a kind do adds up in the worst case, and the worst case is what is judged."""
    crops = [step.transform for step in recipe.steps if step.probability > 0 and isinstance(step.transform, Crop)]
    turns = [step.transform for step in recipe.steps if step.probability > 0 and isinstance(step.transform, Rotation)]
    rules = (
        (
            "augmentation_crop_shift",
            Crop.name,
            sum(min(crop.shift_percent, crop.zoom_percent / 2) for crop in crops),
            MAX_SHIFT_PERCENT,
            "The crop moves the picture's centre sideways by up to {value:g} % of its width and leaves the action as it is; beyond "
            "{limit:g} % the robot would have to steer differently.",
            "Lower the shift, or use the path perturbation, which corrects the action.",
        ),
        (
            "augmentation_crop_zoom",
            Crop.name,
            sum(crop.zoom_percent for crop in crops),
            MAX_ZOOM_PERCENT,
            "The crop cuts away up to {value:g} % of the picture, so that all looks nearer while the action stays; at most "
            "{limit:g} % is allowed.",
            "Lower the zoom.",
        ),
        (
            "augmentation_rotation",
            Rotation.name,
            sum(turn.degrees for turn in turns),
            MAX_ROTATION_DEG,
            "The picture is tilted by up to {value:g}° and the action stays; at most {limit:g}° is allowed, because sideways in "
            "the picture is no longer sideways for the robot.",
            "Lower the angle.",
        ),
    )
    return [
        Finding("error", code, where, text.format(value=value, limit=limit), advice, {"value": value, "limit": limit})
        for code, where, value, limit, text, advice in rules
        if value > limit
    ]


def _check_scale(recipe: AugmentationRecipe, episodes: Sequence[EpisodeLabels]) -> list[Finding]:
    """A normalised command is not known to be proportional to a speed, so it must not be scaled like one."""
    needing = [
        step.transform
        for step in recipe.steps
        if step.probability > 0 and isinstance(step.transform, SpeedScale | TimeWarp | PathPerturbation)
    ]
    if not needing or all(episode.is_physical for episode in episodes):
        return []
    return [
        Finding(
            "error",
            "augmentation_no_scale",
            transform.name,
            f"{transform.title} calculates with metres and seconds, but these actions are normalised commands without a "
            "physical scale.",
            "Leave it out for this data.",
            {"transform": transform.name},
        )
        for transform in needing
    ]


def _check_reversing(episodes: Sequence[EpisodeLabels]) -> list[Finding]:
    """Aiming at a point ahead steers a car that drives backward the wrong way."""
    if episodes[0].space.column("linear_y") is not None:
        return []
    speeds = [speed for episode in episodes if (speed := episode.column("linear_x")) is not None]
    share = float((np.concatenate(speeds) < -_MOVES).mean()) if speeds else 0.0
    if share == 0:
        return []
    return [
        Finding(
            "error",
            "augmentation_reversing",
            PathPerturbation.name,
            f"The path perturbation steers back towards a point ahead, but {100 * share:.1f} % of the frames drive backward.",
            "Leave it out, or exclude the episodes that reverse.",
            {"share": share},
        )
    ]


def _check_limits(found: Clipping) -> list[Finding]:
    findings = []
    details = {"before": found.before, "after": found.after, "limit": MAX_CLIPPED_SHARE}
    if found.after - found.before > MAX_CLIPPED_SHARE:
        findings.append(
            Finding(
                "error",
                "augmentation_clipped",
                "limits",
                f"{100 * found.after:.1f} % of the copies' frames ask for more than the robot can do, against "
                f"{100 * found.before:.1f} % of the recorded ones; at most {100 * MAX_CLIPPED_SHARE:g} % more are allowed.",
                "Lower the ranges of speed, time warp or path perturbation, or correct the limits.",
                details,
            )
        )
    elif found.after > 0:
        findings.append(
            Finding(
                "info",
                "augmentation_cut",
                "limits",
                f"{100 * found.after:.1f} % of the copies' frames are cut to the robot's limits, against "
                f"{100 * found.before:.1f} % of the recorded ones beyond them.",
                "",
                details,
            )
        )
    beyond = [
        (name, before, after)
        for name, before, after, limit in zip(
            found.names, found.largest_before, found.largest_after, found.limits, strict=True
        )
        if limit is None and after > before + _MOVES
    ]
    if beyond:
        said = "; ".join(f"{name} reaches {after:.2f}, recorded is {before:.2f}" for name, before, after in beyond)
        findings.append(
            Finding(
                "warning",
                "augmentation_limits_unknown",
                "limits",
                f"Some actions become larger than any that was recorded ({said}), and without the robot's limits nobody can "
                "tell whether it can do them.",
                "Write the limits of the robot into the recipe.",
                {"axes": [name for name, _, _ in beyond], "largest": {name: after for name, _, after in beyond}},
            )
        )
    return findings
