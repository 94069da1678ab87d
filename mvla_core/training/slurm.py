"""A prepared run in several processes: under torchrun here, or as a job of a Slurm cluster through submitit (an optional package).

Torch-free.

What is submitted is a list of words, torchrun's command line; nothing of this program is pickled. One node; several GPUs of it
become several processes.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from dataclasses import dataclass
from typing import Any

from mvla_core.errors import JobError, RecipeError, UserInputError
from mvla_core.jobs.launch import CODE_FOLDER
from mvla_core.layout import DataRoot, RunFolder
from mvla_core.training.recipe import Recipe

HERE = "local"
"""The partition that is this machine."""
INSTALL = "python -m pip install submitit==1.5.4"


@dataclass(frozen=True)
class Cluster:
    """Where and how a run is trained outside this machine's queue.

    Attributes:
        partition: Of the cluster; "local" is this machine.
        processes: That train together, one a GPU where the node has some.
        gpus: GPUs to ask for; 0 trains on the CPU.
        cpus: Cores for each process.
        hours: Time limit.
    """

    partition: str
    processes: int = 1
    gpus: int = 0
    cpus: int = 4
    hours: float = 24.0

    @property
    def here(self) -> bool:
        """Whether it trains on this machine."""
        return self.partition == HERE

    @property
    def cores(self) -> int:
        """Of all processes together."""
        return self.cpus * self.processes


def check_cluster(recipe: Recipe, cluster: Cluster, gpus_here: int) -> None:
    """Refuse what would end the job at its start, or leave a GPU without work.

    Args:
        recipe: What is trained.
        cluster: Where.
        gpus_here: GPUs of this machine.

    Raises:
        RecipeError: The batch cannot be divided, or the recipe needs a GPU and none is asked for.
        UserInputError: Processes and GPUs do not fit each other, or this machine has fewer.
    """
    processes, gpus = cluster.processes, cluster.gpus
    if recipe.batch_size % processes:
        raise RecipeError(
            f"A batch of {recipe.batch_size} items cannot be divided among {processes} processes; choose a --batch-size that is a "
            f"multiple of {processes}, or another number of --processes."
        )
    if gpus and processes > gpus:
        raise UserInputError(
            f"{processes} processes cannot share {gpus} {'GPUs' if gpus > 1 else 'GPU'}: each needs one of its own; give --gpus "
            f"{processes}, or --processes {gpus}."
        )
    if gpus > processes:
        raise UserInputError(
            f"{gpus - processes} of {gpus} GPUs would do nothing with {processes} {'processes' if processes > 1 else 'process'}: "
            f"each process uses one; give --processes {gpus}, or --gpus {processes}."
        )
    if cluster.here and gpus > gpus_here:
        raise UserInputError(f"{gpus} GPUs were asked for and this machine has {gpus_here}; give --gpus {gpus_here}.")
    if recipe.precision == "fp16" and not gpus:
        raise RecipeError(
            "The recipe asks for precision fp16, which needs a CUDA GPU, and none is asked for; add --gpus 1, or choose precision "
            "bf16 or fp32 (on the command line: --precision bf16)."
        )


def torchrun_command(root: DataRoot, run: RunFolder, processes: int) -> list[str]:
    """Return the command line that trains a prepared run in several processes of this machine."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    command += ["-m", "mvla_core", "work", "train", "--folder", str(run.path.resolve())]
    return [*command, "--data-root", str(root.path.resolve())]


def check_submitit() -> None:
    """Raise `JobError` where the package that talks to Slurm is missing."""
    if importlib.util.find_spec("submitit") is None:
        raise JobError(f"Slurm needs the package submitit, which is not installed; run: {INSTALL}")


def submit(root: DataRoot, run: RunFolder, cluster: Cluster) -> Any:
    """Submit a prepared run and return submitit's job, whose `job_id` the cluster knows and whose `result()` waits.

    Raises:
        JobError: submitit is not installed, or the cluster does not take the job.
    """
    check_submitit()
    import submitit

    try:
        executor = submitit.AutoExecutor(folder=run.path / "slurm", cluster="local" if cluster.here else "slurm")
        executor.update_parameters(
            name=run.run_id[-40:],
            timeout_min=max(1, round(cluster.hours * 60)),
            nodes=1,
            tasks_per_node=1,
            cpus_per_task=cluster.cores,
        )
        if not cluster.here:
            executor.update_parameters(slurm_partition=cluster.partition, gpus_per_node=cluster.gpus)
        function = submitit.helpers.CommandFunction(
            torchrun_command(root, run, cluster.processes), cwd=CODE_FOLDER, env=_environment(cluster)
        )
        return executor.submit(function)
    except (RuntimeError, OSError) as error:
        raise JobError(f"The cluster does not take the run {run.run_id}: {error}.") from error


def _environment(cluster: Cluster) -> dict[str, str]:
    environment = {"PYTHONPATH": os.pathsep.join([str(CODE_FOLDER), *filter(None, [os.environ.get("PYTHONPATH")])])}
    return environment if cluster.gpus else environment | {"CUDA_VISIBLE_DEVICES": ""}
