import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from askance.errors import DataError, FormatError, SourceChanged, SourceMissing, StudyError
from askance.records import Case
from askance.volumes import normalisation
from askance.volumes.cache import SliceCache
from askance.volumes.files import hash_file, read_header
from askance.volumes.geometry import Grid, default_grid

GRID = Grid(2, (1.0, 1.0), (16, 24))


def case_of(name: str, paths: Sequence[Path]) -> Case:
    header = read_header(paths[0])
    rows = [tuple(float(value) for value in row) for row in header.affine]
    sources = tuple(hash_file(path) for path in paths)
    return Case(name, name, "learn", sources, None, header.shape, header.spacing_mm, tuple(rows))  # type: ignore[arg-type]


def a_case(
    folder: Path, name: str = "a", shape: tuple[int, ...] = (12, 20, 5), channels: int = 1, suffix: str = ".nii.gz"
) -> Case:
    rng = np.random.default_rng(len(name) + shape[0])
    paths = [folder / f"{name}_{channel:04}{suffix}" for channel in range(channels)]
    for channel, path in enumerate(paths):
        voxels = rng.normal(100 * (channel + 1), 10, shape).astype(np.int16)
        nib.save(nib.Nifti1Image(voxels, np.diag([1.0, 1.0, 6.0, 1.0])), path)
    return case_of(name, paths)


def naive(case: Case, channel: int, axis: int) -> np.ndarray:
    """Normalised planes (D, h, w) of a small volume, by the definition."""
    planes = np.moveaxis(nib.load(case.images[channel].path).get_fdata(), axis, 0)
    clipped = np.clip(planes, *np.percentile(planes, (0.5, 99.5)))
    return (clipped - clipped.min()) / clipped.std()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    return tmp_path


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_slices_are_normalised_on_the_grid_by_channel(folder: Path, axis: int, suffix: str) -> None:
    case = a_case(folder / "images", channels=2, suffix=suffix)
    spacings = [s for k, s in enumerate(case.spacing_mm) if k != axis]
    grid = Grid(axis, (spacings[0], spacings[1]), (32, 32))
    cache = SliceCache(folder / "cache", grid, 2)
    cache.build([case])
    planes = cache.case("a")
    assert planes.dtype == np.float16
    assert planes.shape == (case.shape[axis], 2, 32, 32)
    for channel in range(2):
        wanted = grid.images_to_grid(naive(case, channel, axis), (spacings[0], spacings[1]))
        np.testing.assert_allclose(planes[:, channel], wanted, atol=2e-3)


def test_images_come_in_the_order_asked_as_float32(folder: Path) -> None:
    cases = [a_case(folder / "images", "a"), a_case(folder / "images", "b.c", (10, 20, 4))]
    cache = SliceCache(folder / "cache", GRID, 1)
    cache.build(cases)
    images = cache.images(["b.c/2/3", "a/2/0", "b.c/2/3"])
    assert images.dtype == np.float32
    assert images.shape == (3, 1, 16, 24)
    np.testing.assert_array_equal(images[0], cache.case("b.c")[3])
    np.testing.assert_array_equal(images[1], cache.case("a")[0])
    np.testing.assert_array_equal(images[2], images[0])
    assert cache.images([]).shape == (0, 1, 16, 24)


def test_slices_come_in_their_context_the_nearest_first(folder: Path) -> None:
    cache = SliceCache(folder / "cache", GRID, 2, context=2)
    cache.build([a_case(folder / "images", channels=2)])
    planes = cache.case("a")
    middle, first = cache.images(["a/2/2", "a/2/0"])
    np.testing.assert_array_equal(middle, np.concatenate([planes[k] for k in (2, 1, 3, 0, 4)]))
    np.testing.assert_array_equal(first, np.concatenate([planes[k] for k in (0, 0, 1, 0, 2)]))
    np.testing.assert_array_equal(cache.images_of("a", [2, 0]), [middle, first])
    assert cache.images_of("a").shape == (5, 10, 16, 24)
    assert cache.images([]).shape == (0, 10, 16, 24)


def test_the_cache_cannot_be_written_through_its_maps(folder: Path) -> None:
    cache = SliceCache(folder / "cache", GRID, 1)
    cache.build([a_case(folder / "images")])
    with pytest.raises(ValueError, match="read-only"):
        cache.case("a")[0] = 0


def test_few_maps_stay_open(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("askance.volumes.cache._OPEN_MAPS", 2)
    cases = [a_case(folder / "images", name) for name in ("a", "b", "c")]
    cache = SliceCache(folder / "cache", GRID, 1)
    cache.build(cases)
    for name in ("a", "b", "a", "c"):
        cache.case(name)
    assert list(cache._maps) == ["a", "c"]


def test_building_twice_makes_nothing_anew_and_is_reported(folder: Path) -> None:
    cases = [a_case(folder / "images", name) for name in ("a", "b")]
    cache = SliceCache(folder / "cache", GRID, 1)
    cache.build(cases[:1])
    before = (folder / "cache" / "a.npy").stat().st_mtime_ns
    seen: list[tuple[int, int]] = []
    cache.build(cases, lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]
    assert (folder / "cache" / "a.npy").stat().st_mtime_ns == before
    assert sorted(p.name for p in (folder / "cache").iterdir()) == ["a.json", "a.npy", "b.json", "b.npy"]


def test_beyond_a_slice_all_is_as_dark_as_its_darkest(folder: Path) -> None:
    case = a_case(folder / "images", shape=(10, 12, 3))
    cache = SliceCache(folder / "cache", GRID, 1)
    cache.build([case])
    planes = cache.case("a").astype(np.float32)
    within = planes[..., 3:13, 6:18]
    assert within.min() == 0
    assert within.mean() > 1
    assert planes.sum() == pytest.approx(within.sum())


def test_another_grid_source_or_normalisation_makes_a_case_anew(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = a_case(folder / "images")
    SliceCache(folder / "cache", GRID, 1).build([case])
    key = (folder / "cache" / "a.json").read_text()
    other = SliceCache(folder / "cache", replace(GRID, spacing_mm=(1.0, 2.0)), 1)
    other.build([case])
    assert (folder / "cache" / "a.json").read_text() != key
    cache = SliceCache(folder / "cache", GRID, 1)
    cache.build([case])
    assert (folder / "cache" / "a.json").read_text() == key
    first = cache.images(["a/2/0"])
    changed = a_case(folder / "images", shape=(13, 20, 5))
    cache.build([changed])
    assert not np.array_equal(cache.images(["a/2/0"]), first)
    monkeypatch.setattr("askance.volumes.cache.VERSION", normalisation.VERSION + 1)
    assert not cache._fits(changed)


def test_a_moved_source_with_the_same_bytes_still_fits(folder: Path) -> None:
    case = a_case(folder / "images")
    cache = SliceCache(folder / "cache", GRID, 1)
    cache.build([case])
    (folder / "images").rename(folder / "moved")
    moved = tuple(replace(source, path=folder / "moved" / source.path.name) for source in case.images)
    before = (folder / "cache" / "a.npy").stat().st_mtime_ns
    cache.build([replace(case, images=moved)])
    assert (folder / "cache" / "a.npy").stat().st_mtime_ns == before


def test_a_missing_source_says_to_relocate(folder: Path) -> None:
    case = a_case(folder / "images")
    case.images[0].path.unlink()
    with pytest.raises(SourceMissing, match="askance relocate"):
        SliceCache(folder / "cache", GRID, 1).build([case])


@pytest.mark.parametrize("same_size", [True, False])
def test_a_changed_source_is_refused(folder: Path, same_size: bool) -> None:
    case = a_case(folder / "images", suffix=".nii")
    content = bytearray(case.images[0].path.read_bytes())
    content[-1] ^= 1
    case.images[0].path.write_bytes(content if same_size else content + b"x")
    with pytest.raises(SourceChanged, match=r"a_0000\.nii"):
        SliceCache(folder / "cache", GRID, 1).build([case])
    assert list((folder / "cache").iterdir()) == []


def test_an_image_that_cannot_be_normalised_leaves_nothing_behind(folder: Path) -> None:
    cache = SliceCache(folder / "cache", GRID, 1)
    cache.folder.mkdir()
    for value, match in ((5.0, "every voxel looked at is 5"), (np.nan, "NaN")):
        nib.save(nib.Nifti1Image(np.full((12, 20, 5), value, np.float32), np.eye(4)), folder / "images" / "a.nii")
        with pytest.raises(FormatError, match=match):
            cache.build([case_of("a", [folder / "images" / "a.nii"])])
        assert list((folder / "cache").iterdir()) == []


def test_a_single_nan_between_the_sampled_voxels_is_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    voxels = np.random.default_rng(0).normal(size=(12, 20, 5)).astype(np.float32)
    voxels[7, 11, 3] = np.nan
    nib.save(nib.Nifti1Image(voxels, np.eye(4)), folder / "images" / "a.nii")
    monkeypatch.setattr("askance.volumes.voxels.Stored.sample", lambda stored, axis: stored.block(axis, 0, 2))
    with pytest.raises(FormatError, match=r"\(7, 11, 3\)"):
        SliceCache(folder / "cache", GRID, 1).build([case_of("a", [folder / "images" / "a.nii"])])
    assert list((folder / "cache").iterdir()) == []


def test_a_volume_that_is_nearly_all_air_is_normalised_without_clipping(folder: Path) -> None:
    voxels = np.zeros((12, 20, 5), np.int16)
    voxels[5, 5, 2] = 1000
    nib.save(nib.Nifti1Image(voxels, np.eye(4)), folder / "images" / "a.nii")
    cache = SliceCache(folder / "cache", GRID, 1)
    cache.build([case_of("a", [folder / "images" / "a.nii"])])
    assert cache.case("a").max() > 10
    assert np.isfinite(cache.case("a")).all()


def test_a_case_with_too_few_channels_is_refused(folder: Path) -> None:
    with pytest.raises(DataError, match="found 1 image files, wanted 2"):
        SliceCache(folder / "cache", GRID, 2).build([a_case(folder / "images")])


def test_slices_that_are_not_in_the_cache_are_named(folder: Path) -> None:
    cache = SliceCache(folder / "cache", GRID, 1)
    cache.build([a_case(folder / "images")])
    for slice_id in ("a/2/5", "a/2/-1", "a/1/0"):
        with pytest.raises(StudyError, match=rf"{slice_id} is not .* wanted a/2/0 to a/2/4"):
            cache.images([slice_id])
    with pytest.raises(StudyError, match="case b is not in the cache"):
        cache.images(["b/2/0"])


def test_a_cache_of_another_grid_or_a_damaged_one_is_not_read(folder: Path) -> None:
    SliceCache(folder / "cache", GRID, 1).build([a_case(folder / "images")])
    with pytest.raises(StudyError, match="wanted"):
        SliceCache(folder / "cache", replace(GRID, size=(16, 16)), 1).case("a")
    path = folder / "cache" / "a.npy"
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(StudyError, match="damaged"):
        SliceCache(folder / "cache", GRID, 1).case("a")


def test_a_cache_folder_that_cannot_be_made_is_a_study_error(folder: Path) -> None:
    (folder / "cache").write_text("a file")
    with pytest.raises(StudyError, match="cannot be made"):
        SliceCache(folder / "cache", GRID, 1).build([a_case(folder / "images")])


def test_what_a_killed_build_left_is_cleared_and_what_another_process_builds_stays(folder: Path) -> None:
    cache, say_pid = SliceCache(folder / "cache", GRID, 1), "import os; print(os.getpid())"
    dead = subprocess.run([sys.executable, "-c", say_pid], capture_output=True, text=True, check=True).stdout.strip()
    cache.folder.mkdir()
    for pid in (dead, os.getpid(), os.getppid()):
        (cache.folder / f".partial-{pid}-2-a.npy").write_bytes(b"half")
    cache.build([a_case(folder / "images")])
    assert sorted(p.name for p in cache.folder.iterdir()) == [f".partial-{os.getppid()}-2-a.npy", "a.json", "a.npy"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_says_how_much_is_needed_and_keeps_what_is_finished(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = [a_case(folder / "images", name) for name in ("a", "b", "c")]
    cache = SliceCache(folder / "cache", Grid(2, (1.0, 1.0), (256, 256)), 1)
    cache.build(cases[:1])
    path_open = Path.open

    def open_full(path: Path, mode: str = "r", *args: object, **kwargs: object) -> object:
        return path_open(Path("/dev/full") if mode == "wb" else path, mode, *args, **kwargs)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", open_full)
    with pytest.raises(StudyError, match=r"disk is full: found \d+ MB free, wanted 1\.3 MB for the 2 cases"):
        cache.build(cases)
    assert sorted(p.name for p in cache.folder.iterdir()) == ["a.json", "a.npy"]


def test_real_volumes_are_cached_on_their_default_grid(tmp_path: Path) -> None:
    data = Path(os.environ.get("ASKANCE_DATA", Path(__file__).parents[3] / "shared" / "data"))
    if not (data / "Dataset027_ACDC").is_dir():
        assert os.environ.get("CI") != "true" or not data.parent.exists(), f"{data} has no ACDC"
        pytest.skip(f"no ACDC in {data}; set ASKANCE_DATA")
    paths = sorted((data / "Dataset027_ACDC" / "imagesTr").iterdir())
    grid = default_grid([read_header(path) for path in paths], axis=2)
    assert grid.spacing_mm == (1.5, 1.5)
    assert grid.size == (288, 320)
    cases = [case_of(path.name[: -len("_0000.nii.gz")], [path]) for path in paths[:4]]
    cache = SliceCache(tmp_path, Grid.from_config(grid), 1)
    cache.build(cases)
    for case in cases:
        planes = cache.case(case.id)
        assert planes.shape == (case.shape[2], 1, 288, 320)
        assert np.isfinite(planes).all()
        assert 0.3 < planes.astype(np.float32).std() < 1.2


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/status")
def test_two_gigabytes_are_cached_and_read_in_half_a_gigabyte(tmp_path: Path) -> None:
    if shutil.disk_usage(tmp_path).free < 6e9:
        pytest.skip(f"less than 6 GB free in {tmp_path}")
    recipe = Path(__file__).parents[2] / "benchmarks" / "large_study.py"
    out = tmp_path / "large.jsonl"
    subprocess.run([sys.executable, recipe, "--gb", "2", "--out", out, "--folder", tmp_path], check=True)
    line = json.loads(out.read_text())
    assert line["gb"] >= 2
    assert line["peak_mb"] < 500
