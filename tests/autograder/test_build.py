"""Building: what reaches the instructor and the student, and that drift is found."""

import nbformat
import pytest

from autograder.errors import CourseError
from autograder.nbgrader_course.release_steps import count_hidden_tests
from autograder.notebooks.cells import BEGIN_HIDDEN, END_HIDDEN
from autograder.notebooks.source import read_lesson
from autograder.publish.build import build, check
from course.cells import RAISES, hidden_tests, stated_result, tags
from tests.files import replace_once, said


def cells(path):
    return {cell.id: cell for cell in nbformat.read(path, as_version=4).cells}


def test_instructor_notebook_is_executed(toy_lesson):
    notebook = cells(toy_lesson.instructor_notebook)
    assert notebook["add"].metadata.nbgrader.solution
    assert notebook["add_numbers"].metadata.nbgrader.points == 2
    assert all(cell.execution_count for cell in notebook.values() if cell.cell_type == "code")
    text = toy_lesson.instructor_notebook.read_text()
    assert "difference instead" not in text
    assert "jupytext" not in text


def test_lesson_has_no_answers_and_no_outputs(toy_lesson):
    text = toy_lesson.student_notebook.read_text()
    for secret in ("return as_array(a) + as_array(b)", "negative numbers", "emmy", "np.add"):
        assert secret not in text
    assert not any(cell.get("outputs") for cell in cells(toy_lesson.student_notebook).values())


def test_lesson_carries_what_it_claims_in_locked_cells(toy_lesson):
    released = cells(toy_lesson.student_notebook).values()
    claims = [cell for cell in released if stated_result(cell) is not None]
    assert [stated_result(cell) for cell in claims] == ["two and two: 4.0"]
    assert not claims[0].metadata.editable
    listed = nbformat.read(toy_lesson.student_notebook, as_version=4).metadata.course.cells
    assert listed == list(cells(toy_lesson.student_notebook))


def test_known_mistakes_of_other_tests_are_found(toy_lesson):
    assert check(toy_lesson) == []
    assert not (toy_lesson.student_notebook.parent / "known_mistakes.json.xz").exists()
    replace_once(toy_lesson.source, "return as_array(a) - as_array(b)", "return a - b")
    (finding,) = check(read_lesson(toy_lesson.folder))
    assert finding.file.endswith("90_adding/known_mistakes.json.xz")
    assert finding.remedy == "run `autograder build`"


def test_a_test_cell_tells_how_many_tests_were_cut_from_it(toy_lesson):
    counts = {name: hidden_tests(cell) for name, cell in cells(toy_lesson.student_notebook).items()}
    assert {name: count for name, count in counts.items() if count is not None} == {
        "add_numbers": 1,
        "add_arrays": 1,
        "names_two": 0,
    }


@pytest.mark.parametrize(
    ("hidden", "count"),
    [
        ("assert f(1)\nassert f(2)", 2),
        ("for x in (1, 2):\n    np.testing.assert_allclose(f(x), x)", 1),
        ("self.assertEqual(f(1), 1)", 1),
        ("f(1)  # it must not raise", 1),
    ],
)
def test_hidden_tests_are_counted_by_their_claims(hidden, count):
    cell = f"assert f(0)\n{BEGIN_HIDDEN}\n{hidden}\n{END_HIDDEN}\nassert f(3)"
    assert count_hidden_tests(cell) == count
    assert count_hidden_tests(f"{cell}\n{cell}") == 2 * count
    assert count_hidden_tests("assert f(0)") == 0


def test_run_all_goes_on_after_answers_and_tests(toy_lesson):
    released = cells(toy_lesson.student_notebook)
    tagged = {name for name, cell in released.items() if RAISES in tags(cell)}
    assert tagged == {"add", "add_numbers", "add_arrays", "names", "names_two"}
    assert not any(RAISES in tags(c) for c in cells(toy_lesson.instructor_notebook).values())


def test_the_source_stays_at_home(toy_lesson):
    assert [path.name for path in toy_lesson.student_notebook.parent.iterdir()] == ["adding.ipynb"]


def test_an_edit_of_prose_keeps_outputs(toy_lesson):
    source = toy_lesson.source.read_text()
    toy_lesson.source.write_text(
        source.replace("**Arrays** can be added.", "One can add **arrays**.")
    )
    assert check(toy_lesson) == []
    changed = read_lesson(toy_lesson.folder)
    assert check(changed)
    assert build(changed) is False
    assert check(changed) == []
    assert "One can add **arrays**." in changed.student_notebook.read_text()
    assert "two and two: 4.0" in changed.instructor_notebook.read_text()


def test_a_cell_that_raises_stops_the_build(toy_lesson):
    source = toy_lesson.source.read_text()
    toy_lesson.source.write_text(source.replace("shown[-1]", "shown[99]"))
    with pytest.raises(CourseError, match="IndexError"):
        build(read_lesson(toy_lesson.folder))


def test_finds_an_edited_source(toy_lesson):
    replace_once(toy_lesson.source, "look at negative numbers", "look again")
    notebook, mistakes = said(check(read_lesson(toy_lesson.folder)))
    assert "the instructor notebook is not" in notebook
    assert notebook.startswith("solutions/90_adding/adding.ipynb, cell 8: ")
    assert "what is kept of known mistakes is not about" in mistakes


def test_finds_a_lesson_that_was_edited_by_hand(toy_lesson):
    replace_once(toy_lesson.student_notebook, "YOUR CODE HERE", "return as_array(a) + as_array(b)")
    (problem,) = said(check(toy_lesson))
    assert "never edited by hand" in problem
    assert problem.startswith("lessons/90_adding/adding.ipynb, cell 7: ")


def test_finds_an_edited_claim(toy_lesson):
    replace_once(toy_lesson.instructor_notebook, "two and two: 4.0", "two and two: 5.0")
    assert "lessons/90_adding/adding.ipynb" in said(check(toy_lesson))[0]


def test_finds_files_that_should_not_be_there(toy_lesson):
    (toy_lesson.student_notebook.parent / "notes.txt").write_text("an answer")
    assert "no source makes this file" in said(check(toy_lesson))[0]
    toy_lesson.student_notebook.unlink()
    assert any("missing" in problem for problem in said(check(toy_lesson)))


def test_finds_that_nothing_was_built(toy_lesson):
    toy_lesson.instructor_notebook.unlink()
    assert "no instructor notebook" in said(check(toy_lesson))[0]
