from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from coldframe.errors import InputError, TrainingError
from coldframe.training import Group, Recipe, Result, checkpoint, order, train
from coldframe.training.checkpoint import NAME
from coldframe.training.loop import better

RECIPE = Recipe(epochs=4, batch_size=8, lr=0.05, optimiser="sgd", warmup=3)


class Problem:
    """Thirty points, three classes, a network of two layers."""

    def __init__(self, n: int = 30) -> None:
        generator = torch.Generator().manual_seed(1)
        self.x, self.y = torch.randn(n, 5, generator=generator), torch.randint(3, (n,), generator=generator)
        sizes = {"a": (7, 5), "b": (3, 7)}
        self.w = {name: torch.randn(size, generator=generator).requires_grad_() for name, size in sizes.items()}
        self.items: list[list[int]] = []

    def loss(self, items: Tensor, epoch: int) -> Tensor:
        self.items.append(items.tolist())
        hidden = torch.tanh(self.x[items] @ self.w["a"].T)
        return functional.cross_entropy(hidden @ self.w["b"].T, self.y[items])

    def value(self) -> float:
        return -float(self.loss(torch.arange(len(self.x)), 0))

    def copy(self) -> dict[str, Tensor]:
        return {name: value.detach().clone() for name, value in self.w.items()}

    def train(self, recipe: Recipe = RECIPE, **settings: object) -> Result:
        return train(self.w, self.loss, len(self.x), recipe, **settings)  # type: ignore[arg-type]


def same(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> bool:
    return ours.keys() == theirs.keys() and all(torch.equal(value, theirs[name]) for name, value in ours.items())


def test_the_loop_is_the_plain_loop() -> None:
    ours, plain = Problem(), Problem()
    recipe = replace(RECIPE, schedule="constant", warmup=0, clip=0.5, weight_decay=0.01)
    ours.train(recipe)
    sgd = torch.optim.SGD(plain.w.values(), lr=0.05, momentum=0.9, weight_decay=0.01)
    for epoch in range(4):
        for items in order(0, epoch, 30).split(8):
            sgd.zero_grad()
            plain.loss(items, epoch).backward()
            nn.utils.clip_grad_norm_(plain.w.values(), 0.5)
            sgd.step()
    assert ours.items == plain.items and same(ours.w, plain.w)


def test_every_epoch_sees_every_item_once_in_an_order_of_its_own() -> None:
    problem = Problem()
    problem.train()
    epochs = [[item for batch in problem.items[4 * e : 4 * e + 4] for item in batch] for e in range(4)]
    assert all(sorted(epoch) == list(range(30)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4
    assert order(0, 1, 30).tolist() == epochs[1] and order(1, 1, 30).tolist() != epochs[1]


def test_rates_follow_the_schedule_the_warm_up_and_the_groups() -> None:
    problem, rates = Problem(), []
    real = torch.optim.SGD.step

    def step(self: torch.optim.SGD, closure: None = None) -> None:
        rates.append([group["lr"] for group in self.param_groups])
        real(self, closure)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim.SGD, "step", step)
        groups = [Group([problem.w["a"]], 0.1), Group([problem.w["b"]])]
        result = problem.train(replace(RECIPE, epochs=5, schedule="linear", warmup=100), groups=groups)
    assert [rate for _, rate in rates[:3]] == pytest.approx([0.025, 0.05, 0.05])  # a tenth of 20 steps
    assert [rate for _, rate in rates[2:]] == pytest.approx([0.05 * (1 - t / 18) for t in range(18)])
    assert all(low == pytest.approx(0.1 * high) for low, high in rates)
    assert result.history[-1]["lr"] == rates[-1][0]


def test_clipping_bounds_a_step() -> None:
    problem = Problem()
    before = problem.copy()
    problem.train(Recipe(epochs=1, batch_size=30, lr=1.0, optimiser="sgd", schedule="constant", clip=1e-3))
    moved = torch.sqrt(torch.stack([(value - before[name]).square().sum() for name, value in problem.copy().items()]).sum())
    assert float(moved) == pytest.approx(1e-3, rel=1e-3)


def test_the_best_state_by_validation_is_loaded_and_a_tie_keeps_the_first() -> None:
    problem, states = Problem(), []
    values = iter([0.2, 0.7, 0.7, 0.1])

    def validate() -> float:
        states.append(problem.copy())
        return next(values)

    result = problem.train(validate=validate)
    assert (result.best_epoch, result.best) == (2, 0.7)
    assert same(problem.copy(), states[1]) and not same(states[1], states[3])
    assert [row["val"] for row in result.history] == [0.2, 0.7, 0.7, 0.1]


def test_among_equal_values_the_lowest_loss_is_kept_and_the_run_goes_on_so(tmp_path: Path) -> None:
    problem, states = Problem(), []
    values = iter([(0.7, 0.5), (0.9, 0.4), (0.9, 0.2), (0.9, 0.3)])

    def validate() -> tuple[float, float]:
        states.append(problem.copy())
        return next(values)

    result = problem.train(validate=validate, run=tmp_path)
    assert (result.best_epoch, result.best, result.best_loss) == (3, 0.9, 0.2)
    assert same(problem.copy(), states[2]) and not same(states[2], states[3])
    assert [row["val_loss"] for row in result.history] == [0.5, 0.4, 0.2, 0.3]
    again = Problem().train(validate=validate, run=tmp_path)
    assert (again.best_epoch, again.best_loss) == (3, 0.2)


def test_patience_stops_early() -> None:
    problem = Problem()
    values = iter([0.5, 0.4, 0.6, 0.6, 0.3, 0.9])
    result = problem.train(replace(RECIPE, epochs=6, patience=2), validate=lambda: next(values))
    assert (len(result.history), result.best_epoch) == (5, 3)


def test_without_validation_the_last_state_counts() -> None:
    result = Problem().train()
    assert (result.best_epoch, result.best, len(result.history)) == (4, None, 4)
    assert result.history[-1]["loss"] < result.history[0]["loss"]


def test_a_loss_that_is_no_number_names_step_and_rate_and_keeps_the_best_state() -> None:
    problem, states = Problem(), []

    def loss(items: Tensor, epoch: int) -> Tensor:
        return problem.loss(items, epoch) * (float("nan") if epoch == 2 else 1.0)

    def validate() -> float:
        states.append(problem.copy())
        return [0.9, 0.2][len(states) - 1]

    recipe = replace(RECIPE, schedule="constant", warmup=0)
    with pytest.raises(TrainingError, match=r"loss .* nan at step 9 \(epoch 3, learning rate 0\.05\); the state after epoch 1"):
        train(problem.w, loss, 30, recipe, validate=validate)
    assert same(problem.copy(), states[0]) and not same(states[0], states[1])


def test_weights_that_blow_up_in_the_last_step_are_noticed_and_given_back() -> None:
    problem = Problem()
    before = problem.copy()
    recipe = Recipe(epochs=1, batch_size=30, lr=1e9, optimiser="sgd")
    with pytest.raises(TrainingError, match=r"every weight to stay finite, found .* the state before training is kept"):
        train(problem.w, lambda items, epoch: problem.loss(items, epoch) * 1e38, 30, recipe)
    assert same(problem.copy(), before)


def test_a_validation_value_that_is_no_number_is_noticed() -> None:
    with pytest.raises(TrainingError, match="expected the validation value to stay finite, found nan at step 4"):
        Problem().train(validate=lambda: float("nan"))


def test_nothing_to_train_on_and_events_without_a_folder_are_refused() -> None:
    problem = Problem()
    with pytest.raises(InputError, match="at least one training item, found n=0"):
        train(problem.w, problem.loss, 0, RECIPE)
    with pytest.raises(InputError, match="folder for the run beside tensorboard"):
        problem.train(tensorboard=True)


@pytest.mark.parametrize(
    "change", [{"key": "other"}, {"recipe": replace(RECIPE, lr=0.06)}, {"n": 31}, {"groups": 2}, {"validate": True}]
)
def test_a_folder_of_another_run_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    Problem().train(run=tmp_path, key="key")
    problem = Problem(int(str(change.get("n", 30))))
    groups = [Group([value]) for value in problem.w.values()] if "groups" in change else None
    recipe = change.get("recipe", RECIPE)
    with pytest.raises(InputError, match="holds an unfinished run with other settings"):
        problem.train(recipe, run=tmp_path, key=change.get("key", "key"), groups=groups,  # type: ignore[arg-type]
                      validate=problem.value if "validate" in change else None)  # fmt: skip


def test_a_finished_run_is_not_run_again(tmp_path: Path) -> None:
    first, again = Problem(), Problem()
    done = first.train(run=tmp_path, validate=first.value)
    log = (tmp_path / "metrics.jsonl").read_text()
    result = again.train(run=tmp_path, validate=again.value)
    assert again.items == [] and same(first.w, again.w) and (tmp_path / "metrics.jsonl").read_text() == log
    assert (result.best, result.best_epoch, result.history) == (done.best, done.best_epoch, done.history)
    assert [json.loads(line) for line in log.splitlines()] == result.history


def test_a_log_without_a_checkpoint_starts_anew(tmp_path: Path) -> None:
    Problem().train(run=tmp_path)
    (tmp_path / NAME).unlink()
    Problem().train(run=tmp_path)
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 4


def test_events_are_written_when_asked_for(tmp_path: Path) -> None:
    problem = Problem()
    problem.train(run=tmp_path, tensorboard=True, validate=problem.value)
    (events,) = (tmp_path / "events").iterdir()
    content = events.read_bytes()
    assert events.name.startswith("events.out.tfevents") and all(name in content for name in (b"loss", b"val", b"lr"))


STRAIGHT = """
import os, random, signal, sys, time
from pathlib import Path
import torch
torch.set_num_threads(1)
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional
from coldframe.training import Group, Recipe, train

folder = Path(sys.argv[1])
generator = torch.Generator().manual_seed(0)
x, y = torch.randn(60, 3, 8, 8, generator=generator), torch.randint(4, (60,), generator=generator)

def fit(optimiser, run, save_seconds):
    recipe = Recipe(epochs=3, batch_size=16, lr=0.02, optimiser=optimiser, weight_decay=0.01, warmup=3, clip=1.0, seed=3)
    torch.manual_seed(5)
    net = nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.GELU(), nn.Flatten(), nn.Linear(216, 4))
    parameters = dict(net.named_parameters())
    def loss(items, epoch):
        noise = torch.randn(60, 1, 1, 1, generator=torch.Generator().manual_seed(epoch))[items]
        return functional.cross_entropy(net(x[items] + 0.1 * noise), y[items])
    def validate():
        net.eval()
        right = -float(functional.cross_entropy(net(x), y))
        net.train()
        return right
    groups = [Group([net[4].weight, net[4].bias]), Group(list(net[:2].parameters()), 0.1, decay=False)]
    state = parameters | dict(net.named_buffers())
    train(state, loss, 60, recipe, groups=groups, validate=validate, run=run, key="k", save_seconds=save_seconds)
    save_file({name: value.detach() for name, value in state.items()}, str(run / "final.safetensors"))

span = [0.0]  # seconds of a run that is not killed and saves once: a run that saves after every step takes longer

def again_and_again(die):
    fit("sgd", folder / "first", 1e9)  # the first run of a process takes longer
    for optimiser in ("sgd", "adam", "adamw"):
        began = time.perf_counter()
        fit(optimiser, folder / optimiser / "whole", 1e9)
        span[0] = time.perf_counter() - began
        starts, status = 0, signal.SIGKILL
        while status:
            assert status in (signal.SIGKILL, signal.SIGALRM) and starts < 1000, status
            starts += 1
            child = os.fork()
            if not child:
                die(starts)
                fit(optimiser, folder / optimiser / "killed", 0.0)
                os._exit(0)
            _, status = os.waitpid(child, 0)
        print(optimiser, starts)
"""
RANDOMLY = """
def die(starts):
    # As SIGKILL does, this ends the process at once, wherever it is.
    signal.setitimer(signal.ITIMER_REAL, random.uniform(0.02, 0.6) * span[0] * min(4, 1 + starts / 10))

again_and_again(die)
"""
INSIDE = """
def die(starts):
    # At the n-th call that opens, fills or renames a file, before it or after it.
    name, left, after = ("replace", "write_bytes", "open")[starts % 3], [1 + starts % 5], starts % 2
    real = getattr(Path, name)

    def call(*arguments, **named):
        left[0] -= 1
        if left[0] == 0 and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        value = real(*arguments, **named)
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return value

    setattr(Path, name, call)

again_and_again(die)
"""


@pytest.mark.parametrize("death", [RANDOMLY, INSIDE], ids=["at any moment", "inside a checkpoint"])
def test_a_run_killed_again_and_again_equals_the_one_that_was_not(tmp_path: Path, death: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STRAIGHT + death, str(tmp_path)],
        stdout=subprocess.PIPE, text=True, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, timeout=250,
    )  # fmt: skip
    starts = dict(line.split() for line in done.stdout.splitlines())
    assert sorted(starts) == ["adam", "adamw", "sgd"] and all(int(count) > 1 for count in starts.values()), starts
    for optimiser in starts:
        whole, killed = tmp_path / optimiser / "whole", tmp_path / optimiser / "killed"
        assert same(load_file(whole / "final.safetensors"), load_file(killed / "final.safetensors"))
        logs = [[json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()] for run in (whole, killed)]
        for row in logs[0] + logs[1]:
            del row["seconds"]
        assert logs[0] == logs[1] and len(logs[0]) == 3
        assert list(killed.glob(".checkpoint*")) == []


def test_what_is_better_is_higher_then_of_lower_loss() -> None:
    for value, loss, best, best_loss, expected in (
        (0.0, None, None, None, True), (0.5, 9.0, 0.4, 1.0, True), (0.4, 0.1, 0.5, 1.0, False), (0.5, 0.9, 0.5, 1.0, True),
        (0.5, 1.0, 0.5, 1.0, False), (0.5, 1.1, 0.5, 1.0, False), (0.5, None, 0.5, 1.0, False), (0.5, 1.0, 0.5, None, False),
        (0.5, None, 0.5, None, False),
    ):  # fmt: skip
        assert better(value, loss, best, best_loss) is expected


def test_the_order_of_a_seed_is_that_of_earlier_runs() -> None:
    assert order(2, 3, 8).tolist() == torch.randperm(8, generator=torch.Generator().manual_seed(2_000_009)).tolist()


@pytest.mark.parametrize(("seconds", "saves"), [(0.0, 16), (1e9, 1)])
def test_a_run_is_saved_after_the_seconds_and_at_its_end(
    seconds: float, saves: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    plain = checkpoint.save
    monkeypatch.setattr(checkpoint, "save", lambda *about: (seen.append(about[2].step), plain(*about)))
    Problem().train(run=tmp_path, save_seconds=seconds)
    assert len(seen) == saves == len(set(seen)) and seen[-1] == 16


def test_a_log_tells_step_loss_and_rate_of_each_epoch() -> None:
    problem = Problem()
    told: list[dict[str, float]] = []
    result = problem.train(replace(RECIPE, epochs=2, schedule="linear", warmup=0), report=told.append, stop=1)
    assert told == result.history and [line["epoch"] for line in told] == [1], "stop ends a run, not its schedule"
    assert told[0]["step"] == 4 and told[0]["lr"] == pytest.approx(0.05 * (1 - 3 / 8)) and 0 <= told[0]["seconds"] < 60
    one = Problem().train(Recipe(epochs=1, batch_size=8, lr=1e-9, optimiser="sgd"))
    with torch.no_grad():
        mean = -Problem().value()
    assert one.history[0]["loss"] == pytest.approx(mean, rel=1e-4), "the mean over images, not over batches"
    assert Problem().train(replace(RECIPE, epochs=1), stop=9).best_epoch == 1
