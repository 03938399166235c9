"""Uploads to the Hugging Face hub with `huggingface_hub`, which is imported only here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from warmstart.errors import (
    DownloadError,
    OfflineError,
    SourceError,
    UsageError,
    first_line,
    require,
)
from warmstart.hub.home import hub_endpoint, hub_token, offline_reason

_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[\w.-]{1,96}", re.ASCII)
WRITE_TOKEN = "a token with the scope `write`"


def check_name(name: str) -> str:
    """The name of a repository, without `hf://`.

    Raises:
        UsageError: it is not ORG/NAME.
    """
    plain = name.removeprefix("hf://")
    if not _NAME.fullmatch(plain) or "--" in plain or ".." in plain:
        raise UsageError(
            f"The name of a repository is ORG/NAME, such as my-name/flowers, not {name!r}."
        )
    return plain


def upload_folder(
    folder: Path, name: str, *, private: bool | None = None, message: str = "Upload with warmstart"
) -> str:
    """Create a repository from a folder, or add a commit to an existing one; files that the folder
    does not have are deleted.

    Args:
        folder: all its files are uploaded.
        name: `"org/name"`.
        private: whether a new repository is private; default: the setting of the account.
        message: of the commit.

    Returns:
        The address of the repository.

    Raises:
        UsageError: the name is not one of a repository, or there is no token.
        OfflineError: going online is forbidden.
        SourceError: the hub refuses the upload; the message names the missing scope or name.
        DownloadError: the hub cannot be reached.
        MissingPackageError: `huggingface_hub` is not installed.
    """
    name = check_name(name)
    if reason := offline_reason():
        raise OfflineError(f"{name} cannot be uploaded: {reason} forbids going online.")
    token = hub_token()
    if token is None:
        raise UsageError(
            f"Uploading to {name} needs {WRITE_TOKEN}: run `hf auth login`, or set HF_TOKEN."
        )
    require("huggingface_hub", extra="hub", purpose="to upload to the hub")
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    api = HfApi(endpoint=hub_endpoint(), token=token, library_name="warmstart")
    try:
        api.create_repo(name, private=private, exist_ok=True)
        api.upload_folder(
            repo_id=name, folder_path=folder, commit_message=message, delete_patterns="*"
        )
    except HfHubHTTPError as error:
        raise _refused(error, name) from error
    except (OSError, ValueError, RuntimeError) as error:
        raise _upload_error(error, name) from error
    except Exception as error:  # of its HTTP client, which differs between versions
        if "http" not in type(error).__module__:
            raise
        raise _upload_error(error, name) from error
    return f"{hub_endpoint()}/{name}"


def _upload_error(error: Exception, name: str) -> DownloadError:
    reason = first_line(error).rstrip(".")
    return DownloadError(f"{name} cannot be uploaded to {hub_endpoint()}: {reason}.")


def _refused(error: Any, name: str) -> SourceError:
    """The error for an HTTP status of the hub, with advice."""
    status = getattr(getattr(error, "response", None), "status_code", 0)
    owner = name.partition("/")[0]
    detail = str(getattr(error, "server_message", "") or "").strip().rstrip(".")
    reasons = {
        401: f"the token is not valid; use {WRITE_TOKEN} from {hub_endpoint()}/settings/tokens",
        403: f"the token may not write to {owner!r}; use {WRITE_TOKEN} for {owner!r}, or your own name",
        404: f"there is no user or organisation {owner!r}, or the token does not see it",
        409: "another upload is in progress; try again later",
    }
    reason = reasons.get(status, f"the hub responds {status or 'with an error'}")
    return SourceError(
        f"{name} cannot be uploaded: {reason}{f' ({detail[:200]})' if detail else ''}."
    )
