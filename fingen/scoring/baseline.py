"""A linear baseline: what can be learned of a set's training rows without any language model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fingen.disk import sha256_text
from fingen.errors import UsageError
from fingen.install import install_command
from fingen.scoring.report import Kind, Method
from fingen.scoring.rows import Asked, ScoringItem
from fingen.scoring.subjects import Given, question_alone

NAME = "linear baseline"
NGRAMS = (1, 3)  # characters: words of English, and of Chinese without cutting it into words
ROUNDS = 1000  # of the optimizer, at most


class Baseline:
    """Character n-grams weighted by tf-idf, and logistic regression on them; trained anew for each source of rows.

    It is trained on the classes of the training rows and chooses among the options that a row has.
    """

    name = NAME
    kind: Kind = "baseline"

    def __init__(self) -> None:
        """Look for scikit-learn.

        Raises:
            UsageError: it is not installed.
        """
        try:
            import sklearn  # type: ignore[import-untyped]  # it ships no types; an extra, so only here
        except ImportError as e:
            raise UsageError("--baseline needs scikit-learn", hint=install_command("baseline")) from e
        self.details: dict[str, Any] = {
            "features": f"characters {NGRAMS[0]}-{NGRAMS[1]}",
            "sklearn": sklearn.__version__,
        }

    def method(self, asked: Asked) -> Method:
        """It gives a probability for each option."""
        return "letters"

    def answer(self, asked: Asked, items: Sequence[ScoringItem], shots: Sequence[ScoringItem]) -> Iterator[Given]:
        """Its answers, in order.

        Raises:
            UsageError: no training rows of two classes.
        """
        classes = {item.gold for item in asked.examples}
        if len(classes) < 2:
            raise UsageError(
                f"--baseline: {asked.key} has training rows of {len(classes)} classes, and two are needed",
                hint="score on a set or benchmark with a training split, or leave --baseline out",
            )
        self.details["trained_on"] = {
            "rows": len(asked.examples), "sha256": sha256_text(*(f"{item.id}\0{item.gold}" for item in asked.examples))
        }  # fmt: skip
        known, shares = _fit(asked.examples, items)
        if not any(item.name(key) in known for item in items for key in item.options):
            raise UsageError(
                f"--baseline: none of the classes of the training rows is an option of {asked.key}: {', '.join(known)}",
                hint="score on rows with the same classes, or leave --baseline out",
            )
        for item, row in zip(items, shares, strict=True):
            likely = {key: row[known[name]] if (name := item.name(key)) in known else 0.0 for key in item.options}
            total = sum(likely.values())
            even = 1 / len(likely)
            found = {key: value / total if total else even for key, value in likely.items()}
            key = max(found, key=found.__getitem__)
            yield Given(item.id, item.turn, key, key=key, probabilities=found)


def _fit(examples: Sequence[ScoringItem], items: Sequence[ScoringItem]) -> tuple[dict[str, int], list[list[float]]]:
    """Class -> its column, and for each item the probabilities of all classes.

    What all questions begin and end with is left out: beside it, what one of them says would weigh little.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer  # type: ignore[import-untyped]  # as above
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]  # as above
    from sklearn.pipeline import make_pipeline  # type: ignore[import-untyped]  # as above

    model = make_pipeline(
        TfidfVectorizer(analyzer="char", ngram_range=NGRAMS, sublinear_tf=True),
        LogisticRegression(C=10.0, max_iter=ROUNDS),
    )
    bare = [question_alone(item) for item in examples]
    before, behind = _common(bare), _common([text[::-1] for text in bare])[::-1]
    own = [text.removeprefix(before).removesuffix(behind) for text in (*bare, *map(question_alone, items))]
    model.fit(own[: len(bare)], [item.gold for item in examples])
    shares: list[list[float]] = model.predict_proba(own[len(bare) :]).tolist()
    return {str(name): column for column, name in enumerate(model.classes_)}, shares


def _common(texts: Sequence[str]) -> str:
    """What all texts begin with."""
    first, last = min(texts), max(texts)
    differ = next(
        (place for place, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1]), len(first)
    )
    return first[:differ]
