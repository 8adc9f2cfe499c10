"""Deletion of all that lies in a folder on S3."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from botocore.exceptions import ClientError
from s3fs.errors import translate_boto_error

from advent_dist.data.pages import Pages
from advent_dist.data.upload import Attempt
from advent_dist.errors import DataError

_MOST_KEYS = 1000


def delete_all(attempt: Attempt, inside: str, ours: Callable[[str], bool] | None) -> None:
    """Delete every object in a folder, and what unfinished uploads have left there.

    Args:
        attempt: Tries requests for the folder.
        inside: Its key.
        ours: Whether a path in the folder is to be deleted; none deletes all.

    Raises:
        DataError: something can't be deleted.
    """
    found = Pages(attempt).keys()
    keys = [key for key in found if not ours or ours(key.removeprefix(f"{inside}/"))]
    for first in range(0, len(keys), _MOST_KEYS):
        attempt(partial(_delete, keys=keys[first : first + _MOST_KEYS]))
    # Not everybody may look for them; and they are in nobody's way.
    with suppress(DataError):
        attempt(_abort_uploads, 1)


def _delete(files: Any, path: str, keys: list[str]) -> None:
    bucket, _, _ = files.split_path(path)
    objects = [{"Key": key} for key in keys]
    answer = files.call_s3(
        "delete_objects", Bucket=bucket, Delete={"Objects": objects, "Quiet": True}
    )
    # Of an answer that is fine otherwise: s3fs does not look there.
    for error in answer.get("Errors", []):
        if error.get("Code") != "NoSuchKey":
            raise translate_boto_error(ClientError({"Error": error}, "DeleteObjects"))


def _abort_uploads(files: Any, path: str) -> None:
    bucket, key, _ = files.split_path(path)
    found = files.call_s3("list_multipart_uploads", Bucket=bucket, Prefix=f"{key}/")
    for one in found.get("Uploads", []):
        with suppress(FileNotFoundError):  # it has ended meanwhile
            files.call_s3(
                "abort_multipart_upload", Bucket=bucket, Key=one["Key"], UploadId=one["UploadId"]
            )
