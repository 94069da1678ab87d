"""Every finding can be said in Korean: the codes are collected from the source, the values from findings that are really raised."""

from __future__ import annotations

import ast
import dataclasses
import re
import string
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mvla_core.audit.analysis import audit_episodes
from mvla_core.audit.result import AuditResult
from mvla_core.audit.wording import worded
from mvla_core.datasets.windows import WindowSpec
from mvla_core.episodes.catalogue import Catalogue
from mvla_core.episodes.curation import curated
from mvla_core.episodes.notes import Annotations, EpisodeNote
from mvla_core.episodes.picture_findings import facts_findings
from mvla_core.episodes.pixel_facts import PixelFacts
from mvla_core.schema import FILE_FAULTS, ActionSequence, ActionSpace, EpisodeInfo, Finding
from mvla_core.wording import format_text, placeholders, read_catalog

KOREAN: dict[str, list[dict[str, str]]] = read_catalog("mvla_core.audit", "findings_ko")
ALWAYS_KNOWN = {"where", "interval"}
HANGUL = re.compile(r"[가-힣]")
CODE = re.compile(r"[a-z]+(_[a-z0-9]+)*")

Maker = Callable[..., EpisodeInfo]
Audit = Callable[..., AuditResult]
Varied = Callable[..., list[ActionSequence]]


class RaisedFindings:
    """The `Finding(...)` calls of one module: which codes they can have, and which details they are given.

    A code that is not written out in the call is followed to where it is: a parameter to the calls of its function, a loop to its
    tuple, a name to its dictionary, an attribute to the constructors of the classes that have a field `code`.
    """

    def __init__(self, path: Path, repository: Path) -> None:
        self.name = str(path.relative_to(repository))
        self.tree = ast.parse(path.read_text(encoding="utf-8"))
        self.parents = {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}
        self.calls = [node for node in ast.walk(self.tree) if isinstance(node, ast.Call)]

    def codes(self) -> dict[str, list[set[str] | None]]:
        """Each code, with the keys of the details at every place that raises it; None where they are not written there."""
        found: dict[str, list[set[str] | None]] = {}
        for call in self.calls:
            if isinstance(call.func, ast.Name) and call.func.id == "Finding":
                keys = self._keys(_argument(call, 5, "details"))
                for code in self._values(_argument(call, 1, "code")):
                    found.setdefault(code, []).append(keys)
        return found

    def _values(self, node: ast.expr | None) -> Iterator[str]:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.IfExp):
            yield from self._values(node.body)
            yield from self._values(node.orelse)
        elif isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
            yield from self._table(node.value.id)
        elif isinstance(node, ast.Name):
            yield from self._named(node)
        elif isinstance(node, ast.Attribute) and node.attr == "code":
            yield from self._fields()
        elif isinstance(node, ast.JoinedStr):
            shown = ast.unparse(node)
            raise AssertionError(
                f"{self.name}:{node.lineno}: {shown} cannot be followed; write the codes out in a table"
            )

    def _named(self, name: ast.Name) -> Iterator[str]:
        scope: ast.AST = name
        while scope in self.parents:
            scope = self.parents[scope]
            if isinstance(scope, ast.For | ast.comprehension) and (place := _place(scope.target, name.id)) is not None:
                yield from self._elements(scope.iter, place)
                return
            generators = getattr(scope, "generators", [])
            for generator in generators:
                if (place := _place(generator.target, name.id)) is not None:
                    yield from self._elements(generator.iter, place)
                    return
            if isinstance(scope, ast.FunctionDef):
                arguments = [argument.arg for argument in scope.args.args]
                for node in ast.walk(scope):
                    if isinstance(node, ast.Assign) and any(_place(target, name.id) == () for target in node.targets):
                        yield from self._values(node.value)
                if name.id in arguments:
                    for call in self.calls:
                        if isinstance(call.func, ast.Name) and call.func.id == scope.name:
                            yield from self._values(_argument(call, arguments.index(name.id), name.id))
                    return

    def _elements(self, iterated: ast.expr, place: tuple[int, ...]) -> Iterator[str]:
        if (
            isinstance(iterated, ast.Call)
            and isinstance(iterated.func, ast.Attribute)
            and iterated.func.attr == "items"
        ):
            # `for name, (code, what) in TABLE.items()`
            assert isinstance(iterated.func.value, ast.Name)
            yield from self._table(iterated.func.value.id, place)
            return
        if isinstance(iterated, ast.Name):
            iterated = self._assigned(iterated.id) or iterated
        for element in getattr(iterated, "elts", []):
            yield from self._values(_at(element, place))

    def _assigned(self, name: str) -> ast.expr | None:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == name:
                return node.value
            if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
                return node.value
        return None

    def _table(self, name: str, place: tuple[int, ...] = (1,)) -> Iterator[str]:
        table = self._assigned(name)
        if isinstance(table, ast.Dict):
            for key, value in zip(table.keys, table.values, strict=True):
                yield from self._values(key if place[0] == 0 else _at(value, place[1:]))

    def _fields(self) -> Iterator[str]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ClassDef):
                fields = [item.target.id for item in node.body if isinstance(item, ast.AnnAssign)]  # type: ignore[union-attr]
                for call in self.calls:
                    if isinstance(call.func, ast.Name) and call.func.id == node.name and "code" in fields:
                        yield from self._values(_argument(call, fields.index("code"), "code"))

    @staticmethod
    def _keys(node: ast.expr | None) -> set[str] | None:
        if node is None:
            return set()
        if not isinstance(node, ast.Dict) or None in node.keys:
            return None
        return {key.value for key in node.keys if isinstance(key, ast.Constant)}


def _argument(call: ast.Call, place: int, name: str) -> ast.expr | None:
    if len(call.args) > place:
        return call.args[place]
    return next((keyword.value for keyword in call.keywords if keyword.arg == name), None)


def _place(target: ast.expr, name: str) -> tuple[int, ...] | None:
    """Where a name stands in a target: () for the target itself, (1, 0) for the `c` of `a, (c, d)`."""
    if isinstance(target, ast.Name):
        return () if target.id == name else None
    for number, element in enumerate(getattr(target, "elts", [])):
        if (inner := _place(element, name)) is not None:
            return (number, *inner)
    return None


def _at(node: ast.expr, place: tuple[int, ...]) -> ast.expr:
    for number in place:
        node = node.elts[number] if isinstance(node, ast.Tuple) else node
    return node


@pytest.fixture(scope="module")
def raised(repository: Path) -> dict[str, list[set[str] | None]]:
    """Every code that the source can raise, with the keys of its details at each place."""
    found: dict[str, list[set[str] | None]] = {}
    for path in sorted((repository / "mvla_core").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "Finding(" not in text:
            continue
        own = RaisedFindings(path, repository).codes()
        if path.name == "catalogue.py":  # It takes the code from an error, whose codes are those of FILE_FAULTS.
            own |= {code: [set()] for code in FILE_FAULTS}
        constructed = len(re.findall(r"(?<![A-Za-z_])Finding\(", text)) - text.count("class Finding(")
        assert own or not constructed, f"{path.name} raises findings whose codes could not be collected"
        for code, keys in own.items():
            found.setdefault(code, []).extend(keys)
    return found


def test_the_collector_sees_the_known_ways_of_writing_a_code(raised: dict[str, list[set[str] | None]]) -> None:
    written_out = {"no_episodes", "clock_suffices", "trim_misfit", "excluded_episodes", "likely_bgr"}
    assert written_out <= raised.keys()
    assert {"few_episodes", "few_unique_actions"} <= raised.keys(), "a dictionary of tuples"
    assert {"mixed_image_size", "mixed_color_order"} <= raised.keys(), "a loop that hands the code to a function"
    assert {"dark_frames", "frozen_frames"} <= raised.keys(), "objects with a field `code`"
    assert {"pointer_file", "unreadable"} <= raised.keys(), "the faults of a file"
    assert all(CODE.fullmatch(code) for code in raised)


def test_every_finding_has_a_korean_text(raised: dict[str, list[set[str] | None]]) -> None:
    assert raised.keys() - KOREAN.keys() == set(), "append these codes to mvla_core/audit/findings_ko.toml"


def test_no_korean_text_is_left_without_its_finding(raised: dict[str, list[set[str] | None]]) -> None:
    assert KOREAN.keys() - raised.keys() == set()


def test_every_place_that_raises_a_finding_gives_what_a_text_needs(
    raised: dict[str, list[set[str] | None]],
) -> None:
    for code, places in raised.items():
        needs = [(placeholders(text["message"]) | placeholders(text["next"])) - ALWAYS_KNOWN for text in KOREAN[code]]
        for keys in places:
            assert keys is None or any(need <= keys for need in needs), f"{code} with {keys} fits none of {needs}"


def test_korean_texts_are_well_formed() -> None:
    for code, texts in KOREAN.items():
        for number, text in enumerate(texts):
            assert set(text) == {"message", "next"}, code
            assert HANGUL.search(text["message"]), code
            assert text["message"].endswith((".", "!")), code
            assert not text["next"] or HANGUL.search(text["next"]), code
            needed = placeholders(text["message"]) | placeholders(text["next"])
            assert needed or number == len(texts) - 1, f"a text of {code} that always fits hides those behind it"
            specs = {part[2] for key in ("message", "next") for part in string.Formatter().parse(text[key]) if part[1]}
            assert specs <= {"", "percent", "count", "real", "amount", "length", "list", "baseline", "direction"}, code


def planted(make_info: Maker, audit: Audit, varied: Varied, recordings: Any) -> Iterator[Finding]:
    """Really raised findings: of planted data sets, of pictures and of curation."""

    def infos(sequences: Sequence[ActionSequence], **fields: Any) -> list[EpisodeInfo]:
        return [
            make_info(s.episode_id, num_frames=s.num_frames, instruction=s.instruction, **fields) for s in sequences
        ]

    def changed(sequences: list[ActionSequence], number: int, actions: Any) -> list[ActionSequence]:
        sequences[number] = dataclasses.replace(sequences[number], actions=np.asarray(actions, dtype=np.float32))
        return sequences

    yield from audit(recordings.briefing()).findings
    yield from audit(varied(24)).findings
    yield from audit(varied(24), window=WindowSpec(chunk_ends="drop")).findings
    yield from audit([]).findings
    yield from audit(varied(2)).findings
    yield from audit(varied(4)).findings
    yield from audit([dataclasses.replace(s, instruction="") for s in varied(12)]).findings
    yield from audit([dataclasses.replace(s, instruction="go" if n else "") for n, s in enumerate(varied(12))]).findings
    yield from audit([dataclasses.replace(s, instruction="go to the left") for s in varied(12)]).findings
    yield from audit(
        [dataclasses.replace(s, instruction="left" if n else "right") for n, s in enumerate(varied(12))]
    ).findings
    copies = [dataclasses.replace(s, episode_id=f"copy_{s.episode_id}") for s in varied(24)]
    yield from audit([*varied(24), *copies]).findings
    yield from audit(changed(varied(24), 7, np.zeros((18, 2)))).findings
    yield from audit(changed(varied(24), 7, varied(24)[7].actions[:2])).findings
    yield from audit(changed(varied(24), 7, varied(24)[7].actions * 100)).findings
    yield from audit([dataclasses.replace(s, actions=s.actions[3:] * [1, 0] + [0.5, 0]) for s in varied(24)]).findings
    yield from audit([dataclasses.replace(s, actions=np.abs(s.actions)) for s in varied(24)]).findings
    episodes = infos(varied(24))
    episodes[0] = dataclasses.replace(episodes[0], width=1280, height=720, color_order="bgr")
    yield from audit_episodes("test", episodes, varied(24)).findings
    other = ActionSequence("turning", np.ones((18, 3), dtype=np.float32))
    spaces = [*infos(varied(24)), make_info("turning", action_space=ActionSpace.default(3))]
    yield from audit_episodes("test", spaces, [*varied(24), other]).findings

    catalogue = Catalogue("test", Path("test"), tuple(infos(varied(4))), ())
    notes = {"drive_0001": EpisodeNote(excluded_reason="blurred"), "drive_0002": EpisodeNote(trim=(3, 400))}
    yield from curated(catalogue, Annotations(notes=notes)).findings

    def facts(**values: float) -> PixelFacts:
        usual = {"brightness": 120.0, "contrast": 60.0, "sharpness": 9.0, "difference": 8.0, "warm": 0.4, "cold": 0.0}
        return PixelFacts(**{name: np.full(40, value, np.float32) for name, value in (usual | values).items()})

    moving = np.ones((40, 2), dtype=np.float32)
    for sick in (facts(brightness=np.nan), facts(contrast=1.0), facts(brightness=10.0), facts(difference=0.0)):
        yield from facts_findings("test", {"sick": sick}, {"sick": moving})
    yield from facts_findings("test", {"sick": facts(warm=0.0, cold=0.4)}, {"sick": moving})
    mixed = {"blue": facts(warm=0.0, cold=0.4), "warm": facts()}
    yield from facts_findings("test", mixed, dict.fromkeys(mixed, moving))


def test_what_is_really_raised_is_said_in_korean(
    make_info: Maker, audit: Audit, varied: Varied, recordings: Any
) -> None:
    seen = set()
    for finding in planted(make_info, audit, varied, recordings):
        said = worded(finding, "ko")
        assert not said.foreign, finding
        assert HANGUL.search(said.message), finding
        assert "{" not in said.message + said.next
        assert "None" not in said.message + said.next
        assert bool(said.next) == bool(finding.next) or finding.code == "short_episode", finding
        seen.add(finding.code)
        assert worded(finding.to_json(), "ko") == said, "a stored finding says the same"
        english = worded(finding, "en")
        assert (english.message, english.next, english.foreign) == (finding.message, finding.next, False)
    assert len(seen) >= 24, f"the planted sets raise too few kinds to prove anything: {sorted(seen)}"


def test_a_finding_without_a_text_is_shown_in_english_and_marked() -> None:
    unknown = Finding("info", "never_seen", "lab", "Something new.", "Look at it.")
    assert dataclasses.astuple(worded(unknown, "ko")) == ("Something new.", "Look at it.", True)
    lacking = Finding("warning", "few_episodes", "lab", "Few.", "Record.", {"value": 3.0})
    assert worded(lacking, "ko").foreign


def test_figures_are_written_as_the_language_writes_them() -> None:
    template = "{share:percent} {value:real} {frames:count} {whole:amount} {names:length} {ways:list}"
    values = {
        "share": 0.384,
        "value": -0.5,
        "frames": 1234,
        "whole": 3.0,
        "names": ["a", "b"],
        "ways": ["left or right", "x"],
    }
    assert format_text("en", template, values) == "38 % −0.500 1,234 3 2 left, right, x"
    assert format_text("ko", template, values) == "38% −0.500 1,234 3 2 왼쪽, 오른쪽, x"
    with pytest.raises(AssertionError, match="unknown format"):
        format_text("en", "{value:.2f}", values)
