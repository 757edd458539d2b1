"""What the page brings along from others comes with their licences, in whole."""

import os

import pytest

from askance.server.page import ASSETS

HELD = (
    "Copyright (c) 2021, Niivue",
    "gl-matrix",
    "nifti-reader-js",
    "numcodecs",
    "zarrita",
    "fflate",
    "Blosc",
    "LZ4",
    "Zstandard",
)


def test_the_licence_of_all_that_is_in_niivues_module_lies_beside_it() -> None:
    path = ASSETS / "vendor" / "LICENSES.txt"
    if not path.exists() and os.environ.get("CI") != "true":
        pytest.skip("the page is not built: make web")
    text = path.read_text()
    assert [name for name in HELD if name not in text] == []
    whole = text.split("-" * 80)[0]
    assert "BSD 2-Clause License" in whole
    assert "Redistributions in binary form must reproduce the above copyright notice" in whole
    assert whole.rstrip().endswith("EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.")
