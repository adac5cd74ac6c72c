"""Runs `lapak` commands one after the other in one process, for tests that give many: a line of JSON each."""

import json
import sys

from typer.testing import CliRunner

from services.cli import app


def main() -> None:
    """Read commands from stdin, answer each with its exit code and what it said."""
    runner = CliRunner()
    for line in sys.stdin:
        asked = json.loads(line)
        result = runner.invoke(app, asked["words"], env=asked["env"], input=asked.get("stdin"))
        said = [result.exit_code, result.stdout, result.stderr]
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
