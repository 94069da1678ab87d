"""The gates before driving, as they were assessed when the report was ordered."""

from __future__ import annotations

from collections.abc import Mapping

from mvla_core.readiness.gates import LEVELS
from mvla_core.readiness.wording import say, worded_gate
from mvla_core.reports.document import Block, Cell, Chip, Column, Paragraph, Section, Statement, Statements, Table, Tone
from mvla_core.reports.gates import read_readiness
from mvla_core.reports.language import Words
from mvla_core.reports.stored import Stored

_TONES: Mapping[str, Tone] = {"met": "good", "not_met": "bad", "not_measured": "unknown"}


def readiness_section(stored: Stored, words: Words) -> Section:
    """May it drive, and each gate with its state, its evidence and what to do."""
    readiness = read_readiness(stored.background["readiness"])
    tone: Tone = "good" if readiness.passed == "deploy" else "watch" if readiness.passed else "bad"
    chip = Chip(words.say("readiness.passed" if readiness.passed else "readiness.none_passed"), tone)
    blocks: list[Block] = [Statements([Statement(chip, readiness.sentence(words.language))])]
    columns = [Column(words.say(f"readiness.{key}_column")) for key in ("status", "gate", "wanted", "found", "next")]
    for level in LEVELS:
        rows: list[list[Cell]] = []
        for result in readiness.of_level(level):
            gate = worded_gate(result, readiness, words.language)
            step = f"{gate.next} {gate.command}".strip()
            rows.append([Chip(gate.status_text, _TONES[gate.status]), gate.name, gate.wanted, gate.found, step])
        if rows:
            blocks.append(Table(columns, rows, title=say(words.language, f"level.{level}.name", {})))
    blocks.append(Paragraph(words.say("readiness.note")))
    return Section("readiness", words.say("readiness.title"), blocks)
