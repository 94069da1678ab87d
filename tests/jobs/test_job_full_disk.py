"""A file system that is truly full: a small tmpfs, mounted in a mount namespace of its own, with runner and workers inside it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mvla_core.jobs.launch import CODE_FOLDER

SIZE = "3m"
INSIDE = """
import json, os, signal, sys, time
from pathlib import Path
from mvla_core.errors import JobError
from mvla_core.jobs.folders import new_job_folder
from mvla_core.jobs.launch import runner_process
from mvla_core.jobs.queue import JobQueue
from mvla_core.jobs.settings import RunnerSettings
from mvla_core.layout import DataRoot

root = DataRoot(Path(sys.argv[1]))
queue = JobQueue(root, RunnerSettings(program="fake_worker", poll_s=0.03, idle_exit_s=20.0))
def submit(do):
    return queue.submit("simulate", (folder := new_job_folder(root, "simulate")), {"do": do, "name": folder.path.name}, title=do)
told = {}
before = queue.wait(submit("succeed").id, 20, 0.03)
waiting_for = submit("fill")
waiting = submit("succeed")
end = time.monotonic() + 20
while not (waiting_for.folder.path / "full").exists() and time.monotonic() < end:
    time.sleep(0.02)
while time.monotonic() < end:  # the worker is gone, and nothing can be written any more
    time.sleep(0.2)
    if "job 2" in root.runner_log.read_text().rpartition("started")[2] or queue.get(2).status == "failed":
        break
    time.sleep(0.2)
    try:
        os.kill(queue.get(2).pid, 0)
    except ProcessLookupError:
        break
time.sleep(0.5)
try:
    folder = new_job_folder(root, "simulate")
    queue.submit("simulate", folder, {"do": "succeed", "junk": "x" * 500_000})
    told["refusal"] = ""
except (JobError, OSError) as error:
    told["refusal"] = str(error)
told["active_while_full"] = [(job.id, job.status) for job in queue.active()]
told["readable_while_full"] = len(queue.list())
(waiting_for.folder.path / "junk").unlink()
told["ended"] = [(job.status, job.diagnosis) for job in (before, queue.wait(2, 20, 0.03), queue.wait(waiting.id, 20, 0.03))]
told["after"] = queue.wait(submit("succeed").id, 20, 0.03).status
told["notices"] = queue.notices()
told["log"] = root.runner_log.read_text()
os.kill(runner_process(root).pid, signal.SIGKILL)
print(json.dumps(told))
"""


def test_truly_full_file_system_loses_no_job(tmp_path: Path) -> None:
    """Full while a job works: the queue stays readable, refuses with the reason, and goes on as soon as there is space."""
    mount = tmp_path / "mount"
    mount.mkdir()
    unshare = shutil.which("unshare")
    script = f'mount -t tmpfs -o size={SIZE} tmpfs "$0" && exec "$@"'
    command = [unshare or "unshare", "--map-root-user", "--mount", "sh", "-c", script, str(mount)]
    if unshare is None or subprocess.run([*command, "true"], capture_output=True).returncode != 0:
        pytest.skip("this user may not mount a small file system in a namespace of its own")
    done = subprocess.run(
        [*command, sys.executable, "-c", INSIDE, str(mount / "data")],
        cwd=CODE_FOLDER,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert "space" in told["refusal"], told
    assert told["readable_while_full"] >= 3
    assert told["active_while_full"] == [[2, "running"], [3, "queued"]], (
        "no phantom: nothing was recorded that did not happen"
    )
    assert told["ended"] == [["succeeded", ""], ["failed", "disk_full"], ["succeeded", ""]], told["log"]
    assert told["after"] == "succeeded"
    assert told["notices"] == [], "a full disk is no damage: the queue was not rebuilt"
