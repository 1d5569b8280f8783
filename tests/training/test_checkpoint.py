from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from coldframe import files
from coldframe.errors import FileError, InputError
from coldframe.training import checkpoint
from coldframe.training.checkpoint import Progress
from coldframe.training.optimisers import Group, build


def made(optimiser: str, steps: int) -> tuple[dict[str, Tensor], torch.optim.Optimizer]:
    generator = torch.Generator().manual_seed(0)
    parameters = {name: torch.randn(3, 2, generator=generator).requires_grad_() for name in ("a", "b.c")}
    made = build(optimiser, [Group([parameters["a"]]), Group([parameters["b.c"]], 0.1)], 0.1)  # type: ignore[arg-type]
    for _ in range(steps):
        made.zero_grad()
        sum((value**3).sum() for value in parameters.values()).backward()  # type: ignore[union-attr]
        made.step()
    return parameters, made


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_everything_comes_back_to_the_bit(tmp_path: Path, name: str) -> None:
    parameters, optimiser = made(name, 3)
    best = {key: value.detach() + 1 for key, value in parameters.items()}
    progress = Progress(step=3, epoch=1, best=0.1 + 0.2, best_epoch=1, loss_sum=1 / 3, seen=5, seconds=2.5)
    progress.history.append({"loss": 1e-17})
    checkpoint.save(tmp_path, "key", progress, parameters, optimiser, best)
    others, fresh = made(name, 0)
    found = checkpoint.restore(tmp_path, "key", others, fresh)
    assert found is not None and found[0] == progress and found[1] is not None
    for key, value in parameters.items():
        assert torch.equal(others[key], value) and torch.equal(found[1][key], best[key])
    ours, theirs = optimiser.state_dict(), fresh.state_dict()
    assert ours["state"].keys() == theirs["state"].keys() == {0, 1}
    for position, state in ours["state"].items():
        assert state.keys() == theirs["state"][position].keys() and state
        for field, value in state.items():
            other = theirs["state"][position][field]
            assert torch.equal(other, value) and other.dtype == value.dtype


def test_the_state_is_used(tmp_path: Path) -> None:
    parameters, optimiser = made("sgd", 3)
    checkpoint.save(tmp_path, "key", Progress(), parameters, optimiser, None)
    others, fresh = made("sgd", 0)
    assert checkpoint.restore(tmp_path, "key", others, fresh) == (Progress(), None)
    for values, each in ((parameters, optimiser), (others, fresh)):
        each.zero_grad()
        sum((value**2).sum() for value in values.values()).backward()  # type: ignore[union-attr]
        each.step()
    assert all(torch.equal(others[key], value) for key, value in parameters.items())


def test_no_checkpoint_is_none_and_another_run_is_refused(tmp_path: Path) -> None:
    parameters, optimiser = made("sgd", 1)
    assert checkpoint.restore(tmp_path / "absent", "key", parameters, optimiser) is None
    checkpoint.save(tmp_path, "key", Progress(), parameters, optimiser, None)
    before = {key: value.detach().clone() for key, value in parameters.items()}
    with pytest.raises(InputError, match="holds an unfinished run with other settings"):
        checkpoint.restore(tmp_path, "other", parameters, optimiser)
    assert all(torch.equal(parameters[key], value) for key, value in before.items())


def test_a_damaged_checkpoint_is_one_sentence(tmp_path: Path) -> None:
    parameters, optimiser = made("sgd", 1)
    checkpoint.save(tmp_path, "key", Progress(), parameters, optimiser, None)
    path = tmp_path / checkpoint.NAME
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(FileError, match="expected a safetensors file"):
        checkpoint.restore(tmp_path, "key", parameters, optimiser)


def test_half_written_checkpoints_are_swept(tmp_path: Path) -> None:
    parameters, optimiser = made("sgd", 1)
    checkpoint.save(tmp_path, "key", Progress(), parameters, optimiser, None)
    (tmp_path / f".{checkpoint.NAME}.abc.part").write_bytes(b"half")
    checkpoint.restore(tmp_path, "key", parameters, optimiser)
    assert [path.name for path in tmp_path.iterdir()] == [checkpoint.NAME]


def test_a_checkpoint_that_lacks_something_is_one_sentence(tmp_path: Path) -> None:
    parameters, optimiser = made("adam", 2)
    best = {key: value.detach().clone() for key, value in parameters.items()}
    checkpoint.save(tmp_path, "key", Progress(best_epoch=1), parameters, optimiser, best)
    path = tmp_path / checkpoint.NAME
    tensors, note = files.read_safetensors(path)
    assert "1/step" not in note["scalars"] and {"optimiser/0/exp_avg", "now/a", "best/b.c"} <= tensors.keys()
    wrong: list[dict[str, Tensor]] = [
        {name: value for name, value in tensors.items() if not name.startswith("best/")},
        tensors | {"best/a": torch.zeros(1, 2)},
        {name: value for name, value in tensors.items() if name != "now/a"},
        tensors | {"now/a": torch.zeros(4, 4)},
        tensors | {"optimiser/9/exp_avg": torch.zeros(3, 2)},
    ]
    for held in wrong:
        files.write_safetensors(path, held, note)
        with pytest.raises(FileError, match=r"its tensors are not those of this run; remove .* to start anew"):
            checkpoint.restore(tmp_path, "key", *made("adam", 0))
    files.write_safetensors(path, tensors, note)
    assert checkpoint.restore(tmp_path, "key", *made("adam", 0)) is not None
