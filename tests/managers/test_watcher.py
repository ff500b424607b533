# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The watcher under a real systemd: started, stopped and replaced as its files come and go.

That it gives addresses back is in test_events.py, under each program, and in tests/field/test_watcher.py.
"""

from __future__ import annotations

import pathlib

import pytest
from test_cut_off import WATCHER, start

UNIT = "fourtuple-watch.service"
SCRIPT = WATCHER[0]
FOUR = ["198.51.100.20-198.51.100.23"]


@pytest.mark.parametrize("release", ["trixie", pytest.param("bookworm", marks=pytest.mark.nightly)])
def test_the_life_of_the_watcher(tmp_path: pathlib.Path, release: str) -> None:
    with start(tmp_path, "NetworkManager", release) as host:

        def present(entries: list[str] = FOUR) -> str:
            return host.role(list=entries, method="interface")

        def pid() -> str:
            return host.run("systemctl show --property MainPID --value " + UNIT).strip()

        assert present() != "0"
        first = pid()
        assert present() == "0"
        assert pid() == first
        # It may do nothing that it has no need of.
        exposure = host.run("systemd-analyze security --no-pager %s | tail -1" % UNIT)
        assert float(exposure.split(": ")[-1].split()[0]) < 5, exposure

        # Killed, it comes back by itself; stopped, with the next run, which says so.
        host.run("systemctl kill --signal KILL %s" % UNIT)
        assert host.wait(lambda: pid() not in ("0", first), 20)
        host.run("systemctl stop " + UNIT)
        assert present() == "1"
        assert present() == "0"
        second = pid()
        # So does one that runs with an earlier script.
        host.run("touch " + SCRIPT)
        assert present() == "1"
        assert pid() not in ("0", second)

        # Fewer addresses: what is taken away does not come back.
        host.role(list=["198.51.100.20"], method="interface")
        host.run("ip address del 198.51.100.20/32 dev eth0; sleep 1")
        assert [one for one in host.look().held if one.startswith("198.51.100.")] == ["198.51.100.20/32"]

        # One that cannot start fails the run, every time until it can.
        host.run("systemctl stop %s; mkdir /etc/systemd/system/%s.d" % (UNIT, UNIT))
        # Nor does systemd try again meanwhile, which for a moment each time looks as if it ran.
        lines = "[Service]\\nRestartSec=600\\nRestrictAddressFamilies=none\\n"
        host.run("printf '%s' >/etc/systemd/system/%s.d/site.conf" % (lines, UNIT))
        for _again in range(2):
            done = host.try_role(list=FOUR, method="interface")
            assert done.returncode == 2
            assert "journalctl --unit %s" % UNIT in done.stdout.replace("\n", " "), done.stdout
        host.run("rm -r /etc/systemd/system/%s.d" % UNIT)
        present()
        assert present() == "0"

        host.role(state="absent")
        assert host.run("systemctl list-units --all --plain --no-legend 'fourtuple*'") == ""
        assert host.run("find /etc/systemd/system -name '*fourtuple*'") == ""
        host.run("test ! -e /etc/systemd/system/multi-user.target.d")
