"""The shift ladder: error and skill of a policy where the world differs from what it was trained on, rung by rung.

The first rung is the held-out part as it is. Then come disturbed pictures, places that training never met, and the moments that
matter for safety. A rung that this data cannot answer is listed with the reason, never left out silently.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mvla_core.datasets.split import Split
from mvla_core.datasets.windows import WindowSpec, chunk_targets, last_frames
from mvla_core.episodes.annotations import frozen
from mvla_core.episodes.catalogue import load_sequences
from mvla_core.episodes.curation import scan_curated
from mvla_core.episodes.dataset import resolve_dataset
from mvla_core.evaluation.ablations import Policy
from mvla_core.evaluation.facts import above, below
from mvla_core.evaluation.measure import CLOCKS, as_json, weighted_skill
from mvla_core.evaluation.measure_parts import masked_sums, num_values, unmeasured
from mvla_core.evaluation.results import EpisodePredictions
from mvla_core.evaluation.scale import ActionScale
from mvla_core.evaluation.shift_groups import NEAR_FRAMES, near, place_groups, stops, turns
from mvla_core.evaluation.shift_pictures import DISTURBANCES, chosen_rows, evenly, predict_disturbed
from mvla_core.files import read_json
from mvla_core.layout import DataRoot, RunFolder
from mvla_core.metrics.errors import ErrorSums
from mvla_core.metrics.intervals import bootstrap_ratio
from mvla_core.metrics.predictors import TRIVIAL_PREDICTORS, Predictor
from mvla_core.progress import Progress
from mvla_core.schema import ActionSequence, EpisodeInfo

CLEAN = "held out"


DISTURBED_EPISODES, DISTURBED_WINDOWS = 40, 208
"""At most so many episodes, and windows of each, are disturbed; what no picture has to be encoded for is measured whole."""


def shift_ladder(
    root: DataRoot,
    run: RunFolder,
    policy: Policy,
    test: Sequence[EpisodeInfo],
    train_sequences: Sequence[ActionSequence],
    test_sequences: Sequence[ActionSequence],
    window: WindowSpec,
    scale: ActionScale,
    *,
    progress: Progress,
    other_dataset: str | None = None,
) -> dict[str, Any]:
    """Measure a policy on every rung.

    Args:
        root: The data root.
        run: Says which episodes training and validation held.
        policy: The loaded policy.
        test: The held-out episodes.
        train_sequences: What the clocks are fitted on.
        test_sequences: Of the held-out episodes, in the same order.
        window: "mask" chunk ends.
        scale: Of the training part.
        progress: Told after each rung; asked whether to stop.
        other_dataset: Another data set of the same action space, all of whose episodes are a rung; None for none.

    Returns:
        `rungs`: in order, `{"name", "family", "kind", "strength", "unit", "text", "measured", "skill", "skill_low",
        "skill_high", "baseline", "rmse", "rmse_low", "rmse_high", "episodes", "windows", "change"}` with the kind "clean",
        "picture", "place" or "edge". Skill is over the better clock, with its interval by episode; `change`, of a picture rung, is
        the difference to the undisturbed skill of the same windows, paired by episode. A rung that was not measured has
        `reason`, and no figures.
        `falls_off`: see `where_it_falls`. `reaches_zero`: `[{"family", "name", "text"}]`, by family and direction the weakest
        rung that is not shown to beat the clock; empty where the clean rung is not either.
        `extent`: how much was disturbed.

    Raises:
        EpisodeError: A frame cannot be read.
        Stopped: The user asked.
    """
    ladder = _Ladder(root, policy, train_sequences, window, scale, progress)
    known = _known(root, run)
    answered = ladder.answers(test, test_sequences)
    groups = place_groups(test, known)
    new = {place for group in groups for place in group.unseen}
    same = [place for place in range(len(test)) if place not in new and answered[place].num_windows]
    # Where everything that is held out is new, there is nothing to stand on but all of it.
    base = same or [place for place, episode in enumerate(answered) if episode.num_windows]
    what = "held-out episodes of known places" if same else "held-out episodes; training met none of their places"
    rungs = [{"name": CLEAN, "kind": "clean", "text": what, **ladder.figures([answered[place] for place in base])}]

    chosen = [base[place] for place in evenly([test[place] for place in base], DISTURBED_EPISODES)]
    rows = {place: chosen_rows(answered[place].num_windows, DISTURBED_WINDOWS) for place in chosen}
    undisturbed = [_rows(answered[place], rows[place]) for place in chosen]
    for done, disturbance in enumerate(DISTURBANCES):
        progress.update(done, len(DISTURBANCES), disturbance.text)
        changed = [
            replace(
                episode,
                predicted=predict_disturbed(
                    policy, test[place], episode.last_frames, window.window_size, disturbance, progress
                ),
            )
            for place, episode in zip(chosen, undisturbed, strict=True)
        ]
        figures = ladder.figures(changed)
        if figures["measured"]:
            figures["change"] = ladder.change(undisturbed, changed)
        rungs.append(
            {
                "name": disturbance.name,
                "family": disturbance.family,
                "kind": "picture",
                "strength": disturbance.strength,
                "unit": disturbance.unit,
                "text": disturbance.text,
                **figures,
            }
        )
    progress.update(len(DISTURBANCES), len(DISTURBANCES))
    for group in groups:
        described = {
            "name": f"new {group.name}",
            "family": group.name,
            "kind": "place",
            "text": f"a {group.name} never trained on",
        }
        episodes = [answered[place] for place in group.unseen if answered[place].num_windows]
        rungs.append(described | (ladder.figures(episodes) if episodes else _not_measured(group.reason)))
    rungs.append(_other(ladder, root, run, other_dataset))
    rungs += _edges(
        ladder, [answered[place] for place in base], [test_sequences[place] for place in base], train_sequences
    )
    return {
        "rungs": rungs,
        **where_it_falls(rungs),
        "skill_over": "the better clock on the same windows",
        "extent": {
            "disturbed_episodes": len(chosen),
            "of_episodes": len(base),
            "disturbed_windows": sum(episode.num_windows for episode in undisturbed),
        },
    }


def with_other_dataset(
    root: DataRoot,
    run: RunFolder,
    policy: Policy,
    train_sequences: Sequence[ActionSequence],
    window: WindowSpec,
    scale: ActionScale,
    progress: Progress,
    *,
    shift: dict[str, Any],
    dataset: str,
) -> dict[str, Any]:
    """Return a ladder with another data set in its rung for one; arguments as of `shift_ladder`, whose result `shift` is.

    Raises:
        UserInputError: There is no such data set.
        EpisodeError: An episode cannot be read.
        Stopped: The user asked.
    """
    rung = _other(_Ladder(root, policy, train_sequences, window, scale, progress), root, run, dataset)
    rungs = [rung if each["name"] == rung["name"] else each for each in shift["rungs"]]
    return {**shift, "rungs": rungs, **where_it_falls(rungs)}


class _Ladder:
    """What all rungs share: the policy, the clocks it is compared with, and how errors count."""

    def __init__(
        self,
        root: DataRoot,
        policy: Policy,
        train: Sequence[ActionSequence],
        window: WindowSpec,
        scale: ActionScale,
        progress: Progress,
    ) -> None:
        self._root, self._policy, self._window, self.scale, self._progress = root, policy, window, scale, progress
        self._clocks: dict[str, Predictor] = {name: TRIVIAL_PREDICTORS[name].fit(train) for name in CLOCKS}

    def answers(self, infos: Sequence[EpisodeInfo], sequences: Sequence[ActionSequence]) -> list[EpisodePredictions]:
        """Predict every window of episodes, with the policy and with the clocks."""
        found = []
        for info, sequence in zip(infos, sequences, strict=True):
            self._progress.check()
            last = last_frames(info.num_frames, self._window)
            target, mask = chunk_targets(sequence.actions, last, self._window.chunk_size)
            predicted = self._policy.predict_episode(self._root, info, last) if len(last) else target
            clocks = {
                name: clock.predict(sequence, last, self._window.chunk_size) if len(last) else target
                for name, clock in self._clocks.items()
            }
            found.append(EpisodePredictions(info.episode_id, last, predicted, target, mask, clocks, info.instruction))
        return found

    def figures(self, episodes: Sequence[EpisodePredictions]) -> dict[str, Any]:
        """Return error and skill over the better clock, with intervals by episode; or why there is none."""
        broken = next((each for each in episodes if not np.isfinite(each.predicted[each.mask]).all()), None)
        if broken is not None:
            return _not_measured(f"It predicts NaN or infinity here, first on the episode {broken.episode_id}.")
        policy = _sums(episodes, None)
        weighted = policy.squared @ self.scale.weights
        clocks = {name: _sums(episodes, name).squared @ self.scale.weights for name in self._clocks}
        best = min(clocks, key=lambda name: float(clocks[name].sum()))
        skill = as_json(weighted_skill(weighted, clocks[best], policy.count, self.scale), "skill")
        mean = bootstrap_ratio(policy.episode_squared, num_values(policy))
        error = as_json(mean.mapped(math.sqrt), "rmse")
        return {
            "measured": True,
            "skill": skill["skill"],
            "skill_low": skill["low"],
            "skill_high": skill["high"],
            "baseline": best,
            "rmse": error["rmse"],
            "rmse_low": error["low"],
            "rmse_high": error["high"],
            "episodes": len(episodes),
            "windows": sum(int(episode.mask.any(axis=1).sum()) for episode in episodes),
        }

    def change(
        self, before: Sequence[EpisodePredictions], after: Sequence[EpisodePredictions]
    ) -> dict[str, float | None]:
        """Return by how much the skill over the better clock differs, paired by episode."""
        one, other = (_sums(episodes, None) for episodes in (before, after))
        clocks = [_sums(before, name).squared @ self.scale.weights for name in self._clocks]
        clock = min(clocks, key=lambda sums: float(sums.sum()))
        return as_json(
            bootstrap_ratio(
                (one.squared - other.squared) @ self.scale.weights, np.maximum(clock, one.count * self.scale.floor)
            )
        )


def _known(root: DataRoot, run: RunFolder) -> list[EpisodeInfo]:
    """The episodes that the policy was taught with, or whose error chose its epoch."""
    split = Split.from_json(read_json(run.split))
    names = {*split.train, *split.validation}
    ref = resolve_dataset(root, read_json(run.config)["dataset_folder"])
    return [info for info in scan_curated(root, ref, annotations=frozen(run.path)).episodes if info.episode_id in names]


def _other(ladder: _Ladder, root: DataRoot, run: RunFolder, dataset: str | None) -> dict[str, Any]:
    described = {"name": "other data set", "family": "data set", "kind": "place", "text": "another data set"}
    if dataset is None:
        return described | _not_measured("No other data set was named.")
    described["text"] = f"the data set {dataset}"
    own = resolve_dataset(root, read_json(run.config)["dataset_folder"])
    ref = resolve_dataset(root, dataset)
    if ref.folder.resolve() == own.folder.resolve():
        return described | _not_measured(f"The policy was trained on {dataset} itself.")
    infos = list(scan_curated(root, ref).episodes)
    misfit = next((info for info in infos if info.action_space != ladder.scale.space), None)
    if misfit is not None:
        there, here = misfit.action_space, ladder.scale.space
        return described | _not_measured(
            f"{dataset} holds {', '.join(there.names)} in {', '.join(there.units)}, but the policy predicts "
            f"{', '.join(here.names)} in {', '.join(here.units)}."
        )
    answered = [episode for episode in ladder.answers(infos, load_sequences(infos)) if episode.num_windows]
    if not answered:
        return described | _not_measured(f"No episode of {dataset} is as long as a window.")
    return described | ladder.figures(answered)


def _edges(
    ladder: _Ladder,
    answered: Sequence[EpisodePredictions],
    sequences: Sequence[ActionSequence],
    train: Sequence[ActionSequence],
) -> list[dict[str, Any]]:
    found = {"stop": [stops(sequence.actions, ladder.scale) for sequence in sequences]}
    if ladder.scale.space.lateral is not None:
        begins = turns(train, ladder.scale)
        found["turn"] = [begins(sequence.actions) for sequence in sequences]
    rungs = []
    for name, events in found.items():
        close = [near(episode, frames) for episode, frames in zip(answered, events, strict=True) if len(frames)]
        episodes = [episode for episode in close if episode is not None]
        described = {
            "name": name,
            "family": name,
            "kind": "edge",
            "text": f"the {NEAR_FRAMES} frames before and after a {name}",
            "events": int(sum(map(len, events))),
        }
        none = _not_measured(f"The held-out episodes hold no {name}.")
        rungs.append(described | (ladder.figures(episodes) if episodes else none))
    return rungs


def _not_measured(reason: str) -> dict[str, Any]:
    return {**unmeasured(reason), "skill": None, "skill_low": None, "skill_high": None}


def where_it_falls(rungs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return `falls_off` and `reaches_zero`: of each family, and of each direction within it, the weakest rung that is too much.

    A family falls off where the upper end of the paired change is below zero. A place or an edge has other windows than the clean
    rung, and so no pair: there the whole interval has to lie below that of the clean rung. What does not beat the clock
    undisturbed has nothing to lose, so that it reaches zero nowhere.

    Args:
        rungs: Of a ladder, the clean one first.
    """
    clean, further = rungs[0], [rung for rung in rungs[1:] if rung["measured"]]
    floor = clean["skill_low"]

    def falls(rung: dict[str, Any]) -> bool:
        if "change" in rung:
            return below(rung["change"]["high"], 0.0)
        return floor is not None and below(rung["skill_high"], floor)

    def lost(rung: dict[str, Any]) -> bool:
        return above(floor, 0.0) and not above(rung["skill_low"], 0.0)

    return {
        "falls_off": _weakest([rung for rung in further if falls(rung)]),
        "reaches_zero": _weakest([rung for rung in further if lost(rung)]),
    }


def _weakest(rungs: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    """The weakest of each family and direction, in the order of the ladder; what has no strength stands for itself."""
    first: dict[tuple[str, bool], dict[str, Any]] = {}
    for rung in rungs:
        key = (rung["family"], rung.get("strength", 0.0) < 0)
        if key not in first or abs(rung.get("strength", 0.0)) < abs(first[key].get("strength", 0.0)):
            first[key] = rung
    return [{name: rung[name] for name in ("family", "name", "text")} for rung in first.values()]


def _rows(episode: EpisodePredictions, rows: npt.NDArray[np.int64]) -> EpisodePredictions:
    return replace(
        episode,
        last_frames=episode.last_frames[rows],
        predicted=episode.predicted[rows],
        target=episode.target[rows],
        mask=episode.mask[rows],
        baselines={name: chunks[rows] for name, chunks in episode.baselines.items()},
    )


def _sums(episodes: Sequence[EpisodePredictions], baseline: str | None) -> ErrorSums:
    """Errors of the policy, or of one of the clocks."""
    chunks = [episode.predicted if baseline is None else episode.baselines[baseline] for episode in episodes]
    return masked_sums(episodes, chunks, [episode.mask for episode in episodes], None)
