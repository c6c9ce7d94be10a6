"""Tables: one row a sample, or one row a time step."""

import numpy as np
import pytest

from kd_edge.data.arrays import dataset_of
from kd_edge.data.loading import load_data
from kd_edge.data.options import SourceOptions
from kd_edge.data.splits.drawing import splits_of
from kd_edge.errors import ConfigError, DataError, DataWarning


@pytest.fixture
def table(tmp_path):
    """Writes a table of columns, and returns its path."""

    def write(**columns):
        path = tmp_path / "beats.csv"
        rows = zip(*columns.values(), strict=True)
        path.write_text("\n".join([",".join(columns), *(",".join(map(str, row)) for row in rows)]) + "\n")
        return path

    return write


def rows(num_rows=60):
    number = np.arange(num_rows)
    return {"pulse": number * 0.5, "width": number + 1, "label": [("calm", "busy", "ill")[i % 3] for i in number]}


def steps():
    """Six recordings of 12 steps: the first half of each at rest, the second in motion."""
    return {
        "x": np.arange(72),
        "y": np.arange(72) * 2.0,
        "recording": [f"r{i // 12}" for i in range(72)],
        "label": [("rest", "motion")[i % 12 // 6] for i in range(72)],
    }


def read(path, **options):
    return load_data(path, options=SourceOptions(**options))


def test_a_row_is_a_sample_and_its_class_a_name(table):
    data = read(table(**rows()))
    assert data.class_names == ("busy", "calm", "ill")
    assert data.input_shape == (2,)
    # Of 20 samples a class 20 % test, of the other 16 15 % validate.
    assert (len(data.x_train), len(data.x_val), len(data.x_test)) == (42, 6, 12)
    assert np.bincount(data.y_test).tolist() == [4, 4, 4]
    for x, y in ((data.x_train, data.y_train), (data.x_test, data.y_test)):
        assert np.array_equal(np.array([1, 0, 2])[(x[:, 0] * 2).astype(int) % 3], y)
        assert np.array_equal(x[:, 1], x[:, 0] * 2 + 1)
    assert "columns pulse, width; one row a sample; 20% of the samples drawn to test" in data.description


def test_whole_numbers_are_classes_in_their_own_order(table):
    data = read(table(**rows() | {"label": np.arange(60) % 12 * 10}))
    assert data.class_names == tuple(str(10 * i) for i in range(12))


def test_columns_have_the_names_that_the_options_say(table):
    columns = rows() | {"person": np.arange(60) // 10, "part": ["train"] * 40 + ["test"] * 20, "note": ["a"] * 60}
    columns["kind"] = columns.pop("label")
    data = read(table(**columns), label="kind", group="person", split="part", ignore=["note"])
    assert data.input_shape == (2,)
    assert set(data.group_test.tolist()) == {4, 5}
    assert len(set(data.group_val.tolist())) == 1
    assert set(data.group_val.tolist()).isdisjoint(data.group_train.tolist())


def test_no_group_is_in_two_splits(table):
    for seed in range(4):
        data = load_data(table(**rows() | {"group": np.arange(60) // 6}), seed=seed)
        parts = [set(getattr(data, f"group_{split}").tolist()) for split in ("train", "val", "test")]
        assert sum(map(len, parts)) == len(set.union(*parts)) == 10
        assert len(parts[2]) == 2


def recordings(**counts):
    """Recordings of 12 steps that hold one class each: so many of each."""
    names = [(label, f"{label}{i}") for label, count in counts.items() for i in range(count)]
    label, recording = zip(*(name for name in names for _ in range(12)), strict=True)
    return {"x": np.arange(len(label)), "recording": recording, "label": label}


def test_recordings_of_one_class_are_drawn_class_by_class(table):
    path = table(**recordings(idle=4, wave=4, circle=5))
    for seed in range(8):
        data = load_data(path, seed=seed, options=SourceOptions(window=6))
        # Two windows a recording: 1 of 4 or 5 tests, 1 of the others validates.
        assert np.bincount(data.y_test).tolist() == [2, 2, 2]
        assert np.bincount(data.y_val).tolist() == [2, 2, 2]
        assert np.bincount(data.y_train).tolist() == [6, 4, 4]
        assert set(data.group_test.tolist()).isdisjoint({*data.group_train.tolist(), *data.group_val.tolist()})


@pytest.mark.parametrize("seed", range(6))
def test_of_two_recordings_a_class_the_shares_are_drawn_and_each_class_keeps_one(seed):
    labels = np.repeat(np.arange(10), 40)
    with pytest.warns(DataWarning, match="the groups that were drawn leave none of"):
        found, _ = splits_of(labels, np.arange(400) // 20, None, test_share=0.2, seed=seed, source="clips")
    # 20 % of 20 groups, and 15 % of the 16 that are left.
    assert [int((found == split).sum()) for split in ("test", "val")] == [4 * 20, 2 * 20]
    assert np.unique(labels[found == "train"]).size == 10


@pytest.mark.parametrize("task", [None, "regression"])
@pytest.mark.parametrize("seed", range(12))
def test_a_recording_that_is_most_of_its_class_is_not_drawn_for_the_sake_of_a_small_share(seed, task):
    sizes = [500, *[40] * 10] if task else [900, 40, 30, 30] * 2
    groups = np.repeat(np.arange(len(sizes)), sizes)
    labels = np.zeros(len(groups)) if task else groups // 4
    found, _ = splits_of(labels, groups, None, test_share=0.15, seed=seed, source="clips", task=task)
    assert (found[np.isin(groups, [0] if task else [0, 4])] == "train").all()
    assert set(found) == {"train", "val", "test"}


def test_a_class_of_which_drawn_samples_leave_a_split_none_is_named(tmp_path):
    path = tmp_path / "rows.csv"
    classes = ["calm"] * 8 + ["rare", "two", "two"]
    path.write_text("a,b,label\n" + "".join(f"{i}.5,{-i}.5,{name}\n" for i, name in enumerate(classes)))
    # Of the rare one's row, and of the one of the two rows that does not test, none is left to draw.
    with pytest.warns(DataWarning, match="leave none of rare, two in val; none of rare in test; add samples of it"):
        data = read(path)
    assert "which leaves none of rare, two in val, none of rare in test" in data.description


def test_of_given_arrays_the_classes_that_no_sample_validates_are_told():
    labels = np.array(["calm"] * 40 + ["rare"] * 4)
    given = {"x_train": np.random.default_rng(0).normal(size=(44, 3)), "y_train": labels}
    given |= {"x_test": given["x_train"][-8:] + 1, "y_test": labels[-8:]}
    several = [dataset_of("d", given, "d", False, seed) for seed in range(6)]
    has = [bool((data.y_val == 1).any()) for data in several]
    assert set(has) == {True, False}
    assert [not data.description.endswith(", none of them of rare") for data in several] == has


def test_a_class_that_drawn_recordings_leave_a_split_without_is_named_with_the_ways_out(table):
    with pytest.raises(
        DataError, match=r"received 3 classes of one group each; add groups .*, the option group_pattern\)$"
    ):
        read(table(**recordings(idle=1, wave=1, circle=1)), window=6)
    path = table(**recordings(idle=1, wave=2, circle=4))
    with pytest.warns(
        DataWarning, match="leave none of idle, wave in val; none of idle, wave in test; add groups of it"
    ):
        data = read(path, window=6)
    assert "leaves none of idle, wave in val, none of idle, wave in test" in data.description
    # Recordings of both classes are drawn from all: those of one class may all be drawn.
    mixed = recordings(rest=1, motion=1)
    mixed = {"x": np.arange(36), "recording": [*mixed["recording"], *["both"] * 12]} | {
        "label": [*mixed["label"], *["rest"] * 12]
    }
    mixed["label"][24:26] = ["motion"] * 2
    messages = set()
    for seed in range(12):
        try:
            load_data(table(**mixed), seed=seed, options=SourceOptions(window=1))
        except DataError as error:
            messages.add(str(error).split(": ", 1)[1].split(" beside")[0])
    assert "expected training samples of each class, received none of 'motion'" in messages


def test_steps_of_a_recording_become_windows_of_one_class_and_the_recording_their_group(table):
    data = read(table(**steps()), window=4, hop=2)
    # Each stretch of six steps has windows from its steps 0 and 2.
    assert len(data.x_train) + len(data.x_val) + len(data.x_test) == 6 * 2 * 2
    assert data.input_shape == (4, 2)
    for split in ("train", "val", "test"):
        x, y, groups = (getattr(data, f"{name}_{split}") for name in ("x", "y", "group"))
        assert np.array_equal(x[:, :, 0], x[:, :1, 0] + np.arange(4))
        assert np.array_equal(x[:, 0, 0] // 12, groups)
        assert [data.class_names[i] for i in y] == [("rest", "motion")[int(i) % 12 // 6] for i in x[:, 0, 0]]


def test_recordings_of_one_length_need_no_window(table):
    assert read(table(**steps())).input_shape == (6, 2)


def test_rows_with_missing_numbers_are_left_out_on_request(table):
    columns = rows()
    columns["pulse"] = ["" if i in (3, 8) else "nan" if i == 9 else i for i in range(60)]
    path = table(**columns)
    with pytest.raises(DataError, match=r"none in 3 of 60 rows, the first in column 'pulse', line 5; .* skip_bad"):
        read(path)
    data = read(path, skip_bad=True)
    assert len(data.x_train) + len(data.x_val) + len(data.x_test) == 57
    assert "without 3 rows: rows with missing numbers" in data.description


def test_a_recording_with_a_missing_number_is_left_out_as_a_whole(table):
    columns = steps()
    columns["x"] = [*range(71), ""]
    data = read(table(**columns), skip_bad=True)
    assert len(data.x_train) + len(data.x_val) + len(data.x_test) == 10
    assert "without 12 rows: recordings" in data.description


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({"label": None}, {}, "no column 'label' for the option label: known: .*name it, such as label=width"),
        ({}, {"group": "person"}, "no column 'person' for the option group"),
        ({}, {"ignore": ["puls"]}, "no column 'puls' to ignore: did you mean 'pulse'"),
        ({"time": range(60)}, {}, "a column 'time', which looks like a count or a time"),
        ({"place": ["home"] * 60}, {}, "expected numbers in column 'place', received 'home' in line 2"),
        ({"label": ["a"] * 60}, {}, "expected at least 2 classes in y_train, received 1"),
        ({"label": ["a", ""] * 30}, {}, "none in 30 rows, the first in line 3"),
        ({"label": np.arange(60) / 7}, {}, "numbers such as 0.0; .*regression"),
        ({"label": ["2024-01-31", "2024-02-01"] * 30}, {}, "received dates such as 2024-01-31"),
        ({"split": ["train", "valid", "test"] * 20}, {}, "the splits train, val and test, received 'valid'"),
        ({"split": ["train"] * 60}, {}, "received none of test"),
        ({"group": [1] * 60}, {}, "expected groups to train, to validate and to test, received 1"),
        ({}, {"window": 8}, "no column 'recording', so a row is a sample"),
        ({"recording": [0] * 30 + [1] * 30}, {"window": 8}, "8 rows of one recording and one class, received 1"),
    ],
)
def test_a_table_that_cannot_be_read_is_named(table, changes, options, message):
    columns = {name: values for name, values in (rows() | changes).items() if values is not None}
    with pytest.raises(DataError, match=message):
        read(table(**columns), **options)


def test_recordings_that_differ_ask_for_a_window_and_may_not_be_in_two_splits(table):
    columns = steps()
    with pytest.raises(DataError, match=r"stretches of 1 to 6 rows; say .* the option window"):
        read(table(**columns | {"label": [*columns["label"][:-1], "rest"]}))
    with pytest.raises(DataError, match="recording 'r0' to be of one of the splits, received test, train"):
        read(table(**columns | {"split": ["train", "test"] * 36}))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,label\n1,x\n2\n", "expected 2 columns as in the first line, received 1 in line 3"),
        ("a,label\n", "received no rows"),
        ("a,a,label\n1,2,x\n", "columns of different names, received 'a' twice"),
        ("label\nx\ny\n", "expected columns of numbers beside the label, received none"),
    ],
)
def test_a_file_that_is_no_table_is_named(tmp_path, text, message):
    path = tmp_path / "odd.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        load_data(path)
    with pytest.raises(DataError, match="No such file"):
        load_data(tmp_path / "none.csv")


@pytest.mark.parametrize("options", [{"window": 0}, {"test_share": 1.0}, {"color": "red"}, {"image_size": [3]}])
def test_options_without_sense_are_refused(options):
    with pytest.raises(ConfigError, match=f"bad value for option '{next(iter(options))}'"):
        SourceOptions(**options)


@pytest.mark.parametrize("sign", [";", "\t", "|"])
def test_columns_that_are_parted_by_something_else_are_named(table, sign):
    path = table(**rows())
    path.write_text(path.read_text().replace(",", sign).replace(".", ","))
    with pytest.raises(
        DataError, match=r"columns between commas, in a .tsv file between tabs, received the first line"
    ):
        read(path)


def test_a_table_without_a_line_of_names_is_no_table(table):
    path = table(**rows())
    path.write_text(path.read_text().split("\n", 1)[1])
    with pytest.raises(DataError, match="names of the columns in the first line, received 'calm' as that of the cl"):
        read(path, label="calm")


def test_the_ending_of_a_tables_name_may_have_large_letters(table):
    path = table(**rows())
    data = read(path.rename(path.with_suffix(".CSV")))
    tabs = path.with_suffix(".TSV")
    tabs.write_text(path.with_suffix(".CSV").read_text().replace(",", "\t"))
    assert np.array_equal(data.x_train, read(tabs).x_train)


def test_a_row_has_one_label_or_one_value(table):
    with pytest.raises(ConfigError, match=r"'task' .*: expected samples of one class each, received 'multilabel'"):
        read(table(**rows()), task="multilabel")


def test_columns_of_whole_numbers_are_integers_that_are_scaled_like_those_of_arrays(table):
    whole = rows() | {"pulse": np.arange(60) * 3}
    data = read(table(**whole))
    assert (data.integers, len(data.scale[0]), abs(data.x_train.mean()) < 1e-5) == (True, 2, True)
    for pulse in (whole["pulse"] * 1.0, [*whole["pulse"][:-1], "5.0"]):
        floats = read(table(**whole | {"pulse": pulse}))
        assert (floats.integers, floats.scale) == (False, None)
    assert read(table(**whole | {"pulse": ["", *whole["pulse"][1:]]}), skip_bad=True).integers
    assert read(table(**steps() | {"y": np.arange(72)})).integers


def test_numbers_that_32_bits_cannot_tell_apart_are_refused(table):
    for pulse in (1_700_000_000 + np.arange(60), 1.7e9 + np.arange(60), 2**62 + np.arange(60)):
        with pytest.raises(DataError, match="that 32 bits tell apart in x_train"):
            read(table(**rows() | {"pulse": pulse, "width": np.arange(60)}))


def test_a_class_that_is_called_as_if_it_were_missing_has_a_way_out(table):
    path = table(**rows() | {"label": ["none", "up", "down"] * 20})
    with pytest.raises(
        DataError, match="received none in 20 rows, the first in line 2; if one is called 'none', rename"
    ):
        read(path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": "3"}, "'window' of the data: expected int, received '3'"),
        ({"window": 2.5}, "'window' of the data: expected int, received 2.5"),
        ({"seconds": "1"}, "'seconds' of the data: expected float, received '1'"),
        ({"ignore": [1, 2]}, "'ignore' of the data, item 0: expected str, received 1"),
        ({"ignore": "a"}, "'ignore' of the data: expected list of str, received 'a'"),
        ({"units": ["m", 1], "task": "regression"}, "'units' of the data, item 1: expected str, received 1"),
        ({"image_size": [1.5, 2]}, "'image_size' of the data, item 0: expected int, received 1.5"),
        ({"skip_bad": "yes"}, "'skip_bad' of the data: expected bool, received 'yes'"),
        ({"task": "a:regression,b:binary,a:binary"}, "'task' of the data: received 'a' twice"),
    ],
)
def test_options_of_another_type_and_tasks_that_are_given_twice_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        SourceOptions(**options)


def test_options_may_be_tuples_and_numbers_of_numpy():
    assert SourceOptions(image_size=(np.int64(96), 64), window=np.int32(3)) == SourceOptions(
        image_size=[96, 64], window=3
    )
