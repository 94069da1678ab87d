"""A prepared run as a job of a Slurm cluster, through submitit (an optional package). Torch-free.

What is submitted is a list of words, torchrun's command line; nothing of this program is pickled. One node; several GPUs of it
become several processes.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from dataclasses import dataclass
from typing import Any

from mvla_core.errors import JobError
from mvla_core.jobs.launch import CODE_FOLDER
from mvla_core.layout import DataRoot, RunFolder

INSTALL = "python -m pip install submitit==1.5.4"


@dataclass(frozen=True)
class Cluster:
    """Where and how a run is submitted.

    Attributes:
        partition: Of the cluster; "local" runs it on this machine, in a process of submitit's.
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


def torchrun_command(root: DataRoot, run: RunFolder, processes: int) -> list[str]:
    """Return the command line that trains a prepared run in several processes of this machine."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    command += ["-m", "mvla_core", "work", "train", "--folder", str(run.path.resolve())]
    return [*command, "--data-root", str(root.path.resolve())]


def submit(root: DataRoot, run: RunFolder, cluster: Cluster) -> Any:
    """Submit a prepared run and return submitit's job, whose `job_id` the cluster knows and whose `result()` waits.

    Raises:
        JobError: submitit is not installed, or the cluster does not take the job.
    """
    if importlib.util.find_spec("submitit") is None:
        raise JobError(f"Slurm needs the package submitit, which is not installed; run: {INSTALL}")
    import submitit

    local = cluster.partition == "local"
    try:
        executor = submitit.AutoExecutor(folder=run.path / "slurm", cluster="local" if local else "slurm")
        executor.update_parameters(
            name=run.run_id[-40:],
            timeout_min=max(1, round(cluster.hours * 60)),
            nodes=1,
            tasks_per_node=1,
            cpus_per_task=cluster.cpus * cluster.processes,
        )
        if not local:
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
