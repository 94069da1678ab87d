"""The worker behind the job "ask": it keeps policies loaded and answers the questions that are put into its folder.

Loads torch; the protocol and who asks are in `mvla_core.evaluation.questions`, which does not. It ends after some idle minutes, or
when it is stopped, so that nobody has to remember it.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mvla_core.episodes.annotations import frozen
from mvla_core.episodes.curation import scan_curated
from mvla_core.episodes.dataset import resolve_dataset
from mvla_core.episodes.reader import open_known
from mvla_core.errors import MvlaError, PolicyError
from mvla_core.evaluation.questions import (
    Answer,
    Question,
    answers_folder,
    closed_marker,
    questions_folder,
)
from mvla_core.evaluation.results import load_results
from mvla_core.files import read_json, write_json
from mvla_core.layout import DataRoot, JobFolder
from mvla_core.policies.adapter import load_policy
from mvla_core.policies.spec import PolicySpec
from mvla_core.policies.threads import SMALL_BACKBONES, set_threads
from mvla_core.progress import SILENT, Progress
from mvla_core.schema import EpisodeInfo

IDLE_S = 300.0
"""Seconds without a question after which the worker ends."""
KEPT_POLICIES = 3
"""Small policies that stay loaded; a large one is kept alone."""
KEPT_FRAMES = 256
"""Frames whose features stay in memory: on the same frame only the words are read anew, on the next one a single picture."""
_POLL_S = 0.02

Features = npt.NDArray[Any]


class Policy(Protocol):
    """What the desk needs of a loaded policy; see `mvla_core.policies.adapter`."""

    spec: PolicySpec

    def encode_frames(self, frames: npt.NDArray[np.uint8]) -> Features: ...

    def predict_features(
        self, features: Features, instruction: str, last_frames: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]: ...


@dataclass(frozen=True, eq=False)
class _Loaded:
    """A run with its policy, and its data set as the run was curated."""

    policy: Policy
    episodes: dict[str, EpisodeInfo]
    first_frames: dict[str, int]
    spread: npt.NDArray[np.float64] | None


class Desk:
    """Answers questions; keeps policies and picture features for the next ones.

    Args:
        root: The data root.
        load: Loads an adapter folder.
    """

    def __init__(self, root: DataRoot, load: Callable[[Path], Policy]) -> None:
        self._root = root
        self._load = load
        self._runs: OrderedDict[tuple[str, int], _Loaded] = OrderedDict()
        self._features: OrderedDict[tuple[str, int, str, int], Features] = OrderedDict()

    def answer(self, question: Question, progress: Progress = SILENT) -> Answer:
        """Predict under the recording's instruction and under the asked one.

        Raises:
            MvlaError: The run, the episode or the frame cannot be used; one sentence.
        """
        stamp, loaded = self._run(question.run_id, progress)
        info = loaded.episodes.get(question.episode_id)
        if info is None:
            raise MvlaError(
                f"The data set of the run {question.run_id!r} holds no usable episode {question.episode_id!r}; "
                "choose another."
            )
        spec = loaded.policy.spec
        if info.action_space != spec.action_space:
            raise PolicyError(
                f"The policy predicts {', '.join(spec.action_space.names)} but the episode {info.episode_id} has "
                f"{', '.join(info.action_space.names)}; choose an episode of the policy's own action space."
            )
        last = question.frame - loaded.first_frames[info.episode_id]
        if not spec.window_size - 1 <= last < info.num_frames:
            first = loaded.first_frames[info.episode_id]
            raise MvlaError(
                f"The policy sees {spec.window_size} frames at a time: it can be asked at frames {first + spec.window_size} to "
                f"{first + info.num_frames}, not at {question.frame + 1}."
            )
        features = self._window((question.run_id, stamp), loaded.policy, info, last)
        began = time.perf_counter()
        at_end = np.array([spec.window_size - 1])
        original, changed = (
            loaded.policy.predict_features(features, text, at_end)[0]
            for text in (info.instruction, question.instruction)
        )
        seconds = time.perf_counter() - began
        if not (np.isfinite(original).all() and np.isfinite(changed).all()):
            raise PolicyError(
                f"The policy of the run {question.run_id!r} predicts NaN or infinity on this frame: its training has diverged; "
                "train again with a smaller learning rate."
            )
        names, units = spec.action_space.names, spec.action_space.units
        spread = loaded.spread
        return Answer(
            tuple(names), tuple(units), info.instruction, question.instruction, original, changed, spread, seconds
        )

    def _run(self, run_id: str, progress: Progress) -> tuple[int, _Loaded]:
        """The run's policy, loaded where it is not, or where a later training has replaced it."""
        run = self._root.run(run_id)
        described = run.adapter / "policy.json"
        if not described.is_file():
            raise MvlaError(f"The run {run_id!r} has no adapter any more; choose another run.")
        stamp = described.stat().st_mtime_ns
        if (run_id, stamp) not in self._runs:
            progress.stage(f"Loading the policy of {run_id}")
            # A large one needs the memory of those before it.
            backbone = read_json(described)["spec"]["backbone"]
            if backbone not in SMALL_BACKBONES:
                self._runs.clear()
            set_threads(backbone)
            annotations = frozen(run.path)
            ref = resolve_dataset(self._root, read_json(run.config)["dataset_folder"])
            listed = scan_curated(self._root, ref, annotations=annotations).episodes
            trims = {info.episode_id: annotations.of(info.episode_id).trim for info in listed}
            episodes = {info.episode_id: info for info in listed}
            first = {name: trim[0] if trim else 0 for name, trim in trims.items()}
            spread = None
            if run.evaluation_results.is_file():
                actions = load_results(run)["actions"]
                # Results of earlier releases do not say which axes vary.
                varies = actions.get("varies", [True] * len(actions["spread"]))
                spread = np.where(varies, np.array(actions["spread"], dtype=np.float64), np.nan)
            self._runs[run_id, stamp] = _Loaded(self._load(run.adapter), episodes, first, spread)
            while len(self._runs) > KEPT_POLICIES:
                self._runs.popitem(last=False)
            progress.stage("Ready for questions")
        self._runs.move_to_end((run_id, stamp))
        return stamp, self._runs[run_id, stamp]

    def _window(self, run: tuple[str, int], policy: Policy, info: EpisodeInfo, last: int) -> Features:
        """The features of the frames that one prediction sees, (window_size, ...); only those not yet known are encoded."""
        keys = [(*run, info.episode_id, frame) for frame in range(last - policy.spec.window_size + 1, last + 1)]
        missing = [key for key in keys if key not in self._features]
        if missing:
            with open_known(info) as reader:
                frames = reader.frames([key[-1] for key in missing])
            self._features.update(zip(missing, policy.encode_frames(frames), strict=True))
        for key in keys:
            self._features.move_to_end(key)
        while len(self._features) > max(KEPT_FRAMES, len(keys)):
            self._features.popitem(last=False)
        return np.stack([self._features[key] for key in keys])


def load_on_cpu(adapter: Path) -> Policy:
    """Load a policy on the CPU: the device of trainings is left to them."""
    return load_policy(adapter, device="cpu")


def answer_questions(
    root: DataRoot,
    folder: JobFolder,
    progress: Progress = SILENT,
    *,
    idle_s: float = IDLE_S,
    load: Callable[[Path], Policy] = load_on_cpu,
) -> dict[str, Any]:
    """Answer what is put into the folder until nothing came for `idle_s` seconds.

    Returns:
        `answered` and `message`, for the job's result.

    Raises:
        Stopped: The user asked to stop.
    """
    desk = Desk(root, load)
    questions_folder(folder).mkdir(exist_ok=True)
    answers_folder(folder).mkdir(exist_ok=True)
    progress.stage("Ready for questions")
    answered = 0
    try:
        latest = time.monotonic()
        while time.monotonic() - latest < idle_s:
            progress.check()
            if count := _answer_all(desk, folder, progress):
                answered += count
                latest = time.monotonic()
            time.sleep(_POLL_S)
    finally:
        # From here on whoever asks starts another worker; what was put before is still answered below.
        closed_marker(folder).touch()
    answered += _answer_all(desk, folder, progress)
    return {"answered": answered, "message": f"Answered {answered} questions; ended because no more came."}


def _answer_all(desk: Desk, folder: JobFolder, progress: Progress) -> int:
    """Answer every question that has no answer yet, the oldest first; return how many."""
    waiting = sorted(path for path in questions_folder(folder).glob("*.json") if not path.name.startswith("."))
    for path in waiting:
        progress.check()
        try:
            value = desk.answer(Question.from_json(read_json(path)), progress).to_json()
        except (MvlaError, KeyError, TypeError, ValueError) as error:
            # Whatever a question names may be gone or damaged; the worker lives on and says so.
            text = str(error) if isinstance(error, MvlaError) else f"The question cannot be read ({error}); ask again."
            value = {"error": text}
        write_json(answers_folder(folder) / path.name, value)
        path.unlink()
    return len(waiting)
