"""A scene of a simulation before it is recorded: what the expert drives, what the camera sees, and what recording will cost.

Drawing one scene takes well under half a second and loads no torch, so it is done in the server, and kept.
"""

from __future__ import annotations

import json
import time
import zlib
from dataclasses import dataclass

import streamlit as st

from mvla_core.schema import Frame
from mvla_core.simulation.config import SimulationConfig
from mvla_core.simulation.record import drive_scene, rehearse
from mvla_core.simulation.scene import Pose, Scene
from mvla_core.simulation.world import World

DRAWS_SHOWN = 6
"""Draws of one episode that the preview tries; a recording tries more."""
PREVIEW_HEIGHT_PX = 224
"""Larger frames are previewed at this height, so that the page does not wait."""


@dataclass(frozen=True)
class ScenePreview:
    """One scene with the expert's way through it.

    Attributes:
        scene: As it will be recorded, or the last draw that was refused.
        poses: Of the expert, one more than frames; empty where there is no way.
        frame: uint8 (height, width, 3), RGB, from the start.
        refused: Reasons why earlier draws, and with `accepted` False this one too, will not be recorded.
        accepted: Whether the scene will be recorded.
        shoved_at: Frame of the shove; None without one.
        draw_s: CPU seconds that one frame of the settings' size takes.
        drive_s: CPU seconds that one drive without pictures takes.
        frame_bytes: Of the compressed frame of the settings' size.
    """

    scene: Scene
    poses: tuple[Pose, ...]
    frame: Frame
    refused: tuple[str, ...]
    accepted: bool
    shoved_at: int | None
    draw_s: float
    drive_s: float
    frame_bytes: float


def scene_preview(config: SimulationConfig, index: int) -> ScenePreview:
    """The scene of episode `index`, kept for the same settings.

    Raises:
        SimulationError: The renderer cannot draw here.
    """
    settings = config.to_json()
    # A preview does not depend on how many episodes there will be.
    settings["count"] = 1
    return _scene_preview(json.dumps(settings, sort_keys=True), index)


@st.cache_data(max_entries=128, show_spinner=False)
def _scene_preview(settings: str, index: int) -> ScenePreview:
    config = SimulationConfig.from_settings(**json.loads(settings))
    refused: list[str] = []
    began = time.process_time()
    for attempt in range(1 if config.script else DRAWS_SHOWN):
        tried = rehearse(config, index, attempt)
        if config.script or not tried.refused:
            break
        refused.append(tried.refused)
    drive_s = (time.process_time() - began) / (len(refused) + 1)
    driven = drive_scene(config, index, tried.scene, draw=False) if config.script else tried.driven
    height, width = config.image_shape
    share = min(1.0, PREVIEW_HEIGHT_PX / height)
    world = World(round(height * share), max(16, round(width * share)), renderer=config.renderer)
    world.reset(tried.scene)
    frame = world.frame()
    began = time.process_time()
    world.frame()
    draw_s = (time.process_time() - began) / share**2
    world.close()
    return ScenePreview(
        scene=tried.scene,
        poses=driven.poses if driven is not None else (),
        frame=frame,
        refused=tuple(refused),
        accepted=config.script or not tried.refused,
        shoved_at=driven.shoved_at if driven is not None else None,
        draw_s=draw_s,
        drive_s=drive_s,
        frame_bytes=len(zlib.compress(frame.tobytes(), 1)) / share**2,
    )


@dataclass(frozen=True)
class ExpectedCost:
    """What a recording is expected to take."""

    seconds: float
    bytes: float
    frames: int


def expected_cost(config: SimulationConfig, preview: ScenePreview, workers: int, remaining: int) -> ExpectedCost:
    """Time and disk for the episodes that are still to be recorded, from what the preview took.

    Args:
        config: Of the data set.
        preview: Of one of its scenes, drawn on this machine.
        workers: Processes; as many as there are idle cores are counted in full.
        remaining: Episodes to record.
    """
    length = len(preview.poses) - 1 if preview.poses else sum(config.frames) / 2
    # A drive is rehearsed once, driven once more with pictures, and packed; a few draws are refused.
    packing_s = preview.frame_bytes * 1.2e-7
    episode_s = length * (preview.draw_s + packing_s) + 2.1 * preview.drive_s
    start_s = 1.5 if remaining else 0.0
    return ExpectedCost(
        seconds=start_s + remaining * episode_s / workers,
        bytes=remaining * length * preview.frame_bytes,
        frames=round(remaining * length),
    )
