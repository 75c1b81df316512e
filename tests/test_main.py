"""The command line: literal arguments in, the sentence out, nothing written."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from kws_exp.__main__ import main


def complain(arguments: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """Run the command line, expect status 2 and return what it wrote to standard error."""
    monkeypatch.setattr(sys, "argv", ["kws_exp", *arguments.split()])
    with pytest.raises(SystemExit) as caught:
        main()
    output = capsys.readouterr()
    assert caught.value.code == 2, output
    return output.err


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "speech" / "yes").mkdir(parents=True)
    (tmp_path / "speech" / "left").mkdir()
    (tmp_path / "speech.txt").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KWS_EXP_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("wrods=[yes]", "no setting 'wrods' .did you mean 'words'"),
        ("+wrods=[yes]", "no setting 'wrods' .did you mean 'words'"),
        ("model.filtres=3", "no setting 'model.filtres' .did you mean 'filters'.*model has name, filters"),
        ("+model.filtres=3", "no setting 'model.filtres' .did you mean 'filters'"),
        ("+train.step=3", "no setting 'train.step' .did you mean 'steps'"),
        ("batch_size=10", "no setting 'batch_size' .did you mean 'train.batch_size'"),
        ("modle=tiny_conv", "no setting 'modle' .did you mean 'model'"),
        ("model=tinyconv", "model=tinyconv is not known .did you mean 'tiny_conv'.*one of conv, ds_cnn"),
        ("features=mffc", "features=mffc is not known .did you mean 'mfcc'"),
        ("experiment=clasic", "experiment=clasic is not known .did you mean 'classic'"),
        ("+experiment=clasic", "experiment=clasic is not known"),
        ("sweeps=compare", "sweeps=compare is not known .did you mean 'compare_models'"),
        ("~model", "model must be set"),
        ("model=null", "must be one of its choices, not null"),
        ("words=null", "words must be set"),
        ("words=[yes,[no]]", "words must be a plain list"),
        ("words=[да]", "in quotes"),
        ("words=[a/b]", "Latin letters and digits, but 'a/b' is not"),
        ("export.enabled=abc", "export.enabled must be true or false, but is 'abc'"),
        ("export.profile=tflite", "export.profile=tflite is not known .did you mean 'tflm'"),
        ("export.emulated_cores=[cortex-m5]", "export.emulated_cores=cortex-m5 is not known .did you mean 'cortex-m"),
        ("export.emulated_clips=0", "the nearest is export.emulated_clips=1"),
        ("export.detector.hop_frames=50", "must be at most 49, the frames of a clip"),
        ("export.detector.minimum_count=12", "must be at most 11, as often as the network runs"),
        ("export.detector.thresholds=[9]", r"one number for each of _silence_, .*write \S+=\[9,200,200,200\], or \[\]"),
        ("export.detector.thresholds=[9,300,8,-1]", r"from 0 to 255, .* nearest is \S+=\[9,255,8,0\]"),
        ("features.window_ms=200", "features.window_ms=200 must be from 4 to 128 for the micro front end"),
        ("seed=1e3", "seed must be a whole number, but is '1000.0': write seed=1000"),
        ("data.silence_percentage=nan", "the nearest is data.silence_percentage=0"),
        ("data.synthetic.rate=[100,50]", r"write data.synthetic.rate=\[50,100\]"),
        ("data.synthetic.rate=[100]", r"takes two numbers, but is \[100.0\]"),
        ("data.synthetic.reverb_share=2", "the nearest is data.synthetic.reverb_share=1"),
        ("output_dir=speech.txt", "output_dir must be a folder to write to"),
        ("resume=latest verbosity=loud", "verbosity=loud is not known"),
        ("tags.board=nano", r"tags has no 'board' yet: write \+tags.board=VALUE"),
        ("words=yes,no", r"write words=\[yes,no\] for a list, or add --multirun"),
        ("words=yes", r"words must be a list"),
        ("words=[yes", "cannot read 'words=.yes'"),
        ("words=[]", "at least one keyword"),
        ("words=[yes,true]", "'True', which YAML makes .*in quotes"),
        ("words=[yes,yes]", "'yes' is there 2 times"),
        ("words=[yes,_silence_]", "_silence_ and _unknown_ are always added"),
        (
            "data.dir=speech words=[yes,lefd]",
            "no word 'lefd' .did you mean 'left'.*it has left, yes;.*data=synthetic",
        ),
        ("data=speech_commands words=[yse]", "no word 'yse' .did you mean 'yes'.*backward, bed"),
        ("data.dir=nowhere", "'nowhere' does not exist"),
        ("data.dir=speech/yes", "'speech/yes' holds no word folder"),
        (
            "data.testing_percentage=101",
            "from 0 to 100, but is 101: the nearest is data.testing_percentage=100",
        ),
        ("data.testing_percentage=95", "must leave clips to train on, but add up to 105 %"),
        ("data.silence_percentage=-1", "the nearest is data.silence_percentage=0"),
        ("augment.background_volume=2", "from 0 to 1, but is 2"),
        ("augment.background_volume=nan", "from 0 to 1, but is nan"),
        ("train.batch_size=abc", "train.batch_size must be a whole number, but is 'abc'"),
        ("train.batch_size=0", "the nearest is train.batch_size=1"),
        ("train.steps=3000", "train.steps must be a list"),
        ("train.steps=[]", "train.steps must be whole numbers from 1"),
        ("train.steps=[100,0] optimizer.learning_rate=[0.1,0.1]", "train.steps must be whole numbers from 1"),
        ("train.steps=[100,50]", r"one rate per stage, 2 .* write e.g. optimizer.learning_rate=\[0.001,0.0001\]"),
        ("optimizer.learning_rate=[0]", "learning_rate must be above 0"),
        ("optimizer.schedule=cosin", "did you mean 'cosine'"),
        ("optimizer.name=sgd", "gradient_descent, momentum, adam, adamw"),
        ("train.select=bset", "did you mean 'best'"),
        ("features.bins=400", "features.bins=400 must be from 1 to"),
        ("features.window_ms=2000", "features.window_ms"),
        ("model.dropout=1.5", "model.dropout"),
        ("verbosity=verbose", "verbosity=verbose is not known"),
        ("seed=-1", "the nearest is seed=0"),
        ("tracking.uri=mlruns", "tracking.uri must name a database or a server"),
        ("--multirun model=tiny_conv,ds_cnn tracking.uri=mlruns", "tracking.uri must name a database or a server"),
        ("resume=latest", "resume=latest needs an interrupted run"),
        ("resume=abc", "no run 'abc'"),
        (
            "sweeper.n_trials=20",
            "sweeper.n_trials=20 is for sweeps, and this is a single run: add sweeps=tune.*--multirun hydra/sweeper",
        ),
        ("sweeper.constraints.flash_kb=32", "sweeper.constraints is for sweeps"),
        ("sweeper.storage=sqlite:///x.db", "sweeper.storage is for sweeps"),
        ("sweeps=smoke hydra.mode=RUN", "is for sweeps, and this is a single run"),
        ("--multirun seed=1,2 sweeper.n_trials=20", "sweeper.n_trials=20 is for sweeps"),
        ("sweeper.trial=1", "sweeper.trial=1 is set by a sweep, for its jobs: leave it out"),
        (
            "sweeper.trial=1 sweeper.study=NOSUCH",
            "sweeper.trial=1 is set by a sweep, .* no trial 1 of the study 'NOSUCH' is under way in .*: leave both",
        ),
        ("sweeper.trial=1 sweeper.study=NOSUCH sweeper.storage=sqlite:///x.db", "is under way in sqlite:///x.db"),
        ("--multirun hydra/sweeper=kws_optuna seed=1,2 sweeper.trial=1", "sweeper.trial=1 is set by the sweep itself"),
        ("--multirun hydra/sweeper=kws_optuna seed=1,2 sweeper.study=../evil", "write sweeper.study=evil"),
        ("resume=latest words=[yes]", r"'words=\[yes\]' is given too"),
    ],
)
def test_a_mistake_is_told_in_one_sentence(
    arguments: str,
    sentence: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    before = sorted(tmp_path.rglob("*"))
    message = complain(arguments, capsys, monkeypatch)
    assert re.search(sentence, message), message
    assert message.startswith("kws_exp: ")
    assert len(message.splitlines()) == 1, message
    assert sorted(tmp_path.rglob("*")) == before, "a refused command writes nothing"


def test_unquoted_words_in_a_yaml_file_are_never_trained_as_truth_values(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine" / "experiment").mkdir(parents=True)
    (tmp_path / "mine" / "experiment" / "lamp.yaml").write_text("# @package _global_\nwords: [yes, no, on, off]\n")
    message = complain("--config-dir mine experiment=lamp", capsys, monkeypatch)
    assert re.search(r"words holds 'True'.*in quotes", message)


def test_a_misspelt_setting_in_a_yaml_file_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine" / "optimizer").mkdir(parents=True)
    (tmp_path / "mine" / "optimizer" / "fast.yaml").write_text("name: adam\nlerning_rate: [0.1]\n")
    message = complain("--config-dir mine optimizer=fast", capsys, monkeypatch)
    assert re.search("lerning_rate.*did you mean 'learning_rate'", message)


BROKEN = [
    (b"a: [1\nb: {", "line 2, must be YAML, but is not"),
    (b"a: 1\na: 2", "line 2, must be YAML, but is not .found duplicate key a"),
    (b"- 1\n- 2\n", "must hold settings, but holds a list: write them as in model: ds_cnn"),
    (b"\xff\xfe\x00", "must be a text file in UTF-8, but cannot be read"),
    (b"model: \x01", "must be YAML, but is not"),
]


@pytest.mark.parametrize(("content", "sentence"), BROKEN)
def test_an_experiment_file_that_is_none(
    content: bytes, sentence: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("mine.yaml").write_bytes(content)
    message = complain("experiment=mine.yaml", capsys, monkeypatch)
    assert re.search(f"kws_exp: mine.yaml.*{sentence}", message), message
    assert len(message.splitlines()) == 1, message


@pytest.mark.parametrize(("content", "sentence"), BROKEN)
def test_a_file_of_sweeps_that_is_none(
    content: bytes,
    sentence: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps" / "mine.yaml").write_bytes(content)
    monkeypatch.setattr("kws_exp.config.CONFIG_ROOT", tmp_path)
    message = complain("model=ds_cnn", capsys, monkeypatch)
    assert re.search(f"kws_exp: .*mine.yaml.*{sentence}", message), message
    assert len(message.splitlines()) == 1, message


@pytest.mark.parametrize("content", [content for content, _ in BROKEN])
def test_a_broken_file_of_the_user_s_own_choices(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine" / "model").mkdir(parents=True)
    (tmp_path / "mine" / "model" / "own.yaml").write_bytes(content)
    message = complain("--config-dir mine model=own", capsys, monkeypatch)
    assert len(message.splitlines()) == 1, message
    assert "own" in message or "--config-dir" in message, message


@pytest.mark.parametrize(
    "arguments", ["--help", "--cfg job", "--info defaults-tree", "model=tinyconv", "words=[yes,yes]"]
)
def test_help_and_errors_import_neither_tensorflow_nor_mlflow(arguments: str) -> None:
    code = (
        "import sys; from kws_exp.__main__ import main\n"
        "heavy = {'tensorflow', 'keras', 'mlflow', 'matplotlib', 'scipy', 'numba', 'pandas'}\n"
        "try: main()\n"
        "finally: print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments.split()], capture_output=True, text=True, cwd=Path.cwd()
    )
    assert done.stdout.splitlines()[-1] == "[]", done
    if arguments == "--help":
        assert "tiny_conv" in done.stdout
        assert "resume=latest" in done.stdout
