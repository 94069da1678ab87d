"""What a reader chooses of a report: its sections, and words of their own that stand before them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from mvla_core.errors import UserInputError, did_you_mean

SECTIONS = (
    "runs",
    "losses",
    "data",
    "actions",
    "comparison",
    "evidence",
    "skill",
    "overlay",
    "directions",
    "ablations",
    "risks",
    "efficiency",
    "claims",
    "readiness",
    "conclusions",
    "next",
    "checklist",
    "technical",
    "summary",
)
"""Every section in the order of the report; `runs` is only in a report of several runs."""
LONGEST_FOREWORD = 20_000
MOST_RUNS = 6


@dataclass(frozen=True)
class ReportChoice:
    """What goes into a report.

    Attributes:
        sections: Some of `SECTIONS`; None takes all. They stand in the report's own order.
        foreword: Plain text that stands before the sections; an empty line begins a new paragraph. "" for none.

    Raises:
        UserInputError: A section is unknown, none is left, or the foreword is too long.
    """

    sections: tuple[str, ...] | None = None
    foreword: str = ""

    def __post_init__(self) -> None:
        for name in self.sections or ():
            if name not in SECTIONS:
                raise UserInputError(
                    f"There is no section {name!r} in a report: expected some of {', '.join(SECTIONS)}."
                    f"{did_you_mean(name, SECTIONS)}"
                )
        if self.sections is not None and not self.sections:
            raise UserInputError("A report needs at least one section; found none chosen.")
        if len(self.foreword) > LONGEST_FOREWORD:
            raise UserInputError(
                f"The foreword has {len(self.foreword):,} characters; expected at most {LONGEST_FOREWORD:,}. Shorten it."
            )

    def has(self, section: str) -> bool:
        return self.sections is None or section in self.sections

    @property
    def paragraphs(self) -> tuple[str, ...]:
        """The foreword's paragraphs, each on one line."""
        blocks = self.foreword.replace("\r\n", "\n").split("\n\n")
        return tuple(" ".join(block.split()) for block in blocks if block.strip())

    def to_json(self) -> dict[str, Any]:
        return {"sections": None if self.sections is None else list(self.sections), "foreword": self.foreword}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote; what is left out is not chosen."""
        sections: Sequence[str] | None = value.get("sections")
        return cls(None if sections is None else tuple(sections), str(value.get("foreword") or ""))
