"""Keeps a sender below its target's ceilings; see `run_record.governor`, which the recorder uses as well."""

from run_record.governor import Governor

__all__ = ["Governor"]
