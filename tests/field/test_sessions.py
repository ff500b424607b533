# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What users' sessions and units get on hosts whose sshd, PAM stacks, shells and drop-ins are as people leave them."""

from __future__ import annotations

import pytest

from ansible_collections.fourtuple.clients.plugins.module_utils import drop_in, nofile_report, systemd_limits
from ansible_collections.fourtuple.clients.plugins.module_utils.host_tree import HostTree

MARK = "# Managed by fourtuple.clients (role limits). Changes here are overwritten.\n"
UNITS = "/etc/systemd/system"


@pytest.fixture
def debian(host):
    """A Debian 12 that systemd runs, with the ssh server and haproxy, as installed."""
    host.put("/etc/os-release", "ID=debian\n")
    host.put("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\nann:x:1000:1000::/home/ann:/bin/bash\n")
    host.put("/etc/security/limits.conf", "# nothing\n")
    host.put("/usr/lib/x86_64-linux-gnu/security/pam_limits.so", "/proc/sys/fs/nr_open\0%s%s%s%s\0")
    host.put("/usr/lib/systemd/systemd", "")
    host.put("/usr/lib/systemd/system/ssh.service", "[Service]\nExecStart=/usr/sbin/sshd -D $SSHD_OPTS\n")
    host.put("/usr/lib/systemd/system/haproxy.service", "[Service]\nExecStart=/usr/sbin/haproxy\n")
    (host.path / "run/systemd/system").mkdir(parents=True)
    host.sysctl(fs__nr_open=1048576)
    return host


def check(host, **options):
    request = nofile_report.Request(root=host.root, **options)
    return nofile_report.check(request, nofile_report.read_planned(request), live=True)


def carry_out(host, result, units=(), default=False):
    """Write and remove what role limits does, in its order; return how many files that changed."""
    grants, changes = result["grants"], []
    for unit in units:
        if grants["units"][unit] is not None:
            text = "[%(section)s]\nLimitNOFILE=%(limit)s\n" % grants["units"][unit]
            changes.append(drop_in.plan(host.root, systemd_limits.drop_in(unit), MARK + text))
    if default and grants["default"] is not None:
        text = "[Manager]\nDefaultLimitNOFILE=%s\n" % grants["default"]
        changes.append(drop_in.plan(host.root, systemd_limits.DEFAULT_DROP_IN, MARK + text))
    changes += [drop_in.plan(host.root, path, None) for path in result["removals"]]
    due = [change for change in changes if drop_in.is_due(host.root, change)]
    for change in due:
        drop_in.carry_out(host.root, change)
    return len(due)


@pytest.mark.parametrize(
    "path",
    [
        UNITS + "/haproxy.service.d/override.conf",
        UNITS + "/haproxy.service.d/limits.conf",
        UNITS + "/haproxy.service.d/zz-limits.conf",
        UNITS + "/haproxy.service.d/zzz.conf",
        UNITS + "/service.d/override.conf",
        UNITS + "/service.d/zzz-limits.conf",
        "/run/systemd/system/haproxy.service.d/override.conf",
        UNITS + ".control/haproxy.service.d/50-LimitNOFILE.conf",
    ],
)
def test_f12_a_drop_in_of_ours_wins_over_what_others_call_theirs(debian, path):
    """haproxy.service.d/override.conf has LimitNOFILE=65536; the target needs 200,000."""
    debian.put(path, "[Service]\nLimitNOFILE=65536\n")
    options = {"nofile_soft": 400000, "nofile_hard": 400000, "domains": [], "units": ["haproxy.service"]}
    result, message = check(debian, **options, needed=200064)
    assert (result["ok"], message, result["overridden"]) == (True, "", [])
    assert carry_out(debian, result, ["haproxy.service"]) == 1
    limit = systemd_limits.Units(HostTree(debian.root)).limit("haproxy.service")
    assert limit == (400000, 400000, UNITS + "/haproxy.service.d/zzzz-fourtuple.conf", 3)


def test_f12_what_sorts_after_ours_all_the_same_is_named_and_refused_where_it_matters(debian):
    debian.put(UNITS + "/service.d/zzzzz.conf", "[Service]\nLimitNOFILE=65536\n")
    options = {"nofile_soft": 400000, "nofile_hard": 400000, "domains": [], "units": ["haproxy.service"]}
    result, message = check(debian, **options, needed=200064)
    assert [row["source"] for row in result["overridden"]] == [UNITS + "/service.d/zzzzz.conf"]
    assert message.startswith(UNITS + "/service.d/zzzzz.conf:2 is 65536; allowed: at least 200064")
    result, message = check(debian, **options, needed=65536)
    assert (result["ok"], len(result["overridden"])) == (True, 1)


@pytest.fixture
def tuned_before(debian):
    """A host that release 0.1.0 has tuned, whose names for its drop-ins were others."""
    debian.put(UNITS + "/haproxy.service.d/fourtuple.conf", MARK + "[Service]\nLimitNOFILE=400000:400000\n")
    debian.put("/etc/systemd/system.conf.d/fourtuple.conf", MARK + "[Manager]\nDefaultLimitNOFILE=400000:524288\n")
    return debian


def test_f12_a_host_with_the_names_of_before_gets_todays_in_one_run(tuned_before):
    options = {"nofile_soft": 400000, "nofile_hard": 524288, "domains": [], "units": ["haproxy.service"]}
    options["systemd_default"] = True
    result, _message = check(tuned_before, **options)
    assert result["removals"] == [
        "/etc/systemd/system.conf.d/fourtuple.conf",
        UNITS + "/haproxy.service.d/fourtuple.conf",
    ]
    assert carry_out(tuned_before, result, ["haproxy.service"], default=True) == 4
    assert sorted(path.name for path in tuned_before.path.glob("etc/systemd/**/*.conf")) == ["zzzz-fourtuple.conf"] * 2
    again, _message = check(tuned_before, **options)
    assert carry_out(tuned_before, again, ["haproxy.service"], default=True) == 0


def test_f12_a_migration_that_was_killed_goes_on_or_back(tuned_before):
    """Both names are there: the new one wins, each is removed by what comes next."""
    new = UNITS + "/haproxy.service.d/zzzz-fourtuple.conf"
    tuned_before.put(new, MARK + "[Service]\nLimitNOFILE=500000:500000\n")
    tree = HostTree(tuned_before.root)
    assert systemd_limits.Units(tree).limit("haproxy.service") == (500000, 500000, new, 3)
    result, _message = check(tuned_before, own_absent=True)
    assert result["removals"] == [
        "/etc/systemd/system.conf.d/fourtuple.conf",
        UNITS + "/haproxy.service.d/fourtuple.conf",
        new,
    ]
    assert carry_out(tuned_before, result) == 3
    assert not list(tuned_before.path.glob("etc/systemd/**/*.conf"))
    assert not tuned_before.exists(UNITS + "/haproxy.service.d")
