"""Features: small update/get statistics of one market, incremental, exact, and told the time.

`FeatureSet` keeps one market's features in a model's order; `ReferenceFeatures` keeps those of the
underlying's price, shared by the markets on it; `CATALOGUE` says what each one means, `definition_of` that
of any other instance of a family.
"""

from daemon.core.features.catalogue import CATALOGUE, definition_of, is_exact
from daemon.core.features.definition import FeatureDefinition
from daemon.core.features.feature_set import FeatureSet
from daemon.core.features.reference import ReferenceFeatures

__all__ = ["CATALOGUE", "FeatureDefinition", "FeatureSet", "ReferenceFeatures", "definition_of", "is_exact"]
