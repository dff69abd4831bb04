"""Signs that a file ends before its sound does, where FFmpeg's demuxers take its end for the sound's without a word.

Takes a file that can seek; gives how much its own bytes promise and do not hold. Only signs that whole files never
show count, so nothing is said of an mp3 without a header of its length, or of a live WebM, which end anywhere.
"""

from __future__ import annotations

import os
import struct
from typing import IO


def missing_bytes(file: IO[bytes]) -> int:
    """Give how many bytes are promised but not there, as far as that can be told; 0 for a file that seems whole.

    The file is left at its start.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(12)
    missing = 0
    if head[:4] == b"RIFF" and head[8:] == b"WAVE":
        missing = _chunks(file, size, "<4sI", b"data")
    elif head[:4] == b"FORM" and head[8:] in (b"AIFF", b"AIFC"):
        missing = _chunks(file, size, ">4sI", b"SSND")
    elif head[:4] == b"OggS":
        missing = _last_page(file, size)
    elif head[:4] == b"\x1aE\xdf\xa3":
        missing = _elements(file, size)
    elif head[:3] == b"ID3" or (head[:1] == b"\xff" and head[1:2] >= b"\xe0"):
        missing = _mp3(file, size)
    file.seek(0)
    return max(missing, 0)


def _chunks(file: IO[bytes], size: int, layout: str, sound: bytes) -> int:
    """Look at the chunk that holds the sound of a wave or AIFF file.

    Sizes near 2 or 4 GiB are what recorders write that do not know the end yet.
    Source: Microsoft, Multimedia Programming Interface and Data Specifications 1.0, RIFF; Apple, AIFF-C.
    """
    while len(header := file.read(8)) == 8:
        kind, n_bytes = struct.unpack(layout, header)
        if kind == sound:
            return file.tell() + n_bytes - size if n_bytes < 0x7FFF0000 else 0
        file.seek(n_bytes + n_bytes % 2, os.SEEK_CUR)
    return 0


def _last_page(file: IO[bytes], size: int) -> int:
    """Look at the last Ogg page: its header counts its bytes. Source: RFC 3533, section 6."""
    start = file.seek(max(size - 65307, 0))  # the largest page there can be
    tail = file.read()
    at = tail.rfind(b"OggS\0")
    if at < 0:
        return 0
    page = tail[at:]
    if len(page) < 27 or len(page) < 27 + page[26]:
        return 1
    return start + at + 27 + page[26] + sum(page[27 : 27 + page[26]]) - size


def _elements(file: IO[bytes], size: int) -> int:
    """Walk the outer elements of a Matroska or WebM file, as far as they say their size.

    Source: RFC 8794, sections 4 to 6.
    """
    position = 0
    while position < size:
        file.seek(position)
        head = file.read(12)
        n_id = 9 - head[0].bit_length()
        n_size = 9 - head[n_id].bit_length() if n_id < len(head) else 9
        # Outer elements have ids of four bytes, or are Void or CRC-32; anything else was put behind the end.
        if (n_id != 4 and head[:1] not in (b"\xec", b"\xbf")) or n_size > 8 or len(head) < n_id + n_size:
            return 0
        n_bytes = int.from_bytes(head[n_id : n_id + n_size], "big") - (1 << 7 * n_size)
        position += n_id + n_size
        if n_bytes < (1 << 7 * n_size) - 1:
            position += n_bytes
        elif head[:n_id] != b"\x18\x53\x80\x67":  # in a Segment of unknown size the Clusters may know theirs
            return 0
    return position - size


def _mp3(file: IO[bytes], size: int) -> int:
    """Look at the frame that LAME, ffmpeg and others put first: it counts the bytes.

    Source: Xing, VBR header SDK; LAME, VbrTag.c. Some count their tags too: up to 4 KiB are not missed.
    """
    file.seek(0)
    head = file.read(10)
    start = 0
    if head[:3] == b"ID3":
        # Four times seven bits. Source: id3.org, ID3v2.4.0, section 3.1.
        start = 10 + sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=False))
    file.seek(start)
    frame = file.read(64)
    at = max(frame.find(b"Xing"), frame.find(b"Info"))
    if frame[:1] != b"\xff" or at < 0 or len(frame) < at + 16:
        return 0
    flags, _, n_bytes = struct.unpack(">3I", frame[at + 4 : at + 16])
    missing: int = start + n_bytes - size
    return missing if flags & 3 == 3 and missing > 4096 else 0
