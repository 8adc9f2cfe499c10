"""What a failed access to storage means: worth another try or not, and how to mend it.

Messages are made from URLs and error types only: a server's own text may repeat credentials.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re

import aiohttp
import botocore.exceptions as boto
from botocore.parsers import ResponseParserError

from advent_dist.data.connection import s3_error_code
from advent_dist.errors import DataError, MissingError, UnavailableError

_CREDENTIALS = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.CredentialRetrievalError,
    boto.TokenRetrievalError,
)
_CONNECTION = (
    boto.ConnectionError,
    boto.HTTPClientError,
    aiohttp.ClientError,
    asyncio.TimeoutError,
    TimeoutError,
)
# 400: to a HEAD, whose answer has no body that could say more.
_EXPIRED = {
    "400",
    "ExpiredToken",
    "ExpiredTokenException",
    "RequestExpired",
    "TokenRefreshRequired",
}
_BROKEN_REQUEST = {"IncompleteBody", "BadDigest"}
"""Not all of it reached the server as it was sent; s3fs takes that for a mistake of the client."""

_BROKEN_ANSWER = (boto.IncompleteReadError, ResponseParserError)
# S3's answers to a malformed or forbidden request (s3fs maps them to these), and a local disk's.
_FINAL = {
    errno.EINVAL,
    errno.EPERM,
    errno.ENOSYS,
    errno.EISDIR,
    errno.ENOTDIR,
    errno.EEXIST,
    errno.ENOSPC,
    errno.EROFS,
    errno.ENAMETOOLONG,
}


def is_storage_error(error: Exception) -> bool:
    """Whether the error comes from storage at all, rather than from a mistake in a program."""
    return isinstance(
        error,
        (
            OSError,
            boto.BotoCoreError,
            ResponseParserError,
            aiohttp.ClientError,
            asyncio.TimeoutError,
        ),
    )


def is_transient(error: Exception) -> bool:
    """Whether the same request may succeed a moment later."""
    if is_expired(error) or s3_error_code(error) in _BROKEN_REQUEST:
        return True
    if isinstance(error, (FileNotFoundError, PermissionError)) or _is_untrusted(error):
        return False
    if isinstance(error, _CONNECTION + _BROKEN_ANSWER):
        return True
    return isinstance(error, OSError) and error.errno not in _FINAL


def is_missing_bucket(error: Exception) -> bool:
    """Whether the bucket itself is missing, and not just an object in it."""
    return s3_error_code(error) == "NoSuchBucket"


def is_expired(error: Exception) -> bool:
    """Whether the credentials were good until a moment ago: they may be renewed by now."""
    return s3_error_code(error) in _EXPIRED


def _is_untrusted(error: Exception) -> bool:
    """Whether the server's certificate was refused."""
    inner = error.kwargs["error"] if isinstance(error, boto.SSLError) else error
    return isinstance(inner, aiohttp.ClientConnectorCertificateError)


def translate(error: Exception, url: str, attempts: int) -> DataError:
    """What to raise instead: its message names the URL, what is wrong with it, and the fix."""
    kind = UnavailableError if is_transient(error) else DataError
    if isinstance(error, FileNotFoundError) and not is_missing_bucket(error):
        kind = MissingError
    return kind(_explain(error, url, attempts))


def _explain(error: Exception, url: str, attempts: int) -> str:
    if "://" not in url:
        return _explain_local(error, url)
    if not url.startswith("s3://"):
        return _explain_other(error, url, attempts)
    return _explain_s3(error, url, attempts)


def _explain_s3(error: Exception, url: str, attempts: int) -> str:
    bucket = url.removeprefix("s3://").split("/")[0]
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    endpoint = re.sub("//[^/]*@", "//***@", endpoint or "")
    at = f"at {endpoint} (AWS_ENDPOINT_URL)" if endpoint else "at AWS (AWS_ENDPOINT_URL is not set)"
    if isinstance(error, FileNotFoundError):
        if is_missing_bucket(error):
            return f"{url}: there is no bucket {bucket!r} {at}; create it or correct data.root"
        return f"{url}: there is no such object {at}; correct the URL, or make it first"
    if isinstance(error, _CREDENTIALS):
        return (
            f"{url}: no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or "
            f"AWS_PROFILE), or data.anonymous=True for a public bucket"
        )
    if is_expired(error):
        return (
            f"{url}: the credentials have expired {at}; renew them (a process that refreshes "
            f"AWS_SHARED_CREDENTIALS_FILE or an instance profile does so unasked) and resume"
        )
    if isinstance(error, PermissionError):
        return (
            f"{url}: access denied {at}; check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and the "
            f"bucket's policy"
        )
    if isinstance(error, boto.ParamValidationError):
        return f"{url}: {bucket!r} is not a bucket's name; correct data.root"
    if _is_untrusted(error):
        return (
            f"{url}: the certificate of the server {at} is signed by nobody known here, is for "
            f"another name or out of date; set AWS_CA_BUNDLE to the file of the authority's "
            f"certificate, or correct the address or the clock"
        )
    kind = type(error).__name__
    if isinstance(error, _CONNECTION):
        return (
            f"{url}: no connection {at} after {attempts} attempts ({kind}); check the endpoint and "
            f"the network, or raise data.attempts and data.timeout_s"
        )
    code = errno.errorcode.get(getattr(error, "errno", None) or 0, kind)
    return f"{url}: storage {at} answered with an error, {attempts} attempts ({kind}, {code})"


def _explain_other(error: Exception, url: str, attempts: int) -> str:
    scheme = url.split("://")[0]
    if isinstance(error, FileNotFoundError):
        return f"{url}: there is no such object; correct the URL, or make it first"
    if isinstance(error, PermissionError):
        return (
            f"{url}: access denied; check the credentials that the driver of {scheme}:// takes "
            "from its environment, and what they may do"
        )
    code = getattr(error, "errno", None)
    if code == errno.ENOSYS:
        return (
            f"{url}: the driver of {scheme}:// can't do this; give an s3:// URL or a local folder"
        )
    kind = type(error).__name__
    if isinstance(error, _CONNECTION):
        return (
            f"{url}: no connection after {attempts} attempts ({kind}); check the network, or raise "
            "data.attempts and data.timeout_s"
        )
    what = getattr(error, "strerror", None) or kind
    return f"{url}: storage answered with an error, {attempts} attempts ({what})"


def _explain_local(error: Exception, url: str) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{url}: there is no such file; correct the path, or make it first"
    if isinstance(error, PermissionError):
        return f"{url}: permission denied; check the owner and mode of the file and its folder"
    if isinstance(error, IsADirectoryError):
        return f"{url}: there is a folder of that name; give the path of a file"
    if isinstance(error, (FileExistsError, NotADirectoryError)):
        return f"{url}: there is a file in the place of its folder; give another path"
    return f"{url}: {type(error).__name__}: {getattr(error, 'strerror', None) or error}"
