"""The rule file, the rules and the sentences belong together; and no sick result is ever called learned."""

from __future__ import annotations

import string
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvla_core.evaluation.ablations import ABLATIONS, PICTURES, swapped
from mvla_core.evaluation.evidence import COUNTS
from mvla_core.evaluation.facts import (
    REPLAY,
    REQUIRED,
    TRAINED_BLIND,
    clock_on_data,
    rule_file,
    scene_on_data,
    threshold,
)
from mvla_core.evaluation.measure_baselines import FIRST_PICTURE, LEARNED, NEAREST
from mvla_core.evaluation.verdict import LABELS, RULES, judge
from mvla_core.evaluation.wording import catalog, fill, interval, percent
from mvla_core.metrics.directions import DIRECTION_NAMES
from mvla_core.metrics.predictors import TRIVIAL_PREDICTORS

shares = st.floats(-3, 1)


def results(
    skills: dict[str, tuple[float, float, float]], *, episodes: int = 12, leaked: int = 0, wins: int = 12
) -> dict[str, Any]:
    """Measured results of a policy that is healthy but for what is given: skill, low and high by baseline."""
    baselines = {
        name: {"skill": value, "skill_low": low, "skill_high": high, "wins": min(wins, episodes)}
        for name, (value, low, high) in skills.items()
    }
    used = {
        "measured": True,
        "change": {"value": 1.0, "low": 0.9, "high": 1.1},
        "rise": {"value": 2, "low": 1, "high": 3},
    }
    against = {name: {"skill": value["skill"], "low": None, "high": None} for name, value in baselines.items()}
    return {
        "episodes": episodes,
        "baselines": baselines,
        "metrics": {"first_window": {"skill": against}},
        "per_instruction": {"go left": {"skill": against}},
        "directions": {
            "collapse": {"direction": "forward", "share": 0.5, "true_share": 0.5, "low": 0.4, "high": 0.6},
            "variation": 0.9,
            "variation_interval": {"low": 0.8, "high": 1.0},
            "recall": {"forward": {"count": 50, "recall": 0.8, "low": 0.6, "high": 0.9}},
            "true_share": {"forward": 0.5},
        },
        "clock": {"baseline": "frame_index", "value": 0.3, "low": 0.2, "high": 0.4, "verdict": "fails"},
        "instruction_gain": {"value": 0.2, "low": 0.1, "high": 0.3},
        "ablations": dict.fromkeys(ABLATIONS, used),
        "split": {"leaked": leaked, "usable_episodes": 5 * episodes},
        "sequences_seen": 0,
        "instructions": ["go left", "go right"],
    }


HEALTHY = dict.fromkeys(TRIVIAL_PREDICTORS, (0.4, 0.2, 0.5))


def test_the_rule_file_and_the_rules_are_the_same_in_the_same_order() -> None:
    assert [rule["name"] for rule in rule_file()["rules"]] == list(RULES)
    assert {rule["label"] for rule in rule_file()["rules"]} == set(LABELS)
    assert all(rule["when"].strip() for rule in rule_file()["rules"])
    assert all(value["reason"].strip() for value in rule_file()["thresholds"].values())


def keys(node: dict[str, Any], prefix: str = "") -> dict[str, set[str]]:
    """Every text's dotted key, with the values that its template names."""
    found: dict[str, set[str]] = {}
    for name, value in node.items():
        if isinstance(value, dict):
            found |= keys(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = {part[1] for part in string.Formatter().parse(value) if part[1]}
    return found


def test_both_catalogs_hold_the_same_texts_with_the_same_values() -> None:
    english, korean = keys(catalog("en")), keys(catalog("ko"))
    assert english.keys() == korean.keys()
    assert {key for key in english if english[key] != korean[key]} == set()


def test_every_label_rule_baseline_and_direction_has_its_words() -> None:
    texts = catalog("en")
    assert set(texts["labels"]) == set(LABELS)
    assert set(texts["verdict"]) == set(RULES)
    assert set(texts["next"]) >= set(RULES)
    assert set(texts["baselines"]) == {*TRIVIAL_PREDICTORS, FIRST_PICTURE, *NEAREST, *LEARNED}
    assert set(texts["directions"]) == set(DIRECTION_NAMES)


def test_a_healthy_policy_is_learned_and_says_by_how_much() -> None:
    verdict = judge(results(HEALTHY))
    assert verdict["label"] == "learned"
    assert "40 % below that of a clock (95 % interval 20 to 50 %)" in verdict["sentence"]
    assert all({"for", "text", "value", "low", "high", "code"} <= item.keys() for item in verdict["evidence"])


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(TRIVIAL_PREDICTORS)), st.tuples(shares, shares, shares), min_size=1))
def test_learned_only_if_every_lower_bound_is_above_zero(drawn: dict[str, tuple[float, float, float]]) -> None:
    skills = dict(HEALTHY)
    for name, numbers in drawn.items():
        low, value, high = sorted(numbers)
        skills[name] = (value, low, high)
    label = judge(results(skills))["label"]
    beaten = all(skills[name][1] > 0 for name in REQUIRED)
    assert (label in ("learned", "partly_learned")) == beaten


@pytest.mark.parametrize("name", REQUIRED)
def test_an_unknown_interval_is_never_learned(name: str) -> None:
    sick = results(HEALTHY)
    sick["baselines"][name] = {"skill": 0.9, "skill_low": None, "skill_high": None, "wins": 12}
    assert judge(sick)["label"] == "no_better_than_clock"


@pytest.mark.parametrize("episodes", [1, 2, 3])
def test_fewer_than_four_episodes_tell_nothing(episodes: int) -> None:
    verdict = judge(results(HEALTHY, episodes=episodes))
    assert (verdict["label"], verdict["rule"]) == ("cannot_tell", "few_episodes")


def test_an_interval_that_includes_zero_says_how_many_episodes_would_tell() -> None:
    skills = {**HEALTHY, "frame_index": (0.2, -0.1, 0.4)}
    verdict = judge(results(skills))
    assert verdict["rule"] == "uncertain"
    # The lower half of the interval is 0.3, half as much again as the skill: (0.3 / 0.2)^2 = 2.25 times 12 episodes.
    assert verdict["values"]["needed"] == 27
    hopeless = {**HEALTHY, "frame_index": (0.06, -0.9, 0.4)}
    assert judge(results(hopeless))["label"] == "no_better_than_clock"


def test_winning_few_episodes_is_learning_in_part() -> None:
    assert judge(results(HEALTHY, episodes=8, wins=5))["rule"] == "partly_wins"
    assert judge(results(HEALTHY, episodes=8, wins=6))["rule"] == "learned"


@pytest.mark.parametrize(
    ("recall", "low", "rule"), [(0.1, 0.0, "partly_direction"), (0.5, 0.19, "partly_direction"), (0.5, 0.21, "learned")]
)
def test_a_direction_that_is_not_shown_to_be_found_is_learning_in_part(recall: float, low: float, rule: str) -> None:
    sick = results(HEALTHY)
    sick["directions"]["true_share"]["left"] = 0.2
    sick["directions"]["recall"]["left"] = {"count": 40, "recall": recall, "low": low, "high": 0.9}
    verdict = judge(sick)
    assert verdict["rule"] == rule
    assert ("'left'" in verdict["sentence"]) is (rule != "learned")


@pytest.mark.parametrize(("high", "rule"), [(0.19, "collapsed_mean"), (0.21, "no_better_than_clock")])
def test_predictions_that_hardly_vary_have_collapsed_where_the_whole_interval_says_so(high: float, rule: str) -> None:
    sick = results({**HEALTHY, "constant": (-0.02, -0.1, 0.01)})
    sick["directions"] |= {"variation": 0.15, "variation_interval": {"low": 0.1, "high": high}}
    assert judge(sick)["rule"] == rule


def replay(value: float, low: float, known: int) -> dict[str, Any]:
    """What `scene_clock` measures, as stored, over 60 episodes of which 12 are held out."""
    ends = {"value": value, "low": low, "high": min(1.0, 2 * value - low)}
    return {"scene_clock": scene_on_data({**ends, "baseline": "first_picture", "known": known, "held_out": 12})}


@pytest.mark.parametrize(
    ("scenes", "skill", "rule"),
    [
        # One look and a clock suffice: who is not better recites, and who is better has hardly anything left to see.
        (replay(0.97, 0.95, 12), (-0.4, -0.6, 0.1), "memorised_scenes"),
        (replay(0.97, 0.95, 12), (0.4, 0.2, 0.5), "partly_scenes"),
        # Noise keeps the replay from sufficing, but the scenes are known: it still has to be beaten.
        (replay(0.6, 0.5, 12), (0.02, -0.2, 0.2), "no_better_than_clock"),
        (replay(0.6, 0.5, 12), (0.2, -0.1, 0.4), "uncertain"),
        (replay(0.6, 0.5, 12), (0.4, 0.2, 0.5), "learned"),
        # New scenes: nobody knows their script, so that only one who is surely worse has not shown to look.
        (replay(0.6, 0.5, 0), (0.2, -0.5, 0.4), "learned"),
        (replay(0.6, 0.5, 0), (-0.3, -0.6, -0.1), "no_better_than_clock"),
    ],
)
def test_scripts_of_known_scenes_have_to_be_beaten(
    scenes: dict[str, Any], skill: tuple[float, float, float], rule: str
) -> None:
    verdict = judge({**results({**HEALTHY, "first_picture": skill}), **scenes})
    assert verdict["rule"] == rule
    assert "scenes" in {item["code"] for item in verdict["evidence"]}


def test_results_of_an_older_evaluation_are_judged_without_the_replay() -> None:
    assert judge(results(HEALTHY))["rule"] == "learned"


def test_a_policy_that_is_surely_worse_than_a_constant_is_not_uncertain() -> None:
    sick = {**HEALTHY, "constant": (-0.2, -0.3, -0.1), "frame_index": (0.2, -0.31, 0.5)}
    verdict = judge(results(sick))
    assert verdict["rule"] == "no_better_than_clock"
    assert "a constant" in verdict["sentence"]


def test_the_rule_file_names_everything_that_has_to_be_beaten() -> None:
    rules = {rule["name"]: rule for rule in rule_file()["rules"]}
    for name in ("learned", "no_better_than_clock", "memorised_script"):
        assert "trained without pictures" in rules[name]["when"]
        assert "영상 없이 같은 설정으로 학습한" in rules[name]["when_ko"]
        assert "replaying" in rules[name]["when"]
    assert {f"skill_{name}" for name in (*REQUIRED, *TRAINED_BLIND, REPLAY)} <= set(rule_file()["severity"])


def test_words_that_matter_only_with_the_picture_still_matter() -> None:
    unheard = {
        "measured": True,
        "change": {"value": 0.01, "low": 0.0, "high": 0.02},
        "rise": {"value": 0.0, "low": -0.01, "high": 0.01},
    }
    sick = results(HEALTHY)
    sick["ablations"] = {**sick["ablations"], "instruction_swap": unheard}
    sick["instruction_gain"] = {"value": 0.0, "low": -0.1, "high": 0.1}
    verdict = judge(sick)
    assert verdict["rule"] == "learned"
    shown = {item["code"]: item for item in verdict["evidence"]}
    assert shown["instruction_swap"]["level"] == "info", "what decides nothing is listed all the same"
    assert "not shown to matter" in shown["instruction"]["text"]
    for gain in ("clock", "pictures"):
        sick["instruction_gains"] = {gain: {"value": 0.3, "low": 0.1, "high": 0.4}}
        assert judge(sick)["rule"] == "deaf"


def test_one_held_out_episode_claims_nothing() -> None:
    alone = results(dict.fromkeys(TRIVIAL_PREDICTORS, (0.88, None, None)), episodes=1)  # type: ignore[arg-type]
    nothing = {"value": 0.5, "low": None, "high": None}
    alone["ablations"] = {name: {"measured": True, "change": nothing, "rise": nothing} for name in ABLATIONS}
    verdict = judge(alone)
    assert verdict["rule"] == "few_episodes"
    texts = " ".join(item["text"] for item in verdict["evidence"])
    assert not any(words in texts + verdict["sentence"] for words in ("Only 1 held-out", "on 1 held-out"))
    assert "includes zero" not in texts
    assert "Against a constant its skill is 88 % (no interval: too few episodes)." in texts
    scores = [item for item in verdict["evidence"] if item["code"] not in ("split", "episodes", "wins", "sequences")]
    assert {item["level"] for item in scores if item["low"] is None} == {"info"}


def test_what_leaked_is_said_of_the_part_that_knows_it() -> None:
    found = results(HEALTHY, leaked=3)
    for own, words in (
        ({"leaked_training": 3, "leaked_validation": 0}, "3 of 12 held-out episodes are also in the training part."),
        ({"leaked_training": 0, "leaked_validation": 3}, "in the validation part, which chose the checkpoint."),
        ({"leaked_training": 1, "leaked_validation": 2}, "in the training part (1) or in the validation part"),
    ):
        found["split"] |= own
        assert any(words in item["text"] for item in judge(found)["evidence"])


def test_pictures_that_were_not_compared_are_said_to_be_unchecked() -> None:
    for checked, words in ((False, "was not checked"), (True, "or its pictures alone")):
        found = results(HEALTHY)
        found["split"]["pictures_checked"] = checked
        split = next(item for item in judge(found)["evidence"] if item["code"] == "split")
        assert words in split["text"]
        assert split["level"] == ("ok" if checked else "info")


def test_pictures_or_instructions_that_do_not_matter_are_learning_in_part() -> None:
    harmless = {
        "measured": True,
        "change": {"value": 1.0, "low": 0.9, "high": 1.1},
        "rise": {"value": 0.02, "low": -0.1, "high": 0.2},
    }
    sick = results(HEALTHY)
    sick["ablations"] = {**sick["ablations"], "pictures_other": harmless}
    assert judge(sick)["rule"] == "partly_pictures"
    sick = results(HEALTHY)
    sick["ablations"] = {**sick["ablations"], "instruction_swap": harmless}
    assert judge(sick)["rule"] == "partly_instruction"
    sick["instruction_gain"]["low"] = -0.1  # Where the data does not need the instruction, ignoring it is no fault.
    assert judge(sick)["rule"] == "learned"


def opposites(strength: float, agreement: float, rarer: float = 0.5) -> dict[str, Any]:
    """What is measured where drivers went both ways, with narrow intervals."""
    return {
        "instruction": "go",
        "left": 10,
        "right": 10,
        "rarer": rarer,
        "strength": {"value": strength, "low": strength - 0.05, "high": strength + 0.05},
        "agreement": {"value": agreement, "low": agreement - 0.05, "high": agreement + 0.05},
    }


@pytest.mark.parametrize(
    ("measured", "rule"),
    [
        (opposites(0.2, 0.0), "averaging"),
        (opposites(0.2, 0.9), "learned"),  # Timid, but it knows the side.
        (opposites(1.0, 0.0), "learned"),  # It takes a side; that it is wrong, the skill has to say.
        (opposites(0.2, 0.0, rarer=0.1), "learned"),  # One driver in ten hardly moves the mean.
        (None, "learned"),
    ],
)
def test_a_policy_between_both_ways_averages(measured: dict[str, Any] | None, rule: str) -> None:
    assert judge({**results(HEALTHY), "opposites": measured})["rule"] == rule


def test_averaging_names_both_sides_and_its_strength() -> None:
    verdict = judge({**results(HEALTHY), "opposites": opposites(0.2, 0.0)})
    assert "on the left in 10 episodes and on the right in 10" in verdict["sentence"]
    assert "20 % of their sideways speed (95 % interval 15 to 25 %)" in verdict["sentence"]
    assert [item["for"] for item in verdict["evidence"] if item["code"] == "opposites"] == [False]


@pytest.mark.parametrize(
    ("change", "rise", "rule"),
    [(0.02, 0.6, "blind"), (0.5, 0.0, "blind_harmless"), (0.5, 0.6, "learned")],
)
def test_blind_is_who_does_not_move_or_does_not_err_more_without_pictures(
    change: float, rise: float, rule: str
) -> None:
    narrow = {
        "measured": True,
        "change": {"value": change, "low": change - 0.01, "high": change + 0.01},
        "rise": {"value": rise, "low": rise - 0.01, "high": rise + 0.01},
    }
    sick = results(HEALTHY)
    sick["ablations"] = {**sick["ablations"], **dict.fromkeys(PICTURES, narrow)}
    assert judge(sick)["rule"] == rule


def test_a_twin_that_was_trained_without_pictures_has_to_be_beaten_too() -> None:
    assert judge(results({**HEALTHY, "picture_blind": (0.4, 0.2, 0.5)}))["rule"] == "learned"
    assert judge(results({**HEALTHY, "picture_blind": (-0.1, -0.3, 0.1)}))["rule"] == "no_better_than_clock"
    assert judge(results({**HEALTHY, "nearest_picture": (-0.1, -0.3, 0.1)}))["rule"] == "learned"


def test_every_statement_with_a_score_has_its_interval_and_its_figure() -> None:
    counts = set(COUNTS)
    for section, texts in catalog("en")["evidence"].items():
        for say, text in texts.items():
            assert section in counts or "between}" in text or "{interval}" in text, (section, say)
    evidence = judge({**results(HEALTHY), "opposites": opposites(1.0, 1.0)})["evidence"]
    assert all(item["figure"] for item in evidence)


def test_what_was_not_measured_is_said() -> None:
    some = results(HEALTHY)
    some["ablations"] = {**some["ablations"], "instruction_swap": {"measured": False, "reason": "One instruction."}}
    assert judge(some)["not_measured"] == [{"code": "instruction_swap", "reason": "One instruction."}]


def test_the_audit_decides_about_the_clock_where_it_can() -> None:
    measured = {"baseline": "frame_index", "value": threshold("clock_suffices"), "low": 0.1, "high": 0.9}
    assert clock_on_data(measured, None)["verdict"] == "suffices"
    audited = {
        "predictor": "instruction_clock",
        "explained": {"value": 0.2, "low": 0.1, "high": 0.3},
        "episodes": 24,
        "verdict": "fails",
    }
    assert clock_on_data(measured, audited)["verdict"] == "fails"
    assert clock_on_data(measured, {**audited, "verdict": "undecided"})["verdict"] == "suffices"


@pytest.mark.parametrize(
    ("instruction", "known", "expected"),
    [
        ("Go past the box on the left.", [], "Go past the box on the right."),
        ("LEFT, then right", [], "RIGHT, then left"),
        ("Go to the bright, upright lamp.", ["Go home."], "Go home."),
        ("Go to the bright lamp on the left.", [], "Go to the bright lamp on the right."),
        ("왼쪽으로 가세요", [], "오른쪽으로 가세요"),
        ("Find the pot.", ["Find the pot.", "", "Find the cup."], "Find the cup."),
        ("Find the pot.", ["Find the pot."], None),
    ],
)
def test_swapping_an_instruction(instruction: str, known: list[str], expected: str | None) -> None:
    assert swapped(instruction, known) == expected


def test_figures_are_written_as_each_language_does() -> None:
    assert percent("en", 0.384) == "38 %"
    assert percent("ko", 0.384) == "38%"
    assert percent("en", -0.0312) == "−3.1 %"
    assert percent("en", -0.0001) == "0 %"
    assert percent("en", 12.345) == "1,234 %"
    assert percent("ko", -1e9) == "−10,000% 미만"
    assert interval("en", 0.21, 0.52) == "95 % interval 21 to 52 %"
    assert interval("ko", 0.21, 0.52) == "95% 신뢰구간 21% ~ 52%"
    assert interval("en", None, 0.5) == "no interval: too few episodes"
    assert fill("ko", "evidence.wins.most", {"baseline": "frame_index", "wins": 8, "episodes": 8}).startswith(
        "평가 에피소드 8개"
    )
