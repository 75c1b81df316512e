"""Every setting of an experiment, as plain dataclasses: the types behind ``conf/`` and the only form the code sees.

Hydra merges the YAML files of ``conf/`` into these types (``kws_exp.config``), so a misspelt or mistyped
setting cannot get past the start. Settings of one architecture or one front end live with it, in
``kws_exp/models/NAME.py`` and ``kws_exp/features/NAME.py``, as subclasses of :class:`Model` and
:class:`Features`. Importing this module must stay cheap: ``--help`` answers in under a second.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

SAMPLE_RATE = 16_000  # Hz; every clip is brought to this rate, as in the classic trainer
CLIP_SAMPLES = 16_000  # one second, the length of every clip
SILENCE = "_silence_"
UNKNOWN = "_unknown_"


@dataclass
class SynthesisRecipe:
    """How many clips, and the ranges (uniform unless said otherwise) that they are drawn from."""

    clips_per_word: int = 600
    other_clips_per_word: int = 40  # of each of OTHER_WORDS
    rate: tuple[float, float] = (80, 180)  # words a minute, uniform in its logarithm
    pitch_spread: float = 0.25  # of speakers around their voice's own: standard deviation of the logarithm
    pitch_range: tuple[float, float] = (10, 90)  # 0 is monotone, 50 the voice's own
    warp: tuple[float, float] = (0.9, 1.4)  # factor on all frequencies: vocal tracts of other lengths
    breath_db: tuple[float, float] = (-55, -20)  # noise below the word, with its envelope
    tilt_db: tuple[float, float] = (-2, 2)  # per octave
    equaliser_db: float = 3.0  # standard deviation of each octave's gain
    highpass_hz: tuple[float, float] = (20, 300)  # uniform in its logarithm, as lowpass_hz and reverb_s
    lowpass_hz: tuple[float, float] = (5000, 12000)
    reverb_share: float = 0.7  # of the clips
    reverb_s: tuple[float, float] = (0.05, 0.5)  # time to decay by 60 dB
    reverb_db: tuple[float, float] = (-20, 2)  # of the reverberation to the direct sound
    level_db: tuple[float, float] = (-35, -6)  # of the loudest 20 ms to full scale
    noise_db: tuple[float, float] = (-65, -15)  # of the noise to the loudest 20 ms
    noise_slope: tuple[float, float] = (-2.2, -0.2)  # its power falls as frequency to this: -2 brown, 0 white
    noise_swell_db: float = 3.0  # standard deviation of its level from one quarter of a second to the next
    bursts: float = 1.0  # clicks, knocks and breaths in a clip, on average
    burst_s: tuple[float, float] = (0.005, 0.15)  # uniform in the logarithm
    burst_db: tuple[float, float] = (-40, -8)  # of a burst to the loudest 20 ms
    centre_s: tuple[float, float] = (0.48, 0.17)  # of the word: mean, standard deviation
    clipped_share: float = 0.05  # of the clips are up to four times too loud
    short_share: float = 0.1  # of the clips end in digital silence


@dataclass
class Data:
    """Where the clips come from and how they are divided (defaults: the classic trainer's)."""

    name: str = "auto"  # auto | speech_commands | synthetic
    dir: str | None = None  # folder of WORD/*.wav|flac|ogg; null: the cache folder
    url: str = "https://storage.googleapis.com/download.tensorflow.org/data/speech_commands_v0.02.tar.gz"
    sha256: str = "af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58"
    cache_dir: str | None = None  # null: $KWS_EXP_CACHE or ~/.cache/kws_exp
    silence_percentage: float | None = None  # of the keyword clips, in each partition; null: 100 // (words + 2)
    unknown_percentage: float | None = None  # likewise, twice that on synthetic speech; the rule is the TinyML course's
    validation_percentage: float = 10.0
    testing_percentage: float = 10.0
    synthetic_per_word: int = 0  # eSpeak NG clips added to each keyword, in training only
    synthetic: SynthesisRecipe = field(default_factory=SynthesisRecipe)


@dataclass
class Augment:
    """What happens to a training clip on its way in (defaults: the classic trainer's)."""

    time_shift_ms: float = 100.0  # uniform in +- this
    background_frequency: float = 0.8  # share of clips that get noise
    background_volume: float = 0.1  # upper bound of a uniform draw
    gain_db: float = 0.0  # uniform in +- this
    # SpecAugment; null: 120 and 0.12 on synthetic speech, which is too regular (on recorded words 88.0 to 88.3 % from
    # 100 and 0.1 to 160 and 0.15; 87.8 at 240 and 0.25), none on recorded speech, where it costs tiny_conv 2 points
    time_mask_ms: float | None = None  # longest stretch of frames hidden from the network
    frequency_mask: float | None = None  # widest band hidden, as a share of the bins
    bank: int | None = (
        None  # variants of each clip, made once, to draw from; 0: a new one each time; null: kws_exp.bank
    )


@dataclass
class Features:
    """What every front end has."""

    name: str
    window_ms: float = 30.0
    stride_ms: float = 20.0
    bins: int = 40

    @property
    def window(self) -> int:
        """Samples in a window."""
        return round(self.window_ms * SAMPLE_RATE / 1000)

    @property
    def stride(self) -> int:
        """Samples between the starts of two windows."""
        return round(self.stride_ms * SAMPLE_RATE / 1000)

    @property
    def frames(self) -> int:
        """Frames in a clip: 1 + floor((clip - window) / stride), as the classic trainer counts them."""
        return 1 + (CLIP_SAMPLES - self.window) // self.stride

    @property
    def samples(self) -> int:
        """Samples that the frames of a clip cover, which may be some milliseconds less than the clip."""
        return self.window + (self.frames - 1) * self.stride

    @property
    def width(self) -> int:
        """Values in a frame."""
        return self.bins


class InputRange(NamedTuple):
    """The values of a front end that fixes them."""

    lowest: float  # becomes the int8 -128
    highest: float  # becomes 127
    mean: float
    deviation: float


@dataclass
class Model:
    """What every architecture has."""

    name: str


@dataclass
class Optimizer:
    """The update rule and its learning rate over the steps."""

    name: str = "adam"  # gradient_descent | momentum | adam | adamw
    learning_rate: list[float] = field(default_factory=lambda: [0.001])  # one per stage of train.steps
    schedule: str = "piecewise"  # piecewise | cosine (one rate, its peak) | auto: by the number of rates
    warmup_steps: int = 0  # linear from zero; cosine only
    momentum: float = 0.9  # momentum only
    nesterov: bool = True  # momentum only
    weight_decay: float = 0.0  # adamw only
    centre_input: bool = False  # the first layer learns as if its input had mean 0, deviation 1 (kws_exp.centring)


@dataclass
class Train:
    """How long, how often it looks, and which weights it keeps."""

    steps: list[int] = field(default_factory=lambda: [3000])
    batch_size: int = 100
    eval_interval: int = 400
    save_interval: int = 100
    log_interval: int = 10  # steps per point of the training curves
    keep: int = 3  # checkpoints kept beside the best one
    select: str = "best"  # best (by validation accuracy) | stream (by misses on a validation stream) | last
    label_smoothing: float = 0.0
    precision: str = "auto"  # float32 | bfloat16, of the products (kws_exp.precision) | auto: bfloat16 on a GPU


@dataclass
class Detector:
    """How the generated program makes detections of scores (defaults: TensorFlow Lite Micro's micro_speech)."""

    hop_frames: int = 0  # frames from one run of the network to the next; 0: what comes next to 100 ms
    average_window_ms: int = 1000
    detection_threshold: int = 200  # of 255, for the average
    thresholds: list[int] = field(default_factory=list)  # one for each label; empty: detection_threshold for all
    suppression_ms: int = 1500
    minimum_count: int = 3  # runs of the network in the window, below which nothing is detected
    repeat: bool = False  # True: a word may follow itself, as in micro_speech; False: only after another label


@dataclass
class Export:
    """What is written for the device, and how much of it is proved."""

    enabled: bool = True
    calibration_clips: int = 500  # training clips that fix the int8 ranges
    profile: str = "tflm"  # whose operators the model is checked against: tflm | tflm_micro_speech | esphome
    emulated_cores: list[str] = field(
        default_factory=lambda: [
            *("cortex-m4", "cortex-m0plus", "cortex-m3", "cortex-m7", "cortex-m33", "cortex-m55"),
        ]
    )
    emulated_clips: int = 20  # on the Cortex-M4; the other cores run one
    ethos_u: list[str] = field(default_factory=lambda: ["ethos-u55-128"])  # as Vela names them; needs kws-exp[ethos-u]
    detector: Detector = field(default_factory=Detector)


@dataclass
class Stream:
    """The streams that a run is evaluated on (kws_exp.stream.stage)."""

    evaluate: bool = False  # whether it is; needs the export
    minutes: float = 30.0  # of the validation stream, and of the test stream
    snr_db: float | None = None  # of each word to the noise; null: noise as loud as in training
    max_false_accepts_per_hour: float = 0.5  # of the operating point, on the validation stream


@dataclass
class Tracking:
    """Where runs are recorded."""

    enabled: bool = True
    uri: str | None = None  # null: $MLFLOW_TRACKING_URI or sqlite:///mlruns/mlflow.db
    experiment: str = "kws_exp"
    tensorboard: bool = False
    registered_model: str | None = None  # a name in the model registry


@dataclass
class Config:
    """One experiment, complete."""

    words: list[str]
    data: Data
    features: Features
    model: Model
    optimizer: Optimizer = field(default_factory=Optimizer)
    augment: Augment = field(default_factory=Augment)
    train: Train = field(default_factory=Train)
    export: Export = field(default_factory=Export)
    stream: Stream = field(default_factory=Stream)
    tracking: Tracking = field(default_factory=Tracking)
    seed: int = 59185  # the classic trainer's RANDOM_SEED
    name: str | None = None  # run name; null: made from model and words
    tags: dict[str, str] = field(default_factory=dict)
    output_dir: str = "mlruns"
    resume: str | None = None  # latest | RUN_ID
    verbosity: str = "info"  # debug | info | warning | error

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names in output order: silence, unknown, then the keywords in the given order."""
        return (SILENCE, UNKNOWN, *self.words)


@dataclass
class Limits:
    """What a trial must keep, by measure (kws_exp.sweep.measures): a number, "<= NUMBER" or ">= NUMBER"."""

    accuracy: Any = None  # a bare number is the lowest of an accuracy, of all else the highest
    loss: Any = None
    device_accuracy: Any = None
    test_accuracy: Any = None
    misses: Any = None
    parameters: Any = None
    macs: Any = None
    int8_kb: Any = None
    flash_kb: Any = None
    ram_kb: Any = None
    arena_kb: Any = None
    latency_ms: Any = None


@dataclass
class Sweeper:
    """How a sweep chooses its trials, runs them and ends; part of the command line, not of an experiment."""

    study: str | None = None  # its name; null: made of what is compared, so that the same command goes on with it
    # null: OUTPUT_DIR/optuna.journal | sqlite:///FILE | postgresql+psycopg://USER@HOST/DB | mysql+... | grpc://HOST:PORT
    storage: str | None = None
    space: dict[str, Any] = field(default_factory=dict)  # setting: sweep in Hydra's syntax; see kws_exp.sweep.space
    baselines: list[Any] = field(default_factory=list)  # fixed trials, run first: [{model: tiny_conv}]
    objectives: list[str] = field(default_factory=lambda: ["accuracy"])  # of kws_exp.sweep.measures
    constraints: Limits = field(default_factory=Limits)
    report: list[str] = field(default_factory=list)  # further measures to show
    n_trials: int | None = None  # in all, earlier commands included; null: 20, or every one of a grid
    seeds: int = 1  # runs of a trial, which counts with their mean
    sampler: str = "auto"
    sampler_options: dict[str, Any] = field(default_factory=dict)  # of Optuna's class
    pruner: str = "none"
    pruner_options: dict[str, Any] = field(default_factory=dict)
    workers: int | None = None  # processes; null: one a core, four at most
    trial_timeout: float | None = None  # seconds
    max_failures: int = 5  # of trials, by this command; then it gives up
    retry_failed: bool = False  # make trials again that failed under an earlier command
    trial: int | None = None  # set by the sweep itself, for a job that one of Hydra's launchers runs


@dataclass
class Composition(Config):
    """What the command line composes: an experiment, and how a sweep varies it."""

    sweeper: Sweeper = field(default_factory=Sweeper)
