"""MLflow's REST API over our runs, artifacts and registry."""
