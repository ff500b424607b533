# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os

import pytest
from host_folder import no_programs

from ansible_collections.fourtuple.clients.plugins.module_utils.apply import drop_in, originals, sysctl_change
from ansible_collections.fourtuple.clients.plugins.module_utils.apply.keys_request import KeysRequest
from ansible_collections.fourtuple.clients.plugins.module_utils.host import files, proc_sys
from ansible_collections.fourtuple.clients.plugins.module_utils.nofile import hard_limits
from ansible_collections.fourtuple.clients.plugins.module_utils.values import owned
from ansible_collections.fourtuple.clients.plugins.module_utils.values.names import Names
from ansible_collections.fourtuple.clients.plugins.module_utils.values.owned import OWNER_MARK
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal

RANGE = "net.ipv4.ip_local_port_range"
RESERVED = "net.ipv4.ip_local_reserved_ports"
STATE = "/var/lib/fourtuple/sysctl.json"
HEADER = "  sl  local_address rem_address   st\n"


@pytest.fixture
def stock(host):
    """A Debian 12 host as installed."""
    host.put("/etc/os-release", "ID=debian\n")
    host.sysctl(
        fs__nr_open=1048576,
        fs__file_max=9223372036854775807,
        net__core__somaxconn=4096,
        net__ipv4__ip_local_port_range="32768\t60999",
        net__ipv4__ip_local_reserved_ports="",
        net__ipv4__ip_unprivileged_port_start=1024,
        net__ipv4__tcp_mem="1 2 3",
        net__ipv4__tcp_tw_reuse=2,
    )
    (host.path / "proc/sys/fs/file_max").rename(host.path / "proc/sys/fs/file-max")
    return host


def request(floors=None, values=None, reserved_ports=(), reserve_listeners=True):
    return KeysRequest(floors or {}, values or {}, reserved_ports, reserve_listeners, Names("sysctl_"))


def plan(host, **asked):
    return sysctl_change.plan_present(host.look(), request(**asked))


def apply(host, **asked):
    """Do what the role does: carry the plan out, then keep it for the next reboot."""
    change = plan(host, **asked)
    done = sysctl_change.carry_out(host.look(), change)
    text = OWNER_MARK + "\n" + "".join("%s = %s\n" % (k.key, k.persist) for k in done if k.persist)
    drop_in.carry_out(host.look(), drop_in.plan(host.look(), owned.SYSCTL_DROP_IN, text), no_programs())
    return {key.key: key for key in done}


def absent(host):
    """Do what the role does: carry the plan out, then remove the files in the order given."""
    done = {key.key: key for key in sysctl_change.carry_out(host.look(), sysctl_change.plan_absent(host.look()))}
    for path in sysctl_change.own_files(host.look()):
        drop_in.carry_out(host.look(), drop_in.plan(host.look(), path, None), no_programs())
    return done


def listen(host, *ports):
    lines = ["%d: 00000000:%04X 00000000:0000 0A\n" % (n, port) for n, port in enumerate(ports)]
    host.put("/proc/net/tcp", HEADER + "".join(lines))


def test_a_floor_is_raised_and_a_higher_one_kept(stock):
    done = apply(stock, floors={"fs.nr_open": 2000000, "fs.file-max": 4000000, "net.core.somaxconn": "4096"})
    assert (done["fs.nr_open"].outcome, stock.live("fs.nr_open")) == ("applied", "2000000")
    assert (done["fs.file-max"].outcome, done["fs.file-max"].persist) == ("kept", "9223372036854775807")
    assert done["net.core.somaxconn"].outcome == "already"


def test_a_floor_is_not_lowered_at_the_next_boot_either(stock):
    stock.put("/etc/sysctl.d/50-other.conf", "fs.nr_open = 3000000\n")
    done = apply(stock, floors={"fs.nr_open": 2000000})
    assert done["fs.nr_open"].persist == "3000000"
    assert stock.live("fs.nr_open") == "3000000"


def test_a_second_run_writes_nothing(stock):
    asked = {"floors": {"fs.nr_open": 2000000}, "values": {RANGE: "1024 65535"}, "reserved_ports": [8080]}
    apply(stock, **asked)
    recorded = stock.text(STATE)
    again = apply(stock, **asked)
    assert {key.outcome for key in again.values()} == {"already"}
    assert all(key.target is None for key in again.values())
    assert stock.text(STATE) == recorded


def test_absent_puts_everything_back(stock):
    apply(stock, floors={"fs.nr_open": 2000000}, values={RANGE: "1024 65535"}, reserved_ports=[8080])
    done = absent(stock)
    assert {key.outcome for key in done.values()} == {"restored"}
    assert stock.live("fs.nr_open") == "1048576"
    assert stock.live(RANGE) == "32768 60999"
    assert stock.live(RESERVED) == ""
    assert not stock.exists("/var/lib/fourtuple")
    assert absent(stock) == {}


def test_originals_are_those_before_the_first_run(stock):
    apply(stock, values={RANGE: "1024 65535"})
    apply(stock, values={RANGE: "2048 65535"})
    absent(stock)
    assert stock.live(RANGE) == "32768 60999"


def test_a_key_no_longer_named_goes_back(stock):
    apply(stock, values={RANGE: "1024 65535", "net.ipv4.tcp_tw_reuse": 1})
    done = apply(stock, values={RANGE: "1024 65535"})
    assert done["net.ipv4.tcp_tw_reuse"].outcome == "restored"
    assert stock.live("net.ipv4.tcp_tw_reuse") == "2"
    # The drop-in no longer has it, and with that goes its record: a second run has nothing to do.
    assert set(json.loads(stock.text(STATE))) == {RANGE}


def test_what_someone_else_changed_since_stays(stock):
    apply(stock, values={"net.ipv4.tcp_tw_reuse": 1})
    stock.sysctl(net__ipv4__tcp_tw_reuse=0)
    assert absent(stock)["net.ipv4.tcp_tw_reuse"].outcome == "foreign"
    assert stock.live("net.ipv4.tcp_tw_reuse") == "0"


def test_a_run_that_died_between_record_and_write_is_undone(stock):
    apply(stock, values={"net.ipv4.tcp_tw_reuse": 1})
    change = plan(stock, values={"net.ipv4.tcp_tw_reuse": 0})
    originals.record(stock.look(), change.keys, change.listeners)
    assert absent(stock)["net.ipv4.tcp_tw_reuse"].outcome == "restored"
    assert stock.live("net.ipv4.tcp_tw_reuse") == "2"


def test_a_boot_between_restoring_and_removing_the_drop_in_loses_no_original(stock):
    apply(stock, values={"net.ipv4.tcp_tw_reuse": 1})
    sysctl_change.carry_out(stock.look(), sysctl_change.plan_absent(stock.look()))
    stock.sysctl(net__ipv4__tcp_tw_reuse=1)  # the boot applies the drop-in that is still there
    assert absent(stock)["net.ipv4.tcp_tw_reuse"].outcome == "restored"
    assert stock.live("net.ipv4.tcp_tw_reuse") == "2"
    assert not stock.exists("/var/lib/fourtuple")


def test_the_record_goes_alone_while_another_role_has_one(stock):
    apply(stock, values={"net.ipv4.tcp_tw_reuse": 1})
    stock.put("/var/lib/fourtuple/addresses.json", "{}")
    absent(stock)
    assert not stock.exists(STATE)
    assert stock.exists("/var/lib/fourtuple/addresses.json")


def test_without_a_drop_in_the_record_goes_at_once(stock):
    sysctl_change.carry_out(stock.look(), plan(stock, values={"net.ipv4.tcp_tw_reuse": 1}))
    sysctl_change.carry_out(stock.look(), sysctl_change.plan_absent(stock.look()))
    assert not stock.exists("/var/lib/fourtuple")


def test_reserved_ports_are_merged_and_only_ours_taken_back(stock):
    listen(stock, 22, 8080, 9100)
    stock.sysctl(net__ipv4__ip_local_reserved_ports="7000")
    stock.put("/etc/sysctl.d/50-other.conf", RESERVED + " = 7100\n")
    done = apply(stock, values={RANGE: "1024 65535"}, reserved_ports=["9000-9001"])
    assert done[RESERVED].persist == "7000,7100,8080,9000-9001,9100"
    assert next(iter(done)) == RESERVED  # reserved before the range is widened over them
    stock.sysctl(net__ipv4__ip_local_reserved_ports="5000,7000,7100,8080,9000-9001,9100")
    absent(stock)
    assert stock.live(RESERVED) == "5000,7000"


def test_unreserved_listeners_are_refused_when_they_may_not_be_reserved(stock):
    listen(stock, 8080)
    with pytest.raises(Refusal, match=r"\(8080\).*sysctl_reserved_ports"):
        plan(stock, values={RANGE: "1024 65535"}, reserve_listeners=False)
    assert plan(stock, values={RANGE: "1024 65535"}, reserve_listeners=False, reserved_ports=[8080])


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"values": {"net.ipv4.tcp_tw_reusee": 1}}, r"sysctl_values\[net.ipv4.tcp_tw_reusee\].*spelling"),
        ({"values": {"net.ipv4.tcp_tw_reuse": True}}, "YAML reads yes"),
        ({"floors": {"fs.nr_open": True}}, "YAML reads yes"),
        ({"floors": {"fs.nr_open": "unlimited"}}, r"sysctl_floors\[fs.nr_open\] is 'unlimited'"),
        ({"values": {RANGE: "65535 1024"}}, "Swap the two ends"),
        ({"values": {RANGE: "1024 70000"}}, "1 to 65535"),
        ({"values": {RANGE: "1000 65535"}}, "ip_unprivileged_port_start, 1024"),
        ({"values": {RESERVED: "80"}}, "sysctl_reserved_ports"),
        ({"values": {"fs.nr_open": 210000}}, r"1048576 or more.*sysctl_floors"),
        ({"values": {"net.core.somaxconn": 1}, "floors": {"net/core/somaxconn": 1}}, "Remove it from one"),
        ({"values": {"net.ipv4.conf.*.rp_filter": 1}}, "without globs"),
        ({"values": {"../etc": 1}}, "without globs"),
        ({"values": {"net.ipv4.tcp_tw_reuse": None}}, "one line of text"),
        ({"values": {"net.ipv4.tcp_tw_reuse": "1\n2"}}, "one line of text"),
        ({"reserved_ports": ["x"]}, r"sysctl_reserved_ports\[0\]"),
    ],
)
def test_refusals_change_nothing(stock, asked, message):
    before = {path: path.read_bytes() for path in stock.path.rglob("*") if path.is_file()}
    with pytest.raises(Refusal, match=message):
        apply(stock, **asked)
    assert before == {path: path.read_bytes() for path in stock.path.rglob("*") if path.is_file()}


def test_lowering_nr_open_names_the_limit_that_needs_more(stock):
    (stock.path / "run/systemd/system").mkdir(parents=True)
    (stock.path / "etc/systemd").mkdir(parents=True)
    (stock.path / "usr/lib/systemd").mkdir(parents=True)
    stock.put("/usr/lib/systemd/systemd", "")
    with pytest.raises(Refusal, match=r"the highest is .*, hard nofile 524288"):
        plan(stock, values={"fs.nr_open": 210000})


def test_a_range_of_one_parity_is_warned_about(stock):
    assert "same parity" in plan(stock, values={RANGE: "5000 65000"}).warnings[0]
    assert not plan(stock, values={RANGE: "1024 65535"}).warnings
    assert not plan(stock, values={RANGE: "5000 5000"}).warnings


@pytest.mark.parametrize("record", ["{}", "[]", '{"before": 1, "kind": "floor", "order": 0, "ours": []}'])
def test_a_record_that_is_not_ours_is_told(stock, record):
    stock.put(STATE, '{"fs.nr_open": %s}' % record)
    with pytest.raises(ValueError, match=r"no record of fs\.nr_open"):
        sysctl_change.plan_absent(stock.look())


def test_digits_of_another_script_in_somebody_s_file(stock):
    stock.put("/etc/sysctl.d/50-x.conf", "net.core.somaxconn = \u00b2\n")
    (key,) = plan(stock, floors={"net.core.somaxconn": 8192}).keys
    assert key.target == "8192"


def test_a_read_only_key_is_reported_and_not_persisted(stock, monkeypatch):
    monkeypatch.setattr(proc_sys.os, "access", lambda path, _mode: "tcp_tw_reuse" not in path)
    key = plan(stock, values={"net.ipv4.tcp_tw_reuse": 1}).keys[0]
    assert (key.outcome, key.target, key.persist) == ("read_only", None, None)


def test_absent_keys(stock):
    os.unlink(str(stock.path / "proc/sys/net/ipv4/tcp_mem"))
    keys = plan(stock, values={"net.ipv4.tcp_mem": "4 5 6"}, floors={"net.core.nothing": 1}).keys
    assert [(key.outcome, key.persist) for key in keys] == [("absent", None)] * 2


def test_a_key_of_a_kernel_module_is_planned_with_it(stock):
    asked = request(floors={"net.netfilter.nf_conntrack_max": 262144})
    change = sysctl_change.plan_present(stock.look(), asked)
    assert (change.keys[0].outcome, change.modules) == ("applied", ["nf_conntrack"])
    change = sysctl_change.plan_present(stock.look(), asked, modules_loadable=False)
    assert (change.keys[0].outcome, change.modules) == ("absent", [])


def test_in_a_container_the_machines_keys_are_checked_and_never_written(stock):
    stock.put("/run/.containerenv", "")
    os.unlink(str(stock.path / "proc/sys/net/ipv4/tcp_mem"))
    done = apply(stock, floors={"fs.nr_open": 1000000}, values={RANGE: "1024 65535"})
    assert (done["fs.nr_open"].outcome, done["fs.nr_open"].persist) == ("machine_wide", None)
    assert done[RANGE].outcome == "applied"
    with pytest.raises(Refusal, match=r"fs.nr_open.*at most 1048576, the value of the machine"):
        plan(stock, floors={"fs.nr_open": 2000000})
    with pytest.raises(Refusal, match="exactly 1048576"):
        plan(stock, values={"fs.nr_open": 2000000})


def test_a_later_file_that_beats_ours_is_named(stock):
    stock.put("/etc/sysctl.d/99-zzz.conf", "# c\n%s = 10000 20000\n" % RANGE)
    assert plan(stock, values={RANGE: "1024 65535"}).overridden == [
        {
            "key": RANGE,
            "source": "/etc/sysctl.d/99-zzz.conf",
            "line": 2,
            "value": "10000 20000",
            "ours": "1024 65535",
        }
    ]


@pytest.mark.parametrize("path", [owned.SYSCTL_DROP_IN, owned.MODULES_LOAD])
def test_a_file_of_our_name_that_is_not_ours_is_refused(stock, path):
    stock.put(path, "fs.nr_open = 1\n")
    with pytest.raises(Refusal, match=path + ":1"):
        plan(stock)
    with pytest.raises(Refusal, match=path + ":1"):
        sysctl_change.plan_absent(stock.look())


def test_a_write_that_fails_says_how_far_it_came_and_can_be_undone(stock, monkeypatch):
    write = sysctl_change._write

    def fail(root, key, value):
        if key == "net.ipv4.tcp_tw_reuse":
            raise OSError(22, "Invalid argument")
        write(root, key, value)

    asked = {RANGE: "1024 65535", "net.ipv4.tcp_tw_reuse": 0, "net.core.somaxconn": 5}
    monkeypatch.setattr(sysctl_change, "_write", fail)
    message = r"tcp_tw_reuse .*Invalid argument.*before it: %s.*Not attempted: net.core.somaxconn" % RANGE
    with pytest.raises(sysctl_change.WriteFailed, match=message):
        apply(stock, values=asked)
    monkeypatch.undo()
    assert {key: plan.outcome for key, plan in absent(stock).items()} == {
        RANGE: "restored",
        "net.ipv4.tcp_tw_reuse": "already",
        "net.core.somaxconn": "already",
    }
    assert not stock.exists(STATE)


def test_a_value_that_does_not_read_back_is_a_failure(stock, monkeypatch):
    monkeypatch.setattr(sysctl_change, "_write", lambda *_: None)
    with pytest.raises(sysctl_change.WriteFailed, match="reads back as '2'"):
        apply(stock, values={"net.ipv4.tcp_tw_reuse": 1})


def test_nr_open_stays_while_a_configured_limit_needs_it(stock):
    apply(stock, floors={"fs.nr_open": 2000000})
    stock.put("/etc/security/limits.d/50-other.conf", "* hard nofile 1500000\n")
    with pytest.raises(Refusal, match=r"/etc/security/limits.d/50-other.conf:1 is 1500000; .* to at least 1500000, or"):
        sysctl_change.plan_absent(stock.look())


def test_the_planned_files_are_the_host_after_the_step(stock):
    request = KeysRequest({"fs.nr_open": 2000000}, {}, [], True)
    change = sysctl_change.plan_present(stock.look(), request)
    planned = sysctl_change.planned_files(change.keys)
    written = owned.OWNER_MARK + "\nfs.nr_open = 2000000\n"
    assert planned == {owned.SYSCTL_DROP_IN: written, "/proc/sys/fs/nr_open": "2000000\n"}
    then = stock.look().planning(planned)
    assert hard_limits.nr_open_now(then) == hard_limits.nr_open_after_boot(then).value == 2000000
    apply(stock, floors={"fs.nr_open": 2000000})
    undone = sysctl_change.planned_files(sysctl_change.plan_absent(stock.look()).keys)
    assert undone == {owned.SYSCTL_DROP_IN: None, "/proc/sys/fs/nr_open": "1048576\n"}


def test_nr_open_of_our_own_limits_counts_as_gone_when_told_so(stock):
    apply(stock, floors={"fs.nr_open": 2000000})
    stock.put("/etc/security/limits.d/99-zz-fourtuple.conf", "# Managed by fourtuple.clients\n* hard nofile 2000000\n")
    with pytest.raises(Refusal):
        sysctl_change.plan_absent(stock.look())
    assert sysctl_change.plan_absent(hard_limits.without_own(stock.look())).keys[0].outcome == "restored"


@pytest.fixture
def in_use(stock):
    """A host whose fs.nr_open was raised, and is needed by a process that runs; then untuned."""
    apply(stock, floors={"fs.nr_open": 2000000}, values={"net.ipv4.tcp_tw_reuse": 1})
    limits = "Limit                     Soft Limit           Hard Limit           Units     \n"
    limits += "Max open files            1024                 2000000              files     \n"
    stock.put("/proc/77/limits", limits)
    stock.put("/proc/77/comm", "client\n")
    stock.put("/proc/77/cgroup", "0::/user.slice\n")
    done = absent(stock)
    assert (done["fs.nr_open"].outcome, stock.live("fs.nr_open")) == ("in_force", "2000000")
    assert done["net.ipv4.tcp_tw_reuse"].outcome == "restored"
    return stock


def test_nr_open_stays_while_a_running_process_needs_it(in_use):
    assert absent(in_use).keys() == {"fs.nr_open"}
    (in_use.path / "proc/77/limits").unlink()
    assert absent(in_use)["fs.nr_open"].outcome == "restored"
    assert not in_use.exists("/run/fourtuple")


def test_a_second_untune_of_a_host_in_use_writes_nothing(in_use, monkeypatch):
    monkeypatch.setattr(originals, "save_state", lambda *_arguments: pytest.fail("a record was written"))
    assert absent(in_use)["fs.nr_open"].outcome == "in_force"


def test_what_is_left_to_the_next_boot_stays_known_while_other_keys_are_tuned(in_use):
    assert apply(in_use, values={"net.ipv4.tcp_tw_reuse": 1})["fs.nr_open"].outcome == "in_force"
    assert set(json.loads(in_use.text(STATE))) == {"net.ipv4.tcp_tw_reuse"}
    (in_use.path / "proc/77/limits").unlink()
    assert {key.outcome for key in absent(in_use).values()} == {"restored"}
    assert in_use.live("fs.nr_open") == "1048576"
    assert not in_use.exists("/run/fourtuple")


def test_a_run_between_putting_back_and_removing_the_drop_in_keeps_its_originals(stock):
    apply(stock, values={"net.ipv4.tcp_tw_reuse": 1})
    sysctl_change.carry_out(stock.look(), sysctl_change.plan_absent(stock.look()))
    apply(stock, values={"net.ipv4.tcp_tw_reuse": 1})
    drop_in.carry_out(stock.look(), drop_in.plan(stock.look(), owned.SYSCTL_DROP_IN, None), no_programs())
    assert absent(stock)["net.ipv4.tcp_tw_reuse"].outcome == "restored"
    assert stock.live("net.ipv4.tcp_tw_reuse") == "2"
    assert not stock.exists("/var/lib/fourtuple")


def test_a_record_that_is_broken_is_told_before_the_drop_in_changes(stock):
    apply(stock, values={"net.ipv4.tcp_tw_reuse": 1})
    stock.put(STATE, "{")
    with pytest.raises(ValueError, match="is not the JSON"):
        drop_in.carry_out(stock.look(), drop_in.plan(stock.look(), owned.SYSCTL_DROP_IN, None), no_programs())
    assert stock.exists(owned.SYSCTL_DROP_IN)


def test_what_a_run_left_that_was_killed_before_it_had_recorded_anything_goes(stock):
    stock.put(files.unfinished(STATE), "{")
    stock.put(files.unfinished(owned.SYSCTL_DROP_IN), "#")
    assert absent(stock) == {}
    assert not stock.exists("/var/lib/fourtuple")
    assert os.listdir(str(stock.path / "etc/sysctl.d")) == []
    for directory in ("var/lib/fourtuple", "run/fourtuple"):
        (stock.path / directory).mkdir(parents=True)
        assert absent(stock) == {}
        assert not stock.exists("/" + directory)


def test_what_the_next_boot_restores_leaves_no_trace_there(in_use):
    assert not in_use.exists("/var/lib/fourtuple")
    assert in_use.exists("/run/fourtuple/sysctl.json")


def test_what_was_left_to_the_next_boot_is_known_when_it_is_asked_for_again(in_use):
    assert apply(in_use, floors={"fs.nr_open": 2000000})["fs.nr_open"].outcome == "already"
    assert not in_use.exists("/run/fourtuple")
    (in_use.path / "proc/77/limits").unlink()
    assert absent(in_use)["fs.nr_open"].outcome == "restored"
    assert in_use.live("fs.nr_open") == "1048576"


@pytest.fixture
def article(stock):
    """The stock host, by systemd 252, on which somebody has followed an old article."""
    (stock.path / "run/systemd/system").mkdir(parents=True)
    stock.put("/usr/lib/systemd/systemd", "")
    stock.put("/var/lib/dpkg/status", "Package: systemd\nVersion: 252.39-1~deb12u2\n")
    stock.sysctl(fs__nr_open=210000)
    stock.put("/proc/sys/fs/file-max", "200000\n")
    return stock


def test_a_floor_is_not_below_what_a_boot_gives_when_somebody_has_lowered_the_key_for_now(article):
    done = apply(article, floors={"fs.file-max": 300000, "fs.nr_open": 300000})
    assert (done["fs.file-max"].persist, article.live("fs.file-max")) == (str(2**63 - 1), str(2**63 - 1))
    assert (done["fs.nr_open"].persist, article.live("fs.nr_open")) == ("1048576", "1048576")
    article.put("/etc/sysctl.d/10-site.conf", "fs.file-max = 400000\n")
    article.put("/proc/sys/fs/file-max", "200000\n")
    assert plan(article, floors={"fs.file-max": 300000}).keys[0].persist == "400000"


@pytest.mark.parametrize("version", ["239-82.el8", "unknown"])
def test_a_systemd_that_does_not_raise_file_max_leaves_the_live_value(article, version):
    article.put("/var/lib/dpkg/status", "Package: systemd\nVersion: %s\n" % version)
    assert plan(article, floors={"fs.file-max": 300000}).keys[0].persist == "300000"


def test_an_nr_open_that_would_lock_out_is_not_put_back_and_the_message_says_where_to_mend_it(article):
    article.put("/etc/sysctl.d/10-article.conf", "fs.nr_open=210000\n")
    apply(article, floors={"fs.nr_open": 1048576})
    with pytest.raises(Refusal) as refusal:
        sysctl_change.plan_absent(article.look())
    assert str(refusal.value) == (
        "systemd's built-in DefaultLimitNOFILE is 524288; allowed: at most 210000, fs.nr_open after the "
        "next reboot (/etc/sysctl.d/10-article.conf:1). Set fs.nr_open in /etc/sysctl.d/10-article.conf:1 to at least "
        "524288, or lower that limit; then run again."
    )


def test_an_nr_open_in_use_that_a_boot_gives_without_us_is_not_waited_for(article):
    article.put("/etc/sysctl.d/10-article.conf", "fs.nr_open=210000\n")
    apply(article, floors={"fs.nr_open": 1048576})
    article.put("/etc/sysctl.d/10-article.conf", "fs.nr_open=1048576\n")
    assert absent(article)["fs.nr_open"].outcome == "already"
    assert article.live("fs.nr_open") == "1048576"
    assert not article.exists("/var/lib/fourtuple")


def test_our_own_limits_go_before_the_nr_open_that_they_need(article):
    article.sysctl(fs__nr_open=1048576)
    apply(article, floors={"fs.nr_open": 2000000})
    article.put(
        "/etc/security/limits.d/99-zz-fourtuple.conf", "# Managed by fourtuple.clients\n* hard nofile 2000000\n"
    )
    with pytest.raises(Refusal, match=r"Take our limits back first \(limits_state: absent\), then the sysctls\."):
        sysctl_change.plan_absent(article.look())


def test_dropping_nr_open_from_the_floors_while_a_limit_needs_it_is_refused(stock):
    apply(stock, floors={"fs.nr_open": 2000000})
    stock.put("/etc/security/limits.d/50-other.conf", "* hard nofile 1500000\n")
    with pytest.raises(Refusal, match=r"50-other.conf:1"):
        plan(stock)


def test_a_recorded_key_that_is_gone_is_forgotten(stock):
    apply(stock, values={"net.ipv4.tcp_tw_reuse": 1})
    os.unlink(str(stock.path / "proc/sys/net/ipv4/tcp_tw_reuse"))
    assert absent(stock)["net.ipv4.tcp_tw_reuse"].outcome == "absent"
    assert not stock.exists(STATE)


def test_own_files(stock):
    assert sysctl_change.own_files(stock.look()) == []
    stock.put(owned.SYSCTL_DROP_IN, "# Managed by fourtuple.clients\n")
    assert sysctl_change.own_files(stock.look()) == [owned.SYSCTL_DROP_IN]
