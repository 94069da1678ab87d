"""Golden audits: what the audit says of three small sets, kept as JSON so that every change of a figure is seen.

    python -m tests.golden.regenerate            audit the sets anew and write audit_*.json
    python -m tests.golden.regenerate --drives   drive the simulated set anew first

Regenerate only after looking at the difference: `git diff tests/golden` shows what changed for a user.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from mvla_core.audit.analysis import audit_episodes
from mvla_core.audit.table import PresetSize
from mvla_core.schema import ActionSequence, ActionSpace, EpisodeInfo, Scenario
from mvla_core.simulation.config import SimulationConfig
from mvla_core.simulation.record import accepted_scene, drives

HERE = Path(__file__).parent
KEYS_FILE = HERE.parent / "audit" / "recorded_keys.json"
DRIVES_FILE = HERE / "simulated_drives.json"
SIMULATION = SimulationConfig(count=24, seed=0, image_size=16)
PRESET = PresetSize("fixed", (50_000, 60_000))
"""A made-up size: what the presets really have is tested where they are."""
SIGNIFICANT_DIGITS = 9
"""Kept of each figure: the last ones differ between machines."""

Set = tuple[list[EpisodeInfo], list[ActionSequence]]


def sets() -> dict[str, Set]:
    """The audited sets: the briefing's 13 episodes, 89 recordings of one way, and 24 simulated drives."""
    table = json.loads(KEYS_FILE.read_text(encoding="utf-8"))
    velocities = table["key_to_velocity_m_s"]
    one_way = [keys for keys, count in table["one_box_left"].items() for _ in range(count)]
    known = Scenario(boxes=1, layout="hori", side="left", pattern="core", distance="medium")

    def recorded(names: list[str]) -> Set:
        actions = [np.array([velocities[key] for key in keys], dtype=np.float32) for keys in names]
        rows = [ActionSequence(f"episode_{number:02d}", rows) for number, rows in enumerate(actions)]
        return [info_of(row, scenario=known) for row in rows], rows

    return {
        "briefing_replica": recorded(table["briefing"]["keys"]),
        "one_script": recorded(one_way),
        "simulated": simulated(),
    }


def simulated() -> Set:
    """The simulated drives that are kept beside this file: varied, both sides, a clean set."""
    kept = json.loads(DRIVES_FILE.read_text(encoding="utf-8"))
    levels = np.array(kept["levels_m_s"], dtype=np.float32)
    episodes, sequences = [], []
    for number, drive in enumerate(kept["drives"]):
        actions = levels[np.array(drive["levels"])]
        sequences.append(ActionSequence(f"drive_{number:02d}", actions, drive["instruction"]))
        scenario = Scenario(**drive["scenario"])
        rate = drive["frame_rate_hz"]
        episodes.append(info_of(sequences[-1], scenario=scenario, frame_rate_hz=rate, simulated=True))
    return episodes, sequences


def info_of(sequence: ActionSequence, **fields: Any) -> EpisodeInfo:
    values: dict[str, Any] = {
        "dataset": "golden",
        "episode_id": sequence.episode_id,
        "path": Path(f"{sequence.episode_id}.h5"),
        "num_frames": sequence.num_frames,
        "height": 8,
        "width": 8,
        "action_space": ActionSpace.default(sequence.actions.shape[1]),
        "instruction": sequence.instruction,
        "instruction_source": "file" if sequence.instruction else "none",
        "scenario": Scenario(),
        "recorded_at": None,
        "frame_rate_hz": None,
        "color_order": "rgb",
        "recording_id": None,
        "recording_start": None,
        "simulated": False,
        "file_size": 1,
        "file_mtime_ns": 0,
    }
    return EpisodeInfo(**{**values, **fields})


def golden_audits() -> dict[str, Any]:
    """Audit the sets as the program is now: file name -> JSON."""
    found = {}
    for name, (episodes, sequences) in sets().items():
        result = audit_episodes(name, episodes, sequences, preset=PRESET)
        found[f"audit_{name}.json"] = rounded(result.to_json())
    return found


def rounded(value: Any) -> Any:
    """Return the value with every float cut to `SIGNIFICANT_DIGITS`."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    if isinstance(value, float) and math.isfinite(value):
        return float(f"{value:.{SIGNIFICANT_DIGITS}g}")
    return value


def drive_anew() -> dict[str, Any]:
    """Drive the simulated set and return it in the form of `DRIVES_FILE`."""
    driven = [recorded.actions for recorded in drives(SIMULATION)]
    scenes = [accepted_scene(SIMULATION, number).scene for number in range(SIMULATION.count)]
    levels = np.unique(np.concatenate(driven))
    return {
        "about": f"Drives of the simulator, seed {SIMULATION.seed}: each action as indices of levels_m_s.",
        "levels_m_s": levels.tolist(),
        "drives": [
            {
                "instruction": scene.instruction,
                "frame_rate_hz": round(1.0 / scene.frame_interval_s, 6),
                "scenario": {
                    "goal": "basket",
                    "boxes": len(scene.boxes),
                    "layout": scene.layout,
                    "side": scene.side,
                    "pattern": "core",
                    "distance": scene.distance,
                },
                "levels": np.searchsorted(levels, actions).tolist(),
            }
            for scene, actions in zip(scenes, driven, strict=True)
        ],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--drives", action="store_true", help="drive the simulated set anew first")
    if parser.parse_args().drives:
        DRIVES_FILE.write_text(json.dumps(drive_anew(), separators=(",", ":")) + "\n", encoding="utf-8")
    for name, value in golden_audits().items():
        text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False, sort_keys=True)
        (HERE / name).write_text(text + "\n", encoding="utf-8")
        print(f"wrote {HERE / name}")


if __name__ == "__main__":
    main()
