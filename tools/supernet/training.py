"""The recipe: what a training step does, how long it goes on, and how it is stopped and resumed.

The sandwich rule with distillation in place: each step trains the largest subnet on labels, and
the smallest and some drawn ones on what the largest says. A network alone is trained by the same
recipe on labels only. Needs torch.
"""

import io
import json
import pickle
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from math import cos, pi
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

from edgert.artifacts.files import write_atomically
from edgert.errors import ArtifactError
from edgert.families.ofa_resnet50 import note
from edgert.families.ofa_space import Space, Subnet
from edgert.processes import interrupts_wait
from edgert.schema import record_from_json
from supernet.data import Patches, training_batch
from supernet.model import Supernet

Progress = Callable[[int, int, float], None]  # steps done, steps in all, loss of the largest
_DAMAGED = (OSError, EOFError, LookupError, RuntimeError, TypeError, ValueError)  # of torch.load
_TRIED_STEPS = 12  # that tell what a step of a network alone costs


@dataclass(frozen=True)
class Recipe:
    """How to train.

    Attributes:
        steps: Of the whole training.
        batch: Pictures of a step.
        learning_rate: At its peak; a cosine to nothing follows.
        warm_up: Share of the steps in which it rises.
        decay: Of weights, not of normalisations.
        smoothing: Of labels.
        drawn: Subnets beside the largest and the smallest in each step.
        seed: Of everything that is drawn.
    """

    steps: int = 4000
    batch: int = 64
    learning_rate: float = 0.1
    warm_up: float = 0.05
    decay: float = 1e-4
    smoothing: float = 0.1
    drawn: int = 2
    seed: int = 0

    def rate(self, step: int) -> float:
        """The learning rate of a step."""
        rise = self.warm_up * self.steps
        if step < rise:
            return self.learning_rate * (step + 1) / rise
        return self.learning_rate * 0.5 * (1 + cos(pi * (step - rise) / (self.steps - rise)))


class Training:
    """A training on its way, in a folder of its own.

    Args:
        folder: Takes training.pt, from which a killed one goes on.
        space: Of the supernet.
        patches: What it learns from.
        recipe: How.
        alone: Train this subnet and no other.
    """

    def __init__(
        self,
        folder: Path,
        space: Space,
        patches: Patches,
        recipe: Recipe,
        *,
        alone: Subnet | None = None,
    ) -> None:
        self.folder, self.space, self.patches = folder, space, patches
        self.recipe, self.alone = recipe, alone
        torch.manual_seed(recipe.seed)
        self.model = Supernet(space).to(memory_format=torch.channels_last)
        self.optimizer = _optimizer(self.model, recipe)
        self.step = 0
        self.cpu_s = 0.0  # of this training, in all its starts

    @property
    def path(self) -> Path:
        """Where it is kept."""
        return self.folder / "training.pt"

    def resume(self) -> bool:
        """Go on from what the folder holds; whether there was something.

        Raises:
            ArtifactError: It was begun otherwise, or is damaged.
        """
        if not self.path.is_file():
            return False
        try:
            kept = torch.load(self.path, weights_only=True)
            _check_identity(self.path, dict(kept["identity"]), self.identity())
            self.model.load_state_dict(kept["model"])
            self.optimizer.load_state_dict(kept["optimizer"])
            self.step, self.cpu_s = kept["step"], kept["cpu_s"]
        except (pickle.UnpicklingError, *_DAMAGED) as error:
            raise ArtifactError(
                f"go on with {self.path}",
                expected="a training that was kept here",
                got="a damaged file, or one of another version",
                advice="Remove it to start anew, or name another folder",
            ) from error
        return True

    def identity(self) -> dict[str, str]:
        """What has to be the same to go on, and to end with the same weights."""
        alone = "none" if self.alone is None else note(self.alone)
        parts = {**asdict(self.space), **asdict(self.recipe), "alone": alone}
        return {
            **{name: str(value) for name, value in parts.items()},
            "patches": self.patches.digest,
            "threads": str(torch.get_num_threads()),
        }

    def save(self) -> None:
        """Keep what is there; the file is whole at any time.

        Raises:
            ArtifactError: The disk is full or the folder can't be written to.
        """
        content = {
            "identity": self.identity(),
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "cpu_s": self.cpu_s,
        }
        written = io.BytesIO()
        torch.save(content, written)
        write_atomically(self.path, written.getvalue())

    def run(self, *, every_s: float = 30.0, progress: Progress = lambda *_: None) -> None:
        """Train to the end, and keep what is there every so often, and at Ctrl-C."""
        self.model.train()
        saved_s = time.monotonic()
        try:
            while self.step < self.recipe.steps:
                with interrupts_wait():  # half a step could not be gone on with
                    begin_s = time.process_time()
                    loss = self.one_step()
                    self.cpu_s += time.process_time() - begin_s
                progress(self.step, self.recipe.steps, loss)
                if time.monotonic() - saved_s > every_s:
                    self.save()
                    saved_s = time.monotonic()
        except KeyboardInterrupt:
            self.save()
            raise
        self.save()

    def one_step(self) -> float:
        """One step; the loss of the largest subnet, or of the one that is alone."""
        recipe = self.recipe
        x, targets = training_batch(self.patches, recipe.batch, seed=recipe.seed, step=self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = recipe.rate(self.step)
        self.optimizer.zero_grad(set_to_none=True)
        first = self.space.largest() if self.alone is None else self.alone
        logits = self.model(x, first)
        loss = functional.cross_entropy(logits, targets, label_smoothing=recipe.smoothing)
        loss.backward()
        if self.alone is None:
            said = logits.detach().softmax(dim=1)
            for subnet in self._others():
                functional.cross_entropy(self.model(x, subnet), said).backward()
        self.optimizer.step()
        self.step += 1
        return float(loss.detach())

    def _others(self) -> Iterator[Subnet]:
        """The smallest subnet and drawn ones, sizes of pictures drawn as well."""
        draw = random.Random(f"{self.recipe.seed}/{self.step}")
        yield self.space.smallest(draw.choice(self.space.image_sizes))
        for _ in range(self.recipe.drawn):
            yield self.space.sample(draw)


def _optimizer(model: Supernet, recipe: Recipe) -> Any:
    decayed = [p for p in model.parameters() if p.ndim > 1]
    free = [p for p in model.parameters() if p.ndim <= 1]
    return torch.optim.SGD(
        [{"params": decayed, "weight_decay": recipe.decay}, {"params": free, "weight_decay": 0.0}],
        lr=recipe.learning_rate,
        momentum=0.9,
        nesterov=True,
    )


def steps_for(training: Training, cpu_s: float) -> int:
    """How many steps of a training take so much processor time; measured once, then kept.

    Processor time of all threads: what else runs on the machine lengthens a training, but hardly
    changes what it takes.

    Args:
        training: Is spoilt by this.
        cpu_s: In seconds.

    Raises:
        ArtifactError: What was kept is damaged.
    """
    path = training.folder / "steps.json"
    if path.is_file():
        kept = record_from_json(path, dict[str, float], ArtifactError)
        if kept.get("cpu_s", cpu_s) == cpu_s and "steps" in kept:
            return int(kept["steps"])
    training.model.train()
    training.one_step()  # the first one allocates
    begin_s = time.process_time()
    for _ in range(_TRIED_STEPS):
        training.one_step()
    each_s = (time.process_time() - begin_s) / _TRIED_STEPS
    steps = max(1, round(cpu_s / each_s))
    tried = {"steps": steps, "cpu_s_of_a_step": round(each_s, 4), "cpu_s": cpu_s}
    write_atomically(path, json.dumps(tried))
    return steps


def _check_identity(path: Path, kept: dict[str, str], asked: dict[str, str]) -> None:
    """Refuse to go on with something else, and say what differs."""
    differs = [name for name in asked if kept.get(name) != asked[name]]
    if differs:
        raise ArtifactError(
            f"go on with {path}",
            expected="what it was started with",
            got="; ".join(f"{n} {asked[n]} instead of {kept.get(n, 'nothing')}" for n in differs),
            advice="Give the same again, or name another folder",
        )


@contextmanager
def deterministic(threads: int) -> Iterator[None]:
    """Equal seeds give equal weights, on one machine with the same number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)
        torch.set_num_threads(before)
