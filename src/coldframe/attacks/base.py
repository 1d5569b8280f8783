"""The loop that all gradient attacks share.

What is kept here:

- The model only ever sees images that a file can hold. The iterate is a real-valued change; before every forward pass it
  is rounded to multiples of 1/255 within eps, and the gradient at the rounded image moves the real-valued change
  (straight through). So what is judged is what is returned, to the bit.
- An image that is fooled takes no further part, neither in later steps nor in restarts.
- Gradients are asked for the images alone; those of the weights are never computed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from coldframe.attacks.checks import LEVELS, Goal, check_eps, checked_goal, checked_images
from coldframe.attacks.sanity import Model, check_gradient, examine, examine_gradient
from coldframe.attacks.transforms import Transform
from coldframe.errors import InputError


@dataclass(frozen=True)
class Adversarial:
    """What an attack found.

    Args:
        images: [B, 3, H, W] in [0, 1]; multiples of 1/255 unless the attack was told otherwise.
        fooled: which reach the goal, bool [B].
        predicted: the class that comes first, int64 [B].
        probability: of the target, or of the true class where there is none, [B].
        steps: forward-and-backward passes spent on each, int64 [B].
    """

    images: Tensor
    fooled: Tensor
    predicted: Tensor
    probability: Tensor
    steps: Tensor

    @property
    def uint8(self) -> Tensor:
        """The images as a file holds them: uint8 [B, 3, H, W]."""
        return (self.images * LEVELS).round().to(torch.uint8)


class Attack(ABC):
    """An attack by gradient steps within a ball around the image.

    Args:
        eps: radius of the ball, in units of [0, 1]: 8/255 allows 8 of the 255 steps of a file.
        steps: forward-and-backward passes, at most.
        step: length of one step, in the attack's own norm; by default ``2.5 * eps / steps``, at least 1/255 for L-infinity.
        momentum: share of the earlier directions that is kept, in [0, 1); gradients are divided by their mean first.
        random_start: start at a random point of the ball; later restarts always do.
        restarts: how often to begin, each time on the images that are not fooled yet.
        confidence: probability in [0, 1] that counts as fooled, see :meth:`Goal.reached`; 0 asks for the first place alone.
        transforms: random changes that the image must survive (expectation over transformation): the gradient is that of the
            mean over samples. Then no image is left early, because a few samples cannot show that it survives.
        samples: draws of ``transforms`` in each step.
        uint8: whether results are multiples of 1/255; the images must be so as well.
        seed: of random starts and transforms.

    Raises:
        InputError: a value outside its range, in one sentence.
    """

    def __init__(
        self,
        eps: float,
        *,
        steps: int = 40,
        step: float | None = None,
        momentum: float = 0.0,
        random_start: bool = False,
        restarts: int = 1,
        confidence: float = 0.0,
        transforms: Transform | None = None,
        samples: int = 4,
        uint8: bool = True,
        seed: int = 0,
    ) -> None:
        check_eps(eps, self.largest, uint8)
        for name, count in (("steps", steps), ("restarts", restarts), ("samples", samples)):
            if count < 1:
                raise InputError(f"expected {name} of 1 or more, found {count}")
        if step is not None and not 0 < step < float("inf"):
            raise InputError(f"expected a step above 0, found {step:g}; leave it out for 2.5 * eps / steps")
        if not (0 <= momentum < 1 and 0 <= confidence <= 1):
            raise InputError(f"expected momentum in [0, 1) and confidence in [0, 1], found {momentum:g} and {confidence:g}")
        self.eps, self.steps, self.momentum, self.random_start = eps, steps, momentum, random_start
        self.restarts, self.confidence, self.transforms, self.samples = restarts, confidence, transforms, samples
        self.uint8, self.seed = uint8, seed
        self.step = self._usual_step() if step is None else step

    largest: float = 1.0
    """Largest radius that means anything in this norm."""

    @abstractmethod
    def _usual_step(self) -> float:
        """Return the length of a step where none was asked for."""

    @abstractmethod
    def _direction(self, gradient: Tensor) -> Tensor:
        """Return the direction [B, 3, H, W] of a step of length 1."""

    @abstractmethod
    def _project(self, change: Tensor) -> Tensor:
        """Return the nearest change [B, 3, H, W] within the ball."""

    @abstractmethod
    def _whole(self, change: Tensor) -> Tensor:
        """Round a change in units of 1/255 to whole numbers within the ball, [B, 3, H, W]."""

    @abstractmethod
    def _start(self, shape: torch.Size, generator: torch.Generator) -> Tensor:
        """Draw a random change [B, 3, H, W] of the ball, on the CPU."""

    def _height(self, log_probability: Tensor) -> Tensor:
        """Return what is climbed, from the log-probability [B]: cross-entropy's own measure."""
        return log_probability

    def __call__(self, model: Model, images: Tensor, labels: Tensor, targets: Tensor | None = None) -> Adversarial:
        """Attack.

        Args:
            model: images in [0, 1] -> logits [B, K]; its preprocessing is inside.
            images: [B, 3, H, W] in [0, 1].
            labels: true classes [B], int64.
            targets: wanted classes [B], int64; None for any wrong class.

        Returns:
            The adversarial images; those that could not be fooled are the nearest to it that was met.

        Raises:
            InputError: images or classes that cannot be used, in one sentence.
        """
        clean = checked_images(images, self.uint8)
        goal = checked_goal(labels, targets, len(clean), examine(model, clean), clean.device)
        generator = torch.Generator().manual_seed(self.seed)
        found = self._once(model, clean, goal, generator, self.random_start)
        for _ in range(1, self.restarts):
            rows = (~found.fooled).nonzero()[:, 0]
            if not len(rows):
                break
            found = _better(found, self._once(model, clean[rows], goal.of(rows), generator, True), rows, goal)
        return found

    def shown(self, clean: Tensor, change: Tensor) -> Tensor:
        """Return the image that the model sees: rounded where asked for, within [0, 1] and within eps."""
        if not self.uint8:
            return (clean + change).clamp(0, 1)
        return ((clean * LEVELS).round() + self._whole(change * LEVELS)).clamp(0, LEVELS) / LEVELS

    def _once(self, model: Model, clean: Tensor, goal: Goal, generator: torch.Generator, random: bool) -> Adversarial:
        n, sign = len(clean), -1.0 if goal.targets is None else 1.0
        change = torch.zeros_like(clean)
        if random:
            change = self._project(self._start(clean.shape, generator).to(clean))
        images, pace = clean.clone(), torch.zeros_like(clean) if self.momentum else None
        height = torch.full((n,), -torch.inf, device=clean.device)
        fooled, predicted = torch.zeros_like(height, dtype=torch.bool), goal.labels.clone()
        steps = torch.zeros_like(goal.labels)
        probability = torch.zeros_like(height)
        rows = torch.arange(n, device=clean.device)
        for number in range(self.steps + 1):
            last, part = number == self.steps, goal.of(rows)
            x = self.shown(clean[rows], change[rows]).detach().requires_grad_(not last)
            if self.transforms is None or last:
                with torch.set_grad_enabled(not last):
                    logits = model(x)
                    odds = part.log_probability(logits)
                    scores = sign * self._height(odds)
                done, now = part.reached(logits.detach(), self.confidence), scores.detach()
                better = done | (now > height[rows])
                at = rows[better]
                images[at], height[at], predicted[at] = x.detach()[better], now[better], logits.detach().argmax(-1)[better]
                probability[at], fooled[rows] = odds.detach().exp()[better], done
                if last or bool(done.all()):
                    break
                check_gradient(scores)
                (gradient,) = torch.autograd.grad(scores[~done].sum(), x)
                gradient, rows = gradient[~done], rows[~done]
            else:
                gradient = self._expected(model, x, part, sign, generator)
            if not number:
                examine_gradient(gradient)
            if pace is not None:
                pace[rows] = gradient = self.momentum * pace[rows] + _even(gradient)
            moved = self._project(change[rows] + self.step * self._direction(gradient))
            change[rows] = (clean[rows] + moved).clamp(0, 1) - clean[rows]
            steps[rows] += 1
        return Adversarial(images, fooled, predicted, probability, steps)

    def _expected(self, model: Model, x: Tensor, goal: Goal, sign: float, generator: torch.Generator) -> Tensor:
        """Return the gradient of the mean of the height over ``samples`` draws of the transforms, [B, 3, H, W]."""
        assert self.transforms is not None
        total = torch.zeros_like(x)
        for _ in range(self.samples):
            scores = sign * self._height(goal.log_probability(model(self.transforms(x, generator))))
            check_gradient(scores)
            total += torch.autograd.grad(scores.sum(), x)[0]
        return total / self.samples


def _even(gradient: Tensor) -> Tensor:
    """Divide by the mean absolute value, image by image; a zero gradient stays zero."""
    return gradient / gradient.abs().mean((1, 2, 3), keepdim=True).clamp_min(torch.finfo(gradient.dtype).tiny)


def _better(old: Adversarial, new: Adversarial, rows: Tensor, goal: Goal) -> Adversarial:
    """Put a restart's results where they fool, or come nearer to it, into the earlier ones."""
    nearer = new.probability > old.probability[rows]
    take = new.fooled | (nearer if goal.targets is not None else ~nearer)
    at = rows[take]
    images, fooled, predicted = old.images.clone(), old.fooled.clone(), old.predicted.clone()
    probability, steps = old.probability.clone(), old.steps.clone()
    images[at], fooled[at], predicted[at] = new.images[take], new.fooled[take], new.predicted[take]
    probability[at] = new.probability[take]
    steps[rows] += new.steps
    return Adversarial(images, fooled, predicted, probability, steps)
