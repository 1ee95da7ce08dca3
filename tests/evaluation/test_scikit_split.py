"""ScikitSplit inside scikit-learn's own functions."""

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import GridSearchCV, cross_val_score

from marketlab.core import DataError
from marketlab.evaluation import (
    CombinatorialPurgedCV,
    PurgedWalkForward,
    RatioSplit,
    ScikitSplit,
)

N = 120
END = np.arange(N) + 2
X = np.zeros((N, 1))
Y = (np.arange(N) // 7 % 2).astype(int)


@pytest.mark.parametrize(
    "splitter",
    [
        PurgedWalkForward(train_share=0.4, n_folds=4),
        CombinatorialPurgedCV(n_groups=5, n_test_groups=2),
    ],
)
def test_scikit_learn_scores_on_exactly_these_folds(splitter):
    cv = ScikitSplit(splitter, scored="test")
    scores = cross_val_score(DummyClassifier(), X, Y, groups=END, cv=cv)
    folds = splitter.folds(np.arange(N), END, np.arange(N))
    expected = []
    for fold in folds:
        majority = np.bincount(Y[fold.train]).argmax()
        expected.append(np.mean(Y[fold.test] == majority))
    np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-15)
    assert cv.get_n_splits(X, Y, END) == len(folds)


def test_a_search_takes_it_too():
    cv = ScikitSplit(PurgedWalkForward(train_share=0.4, n_folds=3), scored="test")
    search = GridSearchCV(DummyClassifier(), {"strategy": ["prior", "uniform"]}, cv=cv)
    search.fit(X, Y, groups=END)
    assert search.n_splits_ == 3


def test_three_columns_say_what_labels_read():
    bar = np.arange(N) * 2
    columns = np.column_stack([bar - 1, bar + 5, bar])
    splitter = RatioSplit(train=0.7, validation=0.15, test=0.15)
    ((train, scored),) = ScikitSplit(splitter, scored="validation").split(X, Y, columns)
    fold = splitter.split(bar - 1, bar + 5, bar)
    np.testing.assert_array_equal(train, fold.train)
    np.testing.assert_array_equal(scored, fold.validation)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ({"groups": None}, "labels without ends cannot be purged"),
        ({"groups": END[:-1]}, "groups has 119 rows and X has 120"),
        ({"groups": np.zeros((N, 2), int)}, r"must have shape .n,. or .n, 3.; received .120, 2."),
        ({"groups": END.astype(float)}, "must be of an integer type, not float64"),
        ({"groups": np.full(N, N - 1)}, "fold 0 cannot be fitted and scored: the training part"),
        ({"groups": END, "y": Y[:-1]}, "groups has 120 rows and y has 119"),
    ],
)
def test_refuses_what_cannot_be_purged(call, text):
    cv = ScikitSplit(PurgedWalkForward(train_share=0.4, n_folds=4), scored="test")
    with pytest.raises(DataError, match=text):
        list(cv.split(X, **call))


def test_a_part_that_the_splitter_does_not_give_is_refused():
    cv = ScikitSplit(CombinatorialPurgedCV(n_groups=4, n_test_groups=1), scored="validation")
    with pytest.raises(DataError, match="it gives no validation part"):
        cv.get_n_splits(X, Y, END)
