# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.fourtuple.clients.plugins.module_utils.config import shell_limits
from ansible_collections.fourtuple.clients.plugins.module_utils.snapshot import overrides


def values(host, text):
    host.put("/etc/profile", text)
    return [line.value for line in shell_limits.lines(host.look())]


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("ulimit -n 65535", "65535"),
        ("  ulimit -SHn 65535  # for the clients", "65535"),
        ("ulimit -Hn unlimited", "unlimited"),
        ("ulimit -c 0 -n 100000", "100000"),
        ("ulimit -n65535", "65535"),
        ("ulimit -S -n 4096 >/dev/null 2>&1", "4096"),
        ("[ $USER = app ] && ulimit -n $MAX", "$MAX"),
        ("if true; then ulimit -u 1; ulimit -n 7; fi", "7"),
        ("ulimit -S -n 65536", "65536"),
        ("ulimit -n -H 65536", "65536"),
        ("ulimit -Hn 100; true", "100"),
        ("builtin ulimit -n 5", "5"),
        ("command -p ulimit -n 5", "5"),
        ("\\ulimit -n 5", "5"),
        ("'ulimit' \"-n\" '5'", "5"),
        ("LC_ALL=C ulimit -n 5", "5"),
        ("raise() { ulimit -n 5; }", "5"),
        ("case $USER in app) ulimit -n 5 ;; esac", "5"),
        ("if ulimit -n 5; then :; fi", "5"),
        ("if ! ulimit -Sn 5 2>/dev/null; then :; fi", "5"),
        ("true || ulimit -n 5", "5"),
        ("ulimit -n `cat /etc/n`", "`cat /etc/n`"),
        ("ulimit -n $(ulimit -Hn)", "$(ulimit -Hn)"),
        ("ulimit -n ${MAX:-4096}", "${MAX:-4096}"),
        ("ulimit \\\n  -n 5", "5"),
        ('eval "ulimit -n 5"', "5"),
        ("prlimit --pid $$ --nofile=1024:4096", "1024:4096"),
        ("prlimit --nofile 1024 -p$$", "1024"),
        ("ulimit -n hard", "hard"),
        ("ulimit -n 5#x", "5#x"),
    ],
)
def test_a_line_that_sets_nofile(host, line, value):
    assert values(host, "umask 022\n%s\n" % line) == [value]


@pytest.mark.parametrize(
    "line",
    [
        *(
            "cat <<END\nulimit -n 5\nEND",
            "cat <<-'END'\n\tulimit -n 5\n\tEND",
            "echo 'a\nulimit -n 5\n'",
            "limit descriptors 5",
        ),
        *(
            "ulimit -n 2>/dev/null",
            "ulimit -n -c 0",
            "prlimit --pid 5 --nofile=5",
            'echo "; ulimit -n 5"',
            "true # ; ulimit -n 5",
        ),
        *(
            "# ulimit -n 5",
            "ulimit -n",
            "ulimit -Hn -S",
            "ulimit -c 0",
            "ulimit -u 5",
            "echo ulimit -n 5",
            "myulimit -n 5",
        ),
    ],
)
def test_a_line_that_does_not(host, line):
    assert values(host, line + "\n") == []


def test_the_files_of_every_users_shell_are_named_with_the_line(host):
    host.put("/etc/profile", "\nulimit -n 1\n")
    host.put("/etc/profile.d/b.sh", "ulimit -n 2\n")
    host.put("/etc/profile.d/a.sh", "ulimit -n 3\n")
    host.put("/etc/profile.d/c.csh", "limit descriptors 4\n")
    host.put("/etc/bash.bashrc", "ulimit -n 5\n")
    found = [(entry["file"], entry["value"]) for entry in overrides.find(host.look(), {})]
    expected = [("/etc/profile:2", "1"), ("/etc/bash.bashrc:1", "5")]
    expected += [("/etc/profile.d/a.sh:1", "3"), ("/etc/profile.d/b.sh:1", "2")]
    assert found == [*expected, ("/etc/profile.d/c.csh:1", "4")]
    entry = overrides.find(host.look(), {})[0]
    assert (entry["key"], entry["who"]) == ("nofile", "login shells, which run it after pam_limits")


@pytest.mark.parametrize(
    ("path", "line", "value"),
    [
        ("/etc/csh.cshrc", "if ($?prompt) limit descriptors 4096", "4096"),
        ("/etc/csh.login", "limit -h desc 4096", "4096"),
        ("/etc/profile.d/x.csh", "unlimit", "unlimited"),
        ("/etc/profile.d/x.csh", "unlimit -h descriptors", "unlimited"),
        ("/etc/zsh/zshenv", "limit descriptors 4096", "4096"),
        ("/etc/zshrc", "ulimit -n 4096", "4096"),
        ("/etc/fish/config.fish", "if status is-login; and ulimit -n 4096; end", "4096"),
        ("/etc/fish/conf.d/x.fish", "ulimit --file-descriptor-count 4096", "4096"),
        ("/home/ann/.bashrc", "ulimit -Sn 4096", "4096"),
        ("/home/ann/.profile", "ulimit -n 4096", "4096"),
        ("/home/ann/.zshenv", "limit descriptors 4096", "4096"),
        ("/home/ann/.tcshrc", "limit openfiles 4096", "4096"),
        ("/home/ann/.config/fish/conf.d/x.fish", "ulimit -n 4096", "4096"),
    ],
)
def test_each_shell_has_its_files_and_its_words(host, path, line, value):
    host.put(path, "\n" + line + "\n")
    (found,) = shell_limits.lines(host.look(), ["/home/ann"])
    assert (found.path, found.line, found.value) == (path, 2, value)


def test_the_files_of_others_and_of_ways_without_a_shell_are_not_read(host):
    host.put("/home/bob/.profile", "ulimit -n 5\n")
    host.put("/etc/profile", "ulimit -n 5\n")
    assert [line.path for line in shell_limits.lines(host.look(), ["/home/ann"])] == ["/etc/profile"]
    assert shell_limits.lines(host.look(), ["/home/bob"], ["cron", "user_service"]) == []


def test_what_a_shell_would_have_to_be_asked_is_said_so(host):
    host.put("/etc/profile", "ulimit -n $MAX\nulimit -n 5\n")
    unknown, known = [entry["who"] for entry in overrides.find(host.look(), {})]
    assert unknown.endswith("which run it after pam_limits (what it comes to cannot be told here)")
    assert known == "login shells, which run it after pam_limits"
