"""One object owns every path, and no name leads outside the data root."""

from __future__ import annotations

from pathlib import Path

import pytest

from mvla_core.errors import UserInputError
from mvla_core.layout import DataRoot


def test_the_root_is_the_given_one_else_the_environments_else_data(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MVLA_DATA_ROOT", raising=False)
    assert DataRoot.resolve().path == (tmp_path / "data").resolve()
    monkeypatch.setenv("MVLA_DATA_ROOT", str(tmp_path / "elsewhere"))
    assert DataRoot.resolve().path == (tmp_path / "elsewhere").resolve()
    assert DataRoot.resolve(tmp_path / "given").path == (tmp_path / "given").resolve()


@pytest.mark.parametrize("name", ["../x", "/etc", "a/b", "..", ""])
def test_names_never_lead_outside(root: DataRoot, name: str) -> None:
    for owner in (root.dataset, root.run, root.job, root.annotations):
        with pytest.raises(UserInputError):
            owner(name)
