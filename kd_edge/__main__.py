"""Lets `python -m kd_edge` be the command."""

from kd_edge.cli import main

if __name__ == "__main__":
    main(prog_name="python -m kd_edge")
