"""What surrounds the networks: descriptions, base weights, instructions, cached features."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvla_core.episodes.catalogue import scan
from mvla_core.episodes.dataset import resolve_dataset
from mvla_core.episodes.frame_features import cache_folder, frame_features, trim_cache
from mvla_core.episodes.writer import write_episode
from mvla_core.errors import PolicyError
from mvla_core.layout import DataRoot
from mvla_core.policies import weights
from mvla_core.policies.adapter import load_policy, save_policy
from mvla_core.policies.build import build_policy
from mvla_core.policies.instructions import is_korean, to_english, unknown_words
from mvla_core.policies.spec import PolicySpec
from mvla_core.schema import ActionSpace, EpisodeInfo


def test_spec_survives_json(compact_spec: PolicySpec) -> None:
    assert PolicySpec.from_json(compact_spec.to_json()) == compact_spec


def test_spec_refuses_what_does_not_fit(compact_spec: PolicySpec) -> None:
    with pytest.raises(PolicyError, match="unknown keys \\['windowsize'\\]"):
        PolicySpec.from_json({**compact_spec.to_json(), "windowsize": 4})
    with pytest.raises(PolicyError, match="its vision is frozen"):
        replace(compact_spec, lora_targets="all")
    with pytest.raises(PolicyError, match="normaliser has 2 axes but the policy predicts 3"):
        replace(compact_spec, action_space=ActionSpace.default(3))
    with pytest.raises(PolicyError, match="Did you mean 'kosmos2'"):
        replace(compact_spec, backbone="kosmos-2")  # type: ignore[arg-type]


def test_missing_kosmos_weights_name_the_download_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(PolicyError, match=r"hf download microsoft/kosmos-2-patch14-224 --exclude \"\*\.bin\""):
        weights.check_base_weights("kosmos2", None)
    with pytest.raises(PolicyError, match="holds no Kosmos-2 weights"):
        weights.check_base_weights("kosmos2", str(tmp_path))
    with pytest.raises(PolicyError, match="is no folder on this machine"):
        weights.check_base_weights("kosmos2", "/nowhere/at/all")


def test_weights_in_the_hub_cache_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    model = tmp_path / "models--microsoft--kosmos-2-patch14-224"
    snapshot = model / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text("abc")
    (snapshot / "config.json").write_text("{}")
    assert weights.hub_snapshot(weights.KOSMOS2_HUB_ID) is None
    (snapshot / "model.safetensors").write_bytes(b"")
    assert weights.hub_snapshot(weights.KOSMOS2_HUB_ID) == snapshot
    assert weights.kosmos2_folder(None) == snapshot


def test_the_check_before_a_launch_loads_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from mvla_core.policies.weights import check_base_weights, base_fingerprint; import mvla_core.policies.spec;"
        "check_base_weights('compact', None); base_fingerprint('compact', None);"
        "assert not {'torch', 'transformers', 'peft', 'h5py'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_incomplete_kosmos_weights_are_refused(tiny_spec: PolicySpec, tiny_kosmos_folder: Callable[[], Path]) -> None:
    from safetensors.torch import load_file, save_file

    folder = tiny_kosmos_folder()
    tensors = load_file(folder / "model.safetensors")
    removed = next(name for name in tensors if "image_to_text_projection" in name)
    del tensors[removed]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(PolicyError, match="1 tensors are missing"):
        build_policy(replace(tiny_spec, backbone="kosmos2", base_model=str(folder)), seed=0)


@pytest.mark.parametrize(
    ("korean", "english"),
    [
        ("왼쪽으로 가세요", "left go"),
        ("박스를 피해서 오른쪽 길로 바구니까지 이동", "box avoid right path basket move"),
        ("Go left.", "Go left."),
        ("", ""),
    ],
)
def test_korean_instructions_go_through_the_glossary(korean: str, english: str) -> None:
    assert to_english(korean) == english


def test_unknown_korean_words_are_named_and_kept() -> None:
    assert unknown_words("왼쪽 냉장고") == ("냉장고",)
    assert to_english("왼쪽 냉장고") == "left 냉장고"


@given(st.text(max_size=60))
def test_english_is_never_changed_and_translation_is_stable(text: str) -> None:
    once = to_english(text)
    assert to_english(once) == once
    if not is_korean(text):
        assert once == text


@pytest.fixture
def episode(root: DataRoot, frames: npt.NDArray[np.uint8]) -> EpisodeInfo:
    path = root.dataset("small") / "episode_a.h5"
    path.parent.mkdir(parents=True)
    write_episode(path, frames, np.zeros((7, 2)), action_space=ActionSpace.default(2), instruction="Go left.")
    return scan(root, resolve_dataset(root, "small")).episodes[0]


def test_features_are_cached_and_the_same(
    root: DataRoot, episode: EpisodeInfo, tiny_spec: PolicySpec, frames: npt.NDArray[np.uint8]
) -> None:
    encoder = build_policy(tiny_spec, seed=0).encoder
    first = frame_features(root, encoder, episode)
    assert np.array_equal(first, encoder.encode(frames))
    (file,) = cache_folder(root).rglob("*.npy")
    written = file.stat().st_ino
    second = frame_features(root, encoder, episode)
    assert np.array_equal(first, second)
    assert file.stat().st_ino == written
    file.unlink()  # a mapped file must not be cut short in place
    file.write_bytes(b"damaged")
    assert np.array_equal(frame_features(root, encoder, episode), first)


def test_a_changed_recording_never_meets_old_features(
    root: DataRoot, episode: EpisodeInfo, tiny_spec: PolicySpec
) -> None:
    encoder = build_policy(tiny_spec, seed=0).encoder
    frame_features(root, encoder, episode)
    frame_features(root, encoder, replace(episode, file_mtime_ns=episode.file_mtime_ns + 1))
    assert len(list(cache_folder(root).rglob("*.npy"))) == 2


def test_the_cache_is_trimmed_oldest_use_first(root: DataRoot, episode: EpisodeInfo, tiny_spec: PolicySpec) -> None:
    import os

    encoder = build_policy(tiny_spec, seed=0).encoder
    for shift in range(3):
        frame_features(root, encoder, replace(episode, file_mtime_ns=shift))
    files = sorted(cache_folder(root).rglob("*.npy"), key=lambda path: path.stat().st_mtime_ns)
    for age, path in enumerate(files):
        os.utime(path, ns=(age, age))
    size = files[0].stat().st_size
    assert trim_cache(root, 2 * size) == 1
    assert sorted(cache_folder(root).rglob("*.npy")) == sorted(files[1:])


def test_an_episode_is_predicted_as_its_frames_are(
    root: DataRoot, episode: EpisodeInfo, tiny_spec: PolicySpec, frames: npt.NDArray[np.uint8], tmp_path: Path
) -> None:
    save_policy(build_policy(tiny_spec, seed=1), tmp_path / "adapter", {})
    policy = load_policy(tmp_path / "adapter", "cpu")
    last = np.array([2, 5])
    stored = policy.predict_episode(root, episode, last)
    assert np.array_equal(stored, policy.predict_frames(frames, "Go left.", last))
    other = policy.predict_episode(root, episode, last, instruction="Go right.")
    assert not np.array_equal(stored, other)
    with pytest.raises(PolicyError, match="evaluate it on a data set with the same action space"):
        policy.predict_episode(root, replace(episode, action_space=ActionSpace.default(3)), last)
