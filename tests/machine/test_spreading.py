"""Pieces on threads of their own: in order, one torch thread each, the caller's modes, the first error, the same bits."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch

import coldframe
from coldframe.cold.engines import tapped
from coldframe.foundations.graphs import MeanConv, random_graph
from coldframe.foundations.graphs import sparse as sparse_room
from coldframe.foundations.graphs.sparse import sum_and_self, weighted_sum
from coldframe.machine.spreading import alone, spread


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_pieces_come_back_in_order_and_the_caller_keeps_its_threads() -> None:
    assert spread(lambda n: n * n, range(20)) == [n * n for n in range(20)]
    assert spread(lambda n: n, ()) == []
    assert torch.get_num_threads() == 2


@pytest.mark.skipif(not torch.backends.mkl.is_available(), reason="this build of torch is another one")
def test_each_piece_has_a_thread_of_its_own_and_torch_uses_no_more() -> None:
    met = threading.Barrier(2, timeout=30)

    def look(_: int) -> tuple[int, int]:
        met.wait()  # two pieces are at work at once
        return threading.get_ident(), torch.get_num_threads()

    found = spread(look, range(2))
    assert len({where for where, _ in found} | {threading.get_ident()}) == 3 and [n for _, n in found] == [1, 1]
    assert spread(lambda _: spread(lambda _: threading.get_ident(), range(3)), range(2))[0][0] != threading.get_ident()


def test_alone_concerns_the_calling_thread_only() -> None:
    found: list[int] = []
    thread = threading.Thread(target=lambda: (alone(), found.append(torch.get_num_threads())))
    thread.start()
    thread.join()
    assert found == [1] and torch.get_num_threads() == 2


@pytest.mark.parametrize("mode", [torch.no_grad, torch.enable_grad, torch.inference_mode])
def test_modes_are_the_callers(mode: type[torch.no_grad]) -> None:
    def look(_: int) -> tuple[bool, bool]:
        return torch.is_grad_enabled(), torch.is_inference_mode_enabled()

    with mode():
        assert set(spread(look, range(4))) == {look(0)}


def test_the_first_piece_that_fails_is_heard_of() -> None:
    def work(n: int) -> int:
        if n in (3, 5):
            raise ValueError(f"piece {n}")
        return n

    with pytest.raises(ValueError, match="piece 3"):
        spread(work, range(8))


def test_the_sum_over_neighbours_and_its_gradients_are_the_same_bits_on_any_number_of_threads() -> None:
    graph = random_graph(9_000, 40_000, generator=torch.Generator().manual_seed(0))
    x = torch.randn(9_000, 16, generator=torch.Generator().manual_seed(1), requires_grad=True)
    alphas = torch.rand(graph.arcs.shape[1], requires_grad=True)
    for layer in (MeanConv(16, 16, bias=True), MeanConv(16, 4, bias=True)):
        wanted = [x, alphas, *layer.parameters()]
        found = []
        for number in (1, 2, 3):
            torch.set_num_threads(number)
            out = layer(graph, x)
            loss = out.square().sum() + weighted_sum(graph.rows, alphas, x).square().sum()
            found.append([out, *torch.autograd.grad(loss, wanted)])
        assert all(torch.equal(a, b) for other in found[1:] for a, b in zip(found[0], other, strict=True))


def test_gradients_on_two_threads_are_finite_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparse_room, "BLOCK", 3)
    monkeypatch.setattr(sparse_room, "PARTS", 2)
    monkeypatch.setattr(sparse_room, "CHUNK", 5)
    graph = random_graph(17, 40, generator=torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(2)
    H, W, B, b = (
        torch.randn(shape, dtype=torch.float64, generator=generator).requires_grad_()
        for shape in ((17, 3), (2, 3), (2, 3), (2,))
    )
    values = torch.rand(graph.arcs.shape[1], dtype=torch.float64, generator=generator)
    assert torch.autograd.gradcheck(lambda *a: sum_and_self(graph.rows, values, *a), (H, W, B, b))
    assert torch.autograd.gradcheck(lambda v, h: weighted_sum(graph.rows, v, h), (values.requires_grad_(), H))
    dense = torch.zeros(17, 17, dtype=torch.float64)
    dense[graph.arcs[1], graph.arcs[0]] = values.detach()
    assert torch.allclose(sum_and_self(graph.rows, values.detach(), H, W, B, b), dense @ H @ W.T + H @ B.T + b, atol=1e-13)


def test_weights_first_seen_under_inference_mode_can_be_trained_with_later() -> None:
    graph, layer = random_graph(20, 60, generator=torch.Generator().manual_seed(0)), MeanConv(3, 2)
    x = torch.randn(20, 3, requires_grad=True)
    with torch.inference_mode():
        layer(graph, x)
    layer(graph, x).sum().backward()
    assert x.grad is not None


def test_the_cold_pass_is_the_same_bits_on_any_number_of_threads() -> None:
    backbone = coldframe.load_backbone("timm:test_resnet/random")
    side = backbone.preprocess.size
    images = torch.randint(0, 256, (20, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    found = []
    for number in (1, 2):
        torch.set_num_threads(number)
        with torch.inference_mode():
            found.append(tapped(backbone, images, ["pixels", "features"]))
    assert all(torch.equal(found[0][cut], found[1][cut]) for cut in ("pixels", "features"))
