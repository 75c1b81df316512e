"""Speech from eSpeak NG: what is made, that it is made alike each time, and what cannot be made."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kws_exp.data import noises, rooms, speech, synthetic
from kws_exp.data.partition import NAMES, which_set
from kws_exp.data.synthetic import NOISE_FOLDER
from kws_exp.errors import KwsError
from kws_exp.schema import CLIP_SAMPLES, SAMPLE_RATE, SynthesisRecipe

SMALL = SynthesisRecipe(clips_per_word=20, other_clips_per_word=10)


@pytest.fixture
def scratch() -> Iterator[Path]:
    with speech.voice_folder() as folder:
        yield folder


def digests(folder: Path) -> dict[str, str]:
    files = sorted(folder.rglob("*.wav"))
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def make(folder: Path, words: list[str], others: list[str], recipe: SynthesisRecipe = SMALL) -> None:
    synthetic.synthesize(words, folder, recipe, 7, others=others)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "speech"
    make(folder, ["kiwi"], ["house"])
    return folder


def test_clips_are_a_second_of_speech_of_many_speakers(made: Path) -> None:
    files = sorted((made / "kiwi").iterdir())
    assert len(files) == 20
    assert sorted(synthetic.clip_number(file.name) for file in files) == list(range(20))
    assert len({file.name.partition("_nohash_")[0] for file in files}) == 20
    for file in files:
        samples, rate = soundfile.read(file, dtype="int16")
        assert (rate, samples.shape, soundfile.info(file).subtype) == (SAMPLE_RATE, (CLIP_SAMPLES,), "PCM_16")
        frames = np.sqrt(np.mean(np.reshape(samples / 32768, (-1, 320)) ** 2, axis=1))
        assert np.max(frames) > 10 ** (SMALL.level_db[0] / 20) / 2
    assert len(list((made / "house").iterdir())) == 10


def test_every_partition_gets_speakers_of_every_word(made: Path) -> None:
    for word, count in (("kiwi", 2), ("house", 1)):
        sets = [which_set(file.name, 10, 10) for file in (made / word).iterdir()]
        assert [sets.count(name) for name in NAMES] == [8 * count, count, count]


def test_a_clip_does_not_depend_on_the_company_or_the_order(made: Path, tmp_path: Path) -> None:
    more = SynthesisRecipe(clips_per_word=30, other_clips_per_word=5)
    make(tmp_path / "speech", ["house", "banana"], ["kiwi", "apple"], more)
    new, old = digests(tmp_path / "speech"), digests(made)
    shared = new.keys() & old.keys()
    assert len(shared) == 10 + 5
    assert all(new[name] == old[name] for name in shared)


def test_what_is_there_is_kept_and_what_is_too_little_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "speech"
    make(folder, [], ["kiwi"])
    before, first = digests(folder), (folder / "kiwi").stat()
    make(folder, [], ["kiwi"])
    assert (folder / "kiwi").stat() == first
    calls: list[tuple[int, int]] = []
    synthetic.synthesize(["kiwi"], folder, SMALL, 7, lambda *call: calls.append(call), others=[])
    assert calls[-1] == (20, 20)
    assert before.items() <= digests(folder).items()
    assert [entry.name for entry in tmp_path.iterdir()] == ["speech"]  # nothing is left lying beside it


def test_two_processes_at_once(made: Path, tmp_path: Path) -> None:
    folder = tmp_path / "speech"
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=make, args=(folder, ["kiwi"], ["house"])) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert digests(folder) == digests(made)


def test_seed_and_recipe_change_the_clip(scratch: Path) -> None:
    def clip(seed: int, recipe: SynthesisRecipe = SMALL) -> bytes:
        return speech.make_clip("kiwi", 3, recipe, seed, scratch)[1].tobytes()

    assert clip(1) == clip(1)
    assert clip(1) != clip(2)
    assert clip(1) != clip(1, SynthesisRecipe(level_db=(-10.0, -10.0)))
    assert clip(1) == clip(1, SynthesisRecipe(clips_per_word=3))


def test_the_recipe_is_json() -> None:
    assert SynthesisRecipe(**json.loads(json.dumps(asdict(SMALL)))).clips_per_word == 20


@pytest.mark.parametrize("word", ["", "...", "_silence_", "../yes", "a/b", "你好", "слово", " "])
def test_no_word(word: str, tmp_path: Path) -> None:
    with pytest.raises(KwsError, match=r"Latin letters.*data\.dir=FOLDER"):
        make(tmp_path / "speech", [word], [])
    assert list(tmp_path.iterdir()) == []


def test_too_long(tmp_path: Path) -> None:
    with pytest.raises(KwsError, match=r"'supercalifragilisticexpialidocious' lasts .* s even when spoken fast"):
        make(tmp_path / "speech", ["supercalifragilisticexpialidocious"], [])


@pytest.mark.parametrize("word", ["hey_google", "Zoë", "o'clock", "turn left", "7"])
def test_unusual_words(word: str) -> None:
    speech.check_speakable(word)


def test_noise(tmp_path: Path) -> None:
    folder = tmp_path / "speech"
    synthetic.write_noise(folder, 1)
    files = sorted((folder / NOISE_FOLDER).iterdir())
    assert [file.stem for file in files] == [
        *("babble", "crockery", "machine_hum", "pink_noise", "running_tap", "white_noise")
    ]
    for file in files:
        samples, rate = soundfile.read(file)
        assert len(samples) == noises.SECONDS * rate == 60 * SAMPLE_RATE
        assert -50 < 20 * np.log10(np.std(samples)) < -38
        assert np.max(np.abs(samples)) < 1
    before = digests(folder)
    synthetic.write_noise(folder, 2)  # what is there stays
    assert digests(folder) == before


def test_coloured_noise_has_its_slope() -> None:
    noise = noises.coloured(np.random.default_rng(0), 2**18, -1.0)
    power = np.abs(np.fft.rfft(noise)) ** 2
    octaves = [np.mean(power[2**k : 2 ** (k + 1)]) for k in range(10, 17)]
    assert np.diff(10 * np.log10(octaves)) == pytest.approx(-3.01, abs=0.4)
    assert np.std(noise) == pytest.approx(1, abs=1e-3)


def test_trim() -> None:
    word = np.concatenate([np.zeros(50), np.ones(20), np.zeros(30)]).astype(np.float32)
    assert np.array_equal(rooms.trim(word), np.ones(20))
    assert len(rooms.trim(np.zeros(100, np.float32))) == 0
