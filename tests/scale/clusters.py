"""Two nodes on this machine: a real SLURM, and a real Ray, started for a test and ended after it.

`python tests/scale/clusters.py` starts SLURM in the foreground and says how to reach it.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

NODES = ("n1", "n2")
PLUGINS = "/usr/lib/x86_64-linux-gnu/slurm-wlm"
MUNGED = "/usr/sbin/munged"
AS_ASKED = {"RAY_worker_niceness": "0"}  # else 15: beside other work a cell would get no processor
CONF = """
ClusterName=coldbench
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
{auth}
PluginDir={plugins}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/ctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/ctld.log
SlurmdLogFile={folder}/slurmd-%n.log
SlurmctldPort={ports[0]}
SlurmdTimeout=15
SlurmctldTimeout=15
MinJobAge=10
KillWait=5
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
ReturnToService=2
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
SlurmdParameters=config_overrides
SchedulerParameters=sched_min_interval=100000,batch_sched_delay=0
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=2 RealMemory=8000
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=2 RealMemory=8000
PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


@dataclass
class SlurmCluster:
    """A controller and its daemons, by the names of the nodes."""

    folder: Path
    daemons: dict[str, "subprocess.Popen[bytes]"]

    @property
    def env(self) -> dict[str, str]:
        return {"SLURM_CONF": str(self.folder / "slurm.conf")}

    def ask(self, *words: str) -> str:
        """What a command of SLURM says."""
        done = subprocess.run(
            words,
            env=os.environ | self.env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.stdout + done.stderr

    def start(self, name: str) -> None:
        path = os.environ["PATH"] + ":/usr/sbin"
        words = ["slurmctld", "-D"] if name == "ctld" else ["slurmd", "-D", "-N", name]
        self.daemons[name] = subprocess.Popen(
            words, env=os.environ | self.env | {"PATH": path},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    def kill(self, name: str) -> None:
        self.daemons.pop(name).kill()

    def wait_for(self, state: str, nodes: int) -> None:
        for _ in range(300):
            if self.ask("sinfo", "-h", "-N", "-o", "%t").split().count(state) >= nodes:
                return
            time.sleep(0.2)
        raise AssertionError(self.ask("sinfo", "-N"))


@contextmanager
def authority(folder: Path) -> Iterator[str]:
    """How nodes know each other, as slurm.conf says it: by a munged of their own where munge is
    installed, else not at all."""
    if shutil.which(MUNGED) is None:
        yield "AuthType=auth/none\nCredType=cred/none"
        return
    key, socket_file = folder / "munge.key", folder / "munge.socket"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    folder.chmod(0o755)  # munged wants everybody to reach its socket
    files = {"key-file": key, "socket": socket_file, "pid-file": folder / "munge.pid",
             "log-file": folder / "munge.log", "seed-file": folder / "munge.seed"}  # fmt: skip
    words = [MUNGED, "--foreground", *(f"--{name}={path}" for name, path in files.items())]
    daemon = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            if socket_file.exists():
                break
            time.sleep(0.1)
        yield f"AuthType=auth/munge\nCredType=cred/munge\nAuthInfo=socket={socket_file}"
    finally:
        daemon.terminate()
        daemon.wait(10)


def has_slurm() -> bool:
    found = shutil.which("slurmctld", path=os.environ["PATH"] + ":/usr/sbin")
    return found is not None and Path(PLUGINS, "auth_none.so").is_file() and os.geteuid() == 0


@contextmanager
def slurm() -> Iterator[SlurmCluster]:
    """A SLURM of two nodes."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slurm-")))
        auth = stack.enter_context(authority(folder))
        (folder / "state").mkdir()
        for node in NODES:
            (folder / f"spool-{node}").mkdir()
        settings = {
            "host": socket.gethostname(), "user": "root", "plugins": PLUGINS, "folder": folder,
            "ports": free_ports(3), "auth": auth,
        }  # fmt: skip
        (folder / "slurm.conf").write_text(CONF.format(**settings), encoding="utf-8")
        found = SlurmCluster(folder, {})
        try:
            found.start("ctld")
            time.sleep(1)
            for node in NODES:
                found.start(node)
            found.wait_for("idle", 2)
            yield found
        finally:
            found.ask("scancel", "-u", "root")
            time.sleep(1)
            for daemon in found.daemons.values():
                with suppress(OSError):
                    os.killpg(daemon.pid, signal.SIGKILL)
                daemon.wait(10)


@dataclass
class RayCluster:
    """A head and a second node, each with one core."""

    address: str
    nodes: list["subprocess.Popen[bytes]"]

    @property
    def env(self) -> dict[str, str]:
        return {"RAY_ADDRESS": self.address}

    def kill(self, node: int) -> None:
        """The whole node; 0 is the head."""
        with suppress(OSError):
            os.killpg(self.nodes[node].pid, signal.SIGKILL)
        self.nodes[node].wait(10)


@contextmanager
def ray() -> Iterator[RayCluster]:
    """A Ray of two nodes."""
    command = [sys.executable, "-P", "-c", "from ray.scripts.scripts import main; main()", "start"]
    with ExitStack() as stack:
        temp = stack.enter_context(tempfile.TemporaryDirectory(prefix="ray-"))
        (port,) = free_ports(1)
        common = ["--num-cpus=1", "--num-gpus=0", "--disable-usage-stats", "--block"]
        common += ["--memory=8000000000", "--object-store-memory=100000000"]
        head = ["--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={temp}"]
        address = f"127.0.0.1:{port}"
        nodes = []
        for own in ([*head, "--node-ip-address=127.0.0.1"], [f"--address={address}"]):
            started = subprocess.Popen(
                [*command, *own, *common], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                start_new_session=True, env=os.environ | AS_ASKED,
            )  # fmt: skip
            nodes.append(started)
            wait_for_port(port)
        found = RayCluster(address, nodes)
        try:
            yield found
        finally:
            for number in range(len(nodes)):
                found.kill(number)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


def wait_for_port(port: int) -> None:
    for _ in range(600):
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError(f"nobody listens on {port}")


if __name__ == "__main__":
    with slurm() as cluster:
        print(f"export SLURM_CONF={cluster.env['SLURM_CONF']}", flush=True)
        signal.pause()
