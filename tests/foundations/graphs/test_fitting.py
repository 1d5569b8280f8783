"""Training reads the training nodes alone, keeps the best epoch, and repeats to the bit."""

from __future__ import annotations

from dataclasses import replace

import torch
from drawn import same_numbers

from coldframe.foundations.graphs import AdjacencyMLP, Citations, NodeClassifier, fit
from coldframe.foundations.graphs.fitting import accuracy_and_loss


def test_a_network_learns_what_the_graph_says(tiny: Citations) -> None:
    run = fit(NodeClassifier("mean", 12, 3), tiny, epochs=60)
    assert run.test > 0.6 and len(run.history) == 60
    assert run.val == max(entry["val"] for entry in run.history) and run.history[run.epoch - 1]["val"] == run.val


def test_among_epochs_of_equal_accuracy_the_lowest_loss_is_kept(tiny: Citations) -> None:
    run = fit(NodeClassifier("gcn", 12, 3), tiny, epochs=60, lr=0.03)
    tied = [entry for entry in run.history if entry["val"] == run.val]
    chosen = min(tied, key=lambda entry: entry["val_loss"])
    assert len(tied) > 1 and run.epoch == chosen["epoch"] != tied[0]["epoch"]
    assert accuracy_and_loss(run.network, tiny, tiny.val) == (run.val, run.val_loss) == (chosen["val"], chosen["val_loss"])


def test_it_repeats_to_the_bit_and_does_not_look_at_test_labels(tiny: Citations) -> None:
    blind = replace(tiny, labels=torch.cat([tiny.labels[:40], (tiny.labels[40:] + 1) % 3]))
    one, two, three = (fit(NodeClassifier("gat", 12, 3, hidden=16), data, epochs=8) for data in (tiny, tiny, blind))
    weights = [torch.cat([p.flatten() for p in run.network.parameters()]) for run in (one, two, three)]
    assert torch.equal(weights[0], weights[1]) and torch.equal(weights[0], weights[2])


def test_the_course_is_the_one_it_was(tiny: Citations) -> None:
    found = {}
    for layer in ("mean", "gcn", "gat", "mlp"):
        run = fit(NodeClassifier(layer, 12, 3, hidden=16, seed=1), tiny, epochs=5, lr=0.03, seed=2)  # type: ignore[arg-type]
        found[f"{layer} loss"] = [entry["loss"] for entry in run.history]
        found[f"{layer} end"] = [run.test, run.val, run.val_loss, run.epoch]
    same_numbers(__file__, "course", found, 1e-3)


def test_a_network_that_is_never_right_is_kept_with_an_accuracy_of_zero(tiny: Citations) -> None:
    split = replace(tiny, labels=torch.cat([torch.zeros(15, dtype=torch.int64), torch.ones(75, dtype=torch.int64)]))
    run = fit(NodeClassifier("mlp", 12, 2, dropout=0.0), split, epochs=1, lr=1.0)
    assert (run.test, run.val, run.epoch) == (0.0, 0.0, 1)


def test_the_course_of_the_mlp_on_rows_is_the_one_it_was(tiny: Citations) -> None:
    run = fit(AdjacencyMLP(90, 12, 3, seed=1), tiny, epochs=5, lr=0.03, seed=2)
    found = {"loss": [entry["loss"] for entry in run.history], "end": [run.test, run.val, run.val_loss, run.epoch]}
    same_numbers(__file__, "course_of_rows", found, 1e-3)
