"""What of a student's notebook grading will see otherwise, read from its cells without a run."""

from __future__ import annotations

from course.cells import find_grade_id, first_line, grade_id, is_edited
from course.check.lesson import Exercise, Lesson
from course.check.names import bound_names, imported_modules, needed_names


def warnings(lesson: Lesson, exercise: Exercise) -> list[str]:
    """What of an exercise grading will see otherwise than a student, a sentence each."""
    found = [
        f"The test cell {grade_id(test)} was changed: grading uses the original. "
        "Take it from a fresh copy of the lesson."
        for test in exercise.tests
        if is_edited(test) or test.cell_type != "code"
    ]
    if exercise.missing:
        one = len(exercise.missing) == 1
        found.append(
            f"The test cell{'' if one else 's'} {', '.join(exercise.missing)} "
            f"{'is' if one else 'are'} missing: grading runs {'it' if one else 'them'}. "
            "Take a fresh copy of the lesson and paste your answers into it."
        )
    return found + _unseen(lesson, exercise)


def _unseen(lesson: Lesson, exercise: Exercise) -> list[str]:
    """What an answer relies on that grading will not see."""
    if exercise.answer is None or exercise.answer.cell_type != "code":
        return []
    source = exercise.answer.source
    needed = needed_names(source)
    code = [cell for cell in lesson.own if cell.cell_type == "code"]
    seen = set().union(*(bound_names(c.source) for c in lesson.graded_cells() if c in code), set())
    found = []
    groups = [
        ("a cell of your own", [c for c in lesson.extra if c.cell_type == "code"]),
        ("a cell that only shows something", [c for c in code if c not in lesson.graded_cells()]),
    ]
    for what, cells in groups:
        for cell in cells:
            if names := sorted(needed & bound_names(cell.source) - seen):
                found.append(
                    f"Uses {_listed(names)}, defined only in {what} (`{first_line(cell)}`), which "
                    "grading does not run. Move it into the answer's cell."
                )
    for cell in code:
        edited = cell is not exercise.answer and not find_grade_id(cell) and is_edited(cell)
        if edited and (names := sorted(needed & bound_names(cell.source))):
            found.append(
                f"Uses {_listed(names)} from a cell of the lesson that you changed "
                f"(`{first_line(cell)}`): grading uses the original cell."
            )
    if lesson.made_here:
        found += [
            f"Imports {name}, a file beside the notebook, which grading does not see. "
            "Move what you need into the answer's cell."
            for name in sorted(imported_modules(source))
            if (lesson.path.parent / f"{name}.py").exists() or (lesson.path.parent / name).is_dir()
        ]
    return found


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def problems(lesson: Lesson) -> list[str]:
    """What is wrong with a notebook's cells outside the exercises, a sentence each."""
    found = []
    if lesson.missing:
        count = len(lesson.missing)
        found.append(
            f"{count} of the lesson's cells {'is' if count == 1 else 'are'} missing from your "
            "notebook. Grading puts back what it needs, but not an answer: take a fresh copy of "
            "the lesson and paste your answers into it."
        )
    names = {name for cell in lesson.graded_cells() if (name := find_grade_id(cell))}
    for cell in lesson.extra:
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        if name in names:
            found.append(
                f"There is a copy of the cell {name}. Grading takes the lesson's own: keep your "
                "answer there, and delete the copy."
            )
    return found
