"""One simulated world that can be reset, driven and looked at; what drives it is none of its business."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import mujoco
import numpy as np
import numpy.typing as npt

from mvla_core.errors import SimulationError
from mvla_core.schema import Frame
from mvla_core.simulation.config import TIMESTEP_S
from mvla_core.simulation.gl_renderer import GlRenderer
from mvla_core.simulation.mjcf import BuiltModel, build_model
from mvla_core.simulation.ray_renderer import RayRenderer
from mvla_core.simulation.scene import Pose, Scene


@dataclass
class _Running:
    """What a world holds between two resets."""

    scene: Scene
    built: BuiltModel
    data: mujoco.MjData
    robot_geom: int
    position: npt.NDArray[np.intp]
    """Where x, y and yaw of the robot lie among the model's coordinates."""
    slip_rng: np.random.Generator
    renderer: RayRenderer | GlRenderer | None = None
    collided: bool = False
    frames_taken: int = 0


class World:
    """A room with a robot in it.

    Use: `reset(scene)`, then any of `frame()`, `step(...)`, `pose`, `collided`. One world may be reset many times.
    """

    def __init__(self, image_size: int = 224, image_width: int | None = None, *, renderer: str = "ray") -> None:
        """Make an empty world.

        Args:
            image_size: Height of its frames in pixels, and their width where `image_width` is None.
            image_width: In pixels.
            renderer: "ray", or "gl" where this machine has EGL.
        """
        self._height, self._width = image_size, image_width or image_size
        self._renderer = renderer
        self._state: _Running | None = None

    def reset(self, scene: Scene) -> None:
        """Build the scene and put the robot at its start, at rest.

        Raises:
            SimulationError: The scene cannot be built.
        """
        built = build_model(scene)
        data = mujoco.MjData(built.model)
        position = np.array([int(built.model.joint(name).qposadr[0]) for name in ("x", "y", "yaw")], np.intp)
        data.qpos[position] = (scene.start.x, scene.start.y, scene.start.yaw)
        mujoco.mj_forward(built.model, data)
        robot = int(built.model.geom("robot").id)
        self.close()
        self._state = _Running(scene, built, data, robot, position, np.random.default_rng([scene.seed, 3]))

    def close(self) -> None:
        """Give back what the graphics library holds; a reset does so too."""
        if self._state is not None and isinstance(self._state.renderer, GlRenderer):
            self._state.renderer.close()
            self._state.renderer = None

    @property
    def _running(self) -> _Running:
        if self._state is None:
            raise SimulationError("The world is empty; call reset(scene) before driving or looking.")
        return self._state

    @property
    def scene(self) -> Scene:
        return self._running.scene

    @property
    def pose(self) -> Pose:
        """Where the robot stands, in the world's frame."""
        x, y, yaw = (float(value) for value in self._running.data.qpos[self._running.position])
        return Pose(x, y, yaw)

    @property
    def collided(self) -> bool:
        """Whether the robot has touched anything but the floor since the reset."""
        return self._running.collided

    def step(self, action: npt.ArrayLike, duration_s: float) -> None:
        """Hold a velocity for a while. The wheels slip a little, as the scene says.

        Args:
            action: (2,) or (3,): linear_x, linear_y in m/s and, if given, angular_z in rad/s, in the robot's frame.
            duration_s: Rounded to the physics' step of 0.01 s, at least one.

        Raises:
            SimulationError: The action has another shape or is not finite.
        """
        now = self._running
        given = np.asarray(action, np.float64)
        if given.shape not in ((2,), (3,)) or not np.isfinite(given).all():
            raise SimulationError(
                f"The action {given.tolist()} cannot be driven; expected 2 or 3 finite numbers: "
                "linear_x, linear_y in m/s and angular_z in rad/s."
            )
        velocity = np.zeros(3)
        velocity[: given.size] = given
        velocity[:2] += now.slip_rng.normal(0.0, now.scene.slip, 2) * math.hypot(velocity[0], velocity[1])
        for _ in range(max(1, round(duration_s / TIMESTEP_S))):
            yaw = float(now.data.qpos[now.position[2]])
            cosine, sine = math.cos(yaw), math.sin(yaw)
            now.data.ctrl[:] = (
                cosine * velocity[0] - sine * velocity[1],
                sine * velocity[0] + cosine * velocity[1],
                velocity[2],
            )
            mujoco.mj_step(now.built.model, now.data)
            if now.data.ncon and (now.data.contact.geom == now.robot_geom).any():
                now.collided = True
        mujoco.mj_forward(now.built.model, now.data)

    def place_box(self, number: int, x: float, y: float) -> None:
        """Put one of the scene's boxes somewhere else, upright and at rest: something that happens while the robot drives.

        Args:
            number: Of the box, from 0.
            x: Of its middle, m.
            y: Likewise. Nothing else may stand there.
        """
        now = self._running
        joint = now.built.model.body(f"box{number}").jntadr[0]
        place, speed = int(now.built.model.jnt_qposadr[joint]), int(now.built.model.jnt_dofadr[joint])
        now.data.qpos[place : place + 7] = (x, y, now.scene.boxes[number].half_z, 1.0, 0.0, 0.0, 0.0)
        now.data.qvel[speed : speed + 6] = 0.0
        mujoco.mj_forward(now.built.model, now.data)

    def frame(self) -> Frame:
        """What the front camera sees now: uint8 (height, width, 3), RGB."""
        now = self._running
        if now.renderer is None:
            make = GlRenderer if self._renderer == "gl" else RayRenderer
            now.renderer = make(now.scene, now.built, self._height, self._width)
        frame = now.renderer.render(now.data, noise_seed=(now.scene.seed, 4, now.frames_taken))
        now.frames_taken += 1
        return frame


class Driver(Protocol):
    """What chooses the robot's actions: the expert, a script, a policy."""

    def act(self, world: World, frame: Frame | None) -> npt.NDArray[np.float32]:
        """Return the next action, float32 (2,) or (3,) in m/s and rad/s; all zeros to stop and end the drive.

        Args:
            world: For drivers that may know the truth. A policy looks at the frame alone.
            frame: What the camera sees now; None where nothing is drawn.
        """
        ...
