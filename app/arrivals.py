"""How recordings come in: made by the simulator or imported, each as a background job. Shown on the Overview."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from app.components.upload.upload import upload_form
from app.errors import explain
from app.job_view import job_card, launch, launched
from mvla_core.errors import MvlaError, UserInputError
from mvla_core.files import check_identifier

UPLOAD_KEY = "import_upload"


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
        here, uploaded = st.tabs(["On this machine", "Upload"])
        with here:
            _import_by_path()
        with uploaded:
            upload_form(key=UPLOAD_KEY, on_queued=_queued)
        _progress("import")


def _import_by_path() -> None:
    with st.form("import", border=False):
        source = st.text_input(
            "Folder or archive on this machine",
            key="import_source",
            placeholder="/home/me/recordings or tub.tar.gz",
        )
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
            found = _source(source)
        except MvlaError as error:
            explain(error)
        else:
            config = {"source": str(found), "dataset": dataset, "episode_length": int(length)}
            _start("import", config, f"Import {found.name}")


def _queued() -> None:
    """What was uploaded is being imported: show the last of its jobs here; the sidebar shows them all."""
    jobs = (st.session_state[UPLOAD_KEY]["queued"] or {}).get("jobs", [])
    if jobs:
        # As `job_view.launch` remembers what it launches.
        st.session_state.setdefault("launched", {})["import"] = int(jobs[-1])
        st.session_state.setdefault("awaited", set()).update(int(job) for job in jobs)


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


def _source(path: str) -> Path:
    """Where the recordings lie.

    Raises:
        UserInputError: No path was given, or there is nothing at it.
    """
    if not path.strip():
        raise UserInputError("Nothing to import yet: give a folder or archive on this machine, or upload files.")
    found = Path(path.strip()).expanduser()
    if not found.exists():
        raise UserInputError(
            f"There is nothing at {found}; give the path of a folder or archive on the machine this runs on."
        )
    return found.resolve()
