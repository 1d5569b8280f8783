"""One training over several processes: the same weights as in one, and the same bits when it is taken up again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from coldframe.training import Group, Recipe, train
from coldframe.training.ranks import Ranks, here, joined, launched

N, CLASSES = 23, 3
"""Items: the last batch of 8 holds 7, which no number of processes but 7 divides."""


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), nn.GELU(), nn.LayerNorm(16), nn.Linear(16, CLASSES))


def items() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(N, 6, generator=generator), torch.randint(0, CLASSES, (N,), generator=generator)


def learn(run: Path, stop_at: int | None = None, epochs: int = 3) -> dict[str, Tensor]:
    """Train on all items by AdamW; with ``stop_at`` die in that step, as a killed process does."""
    net, (x, y) = network(), items()
    steps = [0]

    def loss(rows: Tensor, epoch: int) -> Tensor:
        steps[0] += 1
        if steps[0] == stop_at:
            os._exit(9)
        return functional.cross_entropy(net(x[rows]), y[rows])

    def validate() -> tuple[float, float]:
        logits = net(x)
        return float((logits.argmax(-1) == y).double().mean()), float(functional.cross_entropy(logits, y))

    parameters = dict(net.named_parameters())
    recipe = Recipe(epochs=epochs, batch_size=8, lr=0.05, optimiser="adamw", weight_decay=0.01, warmup=0, clip=1.0, seed=3)
    train(parameters, loss, N, recipe, groups=[Group(list(parameters.values()))], validate=validate, run=run, save_seconds=0)
    return {name: value.detach() for name, value in parameters.items()}


def worker(out: str, stop_at: str) -> None:
    """Be one of several processes; the first one keeps what was learned."""
    with joined("cpu") as ranks:
        assert ranks == here() == launched()
        found = learn(Path(out), int(stop_at) or None)
        torch.save(found, Path(out) / f"learned-{ranks.rank}.pt")


def run(out: Path, size: int, stop_at: int = 0) -> int:
    out.mkdir(exist_ok=True)
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(size), __file__, str(out), str(stop_at)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(launch, capture_output=True, env=environment, check=False).returncode


def learned(out: Path, rank: int = 0) -> dict[str, Tensor]:
    found: dict[str, Tensor] = torch.load(out / f"learned-{rank}.pt")
    return found


def test_alone_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with joined("cpu") as ranks:
        assert ranks == Ranks(0, 1) and ranks.first

    def loss(rows: Tensor, epoch: int) -> Tensor:
        return rows.sum()

    assert ranks.spread({}, loss) is loss
    assert ranks.mean(torch.tensor(3.0)) == 3 and ranks.from_first(lambda: "x") == "x"


@pytest.mark.parametrize(("n", "size"), [(8, 2), (7, 2), (7, 3), (1, 3), (2, 5)])
def test_the_parts_of_a_batch_are_the_batch(n: int, size: int) -> None:
    """The mean over processes of each part's mean loss times its factor is the mean loss of the batch."""
    values, rows = torch.randn(n, dtype=torch.float64), torch.arange(n)
    parts = [Ranks(rank, size).part(rows) for rank in range(size)]
    assert torch.cat([mine for mine, factor in parts if factor]).tolist() == rows.tolist()
    mean = sum(float(values[mine].mean()) * factor for mine, factor in parts) / size
    assert mean == pytest.approx(float(values.mean()), abs=1e-12)


@pytest.mark.cluster
@pytest.mark.timeout(900)
@pytest.mark.parametrize("size", [2, 3])
def test_torchrun_gives_the_weights_of_one_process(size: int, tmp_path: Path) -> None:
    alone = learn(tmp_path / "alone")
    assert run(tmp_path / "several", size) == 0
    found = [learned(tmp_path / "several", rank) for rank in range(size)]
    moved = [float((alone[name] - start.detach()).abs().max()) for name, start in network().named_parameters()]
    assert min(moved) > 1e-2, "nothing was learned"
    for name, value in alone.items():
        assert torch.allclose(found[0][name], value, rtol=0, atol=1e-5), name
        assert all(torch.equal(other[name], found[0][name]) for other in found), name
    assert {path.name for path in (tmp_path / "several").glob("*.jsonl")} == {"metrics.jsonl"}
    lines = [
        [json.loads(line) for line in (tmp_path / out / "metrics.jsonl").read_text().splitlines()]
        for out in ("alone", "several")
    ]
    assert [line["loss"] for line in lines[1]] == pytest.approx([line["loss"] for line in lines[0]], abs=1e-5)


@pytest.mark.cluster
@pytest.mark.timeout(900)
def test_torchrun_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    """Three processes, whose sums depend on their order; killed inside the second epoch."""
    assert run(tmp_path / "whole", 3) == 0
    assert run(tmp_path / "killed", 3, stop_at=5) != 0
    assert run(tmp_path / "killed", 3) == 0
    whole, again = learned(tmp_path / "whole"), learned(tmp_path / "killed")
    assert all(torch.equal(whole[name], again[name]) for name in whole)


if __name__ == "__main__":
    worker(*sys.argv[1:])
