"""Tables of lessons: made from headers and the coverage map, and held to them."""

from __future__ import annotations

import base64
import io

import nbformat
import pytest
from PIL import Image

from autograder.errors import CourseError
from autograder.gates import section_map
from autograder.notebooks.source import all_lessons
from autograder.publish import glossary
from autograder.publish import lesson_lists as tables
from tests.files import said


def test_readme_keeps_what_is_around_the_table(course):
    text = (course / "README.md").read_text()
    assert text.startswith("Before.\n\n<!--")
    assert text.endswith("-->\n\nAfter.\n")
    row = "| [90 Adding](lessons/90_adding/adding.ipynb) | 5 | **1** Introduction |"
    assert row in text
    assert "| 91 subtracting | **1** Later (An item) |" in text
    assert "2 of the 3 sections" in text


def test_landing_page_links_to_lessons_that_exist(course):
    text = (course / "lessons" / "README.md").read_text()
    assert "## I Foundations" in text
    assert "[90 Adding](90_adding/adding.ipynb)" in text
    assert "- You will have built a sum of arrays\n" in text
    assert "- 1 minutes to read and run, 5 with the exercises\n- Read first: nothing" in text
    assert "- Mirrors **1** Introduction" in text
    assert (course / "lessons" / "90_adding" / "adding.ipynb").is_file()


def test_written_tables_are_up_to_date_and_stay_so(course):
    before = (course / "README.md").read_bytes()
    assert tables.check(course) == []
    tables.write(course)
    assert (course / "README.md").read_bytes() == before


def test_edited_tables_are_noticed(course):
    for path in (course / "README.md", *(course / "lessons").glob("*.md")):
        path.write_text(path.read_text().replace("Adding", "Addition"))
    assert len(tables.check(course)) == 3


def test_the_glossary_says_what_a_term_means_and_where_it_is_explained(course):
    text = (course / "lessons" / "GLOSSARY.md").read_text()
    assert "## A\n\n**array**: Numbers in rows and columns. " in text
    assert "[90 Adding: Adding](90_adding/adding.ipynb#Adding)\n" in text
    assert "(GLOSSARY.md)" in (course / "lessons" / "README.md").read_text()


def test_a_term_that_is_nowhere_marked_leads_to_its_lesson(course):
    (lesson,) = all_lessons(course)
    lesson.header.terms["code (of a door)"] = "A number."
    page = glossary.page([lesson])
    assert page.index("## A") < page.index("## C")
    assert "**code** (of a door): A number. [90 Adding](90_adding/adding.ipynb)\n" in page


def test_closed_section_changes_the_table(course):
    path = course / section_map.MAP
    path.write_text(path.read_text().replace("1 Later: An item", "1 Later: Another item"))
    (problem,) = said(tables.check(course))
    assert problem.startswith("README.md: out of date")


def test_readme_says_how_many_lessons_there_are(course):
    path = course / "README.md"
    counted = "A course of <!-- count -->{}<!-- end of count -->, in Keras.\n"
    path.write_text(counted.format("3 lessons") + path.read_text())
    assert said(tables.check(course)) == ["README.md: out of date: run `autograder build`."]
    tables.write(course)
    assert path.read_text().startswith(counted.format("2 lessons, 1 of them written"))


def test_a_complete_course_has_none_to_come(course):
    lesson = all_lessons(course)[0]
    assert (
        tables.count([lesson] * 30, section_map.Coverage(articles={}, sections={})) == "30 lessons"
    )


def test_lost_markers_are_an_error(course):
    (course / "README.md").write_text("Nothing.")
    with pytest.raises(CourseError, match="must hold the lines"):
        tables.write(course)
    assert len(tables.check(course)) == 1


def test_course_without_a_map_has_no_tables(toy):
    tables.write(toy)
    assert tables.check(toy) == []
    assert not (toy / "README.md").exists()


def test_a_tagged_figure_is_the_lessons_picture(course):
    (lesson,) = all_lessons(course)
    notebook = nbformat.read(lesson.instructor_notebook, as_version=4)
    (cell,) = (cell for cell in notebook.cells if "demo" in cell.metadata.get("tags", ()))
    cell.metadata.tags.append("thumbnail")
    buffer = io.BytesIO()
    Image.new("RGB", (1280, 640), "#0072B2").save(buffer, "png")
    cell.outputs = [
        nbformat.v4.new_output(
            "display_data",
            {"image/png": base64.b64encode(buffer.getvalue()).decode()},
            metadata={"image/png": {"alt": "A blue | field."}},
        )
    ]
    nbformat.write(notebook, lesson.instructor_notebook)
    assert any("thumbnails/90_adding.png" in problem for problem in said(tables.check(course)))
    tables.write(course)
    picture = course / "lessons" / "thumbnails" / "90_adding.png"
    assert Image.open(picture).size == (360, 180)
    text = (course / "lessons" / "README.md").read_text()
    assert "![A blue \\| field.](thumbnails/90_adding.png)" in text
    picture.with_name("91_gone.png").write_bytes(picture.read_bytes())
    assert said(tables.check(course)) == [
        "lessons/thumbnails/91_gone.png: no lesson has this picture: run `autograder build`."
    ]
    tables.write(course)
    assert tables.check(course) == []


def test_needs_name_the_lesson(course):
    (lesson,) = all_lessons(course)
    lesson.header.needs.append("90_adding")
    lesson.header.needs.append("91_subtracting")
    page = tables.landing_page([lesson], section_map.load(course), {})
    assert "- Read first: 90 Adding, 91 subtracting (to come)\n" in page
