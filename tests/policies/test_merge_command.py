"""`python -m mvla_core merge RUN --out FOLDER`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mvla_core.__main__ import main
from mvla_core.layout import DataRoot
from mvla_core.policies.adapter import load_policy, save_policy
from mvla_core.policies.build import build_policy
from mvla_core.policies.spec import PolicySpec


def test_merge_writes_a_policy_that_loads(
    root: DataRoot, tiny_spec: PolicySpec, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = root.run("a-run")
    save_policy(build_policy(tiny_spec, seed=1), run.adapter, {"run_id": "a-run"})
    out = tmp_path / "merged"
    arguments = ["merge", "a-run", "--data-root", str(root.path), "--out", str(out)]
    assert main([*arguments, "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert value["folder"] == str(out)
    assert value["largest_difference"] < 1e-5
    assert value["size_bytes"] > 1_000_000
    frames = np.zeros((3, 20, 20, 3), dtype=np.uint8)
    assert load_policy(out, "cpu").predict_frames(frames, "Go.", np.array([2])).shape == (1, 4, 2)
    assert main(arguments) == 2
    assert "is not empty" in capsys.readouterr().err
    assert main(["merge", "a-run", "--last", "--data-root", str(root.path), "--out", str(tmp_path / "other")]) == 4
    assert "policy.json is missing" in capsys.readouterr().err
