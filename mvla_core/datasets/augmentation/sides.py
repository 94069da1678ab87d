"""Left and right in instructions, English and Korean: exchanged where the words are known, named where they are not.

This is a list of words, not an understanding of the sentence: what it does not know it must not guess, so a word that may
name a side and cannot be exchanged is reported, and the mirror is refused.
"""

from __future__ import annotations

import re

_ENGLISH = r"\b(?P<side>left|right)(?P<rest>most|wards?|hand|side)?\b"
_KOREAN_PAIRS = (
    ("왼쪽", "오른쪽"),
    ("왼편", "오른편"),
    ("왼손", "오른손"),
    ("좌측", "우측"),
    ("좌회전", "우회전"),
    ("좌방향", "우방향"),
    ("좌향", "우향"),
    ("좌로", "우로"),
)
_OTHER = {word: other for pair in _KOREAN_PAIRS for word, other in (pair, pair[::-1])} | {
    "left": "right",
    "right": "left",
}
# 우로 and 좌로 only as words of their own: 경우로 ends in the same letters. 좌회전 is no part of a longer word either way.
_KOREAN = r"(?<![가-힣])[좌우]로(?![가-힣])|" + "|".join(
    word for pair in _KOREAN_PAIRS for word in pair if not word.endswith("로")
)
_SIDES = re.compile(f"{_ENGLISH}|(?P<korean>{_KOREAN})", re.IGNORECASE)

_COUNTED = (
    re.compile(
        r"\b(?:first|second|third|fourth|fifth|last|next|one|two|three|four|five|\d+(?:st|nd|rd|th)?)\b[^.,;!?]*?"
        r"\bfrom\s+(?:the\s+|your\s+)?(?:left|right)\w*",
        re.IGNORECASE,
    ),
    re.compile(r"(?:왼쪽|오른쪽|왼편|오른편|좌측|우측)\s*(?:에서|부터|으로부터)\s*\S*\s*번?째"),
)
"""A place that is counted from a side: the exchanged words would have to count the mirrored objects the same way."""

_OTHER_MEANING = (
    re.compile(r"\bright[ -](?:away|now|here|there|ahead|angles?|in\s+front)\b", re.IGNORECASE),
    re.compile(
        r"\b(?<!turn )(?<!the )(?<!and )(?<!or )(?<!from )(?<!bear )(?<!keep )(?<!steer )(?<!veer )"
        r"right (?:up|to|at|into|through|past|over|next|behind|before|after)\b",
        re.IGNORECASE,
    ),
    re.compile(r"\ball\s+right\b", re.IGNORECASE),
    re.compile(r"\b(?:is|are|was|were|has|have|had|be)\s+left\b(?!\s+of)", re.IGNORECASE),
    re.compile(r"\bleft\s+(?:over|behind|alone)\b", re.IGNORECASE),
)
"""Left that means remaining, and right that means at once, exactly or correct."""

_NO_COUNTERPART = (
    re.compile(r"\b(?:counter|anti)?-?clockwise\b|\bo['’]clock\b", re.IGNORECASE),
    re.compile(r"\b(?:starboard|larboard|port\s+side|to\s+port)\b", re.IGNORECASE),
    re.compile(r"\b(?:(?:north|south)-?)?(?:east|west)(?:ern|ward|wards)?\b", re.IGNORECASE),
    re.compile(r"\b[LR]\b|\b(?:LHS|RHS)\b"),
    re.compile(r"반?시계\s*방향|반?시계|\d+\s*시\s*방향"),
    re.compile(r"[동서]쪽"),
)
_KOREAN_REMAINS = re.compile(r"[가-힣]*(?:왼|오른|좌(?!우|석|표))[가-힣]*")
"""Korean words that hold a side and are none of the pairs; 좌우, left and right together, mirrors into itself."""


def swap_sides(instruction: str) -> str:
    """Return the instruction with every word for a side exchanged for its counterpart; `Left` becomes `Right`.

    Doing it twice gives the text back. Ask `unswappable` first: words it reports are left as they are.
    """
    return _SIDES.sub(_swapped, instruction)


def unswappable(instruction: str) -> str | None:
    """Return the first words of an instruction that may name a side and cannot be exchanged, or None where there are none."""
    for pattern in (*_COUNTED, *_OTHER_MEANING, *_NO_COUNTERPART):
        if found := pattern.search(instruction):
            return found[0]
    remains = _KOREAN_REMAINS.search(_SIDES.sub(" ", instruction))
    return remains[0] if remains else None


def names_a_side(instruction: str) -> bool:
    """Return whether an instruction holds a word for a side that `swap_sides` exchanges."""
    return _SIDES.search(instruction) is not None


def _swapped(match: re.Match[str]) -> str:
    if match["korean"]:
        return _OTHER[match["korean"]]
    side, rest = match["side"], match["rest"] or ""
    other = _OTHER[side.lower()]
    if side.isupper():
        other = other.upper()
    elif side[0].isupper():
        other = other.capitalize()
    return other + rest
