"""Archives of workspaces: what goes in comes out, `tar` reads it, and nothing else gets through."""

from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalkit.types.workspace import ArchiveError, Entry, pack, unpack

PART = st.text("abc .-_é本", min_size=1, max_size=60).filter(lambda part: part not in {".", ".."})
FILE = st.builds(
    Entry,
    link=st.none(),
    folder=st.just(False),
    data=st.binary(max_size=1200),
    mode=st.integers(0, 0o777),
    mtime=st.integers(0, 4_000_000_000),
)
NAME = st.lists(PART, min_size=1, max_size=4).map("/".join)


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.dictionaries(NAME, FILE, max_size=4))
def test_files_come_out_as_they_went_in_and_tar_reads_them(entries: dict[str, Entry]) -> None:
    archive = pack(entries)
    assert unpack(archive) == entries
    with tarfile.open(fileobj=io.BytesIO(archive), encoding="utf-8") as theirs:
        names = theirs.getnames()
        assert sorted(names) == sorted(entries)


def made(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", data: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as file:
        info = tarfile.TarInfo(name)
        info.type, info.linkname, info.size = kind, link, len(data)
        file.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def test_archives_of_others_are_read() -> None:
    assert unpack(made("a/b" * 60, data=b"x"))["a/b" * 60].data == b"x"
    assert unpack(made("folder/", tarfile.DIRTYPE))["folder"].folder
    assert unpack(made("a/link", tarfile.SYMTYPE, "../b"))["a/link"].link == "../b"


@pytest.mark.parametrize(
    "archive",
    [
        made("../evil"),
        made("/etc/passwd"),
        made("a/../../b"),
        made("a//b"),
        made("link", tarfile.SYMTYPE, "/etc/passwd"),
        made("a/link", tarfile.SYMTYPE, "../../b"),
        made("hard", tarfile.LNKTYPE, "other"),
        made("device", tarfile.CHRTYPE),
        made("pipe", tarfile.FIFOTYPE),
        made("cut", data=b"x" * 2000)[:1024],
        b"no archive at all" * 100,
        made("x")[:100],
        made("x")[:512],
        made("x").replace(b"ustar", b"uztar"),
    ],
)
def test_everything_else_is_refused(archive: bytes) -> None:
    with pytest.raises(ArchiveError):
        unpack(archive)


def test_bounds_hold() -> None:
    archive = pack({str(n): b"x" * 100 for n in range(50)})
    with pytest.raises(ArchiveError, match="larger"):
        unpack(archive, max_bytes=4999)
    with pytest.raises(ArchiveError, match="larger"):
        unpack(archive, max_entries=10)
    claims = bytearray(made("x", data=b"y"))
    claims[124:136] = b"77777777777\0"
    claims[148:156] = b"%06o\0 " % (sum(claims[:148]) + 8 * 32 + sum(claims[156:512]))
    with pytest.raises(ArchiveError, match="larger"):
        unpack(bytes(claims))


def test_packing_refuses_what_unpacking_would() -> None:
    for entries in (
        {"../a": b""},
        {"/a": b""},
        {"l": Entry(link="/etc")},
        {"l": Entry(link="..")},
        {"": b""},
    ):
        with pytest.raises(ArchiveError):
            pack(entries)
