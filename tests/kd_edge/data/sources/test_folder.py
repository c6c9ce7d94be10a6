"""Folders of images and of recordings by class, good and bad."""

import os
import wave

import numpy as np
import pytest
from PIL import Image
from pymicro_features import MicroFrontend

from kd_edge.data.front_end import FrontEnd
from kd_edge.data.loading import load_data
from kd_edge.data.options import SourceOptions
from kd_edge.errors import ConfigError, DataError, DataWarning

CLASSES = ("cat", "dog", "owl")


def read(folder, *, normalize=False, seed=0, **options):
    return load_data(folder, normalize=normalize, seed=seed, options=SourceOptions(**options))


def draw(path, value, size=(6, 4), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*size, 3), value, np.uint8)).convert(mode).save(path)


@pytest.fixture
def pictures(tmp_path):
    """Ten images of each class; image i of class c is one gray of 20 i + c."""
    for number, name in enumerate(CLASSES):
        for i in range(10):
            draw(tmp_path / "pets" / name / f"p{i // 2}_{i}.png", 20 * i + number)
    return tmp_path / "pets"


def record(path, sound, rate=16000, channels=1, size=2):
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, size, rate, len(sound), "NONE", ""))
        file.writeframes(sound.astype("<i2").tobytes() if size == 2 else bytes(len(sound) * size * channels))
    return path


def tone(hertz, seconds=0.2, rate=16000):
    return (8000 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype(np.int16)


@pytest.fixture
def words(tmp_path):
    """Eight recordings of 0.2 s of each of two words."""
    for name, hertz in (("no", 300), ("yes", 900)):
        for i in range(8):
            record(tmp_path / "words" / name / f"{i // 2}_{i}.wav", tone(hertz + 10 * i))
    return tmp_path / "words"


def test_images_of_a_folder_keep_their_pixels_as_bytes_and_their_folder_as_class(pictures):
    data = read(pictures)
    assert (data.class_names, data.input_shape, data.x_train.dtype) == (CLASSES, (6, 4, 3), np.uint8)
    # Of ten images a class two test; of the other eight 15 % validate: one.
    assert [len(y) for y in (data.y_train, data.y_val, data.y_test)] == [21, 3, 6]
    assert np.bincount(data.y_test).tolist() == [2, 2, 2]
    for x, y in ((data.x_train, data.y_train), (data.x_val, data.y_val), (data.x_test, data.y_test)):
        assert np.array_equal(x[:, 0, 0, 0] % 20, y)
        assert (x == x[:, :1, :1, :1]).all()
    seen = np.concatenate([data.x_train, data.x_val, data.x_test])[:, 0, 0, 0]
    assert sorted(seen.tolist()) == sorted(20 * i + c for i in range(10) for c in range(3))
    assert "images in folders by class, rgb; 20% of the samples drawn to test" in data.description
    assert not np.array_equal(read(pictures, seed=1).x_test, data.x_test)


def test_integer_images_are_normalised_like_those_of_an_npz(pictures):
    data = read(pictures, normalize=None)
    raw = read(pictures)
    mean, deviation = raw.x_train.mean((0, 1, 2)), raw.x_train.std((0, 1, 2))
    assert data.x_test.dtype == np.float32
    np.testing.assert_allclose(data.x_test, (raw.x_test - mean) / deviation, rtol=1e-5)


def test_folders_of_splits_are_kept_and_validation_is_drawn_by_the_group_in_the_names(pictures):
    root = pictures.parent / "parts"
    for name in CLASSES:
        for i in range(10):
            draw(root / ("test" if i < 3 else "train") / name / f"p{i // 2}_{i}.jpg", 20 * i)
    data = read(root, group_pattern="p([0-9]+)_")
    assert len(data.y_test) == 9
    # Of the people 1, 2, 3 and 4, who train with 1, 2, 2 and 2 images a class, one validates.
    assert len(set(data.group_val.tolist())) == 1
    assert set(data.group_val.tolist()).isdisjoint(data.group_train.tolist())
    assert "split as given, whole groups of 15 %" in data.description


def test_grayscale_images_have_one_channel_and_images_are_scaled_on_request(pictures):
    for number, name in enumerate(("even", "odd")):
        for i in range(8):
            draw(pictures.parent / "gray" / name / f"{i}.png", 9 * i + number, mode="L")
    assert read(pictures.parent / "gray").input_shape == (6, 4, 1)
    assert read(pictures.parent / "gray", color="rgb").input_shape == (6, 4, 3)
    draw(pictures / "cat" / "wide.png", 5, size=(6, 9))
    with pytest.raises(DataError, match=r"received 2, most of 6 x 4, cat/wide.png of another; .* image_size=6,4"):
        read(pictures)
    assert read(pictures, image_size=[3, 2]).input_shape == (3, 2, 3)
    assert read(pictures, image_size=[3, 2], color="grayscale").input_shape == (3, 2, 1)


@pytest.mark.parametrize("options", [{}, {"image_size": [6, 4], "color": "rgb"}])
def test_images_of_which_tensorflow_would_drop_bits_or_read_the_palettes_numbers_are_refused(tmp_path, options):
    for i in range(12):
        draw(tmp_path / "deep" / "ab"[i % 2] / f"{i}.png", i)
    Image.fromarray(np.full((6, 4), 4095, np.uint16)).save(tmp_path / "deep" / "a" / "12bit.png")
    with pytest.raises(DataError, match=r"pixels of 8 bits a channel \(16 bits each\), received 1 of 13 .*a/12bit.png"):
        read(tmp_path / "deep", **options)
    (tmp_path / "deep" / "a" / "12bit.png").unlink()
    gray = Image.fromarray(np.arange(24, dtype=np.uint8).reshape(6, 4))
    gray.save(tmp_path / "deep" / "b" / "gray.bmp")
    kept = read(tmp_path / "deep", **options)
    assert any((x[..., 0] == np.asarray(gray)).all() for x in (*kept.x_train, *kept.x_val, *kept.x_test))
    gray.convert("RGB").quantize(8).save(tmp_path / "deep" / "b" / "palette.bmp")
    with pytest.raises(
        DataError, match=r"\(numbers of colors in a palette\), received 1 of 14 .*b/palette.bmp; convert"
    ):
        read(tmp_path / "deep", **options)
    assert "left out b/palette.bmp" in read(tmp_path / "deep", skip_bad=True, **options).description


@pytest.mark.parametrize("options", [{}, {"image_size": [6, 4], "color": "rgb"}])
def test_unreadable_images_are_named_and_left_out_on_request(pictures, options):
    (pictures / "cat" / "empty.png").write_bytes(b"")
    whole = (pictures / "dog" / "p0_0.png").read_bytes()
    (pictures / "dog" / "cut.png").write_bytes(whole[:-20])
    (pictures / "dog" / "._cut.png").write_bytes(b"of another system")
    with pytest.raises(DataError, match=r"expected readable images, received \d of 32 .*cat/empty.png.*skip_bad"):
        read(pictures, **options)
    data = read(pictures, skip_bad=True, **options)
    assert len(data.x_train) + len(data.x_val) + len(data.x_test) == 30
    assert np.array_equal(data.x_test[:, 0, 0, 0] % 20, data.y_test)
    assert "left out" in data.description
    assert "dog/cut.png" in data.description


def test_gray_bitmaps_are_read_in_three_channels_alone(tmp_path):
    for name in ("cat", "dog"):
        for i in range(4):
            draw(tmp_path / "pets" / name / f"{i}.bmp", 50 * i, mode="L")
    with pytest.raises(DataError, match=r"readable images, .*TensorFlow reads no .bmp as one channel: color=rgb"):
        read(tmp_path / "pets")
    assert read(tmp_path / "pets", color="rgb").input_shape == (6, 4, 3)


def test_a_class_of_which_nothing_is_readable_cannot_be_left_out(pictures):
    for path in (pictures / "owl").iterdir():
        path.write_bytes(b"no image")
    with pytest.raises(DataError, match="received none of class 'owl'"):
        read(pictures, skip_bad=True)


def test_folders_that_are_not_those_of_classes_are_named(pictures):
    (pictures / "bat").mkdir()
    with pytest.raises(DataError, match=r"none that end in .*\.png in bat; fill it, or remove the folder"):
        read(pictures)
    (pictures / "bat").rmdir()
    (pictures / "owl" / "notes.webp").write_bytes(b"")
    with pytest.raises(DataError, match=r"1 of 31 files that are not: owl/notes.webp; convert them"):
        read(pictures)
    assert "left out 1 other files: owl/notes.webp" in read(pictures, skip_bad=True).description
    draw(pictures / "loose.png", 3)
    with pytest.raises(DataError, match=r"received loose.png beside the folders \(1 such files\)"):
        read(pictures, skip_bad=True)
    with pytest.raises(DataError, match="a folder for each of at least 2 classes, received none"):
        read(pictures / "cat")
    draw(pictures.parent / "one" / "cat" / "a.png", 3)
    with pytest.raises(DataError, match="at least 2 classes, received cat"):
        read(pictures.parent / "one")
    for split in ("train", "valid", "test"):
        draw(pictures.parent / "named" / split / "cat" / "a.png", 3)
    with pytest.raises(DataError, match="received 'valid' beside them: did you mean 'val'"):
        read(pictures.parent / "named")
    (pictures.parent / "nothing").mkdir()
    with pytest.raises(DataError, match=r"or arrays such as x_train\.npy, received no files"):
        read(pictures.parent / "nothing")


def test_options_of_another_source_and_bad_patterns_are_refused(pictures):
    with pytest.raises(ConfigError, match="bad option 'seconds' of the data"):
        read(pictures, seconds=1.0)
    with pytest.raises(ConfigError, match="expected one pair of brackets"):
        read(pictures, group_pattern="p[0-9]+")
    with pytest.raises(ConfigError, match="expected a regular expression"):
        read(pictures, group_pattern="(")
    with pytest.raises(DataError, match=r"names of files with the group_pattern q\(.\), received cat/p0_0.png"):
        read(pictures, group_pattern="q(.)")


def test_recordings_become_what_the_board_computes(words):
    data = read(words)
    # 0.2 s are 17 whole steps of 10 ms after the first window of 30 ms: 18 frames.
    assert (data.class_names, data.input_shape, data.x_train.dtype) == (("no", "yes"), (18, 40), np.float32)
    assert (len(data.x_train), len(data.x_val), len(data.x_test)) == (10, 2, 4)
    front_end, raw, frames = MicroFrontend(), tone(300).tobytes(), []
    while len(raw) >= 320:
        output = front_end.process_samples(raw[:320])
        raw = raw[2 * output.samples_read :]
        frames += [output.features] if output.features else []
    everything = np.concatenate([data.x_train, data.x_val, data.x_test])
    assert any(np.array_equal(sample, np.float32(frames)) for sample in everything)
    assert np.array_equal(everything / np.float32(data.front_end.feature_scale) % 1, np.zeros_like(everything))
    assert "features of the TFLM microfrontend" in data.description


def test_people_who_speak_are_groups(words):
    data = read(words, group_pattern="^([0-9]+)_")
    assert set(data.group_test.tolist()).isdisjoint({*data.group_train.tolist(), *data.group_val.tolist()})


def test_recordings_of_other_lengths_are_cut_and_filled_on_request(words):
    record(words / "no" / "9_9.wav", tone(300, seconds=0.5))
    with pytest.raises(DataError, match=r"received 0.2 to 0.5 s; cut and fill all with the option seconds"):
        read(words)
    data = read(words, seconds=0.5)
    assert data.input_shape == (48, 40)
    with pytest.raises(DataError, match="recordings of 30 ms at least, received 10 ms"):
        read(words, seconds=0.01)
    with pytest.raises(ConfigError, match="bad option 'image_size'"):
        read(words, image_size=[3, 3])


def test_a_recording_that_is_one_number_shorter_is_told_as_shorter(words):
    record(words / "no" / "9_9.wav", tone(300)[:-1])
    with pytest.raises(DataError, match=r"received 0.199937 to 0.2 s; cut and fill"):
        read(words)


def test_a_recording_whose_header_is_longer_than_its_file_is_named(words):
    path = words / "no" / "0_0.wav"
    content = bytearray(path.read_bytes())
    content[16:20] = (40_000).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"received 1 of 16 files that are not: no/0_0.wav; repair or convert them"):
        read(words)
    assert "left out no/0_0.wav" in read(words, skip_bad=True).description


@pytest.mark.parametrize("kind", ["pictures", "words"])
@pytest.mark.parametrize("skip_bad", [False, True])
def test_a_name_that_is_no_utf_8_is_refused_since_keras_lists_the_whole_folder(request, kind, skip_bad):
    folder = request.getfixturevalue(kind)
    known = next(folder.glob("*/*"))
    strange = os.fsencode(known.parent) + b"/\xe4" + os.fsencode(known.suffix)
    os.link(known, strange)
    named = rf"expected names in UTF-8, received 1 of \d+ .*: {known.parent.name}/\\udce4{known.suffix}; rename them"
    with pytest.raises(DataError, match=named):
        read(folder, skip_bad=skip_bad)


def test_the_background_noise_of_speech_commands_is_no_word(words):
    for name in ("pink_noise", "doing_the_dishes"):
        record(words / "_background_noise_" / f"{name}.wav", tone(50, seconds=0.5))
    for options in ({}, {"seconds": 0.2}, {"group_pattern": "^([0-9]+)_"}):
        data = read(words, **options)
        assert (data.class_names, data.input_shape) == (("no", "yes"), (18, 40))
        assert len(data.x_train) + len(data.x_val) + len(data.x_test) == 16
        assert "left out _background_noise_, which is no class" in data.description
    (words / "_background_noise_").rename(words / "noise")
    # Most recordings are of 0.2 s.
    with pytest.raises(DataError, match=r"received 0.2 to 0.5 s; .* such as seconds=0.2$"):
        read(words)


def test_recordings_that_the_front_end_does_not_take_are_named_and_left_out_on_request(words):
    record(words / "yes" / "slow.wav", tone(300, rate=8000), rate=8000)
    record(words / "yes" / "two.wav", np.zeros(6400), channels=2)
    record(words / "no" / "deep.wav", np.zeros(3200), size=3)
    with pytest.raises(DataError, match=r"3 of 19 .*no/deep.wav, yes/slow.wav, yes/two.wav; .*sox IN -r 16000"):
        read(words)
    (words / "no" / "text.wav").write_bytes(b"hello")
    (words / "no" / "cut.wav").write_bytes((words / "no" / "0_0.wav").read_bytes()[:-100])
    with pytest.raises(DataError, match=r"16-bit numbers .*received 2 of 21 .*: no/cut.wav, no/text.wav"):
        read(words)
    data = read(words, skip_bad=True)
    assert len(data.x_train) + len(data.x_val) + len(data.x_test) == 16
    assert "left out no/cut.wav, no/text.wav; left out no/deep.wav, yes/slow.wav, yes/two.wav" in data.description


def test_the_settings_of_the_front_end_give_the_frames_that_it_makes():
    settings = FrontEnd()
    for num_samples in (479, 480, 639, 640, 16000):
        sound = np.zeros(num_samples, np.int16)
        assert len(settings.features(sound)) == settings.num_frames(num_samples)


def test_images_and_recordings_do_not_share_a_folder(pictures, words):
    record(pictures / "cat" / "meow.wav", tone(300))
    with pytest.raises(DataError, match="expected images or recordings, received both"):
        read(pictures)


def test_arrays_of_a_folder_are_mapped_and_stay_bytes(tmp_path):
    rng = np.random.default_rng(0)
    for split, count in (("train", 40), ("test", 12)):
        np.save(tmp_path / f"x_{split}.npy", rng.integers(0, 256, (count, 5, 5, 1), dtype=np.uint8))
        np.save(tmp_path / f"y_{split}.npy", np.arange(count) % 4)
    data = read(tmp_path)
    assert data.x_test.dtype == np.uint8
    assert isinstance(data.x_test, np.memmap)
    np.save(tmp_path / "x_valid.npy", np.zeros(3))
    with pytest.raises(DataError, match="'x_valid' that nothing reads, did you mean 'x_val'"):
        read(tmp_path)
    assert len(read(tmp_path, ignore=["x_valid"]).x_train) == 34
    with pytest.raises(ConfigError, match="bad option 'seconds'"):
        read(tmp_path, seconds=1.0)


@pytest.mark.parametrize("names", [("Train", "Test"), ("training", "testing"), ("TRAIN", "Validation", "TEST")])
def test_folders_that_are_called_like_splits_elsewhere_are_no_classes(pictures, names):
    root = pictures.parent / "parts"
    for name in names:
        draw(root / name / "cat" / "1.png", 1)
        draw(root / name / "dog" / "1.png", 2)
    with pytest.raises(DataError, match=f"train, test and maybe val in small letters, received .*{names[0]}.*; rename"):
        read(root)


def test_hidden_files_beside_the_folders_of_classes_are_left_out_too(pictures):
    (pictures / "._cover.png").write_bytes(b"of another system")
    assert len(read(pictures).x_train) == 21


def test_a_recording_without_sound_is_no_silence(words):
    record(words / "yes" / "none.wav", np.zeros(0))
    with pytest.raises(DataError, match=r"\(there is no sound in the file\), received 1 of 17 .*: yes/none.wav"):
        read(words, seconds=0.2)
    assert "left out yes/none.wav" in read(words, seconds=0.2, skip_bad=True).description


@pytest.mark.parametrize("task", ["multilabel", "regression"])
def test_files_by_class_have_no_other_labels(pictures, task):
    with pytest.raises(ConfigError, match=f"'task' .*: expected samples of one class each, received '{task}'"):
        read(pictures, task=task)


def test_classes_that_all_have_the_same_folders_are_told(tmp_path):
    for place in ("north", "south"):
        for i in range(12):
            draw(tmp_path / "sites" / place / ("cat" if i % 2 else "dog") / f"{i}.png", 10 * i)
    with pytest.warns(DataWarning, match="north, south are taken for the classes, and each has the folders cat, dog;"):
        assert read(tmp_path / "sites").class_names == ("north", "south")


def test_folders_that_are_links_are_folders(pictures, tmp_path):
    (tmp_path / "store").mkdir()
    for name in CLASSES:
        (pictures / name).rename(tmp_path / "store" / name)
    (tmp_path / "mixed" / "cat").mkdir(parents=True)
    (tmp_path / "mixed" / "cat" / "inside").symlink_to(tmp_path / "store" / "cat")
    for name in CLASSES[1:]:
        (tmp_path / "mixed" / name).symlink_to(tmp_path / "store" / name)
    data = read(tmp_path / "mixed")
    shown = np.concatenate([data.x_train, data.x_val, data.x_test])[:, 0, 0, 0].tolist()
    assert sorted(shown) == sorted(20 * i + number for number in range(3) for i in range(10))


def test_an_empty_file_is_no_array(tmp_path):
    (tmp_path / "x_train.npy").write_bytes(b"")
    with pytest.raises(DataError, match=r"x_train\.npy: expected an array of plain numbers, received No data left"):
        read(tmp_path)


def test_a_link_to_a_folder_that_it_is_in_is_named(pictures):
    (pictures / "cat" / "all").symlink_to(pictures)
    with pytest.raises(DataError, match=r"expected links to other folders, received .*cat/all, which leads to one"):
        read(pictures)


@pytest.mark.parametrize("kind", ["images", "recordings"])
def test_folders_that_are_called_by_numbers_are_numbered_as_keras_numbers_them(tmp_path, kind):
    import keras

    for number in range(12):
        for i in range(3):
            if kind == "images":
                draw(tmp_path / "signs" / str(number) / f"{i}.png", 20 * i + number)
            else:
                record(tmp_path / "signs" / str(number) / f"{i}.wav", tone(300 + 50 * number + i))
    data = read(tmp_path / "signs")
    load = {
        "images": keras.utils.image_dataset_from_directory,
        "recordings": keras.utils.audio_dataset_from_directory,
    }
    expected = load[kind](str(tmp_path / "signs"), verbose=False).class_names
    assert data.class_names == tuple(expected)
    assert data.class_names[:4] == ("0", "1", "10", "11")
    if kind == "images":
        named = np.array(data.class_names).astype(int)[data.y_train]
        assert np.array_equal(data.x_train[:, 0, 0, 0] % 20, named)


@pytest.mark.parametrize("where", [".", "./", "../pets", "..//pets/", "cat/..", ""])
def test_the_working_folder_and_roundabout_paths_hold_images_and_recordings(pictures, words, monkeypatch, where):
    monkeypatch.chdir(pictures)
    data = read(where)
    assert np.array_equal(data.x_train[:, 0, 0, 0] % 20, data.y_train)
    assert len(data.x_train) == 21
    (pictures / "dog" / "cut.png").write_bytes((pictures / "dog" / "p0_0.png").read_bytes()[:-20])
    again = read(where, skip_bad=True)
    assert "left out dog/cut.png" in again.description
    assert np.array_equal(again.x_train, data.x_train)
    monkeypatch.chdir(words)
    sounds = where.replace("pets", "words").replace("cat", "no")
    assert np.array_equal(read(sounds).x_train, read(words).x_train)


def test_folders_that_begin_with_underscores_are_classes_but_for_those_that_systems_leave(pictures):
    draw(pictures / "__MACOSX" / "1.png", 1)
    (pictures / "__pycache__").mkdir()
    for i in range(10):
        draw(pictures / "__unknown__" / f"{i}.png", 2 * i)
    assert read(pictures).class_names == ("__unknown__", *CLASSES)


@pytest.mark.parametrize("name", ["val", "Train", "dev"])
def test_a_folder_of_a_split_beside_those_of_the_classes_is_no_class(pictures, name):
    draw(pictures / name / "dog" / "1.png", 1)
    with pytest.raises(DataError, match=f"received '{name}' with a folder 'dog' in it beside the class 'dog'; move"):
        read(pictures)


def test_a_group_that_a_name_does_not_say_is_refused(pictures):
    with pytest.raises(DataError, match=r"names of files with the group_pattern \(zzz\)\?p, received cat/p0_0.png"):
        read(pictures, group_pattern="(zzz)?p")


@pytest.mark.parametrize("seconds", [1e14, 1e18, 1e300])
def test_recordings_of_a_length_that_no_disk_has_are_refused(words, seconds):
    with pytest.raises(DataError, match=r"no room for [0-9,]+ bytes of samples in"):
        read(words, seconds=seconds)
