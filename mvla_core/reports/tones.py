"""Which colour a verdict and a grade get."""

from __future__ import annotations

from collections.abc import Mapping

from mvla_core.reports.document import Tone

VERDICT_TONES: Mapping[str, Tone] = {
    "learned": "good",
    "partly_learned": "watch",
    "memorised_script": "bad",
    "no_better_than_clock": "bad",
    "collapsed": "bad",
    "blind": "bad",
    "deaf": "bad",
    "averaging": "bad",
    "leaked_split": "bad",
    "cannot_tell": "unknown",
}
GRADE_TONES: Mapping[str, Tone] = {"A": "good", "B": "good", "C": "watch", "D": "bad", "F": "bad"}
