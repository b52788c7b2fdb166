"""REST under `/api/v1`: one module per resource. What they share stands in `boundary`, `authentication`, `views`."""
