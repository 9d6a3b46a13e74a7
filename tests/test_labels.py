"""Labels: the packaged ones, and those of a user's own file, whose faults are told by file and entry."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from fingen.errors import UsageError
from fingen.quality.duplicates import fold
from fingen.tasks.labels import MOST, read_labels

TWO = "- {name: Cards, definition: about cards}\n- {name: Loans, definition: about loans, weight: 2.5, examples: ['rates?']}\n"


@pytest.fixture
def own(tmp_path: Path):
    def write(text: str | bytes) -> Path:
        path = tmp_path / "own.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


@pytest.mark.parametrize(
    ("language", "names"),
    [
        ("zh", ["行业板块问询", "个股问询", "大盘问询", "客服问询", "基金问询"]),
        (
            "en",
            [
                "Industry Sector Inquiry",
                "Individual Stock Inquiry",
                "Market Inquiry",
                "Customer Service Inquiry",
                "Fund Inquiry",
            ],
        ),
    ],
)
def test_the_packaged_labels_say_what_decides_between_any_two(language: str, names: list[str]):
    labels = read_labels(None, language)

    assert [label.name for label in labels] == names
    for label in labels:
        assert set(label.rules) == set(names) - {label.name}
        assert label.weight == 1
        assert 3 <= len(label.examples) <= 5
    examples = [fold(example) for label in labels for example in label.examples]
    assert len(set(examples)) == len(examples)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_label_for_all_else_comes_last_and_only_where_it_is_asked_for(language: str):
    with_other = read_labels(None, language, with_other=True)

    assert with_other[:-1] == read_labels(None, language)
    assert [label.out_of_scope for label in with_other] == [False] * 5 + [True]


def test_a_users_file_is_a_list_or_a_mapping(own):
    listed = read_labels(own(TWO), "en")
    mapped = read_labels(own("labels:\n" + TWO), "en")

    assert listed == mapped
    assert [(label.name, label.weight, label.examples) for label in listed] == [
        ("Cards", 1, ()),
        ("Loans", 2.5, ("rates?",)),
    ]


def test_a_users_file_takes_the_label_for_all_else_from_itself_or_from_the_package(own):
    without = read_labels(own(TWO), "en", with_other=True)
    within = read_labels(own(f"labels:\n{TWO}other: {{name: Rest, definition: the rest}}\n"), "en", with_other=True)

    assert without[-1] == read_labels(None, "en", with_other=True)[-1]
    assert (within[-1].name, within[-1].out_of_scope) == ("Rest", True)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[]", "no labels; a choice needs two or more"),
        ("- {name: A, definition: a}", "1 label; a choice needs two or more"),
        ("", "neither a list of labels"),
        ("labels: 3", "neither a list of labels"),
        ("label:\n" + TWO, "neither a list of labels"),
        ("- {name: A, definition: a}\n- {name: B}", r"label 2 \(B\): definition"),
        ("- {name: A, definition: a}\n- {name: '  ', definition: b}", "label 2"),
        ("- {name: A, definition: a}\n- {definition: b}", "label 2: name"),
        ("- {name: A, definition: a}\n- B", "label 2"),
        ("- {name: A, definition: a, wieght: 2}\n- {name: B, definition: b}", r"label 1 \(A\): wieght"),
        ("- {name: A, definition: a, weight: 0}\n- {name: B, definition: b}", r"label 1 \(A\): weight"),
        ("- {name: A, definition: a, weight: -1}\n- {name: B, definition: b}", r"label 1 \(A\): weight"),
        ("- {name: A, definition: a, weight: .inf}\n- {name: B, definition: b}", r"label 1 \(A\): weight"),
        ("- {name: A, definition: a, weight: .nan}\n- {name: B, definition: b}", r"label 1 \(A\): weight"),
        ("- {name: Cards, definition: a}\n- {name: 'CARDS ', definition: b}", "labels 1 and 2 have one name"),
        (
            "- {name: A, definition: a, rules: {C: x}}\n- {name: B, definition: b}",
            r"label 1 \(A\): a rule against C, which is no other label",
        ),
        ("- {name: A, definition: a, rules: {A: x}}\n- {name: B, definition: b}", "a rule against A"),
        ("- {name: A, definition: [", "not YAML"),
        (b"- {name: \xff, definition: a}", "not UTF-8"),
    ],
)
def test_a_fault_is_told_by_file_and_entry(own, text: str | bytes, told: str):
    path = own(text)

    with pytest.raises(UsageError, match=told) as caught:
        read_labels(path, "zh")

    assert str(path) in str(caught.value)
    assert caught.value.hint


def test_a_missing_file_is_told(tmp_path: Path):
    with pytest.raises(UsageError, match=r"gone\.yaml: cannot be read"):
        read_labels(tmp_path / "gone.yaml", "zh")


@given(count=st.integers(2, 40), with_other=st.booleans())
def test_there_are_as_many_labels_as_letters(tmp_path_factory: pytest.TempPathFactory, count: int, with_other: bool):
    path = tmp_path_factory.mktemp("labels") / "own.yaml"
    path.write_text(yaml.safe_dump([{"name": f"label {n}", "definition": f"number {n}"} for n in range(count)]))

    if count + with_other <= MOST:
        assert len(read_labels(path, "en", with_other=with_other)) == count + with_other
    else:
        with pytest.raises(UsageError, match=f"{count + with_other} labels; there are letters for {MOST}"):
            read_labels(path, "en", with_other=with_other)


def test_the_working_directory_wins_over_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "labels.zh.yaml").write_text(TWO, encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    assert [label.name for label in read_labels(None, "zh")] == ["Cards", "Loans"]
    assert len(read_labels(None, "en")) == 5

    (tmp_path / "prompts" / "labels.zh.yaml").write_text("3", encoding="utf-8")
    with pytest.raises(UsageError, match=r"labels\.zh\.yaml: neither"):
        read_labels(None, "zh")
