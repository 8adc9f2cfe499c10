"""What is searched: dotted config path -> distribution.

    from tune.space import Choice, LogUniform, Space

    Space({"method.lambda_adv": LogUniform(1e-4, 1e-1), "model.multi_level": Choice(True, False)})

On the command line the same is `method.lambda_adv=loguniform:1e-4:1e-1`
`model.multi_level=choice:true:false`.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Protocol

import numpy as np

from advent_dist.config import Experiment, MethodConfig
from advent_dist.config.methods.baseline import baseline_of
from advent_dist.config.methods.self_training import SelfTrainingConfig
from advent_dist.config.override import override
from advent_dist.errors import ConfigError

Values = dict[str, Any]
"""Dotted config path -> value: what distinguishes one trial."""


class Distribution(Protocol):
    """Where one field's values come from."""

    def sample(self, random: np.random.Generator) -> Any:
        """A value at random."""

    def grid(self, points: int) -> list[Any]:
        """At most `points` values, evenly spread over the distribution."""

    def to_json(self) -> dict[str, Any]:
        """`kind` and parameters."""


@dataclass(frozen=True)
class _Interval:
    low: float
    """Smallest value."""

    high: float
    """Largest value."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ConfigError(f"{self}: give finite numbers with low < high")


@dataclass(frozen=True)
class Uniform(_Interval):
    """Any number of an interval, all equally likely."""

    def sample(self, random: np.random.Generator) -> float:
        """See `Distribution`."""
        return _rounded(random.uniform(self.low, self.high))

    def grid(self, points: int) -> list[float]:
        """See `Distribution`."""
        return [_rounded(value) for value in np.linspace(self.low, self.high, points)]

    def to_json(self) -> dict[str, Any]:
        """See `Distribution`."""
        return {"kind": "uniform", **asdict(self)}


@dataclass(frozen=True)
class LogUniform(_Interval):
    """Any number of an interval of positive ones, all orders of magnitude equally likely."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.low <= 0:
            raise ConfigError(f"{self}: a log scale starts above 0")

    def sample(self, random: np.random.Generator) -> float:
        """See `Distribution`."""
        return _rounded(math.exp(random.uniform(math.log(self.low), math.log(self.high))))

    def grid(self, points: int) -> list[float]:
        """See `Distribution`."""
        return [_rounded(value) for value in np.geomspace(self.low, self.high, points)]

    def to_json(self) -> dict[str, Any]:
        """See `Distribution`."""
        return {"kind": "loguniform", **asdict(self)}


@dataclass(frozen=True)
class Ratio(LogUniform):
    """Another field of the space times a log-uniform factor: an auxiliary head's loss weight."""

    of: str
    """Path of that other field."""

    def clipped(self, factor: float) -> float:
        """A factor that was computed from rounded values, put back into the interval."""
        within = _rounded(min(max(factor, self.low), self.high))
        return within if math.isclose(within, factor, rel_tol=1e-2) else factor

    def to_json(self) -> dict[str, Any]:
        """See `Distribution`."""
        return {"kind": "ratio", **asdict(self)}


class Choice:
    """One of a few values."""

    def __init__(self, *values: Any) -> None:
        if not values:
            raise ConfigError("a choice needs at least one value")
        self.values = values

    def sample(self, random: np.random.Generator) -> Any:
        """See `Distribution`."""
        return self.values[random.integers(len(self.values))]

    def grid(self, points: int) -> list[Any]:
        """All values, however many."""
        return list(self.values)

    def to_json(self) -> dict[str, Any]:
        """See `Distribution`."""
        return {"kind": "choice", "values": list(self.values)}


@dataclass(frozen=True)
class Space:
    """The fields that are searched. Below, `draw` means values with ratios not yet multiplied."""

    distributions: Mapping[str, Distribution]
    """Dotted config path -> distribution."""

    def sample(self, seed: int, number: int) -> Values:
        """The draw of random trial `number`: a function of the two integers, so resumable."""
        random = np.random.default_rng((seed, number))
        return {path: one.sample(random) for path, one in self.distributions.items()}

    def grid(self, points: int, seed: int) -> list[Values]:
        """Every draw on the grid, shuffled, so that the first few are spread over it."""
        axes = [one.grid(points) for one in self.distributions.values()]
        draws = [
            dict(zip(self.distributions, one, strict=True)) for one in itertools.product(*axes)
        ]
        np.random.default_rng(seed).shuffle(draws)
        return draws

    def values(self, draw: Values) -> Values:
        """The config values that a draw stands for."""
        return {
            path: _rounded(draw[path] * draw[one.of]) if isinstance(one, Ratio) else draw[path]
            for path, one in self.distributions.items()
        }

    def draw(self, values: Values) -> Values:
        """The draw that stands for these config values.

        Raises:
            ConfigError: a ratio is of a field that is 0.
        """
        for path, one in self.distributions.items():
            if isinstance(one, Ratio) and not values[one.of]:
                raise ConfigError(
                    f"{one.of} = {values[one.of]}, and {path} is a ratio of it; give {one.of} a "
                    f"positive value with --set, or {path} a distribution without a ratio"
                )
        return {
            path: one.clipped(values[path] / values[one.of])
            if isinstance(one, Ratio)
            else values[path]
            for path, one in self.distributions.items()
        }

    def point(self, experiment: Experiment) -> Values:
        """The experiment's own values: the published point."""
        return {path: _field(experiment, path) for path in self.distributions}

    def check(self, experiment: Experiment) -> None:
        """Try both ends of every distribution, and some values between them.

        Raises:
            ConfigError: a path is unknown, a value does not fit it, or a ratio is of nothing.
        """
        if not self.distributions:
            raise ConfigError("the space is empty; give at least one PATH=DISTRIBUTION")
        for path, one in self.distributions.items():
            if path.startswith("run.") and path != "run.seed":
                raise ConfigError(f"{path} is the same in all trials; give it with --set")
            # The path first: a ratio's ends are no values of its own field.
            override(experiment, {path: _field(experiment, path)})
            if isinstance(one, Ratio):
                if not isinstance(self.distributions.get(one.of), _Interval) or isinstance(
                    self.distributions[one.of], Ratio
                ):
                    raise ConfigError(
                        f"{path} is a ratio of {one.of!r}, which is no uniform or loguniform "
                        "field of the space"
                    )
                continue
            # Between the ends too, where a whole number may be wanted.
            random = np.random.default_rng(0)
            for value in (*one.grid(2), *(one.sample(random) for _ in range(8))):
                override(experiment, {path: value})

    def to_json(self) -> dict[str, Any]:
        """Path -> kind and parameters."""
        return {path: one.to_json() for path, one in self.distributions.items()}


_FDA_BETA = Uniform(0.005, 0.15)
_OF_METHODS: dict[str, Distribution] = {
    "entropy_penalty": Uniform(0.5, 3.0),
    "threshold": Uniform(0.8, 0.99),
    "portion": Uniform(0.1, 0.9),
    "teacher_decay": Uniform(0.9, 0.9995),
    "mask_ratio": Uniform(0.3, 0.9),
}


def ready_made(experiment: Experiment) -> Space:
    """Loss weights and learning rates of an experiment's method, around its own values.

    A weight goes from a tenth to ten times its own value, as does a learning rate; the auxiliary
    head's weight from a twentieth of the main head's to all of it. Penalties, thresholds, portions,
    a teacher's decay, shares of hidden pixels and of Fourier frequencies have ranges of their own.

    Raises:
        ConfigError: one of them is 0, which nothing is around.
    """
    paths: dict[str, Distribution] = {}
    for weight in _weights(experiment.method):
        main, aux = f"method.{weight}", f"method.{weight}_aux"
        paths[main] = _around(experiment, main)
        if getattr(experiment.model, "multi_level", False) and hasattr(
            experiment.method, f"{weight}_aux"
        ):
            paths[aux] = Ratio(0.05, 1.0, of=main)
    unread = experiment.method.unread if isinstance(experiment.method, SelfTrainingConfig) else ()
    for name, distribution in _OF_METHODS.items():
        if getattr(experiment.method, name, None) is not None and name not in unread:
            paths[f"method.{name}"] = distribution
    if experiment.data.augment.fda_beta:
        paths["data.augment.fda_beta"] = _FDA_BETA
    rates = ["optimizer.segmenter_lr"]
    if hasattr(experiment.method, "lambda_adv"):
        rates.append("optimizer.discriminator_lr")
    return Space(paths | {path: _around(experiment, path) for path in rates})


def _weights(method: MethodConfig) -> list[str]:
    """Of a method's own losses, those of main heads, but for what is off unless asked for."""
    supervised = {field.name for field in fields(baseline_of(method))}
    return [
        field.name
        for field in fields(method)
        if field.name.startswith("lambda_")
        and not field.name.endswith(("_aux", "_detail"))
        and field.name not in supervised
        and (field.default != 0 or getattr(method, field.name) != 0)
    ]


def parse(items: tuple[str, ...]) -> Space:
    """The space that command-line words mean, each PATH=KIND:PARAMETER:PARAMETER...

    Raises:
        ConfigError: a word is none of that form.
    """
    pairs = [_parse(item) for item in items]
    paths = [path for path, _ in pairs]
    twice = next((path for path in paths if paths.count(path) > 1), None)
    if twice is not None:
        raise ConfigError(f"--space {twice}: given twice; leave one out")
    return Space(dict(pairs))


def _parse(item: str) -> tuple[str, Distribution]:
    path, _, text = item.partition("=")
    kind, *words = text.split(":")
    try:
        if kind == "choice":
            return path, Choice(*map(_literal, words))
        if kind == "ratio":
            return path, Ratio(float(words[1]), float(words[2]), of=words[0])
        low, high = map(float, words)
        scales: dict[str, type[Uniform | LogUniform]] = {
            "uniform": Uniform,
            "loguniform": LogUniform,
        }
        return path, scales[kind](low, high)
    except ConfigError as error:
        raise ConfigError(f"--space {item}: {error}") from None
    except (ValueError, KeyError, IndexError):
        raise ConfigError(
            f"--space {item}: give PATH=loguniform:LOW:HIGH, PATH=uniform:LOW:HIGH, "
            "PATH=choice:A:B:..., or PATH=ratio:OTHER_PATH:LOW:HIGH"
        ) from None


def _literal(word: str) -> Any:
    """A number, true, false or null; else the word itself."""
    try:
        return json.loads(word)
    except ValueError:
        return word


def _around(experiment: Experiment, path: str) -> LogUniform:
    value = _field(experiment, path)
    if value <= 0:
        raise ConfigError(
            f"{path} = {value}: the space without --space goes from a tenth to ten times it; "
            "give a positive value with --set, or --space"
        )
    return LogUniform(_rounded(value / 10), _rounded(value * 10))


def _field(experiment: Experiment, path: str) -> Any:
    node: Any = asdict(experiment)
    for name in path.split("."):
        node = node.get(name) if isinstance(node, dict) else None
    if node is None:
        override(experiment, {path: None})  # names the nearest field, where there is none
    return node


def _rounded(value: float) -> float:
    """Four digits: enough to find again, short enough to copy."""
    return float(f"{value:.4g}")
