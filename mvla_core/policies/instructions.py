"""Korean instructions in English words, because the pretrained text models read English only.

MiniLM gives two Korean sentences nearly the same vector whatever they say, and the robot was trained with Korean text
but driven with English. So both go through the same fixed glossary, in training and in inference. It is not a translator: it
keeps the words that steer a robot, in their order.
"""

from __future__ import annotations

import re

_HANGUL = re.compile(r"[\uac00-\ud7a3]+")

GLOSSARY: tuple[tuple[str, str], ...] = (
    ("왼쪽", "left"),
    ("왼편", "left"),
    ("좌측", "left"),
    ("좌회전", "turn left"),
    ("오른쪽", "right"),
    ("오른편", "right"),
    ("우측", "right"),
    ("우회전", "turn right"),
    ("가운데", "middle"),
    ("중앙", "middle"),
    ("사이", "between"),
    ("앞", "front"),
    ("뒤", "behind"),
    ("바깥", "outside"),
    ("외곽", "outside"),
    ("안쪽", "inside"),
    ("직진", "straight ahead"),
    ("전진", "forward"),
    ("후진", "backward"),
    ("정지", "stop"),
    ("멈", "stop"),
    ("천천히", "slowly"),
    ("빨리", "fast"),
    ("장애물", "obstacle"),
    ("박스", "box"),
    ("상자", "box"),
    ("바구니", "basket"),
    ("화분", "pot"),
    ("음료수", "drink"),
    ("페트병", "bottle"),
    ("병", "bottle"),
    ("컵", "cup"),
    ("목표", "target"),
    ("목적지", "destination"),
    ("벽", "wall"),
    ("문", "door"),
    ("의자", "chair"),
    ("책상", "desk"),
    ("빨간", "red"),
    ("파란", "blue"),
    ("갈색", "brown"),
    ("회색", "gray"),
    ("두", "two"),
    ("세", "three"),
    ("한", "one"),
    ("가장", "far"),
    ("경로", "path"),
    ("길", "path"),
    ("피", "avoid"),
    ("회피", "avoid"),
    ("우회", "around"),
    ("돌아", "around"),
    ("지나", "past"),
    ("통과", "through"),
    ("따라", "along"),
    ("도착", "arrive"),
    ("도달", "reach"),
    ("이동", "move"),
    ("이용", "use"),
    ("주행", "drive"),
    ("가세요", "go"),
    ("가라", "go"),
    ("가", "go"),
)
"""Korean stems, each with its English word. Endings and particles that follow a stem are dropped."""

_LONGEST_FIRST = tuple(sorted(GLOSSARY, key=lambda pair: -len(pair[0])))


def is_korean(instruction: str) -> bool:
    """Return whether an instruction holds Hangul."""
    return _HANGUL.search(instruction) is not None


def to_english(instruction: str) -> str:
    """Return the instruction with Hangul words replaced by glossary words.

    A Hangul word that no stem of the glossary begins is kept as it is: the text model sees that it differs from others, but
    not what it means. `unknown_words` names those. Text without Hangul is returned unchanged.
    """
    if not is_korean(instruction):
        return instruction
    return " ".join(_HANGUL.sub(lambda match: _english(match[0]) or match[0], instruction).split())


def unknown_words(instruction: str) -> tuple[str, ...]:
    """Return the Hangul words of an instruction that the glossary does not know, in their order."""
    return tuple(word for word in _HANGUL.findall(instruction) if _english(word) is None)


def _english(word: str) -> str | None:
    return next((english for stem, english in _LONGEST_FIRST if word.startswith(stem)), None)
