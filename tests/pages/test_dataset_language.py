"""The Data set page in English and Korean, and beside other data sets."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from app.language import PageText
from mvla_core.layout import ENVIRONMENT_VARIABLE, DataRoot
from mvla_core.wording import placeholders, read_catalog, text_of

from .conftest import DATASET, OpenPage, record

HANGUL = re.compile(r"[가-힣]")


def keys(node: dict[str, Any], prefix: str = "") -> set[str]:
    """The dotted keys of a catalog's texts."""
    found = set()
    for name, value in node.items():
        found |= keys(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name}
    return found


def test_both_catalogs_hold_the_same_texts_with_the_same_values() -> None:
    english, korean = read_catalog("app", "text_en"), read_catalog("app", "text_ko")
    assert keys(english) == keys(korean)
    for key in keys(english):
        assert placeholders(text_of(english, key)) == placeholders(text_of(korean, key)), key
        if re.search(r"[A-Za-z]{3,}", re.sub(r"\{.*?\}", "", text_of(english, key))):
            assert HANGUL.search(text_of(korean, key)), key
        assert not HANGUL.search(text_of(english, key)), key


def test_every_text_that_is_asked_for_is_there(repository: Path) -> None:
    known = keys(read_catalog("app", "text_en"))
    asked = set()
    for path in [*(repository / "app").glob("*.py"), *(repository / "pages").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not node.args:
                continue
            first = node.args[0]
            if isinstance(first, ast.Constant) and node.func.attr == "say_count":
                asked |= {f"{first.value}.one", f"{first.value}.many"}
            elif isinstance(first, ast.Constant) and node.func.attr == "say" and "." in str(first.value):
                asked.add(str(first.value))
    assert len(asked) > 15
    assert asked - known == set()


def test_a_missing_text_or_value_is_never_passed_over() -> None:
    with pytest.raises(KeyError):
        PageText("ko").say("dataset.nothing_like_this")
    with pytest.raises(KeyError):
        PageText("ko").say("merit.train_windows_help", validation=3)


def shown(page: Any) -> str:
    """Everything that the page's own elements say."""
    kinds = (page.title, page.subheader, page.caption, page.markdown, page.error, page.warning, page.info, page.success)
    texts = [str(element.value) for kind in kinds for element in kind]
    texts += [expander.label for expander in page.expander]
    texts += [metric.label for metric in page.metric]
    texts += [field.label for field in page.number_input]
    return "\n".join(texts)


def test_english_is_the_default(open_page: OpenPage, recorded: DataRoot) -> None:
    page = open_page("dataset")
    assert not page.exception
    assert page.title[0].value == "Data set"
    assert not HANGUL.search(shown(page))
    assert dict(page.query_params) == {}


def test_a_link_in_korean_shows_the_page_in_korean(open_page: OpenPage, recorded: DataRoot) -> None:
    page = open_page("dataset", lang="ko")
    assert not page.exception
    assert page.title[0].value == "데이터셋"
    text = shown(page)
    assert "상수 예측기의 제곱오차" in text
    assert "확인할 문제" in text
    assert {metric.label for metric in page.metric} >= {"에피소드", "프레임", "학습 윈도우", "같은 동작의 비율"}
    assert {field.label for field in page.number_input} >= {"관측 프레임 수", "예측 동작 수", "분할 시드"}
    table = next(frame.value for frame in page.dataframe if "reason" in frame.value)
    assert "다양성(서로 다른 동작 / 프레임)" in set(table["figure"])
    assert {"충족", "부족", "권장값 미달"} & set(table["status"])
    assert page.query_params["lang"] == "ko"
    assert "속도의 분포" in shown(open_page("dataset", lang="ko", part="actions"))


def test_the_choice_is_kept_and_written_to_the_address(open_page: OpenPage, recorded: DataRoot) -> None:
    page = open_page("dataset")
    page.segmented_control(key="language_choice").set_value("ko").run()
    assert page.title[0].value == "데이터셋"
    assert page.query_params["lang"] == "ko"
    page.switch_page("../pages/overview_page.py").run()
    page.query_params.clear()
    page.switch_page("../pages/dataset_page.py").run()
    assert not page.exception
    assert page.title[0].value == "데이터셋"
    assert page.query_params["lang"] == "ko", "a link copied now opens in Korean"
    page.segmented_control(key="language_choice").set_value("en").run()
    assert page.title[0].value == "Data set"
    assert page.query_params["lang"] == "en"


def test_a_link_is_remembered_on_the_way(open_page: OpenPage, recorded: DataRoot) -> None:
    page = open_page("dataset", lang="ko")
    page.query_params.clear()
    page.run()
    assert page.title[0].value == "데이터셋"
    assert page.query_params["lang"] == "ko"


@pytest.mark.parametrize(
    ("locale", "title"), [("ko-KR", "데이터셋"), ("ko", "데이터셋"), ("kok-IN", "Data set"), ("de", "Data set")]
)
def test_the_browser_decides_until_the_user_does(
    open_page: OpenPage, recorded: DataRoot, locale: str, title: str
) -> None:
    page = open_page("dataset")
    page.context = {"locale": locale}
    page.run()
    assert page.title[0].value == title
    page.query_params["lang"] = "en"
    assert page.run().title[0].value == "Data set"


def test_a_language_that_is_not_there_does_no_harm(open_page: OpenPage, recorded: DataRoot) -> None:
    page = open_page("dataset", lang="../../etc")
    assert not page.exception
    assert page.title[0].value == "Data set"


def test_beside_another_data_set(open_page: OpenPage, root: DataRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(root.path))
    record(root, DATASET, 6)
    record(root, "second", 4)
    page = open_page("dataset", lang="ko", dataset=DATASET, part="comparison")
    assert not page.exception
    frames = [frame.value for frame in page.dataframe if next(iter(frame.value.columns)) == "0"]
    assert [len(frame.columns) for frame in frames] == [5, 6, 5]
    page.multiselect(key=f"compared_with_{DATASET}").select("second").run()
    assert not page.exception
    data = next(frame.value for frame in page.dataframe if next(iter(frame.value.columns)) == "0")
    counts = data.set_index("0").loc["에피소드 수"].tolist()
    assert counts[:2] == ["6", "4"]
    assert "1,000 이상" in counts


def test_no_data_set_in_korean(open_page: OpenPage, served: DataRoot) -> None:
    page = open_page("dataset", lang="ko")
    assert not page.exception
    assert page.subheader[0].value == "아직 점검할 데이터가 없습니다"
