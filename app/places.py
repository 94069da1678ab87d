"""The pages, in the order of the way: recordings, audit, training, evaluation, report. Links name a `Place`, never a path."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).resolve().parent.parent / "pages"


@dataclass(frozen=True)
class Place:
    """One page."""

    name: str
    title: str
    icon: str
    line: str
    """What the page is, in one line: shown under the title and when hovering over the navigation."""

    @property
    def path(self) -> Path:
        return _FOLDER / f"{self.name}_page.py"


OVERVIEW = Place(
    "overview",
    "Overview",
    ":material/explore:",
    "Where you stand on the way from recordings to a report, and what to do next.",
)
EPISODES = Place(
    "episodes",
    "Episodes",
    ":material/movie:",
    "Every recording: its frames, its velocities, and what is wrong with it.",
)
COMPARE = Place(
    "compare",
    "Compare",
    ":material/splitscreen:",
    "Up to four episodes side by side on one scrubber, or one beside its augmented copy.",
)
DATASET = Place(
    "dataset", "Data set", ":material/fact_check:", "Is this data worth training on, or would a clock drive as well?"
)
SIMULATE = Place(
    "simulate",
    "Simulate",
    ":material/smart_toy:",
    "Record as many episodes as you like in worlds of your choice, matched to your own recordings.",
)
TRAIN = Place(
    "train",
    "Train",
    ":material/model_training:",
    "Choose a recipe, see what it will cost, and launch it in the background.",
)
RUNS = Place(
    "runs", "Runs", ":material/show_chart:", "What is training now, how its losses move, and how every run ended."
)
EVALUATE = Place(
    "evaluate",
    "Evaluate",
    ":material/balance:",
    "A trained policy on episodes it has never met, beside predictors that never look.",
)
DRIVE = Place(
    "drive",
    "Closed loop",
    ":material/route:",
    "The policy drives simulated worlds by itself, beside drivers that never look.",
)
READINESS = Place(
    "readiness",
    "May it drive?",
    ":material/verified_user:",
    "What has to be met before the policy may move the robot, and what it stands on.",
)
REPORT = Place(
    "report", "Report", ":material/description:", "What was found, as a document to read, download and hand on."
)

SECTIONS: dict[str, tuple[Place, ...]] = {
    "": (OVERVIEW,),
    "Data": (EPISODES, COMPARE, DATASET, SIMULATE),
    "Policy": (TRAIN, RUNS),
    "Proof": (EVALUATE, DRIVE, READINESS, REPORT),
}
PLACES = tuple(place for section in SECTIONS.values() for place in section)
