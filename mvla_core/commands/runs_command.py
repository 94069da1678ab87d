"""`runs`: list and compare training runs, label them, archive or delete them, and export their metrics."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mvla_core.commands.options import add_common, data_root, print_result
from mvla_core.errors import UserInputError

if TYPE_CHECKING:
    from mvla_core.layout import DataRoot
    from mvla_core.runs.table import RunRecord

ACTIONS = {
    "list": "all runs, newest first (also without an action)",
    "compare": "two or more runs: what differs in settings and data, and how seeds spread",
    "tag": "change tags and note of runs",
    "archive": "leave runs out of the list; --undo brings them back",
    "delete": "move runs to the bin, runs/.bin",
    "restore": "bring runs back from the bin",
    "bin": "what lies in the bin",
    "purge": "remove runs in the bin for good",
    "export": "metrics of runs as CSV or as TensorBoard event files",
}
_NEEDS_RUNS = frozenset({"compare", "tag", "archive", "delete", "restore", "purge", "export"})


def configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = "\n".join(f"{name:<8} {what}" for name, what in ACTIONS.items())
    parser.add_argument("action", nargs="?", choices=list(ACTIONS), default="list", metavar="ACTION")
    parser.add_argument("runs", nargs="*", metavar="RUN")
    parser.add_argument("--all", action="store_true", help="list: archived runs too; export: all runs")
    parser.add_argument("--add", action="append", default=[], metavar="TAG", help="tag: add this one")
    parser.add_argument("--remove", action="append", default=[], metavar="TAG", help="tag: remove this one")
    parser.add_argument("--note", metavar="TEXT", help='tag: set the note; "" removes it')
    parser.add_argument("--undo", action="store_true", help="archive: bring the runs back into the list")
    parser.add_argument("--yes", action="store_true", help="delete, purge: do not ask")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write all metrics as CSV; - is stdout")
    parser.add_argument(
        "--tensorboard", action="store_true", help="export: write event files into the run folders anew"
    )
    add_common(parser, run)


def run(options: argparse.Namespace) -> int:
    root = data_root(options)
    action, names = options.action, list(dict.fromkeys(options.runs))
    if action in _NEEDS_RUNS and not names and not (action == "export" and options.all):
        raise UserInputError(f"The action {action} needs the name of a run; list them: python -m mvla_core runs")
    if action == "list" and not options.csv:
        return _list(options, root)
    if action == "list" or action == "export":
        return _export(options, root, names)
    if action == "compare":
        return _compare(options, root, names)
    if action == "bin":
        return _bin(options, root)
    return _change(options, root, action, names)


def _records(root: DataRoot, names: Sequence[str] = ()) -> list[RunRecord]:
    from mvla_core.jobs.queue import JobQueue
    from mvla_core.runs.listing import list_runs, read_run
    from mvla_core.runs.table import run_record

    if names:
        return [run_record(root, read_run(root, name)) for name in names]
    summaries = JobQueue(root).runs() if root.jobs_database.exists() else list_runs(root)
    return [run_record(root, summary) for summary in summaries]


def _list(options: argparse.Namespace, root: DataRoot) -> int:
    from mvla_core.training.groups import run_groups

    records = [record for record in _records(root) if options.all or not record.labels.archived]
    lines = [
        f"{record.run_id:<52} {record.summary.status:<11} best {_figure(record.summary.best_epoch, 'd'):>4}  "
        f"val. loss {_figure(record.summary.best_val_loss, '.4f'):>8}  skill {_figure(record.skill, '.0%'):>5}  "
        f"{record.verdict or '-'}  {' '.join('#' + tag for tag in record.labels.tags)}".rstrip()
        for record in records
    ]
    groups = run_groups(root, records)
    for group in groups:
        told = "; ".join(group.sentences()) or "no figures yet"
        lines.append(f"{group.group_id}, seeds {', '.join(map(str, group.seeds))}, one split: {told}")
    value = {
        "runs": [record.to_json() | {"forecast_check": _forecast_check(root, record)} for record in records],
        "groups": [group.to_json() for group in groups],
    }
    print_result(options, value, "\n".join(lines) or "There is no run yet.")
    return 0


def _forecast_check(root: DataRoot, record: RunRecord) -> dict[str, Any] | None:
    from mvla_core.errors import MvlaError
    from mvla_core.files import read_json
    from mvla_core.training.forecast_check import stored_check

    try:
        check = stored_check(read_json(root.run(record.run_id).result))
    except (MvlaError, OSError):
        return None
    return check.to_json() if check else None


def _compare(options: argparse.Namespace, root: DataRoot, names: Sequence[str]) -> int:
    from mvla_core.runs.table import config_differences, data_difference, seed_groups

    if len(names) < 2:
        raise UserInputError("A comparison needs two runs or more; list them: python -m mvla_core runs")
    records = _records(root, names)
    settings = config_differences(records)
    data = {record.run_id: data_difference(records[0], record) for record in records[1:]}
    groups = [group for group in seed_groups(records) if len(group.records) > 1]
    spreads = [group.spread(lambda record: record.summary.best_val_loss) for group in groups]
    value: dict[str, Any] = {
        "runs": [record.to_json() for record in records],
        "settings": {row.setting: list(row.values) for row in settings},
        "data": {
            name: {"same": found.same, "added": found.added, "removed": found.removed, "moved": found.moved}
            for name, found in data.items()
        },
        "seeds": [
            {"runs": [record.run_id for record in group.records], "best_val_loss": spread and vars(spread)}
            for group, spread in zip(groups, spreads, strict=True)
        ],
    }
    lines = [
        f"{record.run_id}: best epoch {_figure(record.summary.best_epoch, 'd')}, val. loss "
        f"{_figure(record.summary.best_val_loss, '.4f')}, skill {_figure(record.skill, '.0%')}, {record.verdict or 'not evaluated'}"
        for record in records
    ]
    lines += ["", "Settings that differ:", *(f"  {row.setting}: {' | '.join(row.values)}" for row in settings)]
    lines += ["", f"Data beside {names[0]}:"]
    for name, found in data.items():
        told = [f"{what}: {before} -> {after}" for what, before, after in found.facts]
        told += [f"{episode}: {before} -> {after}" for episode, before, after in found.moved]
        told += [f"added to {part}: {', '.join(episodes)}" for part, episodes in found.added.items()]
        told += [f"no longer in {part}: {', '.join(episodes)}" for part, episodes in found.removed.items()]
        lines += [f"  {name}: the same" if found.same else f"  {name}:", *(f"    {line}" for line in told)]
    for group, spread in zip(groups, spreads, strict=True):
        if spread is not None:
            lines.append(
                f"Seeds {', '.join(str(record.seed) for record in group.records)} of one configuration: val. loss "
                f"{spread.mean:.4f} ({spread.low:.4f} to {spread.high:.4f})"
            )
    print_result(options, value, "\n".join(lines))
    return 0


def _change(options: argparse.Namespace, root: DataRoot, action: str, names: Sequence[str]) -> int:
    from mvla_core.jobs.run_bin import delete_run, purge_run, restore_run
    from mvla_core.runs.labels import change_labels

    if action in ("delete", "purge") and not options.yes:
        where = "to the bin" if action == "delete" else "away for good"
        if not sys.stdin.isatty():
            raise UserInputError(f"Nothing was done: add --yes to move {len(names)} runs {where}.")
        if input(f"Move {', '.join(names)} {where}? Type yes: ").strip().lower() != "yes":
            print("Nothing was done.", file=sys.stderr)
            return 1
    done: list[dict[str, Any]] = []
    for name in names:
        if action == "tag":
            labels = change_labels(root, name, add_tags=options.add, remove_tags=options.remove, note=options.note)
            done.append({"run_id": name, **labels.to_json()})
        elif action == "archive":
            done.append({"run_id": name, **change_labels(root, name, archived=not options.undo).to_json()})
        elif action == "delete":
            done.append(delete_run(root, name).to_json())
        elif action == "restore":
            restore_run(root, name)
            done.append({"run_id": name})
        else:
            done.append({"run_id": name, "freed_bytes": purge_run(root, name)})
    said = {"tag": "Labelled", "archive": "Archived", "delete": "In the bin", "restore": "Restored", "purge": "Removed"}
    word = "Back in the list" if action == "archive" and options.undo else said[action]
    print_result(options, {"runs": done}, "\n".join(f"{word}: {row['run_id']}" for row in done))
    return 0


def _bin(options: argparse.Namespace, root: DataRoot) -> int:
    from mvla_core.jobs.run_bin import list_bin

    binned = list_bin(root)
    text = "\n".join(f"{run.run_id:<52} {run.size_bytes / 1e6:8.1f} MB" for run in binned) or "The bin is empty."
    print_result(options, {"runs": [run.to_json() for run in binned]}, text)
    return 0


def _export(options: argparse.Namespace, root: DataRoot, names: Sequence[str]) -> int:
    from mvla_core.files import replacing
    from mvla_core.runs.export import metric_lines
    from mvla_core.runs.listing import read_run
    from mvla_core.runs.tensorboard import export_scalars

    if not options.csv and not options.tensorboard:
        raise UserInputError("Say what to export: --csv FILE, or --tensorboard.")
    folders = [root.run(read_run(root, name).run_id) for name in names]
    if not names:
        folders = [root.run(record.run_id) for record in _records(root) if record.summary.status != "unreadable"]
    written: dict[str, Any] = {}
    if options.tensorboard:
        written["tensorboard"] = [str(export_scalars(folder)) for folder in folders]
    if options.csv == Path("-"):
        sys.stdout.writelines(metric_lines(folders))
        return 0
    if options.csv:
        with replacing(options.csv) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
            file.writelines(metric_lines(folders))
        written["csv"] = str(options.csv)
    print_result(
        options, written, "\n".join([*written.get("tensorboard", []), *([written["csv"]] if options.csv else [])])
    )
    return 0


def _figure(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
