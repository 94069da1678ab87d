"""The way to the goal: what every place of the room still costs, and how much room there is around it.

The costs are those of the keyboard: straight, sideways and diagonal moves on a grid, dearer close to obstacles and away
from the goal's line shortly before it. The wrong side of each box is closed up to the wall, so that following the
falling costs passes the boxes on the side that the instruction names.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mvla_core.errors import SimulationError
from mvla_core.simulation.scene import ROBOT_RADIUS, Scene

Doubles = npt.NDArray[np.float64]

CELL_M = 0.05
STANDOFF_M = 0.70
"""The robot stops with its middle this far before the basket's middle."""
KEEP_OUT_M = 0.10
"""Places closer than this to an obstacle, measured from the robot's rim, are closed."""
COMFORT_M = 0.10
"""Scale over which closeness to an obstacle stops to cost."""
APPROACH_M = 1.40
"""From this far before the basket on, standing off its line costs."""
STRAIGHT, SIDEWAYS, DIAGONAL, BACK = 1.0, 1.1, 1.25, 1.8
"""Cost of a metre along an axis by the keys' kind; a diagonal moves a metre along both axes."""
_CLOSED = 1e6
"""Cost of a metre through closed places: high, not endless, so that a robot that was pushed into one finds out again."""


def move_cost(forward: int, left: int) -> float:
    """Cost of a metre along an axis for a key that drives `forward` and `left` (-1, 0 or 1 each, not both 0)."""
    if forward < 0:
        return BACK
    if forward and left:
        return DIAGONAL
    return STRAIGHT if forward else SIDEWAYS


def clearance(scene: Scene, x: npt.ArrayLike, y: npt.ArrayLike, *, with_basket: bool = True) -> Doubles:
    """Distance in m from points to the nearest box, solid furniture, basket or wall; negative inside of one.

    Args:
        scene: Things stand where the scene put them.
        x: Any shape.
        y: The same shape.
        with_basket: Whether the basket counts as an obstacle.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    room = scene.room
    gap = np.minimum(np.minimum(x - room.x_min, room.x_max - x), np.minimum(y - room.y_min, room.y_max - y))
    blocks = [(box.x, box.y, box.yaw, box.half_x, box.half_y) for box in scene.boxes]
    blocks += [(piece.x, piece.y, 0.0, piece.half_x, piece.half_y) for piece in scene.furniture if piece.solid]
    for block_x, block_y, yaw, half_x, half_y in blocks:
        cosine, sine = math.cos(yaw), math.sin(yaw)
        across = np.abs(cosine * (x - block_x) + sine * (y - block_y)) - half_x
        along = np.abs(-sine * (x - block_x) + cosine * (y - block_y)) - half_y
        outside = np.hypot(np.maximum(across, 0.0), np.maximum(along, 0.0))
        gap = np.minimum(gap, outside + np.minimum(np.maximum(across, along), 0.0))
    if with_basket:
        gap = np.minimum(gap, np.hypot(x - scene.basket.x, y - scene.basket.y) - scene.basket.radius)
    return gap


def stop_point(scene: Scene) -> tuple[float, float]:
    """Where the robot's middle shall stop: before the basket, on the line of its heading at the start."""
    yaw = scene.start.yaw
    return scene.basket.x - STANDOFF_M * math.cos(yaw), scene.basket.y - STANDOFF_M * math.sin(yaw)


@dataclass(frozen=True)
class CostMap:
    """Costs on a grid of places (columns along x, rows along y), `CELL_M` apart."""

    x_min: float
    y_min: float
    remaining: Doubles
    """(nx, ny): cost from a place to the stop point, in metres of straight driving; large where there is no way."""
    local: Doubles
    """(nx, ny): what a metre costs at a place, at least 1."""

    def remaining_at(self, x: float, y: float) -> float:
        return self._between(self.remaining, x, y)

    def local_at(self, x: float, y: float) -> float:
        return self._between(self.local, x, y)

    def _between(self, values: Doubles, x: float, y: float) -> float:
        """Bilinear value; places outside take the border's."""
        column = min(max((x - self.x_min) / CELL_M, 0.0), values.shape[0] - 1.001)
        row = min(max((y - self.y_min) / CELL_M, 0.0), values.shape[1] - 1.001)
        i, j = int(column), int(row)
        a, b = column - i, row - j
        near = values[i, j] * (1 - b) + values[i, j + 1] * b
        far = values[i + 1, j] * (1 - b) + values[i + 1, j + 1] * b
        return float(near * (1 - a) + far * a)


EIGHT_KEYS = tuple((i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0))
"""Forward and left share of every key but the stop."""


def plan(scene: Scene, keys: Collection[tuple[int, int]] = EIGHT_KEYS) -> CostMap:
    """Work out what every place of the scene still costs.

    Args:
        scene: To drive through.
        keys: Those that there are, as signs of forward and left.

    Raises:
        SimulationError: No way leads from the start to the goal on the side asked for.
    """
    room = scene.room
    x = np.arange(room.x_min, room.x_max + CELL_M / 2, CELL_M)
    y = np.arange(room.y_min, room.y_max + CELL_M / 2, CELL_M)
    grid_x, grid_y = np.meshgrid(x, y, indexing="ij")
    closed = clearance(scene, grid_x, grid_y) < ROBOT_RADIUS + KEEP_OUT_M
    for box in scene.boxes:
        wrong_side = grid_y < box.y if scene.side_of(box) == "left" else grid_y > box.y
        closed |= (np.abs(grid_x - box.x) <= CELL_M) & wrong_side
    free = clearance(scene, grid_x, grid_y, with_basket=False) - ROBOT_RADIUS
    local = 1.0 + 2.5 * np.exp(-np.maximum(free, 0.0) / COMFORT_M)
    stop_x, stop_y = stop_point(scene)
    heading = math.tan(scene.start.yaw)
    off_line = np.abs(grid_y - (stop_y + (grid_x - stop_x) * heading))
    nearness = np.clip((APPROACH_M - (scene.basket.x - grid_x)) / (APPROACH_M - STANDOFF_M), 0.0, 1.0)
    local += 3.0 * off_line * nearness

    remaining = np.full(grid_x.shape, _CLOSED)
    goal = (round((stop_x - x[0]) / CELL_M), round((stop_y - y[0]) / CELL_M))
    if not (0 <= goal[0] < len(x) and 0 <= goal[1] < len(y)):
        raise _no_way(scene)
    remaining[goal] = 0.0
    local[closed] = _CLOSED
    _relax(remaining, local, [key for key in EIGHT_KEYS if key in keys])
    costs = CostMap(float(x[0]), float(y[0]), remaining, np.minimum(local, 50.0))
    if costs.remaining_at(scene.start.x, scene.start.y) >= _CLOSED * CELL_M / 2:
        raise _no_way(scene)
    return costs


def _no_way(scene: Scene) -> SimulationError:
    return SimulationError(
        f"The world of seed {scene.seed} has no way to the {scene.basket.kind} "
        f"{'between' if scene.side == 'straight' else f'on the {scene.side} of'} its boxes; choose another seed."
    )


def _relax(remaining: Doubles, local: Doubles, moves: Sequence[tuple[int, int]]) -> None:
    """Lower `remaining` in place until no key leads anywhere cheaper (Bellman-Ford over the keys)."""
    columns, rows = remaining.shape
    for sweep in range(columns * rows):
        before = remaining.copy() if sweep % 8 == 7 else None
        for forward, left in moves:
            here = (slice(max(0, -forward), columns - max(0, forward)), slice(max(0, -left), rows - max(0, left)))
            there = (slice(max(0, forward), columns - max(0, -forward)), slice(max(0, left), rows - max(0, -left)))
            step = move_cost(forward, left) * CELL_M
            np.minimum(remaining[here], remaining[there] + step * local[here], out=remaining[here])
        if before is not None and np.array_equal(before, remaining):
            return
