# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page in real Chromium: light and dark, wide and narrow, one host and 500, by keyboard and without JavaScript."""

from __future__ import annotations

import json
import pathlib
import re
import time
import typing as t

import pytest
import sample
from browser import Browser, Page

if t.TYPE_CHECKING:
    from conftest import Run

TAB, ENTER = ("Tab", 9), ("Enter", 13, "\r")

SAMPLES: dict[str, t.Callable[[], list[sample.Json]]] = {
    "one": lambda: [sample.tuned("client1.example.com")],
    "mixed": sample.mixed,
    "measured": lambda: [sample.tuned("client1.example.com", measured=sample.MEASURED)],
    "fleet": lambda: sample.fleet(500),
    "hostile": lambda: [sample.hostile(), *sample.mixed()],
}

#: The template as the role uses it.
PLAY = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.template:
        src: "{{ role }}/templates/report.html.j2"
        dest: "{{ folder }}/report.html"
        mode: "0644"
        lstrip_blocks: true
      vars:
        results: "{{ lookup('file', folder ~ '/results.json') | from_json }}"
        title: Load generators
        __report_page: >-
          {{ results | fourtuple.clients.report(results.keys(), title, generated) | fourtuple.clients.report_page }}
"""

#: The least contrast of any text on the page, by WCAG 2.2, and where it is.
LEAST_CONTRAST = """
(() => {
  const parse = colour => colour.match(/[\\d.]+/g).map(Number);
  const luminance = colour => {
    const [r, g, b] = parse(colour).map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const ground = element => {
    for (let e = element; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      if (parse(colour)[3] !== 0) return colour;
    }
  };
  let least = [99, ""];
  for (const element of document.querySelectorAll("body *")) {
    const words = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    if (!words || !element.checkVisibility()) continue;
    const [a, b] = [luminance(getComputedStyle(element).color), luminance(ground(element))];
    const contrast = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (contrast < least[0]) least = [contrast, element.outerHTML.slice(0, 100)];
  }
  return least;
})()
"""

OPEN_ALL = "document.querySelectorAll('details').forEach(details => details.open = true)"

#: Elements that stick out of the window on the right.
STICKING_OUT = """
[...document.querySelectorAll("body *")].filter(element => element.checkVisibility()
  && element.getBoundingClientRect().right > document.documentElement.clientWidth + 1
).map(element => element.outerHTML.slice(0, 100))
"""


@pytest.fixture(scope="module")
def pages(run: Run, checkout: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, pathlib.Path]:
    folder = tmp_path_factory.mktemp("pages")
    (folder / "play.yml").write_text(PLAY)
    made = {}
    for name, results in SAMPLES.items():
        (folder / name).mkdir()
        hostvars = {result["host"]: {"tune_result": result} if len(result) > 1 else {} for result in results()}
        (folder / name / "results.json").write_text(json.dumps(hostvars))
        given = {"folder": str(folder / name), "role": str(checkout / "roles/report"), "generated": sample.GENERATED}
        collections = str(checkout / "playbooks/collections")
        command = ("ansible-playbook", "play.yml", "-e", json.dumps(given))
        run(*command, cwd=folder, ANSIBLE_COLLECTIONS_PATH=collections)
        made[name] = folder / name / "report.html"
    return made


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture
def show(browser: Browser, pages: dict[str, pathlib.Path]) -> t.Callable[..., Page]:
    return lambda name, **how: Page(browser, pages[name], **how)


Show = t.Callable[..., Page]


@pytest.mark.parametrize("name", SAMPLES)
def test_nothing_is_loaded_and_the_console_stays_empty(show: Show, name: str) -> None:
    page = show(name)
    page.run(OPEN_ALL)
    assert page.requests() == [page.url]
    assert page.complaints() == []


@pytest.mark.parametrize("width", [360, 600, 800, 1100, 1280])
@pytest.mark.parametrize("name", SAMPLES)
def test_nothing_sticks_out_sideways(show: Show, name: str, width: int) -> None:
    page = show(name, width=width)
    if name != "fleet":
        page.run(OPEN_ALL)
    assert page.run("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert page.run(STICKING_OUT) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["one", "mixed"])
def test_text_stands_out(show: Show, name: str, scheme: str) -> None:
    page = show(name, scheme=scheme)
    page.run(OPEN_ALL)
    contrast, where = page.run(LEAST_CONTRAST)
    assert contrast >= 4.5, where


def test_light_and_dark_differ(show: Show) -> None:
    grounds = [
        show("one", scheme=scheme).run("getComputedStyle(document.body).backgroundColor")
        for scheme in ("light", "dark")
    ]
    assert grounds[0] != grounds[1]


def test_the_binding_constraint_is_marked_by_more_than_colour(show: Show) -> None:
    page = show("mixed")
    marked = page.run("[...document.querySelectorAll('tr.binds')].map(row => row.querySelector('th').textContent)")
    assert len(marked) == 8
    assert all(text.endswith("◆ binds") for text in marked), marked
    assert page.run("getComputedStyle(document.querySelector('tr.binds .a')).backgroundImage").startswith("repeating")


def test_bars_and_the_target_line_lie_where_the_scale_says(show: Show) -> None:
    """On 10 k to 100 M, four powers of ten: 28,232, 258,048 and the target of 100,000."""
    page = show("one")
    track = "document.querySelector('summary .t')"
    width = page.run("%s.clientWidth" % track)
    before = page.run("%s.querySelector('.b').getBoundingClientRect().width" % track)
    after = page.run("%s.querySelector('.a').getBoundingClientRect().width" % track)
    target = page.run("parseFloat(getComputedStyle(%s, '::after').left)" % track)
    ticks = page.run("[...document.querySelector('.head .ticks').children].map(tick => tick.textContent)")
    assert ticks == ["10 k", "100 k", "1 M", "10 M", "100 M"]
    assert before / width == pytest.approx(0.4507 / 4, abs=0.005)
    assert after / width == pytest.approx(1.4117 / 4, abs=0.005)
    assert target / width == pytest.approx(1 / 4, abs=0.01)


def test_the_keyboard_reaches_and_opens_the_details(show: Show) -> None:
    page = show("mixed")
    reached = []
    for _step in range(12):
        page.press(*TAB)
        reached.append(page.run("document.activeElement.tagName + '.' + document.activeElement.className"))
    wanted = ["A.skip", "INPUT.", "SELECT.", "SELECT.", "BUTTON.", "SUMMARY."]
    assert reached[: len(wanted)] == wanted
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.run(outline) == "solid"
    opened = "document.activeElement.parentElement.open"
    assert page.run(opened) is False
    page.press(*ENTER)
    assert page.run(opened) is True


def test_the_skip_link_leads_past_the_fleet(show: Show) -> None:
    page = show("fleet")
    page.press(*TAB)
    page.press(*ENTER)
    assert page.run("document.activeElement.id") == "hosts"


def test_tables_have_captions_and_scoped_headers(show: Show) -> None:
    page = show("mixed")
    assert page.run("[...document.querySelectorAll('table')].every(table => table.caption.textContent.trim())")
    assert page.run("document.querySelectorAll('th:not([scope])').length") == 0
    assert page.run("[...document.querySelectorAll('input, select')].every(field => field.labels.length === 1)")
    assert page.run("document.documentElement.lang") == "en"


def test_the_words_of_hosts_stay_words(show: Show) -> None:
    page = show("hostile")
    page.run(OPEN_ALL)
    assert page.run("document.title") == "Load generators"
    assert page.run("document.querySelectorAll('img, script').length") == 1
    assert page.run("document.querySelectorAll('ul.hosts > li').length") == 10
    names = page.run("[...document.querySelectorAll('summary bdi')].map(name => name.textContent)")
    assert sample.hostile()["host"] in names
    assert "{{ 7 * 7 }}" in page.run("document.body.textContent")


def test_the_names_of_a_fleet_stand_without_their_domain(show: Show) -> None:
    page = show("fleet")
    assert page.run("document.querySelector('summary bdi').title") == "client207.example.com"
    assert "Names without .example.com" in page.run("document.querySelector('.key').textContent")
    # In a line: two would be 43 pixels high.
    tall = "Math.max(...[...document.querySelectorAll('summary bdi')].map(name => name.getBoundingClientRect().height))"
    assert page.run(tall) < 25


@pytest.mark.parametrize("width", [700, 1280])
def test_the_figures_fill_their_block(show: Show, width: int) -> None:
    page = show("measured", width=width)
    assert page.run("document.querySelectorAll('.figures > div').length") == 5
    areas = "[...document.querySelectorAll('%s')].map(e => e.getBoundingClientRect()).map(r => r.width * r.height)"
    whole, parts = page.run(areas % ".figures")[0], page.run(areas % ".figures > div")
    assert sum(parts) > 0.95 * whole


def test_a_fleet_is_filtered_sorted_and_opened(show: Show) -> None:
    page = show("fleet")
    visible = "[...document.querySelectorAll('ul.hosts > li:not([hidden]) bdi:first-of-type')].length"
    listed = "document.querySelectorAll('ul.hosts > li:not([hidden])').length"
    first = "document.querySelector('ul.hosts > li:not([hidden]) summary bdi').textContent"
    assert page.run(listed) == 500
    assert page.run(visible) >= 500
    assert page.run(first) == "client207"
    assert page.run("document.querySelectorAll('details[open]').length") == 0
    field = "document.querySelector('.tools').elements"
    choose = "%s.%%s.value = %%s, %s.%%s.dispatchEvent(new Event('%%s'))" % (field, field)
    page.run(choose % ("sort", "'host'", "sort", "change"))
    assert page.run(first) == "client001"
    page.run(choose % ("verdict", "'refused'", "verdict", "change"))
    assert page.run(listed) == 4
    assert page.run("document.querySelector('output').textContent") == "4 of 500 hosts"
    page.run(choose % ("text", "'CLIENT101'", "text", "input"))
    assert page.run(listed) == 1
    page.run("document.querySelector('button[name=open]').click()")
    assert page.run("document.querySelectorAll('details[open]').length") == 1


def test_the_page_is_whole_without_javascript(browser: Browser, pages: dict[str, pathlib.Path]) -> None:
    page = Page(browser, pages["mixed"], scripts=False)
    assert page.run("document.querySelector('.tools').checkVisibility()") is False
    assert page.run("document.querySelectorAll('details').length") == 9


def test_500_hosts_make_a_page_of_reasonable_size(pages: dict[str, pathlib.Path], browser: Browser) -> None:
    assert pages["fleet"].stat().st_size < 3_000_000
    start = time.monotonic()
    Page(browser, pages["fleet"]).run("document.body.offsetHeight")
    assert time.monotonic() - start < 5


def test_the_only_script_is_the_one_that_the_page_allows(pages: dict[str, pathlib.Path]) -> None:
    """Chromium refuses a script whose hash is another; a console error would say so, and which hash to write."""
    text = pages["fleet"].read_text()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy
    assert "default-src 'none'" in policy[1]
    assert re.search(r"script-src 'sha256-[^']+';", policy[1])
    assert text.count("<script") == 1
