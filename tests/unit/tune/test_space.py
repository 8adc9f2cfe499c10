from __future__ import annotations

import json
import math

import pytest

from advent_dist.config.override import override
from advent_dist.errors import ConfigError
from advent_dist.experiments import experiment
from tests.helpers import tiny_experiment
from tune.space import Choice, LogUniform, Ratio, Space, Uniform, parse, ready_made

WEIGHT, AUX, RATE = "method.lambda_adv", "method.lambda_adv_aux", "optimizer.segmenter_lr"
SPACE = Space({WEIGHT: LogUniform(1e-4, 1e-1), AUX: Ratio(0.1, 0.5, of=WEIGHT)})


def test_a_draw_depends_on_seed_and_number_alone() -> None:
    assert SPACE.sample(0, 3) == SPACE.sample(0, 3)
    draws = [SPACE.sample(seed, number)[WEIGHT] for seed in range(2) for number in range(3)]
    assert len(set(draws)) == 6


def test_log_uniform_spreads_over_orders_of_magnitude() -> None:
    draws = [SPACE.sample(0, number)[WEIGHT] for number in range(600)]
    assert all(1e-4 <= value <= 1e-1 for value in draws)
    for exponent in (-4, -3, -2):
        share = sum(10**exponent <= value < 10 ** (exponent + 1) for value in draws) / 600
        assert 0.25 < share < 0.42


def test_a_ratio_is_multiplied_and_found_again() -> None:
    for number in range(50):
        draw = SPACE.sample(1, number)
        values = SPACE.values(draw)
        assert values[AUX] == pytest.approx(values[WEIGHT] * draw[AUX], rel=1e-3)
        again = SPACE.draw(values)
        assert again == pytest.approx(draw, rel=2e-3)
        assert 0.1 <= again[AUX] <= 0.5


def test_the_grid_has_every_combination_once() -> None:
    space = Space({RATE: LogUniform(1e-4, 1e-2), "optimizer.power": Choice(0.5, 0.9)})
    draws = space.grid(3, seed=0)
    pairs = {(draw[RATE], draw["optimizer.power"]) for draw in draws}
    assert len(draws) == 6
    assert pairs == {(rate, power) for rate in (1e-4, 1e-3, 1e-2) for power in (0.5, 0.9)}
    assert draws != space.grid(3, seed=1)
    assert Space({RATE: Uniform(0.0, 1.0)}).grid(2, seed=0)[0][RATE] in (0.0, 1.0)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("streets_source_only", {RATE}),
        ("streets_minent", {"method.lambda_ent", "method.lambda_ent_aux", RATE}),
        ("gta5_cityscapes_advent", {WEIGHT, AUX, RATE, "optimizer.discriminator_lr"}),
    ],
)
def test_ready_made_spaces_hold_the_published_point(name: str, expected: set[str]) -> None:
    base = experiment(name)
    space = ready_made(base)
    assert set(space.distributions) == expected
    space.check(base)
    draw = space.draw(space.point(base))
    for path, one in space.distributions.items():
        assert isinstance(one, LogUniform)
        assert one.low < draw[path] < one.high


def test_the_space_of_two_resolutions() -> None:
    base = experiment("streets_hrda")
    space = ready_made(base)
    space.check(base)
    weights = {"method.lambda_mix", "method.lambda_fd"}
    others = {"method.threshold", "method.teacher_decay", RATE}
    assert set(space.distributions) == weights | others


def test_every_weight_of_a_methods_own_losses_is_searched() -> None:
    space = ready_made(experiment("gta5_cityscapes_vfm_uda_plus_plus"))
    weights = {path for path in space.distributions if "lambda" in path}
    own = ("mix", "mask", "distill_source", "distill_target")
    assert weights == {f"method.lambda_{name}" for name in own}


def test_what_is_off_is_searched_once_it_is_on() -> None:
    base = experiment("streets_minent")
    assert "method.lambda_prior" not in ready_made(base).distributions
    base = override(base, {"method.lambda_prior": 0.5})
    assert "method.lambda_prior" in ready_made(base).distributions


def test_a_single_head_has_no_auxiliary_weight() -> None:
    base = override(tiny_experiment("streets_advent"), {"model.multi_level": False})
    assert AUX not in ready_made(base).distributions


def test_nothing_is_around_zero() -> None:
    base = override(experiment("streets_advent"), {WEIGHT: 0.0})
    with pytest.raises(ConfigError, match=rf"{WEIGHT} = 0.0: .* value with --set, or --space"):
        ready_made(base)


def test_both_methods_together() -> None:
    base = override(experiment("streets_advent"), {"method.name": "advent_minent"})
    paths = set(ready_made(base).distributions)
    assert {WEIGHT, AUX, "method.lambda_ent", "method.lambda_ent_aux"} < paths


def test_self_training_has_thresholds_decay_and_masks_too() -> None:
    base = experiment("streets_mic")
    space = ready_made(base)
    fields = {path.removeprefix("method.") for path in space.distributions}
    assert fields == {
        *("lambda_mix", "lambda_mix_aux", "lambda_mask", "lambda_mask_aux", "lambda_fd"),
        *("threshold", "teacher_decay", "mask_ratio", RATE),
    }
    space.check(base)
    for name in ("threshold", "teacher_decay", "mask_ratio"):
        one = space.distributions[f"method.{name}"]
        assert isinstance(one, Uniform)
        for published in ("streets_mic", "gta5_cityscapes_mic"):
            assert one.low < getattr(experiment(published).method, name) < one.high


@pytest.mark.parametrize(
    ("rule", "read"),
    [
        ("share", {"threshold"}),
        ("confident", {"threshold"}),
        ("portion", {"portion"}),
        ("class_balanced", {"portion"}),
        ("class_capped", {"threshold", "portion"}),
    ],
)
def test_what_a_rule_of_pseudo_labels_reads_is_searched(rule: str, read: set[str]) -> None:
    base = override(experiment("streets_dacs"), {"method.pseudo_labels": rule})
    space = ready_made(base)
    fields = {path.removeprefix("method.") for path in space.distributions}
    assert fields & {"threshold", "portion"} == read
    space.check(base)


def test_fourier_frequencies_and_penalties_are_searched_where_there_are_some() -> None:
    base = experiment("gta5_cityscapes_fda")
    space = ready_made(base)
    beta = "data.augment.fda_beta"
    weight, penalty = "method.lambda_ent", "method.entropy_penalty"
    assert set(space.distributions) == {weight, penalty, beta, RATE}
    space.check(base)
    for path, published in ((beta, (0.01, 0.05, 0.09)), (penalty, (2.0,))):
        one = space.distributions[path]
        assert isinstance(one, Uniform)
        assert all(one.low < value < one.high for value in published)


def test_words_of_the_command_line() -> None:
    space = parse(
        (
            f"{WEIGHT}=loguniform:1e-4:1e-1",
            f"{AUX}=ratio:{WEIGHT}:0.1:0.5",
            "optimizer.power=uniform:0:1",
            "model.encoder=choice:test_resnet:resnet10t",
            "model.multi_level=choice:true:false",
        )
    )
    assert space.to_json() == {
        WEIGHT: {"kind": "loguniform", "low": 1e-4, "high": 0.1},
        AUX: {"kind": "ratio", "low": 0.1, "high": 0.5, "of": WEIGHT},
        "optimizer.power": {"kind": "uniform", "low": 0.0, "high": 1.0},
        "model.encoder": {"kind": "choice", "values": ["test_resnet", "resnet10t"]},
        "model.multi_level": {"kind": "choice", "values": [True, False]},
    }
    json.dumps(space.to_json())


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("optimizer.power", "give PATH=loguniform"),
        ("optimizer.power=normal:0:1", "give PATH=loguniform"),
        ("optimizer.power=uniform:0", "give PATH=loguniform"),
        ("optimizer.power=uniform:a:b", "give PATH=loguniform"),
        ("optimizer.power=uniform:1:0", "low < high"),
        ("optimizer.power=loguniform:0:1", "starts above 0"),
        ("optimizer.power=uniform:0:inf", "finite"),
    ],
)
def test_words_that_mean_nothing(word: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse((word,))


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("method.lambda_add=loguniform:1e-4:1e-1", "did you mean method.lambda_adv"),
        ("method=uniform:0:1", "no config field"),
        ("method.lambda_adv=uniform:-1:1", "must be 0 or more"),
        ("run.steps=choice:100:200", "run.steps is the same in all trials"),
        ("model.discriminator_width=uniform:8:64", "model.discriminator_width"),
        (f"{AUX}=ratio:{WEIGHT}:0.1:0.5", "no uniform or loguniform field of the space"),
    ],
)
def test_a_space_that_does_not_fit_the_experiment(word: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse((word,)).check(experiment("streets_advent"))


@pytest.mark.parametrize(
    "of", [f"{WEIGHT}=choice:0.1:0.2", f"{WEIGHT}=ratio:optimizer.power:0.1:0.5"]
)
def test_a_ratio_is_of_a_plain_number(of: str) -> None:
    words = ("optimizer.power=uniform:0.1:1", of, f"{AUX}=ratio:{WEIGHT}:0.1:0.5")
    with pytest.raises(ConfigError, match=f"{AUX} is a ratio of '{WEIGHT}', which is no uniform"):
        parse(words).check(experiment("streets_advent"))


def test_a_field_is_given_once() -> None:
    with pytest.raises(ConfigError, match=r"--space optimizer.power: given twice"):
        parse(("optimizer.power=uniform:0:1", "optimizer.power=choice:0.9"))


def test_values_are_short_enough_to_copy() -> None:
    for number in range(20):
        for value in SPACE.values(SPACE.sample(0, number)).values():
            assert math.isclose(value, float(f"{value:.4g}"), rel_tol=1e-12)
