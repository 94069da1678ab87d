"""What the clock's figures say in plain words."""

from __future__ import annotations

from collections.abc import Mapping

from mvla_core.audit.clock import Baseline, ClockEvidence
from mvla_core.audit.wording import percent
from mvla_core.schema import ActionSpace, Finding

_EXPLAINS = {"frame_index": "A clock explains", "instruction_clock": "The instruction and a clock together explain"}


def clock_finding(
    dataset: str,
    evidence: ClockEvidence,
    baselines: Mapping[str, Baseline] | None,
    space: ActionSpace,
    unique_sequences: int,
) -> Finding:
    """Say whether a clock suffices.

    The code is `clock_suffices` (error), `clock_explains_part` (info), `clock_fails` (ok) or `clock_undecided` (info).

    Args:
        dataset: Named in the finding.
        evidence: Decides the verdict.
        baselines: The trivial predictors on the held-out test windows; None where the data cannot be split.
        space: Names what the losses average.
        unique_sequences: Number of different action sequences.
    """
    explains = _EXPLAINS[evidence.predictor]
    explained = evidence.explained
    share = percent(max(explained.value, 0.0))
    interval = f"95 % interval {percent(explained.low)} to {percent(explained.high)} over {evidence.episodes} held-out episodes"
    loss = f"a Huber loss of {evidence.huber:.4f}, mean over {' and '.join(space.names)}"
    details = {**evidence.to_json(), "unique_sequences": unique_sequences, "averaged_over": list(space.names)}
    if baselines is not None:
        details["test_windows"] = {name: baseline.to_json(space.names) for name, baseline in baselines.items()}
    if evidence.verdict == "suffices":
        alike = "" if evidence.determinism is None else f"; determinism per frame index {percent(evidence.determinism)}"
        return Finding(
            "error",
            "clock_suffices",
            dataset,
            f"{explains} {share} of this data: a model can reach {loss}, without looking ({interval}; a constant "
            f"reaches {evidence.constant_huber:.4f}{alike}; {unique_sequences} different action sequences).",
            "Do not trust a low loss on this data. Record episodes in which the same frame index asks for different actions: "
            "vary the start, the distance, the side, the speed and the route.",
            details,
        )
    if evidence.verdict == "partly":
        return Finding(
            "info",
            "clock_explains_part",
            dataset,
            f"{explains} {share} of this data ({interval}): part of it can be learned without looking.",
            "Compare a policy with the clock, not with zero; vary the start and the speed in what you record next.",
            details,
        )
    if evidence.verdict == "fails":
        return Finding(
            "ok",
            "clock_fails",
            dataset,
            f"{explains} only {share} of this data ({interval}): a low loss cannot be had from the frame index alone.",
            "",
            details,
        )
    return Finding(
        "info",
        "clock_undecided",
        dataset,
        f"Whether a clock suffices cannot be told from {evidence.episodes} episodes.",
        "Record more episodes, then audit again.",
        details,
    )
