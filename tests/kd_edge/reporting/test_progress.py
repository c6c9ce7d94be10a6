"""What a command says of its progress where stderr is a file."""

from kd_edge.reporting.progress import StageDisplay


def test_in_a_file_a_stage_says_each_tenth_once_in_a_line_of_its_own_however_long(capsys):
    message = "a message that is longer than the eighty columns of a narrow terminal, and [brackets] in it as they are"
    with StageDisplay() as show:
        for done in (0.0, 0.11, 0.19, 1.0):
            show("race", done, message if done else "")
    tenths = [f"     race  11% {message}", f"     race 100% {message}"]
    assert capsys.readouterr().err.splitlines() == ["     race   0%", *tenths]
