"""Machines of a test's own: namespaces with a network, processes, a name and a /tmp of their own.

The first is the switch as well: the others are plugged into a bridge in it. Nothing of the real
machine's network is touched, and nothing outside can be reached. Needs root.
"""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

NETWORK = "10.88.0"
PROGRAMS = ("ip", "unshare", "nsenter", "mount", "hostname")


def need_hosts() -> None:
    """Skip where they cannot be had."""
    if os.geteuid() != 0:
        pytest.skip("virtual hosts (they need root)")
    if missing := [program for program in PROGRAMS if not shutil.which(program)]:
        pytest.skip(f"virtual hosts (without {missing[0]})")
    tried = subprocess.run(["unshare", "-nmup", "-f", "true"], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip("virtual hosts (namespaces are refused here)")


@dataclass
class VirtualHost:
    """One of them."""

    name: str
    number: int
    process: "subprocess.Popen[bytes] | None" = None
    started: "list[subprocess.Popen[str]]" = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"{NETWORK}.{self.number}"

    @property
    def pid(self) -> int:
        """Of the first process in it, as the real machine counts."""
        assert self.process is not None
        (child,) = (
            Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        )
        return int(child)

    def boot(self) -> None:
        # Before the private /tmp is there, and without the real one in sight.
        inside = (
            "mount --make-rprivate / && mount -t tmpfs tmpfs /tmp && chmod 1777 /tmp && "
            f"mount -t proc proc /proc && hostname {self.name} && ip link set lo up && "
            # A machine that was started anew says so here.
            "cat /proc/sys/kernel/random/uuid > /tmp/boot_id && "
            "mount --bind /tmp/boot_id /proc/sys/kernel/random/boot_id && "
            "echo up && exec sleep infinity"
        )
        flags = ["--net", "--mount", "--uts", "--pid", "--ipc", "--fork", "--kill-child"]
        self.process = subprocess.Popen(
            ["unshare", *flags, "sh", "-c", inside],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"up\n"

    def command(self, *arguments: str) -> list[str]:
        return ["nsenter", "-t", str(self.pid), "-n", "-m", "-u", "-p", "-i", "--", *arguments]

    def start(self, *arguments: str, env: Mapping[str, str], cwd: Path) -> "subprocess.Popen[str]":
        said = subprocess.PIPE
        process = subprocess.Popen(
            self.command(*arguments),
            env=dict(env),
            cwd=cwd,
            stdout=said,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def ip(self, *arguments: str) -> None:
        """In its network alone: process numbers are those of the real machine."""
        command = ["nsenter", "-t", str(self.pid), "-n", "--", "ip", *arguments]
        subprocess.run(command, capture_output=True, check=True)

    def power_off(self) -> None:
        """As if the plug was pulled."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError, ValueError):
            os.kill(self.pid, signal.SIGKILL)
        self.process.wait(30)
        self.process = None


def plug_in(switch: VirtualHost, host: VirtualHost) -> None:
    """Connect a host with the switch."""
    port = f"port{host.number}"
    here = ["name", "eth0", "netns", str(host.pid)]
    switch.ip("link", "add", port, "type", "veth", "peer", *here)
    switch.ip("link", "set", port, "master", "br0", "up")
    host.ip("addr", "add", f"{host.address}/24", "dev", "eth0")
    host.ip("link", "set", "eth0", "up")


class VirtualNetwork:
    """The hosts of a test; the first is the switch."""

    def __init__(self, names: Sequence[str]) -> None:
        self.hosts = [VirtualHost(name, number) for number, name in enumerate(names, 1)]

    def __enter__(self) -> "VirtualNetwork":
        switch, *others = self.hosts
        switch.boot()
        switch.ip("link", "add", "br0", "type", "bridge")
        switch.ip("addr", "add", f"{switch.address}/24", "dev", "br0")
        switch.ip("link", "set", "br0", "up")
        for host in others:
            self.boot(host)
        return self

    def boot(self, host: VirtualHost) -> None:
        """Switch a host on, for the first time or again."""
        host.boot()
        plug_in(self.hosts[0], host)

    def __exit__(self, *error: object) -> None:
        for host in reversed(self.hosts):
            host.power_off()
