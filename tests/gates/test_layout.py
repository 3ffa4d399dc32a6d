"""The rooms of ``autograder`` and the direction of its imports.

A module may import from its own room and from those further down in ``ROOMS``, never from one
further up. No two modules import each other, directly or through others.
"""

from __future__ import annotations

import graphlib
import textwrap
from pathlib import Path

import grimp
import pytest

# From top to bottom, each with the question that it answers.
ROOMS = {
    "cli": "what did the person ask for",
    "classroom": "how did the class do",
    "publish": "what do students get",
    "proofs": "do the tests of an assignment deserve trust",
    "nbgrader_course": "how does nbgrader see us",
    "grading": "what is an answer worth",
    "gates": "is the course fit to be published",
    "sandbox": "where do answers run",
    "notebooks": "what is a notebook here",
    "errors": "what can a person act on",
}
MOST_LEVELS = 7


def faults(package: str, rooms: list[str], most_levels: int) -> list[str]:
    """What is wrong with a package's imports, one sentence each.

    Args:
        package: its name; it must be importable.
        rooms: the names of its modules and packages, from top to bottom.
        most_levels: how many modules may stand on the longest chain of imports.
    """
    graph = grimp.build_graph(package, cache_dir=None)
    # `python -m` starts the command there, which nothing imports.
    modules = graph.modules - {f"{package}.__main__"}
    imports = {name: graph.find_modules_directly_imported_by(name) for name in modules}
    unknown = sorted({room for name in imports if (room := _room(name))} - {*rooms})
    found = [f"{room} is not among the rooms: name it, or move it into one." for room in unknown]
    for name, others in sorted(imports.items()):
        if _room(name) in rooms:
            found += [
                f"{name} imports {other}, which is further up: move what it needs down."
                for other in sorted(others)
                if _room(other) in rooms and rooms.index(_room(other)) < rooms.index(_room(name))
            ]
    try:
        chain = _longest_chain(imports)
    except graphlib.CycleError as error:
        circle = " imports ".join(reversed(error.args[1]))
        return [*found, f"A circle: {circle}. Move what both need into a third module."]
    if len(chain) > most_levels:
        found.append(f"{len(chain)} levels, and {most_levels} are allowed: {' > '.join(chain)}.")
    return found


def _room(name: str) -> str:
    return name.split(".")[1] if "." in name else ""


def _longest_chain(imports: dict[str, set[str]]) -> list[str]:
    chains: dict[str, list[str]] = {}
    for name in graphlib.TopologicalSorter(imports).static_order():
        chains[name] = [name, *max((chains[other] for other in imports[name]), key=len, default=[])]
    return max(chains.values(), key=len)


def test_the_rooms_of_autograder():
    assert faults("autograder", list(ROOMS), MOST_LEVELS) == []


def test_ten_rooms_at_most():
    assert len(ROOMS) <= 10


@pytest.fixture
def plant(tmp_path, monkeypatch):
    """Make a package ``house`` of modules, given as ``{"attic": "from house import cellar"}``."""

    def write(modules: dict[str, str]) -> None:
        folder = tmp_path / "house"
        folder.mkdir()
        (folder / "__init__.py").touch()
        for name, text in modules.items():
            Path(folder, f"{name}.py").write_text(textwrap.dedent(text))
        monkeypatch.syspath_prepend(tmp_path)

    return write


def test_a_house_in_order_has_no_faults(plant):
    plant({"attic": "from house import hall", "hall": "import house.cellar", "cellar": ""})
    assert faults("house", ["attic", "hall", "cellar"], 3) == []


def test_an_import_upwards_is_found_also_in_a_function(plant):
    plant({"attic": "", "cellar": "def look():\n    from house import attic\n"})
    assert faults("house", ["attic", "cellar"], 3) == [
        "house.cellar imports house.attic, which is further up: move what it needs down."
    ]


def test_a_circle_is_found_also_where_only_types_need_it(plant):
    plant(
        {
            "one": "from house import two",
            "two": """\
                from typing import TYPE_CHECKING
                if TYPE_CHECKING:
                    from house.one import Thing
                """,
        }
    )
    (fault,) = (text for text in faults("house", ["one", "two"], 3) if "circle" in text)
    assert "house.one" in fault
    assert "house.two" in fault


def test_a_chain_that_is_too_long_is_found(plant):
    plant({"a": "import house.b", "b": "import house.c", "c": ""})
    assert faults("house", ["a", "b", "c"], 2) == [
        "3 levels, and 2 are allowed: house.a > house.b > house.c."
    ]


def test_a_new_module_beside_the_rooms_is_found(plant):
    plant({"attic": "", "shed": ""})
    assert faults("house", ["attic"], 2) == [
        "shed is not among the rooms: name it, or move it into one."
    ]
