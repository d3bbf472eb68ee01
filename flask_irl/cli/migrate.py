"""Move an app from Flask-Limiter to its names in this package: ``flask irl migrate``."""

from __future__ import annotations

from pathlib import Path

import click

from flask_irl.cli.group import fail, irl, plain_errors
from flask_irl.cli.output import plain

NEEDS = "irl migrate reads source by libcst, which isn't here: pip install 'flask-irl[migrate]'"


@irl.command(with_appcontext=False)
@click.argument("path", type=click.Path(path_type=Path, exists=True))
@click.option("--write", is_flag=True, help="Write the changed imports; else only tell of them.")
@plain_errors
def migrate(path: Path, write: bool) -> None:
    """Change an app's imports of Flask-Limiter to flask_irl.compat.

    Reads the Python files at PATH, a file or a folder, and runs none of them. Tells what will be
    different, by file and line. Where something can't be moved nothing is written.
    """
    try:
        from flask_irl.cli.migration import lines, read_source
    except ImportError:
        fail(NEEDS)
    try:
        migration = read_source(path)
        root = path if path.is_dir() else path.parent
        for line in lines(migration.findings, root):
            click.echo(plain(line))
        if migration.faults:
            count = migration.faults
            fail(f"{count} {'places' if count > 1 else 'place'} to mend first; nothing is written")
        for changed in migration.changed:
            shown = changed.relative_to(root)
            click.echo(plain(f"{shown}: {'changed' if write else 'would change'}"))
        if write:
            migration.write()
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}")
    if not migration.changed:
        click.echo(f"no imports of flask_limiter in {migration.read} Python files")
    elif not write:
        click.echo("nothing is written yet: --write does that")
