"""Frames of augmented copies as JPEG, made one by one when the browser asks.

    GET /mvla/augmented/{dataset}/{episode_id}/{index}.jpg?recipe=NAME&copy=1&seed=0&w=640&v=...

Copy 0 is the episode itself, as training sees it: frames that a trim leaves out are not counted. The same guards hold as for
the plain frames. Nothing is kept on this side: a picture is made in some milliseconds, and with the `v` of `augmented_url`, which
names the file, its curation and what the recipe does, the browser may keep it for good.
"""

from __future__ import annotations

from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.answers import FOREVER, NEVER, answering, identifier, whole_number
from app.augmented import as_trained, drawn
from app.session import data_root
from mvla_core.datasets.augmentation.copies import augment_frame
from mvla_core.datasets.augmentation.recipe import MAX_COPIES, AugmentationRecipe
from mvla_core.datasets.augmentation.store import load_augmentation
from mvla_core.episodes.pictures import encode_jpeg
from mvla_core.episodes.reader import open_known
from mvla_core.errors import EpisodeError
from mvla_core.schema import EpisodeInfo

MAX_WIDTH_PX = 1920
MAX_SEED = 2**31 - 1


def augmented_url(info: EpisodeInfo, recipe: AugmentationRecipe, copy: int, seed: int) -> str:
    """Address of a copy's frames with `{index}` and `{width}` left open; it changes when the pictures would.

    Args:
        info: The episode as training sees it (`as_trained`).
        recipe: A stored recipe; the address holds its name.
        copy: 1 to `recipe.copies`; 0 for the episode itself.
        seed: Of the training.
    """
    query = urlencode({"recipe": recipe.name, "copy": copy, "seed": seed})
    return (
        f"/mvla/augmented/{quote(info.dataset, safe='')}/{quote(info.episode_id, safe='')}/{{index}}.jpg"
        f"?{query}&w={{width}}&v={_version(info, recipe)}"
    )


def _version(info: EpisodeInfo, recipe: AugmentationRecipe) -> str:
    first, last = info.trim or (0, info.num_frames - 1)
    return f"{info.file_mtime_ns}{info.color_order}{first}-{last}-{recipe.digest[:16]}"


@answering
def augmented_frame(request: Request) -> Response:
    """One frame of a copy. What cannot be shown, a damaged frame among it, is one sentence that the player puts in its place."""
    given = request.query_params
    width = whole_number(given.get("w", str(MAX_WIDTH_PX)), "width", 100_000)
    index = whole_number(request.path_params["index"], "frame", 10**9)
    copy = whole_number(given.get("copy", "1"), "copy", MAX_COPIES)
    seed = whole_number(given.get("seed", "0"), "seed", MAX_SEED)
    dataset = identifier(request.path_params["dataset"], "data set name")
    name = identifier(given.get("recipe", ""), "augmentation name")
    root = data_root()
    info = as_trained(root, dataset, request.path_params["episode_id"])
    if index >= info.num_frames:
        raise EpisodeError(
            "missing_key", f"The episode {info.episode_id} has {info.num_frames} frames; there is no frame {index}."
        )
    recipe = load_augmentation(root, name)
    with open_known(info) as reader:
        picture = (
            reader.frame(index) if copy == 0 else augment_frame(reader.frame, drawn(info, recipe, copy, seed), index)
        )
    fresh = given.get("v") == _version(info, recipe)
    return Response(
        encode_jpeg(picture, max(16, min(width, MAX_WIDTH_PX))),
        media_type="image/jpeg",
        headers={"Cache-Control": FOREVER if fresh else NEVER},
    )


AUGMENTED_ROUTES = [
    Route("/mvla/augmented/{dataset}/{episode_id}/{index}.jpg", augmented_frame, methods=["GET"]),
]
