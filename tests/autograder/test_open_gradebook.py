"""nbgrader's database, opened once for a class."""

from __future__ import annotations

from nbgrader.api import Gradebook

from autograder.nbgrader_course.open_gradebook import one_engine
from autograder.nbgrader_course.settings import COURSE_ID


def test_a_database_is_opened_once_in_a_block_and_anew_after_it(tmp_path):
    opens, url = Gradebook.__init__, f"sqlite:///{tmp_path / 'gradebook.db'}"
    with one_engine():
        with Gradebook(url, COURSE_ID) as first:
            first.add_student("ada")
        with Gradebook(url, COURSE_ID) as second:
            assert second.engine is first.engine
            assert [student.id for student in second.students] == ["ada"]
        with Gradebook(f"sqlite:///{tmp_path / 'other.db'}", COURSE_ID) as other:
            assert other.students == []
    assert Gradebook.__init__ is opens
    with Gradebook(url, COURSE_ID) as later:
        assert later.engine is not first.engine
        assert [student.id for student in later.students] == ["ada"]
