"""An image that a client sends becomes a case of learn, kept in the study's own folder without its header's texts."""

from __future__ import annotations

from fastapi import HTTPException, UploadFile

from askance.errors import AnswerError, DataError, StudyError
from askance.records import Affine, Case
from askance.server.monai.uploads import MAX_IMAGE, unpacked
from askance.store.cases import check_name
from askance.store.store import Store
from askance.volumes.files import check_image, copy_bare, hash_file, read_header


def add_image(store: Store, upload: UploadFile, name: str) -> str:
    """The id of the new case: ``name``, or the upload's base name.

    Raises:
        AnswerError: a name that cannot be used, no volume, or a study of several channels.
        HTTPException: 409: there is such a case already.
    """
    if len(store.config.channels) != 1:
        raise AnswerError("images can be sent to studies of one channel only; use `askance add`")
    case_id = name or _stem(upload.filename or "")
    try:
        check_name(case_id, "image")
    except StudyError:
        raise AnswerError("the image has a name that cannot be used; wanted letters, digits, - and _") from None
    if any(case.id == case_id for case in store.cases()):
        raise HTTPException(409, f"image {case_id!r} is in the study already")
    with unpacked(upload, MAX_IMAGE) as path:
        target = store.folder.absolute() / "uploads" / f"{case_id}.nii"
        try:
            check_image(path)
            target.parent.mkdir(exist_ok=True)
            copy_bare(path, target)
        except DataError:
            raise AnswerError("the image is damaged, empty, or no volume") from None
    header = read_header(target)
    affine: Affine = tuple((float(a), float(b), float(c), float(d)) for a, b, c, d in header.affine)
    case = Case(case_id, case_id, "learn", (hash_file(target),), None, header.shape, header.spacing_mm, affine)
    store.add_cases([case])
    return case_id


def _stem(filename: str) -> str:
    base = filename.replace("\\", "/").rsplit("/", 1)[-1]
    return base.removesuffix(".gz").removesuffix(".nii")
