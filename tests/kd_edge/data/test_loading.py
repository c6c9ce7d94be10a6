"""Data sets, good and bad."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kd_edge.data import storage
from kd_edge.data.arrays import dataset_of
from kd_edge.data.dataset import Dataset, checked
from kd_edge.data.loading import load_data
from kd_edge.data.options import SourceOptions
from kd_edge.data.sources.smartwatch import load_watch
from kd_edge.errors import ConfigError, DataError, DataWarning


def arrays(**changes):
    rng = np.random.default_rng(0)
    good = {
        "x_train": rng.normal(size=(40, 8, 3)).astype("float32"),
        "y_train": np.arange(40) % 4,
        "x_test": rng.normal(size=(12, 8, 3)).astype("float32"),
        "y_test": np.arange(12) % 4,
    }
    return {key: value for key, value in (good | changes).items() if value is not None}


@pytest.fixture
def save(tmp_path):
    def write(**changes):
        path = tmp_path / "set.npz"
        np.savez(path, **arrays(**changes))
        return path

    return write


def test_the_watch_set_is_split_by_person_and_normalised_with_training_statistics():
    data = load_data("watch")
    assert data.input_shape == (128, 6)
    assert data.num_classes == 7
    # Recordings of two and of three unseen people, 14 each, cut every 64 samples into windows of 128.
    assert 500 < len(data.x_val) < 1000
    assert 1000 < len(data.x_test) < 1500
    assert len(data.x_train) > 3000
    assert np.isfinite(data.x_train).all()
    assert 0.5 < data.x_train.std() < 2


def test_an_npz_is_taken_as_it_is_and_gives_up_some_training_samples_for_validation(save):
    path = save()
    data = load_data(path, seed=3)
    assert len(data.x_train) == 34
    assert len(data.x_val) == 6
    assert data.scale is None
    assert data.class_names == ("0", "1", "2", "3")
    assert np.array_equal(data.x_val, load_data(path, seed=3).x_val)
    assert not np.array_equal(data.x_val, load_data(path, seed=4).x_val)


def test_integer_samples_are_normalised_with_the_training_samples_mean_and_deviation(save):
    raw = np.random.default_rng(1).integers(0, 255, (40, 8, 3), dtype=np.uint8)
    data = load_data(save(x_train=raw, x_test=raw[:12], x_val=raw[:4], y_val=np.arange(4)))
    assert data.scale is not None
    mean, deviation = raw.mean((0, 1)), raw.std((0, 1))
    assert np.allclose(data.x_train, (raw - mean) / deviation, atol=1e-5)
    assert np.allclose(data.scale[0], mean)


def test_class_names_of_the_file_are_kept(save):
    assert load_data(save(class_names=np.array(["a", "b", "c", "d"]))).class_names == ("a", "b", "c", "d")


def test_an_array_by_a_name_that_nothing_reads_is_an_error_unless_it_is_left_out_on_request(save):
    path = save(subject_test=np.zeros(12), channel_names=np.array(["x", "y", "z"]))
    with pytest.raises(DataError, match=r"an array 'channel_names' that nothing reads, known: x_train.*option ignore"):
        load_data(path)
    options = SourceOptions(ignore=["subject_test", "channel_names"])
    assert len(load_data(path, options=options).x_test) == 12
    with pytest.raises(ConfigError, match=r"bad option 'window' of the data .*: its source reads ignore"):
        load_data(path, options=SourceOptions(window=3))


def test_strings_and_booleans_are_classes(save):
    words = np.array(["up", "down", "left", "right"])
    data = load_data(save(y_train=words[np.arange(40) % 4], y_test=words[np.arange(12) % 4]))
    assert data.class_names == ("down", "left", "right", "up")
    assert data.y_test[:4].tolist() == [3, 0, 1, 2]
    named = load_data(save(y_train=words[np.arange(40) % 4], y_test=words[np.arange(12) % 4], class_names=words))
    assert (named.class_names, named.y_test[:4].tolist()) == (tuple(words), [0, 1, 2, 3])
    flags = load_data(save(y_train=np.arange(40) % 2 == 0, y_test=np.arange(12) % 2 == 0))
    assert (flags.class_names, flags.y_test[:2].tolist()) == (("False", "True"), [1, 0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_train": np.linspace(0, 1, 40)}, r"received float64; where these number classes .*a regression, are no"),
        ({"class_names": np.array(4)}, r"expected a list of words as class_names, received an array of shape \(\)"),
        ({"x_test": np.array(1.5)}, r"expected a row per sample as x_test, received an array of shape \(\)"),
        ({"y_train": np.arange(40).astype("datetime64[D]")}, r"received dates \(datetime64\[D\]\); name the classes"),
        (
            {"y_train": np.array(["a", "b"] * 20)},
            "expected labels of one type, received <U1 in y_train, int64 in y_test",
        ),
        (
            {"y_train": np.array(["a", "b"] * 20), "y_test": np.array(["a", "c"] * 6)},
            "expected the classes a, b in y_test, received 'c', which no training sample",
        ),
    ],
)
def test_labels_that_are_no_classes_are_named(save, changes, message):
    with pytest.raises(DataError, match=message):
        load_data(save(**changes))


def test_data_without_unlabelled_samples_and_groups_keep_their_hash():
    x, y = np.arange(24, dtype="f4").reshape(12, 2), np.arange(12) % 2
    counted = {"x_train": x, "y_train": y, "x_val": x[:4], "y_val": y[:4], "x_test": x, "y_test": y}
    data = dataset_of("counted", counted, "counted", None, 0)
    # The hash of version 0.1.0 without the two arrays: folders of runs stay valid.
    assert data.sha256 == "0216c5e9653b9a12bf6e29f5970c34b54f155198926d3f21acfc39dbd8d3cd1c"
    hashes = {dataset_of("counted", counted | more, "counted", None, 0).sha256 for more in EXTRA}
    assert len(hashes | {data.sha256}) == 6


EXTRA = (
    {"x_unlabeled": np.zeros((1, 2), "f4")},
    {"x_unlabeled": np.ones((1, 2), "f4")},
    {"group_train": np.zeros(12, int)},
    {"group_train": np.ones(12, int)},
    {"group_test": np.ones(12, int)},
)


def test_unlabelled_samples_are_normalised_with_the_training_samples_statistics(save):
    raw = np.random.default_rng(1).integers(0, 255, (40, 8, 3), dtype=np.uint8)
    more = raw[:10] // 2
    data = load_data(save(x_train=raw, x_test=raw[:12], x_val=raw[:4], y_val=np.arange(4), x_unlabeled=more))
    assert data.x_unlabeled is not None
    assert data.x_unlabeled.dtype == np.float32
    np.testing.assert_allclose(data.x_unlabeled, (more - raw.mean((0, 1))) / raw.std((0, 1)), atol=1e-5)


def test_no_group_is_in_both_training_and_validation(save):
    x = np.arange(40)[:, None] * np.ones((1, 2))
    groups = np.arange(40) // 4 * 7  # ten groups of four samples, all four classes in each
    for seed in range(5):
        data = load_data(save(x_train=x, x_test=x[:12], group_train=groups), seed=seed)
        # 15 % of 40 samples are 6; one group and a half, so one.
        assert len(data.x_val) == 4
        assert data.group_train is not None
        assert len(data.group_train) == len(data.x_train) == 36
        assert np.array_equal(data.group_train, groups[data.x_train[:, 0].astype(int)])
        assert not np.isin(groups[data.x_val[:, 0].astype(int)], data.group_train).any()
    assert "whole groups of them" in data.description


def test_groups_too_large_for_15_percent_give_the_smallest(save):
    groups = np.repeat([5, 3, 9], [16, 8, 16])
    data = load_data(save(group_train=groups))
    assert len(data.x_val) == 8
    assert set(data.group_train.tolist()) == {5, 9}


def test_other_people_of_watch_may_train_and_test():
    people = {"train": (9, 10), "val": (1,), "test": (2,)}
    data = load_watch(people=people)
    assert set(data.group_train.tolist()) == {9, 10}
    assert "people (9, 10) train, (1,) validate, (2,) test" in data.description


def test_the_groups_of_watch_are_its_people():
    data = load_data("watch")
    assert data.group_train is not None
    assert len(data.group_train) == len(data.x_train)
    assert set(data.group_train.tolist()) == {1, 2, 3, 4, 5}
    assert (set(data.group_val.tolist()), set(data.group_test.tolist())) == ({6, 7}, {8, 9, 10})
    assert (len(data.group_val), len(data.group_test)) == (len(data.y_val), len(data.y_test))


def test_groups_are_read_for_every_split_and_drawn_validation_samples_keep_theirs(save):
    groups = np.arange(40) // 4
    data = load_data(save(group_train=groups, group_test=np.arange(12) // 6))
    assert data.group_test.tolist() == [0] * 6 + [1] * 6
    assert len(data.group_val) == len(data.y_val)
    assert set(data.group_val.tolist()).isdisjoint(data.group_train.tolist())
    given = load_data(save(x_val=np.zeros((4, 8, 3)), y_val=np.arange(4), group_val=np.arange(4)))
    assert (given.group_train, given.group_val.tolist(), given.group_test) == (None, [0, 1, 2, 3], None)


def test_the_name_of_the_groups_in_an_older_version_is_still_read(save):
    groups = np.arange(40) // 4
    assert load_data(save(groups_train=groups)).sha256 == load_data(save(group_train=groups)).sha256


@pytest.mark.shared
def test_the_example_names_the_people_of_uci_har(shared_path, monkeypatch):
    monkeypatch.chdir(shared_path / "data")
    monkeypatch.syspath_prepend(Path(__file__).parents[3] / "examples")
    data = load_data("uci_har:recordings", normalize=True)
    people = [set(getattr(data, f"group_{split}").tolist()) for split in ("train", "val", "test")]
    # 30 people: 9 for testing as their authors split them, of the others 15 % of the recordings, by person.
    assert (len(set.union(*people)), len(people[2])) == (30, 9)
    assert sum(map(len, people)) == 30


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_test": None}, "missing y_test"),
        ({"x_val": np.zeros((3, 8, 3))}, "missing y_val"),
        ({"y_train": np.arange(39) % 4}, "received 40 in x_train and 39 in y_train"),
        ({"y_test": np.full(12, 4)}, "expected labels from 0 to 3 in y_test, received 4"),
        ({"y_test": np.full(12, -1)}, "expected labels from 0 to 3 in y_test, received -1"),
        ({"y_train": np.zeros(40, int)}, "expected at least 2 classes in y_train, received 1"),
        ({"y_train": np.arange(40) % 4 + 1, "y_test": np.ones(12, int)}, "received none of class 0"),
        ({"y_train": np.eye(4)[np.arange(40) % 4]}, r"one-hot labels: pass y.argmax\(axis=1\)"),
        ({"x_test": np.zeros((12, 8, 2), "f4")}, r"expected samples of shape \(8, 3\) .* received \(8, 2\) in x_test"),
        ({"x_test": np.full((12, 8, 3), np.nan)}, "received NaN or infinity in 12 of 12 samples of x_test"),
        ({"x_train": np.full((40, 8, 3), np.inf)}, "received NaN or infinity"),
        ({"x_train": np.array(["a"] * 40)}, "expected numbers in x_train, received dtype <U1"),
        ({"x_test": np.zeros((0, 8, 3)), "y_test": np.zeros(0, int)}, "expected x_test of shape"),
        (
            {"x_unlabeled": np.zeros((9, 8, 2))},
            r"expected samples of shape \(8, 3\) as in x_train, received \(8, 2\) in x_unlabeled",
        ),
        ({"x_unlabeled": np.full((9, 8, 3), np.nan)}, "NaN or infinity in 9 of 9 samples of x_unlabeled"),
        ({"x_unlabeled": np.zeros((0, 8, 3))}, "expected x_unlabeled of shape"),
        (
            {"group_train": np.arange(39)},
            r"an integer for each of 40 training samples, received int64 of shape \(39,\)",
        ),
        (
            {"group_train": np.array(["a", "b"] * 20), "group_test": np.arange(12)},
            "all splits by name or all by number, received names in group_train, int64 in group_test",
        ),
        (
            {"group_train": np.linspace(0, 1, 40)},
            "received float64 of shape .*; names, as text, are numbered",
        ),
        ({"group_test": np.arange(13)}, r"expected group_test with an integer for each of 12 test samples"),
        ({"group_train": np.ones(40, int)}, "at least 2 groups in group_train.*received 1; give x_val and y_val"),
        ({"x_unlabelled": np.zeros((9, 8, 3))}, "'x_unlabelled' that nothing reads, did you mean 'x_unlabeled'"),
        ({"group_tests": np.arange(12)}, "'group_tests' that nothing reads, did you mean 'group_test'"),
        (
            {"x_valid": np.zeros((3, 8, 3)), "y_valid": np.zeros(3)},
            "'x_valid' that nothing reads, did you mean 'x_val'",
        ),
    ],
)
def test_arrays_that_do_not_fit_together_are_named(save, changes, message):
    with pytest.raises(DataError, match=message):
        load_data(save(**changes))


def test_groups_by_name_are_those_by_number_over_all_splits(save):
    people = {"group_train": ["anna", "bob", "carl", "emil"], "group_test": ["dora", "emil"]}
    names = {split: np.repeat(some, 40 // 4 if split == "group_train" else 6) for split, some in people.items()}
    numbers = {"anna": 0, "bob": 1, "carl": 2, "dora": 3, "emil": 4}
    by_number = dataset_of(
        "set", arrays(**{s: [numbers[n] for n in some] for s, some in names.items()}), "set", None, 0
    )
    with pytest.warns(DataWarning, match="1 of 2 groups of the test samples are in training too"):
        found = [load_data(save(**names))]
    found.append(dataset_of("set", arrays(**{s: some.astype(object) for s, some in names.items()}), "set", None, 0))
    found.append(
        checked(
            replace(
                by_number,
                group_train=np.array(list(numbers))[by_number.group_train],
                group_val=np.array(list(numbers))[by_number.group_val],
                group_test=np.array(list(numbers))[by_number.group_test],
            )
        )
    )
    for data in found:
        for split in ("group_train", "group_val", "group_test"):
            assert np.array_equal(getattr(data, split), getattr(by_number, split))


def test_people_whose_names_are_in_one_split_alone_leak_nothing(save, recwarn):
    load_data(save(group_train=np.repeat(["anna", "bob"], 20), group_test=np.repeat(["dora", "emil"], 6)))
    assert [str(warning.message) for warning in recwarn] == []


def test_python_objects_are_never_unpickled(save):
    with pytest.raises(DataError, match="Python objects, which are never unpickled"):
        load_data(save(class_names=np.array(["a", None, "c", "d"], dtype=object)))


def test_a_missing_file_an_empty_file_a_truncated_file_and_a_text_file_are_named(save, tmp_path):
    with pytest.raises(DataError, match=r"expected an .npz file, found nothing at .*none.npz"):
        load_data(tmp_path / "none.npz")
    whole = save().read_bytes()
    for name, content in (("empty", b""), ("cut", whole[: len(whole) // 2]), ("text", b"hello, world")):
        path = tmp_path / f"{name}.npz"
        path.write_bytes(content)
        with pytest.raises(DataError, match=f"bad data in .*{name}.npz"):
            load_data(path)


def test_a_single_array_is_no_data_set(tmp_path):
    path = tmp_path / "one.npz"
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(DataError, match=r"received a single .npy array"):
        load_data(path)


def test_an_entry_point_gives_a_mapping_or_two_pairs(tmp_path, monkeypatch):
    (tmp_path / "my_data.py").write_text(
        "import numpy as np\n"
        "x, y = np.zeros((8, 4), 'f4'), np.arange(8) % 2\n"
        "def pairs(): return (x, y), (x, y)\n"
        "def mapping(): return {'x_train': x, 'y_train': y, 'x_test': x, 'y_test': y, 'class_names': ['no', 'yes']}\n"
        "def nothing(): return None\n"
        "def more(): return mapping() | {'x_unlabeled': x[:3], 'group_train': np.arange(8) // 2}\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert load_data("my_data:pairs").input_shape == (4,)
    assert load_data("my_data:mapping").class_names == ("no", "yes")
    more = load_data("my_data:more")
    assert (more.x_unlabeled.shape, len(set(more.group_train.tolist()))) == ((3, 4), 3)
    with pytest.raises(DataError, match="received NoneType"):
        load_data("my_data:nothing")
    with pytest.raises(DataError, match="no data function 'my_data:missing'"):
        load_data("my_data:missing")


def test_what_a_function_of_the_user_raises_is_told_in_a_line(tmp_path, monkeypatch):
    (tmp_path / "raising.py").write_text(
        "def gone(): return open('/nonexistent')\n"
        "def ragged(): return ([[1, 2], [3]], [0, 1]), ([[1, 2]], [0])\n"
        "number = 3\n"
        "def leaves(): raise SystemExit(3)\n"
        "def long(): raise ValueError('first\\nsecond')\n"
        "def silent(): raise RuntimeError\n"
    )
    (tmp_path / "broken.py").write_text("def unfinished(:\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name, message in (
        ("raising:gone", r"'raising:gone' raised FileNotFoundError: .*nonexistent' \(raising.py, line 1\)"),
        ("raising:ragged", "expected an array as x_train, received rows that differ in shape"),
        ("raising:leaves", r"raised SystemExit: 3 \(raising.py, line 4\)"),
        ("raising:long", r"raised ValueError: first \(raising.py, line 5\)"),
        ("raising:silent", r"raised RuntimeError \(raising.py, line 6\)"),
        ("raising:number", "expected a function, received int"),
        ("broken:unfinished", "the module of the data function 'broken:unfinished' raised SyntaxError"),
    ):
        with pytest.raises(DataError, match=message):
            load_data(name)


def test_a_misspelt_built_in_set_names_the_right_one():
    with pytest.raises(DataError, match="did you mean 'watch'"):
        load_data("wacth")


def test_samples_that_32_bits_cannot_hold_are_refused(save):
    with pytest.raises(DataError, match="received NaN or infinity in 1 of 12 samples of x_test"):
        load_data(save(x_test=np.where(np.arange(12) == 5, 1e39, 1.0)[:, None, None] * np.ones((8, 3))))


@pytest.mark.parametrize(("train", "test"), [(np.float32, np.uint8), (np.uint8, np.float32), (np.int16, np.float64)])
def test_samples_of_splits_that_may_be_of_another_scale_are_refused(save, train, test):
    with pytest.raises(DataError, match=r"as whole numbers or all as floats, received \w+ in x_train and \w+ in x_te"):
        load_data(save(x_train=np.ones((40, 8, 3), train), x_test=np.ones((12, 8, 3), test)))


def test_channels_in_small_units_are_scaled_and_constant_ones_are_not(save):
    samples = np.stack([np.linspace(-3e-9, 3e-9, 40), np.full(40, 0.1), np.linspace(0, 1, 40)], axis=1)
    data = load_data(save(x_train=samples, x_test=samples[:12]), normalize=True)
    drawn = np.concatenate([data.x_train, data.x_val])
    assert np.abs(data.x_train.std(0) - (1, 0, 1)).max() < 1e-5
    assert np.abs(np.sort(drawn[:, 0]) - np.sort(drawn[:, 2])).max() < 1e-5


def test_class_names_that_are_the_same_are_refused(save):
    with pytest.raises(DataError, match="expected class_names that differ, received 'walk' twice"):
        load_data(save(class_names=np.array(["walk", "run", "walk", "sit"])))


def test_words_in_bytes_are_read_as_utf_8(save):
    words = np.array([name.encode() for name in ("gehen", "höher", "laufen", "über")])
    data = load_data(save(y_train=words[np.arange(40) % 4], y_test=words[np.arange(12) % 4]))
    assert data.class_names == ("gehen", "höher", "laufen", "über")
    assert np.array_equal(data.y_test, np.arange(12) % 4)
    with pytest.raises(DataError, match=r"expected text in UTF-8 in y_train, received .*can't decode byte 0xe9"):
        load_data(save(y_train=np.array([b"caf\xe9", b"b", b"c", b"d"])[np.arange(40) % 4], y_test=words[[1] * 12]))


def far(rows, offset, dtype):
    return (np.asarray(offset, dtype) + np.arange(rows * 24).reshape(rows, 8, 3).astype(dtype)).astype(dtype)


@pytest.mark.parametrize(
    ("offset", "dtype"), [(1.7e9, "f8"), (2**31, "i8"), (2**29, "i4"), (2**63, "u8"), (2**62, "i8"), (1e17, "f8")]
)
@pytest.mark.parametrize("normalize", [None, True])
def test_samples_that_32_bits_cannot_tell_apart_are_refused(save, offset, dtype, normalize):
    path = save(x_train=far(40, offset, dtype), x_test=far(12, offset, dtype))
    with pytest.raises(
        DataError, match=r"that 32 bits tell apart in x_train, .* in channel 0; subtract a constant fir"
    ):
        load_data(path, normalize=normalize)


def test_samples_in_a_file_that_32_bits_cannot_tell_apart_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "_CHUNK_BYTES", 2**10)
    for name, array in arrays(x_train=far(40, 0, "f8"), x_test=far(12, 1.7e9, "f8")).items():
        np.save(tmp_path / f"{name}.npy", array)
    with pytest.raises(DataError, match=r"tell apart in x_test, received some from 1700000000\.0 to .* in channel 0"):
        load_data(tmp_path)


def test_samples_of_a_constant_that_was_computed_and_small_or_large_ones_are_told_apart(save):
    noise = 0.1 + np.spacing(0.1) * (np.arange(40) % 2)
    samples = np.stack([noise, np.full(40, 1.7e9), 1e9 * np.arange(40.0), 1e-9 * np.arange(40)], axis=1)
    data = load_data(save(x_train=samples, x_test=samples[:12] + 1e-12), normalize=True)
    assert np.abs(data.x_train.std(0) - (0, 0, 1, 1)).max() < 1e-5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_val": np.zeros(9, int)}, "missing x_val"),
        ({"group_val": np.zeros(9, int)}, "missing x_val"),
        ({"x_train": np.zeros((1, 8, 3)), "y_train": np.zeros(1, int)}, "at least 2 training samples, .*received 1"),
        (
            {"x_train": np.zeros((0, 8, 3)), "y_train": np.zeros(0, int), "group_train": np.zeros(0, int)},
            "expected at least 2 training samples, one of them for validation, received 0; add some, or give x_val",
        ),
        (
            {"y_train": np.array(["a", "b", "", "c"] * 10), "y_test": np.array(["a"] * 12)},
            "expected a class .* in y_train, received '' for 10 of 40",
        ),
        (
            {"y_train": np.array(["a", "b", "nan", "c"] * 10), "y_test": np.array(["a"] * 12)},
            "received 'nan' .*; drop these samples, rename the class,",
        ),
    ],
)
def test_what_is_missing_is_told(save, changes, message):
    with pytest.raises(DataError, match=message):
        load_data(save(**changes))


def test_a_class_that_is_listed_may_be_called_as_if_it_were_missing(save):
    words = np.array(["None", "down", "left", "up"])
    known = save(y_train=words[np.arange(40) % 4], y_test=words[np.arange(12) % 4], class_names=words)
    assert load_data(known).class_names == tuple(words)


@pytest.mark.parametrize("name", ["x_train", "y_train", "x_test", "group_train"])
def test_the_mask_of_an_array_is_not_ignored(name):
    given = arrays(group_train=np.arange(40) // 4)
    masked = np.ma.masked_array(given[name], mask=np.zeros(given[name].shape, bool))
    assert len(dataset_of("d", given | {name: masked}, "d.npz", None, 0).x_test) == 12
    masked[3] = np.ma.masked
    with pytest.raises(
        DataError, match=rf"values without a mask in {name}, received \d+ masked ones; fill or drop them"
    ):
        dataset_of("d", given | {name: masked}, "d.npz", None, 0)


@pytest.mark.parametrize("kind", [np.dtypes.StringDType(), object, bytes])
def test_text_of_any_kind_is_classes_and_groups(kind):
    words, people = np.array(["a", "b", "c", "d"]), np.repeat(["anna", "bob", "carl", "dora"], 10)
    given = arrays(y_train=words[np.arange(40) % 4].astype(kind), y_test=words[np.arange(12) % 4].astype(kind))
    data = dataset_of("d", given | {"group_train": people.astype(kind)}, "d", None, 0)
    assert (data.class_names, np.unique(data.group_val).size) == (("a", "b", "c", "d"), 1)


def test_missing_strings_of_numpy_2_are_no_class():
    words = np.array(["a", "b", None, "c"] * 10, np.dtypes.StringDType(na_object=None))
    with pytest.raises(
        DataError, match="expected classes as integers, strings or booleans in y_train, received objects"
    ):
        dataset_of("d", arrays(y_train=words, y_test=words[[0] * 12]), "d", None, 0)


def given_set(**changes):
    known = arrays()
    known |= {"x_val": known["x_test"], "y_val": known["y_test"], "name": "own", "class_names": tuple("abcd")}
    return Dataset(**(known | changes))


def test_a_dataset_may_be_of_lists():
    lists = {name: array.tolist() for name, array in arrays().items()}
    data = checked(given_set(**lists, group_train=["anna", "bob"] * 20, class_names=list("abcd")))
    assert (data.x_train.dtype, data.class_names, data.group_train[:3].tolist()) == (
        np.float32,
        tuple("abcd"),
        [0, 1, 0],
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"class_names": ("a", "b", "a", "c")}, "expected class_names that differ, received 'a' twice"),
        (
            {"class_names": ("a", "b", "c", "\0d")},
            r"expected class_names without NUL, .*, received '\\x00d'; rename it",
        ),
        ({"class_names": None}, "expected a name for each class as class_names, received None"),
        ({"class_names": "abcd"}, "expected a name for each class as class_names, received 'abcd'"),
        ({"class_weight": (1.0, 2.0)}, "expected a class_weight for each of 4 classes, received 2"),
        ({"x_val": None}, "expected an array as x_val, received none"),
        ({"x_val": [[1], [2, 3]]}, "expected an array as x_val, received rows that differ in shape"),
    ],
)
def test_what_a_dataset_of_the_user_holds_is_checked(changes, message):
    with pytest.raises(DataError, match=message):
        checked(given_set(**changes))


def test_names_of_arrays_are_text():
    with pytest.raises(DataError, match="expected arrays by names such as 'x_train', received 3"):
        dataset_of("d", arrays() | {3: np.zeros(3)}, "d", None, 0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        *(({"seed": seed}, "bad seed: expected a whole number of 0 or more") for seed in (-1, 1.5, None, "1")),
        ({"normalize": "no"}, "bad normalize: expected True, False or None, received 'no'"),
    ],
)
def test_arguments_of_another_kind_are_refused(save, wrong, message):
    with pytest.raises(ConfigError, match=message):
        load_data(save(), **wrong)


@pytest.mark.parametrize("text", ["a" * 5000, "a" * 5000 + ".npz", "a" * 5000 + ".csv", "a\0b", "a\0b.npz", "a\0.csv"])
def test_a_path_that_the_system_refuses_is_no_data(text):
    with pytest.raises(DataError, match=r"unknown data|no data|expected a table"):
        load_data(text)


def test_an_encrypted_archive_is_named(save):
    path = save()
    path.write_bytes(as_encrypted(path.read_bytes()))
    with pytest.raises(DataError, match=r"the file is truncated or no \.npz archive \(.*encrypted"):
        load_data(path)


def as_encrypted(content):
    """Return a zip archive whose members say that they are encrypted."""
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        parts = content.split(mark)
        content = mark.join([parts[0], *(part[: place - 4] + b"\x01" + part[place - 3 :] for part in parts[1:])])
    return content
