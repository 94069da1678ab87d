"""What pictures say in an audit: headroom, conflicts and leaks, from the looks that the job "features" keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mvla_core.audit.conflicts import ConflictEvidence, conflict_evidence
from mvla_core.audit.leaks import LeakEvidence, leak_evidence
from mvla_core.audit.likeness import same_view_likeness
from mvla_core.audit.thresholds import Thresholds
from mvla_core.audit.vision import PictureBaseline, VisionEvidence, picture_baselines, vision_evidence
from mvla_core.audit.wording import NAMED_AT_MOST, names_of, percent
from mvla_core.datasets.split import Split
from mvla_core.datasets.windows import WindowSpec
from mvla_core.episodes.looks import Looks
from mvla_core.progress import SILENT, Progress
from mvla_core.schema import ActionSequence, ActionSpace, EpisodeInfo, Finding

MOST_EPISODES = 2_000
"""Episodes that are compared, evenly drawn where there are more: 520 bytes a frame are held."""

_CLOCK_NAMES = {"frame_index": "a clock", "instruction_clock": "the instruction and a clock together"}


@dataclass(frozen=True)
class PictureAudit:
    """What is known from pictures.

    Attributes:
        looked_at: Episodes whose pictures have been looked at.
        episodes: Episodes there are.
        compared: Episodes that the evidence below goes over.
        same_view: Cosine from which on two frames show the same view; None where that cannot be told.
        vision: What pictures explain beyond a clock; None with too few episodes.
        conflicts: Same views, opposite commands; None where no axis steers to the side, or views cannot be compared.
        leaks: What the held-out part shares with the training part; None without a split.
        baselines: The nearest-picture predictors on the test part; empty unless all of train and test have been looked at.
    """

    looked_at: int
    episodes: int
    compared: int
    same_view: float | None
    vision: VisionEvidence | None
    conflicts: ConflictEvidence | None
    leaks: LeakEvidence | None
    baselines: Mapping[str, PictureBaseline]

    def to_json(self) -> dict[str, Any]:
        return {
            "looked_at": self.looked_at,
            "episodes": self.episodes,
            "compared": self.compared,
            "same_view": self.same_view,
            "vision": None if self.vision is None else self.vision.to_json(),
            "conflicts": None if self.conflicts is None else self.conflicts.to_json(),
            "leaks": None if self.leaks is None else self.leaks.to_json(),
            "baselines": {name: baseline.to_json() for name, baseline in self.baselines.items()},
        }


def audit_pictures(
    episodes: Sequence[EpisodeInfo],
    sequences: Sequence[ActionSequence],
    looks: Mapping[str, Looks],
    split: Split | None,
    window: WindowSpec,
    space: ActionSpace,
    *,
    seed: int = 0,
    progress: Progress = SILENT,
) -> PictureAudit:
    """Measure what the pictures of a data set say.

    Args:
        episodes: Those of one action space.
        sequences: Their actions, in the same order.
        looks: Episode id -> looks, for those that have been looked at.
        split: What a training would use; None where the data cannot be split.
        window: The windows a training would use.
        space: Names the axes.
        seed: Deals the episodes to folds.
        progress: Told how far it is, and asked whether to stop.
    """
    known = [(info, sequence) for info, sequence in zip(episodes, sequences, strict=True) if info.episode_id in looks]
    kept = known
    if len(known) > MOST_EPISODES:
        kept = [known[k] for k in np.linspace(0, len(known) - 1, MOST_EPISODES).round().astype(int)]
    infos, actions = [info for info, _ in kept], [sequence for _, sequence in kept]
    vectors = {info.episode_id: looks[info.episode_id].vectors for info in infos}
    vision = vision_evidence(infos, actions, vectors, window, space, seed=seed, progress=progress) if infos else None
    same_view = same_view_likeness(actions, vectors)
    conflicts = None
    if same_view is not None:
        conflicts = conflict_evidence(infos, actions, vectors, space, window.chunk_size, same_view)
    leaks = None if split is None else leak_evidence(episodes, split, looks, same_view)
    baselines = _baselines(sequences, looks, split, window, space)
    return PictureAudit(len(known), len(episodes), len(kept), same_view, vision, conflicts, leaks, baselines)


def _baselines(
    sequences: Sequence[ActionSequence],
    looks: Mapping[str, Looks],
    split: Split | None,
    window: WindowSpec,
    space: ActionSpace,
) -> dict[str, PictureBaseline]:
    if split is None or any(name not in looks for name in (*split.train, *split.test)):
        return {}
    by_id = {sequence.episode_id: sequence for sequence in sequences}
    train, test = ([by_id[name] for name in part] for part in (split.train, split.test))
    vectors = {name: looks[name].vectors for name in (*split.train, *split.test)}
    return picture_baselines(train, test, vectors, window, space)


def picture_audit_findings(dataset: str, audit: PictureAudit, limits: Thresholds) -> list[Finding]:
    """Say what was measured, in findings.

    The codes are `vision_needed` (ok), `vision_not_shown` (warning), `vision_nothing_left` (info), `vision_undecided` (info),
    `pictures_unseen` (info), `conflicting_views` (warning), `views_told_apart` (info), `leaked_episodes` (error) and
    `shared_sessions` (info).
    """
    findings = []
    if audit.looked_at < audit.episodes:
        findings.append(_unseen(dataset, audit))
    if audit.vision is not None:
        findings.append(_vision(dataset, audit.vision))
    if audit.conflicts is not None:
        findings += _conflicts(dataset, audit.conflicts, limits)
    if audit.leaks is not None:
        findings += _leaks(dataset, audit.leaks)
    return findings


def _unseen(dataset: str, audit: PictureAudit) -> Finding:
    missing = audit.episodes - audit.looked_at
    return Finding(
        "info",
        "pictures_unseen",
        dataset,
        f"The pictures of {missing} of {audit.episodes} episodes have not been looked at: whether pictures are needed, which views "
        "contradict each other and whether the split leaks is not known of them.",
        f"Run: python -m mvla_core audit {dataset} --pictures",
        {"missing": missing, "episodes": audit.episodes},
    )


def _vision(dataset: str, vision: VisionEvidence) -> Finding:
    headroom = vision.headroom
    interval = (
        f"95 % interval {percent(headroom.low)} to {percent(headroom.high)} over {vision.episodes} held-out episodes"
    )
    details = {
        **vision.to_json(),
        # Null where a clock is perfect: an infinite share cannot be written.
        "headroom_value": headroom.to_json()["value"],
        "low": headroom.to_json()["low"],
        "high": headroom.to_json()["high"],
        "clock_share": vision.explained[vision.clock].value,
    }
    clock = _CLOCK_NAMES[vision.clock]
    if vision.verdict == "needed":
        return Finding(
            "ok",
            "vision_needed",
            dataset,
            f"Vision is needed: pictures explain {percent(headroom.value)} of what {clock} cannot ({interval}). A policy that "
            "looks can reach at least that.",
            "",
            details,
        )
    if vision.verdict == "nothing_left":
        explained = percent(vision.explained[vision.clock].value)
        return Finding(
            "info",
            "vision_nothing_left",
            dataset,
            f"Nothing is left for pictures to explain: {clock} explains {explained} of this data.",
            "Record episodes in which the same frame index asks for different actions.",
            details,
        )
    if vision.verdict == "not_shown":
        return Finding(
            "warning",
            "vision_not_shown",
            dataset,
            f"Pictures are not shown to tell more than {clock}: the nearest ones explain {percent(headroom.value)} of what it "
            f"leaves ({interval}).",
            "Look at the pictures: can you tell from one what to do? If so record more episodes; if not, move the camera.",
            details,
        )
    return Finding(
        "info",
        "vision_undecided",
        dataset,
        f"Whether pictures are needed cannot be told from {vision.episodes} episodes.",
        "Record more episodes, then audit again.",
        details,
    )


def _conflicts(dataset: str, conflicts: ConflictEvidence, limits: Thresholds) -> list[Finding]:
    details = {key: value for key, value in conflicts.to_json().items() if key != "pairs"}
    findings = []
    if conflicts.torn_share > limits["torn_share"].needed:
        names = list(conflicts.torn_by_episode)
        findings.append(
            Finding(
                "warning",
                "conflicting_views",
                dataset,
                f"From {percent(conflicts.torn_share)} of the turning frames ({conflicts.torn_frames} of "
                f"{conflicts.turning_frames}) the robot was also driven the other way, in another episode with the same view and "
                f"the same instruction ({names_of(names)}): a regression averages both and drives straight on.",
                "Look at the pairs; say in the instruction which way is meant, keep one of the two ways, or choose a head that "
                "classifies directions.",
                {**details, "torn_episodes": names, "named": names[:NAMED_AT_MOST]},
            )
        )
    if conflicts.told_apart_share > limits["torn_share"].needed:
        findings.append(
            Finding(
                "info",
                "views_told_apart",
                dataset,
                f"From {percent(conflicts.told_apart_share)} of the turning frames ({conflicts.told_apart_frames} of "
                f"{conflicts.turning_frames}) the same view was driven the other way under another instruction: only the words "
                "tell them apart.",
                "After training, look at how much swapping the instruction changes the policy.",
                details,
            )
        )
    return findings


def _leaks(dataset: str, leaks: LeakEvidence) -> list[Finding]:
    findings = []
    if leaks.twins:
        names = [twin.episode_id for twin in leaks.twins]
        first = leaks.twins[0]
        findings.append(
            Finding(
                "error",
                "leaked_episodes",
                dataset,
                f"{len(names)} of {leaks.held_out} held-out episodes show the same pictures as a training episode "
                f"({names_of(names)}; {first.episode_id} repeats {percent(first.share)} of its frames from {first.train_episode}): "
                "a model that remembers scores well on them.",
                "Exclude the copies, or split by session.",
                {**leaks.to_json(), "leaked": len(names), "names": names, "named": names[:NAMED_AT_MOST]},
            )
        )
    if leaks.shared_sessions:
        findings.append(
            Finding(
                "info",
                "shared_sessions",
                dataset,
                f"{leaks.shared_sessions} of {leaks.held_out} held-out episodes were recorded within the same session as training "
                "episodes: the test does not ask whether another day or room is as good.",
                "Split by session, or record a session for the test alone.",
                {"shared": leaks.shared_sessions, "held_out": leaks.held_out},
            )
        )
    return findings
