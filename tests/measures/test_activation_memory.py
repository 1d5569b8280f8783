from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from coldframe.backbones import load_backbone
from coldframe.errors import InputError
from coldframe.measures import activation_memory as held
from coldframe.measures import forward_memory
from coldframe.measures.activation_memory import Fitted, ForwardMemory, fitted_memory, predicted

WIDTH = 2**18
"""Floats in a MiB."""


class Steps(nn.Module):
    """Counts the largest batch it saw; keeps two activations of a MiB per image, and the input."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.batches: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        self.batches.append(len(x))
        return torch.tanh(torch.sigmoid(x * self.scale)).mean(1)


def ones(batch: int) -> Tensor:
    return torch.ones(batch, WIDTH)


def test_counts_what_the_graph_keeps_and_nothing_twice() -> None:
    net = Steps()
    found = forward_memory(net, ones, 3, model=net, gradients=True)
    # the input for the gradient of the scale, the outputs of sigmoid and tanh; the mean keeps shapes only
    assert found.held == pytest.approx(9, abs=0.01) and found.way == "saved tensors"
    assert found.resident is None or found.resident > 7
    shared = nn.Sequential(nn.Linear(WIDTH, 1), nn.ReLU(inplace=True))
    assert forward_memory(shared, ones, 2, model=shared, gradients=True).held == pytest.approx(2, abs=0.01)


def test_without_gradients_the_output_alone_is_held() -> None:
    net = Steps()
    found = forward_memory(net, ones, 4, model=net, gradients=False)
    assert 0 < found.held < 0.001
    frozen = Steps().requires_grad_(False)
    assert forward_memory(frozen, ones, 4, model=frozen, gradients=True).held < 0.001


def test_parameters_are_not_counted_and_a_dropped_branch_is_not_held() -> None:
    net = nn.Linear(WIDTH, 4)

    def with_branch(x: Tensor) -> Tensor:
        torch.tanh(net(x).repeat(1, 1000)).exp()
        return net(x)

    assert forward_memory(with_branch, lambda b: ones(b)[:, :WIDTH], 1, model=net, gradients=True).held < 1.01


def test_resnet18_holds_what_the_course_says() -> None:
    backbone = load_backbone("torchvision:resnet18/random")
    net = backbone.module.requires_grad_(True)
    small = forward_memory(net, lambda b: torch.zeros(b, 3, 224, 224), 1, model=net, gradients=True)
    larger = forward_memory(net, lambda b: torch.zeros(b, 3, 224, 224), 2, model=net, gradients=True)
    assert predicted(small, larger, 64)[0] == pytest.approx(1356, rel=0.01)
    assert forward_memory(net, lambda b: torch.zeros(b, 3, 224, 224), 2, model=net, gradients=False).held < 0.1


def memory(batch: int, kept: float, peak: float | None = None) -> ForwardMemory:
    return ForwardMemory(batch, kept, None, peak, "saved tensors")


def test_prediction_is_a_line_and_its_peak_has_a_margin() -> None:
    now, highest = predicted(memory(1, 12, 15), memory(3, 32, 38), 10)
    assert now == pytest.approx(102) and highest == pytest.approx(1.1 * (102 + 6 / 3 * 10))
    assert predicted(memory(2, 10), memory(2, 10), 4) == pytest.approx((20, 22))


def test_the_whole_batch_runs_where_it_fits() -> None:
    net = Steps()
    found = fitted_memory(net, ones, 8, model=net, gradients=True, limit=None)
    assert found.measured.batch == 8 == max(net.batches)
    assert found.expected == pytest.approx(24, abs=0.1) == found.measured.held


@pytest.mark.parametrize(
    ("batch", "limit", "ran"),
    [(64, 400.0, 64), (64, 70.0, 16), (64, 16.0, 4), (64, 8.0, 2), (64, 0.5, 1), (48, 100.0, 24), (1, None, 1), (3, None, 3)],
)
def test_a_batch_that_does_not_fit_is_halved_before_it_runs(
    batch: int, limit: float | None, ran: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = []

    def pretend(forward: object, make: object, size: int, **about: object) -> ForwardMemory:
        batches.append(size)
        return memory(size, 3.0 * size, 3.5 * size)

    monkeypatch.setattr(held, "forward_memory", pretend)
    found = fitted_memory(Steps(), ones, batch, model=Steps(), gradients=True, limit=limit)
    assert found.measured.batch == ran == max(batches) and found.asked == batch
    assert found.expected == pytest.approx(3 * batch)


def test_a_refused_allocation_halves_the_batch_and_other_errors_stay() -> None:
    class Full(Steps):
        def forward(self, x: Tensor) -> Tensor:
            if len(x) > 8:
                raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes")
            return super().forward(x)

    net = Full()
    assert fitted_memory(net, ones, 32, model=net, gradients=True, limit=None).measured.batch == 8
    with pytest.raises(RuntimeError, match="mat1"):
        wrong = nn.Linear(3, 3)
        fitted_memory(wrong, ones, 8, model=wrong, gradients=True, limit=None)
    with pytest.raises(InputError, match="batch of 1 or more"):
        fitted_memory(net, ones, 0, model=net, gradients=True, limit=None)


def test_fitting_asks_the_prediction() -> None:
    trial = Fitted(64, memory(1, 10), memory(1, 10), memory(4, 40))
    assert trial.fitting(8, None) == 8 and trial.fitting(8, 50) == 4 and trial.fitting(8, 1) == 1
    assert held.MARGIN > 1


def test_a_limit_that_is_just_met_is_met_and_a_peak_below_what_is_held_passes_for_none() -> None:
    trial = Fitted(8, memory(1, 10), memory(1, 10), memory(4, 40))
    assert trial.fitting(8, 1.1 * 80) == 8 and trial.fitting(8, 1.1 * 80 - 1e-6) == 4 and trial.fitting(2, 1.1 * 10) == 1
    assert predicted(memory(1, 12, 9), memory(3, 32, 30), 10) == pytest.approx((102, 1.1 * 102))
    assert held._mib(2.097152) == pytest.approx(2) and held._mib(None) is None


def test_what_counts_as_running_out_of_memory() -> None:
    full = (MemoryError(), RuntimeError("CUDA out of memory. Tried"), RuntimeError("can't allocate memory: you tried"))
    assert all(held._out_of_memory(error) for error in full) and not held._out_of_memory(RuntimeError("mat1 and mat2"))
