from __future__ import annotations

import base64
import io

import numpy as np
import soundfile
from numpy.typing import NDArray
from PIL import Image

from kws_exp.data import Dataset
from kws_exp.misheard import clips, media
from kws_exp.schema import Config


def content(uri: str, kind: str) -> io.BytesIO:
    head, _, data = uri.partition(",")
    assert head == f"data:{kind};base64"
    return io.BytesIO(base64.b64decode(data, validate=True))


def test_the_audio_is_the_tested_clip_bit_for_bit(config: Config, dataset: Dataset) -> None:
    audio = clips.audio(dataset, config.seed, np.array([0, 9, 25]))
    uris = media.flac(audio)
    for clip, uri in zip(audio, uris, strict=True):
        samples, rate = soundfile.read(content(uri, "audio/flac"), dtype="int16")
        assert rate == 16_000
        np.testing.assert_array_equal(samples, np.round(clip * 32768).astype(np.int16))
    assert media.flac(audio) == uris


def test_full_scale_does_not_wrap() -> None:
    (uri,) = media.flac(np.array([[1.0, -1.0] * 100], np.float32))
    samples, _ = soundfile.read(content(uri, "audio/flac"), dtype="int16")
    assert set(samples.tolist()) == {32767, -32768}


def test_a_picture_has_time_to_the_right_and_high_bins_on_top() -> None:
    features = np.zeros((2, 49, 40), np.float32)
    features[0, 30:, 35:] = 8.0
    uris = media.pictures(features)
    with Image.open(content(uris[0], "image/png")) as image:
        assert image.size == (49, 40)
        bright = np.asarray(image.convert("RGB")).sum(axis=2) > 300
    assert bright[:5, 30:].all() and bright.sum() == 5 * 19
    assert media.pictures(features) == uris


def test_pictures_share_their_scale_and_constant_features_are_drawn() -> None:
    features = np.stack([np.zeros((49, 40)), np.ones((49, 40))]).astype(np.float32)
    shades: list[NDArray[np.uint8]] = []
    for uri in media.pictures(features):
        with Image.open(content(uri, "image/png")) as image:
            shades.append(np.unique(np.asarray(image)))
    assert [shade.tolist() for shade in shades] == [[0], [media.SHADES - 1]]
    assert len(media.pictures(features[:1])) == 1
    steep = np.zeros((1, 49, 40), np.float32) + np.arange(40, dtype=np.float32) * 100
    steep[0, ::2] += 1  # lost on a scale for all bins
    with Image.open(content(media.pictures(steep, each_bin=True)[0], "image/png")) as image:
        assert np.unique(np.asarray(image)[:, ::2]).tolist() == [media.SHADES - 1]
        assert np.unique(np.asarray(image)[:, 1::2]).tolist() == [0]
    assert media.pictures(features[:0]) == []
