"""`curate`: tag, rate, exclude, trim and relabel episodes without touching their files; undo it; name versions of the data."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mvla_core.commands.options import add_common, data_root, print_result
from mvla_core.errors import UserInputError

if TYPE_CHECKING:
    from mvla_core.episodes.catalogue import Catalogue
    from mvla_core.episodes.dataset import DatasetRef
    from mvla_core.episodes.notes import Change
    from mvla_core.layout import DataRoot


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", metavar="DATASET", help="a name under the data root, or a folder of HDF5 files")
    parser.add_argument("--reason", metavar="TEXT", help="why, for --exclude")
    one = parser.add_mutually_exclusive_group()
    one.add_argument("--exclude", nargs="+", metavar="ID", help="leave episodes out of audit, training and evaluation")
    one.add_argument("--include", nargs="+", metavar="ID", help="take exclusions back")
    one.add_argument("--tag", nargs="+", metavar=("TAG", "ID"), help="add a tag to episodes")
    one.add_argument("--untag", nargs="+", metavar=("TAG", "ID"), help="take a tag off episodes")
    one.add_argument("--rate", nargs=2, metavar=("ID", "1-5"), help="rate an episode from 1 (bad) to 5 (good)")
    one.add_argument("--note", nargs=2, metavar=("ID", "TEXT"), help='write a note; "" deletes it')
    one.add_argument(
        "--trim", nargs=3, metavar=("ID", "FIRST", "LAST"), help="keep the frames FIRST to LAST, counted from 0"
    )
    one.add_argument("--untrim", nargs="+", metavar="ID", help="keep all frames again")
    one.add_argument("--auto-trim", action="store_true", help="cut idle frames off both ends of untrimmed episodes")
    one.add_argument("--relabel", nargs=2, metavar=("ID", "TEXT"), help='give another instruction; "" takes it away')
    one.add_argument("--unlabel", nargs="+", metavar="ID", help="use the recording's own instruction again")
    one.add_argument(
        "--color-order", choices=("rgb", "bgr", "file"), help="order of the stored channels; file: as the files tell"
    )
    one.add_argument("--undo", action="store_true", help="take the last step back")
    one.add_argument("--redo", action="store_true", help="do again what was undone last")
    one.add_argument("--snapshot", metavar="TITLE", help="keep the state of the data as its next version")
    one.add_argument("--versions", action="store_true", help="list the versions, and what each changed")
    one.add_argument(
        "--diff",
        nargs="+",
        metavar="VERSION",
        help="what differs between two versions (v1 v2), or between one and now (v1)",
    )
    one.add_argument("--restore", metavar="VERSION", help="go back to the curation of a version; --undo takes it back")
    one.add_argument("--export", type=Path, metavar="FILE", help="write the curation as JSON")
    add_common(parser, run)


def run(options: argparse.Namespace) -> int:
    from mvla_core.episodes.annotations import change, export_json, redo, undo
    from mvla_core.episodes.catalogue import scan
    from mvla_core.episodes.dataset import resolve_dataset
    from mvla_core.episodes.snapshots import take_snapshot
    from mvla_core.episodes.versions import restore
    from mvla_core.files import write_json
    from mvla_core.progress import ConsoleProgress

    if bool(options.exclude) != bool(options.reason):
        raise UserInputError("The options --exclude and --reason belong together; name the episodes and say why.")
    root = data_root(options)
    ref = resolve_dataset(root, options.dataset)
    catalogue = scan(root, ref, ConsoleProgress())
    done: dict[str, Any] = {}
    if options.undo:
        undo(root, ref)
    elif options.redo:
        redo(root, ref)
    elif options.snapshot is not None:
        done["snapshot"] = asdict(take_snapshot(root, ref, options.snapshot, ConsoleProgress()))
    elif options.versions:
        done["versions"] = _versions(root, ref)
    elif options.diff:
        done["difference"] = _difference(root, ref, options.diff)
    elif options.restore is not None:
        restore(root, ref, _version_number(options.restore))
    elif options.export is not None:
        write_json(options.export, export_json(root, ref))
        done["exported"] = str(options.export)
    elif options.color_order is not None:
        order = None if options.color_order == "file" else options.color_order
        change(root, ref, {}, f"Treat the data set as {options.color_order}", color_order=order)
    else:
        title, changes = _wanted(options, root, ref, catalogue)
        change(root, ref, changes, title)
    value = {**_state(root, ref, catalogue), **done}
    print_result(options, value, _described(value))
    return 0


def _wanted(
    options: argparse.Namespace, root: DataRoot, ref: DatasetRef, catalogue: Catalogue
) -> tuple[str, dict[str, Change]]:
    """What the options ask for, with a title for the history; nothing where none of them changes a note."""
    from mvla_core.episodes.annotations import load_annotations
    from mvla_core.episodes.curation import curated, propose_trims
    from mvla_core.episodes.notes import Change

    def each(names: list[str], what: str, change: Change) -> tuple[str, dict[str, Change]]:
        count = "1 episode" if len(names) == 1 else f"{len(names)} episodes"
        return f"{what} {count}", {catalogue.by_id(name).episode_id: change for name in names}

    if options.exclude:
        return each(options.exclude, "Exclude", Change(excluded_reason=options.reason))
    if options.include:
        return each(options.include, "Include", Change(excluded_reason=None))
    if options.tag or options.untag:
        tag, *names = options.tag or options.untag
        if not names:
            raise UserInputError(f"The tag {tag!r} needs episodes: give them after it, TAG ID [ID ...].")
        change = Change(add_tags=(tag,)) if options.tag else Change(remove_tags=(tag,))
        return each(names, f"{'Tag' if options.tag else 'Untag'} {tag!r}:", change)
    if options.rate:
        name, stars = options.rate
        return each([name], f"Rate {stars}:", Change(rating=_whole_number(stars, "rating")))
    if options.note:
        return each(options.note[:1], "Note on", Change(note=options.note[1]))
    if options.trim:
        name, first, last = options.trim
        trim = (_whole_number(first, "first frame"), _whole_number(last, "last frame"))
        catalogue.by_id(name).trimmed(*trim)
        return each([name], "Trim", Change(trim=trim))
    if options.untrim:
        return each(options.untrim, "Untrim", Change(trim=None))
    if options.auto_trim:
        trims = propose_trims(root, curated(catalogue, load_annotations(root, ref)).episodes)
        return f"Trim idle ends of {len(trims)} episodes", {name: Change(trim=trim) for name, trim in trims.items()}
    if options.relabel:
        return each(options.relabel[:1], "Relabel", Change(instruction=options.relabel[1]))
    if options.unlabel:
        return each(options.unlabel, "Unlabel", Change(instruction=None))
    return "", {}


def _version_number(text: str) -> int:
    """The number of a version that is named "v3" or "3"."""
    return _whole_number(text.removeprefix("v"), "version")


def _difference(root: DataRoot, ref: DatasetRef, names: list[str]) -> dict[str, Any]:
    from mvla_core.episodes.versions import described, difference, load_version, version_of_now
    from mvla_core.progress import ConsoleProgress

    if len(names) > 2:
        raise UserInputError("Two versions at most can be compared; name one or two.")
    before, *others = (load_version(root, ref, _version_number(name)) for name in names)
    after = others[0] if others else version_of_now(root, ref, ConsoleProgress())
    found = difference(before, after)
    return {"from": before.name, "to": after.name, "summary": described(found), **found.to_json()}


def _versions(root: DataRoot, ref: DatasetRef) -> list[dict[str, Any]]:
    """All versions, oldest first, each with what differs from the one before."""
    from mvla_core.episodes.snapshots import list_snapshots
    from mvla_core.episodes.versions import described, difference, load_version

    found: list[dict[str, Any]] = []
    before = None
    for snapshot in list_snapshots(root, ref):
        content = load_version(root, ref, snapshot.number)
        changed = "" if before is None else described(difference(before, content))
        found.append({**asdict(snapshot), "changed": changed})
        before = content
    return found


def _whole_number(text: str, what: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise UserInputError(f"The {what} {text[:40]!r} is not a whole number; give one.") from None


def _state(root: DataRoot, ref: DatasetRef, catalogue: Catalogue) -> dict[str, Any]:
    """The curation as it is now."""
    from mvla_core.episodes.annotations import load_annotations
    from mvla_core.episodes.curation import curated

    annotations = load_annotations(root, ref)
    data = curated(catalogue, annotations)
    notes = {info.episode_id: annotations.of(info.episode_id) for info in catalogue.episodes}
    return {
        "dataset": ref.name,
        "version": annotations.version,
        "episodes": len(data.episodes),
        "frames": sum(info.num_frames for info in data.episodes),
        "excluded": [{"episode_id": each.info.episode_id, "reason": each.reason} for each in data.excluded],
        "trimmed": [
            {"episode_id": info.episode_id, "first": info.trim[0], "last": info.trim[1]}
            for info in data.episodes
            if info.trim is not None
        ],
        "notes": {name: said for name, note in notes.items() if (said := note.to_json())},
        "color_order": annotations.dataset_settings.color_order,
        "undo": annotations.undoable,
        "redo": annotations.redoable,
        "findings": [found.to_json() for found in data.findings],
    }


def _described(value: dict[str, Any]) -> str:
    lines = [
        f"{value['dataset']}: {value['episodes']} episodes with {value['frames']} frames count, {len(value['excluded'])} are "
        f"excluded, {len(value['trimmed'])} trimmed (curation version {value['version']})."
    ]
    lines += [f"  excluded {each['episode_id']}: {each['reason']}" for each in value["excluded"]]
    lines += [f"  trimmed {each['episode_id']}: frames {each['first']} to {each['last']}" for each in value["trimmed"]]
    if value["color_order"]:
        lines.append(f"  every episode is read as {value['color_order']}")
    if "snapshot" in value:
        snapshot = value["snapshot"]
        lines.append(f"Kept as data set v{snapshot['number']} ({snapshot['title']}), SHA-256 {snapshot['sha256']}.")
    for each in value.get("versions", []):
        changed = f": {each['changed']}" if each["changed"] else ""
        lines.append(
            f"  v{each['number']} {each['title']} ({each['episodes']} episodes, {each['excluded']} excluded){changed}"
        )
    if "difference" in value:
        found = value["difference"]
        lines.append(f"From {found['from']} to {found['to']}: {found['summary']}.")
        lines += [
            f"  {kind}: {', '.join(names)}"
            for kind, names in found.items()
            if isinstance(names, list) and kind != "color_order"
        ]
    if "exported" in value:
        lines.append(f"Written to {value['exported']}.")
    if value["undo"]:
        lines.append(f"Last step: {value['undo']} (take it back with --undo)")
    return "\n".join(lines)
