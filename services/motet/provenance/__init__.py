"""A plan's story in the words of others: W3C PROV and OpenLineage. Pure: from the plan's records to a document."""

from motet.provenance import openlineage, prov
from motet.provenance.story import Story, story

__all__ = ["Story", "openlineage", "prov", "story"]
