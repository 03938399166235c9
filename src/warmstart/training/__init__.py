"""Everything that needs labelled data: features, picking a model, fine-tuning, reports."""
