"""A drive as an MP4 that every browser plays: what the camera saw, and beside it the way from above.

The picture is coded as VP9 by the OpenCV that is installed anyway; its MPEG-4 coder ("mp4v") gives files that no browser plays.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from mvla_core.errors import SimulationError
from mvla_core.files import replacing
from mvla_core.schema import Actions, Frame
from mvla_core.simulation.scene import ROBOT_RADIUS, Pose, Scene

CODEC = "vp09"
HEIGHT_PX = 288
"""Of the video; camera and map are squares of this side, side by side."""
REST_S = 0.8
"""The last picture stays for so long."""
_INK, _WAY, _ROBOT, _BOX, _SUDDEN, _GOAL, _PAPER = (
    (70, 70, 70),
    (190, 90, 20),
    (30, 30, 30),
    (150, 105, 60),
    (200, 40, 40),
    (50, 110, 190),
    (245, 245, 242),
)


def write_video(
    path: Path,
    scene: Scene,
    frames: Sequence[Frame],
    poses: Sequence[Pose],
    commands: Actions,
    rate_hz: float,
    title: str,
) -> None:
    """Write a drive of T frames.

    Args:
        path: Ends in ".mp4"; its folder is created. It appears only when it is complete.
        scene: Where it was driven.
        frames: T pictures, uint8 (H, W, 3), RGB.
        poses: At least T; pose t belongs to frame t.
        commands: float32 (T, A), m/s and rad/s.
        rate_hz: Frames a second.
        title: One line of ASCII below the map.

    Raises:
        SimulationError: The video cannot be written whole; what was there before is still there.
    """
    try:
        with replacing(path) as temporary:
            # OpenCV chooses the container by the ending, which the temporary file has not.
            named = temporary.with_name(f"{temporary.name}.mp4")
            try:
                written = _encode(named, path, scene, frames, poses, commands, rate_hz, title)
                found = _frames_in(named)
                if found != written:
                    free = shutil.disk_usage(path.parent).free
                    raise SimulationError(
                        f"The video {path} cannot be written: {found} of its {written} pictures reached the disk, which has "
                        f"{free / 1e6:,.0f} MB left; free some space and drive again: finished trials are kept."
                    )
                named.replace(temporary)
            finally:
                named.unlink(missing_ok=True)
    except OSError as error:
        raise SimulationError(
            f"The video {path} cannot be written ({error.strerror or error}); free some space on its disk, or let the folder be "
            "written, and drive again: finished trials are kept."
        ) from error


def _encode(
    named: Path,
    path: Path,
    scene: Scene,
    frames: Sequence[Frame],
    poses: Sequence[Pose],
    commands: Actions,
    rate_hz: float,
    title: str,
) -> int:
    """Write the video to the file `named` and return how many pictures were handed to the coder, which reports no failure.

    Raises:
        SimulationError: There is no coder, or the file cannot be begun.
    """
    writer = cv2.VideoWriter(str(named), cv2.VideoWriter.fourcc(*CODEC), rate_hz, (2 * HEIGHT_PX, HEIGHT_PX))
    try:
        if not writer.isOpened():
            raise SimulationError(
                f"The video {path} cannot be written: this OpenCV has no VP9 coder, or the folder cannot be written; "
                "install the opencv-python-headless of requirements.txt."
            )
        background = _map_of(scene)
        picture = background
        for number, frame in enumerate(frames):
            picture = _picture(background, scene, frame, poses[: number + 1], commands[number], title)
            writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        rest = max(1, round(REST_S * rate_hz))
        for _ in range(rest):
            writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    finally:
        writer.release()
    return len(frames) + rest


def _frames_in(video: Path) -> int:
    """Pictures that can be read back from a video; 0 where it cannot be opened."""
    reader = cv2.VideoCapture(str(video))
    try:
        count = 0
        while reader.grab():
            count += 1
        return count
    finally:
        reader.release()


def _scale(scene: Scene) -> tuple[float, float, float]:
    """Pixels a metre, and the world's x and y at the lower middle of the map; up is forward."""
    far = scene.basket.x + 0.6
    near = -0.5
    return (HEIGHT_PX - 40) / max(far - near, 3.2), near, 0.0


def _pixel(scene: Scene, x: float, y: float) -> tuple[int, int]:
    scale, near, middle = _scale(scene)
    return round(HEIGHT_PX / 2 - (y - middle) * scale), round(HEIGHT_PX - 20 - (x - near) * scale)


def _map_of(scene: Scene) -> Frame:
    canvas = np.full((HEIGHT_PX, HEIGHT_PX, 3), _PAPER, np.uint8)
    scale = _scale(scene)[0]
    for piece in scene.furniture:
        if piece.solid:
            _block(canvas, scene, (piece.x, piece.y, 0.0, piece.half_x, piece.half_y), (200, 200, 195))
    for box in scene.boxes:
        _block(canvas, scene, (box.x, box.y, box.yaw, box.half_x, box.half_y), _BOX)
    radius = max(2, round(scene.basket.radius * scale))
    cv2.circle(canvas, _pixel(scene, scene.basket.x, scene.basket.y), radius, _GOAL, -1, cv2.LINE_AA)
    return canvas


def _block(canvas: Frame, scene: Scene, block: tuple[float, ...], colour: tuple[int, int, int]) -> None:
    x, y, yaw, half_x, half_y = block
    cosine, sine = math.cos(yaw), math.sin(yaw)
    corners = [(a * half_x, b * half_y) for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    points = [_pixel(scene, x + cosine * a - sine * b, y + sine * a + cosine * b) for a, b in corners]
    cv2.fillConvexPoly(canvas, np.array(points, np.int32), colour, cv2.LINE_AA)


def _picture(
    background: Frame,
    scene: Scene,
    frame: Frame,
    poses: Sequence[Pose],
    command: npt.NDArray[np.float32],
    title: str,
) -> Frame:
    plan = background.copy()
    way = np.array([_pixel(scene, pose.x, pose.y) for pose in poses], np.int32)
    cv2.polylines(plan, [way], False, _WAY, 2, cv2.LINE_AA)
    now = poses[-1]
    scale = _scale(scene)[0]
    centre = _pixel(scene, now.x, now.y)
    cv2.circle(plan, centre, max(2, round(ROBOT_RADIUS * scale)), _ROBOT, 1, cv2.LINE_AA)
    cosine, sine = math.cos(now.yaw), math.sin(now.yaw)
    forward, left = float(command[0]), float(command[1])
    tip = _pixel(scene, now.x + 0.4 * (cosine * forward - sine * left), now.y + 0.4 * (sine * forward + cosine * left))
    cv2.arrowedLine(plan, centre, tip, _SUDDEN, 2, cv2.LINE_AA, tipLength=0.3)
    cv2.putText(plan, title, (6, HEIGHT_PX - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.36, _INK, 1, cv2.LINE_AA)
    seen = cv2.resize(frame, (HEIGHT_PX, HEIGHT_PX), interpolation=cv2.INTER_LINEAR)
    return np.concatenate([np.asarray(seen, np.uint8), plan], axis=1)
