"""Opening HDF5 files that nobody vouches for.

A file of a few kilobytes can read other files (external storage, external and soft links, virtual data sets), load code
(filter plugins), claim terabytes, or hold a small chunk that inflates to gigabytes. So a file is examined before a byte of
its data is read. Everything that is refused or damaged raises `EpisodeError` with a code of `FILE_FAULTS`.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5a, h5d, h5f, h5g, h5l, h5o, h5p, h5pl, h5t

from mvla_core.episodes.hdf5_faults import LIBRARY_ERRORS, check_signature, library, unsafe
from mvla_core.episodes.safe_dataset import SafeDataset

MAX_ATTRIBUTE_BYTES = 64 * 1024
MAX_OBJECTS = 1000

_PLAIN_ATTRIBUTES = (h5t.STRING, h5t.INTEGER, h5t.FLOAT, h5t.ENUM)

# Filter plugins are native code that the library would search for while it merely looks at a file.
while h5pl.size():
    h5pl.remove(0)


class SafeFile:
    """An HDF5 file opened for reading that has been shown not to reach outside itself.

    The file is opened without a lock, so that browsing never keeps a recorder from writing.
    """

    def __init__(self, path: Path) -> None:
        """Open and examine.

        Raises:
            EpisodeError: The file is not HDF5, damaged, or unsafe.
        """
        self.path = path
        self.status = check_signature(path)
        access = h5p.create(h5p.FILE_ACCESS)
        access.set_file_locking(False, True)
        access.set_fclose_degree(h5f.CLOSE_STRONG)
        with library(path, "opening it"):
            self._file = h5f.open(os.fsencode(path), h5f.ACC_RDONLY, access)
        try:
            self._examine()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        with contextlib.suppress(*LIBRARY_ERRORS):  # A damaged file may fail here again; it has been reported already.
            self._file.close()

    def _examine(self) -> None:
        """Walk every object once; refuse links that are not hard and data that lies in other files."""
        with library(self.path, "listing its contents"):
            seen: set[int] = set()
            waiting = [h5o.open(self._file, b"/")]
            while waiting:
                group = waiting.pop()
                if group.get_num_objs() > MAX_OBJECTS:
                    raise unsafe(self.path, f"it holds more than {MAX_OBJECTS:,} objects")
                for name in group:
                    shown = name.decode("utf-8", "replace")[:60]
                    if group.links.get_info(name).type != h5l.TYPE_HARD:
                        raise unsafe(self.path, f"{shown!r} is a link to another place or file")
                    member = h5o.open(group, name)
                    address = h5o.get_info(member).addr
                    if address in seen:
                        continue
                    seen.add(address)
                    if len(seen) > MAX_OBJECTS:
                        raise unsafe(self.path, f"it holds more than {MAX_OBJECTS:,} objects")
                    if isinstance(member, h5g.GroupID):
                        waiting.append(member)
                    elif isinstance(member, h5d.DatasetID):
                        self._examine_storage(member, shown)

    def _examine_storage(self, dataset: Any, name: str) -> None:
        plist = dataset.get_create_plist()
        if plist.get_layout() == h5d.VIRTUAL:
            raise unsafe(self.path, f"{name!r} is a virtual data set, which reads other files")
        if plist.get_layout() not in (h5d.COMPACT, h5d.CONTIGUOUS, h5d.CHUNKED):
            raise unsafe(self.path, f"{name!r} is stored in an unknown way")
        if plist.get_layout() == h5d.CONTIGUOUS and plist.get_external_count() > 0:
            raise unsafe(self.path, f"{name!r} keeps its data in another file")

    def dataset(self, key: str) -> SafeDataset | None:
        """Return the data set at "images" or "observations/images", or None where there is none."""
        with library(self.path, f"opening {key}"):
            place = h5o.open(self._file, b"/")
            for part in key.encode().split(b"/"):
                if not isinstance(place, h5g.GroupID) or part not in place:
                    return None
                place = h5o.open(place, part)
        return SafeDataset(self.path, self.status.st_size, key, place) if isinstance(place, h5d.DatasetID) else None

    def attributes(self, names: tuple[str, ...]) -> dict[str, Any]:
        """Return those attributes of the file that it has, as text, numbers, truth values or lists of them.

        Raises:
            EpisodeError: "unsafe" for references, compounds and overlong values.
        """
        found: dict[str, Any] = {}
        with library(self.path, "reading its attributes"):
            root = h5o.open(self._file, b"/")
            high_level = h5py.AttributeManager(h5py.Group(root))
            for name in names:
                if not h5a.exists(root, name.encode()):
                    continue
                attribute = h5a.open(root, name.encode())
                count = attribute.get_space().get_simple_extent_npoints()
                if attribute.get_type().get_class() not in _PLAIN_ATTRIBUTES:
                    raise unsafe(self.path, f"the attribute {name!r} is neither text nor a number")
                if count > 16 or attribute.get_storage_size() > MAX_ATTRIBUTE_BYTES:
                    raise unsafe(self.path, f"the attribute {name!r} is too long")
                if count == 1 or (count and len(attribute.shape) == 1):
                    found[name] = _plain(high_level[name])
                if len(str(found.get(name, ""))) > MAX_ATTRIBUTE_BYTES:
                    raise unsafe(self.path, f"the attribute {name!r} is too long")
        return found


def _plain(value: Any) -> Any:
    """An attribute as h5py gives it, in Python's own types; ValueError where text is not UTF-8."""
    if isinstance(value, np.ndarray):
        items = [_plain(item) for item in value.tolist()]
        return items[0] if value.ndim == 0 else items
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, str):
        return value.encode().decode()  # h5py lets bytes that are not UTF-8 pass as lone surrogates.
    return value.item() if isinstance(value, np.generic) else value
