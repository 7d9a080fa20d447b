"""Replay: recorded requests, priced as they were and as a policy would send them; no provider."""

from tokenthrift.replay.conversation import DEFAULT_MODEL, Options, Replayed, Split, replay_line
from tokenthrift.replay.lines import RawLine, raw_lines
from tokenthrift.replay.readers import Recording, recording_of
from tokenthrift.replay.running import Outcome, Progress, replay

__all__ = [
    "DEFAULT_MODEL",
    "Options",
    "Outcome",
    "Progress",
    "RawLine",
    "Recording",
    "Replayed",
    "Split",
    "raw_lines",
    "recording_of",
    "replay",
    "replay_line",
]
