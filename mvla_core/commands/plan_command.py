"""`plan`: what to record next, cell by cell, as a list or as a checklist to take along."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mvla_core.commands.options import add_common, data_root, print_result
from mvla_core.errors import UserInputError, did_you_mean

if TYPE_CHECKING:
    from mvla_core.audit.plan import Plan
    from mvla_core.audit.plan_wording import Language

_ENDINGS = (".md", ".csv", ".json")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", metavar="DATASET", help="a name under the data root, or a folder of HDF5 files")
    parser.add_argument(
        "--target",
        type=int,
        metavar="N",
        help="episodes wanted in each cell; kept for this data set until it is set again (default at first: 10)",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="write the checklist (.md), the matrix (.csv) or all of it (.json)"
    )
    parser.add_argument("--lang", choices=("en", "ko"), default="en", help="language (default: %(default)s)")
    add_common(parser, run)


def run(options: argparse.Namespace) -> int:
    from mvla_core.audit.audit import audit_dataset
    from mvla_core.audit.plan import make_plan
    from mvla_core.audit.plan_evidence import plan_evidence
    from mvla_core.audit.plan_export import to_json
    from mvla_core.audit.targets import load_targets, save_targets, targets_file
    from mvla_core.episodes.dataset import resolve_dataset

    if options.out is not None and options.out.suffix.lower() not in _ENDINGS:
        ending = options.out.suffix.lower()
        raise UserInputError(
            f"The plan cannot be written to {options.out}: expected a name that ends in {', '.join(_ENDINGS)}."
            f"{did_you_mean(ending, _ENDINGS)}"
        )
    root = data_root(options)
    ref = resolve_dataset(root, options.dataset)
    targets = load_targets(root, ref)
    kept = None
    if options.target is not None:
        targets = targets.with_default(options.target)
        save_targets(root, ref, targets)
        kept = str(targets_file(root, ref))
    result = audit_dataset(root, options.dataset)
    plan = make_plan(result, targets, plan_evidence(result))
    value = {**to_json(plan, options.lang), "targets_kept": kept, "files": []}
    if options.out is not None:
        _write(plan, options.lang, options.out)
        value["files"] = [str(options.out)]
    print_result(options, value, describe(plan, value, options.lang))
    return 0


def describe(plan: Plan, value: dict[str, Any], language: Language) -> str:
    """The plan as a reader's text: progress, advice, then the list."""
    from mvla_core.audit.plan_export import progress_line
    from mvla_core.audit.plan_wording import PlanWords

    words = PlanWords(language)
    lines = [f"{plan.dataset}: {progress_line(plan, words)}"]
    lines += [f"  ! {words.advice(advice)}" for advice in plan.advice]
    for item in plan.items:
        lines.append(f"{item.rank:>3}. {words.headline(item)}")
        lines += [f"     <- {words.why(item)}", f"     -> {words.how(item.how)}"]
    if not plan.items:
        lines.append(words.say("document", "nothing"))
    if value["targets_kept"]:
        lines.append(f"The target of {plan.targets.default} episodes a cell is kept in {value['targets_kept']}.")
    lines += value["files"]
    return "\n".join(lines)


def _write(plan: Plan, language: Language, path: Path) -> None:
    from mvla_core.audit.plan_export import to_csv, to_json, to_markdown
    from mvla_core.files import write_json, write_text

    ending = path.suffix.lower()
    if ending == ".json":
        write_json(path, to_json(plan, language))
    else:
        write_text(path, to_markdown(plan, language) if ending == ".md" else to_csv(plan, language))
