"""Lets `python -m tflite_bench` be the command."""

from tflite_bench.cli import main

if __name__ == "__main__":
    main(prog_name="python -m tflite_bench")
