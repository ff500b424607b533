# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ipaddress
import json
import typing as t

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args

from ansible_collections.fourtuple.clients.plugins.module_utils.apply import addresses_change
from ansible_collections.fourtuple.clients.plugins.module_utils.host import name_servers
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.values import address_set
from ansible_collections.fourtuple.clients.plugins.module_utils.values.owned import OWNER_MARK
from ansible_collections.fourtuple.clients.plugins.modules import source_addresses

if t.TYPE_CHECKING:
    from host_folder import HostFolder

STATE = "/var/lib/fourtuple/addresses.json"
NETWORK_FILE = "/etc/systemd/network/10-eth0.network"
DROP_IN = NETWORK_FILE + ".d/fourtuple.conf"


class Killed(BaseException):
    pass


def default_route(family: int, interface: str, metric: int = 0) -> dict[str, t.Any]:
    return {"family": family, "interface": interface, "metric": metric}


class Kernel:
    """Answers the calls of the ip program that the module makes."""

    def __init__(self) -> None:
        self.addresses: dict[str, list[str]] = {
            "lo": ["127.0.0.1/8"],
            "eth0": ["192.0.2.10/24", "198.51.100.3/32"],
            "eth1": ["203.0.113.5/24"],
        }
        self.routes = [default_route(4, "eth0")]
        #: Those with the preferred lifetime 0.
        self.deprecated: set[str] = set()
        #: What routes on lo make local.
        self.local: set[str] = set()
        #: What the link was asked and told, and which addresses others have.
        self.asked: list[str] = []
        self.announced: list[str] = []
        self.answers: dict[address_set.Address, str] = {}
        self.calls: list[list[str]] = []
        self.batches: list[str] = []
        #: The line of a batch at which the kernel says no, or the module is killed.
        self.fails_at: int | None = None
        self.killed_at: int | None = None
        self.ignores = False
        self.installed = True
        #: systemctl's status.
        self.status = 0

    def ask(self, interface: str, addresses: t.Iterable[address_set.Address]) -> dict[address_set.Address, str]:
        assert interface in self.addresses
        self.asked += map(str, addresses)
        return {address: mac for address, mac in self.answers.items() if str(address) in self.asked}

    def announce(self, interface: str, addresses: t.Iterable[address_set.Address]) -> None:
        assert interface in self.addresses
        self.announced += map(str, addresses)

    def run(self, _module: AnsibleModule, command: list[str], data: str | None = None) -> tuple[int, str, str]:
        self.calls.append(command[1:])
        if command[0] == "/sbin/systemctl":
            return self.status, "", "no bus\n" if self.status else ""
        if command[1:] == ["-json", "address", "show"]:
            return 0, json.dumps([self._link(index, name) for index, name in enumerate(self.addresses, 1)]), ""
        assert command[1:] == ["-batch", "-"]
        assert data is not None
        self.batches.append(data)
        for number, line in enumerate(data.splitlines()):
            if number == self.killed_at:
                raise Killed
            if number == self.fails_at:
                return 1, "", "RTNETLINK answers: No buffer space available\nCommand failed -:%d\n" % (number + 1)
            if not self.ignores:
                self._apply(line.split())
        return 0, "", ""

    def _link(self, index: int, name: str) -> dict[str, t.Any]:
        infos = []
        for text in self.addresses[name]:
            local, length = text.split("/")
            family = "inet" if ipaddress.ip_address(local).version == 4 else "inet6"
            info = {"family": family, "local": local, "prefixlen": int(length), "scope": "global"}
            lifetime = 0 if text in self.deprecated else 4294967295
            infos.append({**info, "valid_life_time": 4294967295, "preferred_life_time": lifetime})
        return {"ifindex": index, "ifname": name, "addr_info": infos}

    def _apply(self, words: list[str]) -> None:
        if words[0] == "route":
            known = {"append": "local {} dev lo proto kernel", "del": "local {} dev lo proto kernel table local"}
            assert " ".join(words[2:]) == known[words[1]].format(words[3])
            {"append": self.local.add, "del": self.local.remove}[words[1]](words[3])
            return
        assert words[0] == "address"
        assert words[3] == "dev"
        how = ["nodad", "preferred_lft", "0"] if ":" in words[2] else ["scope", "host"]
        assert words[5:] == (how if words[1] in ("add", "change") else [])
        if words[1] == "change":
            assert words[2] in self.addresses[words[4]]
            self.deprecated.add(words[2])
        elif words[1] == "add":
            assert words[2] not in self.addresses[words[4]]
            self.addresses[words[4]].append(words[2])
            self.deprecated.update([words[2]] if ":" in words[2] else [])
        else:
            self.addresses[words[4]].remove(words[2])


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch, host: HostFolder) -> Kernel:
    kernel = Kernel()
    monkeypatch.setattr(
        AnsibleModule, "run_command", lambda module, command, data=None: kernel.run(module, command, data)
    )
    monkeypatch.setattr(
        AnsibleModule, "get_bin_path", lambda _module, name, **_options: "/sbin/" + name if kernel.installed else None
    )
    monkeypatch.setattr(source_addresses, "ROOT", host.root)
    monkeypatch.setattr(
        addresses_change.interface_addresses, "observe", lambda: {"default_routes": kernel.routes, "taken": []}
    )
    monkeypatch.setattr(addresses_change.interface_addresses, "routes_of_lo", lambda: set(kernel.local))
    # A folder stands for a host that runs.
    monkeypatch.setattr(source_addresses, "Host", lambda root: Host(root, live=True))
    monkeypatch.setattr(addresses_change.link_probe, "obstacle", lambda _interface: None)
    monkeypatch.setattr(addresses_change.link_probe, "probe", kernel.ask)
    monkeypatch.setattr(addresses_change.link_probe, "announce", kernel.announce)
    monkeypatch.setattr(addresses_change, "around", lambda host, _own: name_servers.read(host))
    host.put("/proc/sys/net/ipv6/conf/eth0/disable_ipv6", "0\n")
    host.put("/run/systemd/system/.keep", "")
    host.put("/run/systemd/netif/links/2", "ADMIN_STATE=configured\nNETWORK_FILE=%s\n" % NETWORK_FILE)
    host.put(NETWORK_FILE, "[Match]\nName=eth0\n")
    return kernel


class Run:
    """Calls the module; ``run.check`` in check mode."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys
        self.method = "interface"

    def __call__(self, *entries: object, check: bool = False, **options: t.Any) -> dict[str, t.Any]:
        arguments = {
            "list": list(entries),
            "variable_prefix": "addresses_",
            "method": self.method,
            "_ansible_check_mode": check,
            "_ansible_remote_tmp": "/tmp",
            "_ansible_keep_remote_files": False,
            **options,
        }
        with patch_module_args(arguments), pytest.raises(SystemExit):
            source_addresses.main()
        return t.cast(dict[str, t.Any], json.loads(self.capsys.readouterr().out))

    def check(self, *entries: object, **options: t.Any) -> dict[str, t.Any]:
        return self(*entries, check=True, **options)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], kernel: Kernel) -> Run:
    return Run(capsys)


def outcome(result: dict[str, t.Any]) -> tuple[t.Any, ...]:
    return tuple(result[key] for key in ("changed", "added", "removed", "kept", "foreign"))


def persist(result: dict[str, t.Any]) -> tuple[t.Any, ...]:
    return tuple(result["persist"][key] for key in ("addresses", "routes", "files", "obsolete"))


def recorded(host: HostFolder) -> list[list[str]]:
    return t.cast(list[list[str]], json.loads(host.text(STATE))["added"])


def test_adds_keeps_and_removes(run: Run, kernel: Kernel, host: HostFolder) -> None:
    first = run("198.51.100.1-198.51.100.2", "2001:db8::1")
    added, ranges = (
        ["198.51.100.1/32", "198.51.100.2/32", "2001:db8::1/128"],
        ["198.51.100.1-198.51.100.2", "2001:db8::1"],
    )
    assert outcome(first) == (True, ranges, [], [], [])
    assert first["interface"] == "eth0"
    assert first["provider"] == "networkd"
    assert persist(first) == (added, [], {"networkd_drop_in": DROP_IN}, [])
    assert first["diff"]["before"] == ""
    assert first["diff"]["after"] == "".join("eth0 %s\n" % one for one in ranges)
    assert kernel.addresses["eth0"] == ["192.0.2.10/24", "198.51.100.3/32", *added]
    assert recorded(host) == [["eth0", address] for address in added]
    assert len(kernel.batches) == 1

    second = run("198.51.100.1-198.51.100.2", "2001:db8::1")
    assert outcome(second) == (False, [], [], ranges, [])
    assert second["persist"] == first["persist"]
    assert second["diff"]["before"] == second["diff"]["after"]
    assert len(kernel.batches) == 1

    third = run("198.51.100.2", "198.51.100.4")
    gone = ["198.51.100.1", "2001:db8::1"]
    assert outcome(third) == (True, ["198.51.100.4"], gone, ["198.51.100.2"], [])
    assert kernel.addresses["eth0"][2:] == ["198.51.100.2/32", "198.51.100.4/32"]
    assert recorded(host) == [["eth0", "198.51.100.2/32"], ["eth0", "198.51.100.4/32"]]


def test_any_number_of_addresses_is_one_call_each_way(run: Run, kernel: Kernel) -> None:
    run("10.8.0.0/21", interface="eth0")
    assert kernel.calls == [["-json", "address", "show"], ["-batch", "-"], ["-json", "address", "show"]]
    assert len(kernel.addresses["eth0"]) == 2 + 2046


def test_check_mode_predicts_what_the_run_then_does(run: Run, kernel: Kernel, host: HostFolder) -> None:
    for call in (
        ("198.51.100.1-198.51.100.4",),
        ("198.51.100.1-198.51.100.4",),
        ("198.51.100.4", "2001:db8::1"),
        (),
        (),
    ):
        batches, existed = len(kernel.batches), host.exists(STATE)
        predicted = run.check(*call)
        assert len(kernel.batches) == batches
        assert host.exists(STATE) is existed
        done = run(*call)
        for result in (predicted, done):
            result.pop("invocation")
        assert predicted == done


def test_corrects_what_an_earlier_version_added(run: Run, kernel: Kernel) -> None:
    run("2001:db8::1-2001:db8::2", "198.51.100.1")
    kernel.deprecated.discard("2001:db8::2/128")
    for check in (True, False):
        result = run("2001:db8::1-2001:db8::2", "198.51.100.1", check=check)
        assert outcome(result) == (True, [], [], ["198.51.100.1", "2001:db8::1-2001:db8::2"], [])
        assert result["corrected"] == ["2001:db8::2"]
        assert "eth0 2001:db8::2 preferred\n" in result["diff"]["before"]
    assert kernel.batches[-1] == "address change 2001:db8::2/128 dev eth0 nodad preferred_lft 0\n"
    again = run("2001:db8::1-2001:db8::2", "198.51.100.1")
    assert (again["changed"], again["corrected"]) == (False, [])


def test_a_correction_is_read_back(run: Run, kernel: Kernel) -> None:
    run("2001:db8::1")
    kernel.deprecated.clear()
    kernel.ignores = True
    assert "not as they should be" in run("2001:db8::1")["msg"]


def test_a_name_server_and_what_the_inventory_tells_are_refused(run: Run, kernel: Kernel, host: HostFolder) -> None:
    host.put("/etc/resolv.conf", "nameserver 203.0.113.53\n")
    taken = [{"address": "203.0.113.60-203.0.113.69", "whose": "the address of client2"}]
    for entry, whose in (("203.0.113.53", "a name server"), ("203.0.113.64/30", "the address of client2")):
        result = run("203.0.113.9", entry, taken=taken)
        assert result["failed"]
        assert "allowed: addresses that nobody else has. It is %s" % whose in result["msg"]
    assert "Remove the entry '203.0.113.64/30'" in result["msg"]
    assert not kernel.batches
    # What somebody else has put on the interface stays, whosever it is said to be.
    assert run("198.51.100.3", taken=[{"address": "198.51.100.3", "whose": "x"}])["foreign"] == ["198.51.100.3"]


def test_a_foreign_address_stays_foreign(run: Run, kernel: Kernel, host: HostFolder) -> None:
    result = run("198.51.100.3", "198.51.100.4")
    assert outcome(result) == (True, ["198.51.100.4"], [], [], ["198.51.100.3"])
    assert result["persist"]["addresses"] == ["198.51.100.4/32"]
    assert "198.51.100.3" in str(result["warnings"])
    assert outcome(run(state="absent"))[2] == ["198.51.100.4"]
    assert kernel.addresses["eth0"] == ["192.0.2.10/24", "198.51.100.3/32"]
    assert not host.exists(STATE)
    only = run("198.51.100.3")
    assert outcome(only) == (False, [], [], [], ["198.51.100.3"])
    assert persist(only) == ([], [], {}, [])


@pytest.mark.parametrize("options", [{"state": "absent"}, {"state": "present"}, {"state": "absent", "interface": "no"}])
def test_nothing_wanted_on_an_untouched_host_changes_nothing(
    run: Run, kernel: Kernel, host: HostFolder, options: dict[str, t.Any]
) -> None:
    kernel.routes = []
    result = run(**options)
    assert outcome(result) == (False, [], [], [], [])
    assert persist(result) == ([], [], {}, [])
    assert (result["interface"], result["provider"]) == (None, "none")
    assert not kernel.batches
    assert not host.exists("/var")


def test_absent_takes_back_and_says_which_files_go(run: Run, kernel: Kernel, host: HostFolder) -> None:
    run("198.51.100.1")
    host.put(DROP_IN, OWNER_MARK + "\n[Network]\nAddress=198.51.100.1/32\n")
    result = run(state="absent")
    assert outcome(result) == (True, [], ["198.51.100.1"], [], [])
    assert result["persist"]["obsolete"] == [DROP_IN]
    assert kernel.addresses["eth0"] == ["192.0.2.10/24", "198.51.100.3/32"]
    assert not host.exists("/var/lib/fourtuple")


def test_a_change_of_provider_makes_the_old_files_obsolete(run: Run, host: HostFolder) -> None:
    run("198.51.100.1")
    host.put(DROP_IN, OWNER_MARK + "\n[Network]\nAddress=198.51.100.1/32\n")
    host.put(NETWORK_FILE + ".d/other.conf", "")
    result = run("198.51.100.1", provider="none")
    assert result["changed"] is False
    assert persist(result) == ([], [], {}, [DROP_IN])


def test_addresses_move_with_the_interface(run: Run, kernel: Kernel, host: HostFolder) -> None:
    run("198.51.100.1")
    result = run("198.51.100.1", interface="eth1", provider="none")
    assert outcome(result) == (True, [], [], ["198.51.100.1"], [])
    assert result["moved"] == ["198.51.100.1"]
    assert kernel.addresses["eth0"] == ["192.0.2.10/24", "198.51.100.3/32"]
    assert kernel.addresses["eth1"] == ["203.0.113.5/24", "198.51.100.1/32"]
    assert recorded(host) == [["eth1", "198.51.100.1/32"]]


def test_a_record_without_addresses_is_still_a_change(run: Run, kernel: Kernel, host: HostFolder) -> None:
    run("198.51.100.1", provider="none")
    kernel.addresses["eth0"].remove("198.51.100.1/32")  # a reboot
    assert outcome(run.check(state="absent"))[0] is True
    assert outcome(run(state="absent")) == (True, [], [], [], [])
    assert not host.exists(STATE)
    assert run(state="absent")["changed"] is False


@pytest.mark.parametrize("line", range(4))
def test_killed_anywhere_it_still_takes_back_only_its_own(run: Run, kernel: Kernel, line: int) -> None:
    before = {name: list(addresses) for name, addresses in kernel.addresses.items()}
    run("198.51.100.1-198.51.100.2")
    kernel.killed_at = line
    with pytest.raises(Killed):
        source_addresses_main("198.51.100.2-198.51.100.5", "198.51.100.7")
    kernel.killed_at = None
    run(state="absent")
    assert kernel.addresses == before


def source_addresses_main(*entries: str) -> None:
    with patch_module_args({"list": list(entries)}):
        source_addresses.main()


def test_killed_between_record_and_file_then_rebooted(run: Run, kernel: Kernel, host: HostFolder) -> None:
    run("198.51.100.1")
    host.put(DROP_IN, OWNER_MARK + "\n[Network]\nAddress=198.51.100.1/32\n")
    run(state="absent")
    # The drop-in was not removed, and the host boots.
    kernel.addresses["eth0"].append("198.51.100.1/32")
    assert outcome(run(state="absent"))[2] == ["198.51.100.1"]
    assert kernel.addresses["eth0"] == ["192.0.2.10/24", "198.51.100.3/32"]


def test_a_failure_says_what_was_done_and_is_recorded(run: Run, kernel: Kernel, host: HostFolder) -> None:
    run("198.51.100.1")
    kernel.fails_at = 2
    result = run("198.51.100.4-198.51.100.6")
    assert result["failed"] is True
    assert result["changed"] is True
    assert result["added"] == ["198.51.100.4-198.51.100.5"]
    assert result["not_added"] == ["198.51.100.6"]
    assert result["removed"] == []
    assert result["not_removed"] == ["198.51.100.1"]
    assert "No buffer space" in result["msg"]
    assert "2 added, 1 not added, 0 removed, 1 not removed" in result["msg"]
    kernel.fails_at = None
    assert outcome(run(state="absent"))[2] == ["198.51.100.1", "198.51.100.4-198.51.100.5"]
    assert not host.exists(STATE)


def test_reads_back_what_it_wrote(run: Run, kernel: Kernel) -> None:
    kernel.ignores = True
    result = run("198.51.100.1")
    assert result["failed"] is True
    assert result["changed"] is False
    assert result["not_added"] == ["198.51.100.1"]


@pytest.mark.parametrize(
    ("entries", "options", "parts"),
    [
        (["198.51.100.1", "192.0.2.10"], {}, ["addresses_list[1] is '192.0.2.10'", "primary address of eth0"]),
        (["203.0.113.5"], {}, ["addresses_list[0]", "already on the interface eth1"]),
        ([True], {}, ["addresses_list[0] is True", "YAML"]),
        (["10.0.0.1"], {"interface": "eth7"}, ["addresses_interface is 'eth7'", "lo, eth0, eth1"]),
        (["10.0.0.1"], {"interface": "eth1"}, ["addresses_provider is 'auto'", "Nobody was found to manage eth1"]),
        (["10.0.0.1"], {"provider": "ifupdown"}, ["addresses_provider is 'ifupdown'", "No `iface eth0` stanza"]),
        (
            ["10.0.0.1", "2001:db8::1"],
            {"interface": "eth1", "provider": "none"},
            ["addresses_list[1] is '2001:db8::1'", "/proc/sys/net/ipv6/conf/eth1/disable_ipv6"],
        ),
    ],
)
def test_refuses_before_any_change(
    run: Run, kernel: Kernel, host: HostFolder, entries: list[object], options: dict[str, t.Any], parts: list[str]
) -> None:
    result = run(*entries, **options)
    assert result["failed"] is True
    assert all(part in result["msg"] for part in parts), result["msg"]
    assert not kernel.batches
    assert not host.exists(STATE)


def test_the_ipv6_default_route_serves_where_there_is_no_other(run: Run, kernel: Kernel) -> None:
    kernel.routes = [default_route(6, "eth0")]
    assert run("10.0.0.1")["interface"] == "eth0"


@pytest.mark.parametrize(
    ("routes", "part"),
    [
        ([], "no default route"),
        ([default_route(4, "eth1"), default_route(4, "eth0")], "several default routes: eth0, eth1"),
    ],
)
def test_refuses_to_guess_the_interface(run: Run, kernel: Kernel, routes: list[dict[str, t.Any]], part: str) -> None:
    kernel.routes = routes
    message = run("10.0.0.1")["msg"]
    assert "addresses_interface is None" in message
    assert part in message


def test_says_what_to_install_where_ip_is_missing(run: Run, kernel: Kernel) -> None:
    kernel.installed = False
    assert "install the package iproute2" in run("10.0.0.1")["msg"]


def test_warns_of_a_network_file_that_may_match_more(run: Run, host: HostFolder) -> None:
    host.put(NETWORK_FILE, "[Match]\nName=e*\n")
    assert NETWORK_FILE in str(run("10.0.0.1")["warnings"])


def test_a_broken_record_is_named(run: Run, host: HostFolder) -> None:
    host.put(STATE, "{")
    assert STATE in run("10.0.0.1")["msg"]


UNIT = "/etc/systemd/system/fourtuple-addresses.service"
TARGET = "/etc/systemd/system/sysinit.target.d/fourtuple-addresses.conf"


@pytest.fixture
def by_itself(run: Run) -> Run:
    run.method = "auto"
    return run


def test_a_range_becomes_the_prefixes_that_hold_exactly_it(by_itself: Run, kernel: Kernel, host: HostFolder) -> None:
    first = by_itself("198.51.100.10-198.51.100.20", "198.51.100.9")
    cover = ["198.51.100.9/32", "198.51.100.10/31", "198.51.100.12/30", "198.51.100.16/30", "198.51.100.20/32"]
    assert outcome(first) == (True, ["198.51.100.9-198.51.100.20"], [], [], [])
    assert (first["routes"], first["provider"]) == (cover, "systemd")
    assert persist(first) == ([], cover, {"boot_unit": UNIT, "boot_target": TARGET}, [])
    assert first["diff"]["after"] == "route 198.51.100.9-198.51.100.20\n"
    assert kernel.local == set(cover)
    assert json.loads(host.text(STATE))["routes"] == cover
    assert outcome(by_itself("198.51.100.9-198.51.100.20"))[:3] == (False, [], [])
    assert len(kernel.batches) == 1

    shorter = by_itself("198.51.100.10-198.51.100.19")
    assert outcome(shorter)[1:4] == ([], ["198.51.100.9", "198.51.100.20"], ["198.51.100.10-198.51.100.19"])
    assert kernel.local == set(cover[1:4])
    assert outcome(by_itself(state="absent"))[2] == ["198.51.100.10-198.51.100.19"]
    assert not kernel.local
    assert not host.exists(STATE)


def test_addresses_on_the_interface_become_routes_and_are_never_missing(run: Run, kernel: Kernel) -> None:
    run("198.51.100.1-198.51.100.2")
    run.method = "auto"
    moved = run("198.51.100.1-198.51.100.2")
    assert (outcome(moved)[0], moved["moved"]) == (True, ["198.51.100.1-198.51.100.2"])
    assert [line.split()[1] for line in kernel.batches[-1].splitlines()] == ["append", "append", "del", "del"]
    assert kernel.addresses["eth0"] == ["192.0.2.10/24", "198.51.100.3/32"]
    run.method = "interface"
    back = run("198.51.100.1-198.51.100.2")
    assert (outcome(back)[1:3], back["moved"]) == (([], []), ["198.51.100.1-198.51.100.2"])
    assert [line.split()[1] for line in kernel.batches[-1].splitlines()] == ["add", "add", "del", "del"]
    assert not kernel.local


def test_a_prefix_never_covers_what_the_interface_has_from_someone_else(by_itself: Run, kernel: Kernel) -> None:
    found = by_itself("198.51.100.2-198.51.100.5")
    assert found["foreign"] == ["198.51.100.3"]
    assert kernel.local == {"198.51.100.2/32", "198.51.100.4/31"}


def test_a_route_of_someone_else_stays(by_itself: Run, kernel: Kernel) -> None:
    kernel.local.add("198.51.100.8/29")
    assert by_itself("198.51.100.8-198.51.100.15")["changed"] is False
    by_itself(state="absent")
    assert kernel.local == {"198.51.100.8/29"}


@pytest.mark.parametrize(
    ("settings", "way"),
    [
        ({}, "interface"),
        ({"net/ipv6/ip_nonlocal_bind": "1"}, "route"),
    ],
)
def test_ipv6_outside_the_subnet_goes_by_route_where_programs_can_bind(
    by_itself: Run, kernel: Kernel, host: HostFolder, settings: dict[str, str], way: str
) -> None:
    kernel.addresses["eth0"].append("2001:db8:1::1/64")
    for key, value in settings.items():
        host.put("/proc/sys/" + key, value + "\n")
    found = by_itself("2001:db8:1::5", "2001:db8:2::5")
    assert found["added"] == ["2001:db8:1::5", "2001:db8:2::5"]
    assert found["routes"] == (["2001:db8:2::5/128"] if way == "route" else [])
    assert "2001:db8:1::5/128" in kernel.addresses["eth0"]


def test_a_routed_prefix_of_ipv6_is_one_route_whatever_its_size(
    by_itself: Run, kernel: Kernel, host: HostFolder
) -> None:
    message = by_itself("2001:db8:2::/64")["msg"]
    assert "net.ipv6.ip_nonlocal_bind is 0" in message
    host.put("/proc/sys/net/ipv6/ip_nonlocal_bind", "1\n")
    # All but the subnet-router anycast address: a route for each bit.
    assert len(by_itself("2001:db8:2::/64")["routes"]) == 64
    assert len(by_itself("2001:db8:2::-2001:db8:2::ffff:ffff:ffff:ffff")["routes"]) == 1


def test_arp_ignore_keeps_ipv4_on_the_interface(by_itself: Run, kernel: Kernel, host: HostFolder) -> None:
    host.put("/proc/sys/net/ipv4/conf/all/arp_ignore", "1\n")
    assert by_itself("198.51.100.1")["routes"] == []
    assert "198.51.100.1/32" in kernel.addresses["eth0"]
    by_itself.method = "route"
    message = by_itself("198.51.100.1")["msg"]
    assert "addresses_method is 'route'" in message
    assert "arp_ignore is 1 on eth0" in message


def test_addresses_that_stand_alone_are_too_many_routes(by_itself: Run, kernel: Kernel) -> None:
    several = [str(ipaddress.ip_address("10.0.0.0") + 2 * number) for number in range(1, 4098)]
    message = by_itself(*several)["msg"]
    assert "addresses_list is '4097 prefixes'; allowed: at most 4096" in message
    assert not kernel.batches


def test_nobody_keeps_routes_without_systemd_and_ifupdown(by_itself: Run, kernel: Kernel, host: HostFolder) -> None:
    host.below("/run/systemd/system/.keep").unlink()
    host.below("/run/systemd/system").rmdir()
    assert "Neither systemd nor ifupdown" in by_itself("198.51.100.1")["msg"]
    assert persist(by_itself("198.51.100.1", provider="none")) == ([], [], {}, [])
    host.put("/sbin/ifup", "")
    hook = "/etc/network/if-up.d/fourtuple-addresses"
    assert persist(by_itself("198.51.100.1")) == ([], ["198.51.100.1/32"], {"lo_hook": hook}, [])


def test_what_our_unit_makes_local_at_boot_is_ours(by_itself: Run, kernel: Kernel, host: HostFolder) -> None:
    host.put(UNIT, OWNER_MARK + "\nStandardInputText=route append local 198.51.100.8/29 dev lo proto kernel\n")
    kernel.local.add("198.51.100.8/29")
    gone = by_itself(state="absent")
    assert outcome(gone)[2] == ["198.51.100.8-198.51.100.15"]
    assert gone["persist"]["obsolete"] == [UNIT]
    assert not kernel.local


def test_the_link_is_asked_for_what_is_new_and_told_of_it(by_itself: Run, kernel: Kernel, host: HostFolder) -> None:
    host.put("/proc/sys/net/ipv6/ip_nonlocal_bind", "1\n")
    kernel.addresses["eth0"].append("2001:db8:1::1/64")
    by_itself.check("198.51.100.1", "198.51.100.3", "2001:db8:1::5", "2001:db8:2::5")
    # Neither what the interface has from someone else, nor what is routed to the host.
    assert (kernel.asked, kernel.announced) == (["198.51.100.1", "2001:db8:1::5"], [])
    by_itself("198.51.100.1", "2001:db8:1::5")
    assert kernel.announced == ["198.51.100.1", "2001:db8:1::5"]
    kernel.asked = []
    by_itself("198.51.100.1-198.51.100.2", "2001:db8:1::5")
    by_itself("198.51.100.1-198.51.100.2", "2001:db8:1::5", method="interface")
    assert kernel.asked == ["198.51.100.2"]
    by_itself("198.51.100.8", probe=False)
    assert kernel.asked == kernel.announced[2:] == ["198.51.100.2"]


def test_who_answers_is_named(by_itself: Run, kernel: Kernel) -> None:
    kernel.answers = {ipaddress.ip_address("198.51.100.%d" % last): "02:00:00:00:00:0%d" % last for last in (5, 6)}
    message = by_itself("198.51.100.1", "198.51.100.4-198.51.100.8")["msg"]
    assert "addresses_list[1] is '198.51.100.5'" in message
    assert "It is in use on the link of eth0 by the host with the MAC address 02:00:00:00:00:05." in message
    assert "Write 198.51.100.4, 198.51.100.7-198.51.100.8 in place of '198.51.100.4-198.51.100.8'." in message
    assert not kernel.batches


def test_a_link_that_cannot_be_asked_is_a_warning(
    by_itself: Run, kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(addresses_change.link_probe, "obstacle", lambda _interface: "eth0 uses no ARP")
    result = by_itself("198.51.100.1")
    assert "The link was not asked who has the addresses: eth0 uses no ARP." in str(result["warnings"])
    assert (kernel.asked, kernel.announced) == ([], [])


def test_a_link_that_fails_stops_before_any_change(
    by_itself: Run, kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_interface: str, _addresses: object) -> t.NoReturn:
        raise OSError(100, "eth0 has no carrier")

    monkeypatch.setattr(addresses_change.link_probe, "probe", fail)
    assert "eth0 has no carrier. Run again, or set addresses_probe to false." in by_itself("198.51.100.1")["msg"]
    assert not kernel.batches


def test_the_way_out_of_an_unknown_manager_works_when_followed(run: Run, kernel: Kernel, host: HostFolder) -> None:
    host.put("/run/systemd/netif/links/2", "ADMIN_STATE=unmanaged\n")
    message = run("198.51.100.1")["msg"]
    assert "Set addresses_method to route" in message
    assert run("198.51.100.1", method="route")["changed"]
    # No route works for it.
    kernel.addresses["eth0"].append("2001:db8:1::1/64")
    for method in ("auto", "interface"):
        message = run("2001:db8:1::5", method=method)["msg"]
        assert "addresses_provider is 'auto'" in message
        assert "route" not in message
    assert run("2001:db8:1::5", method="auto", provider="none")["changed"]


WATCHER = {
    "watch_script": "/etc/systemd/system/fourtuple-watch.py",
    "watch_unit": "/etc/systemd/system/fourtuple-watch.service",
    "watch_target": "/etc/systemd/system/multi-user.target.d/fourtuple-watch.conf",
}
STOP = ["stop", "fourtuple-watch.service"]


@pytest.fixture
def by_ifupdown(run: Run, host: HostFolder) -> Run:
    host.put("/run/systemd/netif/links/2", "ADMIN_STATE=unmanaged\n")
    host.put("/usr/sbin/ifup", "")
    host.put("/etc/network/interfaces", "iface eth0 inet dhcp\n")
    host.put("/run/network/ifstate", "eth0=eth0\n")
    return run


def test_a_watcher_stands_beside_a_hook_where_systemd_starts_the_host(by_ifupdown: Run, host: HostFolder) -> None:
    hook = {"batch": "/etc/network/fourtuple.batch", "ifupdown_hook": "/etc/network/if-up.d/fourtuple"}
    first = by_ifupdown("198.51.100.1")
    # What another names comes before it.
    assert list(first["persist"]["files"].items()) == [*hook.items(), *WATCHER.items()]
    assert first["persist"]["python"].startswith("/")
    assert by_ifupdown("198.51.100.1", method="route")["persist"]["files"] == {"boot_unit": UNIT, "boot_target": TARGET}
    for path in (*hook.values(), *WATCHER.values()):
        host.put(path, OWNER_MARK + "\n")
    obsolete = by_ifupdown(state="absent")["persist"]["obsolete"]
    assert obsolete == [*reversed(WATCHER.values()), *reversed(hook.values())]
    host.put(WATCHER["watch_unit"], "[Service]\n")
    assert "fourtuple-watch.service:1 is '[Service]'" in by_ifupdown("198.51.100.1")["msg"]


def test_the_watcher_gives_nothing_back_that_is_taken_away(by_ifupdown: Run, kernel: Kernel, host: HostFolder) -> None:
    by_ifupdown("198.51.100.1-198.51.100.2")
    host.put(WATCHER["watch_unit"], OWNER_MARK + "\n")
    for entries in (["198.51.100.1-198.51.100.2"], ["198.51.100.1-198.51.100.4"]):
        by_ifupdown(*entries)
        assert STOP not in kernel.calls
    by_ifupdown.check("198.51.100.1")
    assert STOP not in kernel.calls
    by_ifupdown("198.51.100.1")
    assert kernel.calls[-2:] == [STOP, ["-batch", "-"]]
    # What is recorded and not there at the moment is not to come back either.
    kernel.addresses["eth0"].remove("198.51.100.1/32")
    kernel.calls.clear()
    by_ifupdown("198.51.100.9")
    assert STOP in kernel.calls


def test_a_watcher_that_cannot_be_stopped_stops_the_run(by_ifupdown: Run, kernel: Kernel, host: HostFolder) -> None:
    by_ifupdown("198.51.100.1-198.51.100.2")
    host.put(WATCHER["watch_unit"], OWNER_MARK + "\n")
    kernel.status = 1
    message = by_ifupdown("198.51.100.1")["msg"]
    assert message.startswith("`systemctl stop fourtuple-watch.service` failed: no bus. 0 added")
    assert "198.51.100.2/32" in kernel.addresses["eth0"]
    kernel.status = 5
    assert by_ifupdown("198.51.100.1")["removed"] == ["198.51.100.2"]
