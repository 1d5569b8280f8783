"""The numbers that say whether answers can be believed: section of the page, name, heading, meaning, how it is written."""

from __future__ import annotations

from collections.abc import Callable

from coldframe.results.wording import percent, plain_number, thousandths

Entry = tuple[str, str, str, str, Callable[[float | None], str]]

CALIBRATION, SILENCE, SETS, UNKNOWN = "calibration", "silence", "sets", "unknown"
SECTIONS = {
    CALIBRATION: "Can its probabilities be believed?",
    SILENCE: "What if it may stay silent?",
    SETS: "Sets of classes that hold the true one in 90 of 100 cases",
    UNKNOWN: "Does it notice images of none of the classes?",
}
"""Section -> its heading."""

TRUSTED: tuple[Entry, ...] = (
    (CALIBRATION, "temperature", "T",
     "what logits are divided by: chosen on images that had no part in learning, used by predict", plain_number),
    (CALIBRATION, "ece_scaled", "ECE after", "expected calibration error after temperature scaling, 15 bins", thousandths),
    (CALIBRATION, "class_ece", "class-wise",
     "class-wise calibration error after scaling: mean over classes of the error of 'is it this class?'", thousandths),
    (CALIBRATION, "brier", "Brier", "mean squared distance between probabilities and the true answer after scaling, 0 to 2",
     plain_number),
    (CALIBRATION, "nll", "NLL", "mean of -log of the true class's probability after scaling, natural logarithm", plain_number),
    (CALIBRATION, "worst_class", "worst class", "top-1 among the images of the class that is right least often", percent),
    (SILENCE, "risk80", "wrong of 80%", "percent of wrong answers among the surest 80% of the test images", percent),
    (SILENCE, "risk90", "wrong of 90%", "percent of wrong answers among the surest 90% of the test images", percent),
    (SILENCE, "aurc", "AURC",
     "area under the risk-coverage curve: mean share of wrong answers over all coverages", thousandths),
    (SETS, "lac_size", "LAC size", "mean number of classes in a set of the least ambiguous kind (LAC)", plain_number),
    (SETS, "lac_coverage", "LAC holds", "percent of test images whose true class is in that set", percent),
    (SETS, "aps_size", "APS size", "mean number of classes in an adaptive set (APS)", plain_number),
    (SETS, "aps_coverage", "APS holds", "percent of test images whose true class is in that set", percent),
    (SETS, "raps_size", "RAPS size", "mean number of classes in a regularised adaptive set (RAPS)", plain_number),
    (SETS, "raps_coverage", "RAPS holds", "percent of test images whose true class is in that set", percent),
    (UNKNOWN, "max_logit_auroc", "max logit", "AUROC of the highest logit, in percent; 50 is chance", percent),
    (UNKNOWN, "energy_auroc", "energy", "AUROC of log sum exp of the logits", percent),
    (UNKNOWN, "knn_auroc", "kNN",
     "AUROC of the distance to the k-th nearest training image, k at most 50; the same for all methods", percent),
    (UNKNOWN, "mahalanobis_auroc", "Mahalanobis",
     "AUROC of the distance to the nearest class mean under one covariance; the same for all methods", percent),
    (UNKNOWN, "vim_auroc", "ViM", "AUROC of energy less what the principal space of the features leaves", percent),
    (UNKNOWN, "mcm_auroc", "MCM", "AUROC of the highest softmax of cosines with the classes' texts; the same for all methods",
     percent),
)  # fmt: skip
