"""The datastore: images and labels of the study's cases, and labels that come back from Slicer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, HTTPException, Query, Response, UploadFile

from askance.errors import AnswerError
from askance.records import Case
from askance.server.monai.client import PREFIX, Client, TheClient
from askance.server.monai.new_cases import add_image
from askance.server.monai.routes_info import stats
from askance.server.monai.sending import as_file, bare_image, image_response, label_file, suffix_of
from askance.server.monai.uploads import NIFTI_OR_NRRD, label_limit, read_label, unpacked
from askance.server.monai.volumes import Wanted, annotated, has_labels, proposed, renumbered, take_answers

router = APIRouter(prefix=PREFIX + "/datastore", tags=["MONAI Label"])
_KEPT = "what is labelled is never deleted; a new version takes its place"
_NOTE = "label info"
_TAGS = {"final": annotated, "original": proposed}

CaseName = Annotated[str, Query(min_length=1, max_length=300)]
Tag = Annotated[str, Query(max_length=100)]


@router.get("/")
def datastore(client: TheClient, output: str = "stats") -> Any:
    """Figures, pairs for training, or everything by name."""
    if output == "stats":
        return stats(client)
    cases = client.store.cases("learn")
    labelled = client.store.desk.cases_with_labels()
    if output == "train":
        return [{"image": case.id, "label": case.id} for case in cases if case.id in labelled]
    noted = client.store.desk.newest_notes(_NOTE)
    objects = {case.id: _described(case, case.id in labelled, noted) for case in cases}
    return {"name": client.store.config.name, "description": "", "images_dir": "", "labels_dir": "", "objects": objects}


@router.put("/")
@router.put("/image")
def put_image(
    client: TheClient, file: Annotated[UploadFile, File()], image: Annotated[str, Query(max_length=200)] = ""
) -> dict[str, Any]:
    """A new case of learn; only its voxels and geometry are kept."""
    client.require("admin")
    case_id = add_image(client.store, file, image)
    client.store.desk.note(client.user.name, "image from Slicer", detail={"case": case_id})
    return {"image": case_id}


@router.get("/image")
def get_image(client: TheClient, image: CaseName) -> Response:
    """The image, without the texts of its header."""
    return image_response(client.store, client.case(image))


@router.head("/image")
def has_image(
    client: TheClient, image: CaseName, check_sum: Annotated[str | None, Query(max_length=200)] = None
) -> Response:
    """200 where the image is there, and has this checksum."""
    path = bare_image(client.store, client.case(image))
    if check_sum and check_sum.removeprefix("SHA256:") != hashlib.sha256(path.read_bytes()).hexdigest():
        raise HTTPException(404, "another checksum")
    return Response("{}", media_type="application/json")


@router.get("/label")
def get_label(client: TheClient, label: CaseName, tag: Tag = "final") -> Response:
    """A case's labels: ``final`` are people's, ``original`` the model's proposals where nobody labelled."""
    case = client.case(label)
    if tag not in _TAGS or (tag == "final" and not has_labels(client, case)):
        raise HTTPException(404, "there is no such label")
    return as_file(*label_file(client.store, case, _TAGS[tag](client, case)))


@router.head("/label")
def has_label(client: TheClient, image: CaseName, tag: Tag = "final") -> Response:
    """200 where there is such a label."""
    if tag not in _TAGS or not has_labels(client, client.case(image)):
        raise HTTPException(404, "there is no such label")
    return Response("{}", media_type="application/json")


@router.put("/label")
def put_label(
    client: TheClient,
    image: CaseName,
    label: Annotated[UploadFile, File()],
    params: Annotated[str, Form(max_length=100_000)] = "{}",
    tag: Tag = "final",
) -> dict[str, Any]:
    """A label from Slicer, as NIfTI or NRRD: answers for the slices of this case that were asked and drawn on.

    Where ``slices`` in ``params`` is ``all``, for all that were drawn on; where ``accept_unchanged`` is true, for those as
    well that hold what was shown. Versions are the study's to number: a label under another tag than ``final`` is refused.
    """
    if tag not in ("", "final"):
        raise AnswerError(
            f"a label cannot be kept as {tag[:80]!r}: the study numbers its versions itself; send it as 'final'"
        )
    case, said = client.case(image), params_of(params)
    with unpacked(label, label_limit(case), NIFTI_OR_NRRD) as path:
        volume = read_label(path, case, 256).array
    config = client.store.config
    volume = renumbered(volume, said.get("label_info"), config.classes)
    wanted = Wanted(everything=said.get("slices") == "all", unchanged=said.get("accept_unchanged") is True)
    taken = take_answers(client, case, volume, wanted)
    client.store.desk.note(
        client.user.name, "label from Slicer", detail={"case": case.id, "slices": taken.slices, "tag": tag[:100]}
    )
    return {"image": case.id, "label": case.id, "slices": taken.slices, "left_out": taken.left_out}


@router.delete("/image")
@router.delete("/label")
def delete(client: TheClient) -> None:
    """Refused."""
    del client
    raise HTTPException(403, _KEPT)


@router.get("/image/info")
def image_info(client: TheClient, image: CaseName) -> dict[str, Any]:
    """Where the case stands, slice by slice."""
    case = client.case(image)
    standing = client.store.desk.standing(case.id)
    return {"slices": {str(index): one.state for index, one in sorted(standing.items())}, "spacing_mm": case.spacing_mm}


@router.get("/label/info")
def label_info(client: TheClient, label: CaseName, tag: Tag = "final") -> dict[str, Any]:
    """What a reviewer noted last."""
    return client.store.desk.newest_notes(_NOTE).get((client.case(label).id, tag), {})


@router.put("/image/info")
@router.put("/label/info")
def put_info(
    client: TheClient,
    info: Annotated[str, Form(max_length=100_000)],
    image: Annotated[str | None, Query(max_length=300)] = None,
    label: Annotated[str | None, Query(max_length=300)] = None,
    tag: Tag = "final",
) -> dict[str, Any]:
    """Keep what was noted of an image or a label."""
    return _note(client, client.case(image or label or "").id, tag, params_of(info))


@router.put("/updatelabelinfo")
def update_label_info(
    client: TheClient, label: CaseName, params: Annotated[str, Form(max_length=100_000)], tag: Tag = "final"
) -> dict[str, Any]:
    """Keep what the Reviewer says of a label."""
    return _note(client, client.case(label).id, tag, params_of(params))


def params_of(text: str) -> dict[str, Any]:
    """A JSON object, of numbers and texts that can be sent back: no NaN, no half of a character.

    Raises:
        AnswerError: it is none.
    """
    try:
        said = json.loads(text or "{}")
        json.dumps(said, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise AnswerError("params are no JSON") from None
    if not isinstance(said, dict):
        raise AnswerError("params are no JSON object")
    return said


def _note(client: Client, case_id: str, tag: str, said: dict[str, Any]) -> dict[str, Any]:
    client.store.desk.note(client.user.name, _NOTE, detail={"case": case_id, "tag": tag, "info": said})
    return said


def _described(case: Case, labelled: bool, noted: Mapping[tuple[str, str], dict[str, Any]]) -> dict[str, Any]:
    suffix = suffix_of(case.images[0].path)
    ends = ".nii.gz" if suffix == ".nii" else suffix
    labels = {"final": {"ext": ends, "info": noted.get((case.id, "final"), {})}} if labelled else {}
    return {"image": {"ext": suffix, "info": {}}, "labels": labels}
