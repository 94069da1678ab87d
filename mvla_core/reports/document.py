"""What a report is made of, apart from how it looks: sections of blocks that each template renders in its own way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from mvla_core.reports.drawing import Panel
from mvla_core.wording import Language

Tone = Literal["good", "watch", "bad", "unknown", "plain"]


@dataclass(frozen=True)
class Chip:
    """A short coloured label within a table cell or before a statement."""

    text: str
    tone: Tone


Cell = str | Chip


@dataclass(frozen=True)
class Paragraph:
    kind: ClassVar[str] = "paragraph"
    text: str
    rich: bool = False
    """Whether `**words**` are set in bold; only for texts of our own catalogs."""


@dataclass(frozen=True)
class Heading:
    kind: ClassVar[str] = "heading"
    text: str


@dataclass(frozen=True)
class Column:
    title: str
    number: bool = False


@dataclass(frozen=True)
class Table:
    kind: ClassVar[str] = "table"
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    title: str = ""
    folded: bool = False
    """Long tables are folded on a screen and printed in full."""


@dataclass(frozen=True)
class Figures:
    kind: ClassVar[str] = "figures"
    name: str
    panels: Sequence[Panel]
    columns: int
    caption: str


@dataclass(frozen=True)
class Statement:
    chip: Chip
    text: str
    next: str = ""
    foreign: bool = False
    """The text is in English within a report of another language."""


@dataclass(frozen=True)
class Statements:
    kind: ClassVar[str] = "statements"
    items: Sequence[Statement]
    title: str = ""


@dataclass(frozen=True)
class Steps:
    kind: ClassVar[str] = "steps"
    items: Sequence[str]


@dataclass(frozen=True)
class Code:
    kind: ClassVar[str] = "code"
    title: str
    text: str


Block = Paragraph | Heading | Table | Figures | Statements | Steps | Code


@dataclass(frozen=True)
class Section:
    """One numbered part of the report. `anchor` is its place in the page's address."""

    anchor: str
    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Tile:
    """One of the few figures on top."""

    label: str
    value: str
    note: str


@dataclass(frozen=True)
class Document:
    """A whole report in one language."""

    lang: Language
    kind: str
    title: str
    facts: Sequence[tuple[str, str]]
    verdict: Chip
    sentence: str
    tiles: Sequence[Tile]
    contents: str
    sections: Sequence[Section]
    footer: str
    foreword_title: str = ""
    foreword: Sequence[str] = ()
    """Paragraphs of the reader's own words, before the sections."""
    tools: Mapping[str, str] = field(default_factory=dict)
    """What the page's own buttons are called: "print", "series", "theme"."""
