"""The command ``course``, for students."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.text import Text

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the command; an error that the user can act on is printed without a traceback."""
    from course.lessons import LessonError
    from course.terminal import write_plainly

    write_plainly()
    try:
        app(prog_name="course")
    except LessonError as error:
        _fail(str(error))


def _fail(message: str) -> NoReturn:
    text = Text.assemble(("Error: ", "red"), message)
    Console(stderr=True).print(text, highlight=False, soft_wrap=True)
    raise SystemExit(2)


def _print_version(wanted: bool) -> None:
    if wanted:
        from course import __version__

        typer.echo(__version__)
        raise typer.Exit()


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """A deep-learning course: open the lessons, check your answers."""


@app.command()
def check(
    lesson: Annotated[
        str, typer.Argument(help="A lesson's folder, its notebook, or its name.", metavar="LESSON")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    no_notebook: Annotated[
        bool, typer.Option("--no-notebook", help="Run the tests only, not the whole notebook.")
    ] = False,
    only: Annotated[
        list[str] | None,
        typer.Option(help="Check this exercise only; may be repeated.", metavar="EXERCISE"),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Run also what has not changed since the last check.")
    ] = False,
    timeout: Annotated[float, typer.Option(help="Seconds that a cell may take.", min=1)] = 300,
) -> None:
    """Say which exercises of a lesson pass the tests that you see, which do not yet, and why.

    Only what has changed since the last check is run. Ends with exit code 0 if nothing is left to
    do, 1 if something is, and 2 if the lesson cannot be read.
    """
    import platformdirs

    from course import check as checking
    from course.check.record import record_path
    from course.check.show import Progress, show

    console = Console()
    progress = None if as_json else Progress(console)
    report = checking.check(
        lesson,
        whole=not no_notebook,
        only=only or (),
        timeout=timeout,
        memory=platformdirs.user_cache_path("course") / "checks",
        record=record_path(),
        force=force,
        progress=progress,
    )
    if as_json:
        typer.echo(json.dumps(report.to_dict(), indent=2, ensure_ascii=False))
    else:
        show(report, console)
    raise typer.Exit(0 if report.is_done else 1)


@app.command()
def progress(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say which exercises of all lessons pass, which you have tried, and what comes next.

    It runs nothing: it reads the notebooks, and what [cyan]course check[/cyan] and
    [cyan]%check[/cyan] have found.
    """
    from dataclasses import asdict

    from course.check.overview import overview, show
    from course.check.record import Record, record_path
    from course.lessons import find_root

    found = overview(find_root(), Record(record_path()).read())
    if as_json:
        typer.echo(json.dumps(asdict(found), indent=2, ensure_ascii=False))
    else:
        show(found, Console())


@app.command()
def certificate(
    file: Annotated[
        Path, typer.Argument(help="The picture, or the file with the token.", metavar="FILE")
    ],
    issuer: Annotated[
        str | None,
        typer.Option(help="The key that it must be signed with: did:key:…", metavar="KEY"),
    ] = None,
    email: Annotated[
        str | None,
        typer.Option(help="The address that it must be made out to.", metavar="ADDRESS"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the credential as JSON.")] = False,
) -> None:
    """Verify a certificate of the course: who signed what for whom, and whether it was changed.

    Ends with exit code 0 if it holds, 1 if it does not, and 2 if the file is no certificate.
    """
    from course.certificate import NotValidError, read_certificate

    try:
        found = read_certificate(file)
        if issuer is not None and issuer.strip() != found.key:
            raise NotValidError(f"It is signed with another key: {found.key}.")
        if email is not None and not found.is_made_out_to(email):
            raise NotValidError(f"It is not made out to {email}.")
    except NotValidError as error:
        typer.echo(f"✗ {error}", err=True)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(json.dumps(found.credential.to_vc(), indent=2, ensure_ascii=False))
        return
    rows = {
        "Course": found.course,
        "Given to": found.given_to,
        "Points": found.points,
        "Given for": found.criteria,
        "Signed by": f"{found.issuer}, on {found.on}",
        "Key": found.key,
    }
    lines = ["✓ The signature is right: nothing of this was changed since it was signed."]
    lines += [f"  {name + ':':<11}{text}" for name, text in rows.items() if text]
    if email is not None:
        lines.append(f"It is made out to {email}.")
    if issuer is None:
        lines.append(
            f"Anybody can sign in the name of {found.issuer or 'somebody'}: compare the key with "
            "the one that they have published, or name that one with --issuer."
        )
    else:
        lines.append("The key is the one that you have named.")
    typer.echo("\n".join(lines))


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def lab(context: typer.Context) -> None:
    """Open JupyterLab on the lessons.

    What follows is handed to JupyterLab, such as [cyan]--no-browser[/cyan] or
    [cyan]--port=9000[/cyan].
    """
    from course.lab import run_lab

    raise typer.Exit(run_lab(context.args))


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say what this machine has, what is wrong with it for the course, and what to do.

    Ends with exit code 1 if something is wrong.
    """
    from course.doctor import ERROR, examine, show

    console = Console()
    rows = examine(None if as_json else console)
    if as_json:
        typer.echo(json.dumps([row.__dict__ for row in rows], indent=2, ensure_ascii=False))
    else:
        show(rows, console)
    raise typer.Exit(any(row.state == ERROR for row in rows))


@app.command()
def download(
    names: Annotated[
        list[str], typer.Argument(help="Datasets, such as cifar10.", metavar="DATASET...")
    ],
) -> None:
    """Download public datasets, so that lessons can take them without a network."""
    from course import datasets

    for name in names:
        try:
            folder = datasets.download(name)
        except (
            datasets.DataFolderError,
            datasets.DownloadFailedError,
            datasets.UnknownDatasetError,
        ) as error:
            _fail(str(error))
        typer.echo(f"{name} is in {folder}.")
