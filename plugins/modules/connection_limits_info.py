#!/usr/bin/python
# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: connection_limits_info
short_description: Read every limit that caps a host's simultaneous client connections
version_added: 0.1.0
description:
  - Reads, in one call, the local port range and what listens in it, nofile limits as users, units and processes
    really get them, C(fs.nr_open) and C(fs.file-max) now and after the next reboot, epoll watches, connection tracking,
    TCP's own limits, memory of the host and of its control groups, the kernel memory that one socket takes by this
    host's own slab sizes, tasks, addresses, and the sockets there are.
  - Says who overrides the settings of this collection, and what has drifted from what it applied.
  - Changes nothing. Works without root as far as the kernel lets it, and names what it could not read.
author:
  - the fourtuple.clients contributors (@fourtuple)
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - ansible.builtin.action_common_attributes.facts
attributes:
  check_mode:
    description: Changes nothing in any mode.
    support: full
  diff_mode:
    description: There is never a difference to show.
    support: none
  facts:
    description: Returns no facts.
    support: none
  platform:
    description: Reads Linux hosts.
    support: full
    platforms: linux
options:
  users:
    description:
      - The users whose sessions' nofile is asked for.
      - Without O(users) and O(units), that of root, of every unit without a limit of its own, and of the session
        that takes the snapshot.
    type: list
    elements: str
    default: []
  units:
    description:
      - The systemd units whose nofile is asked for, by their full names.
    type: list
    elements: str
    default: []
  processes:
    description:
      - The running processes whose nofile is asked for, by their names as in C(/proc/<pid>/comm), or by number.
    type: list
    elements: str
    default: []
  ways:
    description:
      - The ways in which sessions of users come; of each user the one with the lowest limit is returned.
      - V(ssh) goes by C(sshd_config), and with V(console), V(su), V(sudo) and V(cron) by the PAM service of that name.
        V(user_service) stands for a unit of the user's own systemd. Sessions of V(su) and V(sudo) are taken to be
        opened by root, who came by ssh.
    type: list
    elements: str
    choices: [ssh, console, su, sudo, cron, user_service]
    default: [ssh]
  destinations:
    description:
      - Where clients will connect to, as C(tune_destinations) of the C(fourtuple.clients.tune) role has it. For the
        addresses among them the kernel is asked by which interface packets leave from each source address; see
        RV(limits.addresses.paths). Names and numbers are passed over.
    type: list
    elements: str
    default: []
  allow_missing:
    description:
      - Whether users and units that the host does not have are left out instead of refused.
      - For check mode, in which an earlier step that creates them has not done so.
    type: bool
    default: false
  pressure:
    description:
      - Whether RV(limits.pressure) is returned, what the clients of this host use of its local ports. This takes about
        two to three times as long as the kernel takes to describe the sockets there are.
    type: bool
    default: false
  variable_prefix:
    description: Put before option names in messages, so that they name the variable that a person wrote.
    type: str
    default: ""
  variable_names:
    description: The variables that O(variable_prefix) does not name, by the option that each sets.
    type: dict
    default: {}
seealso:
  - module: fourtuple.clients.nofile_check
  - module: fourtuple.clients.sysctl_apply
  - module: fourtuple.clients.source_addresses
"""

EXAMPLES = r"""
- name: Read the limits of the host
  fourtuple.clients.connection_limits_info:
  register: snapshot

- name: Read the limits that count for a service and for the user of a load generator
  fourtuple.clients.connection_limits_info:
    units: [proxy.service]
    users: [loadgen]

- name: Read as well which programs use up the ports, and how they bind
  fourtuple.clients.connection_limits_info:
    pressure: true
  register: snapshot

- name: Say how many ports the host can use for one destination
  ansible.builtin.debug:
    msg: "{{ snapshot.limits.ports.usable }} local ports"
"""

RETURN = r"""
limits:
  description:
    - The snapshot. All sizes are in bytes. Null stands for what does not exist here, or could not be read, and then
      RV(limits.unread) says why.
  returned: always
  type: dict
  contains:
    schema:
      description: The version of this structure. It changes when a key changes its meaning or goes.
      type: int
      sample: 1
    host:
      description: What kind of host this is.
      type: dict
      contains:
        hostname:
          description: The name of the host.
          type: str
        kernel:
          description: The release of the kernel.
          type: str
        machine:
          description: The architecture.
          type: str
        page_size:
          description: The size of a page.
          type: int
        cpus:
          description: The number of processors that are online.
          type: int
        os:
          description: C(id), C(version) and C(name) of os-release(5).
          type: dict
          contains:
            id:
              description: The identifier, such as V(debian).
              type: str
            version:
              description: The version, such as V(12).
              type: str
            name:
              description: The name for people.
              type: str
        init:
          description: V(systemd), or the name of process 1.
          type: str
        systemd:
          description: The version of systemd, null where it is not installed or not known.
          type: str
        pam:
          description: The version of Linux-PAM's package, where dpkg tells it.
          type: str
        container:
          description: Whether the host is a container.
          type: bool
        container_kind:
          description:
            - Whose container it is, such as V(podman), V(lxc) or V(kubernetes), by the marks of container managers,
              the environment of process 1 and control groups. Null where the container shows only by its namespaces.
          type: str
        cloud:
          description:
            - The cloud whose virtual machine this is, by the tables of the firmware (DMI), such as V(AWS), V(Azure) or
              V(OpenStack). Null where they name none that is known.
          type: str
        first_network_namespace:
          description: Whether this is the machine's first network namespace.
          type: bool
        first_user_namespace:
          description:
            - Whether the host is in the machine's first user namespace. In any other root has every capability and can
              still raise no hard limit.
          type: bool
        uid:
          description: The user number that took the snapshot.
          type: int
        capabilities:
          description: The effective capabilities that it had.
          type: list
          elements: str
    unread:
      description: What is there and could not be read.
      type: list
      elements: dict
      contains:
        what:
          description: The file, or what was looked for.
          type: str
        why:
          description: The reason.
          type: str
    keys:
      description: The sysctl keys that matter and that this host has, by their names.
      type: dict
      sample:
        net.ipv4.ip_local_port_range:
          now: 32768 60999
          after_boot: 1024 65535
          by: /etc/sysctl.d/99-zz-fourtuple.conf:3
          scope: namespace
          writable: true
      contains:
        now:
          description: The live value.
          type: str
        after_boot:
          description:
            - What the next reboot sets. Null where no file sets it, so that the kernel's default is computed again,
              and for a key of the machine under a container.
          type: str
        by:
          description: The file and line that set RV(limits.keys.after_boot).
          type: str
        scope:
          description: V(namespace) for the host's own, V(machine) for what belongs to the machine under a container.
          type: str
        writable:
          description:
            - Whether the kernel lets this host write the key. False where C(/proc/sys), or a part of it, is mounted
              read-only, as container engines do. Null where only root could tell.
          type: bool
    ports:
      description: The local ports.
      type: dict
      contains:
        low:
          description: The first port of the range.
          type: int
        high:
          description: The last port of the range.
          type: int
        reserved:
          description: The reserved ports, as the kernel prints them.
          type: str
        listeners:
          description: The TCP ports that listen.
          type: str
        automatic:
          description:
            - Those of RV(limits.ports.listeners) that the kernel chose, as for C(bind) with port 0. They are others
              after the program's next start, and are never reserved.
            - Where the kernel cannot be asked, the ones from 32768 on inside the local port range.
          type: str
        udp:
          description: The UDP ports that unconnected sockets are bound to, but for those that the kernel chose.
          type: str
        claimed:
          description: The ports that somebody will want, whether or not a socket is there now.
          type: list
          elements: dict
          contains:
            ports:
              description: The ports, as the kernel prints reserved ones.
              type: str
            why:
              description: Whose they are, an enabled socket unit or Kubernetes.
              type: str
            by:
              description: The file that says so, and the line in it, if it is one line.
              type: str
        usable:
          description: The ports of the range that are neither reserved nor listen.
          type: int
    nofile:
      description: Limits on open files.
      type: dict
      contains:
        nr_open:
          description: C(fs.nr_open), which no hard limit may exceed.
          type: dict
          contains:
            now:
              description: The live value.
              type: int
            after_boot:
              description: The value after the next reboot.
              type: int
            by:
              description: The file and line that set it, null for the default.
              type: str
        file_max:
          description: C(fs.file-max), which counts for all processes together.
          type: dict
          contains:
            now:
              description: The live value.
              type: int
            after_boot:
              description: The value that a file sets, null for the default that the boot computes.
              type: int
            by:
              description: The file and line that set it.
              type: str
            allocated:
              description: The open files that there are.
              type: int
        subjects:
          description: Who has or gets which limit.
          type: list
          elements: dict
          contains:
            kind:
              description: V(user), V(unit) or V(process).
              type: str
            name:
              description: The name of the user, unit or process.
              type: str
            now:
              description:
                - C(soft) and C(hard) of a session or a unit that starts now, of a running unit or process as it is.
                - 0 where the session is refused or the unit fails.
              type: dict
              contains:
                soft:
                  description: The soft limit.
                  type: int
                hard:
                  description: The hard limit.
                  type: int
            after_boot:
              description: The same after the next reboot, null for a process.
              type: dict
              contains:
                soft:
                  description: The soft limit.
                  type: int
                hard:
                  description: The hard limit.
                  type: int
            by:
              description: The file and line that grant it.
              type: str
            note:
              description: What went wrong with a limit that was asked for, or empty.
              type: str
            way:
              description: The way in of O(ways) by which a user gets this. Of users only.
              type: str
            remedy:
              description: What gives a user more where a limit in C(limits.d) does not, or empty. Of users only.
              type: str
            kept_from:
              description: The unit whose limit such sessions keep, null for those that have others. Of users only.
              type: str
            pid:
              description: The process, the first of a unit. Null where none runs. Not for a user.
              type: int
            unit:
              description: The unit of a process.
              type: str
            descriptors:
              description: The open descriptors of RV(limits.nofile.subjects[].pid).
              type: int
            memory_cgroups:
              description: As RV(limits.memory.cgroups), for RV(limits.nofile.subjects[].pid).
              type: list
              elements: dict
            tasks_cgroups:
              description: As RV(limits.tasks.cgroups), for RV(limits.nofile.subjects[].pid).
              type: list
              elements: dict
        offenders:
          description:
            - Hard limits above the C(fs.nr_open) that holds then, and those that nobody can have because root cannot
              raise them and for which pam_limits refuses the session, as in M(fourtuple.clients.nofile_check).
          type: list
          elements: dict
          contains:
            source:
              description: The file.
              type: str
            line:
              description: The line in it.
              type: int
            domain:
              description: The domain, for a limit of pam_limits.
              type: str
            unit:
              description:
                - The unit, or the name of the process outside units, for any other limit. A process of a container on
                  this host is called so, with its control group.
              type: str
            value:
              description: The hard limit.
              type: raw
            maximum:
              description: The C(fs.nr_open) that holds then, or what is inherited and cannot be raised.
              type: int
            when:
              description: V(now) or V(after_boot).
              type: str
        lockout:
          description: What M(fourtuple.clients.nofile_check) says of RV(limits.nofile.offenders), empty without any.
          type: str
        inherited:
          description:
            - The limits of process 1. Where root cannot raise limits, which takes C(CAP_SYS_RESOURCE) in the machine's
              first user namespace, its hard one is the maximum for everybody on the host. Null where it cannot be
              read.
          type: dict
          contains:
            soft:
              description: The soft limit.
              type: int
            hard:
              description: The hard limit.
              type: int
    epoll:
      description: Limits of epoll.
      type: dict
      contains:
        max_user_watches:
          description: The descriptors that one user's processes can watch.
          type: int
    conntrack:
      description: Connection tracking in this network namespace.
      type: dict
      contains:
        loaded:
          description: Whether nf_conntrack is in the kernel.
          type: bool
        max:
          description: The maximum number of connections that can be tracked.
          type: int
        count:
          description: The connections that are tracked.
          type: int
        buckets:
          description: The buckets of its table.
          type: int
        tracks_local:
          description: Whether the host's own connections are tracked, null where that cannot be known.
          type: bool
        why:
          description: What this is concluded from.
          type: str
    tcp:
      description: Limits of TCP itself.
      type: dict
      contains:
        mem_pages:
          description: C(net.ipv4.tcp_mem), null in another than the first network namespace.
          type: list
          elements: int
        mem_used_pages:
          description: The pages that buffers of TCP have.
          type: int
        max_orphans:
          description: C(net.ipv4.tcp_max_orphans), null in another than the first network namespace.
          type: int
        orphans:
          description: The sockets that no process holds any longer.
          type: int
        max_tw_buckets:
          description: C(net.ipv4.tcp_max_tw_buckets).
          type: int
        tw_reuse:
          description: C(net.ipv4.tcp_tw_reuse).
          type: int
        timewait_seconds:
          description: How long a connection stays in TIME_WAIT; built into the kernel.
          type: int
    established_hash:
      description: The table that holds the established connections.
      type: dict
      contains:
        buckets:
          description: Its buckets.
          type: int
        own:
          description: Whether this network namespace has one of its own. False in the machine's first one.
          type: bool
        child_entries:
          description: C(net.ipv4.tcp_child_ehash_entries), null before Linux 6.1.
          type: int
        estimated:
          description: Whether the buckets are computed as the kernel does at boot, because it does not tell.
          type: bool
    memory:
      description: Memory of the host.
      type: dict
      contains:
        total:
          description: All of it.
          type: int
        free:
          description: Memory that nobody uses.
          type: int
        available:
          description: MemAvailable, which counts half of the memory of sockets as free.
          type: int
        file_cache:
          description: The page cache of files that no program has mapped.
          type: int
        slab_cache:
          description: The slabs of names and inodes that nobody uses, which the kernel gives up when it needs memory.
          type: int
        reserve:
          description: What the kernel keeps free.
          type: int
        swap_free:
          description: Free swap.
          type: int
        cgroups:
          description: The control groups with a limit that the reading process is in, its own first.
          type: list
          elements: dict
          contains:
            path:
              description: The group; V(above /) for one that is out of sight.
              type: str
            limit:
              description: Its limit.
              type: int
            used:
              description: What it uses, with its page cache.
              type: int
            file_cache:
              description: Its page cache of files that no program has mapped.
              type: int
    slab:
      description: The kernel memory that a connection takes.
      type: dict
      contains:
        source:
          description: Where the sizes come from.
          type: str
        objects:
          description: The aligned size of an object by slab cache.
          type: dict
          sample: {TCP: 2368, sock_inode_cache: 832, dentry: 192, filp: 192}
        taken:
          description: The same with the object's share of what a slab wastes and of its accounting.
          type: dict
          sample: {TCP: 2529, sock_inode_cache: 870, dentry: 203, filp: 203}
        per_socket:
          description: One established socket of IPv4.
          type: int
        per_socket_ipv6:
          description: One of IPv6.
          type: int
        per_socket_epoll:
          description: One of IPv4 that epoll watches.
          type: int
        per_port:
          description: On top of it, one local port, whatever the number of its sockets.
          type: int
        per_timewait:
          description: One connection in TIME_WAIT.
          type: int
    tasks:
      description: Limits on threads and processes.
      type: dict
      contains:
        threads_max:
          description: C(kernel.threads-max).
          type: int
        pid_max:
          description: C(kernel.pid_max).
          type: int
        threads:
          description: The threads there are.
          type: int
        cgroups:
          description: The control groups with a limit that the reading process is in, its own first.
          type: list
          elements: dict
          contains:
            path:
              description: The group.
              type: str
            limit:
              description: Its limit.
              type: int
            used:
              description: The tasks in it.
              type: int
    addresses:
      description: The addresses of the host, null where they could not be asked for.
      type: dict
      contains:
        default_interface:
          description: The interface of the best default route, by family, V(4) and V(6).
          type: dict
        list:
          description: The addresses; neighbours of one kind are joined to a range.
          type: list
          elements: dict
          contains:
            address:
              description: The address, the first of a range.
              type: str
            last:
              description: The last address of a range.
              type: str
            count:
              description: The number of addresses in the range.
              type: int
            prefix:
              description: The length of the prefix.
              type: int
            interface:
              description: The interface.
              type: str
            family:
              description: V(4) or V(6).
              type: int
            scope:
              description: The scope, such as V(global).
              type: str
            ours:
              description: Whether this collection added it.
              type: bool
            deprecated:
              description: That its preferred lifetime is over, so that only programs that bind to it leave from it.
              returned: where it is so
              type: bool
            no_source:
              description:
                - Why nobody should count on connections from it, in words that follow C(It is). It is temporary, its
                  lifetime ends, another host has it, or it is a service's, which a load balancer answers for or which
                  moves between hosts.
              returned: where it is so
              type: str
        anyip:
          description: What routes make local as a whole, without an address of an interface.
          type: list
          elements: dict
          contains:
            interface:
              description: The interface of the routes.
              type: str
            family:
              description: V(4) or V(6).
              type: int
            ours:
              description: Whether this collection added them.
              type: bool
            ranges:
              description: The addresses, such as C(198.51.100.0-198.51.100.15); neighbouring prefixes are joined.
              type: list
              elements: str
        primary:
          description: The first address of the default interface.
          type: dict
          contains:
            address:
              description: The address.
              type: str
            prefix:
              description: The length of the prefix.
              type: int
            interface:
              description: The interface.
              type: str
        paths:
          description:
            - By which interface packets leave, as the kernel answers C(ip route get DESTINATION from SOURCE).
            - Asked for the addresses of O(destinations), at most 16 of each family, and without any for one that the
              default route leads to. Asked from the first address of each run, of at most 256 of each family.
          type: list
          elements: dict
          contains:
            destination:
              description: The destination.
              type: str
            interface:
              description: The interface; null where the kernel lets no packet leave.
              type: str
            sources:
              description: The source addresses of which this holds.
              type: list
              elements: str
        taken:
          description:
            - Addresses that the host knows others to have. These are the gateways of the routes of all tables, routers,
              the other ends of point-to-point links, name servers, and where the session comes from that Ansible uses.
            - Also those of services that are no host's own, of keepalived, Pacemaker, IPVS and other load balancers.
          type: list
          elements: dict
          contains:
            address:
              description: The address.
              type: str
            whose:
              description: Whose it is, in words that follow C(It is).
              type: str
    sockets:
      description: The TCP sockets of this network namespace.
      type: dict
      contains:
        states:
          description: Their number by state.
          type: dict
          sample: {ESTABLISHED: 12, LISTEN: 3}
        established:
          description: The established ones.
          type: int
        by_source:
          description:
            - The established ones by local address, the most used first, and of very many addresses only the first.
            - Null where they could not be counted, as RV(limits.unread) then says.
          type: list
          elements: dict
          contains:
            address:
              description: The local address.
              type: str
            established:
              description: Their number.
              type: int
        by_source_other:
          description: The established ones of the addresses that RV(limits.sockets.by_source) leaves out.
          type: int
        by_source_estimated:
          description:
            - Whether the figures by local address are estimated from a sample, because there are too many sockets to
              look at each. An address with few connections may then be missing.
          type: bool
        sources:
          description: The number of local addresses.
          type: int
        timewait:
          description: The ones that count against C(net.ipv4.tcp_max_tw_buckets).
          type: int
        orphans:
          description: The ones that no process holds any longer, of all network namespaces.
          type: int
        memory_pages:
          description: The pages that their buffers have, of all network namespaces.
          type: int
    pressure:
      description:
        - What the clients of this network namespace use of its local ports, counted from the sockets there are. Nothing
          is stopped or traced. Connections that were accepted do not count. Null where the kernel does not tell.
      type: dict
      returned: with O(pressure=true)
      contains:
        usable:
          description: The ports of the local port range without those that are reserved or that listen.
          type: int
        taken:
          description:
            - The ports of the range that plain and explicit binds have taken from every program that leaves the choice
              to C(connect()).
          type: int
        taken_estimated:
          description: Whether this is estimated from a part of the range, because there are too many sockets.
          type: bool
        programs:
          description: The programs that have connections, each with each of its bindings, the most connections first.
          type: list
          elements: dict
          contains:
            program:
              description: The unit of systemd, the container, or else the user.
              type: str
            kind:
              description: V(unit), V(container) or V(user).
              type: str
            binding:
              description:
                - How it binds, as C(tune_binding) has it. Null where nothing tells.
                - Nothing tells a bind of the route's own address from one of the wildcard address; V(bind) is then
                  V(likely), and RV(limits.pressure.programs[].possible) has both.
              type: str
            certainty:
              description:
                - V(sure) where the kernel shows it, V(likely) where it is concluded from several signs, or V(unknown).
                - Linux before 6.3 shows less, and before 5.10 much less.
              type: str
            possible:
              description: All bindings that it may be.
              type: list
              elements: str
            why:
              description: What tells.
              type: str
            connections:
              description: Its connections.
              type: int
        pairs:
          description:
            - The fullest pairs of source and destination, and then the largest whose programs name the ports
              themselves; at most 20. The counts are those of the kernel, exact on a host at rest.
          type: list
          elements: dict
          contains:
            source:
              description: The source address; null where the ports of all sources are used up together (V(bind_any)).
              type: str
            destination:
              description:
                - Address and port of the destination; null where a port is used up for every destination (V(bind),
                  V(bind_any)).
              type: str
            connections:
              description: The connections of all programs.
              type: int
            timewait:
              description: Closed connections that keep a port in TIME_WAIT. The kernel does not say whose they were.
              type: int
            ports:
              description: The ports that there are for them; null where the programs name their ports themselves.
              type: int
            share:
              description:
                - The part of them that is in use, from 0 to 1, or null. TIME_WAIT counts, unless C(connect()) may take
                  it over (C(net.ipv4.tcp_tw_reuse)).
              type: float
            programs:
              description: The programs that have these connections, as in RV(limits.pressure.programs); at most 5.
              type: list
              elements: dict
        waiting:
          description:
            - Ports of the range that are not reserved, and on which somebody listens, or that somebody has bound
              without connecting (Linux 6.8). C(connect()) passes over them. At most 50.
          type: list
          elements: dict
          contains:
            port:
              description: The port.
              type: int
            listens:
              description: Whether somebody listens there.
              type: bool
            program:
              description: Whose it is.
              type: str
            kind:
              description: V(unit), V(container) or V(user).
              type: str
        waiting_other:
          description: How many more of these there are.
          type: int
    overrides:
      description:
        - Lines of others that beat the drop-ins of this collection, or would if they were there. Besides those that set
          sysctl keys these are the C(ulimit) lines of login shells, which come after the limits of a session.
      type: list
      elements: dict
      contains:
        key:
          description: The key, or V(nofile).
          type: str
        file:
          description: The file and line.
          type: str
        value:
          description: The value there.
          type: str
        who:
          description: Whose it is, or who applies it.
          type: str
        unit:
          description: The one service that a line of key V(nofile) is for; missing where it is for all.
          type: str
    refused:
      description:
        - Lines of sysctl.d about the keys of this collection, or the usual ones, that the kernel refuses, so that they
          set nothing. None of them is among RV(limits.overrides) or RV(limits.drift).
        - C(systemd-sysctl) writes only the last line of a key. Where the kernel refuses that one, the line of this
          collection is not set at the next reboot either.
      type: list
      elements: dict
      contains:
        key:
          description: The key.
          type: str
        file:
          description: The file and line.
          type: str
        value:
          description: The value there.
          type: str
        why:
          description: What the kernel takes; and the remedy, where the line keeps ours from being set.
          type: str
    boot:
      description: Who applies C(sysctl.d) when this host starts.
      type: dict
      contains:
        name:
          description: V(systemd-sysctl), V(procps), or null for nobody.
          type: str
        why:
          description: Why nobody does.
          type: str
        remedy:
          description: What to do about that.
          type: str
    engines:
      description: The container engines of this host, none in a container. Their containers get neither the nofile of
        sessions nor that of units.
      type: list
      elements: dict
      contains:
        name:
          description: The engine.
          type: str
        nofile:
          description: What a file of the host gives its containers; null where the default of the engine counts.
          type: dict
          contains:
            soft:
              description: The soft limit.
              type: int
            hard:
              description: The hard limit.
              type: int
        by:
          description: The file and line, or the default in words; null where the default of the engine counts.
          type: str
        setting:
          description: Where to set it.
          type: str
    applied:
      description: What the files of this collection on the host ask for.
      type: dict
      contains:
        sysctl:
          description: The keys and values of its drop-in.
          type: dict
        nofile:
          description: The limits of its drop-ins.
          type: dict
          contains:
            domains:
              description: C(soft) and C(hard) by domain of pam_limits.
              type: dict
            units:
              description: C(soft) and C(hard) by unit, null for no end.
              type: dict
            default:
              description: C(soft) and C(hard) of every unit, null where it sets none.
              type: dict
        addresses:
          description: The source addresses that it added, as ranges.
          type: list
          elements: str
    drift:
      description: What differs from what this collection applied.
      type: list
      elements: dict
      contains:
        what:
          description: The key, file, address, user or unit.
          type: str
        applied:
          description: What was applied.
          type: raw
        found:
          description: What is there now, null for nothing.
          type: raw
        where:
          description: V(live), V(after_boot), or V(file) for what is missing from a file.
          type: str
        by:
          description: The file and line that cause it, where known.
          type: str
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.host.observation import observe
from ansible_collections.fourtuple.clients.plugins.module_utils.nofile.session_ways import WAYS
from ansible_collections.fourtuple.clients.plugins.module_utils.snapshot.whole import SnapshotRequest, snapshot
from ansible_collections.fourtuple.clients.plugins.module_utils.values.names import Names
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "users": {"type": "list", "elements": "str", "default": []},
            "units": {"type": "list", "elements": "str", "default": []},
            "processes": {"type": "list", "elements": "str", "default": []},
            "ways": {"type": "list", "elements": "str", "default": ["ssh"], "choices": list(WAYS)},
            "destinations": {"type": "list", "elements": "str", "default": []},
            "allow_missing": {"type": "bool", "default": False},
            "pressure": {"type": "bool", "default": False},
            "variable_prefix": {"type": "str", "default": ""},
            "variable_names": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    params: t.Dict[str, t.Any] = dict(module.params)
    names = Names(params.pop("variable_prefix"), params.pop("variable_names"))
    request = SnapshotRequest(names=names, **params)
    try:
        limits = snapshot(Host(), observe(request.all_users, request.servers, request.pressure), request)
    except Refusal as refusal:
        module.fail_json(msg=str(refusal))
    module.exit_json(changed=False, limits=limits)


if __name__ == "__main__":
    main()
