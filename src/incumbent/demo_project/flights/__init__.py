"""Late flights: tables, features, model, serving."""
