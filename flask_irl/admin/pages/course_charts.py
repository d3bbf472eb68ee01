"""Draw a client's course over its last hours: its requests, and its scores. Pure."""

from __future__ import annotations

import datetime
import math
from typing import Final, NamedTuple

from flask_irl.admin.pages.charts import Chart, Series, bars
from flask_irl.operations.courses import ClientCourse

HOUR: Final = 3600
MOST_NAMED: Final = 6
"""Moments of flag and relief that a sentence names; all are in the list beside."""
ROOM: Final = 0.14
"""Part of a chart's width that the name of such a moment takes."""


class Look(NamedTuple):
    """Describe how a course is drawn: the hours that it shows, and the minutes of a bar."""

    hours: int
    minutes: int


LOOKS: Final = (Look(1, 5), Look(3, 5), Look(12, 10), Look(24, 20))
"""Ways to draw a course; the first that holds all of it is taken."""


class _Bars(NamedTuple):
    """Hold the figures of bars, from the earliest on."""

    look: Look
    begins: float
    admitted: list[float]
    refused: list[float]
    scores: list[float]

    def places(self) -> list[str]:
        seconds = self.look.minutes * 60
        return [_time(self.begins + i * seconds, "%H:%M") for i in range(len(self.scores))]

    def place_of(self, at: float) -> float:
        return (at - self.begins) / (self.look.minutes * 60)


def course_charts(course: ClientCourse) -> list[Chart]:
    """Draw the requests and the scores of a client's last hours; nothing where no course is kept.

    Args:
        course: The course.
    """
    if not course["slots"]:
        return []
    found = _bars(course)
    edges = _edges(course, found)
    hours, minutes = found.look
    span = "hour" if hours == 1 else f"{hours} hours"
    shown = f"in the last {span}; a bar is {minutes} minutes, times are UTC."
    total, refused = sum(found.admitted) + sum(found.refused), sum(found.refused)
    threshold = course["threshold"]
    lowest = min(slot["lowest_score"] for slot in course["slots"])
    calm = [score if score <= -threshold else 0.0 for score in found.scores]
    beyond = [score if score > -threshold else 0.0 for score in found.scores]
    return [
        bars(
            "course-requests",
            "Requests",
            f"{total:,.0f} requests, {refused:,.0f} of them refused, {shown}{_told(course)}",
            found.places(),
            [
                Series("admitted", "admitted", found.admitted),
                Series("refused", "refused", found.refused),
            ],
            edges=edges,
        ),
        bars(
            "course-scores",
            "Lowest scores",
            f"The lowest score of each bar {shown} The lowest of all is {lowest:.2f}; below "
            f"{threshold:.2f} a score is anomalous.",
            found.places(),
            [
                Series("score", "clients", calm),
                Series("score below the threshold", "refused", beyond),
            ],
            edges=edges,
            levels=[(-threshold, f"threshold {threshold:g}")],
            top=1.0,
            write=lambda score: f"{-score + 0.0:.2f}",
        ),
    ]


def _bars(course: ClientCourse) -> _Bars:
    """Put slots together to bars; bars begin at whole times, so that they stay what they are."""
    first = course["slots"][0]["since"]
    for look in LOOKS:
        seconds, count = look.minutes * 60, look.hours * 60 // look.minutes
        begins = (math.floor(course["until"] / seconds) - count + 1) * seconds
        if begins <= first:
            break
    found = _Bars(look, float(begins), *([0.0] * count for _ in range(3)))
    for slot in course["slots"]:
        place = int((slot["since"] - begins) // seconds)
        if 0 <= place < count:
            found.admitted[place] += max(slot["requests"] - slot["refused"], 0)
            found.refused[place] += slot["refused"]
            found.scores[place] = max(found.scores[place], -slot["lowest_score"])
    return found


def _edges(course: ClientCourse, found: _Bars) -> list[tuple[float, str]]:
    """Mark the moments of flag and relief, with their names where there is room for them."""
    count = len(found.scores)
    places = [found.place_of(change["at"]) for change in course["changes"]]
    ends = [*places, float(count)][1:]
    return [
        (place, change["change"] if end - place >= ROOM * count else "")
        for place, end, change in zip(places, ends, course["changes"], strict=True)
    ]


def _told(course: ClientCourse) -> str:
    """Tell the moments of flag and relief in a sentence; nothing without any."""
    changes = course["changes"]
    if not changes:
        return ""
    times = [f"{change['change']} at {_time(change['at'], '%H:%M:%S')}" for change in changes]
    more = len(times) - MOST_NAMED
    told = ", ".join(times[-MOST_NAMED:]) + (f", and {more} times before" if more > 0 else "")
    return f" {told[0].upper()}{told[1:]}."


def _time(at: float, form: str) -> str:
    return datetime.datetime.fromtimestamp(at, datetime.UTC).strftime(form)
