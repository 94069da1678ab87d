"""The augmentation studio: recipes are made, changed, checked and kept; nothing is lost and nothing wrong is kept silently."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.augmentation_draft import Draft, step_width
from app.augmentation_findings import checked_ones, usable_episodes
from app.augmentation_preview import actions_figure
from app.augmentation_starts import STARTS
from app.augmentation_words import AugmentationWords
from app.language import PageText
from mvla_core.datasets.augmentation.copies import draw_copy
from mvla_core.datasets.augmentation.label_check import check_labels
from mvla_core.datasets.augmentation.motion_transforms import Mirror, SpeedScale
from mvla_core.datasets.augmentation.picture_transforms import Light, Noise
from mvla_core.datasets.augmentation.recipe import TRANSFORMS, AugmentationRecipe, Step
from mvla_core.datasets.augmentation.settings import settings_of
from mvla_core.datasets.augmentation.store import (
    delete_augmentation,
    list_augmentations,
    load_augmentation,
    save_augmentation,
)
from mvla_core.datasets.augmentation.transform import ActionLimits, EpisodeLabels
from mvla_core.episodes.writer import write_episode
from mvla_core.layout import ENVIRONMENT_VARIABLE, DataRoot
from mvla_core.schema import ActionSpace

TIMEOUT_S = 60
SPACE = ActionSpace.default(2)
HANGUL = re.compile(r"[가-힣]")


def page(dataset: str, language: str) -> None:
    from app.augmentation_parts import show_studio

    show_studio(dataset, language)  # type: ignore[arg-type]


def opened(dataset: str = "lab", language: str = "en") -> AppTest:
    shown = AppTest.from_function(page, args=(dataset, language), default_timeout=TIMEOUT_S).run()
    assert not shown.exception
    return shown


def texts(shown: AppTest) -> str:
    kinds = [shown.markdown, shown.caption, shown.info, shown.success, shown.error, shown.warning]
    return " ".join(element.value for kind in kinds for element in kind)


def slider(shown: AppTest, label: str):  # type: ignore[no-untyped-def]
    return next(each for each in shown.slider if each.label == label)


def press(shown: AppTest, key: str) -> AppTest:
    shown.button(key=key).click().run()
    assert not shown.exception
    return shown


def pressed_by(shown: AppTest, part: str, place: int = 0) -> AppTest:
    """Press the button whose key ends so; of several the one at a place."""
    found = [button for button in shown.button if str(button.key).endswith(part)]
    found[place].click().run()
    assert not shown.exception
    return shown


def actions(side: float) -> np.ndarray:
    driven = np.zeros((18, 2), dtype=np.float32)
    driven[1:, 0] = 1.0
    driven[6:12, 1] = side
    return driven


@pytest.fixture
def lab(root: DataRoot, monkeypatch: pytest.MonkeyPatch) -> DataRoot:
    """Four episodes whose words can be mirrored, a data set whose words cannot, and one without an episode."""
    frames = np.random.default_rng(0).integers(0, 255, (18, 24, 32, 3), dtype=np.uint8)
    for number in range(4):
        side, word = (0.6, "left") if number % 2 else (-0.6, "right")
        for dataset, told in (("lab", f"Pass the box on the {word}."), ("clock", "Turn clockwise at the box.")):
            path = root.dataset(dataset) / f"take_{number}.h5"
            write_episode(path, frames, actions(side), action_space=SPACE, instruction=told)
    root.dataset("none").mkdir()
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(root.path))
    return root


def begun(start: str, dataset: str = "lab", language: str = "en") -> AppTest:
    return press(opened(dataset, language), f"augmentation_begin_{start}")


def test_without_an_episode_it_says_so(lab: DataRoot) -> None:
    assert "no usable episode" in texts(opened("none"))


@pytest.mark.parametrize("start", ["light-and-noise", "mirror", "robust"])
def test_a_ready_recipe_becomes_the_users_own(lab: DataRoot, start: str) -> None:
    shown = begun(start)
    assert "Not saved yet" in texts(shown)
    assert list_augmentations(lab) == [], "nothing is stored unasked"
    press(shown, "augmentation_save")
    assert "Saved. Training can use it." in texts(shown)
    copies, steps = STARTS[start]
    assert load_augmentation(lab, start) == AugmentationRecipe(start, steps, copies=copies)


def test_ready_recipes_suit_ordinary_data() -> None:
    episodes = [
        EpisodeLabels(actions(side), SPACE, "Pass it on the left.", episode_id=str(side)) for side in (0.6, -0.6)
    ]
    for name, (copies, steps) in STARTS.items():
        recipe = AugmentationRecipe(name, steps, copies=copies, limits=ActionLimits(1.4, 1.4))
        assert [found.code for found in check_labels(recipe, episodes) if found.level == "error"] == []


def test_every_setting_of_every_transform_can_be_set(lab: DataRoot) -> None:
    save_augmentation(lab, AugmentationRecipe("all", tuple(Step(kind(), 0.5) for kind in TRANSFORMS.values())))
    shown = opened()
    described = [each for kind in TRANSFORMS.values() for each in settings_of(kind)]
    assert len(shown.slider) == len(described) + len(TRANSFORMS)
    labels = [each.label for each in shown.slider]
    for each in described:
        assert (f"{each.label} [{each.unit}]" if each.unit else each.label) in labels
    assert "Saved. Training can use it." in texts(shown), "looking changes nothing"


def test_a_slider_changes_the_draft_and_it_can_be_discarded(lab: DataRoot) -> None:
    save_augmentation(lab, AugmentationRecipe("evening", (Step(Light()),)))
    shown = opened()
    slider(shown, "Brightness [%]").set_value(40.0).run()
    assert "Unsaved changes" in texts(shown)
    assert load_augmentation(lab, "evening").steps[0].transform == Light()
    press(shown, "augmentation_discard")
    assert slider(shown, "Brightness [%]").value == 20.0
    slider(shown, "Brightness [%]").set_value(33.0).run()
    slider(shown, "Share of copies").set_value(0.3).run()
    press(shown, "augmentation_save")
    assert load_augmentation(lab, "evening").steps == (Step(Light(brightness_percent=33), 0.3),)


def test_steps_are_added_moved_and_removed(lab: DataRoot) -> None:
    save_augmentation(lab, AugmentationRecipe("evening", (Step(Light(brightness_percent=7)), Step(Noise()))))
    shown = opened()
    box = next(each for each in shown.selectbox if each.label == "Add a step")
    box.select("mirror").run()
    pressed_by(shown, "arrow_upward", 2)
    pressed_by(shown, "arrow_downward", 0)
    press(shown, "augmentation_save")
    assert load_augmentation(lab, "evening").steps == (
        Step(Mirror()),
        Step(Light(brightness_percent=7)),
        Step(Noise()),
    )
    pressed_by(shown, "remove", 2)
    press(shown, "augmentation_save")
    assert [step.transform.name for step in load_augmentation(lab, "evening").steps] == ["mirror", "light"]


def test_another_recipe_is_opened_without_losing_changes(lab: DataRoot) -> None:
    for name in ("a", "b"):
        save_augmentation(lab, AugmentationRecipe(name, (Step(Light()),)))
    shown = opened()
    slider(shown, "Brightness [%]").set_value(40.0).run()
    shown.selectbox(key="augmentation_choice").select("b").run()
    assert slider(shown, "Brightness [%]").value == 20.0
    shown.selectbox(key="augmentation_choice").select("a").run()
    assert slider(shown, "Brightness [%]").value == 40.0
    assert "Unsaved changes" in texts(shown)


def test_a_recipe_that_another_tab_saved_is_seen(lab: DataRoot) -> None:
    save_augmentation(lab, AugmentationRecipe("evening", (Step(Light()),)))
    shown = opened()
    save_augmentation(lab, AugmentationRecipe("evening", (Step(Light(brightness_percent=5)),)))
    shown.run()
    assert slider(shown, "Brightness [%]").value == 5.0


def test_duplicate_delete_and_restore(lab: DataRoot) -> None:
    recipe = AugmentationRecipe("evening", (Step(Light()),))
    save_augmentation(lab, recipe)
    shown = press(opened(), "augmentation_copy_go")
    press(shown, "augmentation_save")
    assert load_augmentation(lab, "evening-2").steps == recipe.steps
    press(shown, "augmentation_delete_go")
    assert [each.name for each in list_augmentations(lab)] == ["evening"]
    pressed_by(shown, ".json")
    assert {each.name for each in list_augmentations(lab)} == {"evening", "evening-2"}
    assert shown.session_state["augmentation_choice"] == "evening-2"


@pytest.mark.parametrize(("name", "sentence"), [("../x", "cannot be used"), ("Evening", "There is a recipe")])
def test_names_that_cannot_be_used_are_told(lab: DataRoot, name: str, sentence: str) -> None:
    save_augmentation(lab, AugmentationRecipe("evening", (Step(Light()),)))
    shown = opened()
    shown.text_input(key="augmentation_new_name").set_value(name).run()
    press(shown, "augmentation_new_begin")
    assert sentence in texts(shown)
    assert list(shown.selectbox(key="augmentation_choice").options) == ["evening"]


def test_a_damaged_recipe_is_told_and_hides_nothing(lab: DataRoot) -> None:
    save_augmentation(lab, AugmentationRecipe("evening", (Step(Light()),)))
    lab.augmentation("broken").write_text("{", encoding="utf-8")
    shown = opened()
    assert "broken" in texts(shown)
    assert shown.selectbox(key="augmentation_choice").value == "evening"
    delete_augmentation(lab, "evening")
    assert "No recipe yet" in texts(shown.run())


def test_what_training_would_refuse_is_never_saved_silently(lab: DataRoot) -> None:
    shown = begun("mirror", "clock")
    assert [error.proto.title for error in shown.error] == ["Training on clock will refuse this recipe"]
    assert "clockwise" in texts(shown)
    assert shown.button(key="augmentation_save").label == "Save all the same"
    press(shown, "augmentation_save")
    assert load_augmentation(lab, "mirror").steps == (Step(Mirror()),)
    assert "clockwise" in texts(shown), "the reason stays beside what was saved"
    assert "Saved, but training on this data refuses it" in texts(shown)


def test_the_mirror_shows_its_words_and_pictures(lab: DataRoot) -> None:
    shown = begun("mirror")
    said = texts(shown)
    assert "Pass the box on the right\\. :material/arrow_forward: **Pass the box on the left\\.**" in said
    assert "mirrored" in said
    (pairs,) = [element.proto.body for element in shown.get("html")]
    assert pairs.count("data:image/jpeg;base64,") == 6
    assert len(shown.get("plotly_chart")) == 1


def test_limits_that_cut_are_counted(lab: DataRoot) -> None:
    save_augmentation(lab, AugmentationRecipe("fast", (Step(SpeedScale(percent=50)),), copies=4))
    shown = opened()
    assert "No limits are known" in texts(shown)
    box = next(each for each in shown.number_input if each.label == "Limit of linear_x [m/s]")
    box.set_value(1.0).run()
    assert re.search(r"0 % of the recorded frames and \d+ % of the copies' frames are beyond", texts(shown))
    assert shown.button(key="augmentation_save").label == "Save all the same"


def test_pictures_are_checked_when_asked_and_the_answer_goes_with_a_change(lab: DataRoot) -> None:
    shown = press(begun("mirror"), "augmentation_check_frames")
    assert "These frames cannot tell" in texts(shown), "noise has no motion"
    shown.number_input(key="augmentation_training_seed").set_value(3).run()
    assert "These frames cannot tell" not in texts(shown)


def test_it_speaks_korean(lab: DataRoot) -> None:
    shown = begun("robust", language="ko")
    labels = [
        each.label for each in [*shown.slider, *shown.button, *shown.number_input, *shown.selectbox] if each.label
    ]
    assert all(HANGUL.search(label) for label in labels), labels
    assert "카메라" in texts(shown) or "밝기" in texts(shown)


@pytest.mark.parametrize("name", list(TRANSFORMS))
def test_korean_says_the_same_numbers(name: str) -> None:
    kind = TRANSFORMS[name]
    recipe = AugmentationRecipe("one", (Step(kind()),), copies=6)
    korean = AugmentationWords("ko")
    for number in range(1, 7):
        copy = draw_copy(EpisodeLabels(actions(0.6), SPACE, "Go."), recipe, number, 0)
        told, (english,) = korean.drawn(copy, recipe)[0], copy.description
        figures = [re.findall(r"\d+(?:\.\d+)?", text) for text in (told, english)]
        assert sorted(figures[0]) == sorted(figures[1]), (told, english)
        assert told.count("오른쪽") == len(re.findall(r"\bright\b", english))
        assert told.count("왼쪽") == len(re.findall(r"\bleft\b", english))
        assert told.count("+") == english.count("+")
    for text in (korean.title(name), korean.help(name), korean.assumption(name)):
        assert HANGUL.search(text)
    assert all(HANGUL.search(each.label) and HANGUL.search(each.help) for each in korean.settings(name))
    assert [each.name for each in korean.settings(name)] == [each.name for each in settings_of(kind)]


def test_the_figure_marks_what_the_limits_cut() -> None:
    recipe = AugmentationRecipe("fast", (Step(SpeedScale(percent=60)),), copies=8, limits=ActionLimits(linear_x=1.0))
    labels = EpisodeLabels(actions(0.6), SPACE, "Go.")
    copy = next(
        found for number in range(1, 9) if (found := draw_copy(labels, recipe, number, 0)).uncut[:, 0].max() > 1.1
    )
    figure = actions_figure(labels.actions, copy, recipe, (3,), PageText("en"))
    cut = [trace for trace in figure.data if trace.mode == "markers"]
    assert [len(trace.x) for trace in cut] == [17, 0]
    assert min(cut[0].y) > 1.1
    np.testing.assert_array_equal(figure.data[1].y, copy.labels.actions[:, 0])
    assert sum(shape.y0 == shape.y1 == 1.0 for shape in figure.layout.shapes) == 1


def test_checked_episodes_are_spread_and_hold_the_shown_one(lab: DataRoot) -> None:
    episodes = usable_episodes("lab")
    assert checked_ones(episodes, episodes[1], 9) == episodes
    few = checked_ones(episodes, episodes[1], 2)
    assert len(few) == 2
    assert episodes[1] in few
    assert episodes[-1] in few


def test_sliders_have_round_steps() -> None:
    widths = {step_width(each.minimum, each.maximum) for kind in TRANSFORMS.values() for each in settings_of(kind)}
    assert widths <= {0.01, 0.1, 0.5, 1.0}


def test_a_moved_step_keeps_its_number() -> None:
    draft = Draft.of(AugmentationRecipe("a", (Step(Light()), Step(Noise()))), None)
    first = draft.steps[0].number
    assert [each.number for each in draft.moved(first, 1).steps][1] == first
    assert draft.moved(first, -1).steps == draft.steps
    assert [each.step.transform.name for each in draft.removed(first).steps] == ["noise"]


def test_the_page_part_loads_no_torch(repository: Path) -> None:
    import subprocess
    import sys

    code = "import sys, app.augmentation_parts; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=repository).returncode == 0
