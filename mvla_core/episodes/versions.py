"""Looking at older versions of a data set: what one holds, what differs between two, and going back to one.

Going back is a step of the curation like any other, and can be undone. Recordings are not part of it: the program never changed
them, so what is missing or different since is only told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mvla_core.episodes.annotations import replace_all
from mvla_core.episodes.dataset import DatasetRef
from mvla_core.episodes.notes import Annotations, EpisodeNote
from mvla_core.episodes.snapshots import DataState, list_snapshots, read_content, state_of_now
from mvla_core.errors import MvlaError, UserInputError
from mvla_core.layout import DataRoot
from mvla_core.progress import SILENT, Progress


@dataclass(frozen=True)
class VersionContent:
    """What a version holds.

    Attributes:
        name: "v3", or "now".
        digests: SHA-256 of the file of each episode that counts, by episode id.
        annotations: All that was said then.
    """

    name: str
    digests: Mapping[str, str]
    annotations: Annotations


@dataclass(frozen=True)
class VersionDifference:
    """What became different from one version to another: episode ids for each kind, sorted. False where nothing did."""

    new: tuple[str, ...] = ()
    """Recordings that were not there before."""
    gone: tuple[str, ...] = ()
    """Recordings that are not there any more."""
    rewritten: tuple[str, ...] = ()
    """Recordings whose bytes differ."""
    excluded: tuple[str, ...] = ()
    included: tuple[str, ...] = ()
    """Excluded before, and not any more."""
    trimmed: tuple[str, ...] = ()
    """Other frames are kept."""
    relabelled: tuple[str, ...] = ()
    said: tuple[str, ...] = ()
    """Tags, notes, ratings or reasons differ; training does not see them."""
    color_order: tuple[str, ...] = ()
    """Before and after, where the order of colours differs."""

    def __bool__(self) -> bool:
        return any(vars(self).values())

    def to_json(self) -> dict[str, Any]:
        return {kind: list(names) for kind, names in vars(self).items() if names}


def load_version(root: DataRoot, ref: DatasetRef, number: int) -> VersionContent:
    """Read a version.

    Raises:
        UserInputError: There is no such version; the message tells those there are.
        MvlaError: Its file is damaged.
    """
    known = [snapshot.number for snapshot in list_snapshots(root, ref)]
    if number not in known:
        there = f"there are {', '.join(f'v{one}' for one in known)}" if known else "none was taken yet"
        raise UserInputError(f"The data set {ref.name} has no version v{number}: {there}.")
    value = read_content(root, ref, number)
    try:
        digests = {str(row["episode_id"]): str(row["sha256"]) for row in value["episodes"]}
        annotations = Annotations.from_json(value["annotations"])
    except (KeyError, TypeError, ValueError, AttributeError, UserInputError) as error:
        raise MvlaError(
            f"The version v{number} of {ref.name} is damaged ({error}); restore it or take another."
        ) from error
    return VersionContent(f"v{number}", digests, annotations)


def content_of(state: DataState) -> VersionContent:
    """Return what a version of this state would hold."""
    return VersionContent("now", {row[0]: row[1] for row in state.content}, state.annotations)


def version_of_now(root: DataRoot, ref: DatasetRef, progress: Progress = SILENT) -> VersionContent:
    """Return what a version would hold that was taken now; recordings that are new are read for their hash."""
    return content_of(state_of_now(root, ref, progress))


def difference(before: VersionContent, after: VersionContent) -> VersionDifference:
    """Return what became different."""
    was, now = before.annotations, after.annotations
    told = sorted({*was.notes, *now.notes})

    def differing(of: Callable[[EpisodeNote], object]) -> tuple[str, ...]:
        return tuple(name for name in told if of(was.of(name)) != of(now.of(name)))

    turned = [name for name in told if _is_out(was, name) != _is_out(now, name)]
    settings = (was.dataset_settings.color_order, now.dataset_settings.color_order)
    return VersionDifference(
        # An episode that is or was excluded is not in the content; that its file is there is not known from it.
        new=_only(after.digests, before.digests, was),
        gone=_only(before.digests, after.digests, now),
        rewritten=tuple(
            sorted(name for name, digest in after.digests.items() if before.digests.get(name, digest) != digest)
        ),
        excluded=tuple(name for name in turned if _is_out(now, name)),
        included=tuple(name for name in turned if _is_out(was, name)),
        trimmed=differing(lambda note: note.trim),
        relabelled=differing(lambda note: note.instruction),
        said=differing(lambda note: (note.tags, note.note, note.rating)),
        color_order=() if settings[0] == settings[1] else tuple(order or "as the files tell" for order in settings),
    )


def restore(root: DataRoot, ref: DatasetRef, number: int) -> Annotations:
    """Make the curation what it was in a version, as one step that can be undone.

    Raises:
        UserInputError: There is no such version.
        MvlaError: Its file is damaged, or the stored annotations are.
    """
    wanted = load_version(root, ref, number).annotations
    return replace_all(root, ref, wanted, f"Go back to version v{number}")


def _is_out(annotations: Annotations, name: str) -> bool:
    return annotations.of(name).excluded_reason is not None


def _only(here: Mapping[str, str], there: Mapping[str, str], said: Annotations) -> tuple[str, ...]:
    return tuple(sorted(name for name in here if name not in there and not _is_out(said, name)))


_WORDS = (
    ("new", "new"),
    ("gone", "gone"),
    ("rewritten", "with other content in the file"),
    ("excluded", "more excluded"),
    ("included", "taken back in"),
    ("trimmed", "trimmed otherwise"),
    ("relabelled", "relabelled"),
    ("said", "with other tags, notes or ratings"),
)


def described(found: VersionDifference) -> str:
    """Say in one line what differs: "2 more excluded, 1 relabelled", or that nothing does."""
    parts = [f"{len(names):,} {words}" for kind, words in _WORDS if (names := getattr(found, kind))]
    if found.color_order:
        parts.append(f"colours {' to '.join(found.color_order)}")
    return ", ".join(parts) or "nothing differs"
