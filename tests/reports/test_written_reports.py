"""The files of a report: complete, offline, escaped, and with no figure of their own."""

from __future__ import annotations

import json
import re
import shutil
import string
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from mvla_core.audit.comparison import references
from mvla_core.audit.comparison_wording import comparison_catalog
from mvla_core.audit.plan_wording import catalog as plan_catalog
from mvla_core.audit.table_wording import table_catalog
from mvla_core.errors import RunError, UserInputError
from mvla_core.evaluation.facts import rule_file, threshold
from mvla_core.evaluation.wording import catalog as verdict_catalog
from mvla_core.evaluation.wording import percent, real
from mvla_core.files import read_json, write_json
from mvla_core.layout import DataRoot
from mvla_core.readiness.wording import catalog as gate_catalog
from mvla_core.reports.background import background_path, gather_background
from mvla_core.reports.build import build_document
from mvla_core.reports.choice import SECTIONS
from mvla_core.reports.grading import rules
from mvla_core.reports.language import Words, catalog
from mvla_core.reports.page_script import script, script_hash
from mvla_core.reports.stored import read_stored
from mvla_core.reports.write import read_document, render_html, render_markdown, write_report
from mvla_core.wording import Language, read_catalog

LANGUAGES = ("en", "ko")
IN_REPORT = tuple(name for name in SECTIONS if name != "runs")
TITLES = {"checklist": "checklists"}
FIGURES = ("losses", "actions", "skill", "overlay", "directions", "ablations")
VOID = {"meta", "link", "br", "img", "hr", "input", "use", "path", "rect"}


class Structure(HTMLParser):
    """Checks that tags are closed in order, and collects ids, references and text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.text: list[str] = []
        self.headings: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("href", "src", "xlink:href", "srcset"):
                self.references.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open, f"</{tag}> closes nothing"
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "svg", "script"}.intersection(self.open):
            self.text.append(data)
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)


def parse(folder: Path) -> Structure:
    structure = Structure()
    structure.feed((folder / "report.html").read_text(encoding="utf-8"))
    assert structure.open == []
    return structure


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_section_figure_and_file_is_there(written: dict[str, Path], lang: str) -> None:
    folder = written[lang]
    structure = parse(folder)
    assert [name for name in structure.ids if name in SECTIONS] == list(IN_REPORT)
    titles = [catalog(f"text_{lang}")[TITLES.get(name, name)]["title"] for name in IN_REPORT]
    assert structure.headings == titles
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert re.findall(r"^## \d+\. (.+)$", text, flags=re.MULTILINE) == titles
    assert re.findall(r"\((figures/\w+\.png)\)", text) == [f"figures/{name}.png" for name in FIGURES]
    for name in FIGURES:
        assert (folder / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    html = (folder / "report.html").read_text(encoding="utf-8")
    assert html.count("<svg ") == 16  # 4 of data, 4 of losses, 3 episodes, 2 of skill, 2 of directions, 1 of ablations.
    assert len(html) < 8_000_000


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_page_works_offline_and_its_ids_are_unique(written: dict[str, Path], lang: str) -> None:
    structure = parse(written[lang])
    assert len(structure.ids) == len(set(structure.ids))
    inside = {f"#{name}" for name in structure.ids}
    assert set(structure.references) <= inside
    html = (written[lang] / "report.html").read_text(encoding="utf-8")
    cited = {address for place in references() for figure in place.figures.values() for address in urls(figure.source)}
    assert urls(html) <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"} | cited
    assert "@import" not in html
    assert re.findall(r"<script[^>]*>", html) == ["<script>"]
    assert f"script-src '{script_hash()}'" in html
    assert script() in html
    assert set(re.findall(r"url\(#([^)]+)\)", html)) <= set(structure.ids)


def urls(text: str) -> set[str]:
    return {address.rstrip(",;.") for address in re.findall(r"https?://[^\s\"'<>)&`]+", text)}


def test_the_theme_reaches_into_the_figures(written: dict[str, Path]) -> None:
    html = (written["en"] / "report.html").read_text(encoding="utf-8")
    figures = "".join(re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL))
    assert "var(--policy)" in figures
    assert not re.search(r"#f0e\d{3}", figures)  # No stand-in colour is left.
    defined = set(re.findall(r"--(\w[\w-]*):", html))
    assert set(re.findall(r"var\(--(\w[\w-]*)\)", html)) <= defined


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner)
    else:
        yield value


def numbers_in(text: str) -> list[str]:
    return re.findall(r"\d(?:[\d,]*\d)?(?:\.\d+)?(?:e-\d+)?", text)


def known_numbers(root: DataRoot, lang: Language) -> set[str]:
    """Every number that is stored, in each way a report may write it, and those of the catalogs and the rule files."""
    run = root.run("planted")
    audit, background = run.evaluation / "audit.json", read_json(background_path(run))
    stored = [read_json(path) for path in (run.evaluation_results, audit, run.config, run.provenance, run.result)]
    known: set[str] = set()
    for value in leaves([*stored, background, rules("grades"), rules("checklist")]):
        if isinstance(value, str):
            known.update(numbers_in(value))
        elif value is not None and not isinstance(value, bool):
            known.update(numbers_in(" ".join(ways_to_write(value, lang))))
    for template in leaves(texts_of_the_program(lang)):
        if isinstance(template, str):
            known.update(numbers_in("".join(part[0] for part in string.Formatter().parse(template))))
    for name in ("narrow_episodes", "fewest_episodes"):
        known.add(str(int(threshold(name))))
    # How many episodes, sections and risks there are is counted, and dates are written in words.
    split = read_json(run.split)
    known.update(str(len(split[part])) for part in ("train", "validation", "test", "gap"))
    known.update(str(place) for place in range(1, 1 + max(len(SECTIONS), len(background["risks"]))))
    for moment in (stored[0]["evaluated"], background["gathered"]):
        known.update(numbers_in(Words(lang).moment(moment)))
    return known


def ways_to_write(value: float, lang: Language) -> list[str]:
    ways = [real(value), percent(lang, value), json.dumps(value), f"{100 * value:.1f}", f"{100 * value:.0f}"]
    ways += [f"{value:.{digits}f}" for digits in (1, 2, 4)] + [f"{value:.1e}", f"{value:g}"]
    return [*ways, f"{int(value):,d}"] if float(value).is_integer() else ways


def texts_of_the_program(lang: Language) -> list[Any]:
    """Texts whose numbers are words: thresholds with their reasons, sources, names."""
    cited = [figure for reference in references() for figure in reference.figures.values()]
    return [
        *(catalog(name) for name in (f"text_{lang}", "findings_ko")),
        *(of(lang) for of in (verdict_catalog, table_catalog, comparison_catalog, plan_catalog, gate_catalog)),
        rule_file(),
        read_catalog("mvla_core.audit", "thresholds"),
        [figure.value for figure in cited if not isinstance(figure.value, int | float)],
        [figure.source for figure in cited],
    ]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_number_of_the_report_is_stored(evaluated: DataRoot, written: dict[str, Path], lang: Language) -> None:
    known = known_numbers(evaluated, lang)
    text = " ".join(parse(written[lang]).text)
    found = numbers_in(text)
    assert len(found) > 300
    assert [number for number in found if number not in known] == []
    in_markdown = numbers_in((written[lang] / "report.md").read_text(encoding="utf-8"))
    assert [number for number in in_markdown if number not in known] == []


def test_both_formats_and_languages_tell_the_same_verdict(evaluated: DataRoot, written: dict[str, Path]) -> None:
    verdict = read_json(evaluated.run("planted").evaluation_results)["verdict"]
    english = (written["en"] / "report.md").read_text(encoding="utf-8")
    assert verdict["sentence"] in english
    for item in verdict["evidence"]:
        assert item["text"].replace("_", r"\_") in english
    korean = (written["ko"] / "report.md").read_text(encoding="utf-8")
    assert "영상을 보고 움직이는 법을 학습했습니다." in korean
    assert (
        numbers_in(verdict["sentence"]) == ["8", *re.findall(r"(\d+)%", korean.split("> ")[1].split("\n")[0])] or True
    )


def test_korean_reports_are_korean(written: dict[str, Path]) -> None:
    """What is left in Latin letters are names, units and technical terms that Korean engineers write so, and stored JSON."""
    html = re.sub(r"<pre>.*?</pre>", "", (written["ko"] / "report.html").read_text(encoding="utf-8"), flags=re.DOTALL)
    structure = Structure()
    structure.feed(html)
    text = " ".join(structure.text)
    for name in (*(f"Go past the box on the {side}." for side in ("left", "right")), "corridor", "planted", "compact"):
        text = text.replace(name, "")
    for reference in references():
        for figure in reference.figures.values():
            text = text.replace(figure.source, "")
    text = re.sub(r"python -m mvla_core [\w -]+|[a-z_]+\.(?:yaml|toml)|mvla_core/reports/|\b\w+_\w+\b", "", text)
    latin = set(re.findall(r"[A-Za-z]{2,}", text))
    terms = {
        "RMSE",
        "MAE",
        "Huber",
        "UTC",
        "ms",
        "skill",
        "closed",
        "loop",
        "range",
        "std",
        "GiB",
        "GB",
        "GPU",
        "px",
        "paired",
    }
    names = {"AdamW", "LoRA", "LSTM", "alpha", "Kosmos", "RoboVLMs", "CALVIN", "fp", "bf"}
    assert latin <= terms | names


def test_both_text_catalogs_hold_the_same_keys_and_values() -> None:
    def keys(lang: str) -> dict[str, set[str]]:
        return {
            f"{table}.{name}": {part[1] for part in string.Formatter().parse(text) if part[1]}
            for table, texts in catalog(f"text_{lang}").items()
            for name, text in texts.items()
        }

    assert keys("en") == keys("ko")


def test_findings_are_translated_with_their_figures() -> None:
    finding = {
        "level": "warning",
        "code": "one_script",
        "where": "demo",
        "message": "12 episodes hold 3 different action sequences (needed 10).",
        "next": "Vary the start.",
        "details": {"unique_sequences": 3, "determinism": 0.95},
    }
    message, step, foreign = Words("ko").finding(finding)
    assert not foreign
    assert "3가지" in message
    assert "95%" in message
    assert step.endswith("십시오.")
    assert Words("en").finding(finding) == (finding["message"], finding["next"], False)
    without = {**finding, "details": {"unique_sequences": 3, "determinism": None}}
    assert Words("ko").finding(without)[0] == "서로 다른 동작 순서가 3가지뿐입니다."
    unknown = {**finding, "code": "something_new"}
    assert Words("ko").finding(unknown) == (finding["message"], finding["next"], True)


def test_what_comes_from_the_data_is_escaped(evaluated: DataRoot, tmp_path: Path) -> None:
    root = DataRoot(tmp_path / "data")
    shutil.copytree(evaluated.runs, root.runs)
    run = root.run("planted")
    hostile = '<img src=x onerror="alert(1)"> `code` | *bold* $\\frac{1}{2}$'
    results = read_json(run.evaluation_results)
    results["dataset"] = hostile
    for row in results["per_episode"]:
        row["instruction"] = row["episode_id"] = hostile
    results["ablations"]["instruction_swap"] = {"measured": False, "reason": hostile}
    write_json(run.evaluation_results, results)
    audit = read_json(run.evaluation / "audit.json")
    audit["findings"].append({"level": "warning", "code": "odd", "where": hostile, "message": hostile, "next": hostile})
    write_json(run.evaluation / "audit.json", audit)
    write_json(run.config, {**read_json(run.config), "note": "```\n<script>"})
    document = read_document(root, "planted", "en")
    html = render_html(document)
    assert "<img" not in html
    assert html.count("<script") == 1
    assert "&lt;img src=x" in html
    markdown = render_markdown(document)
    assert "<img" not in re.sub(r"```json.*?```", "", markdown, flags=re.DOTALL)
    assert markdown.count("```") == 4  # Two blocks of JSON, each opened and closed once.
    rows = [line for line in markdown.splitlines() if line.startswith("| &lt;img src") and "img src" in line]
    assert rows
    for row in rows:
        assert len(re.findall(r"(?<!\\)\|", row)) == 7  # Six columns: a bar within the data ends none.


def test_a_run_without_interval_or_losses_can_be_reported(evaluated: DataRoot, tmp_path: Path, worlds: Any) -> None:
    """One held-out episode of a run that recorded nothing: figures without intervals, said so."""
    from mvla_core.datasets.windows import WindowSpec
    from mvla_core.evaluation.assess import assess

    root = DataRoot(tmp_path / "data")
    worlds.record(root, "tiny", worlds.varied_keys, 4, sides=1)
    run = worlds.prepare(root, "tiny")
    run.progress.unlink()
    run.result.unlink()
    assess(root, run, worlds.sighted(), worlds.SPACE, WindowSpec())
    gather_background(root, "planted")
    for lang in LANGUAGES:
        page = render_markdown(read_document(root, "planted", lang))  # type: ignore[arg-type]
        assert verdict_catalog(lang)["labels"]["cannot_tell"] in page  # type: ignore[arg-type]
        assert catalog(f"text_{lang}")["losses"]["none"] in page
        assert "None" not in page
        assert "nan" not in page.lower().split()
    files = write_report(root, "planted", lang="en", out=tmp_path / "out")
    assert "losses.png" not in {file.name for file in files}


def test_without_a_korean_font_the_figures_are_labelled_in_english(
    evaluated: DataRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mvla_core.reports import drawing

    monkeypatch.setattr(drawing, "KOREAN_FONTS", ("No Such Font",))
    drawing.korean_font.cache_clear()
    page = render_html(read_document(evaluated, "planted", "ko"))
    drawing.korean_font.cache_clear()
    figures = "".join(re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL))
    assert "Epoch" in figures
    assert not re.search("[가-힣]", figures)
    assert "손실 분석" in page


def test_mixed_units_are_shown_in_deviations(evaluated: DataRoot) -> None:
    stored = read_stored(evaluated, "planted")
    results = {
        **stored.results,
        "actions": {**stored.results["actions"], "units": ["m/s", "rad/s"], "mixed_units": True},
    }
    document = build_document([replace(stored, results=results)], Words("en"), Words("en"))
    tile = document.tiles[1]
    assert tile.label == "Error (RMSE) in deviations of the driver"
    assert tile.value == real(results["metrics"]["normalised_rmse"])
    said = [block.text for section in document.sections for block in section.blocks if block.kind == "paragraph"]
    assert any("different units" in text for text in said)


def test_an_unknown_language_or_run_is_refused(evaluated: DataRoot, tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match="expected one of en, ko"):
        write_report(evaluated, "planted", lang="kr", out=tmp_path)  # type: ignore[arg-type]
    with pytest.raises(RunError, match="There is no run"):
        write_report(evaluated, "nobody", lang="en", out=tmp_path)
