"""`audit`: whether a data set can teach anything, before a GPU is warmed."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from unicodedata import east_asian_width

from mvla_core.commands.options import add_common, data_root, print_result
from mvla_core.wording import LANGUAGES, Language, format_text

if TYPE_CHECKING:
    from mvla_core.audit.comparison import Comparison


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", metavar="DATASET", help="a name under the data root, or a folder of HDF5 files")
    parser.add_argument(
        "--window", type=int, default=4, metavar="FRAMES", help="observed frames (default: %(default)s)"
    )
    parser.add_argument(
        "--chunk", type=int, default=10, metavar="ACTIONS", help="future actions (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the split (default: %(default)s)")
    parser.add_argument(
        "--preset",
        metavar="NAME",
        help="divide the training windows, cut as this recipe cuts them, by its trainable parameters",
    )
    parser.add_argument(
        "--compare",
        action="append",
        default=[],
        metavar="OTHER",
        help="put a further data set, and published ones, beside it; may be given several times",
    )
    parser.add_argument(
        "--pictures",
        action="store_true",
        help="look at every picture first, in a background job: headroom of vision, opposed views, leaks",
    )
    parser.add_argument("--splits", action="store_true", help="put the ways to split the data side by side")
    parser.add_argument("--lang", choices=LANGUAGES, default="en", help="language of the texts (default: %(default)s)")
    add_common(parser, run)


def run(options: argparse.Namespace) -> int:
    from mvla_core.audit.audit import audit_dataset, splits_of
    from mvla_core.audit.comparison import compare_datasets
    from mvla_core.datasets.windows import WindowSpec
    from mvla_core.training.recipe import PRESETS

    window, preset = WindowSpec(window_size=options.window, chunk_size=options.chunk), None
    if options.preset is not None:
        from mvla_core.training.preset_size import preset_size

        preset = preset_size(options.preset, options.chunk)
        window = replace(window, chunk_ends=PRESETS[options.preset].recipe.chunk_ends)
    if options.pictures:
        _look_at_pictures(options)
    audited = audit_dataset(data_root(options), options.dataset, window=window, seed=options.seed, preset=preset)
    result = said_in(audited.to_json(), options.lang)
    text = describe(result, options.lang)
    if options.splits and audited.action_space is not None:
        splits = splits_of(data_root(options), audited)
        result["splits"] = [option.to_json() for option in splits]
        text += "\n" + describe_splits(result["splits"], options.lang)
    if options.compare:
        compared = compare_datasets(
            data_root(options), options.dataset, options.compare, window=window, seed=options.seed, audited=audited
        )
        if audited.preset is not None and audited.action_space is not None:
            recipe = PRESETS[audited.preset.name].recipe.to_json()
            parameters = audited.preset.of(len(audited.action_space))
            compared = compared.with_preset(audited.preset.name, recipe, parameters)
        result["comparison"] = compared.to_json()
        text += "\n" + describe_comparison(compared, options.lang)
    print_result(options, result, text)
    return 0


def _look_at_pictures(options: argparse.Namespace) -> None:
    """Queue the job that looks at the pictures and wait for it; nothing is queued for a data set that is not there."""
    from mvla_core.commands.follow import run_to_end
    from mvla_core.episodes.dataset import resolve_dataset
    from mvla_core.jobs.folders import new_job_folder

    root = data_root(options)
    name = resolve_dataset(root, options.dataset).name
    config = {"dataset": options.dataset}
    run_to_end(root, "features", new_job_folder(root, "features"), config, title=f"Look at the pictures of {name}")


def describe_splits(splits: list[dict[str, Any]], language: Language) -> str:
    """The ways to split as lines of text; why one is impossible is said in English."""
    from mvla_core.audit.table_wording import table_catalog

    words = table_catalog(language)["splits"]

    def say(name: str, **values: Any) -> str:
        return format_text(language, words[name], values)

    lines = ["", words["title"]]
    for option in splits:
        if not option["possible"]:
            lines.append(f"  {words[option['by']]}: {option['impossible']}")
            continue
        told = [say("sizes", sizes=" / ".join(str(number) for number in option["episodes"].values()))]
        told.append(say("clock", share=max(0.0, option["clock_explained"]["value"] or 0.0)))
        if option["shared_sessions"] is not None:
            told.append(say("sessions", number=option["shared_sessions"]))
        if option["leaked"]:
            told.append(say("leaked", number=option["leaked"]))
        if option["missing_instructions"]:
            told.append(say("missing", names=", ".join(option["missing_instructions"])))
        lines.append(f"  {words[option['by']]}: {'; '.join(told)}")
    return "\n".join(lines)


def describe(result: dict[str, Any], language: Language = "en") -> str:
    """The audit as a reader's text: the figures, then the findings, worst first.

    Args:
        result: As `AuditResult.to_json` gives it; findings are said as they are there.
        language: Of the lines around them.
    """
    from mvla_core.audit.table_wording import table_catalog

    catalog = table_catalog(language)
    summary, levels = catalog["summary"], catalog["levels"]
    counts = {**result, "windows": result["windows"]["total"]}
    lines = [format_text(language, summary[name], counts) for name in ("counts", "variety")]
    for name, values in result["actions"].items():
        figures = {"mean": f"{values['mean']:+.2f}", "std": f"{values['std']:.2f}", "unit": values["unit"]}
        figures |= {"min": f"{values['min']:+.2f}", "max": f"{values['max']:+.2f}"}
        lines.append(f"  {name:<10} {format_text(language, summary['axis'], figures)}")
    order = {"error": 0, "warning": 1, "info": 2, "ok": 3}
    for finding in sorted(result["findings"], key=lambda finding: order[finding["level"]]):
        lines.append(f"{levels[finding['level']]}: {finding['where']}: {finding['message']}")
        if finding["next"]:
            lines.append(f"    -> {finding['next']}")
    return "\n".join(lines)


def said_in(result: dict[str, Any], language: Language) -> dict[str, Any]:
    """Return a stored audit whose findings (`message`, `next`) and table (`label`, `reason`) are said in a language."""
    from mvla_core.audit.table import TableRow
    from mvla_core.audit.table_wording import worded_row
    from mvla_core.audit.wording import worded

    if language == "en":
        return result
    findings = []
    for finding in result["findings"]:
        said = worded(finding, language)
        findings.append({**finding, "message": said.message, "next": said.next})
    rows = [(row, worded_row(TableRow(**row), language)) for row in result["table"]]
    table = [{**row, "label": said.label, "reason": said.reason} for row, said in rows]
    return {**result, "findings": findings, "table": table}


def describe_comparison(comparison: Comparison, language: Language) -> str:
    """The comparison as tables of text, with where the published figures are stated."""
    from mvla_core.audit.comparison_wording import comparison_catalog, worded_sources, worded_tables

    lines: list[str] = []
    for table in worded_tables(comparison, language):
        rows = (table.columns, *table.rows)
        widths = [max(_width(row[column]) for row in rows) for column in range(len(table.columns))]
        lines += ["", table.title]
        for row in rows:
            cells = [cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)]
            lines.append(("  " + "  ".join(cells)).rstrip())
    lines += ["", comparison_catalog(language)["titles"]["sources"]]
    lines += [f"  {one.title} ({one.figures}): {one.source}" for one in worded_sources(comparison, language)]
    return "\n".join(lines)


def _width(text: str) -> int:
    """Columns that a text takes in a terminal, where Korean letters are two wide."""
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)
