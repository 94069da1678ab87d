"""`ask`: what a policy would do on a frame if it were told something else."""

from __future__ import annotations

import argparse

from mvla_core.commands.options import add_common, data_root, print_result


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_id", metavar="RUN", help="a run with a trained policy")
    parser.add_argument("episode_id", metavar="EPISODE", help="an episode of its data set")
    parser.add_argument("frame", metavar="FRAME", type=int, help="the last frame it sees, counted from 1 as pages do")
    parser.add_argument("instruction", metavar="INSTRUCTION", help='what it is told, for example "Drive to the left."')
    add_common(parser, run)


def run(options: argparse.Namespace) -> int:
    from mvla_core.evaluation.questions import Question, ask

    question = Question(options.run_id, options.episode_id, options.frame - 1, options.instruction)
    answer = ask(data_root(options), question)
    lines = [answer.sentence(), f"  {'':8}{'as recorded: ' + (answer.told or '(nothing)')}"]
    lines.append(f"  {'':8}{'asked:       ' + (answer.asked or '(nothing)')}")
    lines.append("  step    " + "".join(f"{f'{n} [{u}]':>26}" for n, u in zip(answer.names, answer.units, strict=True)))
    for step, (before, after) in enumerate(zip(answer.original, answer.changed, strict=True), start=1):
        values = "".join(f"{f'{one:+.3f} -> {other:+.3f}':>26}" for one, other in zip(before, after, strict=True))
        lines.append(f"  {step:>4}    {values}")
    print_result(options, answer.to_json(), "\n".join(lines))
    return 0
