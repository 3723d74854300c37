"""``python -m loaner``."""

from loaner.cli import main

main()
