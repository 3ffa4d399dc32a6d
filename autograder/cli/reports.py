"""The commands that say how a class did: the reports on a lesson and on the whole term."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autograder.cli.shared import ClassPath, DatabaseUrl, console, course_root
from autograder.errors import CourseError

if TYPE_CHECKING:
    from autograder.classroom.folders import ClassFolder
    from autograder.classroom.gradebook import Gradebook
    from autograder.classroom.term.standing import Term

app = typer.Typer(rich_markup_mode="rich")

RulesFile = Annotated[
    Path | None,
    typer.Option(
        "--term", help="The file with the term's rules; term.yaml in the class's folder by default."
    ),
]


@app.command()
def report(
    assignment: Annotated[
        str | None,
        typer.Argument(help="A lesson or another folder of solutions/; the whole term without it."),
    ] = None,
    class_folder: ClassPath = None,
    gradebook: DatabaseUrl = None,
    rules: RulesFile = None,
) -> None:
    """Write a page about a graded assignment: points, exercises, mistakes, what needs a look.

    Without a name, about the whole term: students and lessons, who falls behind, final points.
    """
    from autograder.classroom.folders import ClassFolder
    from autograder.classroom.gradebook import Gradebook
    from autograder.classroom.whole_file import write_whole

    root = course_root()
    folder = ClassFolder(root, class_folder)
    book = Gradebook(folder, gradebook)
    if assignment is None:
        from autograder.classroom.term.page import make_term_page

        path, page = folder.report("term"), make_term_page(read_term(root, folder, book, rules))
    else:
        if rules is not None:
            raise CourseError(
                f"--term is for the report on the whole term: leave it out, or {assignment}."
            )
        name = Path(assignment).name
        path, page = folder.report(name), _lesson_page(root, name, folder, book)
    write_whole(path, page)
    console.print(str(path), soft_wrap=True)


def _lesson_page(root: Path, name: str, folder: ClassFolder, book: Gradebook) -> str:
    from autograder.classroom.assignment import Assignment
    from autograder.classroom.report import make_report
    from autograder.classroom.submissions import given_answers

    graded = Assignment(root, name)
    answers = given_answers(graded, folder)
    results, hours = book.final_results(name), book.hours_before_deadline(name)
    return make_report(results, graded.exercises(), answers, hours)


def read_term(root: Path, folder: ClassFolder, book: Gradebook, rules_file: Path | None) -> Term:
    """The term as it is now.

    Raises:
        CourseError: the rules or the gradebook cannot be read, or nothing is graded.
    """
    from autograder.classroom.class_list import deadline, read_class_list
    from autograder.classroom.term.rules import FILE, read_rules
    from autograder.classroom.term.standing import make_term
    from autograder.nbgrader_course.open_gradebook import one_engine

    if rules_file is not None and not rules_file.is_file():
        raise CourseError(f"There is no file {rules_file}: name the file with the term's rules.")
    known = {path.parent.name for path in (root / "solutions").glob("*/*.ipynb")}
    rules = read_rules(rules_file or folder.path / FILE, known)
    names = list(rules.lessons or sorted(known & folder.assignments()))
    with one_engine():
        results = {name: book.final_results(name) for name in names}
        if not any(results.values()):
            raise CourseError(
                f"Nothing of the term is graded in {folder.path}: run `autograder grade LESSON` "
                "first."
            )
        hours = {name: book.hours_before_deadline(name) for name in names}
        due = {name: at for name in names if (at := deadline(book.url, name)) is not None}
        people = read_class_list(book.url)
    return make_term(rules, results, hours, due, people)


@app.command()
def certificate(
    students: Annotated[
        list[str] | None, typer.Option("--student", help="Only this student; may be repeated.")
    ] = None,
    key_file: Annotated[
        Path | None,
        typer.Option(
            "--key",
            help="The private key that signs; certificate-key.pem in the class's folder by "
            "default, which is made the first time.",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Sign those anew that are there already.")
    ] = False,
    class_folder: ClassPath = None,
    gradebook: DatabaseUrl = None,
    rules: RulesFile = None,
) -> None:
    """Sign certificates, Open Badges 3.0, for the students who have reached the term's points.

    Who signs and how many percent are needed, [cyan]term.yaml[/cyan] says.
    [cyan]course certificate FILE[/cyan] verifies one.
    """
    from autograder.classroom.folders import ClassFolder
    from autograder.classroom.gradebook import Gradebook
    from autograder.classroom.term.certificates import (
        FOLDER,
        KEY_FILE,
        check_rules,
        issue,
        signing_key,
    )

    root = course_root()
    folder = ClassFolder(root, class_folder)
    term = read_term(root, folder, Gradebook(folder, gradebook), rules)
    check_rules(term, students or ())
    key = signing_key(key_file or folder.path / KEY_FILE, make=key_file is None)
    if key.is_new:
        _print(
            f"Made the key that signs: {key.path}. Keep a copy in a safe place, and show it to "
            "nobody: whoever has it can sign certificates in your name, and without it no further "
            "one can be signed under the same key."
        )
    outcome = issue(term, key, folder.path / FOLDER, students or (), force)
    count = "1 certificate" if len(outcome.made) == 1 else f"{len(outcome.made)} certificates"
    _print(f"{count} written to {folder.path / FOLDER}.")
    for names, what in (
        (outcome.kept, "With one already, which --force signs anew"),
        (outcome.open, "Below what is needed, with points that are still to be given"),
        (outcome.below, "Below what is needed"),
    ):
        if names:
            _print(f"{what}, {len(names)}: {', '.join(names)}.")
    _print(f"Signed with {key.name}. Publish this name, so that readers can compare it.")


def _print(text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
