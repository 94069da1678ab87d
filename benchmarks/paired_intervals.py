"""How often two equally good runs are called different, by the number of episodes that both were evaluated on.

    python -m benchmarks.paired_intervals [--pairs 2000]

The naive way, a percentile bootstrap over episodes, beside the program's (`metrics.intervals.rmse_difference`), on the same
simulated pairs: the hardness of an episode and the luck of a run in it are both Gamma(2), an episode has 9 to 19 windows. The true
share of a 95 % interval would be 5 %.
"""

from __future__ import annotations

import argparse

import numpy as np

from mvla_core.metrics.intervals import rmse_difference

EPISODES = (2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 30)
RESAMPLES = 2000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=2000, help="simulated pairs of runs for each number of episodes")
    pairs = parser.parse_args().pairs
    print(f"{'common episodes':>16}{'percentile bootstrap':>22}{'jackknife with t':>18}")
    for episodes in EPISODES:
        naive, ours = shares(pairs, episodes, np.random.default_rng(episodes))
        print(f"{episodes:16}{100 * naive:20.0f} %{100 * ours:16.0f} %")


def shares(pairs: int, episodes: int, generator: np.random.Generator) -> tuple[float, float]:
    """Return the shares of equally good pairs that the percentile bootstrap and the program call different."""
    counts = generator.integers(9, 20, (pairs, episodes)).astype(np.float64)
    hardness = generator.gamma(2.0, size=(pairs, episodes)) * counts
    a, b = (hardness * generator.gamma(2.0, size=(pairs, episodes)) for _ in range(2))
    drawn = generator.multinomial(episodes, np.full(episodes, 1 / episodes), size=RESAMPLES).astype(np.float64)
    totals = counts @ drawn.T
    differences = np.sqrt(b @ drawn.T / totals) - np.sqrt(a @ drawn.T / totals)
    low, high = np.quantile(differences, (0.025, 0.975), axis=1)
    found = [rmse_difference(*columns) for columns in zip(a, b, counts, strict=True)]
    return float(((low > 0) | (high < 0)).mean()), float(np.mean([each.low > 0 or each.high < 0 for each in found]))


if __name__ == "__main__":
    main()
