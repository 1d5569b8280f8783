import numpy as np
import pytest
import torch
from sklearn import metrics

from coldframe.errors import InputError
from coldframe.measures import confusion, correct, mean_per_class, per_class, top1, top5, topk


@pytest.fixture
def scores() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 9, size=400)  # the last of ten classes never occurs
    logits = generator.normal(size=(400, 10))
    logits[np.arange(400), labels] += 1.5
    return logits, labels


def test_agrees_with_scikit_learn(scores):
    logits, labels = scores
    predicted = logits.argmax(1)
    assert top1(logits, labels) == pytest.approx(metrics.accuracy_score(labels, predicted))
    assert top5(logits, labels) == pytest.approx(metrics.top_k_accuracy_score(labels, logits, k=5, labels=range(10)))
    assert topk(logits, labels, 3) == pytest.approx(metrics.top_k_accuracy_score(labels, logits, k=3, labels=range(10)))
    assert (confusion(logits, labels) == metrics.confusion_matrix(labels, predicted, labels=range(10))).all()
    recall = metrics.recall_score(labels, predicted, labels=range(9), average=None)
    assert per_class(logits, labels)[:9] == pytest.approx(recall)
    assert mean_per_class(logits, labels) == pytest.approx(recall.mean())


def test_an_absent_class_is_left_out_and_never_nan(scores):
    logits, labels = scores
    assert per_class(logits, labels)[9] is None
    assert np.isfinite(mean_per_class(logits, labels))


def test_top5_is_no_measurement_with_five_classes():
    assert top5(np.eye(5), np.arange(5)) is None
    assert top5(np.eye(6), np.arange(6)) == 1.0


def test_ties_go_to_the_first_class_as_argmax_does():
    tied = np.zeros((3, 4))
    assert top1(tied, np.array([0, 1, 2])) == pytest.approx(1 / 3)
    assert topk(tied, np.array([0, 1, 2]), 2) == pytest.approx(2 / 3)
    assert correct(tied, np.array([0, 1, 2])).tolist() == [True, False, False]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_tensors_of_any_type(dtype):
    assert top1(torch.eye(3).to(dtype), torch.arange(3)) == 1.0


@pytest.mark.parametrize(
    ("values", "labels", "words"),
    [
        (np.zeros((2, 3)), np.zeros(3, int), "shapes"),
        (np.zeros((0, 3)), np.zeros(0, int), "at least one item"),
        (np.zeros((1, 3)), np.array([3]), "labels from 0 to 2"),
        (np.zeros((1, 3)), np.array([0.5]), "integer labels"),
        (np.full((1, 3), np.nan), np.array([0]), "NaN"),
    ],
)
def test_bad_input_is_one_sentence(values, labels, words):
    with pytest.raises(InputError, match=words):
        top1(values, labels)


def test_labels_of_any_whole_type_and_none_below_0():
    assert top1(torch.eye(3), torch.arange(3, dtype=torch.int8)) == 1.0
    with pytest.raises(InputError, match="found -1 to 0"):
        top1(np.eye(2), np.array([-1, 0]))
    with pytest.raises(InputError, match="k of at least 1, found 0"):
        topk(np.eye(2), np.array([1, 0]), 0)
    for scores, labels in ((np.zeros(3), np.zeros(3, int)), (np.zeros((3, 1)), np.zeros((3, 1), int))):
        with pytest.raises(InputError, match="shapes"):
            top1(scores, labels)
