"""What the simulation tests share."""

from __future__ import annotations

import pytest

from mvla_core.simulation.config import SimulationConfig
from mvla_core.simulation.expert import Expert
from mvla_core.simulation.record import accepted_scene
from mvla_core.simulation.rollout import Drive, drive
from mvla_core.simulation.scene import Scene
from mvla_core.simulation.world import World

SIXTY = SimulationConfig(count=60, seed=3)


@pytest.fixture(scope="session")
def sixty_scenes() -> list[Scene]:
    """The scenes of a default set of 60 episodes."""
    return [accepted_scene(SIXTY, index).scene for index in range(SIXTY.count)]


@pytest.fixture(scope="session")
def sixty_drives(sixty_scenes: list[Scene]) -> list[Drive]:
    """The expert's drives through them, not drawn."""
    return [drive(World(), scene, Expert(scene), draw=False) for scene in sixty_scenes]
