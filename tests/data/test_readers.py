"""Data sets from text tables, folders of pictures and frames."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from bioneuro.data import Dataset
from bioneuro.errors import DataNotFound, FileFormatError, InvalidInput, UnknownName


@pytest.fixture
def table(tmp_path):
    def write(text, encoding="utf-8"):
        path = tmp_path / "table.csv"
        path.write_bytes(text.encode(encoding))
        return path

    return write


# text


def test_a_table_with_names_and_words_is_read(table):
    path = table("width,length,species\n1,2.5,setosa\n3,-4e-1,virginica\n5,6,setosa\n")
    data = Dataset.from_csv(path, target="species")
    assert data.X.tolist() == [[1, 2.5], [3, np.float32(-0.4)], [5, 6]]
    assert data.y.tolist() == [0, 1, 0]
    assert data.feature_names == ("width", "length")
    assert data.target_names == ("setosa", "virginica")
    assert data.name == "table"


@pytest.mark.parametrize("target", [2, -1])
def test_a_table_without_names_is_read_with_its_target_by_index(table, target):
    data = Dataset.from_csv(table("1,2,7\n3,4,8\n"), target=target)
    assert data.X.tolist() == [[1, 2], [3, 4]]
    assert data.y.tolist() == [7, 8]
    assert data.feature_names == ("x0", "x1")


def test_a_first_line_that_holds_a_number_is_a_row_unless_said_otherwise(table):
    path = table("1,setosa\n2,virginica\n")
    assert Dataset.from_csv(path, target=1).n_samples == 2
    assert Dataset.from_csv(path, target="setosa", header=True).n_samples == 1


def test_quotes_delimiters_blank_lines_and_byte_order_marks_are_understood(table):
    path = table('\ufeff"a b";"c"\r\n\r\n"1";2\r\n 3 ;4\r\n')
    data = Dataset.from_csv(path, delimiter=";")
    assert data.X.tolist() == [[1, 2], [3, 4]]
    assert data.feature_names == ("a b", "c")
    assert data.y is None


def test_targets_with_fractions_are_to_be_regressed(table):
    assert Dataset.from_csv(table("1,0.5\n2,1.5\n"), target=-1).y.dtype == float


def test_what_the_caller_says_about_the_data_wins(table):
    data = Dataset.from_csv(table("0,1\n1,0\n"), name="mine", value_range=(0, 2))
    assert (data.name, data.value_range) == ("mine", (0, 2))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n3\n", "line 3: 1 cells where the first line has 2"),
        ("a,b\n\n1,2\n3,4,5\n", "line 4: 3 cells"),
        ("a,b\n1,x\n", "line 2, column 'b': 'x' is not a finite number"),
        ("a,b\n1,2\nnan,2\n", "line 3, column 'a': 'nan' is not a finite number"),
        ("a,b\n1,\n", "line 2, column 'b': the cell is empty; drop the line or fill it in"),
        ('a,b\n1,"2\n', r"line \d: unexpected end of data"),
        ("a,b\n", "holds names but no rows"),
        ("", "table.csv is empty"),
    ],
)
def test_a_broken_table_names_file_line_and_column(table, text, message):
    with pytest.raises(FileFormatError, match=message) as error:
        Dataset.from_csv(table(text))
    assert "table.csv" in str(error.value)


def test_an_empty_target_names_its_line(table):
    with pytest.raises(FileFormatError, match="line 3: the target 'b' is empty"):
        Dataset.from_csv(table("a,b\n1,x\n2,\n"), target="b")


def test_an_unknown_target_gets_the_nearest_column(table):
    path = table("width,species\n1,a\n2,b\n")
    with pytest.raises(UnknownName, match="unknown target column 'specie'; did you mean 'species'"):
        Dataset.from_csv(path, target="specie")
    with pytest.raises(InvalidInput, match=r"target must be an integer in \[-2, 1\], got 2"):
        Dataset.from_csv(path, target=2)


def test_text_in_another_encoding_is_refused_with_a_hint(table):
    with pytest.raises(FileFormatError, match=r"is not text in utf-8-sig: .*; give encoding="):
        Dataset.from_csv(table("größe,b\n1,2\n", "latin-1"))
    assert Dataset.from_csv(table("größe,b\n1,2\n", "latin-1"), encoding="latin-1").feature_names == ("größe", "b")


def test_an_absent_table_is_not_found(tmp_path):
    with pytest.raises(DataNotFound, match=r"nothing.csv is not a file"):
        Dataset.from_csv(tmp_path / "nothing.csv")


# frames


def test_a_frame_gives_its_numeric_columns_and_its_labels():
    frame = pd.DataFrame({"a": [1, 2], "b": [True, False], "kind": ["x", "y"]})
    data = Dataset.from_frame(frame, target="kind", name="frame")
    assert data.X.tolist() == [[1, 1], [2, 0]]
    assert data.y.tolist() == [0, 1]
    assert (data.feature_names, data.target_names, data.name) == (("a", "b"), ("x", "y"), "frame")


def test_a_frame_may_hold_categories_and_nullable_numbers():
    frame = pd.DataFrame({"a": pd.array([1, 2], "Int64"), "kind": pd.Categorical(["b", "a"])})
    assert Dataset.from_frame(frame, target="kind").y.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("frame", "target", "message"),
    [
        ({"a": [1.0], "b": ["x"]}, None, "columns that are not numbers: b; drop them, encode them"),
        ({"a": [1.0, np.nan]}, None, "1 values that are NaN"),
        ({"a": [1.0, 2.0], "kind": ["x", None]}, "kind", "target 'kind' is missing in 1 rows"),
        ({"a": [1.0], "kind": ["x"]}, "kinds", "did you mean 'kind'"),
        ({"kind": ["x"]}, "kind", "empty"),
    ],
)
def test_a_frame_that_cannot_be_used_says_which_column(frame, target, message):
    with pytest.raises(InvalidInput, match=message):
        Dataset.from_frame(pd.DataFrame(frame), target=target)


# pictures


def save(folder, name, pixels, **options):
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels)).save(folder / name, **options)


@pytest.fixture
def pictures(tmp_path):
    root = tmp_path / "animals"
    for label, shade in (("dog", 255), ("cat", 51)):
        for i in range(2):
            save(root / label, f"{i}.png", np.full((3, 2), shade, np.uint8))
    (root / "cat" / "notes.txt").write_text("not a picture")
    (root / "cat" / "._0.png").write_text("left by a file manager")
    (root / "empty").mkdir()
    return root


def test_each_folder_of_pictures_is_a_class(pictures):
    data = Dataset.from_image_folder(pictures)
    assert data.target_names == ("cat", "dog")
    assert data.y.tolist() == [0, 0, 1, 1]
    assert data.image_shape == (3, 2)
    assert data.value_range == (0, 1)
    assert np.allclose(data.images[0], 0.2)
    assert np.all(data.images[3] == 1)
    assert data.name == "animals"


def test_colour_keeps_three_channels_and_grey_pictures_fit_in(pictures):
    red = np.zeros((3, 2, 3), np.uint8)
    red[..., 0] = 255
    save(pictures / "dog", "red.jpg", red, quality=100, subsampling=0)
    data = Dataset.from_image_folder(pictures, colour=True)
    assert data.images.shape == (5, 3, 2, 3)
    assert np.allclose(data.images[4], [1, 0, 0], atol=0.02)
    assert np.allclose(data.images[0], 0.2)


def test_sixteen_bit_grey_keeps_its_depth(tmp_path):
    save(tmp_path / "a", "deep.png", np.array([[0, 1], [32768, 65535]], np.uint16))
    assert np.allclose(Dataset.from_image_folder(tmp_path).images[0], np.array([[0, 1], [32768, 65535]]) / 65535)
    assert np.all(Dataset.from_image_folder(tmp_path, colour=True).images[0, 1, 1] == 1)


def test_what_is_transparent_shows_white(tmp_path):
    pixels = np.zeros((1, 2, 4), np.uint8)
    pixels[0, 1, 3] = 255
    save(tmp_path / "a", "stroke.png", pixels)
    assert Dataset.from_image_folder(tmp_path).X.tolist() == [[1, 0]]


def test_pictures_of_several_sizes_need_a_size(pictures):
    save(pictures / "dog", "large.png", np.full((6, 4), 255, np.uint8))
    with pytest.raises(InvalidInput, match=r"large.png is 6 x 4 pixels .* is 3 x 2; scale them all with size=\(3, 2\)"):
        Dataset.from_image_folder(pictures)
    data = Dataset.from_image_folder(pictures, size=(3, 2))
    assert data.images.shape == (5, 3, 2)
    assert np.allclose(data.images[4], 1)


def test_a_picture_that_cannot_be_read_is_named(pictures):
    (pictures / "dog" / "2.png").write_bytes(b"not a png")
    with pytest.raises(FileFormatError, match=r"2.png cannot be read as a picture"):
        Dataset.from_image_folder(pictures)
    save(pictures / "dog", "2.png", np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8))
    whole = (pictures / "dog" / "2.png").read_bytes()
    (pictures / "dog" / "2.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FileFormatError, match=r"2.png cannot be read as a picture"):
        Dataset.from_image_folder(pictures, size=(3, 2))


def test_a_picture_of_boastful_size_is_not_decoded(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.pgm").write_bytes(b"P5 9000 9000 255\n")
    with pytest.raises(FileFormatError, match="81,000,000 pixels, more than"):
        Dataset.from_image_folder(tmp_path)


@pytest.mark.parametrize("size", [3, (3,), (3, 0), (3, 2, 1)])
def test_a_size_that_is_none_is_refused(pictures, size):
    with pytest.raises(InvalidInput, match="size must be"):
        Dataset.from_image_folder(pictures, size=size)


def test_a_folder_without_pictures_says_what_is_expected(tmp_path):
    with pytest.raises(DataNotFound, match="expected one folder per class"):
        Dataset.from_image_folder(tmp_path)
    with pytest.raises(DataNotFound, match="is not a folder"):
        Dataset.from_image_folder(tmp_path / "nothing")
