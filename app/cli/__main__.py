"""`python -m app.cli`: the `orderflow` command by the interpreter's path, for child processes."""

from app.cli import main

main()
