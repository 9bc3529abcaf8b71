"""The command `manifests`, also as `python -m manifests`."""

import sys

from manifests.command import start


def main() -> int:
    """Run the command; its exit status."""
    return start("manifests.cli")


if __name__ == "__main__":
    sys.exit(main())
