"""Each planted fault of the actions and the files is found, and none of them in a clean simulated set."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from mvla_core.audit.audit import audit_dataset
from mvla_core.audit.result import AuditResult
from mvla_core.episodes.writer import write_episode
from mvla_core.layout import DataRoot
from mvla_core.schema import Actions, ActionSpace, Finding
from tests.golden.regenerate import simulated

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 18000000\n"
PLANTED = {
    "one_script",
    "unbalanced_direction",
    "unbalanced_side",
    "instruction_from_actions",
    "clipped_actions",
    "stub",
    "pointer_file",
    "mixed_schema",
    "mixed_action_space",
    "mixed_frame_rate",
    "implausible_velocity",
    "implausible_acceleration",
    "idle_stretch",
    "idle_ends",
    "duplicate_files",
    "outside_train_range",
}


@dataclasses.dataclass
class Recording:
    """One file to write."""

    name: str
    actions: Actions
    instruction: str
    attributes: dict[str, Any]


def clean() -> list[Recording]:
    """The kept simulated drives at 0.92 m/s, so that nothing is beyond the briefing's clamp."""
    episodes, sequences = simulated()
    return [
        Recording(
            f"episode_20260101_1200{number:02d}",
            (0.8 * sequence.actions).astype(np.float32),
            sequence.instruction,
            {**_scenario(info.scenario), "frame_rate_hz": info.frame_rate_hz},
        )
        for number, (info, sequence) in enumerate(zip(episodes, sequences, strict=True))
    ]


def _scenario(scenario: Any) -> dict[str, Any]:
    return {name: value for name, value in vars(scenario).items() if value is not None}


def write(root: DataRoot, recordings: list[Recording]) -> Path:
    folder = root.dataset("planted")
    folder.mkdir(parents=True)
    for seed, recording in enumerate(recordings):
        frames = np.random.default_rng(seed).integers(0, 256, (len(recording.actions), 4, 6, 3), dtype=np.uint8)
        space = ActionSpace.default(recording.actions.shape[1])
        write_episode(
            folder / f"{recording.name}.h5",
            frames,
            recording.actions,
            action_space=space,
            instruction=recording.instruction,
            attributes=recording.attributes,
        )
    return folder


Plant = Callable[[list[Recording]], None]
Damage = Callable[[Path], None]


def nothing(_: Any) -> None:
    """Plant nothing."""


def one_script(recordings: list[Recording]) -> None:
    for recording in recordings:
        recording.actions = recordings[0].actions


def mostly_forward(recordings: list[Recording]) -> None:
    generator = np.random.default_rng(0)
    for recording in recordings:
        recording.actions[:] = [0.92, 0.0]
        recording.actions[generator.integers(0, len(recording.actions))] = [0.0, generator.choice([-0.92, 0.92])]


def one_side(recordings: list[Recording]) -> None:
    """250 left, 0 right, in small: the instruction and the scenario say left everywhere."""
    for recording in recordings:
        recording.instruction = recording.instruction.replace("right", "left")
        recording.attributes["side"] = "left"


def text_from_last_direction(recordings: list[Recording]) -> None:
    """The robot project's prompts: an ending made from the action."""
    for recording in recordings:
        lateral = recording.actions[np.abs(recording.actions).any(axis=1)][-1, 1]
        ending = "sliding left" if lateral > 0.1 else "sliding right" if lateral < -0.1 else "moving forward"
        recording.instruction = f"{recording.instruction[:-1]}, {ending}."


def text_for_each_sequence(recordings: list[Recording]) -> None:
    """Six routes, each with a text of its own that no scene asks for."""
    for number, recording in enumerate(recordings):
        recording.attributes |= {"side": "left", "boxes": 1}
        recording.actions = recordings[number % 6].actions
        recording.instruction = f"Do drive number {number % 6}."


def text_that_tells_the_action(recordings: list[Recording]) -> None:
    """Short commands: the text is the action."""
    for number, recording in enumerate(recordings):
        word, action = (("left", [0.0, 0.9]), ("right", [0.0, -0.9]), ("forward", [0.9, 0.0]))[number % 3]
        recording.actions[number % 5 :] = action
        recording.instruction = f"Go {word}."


def fast_key(recordings: list[Recording]) -> None:
    for recording in recordings:
        recording.actions *= np.float32(1.25)


def one_unit_error(recordings: list[Recording]) -> None:
    recordings[3].actions[4] = [92.0, 0.0]


def joystick_with_a_jump(recordings: list[Recording]) -> None:
    """Smooth sticks at 20 Hz; in one frame of one episode the signal jumps."""
    generator = np.random.default_rng(1)
    for recording in recordings:
        phase = generator.uniform(0, 6.3) + generator.uniform(0.2, 0.4) * np.arange(len(recording.actions))
        recording.actions = np.stack([0.5 + 0.4 * np.cos(phase), 0.9 * np.sin(phase)], axis=1).astype(np.float32)
        recording.attributes["frame_rate_hz"] = 20.0
    recordings[5].actions[7, 0] = -0.5


def waiting(recordings: list[Recording]) -> None:
    """One driver went for a coffee in the middle of the drive."""
    drive = recordings[2].actions
    recordings[2].actions = np.concatenate([drive[:6], np.zeros((12, 2), dtype=np.float32), drive[6:]])


def late_start(recordings: list[Recording]) -> None:
    still = np.zeros((5, 2), dtype=np.float32)
    recordings[2].actions = np.concatenate([still, recordings[2].actions])


def third_axis(recordings: list[Recording]) -> None:
    rows = recordings[0].actions
    recordings[0].actions = np.concatenate([rows, np.zeros((len(rows), 1), dtype=np.float32)], axis=1)


def two_rates(recordings: list[Recording]) -> None:
    for recording in recordings[:6]:
        recording.attributes["frame_rate_hz"] = 30.0


def a_copy(folder: Path) -> None:
    first = sorted(folder.iterdir())[0]
    shutil.copy(first, folder / "episode_20260102_120000.h5")


def another_recorder(folder: Path) -> None:
    with h5py.File(sorted(folder.iterdir())[0], "r+") as file:
        file.move("images", "observations/images")


def a_pointer(folder: Path) -> None:
    (folder / "episode_20260102_120000.h5").write_text(POINTER, encoding="utf-8")


def a_stub(folder: Path) -> None:
    with h5py.File(folder / "episode_20260102_120000.h5", "w") as file:
        file.create_dataset("images", (0, 4, 6, 3), np.uint8)
        file.create_dataset("actions", (0, 2), np.float32)


# What is raised beside the planted code is part of the same fault: copies of a script are alike in every way.
CASES: tuple[tuple[str, Plant, Damage, set[str]], ...] = (
    ("clean", nothing, nothing, set()),
    ("one script", one_script, nothing, {"one_script"}),
    ("95 % forward", mostly_forward, nothing, {"unbalanced_direction"}),
    ("all left, none right", one_side, nothing, {"unbalanced_side"}),
    ("text from the last direction", text_from_last_direction, nothing, {"instruction_from_actions"}),
    (
        "a text for each sequence",
        text_for_each_sequence,
        nothing,
        {"instruction_from_actions", "unbalanced_side", "one_script"},
    ),
    ("the text is the action", text_that_tells_the_action, nothing, {"instruction_from_actions"}),
    ("clipped", fast_key, nothing, {"clipped_actions"}),
    ("impossible speed", one_unit_error, nothing, {"implausible_velocity", "clipped_actions"}),
    ("impossible acceleration", joystick_with_a_jump, nothing, {"implausible_acceleration"}),
    ("idle in the middle", waiting, nothing, {"idle_stretch"}),
    ("idle start", late_start, nothing, {"idle_ends"}),
    ("mixed action spaces", third_axis, nothing, {"mixed_action_space"}),
    ("mixed frame rates", two_rates, nothing, {"mixed_frame_rate"}),
    ("duplicate file", nothing, a_copy, {"duplicate_files"}),
    ("mixed schema", nothing, another_recorder, {"mixed_schema"}),
    ("pointer", nothing, a_pointer, {"pointer_file"}),
    ("stub", nothing, a_stub, {"stub"}),
)


@pytest.mark.parametrize(("plant", "damage", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_each_fault_is_found_and_none_of_the_others(
    root: DataRoot, plant: Plant, damage: Damage, expected: set[str]
) -> None:
    recordings = clean()
    plant(recordings)
    damage(write(root, recordings))
    result = audit_dataset(root, "planted")
    found = {finding.code for finding in result.findings}
    assert found & PLANTED == expected, [finding.message for finding in result.findings]
    if not expected:
        assert {finding.code for finding in result.findings if finding.level in ("error", "warning")} == set()


def named(result: AuditResult, code: str) -> Finding:
    return next(finding for finding in result.findings if finding.code == code)


def test_idle_findings_propose_what_curation_does(root: DataRoot) -> None:
    recordings = clean()
    late_start(recordings)
    waiting(recordings[2:] + recordings[:2])
    write(root, recordings)
    result = audit_dataset(root, "planted")
    trims = named(result, "idle_ends").details["trims"]
    assert trims == {"episode_20260101_120002": [4, len(recordings[2].actions) - 1]}
    assert named(result, "idle_ends").next.endswith("curate planted --auto-trim")
    stretch = named(result, "idle_stretch")
    assert stretch.details["stretches"] == {"episode_20260101_120004": [6, 17]}
    assert "--exclude episode_20260101_120004 --reason idle" in stretch.next


def test_copies_under_other_names_are_grouped(root: DataRoot) -> None:
    recordings = clean()
    recordings[1].actions = recordings[0].actions.copy()  # The same actions with other pictures are no copy.
    recordings[1].attributes = recordings[0].attributes
    recordings[1].instruction = recordings[0].instruction
    folder = write(root, recordings)
    a_copy(folder)
    found = named(audit_dataset(root, "planted"), "duplicate_files")
    assert found.details["groups"] == [["episode_20260101_120000", "episode_20260102_120000"]]
    assert "1 of 25 files" in found.message
