"""A page of feedback: exercises by name first, each with what to do about it; nothing active."""

from itertools import pairwise

import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from nbgrader.tests import create_grade_and_solution_cell, create_grade_cell, create_solution_cell

from autograder.nbgrader_course.feedback_page import make_page

GRADES = {"notebook": "adding", "score": 2.5, "max_score": 11, "late_penalty": 0}


def graded_cell(source, grade_id, points, score, message=""):
    cell = create_grade_cell(source, "code", grade_id, points)
    cell.metadata.nbgrader["score"] = score
    cell.metadata["course"] = {"score": score, "message": message}
    return cell


@pytest.fixture
def notebook():
    add = create_solution_cell("def add(a, b):\n    return a - b", "code", "add")
    add.metadata["course"] = {"misconception": "Takes the <difference>."}
    add.outputs = [
        new_output("stream", text="<b>printed</b>\n"),
        new_output("display_data", {"text/html": "<b>x</b><script>alert(1)</script>"}),
        new_output("display_data", {"image/png": "aGVsbG8="}),
    ]
    names = create_solution_cell("names = []", "code", "names")
    names.metadata.nbgrader["comment"] = "Well thought."
    why = create_grade_and_solution_cell("<i>Because</i> $a_1$.", "markdown", "why", 5)
    why.metadata.nbgrader |= {"score": 0, "waiting": True}
    return new_notebook(
        metadata={"course": {"status": "graded", "notes": ["x (1).ipynb was <graded>."]}},
        cells=[
            new_markdown_cell("# Adding\nWhat it is."),
            new_markdown_cell("## Two and two\n![Four apples](apples.png)"),
            new_code_cell("print(4)", outputs=[new_output("stream", text="4\n")]),
            new_markdown_cell("### Exercise 1: a sum\nWrite `add`."),
            add,
            graded_cell("assert add(1, 2) == 3", "add_1", 2, 0, "add(1, 2) should be 3, and is -1"),
            graded_cell(
                "assert add(1, 3) == 4", "add_2", 2, 0.5, "add(1, 3) should be 4, and is -2"
            ),
            new_markdown_cell("## Names"),
            new_markdown_cell("### Exercise 2: names"),
            names,
            graded_cell("assert names == []", "names_1", 2, 2),
            why,
        ],
    )


@pytest.fixture
def page(notebook):
    return BeautifulSoup(make_page(notebook, GRADES), "html.parser")


def words(node):
    return " ".join(node.get_text(" ").split())


def test_exercises_stand_first_by_their_headings(page):
    rows = [words(row) for row in page.table.find_all("tr")[1:]]
    assert rows == [
        "Exercise 1: a sum 0.5 of 4 partly solved",
        "Exercise 2: names 2 of 2 solved",
        "Exercise 2: names (why) 0 of 5 not graded yet",
    ]
    assert "2.5 of 11 points." in words(page)
    assert words(page.find(class_="said")) == "Note. x (1).ipynb was <graded>."


def test_code_in_headings_is_code_and_nothing_else_is_active(notebook):
    heading = "### Exercise 2: `names` [here](x) <b>now</b>"
    notebook.cells[8].source = heading
    page = BeautifulSoup(make_page(notebook, GRADES), "html.parser")
    for shown in (page.table.find("a", string=None, href="#exercise-2"), page.find_all("h2")[1]):
        assert shown.code.get_text() == "names"
        assert words(shown) == "Exercise 2: names [here](x) <b>now</b>"
        assert not shown.find_all(["a", "b"])


def test_a_lost_point_is_explained_beside_the_answer(page):
    text = words(page.find(id="exercise-1"))
    for part in (
        "This behaves like a known mistake: Takes the <difference>.",
        "Read again: Two and two",
        "add(1, 2) should be 3, and is -1 What was expected (0 of 2 points) assert",
        "add(1, 3) should be 4, and is -2 What was expected (0.5 of 2 points) assert",
        "Your answer def add",
        "<b>printed</b>",
    ):
        assert part in text


def test_what_was_solved_is_folded_and_comments_are_shown(page):
    section = page.find(id="exercise-2")
    assert words(section.details).startswith("Your answer names = []")
    assert "open" not in section.details.attrs
    assert "Comment: Well thought." in words(section)


def test_the_lesson_is_folded_with_its_sections(page):
    folded = page.find(class_="lesson").find_all("details")
    assert [words(part.summary) for part in folded] == ["Adding", "Two and two", "Names"]
    assert not any("open" in part.attrs for part in folded)
    assert "[Four apples] print ( 4 ) 4" in words(folded[1])


def test_links_lead_to_places_in_the_page(page):
    for link in page.find_all("a"):
        assert page.find(id=link["href"].removeprefix("#")), link


def test_headings_are_in_order(page):
    levels = [int(node.name[1]) for node in page.find_all(["h1", "h2", "h3", "h4", "h5", "h6"])]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_nothing_active_and_nothing_from_elsewhere(page):
    assert not page.find_all(["script", "link", "iframe", "i"])
    assert all(image["src"].startswith("data:image/") and image["alt"] for image in page("img"))
    policy = page.find("meta", {"http-equiv": "Content-Security-Policy"})["content"]
    assert policy.startswith("default-src 'none'")
    assert "$a_1$" in words(page) or "a_1" in words(page)


def test_a_submission_that_could_not_be_graded_says_why(notebook):
    notebook.metadata["course"] |= {"status": "unreadable", "message": "It breaks <off>."}
    page = BeautifulSoup(make_page(notebook, GRADES), "html.parser")
    assert words(page.find(class_="said")) == "Unreadable. It breaks <off>."


def test_an_assignment_without_headings_names_exercises_by_their_ids(notebook):
    notebook.cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    page = BeautifulSoup(make_page(notebook, GRADES), "html.parser")
    assert page.h1.text == "adding: feedback"
    assert [words(row.td) for row in page.table.find_all("tr")[1:]] == ["add", "names"]


def test_a_late_submission_says_what_that_cost(notebook):
    assert "Handed in late, which cost 1." in make_page(notebook, GRADES | {"late_penalty": 1})
