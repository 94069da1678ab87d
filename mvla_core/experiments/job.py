"""The job "experiment": which function does what its configuration asks for."""

from __future__ import annotations

from typing import Any

from mvla_core.errors import UserInputError, did_you_mean
from mvla_core.experiments.curriculum import run_curriculum
from mvla_core.experiments.mixing import run_mixing
from mvla_core.experiments.scaling import run_scaling
from mvla_core.layout import DataRoot
from mvla_core.progress import Progress

_FUNCTIONS = {"scaling": run_scaling, "mixing": run_mixing, "curriculum": run_curriculum}


def run_experiment(root: DataRoot, config: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Make the experiment that `config["experiment"]` names, with the rest of the configuration.

    Returns:
        `run_id`, `experiment`, and `answer` in one sentence; the figures lie in the run's evaluation folder.

    Raises:
        UserInputError: There is no such experiment.
        MvlaError: As the experiment's own function.
    """
    kind = str(config.get("experiment"))
    if kind not in _FUNCTIONS:
        raise UserInputError(
            f"There is no experiment {kind!r}: expected one of {', '.join(_FUNCTIONS)}.{did_you_mean(kind, _FUNCTIONS)}"
        )
    result = _FUNCTIONS[kind](root, config, progress)
    return {"run_id": result["run_id"], "experiment": kind, "answer": result["answer"]["text"]}
