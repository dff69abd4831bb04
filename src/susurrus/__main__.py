"""`python -m susurrus`, and the command `susurrus`."""

import sys


def main() -> int:
    """Run the command line; give its exit code. Ctrl-C ends it quietly while it is still being imported, too."""
    try:
        from .cli import main as run
    except KeyboardInterrupt:
        return 130
    return run()


if __name__ == "__main__":
    sys.exit(main())
