"""The rules that every setting must keep, checked once, before anything is read or written.

:func:`validate` raises :class:`kws_exp.errors.KwsError` at the first broken rule. Types were checked by the
composition (``kws_exp.config``); here are the ranges, the choices, and the rules between two settings.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import fields
from operator import attrgetter

from kws_exp import features, models, optimizer
from kws_exp.errors import KwsError, nearest
from kws_exp.schema import SILENCE, UNKNOWN, Config, Detector, Sweeper, SynthesisRecipe

CORES = ("cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55")
RANGES: dict[str, tuple[float, float]] = {
    "seed": (0, 2**32 - 1),
    "data.silence_percentage": (0, 100),
    "data.unknown_percentage": (0, 100),
    "data.validation_percentage": (0, 100),
    "data.testing_percentage": (0, 100),
    "data.synthetic_per_word": (0, 10_000),
    "data.synthetic.clips_per_word": (10, 100_000),
    "data.synthetic.other_clips_per_word": (0, 100_000),
    "data.synthetic.pitch_spread": (0, 1),
    "data.synthetic.equaliser_db": (0, 40),
    "data.synthetic.reverb_share": (0, 1),
    "data.synthetic.noise_swell_db": (0, 40),
    "data.synthetic.bursts": (0, 20),
    "data.synthetic.clipped_share": (0, 1),
    "data.synthetic.short_share": (0, 1),
    "augment.time_shift_ms": (0, 1000),
    "augment.background_frequency": (0, 1),
    "augment.background_volume": (0, 1),
    "augment.gain_db": (0, 40),
    "augment.time_mask_ms": (0, 1000),
    "augment.frequency_mask": (0, 1),
    "augment.bank": (0, 1000),
    "train.batch_size": (1, 100_000),
    "train.eval_interval": (1, 10_000_000),
    "train.save_interval": (1, 10_000_000),
    "train.log_interval": (1, 10_000_000),
    "train.keep": (1, 1000),
    "train.label_smoothing": (0, 0.9),
    "stream.minutes": (0.1, 10_000),
    "stream.snr_db": (-60, 100),
    "stream.max_false_accepts_per_hour": (0, 3600),
    "export.calibration_clips": (1, 100_000),
    "export.emulated_clips": (1, 10_000),
    "export.detector.hop_frames": (0, 1000),
    "export.detector.average_window_ms": (4, 10_000),
    "export.detector.detection_threshold": (0, 255),
    "export.detector.suppression_ms": (0, 60_000),
    "export.detector.minimum_count": (1, 1000),
}
CHOICES: dict[str, Sequence[str]] = {
    "data.name": ("auto", "speech_commands", "synthetic"),
    "train.select": ("best", "stream", "last"),
    "train.precision": ("auto", "float32", "bfloat16"),
    "export.profile": ("tflm", "tflm_micro_speech", "esphome"),
    "verbosity": ("debug", "info", "warning", "error"),
}


def validate(config: Config) -> None:
    """Raise KwsError at the first setting that is out of range, of no meaning, or at odds with another."""
    for key, (low, high) in RANGES.items():
        value = attrgetter(key)(config)
        if value is not None:
            _in_range(key, value, low, high)
    check_choices(config)
    check_words(config.words)
    _check_recipe(config.data.synthetic)
    _check_partitions(config)
    _check_steps(config)
    features.validate(config.features)
    models.check(config.model, config.features.frames, config.features.width)
    _check_export(config)


def check_choices(config: Config) -> None:
    """Refuse a name that is none of the choices of its setting."""
    for key, choices in CHOICES.items():
        _one_of(key, attrgetter(key)(config), choices)


def check_single(sweeper: Sweeper) -> None:
    """Refuse settings of a sweep in a run that is no part of one.

    Raises:
        KwsError: one is given.
    """
    defaults = Sweeper()
    if sweeper.trial is not None:
        raise KwsError(f"sweeper.trial={sweeper.trial} is set by a sweep, for its jobs: leave it out")
    given = (item.name for item in fields(Sweeper) if getattr(sweeper, item.name) != getattr(defaults, item.name))
    name = next(given, None)
    if name is not None:
        value = getattr(sweeper, name)
        shown = f"={value}" if isinstance(value, int | float) else ""
        raise KwsError(
            f"sweeper.{name}{shown} is for sweeps, and this is a single run: add sweeps=tune or another of sweeps/, or "
            "--multirun hydra/sweeper=kws_optuna, or leave it out"
        )


def complete(config: Config, synthetic: bool) -> None:
    """Fill in the defaults that depend on other settings or on the kind of speech."""
    share = 100 // (len(config.words) + 2)  # for two words 25, as in the TinyML course
    data, augment = config.data, config.augment
    data.silence_percentage = _default(data.silence_percentage, share)
    # other words are what synthetic speech teaches worst: with twice as many, recorded words went from 84.7 to 87.9 %
    # in validation and from 80.5 to 81.8 % in testing, mean of 3 seeds
    data.unknown_percentage = _default(data.unknown_percentage, 2 * share if synthetic else share)
    config.optimizer.schedule = optimizer.schedule(config.optimizer, config.train.steps)
    augment.time_mask_ms = _default(augment.time_mask_ms, 120.0 if synthetic else 0.0)
    augment.frequency_mask = _default(augment.frequency_mask, 0.12 if synthetic else 0.0)


def check_words(words: Sequence[str], available: Sequence[str] | None = None) -> None:
    """Refuse words that repeat, that YAML has turned into truth values, or (if given) that no data holds."""
    if not words:
        raise KwsError("words must name at least one keyword: write words=[yes,no]")
    for word in words:
        if not isinstance(word, str):
            raise KwsError(f"words must be a plain list, but holds {word}: write words=[yes,no]")
        if word in {"True", "False", "None"}:
            raise KwsError(
                f"words holds '{word}', which YAML makes of an unquoted yes, no, on, off, true, false or null: "
                'put the words in quotes, as in words: ["yes", "no"]'
            )
        if word in {SILENCE, UNKNOWN} or word.startswith("_"):
            raise KwsError(f"words must not hold '{word}': {SILENCE} and {UNKNOWN} are always added by themselves")
    repeated = [word for word, count in Counter(words).items() if count > 1]
    if repeated:
        raise KwsError(
            f"words must not repeat, but '{repeated[0]}' is there {words.count(repeated[0])} times: remove one"
        )
    missing = [word for word in words if available is not None and word not in available]
    if missing and available is not None:
        raise KwsError(
            f"the data has no word '{missing[0]}'{nearest(missing[0], available)}: it has {', '.join(available)}; "
            "for any other word take data=synthetic, or add data.synthetic_per_word=300"
        )


def _default(value: float | None, default: float) -> float:
    return float(default) if value is None else value


def _in_range(key: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        clamped = low if math.isnan(value) else min(max(value, low), high)
        raise KwsError(f"{key} must be from {low:g} to {high:g}, but is {value:g}: the nearest is {key}={clamped:g}")


def _one_of(key: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise KwsError(f"{key}={value} is not known{nearest(value, choices)}: it is one of {', '.join(choices)}")


def _check_recipe(recipe: SynthesisRecipe) -> None:
    for item in fields(recipe):
        value = getattr(recipe, item.name)
        if isinstance(value, Sequence) and len(value) != 2:
            raise KwsError(
                f"data.synthetic.{item.name} takes two numbers, but is {list(value)}: "
                f"write e.g. data.synthetic.{item.name}={list(getattr(SynthesisRecipe(), item.name))}"
            )
        if isinstance(value, Sequence) and item.name != "centre_s" and not value[0] <= value[1]:
            raise KwsError(
                f"data.synthetic.{item.name} goes from low to high, but is {list(value)}: "
                f"write data.synthetic.{item.name}=[{value[1]:g},{value[0]:g}]"
            )


def _check_partitions(config: Config) -> None:
    held_out = config.data.validation_percentage + config.data.testing_percentage
    if held_out >= 100:
        raise KwsError(
            f"data.validation_percentage and data.testing_percentage must leave clips to train on, but add up to "
            f"{held_out:g} %: take 10 and 10"
        )


def _check_steps(config: Config) -> None:
    steps = config.train.steps
    if not steps or min(steps) < 1:
        raise KwsError(
            f"train.steps must be whole numbers from 1, one a stage, but is {steps}: write train.steps=[3000]"
        )
    optimizer.check(config.optimizer, steps)


def _check_export(config: Config) -> None:
    if config.stream.evaluate and not config.export.enabled:
        raise KwsError(
            "stream.evaluate=true scores the exported model, so that export.enabled must be true: leave "
            "export.enabled=false out"
        )
    for core in config.export.emulated_cores:
        _one_of("export.emulated_cores", core, CORES)
    if config.export.detector != Detector():
        _check_detector(config)


def _check_thresholds(thresholds: Sequence[int], labels: Sequence[str]) -> None:
    key = "export.detector.thresholds"
    if thresholds and len(thresholds) != len(labels):
        filled = [*thresholds, *[Detector.detection_threshold] * len(labels)][: len(labels)]
        raise KwsError(
            f"{key} must hold one number for each of {', '.join(labels)}, but holds {len(thresholds)}: "
            f"write {key}=[{','.join(map(str, filled))}], or [] for detection_threshold"
        )
    clamped = [min(max(threshold, 0), 255) for threshold in thresholds]
    if clamped != list(thresholds):
        raise KwsError(
            f"{key} must be from 0 to 255, but are [{','.join(map(str, thresholds))}]: "
            f"the nearest is {key}=[{','.join(map(str, clamped))}]"
        )


def _check_detector(config: Config) -> None:
    from kws_exp.c99.settings import Settings  # a tenth of a second, for those alone who change a setting

    detector, front_end = config.export.detector, config.features
    if detector.hop_frames > front_end.frames:
        raise KwsError(
            f"export.detector.hop_frames={detector.hop_frames} must be at most {front_end.frames}, the frames of a "
            f"clip: take export.detector.hop_frames={front_end.frames}, or 0 to run the network ten times a second"
        )
    _check_thresholds(detector.thresholds, config.labels)
    runs = Settings.of(config).results - 1
    if detector.minimum_count > runs:
        raise KwsError(
            f"export.detector.minimum_count={detector.minimum_count} must be at most {runs}, as often as the network "
            f"runs within export.detector.average_window_ms={detector.average_window_ms}: "
            f"take export.detector.minimum_count={runs}, or a longer window"
        )
