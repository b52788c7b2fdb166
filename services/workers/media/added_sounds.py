"""Sounds of other files beside the source's, as arguments: other languages, a commentary (AddonAudioStream). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.workers.media.effects import AddedSound
from services.workers.media.ffmpeg import source
from services.workers.media.sound import audio_arguments
from shared.mps.transcode import AudioTemplateInfo


@dataclass(frozen=True, slots=True)
class SoundArguments:
    """Arguments that open the files, and those of the output."""

    inputs: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()


def added_sounds(
    sounds: Sequence[AddedSound],
    audio: AudioTemplateInfo,
    container: str,
    *,
    first_input: int,
    first_stream: int,
    start_s: float,
    lasts_s: float,
) -> SoundArguments:
    """The sounds in their order, encoded like the source's and cut like it: they run beside it from its beginning.
    Their files are the inputs from `first_input` on, they the sounds of the output from `first_stream` on. None lasts
    longer than `lasts_s`, if that is known (not 0)."""
    inputs: list[str] = []
    arguments: list[str] = []
    for number, sound in enumerate(sounds):
        stream = first_stream + number
        begin = ("-ss", f"{start_s:.3f}") if start_s else ()
        most = ("-t", f"{lasts_s:.3f}") if lasts_s else ()
        inputs += source(sound.path, *begin, *most)
        arguments += ["-map", f"{first_input + number}:a:0"]
        arguments += audio_arguments(audio, sound.stream, container=container, index=stream)
        arguments += [f"-map_metadata:s:a:{stream}", "-1"]
        if sound.language:
            arguments += [f"-metadata:s:a:{stream}", f"language={sound.language}"]
        if sound.title:
            arguments += [f"-metadata:s:a:{stream}", f"title={sound.title}"]
        arguments += [f"-disposition:a:{stream}", "0" if stream else "default"]
    return SoundArguments(tuple(inputs), tuple(arguments))
