"""A class in which most students are hostile, graded in one run beside honest ones: nobody gains a
point that was not earned, nobody else loses one, and everybody gets a state and feedback."""

import functools
import json
from textwrap import dedent

import nbformat
import pytest

from autograder.classroom.folders import ClassFolder
from autograder.classroom.gradebook import Gradebook
from autograder.grading.conditions import Conditions
from autograder.grading.grade_submission import grade_submission
from autograder.sandbox import workplace as sandbox
from tests.autograder import toy_class
from tests.autograder.hostile import AT_CALL, AT_CELL, EDITS, FILES, STOPS, WRONG, body
from tests.autograder.toy_class import ASSIGNMENT, RIGHT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        sandbox.isolation_problem() is not None,
        reason=f"no sandbox here: {sandbox.isolation_problem()}",
    ),
]

# Seconds for one cell; a machine that does other work too needs some to fork and to run NumPy.
TIMEOUT = 8

# One honest student after so many hostile ones.
HONEST_EVERY = 8

ANSWERS = {
    **{f"cell: {name}": text + WRONG for name, text in AT_CELL.items()},
    **{f"call: {name}": body(text) for name, text in AT_CALL.items()},
    **{f"stop: {name}": text for name, (text, _) in STOPS.items()},
}
SUBMISSIONS = [
    *ANSWERS,
    *(f"edit: {name}" for name in EDITS),
    *(f"file: {name}" for name in FILES),
]


def student(number):
    return f"s{number:03}"


@pytest.fixture(scope="module")
def graded(built_toy, tmp_path_factory):
    """The class's folder, and the results by student."""
    classes = tmp_path_factory.mktemp("hostile")
    released = nbformat.read(built_toy / "lessons" / ASSIGNMENT / "adding.ipynb", as_version=4)

    def hand_in(name, answers):
        notebook = nbformat.from_dict(released)
        for cell in notebook.cells:
            cell.source = answers.get(cell.id, cell.source)
        path = classes / "submitted" / name / ASSIGNMENT / "adding.ipynb"
        path.parent.mkdir(parents=True)
        # In ASCII, which has a way to write half a character.
        path.write_text(json.dumps(notebook))
        return path, notebook

    for number, name in enumerate(SUBMISSIONS):
        kind, _, key = name.partition(": ")
        path, notebook = hand_in(student(number), RIGHT | {"add": ANSWERS.get(name, WRONG)})
        if kind == "edit":
            EDITS[key](notebook)
            path.write_text(nbformat.writes(notebook))
        elif kind == "file":
            FILES[key][0](path)
        if number % HONEST_EVERY == 0:
            hand_in(f"{student(number)}-honest", RIGHT)
    with sandbox.Workplace(True, sandbox.Limits(memory_mb=1_000)) as workplace:
        graded = toy_class.grade(
            built_toy,
            classes=classes,
            conditions=Conditions(TIMEOUT),
            run=functools.partial(grade_submission, workplace=workplace),
        )
        results = {result.student: result for result in graded}
    return classes, results


@pytest.mark.parametrize("name", SUBMISSIONS)
def test_no_point_that_was_not_earned(graded, name):
    classes, results = graded
    who = student(SUBMISSIONS.index(name))
    result = results[who]
    kind, _, key = name.partition(": ")
    if kind == "stop":
        assert result.status == STOPS[key][1]
    elif kind == "file":
        assert result.status == FILES[key][1]
    else:
        assert result.status in {"graded", "timeout", "died", "memory"}
    points = {test: cell.score for test, cell in result.cells.items()}
    assert points["add_numbers"] == points["add_arrays"] == 0, result.cells
    # An answer that spoils its process may cost the other one there; what it does when it is
    # called may not, and no edit of the tests may either.
    taken = result.status == "graded" and key not in {"no cells"}
    if kind in {"call", "stop", "edit"} or (kind == "file" and taken):
        assert points["names_two"] == 1, result.cells
    assert result.max_score == 4
    assert result.status == "graded" or result.message
    assert all(cell.message for cell in result.cells.values() if not cell.score)
    (page,) = (classes / "feedback" / who / ASSIGNMENT).glob("*.html")
    text = page.read_text()
    assert "assert add(-1, 1)" not in text.replace("&quot;", '"')
    assert "<img src=x" not in text
    if result.status != "graded":
        assert f"{result.status.capitalize()}." in text


def test_the_honest_notice_nothing(graded):
    _, results = graded
    honest = [result for name, result in results.items() if name.endswith("-honest")]
    assert len(honest) >= len(SUBMISSIONS) // HONEST_EVERY
    assert {(result.status, result.score) for result in honest} == {("graded", 4)}


def test_the_class_is_large_and_everybody_is_in_the_gradebook(graded, built_toy):
    classes, results = graded
    assert len(SUBMISSIONS) >= 60
    folder = ClassFolder(built_toy, classes)
    recorded = Gradebook(folder).final_points(ASSIGNMENT)
    assert recorded.keys() == results.keys() == set(folder.students(ASSIGNMENT))


@pytest.fixture(scope="module")
def grade(built_toy):
    """Grade an answer to ``add`` by itself."""
    from autograder.grading.grade_notebook import examine
    from autograder.grading.rebuild import references
    from autograder.notebooks.instructor import make_instructor_notebook
    from autograder.notebooks.source import read_lesson

    lesson = read_lesson(built_toy / "solutions" / ASSIGNMENT)
    instructor = make_instructor_notebook(lesson)
    right = references(instructor)
    with sandbox.Workplace(isolated=True) as workplace:
        yield lambda answer: examine(
            instructor, right | {"add": answer}, workplace, timeout=TIMEOUT
        )


def test_nothing_is_left_for_the_next_submission(grade):
    """Files, threads and changed modules are gone with the process."""
    folders = dedent(
        """\
        import os
        folders = [
            '/', '/tmp', '/var/tmp', '/dev', '/dev/shm', '/scratch', '/run', '/etc', '/usr',
            os.path.dirname(np.__file__), os.environ['COURSE_DATA_DIR'], '.',
            os.path.expanduser('~'),
        ]
        """
    )
    write = dedent(
        """\
        for folder in folders:
            try:
                open(folder + '/left', 'w').write('x')
            except OSError: pass
        np.left = 1
        """
    )
    assert grade(folders + write + WRONG).score == 1
    look = dedent(
        """\
        found = [f for f in folders if os.path.exists(f + '/left')] or hasattr(np, 'left')
        def add(a, b):
            if found: raise ValueError(f'found {found}')
            return as_array(a) + as_array(b)
        """
    )
    result = grade(folders + look)
    assert result.score == 4, result.cells


def test_thousands_of_cells_and_ids_are_taken_as_they_are(toy, hand_in):
    path = hand_in(
        "many",
        add=dedent(
            """\
            def add(a, b):
                return as_array(a) + as_array(b)
            """
        ),
    )
    notebook = nbformat.read(path, as_version=4)
    extra = nbformat.v4.new_code_cell("x = 1")
    notebook.cells += [nbformat.from_dict(dict(extra, id=f"x{n}")) for n in range(20_000)]
    nbformat.write(notebook, path)
    (result,) = toy_class.grade(toy)
    assert (result.status, result.score) == ("graded", 3)
