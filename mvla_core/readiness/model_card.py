"""The adapter's model card, in the form that model hubs read: YAML front matter, what it is, what was measured, its limits.

Everything in it is stored already: the policy's description, the evaluation with its verdict, and the gates. English, as hubs are.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from mvla_core.errors import RunError
from mvla_core.files import read_json, write_text
from mvla_core.layout import DataRoot, RunFolder
from mvla_core.policies.stated_preprocessing import KEY, preprocessing_sentence
from mvla_core.readiness.assess import Readiness, assess
from mvla_core.readiness.evidence import number, table
from mvla_core.readiness.gates import LEVELS
from mvla_core.readiness.record import CARD, newest_record
from mvla_core.readiness.wording import say, worded_gate
from mvla_core.wording import interval, percent, real

_BASE_MODELS = {
    "kosmos2": ["microsoft/kosmos-2-patch14-224"],
    "compact": ["sentence-transformers/all-MiniLM-L6-v2"],
    "tiny": [],
}
_TITLES = {
    "rmse": "RMSE on held-out episodes",
    "mae": "MAE on held-out episodes",
    "direction_accuracy": "Direction accuracy on held-out episodes",
}


def card_path(run: RunFolder) -> Path:
    return run.adapter / CARD


def write_model_card(root: DataRoot, run_id: str) -> Path:
    """Write the card of a run's adapter into the adapter's folder.

    Raises:
        RunError: There is no such run, or it has no adapter.
        MvlaError: A file of the run is damaged, or the gates cannot be used.
    """
    text = model_card(root, run_id)
    path = card_path(root.run(run_id))
    write_text(path, text)
    return path


def model_card(root: DataRoot, run_id: str) -> str:
    """Return the card as `write_model_card` writes it. Raises the same."""
    readiness = assess(root, run_id)
    run = root.run(run_id)
    if not run.adapter.is_dir():
        raise RunError(f"The run {run_id!r} has no adapter in {run.adapter}: its training has not finished an epoch.")
    config = table(read_json(run.config))
    results = table(read_json(run.evaluation_results)) if run.evaluation_results.is_file() else {}
    policy = table(read_json(run.adapter / "policy.json")) if (run.adapter / "policy.json").is_file() else {}
    spec = table(policy.get("spec"))
    front = yaml.safe_dump(_front_matter(config, spec, results), sort_keys=False, allow_unicode=True, width=1000)
    body = [
        f"# {run_id}",
        f"> **May it drive?** {readiness.sentence('en')}",
        "## What it is\n\n" + _description(config, policy),
        "## What was measured\n\n" + _measured(results),
        "## Limits\n\n" + _limits(results, readiness),
        "## Gates\n\n" + _gates(readiness),
        "## Reproduce\n\n" + _reproduce(run, readiness),
    ]
    return f"---\n{front}---\n\n" + "\n\n".join(body) + "\n"


def _front_matter(config: Mapping[str, Any], spec: Mapping[str, Any], results: Mapping[str, Any]) -> dict[str, Any]:
    backbone = str(spec.get("backbone", config.get("preset", "")))
    base = [str(spec["base_model"])] if spec.get("base_model") else _BASE_MODELS.get(backbone, [])
    front: dict[str, Any] = {
        # Whoever recorded the data decides; no licence may be claimed for them.
        "license": "other",
        "license_name": "not-chosen",
        "library_name": "peft",
        "pipeline_tag": "robotics",
        "language": ["en", "ko"],
        "tags": ["robotics", "imitation-learning", "vision-language-action", "lora", "mobile-robot"],
        "datasets": [str(config.get("dataset", ""))],
    }
    if base:
        front["base_model"] = base
        front["base_model_relation"] = "adapter"
    metrics = _metrics(results)
    if metrics:
        task = {"type": "robotics", "name": "Velocity commands from pictures and an instruction"}
        data = {"type": "local", "name": str(config.get("dataset", "")), "split": "test"}
        front["model-index"] = [
            {"name": str(config.get("run_id", "")), "results": [{"task": task, "dataset": data, "metrics": metrics}]}
        ]
    return front


def _metrics(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = [
        {"type": name, "name": title, "value": value}
        for name, title in _TITLES.items()
        if (value := number(table(results.get("metrics")).get(name))) is not None
    ]
    for name, baseline in table(results.get("baselines")).items():
        value = number(table(baseline).get("skill"))
        if value is not None:
            label = say("en", "card.skill", {"baseline": name})
            found.append({"type": f"skill_over_{name}", "name": label, "value": value})
    return found


def _description(config: Mapping[str, Any], policy: Mapping[str, Any]) -> str:
    spec = table(policy.get("spec"))
    space = table(spec.get("action_space"))
    actions = ", ".join(
        f"`{name}` ({unit})" for name, unit in zip(space.get("names", ()), space.get("units", ()), strict=False)
    )
    recipe = table(config.get("recipe"))

    def of(name: str) -> Any:
        return spec.get(name, recipe.get(name, "not stored"))

    pictures = f" {preprocessing_sentence(table(policy[KEY]))}" if KEY in policy else ""
    return (
        f"A LoRA adapter with an LSTM head for the backbone `{of('backbone')}`. It sees {of('window_size')} frames and an "
        f"instruction and predicts {of('chunk_size')} actions: {actions or 'not stored'}; the first is the one for the last seen "
        f"frame.{pictures}\n\nTrained on the data set `{config.get('dataset', '')}` with the preset `{config.get('preset', '')}`, "
        f"seed {config.get('seed', 'not stored')}. The base weights are not part of this folder."
    )


def _measured(results: Mapping[str, Any]) -> str:
    if not results:
        return "Nothing: the run is not evaluated."
    lines = [
        f"On {results['episodes']} held-out episodes ({results['windows']} windows); errors over {results['averages']}.",
        "",
        "| Compared with a predictor that never looks | RMSE | Skill of the policy | How sure |",
        "|---|---|---|---|",
    ]
    for name, found in table(results.get("baselines")).items():
        skill = number(found.get("skill"))
        said = "not stored" if skill is None else percent("en", skill)
        ends = interval("en", number(found.get("skill_low")), number(found.get("skill_high")))
        lines.append(f"| `{name}` | {real(found['rmse'])} | {said} | {ends} |")
    metrics = table(results.get("metrics"))
    lines += [
        "",
        f"Policy: RMSE {real(metrics['rmse'])}, MAE {real(metrics['mae'])}, direction right in "
        f"{percent('en', metrics['direction_accuracy'])} of the actions. A skill of 100 % is perfect, 0 % no better than the "
        "predictor, below 0 % worse.",
    ]
    return "\n".join(lines)


def _limits(results: Mapping[str, Any], readiness: Readiness) -> str:
    lines = []
    verdict = table(results.get("verdict"))
    if verdict:
        lines.append(f"- {verdict['sentence']}")
        lines += [f"- {item['text']}" for item in verdict.get("evidence", ()) if not item["for"]]
        lines += [f"- Not tested ({item['code']}): {item['reason']}" for item in verdict.get("not_measured", ())]
    else:
        lines.append("- Nothing is known of what it has learned.")
    open_gates = [worded_gate(found, readiness, "en") for found in readiness.gates if found.status == "not_measured"]
    if open_gates:
        lines.append("- Never measured: " + "; ".join(gate.name for gate in open_gates) + ".")
    lines.append(
        "- For the robot, camera, rooms and instructions of its recordings. It knows no obstacle that was not driven around there."
    )
    return "\n".join(lines)


def _gates(readiness: Readiness) -> str:
    lines = ["| Level | Gate | Wanted | Found | |", "|---|---|---|---|---|"]
    for level in LEVELS:
        for result in readiness.of_level(level):
            gate = worded_gate(result, readiness, "en")
            cells = (gate.level, gate.name, gate.wanted, gate.found, f"**{gate.status_text}**")
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def _reproduce(run: RunFolder, readiness: Readiness) -> str:
    record = newest_record(run)
    lines = [
        f"`python -m mvla_core evaluate {readiness.run_id} && python -m mvla_core ready {readiness.run_id} --write`"
    ]
    if record is not None:
        lines.append(
            f"\nRecord with all hashes: `readiness/{record.path.name}`; `python -m mvla_core verify` checks it."
        )
    return "\n".join(lines)
