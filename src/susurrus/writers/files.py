"""Text -> a file that appears whole or not at all."""

from __future__ import annotations

import os
import secrets


def save_text(text: str, path: str | os.PathLike[str]) -> None:
    """Write a file in UTF-8, with the platform's newlines, as OpenAI does; it appears whole or not at all.

    The text goes to a new file in the same folder that then takes the name; where anything fails the new file is
    removed and one that had the name before stays as it was. A symbolic link stays a link; what is no regular file
    (`/dev/stdout`, a pipe) is written in place.

    Raises: OSError, naming `path`, for a full disk, a folder that cannot be written to or is gone.
    """
    target = os.path.realpath(path)
    try:
        if os.path.exists(target) and not os.path.isfile(target):
            with open(target, "w", encoding="utf-8") as file:
                file.write(text)
        else:
            _replace_file(target, text)
    except OSError as error:
        # the caller knows nothing of the temporary name; the subclass follows from errno
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error


def _replace_file(target: str, text: str) -> None:
    # not tempfile: its files are the owner's alone, these follow the umask; a short name fits where the target's does
    temporary = os.path.join(os.path.dirname(target), f".susurrus-{secrets.token_hex(8)}")
    try:
        with open(temporary, "x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())  # some file systems say only here that the disk is full
        os.replace(temporary, target)
    except BaseException:
        if os.path.lexists(temporary):
            os.remove(temporary)
        raise
