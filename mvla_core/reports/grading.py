"""Grades and checklist: fixed rules of `grades.toml` and `checklist.toml` over figures that are already measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mvla_core.wording import read_catalog

SUBJECTS = ("technique", "data", "overall")
TERMS = ("short", "medium", "long")
GRADES = ("F", "D", "C", "B", "A")
"""From the worst to the best."""

Figures = Mapping[str, Any]
Need = Sequence[Any]


def rules(name: str) -> dict[str, Any]:
    """The file "grades" or "checklist"."""
    return read_catalog("mvla_core.reports", name)


def meets(need: Need, figures: Figures) -> bool | None:
    """Whether a figure meets a bound; None where it was not measured.

    Args:
        need: `[figure, ">=" | "<=" | "=", bound]`; a bound that is a grade is compared as one.
        figures: By name.
    """
    name, sense, bound = need
    value = figures.get(name)
    if value is None:
        return None
    if sense == "=":
        return bool(value == bound)
    if isinstance(bound, str):
        value, bound = GRADES.index(value), GRADES.index(bound)
    return bool(value >= bound if sense == ">=" else value <= bound)


def grade_all(figures: Figures) -> dict[str, dict[str, Any]]:
    """Return `{"technique" | "data" | "overall": {"grade", "rule"}}`; `rule` is the place of the deciding rule, from 0.

    The grades of technique and data are figures for the overall one.
    """
    known, given = dict(figures), {}
    for subject in SUBJECTS:
        for place, rule in enumerate(rules("grades")[subject]):
            if all(meets(need, known) for need in rule["needs"]):
                given[subject] = {"grade": rule["grade"], "rule": place}
                known[subject] = rule["grade"]
                break
    return given


def check_all(figures: Figures) -> dict[str, list[dict[str, Any]]]:
    """Return `{term: [{"code", "status", "figure", "value", "sense", "bound"}]}`; status "met", "not_met" or "not_measured"."""
    lists: dict[str, list[dict[str, Any]]] = {}
    for term in TERMS:
        lists[term] = []
        for item in rules("checklist")[term]:
            name, sense, bound = item["need"]
            met = meets(item["need"], figures)
            status = "not_measured" if met is None else "met" if met else "not_met"
            lists[term].append(
                {
                    "code": item["code"],
                    "status": status,
                    "figure": name,
                    "value": figures.get(name),
                    "sense": sense,
                    "bound": bound,
                }
            )
    return lists
