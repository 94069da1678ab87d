"""How recordings come in: made by the simulator or imported, each as a background job. Shown on the Overview."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import IO

import streamlit as st

from app.errors import explain
from app.job_view import job_card, launch, launched
from app.session import data_root
from mvla_core.errors import MvlaError, UserInputError
from mvla_core.files import check_identifier, replacing
from mvla_core.layout import DataRoot

ARCHIVE_ENDINGS = (".tar.gz", ".tgz", ".tar", ".zip", ".h5", ".hdf5")
UPLOAD_TYPES = ["gz", "tgz", "tar", "zip", "h5", "hdf5"]


def simulate_card() -> None:
    """Make demo episodes with one click; the numbers can be changed but need not be."""
    with st.container(border=True, height="stretch"):
        st.subheader("Make demo episodes", anchor=False)
        st.write(
            "The simulator drives a robot around a box to a basket, left or right as it is told, and records it like a real "
            "one. Nothing else is needed."
        )
        st.caption(
            "24 episodes of about 18 frames take about a minute on two cores. They never mix with your recordings."
        )
        with st.form("simulate", border=False):
            with st.expander("Options"):
                dataset = st.text_input("Data set name", "demo", key="simulate_dataset")
                count = st.number_input("Episodes", 3, 1000, 24, key="simulate_count")
                seed = st.number_input(
                    "Seed", 0, 2**31 - 1, 0, key="simulate_seed", help="The same seed makes the same episodes."
                )
            submitted = st.form_submit_button("Make demo episodes", type="primary", icon=":material/smart_toy:")
        if submitted:
            _start(
                "simulate", {"dataset": dataset, "count": int(count), "seed": int(seed)}, f"Simulate {count} episodes"
            )
        _progress("simulate")


def import_card() -> None:
    """Import recordings: by their path on this machine, or by upload."""
    with st.container(border=True, height="stretch"):
        st.subheader("Import recordings", anchor=False)
        st.write(
            "HDF5 episodes of the robot, a folder of them, a donkeycar tub, or an archive of either. They are copied; the "
            "originals stay as they are."
        )
        with st.form("import", border=False):
            source = st.text_input(
                "Folder or archive on this machine",
                key="import_source",
                placeholder="/home/me/recordings or tub.tar.gz",
            )
            upload = st.file_uploader("or upload a file", type=UPLOAD_TYPES, key="import_upload")
            dataset = st.text_input("Data set name", key="import_dataset", placeholder="my-robot")
            length = st.number_input(
                "Frames an episode",
                2,
                10_000,
                50,
                key="import_length",
                help="Only a continuous recording (a tub) is cut into episodes of this many frames.",
            )
            submitted = st.form_submit_button("Import", type="primary", icon=":material/download:")
        if submitted:
            try:
                found = _source(data_root(), source, upload)
            except MvlaError as error:
                explain(error)
            else:
                config = {"source": str(found), "dataset": dataset, "episode_length": int(length)}
                _start("import", config, f"Import {found.name}")
        _progress("import")


def _start(kind: str, config: dict[str, object], title: str) -> None:
    try:
        check_identifier(str(config["dataset"]), "data set name")
        launch(kind, config, title)
    except MvlaError as error:
        explain(error)


def _progress(kind: str) -> None:
    job = launched(kind)
    if job is not None:
        job_card(job.id)


def _source(root: DataRoot, path: str, upload: IO[bytes] | None) -> Path:
    """Where the recordings lie: the path that was given, else the uploaded file, kept below the cache.

    Raises:
        UserInputError: Neither was given, there is nothing at the path, or the upload is no recording.
    """
    if path.strip():
        found = Path(path.strip()).expanduser()
        if not found.exists():
            raise UserInputError(
                f"There is nothing at {found}; give the path of a folder or archive on the machine this runs on."
            )
        return found.resolve()
    if upload is None:
        raise UserInputError("Nothing to import yet: give a folder or archive on this machine, or upload a file.")
    name = check_identifier(upload.name, "name of the uploaded file")
    if not name.lower().endswith(ARCHIVE_ENDINGS):
        raise UserInputError(
            f"The file {name} cannot be imported: expected one that ends in {', '.join(ARCHIVE_ENDINGS)}."
        )
    kept = root.cache / "uploads" / name
    with replacing(kept) as temporary, open(temporary, "wb") as file:
        shutil.copyfileobj(upload, file)
    return kept
