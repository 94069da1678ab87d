"""A simulated scene from above: the room, what stands in it, and the way that the expert drives."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from app.figure_style import compact
from mvla_core.simulation.scene import ROBOT_RADIUS, Pose, Scene

HEIGHT_PX = 420
_BOX, _GOAL, _WAY, _THING, _ROBOT, _SHOVE = "#b5793a", "#2f7fd0", "#1f9d74", "#8a9698", "#d1495b", "#e0a100"
_VIEW_M = 1.2


def seen_from_above(scene: Scene, poses: Sequence[Pose], shoved_at: int | None = None) -> go.Figure:
    """Draw a scene with the robot's start at the bottom and its left on the left.

    Args:
        scene: To draw.
        poses: The planned way; may be empty.
        shoved_at: Frame in which the robot is shoved; None without a shove.
    """
    figure = go.Figure()
    room = scene.room
    walls = [(room.x_min, room.y_min), (room.x_max, room.y_min), (room.x_max, room.y_max), (room.x_min, room.y_max)]
    _outline(figure, walls, _THING, "wall", filled=False)
    for piece in scene.furniture:
        if piece.solid:
            _outline(figure, _corners(piece.x, piece.y, 0.0, piece.half_x, piece.half_y), _THING, "furniture, clutter")
    for number, box in enumerate(scene.boxes, 1):
        _outline(figure, _corners(box.x, box.y, box.yaw, box.half_x, box.half_y), _BOX, f"box {number}")
    goal = scene.basket
    _outline(figure, _circle(goal.x, goal.y, goal.radius), _GOAL, goal.kind)
    _outline(figure, _view(scene), _ROBOT, "camera's view", filled=False, dash="dot")
    if poses:
        x, y = [pose.x for pose in poses], [pose.y for pose in poses]
        figure.add_scatter(
            x=y,
            y=x,
            mode="lines+markers",
            line={"color": _WAY, "width": 2.5},
            marker={"size": 5, "color": _WAY},
            customdata=list(range(len(poses))),
            hovertemplate="frame %{customdata}<br>forward %{y:.2f} m, left %{x:.2f} m<extra>expert</extra>",
        )
        _outline(figure, _circle(x[-1], y[-1], ROBOT_RADIUS), _WAY, "where it stops", filled=False)
        if shoved_at is not None:
            figure.add_scatter(
                x=[y[shoved_at]],
                y=[x[shoved_at]],
                mode="markers",
                marker={"symbol": "star", "size": 15, "color": _SHOVE},
                hovertemplate="shoved aside in frame " + str(shoved_at) + "<extra></extra>",
            )
    _outline(figure, _circle(scene.start.x, scene.start.y, ROBOT_RADIUS), _ROBOT, "robot's start")
    figure.update_xaxes(title_text="left [m]", range=[room.y_max + 0.15, room.y_min - 0.15], zeroline=False)
    figure.update_yaxes(
        title_text="forward [m]",
        range=[room.x_min - 0.15, room.x_max + 0.15],
        scaleanchor="x",
        constrain="domain",
        zeroline=False,
    )
    figure.update_xaxes(constrain="domain")
    return compact(figure, HEIGHT_PX)


def _outline(
    figure: go.Figure,
    places: Sequence[tuple[float, float]],
    colour: str,
    name: str,
    *,
    filled: bool = True,
    dash: str = "solid",
) -> None:
    """A closed line through places (x forward, y left)."""
    closed = [*places, places[0]]
    figure.add_scatter(
        x=[y for _, y in closed],
        y=[x for x, _ in closed],
        mode="lines",
        line={"color": colour, "width": 1.6, "dash": dash},
        fill="toself" if filled else None,
        opacity=0.85,
        hoveron="points" if not filled else "fills",
        name=name,
        text=name,
        hoverinfo="text",
    )


def _corners(x: float, y: float, yaw: float, half_x: float, half_y: float) -> list[tuple[float, float]]:
    cosine, sine = math.cos(yaw), math.sin(yaw)
    signs = ((1, 1), (-1, 1), (-1, -1), (1, -1))
    return [
        (x + cosine * a * half_x - sine * b * half_y, y + sine * a * half_x + cosine * b * half_y) for a, b in signs
    ]


def _circle(x: float, y: float, radius: float) -> list[tuple[float, float]]:
    angles = np.linspace(0, 2 * math.pi, 33)[:-1]
    return [(x + radius * math.cos(angle), y + radius * math.sin(angle)) for angle in angles]


def _view(scene: Scene) -> list[tuple[float, float]]:
    """The wedge that the camera sees at the start."""
    camera, start = scene.camera, scene.start
    heading = start.yaw + camera.yaw
    x = start.x + camera.forward * math.cos(start.yaw)
    y = start.y + camera.forward * math.sin(start.yaw)
    half = math.radians(camera.field_of_view_deg) / 2
    return [
        (x, y),
        *((x + _VIEW_M * math.cos(heading + a), y + _VIEW_M * math.sin(heading + a)) for a in (half, -half)),
    ]
