"""What the pictures tell the collection plan."""

from __future__ import annotations

from mvla_core.audit.plan import PictureEvidence
from mvla_core.audit.result import AuditResult


def plan_evidence(result: AuditResult) -> PictureEvidence | None:
    """Return headroom and conflicts of an audit for `make_plan`; None where no picture has been looked at."""
    pictures = result.pictures
    if pictures is None or not pictures.looked_at:
        return None
    decided = pictures.vision is not None and pictures.vision.verdict in ("needed", "not_shown")
    return PictureEvidence(
        headroom=pictures.vision.headroom if decided and pictures.vision else None,
        conflicts={} if pictures.conflicts is None else dict(pictures.conflicts.torn_by_episode),
    )
