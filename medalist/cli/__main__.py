"""`python -m medalist.cli`."""

from medalist.cli import main

main()
