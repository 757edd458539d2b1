import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from askance.errors import FormatError, GeometryError, LabelError, StudyError, UsageError
from askance.records import IGNORE
from askance.volumes import files, itk, nifti
from askance.volumes.files import (
    SUFFIXES,
    check_image,
    copy_bare,
    hash_file,
    open_voxels,
    read_header,
    read_image,
    read_labels,
    require_same_geometry,
    stem_of,
    write_image_like,
    write_labels_like,
)

SHAPE = (5, 6, 4)
OBLIQUE = np.array([[-0.7, 0.35, 0.0, 12.5], [0.35, 0.7, 0.0, -40.25], [0.0, 0.0, 5.0, 7.125], [0.0, 0.0, 0.0, 1.0]])


def make(path: Path, array: np.ndarray, affine: np.ndarray = OBLIQUE) -> Path:
    """Writes ``array`` (X, Y, Z) by the format's own library, independently of askance."""
    if ".nii" in path.name:
        nib.save(nib.Nifti1Image(array, affine), path)
        return path
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    image = sitk.GetImageFromArray(np.ascontiguousarray(array.transpose(2, 1, 0)))
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    image.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
    sitk.WriteImage(image, str(path))
    return path


def numbers(shape: tuple[int, ...] = SHAPE, dtype: type = np.int16) -> np.ndarray:
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


@st.composite
def affines(draw: st.DrawFn) -> np.ndarray:
    """Oblique, flipped, permuted, anisotropic."""
    seed = draw(st.integers(0, 2**32 - 1))
    directions, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    affine = np.eye(4)
    affine[:3, :3] = directions * draw(st.tuples(*[st.floats(0.3, 12)] * 3))
    affine[:3, 3] = draw(st.tuples(*[st.floats(-500, 500)] * 3))
    return affine


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_volume_is_read_in_file_order_with_its_affine_in_ras(tmp_path: Path, suffix: str) -> None:
    path = make(tmp_path / f"a{suffix}", numbers())
    volume = read_image(path)
    assert volume.array.dtype == np.int16
    np.testing.assert_array_equal(volume.array, numbers())
    np.testing.assert_allclose(volume.affine, OBLIQUE, atol=1e-5)
    np.testing.assert_allclose(volume.spacing_mm, (np.hypot(0.7, 0.35), np.hypot(0.7, 0.35), 5), rtol=1e-6)
    header = read_header(path)
    assert (header.shape, header.dtype, header.spacing_mm) == (SHAPE, np.dtype(np.int16), volume.spacing_mm)


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(max_examples=20, deadline=None)
@given(affine=affines(), seed=st.integers(0, 1000))
def test_what_goes_out_has_the_geometry_of_what_came_in(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, affine: np.ndarray, seed: int
) -> None:
    folder = tmp_path_factory.mktemp("geometry")
    rng = np.random.default_rng(seed)
    shape = tuple(int(n) for n in rng.integers(1, 8, 3))
    like = make(folder / f"in{suffix}", rng.normal(size=shape).astype(np.float32), affine)
    labels = rng.integers(0, 4, shape).astype(np.uint8)
    write_labels_like(folder / f"labels{suffix}", labels, like)
    write_image_like(folder / f"image{suffix}", labels / 2, like)
    back = read_labels(folder / f"labels{suffix}", 4, None)
    np.testing.assert_array_equal(back.array, labels)
    np.testing.assert_array_equal(read_image(folder / f"image{suffix}").array, labels / 2)
    for name in ("labels", "image"):
        header = read_header(folder / f"{name}{suffix}")
        np.testing.assert_allclose(header.affine, read_header(like).affine, rtol=1e-12, atol=1e-12)
        require_same_geometry(header, read_header(like), folder, like)
    assert sorted(p.name for p in folder.iterdir()) == sorted(f"{n}{suffix}" for n in ("in", "labels", "image"))


@pytest.mark.parametrize(("qform", "sform"), [(1, 0), (0, 2), (1, 1), (2, 4), (0, 0)])
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_nifti_labels_keep_both_transforms_codes_and_units(tmp_path: Path, kind: type, qform: int, sform: int) -> None:
    like = tmp_path / "in.nii"
    image = kind(numbers(), None)
    image.header.set_zooms((0.5, 0.75, 3))
    image.header.set_qform(np.diag([-0.5, 0.75, 3, 1]), qform)
    image.header.set_sform(OBLIQUE, sform)
    image.header.set_xyzt_units("mm", "sec")
    nib.save(image, like)
    write_labels_like(tmp_path / "out.nii.gz", numbers(dtype=np.uint8), like)
    a, b = nib.load(like), nib.load(tmp_path / "out.nii.gz")
    assert type(a) is type(b)
    assert b.get_data_dtype() == np.uint8
    assert b.header.get_slope_inter() in ((None, None), (1.0, 0.0))
    np.testing.assert_array_equal(a.affine, b.affine)
    for field in (*nifti._GEOMETRY_FIELDS, "dim"):
        np.testing.assert_array_equal(a.header[field], b.header[field])


def test_no_text_of_the_input_header_travels(tmp_path: Path) -> None:
    image = nib.Nifti1Image(numbers(), OBLIQUE)
    image.header["descrip"], image.header["db_name"] = b"DOE^JANE", b"DOE^JANE"
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"DOE^JANE"))
    nib.save(image, tmp_path / "in.nii")
    write_labels_like(tmp_path / "out.nii", numbers(dtype=np.uint8), tmp_path / "in.nii")
    assert b"DOE" in (tmp_path / "in.nii").read_bytes()
    assert b"DOE" not in (tmp_path / "out.nii").read_bytes()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_bare_copy_holds_the_same_voxels_in_the_same_place(tmp_path: Path, suffix: str) -> None:
    source = make(tmp_path / f"in{suffix}", numbers())
    copy_bare(source, tmp_path / f"out{suffix}")
    before, after = read_image(source), read_image(tmp_path / f"out{suffix}")
    np.testing.assert_array_equal(before.array, after.array)
    np.testing.assert_allclose(before.affine, after.affine, atol=1e-9)
    assert read_header(source).dtype == read_header(tmp_path / f"out{suffix}").dtype


def test_a_bare_copy_of_a_scaled_nifti_keeps_numbers_and_scale_and_drops_the_texts(tmp_path: Path) -> None:
    image = nib.Nifti1Image(numbers(), OBLIQUE)
    image.header.set_slope_inter(0.5, -10)
    image.header["descrip"] = b"DOE^JANE"
    nib.save(image, tmp_path / "in.nii")
    copy_bare(tmp_path / "in.nii", tmp_path / "out.nii")
    before, after = nib.load(tmp_path / "in.nii"), nib.load(tmp_path / "out.nii")
    np.testing.assert_array_equal(before.dataobj.get_unscaled(), after.dataobj.get_unscaled())
    assert (after.dataobj.slope, after.dataobj.inter) == (0.5, -10)
    assert b"DOE" not in (tmp_path / "out.nii").read_bytes()


def test_a_bare_copy_of_an_mha_drops_what_else_the_header_says(tmp_path: Path) -> None:
    image = sitk.GetImageFromArray(numbers())
    image.SetMetaData("PatientName", "DOE^JANE")
    sitk.WriteImage(image, str(tmp_path / "in.mha"))
    assert b"DOE" in (tmp_path / "in.mha").read_bytes()
    copy_bare(tmp_path / "in.mha", tmp_path / "out.mha")
    assert b"DOE" not in (tmp_path / "out.mha").read_bytes()


def test_a_bare_copy_stays_in_its_format(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="another suffix"):
        copy_bare(make(tmp_path / "in.nii", numbers()), tmp_path / "out.mha")


def test_an_image_that_fits_int16_is_written_as_int16(tmp_path: Path) -> None:
    like = make(tmp_path / "in.nii", numbers())
    for dtype, wanted in ((np.int16, np.int16), (np.uint8, np.int16), (np.uint16, np.float32), (float, np.float32)):
        write_image_like(tmp_path / "out.nii", numbers(dtype=dtype), like)
        assert read_header(tmp_path / "out.nii").dtype == wanted


def test_a_scaled_nifti_is_read_scaled_in_float32(tmp_path: Path) -> None:
    image = nib.Nifti1Image(numbers(), OBLIQUE)
    image.header.set_slope_inter(0.5, -10)
    nib.save(image, tmp_path / "a.nii.gz")
    volume = read_image(tmp_path / "a.nii.gz")
    assert volume.array.dtype == np.float32
    np.testing.assert_allclose(volume.array, nib.load(tmp_path / "a.nii.gz").get_fdata(), atol=1e-4)


def test_a_big_endian_nifti_is_read_in_native_order(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Image(numbers(), OBLIQUE, nib.Nifti1Header(endianness=">")), tmp_path / "a.nii")
    volume = read_image(tmp_path / "a.nii")
    assert volume.array.dtype.isnative
    np.testing.assert_array_equal(volume.array, numbers())


def test_units_of_a_nifti_become_millimetres(tmp_path: Path) -> None:
    image = nib.Nifti1Image(numbers(), np.diag([200.0, 200, 300, 1]))
    image.header.set_xyzt_units("micron")
    nib.save(image, tmp_path / "a.nii")
    assert read_header(tmp_path / "a.nii").spacing_mm == pytest.approx((0.2, 0.2, 0.3))
    write_labels_like(tmp_path / "b.nii", numbers(dtype=np.uint8), tmp_path / "a.nii")
    assert read_header(tmp_path / "b.nii").spacing_mm == pytest.approx((0.2, 0.2, 0.3))


def with_header(path: Path, **fields: object) -> Path:
    """Overwrite header fields in place, past whatever nibabel would refuse to write."""
    zipped = path.suffix == ".gz"
    data = bytearray(gzip.decompress(path.read_bytes()) if zipped else path.read_bytes())
    header = np.frombuffer(data, nib.nifti1.header_dtype, 1)
    header.flags.writeable = True
    for name, value in fields.items():
        header[name] = value
    path.write_bytes(gzip.compress(data) if zipped else data)
    return path


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize(
    "fields",
    [
        {"vox_offset": np.inf}, {"vox_offset": np.nan}, {"vox_offset": -400}, {"vox_offset": 3e38}, {"xyzt_units": 5},
        {"dim": [3, -5, 6, 4, 1, 1, 1, 1]}, {"dim": [3, 0, 6, 4, 1, 1, 1, 1]}, {"dim": [9, 5, 6, 4, 1, 1, 1, 1]},
    ],
)  # fmt: skip
def test_a_header_that_means_nothing_is_a_format_error(tmp_path: Path, suffix: str, fields: dict[str, object]) -> None:
    path = with_header(make(tmp_path / f"a{suffix}", numbers()), **fields)
    for read in (read_header, read_image):
        with pytest.raises(FormatError, match=f"a{suffix}"):
            read(path)


def test_an_unknown_unit_of_time_does_not_matter(tmp_path: Path) -> None:
    path = with_header(make(tmp_path / "a.nii", numbers()), xyzt_units=2 + 56)
    assert np.array_equal(read_image(path).array, numbers())


def test_an_uncompressed_nifti_stays_on_disk(tmp_path: Path) -> None:
    stored = open_voxels(make(tmp_path / "a.nii", numbers()))
    assert isinstance(stored.raw, np.memmap)
    blocks = list(stored.blocks(axis=1, voxels=40))
    assert [start for start, _ in blocks] == [0, 2, 4]
    np.testing.assert_array_equal(np.moveaxis(np.concatenate([b for _, b in blocks]), 0, 1), numbers())


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.95])
def test_a_truncated_file_is_a_format_error(tmp_path: Path, suffix: str, share: float) -> None:
    rng = np.random.default_rng(0)
    path = make(tmp_path / f"a{suffix}", rng.integers(0, 999, (20, 21, 22)).astype(np.int16))
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(FormatError, match=f"a{suffix}"):
        read_image(path)


def test_a_header_of_more_voxels_than_the_file_can_hold_is_a_format_error(tmp_path: Path) -> None:
    path = make(tmp_path / "a.nii.gz", np.ones((20, 21, 22), np.int16))
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[42:48] = np.array([30000, 30000, 22], "<i2").tobytes()
    path.write_bytes(gzip.compress(content))
    with pytest.raises(FormatError, match=r"30000 x 30000 x 22 voxels.*header is damaged"):
        read_image(path)


def test_a_volume_of_nothing_but_air_is_read_however_small_its_file(tmp_path: Path) -> None:
    path = make(tmp_path / "a.nii.gz", np.zeros((300, 300, 60), np.int16))
    assert not read_image(path).array.any()


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
@pytest.mark.parametrize("place", [0.3, 0.6, 0.9])
def test_a_damaged_compressed_file_is_a_format_error(tmp_path: Path, suffix: str, place: float) -> None:
    rng = np.random.default_rng(0)
    like = make(tmp_path / f"a{suffix}", rng.integers(0, 999, (20, 21, 22)).astype(np.int16))
    write_image_like(tmp_path / f"b{suffix}", rng.normal(size=(20, 21, 22)), like)
    content = bytearray((tmp_path / f"b{suffix}").read_bytes())
    content[int(place * len(content))] ^= 0x55
    (tmp_path / f"b{suffix}").write_bytes(content)
    with pytest.raises(FormatError, match="truncated or corrupt"):
        read_image(tmp_path / f"b{suffix}")


@pytest.mark.parametrize("named", ["data file: {}", "Data File: {}", "datafile: {}", "data file: LIST\n{}"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_an_nrrd_whose_voxels_lie_in_another_file_is_refused(tmp_path: Path, named: str, ends: str) -> None:
    (tmp_path / "secret.raw").write_bytes(bytes(range(60)) * 2)
    head = ["NRRD0004", "type: uchar", "dimension: 3", "sizes: 5 6 4", "encoding: raw", "endian: little"]
    lines = [*head, named.format(tmp_path / "secret.raw"), "", ""]
    (tmp_path / "a.nrrd").write_bytes(ends.join(lines).encode())
    with pytest.raises(FormatError, match="both in one file"):
        read_image(tmp_path / "a.nrrd")


def test_an_mha_whose_voxels_lie_in_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.raw").write_bytes(bytes(120))
    head = "ObjectType = Image\nNDims = 3\nDimSize = 5 6 4\nElementType = MET_UCHAR\n"
    (tmp_path / "a.mha").write_text(f"{head}ElementDataFile = {tmp_path / 'secret.raw'}\n")
    with pytest.raises(FormatError, match="both in one file"):
        read_image(tmp_path / "a.mha")


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_a_file_that_unpacks_to_more_than_its_header_says_is_refused(tmp_path: Path, suffix: str) -> None:
    like = make(tmp_path / f"a{suffix}", np.zeros((200, 200, 100), np.uint8))
    write_labels_like(tmp_path / f"b{suffix}", np.zeros((200, 200, 100), np.uint8), like)
    for old, new in ((b"sizes: 200 200 100", b"sizes: 5 6 4"), (b"DimSize = 200 200 100", b"DimSize = 5 6 4")):
        (tmp_path / f"b{suffix}").write_bytes((tmp_path / f"b{suffix}").read_bytes().replace(old, new))
    assert read_header(tmp_path / f"b{suffix}").shape == (5, 6, 4)
    with pytest.raises(FormatError, match="truncated or corrupt"):
        read_image(tmp_path / f"b{suffix}")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_of_another_kind_is_a_format_error(tmp_path: Path, suffix: str) -> None:
    for content in (b"", b"PATIENT DOE^JANE " * 99, gzip.compress(b"PATIENT DOE^JANE " * 99)):
        (tmp_path / f"a{suffix}").write_bytes(content)
        with pytest.raises(FormatError) as error:
            read_header(tmp_path / f"a{suffix}")
        assert "DOE" not in str(error.value)


def test_a_gzip_named_nii_and_the_reverse_are_format_errors(tmp_path: Path) -> None:
    make(tmp_path / "a.nii", numbers()).rename(tmp_path / "b.nii.gz")
    make(tmp_path / "a.nii.gz", numbers()).rename(tmp_path / "b.nii")
    for name in ("b.nii", "b.nii.gz"):
        with pytest.raises(FormatError, match="no readable NIfTI header"):
            read_image(tmp_path / name)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii"])
@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 6, 1), (4, 5, 6, 3)])
def test_anything_but_three_axes_is_a_format_error(tmp_path: Path, suffix: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(FormatError, match="wanted 3"):
        read_header(make(tmp_path / f"a{suffix}", numbers(shape)))


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_several_values_a_voxel_are_a_format_error(tmp_path: Path, suffix: str) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(numbers((4, 5, 6, 3)), isVector=True), str(tmp_path / f"v{suffix}"))
    sitk.WriteImage(sitk.GetImageFromArray(numbers((4, 5, 6, 3)), isVector=False), str(tmp_path / f"t{suffix}"))
    sitk.WriteImage(sitk.GetImageFromArray(numbers((4, 5))), str(tmp_path / f"f{suffix}"))
    for name in ("v", "t", "f"):
        with pytest.raises(FormatError, match="wanted 3 axes and one value"):
            read_header(tmp_path / f"{name}{suffix}")


def test_complex_voxels_are_a_format_error(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="plain numbers"):
        read_header(make(tmp_path / "a.nii", numbers(dtype=np.complex64)))


def test_a_missing_file_a_folder_and_an_unknown_suffix_are_format_errors(tmp_path: Path) -> None:
    (tmp_path / "folder.nii").mkdir()
    (tmp_path / "a.txt").write_text("x")
    for name, match in (("none.nii.gz", "no such file"), ("folder.nii", "cannot be read"), ("a.txt", "wanted one of")):
        for read in (read_header, read_image, check_image):
            with pytest.raises(FormatError, match=match):
                read(tmp_path / name)
    with pytest.raises(FormatError, match="no such file"):
        hash_file(tmp_path / "none.nii.gz")


def test_a_file_without_permission_is_a_format_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make(tmp_path / "a.nii", numbers())

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # root may read anything, so the system cannot be asked to refuse
    with pytest.raises(FormatError, match="Permission denied"):
        read_header(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_voxel_that_is_not_finite_is_refused_with_its_place(tmp_path: Path, suffix: str, value: float) -> None:
    array = numbers(dtype=np.float32)
    array[3, 2, 1] = value
    path = make(tmp_path / f"a{suffix}", array)
    for read in (read_image, check_image):
        with pytest.raises(FormatError, match=r"1 voxels .* \(3, 2, 1\)"):
            read(path)


def test_a_constant_volume_is_refused_by_the_check_alone(tmp_path: Path) -> None:
    path = make(tmp_path / "a.nii.gz", np.full(SHAPE, 7, np.int16))
    assert read_image(path).array.max() == 7
    with pytest.raises(FormatError, match="every voxel is 7"):
        check_image(path)
    assert check_image(make(tmp_path / "b.nii.gz", numbers())).shape == SHAPE


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_labels_are_class_ids_whatever_their_dtype(tmp_path: Path, suffix: str, dtype: type) -> None:
    labels = (numbers() % 5).astype(dtype)
    volume = read_labels(make(tmp_path / f"a{suffix}", labels), 4, ignore=4)
    assert volume.array.dtype == np.uint8
    np.testing.assert_array_equal(volume.array, np.where(labels == 4, IGNORE, labels))


@pytest.mark.parametrize("ignore", [-1, 9, 255, 1000])
def test_any_whole_number_can_mean_ignore(tmp_path: Path, ignore: int) -> None:
    labels = (numbers() % 2).astype(np.int16)
    labels[0] = ignore
    back = read_labels(make(tmp_path / "a.nii", labels), 2, ignore).array
    assert (back[0] == IGNORE).all()
    assert (back[1:] < 2).all()


@pytest.mark.parametrize(("value", "ignore"), [(2, None), (-1, None), (255, 4), (0.5, None), (np.nan, None), (1e30, 2)])
def test_an_unknown_label_is_named_with_its_place(tmp_path: Path, value: float, ignore: int | None) -> None:
    labels = np.zeros(SHAPE, np.float32)
    labels[1, 2, 3] = value
    with pytest.raises(LabelError, match=r"\(1, 2, 3\); wanted 0 to 1") as error:
        read_labels(make(tmp_path / "a.nii", labels), 2, ignore)
    assert f"{value:g}" in str(error.value)


def test_labels_stored_with_a_scale_are_rounded_not_refused(tmp_path: Path) -> None:
    image = nib.Nifti1Image((numbers() % 3).astype(np.float64), OBLIQUE)
    image.set_data_dtype(np.uint8)  # nibabel chooses slope 2 / 255
    nib.save(image, tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(read_labels(tmp_path / "a.nii.gz", 3, None).array, numbers() % 3)


def test_an_affine_that_maps_no_volume_is_a_geometry_error(tmp_path: Path) -> None:
    flat = OBLIQUE.copy()
    flat[:3, 1] = flat[:3, 0]
    for affine, match in ((flat, "one plane"), (np.diag([1.0, 0, 1, 1]), "positive"), (np.diag([1, np.nan, 1, 1]), "pos")):
        image = nib.Nifti1Image(numbers(), np.eye(4))
        image.header.set_sform(affine, 1)
        nib.save(nib.Nifti1Image(numbers(), None, image.header), tmp_path / "a.nii")
        with pytest.raises(GeometryError, match=match):
            read_header(tmp_path / "a.nii")


def test_files_fit_where_only_rounding_differs(tmp_path: Path) -> None:
    a = read_header(make(tmp_path / "a.nii", numbers()))
    b = read_header(make(tmp_path / "b.mha", numbers()))
    require_same_geometry(a, b, tmp_path / "a.nii", tmp_path / "b.mha")


def test_files_that_do_not_fit_are_told_apart(tmp_path: Path) -> None:
    a = read_header(make(tmp_path / "a.nii", numbers()))
    moved, wider = OBLIQUE.copy(), OBLIQUE.copy()
    moved[0, 3] += 0.2
    wider[:3, 2] *= 1.01
    for shape, affine, match in (
        ((5, 6, 5), OBLIQUE, "shapes"),
        (SHAPE, wider, "spacings"),
        (SHAPE, moved, "0.2 mm apart"),
        (SHAPE, OBLIQUE @ np.diag([-1, 1, 1, 1]), "affines"),
    ):
        b = read_header(make(tmp_path / "b.nii", numbers(shape), affine))
        with pytest.raises(GeometryError, match=match):
            require_same_geometry(a, b, tmp_path / "a.nii", tmp_path / "b.nii")


def test_labels_are_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    like = make(tmp_path / "in.nii", numbers())
    write_labels_like(tmp_path / "out.nii", numbers(dtype=np.uint8), like)
    before = (tmp_path / "out.nii").read_bytes()

    def fill_the_disk(image: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(nib, "save", fill_the_disk)
    with pytest.raises(StudyError, match="No space left on device"):
        write_labels_like(tmp_path / "out.nii", np.zeros(SHAPE, np.uint8), like)
    assert (tmp_path / "out.nii").read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.nii", "out.nii"]


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd"])
def test_a_folder_that_is_not_there_is_a_study_error(tmp_path: Path, suffix: str) -> None:
    like = make(tmp_path / f"in{suffix}", numbers())
    with pytest.raises(StudyError, match="cannot be written"):
        write_labels_like(tmp_path / "none" / f"out{suffix}", numbers(dtype=np.uint8), like)


def test_labels_go_out_in_the_format_family_and_shape_they_came_in(tmp_path: Path) -> None:
    like = make(tmp_path / "in.nii", numbers())
    with pytest.raises(UsageError, match=r"wanted \.nii"):
        write_labels_like(tmp_path / "out.mha", numbers(dtype=np.uint8), like)
    with pytest.raises(GeometryError, match=r"wanted \(5, 6, 4\)"):
        write_labels_like(tmp_path / "out.nii", numbers((5, 6, 5), np.uint8), like)
    with pytest.raises(UsageError, match=r"wanted \.nrrd"):
        write_labels_like(tmp_path / "o.mha", numbers(dtype=np.uint8), make(tmp_path / "in.nrrd", numbers()))


def test_a_source_is_known_by_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.nii").write_bytes(b"abc")
    source = hash_file(tmp_path / "a.nii")
    assert source.sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert (source.path, source.size) == (tmp_path / "a.nii", 3)


def test_a_stem_is_the_name_without_any_part_of_the_suffix() -> None:
    names = {"a.nii.gz": "a", "a.b.nii": "a.b", "A.NRRD": "A", "a_0000.mha": "a_0000"}
    assert {name: stem_of(Path("x") / name) for name in names} == names
    with pytest.raises(FormatError, match="wanted one of"):
        stem_of(Path("a.gz"))


def test_all_formats_are_served_by_one_of_two_modules() -> None:
    assert set(files._FORMATS.values()) == {nifti, itk}
