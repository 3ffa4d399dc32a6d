"""Kernels that are forked: they do what others do, and nothing that one does reaches the next."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

from course import kernels
from course.kernels import identity, provisioner

SPECS = str(kernels.JUPYTER_FOLDER / "kernels")

needs_forking = pytest.mark.skipif(
    kernels.unsupported() is not None, reason=f"cold only: {kernels.unsupported()}"
)


@pytest.fixture(scope="module")
def servers():
    """A folder for the servers of this module, which are ended with it."""
    from course.kernels import client

    # A socket's path must be short.
    with tempfile.TemporaryDirectory(prefix="kernels-") as folder:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("COURSE_RUNTIME_DIR", folder)
            yield Path(folder)
            client.stop_servers()
        ends = time.monotonic() + 20
        while (left := processes(folder)) and time.monotonic() < ends:
            time.sleep(0.1)
        assert not left, f"still running: {left}"


def processes(folder: str | Path) -> list[int]:
    """The servers, keepers and kernels of a folder; a process inherits its command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if str(folder).encode() in path.read_bytes().split(b"\0", 4)[-1]:
                found.append(int(path.parent.name))
    return found


class Kernel:
    """A kernel with a client."""

    def __init__(self, **options) -> None:
        self.manager = KernelManager(
            kernel_name=kernels.KERNEL_NAME,
            kernel_spec_manager=KernelSpecManager(kernel_dirs=[SPECS]),
        )
        clean = {name: value for name, value in os.environ.items() if "PYTEST" not in name}
        options = {"env": clean, "stderr": subprocess.DEVNULL, **options}
        self.manager.start_kernel(**options)
        self.connect()

    def connect(self) -> None:
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=120)

    @property
    def provisioner(self) -> provisioner.ForkProvisioner:
        return self.manager.provisioner

    def run(self, code: str, timeout: float = 60) -> str:
        """What a cell prints, or the name of its error; a figure is written as its MIME type."""
        shown = []

        def show(message) -> None:
            content = message["content"]
            if message["msg_type"] == "display_data":
                shown.extend(kind for kind in content["data"] if kind.startswith("image/"))
            else:
                shown.append(content.get("text") or content.get("ename", ""))

        self.client.execute_interactive(code, timeout=timeout, output_hook=show)
        return "".join(shown).strip()

    def server(self) -> int:
        """The process that has forked this kernel's keeper."""
        return int(self.run("import psutil, os; print(psutil.Process(os.getppid()).ppid())"))

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture
def start(servers):
    """Start kernels that are ended with the test."""
    started = []

    def start(**options) -> Kernel:
        kernel = Kernel(**options)
        started.append(kernel)
        return kernel

    yield start
    for kernel in started:
        kernel.close()


def wait_for(condition, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


# --- without a server ---


def test_the_kernel_is_offered_and_names_the_provisioner():
    spec = KernelSpecManager(kernel_dirs=[SPECS]).get_kernel_spec(kernels.KERNEL_NAME)
    assert spec.display_name == "Course (fast start)"
    named = spec.metadata["kernel_provisioner"]["provisioner_name"]
    assert named == kernels.PROVISIONER_NAME
    assert kernels.is_registered()


def test_the_default_is_changed_for_a_while():
    from jupyter_client.provisioning import KernelProvisionerFactory

    factory = KernelProvisionerFactory.instance()
    before = factory.default_provisioner_name
    with kernels.warm_by_default():
        assert factory.default_provisioner_name == kernels.PROVISIONER_NAME
        assert os.environ["JUPYTER_DEFAULT_PROVISIONER_NAME"] == kernels.PROVISIONER_NAME
    assert factory.default_provisioner_name == before
    assert "JUPYTER_DEFAULT_PROVISIONER_NAME" not in os.environ


def key(**environment: str) -> str:
    return identity.key([sys.executable], environment)


@needs_forking
def test_another_server_where_imports_would_differ(monkeypatch):
    assert key() == key(COLUMNS="80", PATH="/bin", PYTEST_CURRENT_TEST="this")
    for name in ("TF_CPP_MIN_LOG_LEVEL", "KERAS_BACKEND", "CUDA_VISIBLE_DEVICES",
                 "TF_ENABLE_ONEDNN_OPTS", "OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS",
                 "MPLBACKEND", "PYTHONPATH", "PYTHONHASHSEED", "LD_PRELOAD"):  # fmt: skip
        assert key(**{name: "1"}) != key(), name
    before = key()
    assert identity.key([sys.executable, "-O"], {}) != before
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 63})
    assert key() != before


def test_the_fingerprint_sees_edits_and_installations(monkeypatch, tmp_path):
    package, packages = tmp_path / "course", tmp_path / "site-packages"
    module, record = package / "part" / "module.py", packages / "some-1.0.dist-info" / "RECORD"
    for file in (package / "__init__.py", module, record):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    monkeypatch.setattr(identity.course, "__file__", str(package / "__init__.py"))
    monkeypatch.setattr(identity.site, "getsitepackages", lambda: [str(packages)])
    seen = {identity.fingerprint()}
    for file in (module, record, packages):
        os.utime(file, (1, 1))
        seen.add(identity.fingerprint())
    (package / "new.py").touch()
    seen.add(identity.fingerprint())
    assert len(seen) == 5


@pytest.mark.parametrize(
    ("command", "options", "reason"),
    [
        (["/usr/bin/another", "-m", "ipykernel_launcher"], {}, "another Python"),
        ([sys.executable, "-m", "xeus"], {}, "not python -m ipykernel_launcher"),
        ([sys.executable, "kernel.py"], {}, "not python -m ipykernel_launcher"),
        ([sys.executable, "-m", "ipykernel_launcher"], {"preexec_fn": print}, "sets preexec_fn"),
        ([sys.executable, "-m", "ipykernel_launcher"], {"env": {"PYTHONPATH": "lib"}}, "relative"),
    ],
)
@needs_forking
def test_what_needs_an_ordinary_start(command, options, reason):
    problem, process = provisioner.try_fork(command, options)
    assert process is None
    assert reason in problem


@needs_forking
def test_a_folder_that_others_may_write_to_is_not_used(monkeypatch, tmp_path):
    from course.kernels import client

    monkeypatch.setenv("COURSE_RUNTIME_DIR", str(tmp_path / "mine"))
    assert client.folder().stat().st_mode & 0o777 == 0o700
    client.folder().chmod(0o770)
    with pytest.raises(client.ColdStart, match="this user's alone"):
        client.folder()
    (tmp_path / "link").symlink_to("/tmp")
    monkeypatch.setenv("COURSE_RUNTIME_DIR", str(tmp_path / "link"))
    with pytest.raises(client.ColdStart, match="this user's alone"):
        client.folder()


@pytest.mark.slow
def test_a_cold_start_where_nothing_else_works(monkeypatch, caplog):
    monkeypatch.setattr(kernels, "unsupported", lambda: "there is no fork here")
    kernel = Kernel()
    try:
        assert not kernel.provisioner.is_warm
        assert kernel.run("print(1 + 1)") == "2"
    finally:
        kernel.close()
    assert "without the fast start: there is no fork here." in caplog.text


# --- with one ---


@needs_forking
@pytest.mark.slow
def test_it_trains_and_draws_and_is_fresh(start, tmp_path):
    cold_like = {**os.environ, "GREETING": "hello", "TZ": "Asia/Tokyo"}
    cold_like.pop("PYTEST_CURRENT_TEST", None)
    kernel = start(cwd=str(tmp_path), env=cold_like)
    assert kernel.provisioner.is_warm
    assert (
        kernel.run("import sys; print('keras' in sys.modules, 'kernel' in dir())") == "True False"
    )
    train = """
import keras, numpy as np, tensorflow as tf
keras.utils.set_random_seed(0)
model = keras.Sequential([keras.layers.Dense(1)])
model.compile(optimizer="sgd", loss="mse")
x = np.linspace(-1, 1, 64)[:, None]
losses = model.fit(x, 2 * x, epochs=5, verbose=0).history["loss"]
print(losses[-1] < losses[0], threading.active_count() > 0)
"""
    assert kernel.run("import threading" + train) == "True True"
    assert kernel.run("import matplotlib.pyplot as plt; _ = plt.plot([1, 2])") == "image/png"
    where = "import os, time; print(os.getcwd(), os.environ['GREETING'], time.tzname[0])"
    assert kernel.run(where) == f"{tmp_path} hello JST"
    other = start()
    draw = "import numpy, random; print(numpy.random.rand(), random.random())"
    assert kernel.run(draw) != other.run(draw)
    assert kernel.run("print(os.getpid())") != other.run("import os; print(os.getpid())")


@pytest.fixture
def default_signals():
    """What nohup and shells' background jobs ignore, an ordinary kernel would inherit."""
    before = {
        number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGHUP, signal.SIGQUIT)
    }
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@needs_forking
@pytest.mark.slow
def test_it_looks_like_an_ordinary_kernel(start, monkeypatch, tmp_path, default_signals):
    warm = start(cwd=str(tmp_path))
    with monkeypatch.context() as patch:
        patch.setattr(kernels, "unsupported", lambda: "to compare with")
        cold = start(cwd=str(tmp_path))
    assert warm.provisioner.is_warm
    assert not cold.provisioner.is_warm
    look = """
import matplotlib, os, re, resource, signal, sys, threading
main = sys.modules["__main__"]
print(sys.path, sys.argv[:2], sys.flags, sys.executable, os.getcwd(), main.__dict__ is globals())
print(sorted(set(globals()) - {"look"}), matplotlib.rcParams["backend"], sys.stdin)
print([signal.getsignal(number) for number in signal.valid_signals() if number != signal.SIGINT])
print(signal.pthread_sigmask(signal.SIG_BLOCK, ()), os.getsid(0) == os.getpid() == os.getpgid(0))
print(sorted(os.environ.items() - {("JPY_PARENT_PID", os.environ["JPY_PARENT_PID"])}))
print([resource.getrlimit(number) for number in range(16)], os.umask(0o22), os.getpriority(0, 0))
print(sorted(re.sub(r'\\d+', '', thread.name) for thread in threading.enumerate()))
print(os.stat("/proc/self").st_uid == os.getuid(), os.access("/proc/self/environ", os.R_OK))
"""
    # What the course's own import sets.
    look = look.replace("import matplotlib", "import course, keras, sklearn, matplotlib")
    assert warm.run(look).splitlines() == cold.run(look).splitlines()


@needs_forking
@pytest.mark.slow
def test_interrupt_restart_kill_and_exit_status(start):
    kernel = start()
    assert kernel.run("survivor = 1; print('ready')") == "ready"
    kernel.client.execute("import time\ntime.sleep(60)")
    time.sleep(0.5)
    kernel.manager.interrupt_kernel()
    assert kernel.client.get_shell_msg(timeout=10)["content"]["ename"] == "KeyboardInterrupt"
    # For a moment ipykernel turns away the cells that were waiting after the one that failed.
    wait_for(lambda: kernel.run("print(survivor)") == "1")

    first = kernel.provisioner.pid
    kernel.client.stop_channels()
    kernel.manager.restart_kernel(now=True)
    kernel.connect()
    assert kernel.provisioner.is_warm
    assert kernel.provisioner.pid != first
    assert kernel.run("print('survivor' in dir())") == "False"

    process = kernel.provisioner.process
    kernel.client.execute("import os; os._exit(7)")
    wait_for(lambda: not kernel.manager.is_alive())
    assert process.returncode == 7

    kernel.client.stop_channels()
    kernel.manager.restart_kernel()
    kernel.connect()
    process = kernel.provisioner.process
    os.kill(kernel.provisioner.pid, signal.SIGSEGV)
    wait_for(lambda: not kernel.manager.is_alive())
    assert process.returncode == -signal.SIGSEGV

    kernel.client.stop_channels()
    kernel.manager.restart_kernel()
    kernel.connect()
    process = kernel.provisioner.process
    kernel.manager.shutdown_kernel()
    assert process.returncode == 0


@needs_forking
@pytest.mark.slow
@pytest.mark.parametrize(
    "attack",
    [
        "os.kill(server, signal.SIGKILL)",
        "os.kill(server, signal.SIGSTOP)",
        "import shutil; shutil.rmtree(folder)",
        "[open(f'{folder}/{i}', 'w').close() for i in range(2000)]",
        "[(os.unlink(p), os.makedirs(f'{p}/x')) for p in sockets]",
        "[(os.unlink(p), os.symlink('/etc/passwd', p)) for p in sockets]",
    ],
)
def test_nothing_that_a_kernel_does_reaches_the_next(start, servers, attack):
    hostile, bystander = start(), start()
    server = hostile.server()
    assert bystander.run("kept = 1; print(kept)") == "1"
    hostile.run(
        f"import os, signal; server, folder = {server}, {str(servers)!r}\n"
        "sockets = [f'{folder}/{name}' for name in os.listdir(folder) if len(name) == 20]\n"
        + attack
    )
    following = start()
    assert following.provisioner.is_warm
    assert following.run("import keras; print(keras.ops.add(1, 1).numpy())") == "2"
    assert bystander.run("print(kept)") == "1"


@needs_forking
@pytest.mark.slow
def test_a_keeper_that_is_killed_takes_its_kernel_along_and_no_other(start):
    kernel, bystander = start(), start()
    pid = kernel.provisioner.pid
    kernel.client.execute("import os, signal; os.kill(os.getppid(), signal.SIGKILL)")
    wait_for(lambda: not kernel.manager.is_alive())
    wait_for(lambda: not Path(f"/proc/{pid}").exists())
    assert bystander.run("print('here')") == "here"


@needs_forking
@pytest.mark.slow
def test_kernels_end_with_the_process_that_started_them(start, servers):
    script = f"""
import json, os, sys
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager
manager = KernelManager(kernel_name="course-fast",
                        kernel_spec_manager=KernelSpecManager(kernel_dirs=[{SPECS!r}]))
manager.start_kernel()
print(manager.provisioner.pid, manager.provisioner.is_warm, flush=True)
os._exit(0)
"""
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120
    )
    pid, is_warm = run.stdout.split()
    assert is_warm == "True"
    wait_for(lambda: not Path(f"/proc/{pid}").exists())


@needs_forking
@pytest.mark.slow
def test_files_next_to_a_notebook_that_would_have_been_imported(start, tmp_path, caplog):
    (tmp_path / "sklearn.py").write_text("mine = True")
    kernel = start(cwd=str(tmp_path))
    assert not kernel.provisioner.is_warm
    assert kernel.run("import sklearn; print(sklearn.mine)") == "True"
    assert "another module sklearn" in caplog.text
