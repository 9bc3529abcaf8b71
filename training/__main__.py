"""The command `training`, also as `python -m training`."""

import sys

from manifests.command import start


def main() -> int:
    """Run the command; its exit status."""
    return start("training.cli")


if __name__ == "__main__":
    sys.exit(main())
