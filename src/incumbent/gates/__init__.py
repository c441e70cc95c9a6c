"""Gates: rules judged on evidence, with three outcomes. A failed gate is a value."""
