"""What `warmstart serve` serves where no model is named."""

from warmstart.catalog.queries import EMBEDDED
from warmstart.cli.serve import embedded_models


def test_without_names_the_models_inside_the_package_are_served():
    folders = {path.parent.name for path in EMBEDDED.glob("*/warmstart.json")}
    assert folders
    assert set(embedded_models()) == folders
