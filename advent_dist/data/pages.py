"""What lies in a folder on S3: pages of a thousand names, each of which is tried by itself."""

from __future__ import annotations

from functools import partial
from typing import Any

from advent_dist.data.upload import Attempt


class Pages:
    """Stands in for s3fs where files are listed, and tries each page again, not the whole list.

    Args:
        attempt: Tries requests for the folder that is listed.
    """

    protocol = ("s3", "s3a")

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt

    def find(self, path: str, detail: bool) -> dict[str, Any]:
        """What S3 says of all that is below a folder, by full path, or of the file in its place.

        Raises:
            DataError: it can't be reached, or its bucket is missing.
        """
        assert detail
        return {one["name"]: one for one in self._below("") or self._attempt(_itself)}

    def ls(self, path: str, detail: bool) -> list[dict[str, Any]]:
        """The same of what is in a folder itself; folders there have the `type` directory."""
        assert detail
        return self._below("/") or self._attempt(_itself)

    def keys(self) -> list[str]:
        """The keys of all objects below, those that stand for empty folders too."""
        return [one["name"].partition("/")[2] for one in self._below("")]

    def _below(self, delimiter: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        token = None
        while True:
            page = self._attempt(partial(_page, delimiter=delimiter, token=token))
            found += page["found"]
            token = page["token"]
            if token is None:
                return found


def _page(files: Any, path: str, delimiter: str, token: str | None) -> dict[str, Any]:
    bucket, key, _ = files.split_path(path)
    answer = files.call_s3(
        "list_objects_v2",
        Bucket=bucket,
        Prefix=f"{key.rstrip('/')}/" if key else "",
        Delimiter=delimiter,
        **({} if token is None else {"ContinuationToken": token}),
    )
    objects = [
        {
            "name": f"{bucket}/{one['Key']}",
            "type": "file",
            "size": one["Size"],
            "ETag": one.get("ETag"),
            "LastModified": one.get("LastModified"),
        }
        for one in answer.get("Contents", [])
    ]
    folders = [
        {"name": f"{bucket}/{one['Prefix'].rstrip('/')}", "type": "directory", "size": 0}
        for one in answer.get("CommonPrefixes", [])
    ]
    return {"found": objects + folders, "token": answer.get("NextContinuationToken")}


def _itself(files: Any, path: str) -> list[dict[str, Any]]:
    if not files.split_path(path)[1]:
        return []
    try:
        told: dict[str, Any] = files.info(path)
    except FileNotFoundError:
        return []
    return [told] if told["type"] == "file" else []
