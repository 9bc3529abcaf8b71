"""The command `curation`, also as `python -m curation`."""

import sys

from manifests.command import start


def main() -> int:
    """Run the command; its exit status."""
    return start("curation.cli")


if __name__ == "__main__":
    sys.exit(main())
