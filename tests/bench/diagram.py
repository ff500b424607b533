# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Diagrams of what was measured: a plain SVG, for light and dark pages."""

from __future__ import annotations

import math
import typing as t

STYLE = """
text { font: 13px system-ui, "DejaVu Sans", sans-serif; fill: #24292f }
.title { font-weight: 600 }
.small { font-size: 12px; fill: #57606a }
.page { fill: #ffffff }
.grid { stroke: #d0d7de }
.axis { stroke: #57606a }
.a { stroke: #0a58ca; fill: #0a58ca }
.b { stroke: #b35900; fill: #b35900 }
.c { stroke: #6639ba; fill: #6639ba }
text.a, text.b, text.c { stroke: none; font-weight: 600 }
polyline { fill: none !important; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .small { fill: #9da7b1 }
  .page { fill: #0d1117 }
  .grid { stroke: #30363d }
  .axis { stroke: #9da7b1 }
  .a { stroke: #79b8ff; fill: #79b8ff }
  .b { stroke: #ffab70; fill: #ffab70 }
  .c { stroke: #d2a8ff; fill: #d2a8ff }
}
"""

#: Of each panel: the plotted area.
INNER_WIDTH, INNER_HEIGHT = 340, 250
PLAIN = {1e-2: "0.01", 0.1: "0.1", 1: "1", 10: "10", 100: "100", 1e3: "1 k", 1e4: "10 k", 1e5: "100 k", 1e6: "1 M"}

#: Name, class, marker, points as (x, y, what to say of it).
Line = tuple[str, str, str, list[tuple[float, float, str]]]


class Panel:
    """One diagram: x logarithmic, y from 0.

    left, top: the plotted area's upper left corner
    low, high: powers of ten between which x lies
    """

    def __init__(self, left: int, top: int, low: int, high: int, tallest: float) -> None:
        self._left, self._top, self._low, self._high = left, top, low, high
        self._step = next(step for step in (1, 2, 5, 10, 20, 25, 50, 100, 200, 500, 1000, 5000) if tallest <= 6 * step)
        self._tallest = self._step * math.ceil(tallest / self._step)

    def x(self, value: float) -> float:
        return round(self._left + (math.log10(value) - self._low) / (self._high - self._low) * INNER_WIDTH, 1)

    def y(self, value: float) -> float:
        return round(self._top + INNER_HEIGHT * (1 - value / self._tallest), 1)

    def frame(self, title: str, unit: str, measure: str) -> list[str]:
        right, bottom = self._left + INNER_WIDTH, self._top + INNER_HEIGHT
        found = ['<text class="title" x="%d" y="%d">%s</text>' % (self._left, self._top - 16, title)]
        for value in range(0, self._tallest + 1, self._step):
            place = self.y(value)
            kind = "grid" if value else "axis"
            found.append('<path class="%s" d="M%d %.1fH%d"/>' % (kind, self._left, place, right))
            place += 4
            found.append(
                '<text class="small" x="%d" y="%.1f" text-anchor="end">%d</text>' % (self._left - 8, place, value)
            )
        for power in range(self._low, self._high + 1):
            place = self.x(10.0**power)
            found.append('<path class="axis" d="M%.1f %dv5"/>' % (place, bottom))
            name = PLAIN.get(10.0**power, "10 M")
            found.append(
                '<text class="small" x="%.1f" y="%d" text-anchor="middle">%s</text>' % (place, bottom + 19, name)
            )
        middle = (self._left + right) // 2
        found.append('<text class="small" x="%d" y="%d" text-anchor="middle">%s</text>' % (middle, bottom + 38, unit))
        turned = "translate(%d %d) rotate(-90)" % (self._left - 42, (self._top + bottom) // 2)
        found.append('<text class="small" transform="%s" text-anchor="middle">%s</text>' % (turned, measure))
        return found

    def line(self, line: Line) -> list[str]:
        _name, kind, marker, points = line
        places = [(self.x(x), self.y(y), text) for x, y, text in points]
        found = ['<polyline class="%s" points="%s"/>' % (kind, " ".join("%.1f,%.1f" % place[:2] for place in places))]
        for x, y, text in places:
            shape = '<circle class="%s" cx="%.1f" cy="%.1f" r="4">' % (kind, x, y)
            if marker == "square":
                shape = '<rect class="%s" x="%.1f" y="%.1f" width="8" height="8">' % (kind, x - 4, y - 4)
            found.append("%s<title>%s</title></%s>" % (shape, text, shape[1:].split()[0]))
        return found

    def legend(self, lines: t.Iterable[Line]) -> list[str]:
        found = []
        for number, (name, kind, marker, _points) in enumerate(lines):
            x, y = self._left + 14, self._top + 16 + 20 * number
            found.append('<path class="%s" stroke-width="2" d="M%d %dh26"/>' % (kind, x, y))
            found.append(
                '<rect class="%s" x="%d" y="%d" width="8" height="8"/>' % (kind, x + 9, y - 4)
                if marker == "square"
                else '<circle class="%s" cx="%d" cy="%d" r="4"/>' % (kind, x + 13, y)
            )
            found.append('<text class="%s" x="%d" y="%d">%s</text>' % (kind, x + 34, y + 4, name))
        return found


def panel(left: int, top: int, title: str, unit: str, measure: str, lines: list[Line]) -> list[str]:
    """Draw one diagram.

    unit, measure: what x and y are
    """
    points = [point for line in lines for point in line[3]]
    low = math.floor(math.log10(min(point[0] for point in points)))
    high = math.ceil(math.log10(max(point[0] for point in points)))
    # Room for the legend above the highest point.
    drawn = Panel(left, top, low, max(high, low + 1), 1.35 * max(point[1] for point in points))
    found = drawn.frame(title, unit, measure)
    for line in lines:
        found += drawn.line(line)
    return found + (drawn.legend(lines) if len(lines) > 1 else [])


def page(size: tuple[int, int], title: str, words: str, drawn: t.Iterable[str]) -> str:
    """Return the SVG: the diagrams below a title and a line of words."""
    head = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="%s">'
    return "\n".join(
        [
            head % (*size, title),
            "<style>%s</style>" % STYLE,
            '<rect class="page" width="%d" height="%d"/>' % size,
            '<text class="title" x="24" y="28">%s</text>' % title,
            '<text class="small" x="24" y="46">%s</text>' % words,
            *drawn,
            "</svg>\n",
        ]
    )
