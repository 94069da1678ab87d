"""`compare`: which of two evaluated runs is better, paired by episode."""

from __future__ import annotations

import argparse

from mvla_core.commands.options import add_common, data_root, print_result


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_a", metavar="RUN_A", help="an evaluated run")
    parser.add_argument("run_b", metavar="RUN_B", help="another evaluated run of the same data set")
    add_common(parser, run)


def run(options: argparse.Namespace) -> int:
    from mvla_core.evaluation.paired import compare_runs

    found = compare_runs(data_root(options), options.run_a, options.run_b)
    low, high = found.skill.low, found.skill.high
    interval = "no interval" if low != low else f"95 %: {low:+.0%} to {high:+.0%}"
    lines = [
        found.sentence(),
        f"  A {found.run_a}: RMSE {found.rmse_a:.3f} {found.unit}",
        f"  B {found.run_b}: RMSE {found.rmse_b:.3f} {found.unit}",
        f"  skill of B over A {found.skill.value:+.0%} ({interval}); B has the lower error in {found.wins} of "
        f"{len(found.episodes)} episodes, {found.actions:,} actions",
    ]
    for name, axis in found.per_axis.items():
        ends = "no interval" if axis["low"] is None else f"{axis['low']:+.3f} to {axis['high']:+.3f}"
        lines.append(
            f"  {name:<12} {axis['rmse_a']:.3f} -> {axis['rmse_b']:.3f} {axis['unit']}: {axis['difference']:+.3f} ({ends})"
        )
    lines += [f"  warning: {warning}" for warning in found.warnings]
    print_result(options, found.to_json(), "\n".join(lines))
    return 0
