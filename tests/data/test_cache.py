"""The audio cache: decoded once, never stale, never half-written."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kws_exp.cpu import cores
from kws_exp.data import audio, cache
from kws_exp.data.cache import open_cache
from kws_exp.errors import KwsError
from kws_exp.schema import SAMPLE_RATE

OPEN = "import sys; from pathlib import Path; from kws_exp.data.cache import open_cache; "


def write(path: Path, seed: int, samples: int = 16_000) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = np.random.default_rng(seed).integers(-9000, 9000, samples, dtype=np.int16)
    soundfile.write(path, content, SAMPLE_RATE)
    return content


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, word in enumerate(["no", "yes", "yes"]):
        write(tmp_path / "speech" / word / f"{number:08x}_nohash_0.wav", number)
    write(tmp_path / "speech" / "_background_noise_" / "hiss.wav", 9, 40_000)
    write(tmp_path / "speech" / "_background_noise_" / "hum.flac", 10, 50_000)
    return tmp_path / "speech"


def test_rows_are_the_files_in_order(folder: Path, tmp_path: Path) -> None:
    cache = open_cache(folder, tmp_path / "cache")
    assert cache.paths == (
        "no/00000000_nohash_0.wav",
        "yes/00000001_nohash_0.wav",
        "yes/00000002_nohash_0.wav",
    )
    for path, clip in zip(cache.paths, cache.clips, strict=True):
        np.testing.assert_array_equal(clip, audio.read(folder / path))
    assert cache.noise_ends == (40_000, 90_000)
    np.testing.assert_array_equal(cache.noise[40_000:], audio.read(folder / "_background_noise_" / "hum.flac"))
    assert isinstance(cache.clips, np.memmap)


def test_second_opening_decodes_nothing(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = open_cache(folder, tmp_path / "cache")
    monkeypatch.setattr(audio, "read", lambda path: pytest.fail(f"decoded {path} again"))
    second = open_cache(folder, tmp_path / "cache")
    np.testing.assert_array_equal(first.clips, second.clips)


def test_changed_added_and_removed_files_are_noticed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = open_cache(folder, tmp_path / "cache")
    changed = write(folder / "no" / "00000000_nohash_0.wav", 77, 12_000)
    added = write(folder / "up" / "00000005_nohash_0.wav", 78)
    (folder / "yes" / "00000001_nohash_0.wav").unlink()
    decoded: list[str] = []
    read = audio.read

    def counting(path: Path) -> np.ndarray:
        decoded.append(path.name)
        return read(path)

    monkeypatch.setattr(audio, "read", counting)
    after = open_cache(folder, tmp_path / "cache")
    assert after.paths == (
        "no/00000000_nohash_0.wav",
        "up/00000005_nohash_0.wav",
        "yes/00000002_nohash_0.wav",
    )
    np.testing.assert_array_equal(after.clips[0][:12_000], changed)
    np.testing.assert_array_equal(after.clips[1], added)
    np.testing.assert_array_equal(after.clips[2], before.clips[2])
    assert "00000002_nohash_0.wav" not in decoded, "an unchanged clip is copied, not decoded"
    assert after.digests[0] != before.digests[0]
    assert len(list((tmp_path / "cache").rglob("clips-*.i16"))) == 1, "the stale array is gone"


def test_unreadable_files_are_skipped_and_named(folder: Path, tmp_path: Path) -> None:
    (folder / "yes" / "empty.wav").write_bytes(b"")
    (folder / "_background_noise_" / "broken.wav").write_bytes(b"RIFF")
    (folder / "yes" / "notes.txt").write_text("not audio at all")
    cache = open_cache(folder, tmp_path / "cache")
    assert sorted(cache.skipped) == ["_background_noise_/broken.wav", "yes/empty.wav"]
    assert len(cache.clips) == 3


def test_odd_names_and_dangling_links_are_skipped(folder: Path, tmp_path: Path) -> None:
    (folder / "yes" / "gone.wav").symlink_to(tmp_path / "nowhere.wav")
    latin = os.fsencode(folder / "yes") + b"/caf\xe9.wav"
    with open(latin, "wb") as file:
        file.write((folder / "yes" / "00000001_nohash_0.wav").read_bytes())
    cache = open_cache(folder, tmp_path / "cache")
    assert sorted(cache.skipped) == ["yes/caf?.wav", "yes/gone.wav"]
    assert len(cache.clips) == 3


@pytest.mark.parametrize("content", ["", "{}", "[]", "nonsense"])
def test_a_damaged_index_is_made_anew(folder: Path, tmp_path: Path, content: str) -> None:
    first = open_cache(folder, tmp_path / "cache")
    (index,) = (tmp_path / "cache").rglob("index.json")
    index.write_text(content)
    np.testing.assert_array_equal(open_cache(folder, tmp_path / "cache").clips, first.clips)


def test_a_cache_that_cannot_be_written_is_one_sentence(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(KwsError, match=r"Not a directory.*data.cache_dir=FOLDER"):
        open_cache(folder, tmp_path / "file")


def test_folder_without_clips_or_noise_opens(tmp_path: Path) -> None:
    (tmp_path / "speech" / "yes").mkdir(parents=True)
    cache = open_cache(tmp_path / "speech", tmp_path / "cache")
    assert len(cache.clips) == 0
    assert len(cache.noise) == 0


def test_two_processes_at_once_read_the_same(folder: Path, tmp_path: Path) -> None:
    code = OPEN + "c = open_cache(Path(sys.argv[1]), Path(sys.argv[2])); print(int(c.clips.astype('i8').sum()))"
    command = [sys.executable, "-c", code, str(folder), str(tmp_path / "cache")]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    sums = {child.communicate()[0] for child in children}
    assert [child.returncode for child in children] == [0, 0, 0]
    assert len(sums) == 1


def test_killed_while_decoding_leaves_nothing_wrong(folder: Path, tmp_path: Path) -> None:
    for number in range(300):
        write(folder / "up" / f"{number:08x}_nohash_1.flac", number)
    code = OPEN + (
        "open_cache(Path(sys.argv[1]), Path(sys.argv[2]), "
        "lambda done, total: done == 100 and (print('half', flush=True), __import__('time').sleep(60)))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(folder), str(tmp_path / "cache")], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "half\n"
        os.kill(child.pid, signal.SIGKILL)
    cache = open_cache(folder, tmp_path / "cache")
    assert len(cache.clips) == 303
    np.testing.assert_array_equal(cache.clips[0], audio.read(folder / cache.paths[0]))


def test_decoding_keeps_the_order_and_waits_for_a_slow_disk() -> None:
    files = [cache.AudioFile(f"yes/{number:04}.wav", 1, 1) for number in range(5000)]
    begun: list[str] = []

    def load(file: cache.AudioFile) -> str:
        begun.append(file.path)
        return file.path

    loaded = cache._in_order(load, files)
    first = next(loaded)
    time.sleep(0.1)
    assert len(begun) <= (2 * cores() + 1) * cache.TASK, "decoded clips wait in memory"
    assert [first, *loaded] == [file.path for file in files]


def test_touching_a_file_is_a_change(folder: Path, tmp_path: Path) -> None:
    open_cache(folder, tmp_path / "cache")
    path = folder / "yes" / "00000001_nohash_0.wav"
    content = write(path, 55)  # the same size, so only the time tells
    os.utime(path, ns=(time.time_ns(), time.time_ns() + 1_000_000))
    np.testing.assert_array_equal(open_cache(folder, tmp_path / "cache").clips[1], content)
