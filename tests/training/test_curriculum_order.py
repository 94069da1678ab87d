"""The order of a curriculum: each seed and each epoch draws its own."""

from __future__ import annotations

import itertools

import numpy as np

from mvla_core.datasets.normalise import ActionNormaliser
from mvla_core.schema import ActionSequence
from mvla_core.training.curriculum import CurriculumSampler, order_seed
from mvla_core.training.recipe import Recipe
from mvla_core.training.segments import PreparedEpisode, cut_segments


def test_no_seed_repeats_the_order_of_another_ones_epoch() -> None:
    generator = np.random.default_rng(0)
    sequences = [ActionSequence(f"e{n}", generator.normal(size=(40, 2)).astype(np.float32)) for n in range(4)]
    episodes = [PreparedEpisode(each, generator.random((each.num_frames, 2))) for each in sequences]
    segments = cut_segments(episodes, Recipe().window, 4, ActionNormaliser.fit("mean_std", sequences))
    orders = []
    for seed, epoch in itertools.product(range(123, 126), range(5)):
        sampler = CurriculumSampler(segments, sequences, 1, seed=seed)
        sampler.set_epoch(epoch)
        orders.append(tuple(sampler))
    assert len(set(orders)) == len(orders)


def test_seeds_of_orders_are_what_torch_takes_and_stay_what_they_are() -> None:
    drawn = {order_seed(seed, epoch) for seed, epoch in itertools.product(range(50), range(50))}
    assert len(drawn) == 2_500
    assert all(0 <= each < 2**63 for each in drawn)
    assert order_seed(1, 11) != order_seed(11, 1)
    assert order_seed(123, 0) == 333_183_090_341_771_483, "a resumed training needs the order it began with"
