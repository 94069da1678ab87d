"""What to record next: a ranked list, computed from the coverage matrix and the audit, stored nowhere.

An item's weight is the number of episodes it lacks times the sum of `WEIGHTS` of its reasons; the heaviest comes first, equal
ones by the number of episodes and then in the order of the matrix.

More of the same teaches nothing: where the audit finds one script, the episodes of a cell that a clock of the others drives
count once together (`plan_script`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mvla_core.audit.coverage import MIRRORED, CellCount, Coverage, cover
from mvla_core.audit.plan_script import follows_script, scripted_episodes
from mvla_core.audit.result import AuditResult
from mvla_core.audit.targets import Cell, Targets
from mvla_core.audit.thresholds import Thresholds, default_thresholds
from mvla_core.metrics.directions import DIRECTION_NAMES, LEFT_CLASSES, RIGHT_CLASSES
from mvla_core.metrics.intervals import Interval
from mvla_core.schema import EpisodeInfo

WEIGHTS: Mapping[str, int] = {
    "one_script": 2,
    "rarer_side": 2,
    "opposed_views": 1,
    "gap": 1,
    "rarer_steering": 2,
    "forward": 1,
    "few_episodes": 1,
}
"""Reason -> weight. A script and a missing side teach a policy to drive without looking; the others make it weaker."""

HOW = (
    "vary_start",
    "vary_speed",
    "vary_route",
    "move_scene",
    "slow_passes",
    "recoveries",
    "both_sides",
    "tell_side",
    "turns",
)
"""Ways to record, in the order in which they are told. Their texts are in plan_en.toml and plan_ko.toml."""


@dataclass(frozen=True)
class PictureEvidence:
    """What the pictures add to the plan, where they were measured.

    Attributes:
        headroom: Share of the action variance left over by a clock that the nearest picture explains. Where its lower end
            is 0 or below, the pictures were not shown to be needed; NaN says nothing.
        conflicts: Episode id -> in how many pairs of near-identical views with opposed actions it takes part.
    """

    headroom: Interval | None = None
    conflicts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Statement:
    """A reason or a piece of advice: a code whose text is in the catalog, and the figures to fill in."""

    code: str
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CellPlan:
    """A cell of the matrix with what its episodes are worth.

    Attributes:
        count: Its episodes and target.
        scripted: How many of them follow one script; these count once together. 0 where the audit finds no script.
        missing: Episodes to record.
    """

    count: CellCount
    scripted: int
    missing: int

    @property
    def counted(self) -> int:
        """Episodes that count towards the target."""
        return self.count.have - max(0, self.scripted - 1)


@dataclass(frozen=True)
class PlanItem:
    """One line of the list.

    Attributes:
        rank: From 1.
        cell: What to record; None for an item that names no cell.
        focus: What such an item is about: "left", "right", "turns", or "more" where there are too few of any kind; "" for
            a cell.
        episodes: How many, at least 1.
        weight: What it is ranked by.
        reasons: Heaviest first.
        how: Some of `HOW`.
    """

    rank: int
    cell: Cell | None
    focus: str
    episodes: int
    weight: int
    reasons: tuple[Statement, ...]
    how: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """What to record next.

    Attributes:
        dataset: Its name.
        targets: What is wanted.
        coverage: The matrix.
        cells: One for each cell of the matrix, in its order.
        items: By rank.
        advice: What holds for every episode.
        too_short: Episodes that give no training window, and so count nowhere.
    """

    dataset: str
    targets: Targets
    coverage: Coverage
    cells: tuple[CellPlan, ...]
    items: tuple[PlanItem, ...]
    advice: tuple[Statement, ...]
    too_short: tuple[str, ...]

    @property
    def episodes(self) -> int:
        """Episodes of all items."""
        return sum(item.episodes for item in self.items)

    @property
    def wanted(self) -> int:
        return sum(cell.count.target for cell in self.cells)

    @property
    def reached(self) -> int:
        """Episodes that count, in each cell no more than its target."""
        return sum(min(cell.counted, cell.count.target) for cell in self.cells)

    @property
    def progress(self) -> float:
        """Reached / wanted, 0 to 1; 1 where nothing is wanted."""
        return self.reached / self.wanted if self.wanted else 1.0


def usable_episodes(result: AuditResult) -> list[EpisodeInfo]:
    """Return the analysed episodes that give a training window: those that the plan counts."""
    long_enough = {held.episode_id for held in result.sequences if held.num_frames >= result.window.minimum_frames}
    return [info for info in result.episodes if info.episode_id in long_enough]


def make_plan(
    result: AuditResult,
    targets: Targets = Targets(),  # noqa: B008 - frozen, so that sharing it is safe
    pictures: PictureEvidence | None = None,
    thresholds: Thresholds | None = None,
) -> Plan:
    """Plan what to record next.

    Args:
        result: The audit; its `usable_episodes` are counted.
        targets: What is wanted.
        pictures: Evidence of the pictures; None where they were not measured.
        thresholds: By default those of the audit.

    Raises:
        UserInputError: The targets make too many cells.
    """
    limits = default_thresholds() if thresholds is None else thresholds
    seen = PictureEvidence() if pictures is None else pictures
    sequences = {held.episode_id: held for held in result.sequences}
    infos = usable_episodes(result)
    coverage = cover(infos, targets)
    script = follows_script(result)
    scripted = scripted_episodes(coverage, sequences, result.action_space, limits) if script else frozenset()
    cells = tuple(_cell_plan(count, scripted) for count in coverage.cells)
    sides: Counter[str] = Counter()
    for count in coverage.cells:
        sides[count.cell.get("side") or ""] += count.have
    how = _how_in_general(result, seen, script, limits)
    drafts = [_cell_item(cell, sides, seen, how, limits) for cell in cells if cell.missing]
    drafts += _steering_items(result, coverage, len(infos), how, limits)
    needed = int(limits["episodes"].needed)
    few = needed - len(infos) - sum(draft.episodes for draft in drafts)
    # Where cells are known their targets are the user's say; one number for any kind of episode says too little.
    if not coverage.axes and few > 0:
        reason = Statement("few_episodes", {"have": len(infos), "needed": needed})
        drafts.append(_item(None, "more", few, [reason], how))
    order = sorted(range(len(drafts)), key=lambda place: (-drafts[place].weight, -drafts[place].episodes, place))
    items = tuple(replace(drafts[place], rank=rank) for rank, place in enumerate(order, start=1))
    short = tuple(info.episode_id for info in result.episodes if info.num_frames < result.window.minimum_frames)
    advice = _advice(result, coverage, seen, script, short, limits)
    return Plan(result.dataset, targets, coverage, cells, items, advice, short)


def _cell_plan(count: CellCount, scripted: frozenset[str]) -> CellPlan:
    following = len(scripted.intersection(count.episodes))
    plan = CellPlan(count, following, 0)
    return CellPlan(count, following, max(0, count.target - plan.counted))


def _cell_item(
    cell: CellPlan, sides: Mapping[str, int], pictures: PictureEvidence, how: set[str], limits: Thresholds
) -> PlanItem:
    count, side = cell.count, cell.count.cell.get("side") or ""
    reasons = []
    if cell.scripted > 1:
        reasons.append(Statement("one_script", {"episodes": cell.scripted}))
    other = MIRRORED.get(side, "")
    if other and _rarer(sides[side], sides[other], limits):
        reasons.append(
            Statement("rarer_side", {"side": side, "have": sides[side], "other": other, "others": sides[other]})
        )
    pairs = sum(pictures.conflicts.get(episode_id, 0) for episode_id in count.episodes)
    if pairs:
        reasons.append(Statement("opposed_views", {"pairs": pairs}))
    if count.gap:
        reasons.append(Statement("gap" if count.have else "gap_empty", {"have": count.have, "target": count.target}))
    own = {*how, *({"vary_start", "vary_speed", "vary_route"} if cell.scripted > 1 else ())}
    if other:
        own.add("both_sides")
    if pairs:
        own.add("tell_side")
    return _item(count.cell, "", cell.missing, reasons, own)


def _item(cell: Cell | None, focus: str, episodes: int, reasons: list[Statement], how: set[str]) -> PlanItem:
    heaviest = sorted(reasons, key=lambda reason: -_weight(reason))
    weight = episodes * sum(_weight(reason) for reason in reasons)
    return PlanItem(0, cell, focus, episodes, weight, tuple(heaviest), tuple(code for code in HOW if code in how))


def _weight(reason: Statement) -> int:
    return WEIGHTS[reason.code.removesuffix("_empty")]


def _rarer(own: int, other: int, limits: Thresholds) -> bool:
    """Tell whether a side is so rare beside the other that it is learned worse."""
    limit = limits["rarer_side_share"]
    return own < other and not limit.meets(own / (own + other), limit.needed)


def _forward_share(result: AuditResult) -> float:
    total = int(result.direction_counts.sum())
    return float(result.direction_counts[DIRECTION_NAMES.index("forward")] / total) if total else 0.0


def _too_much_forward(result: AuditResult, limits: Thresholds) -> bool:
    return not limits["forward_share"].meets(_forward_share(result), limits["forward_share"].needed)


def _how_in_general(result: AuditResult, pictures: PictureEvidence, script: bool, limits: Thresholds) -> set[str]:
    """The ways to record that the whole data set asks for; without a complaint, what keeps it varied."""
    how = {"vary_start", "vary_speed"}
    clock = result.clock
    if script or (clock is not None and clock.verdict == "partly"):
        how |= {"vary_route", "recoveries"}
    if script or (pictures.headroom is not None and pictures.headroom.low <= 0):
        how.add("move_scene")
    if _too_much_forward(result, limits):
        how |= {"recoveries", "turns"}
    if limits["unique_actions"].status(result.unique_actions) != "ok" and result.sequences:
        how.add("slow_passes")
    return how


def _steering_items(
    result: AuditResult, coverage: Coverage, usable: int, how: set[str], limits: Thresholds
) -> list[PlanItem]:
    """Items about directions, for data in which no episode tells its side."""
    if "side" in coverage.axes or not usable:
        return []
    items = []
    counts = result.direction_counts
    frames = {
        side: int(counts[list(classes)].sum())
        for side, classes in zip(MIRRORED, (LEFT_CLASSES, RIGHT_CLASSES), strict=True)
    }
    for side, other in MIRRORED.items():
        if _rarer(frames[side], frames[other], limits):
            # As many as hold the difference, each steering this way as much as one of today steers the other way.
            episodes = int(np.ceil(usable * (1.0 - frames[side] / frames[other])))
            values = {"side": side, "frames": frames[side], "other": other, "others": frames[other]}
            items.append(_item(None, side, episodes, [Statement("rarer_steering", values)], how))
    if _too_much_forward(result, limits):
        limit, total = limits["forward_share"].needed, float(counts.sum())
        # Each new episode is taken to be as long as one of today, with half of the limit's share of forward frames.
        surplus = counts[DIRECTION_NAMES.index("forward")] - limit * total
        episodes = max(1, int(np.ceil(surplus / (total / usable * limit / 2))))
        values = {"share": _forward_share(result), "limit": limit}
        items.append(_item(None, "turns", episodes, [Statement("forward", values)], how))
    return items


def _advice(
    result: AuditResult,
    coverage: Coverage,
    pictures: PictureEvidence,
    script: bool,
    short: tuple[str, ...],
    limits: Thresholds,
) -> tuple[Statement, ...]:
    """What holds for every episode, gravest first."""
    told = []
    if script:
        values: dict[str, Any] = {"sequences": result.unique_sequences, "episodes": len(result.sequences)}
        if result.clock is not None and result.clock.verdict == "suffices":
            told.append(Statement("vary_clock", {**values, "share": result.clock.explained.value}))
        else:
            told.append(Statement("vary_script", values))
    elif result.clock is not None and result.clock.verdict == "partly":
        told.append(Statement("clock_partly", {"share": result.clock.explained.value}))
    if pictures.headroom is not None and pictures.headroom.low <= 0:
        told.append(Statement("no_headroom", {"share": pictures.headroom.value, "low": pictures.headroom.low}))
    if pictures.conflicts:
        told.append(Statement("opposed", {"episodes": len(pictures.conflicts)}))
    if _too_much_forward(result, limits):
        told.append(Statement("forward", {"share": _forward_share(result), "limit": limits["forward_share"].needed}))
    if not coverage.axes:
        told.append(Statement("nothing_known"))
    if "side" not in coverage.axes and result.direction_counts.any():
        shares = result.direction_counts / result.direction_counts.sum()
        left, right = (float(shares[list(classes)].sum()) for classes in (LEFT_CLASSES, RIGHT_CLASSES))
        told.append(Statement("directions", {"left": left, "right": right, "ahead": _forward_share(result)}))
    if "instruction" in coverage.axes and not {"goal", "boxes", "layout", "side"}.intersection(coverage.axes):
        told.append(Statement("by_instruction"))
    unplaced = (*coverage.partly_known, *coverage.unknown)
    if unplaced:
        told.append(Statement("partly_known", {"count": len(unplaced), "names": unplaced}))
    if short:
        told.append(Statement("too_short", {"count": len(short), "names": short}))
    return tuple(told)
