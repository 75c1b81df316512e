"""RecognizeCommands as its C++ reads, in plain Python: what kws_postprocess.c is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from kws_exp.c99.settings import Settings


@dataclass
class Recognizer:
    settings: Settings
    thresholds: Sequence[int]
    results: list[tuple[int, Sequence[int]]] = field(default_factory=list)
    previous: int = -1
    previous_time: int | None = None

    def __post_init__(self) -> None:
        self.previous = self.settings.silence_label

    def add(self, time: int, scores: Sequence[int]) -> tuple[int, int, int, int]:
        """Return label, time, score and whether it is new."""
        window = self.settings.average_window_ms
        self.results.append((time, [score + 128 for score in scores]))
        self.results = [result for result in self.results if result[0] >= time - window]
        if len(self.results) < self.settings.minimum_count or time - self.results[0][0] < window // 4:
            return self.previous, time, 0, 0
        averages = [sum(column) // len(self.results) for column in zip(*(row for _, row in self.results), strict=True)]
        top = averages.index(max(averages))
        new = averages[top] > self.thresholds[top] and self._may_fire(top, time)
        if new:
            self.previous, self.previous_time = top, time
        return top, time, averages[top], int(new)

    def _may_fire(self, top: int, time: int) -> bool:
        free = self.previous == self.settings.silence_label or self.previous_time is None
        over = free or time - (self.previous_time or 0) > self.settings.suppression_ms
        return top != self.previous or over if self.settings.repeat else top != self.previous and over
