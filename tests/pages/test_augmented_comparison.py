"""The page Compare on an episode and its augmented copy, and the box of the training form."""

from __future__ import annotations

import re

import numpy as np
import pytest

from app.augmented import as_trained
from app.augmented_comparison import pair_of, ways_figure
from app.language import PageText
from mvla_core.datasets.augmentation.motion_transforms import Mirror
from mvla_core.datasets.augmentation.picture_transforms import Light
from mvla_core.datasets.augmentation.recipe import AugmentationRecipe, Step
from mvla_core.datasets.augmentation.store import save_augmentation
from mvla_core.layout import DataRoot

from .conftest import OpenPage, record

RECIPE = AugmentationRecipe("mirror", (Step(Mirror()), Step(Light())), copies=2)
EPISODE = "episode_20260101_120000"


@pytest.fixture
def lab(served: DataRoot) -> DataRoot:
    record(served, "lab", 8)
    save_augmentation(served, RECIPE)
    return served


def test_a_pair_holds_pictures_velocities_way_and_words(lab: DataRoot) -> None:
    pair = pair_of(as_trained(lab, "lab", EPISODE), RECIPE, 2, 5, PageText("en"))
    before, after = pair.panes
    sideways = [np.array(pane["dims"][1]["values"]) for pane in (before, after)]
    assert sideways[0].any()
    np.testing.assert_allclose(sideways[1], -sideways[0])
    np.testing.assert_allclose(after["path"]["y"], -np.array(before["path"]["y"]), atol=1e-3)
    assert (before["instruction"], after["instruction"]) == (
        "Drive past the box on the left.",
        "Drive past the box on the right.",
    )
    assert "copy=0" in before["url"]
    assert "copy=2&seed=5&w={width}" in after["url"]
    assert pair.link == {"before": f"lab/{EPISODE}", "augmentation": "mirror", "copy": "2", "seed": "5"}
    figure = ways_figure(pair, PageText("ko"))
    assert [list(trace.y) for trace in figure.data] == [before["path"]["x"], after["path"]["x"]]


def test_a_link_opens_the_pair_and_strange_values_do_no_harm(lab: DataRoot, open_page: OpenPage) -> None:
    page = open_page("compare", before=f"lab/{EPISODE}", augmentation="mirror", copy="2", seed="5")
    assert not page.exception
    assert page.number_input(key="augmented_copy").value == 2
    assert page.number_input(key="augmented_seed").value == 5
    assert any("mirrored" in each.value for each in page.markdown)
    page = open_page("compare", before="nobody/x", augmentation="gone", copy="99", seed="-1")
    assert not page.exception
    assert page.number_input(key="augmented_copy").value == 2
    assert "There is no augmentation gone" in page.warning[0].value


def test_episodes_are_compared_until_copies_are_chosen(lab: DataRoot, open_page: OpenPage) -> None:
    page = open_page("compare", ids=f"lab/{EPISODE}")
    assert page.multiselect(key="compared").value == [f"lab/{EPISODE}"]
    page.segmented_control(key="compare_mode").set_value("copies").run()
    assert not page.exception
    assert page.selectbox(key="augmented_before").value == f"lab/{EPISODE}"
    page.segmented_control(key="compare_mode").set_value("episodes").run()
    assert page.multiselect(key="compared").value == [f"lab/{EPISODE}"]


def test_without_a_recipe_it_leads_to_the_studio(served: DataRoot, open_page: OpenPage) -> None:
    record(served, "lab", 2)
    page = open_page("compare", before=f"lab/{EPISODE}")
    assert not page.exception
    assert "There is no augmentation recipe yet" in page.info[0].value


def test_the_training_form_offers_stored_recipes(lab: DataRoot, open_page: OpenPage) -> None:
    page = open_page("train", dataset="lab")
    box = page.selectbox(key="recipe_compact_augmentation")
    assert list(box.options) == ["none", "mirror"]
    assert any("Only the recorded episodes teach" in each.value for each in page.caption)
    box.select("mirror").run()
    assert not page.exception
    (line,) = [each.value for each in page.caption if "augmented episodes" in each.value]
    assert re.search(r"Adds 2 .*: Mirror, Light\.", line)
    assert any("augmentation" in each.value and "mirror" in each.value for each in page.caption), (
        "it is told as changed"
    )
